"""Whether an acquisition may be believed: viability, events, saturation, stability over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from palbo_assets.cytometry.settings import Settings
from palbo_assets.study.vocabulary import Qc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from palbo_assets.cytometry.fcs import Events
    from palbo_assets.cytometry.gating import Stained

_STEADY = ("FSC-A", "SSC-A", "CD45")  # channels in which nearly every event is bright


def assess(
    events: Events, sample: Stained, gated: Mapping[str, NDArray[np.intp] | None], settings: Settings
) -> dict[str, Any]:
    """Quality of one acquisition.

    Parameters
    ----------
    gated
        Populations as `gating.gate` returns them; ``singlets``, ``live`` and ``CD45`` are looked at where they exist.

    Returns
    -------
    dict
        ``events``, ``viability_pct``, ``leukocytes``, ``margin_pct``, ``drift_pct``, ``compensated``, ``verdict`` and
        ``reasons``; a number that can't be computed (no viability dye, no time channel) is None.
    """
    singlets, live, leukocytes = (gated.get(name) for name in ("singlets", "live", "CD45"))
    viability = None
    if singlets is not None and live is not None and singlets.size:
        viability = 100.0 * live.size / singlets.size
    margin = margin_percent(events)
    drift, reset = time_drift(events, sample, settings.drift_bins)
    failing, warning = [], []
    if singlets is not None and singlets.size == 0:
        failing.append("no_single_cells")
    if viability is not None and viability < settings.lowest_viability_pct:
        failing.append("viability")
    elif viability is not None and viability < settings.min_viability_pct:
        warning.append("viability")
    if margin > settings.max_margin_pct:
        failing.append("margin_events")
    if reset:
        failing.append("time_reset")
    elif drift is not None and drift > settings.max_drift_pct:
        warning.append("time_drift")
    if leukocytes is not None and leukocytes.size < settings.min_leukocytes:
        warning.append("few_leukocytes")
    verdict = Qc.FAIL if failing else Qc.WARN if warning else Qc.PASS
    return {
        "events": events.count,
        "viability_pct": viability,
        "leukocytes": None if leukocytes is None else int(leukocytes.size),
        "margin_pct": margin,
        "drift_pct": drift,
        "compensated": sample.compensated,
        "verdict": str(verdict),
        "reasons": ";".join(failing + warning) or None,
    }


def margin_percent(events: Events) -> float:
    """Percentage of events at the top of the scale ($PnR) in the channel where they are most."""
    columns = [column for column, name in enumerate(events.channels) if not name.upper().startswith(("TIME", "HDR"))]
    tops = np.array([events.ranges[column] for column in columns])
    # A detector's last bin is $PnR - 1 for integers; floats come within a thousandth of it.
    limits = np.where(tops > 1, 0.999 * (tops - 1), np.inf)
    at_top = np.zeros(len(columns), dtype=np.int64)
    for _, values in events.data.blocks():
        at_top += np.count_nonzero(values[:, columns] >= limits, axis=0)
    return 100.0 * float(at_top.max()) / events.count if columns else 0.0


def time_drift(events: Events, sample: Stained, bins: int) -> tuple[float | None, bool]:
    """Drift over the acquisition and whether the clock was set back (two acquisitions in one file).

    The drift is the largest deviation (%) of a part's median from the median of all, over scatter and CD45; parts hold
    equally many events. None without a time channel or those channels.
    """
    column = events.time_column
    steady = [marker for marker in _STEADY if marker in sample.columns]
    if column is None or not steady or events.count < 10 * bins:
        return None, False
    time = events.data.column(column)
    reset = bool((np.diff(time) < -0.5 * (time.max() - time.min())).any()) if time.max() > time.min() else False
    order = np.argsort(time, kind="stable")
    worst = 0.0
    for marker in steady:
        values = sample.of(marker)[order]
        whole = float(np.median(values))
        if whole > 0:
            medians = [float(np.median(part)) for part in np.array_split(values, bins)]
            worst = max(worst, max(abs(median / whole - 1.0) for median in medians))
    return 100.0 * worst, reset
