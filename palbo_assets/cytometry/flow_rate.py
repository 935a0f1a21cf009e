"""The flow of events over an acquisition: gaps, clogs and bursts.

Events are counted in equal stretches of time. A stretch is an outlier when its count lies further from the median than
so many median absolute deviations (PeacoQC's rule, Emmaneel et al. 2022, Cytometry A 101:325, applied to what flowAI
looks at first, Monaco et al. 2016, Bioinformatics 32:2473), never less than Poisson noise allows, and by so much of
the median that it matters. Outliers are told, and nobody's events are removed: a clog changes who was counted when,
and what fluorescence it changed is seen as drift.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EVENTS_A_STRETCH = 500
_FEWEST, _MOST = 20, 200  # stretches of an acquisition
_NORMAL = 1.4826  # median absolute deviation to standard deviation


@dataclass(frozen=True)
class Interval:
    """A stretch of time of unusual flow, in the clock's unit; ``kind`` is gap (no events), clog or burst."""

    start: float
    stop: float
    kind: str
    events: int


@dataclass(frozen=True)
class FlowRate:
    """``median`` is events a unit of the clock, ``cv_pct`` the robust spread of the rate [% of the median]."""

    median: float
    cv_pct: float
    intervals: tuple[Interval, ...]
    events: int
    duration: float

    @property
    def unusual_time_pct(self) -> float:
        """Share of the time within intervals [%]."""
        return 100.0 * sum(one.stop - one.start for one in self.intervals) / self.duration


def flow_rate(time: NDArray[np.float64], *, max_mads: float, min_change: float) -> FlowRate | None:
    """Rate of events and where it is unusual.

    Parameters
    ----------
    time
        Of each event, in any unit and order.
    max_mads
        Median absolute deviations (as standard deviations) beyond which a stretch is an outlier.
    min_change
        Factor by which an outlier's rate is at least higher, or lower, than the median.

    Returns
    -------
    FlowRate or None
        None without a running clock, or with too few events to tell (twenty stretches of 500 events).
    """
    if time.size < _FEWEST * _EVENTS_A_STRETCH:
        return None
    begin, end = float(time.min()), float(time.max())
    ticks = np.unique(time)
    if ticks.size < 2 * _FEWEST:
        return None
    tick = float(np.diff(ticks).min())
    stretches = min(time.size // _EVENTS_A_STRETCH, _MOST)
    width = (end - begin) / stretches
    if tick > width / 20:  # a coarse clock: whole ticks, or stretches would hold now more of them, now fewer
        width = max(round(width / tick), 1) * tick
    stretches = int((end - begin) / width)  # what is left over at the end is no whole stretch
    counts = np.bincount(((time - begin) / width).astype(np.intp), minlength=stretches)[:stretches]
    median = float(np.median(counts))
    if stretches < _FEWEST or median <= 0:
        return None
    spread = max(_NORMAL * float(np.median(np.abs(counts - median))), np.sqrt(median))
    far = np.abs(counts - median) > max_mads * spread
    kinds = np.where(far & (counts * min_change < median), "clog", "")
    kinds = np.where(far & (counts > median * min_change), "burst", kinds)
    kinds = np.where((kinds == "clog") & (counts == 0), "gap", kinds)
    intervals = []
    for run in np.split(np.arange(stretches), np.flatnonzero(kinds[1:] != kinds[:-1]) + 1):
        if kinds[run[0]]:
            start, stop = begin + run[0] * width, begin + (run[-1] + 1) * width
            intervals.append(Interval(float(start), float(stop), str(kinds[run[0]]), int(counts[run].sum())))
    return FlowRate(
        median / width, 100.0 * float(spread) / median, tuple(intervals), int(counts.sum()), stretches * width
    )
