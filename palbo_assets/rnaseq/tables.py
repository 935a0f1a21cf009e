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
        real("hepatocyte_share", "Share of assigned reads in ALB and APOA1", unit="1", minimum=0, maximum=1),
        real("three_prime_ratio", "Median coverage at the 3' end over the 5' end; null where no metrics are delivered",
             unit="1", minimum=0),
        real("ribosomal_share", "Share of aligned bases in ribosomal RNA, from delivered metrics", unit="1", minimum=0,
             maximum=1),
        real("exonic_share", "Share of aligned bases in exons, from delivered metrics", unit="1", minimum=0, maximum=1),
        integer("symbols_renamed", "Genes whose symbol was brought up to date", unit="genes", minimum=0),
        integer("symbols_repaired", "Of those, symbols that a spreadsheet turned into dates", unit="genes", minimum=0),
        integer("symbols_ambiguous", "Genes whose name several approved genes carry; kept as written", unit="genes",
                minimum=0),
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
        text("signature", "Gene set, literature signature, or gene: and a symbol", nullable=False, key=True),
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

IMMUNE_DECONVOLUTION = Table(
    name="immune_deconvolution",
    description="Immune and stromal cells of a biopsy by expression: fractions (quanTIseq) and scores (MCP-counter)",
    grain="method x population x specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("method", "quantiseq: fractions, comparable with one another; mcp_counter: each with itself only",
             nullable=False, key=True, allowed=("quantiseq", "mcp_counter")),
        text("population", "Cell type as the reference names it; Other is what no immune profile explains",
             nullable=False, key=True),
        real("value", "Fraction of all cells, or mean log2(TPM + 1) of markers, as `unit` says; null unless OBSERVED",
             unit="see unit", minimum=0),
        text("unit", "Unit of the value", nullable=False, allowed=("1", "log2(TPM+1)")),
        integer("genes_present", "Genes of the signature or markers found", unit="genes", nullable=False, minimum=0),
        integer("genes_total", "Genes of the signature or markers; null without reference", unit="genes", minimum=1),
        text("status", "OBSERVED, or why there is no value", nullable=False, allowed=_STATUSES),
        text("reason", "Why there is no value; empty when there is one", nullable=False),
    ),
)  # fmt: skip

RNA_IDENTITY = Table(
    name="rna_identity",
    description="Whether an expression profile is its patient's and suits the recorded sex, the site and the cohort",
    grain="specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("recorded_sex", "Sex in the clinical export", allowed=("female", "male")),
        text("expressed_sex", "Sex that XIST and RPS4Y1 say; null where neither is expressed",
             allowed=("female", "male", "mixed")),
        text("sex", "Do both agree", nullable=False, allowed=("concordant", "discordant", "not_evaluable")),
        text("anatomic_site", "Where the biopsy was taken, as the clinical export says"),
        real("hepatocyte_share", "Share of assigned reads in ALB and APOA1", unit="1", minimum=0, maximum=1),
        real("median_correlation", "Median Spearman correlation with the other specimens; null with fewer than three",
             unit="1", minimum=-1, maximum=1),
        text("verdict", "fail: another person, another sex, or unlike the cohort; warn: liver genes; null: not judged",
             allowed=_QC),
        text("reasons", "What failed or warned, separated by semicolons; empty when nothing did", nullable=False),
    ),
)  # fmt: skip

_CONTRAST = text("contrast", "Later timepoint against baseline of the same patients", nullable=False, key=True,
                 allowed=("BL_W06", "BL_W12", "BL_PD"))  # fmt: skip

PAIRED_CONTRASTS = Table(
    name="paired_contrasts",
    description="Comparisons of two timepoints of the same patients: how many pairs, and whether they suffice",
    grain="contrast",
    columns=(
        _CONTRAST,
        text("timepoint", "Later timepoint", nullable=False, allowed=("W06", "W12", "PD")),
        integer("n_pairs", "Pairs that are compared", unit="pairs", nullable=False, minimum=0),
        integer("n_left_out", "Patients with both samples who are left out", unit="pairs", nullable=False, minimum=0),
        text("left_out", "Why they are left out, with counts", nullable=False),
        text("status", "OBSERVED, or why the contrast isn't tested", nullable=False, allowed=_STATUSES),
        text("reason", "Why it isn't tested; empty when it is", nullable=False),
    ),
)

PAIRED_EXPRESSION = Table(
    name="paired_expression",
    description="Genes that change between baseline and a later timepoint (DESeq2, design ~ patient + timepoint)",
    grain="gene x contrast",
    storage=Storage.PARQUET,
    columns=(
        _CONTRAST,
        text("gene_id", "Gene accession of the annotation, without version", nullable=False, key=True),
        text("gene_symbol", "Current gene symbol; null where the annotation names none"),
        integer("n_pairs", "Pairs that were compared", unit="pairs", nullable=False, minimum=1),
        real("base_mean", "Mean of normalised reads", unit="reads", minimum=0),
        real("log2_fold_change", "Change from baseline, maximum likelihood", unit="log2"),
        real("lfc_se", "Standard error of the change", unit="log2", minimum=0),
        real("wald", "Change divided by its standard error", unit="1"),
        real("p_value", "Wald test", unit="1", minimum=0, maximum=1),
        real("q_value", "Benjamini-Hochberg; null where filtering left the gene out", unit="1", minimum=0, maximum=1),
        boolean("significant", "q value and fold change reach the limits", nullable=False),
    ),
)

PAIRED_SETS = Table(
    name="paired_sets",
    description="Gene sets that change between baseline and a later timepoint",
    grain="signature x contrast",
    columns=(
        _CONTRAST,
        text("signature", "Gene set", nullable=False, key=True),
        integer("genes_tested", "Genes of the set that were tested", unit="genes", nullable=False, minimum=0),
        integer("genes_total", "Genes of the set", unit="genes", nullable=False, minimum=1),
        real("mean_wald_difference", "Mean Wald statistic of the set's genes minus that of the others", unit="1"),
        real("p_value", "CAMERA on the Wald statistics, inter-gene correlation 0.01", unit="1", minimum=0, maximum=1),
        real("q_value", "Benjamini-Hochberg over the sets of the contrast", unit="1", minimum=0, maximum=1),
        integer("n_pairs", "Pairs with both single-sample scores", unit="pairs", minimum=0),
        real("score_change_median", "Median change of the single-sample score", unit="rank sum"),
        real("paired_p_value", "Wilcoxon signed ranks of the score's changes", unit="1", minimum=0, maximum=1),
        real("paired_q_value", "Benjamini-Hochberg over the sets of the contrast", unit="1", minimum=0, maximum=1),
        text("status", "OBSERVED, or why the set isn't tested", nullable=False, allowed=_STATUSES),
        text("reason", "Why it isn't tested; empty when it is", nullable=False),
    ),
)

TABLES = (
    EXPRESSION, RNA_QC, EXPRESSION_SIGNATURES, INTRINSIC_SUBTYPE, IMMUNE_DECONVOLUTION, RNA_IDENTITY, PAIRED_CONTRASTS,
    PAIRED_EXPRESSION, PAIRED_SETS,
)  # fmt: skip
