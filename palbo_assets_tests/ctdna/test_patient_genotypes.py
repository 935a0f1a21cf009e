"""A patient's variants in every sample: what may be said where they weren't called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from palbo_assets.ctdna.molecules import MoleculeCounts, RegionCounts
from palbo_assets.ctdna.panel import Panel, Target
from palbo_assets.ctdna.patient_genotypes import (
    TissueCounts,
    clonal_fractions,
    count_tissue,
    expected_in_tissue,
    plasma_rows,
    shed_fractions,
    tissue_rows,
    union_of_variants,
)
from palbo_assets.ctdna.settings import Settings
from palbo_assets.genomics.allele_counts import Evidence
from palbo_assets.genomics.alleles import Variant
from palbo_assets.genomics.force_genotype import Rules, judge, smallest_visible
from palbo_assets.genomics.regions import reference
from palbo_assets.study.vocabulary import CHOSEN_FROM_COHORT

RULES = Settings()
RB1, ESR1, FAT1 = Variant("chr1", 105, "A", "T"), Variant("chr1", 110, "A", "G"), Variant("chr9", 5, "A", "C")
TISSUE = ["chrom", "pos", "ref", "alt", "gene", "consequence", "hgvsp_short", "lof", "specimen_id", "t_vaf", "filter"]
PLASMA = ["chrom", "pos", "ref", "alt", "gene", "consequence", "hgvsp_short", "lof", "specimen_id", "vaf", "filter"]


def tissue(*rows: tuple[Variant, str, float, str]) -> pd.DataFrame:
    listed = [[*variant, "G", None, "p.X1Y", True, specimen, vaf, said] for variant, specimen, vaf, said in rows]
    return pd.DataFrame(listed, columns=TISSUE).assign(forced=False)


def plasma(*rows: tuple[Variant, str, float, str, str]) -> pd.DataFrame:
    listed = [[*variant, "G", None, "p.X1Y", None, specimen, vaf, said] for variant, specimen, vaf, said, _ in rows]
    return pd.DataFrame(listed, columns=PLASMA).assign(state=[row[4] for row in rows], chip_gene=False)


UNION = union_of_variants(
    tissue((RB1, "T2", 0.3, "PASS"), (FAT1, "T2", 0.4, "PASS"), (Variant("chr1", 1, "A", "C"), "T1", 0.3, "low_vaf")),
    plasma((RB1, "P2", 0.02, "PASS", "PRESENT"), (ESR1, "P2", 0.01, "PASS", "PRESENT"),
           (Variant("chr1", 2, "A", "C"), "P1", 0.5, "germline_band", "PRESENT")),
)  # fmt: skip


def counts(depth: int, **alt: int) -> MoleculeCounts:
    """One region chr1:101-120 of A, ``depth`` molecules a base, half on each strand."""
    votes = np.zeros((2, 6, 20), dtype=np.int64)
    votes[:, 0] = depth // 2
    for place, molecules in alt.items():
        variant = {"rb1": RB1, "esr1": ESR1}[place]
        votes[0, "ACGT".index(variant.alt), variant.pos - 101] += molecules
        votes[0, 0, variant.pos - 101] -= molecules
    return MoleculeCounts((RegionCounts("chr1", 100, 120, "A" * 20, votes),), {}, 0, 0, 0, None, None)


def of_plasma(
    specimen: str, found: MoleculeCounts | None, shed: float | None, verdict: str = "pass"
) -> dict[Variant, Any]:
    rows = plasma_rows(specimen, UNION, found, verdict, shed, RULES)
    return {Variant(row["chrom"], row["pos"], row["ref"], row["alt"]): row for row in rows}


def test_the_union_is_what_passed_in_tissue_and_what_is_present_in_plasma() -> None:
    assert {variant: known.found_in for variant, known in UNION.items()} == {
        RB1: "both", ESR1: "plasma", FAT1: "tissue"
    }  # fmt: skip
    assert UNION[RB1].called == {"tumour": {"T2": 0.3}, "plasma": {"P2": 0.02}}
    assert union_of_variants(tissue((RB1, "T2", 0.3, "PASS")), plasma(), foreign={"T2"}) == {}


def test_a_tumour_with_less_tumour_is_expected_to_show_less() -> None:
    """The shared alteration falls from 0.4 to 0.1, so one at 0.2 would have shown at 0.05 only."""
    shared, new = Variant("chr1", 1, "A", "C"), Variant("chr1", 5, "A", "C")
    union = union_of_variants(
        tissue((shared, "PD", 0.4, "PASS"), (new, "PD", 0.2, "PASS"), (shared, "BL", 0.075, "PASS")), plasma()
    )
    clonal = clonal_fractions(union)
    assert clonal == pytest.approx({"PD": 0.3, "BL": 0.075})
    assert expected_in_tissue(union[new], "BL", clonal) == pytest.approx(0.05)
    assert expected_in_tissue(union[new], "PD", clonal) == 0.2
    assert expected_in_tissue(union[new], "no call at all", clonal) == 0.2
    (row,) = (
        row
        for row in tissue_rows("tumour", "BL", union, TissueCounts({new: Evidence(60, 0)}, {}), RULES)
        if row["pos"] == 5
    )
    assert (row["state"], row["reason"]) == ("NOT_EVALUABLE", "LOW_POWER")


def test_a_deep_plasma_that_sheds_tumour_dna_can_say_absent_and_a_shallow_or_silent_one_cannot() -> None:
    deep, shallow, silent = (
        of_plasma("P1", counts(2000), 0.02),
        of_plasma("P1", counts(40), 0.02),
        of_plasma("P1", counts(2000), None),
    )
    assert [found[RB1]["state"] for found in (deep, shallow, silent)] == ["ABSENT", "NOT_EVALUABLE", "NOT_EVALUABLE"]
    assert [found[RB1]["reason"] for found in (deep, shallow, silent)] == [None, "LOW_POWER", "NO_TUMOUR_DNA_SEEN"]


def test_off_the_panel_is_not_assayed_and_never_absent() -> None:
    row = of_plasma("P1", counts(5000), 0.02)[FAT1]
    assert (row["state"], row["reason"], row.get("depth")) == ("NOT_ASSAYED", "OFF_PANEL", None)


def test_a_trace_above_the_background_is_neither_present_nor_absent() -> None:
    row = of_plasma("P1", counts(2000, rb1=3), 0.02)[RB1]
    assert (row["state"], row["reason"], row["trace"]) == ("NOT_EVALUABLE", "TRACE", True)


def test_what_a_plasma_called_is_present_unless_its_quality_failed() -> None:
    assert of_plasma("P2", counts(2000, rb1=40), 0.02)[RB1]["state"] == "PRESENT"
    failed = of_plasma("P2", counts(2000, rb1=40), 0.02, "fail")[RB1]
    assert (failed["state"], failed["reason"]) == ("NOT_EVALUABLE", "QC_FAIL")


def test_a_variant_that_only_plasma_showed_is_looked_for_in_tissue_at_plasmas_fraction() -> None:
    seen = {RB1: Evidence(200, 0), ESR1: Evidence(200, 0), FAT1: Evidence(200, 60)}
    rows = {row["pos"]: row for row in tissue_rows("tumour", "T1", UNION, TissueCounts(seen, {}), RULES)}
    assert (rows[RB1.pos]["state"], rows[RB1.pos]["expected_vaf"]) == ("ABSENT", 0.3)
    assert (rows[ESR1.pos]["state"], rows[ESR1.pos]["reason"]) == ("NOT_EVALUABLE", "LOW_POWER")
    assert rows[FAT1.pos]["trace"]
    swapped = list(tissue_rows("tumour", "T1", UNION, None, RULES))
    assert {row["reason"] for row in swapped} == {"E_IDENTITY_MISMATCH"} and all("depth" not in row for row in swapped)


def test_a_failed_exome_keeps_its_numbers_and_gets_no_state() -> None:
    seen = TissueCounts({RB1: Evidence(200, 60)}, {})
    rows = {row["pos"]: row for row in tissue_rows("tumour", "T2", UNION, seen, RULES, failed=True)}
    assert (rows[RB1.pos]["state"], rows[RB1.pos]["reason"], rows[RB1.pos]["called"]) == (
        "NOT_EVALUABLE", "QC_FAIL", False,
    )  # fmt: skip
    assert (rows[RB1.pos]["alt_count"], rows[FAT1.pos]["reason"]) == (60, "QC_FAIL")


def test_a_plasma_of_another_person_says_nothing() -> None:
    rows = list(plasma_rows("P2", UNION, counts(2000, rb1=40), "pass", 0.02, RULES, foreign=True))
    assert {(row["state"], row["reason"], row["called"]) for row in rows} == {
        ("NOT_EVALUABLE", "E_IDENTITY_MISMATCH", False)
    }


def test_a_cram_is_counted_as_its_bam_is(tmp_path: Path) -> None:
    import pysam

    from palbo_assets.demo.genome import build_genome
    from palbo_assets.genomics.bam import as_bam

    genome = build_genome(tmp_path / "genome", 11)
    chrom, pos, ref, alt, _ = genome.mutation("ESR1", "p.D538G")
    bases = genome.sequence(chrom)
    header = pysam.AlignmentHeader.from_dict(
        {"HD": {"VN": "1.6", "SO": "coordinate"}, "SQ": [{"SN": chrom, "LN": len(bases)}]}
    )
    paths = [tmp_path / "x.bam", tmp_path / "x.cram"]
    for path, mode in zip(paths, ("wb", "wc"), strict=True):
        with pysam.AlignmentFile(str(path), mode, header=header, reference_filename=str(genome.fasta)) as file:
            for number in range(60):
                read, start = pysam.AlignedSegment(header), pos - 60 + number // 2
                letters = list(bases[start : start + 90])
                if number % 4 == 0:
                    letters[pos - 1 - start] = alt
                read.query_name, read.reference_id, read.reference_start = f"r{number}", 0, start
                read.cigarstring, read.mapping_quality, read.flag = "90M", 60, 16 * (number % 2)
                read.query_sequence = "".join(letters)
                read.query_qualities = pysam.qualitystring_to_array("I" * 90)
                file.write(read)
    variant = Variant(chrom, pos, ref, alt)
    with reference(genome.fasta) as fetch:
        found = [count_tissue(as_bam(path, tmp_path, genome.fasta), [variant], fetch, RULES)[0] for path in paths]
    assert found[0] == found[1]
    (tmp_path / "other").mkdir()
    alike = tmp_path / "other" / "x.cram"
    alike.write_bytes(paths[1].read_bytes())
    assert as_bam(alike, tmp_path, genome.fasta) != as_bam(paths[1], tmp_path, genome.fasta)  # labs reuse names
    evidence = found[0].evidence[variant]
    assert evidence is not None and (evidence.depth, evidence.alt) == (60, 15)


def test_shedding_is_told_by_alleles_that_arent_from_blood_or_germline() -> None:
    calls = plasma((RB1, "P1", 0.02, "PASS", "PRESENT"), (ESR1, "P1", 0.5, "germline_band", "PRESENT"))
    assert shed_fractions(calls) == {"P1": 0.02}


@pytest.mark.parametrize(
    ("depth", "vaf", "power"), [(50, 0.05, 1 - 0.54), (100, 0.05, 1 - 0.118), (200, 0.02, 1 - 0.235)]
)
def test_power_is_that_of_the_analysis_plan(depth: int, vaf: float, power: float) -> None:
    rules = Rules(visible=3, trace=2, trace_p=0.01, min_power=0.8, background_floor=1e-4)
    found = judge(depth, 0, None, vaf, called=False, rules=rules)
    assert found.power == pytest.approx(power, abs=0.005)
    smallest = smallest_visible(depth, 3, 0.8)
    assert smallest is not None
    assert judge(depth, 0, None, smallest, called=False, rules=rules).power == pytest.approx(0.8)


def test_a_site_that_the_panel_has_because_of_this_cohort_is_named_and_others_and_off_panel_ones_are_not() -> None:
    panel = Panel("v2", (Target("chr1", 100, 107), Target("chr1", 108, 120, reason=f"n=2;{CHOSEN_FROM_COHORT}")))
    rows = plasma_rows("P2", UNION, counts(2000), "pass", 0.02, RULES, panel_version="v2", panel=panel)
    said = {Variant(row["chrom"], row["pos"], row["ref"], row["alt"]): row["chosen_from_cohort"] for row in rows}
    assert said == {RB1: False, ESR1: True, FAT1: None}
    of_tissue = tissue_rows("tumour", "T2", UNION, None, RULES)
    assert all(row.get("chosen_from_cohort") is None for row in of_tissue)
