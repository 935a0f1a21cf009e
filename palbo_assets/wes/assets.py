"""The exome room's assets: what is read, what is called, and what may be said to be absent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.study.partitions import PATIENT, SAMPLE
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.tables import FORCED_GENOTYPES, READ_QC, SAMPLE_IDENTITY, SOMATIC_CALLS

if TYPE_CHECKING:
    import pandas as pd

MISSING = "E_REFERENCE_MISSING"
LISTS = ("panel_of_normals", "population_af", "blacklist_bed", "mappability_bed")
"""References that somatic calls are held against where the bundle has them."""


def _normal(step: Step) -> Path | None:
    """The patient's blood exome; the first by content hash where a lab delivered two."""
    found = sorted(step.files("normal_bam"), key=lambda file: file.sha256)
    return found[0].path if found else None


def _specimen(step: Step, file: Any) -> dict[str, Any]:
    return {
        "patient_id": step.patient_id,
        "timepoint": file.timepoint,
        "specimen_id": file.specimen_id,
    }


@product(
    READ_QC,
    SAMPLE,
    reads=("wes",),
    references=("genome_fasta", "target_bed"),
    settings=Settings,
    code_version="2",
    group="wes",
    kinds={"bam", "sql"},
)
def read_qc(step: Step) -> pd.DataFrame:
    """Depth, coverage, duplicates and on-target share of each tumour exome and of the normal, with a verdict."""
    from palbo_assets.genomics.bam import as_bam
    from palbo_assets.genomics.regions import read_bed
    from palbo_assets.wes import read_quality

    settings: Settings = step.settings
    bed, fasta = step.references.get("target_bed"), step.references.get("genome_fasta")
    targets = read_bed(bed) if bed else []
    normal_path = _normal(step)

    def measured(path: Path) -> read_quality.ReadQuality:
        return read_quality.measure(as_bam(path, step.workdir, fasta), targets, settings)

    normal = measured(normal_path) if normal_path else None
    rows = []
    for file in step.files("tumour_bam"):
        tumour = measured(file.path)
        verdict, reasons = read_quality.verdict(tumour, normal, settings)
        rows.append(
            {
                **_specimen(step, file),
                "reads": tumour.reads,
                "mapped_pct": tumour.mapped_pct,
                "duplicate_pct": tumour.duplicate_pct,
                "on_target_pct": tumour.on_target_pct if bed else None,
                "tumour_mean_depth": tumour.mean_depth,
                "tumour_covered_20x_pct": tumour.covered_20x_pct,
                "normal_mean_depth": normal.mean_depth if normal else None,
                "normal_covered_20x_pct": normal.covered_20x_pct if normal else None,
                "verdict": str(verdict) if bed else None,
                "reason": ";".join(reasons) if bed else MISSING,
            }
        )
        step.report(reads=tumour.reads, mean_depth=tumour.mean_depth or 0.0, verdict=str(verdict) if bed else MISSING)
    return frame_from_rows(READ_QC, rows)


@product(
    SAMPLE_IDENTITY,
    SAMPLE,
    reads=("wes",),
    references=("genome_fasta", "snp_bed"),
    settings=Settings,
    code_version="2",
    group="wes",
    kinds={"bam", "sql"},
)
def sample_identity(step: Step) -> pd.DataFrame:
    """Whether each tumour and the patient's blood come from one person; a mismatch blocks what is paired."""
    from palbo_assets.genomics.bam import as_bam
    from palbo_assets.genomics.regions import reference
    from palbo_assets.wes import identity

    settings: Settings = step.settings
    bed, fasta = step.references.get("snp_bed"), step.references.get("genome_fasta")
    normal = _normal(step)
    rows = []
    for file in step.files("tumour_bam"):
        if bed is None or fasta is None or normal is None:
            reason = "NO_NORMAL" if normal is None else MISSING
            found = identity.Identity(identity.NOT_EVALUABLE, 0, 0, None, None, reason)
        else:
            snps = identity.read_snps(bed)
            with reference(fasta) as fetch:
                fractions = [
                    identity.allele_fractions(as_bam(path, step.workdir, fasta), snps, fetch, settings)
                    for path in (file.path, normal)
                ]
            found = identity.compare(fractions[0], fractions[1], settings)
        rows.append(
            {
                **_specimen(step, file),
                "verdict": found.verdict,
                "reason": found.reason,
                "n_sites": found.n_sites,
                "n_homozygous": found.n_homozygous,
                "concordance": found.concordance,
                "correlation": found.correlation,
            }
        )
        step.report(verdict=found.verdict, n_sites=found.n_sites, concordance=found.concordance or 0.0)
    return frame_from_rows(SAMPLE_IDENTITY, rows)


