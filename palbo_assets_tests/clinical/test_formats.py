"""The landing's verifiers: what a data manager's delivery must be, and what is sent back."""

from __future__ import annotations

from pathlib import Path

import pytest

from palbo_assets.clinical.formats import FORMATS, verify_dictionary, verify_export
from palbo_assets.demo.clinical_project import read_csv, write_csv
from palbo_assets.demo.truth import PatientTruth
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context, Scope

Twin = tuple[list[PatientTruth], Path, Path]
CLAIM = Claim(file="PALBO_DATA.csv", modality="clinical", role="redcap_export")


def context(dictionary: Path) -> Context:
    return Context(siblings={"redcap_dictionary": dictionary})


def refused(export: Path, dictionary: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        verify_export(export, CLAIM, context(dictionary))
    return caught.value


def test_formats_speak_of_the_whole_cohort_and_the_export_waits_for_its_dictionary() -> None:
    by_role = {entry.role: entry for entry in FORMATS}
    assert {entry.scope for entry in FORMATS} == {Scope.COHORT}
    assert by_role["redcap_export"].needs == (frozenset({"redcap_dictionary"}),)


def test_good_delivery_names_its_patients(twin: Twin) -> None:
    planted, export, dictionary = twin
    found = verify_export(export, CLAIM, context(dictionary))
    assert found["patients"] == ";".join(truth.patient_id for truth in planted)
    assert (found["n_patients"], found["n_queries"]) == (len(planted), 0)
    assert verify_dictionary(dictionary, CLAIM, Context())["instruments"] == 8


def test_export_without_dictionary_is_refused(twin: Twin) -> None:
    with pytest.raises(InputError) as caught:
        verify_export(twin[1], CLAIM, Context())
    assert caught.value.code == "E_NO_DICTIONARY"


@pytest.mark.parametrize("cell", ["900101-2345678", "010-1234-5678"])
def test_numbers_that_identify_a_person_are_refused_without_repeating_them(twin: Twin, cell: str) -> None:
    _, export, dictionary = twin
    header, rows = read_csv(export)
    rows[4]["tube"] = f"call {cell}"
    write_csv(export, header, rows)
    error = refused(export, dictionary)
    assert (error.code, error.row, error.column) == ("E_PHI_FOUND", 6, "tube")
    assert cell not in str(error)


def test_filled_identifier_field_that_the_study_does_not_use_is_refused(twin: Twin) -> None:
    _, export, dictionary = twin
    header, fields = read_csv(dictionary)
    next(field for field in fields if field["Variable / Field Name"] == "screening_id")["Identifier?"] = "y"
    write_csv(dictionary, header, fields)
    error = refused(export, dictionary)
    assert (error.code, error.column) == ("E_PHI_FOUND", "screening_id")


def test_export_of_another_project_names_the_missing_fields(twin: Twin, shared_data: Path) -> None:
    folder = shared_data / "clinical" / "redcap" / "vignette-repeating"
    error = refused(folder / "data.csv", folder / "dictionary.csv")
    assert error.code == "E_SCHEMA"
    assert "enrolment.consent_date" in error.message


def test_real_project_with_names_and_phone_numbers_is_refused(shared_data: Path) -> None:
    folder = shared_data / "clinical" / "redcap" / "longitudinal"
    error = refused(folder / "data.csv", folder / "dictionary.csv")
    assert (error.code, error.column) == ("E_PHI_FOUND", "first_name")


def test_export_without_any_study_id_is_refused(twin: Twin) -> None:
    _, export, dictionary = twin
    header, rows = read_csv(export)
    write_csv(export, header, [{**row, "record_id": row["record_id"].lower()} for row in rows])
    assert refused(export, dictionary).code == "E_EMPTY"


@pytest.mark.parametrize("keep", [0, 1, 400, 5000])
def test_truncated_export_is_an_error_for_people(twin: Twin, keep: int) -> None:
    _, export, dictionary = twin
    export.write_bytes(export.read_bytes()[:keep])
    assert refused(export, dictionary).code.startswith("E_")
