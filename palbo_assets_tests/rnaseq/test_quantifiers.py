"""Tables of quantifiers are told by their header, read whole, and refused with row and column."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palbo_assets.platform.errors import InputError
from palbo_assets.rnaseq.quantifiers import GENE, TRANSCRIPT, infer_strandedness, read_quantification

SALMON = "Name\tLength\tEffectiveLength\tTPM\tNumReads\n"
KALLISTO = "target_id\tlength\teff_length\test_counts\ttpm\nENST1\t900\t750\t10\t400000\nENST2\t900\t750\t15\t600000\n"
RSEM_ISOFORMS = (
    "transcript_id\tgene_id\tlength\teffective_length\texpected_count\tTPM\tFPKM\tIsoPct\n"
    "T1\tG1\t900\t750\t10\t400000\t1\t40\nT2\tG1\t900\t750\t15\t600000\t1\t60\n"
)
FEATURECOUNTS = (
    '# Program:featureCounts v2.0.6; Command:"featureCounts" "-a" "x.gtf"\n'
    "Geneid\tChr\tStart\tEnd\tStrand\tLength\t/data/S1.bam\nG1\t1;1\t1;5\t4;9\t+;+\t1000\t30\nG2\t2\t1\t9\t-\t500\t10\n"
)
STAR = "N_unmapped\t5\t5\t5\nN_multimapping\t4\t4\t4\nN_noFeature\t3\t9\t3\nN_ambiguous\t2\t0\t2\n"
HTSEQ_TAIL = "__no_feature\t1\n__ambiguous\t0\n__too_low_aQual\t0\n__not_aligned\t7\n__alignment_not_unique\t0\n"


def written(folder: Path, content: str, name: str = "anything.txt") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def salmon(rows: list[tuple[str, str, str, str, str]]) -> str:
    return SALMON + "".join("\t".join(row) + "\n" for row in rows)


def refused(folder: Path, content: str) -> InputError:
    with pytest.raises(InputError) as caught:
        read_quantification(written(folder, content))
    return caught.value


GOOD = [("ENST1", "900", "750.0", "400000", "10"), ("ENST2", "900", "750.0", "600000", "15")]


@pytest.mark.parametrize(
    ("content", "tool", "level", "counts"),
    [
        (salmon(GOOD), "salmon", TRANSCRIPT, [10, 15]),
        (KALLISTO, "kallisto", TRANSCRIPT, [10, 15]),
        (RSEM_ISOFORMS, "rsem", TRANSCRIPT, [10, 15]),
        (FEATURECOUNTS, "featurecounts", GENE, [30, 10]),
        (STAR + "G1\t10\t1\t9\nG2\t20\t1\t19\n", "star", GENE, [9, 19]),
        ("G1\t3\nG2\t4\n" + HTSEQ_TAIL, "htseq", GENE, [3, 4]),
        ("feature\tcount\nG1\t3\nG2\t4\n" + HTSEQ_TAIL, "htseq", GENE, [3, 4]),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_the_header_and_not_the_name_tells_the_tool(
    tmp_path: Path, content: str, tool: str, level: str, counts: list[int], compressed: bool
) -> None:
    path = tmp_path / "result.dat"
    path.write_bytes(gzip.compress(content.encode()) if compressed else content.encode())
    found = read_quantification(path)
    assert (found.tool, found.level) == (tool, level)
    assert found.counts.tolist() == counts


def test_windows_line_ends_and_byte_order_mark_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "quant.sf"
    path.write_bytes(b"\xef\xbb\xbf" + salmon(GOOD).replace("\n", "\r\n").encode())
    assert read_quantification(path).counts.tolist() == [10, 15]


@pytest.mark.parametrize(
    ("content", "code", "row", "column"),
    [
        (salmon([GOOD[0], ("ENST2", "900", "750", "600000", "-15")]), "E_SCHEMA", 3, "NumReads"),
        (salmon([GOOD[0], ("ENST2", "900", "750", "600000", "NA")]), "E_SCHEMA", 3, "NumReads"),
        (salmon([GOOD[0], ("ENST2", "900", "750", "1e400", "15")]), "E_SCHEMA", 3, "TPM"),
        (salmon([GOOD[0], ("ENST2", "900", "750", "nan", "15")]), "E_SCHEMA", 3, "TPM"),
        (salmon([GOOD[0], ("ENST2", "900", "750,5", "600000", "15")]), "E_SCHEMA", 3, "EffectiveLength"),
        (salmon([GOOD[0], ("ENST1", "900", "750", "600000", "15")]), "E_SCHEMA", 3, "Name"),
        (salmon([GOOD[0], ("", "900", "750", "600000", "15")]), "E_SCHEMA", 3, "Name"),
        (SALMON + "ENST1\t900\t750\t400000\nENST2\t900\t750\t600000\t15\n", "E_SCHEMA", 2, ""),
        (SALMON + "ENST1\t900\t750\t400000\t10\nENST2\t900\n", "E_TRUNCATED", 3, ""),
        (salmon(GOOD)[:-2], "E_TRUNCATED", 3, ""),
        (salmon(GOOD[:1]), "E_TRUNCATED", None, "TPM"),
        (SALMON, "E_EMPTY", None, ""),
        ("G1\t3\nG2\t4\n", "E_TRUNCATED", 2, ""),
        ("G1\t-3\nG2\t4\n" + HTSEQ_TAIL, "E_SCHEMA", 1, "count"),
        (STAR + "G1\t10.5\t1\t9\n", "E_SCHEMA", 5, "unstranded"),
        (STAR[STAR.index("\n") + 1 :] + "G1\t10\t1\t9\n", "E_TRUNCATED", 1, ""),
        ("gene,count\nG1,3\n", "E_SCHEMA", 1, ""),
        (FEATURECOUNTS.replace("S1.bam", "S1.bam\tS2.bam"), "E_SCHEMA", 2, ""),
        (FEATURECOUNTS.replace("\t10\n", "\tten\n"), "E_SCHEMA", 4, "counts"),
    ],
)
def test_a_bad_table_is_refused_with_its_place(
    tmp_path: Path, content: str, code: str, row: int | None, column: str
) -> None:
    error = refused(tmp_path, content)
    assert (error.code, error.row, error.column) == (code, row, column)
    assert error.fix


def test_messages_never_repeat_cells_or_the_labs_paths(tmp_path: Path) -> None:
    for content in (
        salmon([GOOD[0], ("KIM-CANARY", "900", "750", "600000", "KIM-CANARY")]),
        salmon([("KIM-CANARY", "9", "7", "400000", "10"), ("KIM-CANARY", "9", "7", "600000", "15")]),
        FEATURECOUNTS.replace("S1", "KIM-CANARY").replace("\t10\n", "\t-1\n"),
    ):
        assert "CANARY" not in str(refused(tmp_path, content))


def test_symbols_that_a_spreadsheet_made_dates_of_are_named_as_the_cause_of_duplicates(tmp_path: Path) -> None:
    error = refused(tmp_path, "1-Mar\t3\n1-Mar\t4\n" + HTSEQ_TAIL)
    assert (error.code, error.row) == ("E_SCHEMA", 2)
    assert "spreadsheet" in error.message


def test_a_damaged_or_cut_or_exploding_gzip_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(salmon(GOOD).encode())
    path = tmp_path / "quant.sf.gz"
    path.write_bytes(whole[:-9])
    with pytest.raises(InputError, match="E_TRUNCATED"):
        read_quantification(path)
    path.write_bytes(whole[:-8] + bytes(4) + whole[-4:])
    with pytest.raises(InputError, match="E_CHECKSUM"):
        read_quantification(path)
    path.write_bytes(gzip.compress(b"\n" * (201 * 1024 * 1024), 1))
    with pytest.raises(InputError, match="E_TOO_BIG"):
        read_quantification(path)


@pytest.mark.parametrize(
    ("forward", "reverse", "expected"),
    [
        (80, 20, "forward"),
        (20, 80, "reverse"),
        (50, 50, "unstranded"),
        (70, 30, "undetermined"),
        (0, 0, "undetermined"),
    ],
)
def test_strand_follows_the_limits_of_nf_core(forward: float, reverse: float, expected: str) -> None:
    assert infer_strandedness(forward, reverse) == expected


@given(st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_read_or_refused_and_never_crash(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("wild") / "quant.sf"
    path.write_bytes(content)
    with pytest.raises(InputError):
        read_quantification(path)


@given(
    st.lists(
        st.sampled_from(["G1", "G2", "1", "-1", "1e999", "nan", "", "0x1", " 3", "1_0", "٣"]), min_size=2, max_size=9
    )
)
@settings(max_examples=150, deadline=None)
def test_wild_cells_are_refused_or_become_finite_counts(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str]
) -> None:
    path = tmp_path_factory.mktemp("wild") / "x"
    path.write_text("\n".join(f"gene{i}\t{cell}" for i, cell in enumerate(cells)) + "\n" + HTSEQ_TAIL)
    try:
        found = read_quantification(path)
    except InputError:
        return
    assert np.isfinite(found.counts).all() and (found.counts >= 0).all()


def test_real_star_table_is_read_with_its_strand(shared_data: Path) -> None:
    found = read_quantification(shared_data / "rna/qc_multiqc/ERR458837_subsamp_1ReadsPerGene.out.tab")
    assert (found.tool, found.strandedness, len(found.ids)) == ("star", "forward", 57_773)
    assert found.assigned_reads == 56_513  # awk over the third column
    assert found.counters["N_noFeature"] == 29_769


def test_real_htseq_table_is_read_without_its_counters(shared_data: Path) -> None:
    found = read_quantification(shared_data / "rna/qc_multiqc/counts.tsv")
    assert (found.tool, len(found.ids)) == ("htseq", 49_768)
    assert found.counters["__not_aligned"] == 3_766_951
    assert not found.ids.str.startswith("__").any()


@pytest.mark.parametrize("cut", [0.3, 0.75, 0.999])
@pytest.mark.parametrize(
    "name",
    [
        "tximport/salmon/ERR188021/quant.sf",
        "tximport/rsem/ERR188021/ERR188021.genes.results",
        "qc_multiqc/counts.tsv",
    ],
)
def test_a_real_table_cut_after_a_whole_line_is_noticed(
    shared_data: Path, tmp_path: Path, name: str, cut: float
) -> None:
    lines = (shared_data / "rna" / name).read_bytes().splitlines(keepends=True)
    if cut == 0.999 and "counts" not in name:
        # TPM notice only what carries expression: cut away the single highest transcript instead.
        column = 3 if "quant" in name else 5
        largest = max(range(1, len(lines)), key=lambda i: float(lines[i].split(b"\t")[column]))
        kept = lines[:largest]
    else:
        kept = lines[: int(len(lines) * cut)]
    path = tmp_path / "cut"
    path.write_bytes(b"".join(kept))
    with pytest.raises(InputError, match="E_TRUNCATED"):
        read_quantification(path)
