"""The exome room's assets: what is read, what is called, and what may be said to be absent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.study.partitions import SAMPLE
from palbo_assets.wes.identity_assets import (
    plasma_contamination,
    rna_snp_genotypes,
    sample_identity,
    snp_genotypes,
)
from palbo_assets.wes.segments_from_reads import COPIES_VERSION
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.step_files import MISSING, normal_path, specimen_columns
from palbo_assets.wes.tables import (
    COPY_NUMBER_SEGMENTS,
    READ_QC,
    SAMPLE_IDENTITY,
    SNP_GENOTYPES,
    SOMATIC_CALLS,
)

if TYPE_CHECKING:
    import pandas as pd

LISTS = ("panel_of_normals", "population_af", "blacklist_bed", "mappability_bed")
"""References that somatic calls are held against where the bundle has them."""


@product(
    READ_QC,
    SAMPLE,
    reads=("wes",),
    roles=("tumour_bam", "normal_bam"),
    upstream=(SNP_GENOTYPES,),
    references=("genome_fasta", "target_bed", "genes_gff3"),
    settings=Settings,
    code_version="3",
    group="wes",
    kinds={"bam", "sql"},
)
def read_qc(step: Step, snp_genotypes: pd.DataFrame) -> pd.DataFrame:
    """Depth, duplicates, fragment length, contamination and sex of each tumour and the normal, with verdicts."""
    from palbo_assets.genomics.bam import as_bam
    from palbo_assets.genomics.regions import read_bed
    from palbo_assets.study.reference_lists import hold_lists_to_build
    from palbo_assets.wes import read_quality
    from palbo_assets.wes.callable_bases import coding_regions, count_callable
    from palbo_assets.wes.contamination import contaminations
    from palbo_assets.wes.sex import judge

    hold_lists_to_build(step, ("target_bed",))
    settings: Settings = step.settings
    bed, fasta = step.references.get("target_bed"), step.references.get("genome_fasta")
    targets = read_bed(bed) if bed else []
    gff3 = step.references.get("genes_gff3")
    coding = coding_regions(gff3) if gff3 else None
    enough = (settings.min_tumour_depth, settings.min_normal_depth)
    blood = normal_path(step)

    def measured(path: Path) -> read_quality.ReadQuality:
        return read_quality.measure(as_bam(path, step.workdir, fasta), targets, settings)

    normal = measured(blood) if blood else None
    sex = judge(
        normal.depth_of if normal else {},
        min_bases=settings.sex_min_bases,
        y_male=settings.sex_y_male,
        y_female=settings.sex_y_female,
        x_male=settings.sex_x_male,
    )
    rows = []
    for file in step.files("tumour_bam"):
        tumour = measured(file.path)
        foreign = contaminations(snp_genotypes, file.specimen_id, settings)
        shares = {
            "tumour_contamination": foreign.tumour.fraction,
            "normal_contamination": foreign.normal.fraction,
        }
        callable_bases = callable_coding = None
        if normal is not None and targets:
            callable_bases = count_callable(tumour.target_depth, normal.target_depth, targets, targets, enough)
            if coding is not None:
                callable_coding = count_callable(tumour.target_depth, normal.target_depth, targets, coding, enough)
        verdict, reasons = read_quality.verdict(tumour, normal, settings, **shares)
        metrics = read_quality.metric_verdicts(tumour, normal, settings, **shares)
        rows.append(
            {
                **specimen_columns(step, file),
                "reads": tumour.reads,
                "mapped_pct": tumour.mapped_pct,
                "duplicate_pct": tumour.duplicate_pct,
                "on_target_pct": tumour.on_target_pct if bed else None,
                "tumour_mean_depth": tumour.mean_depth,
                "tumour_covered_20x_pct": tumour.covered_20x_pct,
                "normal_mean_depth": normal.mean_depth if normal else None,
                "normal_covered_20x_pct": normal.covered_20x_pct if normal else None,
                "callable_bases": callable_bases,
                "callable_coding_bases": callable_coding,
                "insert_median": tumour.insert_median,
                "insert_iqr": tumour.insert_iqr,
                "normal_insert_median": normal.insert_median if normal else None,
                "tumour_contamination": foreign.tumour.fraction,
                "tumour_contamination_low": foreign.tumour.low,
                "tumour_contamination_high": foreign.tumour.high,
                "tumour_contamination_sites": foreign.tumour.n_sites,
                "tumour_contamination_method": foreign.tumour.method,
                "normal_contamination": foreign.normal.fraction,
                "normal_contamination_high": foreign.normal.high,
                "contamination_frequencies": foreign.frequencies,
                "sex": sex.sex,
                "x_ratio": sex.x_ratio,
                "y_ratio": sex.y_ratio,
                "metric_verdicts": ";".join(f"{name}={one}" for name, one in metrics.items()),
                "verdict": str(verdict) if bed else None,
                "reason": ";".join(reasons) if bed else MISSING,
            }
        )
        step.report(reads=tumour.reads, mean_depth=tumour.mean_depth or 0.0, verdict=str(verdict) if bed else MISSING)
    return frame_from_rows(READ_QC, rows)


@product(
    COPY_NUMBER_SEGMENTS,
    SAMPLE,
    reads=("wes",),
    # A tumour without segments is published too, without rows: what was sequenced and not segmented stays known.
    roles=("tumour_bam", "normal_bam", "segments", "purity"),
    references=("genome_fasta", "target_bed"),
    settings=Settings,
    code_version=COPIES_VERSION,
    group="wes",
    kinds={"numpy", "sql"},
)
def copy_number_segments(step: Step) -> pd.DataFrame:
    """Segments of the lab's copy-number tool in one form, solved for absolute copies with the stated purity.

    With ``copies_from_bam`` a tumour that came without segments gets CNVkit's, against the patient's own blood.
    """
    from palbo_assets.wes.call import References
    from palbo_assets.wes.copy_plot import copies_picture
    from palbo_assets.wes.tumour_profile import read_tumour_profile, segment_rows

    contigs = References(fasta=step.references.get("genome_fasta")).contigs()
    by_specimen: dict[str, list[Any]] = {}
    for file in sorted(step.files("tumour_bam", "segments", "purity"), key=lambda file: (file.role, file.sha256)):
        by_specimen.setdefault(file.specimen_id, []).append(file)
    rows = []
    for _, files in sorted(by_specimen.items()):
        segments = [(file.path, file.sample_name) for file in files if file.role == "segments"]
        made_here = not segments and step.settings.copies_from_bam
        if made_here:
            segments = _segments_from_reads(step, files)
        fits = [file.path for file in files if file.role == "purity"]
        profile = read_tumour_profile(segments, fits, step.settings)
        if profile is None:
            continue
        found = segment_rows(profile, contigs)
        rows += [{**specimen_columns(step, files[0]), **row, "made_here": made_here} for row in found]
        step.report(segments=len(found), tool=profile.tool, reason=profile.reason)
        if profile.purity is not None:
            step.report(purity=profile.purity)
        picture = copies_picture(profile, contigs)
        if picture is not None:
            step.report(copies=dg.MetadataValue.md(f"![copies along the genome](data:image/png;base64,{picture})"))
    return frame_from_rows(COPY_NUMBER_SEGMENTS, rows)


def _segments_from_reads(step: Step, files: list[Any]) -> list[tuple[Path, str]]:
    """CNVkit's file of a specimen; none without its alignments, the blood, the kit's targets, or the program."""
    from palbo_assets.genomics.bam import as_bam
    from palbo_assets.study.reference_lists import hold_lists_to_build
    from palbo_assets.wes.segments_from_reads import HOW_TO_INSTALL, NOT_INSTALLED, find_program, segment

    tumour = next((file for file in files if file.role == "tumour_bam"), None)
    blood, targets, fasta = normal_path(step), step.references.get("target_bed"), step.references.get("genome_fasta")
    program = find_program(step.settings.copies_program)
    if program is None:
        step.report(reason=f"{NOT_INSTALLED}: {HOW_TO_INSTALL}")
    if tumour is None or blood is None or targets is None or fasta is None or program is None:
        return []
    hold_lists_to_build(step, ("target_bed",))
    made = segment(
        program,
        as_bam(tumour.path, step.workdir, fasta),
        as_bam(blood, step.workdir, fasta),
        targets,
        fasta,
        step.workdir / f"cnvkit-{tumour.sha256[:16]}",
        method=step.settings.copies_method,
        min_mapping=step.settings.min_mapping_quality,
        timeout_hours=step.settings.copies_timeout,
    )
    return [(made, "")]


@product(
    SOMATIC_CALLS,
    SAMPLE,
    reads=("wes",),
    roles=("tumour_bam", "normal_bam", "somatic_vcf", "somatic_maf"),
    upstream=(SAMPLE_IDENTITY, COPY_NUMBER_SEGMENTS),
    references=("genome_fasta", "target_bed", "genes_gff3", "transcripts", "hotspots", *LISTS),
    settings=Settings,
    code_version="6",
    group="wes",
    kinds={"bam", "vcf", "sql"},
)
def somatic_calls(step: Step, sample_identity: pd.DataFrame, copy_number_segments: pd.DataFrame) -> pd.DataFrame:
    """Somatic SNVs and indels with evidence, consequence and filter; none for a tumour of another person."""
    from palbo_assets.study.reference_lists import hold_lists_to_build
    from palbo_assets.wes.call import References, Specimen, call_specimen
    from palbo_assets.wes.cell_fraction_rows import with_cell_fractions
    from palbo_assets.wes.tumour_profile import profile_of_rows

    hold_lists_to_build(step, ("target_bed", "hotspots", *LISTS))
    references = References(
        fasta=step.references.get("genome_fasta"),
        targets=step.references.get("target_bed"),
        gff3=step.references.get("genes_gff3"),
        transcripts=step.references.get("transcripts"),
        hotspots=step.references.get("hotspots"),
        panel_of_normals=step.references.get("panel_of_normals"),
        population_af=step.references.get("population_af"),
        blacklist=step.references.get("blacklist_bed"),
        mappability=step.references.get("mappability_bed"),
    )
    swapped = set(sample_identity.loc[sample_identity["verdict"] == "mismatch", "specimen_id"])
    normal = normal_path(step)
    by_specimen: dict[str, list[Any]] = {}
    for file in step.files("tumour_bam", "somatic_vcf", "somatic_maf"):
        by_specimen.setdefault(file.specimen_id, []).append(file)
    rows = []
    germline = blocked = 0
    for specimen_id, files in sorted(by_specimen.items()):
        if specimen_id in swapped:
            blocked += 1
            continue
        tumour = next((file.path for file in files if file.role == "tumour_bam"), None)
        found = call_specimen(
            Specimen(
                tumour=tumour,
                normal=normal,
                vcfs=[(file.path, file.sample_name) for file in files if file.role == "somatic_vcf"],
                mafs=[(file.path, file.sample_name) for file in files if file.role == "somatic_maf"],
            ),
            references,
            step.settings,
            step.workdir,
        )
        germline += found.n_germline
        profile = profile_of_rows(copy_number_segments[copy_number_segments["specimen_id"] == specimen_id])
        judged = with_cell_fractions(found.rows, profile, step.settings)
        rows += [{**specimen_columns(step, files[0]), **row} for row in judged]
    step.report(
        calls=len(rows),
        passing=sum(row["filter"] == "PASS" for row in rows),
        germline_left_out=germline,
        blocked_by_identity=blocked,
        filters_not_applied=", ".join(name for name in LISTS if step.references.get(name) is None),
    )
    return frame_from_rows(SOMATIC_CALLS, rows)


# A product can only be declared after what it reads.
from palbo_assets.wes.cohort_identity_assets import identity_failures, identity_matches, sex_concordance  # noqa: E402
from palbo_assets.wes.copy_assets import gene_copy_number  # noqa: E402
from palbo_assets.wes.process_assets import (  # noqa: E402
    hrd_scars,
    mutation_spectra,
    mutational_signatures,
    tumour_mutational_burden,
)

ASSETS = (
    snp_genotypes,
    plasma_contamination,
    rna_snp_genotypes,
    identity_matches,
    identity_failures,
    read_qc,
    sample_identity,
    sex_concordance,
    copy_number_segments,
    somatic_calls,
    gene_copy_number,
    mutation_spectra,
    mutational_signatures,
    tumour_mutational_burden,
    hrd_scars,
)
