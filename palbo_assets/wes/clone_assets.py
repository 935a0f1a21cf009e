"""A patient's clones, from the counts of its variants in every tumour.

Declared after the plasma room, whose genotypes of all of the patient's samples they read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from palbo_assets.ctdna.tables import PATIENT_GENOTYPES
from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.study.partitions import PATIENT
from palbo_assets.study.vocabulary import TIMEPOINTS
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.tables import (
    CLONAL_VARIANTS,
    CLONE_PREVALENCE,
    COPY_NUMBER_SEGMENTS,
    IDENTITY_FAILURES,
    READ_QC,
    SAMPLE_IDENTITY,
)

if TYPE_CHECKING:
    import pandas as pd

    from palbo_assets.wes.clone_rows import PatientClones, PatientVariants

_OF_CLONES = (PATIENT_GENOTYPES, COPY_NUMBER_SEGMENTS, SAMPLE_IDENTITY, READ_QC, IDENTITY_FAILURES)


def _clones(
    step: Step,
    patient_genotypes: pd.DataFrame,
    copy_number_segments: pd.DataFrame,
    sample_identity: pd.DataFrame,
    read_qc: pd.DataFrame,
    identity_failures: pd.DataFrame,
) -> tuple[PatientVariants, PatientClones]:
    from palbo_assets.wes.clone_rows import fit_clones, patient_variants
    from palbo_assets.wes.mutation_sets import of_tumours

    unusable = set(sample_identity.loc[sample_identity["verdict"] == "mismatch", "specimen_id"])
    unusable |= set(identity_failures["specimen_id"]) | set(read_qc.loc[read_qc["verdict"] == "fail", "specimen_id"])
    patient = patient_variants(of_tumours(patient_genotypes), copy_number_segments, unusable, TIMEPOINTS)
    # A partition's seed is the same in both products, so that they speak of the same clones.
    return patient, fit_clones(patient, step.settings, step.seed)


@product(
    CLONAL_VARIANTS,
    PATIENT,
    upstream=_OF_CLONES,
    settings=Settings,
    code_version="2",
    group="wes",
    kinds={"numpy", "sql"},
)
def clonal_variants(step: Step, **tables: pd.DataFrame) -> pd.DataFrame:
    """Each variant's cell fraction at baseline and progression, whether it grew, and which clone it belongs to.

    Compared by cancer cell fraction with intervals, never by allele fraction, which moves with purity.
    """
    from palbo_assets.wes.clone_rows import variant_rows

    patient, fit = _clones(step, **tables)
    rows = [{"patient_id": step.patient_id, **row} for row in variant_rows(patient, fit, step.settings)]
    changes = [row["change"] for row in rows]
    step.report(variants=len(rows), clones_reason=fit.reason)
    step.report(**{change.lower(): changes.count(change) for change in sorted(set(changes))})
    return frame_from_rows(CLONAL_VARIANTS, rows)


@product(
    CLONE_PREVALENCE,
    PATIENT,
    upstream=_OF_CLONES,
    settings=Settings,
    code_version="2",
    group="wes",
    kinds={"numpy", "sql"},
)
def clone_prevalence(step: Step, **tables: pd.DataFrame) -> pd.DataFrame:
    """How much of each of the patient's tumours every clone makes up; none with fewer than two judged tumours."""
    from palbo_assets.wes.clone_rows import clone_rows

    _, fit = _clones(step, **tables)
    rows = [{"patient_id": step.patient_id, **row} for row in clone_rows(fit, step.settings)]
    step.report(clones=len({row["clone"] for row in rows}), tumours=len(fit.tumours), reason=fit.reason)
    return frame_from_rows(CLONE_PREVALENCE, rows)
