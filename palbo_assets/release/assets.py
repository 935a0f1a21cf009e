"""Pages for people."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import dagster as dg

from palbo_assets.clinical.tables import (
    ACCRUAL,
    DELIVERY_LEDGER,
    PATIENTS,
    SAMPLE_MANIFEST,
    TREATMENT_RESPONSE,
)
from palbo_assets.platform.product import Step, product
from palbo_assets.platform.store import write_atomically
from palbo_assets.release.tables import COHORT_REPORT
from palbo_assets.resistance.tables import (
    INTEGRATED_RESISTANCE_PAIRS,
    RESISTANCE_STATES,
    RESISTANCE_TRANSITIONS,
)
from palbo_assets.rnaseq.tables import PAIRED_CONTRASTS, PAIRED_EXPRESSION, PAIRED_SETS
from palbo_assets.study.partitions import COHORT

if TYPE_CHECKING:
    import pandas as pd

PAGE = "cohort"


@product(
    COHORT_REPORT,
    COHORT,
    upstream=(
        PATIENTS,
        TREATMENT_RESPONSE,
        SAMPLE_MANIFEST,
        DELIVERY_LEDGER,
        ACCRUAL,
        RESISTANCE_STATES,
        RESISTANCE_TRANSITIONS,
        INTEGRATED_RESISTANCE_PAIRS,
        PAIRED_CONTRASTS,
        PAIRED_EXPRESSION,
        PAIRED_SETS,
    ),
    kinds={"html", "altair"},
)
def cohort_report(
    step: Step,
    patients: pd.DataFrame,
    treatment_response: pd.DataFrame,
    sample_manifest: pd.DataFrame,
    delivery_ledger: pd.DataFrame,
    accrual: pd.DataFrame,
    resistance_states: pd.DataFrame,
    resistance_transitions: pd.DataFrame,
    integrated_resistance_pairs: pd.DataFrame,
    paired_contrasts: pd.DataFrame,
    paired_expression: pd.DataFrame,
    paired_sets: pd.DataFrame,
) -> pd.DataFrame:
    """The cohort page: ledger heat map, oncoprint, transitions, swimmer plot, paired slopes. One file, no network."""
    from palbo_assets.platform.tables import frame_from_rows
    from palbo_assets.release.cohort_page import CohortTables, n_pairs, render
    from palbo_assets.study.protocol import load_protocol

    tables = CohortTables(
        patients=patients,
        treatment_response=treatment_response,
        sample_manifest=sample_manifest,
        delivery_ledger=delivery_ledger,
        accrual=accrual,
        resistance_states=resistance_states,
        resistance_transitions=resistance_transitions,
        pairs=integrated_resistance_pairs,
        paired_contrasts=paired_contrasts,
        paired_expression=paired_expression,
        paired_sets=paired_sets,
        units={
            column.name.removesuffix("__bl"): column.unit
            for column in INTEGRATED_RESISTANCE_PAIRS.columns
            if column.name.endswith("__bl")
        },
    )
    page = render(tables, study=load_protocol().study, data_version=step.data_version)
    home = step.warehouse.home
    target = home.pages / f"{PAGE}.html"
    write_atomically(target, page)  # not kept beside: older pages would still show who has withdrawn
    step.report(page=dg.MetadataValue.path(target), bytes=len(page))
    row = {
        "page": PAGE,
        "title": "Cohort",
        "sha256": hashlib.sha256(page).hexdigest(),
        "bytes": len(page),
        "n_patients": len(patients),
        "n_pairs": n_pairs(tables),
    }
    return frame_from_rows(COHORT_REPORT, [row])
