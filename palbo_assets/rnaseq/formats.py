"""The files that a lab may deliver as RNA-seq, each verified by the parser that the products use."""

from __future__ import annotations

from pathlib import Path

from palbo_assets.genomics.delivered_alignments import verify_alignments
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context, FileFormat, Finding, Scope
from palbo_assets.study.vocabulary import Modality

QUANT_TOOLS = ("salmon", "kallisto", "rsem")


def verify_quant(path: Path, claim: Claim, context: Context) -> Finding:
    """A table with TPM and effective lengths (salmon, kallisto, RSEM); it is read whole."""
    return _verify(path, claim, "quant")


def verify_gene_counts(path: Path, claim: Claim, context: Context) -> Finding:
    """A table of gene counts (STAR, featureCounts, HTSeq); it is read whole."""
    finding = _verify(path, claim, "gene_counts")
    _check_beside(path, context.siblings.get("gene_tpm"), claim.sample_name, path)
    return finding


def _verify(path: Path, claim: Claim, role: str) -> Finding:
    from palbo_assets.rnaseq.identifiers import count_excel_damage
    from palbo_assets.rnaseq.quantifiers import read_quantification

    found = read_quantification(path, claim.sample_name)
    right_role = "quant" if found.tool in QUANT_TOOLS else "gene_tpm" if found.tool == "matrix_tpm" else "gene_counts"
    if role == "gene_tpm" and found.tool == "matrix":
        raise InputError(
            "E_SCHEMA",
            "the column doesn't sum to one million, so it holds no TPM (reads, FPKM or RPKM, or rows are missing)",
            file=path.name,
            fix="deliver the matrix of TPM as the pipeline wrote it; a matrix of reads has the role gene_counts",
        )
    if role != right_role:
        raise InputError(
            "E_SCHEMA",
            f"the header is {found.tool}'s, and the row says role {role}",
            file=path.name,
            row=1,
            fix=f"name the role {right_role}",
        )
    if found.count_column and claim.sample_name and claim.sample_name not in found.count_column:
        raise InputError(
            "E_SAMPLE_MISMATCH",
            "the count column is named after another sample than sample_name",
            file=path.name,
            column="sample_name",
            fix="check which BAM was counted, and correct the delivery row or the file",
        )
    finding: dict[str, str | int | float] = {
        "tool": found.tool,
        "level": found.level,
        "features": len(found.ids),
        "assigned_reads": round(found.assigned_reads, 3),
        "excel_damaged_symbols": count_excel_damage(found.ids),
    }
    if found.strandedness:
        finding["strandedness"] = found.strandedness
    return finding


def verify_gene_tpm(path: Path, claim: Claim, context: Context) -> Finding:
    """A merged matrix of TPM, one sample of it; the matrix of reads comes beside it."""
    finding = _verify(path, claim, "gene_tpm")
    _check_beside(context.siblings.get("gene_counts"), path, claim.sample_name, path)
    return finding


def _check_beside(reads: Path | None, tpm: Path | None, sample_name: str, judged: Path) -> None:
    """The matrices of reads and of TPM of one sample are in two units; raises ``E_SCHEMA`` where they aren't.

    The other matrix is verified as itself: when it can't be read, nothing is said of this one.
    """
    from palbo_assets.rnaseq.abundance_units import refuse_one_unit_for_two
    from palbo_assets.rnaseq.quantifiers import read_quantification
    from palbo_assets.rnaseq.settings import Settings

    if reads is None or tpm is None:
        return
    try:
        counted, abundance = read_quantification(reads, sample_name), read_quantification(tpm, sample_name)
    except InputError:
        return
    if counted.tool == "matrix" and abundance.tpm is not None and set(counted.ids) == set(abundance.ids):
        values = counted.ids.map(dict(zip(abundance.ids, abundance.tpm, strict=True))).to_numpy(dtype=float)
        refuse_one_unit_for_two(counted.counts, values, Settings(), file=judged.name)


