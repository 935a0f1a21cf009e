"""What may be compared between two visits, and what is told where it may not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest

from palbo_assets.cytometry.changes import Visit, changes, cycle_day, visit, visits_of
from palbo_assets.cytometry.preparation import PBMC, WHOLE_BLOOD, preparation_of
from palbo_assets.cytometry.ratios import ratios_of
from palbo_assets.cytometry.settings import Settings

SETTINGS = Settings()
ALIKE = {"instrument": "a1", "voltages": "B530-A:500", "bead_lot": "b1", "panel_lot": "p1", "preparation": WHOLE_BLOOD}


def abundance(population: str, parent: str, count: int, pct: float | None, **more: Any) -> dict[str, Any]:
    seen = {"status": "OBSERVED", "reason": None, "abs_status": "OBSERVED", "abs_reason": None, "abs_per_ul": 500.0}
    row = {"population": population, "parent": parent, "count": count, "pct_parent": pct, "pct_cd45": pct}
    return row | seen | {"abs_method": "dual", "mfi_pd1": 900.0, "gating_version": "3-abc"} | more


def at(timepoint: str, day: int | None = None, tregs: float = 6.0, gating: str = "3-abc", **acquired: Any) -> Visit:
    rows = [
        abundance("T", "CD45", 10_000, 22.0, gating_version=gating),
        abundance("Treg", "CD4", round(tregs * 100), tregs, gating_version=gating),
    ]
    return visit(timepoint, rows, [], ALIKE | acquired, day)


def told(earlier: Visit, later: Visit) -> Mapping[tuple[str, str], dict[str, Any]]:
    return {(row["what"], row["measure"]): row for row in changes([later, earlier], SETTINGS)}


def test_a_change_is_a_difference_and_a_ratio_with_the_error_of_its_counts() -> None:
    row = told(at("BL", 0), at("W06", 42, tregs=3.0))["Treg", "pct_parent"]
    assert (row["earlier"], row["later"]) == ("BL", "W06")
    assert row["difference"] == pytest.approx(-3.0) and row["log2_ratio"] == pytest.approx(-1.0)
    assert row["log2_se"] == pytest.approx(math.sqrt(1 / 600 + 1 / 300) / math.log(2))
    assert row["status"] == "OBSERVED" and row["flags"] is None


@pytest.mark.parametrize(("what", "other"), [("voltages", "B530-A:520"), ("instrument", "a2")])
def test_intensities_are_not_compared_across_settings_and_percentages_are(what: str, other: str) -> None:
    rows = told(at("BL"), at("W06", **{what: other}))
    assert rows["T", "mfi_pd1"]["status"] == "NOT_EVALUABLE" and rows["T", "mfi_pd1"]["reason"] == "detectors_differ"
    assert rows["T", "mfi_pd1"]["log2_ratio"] is None
    assert rows["T", "pct_parent"]["status"] == "OBSERVED"
    assert {row["flags"] for row in rows.values()} == {what}


def test_counts_by_beads_and_by_the_blood_count_are_flagged_and_percentages_are_not() -> None:
    beads = visit("W06", [abundance("T", "CD45", 10_000, 22.0, abs_method="single")], [], ALIKE, None)
    rows = told(at("BL"), beads)
    assert (rows["T", "abs_per_ul"]["flags"], rows["T", "abs_per_ul"]["status"]) == ("abs_method", "OBSERVED")
    assert rows["T", "pct_parent"]["flags"] is None


def test_a_detector_that_one_tube_did_not_use_makes_no_difference() -> None:
    rows = told(at("BL"), at("W06", voltages="B530-A:500;V900-A:400"))
    assert rows["T", "mfi_pd1"]["status"] == "OBSERVED" and rows["T", "mfi_pd1"]["flags"] is None


def test_intensities_are_not_compared_where_a_file_does_not_say_its_voltages() -> None:
    rows = told(at("BL"), at("W06", voltages=None))
    assert rows["T", "mfi_pd1"]["reason"] == "detectors_unknown" and rows["T", "mfi_pd1"]["flags"] is None


@pytest.mark.parametrize("what", ["bead_lot", "panel_lot", "compensation"])
def test_another_lot_is_flagged_and_still_compared(what: str) -> None:
    rows = told(at("BL", compensation="file"), at("W06", **({"compensation": "file"} | {what: "other"})))
    assert {row["flags"] for row in rows.values()} == {what}
    assert {row["status"] for row in rows.values()} == {"OBSERVED"}


def test_shares_of_the_leukocytes_are_not_compared_between_whole_blood_and_mononuclear_cells() -> None:
    rows = told(at("BL"), at("W06", preparation=PBMC))
    assert rows["T", "pct_parent"]["reason"] == rows["T", "pct_cd45"]["reason"] == "preparations_differ"
    assert rows["Treg", "pct_parent"]["status"] == "OBSERVED"


@pytest.mark.parametrize(
    ("days", "flags"),
    [((42, 84), "cycle_day"), ((42, 70), None), ((42, 45), None), ((1, 27), None), ((0, 42), None)],
)
def test_draws_at_other_days_of_the_cycle_are_flagged(days: tuple[int, int], flags: str | None) -> None:
    (row, *_) = changes([at("W06", days[0]), at("W12", days[1])], SETTINGS)
    assert row["flags"] == flags


def test_the_baseline_before_the_first_dose_has_no_day_of_the_cycle() -> None:
    assert [cycle_day(day, 28) for day in (-3, None, 0, 1, 42, 84)] == [None, None, None, 2, 15, 1]
    assert changes([at("BL", -3), at("W06", 42)], SETTINGS)[0]["flags"] is None


def test_a_value_that_one_visit_lacks_says_why_and_what_nobody_assayed_has_no_row() -> None:
    few = {"status": "NOT_EVALUABLE", "reason": "few_events", "mfi_pd1": None}
    later = visit("W06", [abundance("T", "CD45", 5, None, **few)], [], ALIKE, None)
    rows = told(at("BL"), later)
    assert (rows["T", "pct_parent"]["status"], rows["T", "pct_parent"]["reason"]) == (
        "NOT_EVALUABLE",
        "W06:few_events",
    )
    absent = {"status": "NOT_ASSAYED", "reason": "marker_not_in_panel", "abs_status": "NOT_ASSAYED"}
    nkt = abundance("NKT", "T", 0, None, **absent, abs_per_ul=None, mfi_pd1=None)
    pair = [visit(timepoint, [nkt], [], ALIKE, None) for timepoint in ("BL", "W06")]
    assert changes(pair, SETTINGS) == []


def test_one_visit_has_no_change_and_three_have_three_pairs() -> None:
    assert changes([at("BL")], SETTINGS) == []
    pairs = {(row["earlier"], row["later"]) for row in changes([at("W12"), at("BL"), at("W06")], SETTINGS)}
    assert pairs == {("BL", "W06"), ("BL", "W12"), ("W06", "W12")}


def test_a_ratio_is_that_of_its_counts_and_is_missing_with_either() -> None:
    rows = [
        {"population": "CD4", "count": 600, "status": "OBSERVED", "reason": None},
        {"population": "CD8", "count": 300, "status": "OBSERVED", "reason": None},
        {"population": "Treg", "count": 5, "status": "NOT_EVALUABLE", "reason": "few_events"},
    ]
    named = {"CD4_CD8": ("CD4", "CD8"), "CD8_Treg": ("CD8", "Treg"), "B_NK": ("B", "NK")}
    found = {row["ratio"]: row for row in ratios_of(rows, named)}
    assert found["CD4_CD8"]["value"] == 2.0
    assert found["CD4_CD8"]["cv_pct"] == pytest.approx(100 * math.sqrt(1 / 600 + 1 / 300))
    assert (found["CD8_Treg"]["status"], found["CD8_Treg"]["reason"]) == ("NOT_EVALUABLE", "Treg:few_events")
    assert found["CD8_Treg"]["value"] is None and found["B_NK"]["status"] == "NOT_ASSAYED"


@pytest.mark.parametrize(
    ("name", "preparation"),
    [("PBMC", PBMC), ("thawed pbmcs 2", PBMC), ("", WHOLE_BLOOD), ("Whole blood", WHOLE_BLOOD), ("PBMCX", WHOLE_BLOOD)],
)
def test_the_tube_is_what_the_manifest_says(name: str, preparation: str) -> None:
    assert preparation_of(name) == preparation


def test_of_several_tubes_of_a_visit_whole_blood_counts_and_its_day_is_the_specimens_or_the_visits() -> None:
    tubes = [
        {"timepoint": timepoint, "specimen_id": name, "preparation": preparation}
        for timepoint, name, preparation in (("BL", "a", PBMC), ("BL", "b", WHOLE_BLOOD), ("W06", "lab's", WHOLE_BLOOD))
    ]
    counted = [abundance("T", "CD45", 100 * at, 20.0, specimen_id=one["specimen_id"]) for at, one in enumerate(tubes)]
    drawn = {"modality": "facs", "timepoint": "W06", "specimen_id": "clinic's", "collected_day": 42}
    manifest = [
        {"modality": "facs", "timepoint": "BL", "specimen_id": "b", "collected_day": -3},
        {"modality": "facs", "timepoint": "BL", "specimen_id": "a", "collected_day": -9},
        drawn,
        drawn | {"modality": "wes", "collected_day": 40},
        drawn | {"collected_day": None},
    ]
    first, second = visits_of(tubes, counted, [], manifest)
    assert (first.acquisition["specimen_id"], first.day) == ("b", -3)
    assert first.values["T", "pct_parent"][3] == (100,)
    assert (second.acquisition["specimen_id"], second.day) == ("lab's", 42)
    two_days = [*manifest, drawn | {"collected_day": 44}]
    assert visits_of(tubes, counted, [], two_days)[1].day is None
