"""The compiled part of `allele_counts`: what each read of a chunk says of each variant, and what its fragment says.

Observations wait in an open-addressed table, by name and variant, for what the other mate says.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from palbo_assets.genomics.bam import (
    MATE_UNMAPPED,
    NAME,
    PAIRED,
    REVERSE,
    SECOND,
    int32,
    name_keys,
    nibble,
    uint8,
    uint16,
)
from palbo_assets.genomics.unaligned import borrowed

_REF, _ALT, _OTHER, _NONE = 0, 1, 2, 3


@numba.njit(cache=True, nogil=True)
def slot_of(
    first: np.ndarray, second: np.ndarray, variant: np.ndarray, key: np.uint64, other: np.uint64, index: int
) -> Any:
    """Where an observation is or would go."""
    mask = np.uint64(variant.size - 1)
    at = (key + np.uint64(index) * np.uint64(0x9E3779B97F4A7C15)) & mask
    while variant[at] >= 0 and not (variant[at] == index and first[at] == key and second[at] == other):
        at = (at + np.uint64(1)) & mask
    return at


@numba.njit(cache=True, nogil=True)
def move(
    first: np.ndarray, second: np.ndarray, variant: np.ndarray, said: np.ndarray,
    to_first: np.ndarray, to_second: np.ndarray, to_variant: np.ndarray, to_said: np.ndarray,
) -> None:  # fmt: skip
    for at in range(variant.size):
        if variant[at] >= 0:
            to = slot_of(to_first, to_second, to_variant, first[at], second[at], variant[at])
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
def count_final(
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
def observe(
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
    data, last, texts = borrowed(data), borrowed(last), borrowed(texts)
    contig, starts, ends, ref_ends = borrowed(contig), borrowed(starts), borrowed(ends), borrowed(ref_ends)
    first, second, variant, said = borrowed(first), borrowed(second), borrowed(variant), borrowed(said)
    sums, errors, error_of = borrowed(sums), borrowed(errors), borrowed(error_of)
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
                        slot = slot_of(first, second, variant, key, other, index)
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
