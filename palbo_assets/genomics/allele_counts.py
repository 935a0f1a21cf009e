"""How many fragments of a BAM show a named variant, and how: SNVs, MNVs, insertions, deletions and both at once.

What counts, in one place:

* A read speaks for a variant when it is aligned over all of the allele's span, and says the reference, the alternative
  or something else. The span of a substitution is its bases; that of an indel goes from its anchor to the first base
  that tells the alleles apart, so that wherever the aligner put an indel within a repeat, it is the same indel, and a
  read that ends within the repeat says nothing.
* A substitution's quality is the worst of its bases, an indel's the mean over its span. What is below the limit
  isn't said.
* A fragment counts once: agreeing mates are one vote (the better one, read 1 of equal ones, gives strand and
  qualities); of disagreeing mates the better one counts, and neither of two equally good ones.
* Unmapped, secondary, supplementary, duplicate and QC-failed reads, and reads below the mapping quality, are out.

Mates are found by name and mate position through an open-addressed table, and leave it when they can't meet any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np

from palbo_assets.genomics.alleles import Fetch, Variant, normalise
from palbo_assets.genomics.bam import (
    EXCLUDED_FLAGS,
    MATE_UNMAPPED,
    NAME,
    PAIRED,
    REVERSE,
    SECOND,
    int32,
    name_keys,
    nibble,
    nibbles,
    uint8,
    uint16,
    unsorted,
)
from palbo_assets.genomics.bgzf import bam_header, record_chunks

_REPEAT_REACH = 1000
_REF, _ALT, _OTHER, _NONE = 0, 1, 2, 3
_COLUMNS = (
    "depth",
    "ref_forward",
    "ref_reverse",
    "alt_forward",
    "alt_reverse",
    "ref_f1r2",
    "ref_f2r1",
    "alt_f1r2",
    "alt_f2r1",
    "ref_quality",
    "alt_quality",
    "ref_mapping_quality",
    "alt_mapping_quality",
    "ref_end_distance",
    "alt_end_distance",
)


class Evidence(NamedTuple):
    """Fragments at a variant: all that speak there, those with the alternative, and how both alleles are seen.

    ``*_forward`` and ``*_reverse`` are the strand of the counted read; ``*_f1r2`` and ``*_f2r1`` the fragment's
    orientation (read 1 forward or reverse; unpaired reads have none). ``*_quality`` and ``*_mapping_quality`` are mean
    Phred values, ``*_end_distance`` the mean distance in bases to the nearer end of the aligned read; None without
    reads or where a caller's file stands behind the counts. ``expected_errors`` is the number of fragments of which
    base qualities say that they err, towards whatever base.
    """

    depth: int
    alt: int
    ref_forward: int = 0
    ref_reverse: int = 0
    alt_forward: int = 0
    alt_reverse: int = 0
    ref_f1r2: int = 0
    ref_f2r1: int = 0
    alt_f1r2: int = 0
    alt_f2r1: int = 0
    ref_quality: float | None = None
    alt_quality: float | None = None
    ref_mapping_quality: float | None = None
    alt_mapping_quality: float | None = None
    ref_end_distance: float | None = None
    alt_end_distance: float | None = None
    expected_errors: float | None = None

    @property
    def vaf(self) -> float | None:
        """Alternative fragments / all fragments, None without any."""
        return self.alt / self.depth if self.depth else None


class _Spans(NamedTuple):
    """Variants as the kernel takes them, sorted by contig and start."""

    contig: np.ndarray
    start: np.ndarray
    end: np.ndarray  # of the alternative's span on the reference, exclusive
    ref_end: np.ndarray  # of what a read must cover to say the reference
    by_base: np.ndarray  # substitutions: each base counts; else the length decides
    ref_at: np.ndarray
    ref_length: np.ndarray
    alt_at: np.ndarray
    alt_length: np.ndarray
    bases: np.ndarray


def countable(variant: Variant) -> bool:
    """Whether both alleles are spelled out in ACGT (no symbolic alleles, no N)."""
    return bool(variant.ref and variant.alt) and not set(variant.ref + variant.alt) - set("ACGT")


def count_alleles(
    path: Path,
    variants: Iterable[Variant],
    fetch: Fetch,
    *,
    min_base_quality: int,
    min_mapping_quality: int,
    excluded_flags: int = EXCLUDED_FLAGS,
    ranges: Iterable[tuple[int, int | None]] = ((0, None),),
) -> dict[Variant, Evidence | None]:
    """Evidence for each variant in one coordinate-sorted BAM, whether or not any fragment shows it.

    Parameters
    ----------
    fetch
        Reference bases; the variants' contig names are the reference's and the BAM's.
    min_base_quality, min_mapping_quality
        Phred; what is below doesn't count.
    ranges
        Virtual offsets in file order that hold the reads in question (from an index); the whole
        file when left out.

    Returns
    -------
    One entry a variant; None where its alleles can't be counted (symbolic) or the BAM lacks its contig.

    Raises
    ------
    InputError
        ``E_EMPTY``, ``E_NOT_BGZF``, ``E_TRUNCATED``, ``E_UNSORTED``.
    """
    wanted = list(dict.fromkeys(variants))
    contigs = {name: index for index, name in enumerate(bam_header(path).contigs)}
    usable = [one for one in wanted if one.chrom in contigs and countable(one)]
    answer: dict[Variant, Evidence | None] = dict.fromkeys(wanted)
    if not usable:
        return answer
    spans, order = _spans(usable, contigs, fetch)
    sums = np.zeros((len(usable), len(_COLUMNS)), dtype=np.int64)
    errors = np.zeros(len(usable))
    error_of = 10.0 ** (-np.arange(256) / 10)
    table = _empty_table(1 << 12)
    limits = (min_base_quality, min_mapping_quality, excluded_flags)
    for start, stop in ranges:
        last = np.full(2, -1, dtype=np.int64)
        for chunk in record_chunks(path, start, stop, chunk_bytes=4 << 20):
            at = 0
            while True:
                arguments: list[Any] = [chunk, at, last, *spans, *limits, *table, sums, errors, error_of]
                at, need = _observe(*arguments)
                if at < 0:
                    raise unsorted(path)
                table = _settled(table, need, spans, last, sums, errors, error_of)
                if at >= len(chunk):
                    break
        # Between ranges no mate is waited for: a range holds all reads of its places.
        table = _settled(table, 0, spans, np.array([1 << 40, 0]), sums, errors, error_of)
    for index, variant in zip(order, usable, strict=True):
        answer[variant] = _evidence(sums[index], float(errors[index]))
    return answer


def _evidence(row: np.ndarray, errors: float) -> Evidence:
    values = dict(zip(_COLUMNS, row.tolist(), strict=True))
    ref = values["ref_forward"] + values["ref_reverse"]
    alt = values["alt_forward"] + values["alt_reverse"]
    for name in _COLUMNS[9:]:
        count = ref if name.startswith("ref") else alt
        values[name] = values[name] / count if count else None
    return Evidence(alt=alt, expected_errors=errors, **values)


def _spans(variants: list[Variant], contigs: dict[str, int], fetch: Fetch) -> tuple[_Spans, np.ndarray]:
    """Sorted spans, and where each given variant went."""
    placed = [_span(one, fetch) for one in variants]
    keys = [(contigs[one.chrom], span[0]) for one, span in zip(variants, placed, strict=True)]
    by_place = sorted(range(len(variants)), key=lambda index: keys[index])
    order = np.empty(len(variants), dtype=np.int64)
    order[by_place] = np.arange(len(variants))
    sequences = []
    at = 0
    columns: list[list[int]] = []
    for index in by_place:
        start, end, ref_end, by_base, ref, alt = placed[index]
        columns.append([keys[index][0], start, end, ref_end, by_base, at, len(ref), at + len(ref), len(alt)])
        sequences += [nibbles(ref), nibbles(alt)]
        at += len(ref) + len(alt)
    arrays = np.array(columns, dtype=np.int64).T
    columns_and_bases = [*(np.ascontiguousarray(one) for one in arrays), np.concatenate(sequences)]
    return _Spans._make(columns_and_bases), order


def _span(variant: Variant, fetch: Fetch) -> tuple[int, int, int, bool, str, str]:
    """0-based start and end of the alternative's span, end of the reference's, kind, and both spans' bases."""
    chrom, pos, ref, alt = normalise(variant, fetch)
    kind = Variant(chrom, pos, ref, alt).kind
    start = pos - 1
    end = start + len(ref)
    if kind in ("snv", "mnv"):
        return start, end, end, True, ref, alt
    if kind == "complex":
        before = fetch(chrom, start - 1, start) if start else ""
        after = fetch(chrom, end, end + 1)
        start, end = start - len(before), end + len(after)
        return start, end, end, False, before + ref + after, before + alt + after
    moved = ref[1:] or alt[1:]
    following = fetch(chrom, end, end + len(moved) + _REPEAT_REACH)
    text = moved + following
    shift = 0
    while shift < len(following) and text[shift] == following[shift]:
        shift += 1
    tail = following[: shift + 1]
    if kind == "ins":
        return start, end + len(tail), end + len(tail), False, ref + tail, alt + tail
    # A read of the reference needs no more than the base that a deleted read doesn't show.
    return start, end + len(tail), start + 1 + len(tail), False, (ref + tail)[: 1 + len(tail)], alt + tail


