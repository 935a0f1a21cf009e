"""The manifest: planned specimens, taken specimens, and a reason for every one that isn't there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from palbo_assets.clinical.records import PatientRecord
from palbo_assets.clinical.sample_manifest import failure_reason, manifest_rows
from palbo_assets.clinical.settings import Settings
from palbo_assets.study.protocol import load_protocol

Make = Callable[..., PatientRecord]
PROTOCOL, SETTINGS = load_protocol(), Settings()


def rows(patient: PatientRecord, pd_day: int | None = None) -> list[dict[str, Any]]:
    return manifest_rows(patient, pd_day, PROTOCOL, SETTINGS)


def cell(found: list[dict[str, Any]], timepoint: str, modality: str) -> dict[str, Any]:
    chosen = [row for row in found if (row["timepoint"], row["modality"]) == (timepoint, modality)]
    assert len(chosen) == 1
    return chosen[0]


def test_biopsy_serves_every_modality_that_is_planned_on_it(record: Make) -> None:
    patient = record(specimens=[{"type": "TUMOR_FF", "collect_datetime": -10, "specimen_label": "A"}])
    found = rows(patient)
    assert {row["modality"] for row in found if row["specimen_id"] == "A"} == {"wes", "rnaseq"}
    assert cell(found, "BL", "he_slide")["status"] == "EXPECTED"


def test_timepoint_follows_from_the_day_and_a_contradicting_label_is_asked_about(record: Make) -> None:
    patient = record(
        cohorts=("TIL",),
        specimens=[{"type": "WHOLE_BLOOD", "collect_datetime": 84, "specimen_timepoint": "C2D15"}],
    )
    found = cell(rows(patient), "W12", "facs")
    assert (found["status"], found["collected_day"], found["timepoint_source"]) == ("COLLECTED", 84, "day")
    assert (found["label_timepoint"], found["queries"]) == ("W06", "W_TIMEPOINT_CONTRADICTS")
    assert "W_TIMEPOINT_CONTRADICTS" in {query.code for query in patient.queries}


def test_label_stands_in_where_there_is_no_day(record: Make) -> None:
    patient = record(cohorts=("TIL",), specimens=[{"type": "WHOLE_BLOOD", "specimen_timepoint": "6W"}])
    found = cell(rows(patient), "W06", "facs")
    assert (found["timepoint_source"], found["queries"]) == ("label", "W_NO_COLLECTION_DAY")


def test_old_tissue_is_no_baseline(record: Make) -> None:
    found = rows(record(specimens=[{"type": "TUMOR_FF", "collect_datetime": -57, "specimen_label": "A"}]))
    assert {row["timepoint"] for row in found if row["specimen_id"] == "A"} == {"UNSCHED"}
    assert cell(found, "BL", "rnaseq")["status"] == "EXPECTED"


def test_biopsy_after_the_next_line_is_not_the_pair_s(record: Make) -> None:
    patient = record({"next_line_start": 310}, specimens=[{"type": "TUMOR_FF", "collect_datetime": 315,
                                                           "specimen_label": "A"}])  # fmt: skip
    found = rows(patient, pd_day=300)
    assert {(row["timepoint"], row["expected"]) for row in found if row["specimen_id"] == "A"} == {("PD_LATE", False)}
    assert cell(found, "PD", "wes")["status"] == "EXPECTED"


def test_failed_biopsy_is_not_collected_with_the_study_s_word_for_the_reason(record: Make) -> None:
    patient = record(
        specimens=[{"type": "TUMOR_FFPE", "collect_datetime": 305, "biopsy_failed_reason": "Mrs K. refused"}]
    )
    found = cell(rows(patient, pd_day=300), "PD", "he_slide")
    assert (found["status"], found["reason"]) == ("NOT_COLLECTED", "patient declined")


@pytest.mark.parametrize("text", ["insufficient material", "only necrosis", "platelets low", "see letter of Dr. L."])
def test_free_text_of_a_site_never_leaves_the_room(text: str) -> None:
    assert text not in failure_reason(text)


def test_progression_is_not_due_before_it_is_documented_and_impossible_after_death(record: Make) -> None:
    waiting = cell(rows(record()), "PD", "ctdna")
    assert (waiting["status"], waiting["reason"]) == ("NOT_YET_DUE", "no progression documented")
    died = cell(rows(record({"death_date": 200})), "PD", "ctdna")
    assert (died["status"], died["reason"]) == ("NOT_COLLECTED", "died before progression was documented")


def test_window_that_is_still_open_is_not_missed(record: Make) -> None:
    patient = record(cohorts=("TIL",), data_cut_day=45)
    assert cell(rows(patient), "W06", "facs")["status"] == "NOT_YET_DUE"
    assert cell(rows(patient), "BL", "facs")["status"] == "EXPECTED"


def test_withdrawn_patient_keeps_planned_rows_alone_all_withdrawn(record: Make) -> None:
    patient = record(
        {"withdrawal_given": True, "withdrawal_scope": "destroy_samples"},
        specimens=[{"type": "TUMOR_FF", "collect_datetime": -10, "specimen_label": "A"}],
    )
    found = rows(patient)
    assert {row["status"] for row in found} == {"WITHDRAWN"}
    assert "A" not in {row["specimen_id"] for row in found}


def test_plasma_that_waited_too_long_is_asked_about(record: Make) -> None:
    slow = {"type": "PLASMA", "collect_datetime": -1, "processing_hours": 6.5}
    assert cell(rows(record(specimens=[slow])), "BL", "ctdna")["queries"] == "W_SLOW_PROCESSING"
    quick = {**slow, "processing_hours": 5.5}
    assert cell(rows(record(specimens=[quick])), "BL", "ctdna")["queries"] is None


def test_specimen_before_consent_is_asked_about(record: Make) -> None:
    patient = record({"consent_date": -5}, specimens=[{"type": "PLASMA", "collect_datetime": -6}])
    assert cell(rows(patient), "BL", "ctdna")["queries"] == "W_BEFORE_CONSENT"


def test_label_that_names_a_person_is_replaced(record: Make) -> None:
    patient = record(specimens=[{"type": "PLASMA", "collect_datetime": -1, "specimen_label": "김 민지"}])
    found = cell(rows(patient), "BL", "ctdna")
    assert (found["specimen_id"], found["queries"]) == ("PALBO-001-BL-PLASMA-90", "E_BAD_NAME")


def test_keys_are_unique_even_when_a_label_stands_twice(record: Make) -> None:
    twice = [{"type": "PLASMA", "collect_datetime": day, "specimen_label": "A"} for day in (-1, -2)]
    patient = record(specimens=twice)
    keys = [(row["timepoint"], row["specimen_id"], row["modality"]) for row in rows(patient)]
    assert len(keys) == len(set(keys))
    assert "W_SPECIMEN_TWICE" in {query.code for query in patient.queries}


def test_unplanned_specimen_is_listed_as_such(record: Make) -> None:
    found = cell(rows(record(specimens=[{"type": "PLASMA", "collect_datetime": 42}])), "W06", "ctdna")
    assert (found["expected"], found["reason"]) == (False, "not planned for the patient's cohorts")
