"""Fragment lengths, raw depth and read lengths, counted from the reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from palbo_assets.ctdna.fragments import library_of
from palbo_assets.ctdna.molecule_table import frame_of, plasma_of
from palbo_assets.ctdna.panel import Panel, Target
from palbo_assets.ctdna.quality import assess, library_figures, panel_depth
from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.umi import find_umi
from palbo_assets.ctdna.umi_consensus import consensus_molecules
from palbo_assets_tests.ctdna.conftest import Plasma
from palbo_assets_tests.ctdna.raw_reads import GENOME, Raw, pair, write

PANEL = Panel("v1", (Target("chr1", 20, 200),))


def deduplicated(pairs: int, *, same: bool = False) -> list[Raw]:
    """Pairs without two that share both ends; with ``same``, two molecules share them."""
    ends = [(first, last) for first in range(0, 60) for last in range(first + 80, first + 180) if last < len(GENOME)]
    reads = []
    for number in range(pairs):
        umi = "ACGT-TTGA" if not (same and number == 0) else "CCCC-GGGG"
        first, last = ends[1 if same and number == 0 else number]
        reads += pair(f"p{number}", first, last, umi=umi)
    return reads


def test_the_peak_raw_depth_and_lengths_of_the_twin_are_those_that_were_drawn(plasma: Plasma) -> None:
    found = library_of(plasma.bam, plasma.panel.regions, Settings(), raw=False)
    assert found.fragment_peak_bp == pytest.approx(167, abs=4)
    assert (found.read_1_length, found.read_2_length) == (100, 100)
    # 2,000 / 0.93 molecules a base of 150 bases, read as 2 x 100 bases by 5.5 pairs each
    assert found.raw_depth_mean == pytest.approx(2000 / 0.93 / 150 * 200 * 5.5, rel=0.1)


def test_raw_depth_equals_a_plain_count_of_bases_on_the_panel(tmp_path: Path) -> None:
    reads = deduplicated(40) + pair("long", 10, 120, length=60)
    found = library_of(write(tmp_path / "raw.bam", reads), PANEL.regions, Settings(), raw=True)
    depth = np.zeros(len(GENOME))
    for read in reads:
        depth[read.start : read.start + len(read.sequence)] += 1
    assert found.raw_depth_mean == pytest.approx(depth[20:200].mean())
    assert (found.read_1_length, found.read_2_length, found.fragment_peak_bp) == (60, 60, None)


def test_consensus_reads_without_a_family_size_have_no_raw_depth(tmp_path: Path) -> None:
    found = library_of(write(tmp_path / "bare.bam", deduplicated(5)), PANEL.regions, Settings(), raw=False)
    assert found.raw_depth_mean is None


@pytest.mark.parametrize(
    ("same", "reasons"), [(False, {"deduplicated_by_position", "read_once_only"}), (True, {"read_once_only"})]
)
def test_a_bam_deduplicated_by_position_is_told_from_one_that_was_read_once(
    tmp_path: Path, same: bool, reasons: set[str]
) -> None:
    settings = Settings()
    bam = write(tmp_path / "raw.bam", deduplicated(1200, same=same))
    bases = lambda chrom, start, end: GENOME[start:end]  # noqa: E731
    counts, barcodes = consensus_molecules(bam, find_umi(bam), PANEL, bases, settings)
    library = library_of(bam, PANEL.regions, settings, raw=True)
    plasma = plasma_of(frame_of("v1", counts, barcodes, library))
    assert plasma is not None
    verdict, said = assess(panel_depth(counts, settings) | library_figures(plasma), None, settings)
    assert verdict == "fail" and reasons <= set(said.split(";"))
    assert ("deduplicated_by_position" in said) is not same
