"""The tables that the exome room publishes."""

from __future__ import annotations

from palbo_assets.genomics.consequence import MAF_CLASSES
from palbo_assets.platform.tables import (
    PATIENT_ID,
    SPECIMEN_ID,
    TIMEPOINT,
    Column,
    Storage,
    Table,
    boolean,
    integer,
    real,
    text,
)
from palbo_assets.study.snp_counts import SNP_COUNTS, SOURCES
from palbo_assets.wes.copy_tables import CLONAL_VARIANTS, CLONE_PREVALENCE, COPY_NUMBER_SEGMENTS, GENE_COPY_NUMBER
from palbo_assets.wes.process_tables import (
    APOBEC_ENRICHMENT,
    HRD_SCARS,
    MUTATION_SPECTRA,
    MUTATIONAL_SIGNATURES,
    PAIRED_MUTATIONAL_BURDEN,
    PRIVATE_SIGNATURES,
    TUMOUR_MUTATIONAL_BURDEN,
)

CLONALITY = ("CLONAL", "SUBCLONAL", "NOT_EVALUABLE")
AGREEMENTS = ("same", "other_transcript", "gene", "consequence", "protein_change")

_VARIANT_KEY: tuple[Column, ...] = (
    text("chrom", "Contig as the study's reference names it", nullable=False, key=True),
    integer("pos", "Position of the first reference base, 1-based", nullable=False, key=True, minimum=1),
    text("ref", "Reference allele, left-aligned, indels with their anchor base", nullable=False, key=True),
    text("alt", "Alternative allele", nullable=False, key=True),
)
_EFFECT: tuple[Column, ...] = (
    text("gene", "Gene symbol; null between genes"),
    text("transcript_id", "Transcript on which the consequence is stated: the gene's pinned one where there is one"),
    text("consequence", "MAF variant class", allowed=MAF_CLASSES),
    text("hgvsp_short", "Protein change in one-letter form, such as p.H1047R"),
    boolean("lof", "Loss of function: nonsense, frameshift, canonical splice site or lost start", nullable=False),
    boolean("hotspot", "Whether the hotspot list holds its protein change, its allele or its place", nullable=False),
)
_FRACTION = {"unit": "1", "minimum": 0.0, "maximum": 1.0}

