"""Compiled reading of raw UMI records: flags, mates, alignment, the barcode itself, and what a file's records lack.

All of it works on whole BAM records as bytes (SAM specification, section 4.2) and holds no Python objects. What the
compiled loops compute is said in `umi_consensus`; the readable twin that they must equal is kept with their tests.
"""

# mypy: disable-error-code="assignment"
# Compiled code has one kind of integer; numpy's stubs have many.

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from palbo_assets.genomics.bam import int32
from palbo_assets.genomics.unaligned import load16, load64

UNUSED = 0x4 | 0x100 | 0x200 | 0x800  # unmapped, secondary, QC fail, supplementary; raw families are duplicates (0x400)
TAG, NAME, INLINE = 0, 1, 2  # where the UMI is

# Per-file totals, an int64 vector.
READS, ON_TARGET, UNPAIRED, NO_UMI, MIXED, WITH_N, UNSORTED, ORPHANS, IMPROPER, LOW_MAPQ, TOO_LONG = range(11)
LAST_REF, LAST_POS, FIRST_LENGTH, SECOND_LENGTH = 11, 12, 13, 14
PAIRS, MERGED_PAIRS, FORWARD_PAIRS, MOLECULES, VOTING, DUPLEX, SINGLETONS, SAME_ENDS, USED, ENOUGH = range(15, 25)
TOTALS = 25
LONGEST_UMI = 30  # bases in all: two bits each in one number

VOID_CHANNEL = 5  # of a base that isn't one of ACGT


def _nibble_channels() -> np.ndarray:
    table = np.full(16, VOID_CHANNEL, dtype=np.int64)
    for code, nibble in enumerate((1, 2, 4, 8)):
        table[nibble] = code
    return table


def _letters() -> np.ndarray:
    """0..3 for ACGT in either case, 4 for N, 5 for a separator, 6 for anything else."""
    table = np.full(256, 6, dtype=np.int64)
    for code, letters in enumerate(("Aa", "Cc", "Gg", "Tt", "Nn", "-+")):
        for letter in letters:
            table[ord(letter)] = code
    return table


CHANNEL = _nibble_channels()
_LETTER = _letters()


@njit(cache=True, nogil=True, inline="always")
def u16(data: np.ndarray, at: Any) -> Any:
    return np.int64(load16(data, at))


@njit(cache=True, nogil=True)
def _pack(data: np.ndarray, at: Any, end: Any) -> Any:
    """(code of the first part, its length, code of the second part, its length); length -1: no UMI; -2: with an N."""
    first = code = np.int64(0)
    first_length = length = 0
    parts = 1
    masked = False
    for index in range(at, end):
        letter = _LETTER[data[index]]
        if letter < 4:
            code = code << 2 | letter
            length += 1
        elif letter == 4:
            masked = True
            length += 1
        elif letter == 5 and parts == 1 and length:
            first, first_length = code, length
            code, length, parts = np.int64(0), 0, 2
        else:
            return np.int64(0), -1, np.int64(0), 0
    if length == 0 or first_length + length > LONGEST_UMI:
        return np.int64(0), -1, np.int64(0), 0
    if masked:
        return np.int64(0), -2, np.int64(0), 0
    if parts == 1:
        return code, length, np.int64(0), 0
    return first, first_length, code, length


@njit(cache=True, nogil=True)
def tag_text(data: np.ndarray, at: Any, end: Any, first: Any, second: Any) -> Any:
    """(start, end) of the text of a tag of type Z; (0, 0) without it."""
    while at + 3 <= end:
        kind = data[at + 2]
        value = at + 3
        if kind == 90 or kind == 72:  # Z, H
            stop = value
            while stop < end and data[stop] != 0:
                stop += 1
            if data[at] == first and data[at + 1] == second:
                return value, stop
            at = stop + 1
        elif kind == 65 or kind == 99 or kind == 67:  # A, c, C
            at = value + 1
        elif kind == 115 or kind == 83:  # s, S
            at = value + 2
        elif kind == 105 or kind == 73 or kind == 102:  # i, I, f
            at = value + 4
        elif kind == 66 and value + 5 <= end and int32(data, value + 1) >= 0:  # B
            width = 1 if data[value] in (99, 67) else 2 if data[value] in (115, 83) else 4
            at = value + 5 + width * int32(data, value + 1)
        else:
            return 0, 0
    return 0, 0


