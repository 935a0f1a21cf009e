"""Reads of drawn molecules, laid out as BAM records: what consensus and raw plasmas of the twin are made of."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

READ = 100
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


@dataclass(frozen=True)
class Allele:
    """An allele and the share of molecules that carry it; 1-based VCF."""

    pos: int
    ref: str
    alt: str
    share: float


class Drawn:
    """The two reads of every molecule of a contig: bases, and for molecules with an indel their alignment."""

    def __init__(
        self, sequence: str, starts: np.ndarray, lengths: np.ndarray, alleles: list[Allele], rng: np.random.Generator
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

    def _insert_or_delete(self, molecules: np.ndarray, allele: Allele) -> None:
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


def consensus_records(contig_id: int, sample: str, serial: int, drawn: Drawn, rng: np.random.Generator) -> bytes:
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