SOMATIC_CALLS = Table(
    name="somatic_calls",
    description="Somatic SNVs and indels of a tumour against the patient's normal; near misses carry their reasons",
    grain="variant x specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        *_VARIANT_KEY,
        *_EFFECT,
        integer("t_depth", "Fragments that cover the place in the tumour", unit="fragments", minimum=0),
        integer("t_alt", "Fragments of the tumour with the alternative allele", unit="fragments", minimum=0),
        real("t_vaf", "Alternative fraction in the tumour", **_FRACTION),
        integer("t_alt_forward", "t_alt from forward reads", unit="fragments", minimum=0),
        integer("t_alt_reverse", "t_alt from reverse reads", unit="fragments", minimum=0),
        integer("t_alt_f1r2", "t_alt from fragments whose read 1 is forward", unit="fragments", minimum=0),
        integer("t_alt_f2r1", "t_alt from fragments whose read 1 is reverse", unit="fragments", minimum=0),
        real(
            "t_lod",
            "log10 odds of the alternative over base errors in the tumour (MuTect); null without reads",
            unit="log10",
        ),
        integer("n_depth", "Fragments that cover the place in the normal", unit="fragments", minimum=0),
        integer("n_alt", "Fragments of the normal with the alternative allele", unit="fragments", minimum=0),
        real("p_value", "One-sided Fisher p that the fraction is larger in the tumour", **_FRACTION),
        real("total_cn", "Copies in a tumour cell at the place; null where unknown", unit="copies", minimum=0.0),
        real("minor_cn", "Copies of the lesser allele at the place; null where unknown", unit="copies", minimum=0.0),
        real(
            "cn_cell_share",
            "Share of the tumour cells that have these copies; null where unknown: then ccf allows for any share",
            **_FRACTION,
        ),
        real("ccf", "Share of tumour cells with the alteration; null with a ccf_reason", **_FRACTION),
        real("ccf_low", "Lower end of the shortest 95 % interval of ccf", **_FRACTION),
        real("ccf_high", "Upper end of the shortest 95 % interval of ccf", **_FRACTION),
        text(
            "clonality", "CLONAL: the interval reaches all tumour cells, so it isn't shown subclonal", allowed=CLONALITY
        ),
        text("ccf_reason", "Why there is no ccf; empty where there is one"),
        text("filter", "PASS, or the reasons against the call joined by ;", nullable=False),
        text("caller_filter", "What the lab's caller put into FILTER; null where only we saw the variant"),
        text("source", "Who saw the variant: bam and callers' names, joined by +", nullable=False),
        boolean("forced", "Counted only because it was called in another specimen", nullable=False),
        boolean("evaluable", "Both samples are deep enough here to judge the variant", nullable=False),
        integer("callers_passing", "Sources that pass it, our own counting included", unit="sources", minimum=0),
        integer("callers_asked", "Sources that could have seen this kind of variant", unit="sources", minimum=0),
        text("lab_gene", "Gene symbol in the lab's own annotation (VEP, SnpEff, Funcotator, MAF); null without one"),
        text("lab_transcript_id", "Transcript of the lab's annotation: the pinned one where the lab states it"),
        text("lab_consequence", "MAF variant class by the lab's annotation", allowed=MAF_CLASSES),
        text("lab_hgvsp_short", "Protein change by the lab's annotation"),
        text(
            "lab_agreement",
            "Our annotation beside the lab's: what differs first, other_transcript where the lab judged another "
            "transcript and so can't be compared; null where only one of the two is there",
            allowed=AGREEMENTS,
        ),
    ),
)

SAMPLE_IDENTITY = Table(
    name="sample_identity",
    description="Whether a tumour and the patient's normal come from one person",
    grain="specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("verdict", "Outcome", nullable=False, allowed=("matched", "mismatch", "not_evaluable")),
        text("reason", "Stable code; empty for a clean match"),
        integer("n_sites", "SNPs that are deep enough in both samples", unit="SNPs", minimum=0),
        integer("n_homozygous", "Those that are homozygous in the normal", unit="SNPs", minimum=0),
        real("concordance", "Share of n_homozygous with the same genotype in the tumour", **_FRACTION),
        real("correlation", "Pearson's r of allele fractions over n_sites", unit="1", minimum=-1.0, maximum=1.0),
    ),
)

SNP_GENOTYPES = Table(
    name="snp_genotypes",
    description="Allele counts at identity SNPs in tumour and blood exomes. Identifies people: never leaves the study.",
    grain="SNP x specimen",
    columns=SNP_COUNTS,
    storage=Storage.PARQUET,
)
RNA_SNP_GENOTYPES = Table(
    name="rna_snp_genotypes",
    description="Allele counts at identity SNPs in RNA reads, where there are any. Identifies people: never leaves the"
    " study.",
    grain="SNP x specimen",
    columns=SNP_COUNTS,
    storage=Storage.PARQUET,
)

PLASMA_CONTAMINATION = Table(
    name="plasma_contamination",
    description="Share of another person's DNA in each plasma, at the panel's SNPs that are homozygous in the blood",
    grain="specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        real("contamination", "Share of another person's DNA; null with a reason", **_FRACTION),
        real("contamination_low", "Lower end of its 95 % interval", **_FRACTION),
        real("contamination_high", "Upper end of its 95 % interval", **_FRACTION),
        integer("n_sites", "SNPs that it rests on", unit="SNPs", nullable=False, minimum=0),
        text(
            "method",
            "Where the person is homozygous: by the blood, by the plasma itself, or not evaluable",
            nullable=False,
            allowed=("normal_homozygous", "own_homozygous", "not_evaluable"),
        ),
        text("frequencies", "Allele frequencies used", nullable=False, allowed=("snp_bed", "assumed")),
        text("verdict", "By the limits of exomes; null without an estimate", allowed=("pass", "warn", "fail")),
        text("reason", "Stable code; empty where there is an estimate", nullable=False),
    ),
)