@njit(cache=True, nogil=True)
def umi_of(data: np.ndarray, record: Any, source: Any, umi_length: Any) -> Any:
    """The record's UMI as `_pack` gives it; ``umi_length`` bases of the read itself when inline."""
    size = int32(data, record)
    end = record + 4 + size
    name_length = np.int64(data[record + 12])
    if source == NAME:
        stop = record + 36 + name_length - 1
        at = stop
        while at > record + 36 and data[at - 1] != 95 and data[at - 1] != 58:  # '_' and ':'
            at -= 1
        return (np.int64(0), -1, 0, 0) if at == record + 36 else _pack(data, at, stop)
    length = int32(data, record + 20)
    bases = record + 36 + name_length + 4 * u16(data, record + 16)
    if source == TAG:
        at, stop = tag_text(data, bases + (length + 1) // 2 + length, end, 82, 88)  # RX
        return (np.int64(0), -1, 0, 0) if at == stop else _pack(data, at, stop)
    if length < umi_length:
        return 0, -1, 0, 0
    code = np.int64(0)
    reverse = u16(data, record + 18) & 0x10
    for index in range(umi_length):
        place = length - 1 - index if reverse else index
        nibble = data[bases + place // 2] >> (0 if place & 1 else 4) & 15
        channel = CHANNEL[nibble]
        if channel > 3:
            return 0, -2, 0, 0
        code = code << 2 | (3 - channel if reverse else channel)
    return code, umi_length, 0, 0


@njit(cache=True, nogil=True)
def alignment(data: np.ndarray, record: Any) -> Any:
    """(first aligned base, end of alignment, bases clipped before, bases clipped behind), 0-based half-open."""
    start = int32(data, record + 8)
    end = start
    count = u16(data, record + 16)
    at = record + 36 + np.int64(data[record + 12])
    before = behind = 0
    seen = False
    for index in range(count):
        packed = int32(data, at + 4 * index) & 0xFFFFFFFF
        operation, length = packed & 15, packed >> 4
        if operation == 4 or operation == 5:
            if seen:
                behind += length
            else:
                before += length
        else:
            seen = True
            if operation == 0 or operation == 2 or operation == 3 or operation == 7 or operation == 8:
                end += length
    return start, end, before, behind


@njit(cache=True, nogil=True)
def region_at(starts: np.ndarray, ends: np.ndarray, first: Any, last: Any, start: Any, end: Any) -> Any:
    """Index of the first of the contig's regions [first, last) that reaches into [start, end); -1 if none does."""
    low, high = first, last
    while low < high:
        middle = (low + high) // 2
        if ends[middle] <= start:
            low = middle + 1
        else:
            high = middle
    return low if low < last and starts[low] < end else -1


@njit(cache=True, nogil=True)
def name_hash(data: np.ndarray, record: Any) -> Any:
    """A hash of the read's name, eight bytes at once; not negative."""
    length = np.int64(data[record + 12]) - 1
    at = record + 36
    value = np.uint64(length)
    factor = np.uint64(0x9E3779B97F4A7C15)
    while length >= 8:
        value = (value ^ load64(data, at)) * factor
        value ^= value >> np.uint64(32)
        at += 8
        length -= 8
    if length > 0:
        # The last eight bytes up to the name's end: fixed fields lie before the name, so they are the record's own.
        value = (value ^ (load64(data, at + length - 8) >> np.uint64(64 - 8 * length))) * factor
    return np.int64((value ^ (value >> np.uint64(29))) >> np.uint64(1))


@njit(cache=True, nogil=True)
def same_name(data: np.ndarray, one: Any, other: Any) -> Any:
    length = np.int64(data[one + 12])
    if data[other + 12] != length:
        return False
    at = 36
    while at + 8 <= 36 + length:
        if load64(data, one + at) != load64(data, other + at):
            return False
        at += 8
    # The last eight bytes, of which some were compared before or, for a short name, are no part of it.
    end = 36 + length - 8
    unlike = load64(data, one + end) ^ load64(data, other + end)
    beyond = 8 - length if length < 8 else 0
    return unlike >> np.uint64(8 * beyond) == 0


@njit(cache=True, nogil=True)
def survey(data: np.ndarray, source: Any, umi_lengths: np.ndarray, totals: np.ndarray) -> None:
    """Count what a file's records lack, without grouping: order, mates, UMIs, their lengths."""
    at = 0
    while at + 4 <= data.size:
        record = at
        at += 4 + int32(data, record)
        account(data, record, source, umi_lengths, totals)


@njit(cache=True, nogil=True)
def account(data: np.ndarray, record: Any, source: Any, umi_lengths: np.ndarray, totals: np.ndarray) -> Any:
    """Enter one record into the totals. Returns (usable, code of the UMI's first part, code of its second part)."""
    reference, position = int32(data, record + 4), int32(data, record + 8)
    if reference >= 0:
        if reference < totals[LAST_REF] or (reference == totals[LAST_REF] and position < totals[LAST_POS]):
            totals[UNSORTED] += 1
        totals[LAST_REF], totals[LAST_POS] = reference, position
    flag = u16(data, record + 18)
    if flag & UNUSED or reference < 0 or int32(data, record + 20) == 0:
        return False, np.int64(0), np.int64(0)
    totals[READS] += 1
    if not flag & 1:
        totals[UNPAIRED] += 1
        return False, np.int64(0), np.int64(0)
    second = 1 if flag & 0x80 else 0
    code, length, code2, length2 = umi_of(data, record, source, umi_lengths[second])
    if source != INLINE and length >= 0:
        if totals[FIRST_LENGTH] < 0:
            totals[FIRST_LENGTH], totals[SECOND_LENGTH] = length, length2
        elif length != totals[FIRST_LENGTH] or length2 != totals[SECOND_LENGTH]:
            totals[MIXED] += 1
            return False, np.int64(0), np.int64(0)
    if length == -1:
        totals[NO_UMI] += 1
        return False, np.int64(0), np.int64(0)
    if length == -2:
        totals[WITH_N] += 1
        return False, np.int64(0), np.int64(0)
    return True, code, code2
