"""Checks of copy number and clones: contracts, and what biology and the tools allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palbo_assets.platform.checks import row_check, schema_check
from palbo_assets.study.partitions import PATIENT, SAMPLE
from palbo_assets.wes.copy_tables import CLONAL_VARIANTS, CLONE_PREVALENCE, COPY_NUMBER_SEGMENTS, GENE_COPY_NUMBER
from palbo_assets.wes.settings import Settings

if TYPE_CHECKING:
    import pandas as pd


@row_check(COPY_NUMBER_SEGMENTS, SAMPLE, description="Two stated purities of one tumour agree within 0.15")
def stated_purities_agree(rows: pd.DataFrame) -> pd.DataFrame:
    apart = (rows["purity"] - rows["other_purity"]).abs() > Settings().purity_tolerance
    return rows[apart.fillna(False)]


@row_check(COPY_NUMBER_SEGMENTS, SAMPLE, description="The lesser allele has at most half of the copies")
def lesser_allele_is_the_lesser(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["minor_cn"] > rows["total_cn"] / 2 + 0.5).fillna(False)]


@row_check(COPY_NUMBER_SEGMENTS, SAMPLE, description="At most 1,000 segments: more is noise")
def segments_are_plausibly_many(rows: pd.DataFrame) -> pd.DataFrame:
    many = rows.groupby("specimen_id")["start"].transform("size") > Settings().cn_max_segments
    return rows[many]


@row_check(GENE_COPY_NUMBER, SAMPLE, description="At most a tenth of the genes have no copy: cells die of more")
def few_genes_are_deleted(rows: pd.DataFrame) -> pd.DataFrame:
    deleted = rows["state"] == "HOMOZYGOUS_DELETION"
    share = deleted.groupby(rows["specimen_id"]).transform("mean")
    return rows[deleted & (share > Settings().cn_max_deleted_share)]


@row_check(GENE_COPY_NUMBER, SAMPLE, description="Copies are only judged of a tumour with a stated purity")
def judged_genes_have_a_purity(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["state"] != "NOT_EVALUABLE") & rows["purity"].isna()]


@row_check(CLONAL_VARIANTS, PATIENT, description="A change is only told of variants with both cell fractions")
def changes_rest_on_two_fractions(rows: pd.DataFrame) -> pd.DataFrame:
    known = rows["baseline_ccf"].notna() & rows["progression_ccf"].notna()
    return rows[(rows["change"] != "NOT_EVALUABLE") != known]


@row_check(CLONE_PREVALENCE, PATIENT, description="A patient's first clone is clonal in at least one tumour")
def a_trunk_is_there(rows: pd.DataFrame) -> pd.DataFrame:
    """Otherwise purity or copy number is probably wrong: some mutation came first."""
    trunk = rows[rows["clone"] == 1]
    return trunk if not trunk.empty and not trunk["clonal"].astype(bool).any() else trunk.iloc[:0]


COPY_CHECKS = (
    schema_check(CLONAL_VARIANTS, PATIENT),
    changes_rest_on_two_fractions,
    schema_check(CLONE_PREVALENCE, PATIENT),
    a_trunk_is_there,
    schema_check(COPY_NUMBER_SEGMENTS, SAMPLE),
    stated_purities_agree,
    lesser_allele_is_the_lesser,
    segments_are_plausibly_many,
    schema_check(GENE_COPY_NUMBER, SAMPLE),
    few_genes_are_deleted,
    judged_genes_have_a_purity,
)
