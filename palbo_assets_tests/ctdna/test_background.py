"""Error rates: whence they are, and that a variant never feeds its own background."""

from __future__ import annotations

from fractions import Fraction
from math import comb
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from palbo_assets.ctdna.background import (
    HEALTHY_PLASMA,
    IN_SAMPLE,
    KINDS,
    estimate_background,
    kind_of,
    read_background,
    tail_probability,
)
from palbo_assets.ctdna.molecules import MoleculeCounts, RegionCounts
from palbo_assets.ctdna.settings import Settings
from palbo_assets.demo.plasma_reads import BACKGROUND
from palbo_assets.platform.errors import InputError, ReferenceBundleError
from palbo_assets_tests.ctdna.conftest import Plasma


def panel_with_errors(rates: dict[str, float], *, length: int, depth: int, seed: int = 3) -> MoleculeCounts:
    """Binomial errors at ``rates`` over random reference bases."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, size=length)
    reference = "".join("ACGT"[code] for code in codes)
    counts = np.zeros((2, 6, length), dtype=np.int64)
    for code in range(4):
        rate = np.array(
            [rates[kind_of(ref, "ACGT"[code])] if ref != "ACGT"[code] else 0.0 for ref in reference], dtype=float
        )
        counts[0, code] = rng.binomial(depth, rate)
    wrong = counts[0, :4].sum(axis=0)
    counts[0, codes, np.arange(length)] = depth - wrong
    region = RegionCounts("chr1", 0, length, reference, counts)
    return MoleculeCounts((region,), {}, length, length, length, None, None)


@pytest.mark.parametrize(
    ("ref", "alt", "kind"),
    [
        ("C", "A", "C>A"),
        ("G", "T", "C>A"),
        ("A", "G", "T>C"),
        ("T", "C", "T>C"),
        ("A", "AT", "ins"),
        ("AT", "A", "del"),
    ],
)
def test_substitutions_are_folded_to_the_pyrimidine(ref: str, alt: str, kind: str) -> None:
    assert kind_of(ref, alt) == kind


@given(st.integers(1, 40), st.integers(0, 40), st.integers(1, 30), st.integers(1, 200))
def test_the_tail_is_exact_in_rational_arithmetic(depth: int, alt: int, alpha: int, beta: int) -> None:
    def beta_function(a: int, b: int) -> Fraction:
        return Fraction(1, a * comb(a + b - 1, a))

    exact = sum(
        comb(depth, k) * beta_function(k + alpha, depth - k + beta) / beta_function(alpha, beta)
        for k in range(alt, depth + 1)
    )
    assert tail_probability(alt, depth, alpha, beta) == pytest.approx(float(exact), rel=1e-9)


def test_the_tail_goes_over_into_the_binomial_one_and_keeps_its_digits_far_out() -> None:
    assert tail_probability(3, 2000, 2e-5 * 1e9, 1e9) == pytest.approx(stats.binom.sf(2, 2000, 2e-5), rel=1e-4)
    far = tail_probability(90, 2000, 10.0, 1e6)
    assert 0 < far < 1e-180


def test_rates_are_found_again_in_the_sample_itself() -> None:
    rates = {"C>A": 3e-5, "C>G": 2e-5, "C>T": 2e-4, "T>A": 2e-5, "T>C": 6e-5, "T>G": 2e-5}
    background = estimate_background(panel_with_errors(rates, length=8000, depth=3000), Settings())
    assert background.source == IN_SAMPLE
    for kind, rate in rates.items():
        assert background.rate(kind) == pytest.approx(rate, rel=0.2)


def test_a_variant_does_not_feed_its_own_background() -> None:
    rates = dict.fromkeys(KINDS, 3e-05)
    clean = panel_with_errors(rates, length=2000, depth=2000)
    spoilt = panel_with_errors(rates, length=2000, depth=2000)
    region = spoilt.regions[0]
    for at in np.flatnonzero(np.frombuffer(region.reference.encode(), dtype=np.uint8) == ord("C"))[:3]:
        region.counts[0, 3, at] += 30
        region.counts[0, 1, at] -= 30
    before, after = (estimate_background(counts, Settings()) for counts in (clean, spoilt))
    assert after.rate("C>T") == pytest.approx(before.rate("C>T"), rel=0.1)
    assert tail_probability(30, 2000, *after.parameters["C>T"]) < 1e-12


def test_uneven_errors_make_the_tail_heavier_than_even_ones() -> None:
    settings = Settings()
    even = panel_with_errors(dict.fromkeys(KINDS, 0.0002), length=3000, depth=3000)
    uneven = panel_with_errors(dict.fromkeys(KINDS, 0.0002), length=3000, depth=3000)
    rng = np.random.default_rng(4)
    region = uneven.regions[0]
    sites = np.flatnonzero(np.frombuffer(region.reference.encode(), dtype=np.uint8) == ord("C"))
    region.counts[0, 3, sites] = rng.binomial(3000, rng.beta(0.4, 0.4 / 2e-4, size=sites.size))
    tails = [
        tail_probability(6, 3000, *estimate_background(counts, settings).parameters["C>T"]) for counts in (even, uneven)
    ]
    assert tails[1] > 5 * tails[0]


def test_no_rate_falls_below_the_floor() -> None:
    background = estimate_background(panel_with_errors(dict.fromkeys(KINDS, 0.0), length=500, depth=900), Settings())
    assert all(background.rate(kind) >= 1e-5 * (1 - 1e-9) for kind in KINDS)


def test_the_table_of_healthy_plasmas_is_used_as_it_is(plasma: Plasma, tmp_path: Path) -> None:
    background = read_background(plasma.background, Settings())
    assert background.source == HEALTHY_PLASMA
    for kind, rate in BACKGROUND.items():
        assert background.rate(kind) == pytest.approx(rate, rel=1e-3)
    path = tmp_path / "background.tsv"
    rows = "".join(f"{kind.replace('C>A', 'G>T')}\t2\t{2 / 5e-5 - 2:.0f}\n" for kind in KINDS)
    path.write_text("substitution\talpha\tbeta\n" + rows, encoding="utf-8")
    assert read_background(path, Settings()).rate("C>A") == pytest.approx(5e-5, rel=1e-3)


@pytest.mark.parametrize(
    "content",
    [
        "substitution\trate\nC>A\t1\n",
        "substitution\terrors\ttotal\nC>A\t1\t1000\n",
        "substitution\terrors\ttotal\nC>A\t9\t3\n",
        "substitution\talpha\tbeta\nC>A\t0\t3\n",
        "substitution\talpha\tbeta\nC>A\t\t3\n",
    ],
)
def test_an_unusable_table_stops_with_what_is_wrong(tmp_path: Path, content: str) -> None:
    path = tmp_path / "background.tsv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises((ReferenceBundleError, InputError), match=r"E_REFERENCE_SCHEMA|E_SCHEMA"):
        read_background(path, Settings())
