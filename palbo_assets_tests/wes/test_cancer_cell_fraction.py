"""Cell fractions are right as often as their intervals say, and are not invented without purity or copies."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palbo_assets.wes import cancer_cell_fraction as method
from palbo_assets.wes.cancer_cell_fraction import CellFractions, differences, expected_vaf, grid
from palbo_assets.wes.changes import Change
from palbo_assets.wes.settings import Settings
from palbo_assets_tests.wes.planted_clones import Reported, subclonal_copies

SETTINGS = Settings()


def cell_fractions(*data: object, share: object = 1.0, **others: object) -> CellFractions:
    return method.cell_fractions(*data, settings=SETTINGS, share=share, **others)  # type: ignore[arg-type]


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


@pytest.mark.parametrize("differ", [False, True])
def test_intervals_hold_the_published_truth_of_simulated_clones(shared_data: Path, differ: bool) -> None:
    """PyClone-VI's example, whose files don't say in how many cells copies are: in 248 mutations all tumour cells have
    equally many, in 152 only the mutated ones have those of the file."""
    with (shared_data / "wes_somatic" / "clonal_pyclone_vi" / "synthetic.tsv").open(newline="") as handle:
        rows = [
            row
            for row in csv.DictReader(handle, delimiter="\t")
            if (len(row["g_r"]) != int(row["major_cn"]) + int(row["minor_cn"])) is differ
        ]
    assert len(rows) == (152 if differ else 248)
    columns = {name: np.array([float(row[name]) for row in rows]) for name in ("ref_counts", "alt_counts", "ccf")}
    major, minor = (np.array([float(row[name]) for row in rows]) for name in ("major_cn", "minor_cn"))
    alt = columns["alt_counts"]
    result = cell_fractions(alt, alt + columns["ref_counts"], 1.0, major + minor, minor, share=np.nan)
    covered = np.mean((result.low <= columns["ccf"]) & (columns["ccf"] <= result.high))
    assert 0.90 <= covered <= 0.98, covered


@pytest.mark.parametrize("reported", list(Reported))
def test_nineteen_of_twenty_intervals_hold_the_truth_where_copies_are_subclonal(reported: Reported) -> None:
    """A gain or loss in 15 to 85 % of tumour cells, mutations before, after and beside it."""
    for purity in (0.3, 0.5, 0.8):
        truth = subclonal_copies(600, np.random.default_rng(3), purity)
        copies = truth.reported(reported, np.random.default_rng(4))
        total, minor, share, other_total, other_minor = copies
        result = cell_fractions(
            truth.alt, truth.depth, purity, total, minor, share=share, other_total=other_total, other_minor=other_minor
        )
        covered = np.mean((result.low <= truth.ccf) & (truth.ccf <= result.high))
        # Whole numbers hide the most where purity is high, and near 90 % chance alone goes below it.
        assert (0.88 if reported is Reported.ROUNDED else 0.90) <= covered <= 0.98, (purity, covered)


def test_the_history_of_copies_and_mutation_decides_what_reads_mean() -> None:
    """Three copies in half of the cells: a mutation in all copied ones and all others shows more reads than one."""
    depth, purity = 4000, 1.0
    mean = 2.5
    for mutated, fraction in ((0.3, 0.3), (1.5, 1.0)):
        alt = round(depth * mutated / mean)
        found = cell_fractions([alt], [depth], purity, [3], [1], share=0.5, other_total=[2], other_minor=[1])
        assert found.low[0] <= fraction <= found.high[0]
    # 1.5 mutated copies in the mean cell can't be one copy in each cell.
    alt = round(depth * 1.5 / mean)
    found = cell_fractions([alt], [depth], purity, [3], [1], share=0.5, other_total=[2], other_minor=[1])
    assert found.low[0] > 0.6


def test_a_stated_interval_of_purity_widens_that_of_the_fraction() -> None:
    sure = cell_fractions([30], [200], 0.6, [2], [1])
    unsure = cell_fractions([30], [200], 0.6, [2], [1], purity_sd=0.08)
    assert unsure.high[0] - unsure.low[0] > sure.high[0] - sure.low[0]


def test_nineteen_of_twenty_intervals_of_a_difference_hold_it() -> None:
    random = np.random.default_rng(9)
    n = 1500
    ccf = random.random((2, n))
    sides = []
    for fractions, purity in zip(ccf, (0.7, 0.45), strict=True):
        depth = random.integers(60, 300, n)
        sides.append(cell_fractions(random.binomial(depth, fractions * purity / 2), depth, purity, 2, 1))
    found = differences(*sides, mass=SETTINGS.ccf_mass)
    truth = ccf[1] - ccf[0]
    covered = np.mean((found.low <= truth) & (truth <= found.high))
    assert 0.92 <= covered <= 0.98, covered
    surely = found.higher > 0.95
    assert np.mean(truth[surely] > 0) > 0.97
    # A probability means what it says: of those near p, a share p rose.
    for low, high in ((0.1, 0.4), (0.6, 0.9)):
        near = (found.higher > low) & (found.higher < high)
        assert np.mean(truth[near] > 0) == pytest.approx(found.higher[near].mean(), abs=0.1)


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
    np.testing.assert_allclose(ours, plain / plain.sum(), rtol=1e-3, atol=1e-7)


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
