"""Asset checks of the room: for each product its contract and at least one biological or technical expectation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palbo_assets.platform.checks import row_check, schema_check
from palbo_assets.serum.tables import (
    ELISA_CONTROL_CHART,
    ELISA_CONTROLS,
    ELISA_PLATES,
    ELISA_RESULTS,
    NRG1_CHANGES,
    NRG1_ELISA,
)
from palbo_assets.study.partitions import BATCH, COHORT, SAMPLE
from palbo_assets.study.vocabulary import OBSERVED

if TYPE_CHECKING:
    import pandas as pd


@row_check(ELISA_PLATES, BATCH, description="The plate is accepted (ICH M10)")
def plate_is_accepted(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[~rows["accepted"].astype(bool)]


@row_check(ELISA_PLATES, BATCH, description="The limit of detection lies below the limit of quantification")
def detection_lies_below_quantification(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["lod_pg_ml"] > rows["lloq_pg_ml"]).fillna(False)]


@row_check(ELISA_RESULTS, BATCH, description="A patient with several visits planned has them on one plate")
def visits_share_the_plate(rows: pd.DataFrame) -> pd.DataFrame:
    """A difference between visits on two plates carries the variance between plates."""
    return rows[(rows["timepoints_on_plate"] < 2).fillna(False)]


@row_check(ELISA_RESULTS, BATCH, description="No value stands outside the limits of quantification")
def values_lie_within_the_limits(rows: pd.DataFrame) -> pd.DataFrame:
    value = rows["concentration_pg_ml"]
    return rows[((value < rows["lloq_pg_ml"]) | (value > rows["uloq_pg_ml"])).fillna(False)]


@row_check(NRG1_ELISA, SAMPLE, description="A concentration is there exactly when its status is OBSERVED, and never 0")
def values_are_explained(rows: pd.DataFrame) -> pd.DataFrame:
    value = rows["concentration_pg_ml"]
    return rows[((rows["status"] == OBSERVED) != value.notna()) | (value <= 0).fillna(False)]


@row_check(NRG1_ELISA, SAMPLE, description="Every specimen was read on an accepted plate")
def plate_was_accepted(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[~rows["plate_accepted"].astype(bool)]


@row_check(ELISA_PLATES, BATCH, description="Replicates scatter in the outer wells as in the inner ones")
def edges_scatter_like_the_rest(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["edge_effect"].fillna(False).astype(bool)]


@row_check(ELISA_CONTROLS, BATCH, description="Every quality-control well is within tolerance of its nominal value")
def controls_are_recovered(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[~rows["passed"].fillna(True).astype(bool)]


@row_check(ELISA_RESULTS, BATCH, description="Dilutions of a specimen are parallel")
def dilutions_are_parallel(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["reason"] == "dilutions_not_parallel").fillna(False)]


@row_check(ELISA_CONTROL_CHART, COHORT, description="No plate reads its controls far from the median of all plates")
def plates_agree(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[~rows["within_tolerance"].fillna(True).astype(bool)]


@row_check(NRG1_CHANGES, COHORT, description="Baseline and later visit were read on one plate")
def changes_stay_on_one_plate(rows: pd.DataFrame) -> pd.DataFrame:
    """A change across plates stands, and carries the variance between plates in its interval."""
    return rows[~rows["same_plate"].fillna(True).astype(bool)]


CHECKS = (
    schema_check(ELISA_CONTROLS, BATCH),
    schema_check(ELISA_CONTROL_CHART, COHORT),
    schema_check(NRG1_CHANGES, COHORT),
    edges_scatter_like_the_rest,
    controls_are_recovered,
    dilutions_are_parallel,
    plates_agree,
    changes_stay_on_one_plate,
    schema_check(ELISA_PLATES, BATCH),
    schema_check(ELISA_RESULTS, BATCH),
    schema_check(NRG1_ELISA, SAMPLE),
    plate_is_accepted,
    detection_lies_below_quantification,
    visits_share_the_plate,
    values_lie_within_the_limits,
    values_are_explained,
    plate_was_accepted,
)
