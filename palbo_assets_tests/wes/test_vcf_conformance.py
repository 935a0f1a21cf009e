"""GA4GH's VCF conformance suite delivered as somatic calls: every file is read or refused with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from palbo_assets.genomics.alleles import Variant, normalise
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context
from palbo_assets.wes.callers import read_vcf
from palbo_assets.wes.formats import verify_vcf

NEVER_READ = ("body_id", "body_info", "body_qual", "body_sample", "body_contiguous", "body_unsorted", "meta_")
"""What the accepted invalid files break: cells and header lines that no published value is taken from, and order."""
HARMLESS = {
    "body_alt_005": "a breakend without its base: counted as skipped, as all breakends are",
    "body_chrom_001": "a colon in a contig's name, which GRCh38's HLA contigs have",
    "body_chrom_004": "an asterisk likewise",
    "body_duplicated_000": "the same record twice: counts once",
    "body_duplicated_001": "the same allele in three spellings, without counts that could contradict",
    "body_duplicated_002": "as above",
    "body_duplicated_003": "as above",
    "body_filter_004": "a filter named twice: not PASS either way",
    "body_format_002": "GT isn't the first key: keys are found by name",
    "body_format_006": "a phase mark too many in GT, which isn't read",
    "body_format_007": "as body_format_002",
    "header_001": "no record",
}


def sample_of(path: Path) -> str:
    lines = path.read_bytes().decode("utf-8", "replace").splitlines()
    columns = next((line.split("\t") for line in lines if line.startswith("#CHROM")), [])
    return columns[9] if len(columns) > 9 else ""


def verdict(path: Path) -> InputError | None:
    try:
        verify_vcf(path, Claim("x", "wes", "PALBO-001", "BL", sample_name=sample_of(path)), Context())
    except InputError as error:
        assert error.code.startswith("E_") and error.fix and error.file == path.name
        return error
    return None


def test_valid_files_are_taken_unless_they_are_no_calls(shared_data: Path) -> None:
    files = sorted((shared_data / "conformance" / "vcf_hts_specs").glob("*/passed/*.vcf"))
    refused = {path.stem: error.code for path in files if (error := verdict(path))}
    assert len(files) == 26
    assert refused.pop("zero_length_LAA") == "E_TRUNCATED"  # its last line has no end, as a file cut there
    assert set(refused.values()) <= {"E_NOT_CALLS"} and len(refused) == 10
    for name in refused:  # sites without samples can be read all the same
        read_vcf(next(path for path in files if path.stem == name))


def test_invalid_files_are_refused_or_put_nothing_wrong_into_the_table(shared_data: Path) -> None:
    files = sorted((shared_data / "conformance" / "vcf_hts_specs").glob("*/failed/*.vcf"))
    verdicts = {path: verdict(path) for path in files}
    # Without samples a file is refused whatever is wrong inside: look at what its records would say nevertheless.
    accepted = [path for path, error in verdicts.items() if error is None or error.code == "E_NOT_CALLS"]
    assert (len(files), sum(error is not None for error in verdicts.values())) == (224, 157)
    assert len(files) - len(accepted) == 58
    for path in accepted:
        name = path.stem.removeprefix("failed_")
        assert name in HARMLESS or name.startswith(NEVER_READ), name
        found = read_vcf(path, tumour_sample=sample_of(path))
        lines = path.read_text().splitlines()
        for one in found.records:
            cells = lines[one.line - 1].split("\t")
            written = {normalise(Variant(cells[0], int(cells[1]), cells[3], alt)) for alt in cells[4].split(",")}
            assert one.variant in written and one.filter == cells[6]
            assert one.tumour.alt is None  # none of them states reads, so none can be invented


@pytest.mark.parametrize(
    "file",
    [
        "wes_somatic/sarek_tiny_fastq/dbsnp_138.b37.small.COMMON.vcf.gz",
        "wes_somatic/sarek_tiny_fastq/Mills_and_1000G_gold_standard.indels.b37.small.vcf.gz",
        "wes_somatic/hcc1143_wgs_chr11_slice/tiny-chr11-exac_common_3.hg38.vcf.gz",
        "wes_somatic/vcf2maf/test_b38.gnomad.exomes.r2.1.1.sites.vcf.gz",
        "umi_ctdna/mutscan/tinyvcf.vcf",  # COSMIC
    ],
)
def test_databases_of_sites_are_refused_as_calls(shared_data: Path, file: str) -> None:
    with pytest.raises(InputError, match="E_NOT_CALLS") as error:
        verify_vcf(shared_data / file, Claim("x", "wes", "PALBO-001", "BL"), Context())
    assert "tumour" in error.value.fix


def test_lofreq_writes_no_sample_and_is_taken(shared_data: Path) -> None:
    path = shared_data / "wes_somatic" / "somaticseq_callers_vs_truth" / "paired_example" / "LoFreq.snv.vcf.gz"
    assert verify_vcf(path, Claim("x", "wes", "PALBO-001", "BL"), Context())["records"] == 67
    first = read_vcf(path).records[0].tumour
    assert (first.depth, first.alt, first.alt_forward, first.alt_reverse) == (44, 44, 22, 22)


def test_two_records_that_contradict_each_other_are_refused_with_both_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.vcf"
    row = "1\t100\t.\tA\tT\t.\tPASS\t.\tGT:AD:DP\t0/1:70,{alt}:100\n"
    head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tT\n"
    path.write_text(head + row.format(alt=30) + row.format(alt=30))
    assert verify_vcf(path, Claim("x", "wes", "PALBO-001", "BL"), Context())["records"] == 2
    path.write_text(head + row.format(alt=30) + row.format(alt=31))
    with pytest.raises(InputError, match=r"row 3 too.*row 4"):
        verify_vcf(path, Claim("x", "wes", "PALBO-001", "BL"), Context())


def test_counts_that_dont_match_the_alleles_are_nobodys(tmp_path: Path) -> None:
    """A site split without its AD: three numbers for two alleles, and no way to know which two."""
    path = tmp_path / "a.vcf"
    head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tT\n"
    path.write_text(head + "1\t100\t.\tA\tT\t.\tPASS\t.\tGT:AD:DP\t0/1:70,1,29:100\n")
    for fast in (False, True):
        one = read_vcf(path, fast=fast).records[0].tumour
        assert (one.depth, one.alt, one.vaf) == (100, None, None)


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("chr1\t200\t.\tA\tT\t.\tPASS\t.\tGT\t0/1\n", "CHROM"),  # the file so far says 1
        ("2 \t200\t.\tA\tT\t.\tPASS\t.\tGT\t0/1\n", "CHROM"),
        ("2\t2147483648\t.\tA\tT\t.\tPASS\t.\tGT\t0/1\n", "POS"),
        ("2\t200\t.\tA\t\t.\tPASS\t.\tGT\t0/1\n", "ALT"),
        ("2\t200\t.\tA\tT\t.\tPASS;;q\t.\tGT\t0/1\n", "FILTER"),
        ("2\t200\t.\tA\tT\t.\tPASS\t.\tGT:DP:DP\t0/1\n", "FORMAT"),
        ("2\t200\t.\tA\tT\t.\tPASS\t.\tGT\t0/1:5\n", "T"),
    ],
)
def test_a_record_that_could_bring_a_wrong_value_is_refused_with_row_and_column(
    tmp_path: Path, row: str, column: str
) -> None:
    path = tmp_path / "a.vcf"
    head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tT\n"
    path.write_text(head + "1\t100\t.\tA\tT\t.\tPASS\t.\tGT\t0/1\n" + row)
    for fast in (False, True):
        with pytest.raises(InputError) as error:
            read_vcf(path, fast=fast)
        assert (error.value.code, error.value.row, error.value.column) == ("E_SCHEMA", 4, column)
        assert error.value.fix
