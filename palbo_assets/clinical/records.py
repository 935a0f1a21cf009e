"""One record per patient, in days from first dose: what the rest of the room works with."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, cast

from palbo_assets.clinical.days import as_date, data_cut, days_from, first_dose, hours_between
from palbo_assets.clinical.export import Export
from palbo_assets.clinical.queries import Query
from palbo_assets.clinical.redcap import Dictionary, duplicated_by_access_group
from palbo_assets.clinical.settings import Settings
from palbo_assets.platform.errors import InputError
from palbo_assets.study.protocol import Protocol, valid_patient_id

SINGLE = ("enrolment", "eligibility", "baseline_disease", "progression")
REPEATING = ("treatment", "recist_target", "recist_visit", "specimens")

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "enrolment": ("consent_date", "site", "cohort", "withdrawal_date", "withdrawal_scope"),
    "treatment": ("drug", "start"),
    "recist_target": ("lesion_no", "is_node", "longest_or_short_axis_mm", "date"),
    "recist_visit": ("visit_date", "nontarget", "new_lesion"),
    "progression": ("pd_date", "pd_basis", "death_date", "next_line_start"),
    "specimens": ("collect_datetime", "type"),
}

# Without a date validation REDCap takes any text, and a day that can't be read would silently be missing.
DATES = ("consent_date", "withdrawal_date", "start", "date", "visit_date", "pd_date", "death_date", "next_line_start",
         "collect_datetime", "adjuvant_et_start", "adjuvant_et_stop", "relapse_date", "met_et_start",
         "met_et_pd_date")  # fmt: skip

_KEEPS_DATA = "stop_followup"  # the one scope of withdrawal that leaves what was collected in the study


@dataclass
class PatientRecord:
    """A patient's data. Every date has become an integer: days from first dose, None where there is no first dose.

    ``values`` holds the instruments that are filled once, the sequences one mapping per repeat with its ``row``.
    """

    patient_id: str
    first_dose_known: bool
    cohorts: tuple[str, ...]
    values: Mapping[str, Any]
    rows: Mapping[str, int]
    treatments: Sequence[Mapping[str, Any]] = ()
    targets: Sequence[Mapping[str, Any]] = ()
    visits: Sequence[Mapping[str, Any]] = ()
    specimens: Sequence[Mapping[str, Any]] = ()
    data_cut_day: int | None = None  # days from first dose to the last date of the whole export
    first_dose_study_day: int | None = None  # days from the study's first consent to the first dose
    queries: list[Query] = field(default_factory=list)

    def text(self, name: str) -> str | None:
        value = self.values.get(name)
        return None if value is None else str(value)

    def number(self, name: str) -> float | None:
        value = self.values.get(name)
        if value is None or isinstance(value, bool):
            return None
        try:
            return float(value)
        except (TypeError, ValueError):
            self.query("E_NOT_A_NUMBER", name, "not a number")
            return None

    def day(self, name: str) -> int | None:
        value = self.values.get(name)
        return value if isinstance(value, int) else None

    def yes(self, name: str) -> bool | None:
        return as_bool(self.values.get(name))

    def ticked(self, name: str) -> tuple[str, ...]:
        return tuple(self.values.get(name) or ())

    def query(self, code: str, column: str, message: str, row: int | None = None) -> None:
        entry = Query(self.patient_id, code, column, self.rows.get(column, 0) if row is None else row, message)
        if entry not in self.queries:
            self.queries.append(entry)

    @property
    def consented(self) -> bool | None:
        given = [self.yes("consent_genomic"), self.yes("consent_biobank")]
        if any(given) or (self.values.get("consent_given") and None in given):
            return True
        return False if False in given else None

    @property
    def withdrawal_scope(self) -> str | None:
        scope = self.text("withdrawal_scope")
        return squeeze(scope) if scope else None

    @property
    def withdrawn(self) -> bool:
        """Whether the patient's data and samples must not be used any more; an unstated scope is the widest one."""
        asked = bool(self.values.get("withdrawal_given")) or self.withdrawal_scope is not None
        return asked and self.withdrawal_scope != _KEEPS_DATA


