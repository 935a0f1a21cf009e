"""What is planted in the twin comes back from its REDCap export, and nothing that identifies anybody does."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palbo_assets.clinical.summary import ClinicalTables, read_cohort, summarise
from palbo_assets.clinical.tables import (
    ACCRUAL,
    CLINICAL_QUERIES,
    PATIENTS,
    RESPONSE_VISITS,
    SAMPLE_MANIFEST,
    TREATMENT_RESPONSE,
)
from palbo_assets.demo import clinical as demo
from palbo_assets.demo.clinical_project import read_csv, write_csv
from palbo_assets.demo.truth import PatientTruth
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.tables import frame_from_rows, validate
from palbo_assets_tests.clinical.conftest import WITHDRAWN, truths

Twin = tuple[list[PatientTruth], Path, Path]


def tables_of(export: Path, dictionary: Path) -> ClinicalTables:
    return summarise(read_cohort(export, dictionary))


def test_planted_survival_and_best_response_are_recovered_exactly(twin: Twin) -> None:
    planted, export, dictionary = twin
    found = {row["patient_id"]: row for row in tables_of(export, dictionary).treatment_response}
    expected = {
        truth.patient_id: (truth.pfs_days, truth.pfs_event, truth.best_overall_response)
        for truth in planted
        if not truth.withdrawn
    }
    assert {
        patient: (row["pfs_days"], row["pfs_event"], row["best_overall_response"]) for patient, row in found.items()
    } == expected


@settings(max_examples=40, deadline=None)
@given(
    best=st.sampled_from(["CR", "PR", "SD", "PD", "NON-CR/NON-PD"]),
    days=st.integers(43, 1500),
    event=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_any_course_that_can_be_planted_is_recovered(
    tmp_path_factory: pytest.TempPathFactory, best: str, days: int, event: bool, seed: int
) -> None:
    truth = PatientTruth("PALBO-001", "SMC", ("BANK",), (0,), days, event or best == "PD", best)
    folder = tmp_path_factory.mktemp("twin")
    demo.write([truth], folder, np.random.default_rng(seed))
    (row,) = tables_of(folder / demo.EXPORT, folder / demo.DICTIONARY).treatment_response
    assert (row["pfs_days"], row["pfs_event"], row["best_overall_response"]) == (days, truth.pfs_event, best)


def test_twin_raises_no_query(twin: Twin) -> None:
    _, export, dictionary = twin
    assert tables_of(export, dictionary).queries == []


def test_every_table_keeps_its_contract(twin: Twin) -> None:
    _, export, dictionary = twin
    found = tables_of(export, dictionary)
    for table, rows in (
        (PATIENTS, found.patients),
        (RESPONSE_VISITS, found.response_visits),
        (TREATMENT_RESPONSE, found.treatment_response),
        (SAMPLE_MANIFEST, found.sample_manifest),
        (ACCRUAL, found.accrual),
        (CLINICAL_QUERIES, found.queries),
    ):
        validate(table, frame_from_rows(table, rows))


def test_labelled_export_gives_the_same_tables(twin: Twin, tmp_path: Path) -> None:
    planted, export, dictionary = twin
    demo.write(planted, tmp_path / "labelled", np.random.default_rng(7), labelled=True)
    assert tables_of(tmp_path / "labelled" / demo.EXPORT, dictionary) == tables_of(export, dictionary)


def test_same_seed_writes_the_same_bytes(twin: Twin, tmp_path: Path) -> None:
    planted, export, _ = twin
    demo.write(planted, tmp_path / "again", np.random.default_rng(7))
    assert (tmp_path / "again" / demo.EXPORT).read_bytes() == export.read_bytes()


def test_no_calendar_date_leaves_the_room(twin: Twin) -> None:
    _, export, dictionary = twin
    text = json.dumps(asdict(tables_of(export, dictionary)))  # a date object would not even serialise
    assert not re.search(r"(19|20)\d\d[-./]?[01]\d[-./]?[0-3]\d", text)


def test_withdrawn_patient_is_listed_and_nothing_else_of_them_is_kept(twin: Twin) -> None:
    _, export, dictionary = twin
    found = tables_of(export, dictionary)
    (row,) = [row for row in found.patients if row["patient_id"] == WITHDRAWN]
    assert row["withdrawn"] is True
    assert set(row) == {"patient_id", "site", "cohorts", "withdrawn", "withdrawal_scope", "n_queries", "treated"}
    assert WITHDRAWN not in {row["patient_id"] for row in found.treatment_response + found.response_visits}
    assert {row["status"] for row in found.sample_manifest if row["patient_id"] == WITHDRAWN} == {"WITHDRAWN"}


def test_planted_specimens_are_collected_on_their_days(twin: Twin) -> None:
    planted, export, dictionary = twin
    collected = {
        (row["patient_id"], row["timepoint"]): row["collected_day"]
        for row in tables_of(export, dictionary).sample_manifest
        if row["status"] == "COLLECTED"
    }
    assert collected == {
        (truth.patient_id, timepoint): sample.day
        for truth in planted
        for timepoint, sample in truth.samples.items()
        if not truth.withdrawn
        and (timepoint == "BL" or (timepoint in ("W06", "W12") and "TIL" in truth.cohorts)
             or (timepoint == "PD" and "PAIR" in truth.cohorts))
    }  # fmt: skip


def test_mixed_export_is_refused(twin: Twin) -> None:
    _, export, dictionary = twin
    demo.mix_codes_and_labels(export)
    with pytest.raises(InputError) as caught:
        tables_of(export, dictionary)
    assert caught.value.code == "E_MIXED_EXPORT"


def test_patient_behind_an_access_group_counts_once(twin: Twin) -> None:
    _, export, dictionary = twin
    before = tables_of(export, dictionary)
    demo.repeat_patient_behind_access_group(export, "PALBO-002")
    after = tables_of(export, dictionary)
    assert after.patients == before.patients
    assert [(row["patient_id"], row["code"]) for row in after.queries] == [("12-PALBO-002", "E_DUPLICATE_RECORD")]


def test_record_named_after_a_person_is_left_out_and_not_repeated(twin: Twin) -> None:
    _, export, dictionary = twin
    header, rows = read_csv(export)
    named = [
        {**row, "record_id": "Kim Minji", "ecog": row["ecog"] and "good"}
        for row in rows
        if row["record_id"] == "PALBO-002"
    ]
    write_csv(export, header, [*rows, *named])
    found = tables_of(export, dictionary)
    assert "Kim" not in json.dumps(asdict(found))
    assert {row["code"] for row in found.queries} == {"E_BAD_NAME", "E_NOT_A_NUMBER"}


def test_date_field_that_takes_any_text_is_refused(twin: Twin) -> None:
    _, export, dictionary = twin
    header, fields = read_csv(dictionary)
    for field in fields:
        if field["Variable / Field Name"] == "pd_date":
            field["Text Validation Type OR Show Slider Number"] = ""
    write_csv(dictionary, header, fields)
    with pytest.raises(InputError, match="isn't validated as a date") as caught:
        tables_of(export, dictionary)
    assert caught.value.column == "pd_date"


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_cells_give_tables_that_keep_their_contract_or_an_error_for_people(twin: Twin, data: st.DataObject) -> None:
    _, export, dictionary = twin
    header, rows = read_csv(export)
    cells = st.sampled_from(["", "-99", "0", "1", "2", "7", "1e309", "-5", "2.5", "2019-01-02", "1900.01.01", "99999",
                             "x", "NA", "Yes", "Checked"])  # fmt: skip
    for _ in range(data.draw(st.integers(1, 12))):
        rows[data.draw(st.integers(0, len(rows) - 1))][data.draw(st.sampled_from(header[4:]))] = data.draw(cells)
    wild = export.with_name("wild.csv")
    write_csv(wild, header, rows)
    try:
        found = tables_of(wild, dictionary)
    except InputError as error:
        assert error.code in ("E_MIXED_EXPORT", "E_SCHEMA", "E_DUPLICATE")
        return
    for table, listed in (
        (PATIENTS, found.patients),
        (RESPONSE_VISITS, found.response_visits),
        (TREATMENT_RESPONSE, found.treatment_response),
        (SAMPLE_MANIFEST, found.sample_manifest),
        (CLINICAL_QUERIES, found.queries),
    ):
        validate(table, frame_from_rows(table, listed))


def test_patient_measured_in_centimetres_is_asked_about(twin: Twin) -> None:
    _, export, dictionary = twin
    demo.measure_in_centimetres(export, "PALBO-002")
    found = tables_of(export, dictionary)
    assert {row["patient_id"] for row in found.queries if row["code"] in ("W_CM_FOR_MM", "W_NOT_MEASURABLE")} == {
        "PALBO-002"
    }


def test_contradicting_label_is_asked_about_and_the_day_is_kept(twin: Twin) -> None:
    _, export, dictionary = twin
    specimen = demo.specimen_label("PALBO-001", "PD", "PLASMA")
    demo.relabel_timepoint(export, specimen, "C2D15")
    found = tables_of(export, dictionary)
    (row,) = [row for row in found.sample_manifest if row["specimen_id"] == specimen]
    assert (row["timepoint"], row["label_timepoint"], row["queries"]) == ("PD", "W06", "W_TIMEPOINT_CONTRADICTS")


@pytest.mark.parametrize(("best", "days", "event"), [("SD", 41, True), ("SD", 30, False), ("PD", 60, False)])
def test_course_that_cannot_be_seen_is_not_written(tmp_path: Path, best: str, days: int, event: bool) -> None:
    impossible = PatientTruth("PALBO-001", "SMC", ("BANK",), (0,), days, event, best)
    with pytest.raises(ValueError, match=r"seen|event"):
        demo.write([impossible], tmp_path, np.random.default_rng(1))


def test_twin_covers_every_kind_of_course() -> None:
    assert {truth.best_overall_response for truth in truths()} == {"CR", "PR", "SD", "NON-CR/NON-PD", "PD", "NE"}
