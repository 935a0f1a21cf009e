"""Checks over the published clinical tables. Each returns the offending rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from palbo_assets.clinical.tables import (
    ACCRUAL,
    ANALYSIS_COMPARISON,
    BIOPSY_SELECTION,
    CLINICAL_QUERIES,
    DELIVERY_LEDGER,
    PATIENTS,
    RESPONSE_VISITS,
    SAMPLE_MANIFEST,
    SURVIVAL_COMPARISONS,
    SURVIVAL_CURVES,
    TABLES,
    TREATMENT_RESPONSE,
)
from palbo_assets.platform.checks import row_check, schema_check
from palbo_assets.study.partitions import COHORT

if TYPE_CHECKING:
    import pandas as pd

_ERROR = dg.AssetCheckSeverity.ERROR


@row_check(PATIENTS, COHORT, description="Nothing clinical is kept of a patient who withdrew", severity=_ERROR)
def withdrawn_patients_are_blank(rows: pd.DataFrame) -> pd.DataFrame:
    kept = ["sex", "age_years", "er_pct", "eligible", "pd_day", "death_day", "met_sites"]
    return rows[rows["withdrawn"].astype(bool) & rows[kept].notna().any(axis=1)]


@row_check(PATIENTS, COHORT, description="Patients who fail or might fail a criterion")
def patients_are_eligible(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[~rows["withdrawn"].astype(bool) & ~rows["eligible"].fillna(False).astype(bool)]


@row_check(RESPONSE_VISITS, COHORT, description="Computed response differs from what the investigator recorded")
def responses_agree_with_the_investigator(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[~rows["agrees"].fillna(True).astype(bool)]


@row_check(
    RESPONSE_VISITS,
    COHORT,
    description="A complete sum can't lie above its nadir by 20 % and 5 mm without PD",
    severity=_ERROR,
)
def growth_is_progression(rows: pd.DataFrame) -> pd.DataFrame:
    rise = (rows["sum_mm"] - rows["nadir_mm"]).fillna(0).astype(float)
    grown = (rise >= 5) & (rise >= 0.2 * rows["nadir_mm"].fillna(0).astype(float))
    return rows[grown & (rows["overall_response"] != "PD")]


@row_check(
    TREATMENT_RESPONSE, COHORT, description="Either an event with its basis or a reason for censoring", severity=_ERROR
)
def survival_is_an_event_or_censored(rows: pd.DataFrame) -> pd.DataFrame:
    event = rows["pfs_event"].fillna(False).astype(bool)
    return rows[(event != rows["event_basis"].notna()) | (event == rows["censor_reason"].notna())]


@row_check(TREATMENT_RESPONSE, COHORT, description="A patient whose best response is progression has progressed")
def progression_as_best_response_is_an_event(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["best_overall_response"] == "PD") & ~rows["pfs_event"].fillna(False).astype(bool)]


@row_check(ANALYSIS_COMPARISON, COHORT, description="The sponsor's analysis and this study's own differ")
def analyses_agree(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["verdict"] != "AGREES"]


@row_check(SAMPLE_MANIFEST, COHORT, description="The label names another timepoint than the day of collection")
def labels_agree_with_days(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["queries"].fillna("").str.contains("W_TIMEPOINT_CONTRADICTS")]


@row_check(SAMPLE_MANIFEST, COHORT, description="A specimen that isn't there has a reason", severity=_ERROR)
def absence_has_a_reason(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["status"] != "COLLECTED") & rows["reason"].isna()]


@row_check(DELIVERY_LEDGER, COHORT, description="Deliveries that are late at the clinical data cut")
def nothing_is_overdue(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["state"] == "OVERDUE"]


@row_check(DELIVERY_LEDGER, COHORT, description="What isn't planned is never asked for", severity=_ERROR)
def unplanned_cells_are_not_waited_for(rows: pd.DataFrame) -> pd.DataFrame:
    waiting = rows["state"].isin(["EXPECTED", "OVERDUE", "NOT_YET_DUE", "NOT_COLLECTED"])
    return rows[waiting & ~rows["expected"].astype(bool)]


@row_check(
    ACCRUAL,
    COHORT,
    description="No stage of the biopsy funnel holds more patients than the one before",
    severity=_ERROR,
)
def funnel_narrows(rows: pd.DataFrame) -> pd.DataFrame:
    order = ["screened", "progressed", "progression_biopsy_attempted", "progression_biopsy_adequate", "pair"]
    funnel = rows.set_index("stage").reindex(order)
    return funnel[funnel["n"].astype("float").diff() > 0].reset_index()


@row_check(
    SURVIVAL_CURVES, COHORT, description="A survival curve never rises, and fewer are left at risk", severity=_ERROR
)
def curves_fall(rows: pd.DataFrame) -> pd.DataFrame:
    ordered = rows.sort_values(["factor", "level", "day"])
    steps = ordered.groupby(["factor", "level"])[["survival", "n_at_risk"]].diff()
    return ordered[(steps["survival"] > 0) | (steps["n_at_risk"] >= 0)]


@row_check(
    SURVIVAL_COMPARISONS,
    COHORT,
    description="Groups other than the first level carry a hazard ratio or the reason why not",
    severity=_ERROR,
)
def hazards_or_reasons(rows: pd.DataFrame) -> pd.DataFrame:
    compared = rows["reference_level"].notna()
    return rows[compared & (rows["hazard_ratio"].notna() == rows["reason"].notna())]


@row_check(
    BIOPSY_SELECTION,
    COHORT,
    description="Progressed patients with and without a biopsy differ (standardised difference > 0.25, Stuart 2010)",
)
def biopsied_patients_stand_for_the_others(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["standardised_difference"].astype(float).abs() > 0.25]


@row_check(CLINICAL_QUERIES, COHORT, description="Cells that could not be read as what the dictionary says")
def cells_are_readable(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["code"].str.startswith("E_")]


CHECKS = (
    *(schema_check(table, COHORT) for table in TABLES),
    withdrawn_patients_are_blank,
    patients_are_eligible,
    responses_agree_with_the_investigator,
    growth_is_progression,
    survival_is_an_event_or_censored,
    progression_as_best_response_is_an_event,
    analyses_agree,
    labels_agree_with_days,
    absence_has_a_reason,
    nothing_is_overdue,
    unplanned_cells_are_not_waited_for,
    funnel_narrows,
    curves_fall,
    hazards_or_reasons,
    biopsied_patients_stand_for_the_others,
    cells_are_readable,
)
