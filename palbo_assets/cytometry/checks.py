"""Asset checks of the room: for each product its contract and at least one biological or technical expectation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palbo_assets.cytometry.tables import (
    BLOOD_COUNTS,
    FACS_ABUNDANCES,
    FACS_BATCH_BOUNDS,
    FACS_CHANGES,
    FACS_DENSITIES,
    FACS_GATES,
    FACS_QC,
    FACS_RATIOS,
)
from palbo_assets.platform.checks import row_check, schema_check
from palbo_assets.study.partitions import BATCH, COHORT, PATIENT, SAMPLE
from palbo_assets.study.vocabulary import OBSERVED

if TYPE_CHECKING:
    import pandas as pd

_LINEAGE_CUTS = ("CD45", "CD3", "CD19", "CD14", "CD4", "CD8")
_T_CELLS = ("CD4", "CD8", "CD4_CD8_double_positive", "CD4_CD8_double_negative")
_LYMPHOCYTES_AND_REST = ("T", "B", "NK", "monocytes", "granulocytes")


@row_check(BLOOD_COUNTS, BATCH, description="Lymphocytes don't exceed leukocytes")
def lymphocytes_are_leukocytes(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["alc_per_ul"] > rows["wbc_per_ul"]).fillna(False)]


@row_check(FACS_GATES, SAMPLE, description="The lineages' bounds were placed on the sample's own events")
def lineage_bounds_follow_the_sample(rows: pd.DataFrame) -> pd.DataFrame:
    """A fixed bound holds for the instrument and voltages that it was set on alone."""
    return rows[rows["cut"].isin(_LINEAGE_CUTS) & (rows["origin"] == "fixed").fillna(False)]


@row_check(FACS_GATES, SAMPLE, description="A bound is there exactly when its origin is")
def bounds_have_an_origin(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["origin"].notna() != rows["bound_linear"].notna()]


@row_check(FACS_DENSITIES, SAMPLE, description="A density is there exactly when the tube shows the channel")
def densities_belong_to_channels(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["density"].notna() != rows["origin"].notna()]


@row_check(FACS_DENSITIES, SAMPLE, description="The file says its cytometer and voltages, so that its batch is known")
def the_batch_is_known(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["batch"].isna()].drop_duplicates("specimen_id")


@row_check(FACS_BATCH_BOUNDS, COHORT, description="All specimens of a batch have one bound a cut")
def a_batch_is_cut_alike(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows.groupby(["batch", "cut"])["bound_scale"].transform("nunique") > 1]


@row_check(FACS_GATES, SAMPLE, description="The sample takes the bounds of its batch")
def bounds_suit_the_batch(rows: pd.DataFrame) -> pd.DataFrame:
    """Cuts whose pooled bound parts too many of the sample's events: its staining may differ."""
    return rows[rows["passed_over"].fillna("").str.contains("batch:unlike_the_sample")]


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
    FACS_ABUNDANCES, SAMPLE, description="CD4, CD8, double positive and double negative make up the T cells (1 %)"
)
def t_cells_sum_to_their_parts(rows: pd.DataFrame) -> pd.DataFrame:
    return off_the_whole(rows, _T_CELLS, "T", lowest=99.0, highest=101.0)


@row_check(
    FACS_ABUNDANCES, SAMPLE, description="T, B, NK, monocytes, granulocytes and the rest make up the leukocytes (5 %)"
)
def leukocytes_sum_to_their_parts(rows: pd.DataFrame) -> pd.DataFrame:
    return off_the_whole(rows, (*_LYMPHOCYTES_AND_REST, "lineage_negative"), "CD45", lowest=95.0, highest=101.0)


def off_the_whole(
    rows: pd.DataFrame, parts: tuple[str, ...], whole: str, *, lowest: float, highest: float
) -> pd.DataFrame:
    """Rows of the parts of each specimen whose counts don't sum to the whole [%]; all parts must have been assayed."""
    wide = rows[rows["count"].notna()].pivot(index="specimen_id", columns="population", values="count").astype(float)
    if whole not in wide or any(part not in wide for part in parts):
        return rows.iloc[:0]
    wide = wide[wide[whole] > 0]
    share = 100.0 * wide[list(parts)].sum(axis=1, min_count=len(parts)) / wide[whole]
    wrong = share.index[(share < lowest) | (share > highest)]
    return rows[rows["specimen_id"].isin(wrong) & rows["population"].isin(parts)]


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


@row_check(FACS_RATIOS, SAMPLE, description="A ratio is there exactly when its status is OBSERVED")
def ratios_are_explained(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["status"] == OBSERVED) != rows["value"].notna()]


@row_check(FACS_CHANGES, PATIENT, description="A patient's visits were acquired with one instrument, setting and lot")
def visits_were_acquired_alike(rows: pd.DataFrame) -> pd.DataFrame:
    """Intensities of such visits aren't compared; percentages are."""
    return flagged(rows, ("instrument", "voltages", "bead_lot", "panel_lot", "compensation"))


@row_check(FACS_CHANGES, PATIENT, description="A patient's visits are of one preparation: whole blood, or PBMC")
def visits_were_prepared_alike(rows: pd.DataFrame) -> pd.DataFrame:
    return flagged(rows, ("preparation",))


@row_check(FACS_CHANGES, PATIENT, description="Blood was drawn at one day of the cycle at every visit under treatment")
def visits_are_at_one_day_of_the_cycle(rows: pd.DataFrame) -> pd.DataFrame:
    """Neutrophils and lymphocytes fall and come back within each cycle; the protocol's weeks 6 and 12 differ in it."""
    return flagged(rows, ("cycle_day",))


def flagged(rows: pd.DataFrame, flags: tuple[str, ...]) -> pd.DataFrame:
    """One row for each pair of visits that differ in any of ``flags``."""
    told = rows["flags"].fillna("").str.split(";").map(lambda named: bool(set(flags) & set(named))).astype(bool)
    return rows[told].drop_duplicates(["earlier", "later"])


CHECKS = (
    schema_check(FACS_RATIOS, SAMPLE),
    ratios_are_explained,
    schema_check(FACS_CHANGES, PATIENT),
    visits_were_acquired_alike,
    visits_were_prepared_alike,
    visits_are_at_one_day_of_the_cycle,
    schema_check(FACS_DENSITIES, SAMPLE),
    densities_belong_to_channels,
    the_batch_is_known,
    schema_check(FACS_BATCH_BOUNDS, COHORT),
    a_batch_is_cut_alike,
    schema_check(FACS_GATES, SAMPLE),
    bounds_suit_the_batch,
    lineage_bounds_follow_the_sample,
    bounds_have_an_origin,
    t_cells_sum_to_their_parts,
    leukocytes_sum_to_their_parts,
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
