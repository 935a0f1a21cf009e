"""Renders exomes of the twin: paired-end BAMs of tumour and blood, and a caller's VCF.

Fragments are drawn over the targets; each carries a germline allele with the patient's genotype and a somatic one
with the expected fraction, so counts scatter as they do in sequencing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from palbo_assets.demo.alignments import Carried, bgzf, write_bam
from palbo_assets.demo.truth import PatientTruth, PlantedMutation, SampleTruth, WrittenFile

if TYPE_CHECKING:
    from palbo_assets.demo.genome import MiniGenome

TUMOUR_DEPTH = 120
NORMAL_DEPTH = 60
# UCSC hg19 / GRCh37 contig lengths in bases.
HG19 = {
    "chr1": 249250621,
    "chr2": 243199373,
    "chr3": 198022430,
    "chr4": 191154276,
    "chr5": 180915260,
    "chr6": 171115067,
    "chr7": 159138663,
    "chr8": 146364022,
    "chr9": 141213431,
    "chr10": 135534747,
    "chr11": 135006516,
    "chr12": 133851895,
    "chr13": 115169878,
    "chr14": 107349540,
    "chr15": 102531392,
    "chr16": 90354753,
    "chr17": 81195210,
    "chr18": 78077248,
    "chr19": 59128983,
    "chr20": 63025520,
    "chr21": 48129895,
    "chr22": 51304566,
    "chrX": 155270560,
    "chrY": 59373566,
    "chrM": 16571,
}


def somatic_vaf(mutation: PlantedMutation, truth: SampleTruth) -> float:
    """Expected variant allele fraction: one mutated copy in ``ccf`` of the tumour cells, by purity and copy number."""
    copies = truth.copy_number.get(mutation.gene, 2)
    if copies == 0:
        return 0.0
    return truth.purity * mutation.ccf / (truth.purity * copies + 2 * (1 - truth.purity))


def write(
    truth: SampleTruth,
    patient: PatientTruth,
    genome: MiniGenome,
    folder: Path,
    rng: np.random.Generator,
    germline: bool,
) -> list[WrittenFile]:
    """The tumour's BAM with index, and with ``germline`` the blood's; one manifest row a BAM."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{truth.patient_id}-{truth.timepoint}-T"
    written = [_tumour(truth, patient, genome, folder, rng, genome.contigs)]
    if germline:
        name = f"{truth.patient_id}-N"
        path = folder / f"{name}.bam"
        write_bam(path, name, genome, carried_alleles(None, patient, genome), {}, NORMAL_DEPTH, rng, genome.contigs)
        written.append(
            WrittenFile(
                path.name,
                "wes",
                "normal_bam",
                patient_id=truth.patient_id,
                timepoint="BL",
                specimen_id=f"{truth.patient_id}-B1",
                sample_name=name,
                genome_build=genome.build,
            )
        )
    return written


def write_on_hg19(
    truth: SampleTruth, patient: PatientTruth, genome: MiniGenome, folder: Path, rng: np.random.Generator
) -> WrittenFile:
    """Planted fault: the tumour's BAM with the header of another build."""
    folder.mkdir(parents=True, exist_ok=True)
    return _tumour(truth, patient, genome, folder, rng, HG19)


