"""Assets of the exome that compare a patient's timepoints: mutations private to one of them, and their processes.

They read the genotypes of all of a patient's samples, which another room publishes, so they are declared after it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.ctdna.tables import PATIENT_GENOTYPES
from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.study.partitions import COHORT, PATIENT
from palbo_assets.study.vocabulary import OBSERVED, Timepoint
from palbo_assets.wes.process_assets import MISSING, SIGNATURES_VERSION, show_pictures
from palbo_assets.wes.process_tables import (
    APOBEC_ENRICHMENT,
    MUTATIONAL_SIGNATURES,
    PAIRED_MUTATIONAL_BURDEN,
    PRIVATE_SIGNATURES,
)
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.signature_profiles import ENTRY
from palbo_assets.wes.step_files import normal_path
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


@product(
    PAIRED_MUTATIONAL_BURDEN,
    PATIENT,
    reads=("wes",),
    roles=("tumour_bam", "normal_bam"),
    upstream=(SOMATIC_CALLS, SAMPLE_IDENTITY, IDENTITY_FAILURES),
    references=("genome_fasta", "target_bed", "genes_gff3"),
    settings=Settings,
    code_version="1",
    group="wes",
    kinds={"bam", "scipy", "sql"},
)
def paired_mutational_burden(
    step: Step, somatic_calls: pd.DataFrame, sample_identity: pd.DataFrame, identity_failures: pd.DataFrame
) -> pd.DataFrame:
    """Burden of baseline and each later tumour over the coding bases that are deep enough in both and in the blood."""
    from palbo_assets.genomics.bam import as_bam
    from palbo_assets.genomics.regions import read_bed
    from palbo_assets.study.reference_lists import hold_lists_to_build
    from palbo_assets.wes import read_quality
    from palbo_assets.wes.callable_bases import Depths, coding_regions
    from palbo_assets.wes.mutation_sets import passing
    from palbo_assets.wes.paired_burden import Territory, compared, unjudged
    from palbo_assets.wes.process_rows import MISMATCH, of_other_people

    hold_lists_to_build(step, ("target_bed",))
    settings: Settings = step.settings
    tumours = sorted(step.files("tumour_bam"), key=lambda file: (file.specimen_id, file.sha256))
    first = [file for file in tumours if file.timepoint == Timepoint.BL]
    later = [file for file in tumours if file.timepoint != Timepoint.BL]
    bed, gff3, fasta = (step.references.get(name) for name in ("target_bed", "genes_gff3", "genome_fasta"))
    blood = normal_path(step)
    swapped = of_other_people(sample_identity, identity_failures)
    depth: dict[Path, Depths] = {}
    targets = read_bed(bed) if bed else []

    def deep(path: Path) -> Depths:
        if path not in depth:
            depth[path] = read_quality.measure(as_bam(path, step.workdir, fasta), targets, settings).target_depth
        return depth[path]

    calls = passing(somatic_calls)
    rows = []
    for before in first:
        for after in later:
            if not bed or not gff3:
                found = unjudged(MISSING)
            elif blood is None:
                found = unjudged("NO_NORMAL")
            elif {before.specimen_id, after.specimen_id} & swapped:
                found = unjudged(MISMATCH)
            else:
                enough = (settings.min_tumour_depth, settings.min_normal_depth)
                own, its = (calls[calls["specimen_id"] == one.specimen_id] for one in (before, after))
                depths = (deep(before.path), deep(after.path), deep(blood))
                found = compared(own, its, depths, Territory(targets, coding_regions(gff3), enough), settings)
            who = {"patient_id": step.patient_id, "timepoint": after.timepoint, "specimen_id": after.specimen_id}
            rows.append({**who, "baseline_specimen_id": before.specimen_id, **found})
    step.report(pairs=len(rows), compared=sum(row["status"] == OBSERVED for row in rows))
    return frame_from_rows(PAIRED_MUTATIONAL_BURDEN, rows)
