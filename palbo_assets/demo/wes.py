"""Renders exomes of the twin: paired-end BAMs of tumour and blood, and a caller's VCF.

Fragments are drawn over the targets; each carries a germline allele with the patient's genotype and a somatic one
with the expected fraction, so counts scatter as they do in sequencing. Bases err as their qualities say. Records are
laid out as arrays and written as BGZF directly: a BAM of 60,000 reads takes well under a second.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from palbo_assets.demo.truth import PatientTruth, PlantedMutation, SampleTruth, WrittenFile

if TYPE_CHECKING:
    from palbo_assets.demo.genome import MiniGenome

READ = 100
TUMOUR_DEPTH = 120
NORMAL_DEPTH = 60
DUPLICATE_SHARE = 0.06
_REACH = 60  # bases beside a target that are still fully baited
_EOF_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_NIBBLE = np.zeros(256, dtype=np.uint8)
for _base, _code in zip("ACGTN", (1, 2, 4, 8, 15), strict=True):
    _NIBBLE[ord(_base)] = _code
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


@dataclass(frozen=True)
class _Carried:
    """One allele and the share of fragments that carry it."""

    pos: int  # 1-based
    ref: str
    alt: str
    share: float


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
        _write_bam(path, name, genome, _carried(None, patient, genome), {}, NORMAL_DEPTH, rng, genome.contigs)
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
    _write_bam(path, name, genome, _carried(truth, patient, genome), depth, TUMOUR_DEPTH, rng, contigs)
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


def _carried(truth: SampleTruth | None, patient: PatientTruth, genome: MiniGenome) -> dict[str, list[_Carried]]:
    """Alleles by contig, germline and (for a tumour) somatic, with the share of fragments expected to carry them."""
    found: dict[str, list[_Carried]] = {chrom: [] for chrom in genome.contigs}
    for index, (snp, genotype) in enumerate(zip(genome.snps, patient.genotypes, strict=True)):
        share = genotype / 2
        if truth is not None and genotype == 1:
            copies = truth.copy_number.get(_gene_at(genome, snp.chrom, snp.pos), 2)
            if copies != 2:
                # The parental copy that was lost or gained carries the alternative allele at every other SNP.
                major = 0 if copies == 0 else copies - 1
                of_tumour = major if index % 2 else copies - major
                share = (truth.purity * of_tumour + (1 - truth.purity)) / (
                    truth.purity * copies + 2 * (1 - truth.purity)
                )
        if share > 0:
            found[snp.chrom].append(_Carried(snp.pos, snp.ref, snp.alt, share))
    for mutation in (*truth.mutations, *truth.passengers) if truth is not None else ():
        vaf = somatic_vaf(mutation, truth) if truth is not None else 0.0
        if vaf > 0:
            found[mutation.chrom].append(_Carried(mutation.pos, mutation.ref, mutation.alt, vaf))
    return found


def _gene_at(genome: MiniGenome, chrom: str, pos: int) -> str:
    genes = (gene for gene in genome.genes.values() if gene.chrom == chrom)
    return min(genes, key=lambda gene: max(gene.exons[0][0] - pos, pos - gene.exons[-1][1], 0)).name


def _write_bam(
    path: Path,
    sample: str,
    genome: MiniGenome,
    carried: Mapping[str, list[_Carried]],
    depth_factor: Mapping[str, float],
    depth: float,
    rng: np.random.Generator,
    contigs: Mapping[str, int],
) -> None:
    import pysam

    profiles = _quality_profiles(rng)
    header = "@HD\tVN:1.6\tSO:coordinate\n"
    header += "".join(f"@SQ\tSN:{name}\tLN:{length}\n" for name, length in contigs.items())
    header += f"@RG\tID:1\tSM:{sample}\tLB:{sample}-L1\tPL:ILLUMINA\n@PG\tID:bwa\tPN:bwa\tVN:0.7.17\n"
    parts = [b"BAM\1", struct.pack("<i", len(header)), header.encode(), struct.pack("<i", len(contigs))]
    for name, length in contigs.items():
        parts += [struct.pack("<i", len(name) + 1), name.encode() + b"\0", struct.pack("<i", length)]
    order = {name: index for index, name in enumerate(contigs)}
    serial = 0
    for chrom in sorted(genome.contigs, key=order.__getitem__):
        starts, lengths = _fragments(genome, chrom, depth_factor, depth, rng)
        bases = genome.sequence(chrom)
        parts.append(_contig_records(order[chrom], bases, starts, lengths, carried[chrom], profiles, serial, rng))
        serial += len(starts)
    path.write_bytes(bgzf(b"".join(parts)))
    pysam.index(str(path))  # type: ignore[attr-defined]


def bgzf(content: bytes) -> bytes:
    """``content`` as BGZF with its end marker."""
    import zlib

    import deflate

    blocks = []
    for start in range(0, len(content), 0xFF00):
        piece = content[start : start + 0xFF00]
        packed = bytes(deflate.deflate_compress(piece, 1))
        head = struct.pack("<4BI2BH2BHH", 31, 139, 8, 4, 0, 0, 255, 6, 66, 67, 2, len(packed) + 25)
        blocks.append(head + packed + struct.pack("<II", zlib.crc32(piece), len(piece)))
    return b"".join(blocks) + _EOF_BLOCK


def _quality_profiles(rng: np.random.Generator) -> np.ndarray:
    """(64, READ) uint8: binned Illumina qualities along a read, falling towards its end."""
    cycle = np.linspace(0, 1, READ)
    good = rng.random((64, READ)) > 0.02 + 0.10 * cycle**2
    poor = np.where(rng.random((64, READ)) < 0.3, 11, 25)
    return np.where(good, 37, poor).astype(np.uint8)


def _fragments(
    genome: MiniGenome, chrom: str, depth_factor: Mapping[str, float], depth: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """0-based starts and lengths of the contig's fragments, PCR duplicates included (they share both)."""
    starts, lengths = [], []
    for _, start, end, gene in (target for target in genome.targets if target[0] == chrom):
        mean = 220
        expected = depth * depth_factor.get(gene, 1.0) * (end - start + 2 * _REACH + mean - 2 * READ) / (2 * READ - 10)
        size = np.clip(rng.normal(mean, 30, rng.poisson(expected)), 130, 350).astype(np.int64)
        first, last = start - _REACH - size + READ, end + _REACH - READ
        place = first + (rng.random(len(size)) * (last - first)).astype(np.int64)
        starts.append(np.maximum(place, 0))
        lengths.append(size)
    return np.concatenate(starts), np.concatenate(lengths)


