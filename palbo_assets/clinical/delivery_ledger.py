"""The ledger of deliveries: what the protocol expects of every patient x timepoint x assay, and what became of it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from palbo_assets.clinical.sample_manifest import SpecimenStatus
from palbo_assets.study.protocol import Assay, Protocol
from palbo_assets.study.vocabulary import TIMEPOINTS

if TYPE_CHECKING:
    import pandas as pd


class DeliveryState(StrEnum):
    """State of one patient x timepoint x assay cell."""

    NOT_EXPECTED = "NOT_EXPECTED"
    NOT_YET_DUE = "NOT_YET_DUE"  # the visit's window is still open, or hasn't begun
    EXPECTED = "EXPECTED"  # the visit is over, the delivery isn't late yet
    OVERDUE = "OVERDUE"
    RECEIVED = "RECEIVED"
    QUARANTINED = "QUARANTINED"
    QC_FAIL = "QC_FAIL"
    READY = "READY"  # the assay's product is published
    NOT_COLLECTED = "NOT_COLLECTED"
    WITHDRAWN = "WITHDRAWN"


_TAKEN = ("ACCEPTED", "WAITING")  # landing statuses of files that are here; superseded ones and duplicates aren't news
_REFUSED = "QUARANTINED"


def delivery_ledger(
    patients: pd.DataFrame,
    manifest: pd.DataFrame,
    files: pd.DataFrame,
    published: pd.DataFrame,
    protocol: Protocol,
) -> list[dict[str, Any]]:
    """One row per patient, timepoint and assay.

    Parameters
    ----------
    patients
        ``patient_id, cohorts`` (joined by ``;``), ``withdrawn, pd_day, data_cut_day``.
    manifest
        ``patient_id, timepoint, modality, specimen_type, status, reason``.
    files
        The landing's records: ``patient_id, timepoint, modality, role, status, reason, received_at`` (ISO 8601).
    published
        ``product, patient_id, timepoint`` of published products; where it has a column ``qc``, ``fail`` marks
        measurements that are not to be believed.

    Returns
    -------
    list of dict
        ``patient_id, timepoint, assay, modality, expected, state, reason, received_at, due_day, overdue_day``; a
        patient who is in no clinical export doesn't appear.
    """
    landed = _by_cell(files)
    done = _published(published)
    specimens = _specimens(manifest)
    rows = []
    for patient in patients.sort_values("patient_id").to_dict("records"):
        cohorts = [name for name in str(_value(patient["cohorts"]) or "").split(";") if name]
        pd_day = _integer(patient["pd_day"])
        for timepoint in map(str, TIMEPOINTS):
            for name, assay in protocol.assays.items():
                cell = (str(patient["patient_id"]), timepoint)
                expected = protocol.expected(cohorts, name, timepoint)
                # A file of the patient at no timepoint (the germline BAM) serves wherever its assay is planned.
                candidates = landed.get(cell, []) + (landed.get((cell[0], ""), []) if expected else [])
                arrived = [file for file in candidates if assay.takes(file["modality"], file["role"])]
                state, reason, received_at = _state(
                    patient, cell, name, assay, expected, arrived, done, specimens, protocol
                )
                rows.append(
                    {
                        "patient_id": cell[0],
                        "timepoint": timepoint,
                        "assay": name,
                        "modality": str(assay.modality),
                        "expected": expected,
                        "state": str(state),
                        "reason": reason,
                        "received_at": received_at,
                        "due_day": protocol.due_day(timepoint, pd_day) if expected else None,
                        "overdue_day": protocol.overdue_day(name, timepoint, pd_day) if expected else None,
                    }
                )
    return rows


def _state(
    patient: dict[Any, Any],
    cell: tuple[str, str],
    name: str,
    assay: Assay,
    expected: bool,
    arrived: list[dict[str, Any]],
    done: dict[tuple[str, str, str], bool],
    specimens: dict[tuple[str, str, str], list[dict[str, Any]]],
    protocol: Protocol,
) -> tuple[DeliveryState, str | None, str | None]:
    taken = [file for file in arrived if file["status"] in _TAKEN]
    refused = [file for file in arrived if file["status"] == _REFUSED]
    received_at = max((file["received_at"] for file in taken if file["received_at"]), default=None)
    if patient["withdrawn"]:
        if expected or arrived:
            return DeliveryState.WITHDRAWN, "consent withdrawn", None
        return DeliveryState.NOT_EXPECTED, None, None
    product = (assay.product, *cell)
    if product in done and (taken or not assay.roles):
        if done[product]:
            return DeliveryState.READY, None, received_at
        return DeliveryState.QC_FAIL, "the measurement failed its quality control", received_at
    if taken:
        waiting = [file["reason"] for file in taken if file["status"] == "WAITING" and file["reason"]]
        return DeliveryState.RECEIVED, waiting[0] if waiting else None, received_at
    if refused:
        latest = max(refused, key=lambda file: file["received_at"] or "")
        return DeliveryState.QUARANTINED, latest["reason"], latest["received_at"]
    if not expected:
        return DeliveryState.NOT_EXPECTED, None, None
    here = [each for each in specimens.get((*cell, str(assay.modality)), []) if each["type"] in assay.specimens]
    if here and all(each["status"] == SpecimenStatus.NOT_COLLECTED for each in here):
        return DeliveryState.NOT_COLLECTED, here[0]["reason"], None
    return (*_by_day(patient, cell[1], name, protocol), None)


def _by_day(patient: dict[Any, Any], timepoint: str, name: str, protocol: Protocol) -> tuple[DeliveryState, str | None]:
    cut, pd_day = _integer(patient["data_cut_day"]), _integer(patient["pd_day"])
    due, overdue = protocol.due_day(timepoint, pd_day), protocol.overdue_day(name, timepoint, pd_day)
    if due is None or overdue is None:
        return DeliveryState.NOT_YET_DUE, "no progression documented"
    if cut is None:
        return DeliveryState.NOT_YET_DUE, "no first dose recorded"
    if cut <= due:
        return DeliveryState.NOT_YET_DUE, "the window is open"
    if cut <= overdue:
        return DeliveryState.EXPECTED, None
    return DeliveryState.OVERDUE, f"{cut - overdue} days late at the clinical data cut"


def _by_cell(files: pd.DataFrame) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Files of each (patient, timepoint); files of many patients name none and belong to no single cell."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for file in files.to_dict("records"):
        entry = {str(name): _value(value) for name, value in file.items()}
        if entry["patient_id"]:
            entry = {**entry, "modality": str(entry["modality"] or ""), "role": str(entry.get("role") or "")}
            found.setdefault((str(entry["patient_id"]), str(entry["timepoint"] or "")), []).append(entry)
    return found


def _published(published: pd.DataFrame) -> dict[tuple[str, str, str], bool]:
    """(product, patient, timepoint) -> whether any of it may be believed."""
    found: dict[tuple[str, str, str], bool] = {}
    for row in published.to_dict("records"):
        key = (str(row["product"]), str(row["patient_id"]), str(row["timepoint"]))
        found[key] = found.get(key, False) or row.get("qc") != "fail"
    return found


def _specimens(manifest: pd.DataFrame) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in manifest.to_dict("records"):
        found.setdefault((str(row["patient_id"]), str(row["timepoint"]), str(row["modality"])), []).append(
            {"type": row["specimen_type"], "status": _value(row["status"]), "reason": _value(row["reason"])}
        )
    return found


def _value(cell: Any) -> Any:
    import pandas as pd

    return None if cell is None or cell is pd.NA or cell != cell else cell


def _integer(cell: Any) -> int | None:
    value = _value(cell)
    return None if value is None else int(value)
