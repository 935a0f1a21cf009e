"""Reports on a library, merged matrices and the files of an nf-core/rnaseq tree are recognised by what they hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from palbo_assets.landing.recognise import by_suffix
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context
from palbo_assets.rnaseq.formats import FORMATS, verify_gene_counts, verify_gene_tpm, verify_metrics
from palbo_assets.rnaseq.library_metrics import LibraryMetrics, combine, read_metrics
from palbo_assets.rnaseq.quality import assess
from palbo_assets.rnaseq.quantifiers import read_quantification
from palbo_assets.rnaseq.samples import read_sample
from palbo_assets.rnaseq.settings import Settings
from palbo_assets.rnaseq.transcript_map import read_tx2gene

PICARD = (
    "## htsjdk.samtools.metrics.StringHeader\n# CollectRnaSeqMetrics\n"
    "## METRICS CLASS\tpicard.analysis.RnaSeqMetrics\n"
    "PF_BASES\tPCT_RIBOSOMAL_BASES\tMEDIAN_5PRIME_BIAS\tMEDIAN_3PRIME_BIAS\tMEDIAN_5PRIME_TO_3PRIME_BIAS\n"
    "1000\t0.02\t0.4\t0.8\t0.25\n\n"
)
COUNTS = "gene_id\tgene_name\tA\tB\nENSG00000000001.1\tAAA\t10\t1.5\nENSG00000000002.3\tBBB\t30\t0\n"
TPM = "gene_id\tgene_name\tA\tB\nENSG00000000001.1\tAAA\t250000\t1000000\nENSG00000000002.3\tBBB\t750000\t0\n"


def written(folder: Path, name: str, content: str) -> Path:
    (folder / name).write_text(content)
    return folder / name


def test_stars_real_log_gives_the_mapped_share(shared_data: Path) -> None:
    found = read_metrics(shared_data / "rna/qc_multiqc/Log.final.out")
    assert found.tools == ("star_log",)
    assert found.mapped_share == pytest.approx((75_077_194 + 4_189_751) / 94_446_403)  # 79.49 % and 4.44 % in the log


def test_picard_and_qualimap_give_the_bias_as_three_over_five_prime(tmp_path: Path) -> None:
    picard = read_metrics(written(tmp_path, "a", PICARD))
    assert picard == LibraryMetrics(("picard_rna_metrics",), None, 4.0, 0.02)
    whole = PICARD.replace("PF_BASES", "PCT_CODING_BASES\tPCT_UTR_BASES\tPF_BASES").replace("1000", "0.5\t0.25\t1000")
    assert read_metrics(written(tmp_path, "w", whole)).exonic_share == 0.75
    exonic = "RNA-Seq QC report\n    exonic =  50,000 (62.5%)\n    intronic = 1 (1%)\n    5'-3' bias = 2.0\n"
    assert read_metrics(written(tmp_path, "e", exonic)).exonic_share == 0.625
    qualimap = read_metrics(written(tmp_path, "b", "RNA-Seq QC report\n    5'-3' bias = 2.0\n"))
    assert qualimap.three_prime_ratio == 0.5
    assert combine([qualimap, picard]).three_prime_ratio == 0.5 and combine([qualimap, picard]).ribosomal_share == 0.02


def test_quantifiers_own_reports_give_the_mapped_share_and_the_strand(tmp_path: Path) -> None:
    salmon = written(tmp_path, "meta_info.json", '{"salmon_version": "1.10.1", "num_processed": 50, "num_mapped": 40}')
    kallisto = written(tmp_path, "run_info.json", '{"n_processed": 50, "n_pseudoaligned": 30, "p_unique": 1.0}')
    assert read_metrics(salmon) == LibraryMetrics(("salmon_meta_info",), mapped_share=0.8)
    assert read_metrics(kallisto) == LibraryMetrics(("kallisto_run_info",), mapped_share=0.6)
    strands = dict.fromkeys(("MSF", "OSF", "ISF", "MSR", "OSR", "ISR", "SF", "SR", "MU", "OU", "IU", "U"), 0)
    content = json.dumps(strands | {"ISR": 97, "ISF": 3, "IU": 0, "expected_format": "IU"})
    paths = [(written(tmp_path, "c", COUNTS), "A")]
    reports = [written(tmp_path, "lib_format_counts.json", content), salmon]
    found = read_sample(paths, [], reports=reports)
    assert found.strandedness == "reverse" and found.metrics is not None and found.metrics.mapped_share == 0.8
    for damaged in (
        '{"num_processed": 5, "num_mapped": 9}',
        '{"num_processed": 5',
        '{"a": 1}',
        '{"num_processed": "x", "num_mapped": 1}',
    ):
        with pytest.raises(InputError):
            read_metrics(written(tmp_path, "r.json", damaged))


def test_damaged_and_foreign_reports_are_refused(tmp_path: Path) -> None:
    for content in ("hello\n", PICARD.replace("0.25", "x"), PICARD.split("1000\t")[0], "Number of input reads |\t5\n"):
        with pytest.raises(InputError):
            read_metrics(written(tmp_path, "r", content))


def test_a_biased_library_warns_and_says_why(tmp_path: Path) -> None:
    genes = read_sample([(written(tmp_path, "c", COUNTS), "A"), (written(tmp_path, "t", TPM), "A")], []).summary
    assert genes is not None
    row = assess(genes.genes, Settings(), metrics=LibraryMetrics((), 0.4, 4.0, 0.2, 0.1))
    bad = {"THREE_PRIME_BIAS", "HIGH_RIBOSOMAL_SHARE", "LOW_MAPPED_SHARE", "LOW_EXONIC_SHARE"}
    assert bad <= set(row["reasons"].split("; "))
    assert "THREE_PRIME_BIAS" in assess(genes.genes, Settings())["not_judged"]


def test_a_merged_matrix_gives_the_named_samples_column_with_symbols_and_tpm(tmp_path: Path) -> None:
    paths = [(written(tmp_path, "c", COUNTS), "A"), (written(tmp_path, "t", TPM), "A")]
    found = read_sample(paths, [])
    assert found.summary is not None and found.tool == "matrix"
    rows = found.summary.genes.set_index("gene_symbol")
    assert rows.loc["BBB", ["gene_id", "count", "tpm"]].tolist() == ["ENSG00000000002", 30.0, 750_000.0]
    alone = read_sample(paths[1:], [])
    assert alone.summary is None and alone.reason.startswith("NO_COUNTS")


def test_a_matrix_without_the_named_column_is_refused_before_it_is_taken(tmp_path: Path) -> None:
    path = written(tmp_path, "gene_counts.tsv", COUNTS)
    claim = Claim("gene_counts.tsv", "rnaseq", "P-1", "BL", "S1", sample_name="A")
    assert verify_gene_counts(path, claim, Context())["assigned_reads"] == 40
    for name in ("C", "", "gene_id"):
        with pytest.raises(InputError, match="E_SAMPLE_MISMATCH"):
            verify_gene_counts(path, Claim("gene_counts.tsv", "rnaseq", sample_name=name), Context())
    with pytest.raises(InputError, match="role"):
        verify_gene_tpm(path, claim, Context())
    with pytest.raises(InputError, match="E_SCHEMA"):
        read_quantification(written(tmp_path, "n", COUNTS.replace("\t10\t", "\t-1\t")), "A")


def test_every_file_of_an_nf_core_tree_that_the_room_uses_suits_one_role() -> None:
    tree = {
        "star_salmon/A/quant.sf": ["quant"],
        "star_salmon/A/quant.genes.sf": ["quant"],
        "star_salmon/salmon.merged.gene_counts.tsv": ["gene_counts"],
        "star_salmon/salmon.merged.gene_tpm.tsv": ["gene_tpm"],
        "star_salmon/tx2gene.tsv": ["tx2gene"],
        "star_salmon/log/A.Log.final.out": ["rna_metrics"],
        "star_salmon/qualimap/A/rnaseq_qc_results.txt": ["rna_metrics"],
        "star_salmon/picard_metrics/A.rna_metrics": ["rna_metrics"],
        "star_rsem/A.genes.results": ["quant"],
        "star_rsem/rsem.merged.gene_counts.tsv": ["gene_counts"],
        "star_rsem/rsem.merged.gene_tpm.tsv": ["gene_tpm"],
        "star_salmon/A/aux_info/meta_info.json": ["rna_metrics"],
        "star_salmon/A/lib_format_counts.json": ["rna_metrics"],
        "kallisto/A/abundance.tsv": ["quant"],
        "kallisto/A/run_info.json": ["rna_metrics"],
        "star_salmon/salmon.merged.gene_counts.SummarizedExperiment.rds": [],
        "star_salmon/A/A.markdup.sorted.bam": ["rna_bam"],
        "multiqc/star_salmon/multiqc_report.html": [],
    }
    assert {name: [item.role for item in by_suffix(name, FORMATS)] for name in tree} == tree


def test_counts_of_biotypes_are_not_counts_of_genes(tmp_path: Path) -> None:
    header = "# Program:featureCounts\nGeneid\tChr\tStart\tEnd\tStrand\tLength\tA.bam\n"
    path = written(
        tmp_path, "A.featureCounts.txt", header + "protein_coding\t1\t1\t9\t+\t9\t5\nMt_rRNA\t1\t1\t9\t+\t9\t5\n"
    )
    with pytest.raises(InputError, match="biotype"):
        read_quantification(path)


def test_a_map_without_header_is_read_in_the_pipelines_order(tmp_path: Path) -> None:
    path = written(tmp_path, "salmon_tx2gene.tsv", "ENST00000000001.1\tENSG00000000001.2\tAAA\n")
    found = read_tx2gene(path)
    assert found.gene_of.to_dict() == {"ENST00000000001": "ENSG00000000001"}
    assert found.symbol_of.to_dict() == {"ENSG00000000001": "AAA"}


def test_a_report_is_verified_with_what_it_says(shared_data: Path) -> None:
    found = verify_metrics(shared_data / "rna/qc_multiqc/Log.final.out", Claim("x", "rnaseq"), Context())
    assert found == {"tool": "star_log", "mapped_share": 0.839280}
