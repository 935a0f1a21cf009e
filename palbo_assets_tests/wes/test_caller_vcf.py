"""Callers' VCFs give the callers' truth, whatever the order of their columns and however odd the file."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from palbo_assets.genomics.alleles import Variant
from palbo_assets.genomics.consequence import Consequence
from palbo_assets.genomics.regions import reference
from palbo_assets.platform.errors import InputError
from palbo_assets.wes.callers import read_vcf
from palbo_assets.wes.lab_annotation import LabAnnotation, agreement, short_change


@pytest.mark.parametrize(
    ("file", "caller", "passing", "true"),
    [
        ("MuTect2", "mutect2", 119, 118),
        ("VarDict", "vardict", 127, 120),
        ("Strelka.snv", "strelka2", 70, 70),
        ("Strelka.indel", "strelka2", 52, 51),
        ("MuSE", "muse", 69, 69),
        ("SomaticSniper", "somaticsniper", 75, 72),
        ("Scalpel", "scalpel", 51, 50),
        ("LoFreq.snv", "lofreq", 67, 67),
    ],
)
def test_true_positives_of_published_call_sets_are_reproduced(
    shared_data: Path, file: str, caller: str, passing: int, true: int
) -> None:
    folder = shared_data / "wes_somatic" / "somaticseq_callers_vs_truth"
    with reference(folder / "tiny.fa") as fetch:
        truth = {one.variant for one in read_vcf(folder / "Varsim.somatic.truth.vcf", fetch=fetch).records}
        found = read_vcf(folder / "paired_example" / f"{file}.vcf.gz", fetch=fetch)
    passed = {one.variant for one in found.records if one.filter in ("PASS", ".")}
    assert len(truth) == 124
    assert (found.caller, len(passed), len(passed & truth)) == (caller, passing, true)


def test_counts_of_each_caller_are_read_as_it_means_them(shared_data: Path) -> None:
    folder = shared_data / "wes_somatic"
    strelka = read_vcf(folder / "vcf2maf" / "test_strelka.vcf").records[1]
    assert (strelka.tumour.depth, strelka.tumour.alt, strelka.normal and strelka.normal.alt) == (58, 56, 0)
    varscan = read_vcf(folder / "vcf2maf" / "test_varscan.vcf").records[0]
    assert (varscan.tumour.depth, varscan.tumour.alt) == (91, 35)
    assert varscan.tumour.vaf == pytest.approx(0.3846, abs=1e-4)
    assert (varscan.tumour.alt_forward, varscan.tumour.alt_reverse) == (16, 19)
    mutect = read_vcf(folder / "vcf2maf" / "test_mutect.vcf").records[0]
    assert (mutect.tumour.depth, mutect.tumour.alt, mutect.passed) == (206, 30, False)
    indel = read_vcf(folder / "strelka_demo" / "somatic.indels.vcf.gz").records[0]
    assert (indel.tumour.alt, indel.tumour.depth) == (8, 19)
    partial = read_vcf(folder / "vcf2maf" / "test_b38.vcf").records[0]  # AD is ".,21"
    assert (partial.tumour.alt, partial.tumour.depth, partial.normal and partial.normal.alt) == (21, 54, None)
    hcc1143 = read_vcf(folder / "hcc1143_wgs_chr11_slice" / "HCC1143.mutect2.vcf.gz").records[0]
    assert hcc1143.variant == Variant("chr11", 531138, "C", "G")
    assert hcc1143.tumour.vaf == pytest.approx(0.169, abs=0.01)
    assert hcc1143.normal is not None and hcc1143.normal.vaf == pytest.approx(0.069, abs=0.02)


def test_a_caller_that_passes_germline_variants_is_heeded_in_its_own_words(shared_data: Path) -> None:
    folder = shared_data / "wes_somatic"
    varscan = read_vcf(folder / "vcf2maf" / "test_varscan.vcf").records
    assert {one.filter for one in varscan} == {"PASS"}
    told = {
        status: sum(one.status == status for one in varscan) for status in ("germline", "somatic", "loh", "unknown")
    }
    assert told == {"germline": 425, "somatic": 31, "loh": 42, "unknown": 1}
    assert sum(one.passed for one in varscan) == 31
    vardict = read_vcf(folder / "somaticseq_callers_vs_truth" / "paired_example" / "VarDict.vcf.gz").records
    against = [one for one in vardict if one.filter == "PASS" and not one.passed]
    assert sorted(one.objection for one in against) == ["PASS;germline", "PASS;loh"]
    sniper = read_vcf(folder / "somaticseq_callers_vs_truth" / "paired_example" / "SomaticSniper.vcf.gz").records
    assert sum(one.passed for one in sniper) == 73 and {one.status for one in sniper} == {"somatic", "loh"}


def test_a_site_with_several_alleles_becomes_one_record_each(shared_data: Path) -> None:
    found = read_vcf(shared_data / "wes_somatic" / "varcode_small" / "mutect2_example.vcf").records
    quad = [one for one in found if one.line == found[3].line]
    assert [one.tumour.alt for one in quad] == [401, 67, 49]
    assert [one.variant.alt for one in quad] == ["AC", "C", "ACC"]


HEADER = """##fileformat=VCFv4.2
##contig=<ID=1,length=1000>
##normal_sample={normal}
##tumor_sample={tumour}
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{first}\t{second}
"""
A, B = "0/1:70,30:100", "0/0:60,0:60"


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_roles_come_from_header_lines_whatever_the_column_order(tmp_path: Path) -> None:
    row = "1\t100\t.\tA\tT\t.\tPASS\t.\tGT:AD:DP\t"
    one = HEADER.format(normal="s2", tumour="s1", first="s1", second="s2") + row + f"{A}\t{B}\n"
    two = HEADER.format(normal="s2", tumour="s1", first="s2", second="s1") + row + f"{B}\t{A}\n"
    found = [read_vcf(written(tmp_path / f"{n}.vcf", text)).records[0] for n, text in enumerate((one, two))]
    assert found[0] == found[1]
    assert found[0].tumour.alt == 30 and found[0].normal is not None and found[0].normal.alt == 0


def test_two_samples_that_nothing_tells_apart_are_refused(tmp_path: Path) -> None:
    text = HEADER.format(normal="", tumour="", first="s1", second="s2")
    text += f"1\t100\t.\tA\tT\t.\tPASS\t.\tGT:AD:DP\t{A}\t{B}\n"
    path = written(tmp_path / "a.vcf", text)
    with pytest.raises(InputError, match="E_SAMPLE_MISMATCH"):
        read_vcf(path)
    assert read_vcf(path, tumour_sample="s2").normal_sample == "s1"


GOOD = HEADER.format(normal="n", tumour="t", first="n", second="t")


@pytest.mark.parametrize(
    ("text", "code", "row"),
    [
        (GOOD + f"1\tx\t.\tA\tT\t.\tPASS\t.\tGT:AD:DP\t{B}\t{A}\n", "E_SCHEMA", 6),
        (GOOD + f"1\t100\t.\tQ\tT\t.\tPASS\t.\tGT:AD:DP\t{B}\t{A}\n", "E_SCHEMA", 6),
        (GOOD + f"1\t100\t.\tA\tT\t.\tPASS\t.\tGT:AD:DP\t{B}\n", "E_SCHEMA", 6),
        (GOOD + f"1\t100\t.\tA\tT\t.\tPASS\t.\tGT:AD:DP\t{B}\t0/1:70,3", "E_TRUNCATED", 6),
        (GOOD.replace("#CHROM", "#chrom"), "E_SCHEMA", 5),
        ("", "E_EMPTY", None),
    ],
)
def test_a_broken_file_is_refused_with_its_line(tmp_path: Path, text: str, code: str, row: int | None) -> None:
    with pytest.raises(InputError) as error:
        read_vcf(written(tmp_path / "a.vcf", text))
    assert (error.value.code, error.value.row) == (code, row)
    assert "70,3" not in str(error.value)


def test_a_gzip_that_ends_early_is_truncated(tmp_path: Path) -> None:
    path = tmp_path / "a.vcf.gz"
    whole = gzip.compress((GOOD + f"1\t100\t.\tA\tT\t.\tPASS\t.\tGT:AD:DP\t{B}\t{A}\n" * 2000).encode())
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="E_TRUNCATED"):
        read_vcf(path)


def test_calls_of_another_build_are_refused_by_their_bases(tmp_path: Path) -> None:
    text = GOOD + f"1\t3\t.\tA\tT\t.\tPASS\t.\tGT:AD:DP\t{B}\t{A}\n"
    with pytest.raises(InputError, match="E_BUILD_MISMATCH"):
        read_vcf(written(tmp_path / "a.vcf", text), fetch=lambda chrom, start, end: "ACGTACGT"[start:end])
    with pytest.raises(InputError, match="E_BUILD_MISMATCH"):
        read_vcf(tmp_path / "a.vcf", reference_contigs={"chr7": 100})


def test_symbolic_alleles_and_breakends_are_left_out_and_counted(tmp_path: Path) -> None:
    text = GOOD + f"1\t100\t.\tA\t<DEL>,T,*\t.\tPASS\t.\tGT:AD:DP\t{B}\t0/2:70,1,30,2:103\n"
    found = read_vcf(written(tmp_path / "a.vcf", text))
    assert found.skipped == 2
    assert [(one.variant.alt, one.tumour.alt) for one in found.records] == [("T", 30)]


def test_vep_annotation_in_the_file_is_read_on_the_pinned_transcript(shared_data: Path) -> None:
    found = read_vcf(shared_data / "wes_somatic" / "varcode_small" / "vep_annotated_csq.vcf")
    annotation = LabAnnotation(found.header)
    second = next(one for one in found.records if one.variant.pos == 7676153)
    assert annotation.of(second, {}) == annotation.of(second, {"TP53": "ENST00000269305"})
    other = annotation.of(second, {"TP53": "ENST00000420246"})
    assert other is not None and (other.hgvsp_short, other.consequence, other.lof) == (
        "p.R239*", "Nonsense_Mutation", True,
    )  # fmt: skip
    both = [annotation.of(one, {}) for one in found.records if one.variant.pos == 7676200]
    assert [one and (one.consequence, one.hgvsp_short) for one in both] == [
        ("Silent", "p.K275="), ("Missense_Mutation", "p.K275N"),
    ]  # fmt: skip


def test_vep_annotation_of_a_real_breast_cancer_exome_names_its_tp53_mutation(shared_data: Path) -> None:
    path = shared_data / "wes_somatic" / "hcc1395_vep_expression_vcf" / "annotated.expression.vcf.gz"
    found = read_vcf(path)
    annotation = LabAnnotation(found.header)
    effects = [annotation.of(one, {"TP53": "ENST00000269305"}) for one in found.records]
    assert (found.tumour_sample, len(found.records)) == ("HCC1395_TUMOR_DNA", 1470)
    # HCC1395 is known for TP53 R175H.
    assert {one.hgvsp_short for one in effects if one and one.gene == "TP53" and one.hgvsp_short} == {"p.R175H"}


@pytest.mark.parametrize(
    ("long", "short"),
    [
        ("ENSP00000263967.3:p.Glu545Lys", "p.E545K"),
        ("p.Lys275%3D", "p.K275="),
        ("p.Glu137LeufsTer12", "p.E137fs"),
        ("p.Arg282Ter", "p.R282*"),
        ("p.(Val422del)", "p.V422del"),
        ("", None),
    ],
)
def test_three_letter_changes_become_one_letter_ones(long: str, short: str | None) -> None:
    assert short_change(long) == short


def test_funcotator_and_snpeff_annotations_are_read(tmp_path: Path) -> None:
    header = (
        '##fileformat=VCFv4.2\n##INFO=<ID=FUNCOTATION,Number=A,Type=String,Description="Functional annotation. '
        "Funcotation fields are: Gencode_43_hugoSymbol|Gencode_43_variantClassification|"
        'Gencode_43_annotationTranscript|Gencode_43_proteinChange">\n'
        "##INFO=<ID=ANN,Number=.,Type=String,Description=\"Functional annotations: 'Allele | Annotation | "
        "Annotation_Impact | Gene_Name | Gene_ID | Feature_Type | Feature_ID | HGVS.p '\">\n"
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    )
    rows = (
        "1\t10\t.\tA\tT\t.\tPASS\tFUNCOTATION=[ESR1|MISSENSE|ENST00000443427.2|p.D538G]\n"
        "1\t20\t.\tAG\tA\t.\tPASS\tFUNCOTATION=[RB1|FRAME_SHIFT_DEL|ENST00000267163.6|p.E137fs]\n"
        "1\t30\t.\tA\tT\t.\tPASS\tANN=T|stop_gained|HIGH|RB1|ENSG1|transcript|ENST00000267163.6|p.Arg320*\n"
    )
    found = read_vcf(written(tmp_path / "a.vcf", header + rows))
    annotation = LabAnnotation(found.header)
    told = [annotation.of(one, {}) for one in found.records]
    assert [one and (one.gene, one.transcript_id, one.consequence, one.hgvsp_short) for one in told] == [
        ("ESR1", "ENST00000443427", "Missense_Mutation", "p.D538G"),
        ("RB1", "ENST00000267163", "Frame_Shift_Del", "p.E137fs"),
        ("RB1", "ENST00000267163", "Nonsense_Mutation", "p.R320*"),
    ]


@pytest.mark.parametrize(
    ("ours", "labs", "told"),
    [
        (("RB1", "T1", "Nonsense_Mutation", "p.R320*"), ("RB1", "T1", "Nonsense_Mutation", "p.R320*"), "same"),
        (("RB1", "T1", "Frame_Shift_Del", "p.E137fs"), ("RB1", "T1", "Frame_Shift_Del", "p.E137Lfs*12"), "same"),
        (("RB1", "T1", "Splice_Site", None), ("RB1", "T1", "Splice_Site", "p.X137_splice"), "same"),
        (("RB1", "T1", "Nonsense_Mutation", "p.R320*"), ("RB1", "T2", "Nonsense_Mutation", "p.R320*"), "same"),
        (("RB1", "T1", "Nonsense_Mutation", "p.R320*"), ("RB1", "T2", "Intron", None), "other_transcript"),
        (("RB1", "T1", "Nonsense_Mutation", "p.R320*"), ("RB1", "T1", "Silent", "p.R320="), "consequence"),
        (
            ("RB1", "T1", "Missense_Mutation", "p.R320Q"),
            ("RB1", "T1", "Missense_Mutation", "p.R321Q"),
            "protein_change",
        ),
        (("RB1", "T1", "Silent", None), ("LPAR6", "T9", "Silent", None), "gene"),
        # An older symbol, and one that a spreadsheet made a date of.
        (("KMT2C", "T1", "Missense_Mutation", "p.R1S"), ("MLL3", "N1", "Missense_Mutation", "p.Arg1Ser"), "same"),
        (("SEPTIN9", "T1", "Silent", None), ("9-Sep", "T1", "Silent", None), "same"),
    ],
)
def test_disagreement_with_the_labs_annotation_says_what_differs(
    ours: tuple[str, str, str, str | None], labs: tuple[str, str, str, str | None], told: str
) -> None:
    assert agreement(Consequence(*ours), Consequence(*labs)) == told
    assert agreement(Consequence(*ours), None) is None


CAVEMAN = """##fileformat=VCFv4.1
##cavemanVersion=1.15.1
##vcfProcessLog=<InputVCF=<.>,InputVCFSource=<CaVEMan>,InputVCFParam=<MUT_CUTOFF=0.8,NORMAL_CONTAMINATION=0>>
##contig=<ID=1,length=1000,species=HUMAN>
##SAMPLE=<ID=NORMAL,Description="Wild type",Platform=ILLUMINA,SampleName=P1-blood>
##SAMPLE=<ID=TUMOUR,Description="Mutant",Platform=ILLUMINA,SampleName=P1-biopsy>
#CHROM	POS	ID	REF	ALT	QUAL	FILTER	INFO	FORMAT	NORMAL	TUMOUR
1	100	x	C	T	.	PASS	DP=70;MP=1.0e+00	GT:FAZ:FCZ:FGZ:FTZ:RAZ:RCZ:RGZ:RTZ:PM	\
0|0:0:14:0:0:0:16:0:0:0.0e+00	0|1:1:12:0:6:0:11:0:10:4.0e-01
1	200	y	G	A	.	MN;UM	DP=60;MP=9.9e-01	GT:FAZ:FCZ:FGZ:FTZ:RAZ:RCZ:RGZ:RTZ:PM	\
0|0:2:0:13:0:1:0:14:0:1.0e-01	0|1:5:0:10:0:3:0:12:0:2.7e-01
"""
OLD_CAVEMAN = CAVEMAN.replace("##cavemanVersion=1.15.1", "##source_20120915.1=CavemanMerge2Vcf.pl").replace(
    "FAZ:FCZ:FGZ:FTZ:RAZ:RCZ:RGZ:RTZ", "AA:CA:GA:TA"
)


def test_cavemans_counts_are_those_of_both_strands_and_its_samples_those_of_its_header(tmp_path: Path) -> None:
    """Layout of CaVEMan 1.x by its own header lines; no real file is at hand."""
    path = tmp_path / "caveman.vcf"
    path.write_text(CAVEMAN.replace("\\\n", ""))
    found = read_vcf(path, tumour_sample="P1-biopsy")
    first, second = found.records
    assert (found.caller, found.roles.tumour, found.roles.normal) == ("caveman", "TUMOUR", "NORMAL")
    assert first.tumour[:2] == (40, 16) and first.tumour[3:] == (6, 10, 23)
    assert first.normal is not None and first.normal[:2] == (30, 0)
    assert (first.passed, second.passed, second.objection) == (True, False, "MN;UM")
    assert second.tumour[:2] == (30, 8) and second.normal is not None and second.normal.alt == 3


def test_an_early_cavemans_counts_have_no_strands(tmp_path: Path) -> None:
    path = tmp_path / "caveman.vcf"
    rows = OLD_CAVEMAN.replace("\\\n", "").replace("0:14:0:0:0:16:0:0", "0:30:0:0")
    rows = rows.replace("1:12:0:6:0:11:0:10", "1:23:0:16").replace("2:0:13:0:1:0:14:0", "3:0:27:0")
    path.write_text(rows.replace("5:0:10:0:3:0:12:0", "8:0:22:0"))
    found = read_vcf(path)
    assert found.caller == "caveman"
    assert [one.tumour[:2] for one in found.records] == [(40, 16), (30, 8)]
    assert [one.tumour.alt_forward for one in found.records] == [None, None]
    assert [one.normal.alt for one in found.records if one.normal is not None] == [0, 3]
