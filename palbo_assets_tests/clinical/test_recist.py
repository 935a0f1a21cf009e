"""RECIST 1.1, rule by rule and with its traps."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palbo_assets.clinical.recist import (
    Assessment,
    Lesion,
    Response,
    Visit,
    assess,
    best_overall_response,
    confirmed_best_response,
    has_progressed,
    has_responded,
    overall_response,
)
from palbo_assets.clinical.settings import Settings

SETTINGS = Settings()
CR, PR, SD, NN, PD, NE = (
    Response.CR,
    Response.PR,
    Response.SD,
    Response.NON_CR_NON_PD,
    Response.PD,
    Response.NE,
)


def course(*sums: float | None, node: bool = False, step: int = 56) -> list[Assessment]:
    """One lesion measured at baseline and then every ``step`` days."""
    visits = [Visit(day=step * index, targets={"1": Lesion(size, node)}) for index, size in enumerate(sums)]
    return assess(visits[0], visits[1:], SETTINGS)


def overall(*sums: float | None, node: bool = False) -> list[Response]:
    return [each.overall for each in course(*sums, node=node)]


def test_progression_counts_from_the_nadir_and_not_from_baseline() -> None:
    # 62 mm is far below the baseline of 100 mm, and 24 % above the nadir of 50 mm.
    assert overall(100, 50, 62) == [PR, PD]


def test_response_counts_from_baseline_and_not_from_the_nadir() -> None:
    # From 60 to 45 is a fall of 25 % from the last visit, but of 55 % from baseline.
    assert overall(100, 60, 45) == [PR, PR]
    assert overall(100, 95, 71) == [SD, SD]


def test_nadir_includes_baseline() -> None:
    assert overall(50, 60) == [PD]


def test_rise_of_a_fifth_needs_five_millimetres_too() -> None:
    assert overall(20, 24) == [SD]
    assert overall(20, 25) == [PD]
    assert overall(100, 119) == [SD]


@pytest.mark.parametrize(("before", "now", "responded"), [(60, 42, True), (60, 42.1, False), (33.3, 23.31, True)])
def test_exactly_thirty_percent_is_a_response(before: float, now: float, responded: bool) -> None:
    assert has_responded(now, before, SETTINGS) is responded


def test_exactly_twenty_percent_is_progression() -> None:
    assert has_progressed(33.6, 28.0, SETTINGS)


def test_complete_response_of_a_node_does_not_need_it_to_vanish() -> None:
    assert overall(20, 9.9, node=True) == [CR]
    assert overall(20, 10, node=True) == [PR]


def test_lesion_that_is_not_a_node_must_vanish() -> None:
    assert overall(20, 5, 0) == [PR, CR]


def test_lesion_that_is_back_after_complete_response_is_progression_however_small() -> None:
    assert overall(20, 0, 4) == [CR, PD]


def test_small_lesion_that_is_back_while_other_disease_remained_is_judged_by_the_sum() -> None:
    baseline = Visit(0, {"1": Lesion(20)}, NN)
    visits = [Visit(56, {"1": Lesion(0)}, NN), Visit(112, {"1": Lesion(4)}, NN), Visit(168, {"1": Lesion(5)}, NN)]
    assert [each.overall for each in assess(baseline, visits, SETTINGS)] == [PR, PR, PD]


def test_node_that_stays_normal_after_complete_response_is_still_complete() -> None:
    assert overall(20, 7, 9, node=True) == [CR, CR]


def test_missing_target_is_not_evaluable() -> None:
    assert overall(20, None, 21) == [NE, SD]


def test_missing_target_is_progression_when_the_others_prove_it() -> None:
    baseline = Visit(0, {"1": Lesion(20), "2": Lesion(20)})
    assert assess(baseline, [Visit(56, {"1": Lesion(60), "2": Lesion(None)})], SETTINGS)[0].overall is PD
    assert assess(baseline, [Visit(56, {"1": Lesion(60)})], SETTINGS)[0].overall is PD
    assert assess(baseline, [Visit(56, {"1": Lesion(5)})], SETTINGS)[0].overall is NE


def test_incomplete_sum_never_becomes_the_nadir() -> None:
    baseline = Visit(0, {"1": Lesion(30), "2": Lesion(30)})
    found = assess(
        baseline,
        [Visit(56, {"1": Lesion(30)}), Visit(112, {"1": Lesion(30), "2": Lesion(30)})],
        SETTINGS,
    )
    assert [each.overall for each in found] == [NE, SD]
    assert found[0].sum_mm is None
    assert found[1].nadir_mm == 60


def test_new_lesion_is_progression_whatever_the_targets_do() -> None:
    baseline = Visit(0, {"1": Lesion(50)})
    assert assess(baseline, [Visit(56, {"1": Lesion(0)}, new_lesion=True)], SETTINGS)[0].overall is PD


def test_unrecorded_new_lesions_make_everything_but_progression_not_evaluable() -> None:
    assert overall_response(SD, None, None) is NE
    assert overall_response(PD, None, None) is PD


def test_lesion_that_was_not_chosen_at_baseline_does_not_count() -> None:
    found = assess(Visit(0, {"1": Lesion(20)}), [Visit(56, {"1": Lesion(20), "9": Lesion(80)})], SETTINGS)
    assert found[0].overall is SD
    assert found[0].sum_mm == 20


def test_targets_without_a_measured_baseline_have_no_response() -> None:
    assert overall(None, 20, 40) == [NE, NE]


@pytest.mark.parametrize(
    ("target", "nontarget", "new", "expected"),
    [
        (CR, None, False, CR), (CR, CR, False, CR), (CR, NN, False, PR), (CR, NE, False, PR),
        (PR, NN, False, PR), (PR, NE, False, PR), (SD, CR, False, SD), (SD, NE, False, SD),
        (NE, NN, False, NE), (PD, CR, False, PD), (SD, PD, False, PD), (CR, CR, True, PD),
        (None, CR, False, CR), (None, NN, False, NN), (None, NE, False, NE), (None, PD, False, PD),
        (None, NN, True, PD), (None, None, False, NE),
    ],
)  # fmt: skip
def test_overall_response_follows_the_published_tables(
    target: Response | None, nontarget: Response | None, new: bool, expected: Response
) -> None:
    assert overall_response(target, nontarget, new) is expected


def test_progression_wins_in_every_combination() -> None:
    for target, nontarget in itertools.product([*Response, None], [*Response, None]):
        if PD in (target, nontarget):
            assert overall_response(target, nontarget, False) is PD


def test_best_response_ends_at_the_first_progression() -> None:
    assert best_overall_response(course(100, 125, 10), SETTINGS) is PD
    assert best_overall_response(course(100, 60, 130), SETTINGS) is PR


def test_stable_disease_counts_only_after_six_weeks() -> None:
    assert best_overall_response(course(100, 100, step=41), SETTINGS) is NE
    assert best_overall_response(course(100, 100, step=42), SETTINGS) is SD
    assert best_overall_response(course(100, 100, 130, step=30), SETTINGS) is PD


def test_a_response_is_confirmed_by_a_second_one_four_weeks_later_and_else_is_stable_disease() -> None:
    assert confirmed_best_response(course(100, 60, 60), SETTINGS) is PR
    assert confirmed_best_response(course(100, 60, None, 55), SETTINGS) is PR
    assert confirmed_best_response(course(100, 60), SETTINGS) is SD
    assert confirmed_best_response(course(100, 60, 60, step=27), SETTINGS) is SD  # at day 54: 27 days apart
    assert confirmed_best_response(course(100, 60, step=27), SETTINGS) is NE
    assert confirmed_best_response(course(100, 60, 130), SETTINGS) is SD
    assert confirmed_best_response(course(100, 125, 60), SETTINGS) is PD
    assert confirmed_best_response(course(20, 0, 0), SETTINGS) is CR
    assert confirmed_best_response(course(100, 60, 0), SETTINGS) is PR


@given(st.lists(st.none() | st.floats(0, 200), min_size=1, max_size=8), st.floats(10, 200))
def test_confirmation_never_makes_a_response_better(sizes: list[float | None], first: float) -> None:
    visits = course(first, *sizes)
    order = [CR, PR, SD, NN, PD, NE]
    best, confirmed = best_overall_response(visits, SETTINGS), confirmed_best_response(visits, SETTINGS)
    assert order.index(confirmed) >= order.index(best)


def test_no_evaluable_visit_is_not_evaluable() -> None:
    assert best_overall_response([], SETTINGS) is NE
    assert best_overall_response(course(100, None), SETTINGS) is NE


@given(st.lists(st.none() | st.floats(0, 200), min_size=1, max_size=8), st.floats(10, 200))
def test_order_of_the_visits_in_the_export_does_not_matter(sizes: list[float | None], first: float) -> None:
    baseline = Visit(-7, {"1": Lesion(first)})
    visits = [Visit(56 * (index + 1), {"1": Lesion(size)}) for index, size in enumerate(sizes)]
    assert assess(baseline, visits, SETTINGS) == assess(baseline, visits[::-1], SETTINGS)


@given(st.lists(st.floats(0, 200), min_size=1, max_size=8), st.floats(10, 200))
def test_complete_sum_is_never_called_stable_when_it_grew_enough(sizes: list[float], first: float) -> None:
    for each in course(first, *sizes):
        assert each.sum_mm is not None
        assert each.nadir_mm is not None
        grown = each.sum_mm >= 1.2 * each.nadir_mm + 1e-6 and each.sum_mm >= each.nadir_mm + 5 + 1e-6
        if grown:
            assert each.overall is PD
        if each.overall is PR:
            assert each.sum_mm <= 0.7 * first + 1e-6
