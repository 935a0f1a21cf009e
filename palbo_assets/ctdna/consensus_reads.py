"""Consensus reads, and what one molecule's reads say along the reference."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from palbo_assets.platform.errors import InputError

if TYPE_CHECKING:
    import pysam

BASES = "ACGT"
NO_VOTE, DELETED = 4, 5
N_CODES = 6
_CODE = bytes(BASES.index(chr(byte)) if chr(byte) in BASES else NO_VOTE for byte in range(256))
_FAMILY_IN_NAME = re.compile(r"_Count=(\d+)")  # UMIErrorCorrect writes the family's size into the read name


class Segment(NamedTuple):
    """A stretch of votes of one molecule: ``codes`` from reference position ``start``; raw indels as
    (anchor, deleted bases, inserted bases), 0-based anchor."""

    start: int
    codes: bytes
    indels: frozenset[tuple[int, int, str]]


def stream_reads(bam: Path) -> Iterator[pysam.AlignedSegment]:
    """Every record in file order; a file that breaks off or goes back is an InputError, never a silent half."""
    import pysam

    last = (-1, -1)
    verbosity = pysam.set_verbosity(0)  # a missing index isn't worth a word: none is used
    try:
        with pysam.AlignmentFile(str(bam), "rb", check_sq=False) as file:
            for read in file.fetch(until_eof=True):
                here = (read.reference_id, read.reference_start)
                if read.reference_id >= 0:
                    if here < last:
                        raise InputError(
                            "E_SCHEMA",
                            "the reads aren't sorted by coordinate",
                            file=bam.name,
                            fix="sort the consensus BAM by coordinate (samtools sort)",
                        )
                    last = here
                yield read
    except (OSError, ValueError) as error:
        raise InputError(
            "E_TRUNCATED", "the BAM can't be read to its end", file=bam.name, fix="send the whole file again"
        ) from error.__class__("unreadable BAM")
    finally:
        pysam.set_verbosity(verbosity)


def family_size(read: pysam.AlignedSegment) -> int | None:
    """Raw reads behind a consensus read: tag ``cD`` (fgbio), else ``_Count=`` in the name, else unknown."""
    if read.has_tag("cD"):
        return int(read.get_tag("cD"))
    match = _FAMILY_IN_NAME.search(read.query_name or "")
    return int(match[1]) if match else None


def votes_of(read: pysam.AlignedSegment, low_quality: bytes, trimmed: int) -> Segment:
    """The read's votes along the reference."""
    sequence = read.query_sequence or ""
    codes = sequence.encode("ascii").translate(_CODE)
    qualities = read.query_qualities
    if qualities is not None:
        low = bytes(qualities).translate(low_quality)
        if 1 in low:
            codes = bytes(NO_VOTE if bad else code for code, bad in zip(codes, low, strict=True))
    if trimmed:
        silent = bytes([NO_VOTE]) * min(trimmed, len(codes))
        codes = codes[: len(codes) - len(silent)] + silent if read.is_reverse else silent + codes[len(silent) :]
    cigar = read.cigartuples or []
    if len(cigar) == 1:
        return Segment(read.reference_start, codes, frozenset())
    pieces: list[bytes] = []
    events: list[tuple[int, int, str]] = []
    at, position = 0, read.reference_start
    for operation, length in cigar:
        if not length:  # allowed by the standard, and changes nothing
            continue
        if operation in (0, 7, 8):  # aligned bases
            pieces.append(codes[at : at + length])
            at += length
            position += length
        elif operation == 1:  # insertion: believed only if every inserted base has a vote
            if position > read.reference_start and NO_VOTE not in codes[at : at + length]:
                events.append((position - 1, 0, sequence[at : at + length].upper()))
            at += length
        elif operation in (2, 3):  # deletion; a skipped stretch has no vote
            pieces.append(bytes([DELETED if operation == 2 else NO_VOTE]) * length)
            if operation == 2 and position > read.reference_start:
                events.append((position - 1, length, ""))
            position += length
        elif operation == 4:  # soft clip
            at += length
    return Segment(read.reference_start, b"".join(pieces), frozenset(events))


def merge(first: Segment, second: Segment) -> tuple[Segment, ...]:
    """One molecule's two reads as votes without a base counted twice. ``first`` starts no later than ``second``."""
    if second.start < first.start:
        first, second = second, first
    first_end, second_end = first.start + len(first.codes), second.start + len(second.codes)
    overlap = min(first_end, second_end) - second.start
    if overlap <= 0:
        return first, second
    head = first.codes[: second.start - first.start]
    one = first.codes[len(head) : len(head) + overlap]
    other = second.codes[:overlap]
    tail = first.codes[len(head) + overlap :] + second.codes[overlap:]
    shared = one if one == other else bytes(_agreed(a, b) for a, b in zip(one, other, strict=True))
    return (Segment(first.start, head + shared + tail, _agreed_indels(first, second)),)


def _agreed(one: int, other: int) -> int:
    if one == other or other == NO_VOTE:
        return one
    return other if one == NO_VOTE else NO_VOTE


def _agreed_indels(first: Segment, second: Segment) -> frozenset[tuple[int, int, str]]:
    """Indels that both reads show, or that one shows where the other doesn't reach."""
    kept = first.indels & second.indels
    for mine, other in ((first, second), (second, first)):
        for event in mine.indels - other.indels:
            anchor, deleted, _ = event
            if not (other.start <= anchor and anchor + deleted + 1 < other.start + len(other.codes)):
                kept = kept | {event}
    return kept
