"""Abundances of the populations: of the parent, of the leukocytes, and per microlitre of blood.

Percentages and absolute counts move differently under palbociclib, which lowers the leukocytes: both are reported.
Absolute counts are single platform where the tube held counted beads, else dual platform: the population's ratio to the
lymphocytes of the tube times the lymphocytes of the blood count. That ratio holds whether or not the granulocytes were
lost in preparation; a ratio to CD45+ wouldn't.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from palbo_assets.cytometry.settings import Settings
from palbo_assets.study.vocabulary import OBSERVED, Absence

if TYPE_CHECKING:
    from palbo_assets.cytometry.blood_counts import BloodCount
    from palbo_assets.cytometry.external_gating import GatedPopulation
    from palbo_assets.cytometry.gating import Stained
    from palbo_assets.cytometry.selection import Members
    from palbo_assets.cytometry.strategy import Strategy

LEUKOCYTES = "CD45"
ROOT = "root"


@dataclass(frozen=True)
class Counted:
    """A population's events; ``count`` None where the panel can't show it. ``medians`` are linear intensities.

    ``origins`` says where the bounds of its own gate come from (``CD25hi:valley;CD127:tail``).
    """

    name: str
    parent: str
    count: int | None
    medians: Mapping[str, float] = field(default_factory=dict)
    origins: str | None = None


def count_gated(
    sample: Stained,
    strategy: Strategy,
    gated: Members,
    origins: Mapping[str, str] | None = None,
) -> list[Counted]:
    """Counts and the median compensated intensity of the functional markers, for the room's own gating.

    ``origins`` of the cuts, as `facs_gates` states them; fixed where none is given.
    """
    found = [Counted(ROOT, "", sample.count)]
    shown = [marker for marker in strategy.functional if marker in sample.columns]
    medians: dict[str, dict[str, float]] = {population.name: {} for population in strategy.populations}
    for marker in shown:
        column = sample.of(marker)
        for population in strategy.populations:
            if gated.count(population.name):
                medians[population.name][marker] = float(np.median(column[gated[population.name]]))
    for population in strategy.populations:
        name, parent, number = population.name, population.parent, gated.count(population.name)
        if number is None:
            found.append(Counted(name, parent, None))
            continue
        told = ";".join(f"{side.cut}:{(origins or {}).get(side.cut, 'fixed')}" for side in population.sides)
        found.append(Counted(name, parent, number, medians[name], told or None))
    return found


def count_external(events: int, populations: Sequence[GatedPopulation]) -> list[Counted]:
    """Counts for a lab's own gating; its gates don't say which channel is which marker, so there are no medians."""
    found = [Counted(ROOT, "", events)]
    return found + [Counted(one.name, one.parent, int(np.count_nonzero(one.members))) for one in populations]


def abundances(
    counted: Sequence[Counted],
    lymphocytes: Sequence[str],
    blood_count: BloodCount | None,
    settings: Settings,
    *,
    failed: bool = False,
    beads: str | None = None,
    lost: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Rows of `facs_abundances` without their keys, one a population.

    Parameters
    ----------
    counted
        Every population and ``root``.
    lymphocytes
        Names of the populations that make up the lymphocytes.
    blood_count
        The count nearest to the draw; None when there is none.
    failed
        The acquisition failed quality: counts stay, nothing is derived from them.
    beads
        Population of counting beads; where it was counted and the blood count states the beads and the volume of blood
        of a tube, absolute counts are single platform: cells over beads x beads over volume (Brando 2000).
    lost
        Populations that the preparation has lost. Where any is named the tube holds mononuclear cells, of which an
        unknown share of the blood's was recovered, so that there are no absolute counts either.

    Returns
    -------
    list of dict
        ``status`` is ``NOT_EVALUABLE`` below ``min_events`` events (an abundance of few events is noise, and is not
        0) and for what is ``lost``, ``NOT_ASSAYED`` where the panel lacks a marker, ``QC_FAIL`` for a failed
        acquisition.
        ``abs_status`` adds the blood count: ``NOT_EVALUABLE`` without one within ``max_cbc_days``.
    """
    counts = {one.name: one.count for one in counted}
    members = [counts.get(name) for name in lymphocytes]
    bridge = None if any(count is None for count in members) else sum(count or 0 for count in members)
    per_event, no_absolute = _per_event(bridge, blood_count, settings)
    method = "dual"
    per_bead = _per_bead_event(counts.get(beads or ""), blood_count, settings)
    if per_bead is not None:
        per_event, no_absolute, method = per_bead, None, "single"
    if lost:
        per_event, no_absolute = None, "pbmc"
    rows = []
    for one in counted:
        if one.name == ROOT:
            continue
        parent_count = counts.get(one.parent)
        row: dict[str, Any] = {
            "population": one.name,
            "parent": one.parent,
            "count": one.count,
            "parent_count": parent_count,
            "pct_parent": None,
            "pct_cd45": None,
            "count_cv_pct": 100.0 / math.sqrt(one.count) if one.count else None,
            "abs_per_ul": None,
            "abs_method": None,
            "cbc_days": None if blood_count is None else blood_count.days,
            "bound_origins": one.origins,
            "reason": None,
            "abs_reason": None,
        }
        status, reason = _status(one, settings, failed, one.name in lost)
        if one.count is None or status != OBSERVED:
            rows.append(row | {"status": status, "reason": reason, "abs_status": status, "abs_reason": reason})
            continue
        leukocytes = counts.get(LEUKOCYTES)
        row["pct_parent"] = 100.0 * one.count / parent_count if parent_count else None
        if leukocytes and _within(one, counted):
            row["pct_cd45"] = 100.0 * one.count / leukocytes
        for marker, median in one.medians.items():
            row[f"mfi_{column_of(marker)}"] = median
        row |= {"status": status, "abs_status": OBSERVED}
        if not _within(one, counted):
            row |= {"abs_status": str(Absence.NOT_ASSAYED), "abs_reason": "not_leukocytes"}
        elif per_event is None:
            row |= {"abs_status": str(Absence.NOT_EVALUABLE), "abs_reason": no_absolute}
        else:
            row |= {"abs_per_ul": one.count * per_event, "abs_method": method}
        rows.append(row)
    return rows


