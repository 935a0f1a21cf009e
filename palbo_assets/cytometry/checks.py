"""Asset checks of the room: for each product its contract and at least one biological or technical expectation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palbo_assets.cytometry.tables import BLOOD_COUNTS, FACS_ABUNDANCES, FACS_QC
from palbo_assets.platform.checks import row_check, schema_check
from palbo_assets.study.partitions import BATCH, SAMPLE
from palbo_assets.study.vocabulary import OBSERVED

if TYPE_CHECKING:
    import pandas as pd

_LYMPHOCYTES_AND_REST = ("T", "B", "NK", "monocytes", "granulocytes")


@row_check(BLOOD_COUNTS, BATCH, description="Lymphocytes don't exceed leukocytes")
def lymphocytes_are_leukocytes(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["alc_per_ul"] > rows["wbc_per_ul"]).fillna(False)]


@row_check(FACS_QC, SAMPLE, description="The acquisition passed quality")
def quality_did_not_fail(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["verdict"] == "fail").fillna(False)]


@row_check(FACS_QC, SAMPLE, description="The file's spill matrix was applied")
def sample_was_compensated(rows: pd.DataFrame) -> pd.DataFrame:
    """Spectral files are unmixed and carry none; for them this warning is expected."""
    return rows[~rows["compensated"].astype(bool)]


@row_check(FACS_ABUNDANCES, SAMPLE, description="No population holds more events than its parent")
def children_fit_their_parents(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["count"] > rows["parent_count"]).fillna(False)]


@row_check(
    FACS_ABUNDANCES, SAMPLE, description="The lineages of the leukocytes sum to no more than 100 % (1 % tolerance)"
)
def lineages_sum_to_the_leukocytes(rows: pd.DataFrame) -> pd.DataFrame:
    lineages = rows[rows["population"].isin(_LYMPHOCYTES_AND_REST)]
    sums = lineages.groupby("specimen_id")["pct_cd45"].sum()
    return lineages[lineages["specimen_id"].isin(sums.index[sums > 101])]


@row_check(
    FACS_ABUNDANCES, SAMPLE, description="A percentage is there exactly when its status is OBSERVED, and never 0"
)
def percentages_are_explained(rows: pd.DataFrame) -> pd.DataFrame:
    share = rows["pct_parent"]
    return rows[((rows["status"] == OBSERVED) != share.notna()) | (share <= 0).fillna(False)]


@row_check(FACS_ABUNDANCES, SAMPLE, description="An absolute count is there exactly when its status is OBSERVED")
def absolute_counts_are_explained(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["abs_status"] == OBSERVED) != rows["abs_per_ul"].notna()]


CHECKS = (
    schema_check(BLOOD_COUNTS, BATCH),
    schema_check(FACS_QC, SAMPLE),
    schema_check(FACS_ABUNDANCES, SAMPLE),
    lymphocytes_are_leukocytes,
    quality_did_not_fail,
    sample_was_compensated,
    children_fit_their_parents,
    lineages_sum_to_the_leukocytes,
    percentages_are_explained,
    absolute_counts_are_explained,
)