@dataclass(frozen=True)
class Cohort:
    """Every patient of the export, ordered by id, and queries about rows that belong to no patient."""

    patients: tuple[PatientRecord, ...]
    queries: tuple[Query, ...]
    data_cut_study_day: int | None


def as_bool(value: object) -> bool | None:
    """Yes/no as REDCap's fields and free codes write it; None for anything else."""
    if isinstance(value, bool):
        return value
    return {"yes": True, "1": True, "true": True, "y": True, "no": False, "0": False, "false": False, "n": False}.get(
        str(value).strip().lower().removesuffix(".0")
    )


def squeeze(label: str) -> str:
    """A label as a name: lower case, words joined by underscores."""
    return re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")


def require_study_fields(export: Export, dictionary: Dictionary, file: Path) -> None:
    """Refuse an export without the fields that the study's products are made of.

    Raises
    ------
    InputError
        ``E_SCHEMA`` naming the missing instruments and fields.
    """
    missing = []
    for form, names in REQUIRED.items():
        present = {str(name).partition("___")[0] for name in export.instruments.get(form, {})}
        missing += [f"{form}.{name}" for name in names if name not in present]
    if missing:
        raise InputError(
            "E_SCHEMA",
            f"fields of the study are missing: {', '.join(missing[:10])}",
            file=file.name,
            row=1,
            column=missing[0].partition(".")[2],
            fix="export all instruments of the study",
        )
    for name in DATES:
        if name in dictionary.fields and not dictionary.fields[name].validation.startswith("date"):
            raise InputError(
                "E_SCHEMA",
                "the field isn't validated as a date in the project",
                file=file.name,
                row=1,
                column=name,
                fix="set the field's validation to a date in the REDCap project, and export both files again",
            )


def build(export: Export, protocol: Protocol, settings: Settings) -> Cohort:
    """The patients of an export, in days from first dose.

    Records whose id isn't a study id (test records) and records that repeat another one behind a data access group's
    prefix are left out with a query.
    """
    queries = list(export.queries)
    repeated = duplicated_by_access_group(export.records)
    accepted = []
    for record in export.records:
        if record in repeated:
            queries.append(
                Query(
                    record,
                    "E_DUPLICATE_RECORD",
                    export.record_field,
                    0,
                    "the record repeats another one behind a data access group's prefix",
                )
            )
        elif not valid_patient_id(record):
            queries.append(Query("", "E_BAD_NAME", export.record_field, 0, "the record's id isn't a study id"))
        else:
            accepted.append(record)
    by_form: dict[str, dict[str, list[dict[str, Any]]]] = {
        form: {
            str(name): cast("list[dict[str, Any]]", group.to_dict("records"))
            for name, group in frame.groupby("record_id", sort=False)
        }
        for form, frame in export.instruments.items()
        if form in (*SINGLE, *REPEATING)
    }
    entries = {
        record: {form: by_form.get(form, {}).get(record, []) for form in (*SINGLE, *REPEATING)}
        for record in sorted(accepted)
    }
    last = {record: max(_dates(forms), default=None) for record, forms in entries.items()}
    cut, set_aside = data_cut([day for day in last.values() if day is not None], settings)
    consents = [day for forms in entries.values() for row in forms["enrolment"] if (day := _date(row, "consent_date"))]
    study_start = min(consents, default=None)
    own = [query for query in queries if query.patient_id in entries]
    patients = []
    for record, forms in entries.items():
        patient = _patient(record, forms, export.ticks, protocol, cut, study_start)
        patient.queries.extend(query for query in own if query.patient_id == record)
        if set_aside is not None and last[record] == set_aside:
            patient.query("W_DATE_FAR_AHEAD", "", "a date lies far after every other patient's last date")
        patients.append(patient)
    return Cohort(
        patients=tuple(patients),
        queries=tuple(
            # What isn't a study id may be a name.
            query if valid_patient_id(query.patient_id) else replace(query, patient_id="")
            for query in queries
            if query.patient_id not in entries
        ),
        data_cut_study_day=days_from(study_start, cut),
    )


