"""Lays simulated reads out as BAM: fragments over the targets that carry alleles, with errors as their qualities say.

Records are laid out as arrays and written as BGZF directly: a BAM of 60,000 reads takes well under a second.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from palbo_assets.demo.genome import MiniGenome

READ = 100
DUPLICATE_SHARE = 0.06
_REACH = 60  # bases beside a target that are still fully baited
_NIBBLE = np.zeros(256, dtype=np.uint8)
for _base, _code in zip("ACGTN", (1, 2, 4, 8, 15), strict=True):
    _NIBBLE[ord(_base)] = _code
# A record of one match, as the SAM specification lays it out.
_RECORD = np.dtype(
    [
        ("size", "<i4"), ("reference", "<i4"), ("start", "<i4"), ("name_length", "u1"), ("mapping_quality", "u1"),
        ("bin", "<u2"), ("operations", "<u2"), ("flag", "<u2"), ("length", "<i4"), ("mate_reference", "<i4"),
        ("mate_start", "<i4"), ("span", "<i4"), ("name", "u1", 14), ("cigar", "<u4"), ("bases", "u1", READ // 2),
        ("qualities", "u1", READ), ("read_group", "u1", 5),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Carried:
    """One allele and the share of fragments that carry it."""

    pos: int  # 1-based
    ref: str
    alt: str
    share: float


def write_bam(
    path: Path,
    sample: str,
    genome: MiniGenome,
    carried: Mapping[str, list[Carried]],
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

    from imagecodecs import deflate_encode

    from palbo_assets.genomics.bgzf import EOF_BLOCK

    blocks = []
    for start in range(0, len(content), 0xFF00):
        piece = content[start : start + 0xFF00]
        packed = deflate_encode(piece, level=1, raw=True)
        head = struct.pack("<4BI2BH2BHH", 31, 139, 8, 4, 0, 0, 255, 6, 66, 67, 2, len(packed) + 25)
        blocks.append(head + packed + struct.pack("<II", zlib.crc32(piece), len(piece)))
    return b"".join(blocks) + EOF_BLOCK


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
    carried: list[Carried],
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
    indels: dict[int, Carried] = {}
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
    indels: Mapping[int, Carried],
    serial: int,
    rng: np.random.Generator,
) -> bytes:
    """Sequencing errors, then the records in coordinate order."""
    cigars: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for read in range(len(original)):
        allele = indels.get(int(original[read]))
        if allele is not None:
            for side in range(2):
                made = _with_indel(sequence, int(begin[side, read]), allele)
                if made is not None:
                    bases[side, read], cigars[(side, read)] = made
    wrong = rng.random(bases.shape, dtype=np.float32) < (10.0 ** (-quality.astype(np.float32) / 10))
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)
    place = np.searchsorted(letters, bases[wrong])
    bases[wrong] = letters[(place + rng.integers(1, 4, len(place))) % 4]
    span = (begin[1] + READ - begin[0]).astype(np.int64)
    order = np.argsort(begin.ravel(), kind="stable")
    mate, column = np.divmod(order, len(original))
    records = np.zeros(order.size, dtype=_RECORD)
    start = begin.ravel()[order]
    records["size"] = _RECORD.itemsize - 4
    records["reference"] = records["mate_reference"] = reference_id
    records["start"], records["mate_start"] = start, begin[1 - mate, column]
    records["name_length"] = _RECORD["name"].itemsize
    records["mapping_quality"] = 60
    records["bin"] = _bins(start, start + READ)
    records["operations"], records["cigar"] = 1, READ << 4
    strand = np.where(mate == 0, 0x20, 0x10)
    which = np.where((mate == 0) == forward_first[column], 0x40, 0x80)
    records["flag"] = 0x3 | strand | which | np.where(duplicate[column], 0x400, 0)
    records["length"] = READ
    records["span"] = np.where(mate == 0, span[column], -span[column])
    records["name"] = _names(serial * 2 + column)
    nibbles = _NIBBLE[bases[mate, column]]
    records["bases"] = (nibbles[:, 0::2] << 4) | nibbles[:, 1::2]
    records["qualities"] = quality[mate, column]
    records["read_group"] = np.frombuffer(b"RGZ1\0", dtype=np.uint8)
    place_of = np.argsort(order)  # the inverse: where a read went
    gapped = sorted((int(place_of[side * len(original) + read]), cigar) for (side, read), cigar in cigars.items())
    parts, written = [], 0
    for at, cigar in gapped:
        parts += [records[written:at].tobytes(), _gapped(records[at : at + 1].copy(), cigar)]
        written = at + 1
    return b"".join([*parts, records[written:].tobytes()])


def _gapped(record: np.ndarray, operations: list[tuple[int, int]]) -> bytes:
    """The one record with these CIGAR operations instead of its single match."""
    start = record["start"]
    record["bin"] = _bins(start, start + sum(n for op, n in operations if op in (0, 2)))
    record["operations"] = len(operations)
    record["size"] += 4 * (len(operations) - 1)
    content = record.tobytes()
    fields: dict[str, Any] = dict(_RECORD.fields or {})
    before, after = fields["cigar"][1], fields["bases"][1]
    return content[:before] + b"".join(struct.pack("<I", n << 4 | op) for op, n in operations) + content[after:]


def _names(numbers: np.ndarray) -> np.ndarray:
    """``twin:00000042`` and its end, as rows of uint8."""
    names = np.empty((numbers.size, _RECORD["name"].itemsize), dtype=np.uint8)
    names[:] = np.frombuffer(b"twin:00000000\0", dtype=np.uint8)
    for digit in range(8):
        names[:, 12 - digit] += (numbers // 10**digit % 10).astype(np.uint8)
    return names


def _with_indel(sequence: str, begin: int, allele: Carried) -> tuple[np.ndarray, list[tuple[int, int]]] | None:
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


def _bins(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The UCSC bins of the SAM specification; 0-based, half-open."""
    last = end - 1
    bins = np.zeros(start.size, dtype=np.int64)
    for shift, offset in ((26, 1), (23, 9), (20, 73), (17, 585), (14, 4681)):
        bins = np.where(start >> shift == last >> shift, offset + (start >> shift), bins)
    return bins
