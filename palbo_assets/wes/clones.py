"""Clones of a patient: mutations whose cell fractions move together through all of the patient's tumours.

A mixture over mutations: every mutation of a clone has the clone's cell fraction in each tumour, and its reads follow a
beta-binomial around the share of reads that this fraction gives. What isn't known of a mutation's genotype is summed
over as in PyClone (Roth 2014) and PyClone-VI (Gillis 2020): how many copies are mutated, and whether cells without the
mutation have the segment's copies too (the mutation came after) or normal ones (it came before, and only its cells
changed), so that subclonal copy number is met half-way. Fractions live on a grid, clones are fitted by expectation and
maximisation from several starts, and the Bayesian information criterion says how many there are (Schwarz 1978).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palbo_assets.wes.cancer_cell_fraction import shortest_interval
from palbo_assets.wes.settings import Settings

Array = NDArray[np.float64]
Places = NDArray[np.int64]
GRID: Array = np.linspace(0.0, 1.0, 101)
_ROUNDS = 200
_SETTLED = 1e-6  # change of the log likelihood per mutation at which a fit stands


@dataclass(frozen=True)
class Tumour:
    """One tumour's counts at the patient's mutations, in the same order as in the other tumours, shape (n,).

    ``total`` and ``minor`` are copies per tumour cell; ``minor`` is NaN where alleles aren't told apart.
    """

    alt: Array
    depth: Array
    total: Array
    minor: Array
    purity: float


@dataclass(frozen=True)
class Clones:
    """Clones by falling mean fraction.

    ``fraction``, ``low`` and ``high`` have shape (clones, tumours); ``membership`` (mutations, clones), rows sum to 1.
    ``criterion`` holds the information criterion of each number of clones that was tried, from one.
    """

    fraction: Array
    low: Array
    high: Array
    membership: Array
    criterion: tuple[float, ...]

    @property
    def assigned(self) -> Places:
        """Most probable clone of each mutation, 0-based."""
        return self.membership.argmax(axis=1)


def log_likelihood(tumour: Tumour, settings: Settings, normal_cn: float = 2.0) -> Array:
    """Log likelihood of each mutation's reads at each cell fraction of `GRID`, shape (n, grid).

    Copies are rounded to whole ones; each genotype that they allow is as likely as the next.
    """
    total = np.floor(tumour.total + 0.5)
    minor = np.floor(tumour.minor + 0.5)
    most = np.where(np.isnan(minor), total, np.maximum(total - minor, minor))
    if np.any(~(total >= 1)):
        raise ValueError("a mutation needs at least one copy in a tumour cell")
    summed = np.full((len(total), len(GRID)), -np.inf)
    genotypes = np.zeros(len(total))
    for others_changed in (True, False):
        for copies in range(1, int(most.max(initial=1)) + 1):
            # Where the segment has normal copies, both histories are the same.
            rows = (most >= copies) & (others_changed | (total != normal_cn))
            if not rows.any():
                continue
            of_others = total[rows, None] if others_changed else np.full((rows.sum(), 1), normal_cn)
            in_tumour = GRID * total[rows, None] + (1 - GRID) * of_others
            reads = tumour.purity * in_tumour + (1 - tumour.purity) * normal_cn
            share = np.minimum(1.0, tumour.purity * copies * GRID / reads)
            seen = share * (1 - settings.ccf_error_rate) + (1 - share) * settings.ccf_error_rate
            likelihood = _beta_binomial(
                tumour.alt[rows, None], tumour.depth[rows, None], seen, settings.clone_precision
            )
            summed[rows] = np.logaddexp(summed[rows], likelihood)
            genotypes[rows] += 1
    return summed - np.log(genotypes)[:, None]


def find_clones(tumours: list[Tumour], settings: Settings, seed: int) -> Clones:
    """Fit clones to the mutations of all tumours together.

    Raises
    ------
    ValueError
        Without tumours or mutations.
    """
    if not tumours or not len(tumours[0].alt):
        raise ValueError("clones need tumours and mutations")
    likelihood = np.stack([log_likelihood(one, settings) for one in tumours], axis=1)
    random = np.random.default_rng(seed)
    best: tuple[float, Places, Array] | None = None
    criteria: list[float] = []
    for number in range(1, min(settings.clone_max, len(likelihood)) + 1):
        fits = [_fit(likelihood, _start(likelihood, number, random)) for _ in range(settings.clone_starts)]
        score, places, weights = max(fits, key=lambda fit: fit[0])
        parameters = number * len(tumours) + number - 1
        criteria.append(parameters * np.log(len(likelihood)) - 2 * score)
        if best is None or criteria[-1] < best[0]:
            best = criteria[-1], places, weights
        elif number > int(np.argmin(criteria)) + 3:
            break  # two more clones didn't help, a further one won't
    assert best is not None
    membership, _ = _membership(likelihood, best[1], best[2])
    kept = np.flatnonzero(membership.sum(axis=0) > 0.5)
    membership = membership[:, kept] / membership[:, kept].sum(axis=1, keepdims=True)
    fraction = GRID[best[1][kept]]
    order = np.lexsort((*fraction.T[::-1], fraction.mean(axis=1)))[::-1]
    membership, fraction = membership[:, order], fraction[order]
    low, high = _intervals(likelihood, membership, settings)
    return Clones(fraction, np.minimum(low, fraction), np.maximum(high, fraction), membership, tuple(criteria))


def _beta_binomial(alt: Array, depth: Array, share: Array, precision: float) -> Array:
    """Log probability without the term that doesn't depend on ``share``."""
    from scipy.special import gammaln

    a, b = share * precision, (1 - share) * precision
    found: Array = (
        gammaln(alt + a) + gammaln(depth - alt + b) - gammaln(depth + precision)
        - gammaln(a) - gammaln(b) + gammaln(precision)
    )  # fmt: skip
    return found


