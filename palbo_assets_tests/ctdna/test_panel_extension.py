"""Targets that the trial's own findings ask for."""

from __future__ import annotations

import pandas as pd
import pytest

from palbo_assets.ctdna.panel import Panel, Target
from palbo_assets.ctdna.panel_extension import ALTERATION_COLUMNS, propose_targets
from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.tables import CTDNA_PANEL_EXTENSION
from palbo_assets.platform.tables import frame_from_rows, validate
from palbo_assets_tests.ctdna.conftest import Plasma

PANEL = Panel("v1", (Target("chr6", 1000, 1200),))
Row = tuple[str, str, int, str, str, bool, bool, bool]


def alterations(*rows: Row) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(ALTERATION_COLUMNS))


def fat1(pos: int, patient: str, *, lof: bool = True, hotspot: bool = False, confident: bool = True) -> Row:
    return ("FAT1", "chr4", pos, f"p.R{pos}*", patient, lof, hotspot, confident)


def test_a_loss_in_a_resistance_gene_of_one_patient_earns_a_probe_window() -> None:
    (target,) = propose_targets(alterations(fat1(5000, "P-1")), PANEL, Settings())
    assert (target.chrom, target.start, target.end) == ("chr4", 4939, 5060)
    assert (target.reason, target.source_patients, target.n_patients) == ("driver_loss_of_function", "P-1", 1)
    assert (target.size_delta_bp, target.gc_flag, target.base_panel_version) == (121, "unknown", "v1")


def test_one_patients_passenger_earns_nothing_and_a_second_patient_makes_it_recurrent() -> None:
    rows = [("XYZ", "chr9", 800, "p.A1B", patient, False, False, True) for patient in ("P-2", "P-1")]
    assert propose_targets(alterations(rows[0]), PANEL, Settings()) == []
    assert propose_targets(alterations(rows[0], rows[0]), PANEL, Settings()) == []  # the same finding twice
    (target,) = propose_targets(alterations(*rows), PANEL, Settings())
    assert target.reason == "recurrent_variant;recurrent_gene" and target.source_patients == "P-1;P-2"


def test_a_loss_outside_resistance_genes_is_no_driver() -> None:
    assert propose_targets(alterations(("TTN", "chr2", 10, "p.R9*", "P-1", True, False, True)), PANEL, Settings()) == []


def test_what_the_panel_covers_or_what_is_not_believed_earns_nothing() -> None:
    covered = ("ESR1", "chr6", 1100, "p.D538G", "P-1", False, True, True)
    assert propose_targets(alterations(covered, fat1(5000, "P-1", confident=False)), PANEL, Settings()) == []
    assert propose_targets(alterations(), PANEL, Settings()) == []


@pytest.mark.parametrize(("gap", "targets"), [(100, 1), (101, 2)])
def test_windows_are_merged_up_to_a_hundred_bases_apart(gap: int, targets: int) -> None:
    # Windows end 60 bases behind a locus and begin 60 before the next.
    rows = alterations(fat1(5000, "P-1"), fat1(5000 + 121 + gap, "P-2"))
    found = propose_targets(rows, PANEL, Settings())
    assert len(found) == targets
    assert sum(one.n_patients for one in found) == 2


def test_bases_that_the_panel_already_has_are_not_added_again() -> None:
    beside = ("ESR1", "chr6", 1211, "p.X1Y", "P-1", False, True, True)
    (target,) = propose_targets(alterations(beside), PANEL, Settings())
    assert (target.start, target.end, target.size_delta_bp) == (1150, 1271, 71)


@pytest.mark.parametrize(("bases", "pct", "flag"), [("AT", 0.0, "low"), ("GC", 100.0, "high"), ("ACGT", 50.0, "ok")])
def test_gc_out_of_reach_of_capture_is_flagged(bases: str, pct: float, flag: str) -> None:
    def reference(chrom: str, start: int, end: int) -> str:
        return (bases * 100)[: min(end, 5040) - start]  # the contig ends at 5040

    (target,) = propose_targets(alterations(fat1(5000, "P-1")), PANEL, Settings(), reference)
    assert target.gc_pct == pytest.approx(pct, abs=1) and target.gc_flag == flag
    assert target.end == 5040


def test_the_twins_loss_off_the_panel_is_proposed_and_covered_afterwards(plasma: Plasma) -> None:
    chrom, pos, *_ = plasma.genome.mutation("FAT1", "p.R250*")
    row = ("FAT1", chrom, pos, "p.R250*", "PALBO-001", True, False, True)
    found = propose_targets(alterations(row), plasma.panel, Settings(), lambda c, s, e: plasma.genome.sequence(c)[s:e])
    extended = Panel("v2", (*plasma.panel.targets, *(Target(one.chrom, one.start, one.end) for one in found)))
    assert not plasma.panel.covers(chrom, pos) and extended.covers(chrom, pos)
    assert extended.size - plasma.panel.size == found[0].size_delta_bp
    frame = validate(CTDNA_PANEL_EXTENSION, frame_from_rows(CTDNA_PANEL_EXTENSION, [vars(one) for one in found]))
    assert len(frame) == 1


def test_a_frame_without_a_needed_column_is_refused() -> None:
    with pytest.raises(ValueError, match="patient_id"):
        propose_targets(alterations().drop(columns="patient_id"), PANEL, Settings())
