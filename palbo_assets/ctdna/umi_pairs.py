"""Compiled pairing of raw UMI records: mates found by name, fragments placed by their ends, what waits is kept.

Records stay where they were put. Of those that wait for their mate, and of fragments that wait for others with the same
ends, only what is known of them is kept, so that every record is looked at once however deep the library is.
"""

# mypy: disable-error-code="assignment,arg-type"
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
    name_hash,
    region_at,
    same_name,
    u16,
)
from palbo_assets.genomics.bam import int32
from palbo_assets.genomics.unaligned import borrowed

FRAGMENT = 7  # numbers of a fragment: see `pair_mates`
SINGLE = (
    5  # numbers of a record that waits for its mate: offset, the fragment's end, both parts of its UMI, name's hash
)


@njit(cache=True, nogil=True)
def pair_mates(
    data: np.ndarray,
    known: Any,
    count: Any,
    held: np.ndarray,
    singles: np.ndarray,
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
        Whole records; the first ``known`` bytes were read in an earlier stretch, behind them are ``count`` records.
    held, singles
        Fragments and records that wait, as returned for the stretch before; (0, 7) and (0, 5) at first.
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
        (n, 7) of which no later record can have the ends: key of the place, UMI, strand (0: read 1 forward), first
        base, last base, offsets of the forward and the reverse record. In the order in which they were met.
    held
        Those of which a later record can have the ends.
    singles
        (n, 5), records that wait for their mate, in the file's order.
    """
    data, totals, structure = borrowed(data), borrowed(totals), borrowed(structure)
    contigs, starts, ends = borrowed(contigs), borrowed(starts), borrowed(ends)
    umi_lengths = structure[:, 0].copy()
    count += singles.shape[0]
    size = 16
    while size < 2 * count:
        size *= 2
    table = np.full(size, -1, dtype=np.int64)
    reads = np.empty((count, SINGLE), dtype=np.int64)
    paired = np.zeros(count, dtype=np.bool_)
    fragments = np.empty((held.shape[0] + count // 2 + 1, FRAGMENT), dtype=np.int64)
    fragments[: held.shape[0]] = held
    n_fragments = held.shape[0]
    kept = singles.shape[0]
    reads[:kept] = singles
    for index in range(kept):
        slot = (reads[index, 4] ^ reads[index, 4] >> 29) & (size - 1)
        while table[slot] >= 0:
            slot = (slot + 1) & (size - 1)
        table[slot] = index
    at = np.int64(known)
    while at < data.size:
        record = at
        at += 4 + int32(data, record)
        reference, flag = int32(data, record + 4), u16(data, record + 18)
        usable, code, code2 = account(data, record, source, umi_lengths, totals)
        if reference < 0 or flag & UNUSED:
            continue
        start, end, before, behind = alignment(data, record)
        hit = region_at(starts, ends, contigs[reference, 0], contigs[reference, 1], start, end)
        totals[ON_TARGET] += hit >= 0
        if not usable:
            continue
        reverse = flag & 0x10 != 0
        second = 1 if flag & 0x80 else 0
        inline = structure[second, 0] + structure[second, 1]
        five = end - 1 + behind - inline if reverse else start - before + inline  # the end that this read starts from
        value = name_hash(data, record)
        slot = (value ^ value >> 29) & (size - 1)
        mate = -1
        while table[slot] >= 0:
            other = table[slot]
            if reads[other, 4] == value and same_name(data, reads[other, 0], record):
                mate = other
                break
            slot = (slot + 1) & (size - 1)
        if mate < 0:
            table[slot] = kept
            row = reads[kept]
            row[0], row[1], row[2], row[3], row[4] = record, five, code, code2, value
            kept += 1
            continue
        if paired[mate]:
            continue  # a third record of the same name
        paired[mate] = True
        earlier = reads[mate, 0]
        other_flag = u16(data, earlier + 18)
        forward, backward = (earlier, record) if reverse else (record, earlier)
        first, last = (reads[mate, 1], five) if reverse else (five, reads[mate, 1])
        if (
            int32(data, earlier + 4) != reference
            or (other_flag & 0x10 != 0) == reverse
            or (other_flag & 0x80) == (flag & 0x80)
            or last < first
            or int32(data, forward + 8) > last
            or int32(data, backward + 8) > last
        ):
            totals[IMPROPER] += 1
            continue
        if last - first >= limits[1]:
            totals[TOO_LONG] += 1
            continue
        if data[record + 13] < limits[0] or data[earlier + 13] < limits[0]:
            totals[LOW_MAPQ] += 1
            continue
        if region_at(starts, ends, contigs[reference, 0], contigs[reference, 1], first, last + 1) < 0:
            continue
        strand = second if not reverse else 1 - second  # 0: read 1 is the forward one
        lengths = (totals[FIRST_LENGTH], totals[SECOND_LENGTH])
        # What read 1 says of the UMI, and for inline barcodes what read 2 says.
        part, part2 = (reads[mate, 2], reads[mate, 3]) if second else (code, code2)
        if source == INLINE:
            lengths = (structure[0, 0], structure[1, 0])
            part2 = code if second else reads[mate, 2]
        key = ((reference << 28 | (first & 0xFFFFFFF)) << 12 | (last - first)) << 1
        if lengths[0] != lengths[1]:
            key |= strand  # one barcode doesn't tell which strands belong together
        elif strand:
            part, part2 = part2, part  # the forward read's part comes first, whichever read it is
        fragment = fragments[n_fragments]
        fragment[0], fragment[1] = key, part << 2 * lengths[1] | part2
        fragment[2], fragment[3], fragment[4] = strand, first, last
        fragment[5], fragment[6] = forward, backward
        n_fragments += 1
    done, open_ = _split(fragments[:n_fragments], totals, final)
    return done, open_, _without_mate(data, reads[:kept], paired, totals, final)


@njit(cache=True, nogil=True)
def _split(fragments: np.ndarray, totals: np.ndarray, final: Any) -> Any:
    """Fragments whose ends no later record can have, and the others."""
    done = np.empty(fragments.shape, dtype=np.int64)
    n_done = n_open = 0
    for index in range(fragments.shape[0]):
        reference = fragments[index, 0] >> 41
        if final or reference < totals[LAST_REF] or fragments[index, 4] < totals[LAST_POS]:
            done[n_done] = fragments[index]
            n_done += 1
        else:
            fragments[n_open] = fragments[index]
            n_open += 1
    return done[:n_done], fragments[:n_open].copy()


@njit(cache=True, nogil=True)
def _without_mate(data: np.ndarray, reads: np.ndarray, paired: np.ndarray, totals: np.ndarray, final: Any) -> Any:
    """The records whose mate may still come; the others are counted as orphans."""
    waiting = 0
    for index in range(reads.shape[0]):
        if paired[index]:
            continue
        record = reads[index, 0]
        same = int32(data, record + 24) == int32(data, record + 4) == totals[LAST_REF]
        if final or not same or int32(data, record + 28) < totals[LAST_POS]:
            totals[ORPHANS] += 1
            continue
        reads[waiting] = reads[index]
        waiting += 1
    return reads[:waiting].copy()


@njit(cache=True, nogil=True)
def move_waiting(data: np.ndarray, held: np.ndarray, singles: np.ndarray, room: np.ndarray) -> Any:
    """Move the records that wait into ``room``, which may be ``data`` itself, in the file's order; bytes taken.

    The offsets in ``held`` and ``singles`` become those in ``room``.
    """
    n, n_singles = held.shape[0], singles.shape[0]
    old = np.empty(2 * n + n_singles, dtype=np.int64)
    old[:n], old[n : 2 * n], old[2 * n :] = held[:, 5], held[:, 6], singles[:, 0]
    data, room = borrowed(data), borrowed(room)
    at = np.int64(0)
    for index in np.argsort(old):
        record = old[index]
        size = 4 + int32(data, record)
        room[at : at + size] = data[record : record + size]
        if index < n:
            held[index, 5] = at
        elif index < 2 * n:
            held[index - n, 6] = at
        else:
            singles[index - 2 * n, 0] = at
        at += size
    return at


@njit(cache=True, nogil=True)
def waiting_bytes(data: np.ndarray, held: np.ndarray, singles: np.ndarray) -> Any:
    """Bytes of the records that wait."""
    size = np.int64(0)
    for index in range(held.shape[0]):
        size += 8 + int32(data, held[index, 5]) + int32(data, held[index, 6])
    for index in range(singles.shape[0]):
        size += 4 + int32(data, singles[index, 0])
    return size
