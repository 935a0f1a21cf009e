"""Renders plasmas of the twin: consensus BAMs as fgbio writes them, the panel BED, and the wet lab's table.

A plasma is drawn molecule by molecule: cfDNA fragments around 167 bases, sequenced 2 x 100, so mates overlap. Tumour
alleles are carried with the planted plasma fraction, germline ones with the patient's genotype, and every molecule errs
with a consensus background that differs by substitution. Records are laid out as arrays and written as BGZF directly.
"""

from __future__ import annotations

import csv
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from palbo_assets.demo.alignments import bgzf
from palbo_assets.demo.truth import PatientTruth, SampleTruth, WrittenFile

if TYPE_CHECKING:
    from palbo_assets.demo.genome import MiniGenome

READ = 100
RUN = "TWINFLOW1"  # flowcell of all plasmas and their controls
UNIQUE_DEPTH = 2000
STANDARDS = {"TWIN-STANDARD-1": 0.01, "TWIN-STANDARD-0.5": 0.005, "TWIN-STANDARD-0.1": 0.001}
STANDARD_ALLELES = (("PIK3CA", "p.H1047R"), ("ESR1", "p.D538G"), ("KRAS", "p.G12D"), ("RB1", "p.R320*"))
PANEL_GENES = ("PIK3CA", "ESR1", "PTEN", "KRAS", "RB1", "AKT1", "TP53", "ERBB2")
_WINDOW = 60  # bases on each side of a named residue
_CAPTURED = 60  # a fragment is captured when its middle lies this near to a target
# Errors per molecule and base of each strand-folded substitution: oxidation (C>A) and deamination (C>T) lead.
BACKGROUND = {"C>A": 3e-5, "C>G": 1e-5, "C>T": 4e-5, "T>A": 1e-5, "T>C": 2e-5, "T>G": 1e-5, "ins": 1e-5, "del": 1e-5}
_LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)
_RATE = np.zeros((256, 256))  # by reference and wrong letter
for _kind, _rate in BACKGROUND.items():
    if ">" in _kind:
        for _seen in (_kind, _kind.translate(str.maketrans("ACGT", "TGCA"))):
            _RATE[ord(_seen[0]), ord(_seen[2])] = _rate
_NIBBLE = np.zeros(256, dtype=np.uint8)
for _base, _code in zip("ACGTN", (1, 2, 4, 8, 15), strict=True):
    _NIBBLE[ord(_base)] = _code


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

    from palbo_assets.demo.raw_umi import raw_records

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
                parts.append(_records(contig_id, sample, serial, drawn, rng))
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
    text += f"@RG\tID:A\tSM:{sample}\tLB:{sample}-L1\tPL:ILLUMINA\tPU:{RUN}.1\n"
    text += f"@PG\tID:{program[0]}\tPN:{program[0]}\tVN:{program[1]}\n"
    packed = b"BAM\1" + struct.pack("<i", len(text)) + text.encode() + struct.pack("<i", len(genome.contigs))
    for name, length in genome.contigs.items():
        packed += struct.pack("<i", len(name) + 1) + name.encode() + b"\0" + struct.pack("<i", length)
    return packed


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


@dataclass(frozen=True)
class _Allele:
    """An allele and the share of molecules that carry it; 1-based VCF."""

    pos: int
    ref: str
    alt: str
    share: float


