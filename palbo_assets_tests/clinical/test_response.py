"""What sites get wrong about imaging is asked about, and never turned into a number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from palbo_assets.clinical.recist import Response
from palbo_assets.clinical.records import PatientRecord
from palbo_assets.clinical.response import ResponseRecord, parse_response, respond
from palbo_assets.clinical.settings import Settings

Make = Callable[..., PatientRecord]
SETTINGS = Settings()


def lesion(day: int, size: object, number: int = 1, *, node: str = "No") -> dict[str, Any]:
    return {"date": day, "lesion_no": float(number), "longest_or_short_axis_mm": size, "is_node": node}


def visit(day: int, **cells: Any) -> dict[str, Any]:
    return {"visit_date": day, "new_lesion": "No", **cells}


def responded(patient: PatientRecord) -> tuple[ResponseRecord, set[str]]:
    return respond(patient, SETTINGS), {query.code for query in patient.queries}


def test_lesions_imaged_around_a_visit_belong_to_it(record: Make) -> None:
    patient = record(targets=[lesion(-10, 30.0), lesion(54, 20.0)], visits=[visit(-8), visit(56)])
    found, codes = responded(patient)
    assert [(each.day, each.overall) for each in found.assessments] == [(56, Response.PR)]
    assert codes == set()


def test_two_visits_a_few_days_apart_stay_two(record: Make) -> None:
    patient = record(
        targets=[lesion(-10, 30.0), lesion(56, 20.0), lesion(64, 60.0)], visits=[visit(-10), visit(56), visit(64)]
    )
    found, _ = responded(patient)
    assert [each.overall for each in found.assessments] == [Response.PR, Response.PD]
    assert found.pd_day == 64


def test_centimetres_are_asked_about_and_not_believed(record: Make) -> None:
    patient = record(targets=[lesion(-10, 30.0), lesion(56, 2.1)], visits=[visit(-10), visit(56)])
    found, codes = responded(patient)
    assert found.assessments[0].overall is Response.NE
    assert "W_CM_FOR_MM" in codes


def test_lesion_measured_twice_with_different_sizes_is_not_evaluable(record: Make) -> None:
    patient = record(targets=[lesion(-10, 30.0), lesion(56, 20.0), lesion(57, 25.0)], visits=[visit(-10), visit(56)])
    found, codes = responded(patient)
    assert found.assessments[0].overall is Response.NE
    assert "W_LESION_TWICE" in codes


def test_new_target_lesion_on_treatment_is_asked_about_and_not_summed(record: Make) -> None:
    patient = record(targets=[lesion(-10, 30.0), lesion(56, 30.0), lesion(56, 50.0, 2)], visits=[visit(-10), visit(56)])
    found, codes = responded(patient)
    assert found.assessments[0].sum_mm == 30
    assert "W_LESION_NOT_AT_BASELINE" in codes


@pytest.mark.parametrize(("size", "node", "asked"), [(9.0, "No", True), (10.0, "No", False), (14.0, "Yes", True)])
def test_lesions_that_are_not_measurable_at_baseline_are_asked_about(
    record: Make, size: float, node: str, asked: bool
) -> None:
    _, codes = responded(record(targets=[lesion(-5, size, node=node)], visits=[visit(-5)]))
    assert ("W_NOT_MEASURABLE" in codes) is asked


def test_patient_without_baseline_imaging_is_not_evaluable(record: Make) -> None:
    found, codes = responded(record(targets=[lesion(56, 30.0), lesion(112, 60.0)], visits=[visit(56), visit(112)]))
    assert [each.overall for each in found.assessments] == [Response.NE, Response.NE]
    assert "W_NO_BASELINE_IMAGING" in codes


def test_unrecorded_new_lesions_are_not_taken_for_none(record: Make) -> None:
    patient = record(targets=[lesion(-10, 30.0), lesion(56, 30.0)], visits=[visit(-10), visit(56, new_lesion=None)])
    found, codes = responded(patient)
    assert found.assessments[0].overall is Response.NE
    assert "W_NEW_LESION_UNKNOWN" in codes


def test_disagreement_with_the_investigator_is_asked_about(record: Make) -> None:
    patient = record(
        targets=[lesion(-10, 30.0), lesion(56, 30.0)], visits=[visit(-10), visit(56, investigator_overall="PR")]
    )
    assert "W_RESPONSE_DIFFERS" in responded(patient)[1]


@pytest.mark.parametrize(
    ("values", "pd_day", "code"),
    [
        ({"pd_date": 100, "pd_basis": "clinical"}, None, "W_CLINICAL_PROGRESSION"),
        ({"pd_date": -3, "pd_basis": "RECIST"}, None, "E_PD_BEFORE_FIRST_DOSE"),
        ({"pd_date": 100, "pd_basis": "RECIST"}, 100, "W_PD_NOT_MEASURED"),
        ({"death_date": -3}, None, "E_DEATH_BEFORE_FIRST_DOSE"),
        ({"next_line_start": -3}, None, "E_NEXT_LINE_BEFORE_FIRST_DOSE"),
        ({"pd_date": 100}, 100, "W_NO_PD_BASIS"),
    ],
)
def test_reported_progression_is_weighed_by_its_basis(
    record: Make, values: dict[str, Any], pd_day: int | None, code: str
) -> None:
    found, codes = responded(record(values, targets=[lesion(-10, 30.0)], visits=[visit(-10)]))
    assert found.pd_day == pd_day
    assert code in codes


def test_visit_after_death_is_asked_about(record: Make) -> None:
    patient = record({"death_date": 40}, targets=[lesion(-10, 30.0), lesion(56, 30.0)], visits=[visit(-10), visit(56)])
    assert "E_VISIT_AFTER_DEATH" in responded(patient)[1]


def test_response_after_the_next_line_is_not_this_treatments(record: Make) -> None:
    patient = record(
        {"next_line_start": 80},
        targets=[lesion(-10, 30.0), lesion(56, 30.0), lesion(112, 0.0)],
        visits=[visit(-10), visit(56), visit(112)],
    )
    assert responded(patient)[0].best is Response.SD


@pytest.mark.parametrize(
    ("label", "response"),
    [("nonCR-nonPD", Response.NON_CR_NON_PD), ("NON-CR/NON-PD", Response.NON_CR_NON_PD), ("cr", Response.CR),
     ("none", None), (None, None)],
)  # fmt: skip
def test_responses_are_read_in_every_spelling(label: str | None, response: Response | None) -> None:
    assert parse_response(label) is response


def test_another_imaging_method_is_asked_about(record: Make) -> None:
    patient = record(
        targets=[lesion(-10, 30.0) | {"method": "CT"}, lesion(56, 20.0) | {"method": "MRI"}],
        visits=[visit(-10), visit(56)],
    )
    assert "W_METHOD_CHANGED" in responded(patient)[1]
    same = record(
        targets=[lesion(-10, 30.0) | {"method": "CT"}, lesion(56, 20.0) | {"method": "ct "}],
        visits=[visit(-10), visit(56)],
    )
    assert "W_METHOD_CHANGED" not in responded(same)[1]