@product(
    SOMATIC_CALLS,
    SAMPLE,
    reads=("wes",),
    upstream=(SAMPLE_IDENTITY,),
    references=("genome_fasta", "target_bed", "genes_gff3", "transcripts", "hotspots", *LISTS),
    settings=Settings,
    code_version="2",
    group="wes",
    kinds={"bam", "vcf", "sql"},
)
def somatic_calls(step: Step, sample_identity: pd.DataFrame) -> pd.DataFrame:
    """Somatic SNVs and indels with evidence, consequence and filter; none for a tumour of another person."""
    from palbo_assets.wes.call import References, Specimen, call_specimen
    from palbo_assets.wes.segments import read_segments

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
    normal = _normal(step)
    by_specimen: dict[str, list[Any]] = {}
    for file in step.files("tumour_bam", "somatic_vcf", "somatic_maf", "segments"):
        by_specimen.setdefault(file.specimen_id, []).append(file)
    rows = []
    germline = blocked = 0
    for specimen_id, files in sorted(by_specimen.items()):
        if specimen_id in swapped:
            blocked += 1
            continue
        tumour = next((file.path for file in files if file.role == "tumour_bam"), None)
        segments = next((file.path for file in files if file.role == "segments"), None)
        found = call_specimen(
            Specimen(
                tumour=tumour,
                normal=normal,
                vcfs=[(file.path, file.sample_name) for file in files if file.role == "somatic_vcf"],
                mafs=[(file.path, file.sample_name) for file in files if file.role == "somatic_maf"],
                segmentation=read_segments(segments) if segments else None,
            ),
            references,
            step.settings,
            step.workdir,
        )
        germline += found.n_germline
        rows += [{**_specimen(step, files[0]), **row} for row in found.rows]
    step.report(
        calls=len(rows),
        passing=sum(row["filter"] == "PASS" for row in rows),
        germline_left_out=germline,
        blocked_by_identity=blocked,
        filters_not_applied=", ".join(name for name in LISTS if step.references.get(name) is None),
    )
    return frame_from_rows(SOMATIC_CALLS, rows)


@product(
    FORCED_GENOTYPES,
    PATIENT,
    reads=("wes",),
    upstream=(SOMATIC_CALLS, SAMPLE_IDENTITY),
    references=("genome_fasta",),
    settings=Settings,
    code_version="2",
    group="wes",
    kinds={"bam", "sql"},
)
def forced_genotypes(step: Step, somatic_calls: pd.DataFrame, sample_identity: pd.DataFrame) -> pd.DataFrame:
    """Every variant called in the patient, counted in each of the patient's tumours, with the power to have seen it."""
    from palbo_assets.genomics.bam import as_bam
    from palbo_assets.genomics.regions import reference
    from palbo_assets.wes.force_genotype import force_genotypes, rows_of, union_of_calls

    fasta = step.references.get("genome_fasta")
    union = union_of_calls(somatic_calls)
    if fasta is None or not union:
        step.report(variants=len(union), reason=MISSING if fasta is None else "")
        return frame_from_rows(FORCED_GENOTYPES, [])
    swapped = set(sample_identity.loc[sample_identity["verdict"] == "mismatch", "specimen_id"])
    rows: list[dict[str, Any]] = []
    with reference(fasta) as fetch:
        for file in step.files("tumour_bam"):
            called = frozenset(variant for variant, known in union.items() if file.specimen_id in known.called_in)
            if file.specimen_id in swapped:
                genotypes = None
            else:
                expected = {variant: known.largest_vaf for variant, known in union.items()}
                bam = as_bam(file.path, step.workdir, fasta)
                genotypes = force_genotypes(bam, expected, called, fetch, step.settings)
            rows += [{**_specimen(step, file), **row} for row in rows_of(union, genotypes, called)]
    step.report(variants=len(union), specimens=len(step.files("tumour_bam")))
    return frame_from_rows(FORCED_GENOTYPES, rows)


ASSETS = (read_qc, sample_identity, somatic_calls, forced_genotypes)
