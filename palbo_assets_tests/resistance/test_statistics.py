"""Exact paired tests against published and independent values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from palbo_assets.platform.tables import frame_from_rows, validate
from palbo_assets.resistance.statistics import benjamini_hochberg, cohort_statistics, mcnemar_exact, signed_rank
from palbo_assets.resistance.tables import (
    CATALOGUE,
    INTEGRATED_RESISTANCE_PAIRS,
    MECHANISMS,
    RESISTANCE_STATISTICS,
    RESISTANCE_TRANSITIONS,
)
from palbo_assets_tests.resistance.frames import SETTINGS

NRG1 = "elisa__nrg1_pg_ml"


@pytest.mark.parametrize(
    ("up", "down", "p"), [(6, 0, 0.031), (8, 1, 0.039), (10, 2, 0.0386), (5, 0, 0.0625), (0, 0, 1)]
)
def test_mcnemar_gives_the_exact_binomial_p(up, down, p) -> None:
    assert mcnemar_exact(up, down) == pytest.approx(p, abs=5e-4)
    assert mcnemar_exact(down, up) == mcnemar_exact(up, down)


@pytest.mark.parametrize(("n", "p"), [(4, 0.125), (5, 0.0625), (6, 0.03125)])
def test_the_smallest_signed_rank_p_of_few_pairs_is_the_published_one(n, p) -> None:
    assert signed_rank([float(i) for i in range(1, n + 1)]).p_value == p


@given(st.lists(st.floats(-100, 100).filter(lambda x: abs(x) > 1e-6), min_size=6, max_size=25, unique_by=abs))
def test_signed_ranks_without_ties_agree_with_scipys_exact_test(changes) -> None:
    assert signed_rank(changes).p_value == pytest.approx(stats.wilcoxon(changes, method="exact").pvalue)


def test_signed_ranks_with_ties_and_zeros_enumerate_every_sign() -> None:
    changes = np.array([1, 1, -2, 3, 3, 4, 0, -1, 2], dtype=float)
    moved = changes[changes != 0]
    ranks = stats.rankdata(np.abs(moved))
    observed = ranks[moved > 0].sum()
    sums = np.array([(ranks * [(n >> i) & 1 for i in range(len(ranks))]).sum() for n in range(2 ** len(ranks))])
    p = min(1.0, 2 * min((sums <= observed).mean(), (sums >= observed).mean()))
    result = signed_rank(list(changes))
    assert result.p_value == pytest.approx(p)
    assert (result.n_up, result.n_down, result.n_zero) == (6, 2, 1)


def test_the_hodges_lehmann_shift_is_the_median_of_walsh_averages() -> None:
    changes = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    walsh = [(a + b) / 2 for i, a in enumerate(changes) for b in changes[i:]]
    result = signed_rank(changes)
    assert result.shift == np.median(walsh)
    assert (result.low, result.high) == (1.0, 32.0)  # at n = 6 only the widest interval keeps 95 %


def test_the_interval_covers_the_true_shift_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(300):
        result = signed_rank(list(rng.normal(0.5, 1.0, size=15)))
        covered += result.low <= 0.5 <= result.high
    assert covered / 300 >= 0.92


def test_all_changes_zero_have_p_1() -> None:
    assert signed_rank([0.0] * 8).p_value == 1.0


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=40))
def test_adjusted_p_agree_with_statsmodels(p_values) -> None:
    assert benjamini_hochberg(p_values) == pytest.approx(list(multipletests(p_values, method="fdr_bh")[1]))


def cohort(transitions: list[str], changes: list[float | None], withdrawn: int = 0, chosen: int = 0):
    """``chosen``: of so many patients, the first, the transition rests on loci that this cohort put on the panel."""
    n = max(len(transitions), len(changes))
    names = [f"P-{i:03d}" for i in range(n)]
    elsewhere = {f"{feature.name}__pair_status": "NOT_EXPECTED" for feature in CATALOGUE.side_by_side}
    pairs = frame_from_rows(
        INTEGRATED_RESISTANCE_PAIRS,
        [
            elsewhere
            | {
                "patient_id": name,
                "withdrawn": i < withdrawn,
                f"{NRG1}__delta": changes[i] if i < len(changes) else None,
                f"{NRG1}__pair_status": "OBSERVED" if i < len(changes) and changes[i] is not None else "PENDING",
            }
            for i, name in enumerate(names)
        ],
    )
    stated = frame_from_rows(
        RESISTANCE_TRANSITIONS,
        [
            {
                "patient_id": name,
                "mechanism": "ESR1_MUT",
                "baseline_state": "NOT_EVALUABLE",
                "progression_state": "NOT_EVALUABLE",
                "transition": transition,
                "reason": "baseline wes: NOT_MEASURED" if transition == "not_evaluable" else "",
                "chosen_from_cohort": i < chosen,
            }
            for i, (name, transition) in enumerate(zip(names, transitions, strict=False))
        ],
    )
    rows = cohort_statistics(CATALOGUE, MECHANISMS, pairs, stated, SETTINGS)
    frame = frame_from_rows(RESISTANCE_STATISTICS, rows)
    validate(RESISTANCE_STATISTICS, frame)
    return {row["item"]: row for row in frame.astype(object).where(frame.notna(), None).to_dict("records")}


def test_acquired_mutations_are_tested_over_evaluable_pairs_with_their_denominators() -> None:
    transitions = ["acquired"] * 8 + ["lost"] + ["stable_absent"] * 20 + ["preexisting"] * 3
    transitions += ["pd_only_indeterminate"] * 4 + ["not_evaluable"] * 4
    row = cohort(transitions, [])["ESR1_MUT"]
    assert (row["n_eligible"], row["n_pairs"], row["n_up"], row["n_down"]) == (36, 32, 8, 1)
    assert (row["n_baseline"], row["n_progression"]) == (4, 11)
    assert row["p_value"] == pytest.approx(0.0390625)
    assert row["estimate"] == pytest.approx(7 / 32)


def test_pairs_that_rest_on_loci_chosen_from_this_cohort_are_counted_apart_and_not_tested() -> None:
    """Ten more patients acquired it, at a locus that is read because one of them did: the test stays as it was."""
    transitions = ["acquired"] * 8 + ["lost"] + ["stable_absent"] * 20
    alone, more = (
        cohort(transitions, [])["ESR1_MUT"],
        cohort(["acquired"] * 10 + transitions, [], chosen=10)["ESR1_MUT"],
    )
    assert (alone.pop("n_chosen_from_cohort"), more.pop("n_chosen_from_cohort")) == (0, 10)
    assert (alone.pop("n_eligible"), more.pop("n_eligible")) == (29, 39)
    assert more == alone and more["n_up"] == 8
    only = cohort(["acquired"] * 8, [], chosen=8)["ESR1_MUT"]
    assert (only["n_pairs"], only["p_value"], only["reason"]) == (0, None, "TOO_FEW_PAIRS: 0 of 6")


def test_five_pairs_are_not_testable() -> None:
    found = cohort(["acquired"] * 5, [1.0, 2.0, 3.0, 4.0, 5.0])
    for item in ("ESR1_MUT", NRG1):
        assert (found[item]["p_value"], found[item]["status"]) == (None, "NOT_EVALUABLE")
        assert found[item]["reason"] == "TOO_FEW_PAIRS: 5 of 6"
        assert found[item]["family_size"] == 0


def test_pairs_without_a_value_are_eligible_and_not_counted_as_no_change() -> None:
    row = cohort([], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, None, None])[NRG1]
    assert (row["n_eligible"], row["n_pairs"], row["n_zero"]) == (8, 6, 0)
    assert row["p_value"] == 0.03125


def test_withdrawn_patients_count_nowhere() -> None:
    row = cohort(["acquired"] * 8, [1.0] * 8, withdrawn=2)
    assert (row["ESR1_MUT"]["n_eligible"], row[NRG1]["n_eligible"]) == (6, 6)


def test_an_empty_cohort_has_no_test_and_no_error() -> None:
    found = cohort([], [])
    assert all(row["p_value"] is None for row in found.values())
