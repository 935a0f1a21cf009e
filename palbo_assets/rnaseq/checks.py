"""Asset checks of the room: for each product its contract and at least one biological or technical expectation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palbo_assets.platform.checks import row_check, schema_check
from palbo_assets.rnaseq.tables import (
    EXPRESSION,
    EXPRESSION_SIGNATURES,
    IMMUNE_DECONVOLUTION,
    INTRINSIC_SUBTYPE,
    PAIRED_CONTRASTS,
    PAIRED_EXPRESSION,
    PAIRED_SETS,
    RNA_IDENTITY,
    RNA_QC,
)
from palbo_assets.study.partitions import COHORT, SAMPLE
from palbo_assets.study.vocabulary import OBSERVED

if TYPE_CHECKING:
    import pandas as pd


@row_check(EXPRESSION, SAMPLE, description="The TPM of a specimen sum to a million (1 % tolerance)")
def tpm_sums_to_a_million(rows: pd.DataFrame) -> pd.DataFrame:
    """The first gene of each specimen whose TPM don't; a specimen without TPM or without reads is left to rna_qc."""
    sums = rows.groupby("specimen_id")["tpm"].sum(min_count=1).fillna(0).astype(float)
    wrong = sums.index[(sums > 0) & ((sums / 1e6 - 1).abs() > 0.01)]
    return rows[rows["specimen_id"].isin(wrong)].drop_duplicates("specimen_id")


@row_check(EXPRESSION, SAMPLE, description="A gene with TPM has reads, and a gene without reads has no TPM")
def tpm_and_reads_agree(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["tpm"].notna() & ((rows["tpm"] > 0.01) & (rows["count"] == 0))).fillna(False)]


@row_check(RNA_QC, SAMPLE, description="Every housekeeping gene of the annotation is expressed")
def housekeeping_is_expressed(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["housekeeping_expressed"] < rows["housekeeping_total"]).fillna(False)]


@row_check(RNA_QC, SAMPLE, description="The sample passed quality")
def quality_did_not_fail(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["verdict"] == "fail").fillna(False)]


@row_check(RNA_QC, SAMPLE, description="No biopsy expresses both the X and the Y marker gene, as a mixture would")
def sex_genes_exclude_each_other(rows: pd.DataFrame) -> pd.DataFrame:
    """XIST and RPS4Y1 both above 1 TPM. Neither is no finding: tumours lose XIST."""
    return rows[((rows["xist_tpm"] > 1) & (rows["rps4y1_tpm"] > 1)).fillna(False)]


@row_check(EXPRESSION_SIGNATURES, SAMPLE, description="A score is there exactly when its status is OBSERVED")
def scores_are_explained(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["status"] == OBSERVED) != rows["score"].notna()]


@row_check(EXPRESSION_SIGNATURES, SAMPLE, description="Signatures have the genes that they need")
def signatures_are_covered(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["reason"].isin(("TOO_FEW_GENES", "NOT_IN_ANNOTATION"))]


@row_check(INTRINSIC_SUBTYPE, SAMPLE, description="The call is confident and not Normal-like")
def subtype_is_confident(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["status"] == OBSERVED) & ~rows["confident"].fillna(False)]


@row_check(INTRINSIC_SUBTYPE, SAMPLE, description="A call is explained: null exactly when the status isn't OBSERVED")
def calls_are_explained(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["status"] == OBSERVED) != rows["subtype"].notna()]


@row_check(IMMUNE_DECONVOLUTION, SAMPLE, description="The cell fractions of a specimen, Other included, sum to 1")
def fractions_sum_to_one(rows: pd.DataFrame) -> pd.DataFrame:
    shares = rows[(rows["method"] == "quantiseq") & (rows["status"] == OBSERVED)]
    sums = shares.groupby("specimen_id")["value"].transform("sum").astype(float)
    return shares[(sums - 1).abs() > 1e-6]


@row_check(IMMUNE_DECONVOLUTION, SAMPLE, description="Every population has the genes that it needs")
def populations_are_covered(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["reason"] == "TOO_FEW_GENES"]


@row_check(RNA_IDENTITY, COHORT, description="No biopsy expresses another sex than the recorded one")
def expressed_sex_is_the_recorded_one(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["sex"] == "discordant"]


@row_check(
    RNA_IDENTITY, COHORT, description="No biopsy of another site expresses liver genes, none of the liver is liver"
)
def biopsies_hold_no_hepatocytes(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["reasons"].str.contains("HEPATOCYTES|LIVER_GENES").fillna(False).astype(bool)]


@row_check(PAIRED_CONTRASTS, COHORT, description="No patient with both samples is left out of a comparison")
def no_pair_is_left_out(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["n_left_out"] > 0]


@row_check(PAIRED_EXPRESSION, COHORT, description="Fewer than half of the tested genes change")
def most_genes_do_not_change(rows: pd.DataFrame) -> pd.DataFrame:
    """The first gene of a contrast in which most change: size factors assume that most genes don't."""
    tested = rows[rows["q_value"].notna()]
    share = (tested["q_value"] < 0.05).groupby(tested["contrast"]).mean()
    return rows[rows["contrast"].isin(share.index[share > 0.5])].drop_duplicates("contrast")


@row_check(
    PAIRED_SETS, COHORT, description="Genes and patients agree on the direction of every set that changes by both"
)
def genes_and_patients_agree(rows: pd.DataFrame) -> pd.DataFrame:
    both = rows[((rows["q_value"] < 0.05) & (rows["paired_q_value"] < 0.05)).fillna(False)]
    return both[(both["mean_wald_difference"] > 0) != (both["score_change_median"] > 0)]


SAMPLE_CHECKS = (
    schema_check(EXPRESSION, SAMPLE),
    tpm_sums_to_a_million,
    tpm_and_reads_agree,
    schema_check(RNA_QC, SAMPLE),
    housekeeping_is_expressed,
    quality_did_not_fail,
    sex_genes_exclude_each_other,
    schema_check(EXPRESSION_SIGNATURES, SAMPLE),
    scores_are_explained,
    signatures_are_covered,
    schema_check(INTRINSIC_SUBTYPE, SAMPLE),
    subtype_is_confident,
    calls_are_explained,
    schema_check(IMMUNE_DECONVOLUTION, SAMPLE),
    fractions_sum_to_one,
    populations_are_covered,
)
COHORT_CHECKS = (
    schema_check(RNA_IDENTITY, COHORT),
    expressed_sex_is_the_recorded_one,
    biopsies_hold_no_hepatocytes,
    schema_check(PAIRED_CONTRASTS, COHORT),
    no_pair_is_left_out,
    schema_check(PAIRED_EXPRESSION, COHORT),
    most_genes_do_not_change,
    schema_check(PAIRED_SETS, COHORT),
    genes_and_patients_agree,
)
CHECKS = (*SAMPLE_CHECKS, *COHORT_CHECKS)