def column_of(marker: str) -> str:
    """``PD-1`` -> ``pd1``."""
    return "".join(character for character in marker.lower() if character.isalnum())


def _status(one: Counted, settings: Settings, failed: bool, lost: bool) -> tuple[str, str | None]:
    if one.count is None:
        return str(Absence.NOT_ASSAYED), "marker_not_in_panel"
    if failed:
        return str(Absence.QC_FAIL), "acquisition_failed"
    if lost:
        return str(Absence.NOT_EVALUABLE), "lost_in_preparation"
    if one.count < settings.min_events:
        return str(Absence.NOT_EVALUABLE), "few_events"
    return OBSERVED, None


def _per_event(
    bridge: int | None, blood_count: BloodCount | None, settings: Settings
) -> tuple[float | None, str | None]:
    """Cells per microlitre that one event stands for, or why that isn't known."""
    if blood_count is None or blood_count.lymphocytes_per_ul is None:
        return None, "no_blood_count"
    if abs(blood_count.days) > settings.max_cbc_days:
        return None, "blood_count_too_far"
    if bridge is None or bridge < settings.min_events:
        return None, "no_lymphocytes_gated"
    return blood_count.lymphocytes_per_ul / bridge, None


def _per_bead_event(beads: int | None, blood_count: BloodCount | None, settings: Settings) -> float | None:
    """Cells per microlitre that one event stands for by the tube's beads; None where they weren't counted."""
    if beads is None or beads < settings.min_beads or blood_count is None:
        return None
    if blood_count.beads_per_tube is None or blood_count.blood_ul is None:
        return None
    return blood_count.beads_per_tube / blood_count.blood_ul / beads


def _within(one: Counted, counted: Sequence[Counted]) -> bool:
    """Whether the population is the leukocytes or lies within them."""
    parents = {other.name: other.parent for other in counted}
    name = one.name
    while name in parents:
        if name == LEUKOCYTES:
            return True
        name = parents[name]
    return False
