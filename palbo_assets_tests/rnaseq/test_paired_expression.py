"""Planted changes between two timepoints of the same patients are found, patients' own levels are not, and why not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from palbo_assets.rnaseq.cohort_correlation import median_correlations
from palbo_assets.rnaseq.paired_expression import (
    Pair,
    benjamini_hochberg,
    camera,
    contrast_rows,
    count_matrix,
    differential,
    pairs_of,
    set_rows,
)
from palbo_assets.rnaseq.sample_identity import judge
from palbo_assets.rnaseq.settings import Settings

N_GENES, N_CHANGED, N_UP, N_PAIRS = 300, 30, 15, 8


@pytest.fixture(scope="module")
def study() -> tuple[pd.DataFrame, list[Pair]]:
    """Counts of 8 pairs: 15 genes rise fourfold, 15 fall as much, all differ more from patient to patient."""
    rng = np.random.default_rng(4)
    level, patient = rng.lognormal(5, 1, N_GENES), rng.normal(0, 0.8, (N_PAIRS, N_GENES))
    change = np.zeros(N_GENES)
    change[:N_UP], change[N_UP:N_CHANGED] = 2.0, -2.0
    counts, pairs = {}, []
    for i in range(N_PAIRS):
        for k, name in enumerate((f"P{i}-BL", f"P{i}-PD")):
            mean = level * np.exp(patient[i]) * 2.0 ** (k * change) * rng.uniform(0.5, 2)
            counts[name] = rng.negative_binomial(20, 20 / (20 + mean))
        pairs.append(Pair(f"P{i}", f"P{i}-BL", f"P{i}-PD"))
    return pd.DataFrame(counts, index=[f"G{i}" for i in range(N_GENES)]).T, pairs


@pytest.fixture(scope="module")
def tested(study: tuple[pd.DataFrame, list[Pair]]) -> pd.DataFrame:
    return differential(*study)


def test_planted_changes_are_found_against_the_patients_own_baseline(tested: pd.DataFrame) -> None:
    planted = tested.reindex([f"G{i}" for i in range(N_CHANGED)])
    others = tested.drop(planted.index)
    assert (planted["q_value"] < 0.05).mean() > 0.95 and (others["q_value"] < 0.05).mean() < 0.10
    assert planted["log2_fold_change"].iloc[:N_UP].median() == pytest.approx(2, abs=0.25)
    assert planted["log2_fold_change"].iloc[N_UP:].median() == pytest.approx(-2, abs=0.25)
    assert others["log2_fold_change"].median() == pytest.approx(0, abs=0.15)


def test_the_same_counts_give_the_same_numbers(study: tuple[pd.DataFrame, list[Pair]], tested: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(differential(*study), tested)


def test_a_set_of_changed_genes_is_enriched_and_a_set_of_others_is_not(tested: pd.DataFrame) -> None:
    genes = tested.assign(gene_symbol=tested.index)
    pairs = [Pair(f"P{i}", f"P{i}-BL", f"P{i}-PD") for i in range(N_PAIRS)]
    scores = pd.DataFrame(
        [
            {"specimen_id": name, "signature": "UP", "score": 10.0 * later + i}
            for i, pair in enumerate(pairs)
            for later, name in enumerate((pair.before, pair.after))
        ]
    )
    sets = {"UP": [f"G{i}" for i in range(N_UP)], "REST": [f"G{i}" for i in range(40, 80)], "GONE": ["X", "Y", "Z"]}
    rows = {row["signature"]: row for row in set_rows(genes, sets, scores, pairs)}
    assert rows["UP"]["q_value"] < 1e-6 and rows["UP"]["mean_wald_difference"] > 0
    assert (rows["UP"]["score_change_median"], rows["UP"]["paired_p_value"]) == (10.0, pytest.approx(2 / 2**N_PAIRS))
    assert rows["REST"]["p_value"] > 0.05
    assert (rows["GONE"]["status"], rows["GONE"]["reason"]) == ("NOT_EVALUABLE", "TOO_FEW_GENES")


def test_camera_without_correlation_is_a_t_test_and_with_it_is_humbler() -> None:
    from scipy.stats import ttest_ind

    statistic = np.random.default_rng(0).normal(size=400)
    members = np.arange(50)
    statistic[members] += 0.6
    plain = ttest_ind(statistic[members], statistic[50:])
    assert camera(statistic, members, 0.0)[1] == pytest.approx(plain.pvalue, rel=1e-9)
    assert camera(statistic, members)[1] > plain.pvalue


def test_q_values_leave_missing_ones_missing() -> None:
    found = benjamini_hochberg(np.array([0.01, np.nan, 0.04]))
    assert found[[0, 2]] == pytest.approx([0.02, 0.04]) and np.isnan(found[1])


def quality(patient: str, timepoint: str, **changed: object) -> dict[str, object]:
    row = {
        "patient_id": patient, "timepoint": timepoint, "specimen_id": f"{patient}-{timepoint}", "tool": "salmon",
        "verdict": "pass", "status": "OBSERVED", "assigned_reads": 3e7,
    }  # fmt: skip
    return {**row, **changed}


def test_pairs_that_would_compare_something_else_are_left_out_and_counted() -> None:
    rows = pd.DataFrame(
        [
            quality("A", "BL"), quality("A", "PD"),
            quality("A", "PD", specimen_id="A-PD-2", assigned_reads=2e7),
            quality("B", "BL"), quality("B", "PD", verdict="fail"),
            quality("C", "BL"), quality("C", "PD", tool="star"),
            quality("D", "BL"), quality("D", "PD"),
            quality("E", "BL"),
        ]
    )  # fmt: skip
    identity = pd.DataFrame(
        [
            {"specimen_id": "D-PD", "verdict": "fail", "reasons": "SEX_MISMATCH; UNLIKE_THE_COHORT"},
            {"specimen_id": "A-PD", "verdict": "pass", "reasons": ""},
        ]
    )
    pairs, left_out = pairs_of(rows, identity, "PD")
    assert pairs == [Pair("A", "A-BL", "A-PD")]
    assert left_out == {"QC_FAIL": 1, "MIXED_QUANTIFIERS": 1, "SEX_MISMATCH": 1}
    found = {row["contrast"]: row for row in contrast_rows(rows, identity, ("W06", "PD"), pairs_min=6)}
    assert (found["BL_PD"]["status"], found["BL_PD"]["reason"]) == ("NOT_EVALUABLE", "TOO_FEW_PAIRS: 1 of 6")
    assert (found["BL_W06"]["n_pairs"], found["BL_PD"]["n_left_out"]) == (0, 3)
    assert contrast_rows(rows, identity, ("PD",), pairs_min=1)[0]["status"] == "OBSERVED"


def test_a_gene_that_one_specimen_lacks_is_not_taken_for_zero() -> None:
    expression = pd.DataFrame(
        [("a", "G1", 1.4), ("a", "G2", 5.0), ("b", "G1", 2.6)], columns=["specimen_id", "gene_id", "count"]
    )
    found = count_matrix(expression, ["b", "a"])
    assert found.to_dict() == {"G1": {"b": 3, "a": 1}}


@pytest.mark.parametrize(
    ("xist", "y", "sex", "site", "share", "verdict", "reasons"),
    [
        (30.0, 0.0, "Female", "chest wall", 0.0, "pass", ""),
        (0.1, 0.0, "Female", "breast", 0.0, "pass", ""),  # tumours lose XIST: nothing to say about sex
        (0.1, 9.0, "Female", "breast", 0.0, "fail", "SEX_MISMATCH"),
        (30.0, 9.0, "Female", "", None, "fail", "SEX_MISMATCH"),
        (0.0, 9.0, "male", "Liver", 0.2, "warn", "HEPATOCYTES_IN_THE_BIOPSY"),
        (30.0, 0.0, "F", "bone", 0.2, "warn", "LIVER_GENES_AT_ANOTHER_SITE"),
        (30.0, 0.0, "", "", 0.2, None, ""),
    ],
)
def test_sex_and_liver_genes_are_held_against_what_was_recorded(
    xist: float, y: float, sex: str, site: str, share: float | None, verdict: str | None, reasons: str
) -> None:
    row = judge({"xist_tpm": xist, "rps4y1_tpm": y, "hepatocyte_share": share}, sex, site, None, Settings())
    assert (row["verdict"], row["reasons"]) == (verdict, reasons)


def test_the_rna_of_another_person_fails_whatever_its_profile_says() -> None:
    quality = {"xist_tpm": 30.0, "rps4y1_tpm": 0.0, "hepatocyte_share": None}
    row = judge(quality, "Female", "", 0.95, Settings(), another_persons=True)
    assert (row["verdict"], row["reasons"]) == ("fail", "ANOTHER_PERSON")


def test_a_profile_unlike_the_cohort_fails() -> None:
    """Nine specimens share a profile, one is of something else; Liu's limit parts them."""
    rng = np.random.default_rng(9)
    level = rng.lognormal(2, 2, 2000)
    profiles = {f"S{i}": level * rng.lognormal(0, 0.5, 2000) for i in range(9)} | {"ODD": rng.permutation(level)}
    rows = pd.DataFrame(
        [
            {"specimen_id": name, "gene_id": f"G{i}", "tpm": value}
            for name, values in profiles.items()
            for i, value in enumerate(values)
        ]
    )
    found = median_correlations(rows, 1.0)
    assert set(found) == set(profiles)
    assert found["ODD"] < 0.2 and min(found[name] for name in found if name != "ODD") > 0.85
    wide = rows.pivot(index="gene_id", columns="specimen_id", values="tpm")
    wide = wide[(wide > 1).any(axis=1)]
    assert found["S0"] == pytest.approx(wide.corr("spearman")["S0"].drop("S0").median(), abs=1e-9)
    quality = {"xist_tpm": 30.0, "rps4y1_tpm": 0.0, "hepatocyte_share": None}
    row = judge(quality, "Female", "", found["ODD"], Settings())
    assert (row["verdict"], row["reasons"]) == ("fail", "UNLIKE_THE_COHORT")
    assert judge(quality, "Female", "", found["S0"], Settings())["verdict"] == "pass"


def test_two_specimens_or_one_flat_profile_say_nothing_about_likeness() -> None:
    rows = pd.DataFrame(
        [{"specimen_id": s, "gene_id": f"G{i}", "tpm": 5.0 + i * (s != "C")} for s in "ABC" for i in range(10)]
    )
    assert median_correlations(rows, 1.0) == {}  # C is flat, two remain
    assert median_correlations(rows[rows["specimen_id"] == "A"], 1.0) == {}
