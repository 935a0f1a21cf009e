"""Change between two visits of a patient, and what makes two visits no fair comparison.

Percentages compare events of one tube with one another, so they stand whatever the detectors were set to. Intensities
don't: another cytometer, other voltages or an unknown setting make them incomparable. Mononuclear cells and whole blood
differ in what the leukocytes are. Under palbociclib leukocytes fall until days 15 to 21 of a cycle and come back in the
week off: draws at different days of the cycle differ by that alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from palbo_assets.cytometry.preparation import PBMC
from palbo_assets.cytometry.settings import Settings
from palbo_assets.study.vocabulary import OBSERVED, TIMEPOINTS, Absence, Modality

Row = Mapping[str, Any]
LEUKOCYTES = "CD45"
RATIO = "ratio"
UNITS: Mapping[str, str] = {"pct_parent": "%", "pct_cd45": "%", "abs_per_ul": "cells/uL", RATIO: "1"}
"""Unit of a measure; intensities are in channels."""

_ACQUISITION = ("instrument", "voltages", "bead_lot", "panel_lot", "preparation", "compensation")
_DETECTION = ("instrument", "voltages")  # what an intensity can't be compared across


@dataclass(frozen=True)
class Visit:
    """What one visit's tube gave: values (population or ratio, measure) -> (value, status, reason, events).

    ``events`` are those that the value's Poisson error comes from (two for a ratio). ``acquisition`` are the columns of
    `facs_qc`, ``gating`` the version that applied, ``day`` the days since the first dose, ``platform`` what absolute
    counts come from (single or dual).
    """

    timepoint: str
    values: Mapping[tuple[str, str], tuple[float | None, str, str | None, tuple[int, ...]]]
    parents: Mapping[str, str]
    acquisition: Mapping[str, Any] = field(default_factory=dict)
    gating: str = ""
    day: int | None = None
    platform: str | None = None


def cycle_day(day: int | None, length: int) -> int | None:
    """Day 1 to ``length`` of the cycle that a day since the first dose falls into; None until it, or unknown.

    Blood of day 0 is the baseline's, drawn before the first tablet, and belongs to no cycle. Cycles are
    counted from the first dose without pauses: a delayed cycle isn't known of here.
    """
    return None if day is None or day <= 0 else day % length + 1


def visit(
    timepoint: str,
    abundances: Sequence[Mapping[str, Any]],
    ratios: Sequence[Mapping[str, Any]],
    acquisition: Mapping[str, Any],
    day: int | None,
) -> Visit:
    """One visit from its rows of `facs_abundances`, `facs_ratios` and `facs_qc` (None for null)."""
    values: dict[tuple[str, str], tuple[float | None, str, str | None, tuple[int, ...]]] = {}
    counts = {row["population"]: row["count"] for row in abundances}
    for row in abundances:
        events = (int(row["count"]),) if row["count"] else ()
        for measure in ("pct_parent", "pct_cd45"):
            if measure == "pct_parent" or row[measure] is not None or row["status"] != OBSERVED:
                values[row["population"], measure] = (row[measure], row["status"], row["reason"], events)
        values[row["population"], "abs_per_ul"] = (row["abs_per_ul"], row["abs_status"], row["abs_reason"], events)
        for measure in sorted(name for name in row if name.startswith("mfi_") and row[name] is not None):
            values[row["population"], measure] = (row[measure], OBSERVED, None, ())
    for row in ratios:
        pair = tuple(int(counts.get(row[side]) or 0) for side in ("numerator", "denominator"))
        values[row["ratio"], RATIO] = (row["value"], row["status"], row["reason"], pair)
    parents = {row["population"]: row["parent"] for row in abundances}
    gating = next((row["gating_version"] or "" for row in abundances), "")
    platform = next((row["abs_method"] for row in abundances if row["abs_method"] is not None), None)
    return Visit(timepoint, values, parents, acquisition, gating, day, platform)


def visits_of(
    acquisitions: Sequence[Row], abundances: Sequence[Row], ratios: Sequence[Row], manifest: Sequence[Row]
) -> list[Visit]:
    """A patient's visits from rows of `facs_qc`, `facs_abundances`, `facs_ratios` and the sample manifest.

    Of several tubes of a visit the one of whole blood counts, else the first by specimen.
    """
    visits = []
    for timepoint in sorted({row["timepoint"] for row in acquisitions}):
        tubes = [row for row in acquisitions if row["timepoint"] == timepoint]
        tube = min(tubes, key=lambda row: (row["preparation"] == PBMC, row["specimen_id"]))
        specimen = tube["specimen_id"]
        counted, compared = (_of_specimen(rows, specimen) for rows in (abundances, ratios))
        visits.append(visit(timepoint, counted, compared, tube, day_of_draw(manifest, timepoint, specimen)))
    return visits


def _of_specimen(rows: Sequence[Row], specimen_id: str) -> list[Row]:
    return [row for row in rows if row["specimen_id"] == specimen_id]


def day_of_draw(manifest: Sequence[Row], timepoint: str, specimen_id: str) -> int | None:
    """Day of a specimen, or of the visit's only day for the assay where the laboratory names specimens by itself."""
    dated = [row for row in manifest if row["collected_day"] is not None]
    own = _of_specimen(dated, specimen_id) or [
        row for row in dated if row["timepoint"] == timepoint and row["modality"] == Modality.FACS
    ]
    days = {int(row["collected_day"]) for row in own}
    return days.pop() if len(days) == 1 else None


