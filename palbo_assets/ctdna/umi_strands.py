"""Compiled consensus of one strand of a molecule: its raw bases' evidence, calls, indels; agreement of two strands."""

# mypy: disable-error-code="assignment"
# Compiled code has one kind of integer; numpy's stubs have many.

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from palbo_assets.ctdna.umi_records import CHANNEL, alignment, u16
from palbo_assets.genomics.bam import int32
from palbo_assets.genomics.unaligned import load32, load64

# Rows of a strand's evidence, a column a base: A, C, G, T, deleted, and one that nobody reads (`umi_records.CHANNEL`).
_DELETED, CHANNELS = 4, 6
NO_VOTE, DELETED_CODE, NOT_COVERED, _DISPUTED = 4, 5, 6, 7
_CHANNEL = CHANNEL.astype(np.uint64)
LONGEST_ALIKE = 1 << 10  # bases of reads whose weights are summed before they are entered
_FOUR = np.log(4.0)
_ROUNDING = 1e-6  # far above what rounding does to log odds, far below what one quality does
_WEIGHT = (1 << 40) - 1  # above it raw bases are counted, below it their weight


@njit(cache=True, nogil=True)
def add_strand(
    data: np.ndarray,
    fragments: np.ndarray,
    head: Any,
    following: np.ndarray,
    strand: Any,
    first: Any,
    width: Any,
    weights: np.ndarray,
    longest: Any,
    evidence: np.ndarray,
    sums: np.ndarray,
    indels: np.ndarray,
    support: np.ndarray,
    n_indels: Any,
) -> Any:
    """Evidence of a strand's raw reads, from ``head`` on; returns the number of distinct indels seen so far.

    Of the reads that say what the strand's first one says, on its side of the fragment, the weights are summed first
    and entered once. ``sums`` (2, `LONGEST_ALIKE`) is empty before and after.
    """
    evidence[:, :width] = 0
    for side in range(2):
        like = fragments[head, 5 + side]
        summed = alike(data, like, like)
        fragment = head
        while fragment >= 0:
            record = fragments[fragment, 5 + side]
            if summed and alike(data, like, record):
                add_weights(data, record, weights, sums[side])
            else:
                n_indels = add_read(
                    data, record, strand, first, width, weights, longest, evidence, indels, support, n_indels
                )
            fragment = following[fragment]
        if summed:
            add_alike(data, like, first, width, sums[side], evidence)
    return n_indels


@njit(cache=True, nogil=True)
def add_read(
    data: np.ndarray,
    record: Any,
    strand: Any,
    first: Any,
    width: Any,
    weights: np.ndarray,
    longest: Any,
    evidence: np.ndarray,
    indels: np.ndarray,
    support: np.ndarray,
    n_indels: Any,
) -> Any:
    """Add one raw read's bases to its strand's evidence; returns the number of distinct indels seen so far."""
    start, end, _, _ = alignment(data, record)
    length = int32(data, record + 20)
    cigar = record + 36 + np.int64(data[record + 12])
    count = u16(data, record + 16)
    bases = cigar + 4 * count
    qualities = bases + (length + 1) // 2
    position, query = start, 0
    for index in range(count):
        packed = int32(data, cigar + 4 * index) & 0xFFFFFFFF
        operation, size = packed & 15, packed >> 4
        if operation == 0 or operation == 7 or operation == 8:
            low, high = max(0, first - position), min(size, first + width - position)
            if low < high:
                add_bases(data, bases, qualities, query + low, high - low, weights, evidence, position - first + low)
            position += size
            query += size
        elif operation == 1 or operation == 2:
            inserted = size if operation == 1 else 0
            deleted = size - inserted
            anchor = position - 1
            code = np.int64(0)
            known = 0 < size <= longest and position > start and end > anchor + deleted + 1
            for step in range(inserted):
                place = query + step
                channel = CHANNEL[data[bases + (place >> 1)] >> (4 - 4 * (place & 1)) & 15]
                known = known and channel < 4 and weights[data[qualities + place]] > 0
                code = code << 2 | (channel & 3)
            if operation == 2:
                weight = np.int64(0)
                if 0 < query < length:
                    weight = weights[min(data[qualities + query - 1], data[qualities + query])]
                for place in range(max(position, first), min(position + size, first + width)):
                    evidence[_DELETED, place - first] += weight
                position += size
            query += inserted
            if known and first <= anchor and anchor + deleted + 1 < first + width:
                slot = 0
                while slot < n_indels and not (
                    indels[slot, 0] == anchor
                    and indels[slot, 1] == deleted
                    and indels[slot, 2] == inserted
                    and indels[slot, 3] == code
                ):
                    slot += 1
                if slot == n_indels and n_indels < indels.shape[0]:
                    indels[slot, 0], indels[slot, 1], indels[slot, 2], indels[slot, 3] = anchor, deleted, inserted, code
                    support[slot, 0] = support[slot, 1] = 0
                    n_indels += 1
                if slot < n_indels:
                    support[slot, strand] += 1
        elif operation == 3:
            position += size
        elif operation == 4:
            query += size
    return n_indels