VERDICTS = ("self_match", "swap", "unexpected_match", "no_match", "not_evaluable")
IDENTITY_MATCHES = Table(
    name="identity_matches",
    description="Every sequenced sample against every other: whose it is, how surely, and whose it seems to be instead",
    grain="specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("source", "What was sequenced", nullable=False, key=True, allowed=SOURCES),
        text("verdict", "Outcome; no_match: neither its patient's nor any other's", nullable=False, allowed=VERDICTS),
        text("likely_partner", "Patient that the sample seems to come from instead; null where it is its own"),
        text(
            "partner_specimen_id", "That patient's specimen that seems to be this patient's: the other side of a swap"
        ),
        integer("n_compared", "Samples that share enough SNPs with it", unit="samples", nullable=False, minimum=0),
        text("best_match", "Specimen that it matches best"),
        text("best_match_patient", "Patient of best_match"),
        integer("n_sites", "SNPs seen in both", unit="SNPs", minimum=0),
        integer("n_homozygous", "Those homozygous in both", unit="SNPs", minimum=0),
        real("concordance", "Share of n_homozygous with the same allele", **_FRACTION),
        real("relatedness", "1 - opposite homozygotes / those between strangers: 1 one person, 0 strangers", unit="1"),
        real(
            "correlation",
            "Pearson's r of alternative fractions with best_match, over n_sites (NGSCheckMate's measure)",
            unit="1",
            minimum=-1.0,
            maximum=1.0,
        ),
        real("score", "log10 likelihood ratio of one person against two, with best_match", unit="log10"),
        real("own_score", "The same with the best of the patient's own other samples", unit="log10"),
        real("margin", "Score of the best patient minus that of the next", unit="log10"),
    ),
)
IDENTITY_FAILURES = Table(
    name="identity_failures",
    description="Samples that aren't their patient's, by comparison with all others or by sex; no pair rests on them",
    grain="specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("source", "What was sequenced", nullable=False, key=True, allowed=SOURCES),
        text(
            "verdict",
            "Outcome; sex_mismatch: of the same person as a blood whose sex isn't the recorded one",
            nullable=False,
            allowed=(*VERDICTS, "sex_mismatch"),
        ),
        text("likely_partner", "Patient that the sample seems to come from; null where it is nobody's"),
    ),
)

SEXES = ("female", "male", "unclear", "not_evaluable")
SEX_CONCORDANCE = Table(
    name="sex_concordance",
    description="The recorded sex of each patient against the sex that the blood's reads show",
    grain="patient",
    columns=(
        PATIENT_ID,
        text("recorded_sex", "Sex in the clinical export; null where it holds none", allowed=SEXES[:2]),
        text("reads_sex", "Sex of the blood by both witnesses; unclear where they differ", allowed=SEXES),
        text("depth_sex", "Sex by depth of X and Y targets", allowed=SEXES),
        real("x_ratio", "Depth of X targets / of autosomal targets in the blood", unit="1", minimum=0.0),
        real("y_ratio", "Depth of Y targets / of autosomal targets in the blood", unit="1", minimum=0.0),
        text("heterozygosity_sex", "Sex by heterozygous SNPs on X", allowed=SEXES),
        integer("x_snps", "SNPs on X that are deep enough, outside what it shares with Y", unit="SNPs", minimum=0),
        integer("x_heterozygous", "Those that are heterozygous", unit="SNPs", minimum=0),
        real("x_score", "log10 likelihood ratio of two X against one, by these SNPs", unit="log10"),
        text("agreement", "Outcome", nullable=False, allowed=("concordant", "discordant", "not_evaluable")),
        text(
            "likely_partner",
            "Patient that the samples seem to come from; several, joined by ;, where only their sexes fit",
        ),
        text("partner_by", "What names the partner", allowed=("genotypes", "opposite_sex")),
        text("reason", "Stable code; empty where both agree", nullable=False),
    ),
)

