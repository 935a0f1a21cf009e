"""Fragment lengths, raw depth and read lengths, counted from the reads."""

from __future__ import annotations

from array import array
from pathlib import Path

import numpy as np
import pysam
import pytest

from palbo_assets.ctdna.fragments import copies_of, library_of
from palbo_assets.ctdna.molecule_table import frame_of, plasma_of
from palbo_assets.ctdna.panel import Panel, Target
from palbo_assets.ctdna.quality import assess, library_figures, panel_depth
from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.umi import find_umi
from palbo_assets.ctdna.umi_consensus import consensus_molecules
from palbo_assets_tests.ctdna import fragments_twin as twin
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


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("seed", range(10))
def test_the_compiled_pass_equals_the_readable_one_on_random_reads(tmp_path: Path, seed: int, raw: bool) -> None:
    rng = np.random.default_rng(seed)
    contigs = {name: "".join(rng.choice(list("ACGT"), size=size)) for name, size in (("c1", 300), ("c2", 200))}
    bam = twin.random_library(tmp_path / "reads.bam", contigs, rng, pairs=200)
    with pysam.AlignmentFile(str(bam)) as file:
        reads = list(file.fetch(until_eof=True))
    assert {operation for read in reads for operation, _ in read.cigartuples or ()} == set(range(9))
    assert sum(read.is_reverse and not read.mate_is_reverse and read.template_length > 0 for read in reads) > 5
    for _ in range(8):
        cuts = np.sort(rng.choice(199, size=6, replace=False)).tolist()
        regions = [(name, *cuts[at : at + 2]) for name in ("c2", "c1", "elsewhere") for at in (0, 2, 4)]
        settings = Settings(fragment_pairs_least=int(rng.integers(1, 150)), longest_fragment=int(rng.integers(30, 90)))
        plain = twin.library(bam, regions, settings, raw=raw)
        assert plain.fragment_pairs > 20 and plain.raw_depth_mean
        assert library_of(bam, regions, settings, raw=raw) == plain


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize(
    "file",
    [
        "umi_ctdna/umierrorcorrect_1pct_vs_wt/VAF-1-5ng-1-10x/VAF-1-5ng-1-10x_consensus_reads.bam",
        "wes_somatic/strelka_demo/NA12892_demo20.bam",
    ],
)
def test_the_compiled_pass_equals_the_readable_one_on_real_reads(shared_data: Path, file: str, raw: bool) -> None:
    with pysam.AlignmentFile(str(shared_data / file), check_sq=False) as opened:
        placed = [(str(read.reference_name), read.reference_start) for read in opened.fetch(until_eof=True)][::500]
    regions = sorted({(chrom, start // 1000 * 1000 + 400, start // 1000 * 1000 + 900) for chrom, start in placed})
    settings = Settings(fragment_pairs_least=100)
    plain = twin.library(shared_data / file, regions, settings, raw=raw)
    assert (plain.raw_depth_mean is not None) is raw and plain.read_1_length
    assert library_of(shared_data / file, regions, settings, raw=raw) == plain


@pytest.mark.parametrize(
    ("size", "kind"),
    [(0, "C"), (-1, "c"), (-1, "s"), (-1, "i"), (4.0, "f"), ("4", "A"), ("4", "Z"), (array("i", [4]), None)],
)
def test_a_family_size_that_is_no_positive_whole_number_is_none(
    tmp_path: Path, size: float | str | array[int], kind: str | None
) -> None:
    bare, bam = write(tmp_path / "bare.bam", deduplicated(5)), tmp_path / "reads.bam"
    with pysam.AlignmentFile(str(bare)) as file, pysam.AlignmentFile(str(bam), "wb", header=file.header) as out:
        for number, read in enumerate(file.fetch(until_eof=True)):
            read.set_tag("cD", *((size, kind) if number == 3 else (4, "C")))
            out.write(read)
    found = library_of(bam, PANEL.regions, Settings(), raw=False)
    assert found == twin.library(bam, PANEL.regions, Settings(), raw=False)
    assert found.raw_depth_mean is None


@pytest.mark.parametrize("before", [b"", b"XBBs\2\0\0\0\1\0\2\0", b"MIZ12/A\0", b"cEf\0\0\0?"])
def test_tags_that_a_record_cuts_off_state_no_family_size(before: bytes) -> None:
    tags = before + b"cDi\5\0\0\0"
    data = np.frombuffer(tags + bytes(8), dtype=np.uint8)
    assert [copies_of(data, 0, end) for end in range(len(tags) + 1)] == [0] * len(tags) + [5]


def test_an_array_of_less_than_no_values_ends_the_tags() -> None:
    tags = b"NMC\1XBBC" + (-12).to_bytes(4, "little", signed=True) + b"cDC\5"
    assert copies_of(np.frombuffer(tags, dtype=np.uint8), 0, len(tags)) == 0


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
