"""Compiled pairing of raw UMI records: mates found by name, fragments placed by their ends, waiting records carried."""

# mypy: disable-error-code="assignment"
# Compiled code has one kind of integer; numpy's stubs have many.

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from palbo_assets.ctdna.umi_records import (
    FIRST_LENGTH,
    IMPROPER,
    INLINE,
    LAST_POS,
    LAST_REF,
    LOW_MAPQ,
    ON_TARGET,
    ORPHANS,
    SECOND_LENGTH,
    TOO_LONG,
    UNUSED,
    account,
    alignment,
    region_at,
    same_name,
    u16,
    umi_of,
)
from palbo_assets.genomics.bam import int32


@njit(cache=True, nogil=True)
def pair_mates(
    data: np.ndarray,
    known: Any,
    source: Any,
    structure: np.ndarray,
    limits: np.ndarray,
    contigs: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    totals: np.ndarray,
    final: bool,
) -> Any:
    """Pair the records of a stretch and place their fragments.

    Parameters
    ----------
    data
        Whole records; the first ``known`` bytes were accounted for in an earlier stretch.
    structure
        (2, 2): UMI and spacer bases at the start of read 1 and read 2 (zero unless inline).
    limits
        Least mapping quality, longest fragment in bases.
    contigs
        (contigs, 2): first and last of each contig's regions in ``starts, ends``.
    final
        Whether no record follows.

    Returns
    -------
    fragments
        (n, 7): key of the place, UMI, strand (0: read 1 forward), first base, last base, offsets of the forward and
        the reverse record.
    carried
        Records that wait for their mate, or for others with the same ends.
    """
    count = 0
    at = 0
    while at < data.size:
        at += 4 + int32(data, at)
        count += 1
    size = 16
    while size < 2 * count:
        size *= 2
    table = np.full(size, -1, dtype=np.int64)
    offset = np.empty(count, dtype=np.int64)
    hashes = np.empty(count, dtype=np.int64)
    parts = np.empty((count, 2), dtype=np.int64)
    five = np.empty(count, dtype=np.int64)  # the fragment's end that this read starts from
    state = np.zeros(count, dtype=np.uint8)  # 0 waits for its mate, 1 done with, 2 waits for others with its ends
    fragments = np.empty((count // 2 + 1, 7), dtype=np.int64)
    n_fragments = 0
    kept = 0
    at = 0
    while at < data.size:
        record = at
        at += 4 + int32(data, record)
        fresh = record >= known
        reference, flag = int32(data, record + 4), u16(data, record + 18)
        start, end, before, behind = alignment(data, record)
        if fresh:
            usable, code, code2 = account(data, record, source, structure[:, 0], totals)
            if reference >= 0 and not flag & UNUSED:
                hit = region_at(starts, ends, contigs[reference, 0], contigs[reference, 1], start, end)
                totals[ON_TARGET] += hit >= 0
            if not usable:
                continue
        else:
            code, _, code2, _ = umi_of(data, record, source, structure[1 if flag & 0x80 else 0, 0])
        reverse = flag & 0x10 != 0
        second = 1 if flag & 0x80 else 0
        inline = structure[second, 0] + structure[second, 1]
        index = kept
        kept += 1
        offset[index] = record
        five[index] = end - 1 + behind - inline if reverse else start - before + inline
        parts[index, 0], parts[index, 1] = code, code2
        value = np.uint64(14695981039346656037)
        for place in range(record + 36, record + 36 + np.int64(data[record + 12]) - 1):
            value = (value ^ np.uint64(data[place])) * np.uint64(1099511628211)
        hashes[index] = np.int64(value >> np.uint64(1))
        slot = (hashes[index] ^ hashes[index] >> 29) & (size - 1)
        mate = -1
        while table[slot] >= 0:
            other = table[slot]
            if hashes[other] == hashes[index] and same_name(data, offset[other], record):
                mate = other
                break
            slot = (slot + 1) & (size - 1)
        if mate < 0:
            table[slot] = index
            continue
        state[index] = 1
        if state[mate] != 0:
            continue  # a third record of the same name
        state[mate] = 1
        other_flag = u16(data, offset[mate] + 18)
        forward, backward = (mate, index) if reverse else (index, mate)
        first, last = five[forward], five[backward]
        if (
            int32(data, offset[mate] + 4) != reference
            or (other_flag & 0x10 != 0) == reverse
            or (other_flag & 0x80) == (flag & 0x80)
            or last < first
            or int32(data, offset[forward] + 8) > last
            or int32(data, offset[backward] + 8) > last
        ):
            totals[IMPROPER] += fresh
            continue
        if last - first >= limits[1]:
            totals[TOO_LONG] += fresh
            continue
        if data[record + 13] < limits[0] or data[offset[mate] + 13] < limits[0]:
            totals[LOW_MAPQ] += fresh
            continue
        if region_at(starts, ends, contigs[reference, 0], contigs[reference, 1], first, last + 1) < 0:
            continue
        strand = 1 if u16(data, offset[forward] + 18) & 0x80 else 0
        one = backward if strand else forward  # read 1
        lengths = (totals[FIRST_LENGTH], totals[SECOND_LENGTH])
        part, part2 = parts[one, 0], parts[one, 1]
        if source == INLINE:
            lengths = (structure[0, 0], structure[1, 0])
            part2 = parts[forward if strand else backward, 0]
        key = ((reference << 28 | (first & 0xFFFFFFF)) << 12 | (last - first)) << 1
        if lengths[0] != lengths[1]:
            key |= strand  # one barcode doesn't tell which strands belong together
        elif strand:
            part, part2 = part2, part  # the forward read's part comes first, whichever read it is
        row = fragments[n_fragments]
        row[0], row[1] = key, part << 2 * lengths[1] | part2
        row[2], row[3], row[4] = strand, first, last
        row[5], row[6] = offset[forward], offset[backward]
        n_fragments += 1
        state[index] = state[mate] = 2
    return _split(data, fragments[:n_fragments], offset[:kept], state[:kept], totals, final)


@njit(cache=True, nogil=True)
def _split(
    data: np.ndarray, fragments: np.ndarray, offset: np.ndarray, state: np.ndarray, totals: np.ndarray, final: Any
) -> Any:
    """Fragments whose ends no later record can have, and a copy of the records that must wait."""
    complete = 0
    for index in range(fragments.shape[0]):
        row = fragments[index]
        reference = row[0] >> 41
        if final or reference < totals[LAST_REF] or row[4] < totals[LAST_POS]:
            # Both records were marked as waiting; they aren't any more.
            state[np.searchsorted(offset, row[5])] = 1
            state[np.searchsorted(offset, row[6])] = 1
            fragments[complete] = row
            complete += 1
    size = 0
    for index in range(offset.size):
        record = offset[index]
        if state[index] == 0:
            same = int32(data, record + 24) == int32(data, record + 4) == totals[LAST_REF]
            if final or not same or int32(data, record + 28) < totals[LAST_POS]:
                totals[ORPHANS] += 1
                state[index] = 1
        if state[index] != 1:
            size += 4 + int32(data, record)
    carried = np.empty(size, dtype=np.uint8)
    at = 0
    for index in range(offset.size):
        if state[index] != 1:
            record = offset[index]
            length = 4 + int32(data, record)
            carried[at : at + length] = data[record : record + length]
            at += length
    return fragments[:complete], carried
