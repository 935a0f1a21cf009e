"""Whether a plasma's data can be believed, and how much tumour DNA it holds."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from palbo_assets.ctdna.burden import haploid_equivalents_per_ml, summarise, tumour_fraction
from palbo_assets.ctdna.molecules import MoleculeCounts
from palbo_assets.ctdna.quality import assess, conversion, panel_depth, unchecked
from palbo_assets.ctdna.settings import Settings
from palbo_assets.study.vocabulary import Qc

GOOD: dict[str, float | None] = {
    "unique_depth_median": 2000, "on_target": 0.8, "uniformity": 0.99, "family_size_mean": 5, "conversion": 0.4,
}  # fmt: skip
LAB: dict[str, Any] = {
    "input_ng": 20.0, "plasma_ml": 4.0, "haemolysis_grade": 0, "specimen_type": "PLASMA", "gdna_pct": 3.0,
    "fragment_peak_bp": 167.0,
}  # fmt: skip


def test_a_good_plasma_passes_without_a_word() -> None:
    assert assess(GOOD, LAB, Settings()) == (Qc.PASS, "")


@pytest.mark.parametrize(
    ("measured", "lab", "verdict", "reason"),
    [
        ({"unique_depth_median": 1499}, {}, Qc.WARN, "depth"),
        ({"unique_depth_median": 799}, {}, Qc.FAIL, "depth"),
        ({"on_target": 0.5}, {}, Qc.WARN, "on_target"),
        ({"uniformity": 0.8}, {}, Qc.WARN, "uniformity"),
        ({"family_size_mean": 1.4}, {}, Qc.WARN, "family_size"),
        ({"family_size_mean": 14}, {}, Qc.WARN, "family_size"),
        ({"conversion": 0.1}, {}, Qc.WARN, "conversion"),
        ({}, {"input_ng": 9.0}, Qc.WARN, "input"),
        ({}, {"input_ng": 4.9}, Qc.FAIL, "input"),
        ({}, {"plasma_ml": 2.0}, Qc.WARN, "plasma_volume"),
        ({}, {"haemolysis_grade": 3}, Qc.FAIL, "haemolysis"),
        ({}, {"specimen_type": "SERUM"}, Qc.FAIL, "not_plasma"),
        ({}, {"gdna_pct": 25.0}, Qc.WARN, "genomic_dna"),
        ({}, {"fragment_peak_bp": 320.0}, Qc.WARN, "fragment_size"),
    ],
)
def test_each_fault_is_named(measured: dict[str, float], lab: dict[str, Any], verdict: Qc, reason: str) -> None:
    assert assess({**GOOD, **measured}, {**LAB, **lab}, Settings()) == (verdict, reason)


def test_what_the_lab_did_not_state_is_not_judged_but_said() -> None:
    assert assess({**GOOD, "family_size_mean": None, "conversion": None}, None, Settings()) == (
        Qc.PASS, "no_wet_lab_data",
    )  # fmt: skip


def test_the_twins_plasma_has_the_depth_that_was_rendered(plasma_counts: MoleculeCounts) -> None:
    depth = panel_depth(plasma_counts, Settings())
    assert depth["unique_depth_median"] == pytest.approx(2000, rel=0.1)
    assert depth["share_at_pass_depth"] == pytest.approx(1, abs=0.02)
    assert depth["family_size_mean"] == pytest.approx(5.5, abs=0.1)
    least = depth["family_size_least_mean"]
    assert least is not None and least < 5.5


def test_conversion_counts_303_genome_equivalents_per_nanogram() -> None:
    assert conversion(1515, 10) == pytest.approx(0.5)
    assert conversion(1515, None) is None and conversion(1515, 0) is None


def calls(*rows: tuple[str, str, float | None, bool, str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["gene", "state", "vaf", "chip_gene", "filter"])
    return frame.assign(tracked=True, lod95_vaf=0.003, hge_per_ml=frame["vaf"] * 303)


def test_the_tumour_fraction_is_twice_the_largest_somatic_fraction() -> None:
    row = summarise(
        calls(
            ("ESR1", "PRESENT", 0.02, False, "PASS"),
            ("TP53", "PRESENT", 0.20, True, "PASS"),  # may be from blood
            ("PIK3CA", "PRESENT", 0.45, False, "germline_band"),
            ("KRAS", "ABSENT", 0.0005, False, "PASS"),
            ("FAT1", "NOT_ASSAYED", None, False, "PASS"),
        ),
        "pass",
    )
    assert (row["tumour_fraction"], row["max_vaf"], row["status"]) == (0.04, 0.02, "OBSERVED")
    assert (row["n_present"], row["n_absent"], row["n_not_evaluable"], row["n_not_assayed"]) == (3, 1, 0, 1)
    assert tumour_fraction(0.7) == 1.0


def test_nothing_found_is_not_a_fraction_of_zero_and_a_failed_plasma_has_none() -> None:
    nothing = summarise(calls(("KRAS", "ABSENT", 0.0, False, "PASS")), "pass")
    assert (nothing["tumour_fraction"], nothing["status"]) == (None, "NOT_EVALUABLE")
    failed = summarise(calls(("KRAS", "NOT_EVALUABLE", 0.1, False, "sample_qc")), "fail")
    assert (failed["tumour_fraction"], failed["status"]) == (None, "QC_FAIL")


def test_genome_equivalents_need_a_concentration() -> None:
    assert haploid_equivalents_per_ml(0.01, 10.0) == pytest.approx(30.3)
    assert haploid_equivalents_per_ml(0.01, None) is None


@pytest.mark.parametrize(
    ("measured", "lab", "verdict", "reason"),
    [
        ({}, {"tube_type": "EDTA", "hours_to_spin": 6.5}, Qc.FAIL, "late_spin"),
        ({}, {"tube_type": "EDTA", "hours_to_spin": 6.0}, Qc.PASS, ""),
        ({}, {"tube_type": "STRECK", "hours_to_spin": 72.0}, Qc.PASS, ""),
        ({}, {"tube_type": "STRECK", "hours_to_spin": 340.0}, Qc.FAIL, "late_spin"),
        ({}, {"tube_type": "OTHER", "hours_to_spin": 340.0}, Qc.PASS, ""),
        ({"raw_depth_mean": 19_999}, {}, Qc.WARN, "raw_depth"),
        ({"fragment_peak_reads_bp": 320}, {}, Qc.WARN, "fragment_size_of_reads"),
        ({"read_1_length": 150, "read_2_length": 100}, {}, Qc.WARN, "read_lengths_differ"),
        ({"read_1_length": 138, "read_2_length": 150}, {}, Qc.PASS, ""),
        ({"singleton_share": 1, "raw_pairs": 999, "same_ends": 0}, {}, Qc.FAIL, "read_once_only"),
        ({"singleton_share": 1, "raw_pairs": 5000, "same_ends": 7}, {}, Qc.FAIL, "read_once_only"),
        (
            {"singleton_share": 1, "raw_pairs": 5000, "same_ends": 0},
            {},
            Qc.FAIL,
            "deduplicated_by_position;read_once_only",
        ),
        ({"family_size_mean": 1}, {}, Qc.FAIL, "read_once_only;family_size"),
    ],
)
def test_handling_and_reads_before_consensus_are_judged(
    measured: dict[str, float], lab: dict[str, Any], verdict: Qc, reason: str
) -> None:
    assert assess({**GOOD, **measured}, {**LAB, **lab}, Settings()) == (verdict, reason)


def test_what_was_not_delivered_is_listed_as_not_checked_and_never_as_passed() -> None:
    complete = {
        **GOOD, "raw_depth_mean": 25_000, "fragment_peak_reads_bp": 167, "read_2_length": 150, "same_ends": 4,
    }  # fmt: skip
    handled = {**LAB, "tube_type": "EDTA", "hours_to_spin": 2.0}
    assert unchecked(complete, handled) == ""
    assert unchecked(complete, {**handled, "tube_type": "OTHER"}) == "late_spin"
    assert unchecked({**complete, "raw_depth_mean": None}, LAB) == "late_spin;raw_depth"
    nothing = unchecked({}, None).split(";")
    assert {"specimen_type", "haemolysis", "late_spin", "raw_depth", "deduplication"} <= set(nothing)
