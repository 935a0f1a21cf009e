"""Where to cut a density: at its valley, or where the main peak's flank ends.

The two ways are those of openCyto (Finak et al. 2014, PLoS Comput Biol 10:e1003806): the lowest density between peaks
(*mindensity*) and the end of a peak's flank by the slope of the density (*tailgate*). Both work on counts over a fixed
grid of the transformed scale, so that samples of one batch are pooled by adding up their counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRID = np.linspace(-0.4, 1.02, 1421)
"""Edges of the bins, a thousandth of the transformed scale wide."""

_CENTRES = (GRID[:-1] + GRID[1:]) / 2
_WIDTH = float(GRID[1] - GRID[0])
_NARROWEST = 0.004  # bandwidth on the scale: about 4 % of intensity, less than any population spreads
_WINDOW = 2.0 * np.sqrt(np.pi)  # a Gaussian kernel's effective window in bandwidths


@dataclass(frozen=True)
class Found:
    """A bound on the scale. ``depth`` of a valley: 1 - its density over that of the lower peak beside it; else None."""

    bound: float
    depth: float | None = None


def counts_of(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Events in each bin; ``edges`` are `GRID` on the values' own (linear) scale. What lies beyond doesn't count."""
    at = np.searchsorted(edges, values, side="right")
    return np.bincount(at, minlength=edges.size + 1)[1 : edges.size].astype(np.int64)


def smoothed(counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], float]:
    """Expected events a bin by a Gaussian kernel, and its bandwidth on the scale.

    The bandwidth is the normal reference rule, 1.06 s n^-1/5 (Silverman 1986), with s from the shortest interval that
    holds half of the events: the spread of one population, not of several far apart.
    """
    from scipy.ndimage import gaussian_filter1d

    total = int(counts.sum())
    cumulated = np.concatenate([[0], np.cumsum(counts)])
    ends = np.searchsorted(cumulated, cumulated[:-1] + total / 2)
    lengths = np.where(ends < cumulated.size, ends - np.arange(ends.size), counts.size)
    spread = float(lengths.min()) * _WIDTH / 1.349
    bandwidth = max(_NARROWEST, 1.06 * spread * max(total, 1) ** -0.2)
    return gaussian_filter1d(counts.astype(np.float64), bandwidth / _WIDTH, mode="constant"), bandwidth


def valley(counts: NDArray[np.int64], lowest: float, highest: float, *, min_z: float, min_events: int) -> Found | None:
    """The deepest significant valley between two peaks within the limits; None where there is none.

    A peak counts when it stands out of the valleys beside it by ``min_z`` Poisson errors and holds ``min_events``
    events between them. The bound is the middle of the stretch that is as low as the lowest point within its error.
    """
    density, bandwidth = smoothed(counts)
    expected = density * _WINDOW * bandwidth / _WIDTH  # events that make up the density of a point
    peaks = _peaks(expected, counts, min_z, min_events)
    best: Found | None = None
    for left, right in pairwise(peaks):
        low = expected[left:right].min()
        stretch = left + np.flatnonzero(expected[left:right] <= low + np.sqrt(low) + 0.5)
        at = left + int(np.argmin(expected[left:right]))
        run = _run_with(stretch, at)
        bound = float(_CENTRES[run].mean())
        depth = 1.0 - float(low / min(expected[left], expected[right]))
        if lowest <= bound <= highest and (best is None or depth > (best.depth or 0.0)):
            best = Found(bound, depth)
    return best


def tail(counts: NDArray[np.int64], *, low: bool, tolerance: float) -> Found | None:
    """Where the flank of the highest peak ends: its slope has fallen to ``tolerance`` of the steepest.

    On the upper side, or with ``low`` on the lower one. For a normal peak and 1 % that is 3.5 standard deviations.
    """
    density, _ = smoothed(counts)
    if low:
        density = density[::-1]
    peak = int(np.argmax(density))
    fall = -np.diff(density)[peak:]
    if fall.size < 2 or fall.max() <= 0:
        return None
    steepest = int(np.argmax(fall))
    ended = np.flatnonzero(fall[steepest:] < tolerance * fall[steepest])
    if not ended.size:
        return None
    at = peak + steepest + int(ended[0])
    return Found(float(_CENTRES[_CENTRES.size - 1 - at if low else at]))


def _peaks(expected: NDArray[np.float64], counts: NDArray[np.int64], min_z: float, min_events: int) -> list[int]:
    """Positions of the peaks that stand out: the weakest is merged into its neighbour until all do."""
    inner = expected[1:-1]
    peaks = [int(at) + 1 for at in np.flatnonzero((inner > expected[:-2]) & (inner >= expected[2:]))]
    while len(peaks) > 1:
        saddles = [left + int(np.argmin(expected[left:right])) for left, right in pairwise(peaks)]
        borders = [0, *saddles, expected.size]
        weakest, where = np.inf, -1
        for index, peak in enumerate(peaks):
            beside = [expected[at] for at in (saddles[index - 1 : index] + saddles[index : index + 1])]
            rise = expected[peak] - max(beside)
            z = rise / np.sqrt(max(expected[peak] + max(beside), 1e-9))
            if counts[borders[index] : borders[index + 1]].sum() < min_events:
                z = -1.0
            if z < weakest:
                weakest, where = float(z), index
        if weakest >= min_z:
            break
        del peaks[where]
    return peaks


def _run_with(sorted_positions: NDArray[np.intp], at: int) -> NDArray[np.intp]:
    """The run of neighbouring positions that holds ``at``."""
    runs = np.split(sorted_positions, np.flatnonzero(np.diff(sorted_positions) != 1) + 1)
    return next(run for run in runs if run[0] <= at <= run[-1])
