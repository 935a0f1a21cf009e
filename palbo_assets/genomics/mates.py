"""Mates that overlap: how the second finds the first, and which of two votes is taken back.

First mates wait in an open-addressed table of names, and leave it when their second can't come any more.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from palbo_assets.genomics.bam import NAME, REVERSE, SECOND, int32, nibble, uint8, uint16
from palbo_assets.genomics.packed_bases import base_index, next_unlike
from palbo_assets.genomics.unaligned import load64


@numba.njit(cache=True, nogil=True)
def name_tag(data: np.ndarray, record: int) -> Any:
    """A quick hash of the end of a read's name, always odd; names are compared whole where it agrees."""
    length = uint8(data, record + 12) - 1
    tag = load64(data, record + NAME + length - 8) if length else np.uint64(0)
    if length < 8:  # the bytes before the name aren't its own
        tag >>= np.uint64(8 * min(8 - length, 7))
    tag *= np.uint64(0x9E3779B97F4A7C15)
    return (tag ^ (tag >> np.uint64(29))) | np.uint64(1)


@numba.njit(cache=True, nogil=True)
def _same_name(one: np.ndarray, record1: int, two: np.ndarray, record2: int, length: int) -> Any:
    """Whether a record has the name of another, of ``length`` bytes (the last one 0); eight bytes at once."""
    if uint8(one, record1 + 12) != length:
        return False
    at = NAME
    while at + 8 <= NAME + length:
        if load64(one, record1 + at) != load64(two, record2 + at):
            return False
        at += 8
    # The last eight bytes, of which some were compared before or, for a short name, are no part of it.
    end = NAME + length - 8
    unlike = load64(one, record1 + end) ^ load64(two, record2 + end)
    return unlike >> np.uint64(8 * max(0, 8 - length)) == 0


@numba.njit(cache=True, nogil=True)
def find(data: np.ndarray, record: int, tag: np.uint64, chunk: np.ndarray, held: np.ndarray, tags: np.ndarray,
          slots: np.ndarray) -> Any:  # fmt: skip
    """Slot of the read of this name, or the free slot where it would go. Slots: offset, or -2 - offset in ``held``."""
    mask = np.uint64(slots.size - 1)
    at = (tag >> np.uint64(1)) & mask
    length = uint8(data, record + 12)
    while slots[at] != -1:
        if tags[at] == tag:
            place = slots[at]
            if place >= 0:
                same = _same_name(chunk, place, data, record, length)
            else:
                same = _same_name(held, -2 - place, data, record, length)
            if same:
                break
        at = (at + np.uint64(1)) & mask
    return at


@numba.njit(cache=True, nogil=True)
def hold(held: np.ndarray, tags: np.ndarray, slots: np.ndarray) -> None:
    """Enter the first mates of earlier chunks."""
    at = 0
    while at < held.size:
        tag = name_tag(held, at)
        slot = find(held, at, tag, held, held, tags, slots)
        tags[slot], slots[slot] = tag, -2 - at
        at += 4 + int32(held, at)


@numba.njit(cache=True, nogil=True)
def waiting(chunk: np.ndarray, held: np.ndarray, tags: np.ndarray, slots: np.ndarray, last: np.ndarray) -> Any:
    """Copies of the first mates whose second may still come, and how many."""
    size = count = 0
    for turn in range(2):
        if turn == 1:
            kept = np.empty(size, np.uint8)
        size = 0
        for slot in range(slots.size):
            place = slots[slot]
            if place == -1 or tags[slot] & np.uint64(1) == 0:
                continue
            source = chunk
            if place < 0:
                source, place = held, -2 - place
            same_contig = int32(source, place + 4) == last[0]
            mate_place, mate = int32(source, place + 24), int32(source, place + 28)
            # Beyond its own end a mate whose place isn't told can't overlap; 64 kb is more than any short read spans.
            reaches = mate >= last[1] if mate_place >= 0 else int32(source, place + 8) + 65536 > last[1]
            if not (same_contig and reaches):
                continue
            length = 4 + int32(source, place)
            if turn == 1:
                kept[size : size + length] = source[place : place + length]
                count += 1
            size += length
    return kept, count