Table = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _empty_table(size: int) -> Table:
    """Open-addressed table of waiting observations: two name keys, variant (-1: free), packed observation."""
    return (
        np.zeros(size, dtype=np.uint64),
        np.zeros(size, dtype=np.uint64),
        np.full(size, -1, dtype=np.int64),
        np.zeros(size, dtype=np.int64),
    )


def _settled(
    table: Table, need: int, spans: _Spans, last: np.ndarray, sums: np.ndarray, errors: np.ndarray, error_of: np.ndarray
) -> Table:
    """Count what no mate can change any more; the rest waits in a table with ample room for ``need`` more."""
    waiting = _count_final(*table, spans.contig, spans.start, last, sums, errors, error_of)
    size = 1 << 12
    while size < 4 * (waiting + need):
        size *= 2
    # Entries that left would break the chains of those that stay, so these move to a fresh table.
    fresh = _empty_table(size)
    if waiting:
        _move(*table, *fresh)
    return fresh


@numba.njit(cache=True, nogil=True)
def _slot(
    first: np.ndarray, second: np.ndarray, variant: np.ndarray, key: np.uint64, other: np.uint64, index: int
) -> Any:
    """Where an observation is or would go."""
    mask = np.uint64(variant.size - 1)
    at = (key + np.uint64(index) * np.uint64(0x9E3779B97F4A7C15)) & mask
    while variant[at] >= 0 and not (variant[at] == index and first[at] == key and second[at] == other):
        at = (at + np.uint64(1)) & mask
    return at


