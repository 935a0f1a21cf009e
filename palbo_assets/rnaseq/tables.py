"""The typed tables that the room publishes."""

from __future__ import annotations

from palbo_assets.platform.tables import (
    PATIENT_ID,
    SPECIMEN_ID,
    TIMEPOINT,
    Storage,
    Table,
    boolean,
    integer,
    real,
    text,
)
from palbo_assets.rnaseq.intrinsic_subtype import SUBTYPES
from palbo_assets.study.vocabulary import OBSERVED, Absence, Qc

_STATUSES = (OBSERVED, str(Absence.NOT_EVALUABLE), str(Absence.QC_FAIL))
_QC = tuple(str(verdict) for verdict in Qc)

EXPRESSION = Table(
    name="expression",
    description="Reads, TPM and effective length of every annotated gene of a tumour biopsy",
    grain="gene x specimen",
    storage=Storage.PARQUET,
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("gene_id", "Gene accession of the annotation, without version", nullable=False, key=True),
        text("gene_symbol", "Current gene symbol; null where the annotation names none"),
        real("count", "Reads of the gene (fractional when shared out)", unit="reads", nullable=False, minimum=0),
        real("tpm", "Transcripts per million; null when the quantifier reports no lengths", unit="TPM", minimum=0),
        real("effective_length", "TPM-weighted mean effective length of the transcripts", unit="bases", minimum=0),
    ),
)

RNA_QC = Table(
    name="rna_qc",
    description="Quality of an expression sample: measures, verdict and its reasons",
    grain="specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("tool", "Quantifier that wrote the table, recognised by its header"),
        real("assigned_reads", "Reads assigned to genes", unit="reads", minimum=0),
        integer("genes_annotated", "Genes of the annotation", unit="genes", minimum=0),
        integer("genes_tpm_above_1", "Genes with TPM > 1", unit="genes", minimum=0),
        integer("genes_tpm_above_4", "Genes with TPM > 4", unit="genes", minimum=0),
        real("mapped_share", "Share of reads that aligned; null when unaligned reads aren't listed", unit="1",
             minimum=0, maximum=1),
        real("mito_share", "Share of assigned reads in mitochondrial genes", unit="1", minimum=0, maximum=1),
        real("haemoglobin_share", "Share of assigned reads in HBA1, HBA2 and HBB", unit="1", minimum=0, maximum=1),
        real("xist_tpm", "XIST, expressed with two X chromosomes", unit="TPM", minimum=0),
        real("rps4y1_tpm", "RPS4Y1, expressed with a Y chromosome", unit="TPM", minimum=0),
        integer("housekeeping_expressed", "Housekeeping genes with TPM > 1", unit="genes", minimum=0),
        integer("housekeeping_total", "Housekeeping genes in the annotation", unit="genes", minimum=0),
        real("tpm_sum", "Sum of TPM over genes; a million when every transcript has its gene", unit="TPM", minimum=0),
        real("unmapped_share", "Share of reads on transcripts that the transcript-to-gene map lacks", unit="1",
             minimum=0, maximum=1),
        text("strandedness", "Strand of the library, inferred from STAR's columns; null for other tools",
             allowed=("forward", "reverse", "unstranded", "undetermined")),
        text("verdict", "Verdict; null when nothing could be computed", allowed=_QC),
        text("reasons", "What failed or warned, separated by semicolons; empty when nothing did", nullable=False),
        text("not_judged", "What couldn't be judged, separated by semicolons", nullable=False),
        text("status", "OBSERVED, or why there is no verdict", nullable=False, allowed=_STATUSES),
    ),
)  # fmt: skip

EXPRESSION_SIGNATURES = Table(
    name="expression_signatures",
    description="Single-sample signature scores and key genes (signature gene:<symbol>)",
    grain="signature x specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("signature", "Gene set, literature signature, or gene:<symbol>", nullable=False, key=True),
        real("score", "Score in `unit`; null unless OBSERVED", unit="see unit"),
        text("unit", "Unit of the score", nullable=False, allowed=("rank sum", "TPM", "log2", "log2(TPM+1)")),
        text("method", "Rule of the score", nullable=False,
             allowed=("ssgsea", "geometric_mean", "mean_log2", "log2_ratio", "log2_tpm")),
        integer("genes_present", "Genes of the signature in the annotation", unit="genes", nullable=False, minimum=0),
        integer("genes_total", "Genes of the signature; null when its set isn't there", unit="genes", minimum=1),
        text("status", "OBSERVED, or why there is no score", nullable=False, allowed=_STATUSES),
        text("reason", "Why there is no score; empty when there is one", nullable=False),
    ),
)  # fmt: skip

INTRINSIC_SUBTYPE = Table(
    name="intrinsic_subtype",
    description="Intrinsic subtype (PAM50) against a frozen reference",
    grain="specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("subtype", "Centroid with the highest correlation; null unless OBSERVED", allowed=SUBTYPES),
        real("margin", "Highest minus second correlation", unit="1", minimum=0, maximum=2),
        boolean("confident", "Margin reaches the limit and the call isn't Normal-like"),
        text("reference", "Centroids and frozen medians: name, version and checksum of each"),
        *(
            real(f"rho_{name.lower()}", f"Spearman correlation with centroid {name}", unit="1", minimum=-1, maximum=1)
            for name in SUBTYPES
        ),
        integer("genes_used", "Genes of the centroids that were used", unit="genes", minimum=0),
        text("status", "OBSERVED, or why there is no call", nullable=False, allowed=_STATUSES),
        text("reason", "Why there is no call, or what to mind; empty otherwise", nullable=False),
    ),
)

TABLES = (EXPRESSION, RNA_QC, EXPRESSION_SIGNATURES, INTRINSIC_SUBTYPE)
