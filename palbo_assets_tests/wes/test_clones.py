"""Planted clones are found again with their prevalence, and what couldn't be judged is of no clone."""

from __future__ import annotations

import csv
from dataclasses import replace
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
from palbo_assets.wes.clones import Clones, Tumour, find_clones
from palbo_assets.wes.copy_tables import CLONAL_VARIANTS, CLONE_PREVALENCE
from palbo_assets.wes.genotypes import Copies
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.tables import COPY_NUMBER_SEGMENTS

SETTINGS = Settings()
PURITY = {"BL": 0.7, "PD": 0.45}


def alike(total: np.ndarray, minor: np.ndarray, share: float = 1.0) -> Copies:
    """Copies that all tumour cells have; a share of NaN: that nobody says it of."""
    nothing = np.full(len(total), np.nan)
    return Copies(total.astype(float), minor.astype(float), np.full(len(total), share), nothing, nothing)


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
        tumours.append(Tumour(alt, depths, alike(total, minor), purity))
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
        tumours.append(Tumour(alt, depth, alike(np.full(60, 2), np.ones(60)), purity))
    found = find_clones(tumours, SETTINGS, seed=1)
    assert len(found.fraction) == 1 and (found.high >= 0.95).all()


def test_the_same_seed_gives_the_same_clones_in_whatever_order_mutations_come() -> None:
    tumours, truth = planted(20, 150, 9)
    first, again = find_clones(tumours, SETTINGS, seed=4), find_clones(tumours, SETTINGS, seed=4)
    assert first.membership.tobytes() == again.membership.tobytes()
    backwards = np.arange(len(truth))[::-1]
    turned = [Tumour(one.alt[backwards], one.depth[backwards], one.copies.at(backwards), one.purity) for one in tumours]
    other = find_clones(turned, SETTINGS, seed=4)
    assert adjusted_rand_score(first.assigned, other.assigned[::-1]) == 1.0


def test_a_wrong_purity_makes_intervals_wider_and_its_own_mutations_correct_it() -> None:
    tumours, _ = planted(40, 150, 3)
    sure = find_clones(tumours, SETTINGS, seed=1)
    unsure = find_clones([replace(one, purity_sd=0.05) for one in tumours], SETTINGS, seed=1)
    assert np.mean(unsure.high - unsure.low) > np.mean(sure.high - sure.low)
    wrong = [replace(one, purity=one.purity + 0.08, purity_sd=0.05) for one in tumours]
    found = find_clones(wrong, SETTINGS, seed=1)
    assert len(found.fraction) == 3 and (found.high[0] >= 0.95).all()


def test_reads_that_vary_beyond_chance_are_known_as_such() -> None:
    random = np.random.default_rng(4)
    tumours = []
    for purity in PURITY.values():
        share = expected_vaf(1.0, purity, 2, 1)
        own = random.beta(share * 60, (1 - share) * 60, 80)
        alt = random.binomial(150, own).astype(float)
        tumours.append(Tumour(alt, np.full(80, 150.0), alike(np.full(80, 2), np.ones(80)), purity))
    assert find_clones(tumours, SETTINGS, seed=1).precision <= 100
    smooth, _ = planted(30, 150, 5)
    assert find_clones(smooth, SETTINGS, seed=1).precision >= 500


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
        tumours.append(Tumour(alt, alt + ref, alike(major + minor, minor, np.nan), float(own[0]["tumour_content"])))
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
            "cell_share": None if purity is None else 1.0,
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


def test_variants_and_prevalence_of_a_patient_rest_on_one_fit_and_another_patients_on_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from palbo_assets.wes import clone_rows as module

    fits: list[list[Tumour]] = []

    def counting(tumours: list[Tumour], settings: Settings, seed: int) -> Clones:
        fits.append(tumours)
        return find_clones(tumours, settings, seed)

    monkeypatch.setattr(module, "find_clones", counting)
    monkeypatch.setattr(module, "_FITS", {})
    first, again = judged({"BL": 0.7, "PD": 0.45}), judged({"BL": 0.7, "PD": 0.45})
    assert len(fits) == 1
    for one, other in zip(first, again, strict=True):
        pd.testing.assert_frame_equal(one, other)
    other_purity = judged({"BL": 0.7, "PD": 0.5})
    assert len(fits) == 2 and not other_purity[1].equals(first[1])
    monkeypatch.setattr(module, "_FITS", {})
    for one, other in zip(first, judged({"BL": 0.7, "PD": 0.45}), strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_a_variant_that_grew_is_expanded_and_one_whose_reads_fell_with_purity_is_not() -> None:
    variants, clones = judged({"BL": 0.7, "PD": 0.45})
    assert variants["change"].tolist() == ["NO_CHANGE_SHOWN", "NO_CHANGE_SHOWN", "EXPANDED"]
    assert variants["clone"].tolist() == [1, 1, 2]
    assert variants["probability_of_rise"].iloc[2] > 0.99
    assert variants["ccf_difference_low"].iloc[2] > 0.2 > variants["ccf_difference_low"].iloc[0]
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
