"""From an export and its dictionary to the rows of the room's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palbo_assets.clinical.accrual import Patient, accrual_rows
from palbo_assets.clinical.eligibility import judge
from palbo_assets.clinical.endocrine import endocrine_sensitivity
from palbo_assets.clinical.odm import read_odm
from palbo_assets.clinical.queries import Query, codes
from palbo_assets.clinical.recist import Response
from palbo_assets.clinical.records import Cohort, PatientRecord, build, require_study_fields, squeeze
from palbo_assets.clinical.redcap import read_dictionary, read_export, read_rows
from palbo_assets.clinical.response import ResponseRecord, respond
from palbo_assets.clinical.sample_manifest import manifest_rows
from palbo_assets.clinical.sdtm import read_sdtm
from palbo_assets.clinical.settings import Settings
from palbo_assets.clinical.survival import (
    CensorReason,
    clinical_benefit,
    months,
    progression_free_survival,
    resistance_class,
)
from palbo_assets.study.protocol import Protocol, load_protocol

_OLDEST_AGE = 90  # ages above 89 identify people (HIPAA Safe Harbor)


@dataclass(frozen=True)
class ClinicalTables:
    """Rows of the room's tables; see ``tables.py`` for their columns."""

    patients: list[dict[str, Any]]
    response_visits: list[dict[str, Any]]
    treatment_response: list[dict[str, Any]]
    sample_manifest: list[dict[str, Any]]
    accrual: list[dict[str, Any]]
    queries: list[dict[str, Any]]


def read_cohort(
    export: Path, dictionary: Path, settings: Settings | None = None, protocol: Protocol | None = None
) -> Cohort:
    """The patients of a REDCap export, in days from first dose.

    Raises
    ------
    InputError
        What `read_dictionary`, `read_export` and `require_study_fields` raise.
    """
    settings = settings or Settings()
    known = read_dictionary(dictionary)
    data = read_export(export, known, missing_codes=settings.missing_codes)
    require_study_fields(data, known, export)
    return build(data, protocol or load_protocol(), settings)


def read_odm_cohort(path: Path, settings: Settings | None = None, protocol: Protocol | None = None) -> Cohort:
    """The patients of a REDCap project exported as CDISC ODM, in days from first dose.

    Raises
    ------
    InputError
        What `read_odm`, `read_export` and `require_study_fields` raise.
    """
    settings = settings or Settings()
    known, table = read_odm(path)
    data = read_rows(path, table, known, missing_codes=settings.missing_codes)
    require_study_fields(data, known, path)
    return build(data, protocol or load_protocol(), settings)


def read_sdtm_cohort(
    domains: Mapping[str, Path], settings: Settings | None = None, protocol: Protocol | None = None
) -> Cohort:
    """The subjects of SDTM data, in days from first dose; ``domains`` maps ``sdtm_dm|tu|tr|rs`` to the file.

    Raises
    ------
    InputError
        What `read_sdtm` raises.
    """
    settings = settings or Settings()
    data = read_sdtm(domains, settings)
    return build(data, protocol or load_protocol(), settings)


def summarise(cohort: Cohort, settings: Settings | None = None, protocol: Protocol | None = None) -> ClinicalTables:
    """Every table of the room (but the ledger, which needs the landing) from the patients of an export."""
    settings, protocol = settings or Settings(), protocol or load_protocol()
    patients: list[dict[str, Any]] = []
    visits: list[dict[str, Any]] = []
    responses: list[dict[str, Any]] = []
    manifest: list[dict[str, Any]] = []
    funnel: list[Patient] = []
    for record in cohort.patients:
        if record.withdrawn:
            rows = manifest_rows(record, None, protocol, settings)
            funnel.append(Patient(record, rows, None))
            manifest.extend(rows)
            patients.append(_withdrawn_row(record))
            continue
        response = respond(record, settings)
        rows = manifest_rows(record, response.pd_day, protocol, settings)
        funnel.append(Patient(record, rows, response.pd_day))
        manifest.extend(rows)
        visits.extend(_visit_rows(record, response))
        responses.append(_response_row(record, response, settings))
        patients.append(_patient_row(record, response, settings))
    kept = [query for record in cohort.patients if not record.withdrawn for query in record.queries]
    return ClinicalTables(
        patients=patients,
        response_visits=visits,
        treatment_response=responses,
        sample_manifest=manifest,
        accrual=accrual_rows(funnel, cohort.data_cut_study_day, protocol, settings),
        queries=_query_rows([*cohort.queries, *kept]),
    )


