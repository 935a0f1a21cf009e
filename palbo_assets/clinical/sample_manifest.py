"""What specimens should exist, which do, and why the others don't."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from palbo_assets.clinical.queries import Query
from palbo_assets.clinical.records import PatientRecord, squeeze
from palbo_assets.clinical.settings import Settings
from palbo_assets.study.protocol import PD_LATE, UNSCHEDULED, Protocol, Specimen
from palbo_assets.study.vocabulary import TIMEPOINTS

UNASSIGNED = "unassigned"  # a kind of specimen that no assay of the protocol uses


_SAFE_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")

# Why a biopsy gave nothing, in the study's words; what sites type may name people and stays in the export.
NOT_ACCESSIBLE = "no accessible lesion"
DECLINED = "patient declined"
_FAILURES = (
    (("access", "no lesion", "too small", "unreachable"), NOT_ACCESSIBLE),
    (("declin", "refus", "reject"), DECLINED),
    (("insufficient", "necro", "no tumour", "no tumor", "inadequate"), "insufficient tissue"),
    (("bleed", "platelet", "anticoag", "risk", "unwell", "medical"), "medical reason"),
)
_OTHER_FAILURE = "another reason is recorded"


def failure_reason(text: str) -> str:
    """The study's word for why a specimen wasn't obtained, from what the site typed."""
    lowered = text.lower().replace("_", " ")
    return next((reason for words, reason in _FAILURES if any(word in lowered for word in words)), _OTHER_FAILURE)


class SpecimenStatus(StrEnum):
    """What became of a specimen."""

    COLLECTED = "COLLECTED"
    NOT_COLLECTED = "NOT_COLLECTED"  # known not to have been taken
    EXPECTED = "EXPECTED"  # its window has closed and nothing is recorded
    NOT_YET_DUE = "NOT_YET_DUE"
    WITHDRAWN = "WITHDRAWN"


@dataclass(frozen=True)
class Collected:
    """One row of the specimens instrument, placed in time.

    ``failed`` is the reason why the biopsy or draw gave nothing, None where a specimen was obtained.
    """

    specimen_id: str
    kind: Specimen
    timepoint: str
    from_day: bool
    label: str | None
    day: int | None
    failed: str | None
    site: str | None = None
    processing_hours: float | None = None
    queries: tuple[Query, ...] = field(default=())


def place(
    form: Mapping[str, Any], record: PatientRecord, pd_day: int | None, protocol: Protocol, settings: Settings
) -> Collected | None:
    """A specimen form's kind and timepoint; None (with a query on ``record``) when its kind isn't known.

    The timepoint follows from the day; the label only confirms it, and stands in where there is no day.
    """
    row = int(form.get("row") or 0)
    kind = _kind(form.get("type"))
    if kind is None:
        record.query("E_UNKNOWN_SPECIMEN", "type", "not a kind of specimen of the study", row)
        return None
    day = form.get("collect_datetime")
    label = protocol.canonical(str(form["specimen_timepoint"])) if form.get("specimen_timepoint") else None
    found: list[tuple[str, str, str]] = []
    if isinstance(day, int):
        next_line = record.day("next_line_start")
        held = protocol.timepoints_of(day, pd_day=pd_day, next_line_day=next_line, tissue=kind.is_tissue)
        timepoint = protocol.timepoint_of(day, pd_day, next_line, tissue=kind.is_tissue)
        if label in held:
            timepoint = str(label)
        elif label is not None:
            found.append(
                (
                    "W_TIMEPOINT_CONTRADICTS",
                    "specimen_timepoint",
                    "the label names another timepoint than the day; the day is used",
                )
            )
        consent_day = record.day("consent_date")
        if consent_day is not None and day < consent_day:
            found.append(("W_BEFORE_CONSENT", "collect_datetime", "taken before the date of consent"))
    else:
        timepoint = label or UNSCHEDULED
        if not form.get("biopsy_failed_reason"):
            found.append(("W_NO_COLLECTION_DAY", "collect_datetime", "no day of collection; the label is used"))
    label_or_else = str(form.get("specimen_label") or f"{record.patient_id}-{timepoint}-{kind}-{row}")
    if not _SAFE_LABEL.fullmatch(label_or_else):
        found.append(("E_BAD_NAME", "specimen_label", "not a specimen label (letters, digits, . _ -)"))
        label_or_else = f"{record.patient_id}-{timepoint}-{kind}-{row}"
    hours = form.get("processing_hours")
    if kind is Specimen.PLASMA and hours is not None and not 0 <= hours <= settings.longest_plasma_hours:
        found.append(("W_SLOW_PROCESSING", "processing_datetime", "plasma was not spun in time for cell-free DNA"))
    for code, column, message in found:
        record.query(code, column, message, row)
    return Collected(
        specimen_id=label_or_else,
        kind=kind,
        timepoint=timepoint,
        from_day=isinstance(day, int),
        label=label,
        day=day if isinstance(day, int) else None,
        failed=failure_reason(str(form["biopsy_failed_reason"])) if form.get("biopsy_failed_reason") else None,
        site=squeeze(str(form["specimen_site"])) if form.get("specimen_site") else None,
        processing_hours=hours,
        queries=tuple(Query(record.patient_id, code, column, row, message) for code, column, message in found),
    )


def manifest_rows(
    record: PatientRecord, pd_day: int | None, protocol: Protocol, settings: Settings
) -> list[dict[str, Any]]:
    """One row per timepoint, specimen and modality of a patient, planned or taken.

    A planned specimen without any record has the id that it would have (patient, timepoint, kind) and says whether its
    window is still open. Of a withdrawn patient only the planned rows are kept, all WITHDRAWN.
    """
    placed = (
        []
        if record.withdrawn
        else [specimen for form in record.specimens if (specimen := place(form, record, pd_day, protocol, settings))]
    )
    rows: list[dict[str, Any]] = []
    used: set[tuple[str, str]] = set()
    for timepoint in TIMEPOINTS:
        for modality, kinds in _planned(record.cohorts, timepoint, protocol):
            here = [each for each in placed if each.timepoint == timepoint and each.kind in kinds]
            taken = [each for each in here if each.failed is None]
            for specimen in taken:
                used.add((specimen.specimen_id, modality))
                rows.append(_collected_row(record, specimen, modality, expected=True))
            if not taken:
                rows.append(_missing_row(record, str(timepoint), modality, kinds, here, pd_day, protocol))
    for specimen in placed:
        modalities = _modalities(specimen.kind, protocol) or (UNASSIGNED,)
        for modality in modalities:
            if specimen.failed is None and (specimen.specimen_id, modality) not in used:
                rows.append(_collected_row(record, specimen, modality, expected=False))
    return _without_repeats(record, rows)


def _planned(cohorts: Sequence[str], timepoint: str, protocol: Protocol) -> list[tuple[str, tuple[Specimen, ...]]]:
    """(modality, kinds that serve) planned at a timepoint; two assays on the same specimen share one entry."""
    entries = [
        (str(assay.modality), assay.specimens)
        for name, assay in protocol.assays.items()
        if protocol.expected(cohorts, name, timepoint)
    ]
    return list(dict.fromkeys(entries))


def _modalities(kind: Specimen, protocol: Protocol) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(assay.modality) for assay in protocol.assays.values() if kind in assay.specimens))


def _kind(label: object) -> Specimen | None:
    word = squeeze(str(label)).upper() if label is not None else ""
    return Specimen(word) if word in set(Specimen) else None


def _collected_row(record: PatientRecord, specimen: Collected, modality: str, *, expected: bool) -> dict[str, Any]:
    reason = None
    if not expected:
        reason = {
            UNSCHEDULED: "taken outside every window",
            PD_LATE: "taken after the next line of treatment had begun",
        }.get(specimen.timepoint, "not planned for the patient's cohorts")
    return {
        "patient_id": record.patient_id,
        "timepoint": specimen.timepoint,
        "specimen_id": specimen.specimen_id,
        "modality": modality,
        "specimen_type": str(specimen.kind),
        "expected": expected,
        "status": str(SpecimenStatus.COLLECTED),
        "reason": reason,
        "collected_day": specimen.day,
        "timepoint_source": "day" if specimen.from_day else "label",
        "label_timepoint": specimen.label,
        "anatomic_site": specimen.site,
        "processing_hours": specimen.processing_hours,
        "queries": ";".join(sorted({query.code for query in specimen.queries})) or None,
    }


def _missing_row(
    record: PatientRecord,
    timepoint: str,
    modality: str,
    kinds: Sequence[Specimen],
    here: Sequence[Collected],
    pd_day: int | None,
    protocol: Protocol,
) -> dict[str, Any]:
    status, reason = _why_missing(record, timepoint, here, pd_day, protocol)
    return {
        "patient_id": record.patient_id,
        "timepoint": timepoint,
        "specimen_id": f"{record.patient_id}-{timepoint}-{kinds[0]}",
        "modality": modality,
        "specimen_type": str(kinds[0]),
        "expected": True,
        "status": str(status),
        "reason": reason,
    }


def _why_missing(
    record: PatientRecord, timepoint: str, here: Sequence[Collected], pd_day: int | None, protocol: Protocol
) -> tuple[SpecimenStatus, str]:
    if record.withdrawn:
        return SpecimenStatus.WITHDRAWN, "consent withdrawn"
    failed = [each.failed for each in here if each.failed]
    if failed:
        return SpecimenStatus.NOT_COLLECTED, failed[0]
    due, cut = protocol.due_day(timepoint, pd_day), record.data_cut_day
    died = record.day("death_date")
    if due is None:
        if died is not None:
            return SpecimenStatus.NOT_COLLECTED, "died before progression was documented"
        return SpecimenStatus.NOT_YET_DUE, "no progression documented"
    if died is not None and died < due and (pd_day is None or died <= pd_day):
        return SpecimenStatus.NOT_COLLECTED, "died before the visit"
    if cut is None:
        return SpecimenStatus.NOT_YET_DUE, "no first dose recorded"
    if cut <= due:
        return SpecimenStatus.NOT_YET_DUE, "the window is open"
    return SpecimenStatus.EXPECTED, "the window has closed and nothing is recorded"


def _without_repeats(record: PatientRecord, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with unique keys: a label that was used for two specimens raises a query and the first one is kept."""
    kept: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in rows:
        key = (row["timepoint"], row["specimen_id"], row["modality"])
        if key in kept:
            record.query("W_SPECIMEN_TWICE", "specimen_label", "one label stands for two specimens; the first is kept")
        kept.setdefault(key, row)
    return list(kept.values())
