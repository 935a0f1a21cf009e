"""Renders plasmas of the twin: consensus BAMs as fgbio writes them, the panel BED, and the wet lab's table.

A plasma is drawn molecule by molecule: cfDNA fragments around 167 bases, sequenced 2 x 100, so mates overlap. Tumour
alleles are carried with the planted plasma fraction, germline ones with the patient's genotype, and every molecule errs
with a consensus background that differs by substitution. Records are laid out as arrays and written as BGZF directly.
"""

from __future__ import annotations

import csv
import hashlib
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from palbo_assets.demo.alignments import bgzf
from palbo_assets.demo.plasma_reads import BACKGROUND, Allele, Drawn, consensus_records
from palbo_assets.demo.raw_umi import raw_records
from palbo_assets.demo.truth import PatientTruth, SampleTruth, WrittenFile

if TYPE_CHECKING:
    from palbo_assets.demo.genome import MiniGenome

RUN = "TWINFLOW1"  # flowcell of all plasmas and their controls
UNIQUE_DEPTH = 2000
STANDARDS = {"TWIN-STANDARD-1": 0.01, "TWIN-STANDARD-0.5": 0.005, "TWIN-STANDARD-0.1": 0.001}
STANDARD_ALLELES = (("PIK3CA", "p.H1047R"), ("ESR1", "p.D538G"), ("KRAS", "p.G12D"), ("RB1", "p.R320*"))
PANEL_GENES = ("PIK3CA", "ESR1", "PTEN", "KRAS", "RB1", "AKT1", "TP53", "ERBB2")
_WINDOW = 60  # bases on each side of a named residue
_CAPTURED = 60  # a fragment is captured when its middle lies this near to a target


def write_panel(genome: MiniGenome, folder: Path, version: str = "v1") -> WrittenFile:
    """The panel BED: windows around the named residues of `PANEL_GENES`. FAT1, KMT2C and others are left out."""
    from palbo_assets.demo.genome import DESIGNS

    windows: list[tuple[int, int, int, str, int]] = []  # contig's order, start, end, gene, exon
    order = list(genome.contigs)
    for design in (one for one in DESIGNS if one.name in PANEL_GENES):
        gene = genome.genes[design.name]
        exons = gene.exons if gene.strand == "+" else gene.exons[::-1]
        for residue in design.codons:
            codon = sorted(gene.coding_positions[3 * (residue - 1) : 3 * residue])
            exon = next(i for i, (start, end) in enumerate(exons, start=1) if start <= codon[0] < end)
            start, end = codon[0] - _WINDOW, codon[-1] + 1 + _WINDOW
            windows.append((order.index(gene.chrom), start, end, gene.name, exon))
    merged: list[tuple[int, int, int, str, int]] = []
    for contig, start, end, name, exon in sorted(windows):
        if merged and merged[-1][0] == contig and start <= merged[-1][2]:
            start, end = merged[-1][1], max(merged[-1][2], end)
            merged.pop()
        merged.append((contig, start, end, name, exon))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"ctdna_panel_{version}.bed"
    lines = ["#chrom\tstart\tend\tgene\texon\tpanel_version\treason\n"]
    lines += [
        f"{order[contig]}\t{start}\t{end}\t{name}\t{exon}\t{version}\tcore hotspot\n"
        for contig, start, end, name, exon in merged
    ]
    path.write_text("".join(lines), encoding="utf-8")
    return WrittenFile(path.name, "ctdna", "panel_bed", genome_build=genome.build, panel_version=version)


