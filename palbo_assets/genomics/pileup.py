"""What the fragments of a BAM say at every base of target regions: counts per allele and strand, in one pass.

A fragment counts once at a base: agreeing mates are one vote, which the better base casts (read 1 of equal ones); of
disagreeing mates the better base counts, and neither of two equally good ones. A base that isn't ACGT, or below the
quality limit, says nothing. Reads excluded by flags or mapping quality are out.

How it is fast: depth is added over a whole aligned block at once, packed bases are compared with the packed reference
two at a time, and only what differs is looked at one by one. When the second mate comes, the vote that doesn't count
is taken back over the overlap. First mates wait in an open-addressed table of names; what no read can reach any more
is handed out and its memory used anew, so that memory doesn't grow with the file or the targets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np

from palbo_assets.genomics.alleles import Fetch
from palbo_assets.genomics.bam import (
    EXCLUDED_FLAGS,
    MATE_UNMAPPED,
    NAME,
    NIBBLES,
    PAIRED,
    REVERSE,
    SECOND,
    int32,
    nibble,
    nibbles,
    record_offsets,
    uint8,
    uint16,
    unsorted,
)
from palbo_assets.genomics.bgzf import bam_header, record_chunks
from palbo_assets.genomics.regions import Region, merged

BASES = "ACGT"
_BASE_OF = np.full(16, 4, dtype=np.int64)
for _index, _letter in enumerate(BASES):
    _BASE_OF[NIBBLES.index(_letter)] = _index
_WINDOW = 1 << 18
_CHUNK_BYTES = 2 << 20
_LONGEST_INSERTION = 1000
_EVENTS, _ARENA = 1 << 14, 1 << 20


@dataclass(frozen=True)
class Targets:
    """Merged regions laid end to end: every target base has an index, ``offset`` is that of each region's first."""

    regions: Sequence[Region]
    contig: np.ndarray
    start: np.ndarray
    end: np.ndarray
    offset: np.ndarray
    codes: np.ndarray  # 4-bit reference codes, one a byte
    even: np.ndarray  # codes packed as a record packs its bases, from index 0
    odd: np.ndarray  # the same from index 1

    @property
    def total(self) -> int:
        """Bases in all targets."""
        return len(self.codes)

    @cached_property
    def _bounds(self) -> dict[str, tuple[int, int]]:
        bounds: dict[str, tuple[int, int]] = {}
        for which, region in enumerate(self.regions):
            bounds[region.chrom] = (bounds.get(region.chrom, (which, 0))[0], which + 1)
        return bounds

    def _which(self, chrom: str, position: int) -> int | None:
        first, end = self._bounds.get(chrom, (0, 0))
        which = first + int(np.searchsorted(self.start[first:end], position, side="right")) - 1
        return which if which >= first and position < self.end[which] else None

    def holds(self, chrom: str, position: int) -> bool:
        """Whether a 0-based position is in a target."""
        return self._which(chrom, position) is not None

    def index(self, chrom: str, position: int) -> int:
        """Index of a 0-based position that is in a target."""
        which = self._which(chrom, position)
        if which is None:
            raise KeyError("the position is in no target")
        return int(self.offset[which] + position - self.start[which])

    def place(self, index: int) -> tuple[str, int]:
        """Contig and 0-based position of a target base."""
        which = int(np.searchsorted(self.offset, index, side="right")) - 1
        return self.regions[which].chrom, int(self.start[which] + index - self.offset[which])


class Indel(NamedTuple):
    """An insertion or a deletion (``length`` < 0) where the aligner put it: before 0-based position ``at``."""

    chrom: str
    at: int
    length: int
    inserted: str


class Piece(NamedTuple):
    """Target bases ``first`` onwards.

    counts
        (positions, 4 bases ACGT, 2 strands) int32 fragments.
    indels
        distinct insertions and deletions seen by reads since the last piece -> reads; not yet left-aligned, and mates
        not yet made one.
    """

    first: int
    counts: np.ndarray
    indels: dict[Indel, int]


def lay_out(regions: Sequence[Region], contigs: dict[str, int], fetch: Fetch) -> Targets:
    """Targets of a file with these contigs; reference bases are taken from ``fetch``."""
    order = {name: index for index, name in enumerate(contigs)}
    joined = merged(regions, contigs)
    lengths = [region.end - region.start for region in joined]
    offset = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    codes = np.full(int(offset[-1]), 15, dtype=np.uint8)
    for region, at in zip(joined, offset, strict=False):
        bases = nibbles(fetch(*region))
        codes[at : at + len(bases)] = bases
    padded = np.concatenate((codes, np.full(3 + len(codes) % 2, 15, dtype=np.uint8)))
    return Targets(
        joined,
        np.array([order[region.chrom] for region in joined], dtype=np.int64),
        np.array([region.start for region in joined], dtype=np.int64),
        np.array([region.end for region in joined], dtype=np.int64),
        offset[:-1].copy(),
        codes,
        padded[0:-2:2] << 4 | padded[1:-1:2],
        padded[1:-1:2] << 4 | padded[2::2],
    )