def _patient_row(record: PatientRecord, response: ResponseRecord, settings: Settings) -> dict[str, Any]:
    verdict = judge(record, settings)
    return {
        "patient_id": record.patient_id,
        "site": record.text("site"),
        "cohorts": ";".join(record.cohorts) or None,
        "withdrawn": False,
        "withdrawal_scope": record.withdrawal_scope,
        "consented": record.consented,
        "consent_genomic": record.yes("consent_genomic"),
        "eligible": verdict.eligible,
        "eligibility_reason": verdict.reason,
        "sex": _word(record, "sex"),
        "age_years": _whole(record, "age_at_consent", 0, _OLDEST_AGE, cap=True),
        "menopausal_status": _word(record, "menopausal_status"),
        "stage": record.text("stage"),
        "ecog": _whole(record, "ecog", 0, 5),
        "er_pct": _within(record, "er_pct", 0, 100),
        "pr_pct": _within(record, "pr_pct", 0, 100),
        "er_low": verdict.er_low,
        "her2": str(verdict.her2),
        "et_partner": _word(record, "et_partner"),
        "endo_sensitivity": _word(record, "endo_sensitivity"),
        "endo_sensitivity_derived": _text(endocrine_sensitivity(record, settings)),
        "de_novo": record.yes("de_novo_met"),
        "dfi_months": _within(record, "dfi_months", 0, 1200),
        "visceral": record.yes("visceral"),
        "bone_only": record.yes("bone_only"),
        "n_met_sites": _whole(record, "n_met_sites", 0, 50),
        "met_sites": ";".join(sorted(squeeze(site) for site in record.ticked("met_sites"))) or None,
        "prior_lines_met": _whole(record, "prior_lines_met", 0, 50),
        "prior_ct": record.yes("prior_ct"),
        "prior_et": record.yes("prior_et"),
        "prior_cdk46i": record.yes("prior_cdk46i"),
        "treated": record.first_dose_known,
        "pd_day": response.pd_day,
        "death_day": record.day("death_date"),
        "next_line_day": record.day("next_line_start"),
        "last_contact_day": record.day("last_contact_date"),
        "data_cut_day": record.data_cut_day,
        # Last, when everything that may raise a query has run.
        "n_queries": len(record.queries),
        "queries": codes(record.queries),
    }


def _withdrawn_row(record: PatientRecord) -> dict[str, Any]:
    return {
        "patient_id": record.patient_id,
        "site": record.text("site"),
        "cohorts": ";".join(record.cohorts) or None,
        "withdrawn": True,
        "withdrawal_scope": record.withdrawal_scope,
        "n_queries": 0,
        "treated": record.first_dose_known,
    }


def _visit_rows(record: PatientRecord, response: ResponseRecord) -> list[dict[str, Any]]:
    return [
        {
            "patient_id": record.patient_id,
            "visit_day": visit.day,
            "sum_mm": visit.sum_mm,
            "nadir_mm": visit.nadir_mm,
            "change_from_baseline_pct": visit.change_from_baseline_pct,
            "change_from_nadir_pct": visit.change_from_nadir_pct,
            "n_targets": visit.n_targets,
            "n_measured": visit.n_measured,
            "target_response": _text(visit.target),
            "nontarget_response": _text(visit.nontarget),
            "new_lesion": visit.new_lesion,
            "overall_response": str(visit.overall),
            "investigator_overall": _text(called),
            "agrees": None if called is None else called is visit.overall,
        }
        for visit, called in zip(response.assessments, response.investigator, strict=True)
    ]


def _response_row(record: PatientRecord, response: ResponseRecord, settings: Settings) -> dict[str, Any]:
    evaluable = sum(each.overall is not Response.NE for each in response.assessments)
    row: dict[str, Any] = {
        "patient_id": record.patient_id,
        "best_overall_response": str(response.best),
        "confirmed_response": str(response.confirmed_best),
        "n_assessments": len(response.assessments),
        "n_evaluable": evaluable,
    }
    if not record.first_dose_known:
        return {**row, "censor_reason": str(CensorReason.NOT_TREATED)}
    survival = progression_free_survival(response.course, settings)
    return {
        **row,
        "pfs_days": survival.days,
        "pfs_event": survival.event,
        "event_basis": _text(survival.basis),
        "censor_reason": _text(survival.censor_reason),
        "pfs_months": months(survival.days, settings),
        "resistance_class": str(resistance_class(survival, settings)),
        "clinical_benefit": clinical_benefit(response.best, survival, settings),
        "pfs_sensitivity_days": survival.sensitivity_days,
        "pfs_sensitivity_event": survival.sensitivity_event,
    }


def _query_rows(queries: Sequence[Query]) -> list[dict[str, Any]]:
    unique = {(query.patient_id, query.code, query.column, query.row): query for query in sorted(queries)}
    return [
        {"patient_id": patient, "code": code, "field": column, "row": row, "message": query.message}
        for (patient, code, column, row), query in sorted(unique.items())
    ]


def _word(record: PatientRecord, name: str) -> str | None:
    value = record.text(name)
    return squeeze(value) or None if value else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _within(record: PatientRecord, name: str, lowest: float, highest: float) -> float | None:
    value = record.number(name)
    if value is not None and not lowest <= value <= highest:
        record.query("E_OUT_OF_RANGE", name, f"not between {lowest:g} and {highest:g}")
        return None
    return value


def _whole(record: PatientRecord, name: str, lowest: int, highest: int, *, cap: bool = False) -> int | None:
    value = record.number(name)
    if value is not None and cap:
        value = min(value, highest)
    if value is not None and (value != int(value) or not lowest <= value <= highest):
        record.query("E_OUT_OF_RANGE", name, f"not a whole number between {lowest} and {highest}")
        return None
    return None if value is None else int(value)