def verify_metrics(path: Path, claim: Claim, context: Context) -> Finding:
    """A report on the library, of an aligner, a quantifier or a metrics tool; see `library_metrics`."""
    from palbo_assets.rnaseq.library_metrics import read_metrics

    found = read_metrics(path)
    measured = {
        "mapped_share": found.mapped_share,
        "three_prime_ratio": found.three_prime_ratio,
        "ribosomal_share": found.ribosomal_share,
    }
    finding: dict[str, str | int | float] = {"tool": found.tools[0]}
    finding.update({name: round(value, 6) for name, value in measured.items() if value is not None})
    if found.strandedness:
        finding["strandedness"] = found.strandedness
    return finding


def verify_tx2gene(path: Path, claim: Claim, context: Context) -> Finding:
    """A transcript-to-gene map with header; it is read whole."""
    from palbo_assets.rnaseq.identifiers import count_excel_damage
    from palbo_assets.rnaseq.transcript_map import read_tx2gene

    found = read_tx2gene(path)
    return {
        "transcripts": len(found.gene_of),
        "genes": int(found.gene_of.nunique()),
        "symbols": int(found.symbol_of.nunique()),
        "excel_damaged_symbols": count_excel_damage(found.symbol_of),
    }


def _plain_or_gzip(*suffixes: str) -> tuple[str, ...]:
    return tuple(suffix + ending for suffix in suffixes for ending in ("", ".gz"))


FORMATS: tuple[FileFormat, ...] = (
    FileFormat(
        modality=Modality.RNASEQ,
        role="quant",
        suffixes=_plain_or_gzip(".sf", "abundance.tsv", ".genes.results", ".isoforms.results"),
        scope=Scope.SAMPLE,
        verify=verify_quant,
        description="Expression with TPM and effective lengths: salmon quant.sf, kallisto abundance.tsv, RSEM results",
    ),
    FileFormat(
        modality=Modality.RNASEQ,
        role="gene_counts",
        suffixes=_plain_or_gzip(
            "readspergene.out.tab", ".featurecounts.txt", ".htseq.txt", ".counts.tsv", "gene_counts.tsv"
        ),
        scope=Scope.SAMPLE,
        verify=verify_gene_counts,
        description="Gene counts: STAR ReadsPerGene.out.tab, featureCounts, HTSeq, or a merged matrix and sample_name",
    ),
    FileFormat(
        modality=Modality.RNASEQ,
        role="gene_tpm",
        suffixes=_plain_or_gzip("gene_tpm.tsv"),
        scope=Scope.SAMPLE,
        verify=verify_gene_tpm,
        description="Merged matrix of TPM (nf-core/rnaseq) and sample_name; comes beside the matrix of reads",
    ),
    FileFormat(
        modality=Modality.RNASEQ,
        role="rna_metrics",
        suffixes=_plain_or_gzip(
            "log.final.out",
            "rna_metrics",
            "rna_metrics.txt",
            "rnaseq_qc_results.txt",
            "meta_info.json",
            "run_info.json",
            "lib_format_counts.json",
        ),
        scope=Scope.SAMPLE,
        verify=verify_metrics,
        description="Report on the library: STAR Log.final.out, Picard CollectRnaSeqMetrics, Qualimap rnaseq, salmon "
        "meta_info and lib_format_counts, kallisto run_info",
    ),
    FileFormat(
        modality=Modality.RNASEQ,
        role="rna_bam",
        suffixes=(".bam", ".cram"),
        scope=Scope.SAMPLE,
        verify=verify_alignments,
        description="RNA reads aligned to the study's genome, sorted by coordinate: they tell whose sample it is",
    ),
    FileFormat(
        modality=Modality.RNASEQ,
        role="tx2gene",
        suffixes=_plain_or_gzip("tx2gene.csv", "tx2gene.tsv"),
        scope=Scope.COHORT,
        verify=verify_tx2gene,
        description="Transcript, gene and symbol of the annotation that all samples were quantified with",
    ),
)
