"""Planted clones are found again with their prevalence, and what couldn't be judged is of no clone."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from palbo_assets.ctdna.tables import PATIENT_GENOTYPES
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.wes.cancer_cell_fraction import expected_vaf
from palbo_assets.wes.clone_rows import clone_rows, fit_clones, patient_variants, variant_rows
from palbo_assets.wes.clones import GRID, Tumour, find_clones, log_likelihood
from palbo_assets.wes.copy_tables import CLONAL_VARIANTS, CLONE_PREVALENCE
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.tables import COPY_NUMBER_SEGMENTS

SETTINGS = Settings()
PURITY = {"BL": 0.7, "PD": 0.45}
PLANTED = {"trunk": (1.0, 1.0), "lost": (0.6, 0.0), "acquired": (0.0, 0.7)}


def planted(per_clone: int, depth: int, seed: int) -> tuple[list[Tumour], np.ndarray]:
    """Counts in two tumours of mutations of three clones, on two, three and four copies and with LOH."""
    random = np.random.default_rng(seed)
    clone = np.repeat(np.arange(len(PLANTED)), per_clone)
    total = random.choice([2, 2, 2, 3, 4], len(clone))
    minor = np.where(total == 2, random.choice([1, 1, 0], len(clone)), 1)
    tumours = []
    for at, purity in enumerate(PURITY.values()):
        fraction = np.array(list(PLANTED.values()))[clone, at]
        depths = random.poisson(depth, len(clone)).astype(float)
        share = np.array([expected_vaf(c, purity, t, 1) for c, t in zip(fraction, total, strict=True)])
        alt = random.binomial(depths.astype(int), share).astype(float)
        tumours.append(Tumour(alt, depths, total.astype(float), minor.astype(float), purity))
    return tumours, clone


@pytest.mark.parametrize("seed", range(5))
def test_three_planted_clones_are_found_with_their_prevalence_in_both_tumours(seed: int) -> None:
    tumours, truth = planted(40, 150, seed)
    found = find_clones(tumours, SETTINGS, seed=seed)
    assert len(found.fraction) == 3
    assert adjusted_rand_score(truth, found.assigned) > 0.95
    expected = np.array(sorted(PLANTED.values(), key=lambda pair: -sum(pair)))
    np.testing.assert_allclose(found.fraction, expected, atol=0.08)
    np.testing.assert_allclose(found.membership.sum(axis=1), 1.0)


def test_mutations_of_one_clone_stay_one_clone() -> None:
    random = np.random.default_rng(3)
    tumours = []
    for purity in PURITY.values():
        depth = np.full(60, 120.0)
        alt = random.binomial(120, expected_vaf(1.0, purity, 2, 1), 60).astype(float)
        tumours.append(Tumour(alt, depth, np.full(60, 2.0), np.ones(60), purity))
    found = find_clones(tumours, SETTINGS, seed=1)
    assert len(found.fraction) == 1 and (found.high >= 0.95).all()


def test_the_same_seed_gives_the_same_clones_in_whatever_order_mutations_come() -> None:
    tumours, _ = planted(20, 150, 9)
    first, again = find_clones(tumours, SETTINGS, seed=4), find_clones(tumours, SETTINGS, seed=4)
    assert first.membership.tobytes() == again.membership.tobytes()
    turned = [Tumour(one.alt[::-1], one.depth[::-1], one.total[::-1], one.minor[::-1], one.purity) for one in tumours]
    other = find_clones(turned, SETTINGS, seed=4)
    assert adjusted_rand_score(first.assigned, other.assigned[::-1]) == 1.0


def test_the_likelihood_is_the_plain_mean_over_genotypes() -> None:
    from scipy.stats import betabinom

    one = Tumour(np.array([30.0]), np.array([100.0]), np.array([3.0]), np.array([1.0]), 0.7)
    ours = log_likelihood(one, SETTINGS)[0]
    at = 70
    terms = []
    for others in (3.0, 2.0):  # cells without the mutation have the segment's copies, or normal ones
        for copies in (1, 2):
            reads = 0.7 * (GRID[at] * 3 + (1 - GRID[at]) * others) + 0.3 * 2
            share = 0.7 * copies * GRID[at] / reads
            seen = share * 0.999 + (1 - share) * 0.001
            terms.append(betabinom.pmf(30, 100, seen * 200, (1 - seen) * 200))
    constant = np.log(np.mean(terms)) - ours[at]
    reads = 0.7 * 3 + 0.6
    seen = 0.001  # nobody has it: all genotypes agree
    assert np.log(betabinom.pmf(30, 100, seen * 200, (1 - seen) * 200)) - ours[0] == pytest.approx(constant, abs=1e-6)


def test_clones_of_the_published_simulation_are_found(shared_data: Path) -> None:
    """PyClone-VI's example: 100 mutations of 8 clones in 4 samples, some with subclonal copy number."""
    with (shared_data / "wes_somatic" / "clonal_pyclone_vi" / "synthetic.tsv").open(newline="") as handle:
        rows = sorted(csv.DictReader(handle, delimiter="\t"), key=lambda row: (row["sample_id"], row["mutation_id"]))
    tumours = []
    for sample in sorted({row["sample_id"] for row in rows}):
        own = [row for row in rows if row["sample_id"] == sample]
        alt, ref, major, minor = (
            np.array([float(row[name]) for row in own]) for name in ("alt_counts", "ref_counts", "major_cn", "minor_cn")
        )
        tumours.append(Tumour(alt, alt + ref, major + minor, minor, float(own[0]["tumour_content"])))
    found = find_clones(tumours, SETTINGS, seed=1)
    own = [row for row in rows if row["sample_id"] == rows[0]["sample_id"]]
    assert adjusted_rand_score([row["cluster"] for row in own], found.assigned) > 0.8
    truth = np.array([float(row["ccf"]) for row in rows]).reshape(len(tumours), -1).T
    assert np.median(np.abs(found.fraction[found.assigned] - truth)) < 0.03


