"""A mutation's possible genotypes: how many copies carry it in the mean tumour cell, for each cell fraction.

Of all reads at a place a share ``p u / (p T + 2 (1 - p))`` carries the mutation, for purity p, T copies and u mutated
copies in the mean tumour cell. How u follows from the cell fraction c depends on what isn't known: on how many copies
the mutation sits, and, where copies were gained or lost in only a part of the tumour cells, which came first. Either
the mutation arose within one of the two populations (c is at most its share), or one population descends from the
mutated clone (c is at least its share), and then the change may have copied the mutation or not. Every history that a
fraction allows is as likely, and within it every genotype (two populations as in Battenberg, Nik-Zainal 2012; nested
histories as in PhyloWGS, Deshwar 2015, and PhylogicNDT, Leshchiner 2018).

Many tools round copies and don't say in how many cells they are. Then it is as likely that all tumour cells have them,
that only the mutated ones do and the others have normal copies (PyClone, Roth 2014), or that some part of the cells
does. Normal copies may hide a loss or gain in less than half of the cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Rows = NDArray[np.int64]
Kind = tuple[float, float]
"""Copies of a population of cells, and those of the lesser allele (NaN: alleles aren't told apart)."""
NORMAL: Kind = (2.0, 1.0)
# Summed over where nobody says how many cells have the copies.
_UNSAID_SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
_HIDDEN_KINDS: tuple[Kind, ...] = ((1.0, 0.0), (2.0, 0.0), (3.0, 1.0))
_HIDDEN_SHARES = (0.15, 0.35)


@dataclass(frozen=True)
class Copies:
    """Whole copies at n places, shape (n,).

    ``total`` and ``minor`` (NaN where alleles aren't told apart) are those of ``share`` of the tumour cells, the others
    have ``other_total`` and ``other_minor``. ``share`` is 1 where all cells are alike and NaN where nobody says so.
    """

    total: Array
    minor: Array
    share: Array
    other_total: Array
    other_minor: Array

    def whole(self) -> Copies:
        """Copies rounded to whole numbers."""
        total, minor, other_total, other_minor = (
            np.floor(one + 0.5) for one in (self.total, self.minor, self.other_total, self.other_minor)
        )
        return Copies(total, minor, self.share, other_total, other_minor)

    def at(self, rows: NDArray[np.bool_] | Rows) -> Copies:
        return Copies(
            self.total[rows], self.minor[rows], self.share[rows], self.other_total[rows], self.other_minor[rows]
        )


@dataclass(frozen=True)
class Genotype:
    """One history and genotype for some rows: copies of the mean tumour cell, and of them mutated, by cell fraction.

    Arrays but ``rows`` have a value for each fraction. ``weight`` is its prior probability, 0 where the fraction isn't
    possible; over all genotypes of a row they sum to 1 (0 where no history leads to the fraction). ``several``: the
    mutation sits on more than one copy of some cells; ``unsaid``: not all cells have the stated copies, though no tool
    says so.
    """

    rows: Rows
    weight: Array
    mutated: Array
    total: Array
    several: bool
    unsaid: bool

    def share_of_reads(self, purity: float, error_rate: float, normal_cn: float = NORMAL[0]) -> Array:
        """Share of reads that show the mutation, those that show it wrongly included."""
        share = np.clip(purity * self.mutated / (purity * self.total + normal_cn * (1 - purity)), 0.0, 1.0)
        return np.asarray(share * (1 - error_rate) + (1 - share) * error_rate)


def genotypes(copies: Copies, fractions: Array) -> Iterator[Genotype]:
    """Every history and genotype that the copies allow, at each cell fraction (0..1)."""
    columns = [copies.total, copies.minor, copies.share, copies.other_total, copies.other_minor]
    # Unknown is -1 here: no two NaN are equal, and every place would be a kind of its own.
    places = np.nan_to_num(np.stack(columns, axis=1), nan=-1.0)
    distinct, inverse = np.unique(places, axis=0, return_inverse=True)
    for number, found in enumerate(distinct):
        total, minor, share, other_total, other_minor = np.where(found < 0, np.nan, found).tolist()
        rows = np.flatnonzero(inverse.reshape(-1) == number)
        kind = (total, minor)
        if share >= 1:
            yield from _of_one_kind(rows, kind, 1.0, fractions)
        elif share < 1:
            yield from _of_two_kinds(rows, kind, (other_total, other_minor), share, 1.0, fractions)
        elif kind == NORMAL:
            yield from _of_one_kind(rows, kind, 1 / 2, fractions)
            each = 1 / 2 / len(_HIDDEN_KINDS) / len(_HIDDEN_SHARES)
            for hidden in _HIDDEN_KINDS:
                for part in _HIDDEN_SHARES:
                    yield from _of_two_kinds(rows, hidden, kind, part, each, fractions, unsaid=True)
        else:
            yield from _of_one_kind(rows, kind, 1 / 3, fractions)
            yield from _of_one_kind(rows, kind, 1 / 3, fractions, others=NORMAL[0])
            for part in _UNSAID_SHARES:
                yield from _of_two_kinds(rows, kind, NORMAL, part, 1 / 3 / len(_UNSAID_SHARES), fractions, unsaid=True)


def most_mutated(kind: Kind) -> int:
    """Most copies that can be mutated: those of the greater allele, or all where alleles aren't told apart."""
    total, minor = kind
    return int(total if np.isnan(minor) else max(total - minor, minor))


def _of_one_kind(
    rows: Rows, kind: Kind, prior: float, fractions: Array, others: float | None = None
) -> Iterator[Genotype]:
    """Cells without the mutation have the same copies, or ``others``."""
    most = most_mutated(kind)
    total = fractions * kind[0] + (1 - fractions) * (kind[0] if others is None else others)
    for number in range(1, most + 1):
        weight = np.full(len(fractions), prior / most)
        yield Genotype(rows, weight, number * fractions, total, number > 1, others is not None)


def _of_two_kinds(
    rows: Rows, first: Kind, second: Kind, share: float, prior: float, fractions: Array, *, unsaid: bool = False
) -> Iterator[Genotype]:
    total = np.full(len(fractions), share * first[0] + (1 - share) * second[0])
    histories: list[tuple[NDArray[np.bool_], list[tuple[Array, bool]]]] = []
    for kind, part in ((first, share), (second, 1 - share)):
        within = [(number * fractions, number > 1) for number in range(1, most_mutated(kind) + 1)]
        histories.append((fractions <= part, within))
    for kind, other, part in ((first, second, share), (second, first, 1 - share)):
        before = [
            (part * after + (fractions - part) * kept, max(after, kept) > 1) for kept, after in _copied(other, kind)
        ]
        histories.append((fractions >= part, before))
    possible = np.sum([inside & bool(found) for inside, found in histories], axis=0)
    for inside, found in histories:
        weight = prior * inside / np.maximum(possible, 1) / max(len(found), 1)
        for mutated, several in found:
            yield Genotype(rows, weight, mutated, total, several, unsaid)


def _copied(before: Kind, after: Kind) -> list[tuple[int, int]]:
    """(mutated copies before, after) a change of copies of either allele that leaves the mutation somewhere."""
    if np.isnan(before[1]) or np.isnan(after[1]):
        changes = {0, int(after[0] - before[0])}
    else:
        changes = {int(after[1] - before[1]), int(after[0] - after[1] - before[0] + before[1])}
    found = set()
    for kept in range(1, most_mutated(before) + 1):
        for change in changes:
            least, most = sorted((kept, kept + change))
            found |= {(kept, new) for new in range(max(least, 1), min(most, most_mutated(after)) + 1)}
    return sorted(found)
