"""The background that is made from healthy donors: planted rates come back, noisy sites are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from palbo_assets.ctdna.background import Background, context_of, estimate_background, tail_probability
from palbo_assets.ctdna.calling import TRACKED_COLUMNS, call_variants
from palbo_assets.ctdna.healthy_plasmas import background_from, fingerprint, fit_background, without_own_variants
from palbo_assets.ctdna.panel import Panel, Target
from palbo_assets.ctdna.power import critical_count
from palbo_assets.ctdna.settings import Settings
from palbo_assets.platform.errors import InputError
from palbo_assets.study.vocabulary import CallState
from palbo_assets_tests.ctdna.donors import DELETIONS, RATES, Truth

SETTINGS = Settings()
UNTRACKED = pd.DataFrame(columns=list(TRACKED_COLUMNS))


def fitted(truth: Truth, donors: int = 12, depth: int = 3000, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return fit_background([truth.plasma(depth, rng) for _ in range(donors)], SETTINGS)


def rate(background: Background, chrom: str, pos: int, ref: str, alt: str, context: str = "") -> float:
    alpha, beta = background.at(chrom, pos, ref, alt, context)
    return alpha / (alpha + beta)


def test_planted_rates_of_kinds_and_contexts_come_back() -> None:
    truth = Truth.drawn(2500, 3, contexts={"A[C>T]G": 4e-4, "T[C>T]G": 4e-4})
    background = background_from(fitted(truth))
    for kind in ("C>A", "T>C"):
        assert background.rate(kind) == pytest.approx(RATES[kind], rel=0.15)
    for context, planted in (("A[C>T]G", 4e-4), ("T[C>T]G", 4e-4), ("A[C>T]A", 4e-5)):
        alpha, beta = background.contexts[context]
        assert alpha / (alpha + beta) == pytest.approx(planted, rel=0.35), context


def test_sites_without_much_data_take_their_contexts_rate_and_those_with_much_their_own() -> None:
    truth = Truth.drawn(3000, 4, spread=1.0)
    planted = np.log(np.maximum(truth.rates[truth.rates > 0], SETTINGS.error_floor))

    def error(depth: int) -> float:
        rows = fitted(truth, depth=depth).query("level == 'site' and alt in ['A', 'C', 'G', 'T']")
        found = {(pos, alt): rate for pos, alt, rate in zip(
            rows["pos"], rows["alt"], rows["alpha"] / (rows["alpha"] + rows["beta"]), strict=True)}  # fmt: skip
        codes, at = np.nonzero(truth.rates.T > 0)[1], np.nonzero(truth.rates.T > 0)[0]
        said = np.log([found[int(pos) + 1, "ACGT"[code]] for pos, code in zip(at, codes, strict=True)])
        wanted = np.log(np.maximum(truth.rates.T[at, codes], SETTINGS.error_floor))
        return float(np.sqrt(np.mean((said - wanted) ** 2)))

    thin, deep = error(300), error(30_000)
    assert deep < 0.5 * thin
    assert thin < 1.1 * float(np.std(planted))  # no worse than knowing the mean alone


def test_a_noisy_site_makes_no_call_with_the_donors_background_and_clean_sites_stay_as_sensitive() -> None:
    truth = Truth.drawn(2000, 5)
    at = truth.reference.index("C", 900)
    noisy = Truth(truth.reference, truth.rates.copy(), truth.deletions)
    noisy.rates[3, at] = 4e-3
    panel = Panel("v1", (Target("chr1", 0, 2000),))
    variant = (40, "A" if truth.reference[40] != "A" else "C")
    plasma = noisy.plasma(3000, np.random.default_rng(8), alleles={variant: 5e-3})

    def present(background: Background) -> set[int]:
        calls = call_variants(plasma, panel, background, UNTRACKED, SETTINGS)
        return {call.pos for call in calls if call.state is CallState.PRESENT and len(call.ref) == len(call.alt)}

    with_donors = background_from(fitted(noisy))
    assert present(estimate_background(plasma, SETTINGS)) == {at + 1, 41}
    assert present(with_donors) == {41}
    without = background_from(fitted(truth))
    other = truth.reference.index("C", 1200)
    context = context_of(truth.reference, other, "C", "T")
    threshold = SETTINGS.alpha_de_novo / (5 * 2000)
    counts = [
        critical_count(3000, *background.at("chr1", other + 1, "C", "T", context), threshold, 3)
        for background in (without, with_donors)
    ]
    assert counts[1] <= counts[0] + 1


def test_deletions_in_homopolymers_have_a_rate_of_their_own() -> None:
    truth = Truth.drawn(20_000, 6)
    background = background_from(fitted(truth, donors=6, depth=3000))
    for run, planted in {**DELETIONS, 1: 1e-5}.items():
        alpha, beta = background.contexts[f"del:{run}"]
        assert alpha / (alpha + beta) == pytest.approx(planted, rel=0.4), run
    long = background.contexts["del:6"]
    assert tail_probability(8, 3000, *long) > 0.02  # such a deletion is no news there
    assert tail_probability(8, 3000, *background.contexts["del:1"]) < 1e-8


@pytest.mark.parametrize(
    ("reference", "alt", "context"),
    [
        ("ACG", "T", "A[C>T]G"),
        ("CGT", "A", "A[C>T]G"),  # the other strand
        ("GAAAAC", "del", "del:4"),
        ("AAAC", "del", "del:0"),
        ("GN", "del", ""),
        ("G", "ins", ""),
    ],
)
def test_contexts_are_named_by_what_surrounds_the_error(reference: str, alt: str, context: str) -> None:
    at = 1 if len(alt) == 1 else 0
    assert context_of(reference, at, reference[at], alt) == context


def test_a_donors_own_variant_is_not_evidence_of_errors_and_a_noisy_site_is() -> None:
    truth = Truth.drawn(1500, 7)
    rng = np.random.default_rng(9)
    clone, germline, noisy = ((at, "A" if truth.reference[at] != "A" else "C") for at in (100, 200, 300))
    donors = []
    for number in range(12):
        own = {clone: 0.02, germline: 0.5} if number == 4 else {}
        donors.append(truth.plasma(3000, rng, alleles={**own, noisy: 2e-3}))
    sites = fit_background(donors, SETTINGS).query("level == 'site'").set_index(["pos", "alt"])
    for at, alt in (clone, germline):
        row = sites.loc[(at + 1, alt)]
        assert not row["noisy"] and row["molecules"] == 11 * 3000 and row["errors"] < 20
    row = sites.loc[(noisy[0] + 1, noisy[1])]
    assert row["noisy"] and row["molecules"] == 12 * 3000
    assert row["alpha"] / (row["alpha"] + row["beta"]) == pytest.approx(2e-3, rel=0.3)


def test_what_varies_between_libraries_stays_in_the_distribution() -> None:
    """Donors whose libraries differ threefold: the next library's count is no surprise more often than it should be."""
    truth = Truth.drawn(1500, 10)
    noisier = Truth(truth.reference, truth.rates * 20, truth.deletions)
    rng = np.random.default_rng(11)
    background = background_from(
        fit_background([noisier.plasma(3000, rng, library_spread=0.8) for _ in range(30)], SETTINGS)
    )
    tails = []
    for _ in range(30):
        region = noisier.plasma(3000, rng, library_spread=0.8).regions[0]
        for at in np.flatnonzero(np.array(list(region.reference)) == "C")[:60]:
            observed = int(region.counts[:, 3, at].sum())
            tails.append(tail_probability(observed, 3000, *background.at("chr1", int(at) + 1, "C", "T")))
    assert float(np.mean(np.array(tails) < 0.01)) < 0.02


