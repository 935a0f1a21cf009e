"""Endocrine sensitivity by the ESO-ESMO consensus, from days of earlier treatment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from palbo_assets.clinical.endocrine import endocrine_sensitivity
from palbo_assets.clinical.records import PatientRecord
from palbo_assets.clinical.settings import Settings
from palbo_assets.clinical.summary import read_cohort, summarise
from palbo_assets.demo.truth import PatientTruth

YEAR = 365
Make = Callable[..., PatientRecord]


def adjuvant(start: int, stop: int | None, relapse: int | None) -> dict[str, Any]:
    return {"adjuvant_et_start": start, "adjuvant_et_stop": stop, "relapse_date": relapse}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (adjuvant(-3 * YEAR, None, -3 * YEAR + 729), "primary_resistance"),  # under treatment, 23.95 months
        (adjuvant(-3 * YEAR, None, -3 * YEAR + 731), "secondary_resistance"),  # 24.02 months
        (adjuvant(-8 * YEAR, -3 * YEAR, -3 * YEAR + 365), "secondary_resistance"),  # 11.99 months after its end
        (adjuvant(-8 * YEAR, -3 * YEAR, -3 * YEAR + 366), "sensitive"),
        (adjuvant(-3 * YEAR, -2 * YEAR, -2 * YEAR + 30), "secondary_resistance"),  # stopped early, relapsed soon
        (adjuvant(-3 * YEAR, -2 * YEAR, None), None),
        ({"met_et_start": -300, "met_et_pd_date": -118}, "primary_resistance"),  # 5.98 months
        ({"met_et_start": -300, "met_et_pd_date": -117}, "secondary_resistance"),  # 6.01 months
        ({"met_et_start": -300}, None),
        ({"prior_et": "No"}, "naive"),
        ({"prior_et": "Yes"}, None),
        ({}, None),
    ],
)
def test_the_consensus_limits_decide(record: Make, values: dict[str, Any], expected: str | None) -> None:
    assert endocrine_sensitivity(record(values), Settings()) == expected


def test_progression_of_metastatic_disease_comes_before_the_adjuvant_history(record: Make) -> None:
    values = {**adjuvant(-8 * YEAR, -5 * YEAR, -2 * YEAR), "met_et_start": -400, "met_et_pd_date": -300}
    assert endocrine_sensitivity(record(values), Settings()) == "primary_resistance"


def test_a_recorded_class_that_the_dates_contradict_is_a_query(record: Make) -> None:
    history = adjuvant(-3 * YEAR, None, -2 * YEAR)
    agreeing = record({**history, "endo_sensitivity": "primary resistance"})
    endocrine_sensitivity(agreeing, Settings())
    assert agreeing.queries == []
    differing = record({**history, "endo_sensitivity": "sensitive"})
    assert endocrine_sensitivity(differing, Settings()) == "primary_resistance"
    assert [query.code for query in differing.queries] == ["W_ENDOCRINE_DIFFERS"]


def test_dates_in_an_impossible_order_give_no_class_but_a_query(record: Make) -> None:
    turned = record(adjuvant(-300, -400, -100))
    assert endocrine_sensitivity(turned, Settings()) is None
    assert [(query.code, query.column) for query in turned.queries] == [("E_DATE_ORDER", "adjuvant_et_stop")]


def test_the_twins_recorded_classes_follow_from_its_dates(twin: tuple[list[PatientTruth], Path, Path]) -> None:
    _, export, dictionary = twin
    tables = summarise(read_cohort(export, dictionary))
    kept = [row for row in tables.patients if not row["withdrawn"]]
    assert [row["endo_sensitivity_derived"] for row in kept] == [row["endo_sensitivity"] for row in kept]
    assert {row["endo_sensitivity_derived"] for row in kept} >= {"naive", "sensitive"}