@numba.njit(cache=True, nogil=True)
def _move(
    first: np.ndarray, second: np.ndarray, variant: np.ndarray, said: np.ndarray,
    to_first: np.ndarray, to_second: np.ndarray, to_variant: np.ndarray, to_said: np.ndarray,
) -> None:  # fmt: skip
    for at in range(variant.size):
        if variant[at] >= 0:
            to = _slot(to_first, to_second, to_variant, first[at], second[at], variant[at])
            to_first[to], to_second[to], to_variant[to], to_said[to] = first[at], second[at], variant[at], said[at]


# An observation in one integer: call (2 bits), quality (8), mapping quality (8), end distance (16), then flags.
_BIT_REVERSE, _BIT_SECOND, _BIT_PAIRED, _BIT_MET = 1 << 34, 1 << 35, 1 << 36, 1 << 37


@numba.njit(cache=True, nogil=True)
def _count(index: int, said: int, sums: np.ndarray, errors: np.ndarray, error_of: np.ndarray) -> None:
    call = said & 3
    if call == _NONE:
        return
    quality = (said >> 2) & 255
    row = sums[index]
    row[0] += 1
    errors[index] += error_of[quality]
    if call == _OTHER:
        return
    reverse = 1 if said & _BIT_REVERSE else 0
    row[1 + 2 * call + reverse] += 1
    if said & _BIT_PAIRED:
        # Read 1 forward, or read 2 reverse: F1R2.
        f2r1 = reverse ^ (1 if said & _BIT_SECOND else 0)
        row[5 + 2 * call + f2r1] += 1
    row[9 + call] += quality
    row[11 + call] += (said >> 10) & 255
    row[13 + call] += (said >> 18) & 65535


@numba.njit(cache=True, nogil=True)
def _count_final(
    first: np.ndarray, second: np.ndarray, variant: np.ndarray, said: np.ndarray,
    contig: np.ndarray, start: np.ndarray, last: np.ndarray,
    sums: np.ndarray, errors: np.ndarray, error_of: np.ndarray,
) -> Any:  # fmt: skip
    waiting = 0
    for at in range(variant.size):
        index = variant[at]
        if index < 0:
            continue
        if contig[index] < last[0] or (contig[index] == last[0] and start[index] < last[1]):
            _count(index, said[at], sums, errors, error_of)
            variant[at] = -1
        else:
            waiting += 1
    return waiting


