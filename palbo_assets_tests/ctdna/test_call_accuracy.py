"""How often calls are right: recall, false calls a megabase, and whether LoD95 means 95 %, all with planted truth."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from palbo_assets.ctdna.background import read_background
from palbo_assets.ctdna.calling import TRACKED_COLUMNS, call_variants
from palbo_assets.ctdna.healthy_plasmas import background_from, fit_background
from palbo_assets.ctdna.molecules import count_molecules, fasta_reference
from palbo_assets.ctdna.panel import Panel, Target
from palbo_assets.ctdna.settings import Settings
from palbo_assets.demo import ctdna as twin
from palbo_assets.demo import healthy_plasma
from palbo_assets.study.vocabulary import CallState
from palbo_assets_tests.ctdna.conftest import Plasma, truth_of
from palbo_assets_tests.ctdna.donors import LETTERS, Truth

pytestmark = pytest.mark.accuracy
SETTINGS = Settings()
UNTRACKED = pd.DataFrame(columns=list(TRACKED_COLUMNS))
DEPTH = 3000


def test_snvs_at_half_a_percent_are_found_anew_and_false_calls_are_rare() -> None:
    """250 plasmas of a 20 kb panel (5 megabase-samples), sites' rates log-normal around their kind's; 12 donors."""
    length, plasmas, planted = 20_000, 250, 20
    rng = np.random.default_rng(21)
    truth = Truth.drawn(length, 20, spread=0.7)
    background = background_from(fit_background([truth.plasma(DEPTH, rng) for _ in range(12)], SETTINGS))
    panel = Panel("v1", (Target("chr1", 0, length),))
    found = false = 0
    for _ in range(plasmas):
        places = rng.choice(length, size=planted, replace=False)
        alleles = {
            (int(at), LETTERS[(LETTERS.index(truth.reference[at]) + int(rng.integers(1, 4))) % 4]): 5e-3
            for at in places
        }
        plasma = truth.plasma(DEPTH, rng, alleles=alleles)
        calls = call_variants(plasma, panel, background, UNTRACKED, SETTINGS)
        present = {(call.pos - 1, call.alt) for call in calls if call.state is CallState.PRESENT}
        found += len(present & set(alleles))
        false += len(present - set(alleles))
    megabases = length * plasmas / 1e6
    high = stats.chi2.ppf(0.975, 2 * false + 2) / 2  # of the exact Poisson interval
    sys.stdout.write(f"\nfound {found} of {plasmas * planted}, {false} false in {megabases} megabase-samples\n")
    assert found / (plasmas * planted) >= 0.95
    assert false / megabases <= 1.0 and high / megabases <= 1.0


def longest_run(reference: str, at: int) -> int:
    """Bases of the homopolymer behind an anchor; 0 within one."""
    behind = reference[at + 1 :]
    return 0 if reference[at] == behind[0] else len(behind) - len(behind.lstrip(behind[0]))


def test_an_allele_at_its_sites_lod95_is_found_in_92_to_98_percent_of_plasmas() -> None:
    """500 plasmas a class of site: substitutions, an insertion, deletions outside and in a homopolymer; 12 donors."""
    rng = np.random.default_rng(31)
    length = 600
    truth = Truth.drawn(length, 30)
    runs = np.array([longest_run(truth.reference, at) for at in range(length - 10)])
    outside, within = (int(np.flatnonzero((runs == run)[100:])[0]) + 100 for run in (1, 4))
    classes = {
        "insertion": (outside, truth.reference[outside] + "TG"),
        "deletion": (outside, truth.reference[outside]),
        "deletion in a run of four": (within, truth.reference[within]),
        "C>A": (truth.reference.index("C", 100), "A"),
        "C>T": (truth.reference.index("C", 150), "T"),
        "T>G": (truth.reference.index("T", 200), "G"),
        "noisy C>T": (truth.reference.index("C", 300), "T"),
    }
    noisy, alt = classes["noisy C>T"]
    truth.rates[LETTERS.index(alt), noisy] = 1e-3
    background = background_from(fit_background([truth.plasma(DEPTH, rng) for _ in range(12)], SETTINGS))
    panel = Panel("v1", (Target("chr1", 0, length),))
    rates = {}
    for name, (at, alt) in classes.items():
        is_indel = len(alt) > 1 or alt == truth.reference[at]
        ref = truth.reference[at : at + 2] if alt == truth.reference[at] else truth.reference[at]
        row = ("chr1", at + 1, ref, alt, "", "", None)
        tracked = pd.DataFrame([row], columns=list(TRACKED_COLUMNS))

        def call(
            fraction: float,
            at: int = at,
            alt: str = alt,
            is_indel: bool = is_indel,
            tracked: pd.DataFrame = tracked,
        ) -> tuple[bool, float]:
            planted = {(at, alt): fraction}
            plasma = truth.plasma(
                DEPTH, rng, alleles=None if is_indel else planted, events=planted if is_indel else None
            )
            (one,) = [one for one in call_variants(plasma, panel, background, tracked, SETTINGS) if one.tracked]
            assert one.lod95_vaf is not None
            return one.state is CallState.PRESENT, one.lod95_vaf

        lod = call(0.0)[1]
        rates[name] = (lod, sum(call(lod)[0] for _ in range(500)) / 500)
    sys.stdout.write(f"\n{rates}\n")
    for name, (_, rate) in rates.items():
        assert 0.92 <= rate <= 0.98, (name, rate)


def test_reads_at_half_a_percent_give_their_alleles_and_no_other(plasma: Plasma, tmp_path: Path) -> None:
    """Six plasmas as consensus BAMs at 3,000 unique molecules, six alleles each, against donors read as BAMs too."""
    reference = fasta_reference(plasma.genome.fasta)
    rng = np.random.default_rng(41)
    donors = healthy_plasma.write(plasma.genome, plasma.bed, tmp_path, rng, unique_depth=1000)
    counted = [count_molecules(tmp_path / one.file, plasma.panel, reference, SETTINGS) for one in donors]
    background = background_from(fit_background(counted, SETTINGS))
    sites = [("PIK3CA", "p.H1047R"), ("ESR1", "p.D538G"), ("ESR1", "p.Y537S"), ("KRAS", "p.G12D"), ("RB1", "p.R320*"),
             ("PIK3CA", "p.E545K")]  # fmt: skip
    truth, patient = truth_of(plasma.genome, dict.fromkeys(sites, 5e-3))
    wanted = {(one.chrom, one.pos, one.ref, one.alt) for one in truth.mutations}
    found = false = 0
    for number in range(6):
        (file,) = twin.write(
            truth, patient, plasma.genome, plasma.bed, tmp_path / str(number), rng, unique_depth=DEPTH
        )  # fmt: skip
        counts = count_molecules(tmp_path / str(number) / file.file, plasma.panel, reference, SETTINGS)
        calls = call_variants(counts, plasma.panel, background, UNTRACKED, SETTINGS)
        present = {(one.chrom, one.pos, one.ref, one.alt) for one in calls if one.state is CallState.PRESENT}
        germline = {(snp.chrom, snp.pos, snp.ref, snp.alt) for snp in plasma.genome.snps}
        found += len(present & wanted)
        false += len(present - wanted - germline)
    assert found >= 35 and false == 0


def test_alleles_of_the_twin_are_found_by_their_fraction_and_half_a_percent_is_never_absent(
    plasma: Plasma, tmp_path: Path
) -> None:
    """20 plasmas as the demo renders them, eight tracked alleles each: 32 at each of five fractions."""
    reference = fasta_reference(plasma.genome.fasta)
    sites = [("PIK3CA", "p.H1047R"), ("PIK3CA", "p.E545K"), ("ESR1", "p.D538G"), ("ESR1", "p.Y537S"),
             ("KRAS", "p.G12D"), ("RB1", "p.R320*"), ("AKT1", "p.E17K"), ("TP53", "p.R175H")]  # fmt: skip
    levels = (0.01, 0.005, 0.0025, 0.001, 0.0005)
    background = read_background(plasma.background, SETTINGS)
    assert background is not None
    germline = {(snp.chrom, snp.pos, snp.ref, snp.alt) for snp in plasma.genome.snps}
    tracked, anew, absent = (dict.fromkeys(levels, 0) for _ in range(3))
    false = asked = false_anew = 0
    depths = []
    for number in range(20):
        planted = {site: levels[(number + at) % len(levels)] for at, site in enumerate(sites)}
        truth, patient = truth_of(plasma.genome, planted)
        folder = tmp_path / str(number)
        (file,) = twin.write(truth, patient, plasma.genome, plasma.bed, folder, np.random.default_rng(900 + number))
        counts = count_molecules(folder / file.file, plasma.panel, reference, SETTINGS)
        depths.append(np.median(np.concatenate([one.depth for one in counts.regions])))
        at_level = {(one.chrom, one.pos, one.ref, one.alt): one.plasma_vaf for one in truth.mutations}
        calls = call_variants(counts, plasma.panel, background, plasma.tracked, SETTINGS)
        states = {(one.chrom, one.pos, one.ref, one.alt): one.state for one in calls if one.tracked}
        new = call_variants(counts, plasma.panel, background, UNTRACKED, SETTINGS)
        found = {(one.chrom, one.pos, one.ref, one.alt) for one in new if one.state is CallState.PRESENT}
        for key, level in at_level.items():
            tracked[level] += states[key] is CallState.PRESENT
            absent[level] += states[key] is CallState.ABSENT
            anew[level] += key in found
        others = [key for key, state in states.items() if key not in at_level and state is not CallState.NOT_ASSAYED]
        asked += len(others)
        false += sum(states[key] is CallState.PRESENT for key in others)
        false_anew += len(found - set(at_level) - germline)
    sys.stdout.write(
        f"\n{np.mean(depths):.0f} molecules, {plasma.panel.size} bases; tracked {tracked}, anew {anew},"
        f" absent {absent}; false {false} of {asked} tracked, {false_anew} anew\n"
    )
    assert min(tracked[0.01], tracked[0.005]) >= 31 and tracked[0.0025] >= 24 and min(anew[0.01], anew[0.005]) >= 31
    assert absent[0.01] == absent[0.005] == 0
    assert false <= 0.05 * asked and false_anew <= 1
