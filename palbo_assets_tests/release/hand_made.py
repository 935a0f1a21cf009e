"""Small frames as the upstream products publish them: four patients, every kind of absence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from palbo_assets.clinical.tables import ACCRUAL, DELIVERY_LEDGER, PATIENTS, SAMPLE_MANIFEST, TREATMENT_RESPONSE
from palbo_assets.platform.tables import Table, coerce, empty_frame
from palbo_assets.release.cohort_page import CohortTables
from palbo_assets.resistance.tables import (
    INTEGRATED_RESISTANCE_PAIRS,
    RESISTANCE_STATES,
    RESISTANCE_TRANSITIONS,
)


def frame(table: Table, rows: Iterable[Mapping[str, Any]]) -> Any:
    import pandas as pd

    listed = list(rows)
    if not listed:
        return empty_frame(table)
    return coerce(table, pd.DataFrame(listed).reindex(columns=list(table.column_names)))


def state(patient: str, timepoint: str, mechanism: str, said: str, source: str = "wes") -> dict[str, Any]:
    return {
        "patient_id": patient, "timepoint": timepoint, "mechanism": mechanism, "state": said, "source": source,
        "reason": "", "trace": False, "hgvsp": "", "evidence": "",
    }  # fmt: skip


def cell(patient: str, timepoint: str, assay: str, said: str, reason: str = "") -> dict[str, Any]:
    return {
        "patient_id": patient, "timepoint": timepoint, "assay": assay, "modality": "wes", "expected": True,
        "state": said, "reason": reason,
    }  # fmt: skip


PATIENT_ROWS = [{"patient_id": name, "withdrawn": False, "site": "SMC"} for name in ("P1", "P2", "P3", "P4")]
LEDGER_ROWS = [
    cell("P1", "BL", "wes_tumour", "READY"), cell("P1", "PD", "wes_tumour", "READY"),
    cell("P2", "BL", "wes_tumour", "QUARANTINED", "E_TRUNCATED"), cell("P2", "PD", "wes_tumour", "READY"),
    cell("P2", "BL", "he_til", "READY"), cell("P3", "BL", "wes_tumour", "OVERDUE"),
    cell("P4", "PD", "wes_tumour", "NOT_EXPECTED"),
]  # fmt: skip
RESPONSE_ROWS = [
    {"patient_id": "P1", "pfs_days": 300, "pfs_event": True, "best_overall_response": "PR"},
    {"patient_id": "P2", "pfs_days": 200, "pfs_event": False, "best_overall_response": "SD"},
    {"patient_id": "P3", "pfs_days": 100, "pfs_event": None, "best_overall_response": None},
    {"patient_id": "P4", "pfs_days": None, "pfs_event": None, "best_overall_response": "NE"},
]
SPECIMEN_ROWS = [
    {"patient_id": "P1", "timepoint": "BL", "specimen_id": "P1-BL-T1", "collected_day": -7},
    {"patient_id": "P1", "timepoint": "BL", "specimen_id": "P1-BL-P1", "collected_day": -7},
    {"patient_id": "P1", "timepoint": "PD", "specimen_id": "P1-PD-T1", "collected_day": 305},
    {"patient_id": "P2", "timepoint": "PD", "specimen_id": "P2-PD-T1", "collected_day": None},
]
STATE_ROWS = [
    state("P1", "BL", "ESR1_MUT", "ABSENT"), state("P1", "PD", "ESR1_MUT", "PRESENT"),
    state("P2", "BL", "ESR1_MUT", "NOT_EVALUABLE"), state("P2", "PD", "ESR1_MUT", "ABSENT"),
    state("P3", "BL", "RB1_LOF", "NOT_EVALUABLE"), state("P3", "W06", "RB1_LOF", "PRESENT"),
]  # fmt: skip
TRANSITION_ROWS = [
    {"patient_id": "P1", "mechanism": "ESR1_MUT", "transition": "acquired"},
    {"patient_id": "P2", "mechanism": "ESR1_MUT", "transition": "pd_only_indeterminate"},
    {"patient_id": "P3", "mechanism": "ESR1_MUT", "transition": "not_evaluable"},
    {"patient_id": "P4", "mechanism": "ESR1_MUT", "transition": "stable_absent"},
]
NRG1 = "elisa__nrg1_pg_ml"
PAIR_ROWS = [
    {"patient_id": "P1", f"{NRG1}__bl": 400.0, f"{NRG1}__pd": 900.0},
    {"patient_id": "P2", f"{NRG1}__bl": 300.0, f"{NRG1}__pd": None},
    {"patient_id": "P3", f"{NRG1}__bl": None, f"{NRG1}__pd": 500.0},
]
ACCRUAL_ROWS = [
    {"stage": "progressed", "position": 2, "n": 3, "planned": 40, "pct": 200 / 3, "planned_pct": None},
    {"stage": "on_treatment", "position": 1, "n": 4},
]


def cohort(**changed: Any) -> CohortTables:
    tables: dict[str, Any] = {
        "patients": frame(PATIENTS, PATIENT_ROWS),
        "treatment_response": frame(TREATMENT_RESPONSE, RESPONSE_ROWS),
        "sample_manifest": frame(SAMPLE_MANIFEST, SPECIMEN_ROWS),
        "delivery_ledger": frame(DELIVERY_LEDGER, LEDGER_ROWS),
        "accrual": frame(ACCRUAL, ACCRUAL_ROWS),
        "resistance_states": frame(RESISTANCE_STATES, STATE_ROWS),
        "resistance_transitions": frame(RESISTANCE_TRANSITIONS, TRANSITION_ROWS),
        "pairs": frame(INTEGRATED_RESISTANCE_PAIRS, PAIR_ROWS),
        "units": {NRG1: "pg/mL"},
    }
    return CohortTables(**{**tables, **changed})


def empty_cohort(**filled: Any) -> CohortTables:
    tables: dict[str, Any] = {
        "patients": empty_frame(PATIENTS),
        "treatment_response": empty_frame(TREATMENT_RESPONSE),
        "sample_manifest": empty_frame(SAMPLE_MANIFEST),
        "delivery_ledger": empty_frame(DELIVERY_LEDGER),
        "accrual": empty_frame(ACCRUAL),
        "resistance_states": empty_frame(RESISTANCE_STATES),
        "resistance_transitions": empty_frame(RESISTANCE_TRANSITIONS),
        "pairs": empty_frame(INTEGRATED_RESISTANCE_PAIRS),
    }
    return CohortTables(**{**tables, **filled})