@numba.njit(cache=True, nogil=True)
def _decided(one: int, two: int) -> Any:
    """What a fragment says whose mates said ``one`` and ``two``."""
    quality_one, quality_two = (one >> 2) & 255, (two >> 2) & 255
    better = one
    if quality_two > quality_one or (quality_two == quality_one and one & _BIT_SECOND):
        better = two
    if one & 3 != two & 3 and quality_one == quality_two:
        better = _NONE
    return better | _BIT_MET


@numba.njit(cache=True, nogil=True)
def _said(
    data: np.ndarray, record: int, start: int, end: int, ref_end: int, by_base: int,
    ref_at: int, ref_length: int, alt_at: int, alt_length: int, texts: np.ndarray, min_quality: int,
) -> Any:  # fmt: skip
    """Call, quality and first base's place in the read; call -1 where the read says nothing."""
    name, operations, length = uint8(data, record + 12), uint16(data, record + 16), int32(data, record + 20)
    cigar = record + NAME + name
    bases = cigar + 4 * operations
    qualities = bases + (length + 1) // 2
    at, query, gaps = int32(data, record + 8), 0, 0
    first = last = last_ref = -1
    gaps_first = gaps_last = gaps_ref = 0
    skipped = False
    for number in range(operations):
        word = int32(data, cigar + 4 * number)
        kind, size = word & 15, (word >> 4) & 0xFFFFFFF
        if kind == 0 or kind == 7 or kind == 8:
            if at <= start < at + size:
                first, gaps_first = query + start - at, gaps
            if at < end <= at + size:
                last, gaps_last = query + end - 1 - at, gaps
            if at < ref_end <= at + size:
                last_ref, gaps_ref = query + ref_end - 1 - at, gaps
            at += size
            query += size
        elif kind == 1:
            query += size
            gaps += 1
        elif kind == 2 or kind == 3:
            if kind == 3 and at < end and at + size > start:
                skipped = True
            at += size
            gaps += 1
        elif kind == 4:
            query += size
        if at >= end and at >= ref_end:
            # An insertion right behind the span isn't part of it.
            break
    if first < 0 or skipped or length == 0 or query > length:
        return -1, 0, 0
    if by_base:
        if last < 0:
            return -1, 0, 0
        worst = 255
        is_ref = is_alt = True
        for offset in range(last - first + 1):
            base, quality = nibble(data, bases, first + offset), uint8(data, qualities + first + offset)
            if base == 15:
                return -1, 0, 0
            worst = min(worst, quality)
            if gaps_first == gaps_last:
                is_ref &= base == texts[ref_at + offset]
                is_alt &= base == texts[alt_at + offset]
        call = _OTHER
        if gaps_first == gaps_last:
            call = _ALT if is_alt else (_REF if is_ref else _OTHER)
        return call, worst, first
    total = 0
    if last >= 0 and gaps_last > gaps_first and last - first + 1 == alt_length:
        is_alt = True
        for offset in range(alt_length):
            quality = uint8(data, qualities + first + offset)
            total += quality
            if quality >= min_quality and nibble(data, bases, first + offset) != texts[alt_at + offset]:
                is_alt = False
        return (_ALT if is_alt else _OTHER), total // alt_length, first
    span = last_ref if last_ref >= 0 else last
    if span < 0:
        return -1, 0, 0
    for offset in range(first, span + 1):
        total += uint8(data, qualities + offset)
    mean = total // (span - first + 1)
    if last_ref < 0 or gaps_ref != gaps_first:
        return _OTHER, mean, first
    for offset in range(ref_length):
        if (
            uint8(data, qualities + first + offset) >= min_quality
            and nibble(data, bases, first + offset) != texts[ref_at + offset]
        ):
            return _OTHER, mean, first
    return _REF, mean, first


