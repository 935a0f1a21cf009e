"""The clinical products, from the REDCap export to the ledger of deliveries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from palbo_assets.clinical.settings import Settings
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
    TREATMENT_RESPONSE,
)
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import Table, frame_from_rows
from palbo_assets.study.partitions import COHORT
from palbo_assets.study.protocol import protocol_version

if TYPE_CHECKING:
    import pandas as pd

    from palbo_assets.clinical.summary import ClinicalTables

_CODE_VERSION = f"2+{protocol_version()}"  # an edited protocol makes every clinical product due
_KINDS = frozenset({"csv", "pandas", "sql"})
_DERIVED = frozenset({"pandas", "sql"})


def _clinical(step: Step) -> ClinicalTables:
    from palbo_assets.clinical.summary import read_cohort, read_odm_cohort, read_sdtm_cohort, summarise

    sources = (("redcap_export", "redcap_dictionary"), ("odm",), ("sdtm_dm", "sdtm_tu", "sdtm_tr", "sdtm_rs"))
    found = {role: step.files(role) for roles in sources for role in roles}
    delivered = [roles for roles in sources if any(found[role] for role in roles)]
    if len(delivered) != 1:
        raise InputError(
            "E_TWO_SOURCES" if delivered else "E_EMPTY",
            "data of more than one kind of export are there" if delivered else "no clinical data are there",
            fix="deliver the whole study from one system",
        )
    (roles,) = delivered
    unclear = [role for role in roles if len(found[role]) != 1]
    if unclear:
        raise InputError(
            "E_INCOMPLETE_EXPORT",
            f"one file of each of {', '.join(roles)} is needed; there are {len(found[unclear[0]])} of {unclear[0]}",
            fix="deliver the whole study as one export",
        )
    path = {role: found[role][0].path for role in roles}
    if "redcap_export" in path:
        cohort = read_cohort(path["redcap_export"], path["redcap_dictionary"], step.settings)
    elif "odm" in path:
        cohort = read_odm_cohort(path["odm"], step.settings)
    else:
        cohort = read_sdtm_cohort(path, step.settings)
    return summarise(cohort, step.settings)


def _published(step: Step, table: Table, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    step.report(rows=len(rows))
    return frame_from_rows(table, [dict(row) for row in rows])


@product(
    PATIENTS, COHORT, reads=("clinical",), settings=Settings, code_version=_CODE_VERSION, group="clinical", kinds=_KINDS
)
def patients(step: Step) -> pd.DataFrame:
    """Every patient of the clinical export: cohorts, eligibility, consent, disease at baseline and milestones, in days
    from the first dose. Withdrawn patients stay listed, without any clinical value."""
    rows = _clinical(step).patients
    step.report(withdrawn=sum(row["withdrawn"] for row in rows), with_queries=sum(row["n_queries"] > 0 for row in rows))
    return _published(step, PATIENTS, rows)


@product(
    RESPONSE_VISITS,
    COHORT,
    reads=("clinical",),
    settings=Settings,
    code_version=_CODE_VERSION,
    group="clinical",
    kinds=_KINDS,
)
def response_visits(step: Step) -> pd.DataFrame:
    """RECIST 1.1 of every tumour assessment, computed from the measured lesions and compared with what the investigator
    recorded."""
    rows = _clinical(step).response_visits
    step.report(disagreements=sum(row["agrees"] is False for row in rows))
    return _published(step, RESPONSE_VISITS, rows)


@product(
    TREATMENT_RESPONSE,
    COHORT,
    reads=("clinical",),
    settings=Settings,
    code_version=_CODE_VERSION,
    group="clinical",
    kinds=_KINDS,
)
def treatment_response(step: Step) -> pd.DataFrame:
    """Best overall response, progression-free survival with its censoring, and resistance class of every patient."""
    rows = _clinical(step).treatment_response
    step.report(events=sum(bool(row.get("pfs_event")) for row in rows))
    return _published(step, TREATMENT_RESPONSE, rows)


@product(
    ANALYSIS_COMPARISON,
    COHORT,
    reads=("clinical",),
    upstream=(TREATMENT_RESPONSE,),
    settings=Settings,
    code_version="1",
    group="clinical",
    kinds=_KINDS,
)
def analysis_comparison(step: Step, treatment_response: pd.DataFrame) -> pd.DataFrame:
    """The sponsor's ADaM analyses (ADTTE, ADRS) beside survival and response as derived here: programmed twice."""
    from palbo_assets.clinical.adam import compare, read_adam

    delivered = {role: step.files(role) for role in ("adam_adtte", "adam_adrs")}
    several = [role for role, files in delivered.items() if len(files) > 1]
    if several:
        raise InputError(
            "E_DUPLICATE", f"there is more than one {several[0]}", fix="deliver one analysis dataset of each kind"
        )
    analyses = read_adam({role: files[0].path for role, files in delivered.items() if files}, step.settings)
    rows = compare(analyses, _rows(treatment_response), step.settings)
    step.report(differing=sum(row["verdict"] != "AGREES" for row in rows))
    return _published(step, ANALYSIS_COMPARISON, rows)


