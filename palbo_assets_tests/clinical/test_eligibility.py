"""Inclusion and exclusion: what fails, what is open, and what is only asked about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from palbo_assets.clinical.eligibility import Her2, her2_status, hormone_receptor_positive, judge
from palbo_assets.clinical.records import PatientRecord
from palbo_assets.clinical.settings import Settings

SETTINGS = Settings()
GOOD = {
    "sex": "Female", "stage": "IV", "er_pct": 90.0, "pr_pct": 20.0, "her2_ihc": "1+", "et_partner": "letrozole",
    "consent_genomic": "Yes", "consent_biobank": "Yes",
}  # fmt: skip


def verdict(record: Callable[..., PatientRecord], **changes: Any) -> tuple[bool | None, set[str]]:
    patient = record({**GOOD, **changes})
    return judge(patient, SETTINGS).eligible, {query.code for query in patient.queries}


def test_patient_who_meets_every_criterion_is_eligible_without_queries(record: Callable[..., PatientRecord]) -> None:
    assert verdict(record) == (True, set())


def test_man_is_asked_about_and_not_excluded(record: Callable[..., PatientRecord]) -> None:
    assert verdict(record, sex="Male") == (True, {"W_MALE"})


def test_her2_positive_is_asked_about_and_not_excluded(record: Callable[..., PatientRecord]) -> None:
    assert verdict(record, her2_ihc="3+") == (True, {"W_HER2_POSITIVE"})


def test_her2_two_plus_without_hybridisation_is_asked_about(record: Callable[..., PatientRecord]) -> None:
    assert verdict(record, her2_ihc="2+", her2_ish="nd") == (True, {"W_HER2_UNKNOWN"})


def test_earlier_cdk46_inhibitor_is_asked_about(record: Callable[..., PatientRecord]) -> None:
    assert verdict(record, prior_cdk46i="Yes") == (True, {"W_PRIOR_CDK46"})


def test_receptor_negative_disease_is_excluded(record: Callable[..., PatientRecord]) -> None:
    assert verdict(record, er_pct=0.0, pr_pct=0.0) == (False, set())


def test_unknown_stage_leaves_eligibility_open(record: Callable[..., PatientRecord]) -> None:
    assert verdict(record, stage=None) == (None, {"W_ELIGIBILITY_OPEN"})


def test_refused_consent_excludes(record: Callable[..., PatientRecord]) -> None:
    assert verdict(record, consent_genomic="No", consent_biobank="No")[0] is False


@pytest.mark.parametrize(
    ("er", "pr", "allred", "positive"),
    [
        (1.0, None, None, True), (0.9, 0.0, None, False), (0.0, 1.0, None, True), (None, None, None, None),
        (0.0, None, None, None), (None, 0.0, 3.0, True), (None, 0.0, 2.0, False), (None, 0.0, None, None),
    ],
)  # fmt: skip
def test_one_percent_of_nuclei_is_positive_and_a_missing_receptor_is_not_negative(
    er: float | None, pr: float | None, allred: float | None, positive: bool | None
) -> None:
    assert hormone_receptor_positive(er, pr, allred, SETTINGS) is positive


@pytest.mark.parametrize(
    ("ihc", "ish", "status"),
    [
        ("0", None, Her2.NEGATIVE), ("1+", None, Her2.NEGATIVE), ("2+", "neg", Her2.NEGATIVE),
        ("2+", "pos", Her2.POSITIVE), ("2+", None, Her2.UNKNOWN), ("3+", "neg", Her2.POSITIVE),
        (None, None, Her2.UNKNOWN),
    ],
)  # fmt: skip
def test_her2_status(ihc: str | None, ish: str | None, status: Her2) -> None:
    assert her2_status(ihc, ish) is status


@pytest.mark.parametrize(
    ("values", "withdrawn"),
    [
        ({}, False),
        ({"withdrawal_given": True, "withdrawal_scope": "stop_followup"}, False),
        ({"withdrawal_given": True, "withdrawal_scope": "Destroy samples"}, True),
        ({"withdrawal_given": True, "withdrawal_scope": "stop_use"}, True),
        ({"withdrawal_given": True}, True),
    ],
)
def test_withdrawal_of_unknown_scope_is_the_widest(
    record: Callable[..., PatientRecord], values: dict[str, Any], withdrawn: bool
) -> None:
    assert record(values).withdrawn is withdrawn