def write(
    truth: SampleTruth,
    patient: PatientTruth,
    genome: MiniGenome,
    panel: Path,
    folder: Path,
    rng: np.random.Generator,
    *,
    unique_depth: float = UNIQUE_DEPTH,
    raw_family: float | None = None,
) -> list[WrittenFile]:
    """The plasma's consensus BAM with its index; one manifest row.

    ``unique_depth`` is the mean number of molecules per panel base that survive the usual filters; a small one makes
    a plasma in which absence can't be claimed. With ``raw_family``, the mean number of read pairs per molecule, the
    reads are delivered before consensus, with their UMIs.
    """
    import pysam

    folder.mkdir(parents=True, exist_ok=True)
    sample = f"{truth.patient_id}-{truth.timepoint}-P"
    kind = "consensus" if raw_family is None else "raw_umi"
    path = folder / f"{sample}.{kind}.bam"
    targets, version = _read_panel(panel)
    parts = [_header(sample, genome, ("fgbio", "2.4.0") if raw_family is None else ("bwa", "0.7.17"))]
    alleles = _alleles(truth, patient, genome)
    serial = 0
    for contig_id, chrom in enumerate(genome.contigs):
        starts, lengths = _fragments(targets.get(chrom, []), genome.contigs[chrom], unique_depth, rng)
        if starts.size:
            drawn = Drawn(genome.sequence(chrom), starts, lengths, alleles.get(chrom, []), rng)
            if raw_family is None:
                parts.append(consensus_records(contig_id, sample, serial, drawn, rng))
                serial += starts.size
            else:
                records, sizes = raw_records(contig_id, sample, serial, drawn, rng, family_mean=raw_family)
                parts += records
                serial += int(sizes.sum())
    path.write_bytes(bgzf(b"".join(parts)))
    pysam.index(str(path))  # type: ignore[attr-defined]
    return [
        WrittenFile(
            path.name, "ctdna", f"{kind}_bam", patient_id=truth.patient_id, timepoint=truth.timepoint,
            specimen_id=specimen_id(truth), sample_name=sample, genome_build=genome.build, panel_version=version,
        )
    ]  # fmt: skip


def _header(sample: str, genome: MiniGenome, program: tuple[str, str]) -> bytes:
    """The BAM's header: text, then contigs in binary."""
    text = "@HD\tVN:1.6\tSO:coordinate\n"
    text += "".join(f"@SQ\tSN:{name}\tLN:{length}\n" for name, length in genome.contigs.items())
    text += f"@RG\tID:A\tSM:{sample}\tLB:{sample}-L1\tPL:ILLUMINA\tPU:{RUN}.1.{_indexes(sample)}\n"
    text += f"@PG\tID:{program[0]}\tPN:{program[0]}\tVN:{program[1]}\n"
    packed = b"BAM\1" + struct.pack("<i", len(text)) + text.encode() + struct.pack("<i", len(genome.contigs))
    for name, length in genome.contigs.items():
        packed += struct.pack("<i", len(name) + 1) + name.encode() + b"\0" + struct.pack("<i", length)
    return packed


def _indexes(sample: str) -> str:
    """The library's two sample indexes, eight bases each and its own."""
    drawn = hashlib.sha256(sample.encode()).digest()
    bases = "".join("ACGT"[byte & 3] for byte in drawn[:16])
    return f"{bases[:8]}-{bases[8:]}"


def specimen_id(truth: SampleTruth) -> str:
    """The plasma's specimen id, the same in the BAM's manifest row and in the wet lab's table."""
    return f"{truth.patient_id}-{truth.timepoint}-P1"


