"""Forty simulated patients: every swap is found with its partner and nobody else is accused."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from palbo_assets.wes import matching
from palbo_assets.wes.cohort_identity import matched_rows
from palbo_assets.wes.matching import compare_all, compare_pair_plain, genotype_likelihoods
from palbo_assets.wes.settings import Settings

SETTINGS = Settings()
ERROR = 0.003
Row = dict[str, object]


def reads(rng: np.random.Generator, genotype: np.ndarray, depth: float, source: str) -> tuple[np.ndarray, np.ndarray]:
    """(alt, depth). A tumour loses heterozygosity in stretches, RNA shows one allele of some genes."""
    share = genotype / 2
    if source in ("tumour", "plasma", "rna"):
        purity = {"tumour": rng.uniform(0.2, 0.9), "plasma": rng.uniform(0, 0.5), "rna": 1.0}[source]
        stretch = np.arange(len(genotype)) // 40
        lost, side = (rng.random(stretch.max() + 1)[stretch] < limit for limit in (0.35, 0.5))
        share = np.where((genotype == 1) & lost, np.where(side, 1, 1 - purity) / (2 - purity), share)
    total = rng.poisson(depth, len(genotype))
    if source == "rna":
        total = np.where(rng.random(len(genotype)) < 0.7, 0, total)
    return rng.binomial(total, share * (1 - ERROR) + (1 - share) * ERROR), total


def cohort(
    seed: int,
    *,
    owner: dict[tuple[str, str, str], str],
    patients: int = 40,
    sites: int = 1000,
    depth: dict[str, float] | None = None,
    relatives: tuple[str, str] | None = None,
) -> pd.DataFrame:
    """Rows as of snp_genotypes; ``owner``: (patient, timepoint, source) -> whose sample it really is."""
    rng = np.random.default_rng(seed)
    deep = {"blood": 60.0, "tumour": 100.0, "plasma": 8.0, "rna": 6.0} | (depth or {})
    frequency = rng.uniform(0.2, 0.8, sites)
    names = [f"P{number:02d}" for number in range(patients)]
    haplotypes = {name: rng.random((2, sites)) < frequency for name in names}
    if relatives:  # brother and sister: each allele from the same parent's two
        parents = rng.random((2, 2, sites)) < frequency
        for name in relatives:
            pick = rng.integers(0, 2, (2, sites))
            haplotypes[name] = np.stack([parents[side][pick[side], np.arange(sites)] for side in (0, 1)])
    genotypes = {name: pair.sum(axis=0) for name, pair in haplotypes.items()}
    frames = []
    for number, name in enumerate(names):
        wanted = [("BL", "blood"), ("BL", "tumour"), ("PD", "tumour")]
        wanted += [("W06", "plasma")] * (number % 3 == 0) + [("PD", "rna")] * (number % 4 == 0)
        for timepoint, source in wanted:
            who = owner.get((name, timepoint, source), name)
            alt, total = reads(rng, genotypes[who], deep[source], source)
            about = {"patient_id": name, "timepoint": timepoint, "specimen_id": f"{name}-{timepoint}-{source}"}
            counts = {"pos": np.arange(1, sites + 1), "alt": "A", "depth": total, "alt_count": alt}
            frames.append(pd.DataFrame({**about, "source": source, "chrom": "1", **counts, "frequency": np.nan}))
    found = pd.concat(frames, ignore_index=True)
    return found.astype({"frequency": "Float64"})


def verdicts(frame: pd.DataFrame) -> dict[str, Row]:
    return {str(row["specimen_id"]): row for row in matched_rows(frame, SETTINGS)}


def accused(found: dict[str, Row]) -> dict[str, tuple[object, object]]:
    return {
        name: (row["verdict"], row["likely_partner"]) for name, row in found.items() if row["verdict"] != "self_match"
    }


def exchanged(first: str, second: str, timepoint: str, source: str) -> dict[tuple[str, str, str], str]:
    return {(first, timepoint, source): second, (second, timepoint, source): first}


def rna(rng: np.random.Generator, genotype: np.ndarray, *, one_allele: float, edited: float) -> tuple[np.ndarray, ...]:
    """(alt, depth) of RNA: three tenths of genes (four SNPs each) expressed at very different depth."""
    gene = np.arange(len(genotype)) // 4
    n = int(gene.max()) + 1
    alone, side = (rng.random(n) < one_allele)[gene], (rng.random(n) < 0.5)[gene]
    share = np.where(genotype == 1, np.where(alone, side, rng.beta(8, 8, n)[gene]), genotype / 2)
    share = np.where(rng.random(len(genotype)) < edited, rng.uniform(0.1, 0.9, len(genotype)), share)
    total = np.where((rng.random(n) < 0.3)[gene], rng.negative_binomial(1, 1 / 31, len(genotype)), 0)
    return rng.binomial(total, share * (1 - ERROR) + (1 - share) * ERROR), total


@pytest.mark.parametrize(("one_allele", "edited"), [(0.1, 0.02), (0.3, 0.02), (0.1, 0.1)])
def test_swapped_rna_is_found_though_genes_express_one_allele_and_places_are_edited(
    one_allele: float, edited: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_dna = reads

    def any_reads(rng: np.random.Generator, genotype: np.ndarray, depth: float, source: str) -> tuple[np.ndarray, ...]:
        return (
            rna(rng, genotype, one_allele=one_allele, edited=edited)
            if source == "rna"
            else of_dna(rng, genotype, depth, source)
        )

    monkeypatch.setitem(globals(), "reads", any_reads)
    found = verdicts(cohort(1, owner=exchanged("P00", "P04", "PD", "rna"), patients=24))
    assert accused(found) == {"P00-PD-rna": ("swap", "P04"), "P04-PD-rna": ("swap", "P00")}
    assert found["P00-PD-rna"]["partner_specimen_id"] == "P04-PD-rna"
    correlations = [float(str(row["correlation"])) for row in found.values() if row["source"] == "rna"]
    assert min(correlations) > 0.6  # NGSCheckMate's cut for RNA


def test_edited_places_alone_would_outweigh_a_match_of_little_rna() -> None:
    """Thirty homozygous SNPs agree and four are edited in the RNA: one person only where that is allowed for."""
    alt = np.array([[0] * 34, [0] * 30 + [12] * 4])
    depth = np.array([[60] * 34, [20] * 34])
    sharp, frequency = np.array([True, False]), np.full(34, 0.3)
    shape = {"error": 0.01, "error_spread": 100.0, "sharpness": 20.0}
    scores = [
        compare_all(
            genotype_likelihoods(alt, depth, sharp, np.array([0.0, share]), **shape),
            depth,
            frequency,
            min_depth=2,
            homozygous=0.95,
        ).score[0, 1]
        for share in (0.0, SETTINGS.match_rna_misleading)
    ]
    assert scores[0] < 0 < SETTINGS.match_min_score < scores[1]


@pytest.mark.parametrize(("kind", "verdict"), [("rna", "self_match"), ("tumour", "no_match")])
def test_one_expressed_allele_is_no_opposite_genotype_but_a_tumours_is(kind: str, verdict: str) -> None:
    samples = [
        matching.Sample("P1", "BL", "blood", "blood"),
        matching.Sample("P1", "BL", "first", "tumour"),
        matching.Sample("P1", "PD", "second", kind),
    ]
    score = np.full((3, 3), 20.0)
    agree = np.full((3, 3), 1.0)
    agree[2, :2] = agree[:2, 2] = 0.9
    pairs = matching.Pairs(score, np.full((3, 3), 200), np.full((3, 3), 100), agree, agree)
    limits = {"min_sites": 30, "min_score": 3.0, "min_concordance": 0.95, "min_rna_concordance": 0.8}
    assert matching.judge(samples, pairs, **limits)[2].verdict == verdict


@pytest.mark.parametrize("seed", range(3))
def test_two_swaps_among_forty_patients_are_found_with_their_partners_and_without_false_alarm(seed: int) -> None:
    owner = exchanged("P03", "P17", "PD", "tumour") | exchanged("P06", "P09", "W06", "plasma")
    found = verdicts(cohort(seed, owner=owner))
    assert accused(found) == {
        "P03-PD-tumour": ("swap", "P17"),
        "P17-PD-tumour": ("swap", "P03"),
        "P06-W06-plasma": ("swap", "P09"),
        "P09-W06-plasma": ("swap", "P06"),
    }
    assert found["P03-PD-tumour"]["partner_specimen_id"] == "P17-PD-tumour"
    others = [row for row in found.values() if row["verdict"] == "self_match"]
    assert len(others) == len(found) - 4 == 140
    untouched = [row for row in others if row["patient_id"] not in ("P03", "P17", "P06", "P09")]
    assert min(float(str(row["margin"])) for row in untouched) > 20


def test_swapped_bloods_are_told_from_swapped_tumours_where_two_tumours_agree() -> None:
    found = verdicts(cohort(4, owner=exchanged("P01", "P02", "BL", "blood")))
    assert accused(found) == {"P01-BL-blood": ("swap", "P02"), "P02-BL-blood": ("swap", "P01")}


def test_one_person_under_two_ids_is_unexpected_on_both_sides() -> None:
    owner = {("P05", "BL", "blood"): "P06", ("P05", "BL", "tumour"): "P06", ("P05", "PD", "tumour"): "P06"}
    found = accused(verdicts(cohort(5, owner=owner, patients=10)))
    assert {row[0] for row in found.values()} == {"unexpected_match"}
    assert {name[:3] for name in found} == {"P05", "P06"}


def test_a_sample_of_nobody_in_the_study_matches_nobody() -> None:
    frame = cohort(6, owner={("P01", "PD", "tumour"): "P09"}, patients=10)
    found = accused(verdicts(frame[frame["patient_id"] != "P09"]))
    assert found == {"P01-PD-tumour": ("no_match", None)}


def test_a_brother_or_sister_is_not_the_same_person() -> None:
    owner = {("P01", "PD", "tumour"): "P02"}
    found = accused(verdicts(cohort(7, owner=owner, relatives=("P01", "P02"))))
    assert found == {"P01-PD-tumour": ("swap", "P02")}
    assert accused(verdicts(cohort(7, owner={}, relatives=("P01", "P02")))) == {}


def test_reads_at_too_few_snps_accuse_nobody() -> None:
    found = verdicts(cohort(8, owner=exchanged("P00", "P03", "W06", "plasma"), sites=40, depth={"plasma": 0.8}))
    plasmas = [row for name, row in found.items() if name.endswith("plasma")]
    assert {row["verdict"] for row in plasmas} == {"not_evaluable"}


def test_the_order_of_rows_changes_nothing() -> None:
    frame = cohort(9, owner=exchanged("P01", "P02", "PD", "tumour"), patients=8, sites=200)
    assert matched_rows(frame, SETTINGS) == matched_rows(frame.sample(frac=1, random_state=1), SETTINGS)


def test_arrays_give_the_score_of_plain_arithmetic() -> None:
    rng = np.random.default_rng(1)
    depth = rng.poisson(20, (4, 61))
    alt = rng.binomial(depth, rng.choice([0.002, 0.5, 0.998], (4, 61)))
    sharp, frequency = np.array([True, False, True, False]), rng.uniform(0.1, 0.9, 61)
    shape = {"error": 0.01, "error_spread": 100.0, "sharpness": 20.0}
    misleading = np.array([0.0, 0.03, 0.1, 0.0])
    pairs = compare_all(
        genotype_likelihoods(alt, depth, sharp, misleading, **shape), depth, frequency, min_depth=2, homozygous=0.95
    )
    for first in range(4):
        for second in range(first):
            both = [first, second]
            plain = compare_pair_plain(
                alt[both].tolist(),
                depth[both].tolist(),
                sharp[both].tolist(),
                frequency.tolist(),
                misleading=misleading[both].tolist(),
                **shape,
            )
            assert pairs.score[first, second] == pytest.approx(plain, rel=1e-9)
            assert pairs.score[second, first] == pairs.score[first, second]


def test_a_hundred_and_sixty_samples_at_three_thousand_snps_take_about_a_second() -> None:
    rng = np.random.default_rng(2)
    depth = rng.poisson(60, (160, 3000))
    alt = rng.binomial(depth, 0.5)
    started = time.process_time()
    likelihoods = genotype_likelihoods(alt, depth, np.ones(160, bool), error=0.01, error_spread=100, sharpness=20)
    pairs = compare_all(likelihoods, depth, np.full(3000, 0.5), min_depth=2, homozygous=0.95)
    samples = [matching.Sample(f"P{n // 4}", "BL", str(n), "tumour") for n in range(160)]
    matching.judge(samples, pairs, min_sites=30, min_score=3, min_concordance=0.95, min_rna_concordance=0.8)
    assert time.process_time() - started < 6  # about 1 s; several times that on a busy machine
