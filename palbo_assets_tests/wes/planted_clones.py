"""Tumours with known clones, as counts: mutations before, after and beside gains and losses of copies."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from palbo_assets.wes.clones import Tumour
from palbo_assets.wes.genotypes import Copies

ERROR = 0.001
# Copies and those of the lesser allele; all but the first are gains, losses and lost heterozygosity.
ALTERED = ((1, 0), (2, 0), (3, 1), (4, 2), (4, 1), (3, 0))


class Reported(StrEnum):
    """What a tool says of copies that only some cells have."""

    SHARE = "their share of cells, off by a standard deviation of 0.05"
    COPIES = "the altered copies, not in how many cells"
    ROUNDED = "the mean of all cells, rounded"


@dataclass(frozen=True)
class SubclonalCopies:
    """Mutations where ``share`` of the tumour cells have altered copies and the others normal ones."""

    ccf: np.ndarray
    alt: np.ndarray
    depth: np.ndarray
    total: np.ndarray
    minor: np.ndarray
    share: np.ndarray

    def reported(self, how: Reported, random: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Total, lesser allele, share, and both of the other cells."""
        nothing = np.full(len(self.ccf), np.nan)
        if how is Reported.COPIES:
            return self.total, self.minor, nothing, nothing, nothing
        if how is Reported.ROUNDED:
            total = np.floor(self.share * self.total + (1 - self.share) * 2 + 0.5)
            minor = np.floor(self.share * self.minor + (1 - self.share) + 0.5)
            return total, np.minimum(minor, total // 2), nothing, nothing, nothing
        stated = np.clip(self.share + random.normal(0, 0.05, len(self.share)), 0.02, 0.98)
        return self.total, self.minor, stated, np.full_like(nothing, 2), np.full_like(nothing, 1)


def subclonal_copies(n: int, random: np.random.Generator, purity: float) -> SubclonalCopies:
    """``n`` mutations at 60x to 300x; cells, and which came first, as a tree of clones allows."""
    share = random.uniform(0.15, 0.85, n)
    total, minor = np.array(ALTERED)[random.integers(len(ALTERED), size=n)].T
    ccf, mutated = np.empty(n), np.empty(n)
    for at in range(n):
        fraction, part = random.uniform(0.02, 1), share[at]
        places = [name for name, fits in (("in", fraction <= part), ("out", fraction <= 1 - part),
                                          ("before", fraction >= part)) if fits]  # fmt: skip
        if random.choice(places) == "before":
            copied = random.choice([minor[at], total[at] - minor[at]])
            # Where the mutated copy is the lost one, only cells without the loss still have the mutation.
            ccf[at] = fraction if copied else max(fraction - part, 1e-3)
            mutated[at] = part * copied + fraction - part
        else:
            ccf[at] = mutated[at] = fraction
    depth = random.integers(60, 300, n)
    alt = random.binomial(depth, seen(purity, mutated, share * total + (1 - share) * 2))
    return SubclonalCopies(ccf, alt, depth, total.astype(float), minor.astype(float), share)


def seen(purity: float, mutated: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Share of reads that show the mutation."""
    share = np.clip(purity * mutated / (purity * total + 2 * (1 - purity)), 0, 1)
    return np.asarray(share * (1 - ERROR) + (1 - share) * ERROR)


@dataclass(frozen=True)
class PlantedPair:
    """Two tumours, the clone of each mutation, and each clone's share of tumour cells in both."""

    tumours: list[Tumour]
    clone: np.ndarray
    fraction: np.ndarray


def pair(
    random: np.random.Generator,
    clones: int,
    mutations: int,
    depth: float,
    *,
    purity_sd: float,
    stated: bool = True,
    part: Reported | None = None,
    spread: float | None = None,
) -> PlantedPair:
    """A trunk and clones at least 0.2 apart in one of the tumours; half of the trunk's mutations came before gains.

    ``purity_sd``: by how much stated purities are off, and are said to be. ``stated``: the tool says that all cells
    have the copies. ``part``: at every third mutation 15 to 85 % of the cells have altered copies and the others normal
    ones, a share of its own in each tumour, and the tool reports that so. ``spread``: precision of a beta distribution
    by which reads vary beyond chance.
    """
    while True:
        steps = np.array([0, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85])
        fraction = np.vstack([[1.0, 1.0], random.choice(steps, (clones - 1, 2))])
        apart = np.abs(fraction[:, None] - fraction[None]).max(axis=2)[np.triu_indices(clones, 1)]
        if apart.min() >= 0.2 and fraction.max(axis=1).min() >= 0.25:
            break
    clone = random.choice(clones, mutations, p=random.dirichlet(np.full(clones, 4.0)))
    for number in range(clones):
        if (clone == number).sum() < 4:
            clone[random.choice(mutations, 4, replace=False)] = number
    kinds = ((2, 1),) * 10 + ((3, 1),) * 3 + ((1, 0),) * 3 + ((2, 0),) * 2 + ((4, 2),) * 2 + ((4, 1),)
    total, minor = np.array(kinds, float)[random.integers(len(kinds), size=mutations)].T
    early = (clone == 0) & (random.random(mutations) < 0.5)
    copied = np.where(random.random(mutations) < 0.5, total - minor, np.maximum(minor, 1))
    copies = np.where(early, copied, 1.0)
    nothing = np.full(mutations, np.nan)
    altered = np.arange(mutations) % 3 == 0
    tumours = []
    for at in range(2):
        purity = random.uniform(0.3, 0.9)
        depths = np.maximum(random.poisson(depth, mutations), 5)
        known = Copies(total, minor, np.full(mutations, 1.0 if stated else np.nan), nothing, nothing)
        mutated, mean = copies * fraction[clone, at], total
        if part is not None:
            known, mutated, mean = _in_part_of_cells(random, altered, known, fraction[clone, at], mutated, part)
        share = seen(purity, mutated, mean)
        if spread:
            share = random.beta(share * spread, (1 - share) * spread)
        told = float(np.clip(purity + random.normal(0, purity_sd), 0.15, 1.0))
        alt = random.binomial(depths, share).astype(float)
        tumours.append(Tumour(alt, depths.astype(float), known, told, purity_sd))
    return PlantedPair(tumours, clone, fraction)


def _in_part_of_cells(
    random: np.random.Generator,
    altered: np.ndarray,
    known: Copies,
    ccf: np.ndarray,
    mutated: np.ndarray,
    how: Reported,
) -> tuple[Copies, np.ndarray, np.ndarray]:
    """What a tool tells of one tumour, and mutated copies and all copies of its mean cell, with ``altered`` places."""
    n = int(altered.sum())
    share, cells = random.uniform(0.15, 0.85, n), ccf[altered]
    total, minor = np.array(ALTERED, float)[random.integers(len(ALTERED), size=n)].T
    own = np.empty(n)
    for at in range(n):
        histories = [cells[at]] * (int(cells[at] <= share[at]) + int(cells[at] <= 1 - share[at]))
        if cells[at] >= share[at]:  # first the mutation, on either allele that the altered cells still have
            after = random.choice([one for one in (minor[at], total[at] - minor[at]) if one])
            histories.append(share[at] * after + cells[at] - share[at])
        own[at] = random.choice(histories)
    nothing = np.full(n, np.nan)
    places = SubclonalCopies(cells, nothing, nothing, total, minor, share)
    columns = [one.copy() for one in (known.total, known.minor, known.share, known.other_total, known.other_minor)]
    for column, told in zip(columns, places.reported(how, random), strict=True):
        column[altered] = told
    mutated, mean = mutated.copy(), known.total.copy()
    mutated[altered], mean[altered] = own, share * total + (1 - share) * 2
    return Copies(*columns), mutated, mean
