"""The joint test over a patient's own sites: its false positives, its power and its limits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from palbo_assets.ctdna.residual_disease import (
    Site,
    joint_power,
    joint_test,
    null_distributions,
    tissue_shares,
    upper_tail,
)
from palbo_assets.ctdna.settings import Settings
from palbo_assets.study.vocabulary import CallState

ALPHA, BETA = 2.0, 2.0 / 3e-5 - 2.0  # 3 errors in 100,000 molecules, varying from site to site


def sites(rng: np.random.Generator, n: int, depth: int, tumour_fraction: float) -> list[Site]:
    rates = rng.beta(ALPHA, BETA, n) + tumour_fraction / 2
    return [Site(int(alt), depth, ALPHA, BETA) for alt in rng.binomial(depth, rates)]


def share_present(n: int, depth: int, tumour_fraction: float, rounds: int, settings: Settings) -> float:
    """Share of simulated plasmas that the test would call: its own critical count, and the rule of two sites."""
    critical = joint_test([Site(0, depth, ALPHA, BETA)] * n, settings).critical_molecules
    assert critical is not None
    rng = np.random.default_rng(17)
    alt = rng.binomial(depth, rng.beta(ALPHA, BETA, (rounds, n)) + tumour_fraction / 2)
    return float(((alt.sum(axis=1) >= critical) & ((alt > 0).sum(axis=1) >= 2)).mean())


def test_the_null_distribution_is_that_of_simulated_sums() -> None:
    rng = np.random.default_rng(3)
    plasma = [Site(0, depth, ALPHA, BETA) for depth in (500, 2000, 6000, 6000)]
    tail = upper_tail(null_distributions(plasma, Settings()))
    drawn = sum(rng.binomial(site.depth, rng.beta(ALPHA, BETA, 200_000)) for site in plasma)
    for count in (1, 2, 3):
        assert tail[count] == pytest.approx(float((drawn >= count).mean()), abs=0.004)


def test_power_counts_the_rule_of_two_sites() -> None:
    settings = Settings()
    plasma = [Site(0, depth, ALPHA, BETA) for depth in (300, 2000, 5000)]
    rng = np.random.default_rng(4)
    rates = np.array([site.error + 0.001 * site.share for site in plasma])
    drawn = rng.binomial([site.depth for site in plasma], rates, size=(200_000, 3))
    simulated = float(((drawn.sum(axis=1) >= 3) & ((drawn > 0).sum(axis=1) >= 2)).mean())
    assert joint_power(plasma, 0.001, 3, settings) == pytest.approx(simulated, abs=0.005)


def test_molecules_at_one_site_alone_make_no_positive_plasma() -> None:
    one = joint_test([Site(40, 3000, ALPHA, BETA), *[Site(0, 3000, ALPHA, BETA)] * 9], Settings())
    assert one.p_value is not None and one.p_value < 1e-10
    assert one.state is not CallState.PRESENT and one.tumour_fraction is None
    two = joint_test([Site(20, 3000, ALPHA, BETA), Site(20, 3000, ALPHA, BETA)], Settings())
    assert two.state is CallState.PRESENT


def test_a_single_site_or_none_can_not_be_tested_jointly() -> None:
    for plasma in ([], [Site(9, 3000, ALPHA, BETA)], [Site(9, 3000, ALPHA, BETA), Site(0, 0, ALPHA, BETA)]):
        found = joint_test(plasma, Settings())
        assert (found.state, found.p_value, found.lod95_tumour_fraction) == (CallState.NOT_EVALUABLE, None, None)


def test_absence_needs_depth() -> None:
    deep = joint_test([Site(0, 3000, ALPHA, BETA)] * 5, Settings())
    assert deep.state is CallState.ABSENT and deep.tumour_fraction is None
    assert deep.tumour_fraction_high is not None and deep.tumour_fraction_high > 0
    assert joint_test([Site(0, 60, ALPHA, BETA)] * 2, Settings()).state is CallState.NOT_EVALUABLE


def test_the_tumour_fraction_is_found_again_within_its_interval() -> None:
    rng = np.random.default_rng(8)
    held = 0
    for _ in range(20):
        found = joint_test(sites(rng, 10, 3000, 0.01), Settings())
        assert found.tumour_fraction_low is not None and found.tumour_fraction_high is not None
        held += found.tumour_fraction_low <= 0.01 <= found.tumour_fraction_high
    assert held >= 16  # 19 expected


@pytest.mark.parametrize(("n", "depth"), [(3, 2000), (20, 3000), (50, 1000)])
def test_the_false_positive_rate_keeps_to_the_nominal_one(n: int, depth: int) -> None:
    settings = Settings(alpha_residual=0.05)
    assert share_present(n, depth, 0.0, 5000, settings) <= 0.05 + 3 * (0.05 * 0.95 / 5000) ** 0.5


def test_detection_at_the_joint_limit_is_the_promised_one() -> None:
    for n, depth in ((5, 2000), (20, 3000)):
        empty = joint_test([Site(0, depth, ALPHA, BETA)] * n, Settings())
        assert empty.lod95_tumour_fraction is not None
        found = share_present(n, depth, empty.lod95_tumour_fraction, 1000, Settings())
        assert 0.92 <= found <= 0.98


def test_subclonal_variants_of_tissue_do_not_make_the_tumour_fraction_too_small() -> None:
    """Twenty variants, half of them in 30 % of tumour cells: with cell fractions the truth is met, without not."""
    rng = np.random.default_rng(51)
    keys = [("chr1", pos, "C", "T") for pos in range(1, 21)]
    calls = pd.DataFrame(keys, columns=["chrom", "pos", "ref", "alt"]).assign(
        filter="PASS", ccf=[0.95] * 10 + [0.3] * 10, ccf_high=[1.0] * 10 + [0.4] * 10
    )
    shares = tissue_shares(calls)
    assert shares == dict.fromkeys(keys[10:], 0.15)
    found: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(50):
        alts = [int(rng.binomial(3000, 0.02 * shares.get(key, 0.5))) for key in keys]
        for known in found:
            sites = [
                Site(alt, 3000, 0.1, 5000.0, shares.get(key, 0.5) if known else 0.5)
                for key, alt in zip(keys, alts, strict=True)
            ]
            found[known].append(float(joint_test(sites, Settings()).tumour_fraction or 0.0))
    assert float(np.mean(found[True])) == pytest.approx(0.02, rel=0.05)
    assert float(np.mean(found[False])) < 0.75 * 0.02
