"""From a patient's imaging forms to RECIST visits, and from those to the course of disease."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from palbo_assets.clinical.recist import (
    Assessment,
    Lesion,
    Response,
    Visit,
    assess,
    best_overall_response,
    confirmed_best_response,
)
from palbo_assets.clinical.records import PatientRecord, as_bool
from palbo_assets.clinical.settings import Settings
from palbo_assets.clinical.survival import Course, progression_day

_OLDEST_BASELINE_DAYS = 28  # RECIST 1.1: baseline imaging no more than 4 weeks before treatment begins


@dataclass(frozen=True)
class ResponseRecord:
    """A patient's assessments with what the investigator called them (same order), and the course they make."""

    assessments: Sequence[Assessment]
    investigator: Sequence[Response | None]
    course: Course
    best: Response
    confirmed_best: Response
    pd_day: int | None


def parse_response(label: object) -> Response | None:
    """A response as forms spell it (``nonCR-nonPD``, ``NON-CR/NON-PD``); None for anything else."""
    word = re.sub(r"[^A-Z]", "", str(label).upper()) if label is not None else ""
    return {re.sub(r"[^A-Z]", "", each): each for each in Response}.get(word)


def respond(record: PatientRecord, settings: Settings) -> ResponseRecord:
    """RECIST over the patient's visits. Doubts about the data become queries on ``record``."""
    groups = _visits_of(record, settings)
    before = [group for group in groups if group.day <= 0]
    after = [group for group in groups if group.day > 0]
    has_nontarget = any(group.nontarget is not None for group in groups)
    baseline = _baseline(record, before, after, settings)
    visits = [
        Visit(
            day=group.day,
            targets=_lesions(record, group, baseline, settings),
            nontarget=(group.nontarget or Response.NE) if has_nontarget else None,
            new_lesion=group.new_lesion,
        )
        for group in after
    ]
    assessments = assess(baseline, visits, settings)
    for assessment, group in zip(assessments, after, strict=True):
        _compare(record, assessment, group)
    course = _course(record, assessments, settings)
    counted = [each for each in assessments if course.next_line_day is None or each.day <= course.next_line_day]
    return ResponseRecord(
        assessments=assessments,
        investigator=[group.investigator for group in after],
        course=course,
        best=best_overall_response(counted, settings),
        confirmed_best=confirmed_best_response(counted, settings),
        pd_day=progression_day(course),
    )


@dataclass
class _Group:
    """The forms of one visit."""

    day: int
    row: int
    targets: list[Mapping[str, Any]]
    nontarget: Response | None = None
    new_lesion: bool | None = None
    investigator: Response | None = None


def _visits_of(record: PatientRecord, settings: Settings) -> list[_Group]:
    """The visits: one for each day with a visit form, and the lesions imaged around it.

    A lesion's image belongs to the nearest visit within the visit span; nothing joins across the first dose. Images
    near no visit form make visits of their own.
    """
    summaries: dict[int, list[Mapping[str, Any]]] = {}
    for form in record.visits:
        if isinstance(form.get("visit_date"), int):
            summaries.setdefault(form["visit_date"], []).append(form)
    dated = sorted(
        (form for form in record.targets if isinstance(form.get("date"), int)),
        key=lambda form: (form["date"], form["row"]),
    )
    if record.first_dose_known and len(dated) + sum(map(len, summaries.values())) < len(record.targets) + len(
        record.visits
    ):
        record.query("W_UNDATED_IMAGING", "date", "imaging forms without a date are not used")
    anchors = sorted(summaries)
    imaged: dict[int, list[Mapping[str, Any]]] = {day: [] for day in anchors}
    for form in dated:
        day = form["date"]
        near = [each for each in anchors if abs(each - day) <= settings.visit_span_days and (each > 0) == (day > 0)]
        if not near:
            anchors.append(day)
            imaged[day] = []
        imaged[min(near, key=lambda each: (abs(each - day), each), default=day)].append(form)
    return [_group(record, day, summaries.get(day, []), imaged[day]) for day in sorted(anchors)]


def _group(
    record: PatientRecord, day: int, summaries: Sequence[Mapping[str, Any]], targets: list[Mapping[str, Any]]
) -> _Group:
    group = _Group(day=day, row=int((summaries or targets)[0]["row"]), targets=targets)
    if not summaries:
        record.query("W_NO_VISIT_FORM", "visit_date", "lesions were measured but the visit form is missing", group.row)
    if len(summaries) > 1:
        record.query("W_TWO_VISIT_FORMS", "visit_date", "two visit forms on one day; the worst is used", group.row)
    states = [state for form in summaries if (state := parse_response(form.get("nontarget")))]
    group.nontarget = Response.PD if Response.PD in states else (states[0] if states else None)
    new = [as_bool(form.get("new_lesion")) for form in summaries]
    group.new_lesion = True if True in new else (False if False in new else None)
    if group.new_lesion is None and group.day > 0:
        record.query("W_NEW_LESION_UNKNOWN", "new_lesion", "it isn't recorded whether there are new lesions", group.row)
    calls = [call for form in summaries if (call := parse_response(form.get("investigator_overall")))]
    group.investigator = calls[0] if calls else None
    return group