def _contig_records(
    reference_id: int,
    sequence: str,
    starts: np.ndarray,
    lengths: np.ndarray,
    carried: list[_Carried],
    profiles: np.ndarray,
    serial: int,
    rng: np.random.Generator,
) -> bytes:
    contig = np.frombuffer(sequence.encode(), dtype=np.uint8)
    n = len(starts)
    copied = rng.random(n) < DUPLICATE_SHARE
    original = np.concatenate([np.arange(n), np.nonzero(copied)[0]])
    # A duplicate is the same molecule sequenced again: same place, same alleles, errors of its own.
    begin = np.stack([starts, starts + lengths - READ])  # (mate, fragment)
    bases = contig[begin[:, :, None] + np.arange(READ)]
    indels: dict[int, _Carried] = {}
    for allele in carried:
        covers = (starts < allele.pos) & (starts + lengths >= allele.pos)
        has = np.nonzero(covers & (rng.random(n) < allele.share))[0]
        if len(allele.ref) == len(allele.alt):
            for mate in range(2):
                for shift, base in enumerate(allele.alt.encode()):
                    column = allele.pos - 1 + shift - begin[mate, has]
                    seen = (column >= 0) & (column < READ)
                    bases[mate, has[seen], column[seen]] = base
        else:
            indels.update(dict.fromkeys(has.tolist(), allele))
    forward_first = rng.random(n) < 0.5
    bases, begin = bases[:, original], begin[:, original]
    duplicate = np.arange(len(original)) >= n
    chosen = profiles[rng.integers(0, len(profiles), (2, len(original)))]
    chosen[1] = chosen[1, :, ::-1]  # the second mate is read backwards
    return _encode(
        reference_id, sequence, bases, begin, chosen, duplicate, forward_first[original], original, indels, serial, rng
    )