def counted(timepoint: str, number: int, alt: int, depth: int = 200) -> dict[str, Any]:
    return {
        "patient_id": "P",
        "timepoint": timepoint,
        "specimen_id": f"P-{timepoint}",
        "chrom": "chr1",
        "pos": 100 + number,
        "ref": "A",
        "alt": "G",
        "gene": f"G{number}",
        "lof": False,
        "hotspot": False,
        "depth": depth,
        "alt_count": alt,
        "called": True,
        "trace": False,
        "state": "PRESENT",
    }


def segments(purities: dict[str, float | None]) -> pd.DataFrame:
    rows = [
        {
            "patient_id": "P",
            "timepoint": timepoint,
            "specimen_id": f"P-{timepoint}",
            "chrom": "chr1",
            "start": 0,
            "end": 1000,
            "total_cn": None if purity is None else 2.0,
            "minor_cn": None if purity is None else 1.0,
            "purity": purity,
            "tool": "ascat",
            "reason": "" if purity is not None else "NO_PURITY",
        }
        for timepoint, purity in purities.items()
    ]
    return frame_from_rows(COPY_NUMBER_SEGMENTS, rows)


def judged(purities: dict[str, float | None], unusable: frozenset[str] = frozenset()):  # type: ignore[no-untyped-def]
    """A trunk of two variants and one that grew from a fifth of the cells to nearly all."""
    fractions = [(1.0, 1.0), (1.0, 1.0), (0.2, 0.9)]
    counts = [
        counted(timepoint, number, round(200 * expected_vaf(pair[timepoint == "PD"], PURITY[timepoint], 2, 1)))
        for number, pair in enumerate(fractions)
        for timepoint in PURITY
    ]
    forced = frame_from_rows(PATIENT_GENOTYPES, counts)
    patient = patient_variants(forced, segments(purities), unusable, ("BL", "W06", "W12", "PD"))
    fit = fit_clones(patient, SETTINGS, seed=1)
    variants = [{"patient_id": "P", **row} for row in variant_rows(patient, fit, SETTINGS)]
    clones = [{"patient_id": "P", **row} for row in clone_rows(fit, SETTINGS)]
    return frame_from_rows(CLONAL_VARIANTS, variants), frame_from_rows(CLONE_PREVALENCE, clones)


def test_a_variant_that_grew_is_expanded_and_one_whose_reads_fell_with_purity_is_not() -> None:
    variants, clones = judged({"BL": 0.7, "PD": 0.45})
    assert variants["change"].tolist() == ["NO_CHANGE_SHOWN", "NO_CHANGE_SHOWN", "EXPANDED"]
    assert variants["clone"].tolist() == [1, 1, 2]
    grown = clones[clones["clone"] == 2].set_index("timepoint")["prevalence"]
    assert grown["BL"] == pytest.approx(0.2, abs=0.1) and grown["PD"] == pytest.approx(0.9, abs=0.15)


def test_without_purity_on_one_side_nothing_is_compared_and_no_clones_are_told() -> None:
    variants, clones = judged({"BL": None, "PD": 0.45})
    assert set(variants["change"]) == {"NOT_EVALUABLE"}
    assert set(variants["change_reason"]) == {"baseline NO_PURITY"}
    assert set(variants["clone_reason"]) == {"ONE_TUMOUR"} and clones.empty
    assert variants["baseline_ccf"].isna().all() and variants["progression_ccf"].notna().all()


def test_another_persons_tumour_takes_no_part() -> None:
    variants, clones = judged({"BL": 0.7, "PD": 0.45}, frozenset({"P-PD"}))
    assert set(variants["change_reason"]) == {"progression NO_TUMOUR_AT_TIMEPOINT"} and clones.empty