@njit(cache=True, nogil=True)
def alike(data: np.ndarray, one: Any, other: Any) -> Any:
    """Whether two records say the same bases at the same places, without an indel or a clip: most of a family do."""
    length = int32(data, one + 20)
    if int32(data, one + 8) != int32(data, other + 8) or int32(data, other + 20) != length or length > LONGEST_ALIKE:
        return False
    if u16(data, one + 16) != 1 or u16(data, other + 16) != 1:
        return False
    mine, theirs = one + 36 + np.int64(data[one + 12]), other + 36 + np.int64(data[other + 12])
    if load32(data, mine) != load32(data, theirs) or load32(data, mine) & 15 not in (0, 7, 8):
        return False
    left = (length + 1) // 2
    mine, theirs = mine + 4, theirs + 4
    while left >= 8:
        if load64(data, mine) != load64(data, theirs):
            return False
        mine, theirs, left = mine + 8, theirs + 8, left - 8
    while left > 0:
        if data[mine] != data[theirs]:
            return False
        mine, theirs, left = mine + 1, theirs + 1, left - 1
    return True


@njit(cache=True, nogil=True)
def add_weights(data: np.ndarray, record: Any, weights: np.ndarray, sums: np.ndarray) -> None:
    """Add the weights of a record's bases to those of the records that are `alike`."""
    length = int32(data, record + 20)
    quality = np.uint64(record + 40 + np.int64(data[record + 12]) + (length + 1) // 2)
    for place in range(np.uint64(length)):
        sums[place] += weights[data[quality + place]]


@njit(cache=True, nogil=True)
def add_alike(data: np.ndarray, record: Any, first: Any, width: Any, sums: np.ndarray, evidence: np.ndarray) -> None:
    """Enter the summed weights of records that are `alike` into the evidence, at the bases of one; empties the sums."""
    start, length = int32(data, record + 8), int32(data, record + 20)
    bases = record + 40 + np.int64(data[record + 12])
    for place in range(max(0, first - start), min(length, first + width - start)):
        channel = CHANNEL[data[bases + (place >> 1)] >> (4 - 4 * (place & 1)) & 15]
        evidence[channel, start + place - first] += sums[place]
    sums[:length] = 0


@njit(cache=True, nogil=True)
def add_bases(
    data: np.ndarray, bases: Any, qualities: Any, query: Any, count: Any, weights: np.ndarray, evidence: np.ndarray,
    place: Any,
) -> None:  # fmt: skip
    """Add ``count`` bases from the read's ``query``-th on to the evidence from ``place`` on.

    Indices are unsigned, or each would be tested for a count from the end; two bases come from one byte.
    """
    flat = evidence.reshape(-1)
    row = np.uint64(evidence.shape[1])
    to, quality = np.uint64(place), np.uint64(qualities + query)
    byte = np.uint64(bases + (query >> 1))
    stop = quality + np.uint64(count)
    one = np.uint64(1)
    if query & 1:
        flat[to + row * _CHANNEL[data[byte] & 15]] += weights[data[quality]]
        to, quality, byte = to + one, quality + one, byte + one
    while quality + one < stop:
        two = data[byte]
        flat[to + row * _CHANNEL[two >> 4]] += weights[data[quality]]
        flat[to + one + row * _CHANNEL[two & 15]] += weights[data[quality + one]]
        to, quality, byte = to + one + one, quality + one + one, byte + one
    if quality < stop:
        flat[to + row * _CHANNEL[data[byte] >> 4]] += weights[data[quality]]


@njit(cache=True, nogil=True)
def call_strand(evidence: np.ndarray, width: Any, rules: np.ndarray, codes: np.ndarray) -> Any:
    """Consensus codes of one strand; returns the share of raw bases that disagree with it."""
    alone = np.int64(np.ceil(rules[2]))
    a, c, g, t, deleted = evidence[0], evidence[1], evidence[2], evidence[3], evidence[4]
    total = np.int64(0)
    for place in range(width):  # without a branch, so that the processor calls several places at once
        every = a[place] + c[place] + g[place] + t[place] + deleted[place]
        most = max(max(max(a[place], c[place]), max(g[place], t[place])), deleted[place])
        code = np.int64(0)
        code = np.int64(1) if c[place] == every else code
        code = np.int64(2) if g[place] == every else code
        code = np.int64(3) if t[place] == every else code
        code = np.int64(DELETED_CODE) if deleted[place] == every else code
        code = code if every & _WEIGHT >= alone else np.int64(NO_VOTE)
        code = code if every > 0 else np.int64(NOT_COVERED)
        codes[place] = code if most == every else np.int64(_DISPUTED)
        total += every >> 40
    disagreeing = np.int64(0)
    for place in range(width):
        if codes[place] == _DISPUTED:
            codes[place], against = _weighed(evidence, place, rules)
            disagreeing += against
    return disagreeing / total if total else 0.0


@njit(cache=True, nogil=True)
def _weighed(evidence: np.ndarray, place: Any, rules: np.ndarray) -> Any:
    """(code, raw bases against it) at a place where raw bases disagree."""
    scale, share, margin = rules[0], rules[1], rules[3]
    seen = 0
    best = 0
    for channel in range(5):
        value = evidence[channel, place]
        seen += value >> 40
        if value & _WEIGHT > evidence[best, place] & _WEIGHT:
            best = channel
    weight = evidence[best, place] & _WEIGHT
    against = seen - (evidence[best, place] >> 40)
    if against > share * seen:
        return NO_VOTE, against
    # Four others are at least as likely as the best of them, and at most four times so.
    second = np.int64(0)
    for channel in range(5):
        if channel != best:
            second = max(second, evidence[channel, place] & _WEIGHT)
    odds = (weight - second) / scale
    vote = odds >= margin
    if abs(odds - margin - _FOUR / 2) <= _FOUR / 2 + _ROUNDING:
        others = 0.0
        for channel in range(5):
            if channel != best:
                others += np.exp(((evidence[channel, place] & _WEIGHT) - weight) / scale)
        vote = -np.log(others) >= margin
    return NO_VOTE if not vote else DELETED_CODE if best == _DELETED else best, against


@njit(cache=True, nogil=True)
def spanning(
    data: np.ndarray, fragments: np.ndarray, head: Any, following: np.ndarray, anchor: Any, deleted: Any
) -> Any:
    """Raw reads of a strand that lie across an indel's place."""
    found = 0
    fragment = head
    while fragment >= 0:
        for side in (5, 6):
            start, end, _, _ = alignment(data, fragments[fragment, side])
            found += start <= anchor and end > anchor + deleted + 1
        fragment = following[fragment]
    return found


@njit(cache=True, nogil=True)
def agree(one: np.ndarray, other: np.ndarray, width: Any, both: Any) -> None:
    """Codes on which two strands agree, into ``one``; ``both``: a strand that says nothing leaves no vote."""
    for place in range(width):
        mine, theirs = one[place], other[place]
        if mine == theirs:
            continue
        if mine == NOT_COVERED and theirs != NOT_COVERED:
            one[place] = NO_VOTE if both else theirs
        elif theirs == NOT_COVERED:
            one[place] = NO_VOTE if both else mine
        elif mine == NO_VOTE or theirs == NO_VOTE:
            one[place] = NO_VOTE if both else theirs if mine == NO_VOTE else mine
        else:
            one[place] = NO_VOTE