def _encode(
    reference_id: int,
    sequence: str,
    bases: np.ndarray,
    begin: np.ndarray,
    quality: np.ndarray,
    duplicate: np.ndarray,
    forward_first: np.ndarray,
    original: np.ndarray,
    indels: Mapping[int, _Carried],
    serial: int,
    rng: np.random.Generator,
) -> bytes:
    """Sequencing errors, then the records in coordinate order."""
    cigars: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for column in range(len(original)):
        allele = indels.get(int(original[column]))
        if allele is not None:
            for mate in range(2):
                made = _with_indel(sequence, int(begin[mate, column]), allele)
                if made is not None:
                    bases[mate, column], cigars[(mate, column)] = made
    wrong = rng.random(bases.shape, dtype=np.float32) < (10.0 ** (-quality.astype(np.float32) / 10))
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)
    place = np.searchsorted(letters, bases[wrong])
    bases[wrong] = letters[(place + rng.integers(1, 4, len(place))) % 4]
    nibbles = _NIBBLE[bases]
    packed = (nibbles[..., 0::2] << 4) | nibbles[..., 1::2]
    span = (begin[1] + READ - begin[0]).astype(np.int64)
    order = np.argsort(begin.ravel(), kind="stable")
    columns = len(original)
    records = []
    plain = struct.pack("<I", READ << 4)
    for flat in order.tolist():
        mate, column = divmod(flat, columns)
        first = forward_first[column]
        flag = 0x3 | (0x20 if mate == 0 else 0x10) | (0x40 if (mate == 0) == first else 0x80)
        flag |= 0x400 if duplicate[column] else 0
        operations = cigars.get((mate, column))
        cigar = plain if operations is None else b"".join(struct.pack("<I", n << 4 | op) for op, n in operations)
        used = READ if operations is None else sum(n for op, n in operations if op in (0, 2))
        at, other = int(begin[mate, column]), int(begin[1 - mate, column])
        name = b"twin:%08d\0" % (serial * 2 + column)
        body = struct.pack(
            "<iiBBHHHiiii",
            reference_id,
            at,
            len(name),
            60,
            _bin(at, at + used),
            len(cigar) // 4,
            flag,
            READ,
            reference_id,
            other,
            int(span[column]) if mate == 0 else -int(span[column]),
        )
        body += name + cigar + packed[mate, column].tobytes() + quality[mate, column].tobytes() + b"RGZ1\0"
        records.append(struct.pack("<i", len(body)) + body)
    return b"".join(records)


def _with_indel(sequence: str, begin: int, allele: _Carried) -> tuple[np.ndarray, list[tuple[int, int]]] | None:
    """(bases, CIGAR operations) of a read that starts at ``begin`` and carries the indel; None where it sees none.

    An aligner doesn't open a gap next to a read's end; there the read stays as the reference has it.
    """
    before = allele.pos - begin  # bases up to and including the anchor
    inserted = allele.alt[1:]
    deleted = len(allele.ref) - 1
    after = READ - before - len(inserted)
    if before < 8 or after < 8:
        return None
    resume = allele.pos + deleted
    text = sequence[begin : allele.pos] + inserted + sequence[resume : resume + after]
    gap = (1, len(inserted)) if inserted else (2, deleted)
    return np.frombuffer(text.encode(), dtype=np.uint8), [(0, before), gap, (0, after)]


def _bin(start: int, end: int) -> int:
    """The UCSC bin of the SAM specification."""
    end -= 1
    for shift, offset in ((14, 4681), (17, 585), (20, 73), (23, 9), (26, 1)):
        if start >> shift == end >> shift:
            return offset + (start >> shift)
    return 0


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