def _baseline(record: PatientRecord, before: list[_Group], after: list[_Group], settings: Settings) -> Visit:
    measured = [group for group in before if group.targets]
    if not before and after:
        record.query("W_NO_BASELINE_IMAGING", "visit_date", "no imaging before the first dose: nothing to compare with")
    if not measured:
        # Lesions that are only ever measured on treatment have no reference: their response is not evaluable.
        later = {str(form.get("lesion_no")) for group in after for form in group.targets}
        return Visit(day=0, targets={number: Lesion(None) for number in later})
    group = measured[-1]
    if group.day < -_OLDEST_BASELINE_DAYS:
        record.query("W_OLD_BASELINE_IMAGING", "date", "baseline imaging is older than four weeks", group.row)
    lesions = _lesions(record, group, None, settings)
    if len(lesions) > settings.most_targets:
        record.query("W_TOO_MANY_TARGETS", "lesion_no", "more target lesions than RECIST allows", group.row)
    organs = Counter(str(form["lesion_site"]).strip().lower() for form in group.targets if form.get("lesion_site"))
    if max(organs.values(), default=0) > settings.most_targets_per_organ:
        record.query(
            "W_TOO_MANY_IN_ORGAN", "lesion_site", "more target lesions in one organ than RECIST allows", group.row
        )
    methods = Counter(
        str(form["method"]).strip().lower() for each in (group, *after) for form in each.targets if form.get("method")
    )
    if len(methods) > 1:
        record.query("W_METHOD_CHANGED", "method", "lesions were measured by different imaging methods", group.row)
    for form in group.targets:
        lesion = lesions[str(form.get("lesion_no"))]
        smallest = settings.measurable_node_mm if lesion.is_node else settings.measurable_mm
        if lesion.size_mm is not None and lesion.size_mm < smallest:
            record.query(
                "W_NOT_MEASURABLE",
                "longest_or_short_axis_mm",
                f"a target lesion below {smallest:g} mm at baseline",
                int(form["row"]),
            )
    return Visit(day=group.day, targets=lesions)


def _lesions(record: PatientRecord, group: _Group, baseline: Visit | None, settings: Settings) -> dict[str, Lesion]:
    found: dict[str, Lesion] = {}
    for form in group.targets:
        number, row = str(form.get("lesion_no")), int(form["row"])
        size = _size(record, form, row, settings)
        is_node = bool(as_bool(form.get("is_node")))
        if baseline is not None:
            if number not in baseline.targets:
                record.query(
                    "W_LESION_NOT_AT_BASELINE", "lesion_no", "not a target lesion of baseline; it isn't counted", row
                )
                continue
            if is_node != baseline.targets[number].is_node and baseline.targets[number].size_mm is not None:
                record.query("W_LESION_CHANGED_KIND", "is_node", "node at one visit, not at another", row)
                is_node = baseline.targets[number].is_node
        if number in found and found[number].size_mm != size:
            record.query("W_LESION_TWICE", "lesion_no", "measured twice at one visit with different sizes", row)
            size = None
        found[number] = Lesion(size, is_node)
    return found


def _size(record: PatientRecord, form: Mapping[str, Any], row: int, settings: Settings) -> float | None:
    value = form.get("longest_or_short_axis_mm")
    try:
        size = None if value is None else float(value)
    except (TypeError, ValueError):
        size = -1.0
    if size is None:
        return None
    if size < 0:
        record.query("E_BAD_SIZE", "longest_or_short_axis_mm", "not a size in mm", row)
        return None
    if 0 < size < settings.implausible_below_mm:
        record.query("W_CM_FOR_MM", "longest_or_short_axis_mm", "probably cm instead of mm; not used", row)
        return None
    return size


def _compare(record: PatientRecord, assessment: Assessment, group: _Group) -> None:
    if group.investigator is not None and group.investigator is not assessment.overall:
        record.query(
            "W_RESPONSE_DIFFERS",
            "investigator_overall",
            "the investigator's overall response differs from what the measurements say",
            group.row,
        )


def _course(record: PatientRecord, assessments: Sequence[Assessment], settings: Settings) -> Course:
    pd_day = _after_first_dose(record, "pd_date", "E_PD_BEFORE_FIRST_DOSE")
    death_day = _after_first_dose(record, "death_date", "E_DEATH_BEFORE_FIRST_DOSE")
    next_line_day = _after_first_dose(record, "next_line_start", "E_NEXT_LINE_BEFORE_FIRST_DOSE")
    basis = (record.text("pd_basis") or "").lower()
    if death_day is not None and any(each.day > death_day for each in assessments):
        record.query("E_VISIT_AFTER_DEATH", "death_date", "a visit lies after the death")
    if pd_day is not None and basis.startswith("clin"):
        record.query("W_CLINICAL_PROGRESSION", "pd_basis", "progression without imaging is no RECIST event")
        pd_day = None
    elif pd_day is not None and basis.startswith("death"):
        death_day = pd_day if death_day is None else death_day
        pd_day = None
    elif pd_day is not None and not basis:
        record.query("W_NO_PD_BASIS", "pd_basis", "the basis of progression isn't recorded; taken as RECIST")
    shown = min((each.day for each in assessments if each.overall is Response.PD), default=None)
    if shown is not None and pd_day is None:
        record.query("W_PD_NOT_REPORTED", "pd_date", "the measurements show progression that isn't reported")
    if shown is not None and pd_day is not None and abs(shown - pd_day) > settings.progression_date_tolerance_days:
        record.query("W_PD_DATE_DIFFERS", "pd_date", "the reported progression and the visit that shows it differ")
    if shown is None and pd_day is not None:
        record.query("W_PD_NOT_MEASURED", "pd_date", "progression is reported, but no visit shows it")
    return Course(
        assessments=assessments,
        reported_pd_day=pd_day,
        death_day=death_day,
        next_line_day=next_line_day,
        stopped_follow_up_day=record.day("withdrawal_date"),
    )


def _after_first_dose(record: PatientRecord, name: str, code: str) -> int | None:
    day = record.day(name)
    if day is not None and day < 0:
        record.query(code, name, "before the first dose; not used")
        return None
    return day
