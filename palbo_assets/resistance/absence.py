"""Why a cell of the patient x timepoint x assay grid has no measurement.

Two answers that agree: what the delivery ledger says (the whole cohort, up to the minute), and what follows from the
protocol, the clinical export and the manifest alone (a patient's own products, which needn't be made again whenever
any other patient's file arrives).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from palbo_assets.platform.tables import records
from palbo_assets.study.vocabulary import TIMEPOINTS, Absence

if TYPE_CHECKING:
    import pandas as pd

    from palbo_assets.study.protocol import Protocol

Reasons = Mapping[tuple[str, str, str], Absence]
"""(patient, timepoint, assay) -> why nothing was measured there."""

_OF_LEDGER: Mapping[str, Absence] = {
    "NOT_EXPECTED": Absence.NOT_EXPECTED,
    "NOT_YET_DUE": Absence.PENDING,
    "EXPECTED": Absence.PENDING,
    "OVERDUE": Absence.PENDING,
    "RECEIVED": Absence.PENDING,
    "QUARANTINED": Absence.PENDING,
    "QC_FAIL": Absence.QC_FAIL,
    "READY": Absence.NOT_EVALUABLE,  # published, and without this value
    "NOT_COLLECTED": Absence.NOT_COLLECTED,
    "WITHDRAWN": Absence.WITHDRAWN,
}


def cohorts_of(patient: Mapping[str, object]) -> list[str]:
    return [name for name in str(patient.get("cohorts") or "").split(";") if name]


def planned_reasons(
    patients: pd.DataFrame, sample_manifest: pd.DataFrame, protocol: Protocol
) -> dict[tuple[str, str, str], Absence]:
    """Reasons that follow without knowing what landed: withdrawn, not planned, known not to be taken, else pending.

    Parameters
    ----------
    patients
        ``patient_id, cohorts, withdrawn``.
    sample_manifest
        ``patient_id, timepoint, modality, specimen_type, status``.
    """
    taken: dict[tuple[str, str, str, str], list[bool]] = {}
    for row in records(sample_manifest):
        key = (str(row["patient_id"]), str(row["timepoint"]), str(row["modality"]), str(row["specimen_type"]))
        taken.setdefault(key, []).append(row["status"] != "NOT_COLLECTED")
    found: dict[tuple[str, str, str], Absence] = {}
    for patient in records(patients):
        name, cohorts = str(patient["patient_id"]), cohorts_of(patient)
        for timepoint in TIMEPOINTS:
            for assay, plan in protocol.assays.items():
                if patient["withdrawn"]:
                    reason = Absence.WITHDRAWN
                elif not protocol.expected(cohorts, assay, timepoint):
                    reason = Absence.NOT_EXPECTED
                else:
                    specimens = [
                        one
                        for kind in plan.specimens
                        for one in taken.get((name, str(timepoint), str(plan.modality), str(kind)), [])
                    ]
                    reason = Absence.NOT_COLLECTED if specimens and not any(specimens) else Absence.PENDING
                found[name, str(timepoint), assay] = reason
    return found


def ledger_reasons(delivery_ledger: pd.DataFrame) -> dict[tuple[str, str, str], Absence]:
    """Reasons as the delivery ledger states them."""
    return {
        (str(row["patient_id"]), str(row["timepoint"]), str(row["assay"])): _OF_LEDGER.get(
            str(row["state"]), Absence.PENDING
        )
        for row in records(delivery_ledger)
    }
