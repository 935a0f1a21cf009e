"""How many false calls a megabase of plasma has, and what is found of 0.5 %, by how much is known of errors."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from palbo_assets.ctdna.background import Background, context_of, estimate_background
from palbo_assets.ctdna.calling import TRACKED_COLUMNS, call_variants
from palbo_assets.ctdna.healthy_plasmas import background_from, fit_background
from palbo_assets.ctdna.panel import Panel, Target
from palbo_assets.ctdna.power import critical_count
from palbo_assets.ctdna.settings import Settings
from palbo_assets.study.vocabulary import CallState
from palbo_assets_tests.ctdna.donors import LETTERS, Truth

SETTINGS = Settings()
UNTRACKED = pd.DataFrame(columns=list(TRACKED_COLUMNS))
DEPTH, FRACTION = 3000, 5e-3
KINDS = ("snv", "deletion", "insertion")


@dataclass(frozen=True)
class Panelled:
    """Every allele of a panel: its true error rate, and the fewest molecules that make a call there."""

    rates: np.ndarray
    critical: np.ndarray
    kind: np.ndarray  # of KINDS
    run: np.ndarray  # homopolymer behind an indel's anchor


def alleles_of(truth: Truth) -> Iterator[tuple[int, str, str, str, float]]:
    """(offset, reference, alternative, context, true rate): three wrong bases a base, and one lost or doubled."""
    for at, ref in enumerate(truth.reference):
        for code, alt in enumerate(LETTERS):
            if alt != ref:
                yield at, ref, alt, context_of(truth.reference, at, ref, alt), truth.rates[code, at]
        if truth.deletions[at]:
            pair = truth.reference[at : at + 2]
            yield at, pair, ref, context_of(truth.reference, at, pair, ref), truth.deletions[at]
        if truth.insertions[at]:
            yield at, ref, pair, context_of(truth.reference, at, ref, pair), truth.insertions[at]


def panelled(truth: Truth, background: Background) -> Panelled:
    """As `call_variants` tests new alleles at ``DEPTH`` molecules."""
    megabase = SETTINGS.false_calls_per_megabase * 1e-6 / 5
    threshold = min(SETTINGS.alpha_de_novo / (5 * len(truth.reference)), megabase)
    least: dict[tuple[float, float], int] = {}
    rates, critical, kind, run = [], [], [], []
    for at, ref, alt, context, rate in alleles_of(truth):
        errors = background.at("chr1", at + 1, ref, alt, context)
        if errors not in least:
            least[errors] = _critical(*errors, threshold)
        rates.append(rate)
        critical.append(least[errors])
        indel = len(ref) != len(alt)
        kind.append(KINDS.index("snv" if not indel else "deletion" if len(ref) > 1 else "insertion"))
        run.append(int(context.partition(":")[2] or 0) if indel else 0)
    return Panelled(np.array(rates), np.array(critical), np.array(kind), np.array(run))


def _critical(alpha: float, beta: float, threshold: float) -> int:
    """`power.critical_count` by scipy's beta-binomial: few molecules of many are a negative binomial, to a hair."""
    for count in range(SETTINGS.min_alt_de_novo, DEPTH):
        if stats.nbinom.sf(count - 1, alpha, beta / (beta + DEPTH)) <= threshold:
            return count
    return DEPTH


def uneven(length: int, seed: int, spread: float) -> Truth:
    """Sites' rates log-normal around their kind's or run's, deletions and insertions too, each with its own."""
    truth = Truth.drawn(length, seed, spread=spread).with_insertions()
    lost, doubled = np.exp(np.random.default_rng(seed + 1).normal(-(spread**2) / 2, spread, size=(2, length)))
    return replace(truth, deletions=truth.deletions * lost, insertions=truth.insertions * doubled)


def background_of(truth: Truth, donors: int, depth: int, spread: float, rng: np.random.Generator) -> Background:
    """Of donors; of none: from the bases of a plasma itself."""
    if not donors:
        return estimate_background(truth.plasma(DEPTH, rng, library_spread=spread), SETTINGS)
    return background_from(
        fit_background([truth.plasma(depth, rng, library_spread=spread) for _ in range(donors)], SETTINGS)
    )


