"""Facts by the grain of the products that they are from: of a sample, of a patient's samples together, of the cohort.

The catalogue states a feature's grain. A product of one patient makes only that patient's facts due again; what moves
with every new patient stays apart, so that it makes nothing but the integrated table due.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from palbo_assets.ctdna.tables import (
    CTDNA_BURDEN,
    CTDNA_CALLS,
    CTDNA_FITNESS,
    CTDNA_ORIGINS,
    CTDNA_QC,
    CTDNA_RESIDUAL_DISEASE,
    PATIENT_GENOTYPES,
)
from palbo_assets.cytometry.tables import FACS_ABUNDANCES, FACS_QC
from palbo_assets.histology.tables import CYCLIN_E_IHC, IHC_IMAGES, TIL_MARKER_IHC, TIL_SCORES
from palbo_assets.platform.partitioning import Level, sample_key
from palbo_assets.platform.product import SPECS, Step, product
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.resistance.features import Grain
from palbo_assets.resistance.pair_identity import pair_is_blocked
from palbo_assets.resistance.settings import AcquiredSettings, Settings
from palbo_assets.resistance.tables import ACQUIRED_ALTERATIONS, CATALOGUE, COHORT_FACTS, FACTS, PATIENT_FACTS
from palbo_assets.rnaseq.tables import EXPRESSION_SIGNATURES, IMMUNE_DECONVOLUTION, INTRINSIC_SUBTYPE, RNA_QC
from palbo_assets.serum.tables import NRG1_CHANGES, NRG1_ELISA
from palbo_assets.study.partitions import COHORT, PATIENT, SAMPLE
from palbo_assets.study.vocabulary import TIMEPOINTS
from palbo_assets.wes.tables import (
    APOBEC_ENRICHMENT,
    CLONAL_VARIANTS,
    CLONE_PREVALENCE,
    COPY_NUMBER_SEGMENTS,
    GENE_COPY_NUMBER,
    HRD_SCARS,
    IDENTITY_FAILURES,
    MUTATIONAL_SIGNATURES,
    PAIRED_MUTATIONAL_BURDEN,
    PLASMA_CONTAMINATION,
    PRIVATE_SIGNATURES,
    READ_QC,
    SAMPLE_IDENTITY,
    SEX_CONCORDANCE,
    SOMATIC_CALLS,
    TUMOUR_MUTATIONAL_BURDEN,
)

if TYPE_CHECKING:
    import pandas as pd

GROUP = "resistance"
# The catalogue is part of the method: a changed line makes everything that follows from it due.
_VERSION = f"3+{CATALOGUE.digest}"

FACT_SOURCES = (
    SAMPLE_IDENTITY,
    IDENTITY_FAILURES,
    READ_QC,
    SOMATIC_CALLS,
    COPY_NUMBER_SEGMENTS,
    GENE_COPY_NUMBER,
    MUTATIONAL_SIGNATURES,
    TUMOUR_MUTATIONAL_BURDEN,
    HRD_SCARS,
    RNA_QC,
    EXPRESSION_SIGNATURES,
    INTRINSIC_SUBTYPE,
    IMMUNE_DECONVOLUTION,
    CTDNA_QC,
    CTDNA_CALLS,
    CTDNA_BURDEN,
    CTDNA_FITNESS,
    TIL_SCORES,
    TIL_MARKER_IHC,
    CYCLIN_E_IHC,
    IHC_IMAGES,
    NRG1_ELISA,
    FACS_QC,
    FACS_ABUNDANCES,
)
PATIENT_FACT_SOURCES = (
    SAMPLE_IDENTITY,
    READ_QC,
    IDENTITY_FAILURES,
    PATIENT_GENOTYPES,
    PRIVATE_SIGNATURES,
    PAIRED_MUTATIONAL_BURDEN,
    PLASMA_CONTAMINATION,
    CLONAL_VARIANTS,
    CLONE_PREVALENCE,
    CTDNA_QC,
    CTDNA_FITNESS,
    CTDNA_ORIGINS,
    CTDNA_RESIDUAL_DISEASE,
    ACQUIRED_ALTERATIONS,
)
COHORT_FACT_SOURCES = (APOBEC_ENRICHMENT, SEX_CONCORDANCE, SAMPLE_IDENTITY, NRG1_ELISA, NRG1_CHANGES)


@product(
    FACTS,
    SAMPLE,
    upstream=FACT_SOURCES,
    settings=Settings,
    code_version=_VERSION,
    group=GROUP,
    kinds={"pandas", "sql"},
)
def facts(step: Step, **tables: pd.DataFrame) -> pd.DataFrame:
    """Every feature of the sample with its value or the reason why it has none, and the product it is from."""
    from palbo_assets.resistance.facts import sample_facts

    published, versions = _published(step, tables)
    rows = [
        {"patient_id": step.patient_id, "timepoint": step.timepoint, **row}
        for row in sample_facts(CATALOGUE.at(Grain.SAMPLE), published, versions)
    ]
    _report(step, rows)
    return frame_from_rows(FACTS, rows)


def _published(
    step: Step, tables: dict[str, pd.DataFrame]
) -> tuple[dict[str, pd.DataFrame], dict[str, tuple[str, str]]]:
    """The tables that are published for this sample (empty ones too), and the versions that they are from."""
    current = step.warehouse.current_versions()
    published, versions = {}, {}
    for name, frame in tables.items():
        spec = SPECS[name]
        if spec.level is Level.SAMPLE:
            version = current.get((name, step.partition_key))
            if version is not None:
                published[name], versions[name] = frame, (step.partition_key, version)
        elif spec.level is Level.PATIENT:
            version = current.get((name, step.patient_id))
            if version is not None:
                published[name], versions[name] = frame, (step.patient_id, version)
        elif name == IDENTITY_FAILURES.name:  # of the cohort's failures a patient without rows has none
            published[name] = frame
        elif not frame.empty:  # of a table of many patients only the rows say that the sample is in it
            published[name] = step.warehouse.read(
                spec.table, patient_id=step.patient_id, timepoint=step.timepoint, provenance=True
            )
    return published, versions


@product(
    ACQUIRED_ALTERATIONS,
    PATIENT,
    upstream=(PATIENT_GENOTYPES, CTDNA_ORIGINS, SAMPLE_IDENTITY, IDENTITY_FAILURES),
    settings=AcquiredSettings,
    code_version="1",
    group=GROUP,
    kinds={"pandas", "sql"},
)
def acquired_alterations(
    step: Step,
    patient_genotypes: pd.DataFrame,
    ctdna_origins: pd.DataFrame,
    sample_identity: pd.DataFrame,
    identity_failures: pd.DataFrame,
) -> pd.DataFrame:
    """Each alteration of progression, and whether it was acquired: every baseline sample of the patient is asked."""
    from palbo_assets.resistance.acquired import alterations_of_progression

    rows = alterations_of_progression(
        patient_genotypes,
        ctdna_origins,
        identity_blocked=pair_is_blocked(sample_identity, identity_failures),
        settings=step.settings,
    )
    verdicts = [row["verdict"] for row in rows]
    step.report(**{name: verdicts.count(name) for name in sorted(set(verdicts))})
    return frame_from_rows(ACQUIRED_ALTERATIONS, [{"patient_id": step.patient_id, **row} for row in rows])


@product(
    PATIENT_FACTS,
    PATIENT,
    upstream=PATIENT_FACT_SOURCES,
    code_version=_VERSION,
    group=GROUP,
    kinds={"pandas", "sql"},
)
def patient_facts(step: Step, **tables: pd.DataFrame) -> pd.DataFrame:
    """What only a patient's samples together tell of a sample or of the pair, with its source, or why it isn't told."""
    from palbo_assets.resistance.facts import facts_of_patient

    current = step.warehouse.current_versions()
    published, versions, unpublished = {}, {}, set()
    for name, frame in tables.items():
        level = SPECS[name].level
        if level is Level.SAMPLE:
            published[name] = frame
            keys = {str(timepoint): sample_key(step.patient_id, str(timepoint)) for timepoint in TIMEPOINTS}
            unpublished |= {(name, timepoint) for timepoint, key in keys.items() if (name, key) not in current}
            continue
        key = step.patient_id if level is Level.PATIENT else ""
        if (name, key) in current:
            versions[name] = key, current[name, key]
        if level is Level.COHORT or name in versions:  # of the cohort's failures a patient without rows has none
            published[name] = frame
    found = facts_of_patient(CATALOGUE.at(Grain.PATIENT, Grain.PAIR), published, versions, unpublished)
    rows = [{"patient_id": step.patient_id, **row} for row in found]
    _report(step, rows)
    return frame_from_rows(PATIENT_FACTS, rows)


@product(
    COHORT_FACTS,
    COHORT,
    upstream=COHORT_FACT_SOURCES,
    code_version=_VERSION,
    group=GROUP,
    kinds={"pandas", "sql"},
)
def cohort_facts(step: Step, **tables: pd.DataFrame) -> pd.DataFrame:
    """What only the whole cohort tells of a sample: it may change with every patient who is added."""
    from palbo_assets.resistance.facts import facts_of_patient

    current = step.warehouse.current_versions()
    versions = {name: ("", current[name, ""]) for name in tables if (name, "") in current}
    rows: list[dict[str, Any]] = []
    for patient_id in sorted({str(one) for frame in tables.values() for one in frame["patient_id"]}):
        own = {name: frame[frame["patient_id"] == patient_id] for name, frame in tables.items()}
        found = facts_of_patient(CATALOGUE.at(Grain.COHORT), own, versions)
        rows += [{"patient_id": patient_id, **row} for row in found]
    _report(step, rows)
    return frame_from_rows(COHORT_FACTS, rows)


def _report(step: Step, rows: list[dict[str, Any]]) -> None:
    statuses = [row["status"] for row in rows]
    step.report(facts=len(rows), **{status.lower(): statuses.count(status) for status in sorted(set(statuses))})