_PERCENT = {"unit": "%", "minimum": 0.0, "maximum": 100.0}

READ_QC = Table(
    name="read_qc",
    description="Depth and cleanliness of a tumour exome and of the patient's normal",
    grain="specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        integer("reads", "Primary reads of the tumour", unit="reads", minimum=0),
        real("mapped_pct", "Mapped reads of the tumour", **_PERCENT),
        real("duplicate_pct", "Duplicates among mapped reads of the tumour", **_PERCENT),
        real("on_target_pct", "Unique mapped reads of the tumour within 100 bp of targets", **_PERCENT),
        real("tumour_mean_depth", "Mean depth over targets, duplicates out", unit="x", minimum=0.0),
        real("tumour_covered_20x_pct", "Target bases at 20x or more in the tumour", **_PERCENT),
        real("normal_mean_depth", "Mean depth over targets, duplicates out", unit="x", minimum=0.0),
        real("normal_covered_20x_pct", "Target bases at 20x or more in the normal", **_PERCENT),
        integer("callable_bases", "Target bases deep enough in tumour and normal for a call", unit="bases", minimum=0),
        integer("callable_coding_bases", "Those of them that are coding", unit="bases", minimum=0),
        real("insert_median", "Median fragment length of the tumour's proper pairs", unit="bp", minimum=0.0),
        real("insert_iqr", "Interquartile range of fragment lengths of the tumour", unit="bp", minimum=0.0),
        real("normal_insert_median", "Median fragment length of the normal's proper pairs", unit="bp", minimum=0.0),
        real("tumour_contamination", "Share of another person's DNA in the tumour", **_FRACTION),
        real("tumour_contamination_low", "Lower end of its 95 % interval", **_FRACTION),
        real("tumour_contamination_high", "Upper end of its 95 % interval", **_FRACTION),
        integer("tumour_contamination_sites", "SNPs that it rests on", unit="SNPs", minimum=0),
        text(
            "tumour_contamination_method",
            "Where the person is homozygous: by the normal, by the sample itself, or not evaluable",
            allowed=("normal_homozygous", "own_homozygous", "not_evaluable"),
        ),
        real("normal_contamination", "Share of another person's DNA in the normal, by its own SNPs", **_FRACTION),
        real("normal_contamination_high", "Upper end of its 95 % interval", **_FRACTION),
        text("contamination_frequencies", "Allele frequencies used", allowed=("snp_bed", "assumed")),
        text(
            "sex",
            "Sex by depth of X and Y in the normal",
            allowed=("female", "male", "unclear", "not_evaluable"),
        ),
        real("x_ratio", "Depth of X targets / of autosomal targets in the normal", unit="1", minimum=0.0),
        real("y_ratio", "Depth of Y targets / of autosomal targets in the normal", unit="1", minimum=0.0),
        text("metric_verdicts", "metric=pass|warn|fail, joined by ;"),
        text("verdict", "Worst of all metrics; null without targets", allowed=("pass", "warn", "fail")),
        text("reason", "Metrics that are no pass, or the reference that is missing; empty else"),
    ),
)

TABLES = (
    SOMATIC_CALLS,
    SAMPLE_IDENTITY,
    READ_QC,
    SNP_GENOTYPES,
    RNA_SNP_GENOTYPES,
    PLASMA_CONTAMINATION,
    IDENTITY_MATCHES,
    IDENTITY_FAILURES,
    SEX_CONCORDANCE,
    COPY_NUMBER_SEGMENTS,
    GENE_COPY_NUMBER,
    CLONAL_VARIANTS,
    CLONE_PREVALENCE,
    MUTATION_SPECTRA,
    MUTATIONAL_SIGNATURES,
    PRIVATE_SIGNATURES,
    APOBEC_ENRICHMENT,
    TUMOUR_MUTATIONAL_BURDEN,
    PAIRED_MUTATIONAL_BURDEN,
    HRD_SCARS,
)
