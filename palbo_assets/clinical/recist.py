"""Response of solid tumours by RECIST 1.1 (Eisenhauer et al., Eur J Cancer 2009;45:228).

Each rule is a function of its own. Sizes are in mm: the longest diameter of a lesion, the short axis of a node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from palbo_assets.clinical.settings import Settings


class Response(StrEnum):
    """Response of target lesions, of non-target lesions, or overall."""

    CR = "CR"
    PR = "PR"
    SD = "SD"
    NON_CR_NON_PD = "NON-CR/NON-PD"
    PD = "PD"
    NE = "NE"


RESPONSES: tuple[str, ...] = tuple(Response)

# From best to worst; what can't be evaluated says nothing about the patient.
_BEST_FIRST = (Response.CR, Response.PR, Response.SD, Response.NON_CR_NON_PD, Response.PD, Response.NE)


@dataclass(frozen=True)
class Lesion:
    """A target lesion at one visit; ``size_mm`` is None when it wasn't measured, 0 when it has disappeared."""

    size_mm: float | None
    is_node: bool = False


@dataclass(frozen=True)
class Visit:
    """One tumour assessment.

    Attributes
    ----------
    day
        Days from first dose.
    targets
        Target lesion number -> lesion.
    nontarget
        Response of the non-target lesions (CR, NON-CR/NON-PD, PD, NE); None where the patient has none, or at baseline.
    new_lesion
        Whether an unequivocal new lesion was seen; None when that isn't recorded.
    """

    day: int
    targets: Mapping[str, Lesion]
    nontarget: Response | None = None
    new_lesion: bool | None = False


@dataclass(frozen=True)
class Assessment:
    """What RECIST makes of one visit; sums in mm, changes in %, None where a sum is incomplete or has no reference."""

    day: int
    sum_mm: float | None
    nadir_mm: float | None
    change_from_baseline_pct: float | None
    change_from_nadir_pct: float | None
    n_targets: int
    n_measured: int
    target: Response | None
    nontarget: Response | None
    new_lesion: bool | None
    overall: Response


def sum_of_diameters(targets: Mapping[str, Lesion], expected: Sequence[str]) -> tuple[float, int]:
    """Sum in mm over the measured ones of the ``expected`` lesions, and how many of them were measured."""
    sizes = [targets[number].size_mm for number in expected if number in targets]
    measured = [size for size in sizes if size is not None]
    return float(sum(measured)), len(measured)


def has_progressed(sum_mm: float, nadir_mm: float, settings: Settings) -> bool:
    """Whether the sum has risen by 20 % *and* by 5 mm from its nadir, the smallest sum on study, baseline included."""
    rise = sum_mm - nadir_mm
    return _reaches(rise, settings.progression_increase * nadir_mm) and _reaches(rise, settings.progression_absolute_mm)


def has_responded(sum_mm: float, baseline_mm: float, settings: Settings) -> bool:
    """Whether the sum has fallen by 30 % from *baseline* (never from the nadir)."""
    return baseline_mm > 0 and _reaches(baseline_mm - sum_mm, settings.response_decrease * baseline_mm)


def has_disappeared(lesion: Lesion, settings: Settings) -> bool:
    """Whether a lesion is gone; a node needn't vanish, a short axis below 10 mm is a normal node."""
    if lesion.size_mm is None:
        return False
    return lesion.size_mm < settings.normal_node_mm if lesion.is_node else lesion.size_mm == 0


def target_response(
    targets: Mapping[str, Lesion],
    expected: Sequence[str],
    baseline_mm: float,
    nadir_mm: float,
    settings: Settings,
    *,
    after_complete_response: bool = False,
) -> Response:
    """Response of the target lesions.

    With lesions missing, the visit is not evaluable, unless the measured ones alone already prove progression. After an
    overall complete response any lesion that is back is progression, however small (Eisenhauer 2009, table 3, note a);
    a node is judged by the sum.
    """
    measured_mm, n_measured = sum_of_diameters(targets, expected)
    if n_measured and has_progressed(measured_mm, nadir_mm, settings):
        return Response.PD
    if after_complete_response and any(
        not lesion.is_node and lesion.size_mm for number, lesion in targets.items() if number in expected
    ):
        return Response.PD
    if n_measured < len(expected):
        return Response.NE
    if all(has_disappeared(targets[number], settings) for number in expected):
        return Response.CR
    if has_responded(measured_mm, baseline_mm, settings):
        return Response.PR
    return Response.SD


