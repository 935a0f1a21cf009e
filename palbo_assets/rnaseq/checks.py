"""Asset checks of the room: for each product its contract and at least one biological or technical expectation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palbo_assets.platform.checks import row_check, schema_check
from palbo_assets.rnaseq.tables import EXPRESSION, EXPRESSION_SIGNATURES, INTRINSIC_SUBTYPE, RNA_QC
from palbo_assets.study.partitions import SAMPLE
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


CHECKS = (
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
)
