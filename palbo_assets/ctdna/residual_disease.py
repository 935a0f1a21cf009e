"""Whether a plasma holds any DNA of the patient's own tumour: one test over all sites that its tissue showed.

Each site alone has too few molecules near 1 in 10,000; their sum has not. Under no tumour the molecules at a site are
beta-binomial with the site's background, so the distribution of the sum is the convolution of the sites' (a
Poisson-binomial with unsure rates), exactly; no simulation. As in tumour-informed assays (Reinert 2019, JAMA Oncol) at
least two sites must show a molecule, so one noisy site or one clone of blood cells never makes a positive plasma.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from palbo_assets.ctdna.background import log_probabilities
from palbo_assets.ctdna.settings import Settings
from palbo_assets.study.vocabulary import CallState

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_DROP_95 = 1.920729  # half the 95 % quantile of chi-square with one degree of freedom
_SUM_LIMIT = 4000


@dataclass(frozen=True)
class Site:
    """A tumour's own variant in one plasma. ``share``: the VAF that tumour DNA alone would have there (0.5: clonal,
    heterozygous, diploid). ``alpha, beta``: the background."""

    alt: int
    depth: int
    alpha: float
    beta: float
    share: float = 0.5

    @property
    def error(self) -> float:
        """Mean errors per molecule."""
        return self.alpha / (self.alpha + self.beta)


@dataclass(frozen=True)
class Residual:
    """The joint answer for one plasma. Fractions are of tumour DNA in cell-free DNA, 0..1."""

    state: CallState
    n_sites: int
    n_sites_with_molecules: int
    molecules: int
    alt_molecules: int
    expected_errors: float
    p_value: float | None
    critical_molecules: int | None
    tumour_fraction: float | None
    tumour_fraction_low: float | None
    tumour_fraction_high: float | None
    lod95_tumour_fraction: float | None


def tissue_shares(somatic_calls: pd.DataFrame) -> dict[tuple[str, int, str, str], float]:
    """Share of tumour DNA's molecules that carry a subclonal variant: half its cell fraction (heterozygous, diploid).

    ``somatic_calls``: columns ``chrom, pos, ref, alt, filter, ccf, ccf_high``. A variant whose interval reaches 1 in
    any tumour is clonal and isn't listed, nor is one without a cell fraction; of several tumours the largest counts.
    """
    called = somatic_calls[(somatic_calls["filter"] == "PASS") & somatic_calls["ccf"].notna()]
    called = called.assign(high=called["ccf_high"].fillna(called["ccf"]))
    largest = called.groupby(["chrom", "pos", "ref", "alt"])[["ccf", "high"]].max()
    return {
        (str(chrom), int(pos), str(ref), str(alt)): float(ccf) / 2
        for (chrom, pos, ref, alt), ccf, high in zip(largest.index, largest["ccf"], largest["high"], strict=True)
        if high < 1 and ccf > 0
    }


def joint_test(sites: Sequence[Site], settings: Settings) -> Residual:
    """PRESENT, ABSENT or NOT_EVALUABLE over a plasma's sites.

    ABSENT is said only where a tumour fraction of twice ``excluded_vaf`` would have been found with
    ``required_power``. The tumour fraction is the likelihood's maximum with its 95 % profile interval; it is None
    where the state isn't PRESENT, and the interval's upper end stays.
    """
    used = [site for site in sites if site.depth > 0]
    alt = sum(site.alt for site in used)
    hit = sum(site.alt > 0 for site in used)
    expected = sum(site.depth * site.error for site in used)
    depth = sum(site.depth for site in used)
    if len(used) < settings.min_residual_sites:
        return Residual(
            CallState.NOT_EVALUABLE, len(used), hit, depth, alt, expected, None, None, None, None, None, None
        )
    nulls = null_distributions(used, settings)
    tail = upper_tail(nulls)
    p_value = float(tail[min(alt, len(tail) - 1)])
    below = [count for count in range(settings.min_residual_sites, len(tail)) if tail[count] <= settings.alpha_residual]
    critical = below[0] if below else len(tail)
    lod = joint_lod(used, critical, settings)
    best, low, high = tumour_fraction_interval(used)
    present = alt >= critical and hit >= settings.min_residual_sites
    excluded = lod is not None and lod <= 2 * settings.excluded_vaf
    state = CallState.PRESENT if present else CallState.ABSENT if excluded else CallState.NOT_EVALUABLE
    return Residual(
        state, len(used), hit, depth, alt, expected, p_value, critical, best if present else None,
        low if present else None, high, lod,
    )  # fmt: skip


def null_distributions(sites: Sequence[Site], settings: Settings) -> list[NDArray[np.float64]]:
    """P(k errors) per site for k = 0.. as far as they matter (the rest of each sums to less than 1e-12)."""
    import numpy as np

    found = []
    for site in sites:
        most = min(site.depth, 64)
        while True:
            probabilities = np.exp(log_probabilities(0, site.depth, site.alpha, site.beta)[: most + 1])
            if most >= min(site.depth, _SUM_LIMIT) or 1.0 - probabilities.sum() < 1e-12:
                break
            most = min(most * 4, site.depth)
        found.append(probabilities)
    return found


def upper_tail(distributions: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """P(sum >= k) for k = 0.., of independent counts; what was cut off counts as the largest."""
    import numpy as np

    total = np.ones(1)
    for one in distributions:
        total = np.convolve(total, one)
    lost = max(0.0, 1.0 - float(total.sum()))
    return np.asarray(np.minimum(np.cumsum(total[::-1])[::-1] + lost, 1.0))


def joint_power(sites: Sequence[Site], tumour_fraction: float, critical: int, settings: Settings) -> float:
    """Probability that the test says PRESENT at a tumour fraction: enough molecules, on at least two sites.

    Exact for independent molecules: P(sum >= c) less the ways in which fewer than two sites show any.
    """
    import numpy as np
    from scipy.stats import binom

    rates = [min(1.0, site.error + tumour_fraction * site.share) for site in sites]
    below = np.zeros(max(critical, 1))
    below[0] = 1.0
    for site, rate in zip(sites, rates, strict=True):
        mass = binom.pmf(np.arange(len(below)), site.depth, rate)
        below = np.convolve(below, mass)[: len(below)]
    enough = 1.0 - float(below.sum()) if critical > 0 else 1.0
    silent = np.array([float(binom.pmf(0, site.depth, rate)) for site, rate in zip(sites, rates, strict=True)])
    alone = 0.0
    for index, (site, rate) in enumerate(zip(sites, rates, strict=True)):
        alone += float(binom.sf(critical - 1, site.depth, rate)) * float(np.prod(np.delete(silent, index)))
    return min(1.0, max(0.0, enough - alone))


def joint_lod(sites: Sequence[Site], critical: int, settings: Settings) -> float | None:
    """Smallest tumour fraction found with ``required_power``, to 0.1 %; None where not even pure tumour is."""
    low, high = 0.0, 1.0
    if joint_power(sites, high, critical, settings) < settings.required_power:
        return None
    while high - low > 1e-3 * high and high > 1e-7:
        middle = (low + high) / 2 if low > 0 else high / 4
        if joint_power(sites, middle, critical, settings) >= settings.required_power:
            high = middle
        else:
            low = middle
    return high


def tumour_fraction_interval(sites: Sequence[Site]) -> tuple[float, float, float]:
    """Maximum-likelihood tumour fraction and its 95 % profile-likelihood interval, 0..1."""
    import numpy as np
    from scipy.optimize import brentq, minimize_scalar

    alt = np.array([site.alt for site in sites], dtype=float)
    depth = np.array([site.depth for site in sites], dtype=float)
    error = np.array([site.error for site in sites])
    share = np.array([site.share for site in sites])

    def log_likelihood(fraction: float) -> float:
        rate = np.clip(error + fraction * share, 1e-12, 1 - 1e-12)
        return float(np.sum(alt * np.log(rate) + (depth - alt) * np.log1p(-rate)))

    found = minimize_scalar(lambda power: -log_likelihood(10.0**power), bounds=(-8, 0), method="bounded")
    best = 10.0 ** float(found.x)
    if log_likelihood(0.0) >= log_likelihood(best):
        best = 0.0
    floor = log_likelihood(best) - _DROP_95
    low = 0.0 if log_likelihood(0.0) >= floor else float(brentq(lambda f: log_likelihood(f) - floor, 0.0, best))
    high = 1.0 if log_likelihood(1.0) >= floor else float(brentq(lambda f: log_likelihood(f) - floor, best, 1.0))
    return best, low, high
