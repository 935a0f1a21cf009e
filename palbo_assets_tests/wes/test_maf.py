"""A MAF's variants come back on VCF alleles, and its annotation with them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from palbo_assets.genomics.alleles import Variant
from palbo_assets.platform.errors import InputError
from palbo_assets.wes.callers import read_vcf
from palbo_assets.wes.maf import from_vcf, maf_row, read_maf, to_vcf

SEQUENCE = "GATCAAAAAGTTACGGATC"


def fetch(chrom: str, start: int, end: int) -> str:
    return SEQUENCE[start:end]


def test_every_variant_of_the_reference_conversion_is_found_with_its_counts(shared_data: Path) -> None:
    folder = shared_data / "wes_somatic" / "vcf2maf"
    called = {
        (one.variant.pos, one.variant.ref, one.variant.alt): one for one in read_vcf(folder / "test_b38.vcf").records
    }
    rows = read_maf(folder / "test_b38_output.maf")
    substitutions = [row for row in rows if "-" not in row.variant.ref + row.variant.alt]
    assert len(rows) == len(called) == 25
    assert len(substitutions) == 22
    for row in substitutions:
        record = called[(row.variant.pos, row.variant.ref, row.variant.alt)]
        assert (row.tumour.alt, row.tumour.depth) == (record.tumour.alt, record.tumour.depth)
    first = rows[0].consequence
    assert first is not None
    assert (first.gene, first.transcript_id, first.hgvsp_short) == ("RUNX1", "ENST00000675419", "p.L429R")


def test_our_conversion_equals_the_reference_conversion_on_every_column_that_both_have(shared_data: Path) -> None:
    folder = shared_data / "wes_somatic" / "vcf2maf"
    with (folder / "test_b38_output.maf").open() as lines:
        reference = list(csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t"))
    ours = [maf_row(one, "TUMOR", "NORMAL", "GRCh38") for one in read_vcf(folder / "test_b38.vcf").records]
    assert len(ours) == len(reference) == 25
    differences = [
        (row["Start_Position"], column, row[column], theirs[column])
        for row, theirs in zip(ours, reference, strict=True)
        for column in row
        if row[column] != theirs[column]
    ]
    assert set(ours[0]) <= set(reference[0]) and len(ours[0]) == 19
    assert differences == []


def test_vcf_alleles_become_maf_alleles_and_come_back() -> None:
    told = {
        ("c", 4, "CA", "C"): (5, 5, "DEL", "A", "-"),
        ("c", 4, "C", "CA"): (4, 5, "INS", "-", "A"),
        ("c", 13, "A", "T"): (13, 13, "SNP", "A", "T"),
        ("c", 13, "AC", "TT"): (13, 14, "DNP", "AC", "TT"),
        ("c", 10, "GTT", "CA"): (10, 12, "DEL", "GTT", "CA"),
    }
    for vcf, maf in told.items():
        assert from_vcf(Variant(*vcf)) == maf
        assert to_vcf(Variant("c", maf[0], maf[3], maf[4]), fetch) == Variant(*vcf)


def test_the_breast_cancer_subset_of_tcga_is_read_sample_by_sample(shared_data: Path) -> None:
    path = shared_data / "wes_somatic" / "maf" / "brca.maf.gz"
    rows = read_maf(path)
    samples = {row.sample for row in rows}
    assert len(rows) == 1913
    one = sorted(samples)[0]
    mine = read_maf(path, sample_name=one)
    assert mine == [row for row in rows if row.sample == one]
    with pytest.raises(InputError, match="E_SAMPLE_MISMATCH"):
        read_maf(path, sample_name="PALBO-001")


def test_a_row_that_stands_twice_counts_once(shared_data: Path) -> None:
    assert len(read_maf(shared_data / "wes_somatic" / "varcode_small" / "duplicates.maf")) == 1


@pytest.mark.parametrize(
    ("maf", "vcf"),
    [
        (("c", 8, "A", "-"), ("c", 4, "CA", "C")),  # a deleted base of a run, written at its right end
        (("c", 9, "-", "A"), ("c", 4, "C", "CA")),  # an inserted one
        (("c", 10, "GT", "-"), ("c", 9, "AGT", "A")),
        (("c", 13, "A", "T"), ("c", 13, "A", "T")),
        (("c", 13, "AC", "TT"), ("c", 13, "AC", "TT")),
    ],
)
def test_maf_alleles_become_left_aligned_vcf_alleles(
    maf: tuple[str, int, str, str], vcf: tuple[str, int, str, str]
) -> None:
    assert to_vcf(Variant(*maf), fetch) == Variant(*vcf)


def test_a_row_of_another_build_is_refused_with_its_place() -> None:
    with pytest.raises(InputError, match="row 7, column Reference_Allele"):
        to_vcf(Variant("c", 1, "T", "A"), fetch, file="x.maf", row=7)


@pytest.mark.parametrize(
    ("text", "code", "column"),
    [
        ("Hugo_Symbol\tChromosome\nTP53\t17\n", "E_SCHEMA", "Start_Position"),
        (
            "Chromosome\tStart_Position\tReference_Allele\tTumor_Seq_Allele2\n17\tx\tA\tT\n",
            "E_SCHEMA",
            "Start_Position",
        ),
        (
            "Chromosome\tStart_Position\tReference_Allele\tTumor_Seq_Allele2\n17\t5\tA\t?\n",
            "E_SCHEMA",
            "Tumor_Seq_Allele2",
        ),
        ("# nothing\n", "E_EMPTY", ""),
    ],
)
def test_a_broken_maf_is_refused_with_its_column(tmp_path: Path, text: str, code: str, column: str) -> None:
    path = tmp_path / "a.maf"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_maf(path)
    assert (error.value.code, error.value.column) == (code, column)