def pileup(
    path: Path,
    targets: Targets,
    *,
    min_base_quality: int,
    min_mapping_quality: int,
    excluded_flags: int = EXCLUDED_FLAGS,
    mates_once: bool = True,
    window: int = _WINDOW,
    chunk_bytes: int = _CHUNK_BYTES,
) -> Iterator[Piece]:
    """Counts over all targets, in pieces from the first base to the last, each base once.

    Parameters
    ----------
    path
        A coordinate-sorted BAM.
    mates_once
        False counts each mate on its own, as samtools' and pysam's plain counters do.
    window
        Target bases held at a time (40 bytes each): bounds memory, not the result.

    Raises
    ------
    InputError
        ``E_EMPTY``, ``E_NOT_BGZF``, ``E_TRUNCATED``, ``E_UNSORTED``.
    """
    state = _State(path, targets, window, bam_header(path).contigs)
    held = np.empty(0, dtype=np.uint8)
    limits = (min_base_quality, min_mapping_quality, excluded_flags, mates_once)
    for chunk in record_chunks(path, chunk_bytes=chunk_bytes):
        size = 1 << 10
        reads = len(record_offsets(chunk)) + len(record_offsets(held))
        while size < 2 * reads:
            size *= 2
        tags, slots = np.zeros(size, dtype=np.uint64), np.full(size, -1, dtype=np.int64)
        _hold(held, tags, slots)
        at = 0
        while at < len(chunk):
            arguments: list[Any] = [chunk, held, at, state.last, *state.layout, state.base, *state.counts]
            arguments += [tags, slots, *limits, *state.events]
            at = _pile(*arguments)
            if at < 0:
                raise unsorted(path)
            if at < len(chunk):
                yield from state.make_room()
        held = _waiting(chunk, held, tags, slots, state.last)
    yield from state.rest()


