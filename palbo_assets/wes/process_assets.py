"""Assets of what the whole exome tells of mutational processes: spectrum, signatures, burden, scars.

``assets.py`` takes them up after its own, which they read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.study.partitions import SAMPLE
from palbo_assets.wes.process_tables import (
    HRD_SCARS,
    MUTATION_SPECTRA,
    MUTATIONAL_SIGNATURES,
    TUMOUR_MUTATIONAL_BURDEN,
)
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.signature_profiles import ENTRY, installed_version
from palbo_assets.wes.tables import (
    COPY_NUMBER_SEGMENTS,
    READ_QC,
    SAMPLE_IDENTITY,
    SOMATIC_CALLS,
)

if TYPE_CHECKING:
    import pandas as pd

MISSING = "E_REFERENCE_MISSING"
# Profiles of the installed package are an input that no bundle lists: another release of it makes the products due.
SIGNATURES_VERSION = f"2+{installed_version() or 'none'}"


@product(
    MUTATION_SPECTRA,
    SAMPLE,
    upstream=(SOMATIC_CALLS, SAMPLE_IDENTITY, READ_QC),
    references=("genome_fasta",),
    settings=Settings,
    code_version="1",
    group="wes",
    kinds={"numpy", "sql"},
)
def mutation_spectra(
    step: Step, somatic_calls: pd.DataFrame, sample_identity: pd.DataFrame, read_qc: pd.DataFrame
) -> pd.DataFrame:
    """Somatic SNVs in the 96 classes of substitutions, from the genome that they were called on; none without it."""
    from palbo_assets.genomics.regions import reference
    from palbo_assets.wes.process_rows import judged_specimens, spectrum_rows

    fasta = step.references.get("genome_fasta")
    if fasta is None:
        step.report(reason=MISSING)
        return frame_from_rows(MUTATION_SPECTRA, [])
    specimens = judged_specimens(somatic_calls, sample_identity, read_qc)
    with reference(fasta) as fetch:
        rows = [
            {"patient_id": step.patient_id, "timepoint": step.timepoint, **row}
            for row in spectrum_rows(somatic_calls, specimens, fetch)
        ]
    step.report(specimens=len(specimens), mutations=sum(row["mutations"] for row in rows))
    return frame_from_rows(MUTATION_SPECTRA, rows)


@product(
    MUTATIONAL_SIGNATURES,
    SAMPLE,
    upstream=(MUTATION_SPECTRA, SAMPLE_IDENTITY, READ_QC),
    references=(ENTRY,),
    settings=Settings,
    code_version=SIGNATURES_VERSION,
    group="wes",
    kinds={"numpy", "sql"},
)
def mutational_signatures(
    step: Step, mutation_spectra: pd.DataFrame, sample_identity: pd.DataFrame, read_qc: pd.DataFrame
) -> pd.DataFrame:
    """Shares of known signatures among the tumour's SNVs with bootstrap intervals; profiles from COSMIC."""
    from palbo_assets.wes.process_rows import signature_rows, specimens_with_reason, spectrum_of
    from palbo_assets.wes.signature_profiles import find_profiles

    profiles = find_profiles(step.references, step.settings)
    rows = []
    for specimen, reason in specimens_with_reason(mutation_spectra, sample_identity, read_qc).items():
        counts = spectrum_of(mutation_spectra, specimen)
        who = {"patient_id": step.patient_id, "timepoint": step.timepoint, "specimen_id": specimen}
        rows += signature_rows(
            {**who, "mutation_set": "all"}, counts, profiles, step.settings, step.seed, reason=reason
        )
    frame = frame_from_rows(MUTATIONAL_SIGNATURES, rows)
    step.report(profiles=profiles.source, reason=", ".join(sorted({row["reason"] for row in rows if row["reason"]})))
    show_pictures(step, mutation_spectra, frame)
    return frame


def show_pictures(step: Step, spectra: pd.DataFrame | None, signatures: pd.DataFrame) -> None:
    """Pictures of what was evaluated, in the partition's metadata."""
    import dagster as dg

    from palbo_assets.wes.spectrum_plot import exposure_picture, spectrum_picture

    pictures = {"exposures": exposure_picture(signatures)}
    if spectra is not None:
        pictures["spectrum"] = spectrum_picture(spectra, step.settings.signature_min_mutations)
    for name, picture in pictures.items():
        if picture is not None:
            step.report(**{name: dg.MetadataValue.md(f"![{name}](data:image/png;base64,{picture})")})


@product(
    TUMOUR_MUTATIONAL_BURDEN,
    SAMPLE,
    upstream=(SOMATIC_CALLS, SAMPLE_IDENTITY, READ_QC),
    references=("target_bed", "genes_gff3"),
    settings=Settings,
    code_version="1",
    group="wes",
    kinds={"scipy", "sql"},
)
def tumour_mutational_burden(
    step: Step, somatic_calls: pd.DataFrame, sample_identity: pd.DataFrame, read_qc: pd.DataFrame
) -> pd.DataFrame:
    """Coding mutations per megabase that was deep enough in tumour and blood; never over the kit's size."""
    from palbo_assets.genomics.regions import read_bed
    from palbo_assets.wes.callable_bases import coding_regions
    from palbo_assets.wes.process_rows import burden_rows

    bed, gff3 = step.references.get("target_bed"), step.references.get("genes_gff3")
    targets = read_bed(bed) if bed else None
    coding = coding_regions(gff3) if gff3 else None
    rows = [
        {"patient_id": step.patient_id, "timepoint": step.timepoint, **row}
        for row in burden_rows(somatic_calls, sample_identity, read_qc, targets, coding, step.settings)
    ]
    for row in rows:
        step.report(coding_per_mb=row["coding_per_mb"] or 0.0, reason=row["reason"] or "")
    return frame_from_rows(TUMOUR_MUTATIONAL_BURDEN, rows)


@product(
    HRD_SCARS,
    SAMPLE,
    upstream=(COPY_NUMBER_SEGMENTS, SAMPLE_IDENTITY),
    references=("centromeres",),
    settings=Settings,
    code_version="1",
    group="wes",
    kinds={"sql"},
)
def hrd_scars(step: Step, copy_number_segments: pd.DataFrame, sample_identity: pd.DataFrame) -> pd.DataFrame:
    """Scars of homologous recombination deficiency from allele-specific segments, with the build's centromeres."""
    from palbo_assets.wes.hrd_scars import read_centromeres, scar_row
    from palbo_assets.wes.process_rows import of_other_people
    from palbo_assets.wes.signature_profiles import BUILD_MISMATCH, same_build

    bundle = step.references
    centromeres, reason = None, None
    if "centromeres" not in bundle.entries:
        reason = MISSING
    elif not same_build(bundle.entry("centromeres").build, bundle.build):
        reason = BUILD_MISMATCH
    else:
        centromeres = read_centromeres(bundle.path("centromeres"))
    swapped = of_other_people(sample_identity)
    rows = []
    for specimen in sorted(set(copy_number_segments["specimen_id"]) | set(sample_identity["specimen_id"])):
        own = copy_number_segments[copy_number_segments["specimen_id"] == specimen]
        why = "E_IDENTITY_MISMATCH" if specimen in swapped else "NO_SEGMENTS" if own.empty else reason
        row = scar_row(own, centromeres, step.settings, why)
        rows.append({"patient_id": step.patient_id, "timepoint": step.timepoint, "specimen_id": specimen, **row})
        step.report(hrd_sum=row["hrd_sum"] if row["hrd_sum"] is not None else "", reason=row["reason"] or "")
    return frame_from_rows(HRD_SCARS, rows)