def write_wet_lab(samples: Iterable[SampleTruth], folder: Path, rng: np.random.Generator) -> WrittenFile:
    """The wet lab's table of many plasmas, all of them fit to be used."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "ctdna_wet_lab.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(
            ["patient_id", "timepoint", "specimen_id", "specimen_type", "plasma_ml", "haemolysis", "cfdna_ng_per_ml",
             "input_ng", "fragment_peak_bp", "library_ng", "gdna_pct", "tube_type", "hours_to_spin"]
        )  # fmt: skip
        for truth in samples:
            concentration = float(np.exp(rng.normal(2.2, 0.35)))
            plasma = float(rng.uniform(3.6, 5.0))
            taken = min(max(0.8 * plasma * concentration, 12.0), 30.0)
            table.writerow(
                [truth.patient_id, truth.timepoint, specimen_id(truth), "PLASMA", f"{plasma:.1f}",
                 int(rng.random() < 0.15), f"{concentration:.2f}", f"{taken:.1f}", int(rng.integers(164, 172)),
                 f"{rng.uniform(600, 1200):.0f}", f"{rng.uniform(0.5, 6):.1f}", "Streck", 24]
            )  # fmt: skip
    return WrittenFile(path.name, "ctdna", "wet_lab", sample_name="wet-lab-1")


def reference_entries(genome: MiniGenome, folder: Path) -> list[dict[str, str]]:
    """Write ``ctdna_background`` (healthy plasmas) and ``hotspot_sites`` (tracked sites); rows for the bundle."""
    folder.mkdir(parents=True, exist_ok=True)
    background = folder / "ctdna_background.tsv"
    total = 200_000_000
    lines = [f"{kind}\t{round(rate * total)}\t{total}\n" for kind, rate in BACKGROUND.items()]
    background.write_text("substitution\terrors\ttotal\n" + "".join(lines), encoding="utf-8")
    sites = folder / "hotspot_sites.csv"
    with sites.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["chrom", "pos", "ref", "alt", "gene", "hgvsp_short", "lof"])
        table.writerows(_hotspot_rows(genome))
    controls = folder / "ctdna_control_alleles.csv"
    with controls.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["material", "chrom", "pos", "ref", "alt", "vaf", "gene", "hgvsp_short"])
        for material, vaf in STANDARDS.items():
            for gene, change in STANDARD_ALLELES:
                table.writerow([material, *genome.mutation(gene, change)[:4], vaf, gene, change])
    common = {"version": "1", "build": genome.build, "licence": "CC0-1.0", "source": "made with the twin"}
    return [
        {"name": "ctdna_background", "file": background.name, **common},
        {"name": "ctdna_control_alleles", "file": controls.name, **common},
        {"name": "hotspot_sites", "file": sites.name, **common},
    ]


def _hotspot_rows(genome: MiniGenome) -> list[list[str | int]]:
    """Every named hotspot, and a stop and a frameshift at the other named residues, by their genomic alleles."""
    from palbo_assets.demo.genome import DESIGNS

    rows: dict[tuple[str, int, str, str], list[str | int]] = {}
    for design in DESIGNS:
        protein = genome.protein(design.name)
        named = {int("".join(filter(str.isdigit, change))) for change in design.hotspots}
        changes = list(design.hotspots)
        for residue in sorted(design.codons):
            if residue not in named:
                changes += [f"p.{protein[residue - 1]}{residue}{end}" for end in ("*", "fs")]
        for change in changes:
            try:
                chrom, pos, ref, alt, kind = genome.mutation(design.name, change)
            except ValueError:
                continue  # no single base makes a stop of this codon, or the deletion would touch a splice site
            lof = kind in {"Nonsense_Mutation", "Frame_Shift_Del"}
            rows.setdefault((chrom, pos, ref, alt), [chrom, pos, ref, alt, design.name, change, str(lof).lower()])
    order = list(genome.contigs)
    return [rows[key] for key in sorted(rows, key=lambda key: (order.index(key[0]), *key[1:]))]


def _read_panel(panel: Path) -> tuple[dict[str, list[tuple[int, int]]], str]:
    targets: dict[str, list[tuple[int, int]]] = {}
    versions = set()
    for line in panel.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            chrom, start, end, _, _, version, _ = line.split("\t")
            targets.setdefault(chrom, []).append((int(start), int(end)))
            versions.add(version)
    return targets, max(versions)


def _alleles(truth: SampleTruth, patient: PatientTruth, genome: MiniGenome) -> dict[str, list[Allele]]:
    found: dict[str, list[Allele]] = {}
    for snp, genotype in zip(genome.snps, patient.genotypes, strict=True):
        if genotype:
            found.setdefault(snp.chrom, []).append(Allele(snp.pos, snp.ref, snp.alt, genotype / 2))
    for mutation in truth.mutations:
        if mutation.plasma_vaf > 0:
            allele = Allele(mutation.pos, mutation.ref, mutation.alt, mutation.plasma_vaf)
            found.setdefault(mutation.chrom, []).append(allele)
    return found


def _fragments(
    targets: list[tuple[int, int]], contig: int, depth: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(0-based starts, lengths) of the captured molecules of one contig, uniform over targets and their flanks."""
    per_base = depth / 150.0 / 0.93  # bases that vote per molecule; share of families that are large enough
    middles = []
    reached = 0
    for start, end in sorted(targets):
        low = max(start - _CAPTURED, reached)
        reached = high = max(low, end + _CAPTURED)  # a target may lie within another one's flanks
        middles.append(rng.integers(low, high, size=rng.poisson(per_base * (high - low))))
    middle = np.concatenate([np.zeros(0, dtype=np.int64), *middles])
    lengths = np.clip(np.round(rng.normal(167, 12, size=middle.size)), 120, 220).astype(np.int64)
    starts = np.clip(middle - lengths // 2, 0, contig - 240)
    return starts, lengths
