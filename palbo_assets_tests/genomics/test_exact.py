"""The small exact tests agree with SciPy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from palbo_assets.genomics.exact import binomial_at_least, fisher_greater, fisher_two_sided
from palbo_assets.genomics.force_genotype import smallest_visible

COUNTS = st.integers(0, 200)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_fisher_agrees_with_scipy(a: int, b: int, c: int, d: int) -> None:
    table = [[a, b], [c, d]]
    assert fisher_greater(a, b, c, d) == pytest.approx(stats.fisher_exact(table, "greater")[1], rel=1e-6, abs=1e-12)
    assert fisher_two_sided(a, b, c, d) == pytest.approx(stats.fisher_exact(table)[1], rel=1e-6, abs=1e-12)


@given(st.integers(0, 300), st.integers(0, 300), st.floats(1e-5, 1 - 1e-5))
def test_binomial_tail_agrees_with_scipy(k: int, n: int, p: float) -> None:
    assert binomial_at_least(k, n, p) == pytest.approx(float(stats.binom.sf(k - 1, n, p)), rel=1e-6, abs=1e-10)


@pytest.mark.parametrize(
    ("depth", "vaf", "missed"),
    [(50, 0.05, 0.54), (50, 0.10, 0.11), (100, 0.05, 0.118), (100, 0.02, 0.68), (200, 0.05, 0.002), (300, 0.02, 0.06)],
)
def test_power_is_one_minus_the_chance_of_two_reads_or_fewer(depth: int, vaf: float, missed: float) -> None:
    assert 1 - binomial_at_least(3, depth, vaf) == pytest.approx(missed, abs=0.006)


def test_the_smallest_visible_fraction_is_the_first_with_enough_power() -> None:
    smallest = smallest_visible(100, 3, 0.8)
    assert smallest is not None
    assert binomial_at_least(3, 100, smallest + 1e-9) >= 0.8 > binomial_at_least(3, 100, smallest - 0.001)
    assert smallest_visible(2, 3, 0.8) is None
