"""Cancer cell fraction: the share of tumour cells that carry a mutation, with its interval.

How many copies are mutated, and in which cells copies changed, isn't known, so the posterior sums over all genotypes
that the copies allow (`genotypes`) under a flat prior of the fraction, and over purity where the tool states an
interval of it. The interval is the shortest that holds the wanted mass: unlike equal tails it can reach 1. Fractions of
two samples are compared by their posteriors, never by allele fractions, which move with purity (McGranahan 2015).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from palbo_assets.wes.changes import Change
from palbo_assets.wes.genotypes import Copies, genotypes
from palbo_assets.wes.read_likelihood import ReadLikelihood
from palbo_assets.wes.settings import Settings

_STEPS = 500


@dataclass(frozen=True)
class CellFractions:
    """One value a mutation; NaN, and a reason that isn't "", where it can't be evaluated.

    ``posterior`` has a row a mutation and `grid` as columns; rows sum to 1.
    """

    ccf: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    posterior: NDArray[np.float64]
    reasons: tuple[str, ...]

    def clonal(self, at_least: float) -> list[bool | None]:
        """Whether the interval reaches ``at_least`` (``ccf_clonal``), None where not evaluable."""
        return [None if why else bool(high >= at_least) for high, why in zip(self.high, self.reasons, strict=True)]


def grid() -> NDArray[np.float64]:
    """Cell fractions at which posteriors are held: middles of `_STEPS` equal parts of 0..1."""
    return (np.arange(_STEPS) + 0.5) / _STEPS


def expected_vaf(ccf: float, purity: float, total_cn: float, multiplicity: float, normal_cn: float = 2.0) -> float:
    """Share of reads with the mutation, without base errors."""
    return purity * multiplicity * ccf / (purity * total_cn + normal_cn * (1 - purity))


def cell_fractions(
    alt: ArrayLike,
    depth: ArrayLike,
    purity: float | None,
    total_cn: ArrayLike,
    minor_cn: ArrayLike,
    *,
    settings: Settings,
    share: ArrayLike = np.nan,
    other_total: ArrayLike = np.nan,
    other_minor: ArrayLike = np.nan,
    purity_sd: float = 0.0,
) -> CellFractions:
    """Posterior cell fraction of each mutation on an autosome.

    Parameters
    ----------
    alt, depth
        Fragments with the mutation, and all, shape (n,).
    purity
        Share of tumour cells, 0..1; None makes all NOT_EVALUABLE.
    total_cn, minor_cn
        Copies per tumour cell, shape (n,), rounded here, NaN where unknown. Without the lesser allele every
        multiplicity up to the total is possible; without the total nothing is assumed.
    share
        Of the tumour cells that have these copies, shape (n,): 1 where all do, NaN where nobody says so.
    other_total, other_minor
        Copies of the other tumour cells where ``share`` is below 1.
    purity_sd
        Standard deviation of ``purity``, 0 to take it as it is.
    settings
        Of it ``ccf_error_rate`` and ``ccf_mass``.

    Raises
    ------
    ValueError
        If alt isn't within 0..depth, or purity isn't within 0..1.
    """
    alternate, reads = np.atleast_1d(np.asarray(alt, float)), np.atleast_1d(np.asarray(depth, float))
    described = (total_cn, minor_cn, share, other_total, other_minor)
    copies = Copies(*(np.broadcast_to(np.asarray(one, float), reads.shape) for one in described)).whole()
    if np.any((alternate < 0) | (alternate > reads)):
        raise ValueError("fragments with the mutation are not within 0..depth")
    if purity is not None and not 0 < purity <= 1:
        raise ValueError("purity is a fraction above 0")
    most = np.where(copies.share < 1, np.fmax(copies.total, copies.other_total), copies.total)
    reasons = tuple(_reason(purity, d, t) for d, t in zip(reads, most, strict=True))
    usable = np.array([not why for why in reasons])
    posterior = np.full((len(reads), _STEPS), np.nan)
    if usable.any() and purity is not None:
        posterior[usable] = _posterior(
            alternate[usable], reads[usable], purities(purity, purity_sd), copies.at(usable), settings.ccf_error_rate
        )
    ccf, low, high = (np.full(len(reads), np.nan) for _ in range(3))
    if usable.any():
        low[usable], high[usable] = shortest_interval(posterior[usable], settings.ccf_mass)
        # The mode; with several multiplicities the highest peak may be a narrow one outside the shortest interval.
        inside = (grid() >= low[usable][:, None]) & (grid() <= high[usable][:, None])
        ccf[usable] = grid()[np.where(inside, posterior[usable], -1.0).argmax(axis=1)]
    return CellFractions(ccf, low, high, posterior, reasons)


def purities(purity: float, sd: float) -> list[tuple[float, float]]:
    """(purity, probability) at even steps that stand for a normal distribution, out to 2.5 standard deviations ``sd``.

    A step beyond 0.02 or 1 stands at that end.
    """
    if sd <= 0:
        return [(purity, 1.0)]
    places = np.linspace(-2.5, 2.5, 21)
    weights = np.exp(-(places**2) / 2)
    return [
        (float(np.clip(purity + sd * place, 0.02, 1.0)), float(weight / weights.sum()))
        for place, weight in zip(places, weights, strict=True)
    ]


def shortest_interval(posterior: NDArray[np.float64], mass: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ends of the shortest interval of the grid with at least ``mass``, for each row of ``posterior``."""
    sums = np.concatenate([np.zeros((len(posterior), 1)), posterior.cumsum(axis=1)], axis=1)
    sums /= sums[:, -1:]
    steps = posterior.shape[1]
    low, high = np.empty(len(sums)), np.empty(len(sums))
    for row, cumulative in enumerate(sums):
        # For each start the first end that holds the mass; starts after which too little is left hold none.
        starts = np.flatnonzero(cumulative <= 1 - mass + 1e-12)
        ends = np.minimum(np.searchsorted(cumulative, cumulative[starts] + mass - 1e-12), steps)
        best = int(np.argmin(ends - starts))
        low[row], high[row] = starts[best] / steps, ends[best] / steps
    return low, high


