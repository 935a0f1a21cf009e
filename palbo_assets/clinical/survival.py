"""Progression-free survival, its censoring, and what it says about resistance and benefit.

Days count from the first dose (day 0). Stopping the drug, for toxicity or otherwise, is no event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from palbo_assets.clinical.recist import Assessment, Response
from palbo_assets.clinical.settings import Settings


class CensorReason(StrEnum):
    """Why a patient without event stops contributing."""

    NO_EVENT = "NO_EVENT"  # without progression at the last evaluable assessment
    NO_ASSESSMENT = "NO_ASSESSMENT"  # no evaluable assessment after baseline: censored at day 1
    NEXT_TREATMENT = "NEXT_TREATMENT"  # the next line began before any progression
    STOPPED_FOLLOW_UP = "STOPPED_FOLLOW_UP"  # the patient asked to stop follow-up
    NOT_TREATED = "NOT_TREATED"  # no first dose, so no day 0
    MISSED_ASSESSMENTS = "MISSED_ASSESSMENTS"  # sensitivity analysis only


class ResistanceClass(StrEnum):
    PRIMARY = "primary"
    ACQUIRED = "acquired"
    NONE_YET = "none_yet"  # censored


class EventBasis(StrEnum):
    """What the event was."""

    RECIST = "RECIST"
    DEATH = "DEATH"


@dataclass(frozen=True)
class Course:
    """What happened to one patient, in days from first dose; None where it didn't happen or isn't known."""

    assessments: Sequence[Assessment] = ()
    reported_pd_day: int | None = None  # progression by RECIST as the investigator documents it
    death_day: int | None = None
    next_line_day: int | None = None
    stopped_follow_up_day: int | None = None


@dataclass(frozen=True)
class Survival:
    """``days``/``event`` of the primary analysis, and of the sensitivity analysis for missed assessments."""

    days: int
    event: bool
    basis: EventBasis | None
    censor_reason: CensorReason | None
    sensitivity_days: int
    sensitivity_event: bool


def progression_day(course: Course) -> int | None:
    """Day of progression by RECIST: the first of the visit that shows it and the investigator's documented day."""
    shown = [each.day for each in course.assessments if each.overall is Response.PD]
    if course.reported_pd_day is not None:
        shown.append(course.reported_pd_day)
    return min(shown, default=None)


def progression_free_survival(course: Course, settings: Settings) -> Survival:
    """PFS from first dose to the first of progression by RECIST and death.

    Without event, the patient is censored at the last evaluable assessment (not at the last contact), and at day 1
    where there is none. What comes after the next line has begun isn't an event of this treatment. In the sensitivity
    analysis an event after two or more missed assessments is censored at the last evaluable one (FDA guidance on
    endpoints, 2018).
    """
    limit = course.next_line_day
    evaluable = sorted(
        each.day
        for each in course.assessments
        if each.overall not in (Response.NE, Response.PD) and (limit is None or each.day <= limit) and each.day > 0
    )
    pd_day = progression_day(course)
    events = [
        (day, basis)
        for day, basis in ((pd_day, EventBasis.RECIST), (course.death_day, EventBasis.DEATH))
        if day is not None and (limit is None or day <= limit)
    ]
    if not events:
        days = evaluable[-1] if evaluable else 1
        reason = _censor_reason(course, bool(evaluable))
        return Survival(days, False, None, reason, days, False)
    days, basis = min(events, key=lambda event: event[0])
    before = [day for day in evaluable if day < days]
    last_seen = before[-1] if before else 0
    longest_gap = 2 * (settings.assessment_interval_days + settings.assessment_window_days)
    if days - last_seen > longest_gap:
        return Survival(days, True, basis, None, max(last_seen, 1), False)
    return Survival(days, True, basis, None, days, True)


def _censor_reason(course: Course, has_assessment: bool) -> CensorReason:
    if not has_assessment:
        return CensorReason.NO_ASSESSMENT
    if course.next_line_day is not None:
        return CensorReason.NEXT_TREATMENT
    if course.stopped_follow_up_day is not None:
        return CensorReason.STOPPED_FOLLOW_UP
    return CensorReason.NO_EVENT


def months(days: float, settings: Settings) -> float:
    return days / settings.month_days


def resistance_class(survival: Survival, settings: Settings) -> ResistanceClass:
    """Primary below six months (182.625 days), acquired from then on; none yet without event."""
    if not survival.event:
        return ResistanceClass.NONE_YET
    early = months(survival.days, settings) < settings.primary_resistance_months
    return ResistanceClass.PRIMARY if early else ResistanceClass.ACQUIRED


def clinical_benefit(best: Response, survival: Survival, settings: Settings) -> bool | None:
    """CR, PR, or stable for 24 weeks. None while it can't be said: stable and censored earlier, or never evaluable."""
    if best in (Response.CR, Response.PR):
        return True
    if best in (Response.SD, Response.NON_CR_NON_PD) and survival.days >= settings.clinical_benefit_days:
        return True
    return False if survival.event else None
