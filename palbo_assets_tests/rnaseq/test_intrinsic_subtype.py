"""PAM50 calls agree with published ones on a frozen reference, and not when a luminal cohort centres itself."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from palbo_assets.platform.errors import InputError, NotEvaluableError, ReferenceBundleError
from palbo_assets.rnaseq.intrinsic_subtype import (
    SUBTYPES,
    SubtypeCall,
    call_subtype,
    read_centroids,
    read_medians,
    spearman,
)

PUBLISHED = {"luminal_a": "LumA", "luminal_b": "LumB", "her2": "Her2", "basal": "Basal", "normal": "Normal"}


class Unc(NamedTuple):
    """The reference implementation's 200 tumours: log ratios (genes x samples), centroids, published results."""

    expression: pd.DataFrame
    centroids: pd.DataFrame
    correlations: pd.DataFrame
    labels: pd.Series

    def calls(self, samples: pd.Index, medians: pd.Series) -> dict[str, SubtypeCall]:
        return {sample: call_subtype(self.expression[sample], self.centroids, medians) for sample in samples}

    def agreement(self, samples: pd.Index, medians: pd.Series) -> float:
        calls = self.calls(samples, medians)
        return float(np.mean([calls[sample].subtype == self.labels[sample] for sample in samples]))


@pytest.fixture(scope="module")
def unc(shared_data: Path) -> Unc:
    folder = shared_data / "rna/pam50_unc"
    results = pd.read_csv(folder / "pam50_testdata_assignments.tsv", sep="\t", index_col=0)
    centroids = pd.read_csv(folder / "pam50_centroids.tsv", sep="\t", index_col=0).rename(columns=PUBLISHED)
    return Unc(
        pd.read_csv(folder / "pam50_testdata.tsv", sep="\t", index_col=0),
        centroids[list(SUBTYPES)],
        results[list(PUBLISHED)].rename(columns=PUBLISHED),
        results["assignment"].map(PUBLISHED),
    )


def test_published_calls_are_reproduced_with_the_cohorts_frozen_medians(unc: Unc) -> None:
    medians = unc.expression.median(axis=1)
    assert unc.agreement(unc.labels.index, medians) >= 0.95  # measured 1.000 (200 of 200)


def test_published_correlations_are_reproduced(unc: Unc) -> None:
    calls = unc.calls(unc.labels.index, unc.expression.median(axis=1))
    own = pd.DataFrame({sample: call.correlations for sample, call in calls.items()}).T
    assert (own - unc.correlations)[list(SUBTYPES)].abs().to_numpy().max() < 0.002  # measured 0.0007


def test_medians_frozen_on_other_tumours_serve_as_well(unc: Unc) -> None:
    first, second = unc.labels.index[::2], unc.labels.index[1::2]
    assert unc.agreement(second, unc.expression[first].median(axis=1)) >= 0.95  # measured 0.99
    assert unc.agreement(first, unc.expression[second].median(axis=1)) >= 0.95  # measured 0.98


def test_a_luminal_cohort_that_centres_itself_loses_its_calls(unc: Unc) -> None:
    luminal = unc.labels.index[unc.labels.isin(["LumA", "LumB"])]
    frozen = unc.agreement(luminal, unc.expression.median(axis=1))
    naive = unc.agreement(luminal, unc.expression[luminal].median(axis=1))
    assert frozen >= 0.95  # measured 1.000
    assert naive < 0.60  # measured 0.411: 51 of 90 luminal tumours are called Normal, Her2 or Basal


def test_an_all_luminal_a_cohort_stays_luminal_a_with_the_frozen_reference(unc: Unc) -> None:
    luminal_a = unc.labels.index[unc.labels == "LumA"]
    assert unc.agreement(luminal_a, unc.expression.median(axis=1)) >= 0.90  # measured 1.000
    assert unc.agreement(luminal_a, unc.expression[luminal_a].median(axis=1)) < 0.50  # measured 0.216


def test_calls_ignore_the_order_of_genes_and_a_shift_of_the_whole_sample(unc: Unc) -> None:
    medians, sample = unc.expression.median(axis=1), unc.expression["S5"]
    expected = call_subtype(sample, unc.centroids, medians)
    assert call_subtype(sample.iloc[::-1] + 3.0, unc.centroids, medians.sort_values()) == expected


def test_margins_and_confidence_follow_the_two_best_correlations(unc: Unc) -> None:
    for call in unc.calls(unc.labels.index, unc.expression.median(axis=1)).values():
        best, second = sorted(call.correlations.values(), reverse=True)[:2]
        assert call.margin == pytest.approx(best - second)
        assert call.confident == (call.margin >= 0.10 and call.subtype != "Normal")
        assert bool(call.reason) == (call.subtype == "Normal")


def test_old_and_new_symbols_give_equal_calls(shared_data: Path, tmp_path: Path, unc: Unc) -> None:
    source = pd.read_csv(shared_data / "reference/domain/pam50_centroids_parsed.csv", index_col=0)
    assert {"CDCA1", "KNTC2", "ORC6L"} <= set(source.index)
    source.rename_axis("gene")[list(SUBTYPES)].to_csv(tmp_path / "old.csv")
    old = read_centroids(tmp_path / "old.csv")
    assert {"NUF2", "NDC80", "ORC6"} <= set(old.index) and len(old) == 50
    medians = unc.expression.median(axis=1)
    calls = [call_subtype(unc.expression[sample], old, medians) for sample in unc.labels.index]
    assert [call.subtype for call in calls] == unc.labels.tolist()


def test_spearman_equals_scipys_with_ties() -> None:
    rng = np.random.default_rng(3)
    values, columns = rng.integers(0, 6, 40).astype(float), rng.integers(0, 6, (40, 5)).astype(float)
    expected = [spearmanr(values, columns[:, i]).statistic for i in range(5)]
    np.testing.assert_allclose(spearman(values, columns), expected, rtol=1e-12)


def test_too_few_genes_and_a_flat_profile_are_not_evaluable(unc: Unc) -> None:
    medians = unc.expression.median(axis=1)
    with pytest.raises(NotEvaluableError, match="TOO_FEW_GENES"):
        call_subtype(unc.expression["S1"].dropna().iloc[:39], unc.centroids, medians)
    with pytest.raises(NotEvaluableError, match="FLAT_PROFILE"):
        call_subtype(medians, unc.centroids, medians)


def test_references_that_are_broken_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "medians.csv"
    path.write_text("gene,median\nESR1,1\nESR1,2\n")
    with pytest.raises(ReferenceBundleError, match="E_REFERENCE_SCHEMA"):
        read_medians(path)
    path.write_text("gene,median\nNUF2,1\nCDCA1,2\n")
    with pytest.raises(ReferenceBundleError, match="E_REFERENCE_SCHEMA"):
        read_medians(path)
    path.write_text("gene,median\nESR1,\n")
    with pytest.raises(ReferenceBundleError, match="E_REFERENCE_SCHEMA"):
        read_medians(path)
    path.write_text("gene,mean\nESR1,1\n")
    with pytest.raises(InputError, match="E_SCHEMA"):
        read_medians(path)