def test_counts_without_own_variants_never_grow() -> None:
    rng = np.random.default_rng(12)
    alt, depth = rng.poisson(2.0, size=(8, 50)).astype(float), np.full((8, 50), 1000.0)
    alt[3, 7] = 400.0
    kept_alt, kept_depth = without_own_variants(alt, depth, SETTINGS)
    assert kept_alt[3, 7] == kept_depth[3, 7] == 0
    assert (kept_alt <= alt).all() and (kept_depth <= depth).all()


def test_the_fingerprint_names_panel_bed_and_parameters_and_the_fit_is_the_same_each_time() -> None:
    truth = Truth.drawn(300, 13)
    rows, again = fitted(truth), fitted(truth)
    first = fingerprint(rows, "v1", "a")
    assert first == fingerprint(again.sample(frac=1.0, random_state=1), "v1", "a")
    changed = rows.assign(alpha=rows["alpha"].where(rows.index != 0, rows["alpha"] * 1.01))
    others = {fingerprint(rows, "v2", "a"), fingerprint(rows, "v1", "b"), fingerprint(changed, "v1", "a"), first}
    assert len(others) == 4


def test_plasmas_of_different_panels_are_refused() -> None:
    one, other = Truth.drawn(300, 14), Truth.drawn(300, 15)
    rng = np.random.default_rng(1)
    with pytest.raises(InputError, match="E_SCHEMA"):
        fit_background([one.plasma(100, rng), other.plasma(100, rng)], SETTINGS)
