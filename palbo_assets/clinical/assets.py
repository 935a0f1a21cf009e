"""The clinical products, from the REDCap export to the ledger of deliveries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from palbo_assets.clinical.settings import Settings
from palbo_assets.clinical.tables import (
    ACCRUAL,
    CLINICAL_QUERIES,
    DELIVERY_LEDGER,
    PATIENTS,
    RESPONSE_VISITS,
    SAMPLE_MANIFEST,
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


def _clinical(step: Step) -> ClinicalTables:
    from palbo_assets.clinical.summary import read_cohort, read_sdtm_cohort, summarise

    sources = (("redcap_export", "redcap_dictionary"), ("sdtm_dm", "sdtm_tu", "sdtm_tr", "sdtm_rs"))
    found = {role: step.files(role) for roles in sources for role in roles}
    delivered = [roles for roles in sources if any(found[role] for role in roles)]
    if len(delivered) != 1:
        raise InputError(
            "E_TWO_SOURCES" if delivered else "E_EMPTY",
            "REDCap and SDTM data are both there" if delivered else "no clinical data are there",
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
    DELIVERY_LEDGER,
    COHORT,
    upstream=(PATIENTS, SAMPLE_MANIFEST),
    code_version=_CODE_VERSION,
    group="clinical",
    kinds=frozenset({"pandas", "sql"}),
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