def overall_response(target: Response | None, nontarget: Response | None, new_lesion: bool | None) -> Response:
    """RECIST 1.1 tables 1 and 2: target x non-target x new lesion.

    ``target`` is None for a patient without measurable disease, ``nontarget`` for one without non-target lesions. Where
    it isn't recorded whether there are new lesions (None), only progression can be told.
    """
    if new_lesion or Response.PD in (target, nontarget):
        return Response.PD
    if new_lesion is None:
        return Response.NE
    if target is None:
        return nontarget or Response.NE
    if target is Response.CR and nontarget not in (None, Response.CR):
        return Response.PR
    return target


def assess(baseline: Visit, visits: Sequence[Visit], settings: Settings) -> list[Assessment]:
    """Every visit after baseline, in order of days. Lesions that weren't chosen at baseline don't count.

    A node that was measured short at baseline still belongs to the set; a target set that wasn't fully measured at
    baseline gives no reference, and the target response of every visit is NE.
    """
    expected = sorted(baseline.targets)
    baseline_mm, n_baseline = sum_of_diameters(baseline.targets, expected)
    has_reference = n_baseline == len(expected)
    nadir_mm = baseline_mm
    complete_before = False
    found = []
    for visit in sorted(visits, key=lambda each: each.day):
        measured_mm, n_measured = sum_of_diameters(visit.targets, expected)
        complete = bool(expected) and has_reference and n_measured == len(expected)
        target = None
        if expected:
            target = Response.NE
            if has_reference:
                target = target_response(
                    visit.targets, expected, baseline_mm, nadir_mm, settings, after_complete_response=complete_before
                )
        found.append(
            Assessment(
                day=visit.day,
                sum_mm=measured_mm if complete else None,
                nadir_mm=nadir_mm if expected and has_reference else None,
                change_from_baseline_pct=_change_pct(measured_mm, baseline_mm) if complete else None,
                change_from_nadir_pct=_change_pct(measured_mm, nadir_mm) if complete else None,
                n_targets=len(expected),
                n_measured=n_measured,
                target=target,
                nontarget=visit.nontarget,
                new_lesion=visit.new_lesion,
                overall=overall_response(target, visit.nontarget, visit.new_lesion),
            )
        )
        if complete:
            nadir_mm = min(nadir_mm, measured_mm)
        complete_before = complete_before or found[-1].overall is Response.CR
    return found


def best_overall_response(assessments: Sequence[Assessment], settings: Settings) -> Response:
    """The best response up to the first progression, without confirmation.

    Stable disease (and NON-CR/NON-PD) counts only from the minimum day on. No evaluable visit is NE.
    """
    counted = []
    for assessment in sorted(assessments, key=lambda each: each.day):
        stable = assessment.overall in (Response.SD, Response.NON_CR_NON_PD)
        if not stable or assessment.day >= settings.stable_from_day:
            counted.append(assessment.overall)
        if assessment.overall is Response.PD:
            break
    return min(counted, key=_BEST_FIRST.index, default=Response.NE)


def confirmed_best_response(assessments: Sequence[Assessment], settings: Settings) -> Response:
    """The best response up to the first progression, where CR and PR count once a later visit confirms them.

    A response is confirmed by the same or a better one at least four weeks later, before progression, with nothing
    but stable disease or what can't be evaluated between (RECIST 1.1, table 3). CR that is followed by PR alone (a
    lesion that is back is progression) and responses without confirmation are stable disease from the minimum day on,
    else NE.
    """
    course = []
    for assessment in sorted(assessments, key=lambda each: each.day):
        course.append(assessment)
        if assessment.overall is Response.PD:
            break
    for wanted in (Response.CR, Response.PR):
        accepted = (Response.CR,) if wanted is Response.CR else (Response.CR, Response.PR)
        for first, second in combinations((each for each in course if each.overall in accepted), 2):
            if second.day - first.day >= settings.confirmation_days:
                return wanted
    responded = (Response.CR, Response.PR, Response.SD)
    if any(each.overall in responded and each.day >= settings.stable_from_day for each in course):
        return Response.SD
    if any(each.overall is Response.NON_CR_NON_PD and each.day >= settings.stable_from_day for each in course):
        return Response.NON_CR_NON_PD
    return Response.PD if course and course[-1].overall is Response.PD else Response.NE


def _reaches(value: float, limit: float) -> bool:
    """``value >= limit`` for sums of decimal millimetres: 60 -> 42 mm is a fall of exactly 30 %."""
    return value >= limit - 1e-9


def _change_pct(now: float, before: float) -> float | None:
    return 100.0 * (now - before) / before if before > 0 else None
