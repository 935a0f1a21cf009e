"""The compiled part of `pileup`: records of one chunk counted into the window of target bases."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from palbo_assets.genomics.bam import MATE_UNMAPPED, NAME, PAIRED, REVERSE, int32, nibble, uint8, uint16
from palbo_assets.genomics.mates import find, meet, name_tag
from palbo_assets.genomics.packed_bases import base_index, next_unlike
from palbo_assets.genomics.unaligned import borrowed

LONGEST_INSERTION = 1000


@numba.njit(cache=True, nogil=True)
def _add(data: np.ndarray, bases: int, quality: int, query: int, index: int, base: int, length: int, reverse: int,
         codes: np.ndarray, packed: np.ndarray, depth: np.ndarray, unlike: np.ndarray, min_quality: int,
         ) -> None:  # fmt: skip
    """Count one aligned stretch; ``index`` is of all target bases, ``base`` where the window starts."""
    here = depth[index - base : index - base + length]
    good = data[quality + query : quality + query + length]
    limit = np.uint8(min_quality)
    for k in range(length):
        here[k] += np.int32(good[k] >= limit)
    k = next_unlike(data, bases, query, codes, packed, index, 0, length)
    while k < length:
        if good[k] >= limit:
            which = base_index(nibble(data, bases, query + k))
            if which < 0:
                here[k] -= 1
            else:
                unlike[((index - base + k) * 4 + which) * 2 + reverse] += 1
        k = next_unlike(data, bases, query, codes, packed, index, k + 1, length)


@numba.njit(cache=True, nogil=True)
def pile(data: np.ndarray, held: np.ndarray, at: int, last: np.ndarray,
          contig: np.ndarray, starts: np.ndarray, ends: np.ndarray, offsets: np.ndarray,
          codes: np.ndarray, packed: np.ndarray, base: int,
          forward: np.ndarray, backward: np.ndarray, unlike: np.ndarray, tags: np.ndarray, slots: np.ndarray,
          min_quality: int, min_mapping: int, excluded: int, mates_once: bool,
          events: np.ndarray, arena: np.ndarray, used: np.ndarray) -> Any:  # fmt: skip
    """Count records from an offset on, until the chunk's end or until there is no room: the next record's offset.

    -1 where reads are out of order.
    """
    data, held, last, tags, slots = borrowed(data), borrowed(held), borrowed(last), borrowed(tags), borrowed(slots)
    contig, starts, ends, offsets = borrowed(contig), borrowed(starts), borrowed(ends), borrowed(offsets)
    codes, packed = borrowed(codes), borrowed(packed)
    forward, backward, unlike = borrowed(forward), borrowed(backward), borrowed(unlike)
    events, arena, used = borrowed(events), borrowed(arena), borrowed(used)
    targets = starts.size
    window = forward.size
    while at < data.size:
        place, position = int32(data, at + 4), int32(data, at + 8)
        if place >= 0:
            if place < last[0] or (place == last[0] and position < last[1]):
                return -1
            last[0], last[1] = place, position
        following = at + 4 + int32(data, at)
        flag = uint16(data, at + 18)
        length = int32(data, at + 20)
        if place < 0 or flag & excluded or uint8(data, at + 13) < min_mapping or length == 0:
            at = following
            continue
        first = last[2]
        while first < targets and (contig[first] < place or (contig[first] == place and ends[first] <= position)):
            first += 1
        last[2] = first
        if first == targets:
            return data.size
        if contig[first] != place:
            at = following
            continue
        name, operations = uint8(data, at + 12), uint16(data, at + 16)
        cigar = at + NAME + name
        bases = cigar + 4 * operations
        quality = bases + (length + 1) // 2
        stop, query = position, 0
        inserts = changes = 0
        for number in range(operations):
            word = int32(data, cigar + 4 * number)
            kind, size = word & 15, (word >> 4) & 0xFFFFFFF
            if kind == 0 or kind == 7 or kind == 8:
                stop += size
                query += size
            elif kind == 2 or kind == 3:
                stop += size
                changes += 1
            elif kind == 1 or kind == 4:
                query += size
                if kind == 1:
                    inserts += min(size, LONGEST_INSERTION)
                    changes += 1
        last[3] = max(last[3], stop - position)
        if starts[first] >= stop or query != length or data[quality] == 255:
            at = following
            continue
        beyond = first
        reach = base
        while beyond < targets and contig[beyond] == place and starts[beyond] < stop:
            reach = offsets[beyond] + min(stop, ends[beyond]) - starts[beyond]
            beyond += 1
        if reach - base > window or used[0] + changes > events.shape[0] or used[1] + inserts > arena.size:
            return at
        reverse = 1 if flag & REVERSE else 0
        depth = backward if reverse else forward
        there, query = position, 0
        for number in range(operations):
            word = int32(data, cigar + 4 * number)
            kind, size = word & 15, (word >> 4) & 0xFFFFFFF
            if kind == 0 or kind == 7 or kind == 8:
                for target in range(first, beyond):
                    begin, end = max(there, starts[target]), min(there + size, ends[target])
                    if begin < end:
                        _add(data, bases, quality, query + begin - there, offsets[target] + begin - starts[target],
                             base, end - begin, reverse, codes, packed, depth, unlike, min_quality)  # fmt: skip
                there += size
                query += size
            elif kind == 1 or kind == 2:
                # Next to the alignment's end it is no indel: nothing of the read anchors it.
                # An operation of no length, which the standard allows, changes nothing.
                anchored = size > 0 and query > 0 and number + 1 < operations and there > position
                total = 0
                if kind == 1:
                    for index in range(query, query + size):
                        total += uint8(data, quality + index)
                    good = total >= min_quality * size and size <= LONGEST_INSERTION
                else:
                    good = query > 0 and uint8(data, quality + query - 1) >= min_quality
                if anchored and good:
                    row = used[0]
                    events[row, 0], events[row, 1] = place, there
                    events[row, 2] = size if kind == 1 else -size
                    events[row, 3] = used[1]
                    used[0] += 1
                    if kind == 1:
                        for index in range(size):
                            arena[used[1] + index] = nibble(data, bases, query + index)
                        used[1] += size
                if kind == 1:
                    query += size
                else:
                    there += size
            elif kind == 3:
                there += size
            elif kind == 4:
                query += size
        mate_place, mate_position = int32(data, at + 24), int32(data, at + 28)
        if mates_once and flag & PAIRED and not flag & MATE_UNMAPPED and (mate_place == place or mate_place < 0):
            unknown = mate_place < 0
            after = unknown or (mate_position >= position and mate_position < stop)
            # A mate that began further back than any read so far is long ended: it didn't wait.
            if after or (mate_position <= position and position < mate_position + last[3]):
                tag = name_tag(data, at)
                slot = find(data, at, tag, data, held, tags, slots)
                if slots[slot] == -1:
                    if after:
                        tags[slot], slots[slot] = tag, at
                else:
                    # Two calls rather than one of either array, for which numba would count references.
                    other = slots[slot]
                    if other >= 0:
                        settled = meet(data, other, data, at, first, starts, ends, offsets, contig, codes, packed,
                                       base, forward, backward, unlike, min_quality)  # fmt: skip
                    else:
                        settled = meet(held, -2 - other, data, at, first, starts, ends, offsets, contig, codes, packed,
                                       base, forward, backward, unlike, min_quality)  # fmt: skip
                    if settled:  # an even tag: nobody finds it again
                        tags[slot] ^= np.uint64(1)
        at = following
    return at