class _State:
    """The window of target bases that reads can still reach, and where the file stands."""

    def __init__(self, path: Path, targets: Targets, window: int, contigs: dict[str, int]) -> None:
        self.path, self.targets, self.window = path, targets, window
        self.contigs = list(contigs)
        self.base = 0
        # Contig, position of the last read; target that the next read may meet first.
        self.last = np.array([-1, -1, 0], dtype=np.int64)
        self.layout = (
            targets.contig, targets.start, targets.end, targets.offset, targets.codes, targets.even, targets.odd,
        )  # fmt: skip
        self.counts = self._empty(window)
        # Contig, position, signed length, where the inserted bases are; number of events and of arena bytes used.
        self.events = (np.zeros((_EVENTS, 4), np.int64), np.zeros(_ARENA, np.uint8), np.zeros(2, np.int64))

    @staticmethod
    def _empty(window: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Depth on the forward and the reverse strand; bases unlike the reference (position x base x strand)."""
        return np.zeros(window, np.int32), np.zeros(window, np.int32), np.zeros(window * 8, np.int32)

    def make_room(self) -> Iterator[Piece]:
        """Hand out what is final; a window that a single read overflows grows."""
        final = self._final()
        if final > self.base:
            yield self._piece(final)
        elif self.events[2][0]:
            yield Piece(self.base, np.zeros((0, 4, 2), np.int32), self._indels())
        else:
            self.window *= 2
            grown = self._empty(self.window)
            for old, new in zip(self.counts, grown, strict=True):
                new[: len(old)] = old
            self.counts = grown

    def _final(self) -> int:
        """Index of the first target base that the next read may still cover."""
        contig, position, which = (int(one) for one in self.last)
        targets = self.targets
        while which < len(targets.regions) and (
            targets.contig[which] < contig or (targets.contig[which] == contig and targets.end[which] <= position)
        ):
            which += 1
        if which == len(targets.regions):
            return targets.total
        inside = targets.contig[which] == contig and targets.start[which] < position
        return int(targets.offset[which]) + (position - int(targets.start[which]) if inside else 0)

    def _piece(self, final: int) -> Piece:
        size = min(final - self.base, self.window)
        forward, reverse, unlike = self.counts
        counts = unlike[: size * 8].reshape(size, 4, 2).copy()
        codes = self.targets.codes[self.base : self.base + size]
        which = _BASE_OF[codes]
        known = np.flatnonzero(which < 4)
        unlike_here = counts.sum(axis=1)
        for strand, depth in enumerate((forward, reverse)):
            counts[known, which[known], strand] = depth[known] - unlike_here[known, strand]
        for array, width in ((forward, 1), (reverse, 1), (unlike, 8)):
            kept = len(array) - size * width
            array[:kept] = array[size * width :]
            array[kept:] = 0
        piece = Piece(self.base, counts, self._indels())
        self.base += size
        return piece

    def _indels(self) -> dict[Indel, int]:
        rows, arena, used = self.events
        found: dict[Indel, int] = {}
        for contig, at, length, where in rows[: used[0]].tolist():
            inserted = "".join(NIBBLES[code] for code in arena[where : where + length]) if length > 0 else ""
            indel = Indel(self.contigs[contig], at, length, inserted)
            found[indel] = found.get(indel, 0) + 1
        used[:] = 0
        return found

    def rest(self) -> Iterator[Piece]:
        """What is left when the file has ended."""
        while self.base < self.targets.total:
            yield self._piece(self.targets.total)


@numba.njit(cache=True, nogil=True)
def _name_tag(data: np.ndarray, record: int) -> Any:
    """A quick hash of the end of a read's name, always odd; names are compared whole where it agrees."""
    stop = record + NAME + uint8(data, record + 12) - 1
    tag = np.uint64(0)
    for index in range(max(record + NAME, stop - 8), stop):
        tag = tag << np.uint64(8) | np.uint64(data[index])
    tag *= np.uint64(0x9E3779B97F4A7C15)
    return (tag ^ (tag >> np.uint64(29))) | np.uint64(1)


@numba.njit(cache=True, nogil=True)
def _find(data: np.ndarray, record: int, tag: np.uint64, chunk: np.ndarray, held: np.ndarray, tags: np.ndarray,
          slots: np.ndarray) -> Any:  # fmt: skip
    """Slot of the read of this name, or the free slot where it would go. Slots: offset, or -2 - offset in ``held``."""
    mask = np.uint64(slots.size - 1)
    at = (tag >> np.uint64(1)) & mask
    length = uint8(data, record + 12)
    while slots[at] != -1:
        if tags[at] == tag:
            place = slots[at]
            source = chunk
            if place < 0:
                source, place = held, -2 - place
            if uint8(source, place + 12) == length:
                same = True
                for index in range(NAME, NAME + length):
                    if source[place + index] != data[record + index]:
                        same = False
                        break
                if same:
                    break
        at = (at + np.uint64(1)) & mask
    return at


@numba.njit(cache=True, nogil=True)
def _hold(held: np.ndarray, tags: np.ndarray, slots: np.ndarray) -> None:
    """Enter the first mates of earlier chunks."""
    at = 0
    while at < held.size:
        tag = _name_tag(held, at)
        slot = _find(held, at, tag, held, held, tags, slots)
        tags[slot], slots[slot] = tag, -2 - at
        at += 4 + int32(held, at)


@numba.njit(cache=True, nogil=True)
def _waiting(chunk: np.ndarray, held: np.ndarray, tags: np.ndarray, slots: np.ndarray, last: np.ndarray) -> Any:
    """Copies of the first mates whose second may still come."""
    size = 0
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
            size += length
    return kept


@numba.njit(cache=True, nogil=True)
def _differ(data: np.ndarray, bases: int, query: int, codes: np.ndarray, even: np.ndarray, odd: np.ndarray, index: int,
            length: int) -> Any:  # fmt: skip
    """Whether a stretch of a read has a base unlike the reference."""
    if query & 1:
        if nibble(data, bases, query) != codes[index]:
            return True
        query, index, length = query + 1, index + 1, length - 1
    if length & 1:
        length -= 1
        if nibble(data, bases, query + length) != codes[index + length]:
            return True
    half = length >> 1
    mine = data[bases + (query >> 1) : bases + (query >> 1) + half]
    packed = odd if index & 1 else even
    theirs = packed[index >> 1 : (index >> 1) + half]
    unlike = np.uint8(0)
    for k in range(half):
        unlike |= mine[k] ^ theirs[k]
    return unlike != 0


@numba.njit(cache=True, nogil=True)
def _base_index(code: int) -> Any:
    """0..3 for ACGT's 4-bit codes, -1 for others."""
    if code == 1:
        return 0
    if code == 2:
        return 1
    if code == 4:
        return 2
    return 3 if code == 8 else -1


@numba.njit(cache=True, nogil=True)
def _add(data: np.ndarray, bases: int, quality: int, query: int, index: int, base: int, length: int, reverse: int,
         codes: np.ndarray, even: np.ndarray, odd: np.ndarray, depth: np.ndarray, unlike: np.ndarray, min_quality: int,
         ) -> None:  # fmt: skip
    """Count one aligned stretch; ``index`` is of all target bases, ``base`` where the window starts."""
    here = depth[index - base : index - base + length]
    good = data[quality + query : quality + query + length]
    limit = np.uint8(min_quality)
    for k in range(length):
        here[k] += np.int32(good[k] >= limit)
    if not _differ(data, bases, query, codes, even, odd, index, length):
        return
    for k in range(length):
        code = nibble(data, bases, query + k)
        if code != codes[index + k] and good[k] >= limit:
            which = _base_index(code)
            if which < 0:
                here[k] -= 1
            else:
                unlike[((index - base + k) * 4 + which) * 2 + reverse] += 1


@numba.njit(cache=True, nogil=True)
def _take_back(one: np.ndarray, bases1: int, quality1: int, query1: int, reverse1: int,
               two: np.ndarray, bases2: int, quality2: int, query2: int, reverse2: int, second_is_read1: bool,
               index: int, base: int, length: int, codes: np.ndarray, even: np.ndarray, odd: np.ndarray,
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
    if not (
        _differ(one, bases1, query1, codes, even, odd, index, length)
        or _differ(two, bases2, query2, codes, even, odd, index, length)
    ):
        return
    for k in range(length):
        code1, code2, expected = nibble(one, bases1, query1 + k), nibble(two, bases2, query2 + k), codes[index + k]
        if (code1 == expected and code2 == expected) or q1[k] < limit or q2[k] < limit:
            continue
        which1, which2 = _base_index(code1), _base_index(code2)
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
def _pile(data: np.ndarray, held: np.ndarray, at: int, last: np.ndarray,
          contig: np.ndarray, starts: np.ndarray, ends: np.ndarray, offsets: np.ndarray,
          codes: np.ndarray, even: np.ndarray, odd: np.ndarray, base: int,
          forward: np.ndarray, backward: np.ndarray, unlike: np.ndarray, tags: np.ndarray, slots: np.ndarray,
          min_quality: int, min_mapping: int, excluded: int, mates_once: bool,
          events: np.ndarray, arena: np.ndarray, used: np.ndarray) -> Any:  # fmt: skip
    """Count records from an offset on, until the chunk's end or until there is no room: the next record's offset.

    -1 where reads are out of order.
    """
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
                    inserts += min(size, _LONGEST_INSERTION)
                    changes += 1
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
                             base, end - begin, reverse, codes, even, odd, depth, unlike, min_quality)  # fmt: skip
                there += size
                query += size
            elif kind == 1 or kind == 2:
                # Next to the alignment's end it is no indel: nothing of the read anchors it.
                anchored = query > 0 and number + 1 < operations and there > position
                total = 0
                if kind == 1:
                    for index in range(query, query + size):
                        total += uint8(data, quality + index)
                    good = total >= min_quality * size and size <= _LONGEST_INSERTION
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
            if unknown or mate_position <= position or after:
                tag = _name_tag(data, at)
                slot = _find(data, at, tag, data, held, tags, slots)
                if slots[slot] == -1:
                    if after:
                        tags[slot], slots[slot] = tag, at
                else:
                    other, source = slots[slot], data
                    if other < 0:
                        other, source = -2 - other, held
                    other_flag = uint16(source, other + 18)
                    if (other_flag ^ flag) & SECOND:
                        _meet(source, other, data, at, first, starts, ends, offsets, contig, codes, even, odd, base,
                              forward, backward, unlike, min_quality)  # fmt: skip
                        # An even tag: settled, nobody finds it again.
                        tags[slot] ^= np.uint64(1)
        at = following
    return at


@numba.njit(cache=True, nogil=True)
def _meet(one: np.ndarray, record1: int, two: np.ndarray, record2: int, first: int,
          starts: np.ndarray, ends: np.ndarray, offsets: np.ndarray, contig: np.ndarray,
          codes: np.ndarray, even: np.ndarray, odd: np.ndarray, base: int,
          forward: np.ndarray, backward: np.ndarray, unlike: np.ndarray, min_quality: int) -> None:  # fmt: skip
    """Settle the overlap of two counted mates, aligned stretch by aligned stretch."""
    place = int32(two, record2 + 4)
    operations1, operations2 = uint16(one, record1 + 16), uint16(two, record2 + 16)
    cigar1, cigar2 = record1 + NAME + uint8(one, record1 + 12), record2 + NAME + uint8(two, record2 + 12)
    bases1, bases2 = cigar1 + 4 * operations1, cigar2 + 4 * operations2
    quality1, quality2 = bases1 + (int32(one, record1 + 20) + 1) // 2, bases2 + (int32(two, record2 + 20) + 1) // 2
    flag1, flag2 = uint16(one, record1 + 18), uint16(two, record2 + 18)
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
                                offsets[target] + left - starts[target], base, right - left, codes, even, odd,
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