def test_quick_counting_calls_what_call_variants_calls() -> None:
    """The quick count below against the caller itself, on the same plasmas: calls differ where BH, the strand rule or
    the negative binomial do, which only takes calls away."""
    truth = uneven(2500, 50, 0.7)
    rng = np.random.default_rng(51)
    background = background_of(truth, 10, 1000, 0.0, rng)
    found = panelled(truth, background)
    limits = {
        (at + 1, ref, alt): limit for (at, ref, alt, _, _), limit in zip(alleles_of(truth), found.critical, strict=True)
    }
    panel = Panel("v1", (Target("chr1", 0, len(truth.reference)),))
    said = quick = same = 0
    for _ in range(4):
        places = rng.choice(len(truth.reference), size=25, replace=False)
        planted = {(int(at), next(alt for alt in LETTERS if alt != truth.reference[at])): 3e-3 for at in places}
        plasma = truth.plasma(DEPTH, rng, alleles=planted)
        calls = call_variants(plasma, panel, background, UNTRACKED, SETTINGS)
        present = {(one.pos, one.ref, one.alt) for one in calls if one.state is CallState.PRESENT}
        votes = plasma.regions[0].counts[:, :4].sum(axis=0)
        shown = {key: int(votes[LETTERS.index(key[2]), key[0] - 1]) for key in limits if len(key[1]) == len(key[2])} | {
            (one.pos, one.ref, one.alt): sum(strands) for one, strands in plasma.indels.items()
        }
        over = {key for key, molecules in shown.items() if molecules >= limits.get(key, DEPTH)}
        said, quick, same = said + len(present), quick + len(over), same + len(present & over)
    assert quick >= 20 and said - same <= 1 and quick - same <= max(2, 0.1 * quick)


@pytest.mark.parametrize("errors", [(0.05, 1500.0), (0.4, 20_000.0), (3.0, 40_000.0), (12.0, 12_000.0)])
def test_the_quick_critical_count_is_the_exact_one(errors: tuple[float, float]) -> None:
    exact = critical_count(DEPTH, *errors, 4e-8, SETTINGS.min_alt_de_novo)
    assert abs(_critical(*errors, 4e-8) - exact) <= max(1, 0.03 * exact)


# (donors, molecules of each): none, thin, as many as are asked for, and more.
SIZES = ((0, 0), (10, 500), (10, 1000), (12, 3000), (24, 3000))
# (spread of sites, spread of libraries), standard deviations of log rates.
SPREADS = ((0.7, 0.0), (0.7, 0.3), (1.0, 0.0))


@pytest.mark.accuracy
@pytest.mark.parametrize(("donors", "depth"), SIZES)
@pytest.mark.parametrize("spreads", SPREADS)
def test_errors_make_less_than_one_call_a_megabase(donors: int, depth: int, spreads: tuple[float, float]) -> None:
    """18 megabase-samples: 900 plasmas of 20 kb, Poisson errors, against two backgrounds; ten planted in each."""
    length, plasmas = 20_000, 450
    false = np.zeros(len(KINDS), dtype=int)
    found: dict[str, list[int]] = {name: [0, 0] for name in KINDS}
    for number in range(2):
        truth = uneven(length, 60 + number, spreads[0])
        rng = np.random.default_rng(70 + number)
        panel = panelled(truth, background_of(truth, donors, depth, spreads[1], rng))
        for _ in range(plasmas):
            of_library = float(np.exp(rng.normal(-(spreads[1] ** 2) / 2, spreads[1])))
            errors = rng.poisson(DEPTH * of_library * panel.rates)
            called = errors >= panel.critical
            false += np.bincount(panel.kind[called], minlength=len(KINDS))
            planted = rng.choice(len(errors), size=10, replace=False)
            shown = errors[planted] + rng.binomial(DEPTH, FRACTION, size=10) >= panel.critical[planted]
            for number_of, name in enumerate(KINDS):
                here = (panel.kind[planted] == number_of) & (panel.run[planted] < 4)
                found[name][0] += int((shown & here).sum())
                found[name][1] += int(here.sum())
    megabases = 2 * plasmas * length / 1e6
    limit = float(stats.chi2.ppf(0.95, 2 * int(false.sum()) + 2)) / 2 / megabases
    recall = {name: hit / of for name, (hit, of) in found.items()}
    sys.stdout.write(
        f"\n{donors} x {depth}, spread {spreads}: {dict(zip(KINDS, false.tolist(), strict=True))} false"
        f" in {megabases} Mb, limit of all {limit:.2f}, recall {recall}, n {found}\n"
    )
    assert limit <= 1.0
    assert min(recall.values()) >= 0.95 and min(of for _, of in found.values()) >= 500