@numba.njit(cache=True, nogil=True)
def _observe(
    data: np.ndarray, at: int, last: np.ndarray,
    contig: np.ndarray, starts: np.ndarray, ends: np.ndarray, ref_ends: np.ndarray, by_base: np.ndarray,
    ref_at: np.ndarray, ref_length: np.ndarray, alt_at: np.ndarray, alt_length: np.ndarray, texts: np.ndarray,
    min_quality: int, min_mapping: int, excluded: int,
    first: np.ndarray, second: np.ndarray, variant: np.ndarray, said: np.ndarray,
    sums: np.ndarray, errors: np.ndarray, error_of: np.ndarray,
) -> Any:  # fmt: skip
    """Take records from an offset on, until the chunk's end or a full table: (next offset, entries to make room for).

    The offset is -1 where reads are out of order. ``last`` holds contig and position of the last read.
    """
    used = 0
    limit = variant.size - variant.size // 4
    n = starts.size
    for index in range(variant.size):
        used += variant[index] >= 0
    begin = 0
    while at < data.size:
        record = at
        place, position = int32(data, record + 4), int32(data, record + 8)
        if place >= 0:
            if place < last[0] or (place == last[0] and position < last[1]):
                return -1, 0
            last[0], last[1] = place, position
        following = at + 4 + int32(data, record)
        flag = uint16(data, record + 18)
        if place < 0 or flag & excluded or uint8(data, record + 13) < min_mapping:
            at = following
            continue
        if begin < n and (contig[begin] < place or (contig[begin] == place and starts[begin] < position)):
            # Reads come in order, so the next variant is never far, except at the start of a chunk.
            low, high = begin, n
            while low < high:
                middle = (low + high) // 2
                if contig[middle] < place or (contig[middle] == place and starts[middle] < position):
                    low = middle + 1
                else:
                    high = middle
            begin = low
        if begin == n:
            at = following
            continue
        if contig[begin] != place:
            at = following
            continue
        name, operations, length = uint8(data, record + 12), uint16(data, record + 16), int32(data, record + 20)
        stop = position
        clipped_front = clipped_back = 0
        for number in range(operations):
            word = int32(data, record + NAME + name + 4 * number)
            kind, size = word & 15, (word >> 4) & 0xFFFFFFF
            if kind == 0 or kind == 2 or kind == 3 or kind == 7 or kind == 8:
                stop += size
            if kind == 4:
                if number == 0 or (number == 1 and int32(data, record + NAME + name) & 15 == 5):
                    clipped_front = size
                else:
                    clipped_back = size
        if starts[begin] >= stop:
            at = following
            continue
        need = 0
        while begin + need < n and contig[begin + need] == place and starts[begin + need] < stop:
            need += 1
        if used + need > limit:
            # The caller settles what is final and gives a table with room for all that this read can say.
            return at, need
        mate_place, mate_position = int32(data, record + 24), int32(data, record + 28)
        paired = flag & PAIRED != 0
        key = other = np.uint64(0)
        hashed = False
        index = begin
        while index < n and contig[index] == place and starts[index] < stop:
            if stop >= min(ends[index], ref_ends[index]):
                call, quality, where = _said(
                    data, record, starts[index], ends[index], ref_ends[index], by_base[index],
                    ref_at[index], ref_length[index], alt_at[index], alt_length[index], texts, min_quality,
                )  # fmt: skip
                if call >= 0 and quality >= min_quality and quality != 255:
                    distance = min(where - clipped_front, length - clipped_back - 1 - where)
                    packed = (
                        call | quality << 2 | uint8(data, record + 13) << 10
                        | max(0, min(distance, 65535)) << 18
                    )  # fmt: skip
                    if flag & REVERSE:
                        packed |= _BIT_REVERSE
                    if flag & SECOND:
                        packed |= _BIT_SECOND
                    if paired:
                        packed |= _BIT_PAIRED
                    # A mate whose place isn't told may be anywhere.
                    meets = paired and flag & MATE_UNMAPPED == 0
                    if mate_place >= 0:
                        meets = meets and mate_place == place and mate_position <= starts[index]
                    if not meets:
                        _count(index, packed, sums, errors, error_of)
                    else:
                        if not hashed:
                            key, other = name_keys(data, record)
                            hashed = True
                        slot = _slot(first, second, variant, key, other, index)
                        if variant[slot] < 0:
                            first[slot], second[slot], variant[slot], said[slot] = key, other, index, packed
                            used += 1
                        elif said[slot] & _BIT_MET or (said[slot] ^ packed) & _BIT_SECOND == 0:
                            _count(index, packed, sums, errors, error_of)
                        else:
                            said[slot] = _decided(said[slot], packed)
            index += 1
        at = following
    return at, 0
