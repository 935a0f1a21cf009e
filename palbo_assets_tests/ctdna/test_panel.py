"""The versioned panel."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palbo_assets.ctdna.panel import Panel, Target, read_panel
from palbo_assets.platform.errors import InputError


def bed(folder: Path, content: str) -> Path:
    path = folder / "panel.bed"
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "targets", "first"),
    [
        ("umi_ctdna/mageri_amplicon/panel_refs.bed", 63, ("chr14", 105246398, 105246571, "AKT1_E2")),
        ("reference/beds/panel.bed", None, ("10", 64572837, 64574358, "")),
    ],
)
def test_beds_of_real_panels_are_read_with_however_many_columns_they_have(
    shared_data: Path, name: str, targets: int | None, first: tuple[str, int, int, str]
) -> None:
    path = shared_data / name
    panel = read_panel(path, "v1")
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    assert len(panel.targets) == len(lines)
    assert targets is None or len(lines) == targets
    one = panel.targets[0]
    assert (one.chrom, one.start, one.end, one.gene) == first


def test_a_real_list_of_points_that_counts_from_1_is_refused_with_its_row(shared_data: Path) -> None:
    with pytest.raises(InputError) as error:
        read_panel(shared_data / "umi_ctdna" / "umierrorcorrect_1pct_vs_wt" / "simple.bed", "v1")
    assert (error.value.code, error.value.row, error.value.column) == ("E_SCHEMA", 1, "end")


def test_all_seven_columns_are_kept_and_a_header_row_is_skipped(tmp_path: Path) -> None:
    content = "chrom\tstart\tend\tgene\texon\tpanel_version\treason\nchr1\t10\t20\tRB1\t3\tv1\tcore\nchr1\t30\t40\n"
    panel = read_panel(bed(tmp_path, content), "v2")
    assert panel.targets[0] == Target("chr1", 10, 20, "RB1", "3", "v1", "core")
    assert panel.targets[1].since == "v2"
    assert (panel.gene_at("chr1", 11), panel.gene_at("chr1", 10), panel.gene_at("chr1", 35)) == ("RB1", "", "")


@pytest.mark.parametrize(
    ("content", "code", "row", "column"),
    [
        ("chr1\t10\n", "E_SCHEMA", 1, ""),
        ("#c\nchr1\t10\tx\n", "E_SCHEMA", 2, "end"),
        ("chr1\t1,000\t2000\n", "E_SCHEMA", 1, "start"),
        ("chr1\t-5\t20\n", "E_SCHEMA", 1, "start"),
        ("chr1\t30\t20\n", "E_SCHEMA", 1, "end"),
        ("#only a comment\n", "E_EMPTY", None, ""),
        ("", "E_EMPTY", None, ""),
    ],
)
def test_a_broken_bed_is_refused_with_row_and_column(
    tmp_path: Path, content: str, code: str, row: int | None, column: str
) -> None:
    with pytest.raises(InputError) as error:
        read_panel(bed(tmp_path, content), "v1")
    assert (error.value.code, error.value.row, error.value.column) == (code, row, column)


def test_a_panel_of_another_build_is_refused_by_contig_and_by_length() -> None:
    hg38 = {"chr17": 83257441}
    Panel("v1", (Target("chr17", 7673700, 7673800),)).check_contigs(hg38)
    Panel("v1", (Target("17", 1, 2),)).check_contigs({})  # no genome configured
    for target in (Target("17", 7577000, 7577100), Target("chr17", 83257400, 83257500)):
        with pytest.raises(InputError, match="E_BUILD_MISMATCH"):
            Panel("v1", (target,)).check_contigs(hg38)


intervals = st.lists(
    st.tuples(st.sampled_from(["chr1", "chr2"]), st.integers(0, 60), st.integers(1, 30)), min_size=1, max_size=8
)


@given(intervals)
def test_regions_cover_exactly_the_bases_of_the_targets_and_each_once(rows: list[tuple[str, int, int]]) -> None:
    panel = Panel("v1", tuple(Target(chrom, start, start + length) for chrom, start, length in rows))
    bases = {(chrom, pos) for chrom, start, length in rows for pos in range(start + 1, start + length + 1)}
    assert panel.size == len(bases)
    for chrom in ("chr1", "chr2", "chr3"):
        for pos in range(95):
            assert panel.covers(chrom, pos) == ((chrom, pos) in bases)