def changes(visits: Sequence[Visit], settings: Settings) -> list[dict[str, Any]]:
    """Rows of `facs_changes` without the patient: every measure of every pair of visits, in clinical order.

    A measure that neither visit assayed has no row. ``status`` is that of the visit that lacks the value, and
    ``NOT_EVALUABLE`` where both have it and they can't be compared: intensities across instruments or voltages
    (``detectors_differ``, ``detectors_unknown``), shares of the leukocytes across preparations
    (``preparations_differ``).
    """
    ordered = sorted(visits, key=lambda one: TIMEPOINTS.index(one.timepoint))
    rows = []
    for earlier, later in combinations(ordered, 2):
        flags = differences(earlier, later, settings)
        for what, measure in sorted(set(earlier.values) | set(later.values)):
            row = _change(what, measure, earlier, later, flags)
            if row is not None:
                other = measure == "abs_per_ul" and earlier.platform != later.platform
                rows.append(row | _pair(earlier, later, [*flags, "abs_method"] if other else flags, settings))
    return rows


def differences(earlier: Visit, later: Visit, settings: Settings) -> list[str]:
    """What differs between two visits, of those things that both state."""
    found = [
        name
        for name in _ACQUISITION
        if earlier.acquisition.get(name) and later.acquisition.get(name)
        if _unlike(name, str(earlier.acquisition[name]), str(later.acquisition[name]))
    ]
    if earlier.gating != later.gating:
        found.append("gating")
    days = [cycle_day(one.day, settings.cycle_days) for one in (earlier, later)]
    if days[0] is not None and days[1] is not None:
        apart = abs(days[0] - days[1])
        if min(apart, settings.cycle_days - apart) > settings.max_cycle_day_difference:
            found.append("cycle_day")
    return found


def _unlike(name: str, earlier: str, later: str) -> bool:
    if name != "voltages":
        return earlier != later
    # A detector that one of the tubes didn't use (counting beads) says nothing of the others.
    before, after = (dict(one.rsplit(":", 1) for one in said.split(";")) for said in (earlier, later))
    return any(before[detector] != after[detector] for detector in before.keys() & after.keys())


def _pair(earlier: Visit, later: Visit, flags: Sequence[str], settings: Settings) -> dict[str, Any]:
    return {
        "earlier": earlier.timepoint,
        "later": later.timepoint,
        "earlier_cycle_day": cycle_day(earlier.day, settings.cycle_days),
        "later_cycle_day": cycle_day(later.day, settings.cycle_days),
        "flags": ";".join(flags) or None,
    }


def _change(what: str, measure: str, earlier: Visit, later: Visit, flags: Sequence[str]) -> dict[str, Any] | None:
    absent = (None, str(Absence.NOT_ASSAYED), "not_measured", ())
    sides = [one.values.get((what, measure), absent) for one in (earlier, later)]
    if all(status == Absence.NOT_ASSAYED for _, status, _, _ in sides):
        return None
    row: dict[str, Any] = {
        "what": what,
        "measure": measure,
        "unit": UNITS.get(measure, "{channel}"),
        "earlier_value": sides[0][0],
        "later_value": sides[1][0],
        "difference": None,
        "log2_ratio": None,
        "log2_se": None,
        "status": OBSERVED,
        "reason": None,
    }
    for one, (value, status, reason, _) in zip((earlier, later), sides, strict=True):
        if value is None:
            return row | {"status": status, "reason": f"{one.timepoint}:{reason or 'not_measured'}"}
    unfair = _unfair(what, measure, earlier, later, flags)
    if unfair is not None:
        return row | {"status": str(Absence.NOT_EVALUABLE), "reason": unfair}
    before, after = (float(value) for value, _, _, _ in sides if value is not None)
    row["difference"] = after - before
    if before > 0 and after > 0:
        row["log2_ratio"] = math.log2(after / before)
        events = (*sides[0][3], *sides[1][3])
        if not measure.startswith("mfi_") and events and all(events):
            row["log2_se"] = math.sqrt(sum(1 / number for number in events)) / math.log(2)
    return row


def _unfair(what: str, measure: str, earlier: Visit, later: Visit, flags: Sequence[str]) -> str | None:
    """Why two values can't be compared; None where they can."""
    if measure.startswith("mfi_"):
        if any(flag in flags for flag in _DETECTION):
            return "detectors_differ"
        if not all(one.acquisition.get(name) for one in (earlier, later) for name in _DETECTION):
            return "detectors_unknown"
    of_leukocytes = measure == "pct_cd45" or (measure == "pct_parent" and earlier.parents.get(what) == LEUKOCYTES)
    if of_leukocytes and "preparation" in flags:
        return "preparations_differ"
    return None