@product(
    SAMPLE_MANIFEST,
    COHORT,
    reads=("clinical",),
    settings=Settings,
    code_version=_CODE_VERSION,
    group="clinical",
    kinds=_KINDS,
)
def sample_manifest(step: Step) -> pd.DataFrame:
    """Every specimen that the protocol plans or a site took; its timepoint follows from the day of collection."""
    rows = _clinical(step).sample_manifest
    step.report(collected=sum(row["status"] == "COLLECTED" for row in rows))
    return _published(step, SAMPLE_MANIFEST, rows)


@product(
    ACCRUAL, COHORT, reads=("clinical",), settings=Settings, code_version=_CODE_VERSION, group="clinical", kinds=_KINDS
)
def accrual(step: Step) -> pd.DataFrame:
    """The study's funnel against the registry's plan: 100 banked baselines, 40 pairs, 20 on-treatment patients, and
    40 % of progressed patients with an adequate biopsy."""
    return _published(step, ACCRUAL, _clinical(step).accrual)


@product(
    CLINICAL_QUERIES,
    COHORT,
    reads=("clinical",),
    settings=Settings,
    code_version=_CODE_VERSION,
    group="clinical",
    kinds=_KINDS,
)
def clinical_queries(step: Step) -> pd.DataFrame:
    """What a data manager has to look at in the export: record, field, line and rule, never a value."""
    return _published(step, CLINICAL_QUERIES, _clinical(step).queries)


@product(
    SURVIVAL_CURVES,
    COHORT,
    upstream=(PATIENTS, TREATMENT_RESPONSE),
    settings=Settings,
    code_version="1",
    group="clinical",
    kinds=_DERIVED,
)
def survival_curves(step: Step, patients: pd.DataFrame, treatment_response: pd.DataFrame) -> pd.DataFrame:
    """Kaplan-Meier curves of progression-free survival: of all treated patients, and of the settings' subgroups."""
    from palbo_assets.clinical.time_to_event import curves

    return _published(step, SURVIVAL_CURVES, curves(_joined(patients, treatment_response), step.settings))


@product(
    SURVIVAL_COMPARISONS,
    COHORT,
    upstream=(PATIENTS, TREATMENT_RESPONSE),
    settings=Settings,
    code_version="1",
    group="clinical",
    kinds=_DERIVED,
)
def survival_comparisons(step: Step, patients: pd.DataFrame, treatment_response: pd.DataFrame) -> pd.DataFrame:
    """Median progression-free survival and hazard ratio of subgroups, one factor at a time and unadjusted."""
    from palbo_assets.clinical.time_to_event import comparisons

    return _published(step, SURVIVAL_COMPARISONS, comparisons(_joined(patients, treatment_response), step.settings))


@product(
    BIOPSY_SELECTION,
    COHORT,
    upstream=(PATIENTS, TREATMENT_RESPONSE, SAMPLE_MANIFEST),
    settings=Settings,
    code_version="1",
    group="clinical",
    kinds=_DERIVED,
)
def biopsy_selection(
    step: Step, patients: pd.DataFrame, treatment_response: pd.DataFrame, sample_manifest: pd.DataFrame
) -> pd.DataFrame:
    """Progressed patients with an adequate biopsy beside those without: whether the pairs stand for the others."""
    from palbo_assets.clinical.accrual import BIOPSIES
    from palbo_assets.clinical.selection import selection_rows

    taken = sample_manifest[
        (sample_manifest["timepoint"] == "PD")
        & (sample_manifest["status"] == "COLLECTED")
        & sample_manifest["specimen_type"].isin([str(kind) for kind in BIOPSIES])
    ]
    progressed = [one for one in _joined(patients, treatment_response) if one["pd_day"] is not None]
    biopsied = set(taken["patient_id"])
    rows = selection_rows(
        [one for one in progressed if one["patient_id"] in biopsied],
        [one for one in progressed if one["patient_id"] not in biopsied],
    )
    step.report(progressed=len(progressed), biopsied=sum(one["patient_id"] in biopsied for one in progressed))
    return _published(step, BIOPSY_SELECTION, rows)


def _joined(patients: pd.DataFrame, treatment_response: pd.DataFrame) -> list[dict[str, Any]]:
    """One mapping a patient who isn't withdrawn, null as None."""
    return _rows(patients.merge(treatment_response, on="patient_id", suffixes=("", "_response")))


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The frame's rows, null as None."""
    plain = frame.astype(object)
    return [{str(k): v for k, v in row.items()} for row in plain.where(plain.notna(), None).to_dict("records")]


@product(
    DELIVERY_LEDGER,
    COHORT,
    upstream=(PATIENTS, SAMPLE_MANIFEST),
    code_version=_CODE_VERSION,
    group="clinical",
    kinds=_DERIVED,
    observes_landing=True,
)
def delivery_ledger(step: Step, patients: pd.DataFrame, sample_manifest: pd.DataFrame) -> pd.DataFrame:
    """Every patient x timepoint x assay: planned or not, due or late, received, refused, or published. The clinical
    export's last date is the clock."""
    from palbo_assets.clinical import delivery_ledger as ledger
    from palbo_assets.study.protocol import load_protocol

    rows = ledger.delivery_ledger(
        patients, sample_manifest, step.landed_files_frame(), step.published_frame(), load_protocol()
    )
    states = [row["state"] for row in rows]
    step.report(**{state.lower(): states.count(state) for state in sorted(set(states))})
    return _published(step, DELIVERY_LEDGER, rows)
