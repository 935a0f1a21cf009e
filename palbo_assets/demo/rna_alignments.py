"""Renders RNA alignments of the twin: genes at very different depth, one allele of some, and a few edited places.

Reads lie over the targets as the exome's do, because the twin's SNPs stand beside exons; only what tells a person is
simulated, so expression itself is in the tables of `demo.rnaseq`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.demo.alignments import Carried, write_bam
from palbo_assets.demo.truth import PatientTruth, SampleTruth, WrittenFile
from palbo_assets.demo.wes import gene_at

if TYPE_CHECKING:
    import numpy as np

    from palbo_assets.demo.genome import MiniGenome

DEPTH = 25  # x in a gene of median expression
_SILENT = 0.35  # share of genes without reads
_ONE_ALLELE = 0.1  # share of genes that express one allele
_EDITED = 0.02  # share of SNPs at which RNA shows a base that the genome hasn't


def write(
    truth: SampleTruth, patient: PatientTruth, genome: MiniGenome, folder: Path, rng: np.random.Generator
) -> WrittenFile:
    """The biopsy's RNA as BAM with index. ``patient`` is whose RNA it is, ``truth`` the label."""
    folder.mkdir(parents=True, exist_ok=True)
    genes = sorted(genome.genes)
    level = rng.lognormal(0, 0.8, len(genes)) * (rng.random(len(genes)) > _SILENT)
    expressed = dict(zip(genes, level.tolist(), strict=True))
    # 0 and 1: one allele alone; between: both, unequally.
    allele = {gene: float(rng.integers(2)) if rng.random() < _ONE_ALLELE else float(rng.beta(8, 8)) for gene in genes}
    carried: dict[str, list[Carried]] = {chrom: [] for chrom in genome.contigs}
    for snp, genotype in zip(genome.snps, patient.genotypes, strict=True):
        share = allele[gene_at(genome, snp.chrom, snp.pos)] if genotype == 1 else genotype / 2
        if rng.random() < _EDITED:
            share = float(rng.uniform(0.1, 0.9))
        if share > 0:
            carried[snp.chrom].append(Carried(snp.pos, snp.ref, snp.alt, share))
    name = f"{truth.patient_id}-{truth.timepoint}-R"
    path = folder / f"{name}.rna.bam"
    write_bam(path, name, genome, carried, expressed, DEPTH, rng, genome.contigs)
    return WrittenFile(
        path.name,
        "rnaseq",
        "rna_bam",
        patient_id=truth.patient_id,
        timepoint=truth.timepoint,
        specimen_id=f"{truth.patient_id}-{truth.timepoint}-T1",
        sample_name=name,
        genome_build=genome.build,
    )
