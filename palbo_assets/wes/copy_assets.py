"""Products that rest on copy-number segments: genes' copies, and a patient's clones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.study.partitions import PATIENT, SAMPLE
from palbo_assets.study.vocabulary import TIMEPOINTS
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.tables import (
    CLONAL_VARIANTS,
    CLONE_PREVALENCE,
    COPY_NUMBER_SEGMENTS,
    FORCED_GENOTYPES,
    GENE_COPY_NUMBER,
    IDENTITY_FAILURES,
    READ_QC,
    SAMPLE_IDENTITY,
)

if TYPE_CHECKING:
    import pandas as pd

    from palbo_assets.wes.clone_rows import PatientClones, PatientVariants

MISSING = "E_REFERENCE_MISSING"


@product(
    GENE_COPY_NUMBER,
    SAMPLE,
    upstream=(COPY_NUMBER_SEGMENTS, SAMPLE_IDENTITY),
    references=("genome_fasta", "genes_gff3", "transcripts", "centromeres"),
    settings=Settings,
    code_version="1",
    group="wes",
    kinds={"numpy", "parquet"},
)
def gene_copy_number(step: Step, copy_number_segments: pd.DataFrame, sample_identity: pd.DataFrame) -> pd.DataFrame:
    """Each gene's copies in each sequenced tumour: amplified, deleted, without heterozygosity, or why it can't be said.

    A fixed cut on log2 isn't used: copies are solved with the stated purity and judged against ploidy.
    """
    from palbo_assets.genomics.consequence import read_transcripts
    from palbo_assets.genomics.gene_exons import read_gene_exons
    from palbo_assets.wes.call import References
    from palbo_assets.wes.gene_copy_rows import arms, gene_rows
    from palbo_assets.wes.hrd_scars import read_centromeres
    from palbo_assets.wes.tumour_profile import profile_of_rows

    gff3, transcripts = step.references.get("genes_gff3"), step.references.get("transcripts")
    if gff3 is None:
        step.report(genes=0, reason=MISSING)
        return frame_from_rows(GENE_COPY_NUMBER, [])
    genes = read_gene_exons(gff3, read_transcripts(transcripts) if transcripts else {})
    centromeres = step.references.get("centromeres")
    contigs = References(fasta=step.references.get("genome_fasta")).contigs()
    arms_of = arms(read_centromeres(centromeres), contigs) if centromeres else {}
    rows = []
    for specimen in sorted(set(copy_number_segments["specimen_id"]) | set(sample_identity["specimen_id"])):
        profile = profile_of_rows(copy_number_segments[copy_number_segments["specimen_id"] == specimen])
        found = gene_rows(genes, profile, arms_of, step.settings)
        who = {"patient_id": step.patient_id, "timepoint": step.timepoint, "specimen_id": specimen}
        rows += [{**who, **row} for row in found]
        states = [row["state"] for row in found]
        step.report(**{state.lower(): states.count(state) for state in sorted(set(states))})
    return frame_from_rows(GENE_COPY_NUMBER, rows)


_OF_CLONES = (FORCED_GENOTYPES, COPY_NUMBER_SEGMENTS, SAMPLE_IDENTITY, READ_QC, IDENTITY_FAILURES)


def _clones(
    step: Step,
    forced_genotypes: pd.DataFrame,
    copy_number_segments: pd.DataFrame,
    sample_identity: pd.DataFrame,
    read_qc: pd.DataFrame,
    identity_failures: pd.DataFrame,
) -> tuple[PatientVariants, PatientClones]:
    from palbo_assets.wes.clone_rows import fit_clones, patient_variants

    unusable = set(sample_identity.loc[sample_identity["verdict"] == "mismatch", "specimen_id"])
    unusable |= set(identity_failures["specimen_id"]) | set(read_qc.loc[read_qc["verdict"] == "fail", "specimen_id"])
    patient = patient_variants(forced_genotypes, copy_number_segments, unusable, TIMEPOINTS)
    # A partition's seed is the same in both products, so that they speak of the same clones.
    return patient, fit_clones(patient, step.settings, step.seed)


@product(
    CLONAL_VARIANTS,
    PATIENT,
    upstream=_OF_CLONES,
    settings=Settings,
    code_version="1",
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
    code_version="1",
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
