"""Targets that the trial's own findings ask for."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palbo_assets.ctdna.panel import read_panel
from palbo_assets.ctdna.tables import CTDNA_PANELS
from palbo_assets.demo import ctdna as twin
from palbo_assets.demo.genome import build_genome
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.tables import frame_from_rows, validate
from palbo_assets.resistance.panel_bed import next_panel_bed
from palbo_assets.resistance.panel_extension import (
    ALTERATION_COLUMNS,
    Coverage,
    genome_bases,
    mappable_positions,
    newest_panel,
    propose_targets,
)
from palbo_assets.resistance.settings import ExtensionSettings
from palbo_assets.resistance.tables import CTDNA_PANEL_EXTENSION

SETTINGS = ExtensionSettings()


def panels(*regions: tuple[str, int, int], version: str = "v1", sha256: str = "a") -> pd.DataFrame:
    """Rows of ``ctdna_panels``."""
    rows = [
        {"panel_version": version, "bed_sha256": sha256, "region": number, "chrom": chrom, "start": start, "end": end,
         "since": version}
        for number, (chrom, start, end) in enumerate(regions, start=1)
    ]  # fmt: skip
    return validate(CTDNA_PANELS, frame_from_rows(CTDNA_PANELS, rows))


def coverage(*regions: tuple[str, int, int]) -> Coverage:
    found = newest_panel(panels(*regions))
    assert found is not None
    return found


PANEL = coverage(("chr6", 1000, 1200))
Row = tuple[str, str, int, str, str, bool, bool, bool]


def alterations(*rows: Row) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(ALTERATION_COLUMNS))


def fat1(pos: int, patient: str, *, lof: bool = True, hotspot: bool = False, confident: bool = True) -> Row:
    return ("FAT1", "chr4", pos, f"p.R{pos}*", patient, lof, hotspot, confident)


def test_a_loss_in_a_resistance_gene_of_one_patient_earns_a_probe_window() -> None:
    (target,) = propose_targets(alterations(fat1(5000, "P-1")), PANEL, SETTINGS)
    assert (target.chrom, target.start, target.end) == ("chr4", 4939, 5060)
    assert (target.reason, target.source_patients, target.n_patients) == ("driver_loss_of_function", "P-1", 1)
    assert (target.size_delta_bp, target.gc_flag, target.base_panel_version) == (121, "unknown", "v1")


def test_one_patients_passenger_earns_nothing_and_a_second_patient_makes_it_recurrent() -> None:
    rows = [("XYZ", "chr9", 800, "p.A1B", patient, False, False, True) for patient in ("P-2", "P-1")]
    assert propose_targets(alterations(rows[0]), PANEL, SETTINGS) == []
    assert propose_targets(alterations(rows[0], rows[0]), PANEL, SETTINGS) == []  # the same finding twice
    (target,) = propose_targets(alterations(*rows), PANEL, SETTINGS)
    assert target.reason == "recurrent_variant;recurrent_gene" and target.source_patients == "P-1;P-2"


def test_a_loss_outside_resistance_genes_is_no_driver() -> None:
    assert propose_targets(alterations(("TTN", "chr2", 10, "p.R9*", "P-1", True, False, True)), PANEL, SETTINGS) == []


def test_what_the_panel_covers_or_what_is_not_believed_earns_nothing() -> None:
    covered = ("ESR1", "chr6", 1100, "p.D538G", "P-1", False, True, True)
    assert propose_targets(alterations(covered, fat1(5000, "P-1", confident=False)), PANEL, SETTINGS) == []
    assert propose_targets(alterations(), PANEL, SETTINGS) == []


@pytest.mark.parametrize(("gap", "targets"), [(100, 1), (101, 2)])
def test_windows_are_merged_up_to_a_hundred_bases_apart(gap: int, targets: int) -> None:
    # Windows end 60 bases behind a locus and begin 60 before the next.
    rows = alterations(fat1(5000, "P-1"), fat1(5000 + 121 + gap, "P-2"))
    found = propose_targets(rows, PANEL, SETTINGS)
    assert len(found) == targets
    assert sum(one.n_patients for one in found) == 2


def test_bases_that_the_panel_already_has_are_not_added_again() -> None:
    beside = ("ESR1", "chr6", 1211, "p.X1Y", "P-1", False, True, True)
    (target,) = propose_targets(alterations(beside), PANEL, SETTINGS)
    assert (target.start, target.end, target.size_delta_bp) == (1150, 1271, 71)


@pytest.mark.parametrize(("bases", "pct", "flag"), [("AT", 0.0, "low"), ("GC", 100.0, "high"), ("ACGT", 50.0, "ok")])
def test_gc_out_of_reach_of_capture_is_flagged(bases: str, pct: float, flag: str) -> None:
    def reference(chrom: str, start: int, end: int) -> str:
        return (bases * 100)[: min(end, 5040) - start]  # the contig ends at 5040

    (target,) = propose_targets(alterations(fat1(5000, "P-1")), PANEL, SETTINGS, reference)
    assert target.gc_pct == pytest.approx(pct, abs=1) and target.gc_flag == flag
    assert target.end == 5040


def test_the_twins_loss_off_the_panel_is_proposed_and_covered_afterwards(tmp_path: Path) -> None:
    genome = build_genome(tmp_path / "genome", 11)
    targets = read_panel(tmp_path / twin.write_panel(genome, tmp_path).file, "v1").targets
    regions = [(target.chrom, target.start, target.end) for target in targets]
    panel = coverage(*regions)
    chrom, pos, *_ = genome.mutation("FAT1", "p.R250*")
    row = ("FAT1", chrom, pos, "p.R250*", "PALBO-001", True, False, True)
    with genome_bases(genome.fasta) as reference:
        found = propose_targets(alterations(row), panel, SETTINGS, reference)
    extended = coverage(*regions, *((one.chrom, one.start, one.end) for one in found))
    assert not panel.within(chrom, pos - 1, pos) and extended.within(chrom, pos - 1, pos)
    assert extended.size - panel.size == found[0].size_delta_bp
    assert 25 < (found[0].gc_pct or 0) < 70
    frame = validate(CTDNA_PANEL_EXTENSION, frame_from_rows(CTDNA_PANEL_EXTENSION, [vars(one) for one in found]))
    assert len(frame) == 1


def as_rows(path: Path, version: str) -> pd.DataFrame:
    """A panel BED as rows of ``ctdna_panels``."""
    rows = [
        {"panel_version": version, "bed_sha256": "a", "region": number, "chrom": one.chrom, "start": one.start,
         "end": one.end, "gene": one.gene or None, "exon": one.exon or None, "since": one.since,
         "reason": one.reason or None}
        for number, one in enumerate(read_panel(path, version).targets, start=1)
    ]  # fmt: skip
    return validate(CTDNA_PANELS, frame_from_rows(CTDNA_PANELS, rows))


def test_the_loop_closes_the_ordered_bed_is_the_next_panel_and_tells_new_regions_from_old(tmp_path: Path) -> None:
    genome = build_genome(tmp_path / "genome", 11)
    first = as_rows(tmp_path / twin.write_panel(genome, tmp_path).file, "v1")
    panel = newest_panel(first)
    assert panel is not None
    chrom, pos, *_ = genome.mutation("FAT1", "p.R250*")
    found = propose_targets(
        alterations(("FAT1", chrom, pos, "p.R250*", "PALBO-001", True, False, True)), panel, SETTINGS
    )
    extension = frame_from_rows(CTDNA_PANEL_EXTENSION, [vars(one) for one in found])
    ordered = tmp_path / "panel_v2.bed"
    ordered.write_text(next_panel_bed(first, extension, "v2"))
    second = read_panel(ordered, "v2").targets
    new = [one for one in second if one.since == "v2"]
    assert len(second) == len(first) + 1
    assert [(one.gene, one.reason) for one in new] == [
        ("FAT1", "driver_loss_of_function;n=1;chosen_from_these_patients")
    ]
    assert [one for one in second if one.since == "v1"] == list(
        read_panel(tmp_path / twin.write_panel(genome, tmp_path).file, "v1").targets
    )
    assert read_panel(ordered, "v2").chosen_from_cohort(chrom, pos) is True
    core = next(one for one in second if one.since == "v1")
    assert read_panel(ordered, "v2").chosen_from_cohort(core.chrom, core.end) is False
    both = newest_panel(pd.concat([first, as_rows(ordered, "v2")]))
    assert both is not None and both.version == "v2" and both.within(chrom, pos - 1, pos)
    # What the loop asked for is on the panel now: the same finding asks for nothing more.
    row = ("FAT1", chrom, pos, "p.R250*", "PALBO-001", True, False, True)
    assert propose_targets(alterations(row), both, SETTINGS) == []


def test_a_next_version_must_follow_and_needs_a_panel(tmp_path: Path) -> None:
    rows, nothing = panels(("chr1", 0, 10)), frame_from_rows(CTDNA_PANEL_EXTENSION, [])
    for version in ("v1", "v0", "", "v2\t"):
        with pytest.raises(InputError, match="E_PANEL_VERSION"):
            next_panel_bed(rows, nothing, version)
    with pytest.raises(InputError, match="E_NO_PANEL"):
        next_panel_bed(panels(), nothing, "v2")
    assert next_panel_bed(rows, nothing, "v2").splitlines()[1:] == ["chr1\t0\t10\t.\t.\tv1\t."]


@pytest.mark.parametrize(
    ("mapped", "masked", "pct", "flag"), [(200, 0, 100, "ok"), (60, 0, 49.6, "low"), (200, 61, 49.6, "low")]
)
def test_targets_where_reads_can_not_be_placed_are_flagged(
    tmp_path: Path, mapped: int, masked: int, pct: float, flag: str
) -> None:
    mappability, blacklist = tmp_path / "m.bed", tmp_path / "b.bed"
    mappability.write_text(f"chr4\t4939\t{4939 + mapped}\n")
    blacklist.write_text(f"chr4\t4939\t{4939 + masked}\n" if masked else "chr9\t0\t1\n")
    (target,) = propose_targets(
        alterations(fat1(5000, "P-1")), PANEL, SETTINGS, mappable=mappable_positions(mappability, blacklist)
    )
    assert (target.mappable_pct, target.mappability_flag) == (pytest.approx(pct, abs=0.1), flag)


def test_without_a_list_mappability_is_unknown_and_not_good() -> None:
    assert mappable_positions(None, None) is None
    (target,) = propose_targets(alterations(fat1(5000, "P-1")), PANEL, SETTINGS)
    assert (target.mappable_pct, target.mappability_flag) == (None, "unknown")


def test_a_frame_without_a_needed_column_is_refused() -> None:
    with pytest.raises(ValueError, match="patient_id"):
        propose_targets(alterations().drop(columns="patient_id"), PANEL, SETTINGS)


def test_the_newest_panel_is_the_highest_number_not_the_last_in_the_alphabet() -> None:
    region = ("chr1", 0, 10)
    frame = pd.concat([panels(region, version=version) for version in ("v9", "v10", "v2")])
    newest = newest_panel(frame)
    assert newest is not None and newest.version == "v10"
    assert newest_panel(panels()) is None


def test_only_the_newest_panels_regions_count() -> None:
    newest = newest_panel(pd.concat([panels(("chr1", 0, 10)), panels(("chr1", 20, 25), version="v2")]))
    assert newest is not None and (newest.within("chr1", 0, 30), newest.size) == (5, 5)


intervals = st.tuples(st.sampled_from(["chr1", "chr2"]), st.integers(0, 60), st.integers(1, 30))


@given(st.lists(intervals, min_size=1, max_size=8), intervals)
def test_covered_bases_are_counted_once_however_regions_overlap(
    rows: list[tuple[str, int, int]], asked: tuple[str, int, int]
) -> None:
    panel = coverage(*((chrom, start, start + length) for chrom, start, length in rows))
    bases = {(chrom, base) for chrom, start, length in rows for base in range(start, start + length)}
    chrom, start, length = asked
    assert panel.size == len(bases)
    assert panel.within(chrom, start, start + length) == len(bases & {(chrom, start + i) for i in range(length)})


def test_beyond_the_genomes_contigs_there_are_no_bases(tmp_path: Path) -> None:
    genome = build_genome(tmp_path / "genome", 11)
    with genome_bases(genome.fasta) as reference, genome_bases(None) as nothing:
        assert nothing is None and reference is not None
        assert reference("chr6", 0, 4) == genome.sequence("chr6")[:4]
        assert reference("chr6", 10**9, 10**9 + 5) == "" == reference("chrNone", 0, 5)


@pytest.mark.parametrize(
    ("bases", "run", "flag"),
    [("ACGT" * 30 + "A", 1, "ok"), ("ACGT" * 28 + "AAAAAAAAC", 8, "long"), ("", None, "unknown")],
)
def test_targets_with_long_homopolymers_are_flagged(bases: str, run: int | None, flag: str) -> None:
    (target,) = propose_targets(
        alterations(fat1(5000, "P-1")), PANEL, SETTINGS, None if not bases else lambda chrom, start, end: bases
    )
    assert (target.longest_run_bp, target.homopolymer_flag) == (run, flag)


def test_a_gene_with_copies_elsewhere_is_flagged_and_every_target_says_that_it_was_chosen_from_its_patients() -> None:
    copied = ("KMT2C", "chr7", 900, "p.R10*", "P-1", True, False, True)
    single = ("FAT1", "chr4", 5000, "p.R9*", "P-1", True, False, True)
    found = {one.gene: one for one in propose_targets(alterations(copied, single), PANEL, SETTINGS)}
    assert (found["KMT2C"].pseudogene_flag, found["FAT1"].pseudogene_flag) == (True, False)
    assert {one.circularity for one in found.values()} == {"chosen_from_these_patients"}
    extension = frame_from_rows(CTDNA_PANEL_EXTENSION, [vars(one) for one in found.values()])
    ordered = next_panel_bed(panels(("chr1", 0, 10)), extension, "v2").splitlines()
    assert [line.split("\t")[6] for line in ordered if "\tv2\t" in line] == [
        "driver_loss_of_function;n=1;chosen_from_these_patients",
        "driver_loss_of_function;n=1;chosen_from_these_patients;pseudogene",
    ]