@numba.njit(cache=True, nogil=True)
def _take_back(one: np.ndarray, bases1: int, quality1: int, query1: int, reverse1: int,
               two: np.ndarray, bases2: int, quality2: int, query2: int, reverse2: int, second_is_read1: bool,
               index: int, base: int, length: int, codes: np.ndarray, packed: np.ndarray,
               forward: np.ndarray, backward: np.ndarray, unlike: np.ndarray, min_quality: int) -> None:  # fmt: skip
    """Where both mates were counted, take back the vote that doesn't count."""
    q1 = one[quality1 + query1 : quality1 + query1 + length]
    q2 = two[quality2 + query2 : quality2 + query2 + length]
    d1 = (backward if reverse1 else forward)[index - base : index - base + length]
    d2 = (backward if reverse2 else forward)[index - base : index - base + length]
    limit = np.uint8(min_quality)
    # Of equal bases read 1's counts: a margin of one half, in doubled qualities.
    tie = np.uint8(1) if second_is_read1 else np.uint8(0)
    for k in range(length):
        both = np.int32((q1[k] >= limit) & (q2[k] >= limit))
        first_loses = np.int32((q2[k] > q1[k]) | ((q2[k] == q1[k]) & (tie == 1)))
        d1[k] -= both * first_loses
    for k in range(length):
        both = np.int32((q1[k] >= limit) & (q2[k] >= limit))
        second_loses = np.int32((q2[k] < q1[k]) | ((q2[k] == q1[k]) & (tie == 0)))
        d2[k] -= both * second_loses
    k1 = next_unlike(one, bases1, query1, codes, packed, index, 0, length)
    k2 = next_unlike(two, bases2, query2, codes, packed, index, 0, length)
    while min(k1, k2) < length:
        k = min(k1, k2)
        if k1 == k:
            k1 = next_unlike(one, bases1, query1, codes, packed, index, k + 1, length)
        if k2 == k:
            k2 = next_unlike(two, bases2, query2, codes, packed, index, k + 1, length)
        code1, code2, expected = nibble(one, bases1, query1 + k), nibble(two, bases2, query2 + k), codes[index + k]
        if q1[k] < limit or q2[k] < limit:
            continue
        which1, which2 = base_index(code1), base_index(code2)
        earlier_loses = q2[k] > q1[k] or (q2[k] == q1[k] and second_is_read1)
        at = (index - base + k) * 8
        if which1 < 0 or which2 < 0:
            # One says nothing, so nobody's vote was double.
            if earlier_loses:
                d1[k] += 1
            else:
                d2[k] += 1
            continue
        cancel = code1 != code2 and q1[k] == q2[k]
        if cancel:
            if earlier_loses:
                d2[k] -= 1
            else:
                d1[k] -= 1
        if (earlier_loses or cancel) and code1 != expected:
            unlike[at + which1 * 2 + reverse1] -= 1
        if (not earlier_loses or cancel) and code2 != expected:
            unlike[at + which2 * 2 + reverse2] -= 1


@numba.njit(cache=True, nogil=True)
def meet(one: np.ndarray, record1: int, two: np.ndarray, record2: int, first: int,
          starts: np.ndarray, ends: np.ndarray, offsets: np.ndarray, contig: np.ndarray,
          codes: np.ndarray, packed: np.ndarray, base: int,
          forward: np.ndarray, backward: np.ndarray, unlike: np.ndarray, min_quality: int) -> Any:  # fmt: skip
    """Settle the overlap of two counted reads, aligned stretch by aligned stretch; False where they aren't mates."""
    flag1, flag2 = uint16(one, record1 + 18), uint16(two, record2 + 18)
    if (flag1 ^ flag2) & SECOND == 0:
        return False
    place = int32(two, record2 + 4)
    operations1, operations2 = uint16(one, record1 + 16), uint16(two, record2 + 16)
    cigar1, cigar2 = record1 + NAME + uint8(one, record1 + 12), record2 + NAME + uint8(two, record2 + 12)
    bases1, bases2 = cigar1 + 4 * operations1, cigar2 + 4 * operations2
    quality1, quality2 = bases1 + (int32(one, record1 + 20) + 1) // 2, bases2 + (int32(two, record2 + 20) + 1) // 2
    reverse1, reverse2 = 1 if flag1 & REVERSE else 0, 1 if flag2 & REVERSE else 0
    second_is_read1 = flag2 & SECOND == 0
    there1, query1 = int32(one, record1 + 8), 0
    for number1 in range(operations1):
        word = int32(one, cigar1 + 4 * number1)
        kind1, size1 = word & 15, (word >> 4) & 0xFFFFFFF
        if kind1 == 0 or kind1 == 7 or kind1 == 8:
            there2, query2 = int32(two, record2 + 8), 0
            for number2 in range(operations2):
                word = int32(two, cigar2 + 4 * number2)
                kind2, size2 = word & 15, (word >> 4) & 0xFFFFFFF
                if kind2 == 0 or kind2 == 7 or kind2 == 8:
                    begin, end = max(there1, there2), min(there1 + size1, there2 + size2)
                    target = first
                    while begin < end and target < starts.size and contig[target] == place and starts[target] < end:
                        left, right = max(begin, starts[target]), min(end, ends[target])
                        if left < right:
                            _take_back(
                                one, bases1, quality1, query1 + left - there1, reverse1,
                                two, bases2, quality2, query2 + left - there2, reverse2, second_is_read1,
                                offsets[target] + left - starts[target], base, right - left, codes, packed,
                                forward, backward, unlike, min_quality,
                            )  # fmt: skip
                        target += 1
                    there2 += size2
                    query2 += size2
                elif kind2 == 2 or kind2 == 3:
                    there2 += size2
                elif kind2 == 1 or kind2 == 4:
                    query2 += size2
            there1 += size1
            query1 += size1
        elif kind1 == 2 or kind1 == 3:
            there1 += size1
        elif kind1 == 1 or kind1 == 4:
            query1 += size1
    return True