@dataclass(frozen=True)
class Differences:
    """Fractions of a second sample minus those of a first, one value a mutation; NaN where either isn't known.

    ``higher``: probability that the second is larger. What isn't known of the genotype counts twice, as if the two
    samples' genotypes had nothing to do with one another, which makes intervals wide rather than narrow.
    """

    difference: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    higher: NDArray[np.float64]


def differences(before: CellFractions, after: CellFractions, *, mass: float) -> Differences:
    """The posterior difference's middle, its shortest interval with ``mass``, and how surely it is a rise."""
    n = len(before.ccf)
    found = np.full((4, n), np.nan)
    known = [at for at in range(n) if not before.reasons[at] and not after.reasons[at]]
    if known:
        spread = np.stack([np.convolve(after.posterior[at], before.posterior[at][::-1]) for at in known])
        spread = np.maximum(spread, 0.0) / spread.sum(axis=1, keepdims=True)
        # Differences are from -1 to 1 in parts as wide as the grid's, so one part of the scale is half of its unit.
        low, high = shortest_interval(spread, mass)
        middle = (spread.cumsum(axis=1) >= 0.5).argmax(axis=1) - (_STEPS - 1)
        ends = [2 * end - 1 for end in (low, high)]
        higher = spread[:, _STEPS:].sum(axis=1) + spread[:, _STEPS - 1] / 2
        found[:, known] = np.stack([np.clip(middle / _STEPS, *ends), *ends, higher])
    return Differences(*found)


def compare(before: CellFractions, after: CellFractions, *, ratio: float) -> list[Change]:
    """Change of each mutation between two samples, in the same order.

    A clone has changed where the intervals are apart and the fractions differ ``ratio``-fold (``ccf_change_ratio``).
    """
    changes = []
    for one in range(len(before.ccf)):
        if before.reasons[one] or after.reasons[one]:
            changes.append(Change.NOT_EVALUABLE)
        elif after.low[one] > before.high[one] and after.ccf[one] >= ratio * before.ccf[one]:
            changes.append(Change.EXPANDED)
        elif before.low[one] > after.high[one] and before.ccf[one] >= ratio * after.ccf[one]:
            changes.append(Change.CONTRACTED)
        else:
            changes.append(Change.NO_CHANGE_SHOWN)
    return changes


def _reason(purity: float | None, depth: float, total: float) -> str:
    if purity is None:
        return "NO_PURITY"
    if depth == 0:
        return "NO_DEPTH"
    if np.isnan(total):
        return "NO_COPY_NUMBER"
    return "NO_COPY_LEFT" if total < 1 else ""


def _posterior(
    alt: NDArray[np.float64],
    depth: NDArray[np.float64],
    purity: list[tuple[float, float]],
    copies: Copies,
    error_rate: float,
) -> NDArray[np.float64]:
    """Normalised posterior on the grid, summed over genotypes and purities."""
    possible = list(genotypes(copies, grid()))
    most = np.zeros(len(alt))
    for one in possible:
        reached = max(one.share_of_reads(value, error_rate).max() for value, _ in purity)
        most[one.rows] = np.maximum(most[one.rows], reached)
    likelihood = ReadLikelihood.of(alt, depth, most=most)
    weights = np.zeros((len(alt), _STEPS))
    for one in possible:
        for value, probability in purity:
            found = likelihood.at(one.rows, one.share_of_reads(value, error_rate))
            weights[one.rows] += found * (one.weight * probability)
    return weights / weights.sum(axis=1, keepdims=True)
