"""Cell fractions are right as often as their intervals say, and are not invented without purity or copies."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palbo_assets.wes import cancer_cell_fraction as method
from palbo_assets.wes.cancer_cell_fraction import CellFractions, expected_vaf, grid
from palbo_assets.wes.changes import Change
from palbo_assets.wes.settings import Settings

SETTINGS = Settings()


def cell_fractions(*data: object) -> CellFractions:
    return method.cell_fractions(*data, settings=SETTINGS)  # type: ignore[arg-type]


def compare(before: CellFractions, after: CellFractions) -> list[Change]:
    return method.compare(before, after, ratio=SETTINGS.ccf_change_ratio)


@pytest.mark.parametrize(("purity", "copies", "vaf"), [(0.3, 2, 0.15), (0.3, 1, 0.176), (0.3, 3, 0.13), (0.8, 2, 0.4)])
def test_a_clonal_mutation_has_the_fraction_of_reads_that_theory_says(purity: float, copies: int, vaf: float) -> None:
    assert expected_vaf(1.0, purity, copies, 1) == pytest.approx(vaf, abs=0.001)


def simulated(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cell fractions, and intervals for them, at purities 0.3, 0.5 and 0.8, 60x to 300x, one to five copies."""
    random = np.random.default_rng(seed)
    truth, low, high = [], [], []
    for purity in (0.3, 0.5, 0.8):
        ccf = random.random(n)
        depth = random.integers(60, 300, n)
        total = random.integers(1, 6, n)
        minor = random.integers(0, total // 2 + 1)
        multiplicity = random.integers(1, total - minor + 1)
        share = purity * multiplicity * ccf / (purity * total + 2 * (1 - purity))
        result = cell_fractions(random.binomial(depth, share), depth, purity, total, minor)
        truth.append(ccf)
        low.append(result.low)
        high.append(result.high)
    return np.concatenate(truth), np.concatenate(low), np.concatenate(high)


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    truth, low, high = simulated(2000, seed=1)
    covered = np.mean((low <= truth) & (truth <= high))
    assert 0.90 <= covered <= 0.98, covered


def test_most_clonal_mutations_of_one_copy_are_called_clonal() -> None:
    random = np.random.default_rng(2)
    depth = random.integers(100, 300, 2000)
    result = cell_fractions(random.binomial(depth, expected_vaf(1.0, 0.6, 2, 1)), depth, 0.6, 2, 1)
    assert np.mean(np.array(result.clonal(SETTINGS.ccf_clonal), bool)) > 0.9
    minor_clone = cell_fractions(random.binomial(depth, expected_vaf(0.4, 0.6, 2, 1)), depth, 0.6, 2, 1)
    assert np.mean(np.array(minor_clone.clonal(SETTINGS.ccf_clonal), bool)) < 0.05


def test_intervals_hold_the_published_truth_of_simulated_clones(shared_data: Path) -> None:
    """PyClone-VI's example, where mutated and other tumour cells have equally many copies, as the method presumes."""
    with (shared_data / "wes_somatic" / "clonal_pyclone_vi" / "synthetic.tsv").open(newline="") as handle:
        rows = [
            row
            for row in csv.DictReader(handle, delimiter="\t")
            if len(row["g_r"]) == int(row["major_cn"]) + int(row["minor_cn"])
        ]
    assert len(rows) == 248
    columns = {name: np.array([float(row[name]) for row in rows]) for name in ("ref_counts", "alt_counts", "ccf")}
    major, minor = (np.array([float(row[name]) for row in rows]) for name in ("major_cn", "minor_cn"))
    alt = columns["alt_counts"]
    result = cell_fractions(alt, alt + columns["ref_counts"], 1.0, major + minor, minor)
    covered = np.mean((result.low <= columns["ccf"]) & (columns["ccf"] <= result.high))
    assert covered >= 0.90, covered


@settings(max_examples=50, deadline=None)
@given(depth=st.integers(1, 3000), share=st.floats(0, 1), purity=st.floats(0.05, 1), total=st.integers(1, 12))
def test_the_estimate_lies_in_its_interval_within_none_and_all(
    depth: int, share: float, purity: float, total: int
) -> None:
    result = cell_fractions(int(share * depth), depth, purity, total, np.nan)
    assert 0 <= result.low[0] <= result.ccf[0] <= result.high[0] <= 1
    assert result.posterior[0].sum() == pytest.approx(1)


def test_the_posterior_is_the_plain_sum_over_multiplicities() -> None:
    alt, depth, purity, total, minor, error = 30, 100, 0.7, 4, 1, 0.001
    plain = np.zeros(len(grid()))
    for at, ccf in enumerate(grid()):
        for copies in range(1, total - minor + 1):
            share = expected_vaf(ccf, purity, total, copies)
            seen = share * (1 - error) + (1 - share) * error
            plain[at] += seen**alt * (1 - seen) ** (depth - alt)
    ours = cell_fractions(alt, depth, purity, total, minor).posterior[0]
    np.testing.assert_allclose(ours, plain / plain.sum(), rtol=1e-6, atol=1e-12)


def test_nothing_is_assumed_without_purity_copies_or_depth() -> None:
    assert cell_fractions([5], [50], None, [2], [1]).reasons == ("NO_PURITY",)
    result = cell_fractions([5, 0, 5, 5], [50, 0, 50, 50], 0.5, [np.nan, 2, 0, 2], [np.nan, 1, 0, 1])
    assert result.reasons == ("NO_COPY_NUMBER", "NO_DEPTH", "NO_COPY_LEFT", "")
    assert np.isnan(result.ccf[:3]).all() and result.clonal(SETTINGS.ccf_clonal)[:3] == [None, None, None]
    with pytest.raises(ValueError, match="depth"):
        cell_fractions([51], [50], 0.5, [2], [1])


def test_another_purity_alone_is_no_change_and_an_outgrown_clone_is() -> None:
    depth = 200
    at_baseline = [round(depth * expected_vaf(ccf, 0.8, 2, 1)) for ccf in (1.0, 0.2, 0.9, 0.5)]
    at_progression = [round(depth * expected_vaf(ccf, 0.4, 2, 1)) for ccf in (1.0, 0.9, 0.2, 0.5)]
    before = cell_fractions(at_baseline, [depth] * 4, 0.8, 2, 1)
    after = cell_fractions(at_progression, [depth] * 4, 0.4, 2, 1)
    assert compare(before, after) == [
        Change.NO_CHANGE_SHOWN,  # its share of reads halved
        Change.EXPANDED,
        Change.CONTRACTED,
        Change.NO_CHANGE_SHOWN,
    ]
    unknown = cell_fractions(at_progression, [depth] * 4, None, 2, 1)
    assert set(compare(before, unknown)) == {Change.NOT_EVALUABLE}