def truncate(path: Path, share: float = 0.6) -> None:
    """Planted fault: cut a file in the middle of a compressed block, as a broken transfer does."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def _tumour(
    truth: SampleTruth,
    patient: PatientTruth,
    genome: MiniGenome,
    folder: Path,
    rng: np.random.Generator,
    contigs: Mapping[str, int],
) -> WrittenFile:
    name = f"{truth.patient_id}-{truth.timepoint}-T"
    path = folder / f"{name}.bam"
    depth = {gene: (truth.purity * copies + 2 * (1 - truth.purity)) / 2 for gene, copies in truth.copy_number.items()}
    write_bam(path, name, genome, carried_alleles(truth, patient, genome), depth, TUMOUR_DEPTH, rng, contigs)
    return WrittenFile(
        path.name,
        "wes",
        "tumour_bam",
        patient_id=truth.patient_id,
        timepoint=truth.timepoint,
        specimen_id=f"{truth.patient_id}-{truth.timepoint}-T1",
        sample_name=name,
        genome_build=genome.build,
    )


def carried_alleles(truth: SampleTruth | None, patient: PatientTruth, genome: MiniGenome) -> dict[str, list[Carried]]:
    """Alleles by contig, germline and (for a tumour) somatic, with the share of fragments expected to carry them."""
    found: dict[str, list[Carried]] = {chrom: [] for chrom in genome.contigs}
    for index, (snp, genotype) in enumerate(zip(genome.snps, patient.genotypes, strict=True)):
        share = genotype / 2
        if truth is not None and genotype == 1:
            copies = truth.copy_number.get(gene_at(genome, snp.chrom, snp.pos), 2)
            if copies != 2:
                # The parental copy that was lost or gained carries the alternative allele at every other SNP.
                major = 0 if copies == 0 else copies - 1
                of_tumour = major if index % 2 else copies - major
                share = (truth.purity * of_tumour + (1 - truth.purity)) / (
                    truth.purity * copies + 2 * (1 - truth.purity)
                )
        if share > 0:
            found[snp.chrom].append(Carried(snp.pos, snp.ref, snp.alt, share))
    for mutation in (*truth.mutations, *truth.passengers) if truth is not None else ():
        vaf = somatic_vaf(mutation, truth) if truth is not None else 0.0
        if vaf > 0:
            found[mutation.chrom].append(Carried(mutation.pos, mutation.ref, mutation.alt, vaf))
    return found


def gene_at(genome: MiniGenome, chrom: str, pos: int) -> str:
    genes = (gene for gene in genome.genes.values() if gene.chrom == chrom)
    return min(genes, key=lambda gene: max(gene.exons[0][0] - pos, pos - gene.exons[-1][1], 0)).name


def write_caller_vcf(
    truth: SampleTruth, genome: MiniGenome, folder: Path, rng: np.random.Generator, normal_first: bool = True
) -> WrittenFile:
    """A Mutect2-style VCF (bgzip + tabix) of the sample's true somatic variants with counts drawn at their fraction."""
    import pysam

    folder.mkdir(parents=True, exist_ok=True)
    tumour, normal = f"{truth.patient_id}-{truth.timepoint}-T", f"{truth.patient_id}-N"
    lines = ["##fileformat=VCFv4.2"]
    lines += ['##FILTER=<ID=PASS,Description="Site contains at least one allele that passes filters">']
    for key, number, kind, text in (
        ("GT", "1", "String", "Genotype"),
        ("AD", "R", "Integer", "Allelic depths for the ref and alt alleles in the order listed"),
        ("AF", "A", "Float", "Allele fractions of alternate alleles in the tumor"),
        ("DP", "1", "Integer", "Approximate read depth"),
        ("SB", "4", "Integer", "Per-sample component statistics to detect strand bias"),
    ):
        lines.append(f'##FORMAT=<ID={key},Number={number},Type={kind},Description="{text}">')
    lines += ['##INFO=<ID=TLOD,Number=A,Type=Float,Description="Log 10 likelihood ratio score of variant existing">']
    lines += [f"##contig=<ID={name},length={length}>" for name, length in genome.contigs.items()]
    lines += [f"##normal_sample={normal}", "##source=Mutect2", f"##tumor_sample={tumour}"]
    names = (normal, tumour) if normal_first else (tumour, normal)
    lines.append("\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *names]))
    order = list(genome.contigs)
    for mutation in sorted(truth.mutations, key=lambda one: (order.index(one.chrom), one.pos)):
        vaf = somatic_vaf(mutation, truth)
        depth = int(rng.poisson(TUMOUR_DEPTH))
        alt = int(rng.binomial(depth, vaf))
        if alt == 0:
            continue
        forward, backward = int(rng.binomial(alt, 0.5)), int(rng.binomial(depth - alt, 0.5))
        strands = f"{backward},{depth - alt - backward},{forward},{alt - forward}"
        of_tumour = f"0/1:{depth - alt},{alt}:{alt / depth:.3f}:{depth}:{strands}"
        blood = int(rng.poisson(NORMAL_DEPTH))
        of_normal = f"0/0:{blood},0:0.016:{blood}:{blood // 2},{blood - blood // 2},0,0"
        samples = (of_normal, of_tumour) if normal_first else (of_tumour, of_normal)
        lines.append(
            "\t".join(
                [
                    mutation.chrom,
                    str(mutation.pos),
                    ".",
                    mutation.ref,
                    mutation.alt,
                    ".",
                    "PASS",
                    f"TLOD={4.2 * alt:.2f}",
                    "GT:AD:AF:DP:SB",
                    *samples,
                ]
            )
        )
    path = folder / f"{tumour}.mutect2.vcf.gz"
    path.write_bytes(bgzf(("\n".join(lines) + "\n").encode()))
    pysam.tabix_index(str(path), preset="vcf", force=True)
    return WrittenFile(
        path.name,
        "wes",
        "somatic_vcf",
        patient_id=truth.patient_id,
        timepoint=truth.timepoint,
        specimen_id=f"{truth.patient_id}-{truth.timepoint}-T1",
        sample_name=tumour,
        genome_build=genome.build,
    )
