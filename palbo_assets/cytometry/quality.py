"""Whether an acquisition may be believed: viability, events, saturation, compensation, stability over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from palbo_assets.cytometry.flow_rate import FlowRate, flow_rate
from palbo_assets.cytometry.logicle import Logicle
from palbo_assets.cytometry.preparation import WHOLE_BLOOD
from palbo_assets.cytometry.settings import Settings
from palbo_assets.study.vocabulary import Qc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from palbo_assets.cytometry.fcs import Events
    from palbo_assets.cytometry.gating import Stained
    from palbo_assets.cytometry.selection import Members

_LOOKED_AT = 20_000  # events for the residual of compensation: medians of subsets within a few per cent
_SPILLS = 0.005  # share of a signal from which a neighbour sees it
_FAR = 4.0  # thresholds from which a signal is bright
_LINEAGES = ("T", "B", "NK", "monocytes", "granulocytes")
_STEADY = ("FSC-A", "SSC-A", "CD45")  # channels in which nearly every event is bright


def assess(
    events: Events, sample: Stained, gated: Members, settings: Settings, *, preparation: str = WHOLE_BLOOD
) -> dict[str, Any]:
    """Quality of one acquisition, and what it was acquired with.

    Parameters
    ----------
    gated
        Populations as `gating.gate` returns them; ``singlets``, ``live`` and ``CD45`` are looked at where they exist.

    Returns
    -------
    dict
        The columns of `facs_qc` but its keys; a number that can't be computed (no viability dye, no time channel) is
        None.
    """
    singlets, live, leukocytes = (gated.count(name) if name in gated else None for name in ("singlets", "live", "CD45"))
    viability = None
    if singlets and live is not None:
        viability = 100.0 * live / singlets
    margins = margin_percent(events)
    margin = max(margins.values(), default=0.0)
    flow = _flow(events, settings)
    residual = residual_spill(sample, settings.positive_at, settings.min_events, settings.residual_min_pct)
    drift, reset = time_drift(events, sample, settings.drift_bins)
    failing, warning = [], []
    if singlets == 0:
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
    if flow is not None and flow.unusual_time_pct > settings.max_unusual_time_pct:
        warning.append("flow_rate")
    if residual is not None and residual.percent > settings.max_residual_spill_pct:
        warning.append("residual_spill")
    if leukocytes is not None and leukocytes < settings.min_leukocytes:
        warning.append("few_leukocytes")
    granulocytes = gated.count("granulocytes") if "granulocytes" in gated else None
    share = None if granulocytes is None or not leukocytes else 100.0 * granulocytes / leukocytes
    if preparation == WHOLE_BLOOD and share is not None and share < settings.min_granulocytes_pct:
        warning.append("granulocytes_missing")  # mononuclear cells, delivered as whole blood?
    if leukocytes and leukocytes >= settings.min_control_events:
        largest = max((gated.count(name) or 0 for name in _LINEAGES if name in gated), default=0)
        if 100.0 * largest / leukocytes > settings.max_lineage_pct:
            warning.append("one_lineage_only")  # exported after gating?
    verdict = Qc.FAIL if failing else Qc.WARN if warning else Qc.PASS
    return {
        "events": events.count,
        "viability_pct": viability,
        "leukocytes": leukocytes,
        "margin_pct": margin,
        "margin_channels": _listed(margins, settings.max_margin_pct),
        "drift_pct": drift,
        "events_per_second": None if flow is None or not _in_seconds(events) else flow.median,
        "flow_rate_cv_pct": None if flow is None else flow.cv_pct,
        "unusual_flow_pct": None if flow is None else flow.unusual_time_pct,
        "flow_intervals": None if flow is None else _intervals(flow),
        "residual_spill_pct": None if residual is None else residual.percent,
        "residual_spill_pair": None if residual is None else f"{residual.source}>{residual.target}",
        "compensated": sample.compensated,
        "preparation": preparation,
        "instrument": events.instrument or None,
        "bead_lot": events.bead_lot or None,
        "voltages": _voltages(events),
        "verdict": str(verdict),
        "reasons": ";".join(failing + warning) or None,
    }


def margin_percent(events: Events) -> dict[str, float]:
    """Percentage of events at the top of the scale ($PnR) in each channel but time."""
    columns = [column for column, name in enumerate(events.channels) if not name.upper().startswith(("TIME", "HDR"))]
    tops = np.array([events.ranges[column] for column in columns])
    # A detector's last bin is $PnR - 1 for integers; floats come within a thousandth of it.
    limits = np.where(tops > 1, 0.999 * (tops - 1), np.inf)
    at_top = np.zeros(len(columns), dtype=np.int64)
    for _, values in events.data.blocks():
        at_top += np.count_nonzero(values[:, columns] >= limits, axis=0)
    return {events.channels[column]: 100.0 * int(n) / events.count for column, n in zip(columns, at_top, strict=True)}


@dataclass(frozen=True)
class Residual:
    """What a fluorochrome still shows in another channel after compensation, per cent of its own signal."""

    source: str
    target: str
    percent: float


def residual_spill(sample: Stained, positive_at: float, min_events: int, min_percent: float) -> Residual | None:
    """The largest spill that compensation left, or put in, between two of the sample's markers.

    Among the events without the target's marker, the median of the target in those bright in the source less that in
    those without it, over the bright ones' median signal. A sign is dropped: too little and too much compensation
    both count. Only where the matrix says that the source spills at all: elsewhere a shift is biology. Looked at in at
    most 20,000 events spread evenly over the file.

    Parameters
    ----------
    positive_at
        Logicle value (default parameters) from which an event is bright, and below which it lacks a marker [1].
    min_events, min_percent
        Fewest events on either side, as a number and in per cent of the events looked at. A handful of very bright
        events are doublets and debris, whose shift says nothing of the matrix.

    Returns
    -------
    Residual or None
        None for a file without compensation, or without such events.
    """
    if sample.compensation is None:
        return None
    threshold = float(Logicle().inverse(positive_at))
    some = np.linspace(0, sample.count - 1, min(sample.count, _LOOKED_AT)).astype(np.intp)
    fewest = max(min_events, len(some) * min_percent / 100)
    names = [marker for marker, column in sample.columns.items() if column in sample.compensation.columns]
    values = {marker: sample.of(marker, some) for marker in names}
    at = {marker: sample.compensation.columns.tolist().index(sample.columns[marker]) for marker in names}
    spill = np.linalg.inv(sample.compensation.inverse)
    worst: Residual | None = None
    for source in names:
        bright = values[source] >= _FAR * threshold  # spill of dim signals drowns in noise
        without = values[source] < threshold
        for target in names:
            lacking = values[target] < threshold
            first, second = lacking & bright, lacking & without
            if (
                target == source
                or abs(spill[at[source], at[target]]) < _SPILLS
                or min(np.count_nonzero(first), np.count_nonzero(second)) < fewest
            ):
                continue
            shift = float(np.median(values[target][first]) - np.median(values[target][second]))
            percent = 100.0 * abs(shift) / float(np.median(values[source][first]))
            if worst is None or percent > worst.percent:
                worst = Residual(source, target, percent)
    return worst


def _flow(events: Events, settings: Settings) -> FlowRate | None:
    if events.time_column is None:
        return None
    time = events.data.column(events.time_column)
    return flow_rate(time, max_mads=settings.max_rate_mads, min_change=settings.min_rate_change)


def _voltages(events: Events) -> str | None:
    """Those of the fluorescence detectors; None unless all are stated."""
    stated = {events.channels[column]: events.voltages[column] for column in events.fluorescence}
    if not stated or any(volts is None for volts in stated.values()):
        return None
    return ";".join(f"{name}:{volts:g}" for name, volts in stated.items())


def _in_seconds(events: Events) -> bool:
    column = events.time_column
    return column is not None and events.data.channels[column].step != 1


def _listed(margins: Mapping[str, float], limit: float) -> str | None:
    return ";".join(f"{name}:{percent:.1f}" for name, percent in margins.items() if percent > limit) or None


def _intervals(flow: FlowRate) -> str | None:
    return ";".join(f"{one.kind}:{one.start:.6g}-{one.stop:.6g}" for one in flow.intervals) or None


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