def _start(likelihood: Array, number: int, random: np.random.Generator) -> Places:
    """Places on the grid (clones, tumours): mutations that the ones chosen before explain worst, by chance."""
    own = likelihood.argmax(axis=2)
    best = likelihood.max(axis=2).sum(axis=1)
    chosen = [int(random.integers(len(own)))]
    while len(chosen) < number:
        explained = _of_places(likelihood, own[chosen]).max(axis=1)
        unexplained = np.maximum(best - explained, 0) + 1e-9
        chosen.append(int(random.choice(len(own), p=unexplained / unexplained.sum())))
    return own[chosen]


def _of_places(likelihood: Array, places: Places) -> Array:
    """Log likelihood of each mutation in each clone, shape (mutations, clones)."""
    tumours = np.arange(likelihood.shape[1])
    return np.stack([likelihood[:, tumours, place].sum(axis=1) for place in places], axis=1)


def _membership(likelihood: Array, places: Places, weights: Array) -> tuple[Array, float]:
    joint = _of_places(likelihood, places) + np.log(np.maximum(weights, 1e-300))
    most = joint.max(axis=1, keepdims=True)
    shares = np.exp(joint - most)
    total = shares.sum(axis=1, keepdims=True)
    return shares / total, float((most + np.log(total)).sum())


def _fit(likelihood: Array, places: Places) -> tuple[float, Places, Array]:
    """(log likelihood, places, weights) where expectation and maximisation settle."""
    n, tumours, steps = likelihood.shape
    flat = likelihood.reshape(n, tumours * steps)
    weights = np.full(len(places), 1 / len(places))
    before = -np.inf
    for _ in range(_ROUNDS):
        membership, score = _membership(likelihood, places, weights)
        if score - before < _SETTLED * n:
            break
        before = score
        weights = membership.mean(axis=0)
        places = (membership.T @ flat).reshape(len(places), tumours, steps).argmax(axis=2)
    return score, places, weights


def _intervals(likelihood: Array, membership: Array, settings: Settings) -> tuple[Array, Array]:
    """Shortest interval of each clone's fraction in each tumour, from its mutations, under a flat prior."""
    clones, tumours = membership.shape[1], likelihood.shape[1]
    summed = (membership.T @ likelihood.reshape(len(likelihood), -1)).reshape(clones * tumours, -1)
    weights = np.exp(summed - summed.max(axis=1, keepdims=True))
    low, high = shortest_interval(weights / weights.sum(axis=1, keepdims=True), settings.ccf_mass)
    return low.reshape(clones, tumours), high.reshape(clones, tumours)
