"""Assets of the exome that compare a patient's timepoints: mutations private to one of them, and their processes.

They read the genotypes of all of a patient's samples, which another room publishes, so they are declared after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from palbo_assets.ctdna.tables import PATIENT_GENOTYPES
from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.study.partitions import COHORT, PATIENT
from palbo_assets.wes.process_assets import MISSING, SIGNATURES_VERSION, show_pictures
from palbo_assets.wes.process_tables import APOBEC_ENRICHMENT, MUTATIONAL_SIGNATURES, PRIVATE_SIGNATURES
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.signature_profiles import ENTRY
from palbo_assets.wes.tables import IDENTITY_FAILURES, SAMPLE_IDENTITY, SOMATIC_CALLS

if TYPE_CHECKING:
    import pandas as pd


@product(
    PRIVATE_SIGNATURES,
    PATIENT,
    upstream=(PATIENT_GENOTYPES, IDENTITY_FAILURES, SAMPLE_IDENTITY),
    references=("genome_fasta", ENTRY),
    settings=Settings,
    code_version=SIGNATURES_VERSION,
    group="wes",
    kinds={"numpy", "sql"},
)
def private_signatures(
    step: Step, patient_genotypes: pd.DataFrame, identity_failures: pd.DataFrame, sample_identity: pd.DataFrame
) -> pd.DataFrame:
    """Signatures of mutations private to one timepoint, and of those shared with another: new activity shows here."""
    from palbo_assets.genomics.regions import reference
    from palbo_assets.wes.mutation_sets import of_tumours, private_and_shared
    from palbo_assets.wes.process_rows import of_other_people, signature_rows
    from palbo_assets.wes.signature_profiles import find_profiles
    from palbo_assets.wes.trinucleotides import spectrum

    fasta = step.references.get("genome_fasta")
    if fasta is None:
        step.report(reason=MISSING)
        return frame_from_rows(PRIVATE_SIGNATURES, [])
    profiles = find_profiles(step.references, step.settings)
    rows = []
    with reference(fasta) as fetch:
        for sets in private_and_shared(
            of_tumours(patient_genotypes), of_other_people(sample_identity, identity_failures)
        ):
            who = {
                "patient_id": step.patient_id,
                "timepoint": sets.timepoint,
                "specimen_id": sets.specimen_id,
                "undetermined": None if sets.reason else sets.undetermined,
            }
            for name, mutations in (("private", sets.private), ("shared", sets.shared)):
                counts = None if sets.reason else spectrum(mutations, fetch)
                rows += signature_rows(
                    {**who, "mutation_set": name}, counts, profiles, step.settings, step.seed, reason=sets.reason
                )
    frame = frame_from_rows(PRIVATE_SIGNATURES, rows)
    step.report(profiles=profiles.source, reason=", ".join(sorted({row["reason"] for row in rows if row["reason"]})))
    show_pictures(step, None, frame)
    return frame


@product(
    APOBEC_ENRICHMENT,
    COHORT,
    upstream=(
        SOMATIC_CALLS,
        PATIENT_GENOTYPES,
        SAMPLE_IDENTITY,
        IDENTITY_FAILURES,
        MUTATIONAL_SIGNATURES,
        PRIVATE_SIGNATURES,
    ),
    references=("genome_fasta",),
    settings=Settings,
    code_version="1",
    group="wes",
    kinds={"scipy", "sql"},
)
def apobec_enrichment(
    step: Step,
    somatic_calls: pd.DataFrame,
    patient_genotypes: pd.DataFrame,
    sample_identity: pd.DataFrame,
    identity_failures: pd.DataFrame,
    mutational_signatures: pd.DataFrame,
    private_signatures: pd.DataFrame,
) -> pd.DataFrame:
    """Whether cytosines mutate at APOBEC3's motif more often than the bases around them offer, beside the refit."""
    import pandas as pd

    from palbo_assets.genomics.regions import reference
    from palbo_assets.wes.mutation_sets import of_tumours
    from palbo_assets.wes.process_rows import enrichment_rows, of_other_people

    fasta = step.references.get("genome_fasta")
    if fasta is None:
        step.report(reason=MISSING)
        return frame_from_rows(APOBEC_ENRICHMENT, [])
    refits = pd.concat([mutational_signatures, private_signatures], ignore_index=True)
    swapped = of_other_people(sample_identity, identity_failures)
    with reference(fasta) as fetch:
        rows = enrichment_rows(somatic_calls, of_tumours(patient_genotypes), swapped, refits, fetch, step.settings)
    step.report(
        specimens=len({row["specimen_id"] for row in rows}),
        evaluated=sum(row["status"] == "OBSERVED" for row in rows),
        enriched=sum(bool(row["enriched"]) for row in rows),
    )
    return frame_from_rows(APOBEC_ENRICHMENT, rows)
