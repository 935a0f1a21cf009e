"""Raw UMI reads made by hand, and wild ones from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pysam

GENOME = "".join(np.random.default_rng(3).choice(list("ACGT"), size=260))


@dataclass
class Raw:
    """One read: ``start`` 0-based, bases as on the forward strand."""

    name: str
    start: int
    sequence: str
    cigar: str
    flag: int
    umi: str | None = "ACGT-TTGA"
    qualities: tuple[int, ...] = ()
    mapq: int = 60
    contig: int = 0
    mate: int = 0


def pair(name: str, first: int, last: int, *, strand: int = 0, umi: str = "ACGT-TTGA", length: int = 40) -> list[Raw]:
    """Both reads of a fragment [first, last] without errors; ``umi`` as read 1 of the forward strand has it."""
    if strand:
        umi = "-".join(umi.split("-")[::-1])
    left = Raw(name, first, GENOME[first : first + length], f"{length}M", 163 if strand else 99, umi)
    start = last + 1 - length
    right = Raw(name, start, GENOME[start : last + 1], f"{length}M", 83 if strand else 147, umi)
    left.mate, right.mate = right.start, left.start
    return [left, right]


def write(path: Path, reads: list[Raw], *, ordered: bool = True) -> Path:
    header = {"HD": {"VN": "1.6"}, "SQ": [{"SN": name, "LN": len(GENOME)} for name in ("chr1", "chr2")]}
    with pysam.AlignmentFile(str(path), "wb", header=header) as file:
        for read in sorted(reads, key=lambda one: (one.contig, one.start)) if ordered else reads:
            record = pysam.AlignedSegment(file.header)
            record.query_name, record.flag, record.reference_id = read.name, read.flag, read.contig
            record.reference_start, record.mapping_quality = read.start, read.mapq
            record.cigarstring, record.query_sequence = read.cigar, read.sequence
            record.query_qualities = np.array(read.qualities or (37,) * len(read.sequence), dtype=np.uint8)
            record.next_reference_id, record.next_reference_start = read.contig, read.mate
            record.set_tag("NM", 1)
            record.set_tag("BC", "ACG")
            if read.umi is not None:
                record.set_tag("RX", read.umi)
            file.write(record)
    return path


def wild(seed: int, molecules: int, *, duplex: bool) -> list[Raw]:
    """Families that share ends and nearly share UMIs, with gaps, clips, errors, N, lost mates and low qualities."""
    rng = np.random.default_rng(seed)
    pool = ["".join(rng.choice(list("ACGT"), size=3)) for _ in range(4)]
    ends = [(int(first), int(first + rng.integers(45, 100))) for first in rng.integers(2, 140, size=3)]
    reads: list[Raw] = []
    for number in range(molecules):
        first, last = ends[rng.integers(3)]
        umi = [pool[rng.integers(4)], pool[rng.integers(4)]]
        contig = int(rng.random() < 0.3)
        gap = (int(rng.integers(-3, 4)), int(rng.integers(6, 30)), "".join(rng.choice(list("ACGT"), size=3)))
        for copy in range(int(rng.integers(1, 6))):
            strand = int(rng.integers(2))
            letters = list("".join(umi))
            if rng.random() < 0.15:
                letters[rng.integers(6)] = "ACGTN"[rng.integers(5)]
            parts = ["".join(letters[:3]), "".join(letters[3:])]
            tag = "-".join(parts[::-1] if strand else parts) if duplex else "".join(letters)
            mates = _mates(f"m{number}c{copy}", first, last, strand, tag, gap, rng)
            for read in mates:
                read.contig = contig
            lost = rng.random()
            reads += mates[:1] if lost < 0.05 else mates[1:] if lost < 0.1 else mates
            if lost > 0.97:
                mates[0].flag |= 0x400
    return reads


def _mates(
    name: str, first: int, last: int, strand: int, tag: str, gap: tuple[int, int, str], rng: np.random.Generator
) -> list[Raw]:
    size, place, inserted = gap
    made = []
    for side in (0, 1):
        length = int(rng.integers(34, 40))
        kind = size if rng.random() < 0.8 else 0
        clip = int(rng.integers(0, 5)) if rng.random() < 0.3 else 0
        middle = min(place, length - 6)
        if side == 0:
            start = first
            before, rest = GENOME[start : start + middle], start + middle
        else:
            start = last + 1 - length - min(kind, 0) * -1 + max(kind, 0)
            start = last + 1 - (length - max(kind, 0) + max(-kind, 0))
            before, rest = GENOME[start : start + middle], start + middle
        if kind > 0:
            bases = before + inserted[:kind] + GENOME[rest : rest + length - middle - kind]
            cigar = [(middle, "M"), (kind, "I"), (length - middle - kind, "M")]
        elif kind < 0:
            bases = before + GENOME[rest - kind : rest - kind + length - middle]
            cigar = [(middle, "M"), (-kind, "D"), (length - middle, "M")]
        else:
            bases, cigar = GENOME[start : start + length], [(length, "M")]
        clip = min(clip, (cigar[0] if side == 0 else cigar[-1])[0] - 1)
        if clip and side == 0:
            cigar = [(clip, "S"), (cigar[0][0] - clip, "M"), *cigar[1:]]
            start += clip
        elif clip:
            cigar = [*cigar[:-1], (cigar[-1][0] - clip, "M"), (clip, "S")]
        letters = list(bases)
        for at in np.flatnonzero(rng.random(len(letters)) < 0.01):
            letters[at] = "ACGTN"[rng.integers(5)]
        qualities = tuple(int(q) for q in rng.choice([2, 11, 25, 37], size=len(letters), p=[0.01, 0.02, 0.1, 0.87]))
        flags = ((99, 163), (147, 83))[side][strand]
        mapq = 60 if rng.random() < 0.96 else 10
        text = "".join(f"{n}{operation}" for n, operation in cigar)
        made.append(Raw(name, start, "".join(letters), text, flags, tag, qualities, mapq))
    made[0].mate, made[1].mate = made[1].start, made[0].start
    return made