def _patient(
    record: str,
    forms: Mapping[str, list[dict[str, Any]]],
    ticks: Mapping[str, Mapping[str, str]],
    protocol: Protocol,
    cut: date | None,
    study_start: date | None,
) -> PatientRecord:
    anchor = first_dose(forms["treatment"])
    values: dict[str, Any] = {}
    rows: dict[str, int] = {}
    conflicts = []
    for form in SINGLE:
        for entry in forms[form]:
            for name, value in entry.items():
                if name in ("record_id", "event", "instance", "row") or value is None:
                    continue
                if name in values and values[name] != value and not name.endswith("_complete"):
                    conflicts.append((name, entry["row"]))
                    continue
                values.setdefault(name, value)
                rows.setdefault(name, entry["row"])
    values["consent_given"] = "consent_date" in values
    values.setdefault("age_at_consent", _age(values))
    values["withdrawal_given"] = "withdrawal_date" in values
    for name, labels in ticks.items():
        values[name] = tuple(label for column, label in labels.items() if values.get(column))
    consent_day = days_from(anchor, values.get("consent_date"))
    patient = PatientRecord(
        patient_id=record,
        first_dose_known=anchor is not None,
        cohorts=(),
        values=_in_days(values, anchor),
        rows=rows,
        treatments=[_in_days(entry, anchor) for entry in forms["treatment"]],
        targets=[_in_days(entry, anchor) for entry in forms["recist_target"]],
        visits=[_in_days(entry, anchor) for entry in forms["recist_visit"]],
        specimens=[
            {
                **_in_days(entry, anchor),
                "processing_hours": hours_between(entry.get("collect_datetime"), entry.get("processing_datetime")),
            }
            for entry in forms["specimens"]
        ],
        data_cut_day=days_from(anchor, cut),
        first_dose_study_day=days_from(study_start, anchor),
    )
    patient.cohorts = _cohorts(patient, protocol)
    for name, row in conflicts:
        patient.query("W_CONFLICTING_VALUES", name, "entered twice with different values; the first is used", row)
    if anchor is None:
        patient.query("W_NO_FIRST_DOSE", "start", "no first dose is recorded, so nothing has a day")
    if consent_day is None and not values["consent_given"]:
        patient.query("W_NO_CONSENT_DATE", "consent_date", "no date of consent")
    return patient


def _age(values: Mapping[str, Any]) -> int | None:
    """Age in the year of consent: the year of birth is all that is asked for."""
    born, consent = values.get("birth_year"), values.get("consent_date")
    if not isinstance(born, float) or not isinstance(consent, date):
        return None
    return consent.year - int(born)


def _cohorts(patient: PatientRecord, protocol: Protocol) -> tuple[str, ...]:
    stated = patient.values.get("cohort")
    labels = [stated] if isinstance(stated, str) else list(stated or ())
    words = {word for label in labels for word in re.split(r"[^A-Z]+", label.upper()) if word}
    if "BOTH" in words:
        words = (words - {"BOTH"}) | {"PAIR", "TIL"}
    if not words:
        patient.query("W_NO_COHORT", "cohort", "the patient is in no cohort, so nothing is expected")
    if words - set(protocol.cohorts):
        patient.query("E_UNKNOWN_COHORT", "cohort", "a cohort that the protocol doesn't know")
    return tuple(name for name in protocol.cohorts if name in words)


def _in_days(values: Mapping[str, Any], anchor: date | None) -> dict[str, Any]:
    return {
        str(name): days_from(anchor, value) if isinstance(value, date) else value
        for name, value in values.items()
        if name not in ("record_id", "event", "instance")
    }


def _dates(forms: Mapping[str, list[dict[str, Any]]]) -> list[date]:
    return [
        as_date(value) for rows in forms.values() for row in rows for value in row.values() if isinstance(value, date)
    ]


def _date(row: Mapping[str, Any], name: str) -> date | None:
    value = row.get(name)
    return as_date(value) if isinstance(value, date) else None
