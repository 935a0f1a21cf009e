"""Segment files of seven layouts become one form; what is damaged is refused with its place."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palbo_assets.platform.errors import InputError
from palbo_assets.wes.copy_number_files import CopyNumberSegment, read_copy_number, read_purity_ploidy

SMALL = {
    "facets": (
        "chrom\tseg\tnum.mark\tnhet\tcnlr.median\tmafR\tsegclust\tstart\tend\tcf.em\ttcn.em\tlcn.em\n"
        "23\t1\t50\t9\t-0.5\t0.1\t1\t101\t900\t0.6\t1\tNA\n",
        CopyNumberSegment("X", 100, 900, -0.5, 1.0, None, 50, 0.6),
    ),
    "sequenza": (
        '"chromosome"\t"start.pos"\t"end.pos"\t"Bf"\t"N.BAF"\t"depth.ratio"\t"N.ratio"\t"CNt"\t"A"\t"B"\n'
        '"chr3"\t101\t900\t0.1\t7\t0.5\t40\t2\t2\t0\n',
        CopyNumberSegment("3", 100, 900, -1.0, 2.0, 0.0, 40),
    ),
    "battenberg": (
        "chr\tstartpos\tendpos\tBAF\tpval\tLogR\tntot\tnMaj1_A\tnMin1_A\tfrac1_A\tnMaj2_A\tnMin2_A\tfrac2_A\n"
        "9\t101\t900\t0.6\t0\t0.1\t2.7\t2\t1\t0.3\t1\t1\t0.7\n",
        CopyNumberSegment("9", 100, 900, 0.1, 2.0, 1.0, None, 0.7, 3.0, 1.0),
    ),
    "ascat": (
        "sample\tchr\tstartpos\tendpos\tnMajor\tnMinor\nT\t17\t101\t900\t3\t1\n",
        CopyNumberSegment("17", 100, 900, None, 4.0, 1.0, None),
    ),
    "purple": (
        "chromosome\tstart\tend\tcopyNumber\tbafCount\tdepthWindowCount\tminorAlleleCopyNumber\tmajorAlleleCopyNumber\n"
        "chr8\t101\t900\t5.5\t10\t12\t-0.02\t5.52\n",
        CopyNumberSegment("8", 100, 900, None, 5.5, 0.0, 12),
    ),
    "seg": (
        "ID\tchrom\tloc.start\tloc.end\tnum.mark\tseg.mean\nT\t1\t101\t900\t8\t0.25\n",
        CopyNumberSegment("1", 100, 900, 0.25, None, None, 8),
    ),
    "gdc_seg": (
        "GDC_Aliquot\tChromosome\tStart\tEnd\tNum_Probes\tSegment_Mean\nT\tchr1\t101\t900\t8\t0.25\n",
        CopyNumberSegment("1", 100, 900, 0.25, None, None, 8),
    ),
    "cnvkit": (
        "chromosome\tstart\tend\tgene\tlog2\tbaf\tcn\tcn1\tcn2\tprobes\nchr1\t100\t900\tG\t0.25\t0.5\t3\t1\t2\t8\n",
        CopyNumberSegment("1", 100, 900, 0.25, 3.0, 1.0, 8),
    ),
}


def written(folder: Path, text: str) -> Path:
    path = folder / "segments.txt"
    path.write_text(text)
    return path


@pytest.mark.parametrize("tool", SMALL)
def test_each_layout_becomes_the_same_form(tmp_path: Path, tool: str) -> None:
    text, segment = SMALL[tool]
    profile = read_copy_number(written(tmp_path, text))
    assert (profile.tool, profile.segments) == (tool, (segment,))


@pytest.mark.parametrize("name", ["cl_seq.cns", "p2-9_2.cns", "p2-9_2.call.cns", "tr95t.cns", "tr95t.segmetrics.cns"])
def test_real_cnvkit_files_keep_every_segment_as_written(shared_data: Path, name: str) -> None:
    path = shared_data / "wes_somatic" / "cnv_cnvkit" / name
    with path.open(newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    profile = read_copy_number(path)
    assert profile.tool == "cnvkit" and profile.purity is None
    assert sorted((one.start, one.end, one.log2, one.n_markers) for one in profile.segments) == sorted(
        (int(row["start"]), int(row["end"]), float(row["log2"]), int(row["probes"])) for row in rows
    )
    assert [one.total_cn for one in profile.segments].count(None) == (0 if "cn" in rows[0] else len(rows))
    assert all(one.minor_cn is None for one in profile.segments)  # none of them is allele-specific


def test_a_real_file_with_segments_that_end_before_they_start_is_refused_at_its_first_one(shared_data: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_copy_number(shared_data / "wes_somatic" / "cnv_cnvkit" / "amplicon.cns")
    assert (caught.value.code, caught.value.row, caught.value.column) == ("E_SCHEMA", 5, "end")


@pytest.mark.parametrize(
    ("text", "row", "column"),
    [
        ("a\tb\n1\t2\n", 1, ""),
        (SMALL["seg"][0] + "U\t2\t101\t900\t8\t0.25\n", 2, "ID"),
        (SMALL["seg"][0] + "T\t1\t500\t1900\t8\t0.25\n", 3, "loc.start"),
        (SMALL["seg"][0] + "T\t2\t500\t400\t8\t0.25\n", 3, "loc.end"),
        (SMALL["seg"][0] + "T\t2\t0\t400\t8\t0.25\n", 3, "loc.start"),
        (SMALL["seg"][0] + "T\t2\t1\t400\t8\tlow\n", 3, "seg.mean"),
        (SMALL["ascat"][0] + "T\t18\t101\t900\t2\t-1\n", 3, "nMinor"),
        (SMALL["facets"][0] + "1\t1\t5\t9\t0\t0\t1\t101\t900\t1\t2\t2\n", 3, "lcn.em"),
        (SMALL["sequenza"][0] + "chr4\t1\t9\t0.1\t7\t0.5\t40\t2\t2\t2\n", 3, "CNt"),
        (SMALL["sequenza"][0] + "chr4\t1\t9\t0.1\t7\t-1\t40\t2\t1\t1\n", 3, "depth.ratio"),
    ],
)
def test_a_damaged_file_is_refused_with_row_column_and_what_to_do(
    tmp_path: Path, text: str, row: int, column: str
) -> None:
    with pytest.raises(InputError) as caught:
        read_copy_number(written(tmp_path, text))
    assert (caught.value.row, caught.value.column or "") == (row, column)
    assert caught.value.fix


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tool=st.sampled_from(sorted(SMALL)), cut=st.integers(0, 200), junk=st.text(max_size=8))
def test_whatever_is_in_the_file_there_is_a_profile_or_an_input_error(
    tmp_path: Path, tool: str, cut: int, junk: str
) -> None:
    text = SMALL[tool][0]
    path = tmp_path / "wild.txt"
    path.write_text(text[:cut] + junk + text[cut:], encoding="utf-8", errors="replace")
    try:
        profile = read_copy_number(path)
    except InputError:
        return
    assert all(0 <= one.start < one.end for one in profile.segments)


def test_purity_and_ploidy_are_read_from_the_files_beside_the_segments(tmp_path: Path) -> None:
    sequenza = "cellularity\tploidy.estimate\tploidy.mean.cn\n0.6\t1.9\t2\n0.65\t2.1\t2\n0.7\t2.3\t2\n"
    assert read_purity_ploidy(written(tmp_path, sequenza)) == (0.65, 2.1)
    assert read_purity_ploidy(written(tmp_path, "purity\tnormFactor\tploidy\n0.4\t1\t3.2\n")) == (0.4, 3.2)
    assert read_purity_ploidy(written(tmp_path, "AberrantCellFraction\tPloidy\n0.4\t3.2\n")) == (0.4, 3.2)
    for wrong in ("purity\tploidy\n40\t2\n", "purity\tploidy\n0.4\t\n", "purity\tploidy\n0.4\t2\n0.5\t2\n"):
        with pytest.raises(InputError):
            read_purity_ploidy(written(tmp_path, wrong))
