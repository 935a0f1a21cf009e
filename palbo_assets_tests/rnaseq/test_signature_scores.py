"""Signature scores come from one sample alone and equal the running-sum definition of ssGSEA."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from palbo_assets.platform.errors import ReferenceBundleError
from palbo_assets.rnaseq.gene_sets import KEY_GENES, LITERATURE_SIGNATURES, read_gmt
from palbo_assets.rnaseq.gene_summary import summarise, tpm_by_symbol
from palbo_assets.rnaseq.quantifiers import read_quantification
from palbo_assets.rnaseq.signature_scores import SetScorer, mean_ranks, score_sample, ssgsea


def running_sum(order: list[int], ranks: np.ndarray, members: set[int], alpha: float) -> float:
    """ssGSEA as it is defined: walk from the highest gene down, add up the difference of both running sums."""
    weights = {gene: ranks[gene] ** alpha for gene in members}
    total, inside, outside, score = sum(weights.values()), 0.0, 0.0, 0.0
    for gene in order:
        if gene in members:
            inside += weights[gene] / total
        else:
            outside += 1 / (len(ranks) - len(members))
        score += inside - outside
    return score


def walk(values: np.ndarray, members: set[int], alpha: float) -> float:
    order = sorted(range(len(values)), key=lambda gene: -values[gene])
    return running_sum(order, rankdata(values), members, alpha)


@given(st.integers(5, 200), st.integers(1, 60), st.sampled_from([0.0, 0.25, 1.0]), st.integers(0, 10_000))
@settings(max_examples=200, deadline=None)
def test_the_closed_form_equals_the_running_sum(n: int, k: int, alpha: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.permutation(n).astype(float)
    members = rng.choice(n, size=min(k, n - 1), replace=False)
    expected = walk(values, set(members.tolist()), alpha)
    assert ssgsea(rankdata(values), members, alpha) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_tied_genes_score_the_mean_over_all_their_orders() -> None:
    from itertools import permutations

    values = np.array([5.0, 0.0, 0.0, 0.0, 2.0, 7.0])
    ranks, members = rankdata(values), {1, 4}
    scores = [running_sum([5, 0, 4, *tied], ranks, members, 0.25) for tied in permutations((1, 2, 3))]
    assert ssgsea(ranks, np.array(sorted(members)), 0.25) == pytest.approx(np.mean(scores))


def test_real_hallmark_sets_on_a_real_sample_equal_the_running_sum(shared_data: Path) -> None:
    genes = summarise(read_quantification(shared_data / "rna/tximport/rsem/ERR188021/ERR188021.genes.results")).genes
    tpm = tpm_by_symbol(genes)
    # The running sum needs one order: break ties once, in the same way for both.
    tpm += np.linspace(0, 1e-6, len(tpm))
    sets = read_gmt(shared_data / "reference/domain/h.all.v7.0.symbols.gmt")
    assert len(sets) == 51 and "CCNE1" not in sets["HALLMARK_E2F_TARGETS_WITHOUT_CCNE1"]  # 50 and one without a gene
    rows = {row["signature"]: row for row in score_sample(tpm, sets)}
    for name in ("HALLMARK_E2F_TARGETS", "HALLMARK_INTERFERON_ALPHA_RESPONSE", "HALLMARK_ESTROGEN_RESPONSE_EARLY"):
        members = {int(i) for i in tpm.index.get_indexer(list(sets[name])) if i >= 0}
        assert rows[name]["genes_present"] == len(members)
        assert rows[name]["score"] == pytest.approx(walk(tpm.to_numpy(), members, 0.25), rel=1e-9)
    # Lymphoblastoid cells divide and are no breast epithelium.
    assert rows["HALLMARK_E2F_TARGETS"]["score"] > rows["HALLMARK_ESTROGEN_RESPONSE_EARLY"]["score"]


def test_most_hallmark_sets_are_covered_in_a_real_annotation(shared_data: Path) -> None:
    genes = summarise(read_quantification(shared_data / "rna/tximport/rsem/ERR188021/ERR188021.genes.results")).genes
    rows = score_sample(tpm_by_symbol(genes), read_gmt(shared_data / "reference/domain/h.all.v7.0.symbols.gmt"))
    hallmark = [row for row in rows if row["method"] == "ssgsea"]
    assert all(row["status"] == "OBSERVED" for row in hallmark)
    assert min(row["genes_present"] / row["genes_total"] for row in hallmark) > 0.9  # measured 0.92


def sample(**tpm: float) -> pd.Series:
    return pd.Series({**{f"other{i}": float(i) for i in range(50)}, **tpm}, dtype=float)


def by_name(rows: list[dict[str, object]]) -> dict[str, dict[str, object]]:
    return {str(row["signature"]): row for row in rows}


def test_below_four_fifths_of_the_genes_there_is_no_score() -> None:
    sets = {"four_of_five": ["a", "b", "c", "d", "x"], "three_of_five": ["a", "b", "c", "x", "y"]}
    rows = by_name(score_sample(sample(a=1, b=2, c=3, d=4), sets))
    assert rows["four_of_five"]["status"] == "OBSERVED"
    assert rows["three_of_five"] | {"score": None, "status": "NOT_EVALUABLE"} == rows["three_of_five"]
    assert (rows["three_of_five"]["genes_present"], rows["three_of_five"]["genes_total"]) == (3, 5)


def test_literature_signatures_follow_their_formulas() -> None:
    rows = by_name(score_sample(sample(GZMA=3.99, PRF1=15.99, CCNE1=7, RB1=1), {}))
    assert rows["CYTOLYTIC_ACTIVITY"]["score"] == pytest.approx(8.0)
    assert rows["CCNE1_RB1_RATIO"]["score"] == pytest.approx(2.0)


def test_a_ratio_without_one_of_its_genes_is_not_evaluable() -> None:
    assert by_name(score_sample(sample(CCNE1=7), {}))["CCNE1_RB1_RATIO"]["status"] == "NOT_EVALUABLE"


def test_a_gene_without_reads_is_zero_and_a_gene_outside_the_annotation_is_not() -> None:
    rows = by_name(score_sample(sample(ESR1=0.0, RB1=3.0), {}))
    assert rows["gene:ESR1"]["score"] == 0.0 and rows["gene:ESR1"]["status"] == "OBSERVED"
    assert rows["gene:RB1"]["score"] == 2.0
    assert rows["gene:PGR"]["score"] is None and rows["gene:PGR"]["reason"] == "NOT_IN_ANNOTATION"


def test_old_and_new_symbols_score_the_same() -> None:
    new = score_sample(sample(NUF2=5, NDC80=2, a=1), {"s": ["NUF2", "NDC80", "a"]})
    old = score_sample(sample(NUF2=5, NDC80=2, a=1), {"s": ["CDCA1", "KNTC2", "a"]})
    assert new == old and new[0]["genes_present"] == 3


def test_without_gene_sets_the_expected_ones_are_listed_as_missing() -> None:
    rows = by_name(score_sample(sample(a=1), None, expected_sets=["HALLMARK_E2F_TARGETS"]))
    assert rows["HALLMARK_E2F_TARGETS"]["reason"] == "REFERENCE_MISSING: gene_sets"


def test_without_tpm_every_signature_is_not_evaluable() -> None:
    rows = score_sample(pd.Series(dtype=float), {"s": ["a"]})
    assert len(rows) == 1 + len(LITERATURE_SIGNATURES) + len(KEY_GENES)
    assert {(row["status"], row["score"]) for row in rows} == {("NOT_EVALUABLE", None)}


@given(st.permutations(range(30)), st.floats(0.5, 3))
@settings(max_examples=50, deadline=None)
def test_scores_ignore_the_order_of_genes_and_sets_any_monotone_transform(order: list[int], power: float) -> None:
    tpm = pd.Series({f"g{i}": float((i * 7) % 11) for i in range(30)})
    sets = {"s": ["g1", "g5", "g9", "g20"]}
    expected = score_sample(tpm, sets)[0]["score"]
    assert score_sample(tpm.iloc[order], sets)[0]["score"] == pytest.approx(expected)
    assert score_sample(tpm**power, sets)[0]["score"] == pytest.approx(expected)


def test_the_proliferation_genes_are_those_of_pam50(shared_data: Path) -> None:
    annotation = pd.read_csv(shared_data / "rna/pam50_unc/pam50_annot.tsv", sep="\t")
    proliferation = next(s for s in LITERATURE_SIGNATURES if s.name == "PAM50_PROLIFERATION")
    assert set(proliferation.genes) == set(annotation.loc[annotation["proliferative"] == 1, "gene_name"])


@pytest.mark.parametrize("content", ["A\tx\tg\nA\tx\th\n", "A\tx\n", "\tx\tg\n"])
def test_a_broken_gmt_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "sets.gmt"
    path.write_text(content)
    with pytest.raises(ReferenceBundleError, match="E_REFERENCE_SCHEMA"):
        read_gmt(path)


@given(st.integers(6, 80), st.integers(1, 6), st.integers(0, 10_000), st.booleans())
@settings(max_examples=100, deadline=None)
def test_many_sets_at_once_equal_the_formula_set_by_set_with_and_without_ties(
    n: int, n_sets: int, seed: int, ties: bool
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 5, n).astype(float) if ties else rng.normal(size=n)
    sets = [rng.choice(n, size=rng.integers(1, n), replace=False) for _ in range(n_sets)]
    np.testing.assert_allclose(mean_ranks(values), rankdata(values), rtol=0)
    expected = [ssgsea(rankdata(values), members, 0.25) for members in sets]
    np.testing.assert_allclose(SetScorer.of(sets, n).scores(values), expected, rtol=1e-9, atol=1e-9)


def test_rank_scores_ignore_other_samples_the_order_of_genes_and_a_monotone_transform() -> None:
    rng = np.random.default_rng(5)
    tpm = pd.DataFrame(rng.lognormal(2, 2, (500, 30)), index=[f"G{i}" for i in range(500)])
    sets = {f"S{k}": [f"G{i}" for i in rng.choice(500, 40, replace=False)] for k in range(5)}

    def scores(frame: pd.DataFrame) -> np.ndarray:
        scorer = SetScorer.of([frame.index.get_indexer(members) for members in sets.values()], len(frame))
        return np.array([scorer.scores(frame[name].to_numpy()) for name in frame])

    whole = scores(tpm)
    np.testing.assert_array_equal(scores(tpm[[3, 7]]), whole[[3, 7]])
    np.testing.assert_allclose(scores(tpm.sample(frac=1, random_state=1)), whole, rtol=1e-12)
    np.testing.assert_array_equal(scores(np.log2(tpm + 1)), whole)
