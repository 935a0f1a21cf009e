"""Events, censoring, resistance class and clinical benefit."""

from __future__ import annotations

import pytest

from palbo_assets.clinical.recist import Assessment, Response
from palbo_assets.clinical.settings import Settings
from palbo_assets.clinical.survival import (
    CensorReason,
    Course,
    EventBasis,
    ResistanceClass,
    Survival,
    clinical_benefit,
    months,
    progression_free_survival,
    resistance_class,
)

SETTINGS = Settings()


def seen(day: int, overall: Response = Response.SD) -> Assessment:
    return Assessment(day, 10.0, 10.0, 0.0, 0.0, 1, 1, overall, None, False, overall)


def survival(course: Course) -> Survival:
    return progression_free_survival(course, SETTINGS)


def test_progression_is_the_event() -> None:
    found = survival(Course([seen(56), seen(112, Response.PD)], reported_pd_day=112))
    assert (found.days, found.event, found.basis, found.censor_reason) == (112, True, EventBasis.RECIST, None)


def test_death_before_progression_is_the_event() -> None:
    found = survival(Course([seen(56)], death_day=90))
    assert (found.days, found.event, found.basis) == (90, True, EventBasis.DEATH)


def test_censoring_is_at_the_last_evaluable_assessment_and_not_later() -> None:
    found = survival(Course([seen(56), seen(112), seen(168, Response.NE)]))
    assert (found.days, found.event, found.censor_reason) == (112, False, CensorReason.NO_EVENT)


def test_patient_without_assessment_is_censored_at_day_one() -> None:
    found = survival(Course([seen(56, Response.NE)]))
    assert (found.days, found.event, found.censor_reason) == (1, False, CensorReason.NO_ASSESSMENT)


def test_progression_after_the_next_line_began_is_no_event_of_this_treatment() -> None:
    found = survival(Course([seen(56), seen(200, Response.PD)], next_line_day=100))
    assert (found.days, found.event, found.censor_reason) == (56, False, CensorReason.NEXT_TREATMENT)


def test_event_after_two_missed_assessments_is_censored_in_the_sensitivity_analysis_alone() -> None:
    found = survival(Course([seen(84)], reported_pd_day=84 + 2 * (84 + 14) + 1))
    assert (found.days, found.event) == (281, True)
    assert (found.sensitivity_days, found.sensitivity_event) == (84, False)
    close = survival(Course([seen(84)], reported_pd_day=84 + 2 * (84 + 14)))
    assert (close.sensitivity_days, close.sensitivity_event) == (280, True)


@pytest.mark.parametrize(
    ("days", "event", "expected"),
    [
        (182, True, ResistanceClass.PRIMARY),
        (183, True, ResistanceClass.ACQUIRED),
        (182, False, ResistanceClass.NONE_YET),
        (900, False, ResistanceClass.NONE_YET),
    ],
)
def test_six_months_are_182_625_days(days: int, event: bool, expected: ResistanceClass) -> None:
    assert resistance_class(Survival(days, event, None, None, days, event), SETTINGS) is expected


def test_month_is_a_twelfth_of_a_julian_year() -> None:
    assert months(365.25, SETTINGS) == pytest.approx(12.0)


@pytest.mark.parametrize(
    ("best", "days", "event", "benefit"),
    [
        (Response.PR, 60, True, True),
        (Response.SD, 168, True, True),
        (Response.SD, 167, True, False),
        (Response.SD, 167, False, None),
        (Response.NON_CR_NON_PD, 200, False, True),
        (Response.PD, 56, True, False),
        (Response.NE, 1, False, None),
    ],
)
def test_clinical_benefit_is_response_or_24_weeks_of_stable_disease(
    best: Response, days: int, event: bool, benefit: bool | None
) -> None:
    assert clinical_benefit(best, Survival(days, event, None, None, days, event), SETTINGS) is benefit
