"""What a plasma could have shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from palbo_assets.ctdna.background import tail_probability
from palbo_assets.ctdna.power import critical_count, detection_power, lod95


@pytest.mark.parametrize(
    ("depth", "vaf", "power"),
    [
        (1515, 0.001, 0.447), (1515, 0.0025, 0.892), (1515, 0.005, 0.996),  # 10 ng, 50 % conversion
        (4545, 0.001, 0.941),  # 30 ng
        (454, 0.01, 0.942), (454, 0.001, 0.077),  # 5 ng, 30 %
        (20 * 1515, 1e-4, 0.805), (20 * 4545, 1e-4, 0.999),  # 20 tracked sites pooled
    ],
)  # fmt: skip
def test_power_to_see_two_molecules_is_that_of_the_published_arithmetic(depth: int, vaf: float, power: float) -> None:
    assert detection_power(depth, vaf, 2) == pytest.approx(power, abs=6e-4)


@given(st.integers(1, 5000), st.integers(1, 40))
def test_lod95_is_the_fraction_at_which_the_power_is_95_percent(depth: int, molecules: int) -> None:
    lod = lod95(depth, molecules)
    if molecules > depth:
        assert lod is None
        return
    assert lod is not None
    assert detection_power(depth, lod, molecules) == pytest.approx(0.95, abs=1e-9)
    assert stats.binom.sf(molecules - 1, depth, lod) == pytest.approx(0.95, abs=1e-6)


@given(
    st.integers(10, 3000),
    st.integers(1, 12),
    st.just(0.0) | st.floats(1e-9, 0.05),
    st.floats(1e-5, 0.01),
    st.floats(10, 1e5),
)
def test_errors_add_to_what_the_allele_shows_itself(
    depth: int, molecules: int, vaf: float, rate: float, concentration: float
) -> None:
    """Against the convolution written out."""
    alpha, beta = rate * concentration, (1 - rate) * concentration
    own = stats.binom.pmf(range(molecules), depth, vaf)
    errors = stats.betabinom.pmf(range(molecules), depth, alpha, beta)
    fewer = sum(own[i] * errors[j] for i in range(molecules) for j in range(molecules - i))
    found = detection_power(depth, vaf, molecules, (alpha, beta))
    assert found == pytest.approx(1 - fewer, abs=1e-8)
    assert found >= detection_power(depth, vaf, molecules) - 1e-12
    lod, alone = lod95(depth, molecules, errors=(alpha, beta)), lod95(depth, molecules)
    assert lod is not None and alone is not None and lod <= alone
    if lod > 0:
        assert detection_power(depth, lod, molecules, (alpha, beta)) == pytest.approx(0.95, abs=1e-4)


def test_lod95_falls_with_depth_and_no_depth_has_none() -> None:
    found = [lod95(depth, 2) for depth in (100, 500, 1515, 5000)]
    assert found == sorted(found, reverse=True)
    assert lod95(0, 2) is None and lod95(1, 2) is None


def test_power_without_depth_is_none_at_all() -> None:
    assert detection_power(0, 0.5, 2) == 0.0
    assert detection_power(1, 1.0, 2) == 0.0


@given(
    st.integers(0, 3000),
    st.floats(1e-5, 0.01),
    st.floats(10, 1e6),
    st.floats(1e-8, 0.05),
    st.integers(1, 4),
)
def test_the_critical_count_is_the_first_that_errors_hardly_reach(
    depth: int, rate: float, concentration: float, p_value: float, least: int
) -> None:
    alpha, beta = rate * concentration, (1 - rate) * concentration
    count = critical_count(depth, alpha, beta, p_value, least)
    assert least <= count <= max(depth + 1, least)
    if count <= depth:
        assert tail_probability(count, depth, alpha, beta) <= p_value * (1 + 1e-6)
    if least < count:
        assert tail_probability(count - 1, depth, alpha, beta) > p_value * (1 - 1e-6)
