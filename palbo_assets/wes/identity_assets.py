"""Assets of identity: alleles at common SNPs in exomes and RNA, and what they say of one patient's samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from palbo_assets.ctdna.tables import PLASMA_SNP_GENOTYPES
from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.study.partitions import PATIENT, SAMPLE
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.step_files import MISSING, normal_file, normal_path, specimen_columns
from palbo_assets.wes.tables import (
    PLASMA_CONTAMINATION,
    RNA_SNP_GENOTYPES,
    SAMPLE_IDENTITY,
    SNP_GENOTYPES,
)

if TYPE_CHECKING:
    import pandas as pd


def _counted(step: Step, file: Any, source: str) -> list[dict[str, Any]]:
    """Rows of allele counts of one alignment at the identity SNPs; none without the references."""
    from palbo_assets.genomics.allele_counts import count_alleles
    from palbo_assets.genomics.bam import as_bam
    from palbo_assets.genomics.identity_snps import read_frequencies, read_snps
    from palbo_assets.genomics.regions import reference
    from palbo_assets.study.reference_lists import hold_lists_to_build
    from palbo_assets.study.snp_counts import snp_rows

    settings: Settings = step.settings
    bed, fasta = step.references.get("snp_bed"), step.references.get("genome_fasta")
    if bed is None or fasta is None:
        return []
    hold_lists_to_build(step, ("snp_bed",))
    snps = read_snps(bed)
    with reference(fasta) as fetch:
        counted = count_alleles(
            as_bam(file.path, step.workdir, fasta),
            snps,
            fetch,
            min_base_quality=settings.min_base_quality,
            min_mapping_quality=settings.min_mapping_quality,
        )
    seen = {snp: (one.ref_forward + one.ref_reverse, one.alt) for snp, one in counted.items() if one is not None}
    # The blood's rows belong to this partition, whatever timepoint it was drawn at.
    who = {**specimen_columns(step, file), "timepoint": step.timepoint, "source": source}
    return snp_rows(who, snps, read_frequencies(bed), seen)


@product(
    SNP_GENOTYPES,
    SAMPLE,
    reads=("wes",),
    roles=("tumour_bam", "normal_bam"),
    references=("genome_fasta", "snp_bed"),
    settings=Settings,
    code_version="1",
    group="wes",
    kinds={"bam", "parquet"},
)
def snp_genotypes(step: Step) -> pd.DataFrame:
    """Allele counts at the identity SNPs in each tumour exome and in the patient's blood."""
    rows = [row for file in step.files("tumour_bam") for row in _counted(step, file, "tumour")]
    normal = normal_file(step)
    if normal is not None:
        rows += _counted(step, normal, "blood")
    step.report(rows=len(rows), reason="" if rows else MISSING)
    return frame_from_rows(SNP_GENOTYPES, rows)


@product(
    PLASMA_CONTAMINATION,
    PATIENT,
    upstream=(PLASMA_SNP_GENOTYPES, SNP_GENOTYPES),
    settings=Settings,
    code_version="1",
    group="wes",
    kinds={"numpy", "sql"},
)
def plasma_contamination(step: Step, plasma_snp_genotypes: pd.DataFrame, snp_genotypes: pd.DataFrame) -> pd.DataFrame:
    """How much of each plasma is another person's DNA, at SNPs of the panel that are homozygous in the blood."""
    from palbo_assets.wes.contamination import plasma_rows

    rows = plasma_rows(plasma_snp_genotypes, snp_genotypes, step.settings)
    step.report(plasmas=len(rows), estimated=sum(row["verdict"] is not None for row in rows))
    return frame_from_rows(PLASMA_CONTAMINATION, [{"patient_id": step.patient_id, **row} for row in rows])


@product(
    RNA_SNP_GENOTYPES,
    SAMPLE,
    reads=("rnaseq",),
    roles=("rna_bam",),
    references=("genome_fasta", "snp_bed"),
    settings=Settings,
    code_version="1",
    group="wes",
    kinds={"bam", "parquet"},
)
def rna_snp_genotypes(step: Step) -> pd.DataFrame:
    """Allele counts at the identity SNPs in RNA reads; only SNPs of expressed places have depth."""
    rows = [row for file in step.files("rna_bam") for row in _counted(step, file, "rna") if row["depth"]]
    step.report(rows=len(rows))
    return frame_from_rows(RNA_SNP_GENOTYPES, rows)


@product(
    SAMPLE_IDENTITY,
    SAMPLE,
    reads=("wes",),
    roles=("tumour_bam", "normal_bam"),
    upstream=(SNP_GENOTYPES,),
    settings=Settings,
    code_version="2",
    group="wes",
    kinds={"sql"},
)
def sample_identity(step: Step, snp_genotypes: pd.DataFrame) -> pd.DataFrame:
    """Whether each tumour and the patient's blood come from one person; a mismatch blocks what is paired."""
    from palbo_assets.wes import identity
    from palbo_assets.wes.allele_table import counts_of

    settings: Settings = step.settings
    blood = counts_of(snp_genotypes, "blood")
    rows = []
    for file in step.files("tumour_bam"):
        tumour = counts_of(snp_genotypes, "tumour", file.specimen_id)
        if blood is None or tumour is None:
            reason = "NO_NORMAL" if normal_path(step) is None else MISSING
            found = identity.Identity(identity.NOT_EVALUABLE, 0, 0, None, None, reason)
        else:
            fractions = [identity.fractions(one.alt, one.depth, settings) for one in (tumour, blood)]
            found = identity.compare(fractions[0], fractions[1], settings)
        rows.append(
            {
                **specimen_columns(step, file),
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