def _alleles(truth: SampleTruth, patient: PatientTruth, genome: MiniGenome) -> dict[str, list[_Allele]]:
    found: dict[str, list[_Allele]] = {}
    for snp, genotype in zip(genome.snps, patient.genotypes, strict=True):
        if genotype:
            found.setdefault(snp.chrom, []).append(_Allele(snp.pos, snp.ref, snp.alt, genotype / 2))
    for mutation in truth.mutations:
        if mutation.plasma_vaf > 0:
            allele = _Allele(mutation.pos, mutation.ref, mutation.alt, mutation.plasma_vaf)
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
        low, high = max(start - _CAPTURED, reached), end + _CAPTURED
        reached = high
        middles.append(rng.integers(low, high, size=rng.poisson(per_base * (high - low))))
    middle = np.concatenate([np.zeros(0, dtype=np.int64), *middles])
    lengths = np.clip(np.round(rng.normal(167, 12, size=middle.size)), 120, 220).astype(np.int64)
    starts = np.clip(middle - lengths // 2, 0, contig - 240)
    return starts, lengths


class Drawn:
    """The two reads of every molecule of a contig: bases, and for molecules with an indel their alignment."""

    def __init__(
        self, sequence: str, starts: np.ndarray, lengths: np.ndarray, alleles: list[_Allele], rng: np.random.Generator
    ) -> None:
        self.sequence = sequence
        self.starts = (starts, starts + lengths - READ)  # leftmost aligned base of the left and the right read
        self.lengths = lengths
        bases = np.frombuffer(sequence.encode("ascii"), dtype=np.uint8)
        self.reads = [bases[start[:, None] + np.arange(READ)] for start in self.starts]
        self.special: dict[tuple[int, int], tuple[int, bytes, list[tuple[int, int]]]] = {}
        for allele in alleles:
            carriers = np.flatnonzero(rng.random(starts.size) < allele.share)
            if len(allele.ref) == len(allele.alt) == 1:
                everywhere = np.full(carriers.size, allele.pos - 1)
                self._substitute(carriers, everywhere, np.full(carriers.size, ord(allele.alt)))
            else:
                self._insert_or_delete(carriers, allele)
        self._errors(bases, rng)

    def _substitute(self, molecules: np.ndarray, positions: np.ndarray, letters: np.ndarray) -> None:
        """Write a base into both reads of each molecule where they cover the position."""
        for start, reads in zip(self.starts, self.reads, strict=True):
            offset = positions - start[molecules]
            inside = (offset >= 0) & (offset < READ)
            reads[molecules[inside], offset[inside]] = letters[inside]

    def _errors(self, bases: np.ndarray, rng: np.random.Generator) -> None:
        """One wrong base per event, the same in both mates: the error happened to the molecule."""
        highest = max(BACKGROUND.values())
        events = rng.poisson(4 * highest * float(self.lengths.sum()))  # a fourth draws the reference and is dropped
        molecules = rng.integers(0, self.lengths.size, size=events)
        positions = self.starts[0][molecules] + (rng.random(events) * self.lengths[molecules]).astype(np.int64)
        letters = _LETTERS[rng.integers(0, 4, size=events)]
        kept = rng.random(events) * highest < _RATE[bases[positions], letters]
        self._substitute(molecules[kept], positions[kept], letters[kept])

    def _insert_or_delete(self, molecules: np.ndarray, allele: _Allele) -> None:
        anchor = allele.pos - 1
        deleted, inserted = len(allele.ref) - 1, allele.alt[1:].encode("ascii")
        for molecule in molecules:
            for side in (0, 1):
                start = int(self.starts[side][molecule])
                if start > anchor - 8 or start + READ <= anchor + 9:
                    continue  # too near to the read's end for an aligner to open a gap
                if side == 1:
                    start += len(inserted) - deleted  # the right read keeps its right end
                before = anchor - start + 1
                after = READ - before - len(inserted)
                if before < 8 or after < 8:
                    continue
                resume = anchor + 1 + deleted
                bases = (
                    self.sequence[start : anchor + 1].encode("ascii")
                    + inserted
                    + self.sequence[resume : resume + after].encode("ascii")
                )
                gap = (len(inserted), 1) if inserted else (deleted, 2)
                self.special[side, int(molecule)] = (start, bases, [(before, 0), gap, (after, 0)])


def _records(contig_id: int, sample: str, serial: int, drawn: Drawn, rng: np.random.Generator) -> bytes:
    """The contig's alignment records in coordinate order."""
    count = drawn.lengths.size
    positions = np.stack(drawn.starts)
    for (side, molecule), (start, _, _) in drawn.special.items():
        positions[side, molecule] = start
    first_is_left = rng.random(count) < 0.5  # read 1 lies left: the molecule's forward strand
    families = (1 + rng.poisson(4.5, size=count)).astype(np.uint8)
    least = np.maximum(families - (rng.random(count) < 0.3), 1)
    disagreed = np.where(rng.random(count) < 0.15, rng.exponential(0.004, size=count), 0.0)
    barcodes = _LETTERS[rng.integers(0, 4, size=(count, 7))]
    barcodes[:, 3] = ord("-")
    names = "".join(f"{number:07d}" for number in range(serial, serial + count))
    digits = np.frombuffer(names.encode(), dtype=np.uint8)
    prefix = f"{sample}:".encode()
    layout = _layout(len(prefix) + 8)
    records: list[bytes] = []
    for side in (0, 1):
        rows = np.zeros(count, dtype=layout)
        bases = drawn.reads[side]
        qualities = np.full((count, READ), 60, dtype=np.uint8)
        where = np.flatnonzero(rng.random(count) < 0.02)  # one base of some reads stays undecided
        at = rng.integers(0, READ, size=where.size)
        bases[where, at] = ord("N")
        qualities[where, at] = 2
        rows["block_size"] = layout.itemsize - 4
        rows["ref_id"] = rows["next_ref_id"] = contig_id
        rows["pos"], rows["next_pos"] = positions[side], positions[1 - side]
        rows["l_read_name"], rows["mapq"], rows["n_cigar"], rows["l_seq"] = len(prefix) + 8, 60, 1, READ
        rows["bin"] = bins(positions[side], positions[side] + READ)
        rows["flag"] = np.where(first_is_left, 99, 163) if side == 0 else np.where(first_is_left, 147, 83)
        rows["tlen"] = drawn.lengths if side == 0 else -drawn.lengths
        rows["prefix"] = np.frombuffer(prefix, dtype=np.uint8)
        rows["digits"] = rows["molecule"] = digits.reshape(count, 7)
        rows["cigar"] = READ << 4
        rows["seq"] = nibbles_of(bases)
        rows["qual"] = qualities
        for name, value in _TAG_TEXT.items():
            rows[name] = np.frombuffer(value, dtype=np.uint8)
        rows["family"], rows["least"], rows["error"], rows["umi"] = families, least, disagreed, barcodes
        packed = rows.tobytes()
        records += [packed[at : at + layout.itemsize] for at in range(0, len(packed), layout.itemsize)]
    for (side, molecule), (start, gapped, cigar) in drawn.special.items():
        index = side * count + molecule
        records[index] = with_indel(records[index], layout, start, gapped, cigar)
    order = np.lexsort((np.arange(2 * count), positions.ravel()))
    return b"".join([records[index] for index in order])


_TAG_TEXT: Mapping[str, bytes] = {
    "rg": b"RGZA\0", "mi": b"MIZ", "rx": b"RXZ", "cd": b"cDC", "cm": b"cMC", "ce": b"cEf",
}  # fmt: skip


def _layout(name_length: int) -> np.dtype:
    """A BAM record of an ungapped read with fgbio's tags, packed."""
    return np.dtype(
        [
            ("block_size", "<i4"), ("ref_id", "<i4"), ("pos", "<i4"), ("l_read_name", "u1"), ("mapq", "u1"),
            ("bin", "<u2"), ("n_cigar", "<u2"), ("flag", "<u2"), ("l_seq", "<i4"), ("next_ref_id", "<i4"),
            ("next_pos", "<i4"), ("tlen", "<i4"), ("prefix", "u1", name_length - 8), ("digits", "u1", 7),
            ("name_end", "u1"), ("cigar", "<u4"), ("seq", "u1", READ // 2), ("qual", "u1", READ),
            ("rg", "u1", 5), ("mi", "u1", 3), ("molecule", "u1", 7), ("mi_end", "u1"), ("rx", "u1", 3),
            ("umi", "u1", 7), ("rx_end", "u1"), ("cd", "u1", 3), ("family", "u1"), ("cm", "u1", 3), ("least", "u1"),
            ("ce", "u1", 3), ("error", "<f4"),
        ]
    )  # fmt: skip


def with_indel(record: bytes, layout: np.dtype, start: int, bases: bytes, cigar: list[tuple[int, int]]) -> bytes:
    """The record with other bases and a gapped alignment; everything else stays."""
    fields = layout.fields
    assert fields is not None
    cigar_at, seq_at, tail_at = fields["cigar"][1], fields["seq"][1], fields["qual"][1]
    head = bytearray(record[:cigar_at])
    reference_length = sum(length for length, operation in cigar if operation in (0, 2))
    (bin_,) = bins(np.array([start]), np.array([start + reference_length]))
    struct.pack_into("<i", head, 0, len(record) - 4 + 4 * (len(cigar) - 1))
    struct.pack_into("<i", head, fields["pos"][1], start)
    struct.pack_into("<HH", head, fields["bin"][1], int(bin_), len(cigar))
    packed = b"".join(struct.pack("<I", length << 4 | operation) for length, operation in cigar)
    nibbles = _NIBBLE[np.frombuffer(bases, dtype=np.uint8)]
    seq = (nibbles[0::2] << 4 | nibbles[1::2]).astype(np.uint8).tobytes()
    assert len(seq) == tail_at - seq_at
    return bytes(head) + packed + seq + record[tail_at:]


def nibbles_of(bases: np.ndarray) -> np.ndarray:
    """(reads, even length) letters as BAM packs them, two to a byte."""
    nibbles = _NIBBLE[bases]
    packed: np.ndarray = nibbles[:, 0::2] << 4 | nibbles[:, 1::2]
    return packed


def bins(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """UCSC bins of 0-based half-open intervals, as the BAM format wants them."""
    last = ends - 1
    found = np.zeros(starts.size, dtype=np.int64)
    for shift, first in ((26, 1), (23, 9), (20, 73), (17, 585), (14, 4681)):  # the finest that holds it wins
        found = np.where(starts >> shift == last >> shift, first + (starts >> shift), found)
    return found
