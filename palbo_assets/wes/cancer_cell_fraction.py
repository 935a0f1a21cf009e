"""Cancer cell fraction: the share of tumour cells that carry a mutation, with its interval.

Among reads at the place, a share ``p m c / (p CN + 2 (1 - p))`` carries the mutation, for purity p, copies CN in every
tumour cell, m mutated copies and cell fraction c (McGranahan 2015; so in PyClone, Roth 2014, too). How many copies are
mutated isn't known, so the posterior sums over all multiplicities that the copies allow, each as likely,
under a flat prior of c. The interval is the shortest that holds the wanted mass: unlike equal tails it can reach 1.
Fractions of two samples are compared by these intervals, never by allele fractions, which move with purity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from palbo_assets.wes.changes import Change
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
    normal_cn: float = 2.0,
) -> CellFractions:
    """Posterior cell fraction of each mutation.

    Parameters
    ----------
    alt, depth
        Fragments with the mutation, and all, shape (n,).
    purity
        Share of tumour cells, 0..1; None makes all NOT_EVALUABLE.
    total_cn, minor_cn
        Copies per tumour cell, shape (n,), NaN where unknown. Without the lesser allele every multiplicity up to the
        total is possible; without the total nothing is assumed.
    settings
        Of it ``ccf_error_rate`` and ``ccf_mass``.

    Raises
    ------
    ValueError
        If alt isn't within 0..depth, or purity isn't within 0..1.
    """
    alternate, reads = np.atleast_1d(np.asarray(alt, float)), np.atleast_1d(np.asarray(depth, float))
    total = np.floor(np.broadcast_to(np.asarray(total_cn, float), reads.shape) + 0.5)
    minor = np.floor(np.broadcast_to(np.asarray(minor_cn, float), reads.shape) + 0.5)
    if np.any((alternate < 0) | (alternate > reads)):
        raise ValueError("fragments with the mutation are not within 0..depth")
    if purity is not None and not 0 < purity <= 1:
        raise ValueError("purity is a fraction above 0")
    reasons = tuple(_reason(purity, d, t) for d, t in zip(reads, total, strict=True))
    usable = np.array([not why for why in reasons])
    posterior = np.full((len(reads), _STEPS), np.nan)
    if usable.any() and purity is not None:
        most = np.where(np.isnan(minor), total, np.maximum(total - minor, minor))[usable]
        posterior[usable] = _posterior(
            alternate[usable], reads[usable], purity, total[usable], most, normal_cn, settings.ccf_error_rate
        )
    ccf, low, high = (np.full(len(reads), np.nan) for _ in range(3))
    if usable.any():
        low[usable], high[usable] = shortest_interval(posterior[usable], settings.ccf_mass)
        # The mode; with several multiplicities the highest peak may be a narrow one outside the shortest interval.
        inside = (grid() >= low[usable][:, None]) & (grid() <= high[usable][:, None])
        ccf[usable] = grid()[np.where(inside, posterior[usable], -1.0).argmax(axis=1)]
    return CellFractions(ccf, low, high, posterior, reasons)


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
    purity: float,
    total: NDArray[np.float64],
    most: NDArray[np.float64],
    normal_cn: float,
    error_rate: float,
) -> NDArray[np.float64]:
    """Normalised posterior on the grid, summed over 1..``most`` mutated copies."""
    share = purity / (purity * total + normal_cn * (1 - purity))
    log_sum = np.full((len(alt), _STEPS), -np.inf)
    for copies in range(1, int(most.max()) + 1):
        rows = most >= copies
        true_share = np.minimum(1.0, copies * share[rows, None] * grid())
        seen = true_share * (1 - error_rate) + (1 - true_share) * error_rate
        likelihood = alt[rows, None] * np.log(seen) + (depth - alt)[rows, None] * np.log1p(-seen)
        log_sum[rows] = np.logaddexp(log_sum[rows], likelihood)
    weights = np.exp(log_sum - log_sum.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)
