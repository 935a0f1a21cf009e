"""Compiled loops of the UMI consensus: read records, pair mates, group molecules, call their bases.

All of them work on whole BAM records as bytes (SAM specification, section 4.2) and hold no Python objects. What they
compute is said in `umi_consensus`; the readable twin that they must equal is kept with their tests.
"""

# mypy: disable-error-code="assignment"
# Compiled code has one kind of integer; numpy's stubs have many.

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from palbo_assets.genomics.bam import int32

UNUSED = 0x4 | 0x100 | 0x200 | 0x800  # unmapped, secondary, QC fail, supplementary; raw families are duplicates (0x400)
TAG, NAME, INLINE = 0, 1, 2  # where the UMI is

# Per-file totals, an int64 vector.
READS, ON_TARGET, UNPAIRED, NO_UMI, MIXED, WITH_N, UNSORTED, ORPHANS, IMPROPER, LOW_MAPQ, TOO_LONG = range(11)
LAST_REF, LAST_POS, FIRST_LENGTH, SECOND_LENGTH = 11, 12, 13, 14
PAIRS, MERGED_PAIRS, FORWARD_PAIRS, MOLECULES, VOTING, DUPLEX, SINGLETONS, SAME_ENDS, USED, ENOUGH = range(15, 25)
TOTALS = 25
LARGEST_SIZE = 50  # sizes from here on share the last place of the histogram
LONGEST_UMI = 30  # bases in all: two bits each in one number

# Channels of a strand's evidence at one base: A, C, G, T, deleted, and one that nobody reads.
_DELETED, _VOID, _CHANNELS = 4, 5, 8
NO_VOTE, DELETED_CODE, NOT_COVERED = 4, 5, 6
_COUNT = 1 << 40  # one raw base; below it, its weight
_WEIGHT = _COUNT - 1
EVENT = 6  # numbers of one called indel: region, anchor, deleted, inserted bases, their code, strand


def _nibble_channels() -> np.ndarray:
    table = np.full(16, _VOID, dtype=np.int64)
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
def _u16(data: np.ndarray, at: Any) -> Any:
    return np.int64(data[at]) | np.int64(data[at + 1]) << 8


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
def _tag_text(data: np.ndarray, at: Any, end: Any, first: Any, second: Any) -> Any:
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
        elif kind == 66:  # B
            width = 1 if data[value] in (99, 67) else 2 if data[value] in (115, 83) else 4
            at = value + 5 + width * int32(data, value + 1)
        else:
            return 0, 0
    return 0, 0


@njit(cache=True, nogil=True)
def _umi(data: np.ndarray, record: Any, source: Any, umi_length: Any) -> Any:
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
    bases = record + 36 + name_length + 4 * _u16(data, record + 16)
    if source == TAG:
        at, stop = _tag_text(data, bases + (length + 1) // 2 + length, end, 82, 88)  # RX
        return (np.int64(0), -1, 0, 0) if at == stop else _pack(data, at, stop)
    if length < umi_length:
        return 0, -1, 0, 0
    code = np.int64(0)
    reverse = _u16(data, record + 18) & 0x10
    for index in range(umi_length):
        place = length - 1 - index if reverse else index
        nibble = data[bases + place // 2] >> (0 if place & 1 else 4) & 15
        channel = CHANNEL[nibble]
        if channel > 3:
            return 0, -2, 0, 0
        code = code << 2 | (3 - channel if reverse else channel)
    return code, umi_length, 0, 0


@njit(cache=True, nogil=True)
def _place(data: np.ndarray, record: Any) -> Any:
    """(first aligned base, end of alignment, bases clipped before, bases clipped behind), 0-based half-open."""
    start = int32(data, record + 8)
    end = start
    count = _u16(data, record + 16)
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
def _region(starts: np.ndarray, ends: np.ndarray, first: Any, last: Any, start: Any, end: Any) -> Any:
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
def _same_name(data: np.ndarray, one: Any, other: Any) -> Any:
    length = data[one + 12]
    if data[other + 12] != length:
        return False
    for index in range(36, 36 + np.int64(length)):  # noqa: SIM110  (compiled)
        if data[one + index] != data[other + index]:
            return False
    return True


@njit(cache=True, nogil=True)
def survey(data: np.ndarray, source: Any, umi_lengths: np.ndarray, totals: np.ndarray) -> None:
    """Count what a file's records lack, without grouping: order, mates, UMIs, their lengths."""
    at = 0
    while at + 4 <= data.size:
        record = at
        at += 4 + int32(data, record)
        _account(data, record, source, umi_lengths, totals)


@njit(cache=True, nogil=True)
def _account(data: np.ndarray, record: Any, source: Any, umi_lengths: np.ndarray, totals: np.ndarray) -> Any:
    """Enter one record into the totals. Returns (usable, code of the UMI's first part, code of its second part)."""
    reference, position = int32(data, record + 4), int32(data, record + 8)
    if reference >= 0:
        if reference < totals[LAST_REF] or (reference == totals[LAST_REF] and position < totals[LAST_POS]):
            totals[UNSORTED] += 1
        totals[LAST_REF], totals[LAST_POS] = reference, position
    flag = _u16(data, record + 18)
    if flag & UNUSED or reference < 0 or int32(data, record + 20) == 0:
        return False, np.int64(0), np.int64(0)
    totals[READS] += 1
    if not flag & 1:
        totals[UNPAIRED] += 1
        return False, np.int64(0), np.int64(0)
    second = 1 if flag & 0x80 else 0
    code, length, code2, length2 = _umi(data, record, source, umi_lengths[second])
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
        reference, flag = int32(data, record + 4), _u16(data, record + 18)
        start, end, before, behind = _place(data, record)
        if fresh:
            usable, code, code2 = _account(data, record, source, structure[:, 0], totals)
            if reference >= 0 and not flag & UNUSED:
                hit = _region(starts, ends, contigs[reference, 0], contigs[reference, 1], start, end)
                totals[ON_TARGET] += hit >= 0
            if not usable:
                continue
        else:
            code, _, code2, _ = _umi(data, record, source, structure[1 if flag & 0x80 else 0, 0])
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
            if hashes[other] == hashes[index] and _same_name(data, offset[other], record):
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
        other_flag = _u16(data, offset[mate] + 18)
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
        if _region(starts, ends, contigs[reference, 0], contigs[reference, 1], first, last + 1) < 0:
            continue
        strand = 1 if _u16(data, offset[forward] + 18) & 0x80 else 0
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


@njit(cache=True, nogil=True)
def directional(umis: np.ndarray, counts: np.ndarray, first_seen: np.ndarray, bases: Any) -> Any:
    """Which UMI each UMI at one place is a copy of: directional adjacency (Smith, Heger and Sudbery 2017).

    An edge leads from a to b where they differ in one base and ``count_a >= 2 count_b - 1``; from the most frequent
    UMI on (ties: the first seen), everything that edges reach and nobody has taken belongs to it.

    ``umis`` ascending and distinct, two bits a base. Returns the index of each UMI's root.
    """
    n = umis.size
    root = np.full(n, -1, dtype=np.int64)
    if n == 1:
        root[0] = 0
        return root
    order = np.argsort(-counts << 32 | first_seen)
    queue = np.empty(n, dtype=np.int64)
    for start in order:
        if root[start] >= 0:
            continue
        root[start] = start
        queue[0] = start
        done, waiting = 0, 1
        while done < waiting:
            one = queue[done]
            done += 1
            if n <= 6 * bases:
                for other in range(n):
                    if root[other] < 0 and counts[one] >= 2 * counts[other] - 1:
                        changed = umis[one] ^ umis[other]
                        changed = (changed | changed >> 1) & 0x5555555555555555
                        if changed & (changed - 1) == 0:
                            root[other] = start
                            queue[waiting] = other
                            waiting += 1
            else:
                for place in range(bases):
                    for change in range(1, 4):
                        wanted = umis[one] ^ np.int64(change) << 2 * place
                        other = np.searchsorted(umis, wanted)
                        known = other < n and umis[other] == wanted and root[other] < 0
                        if known and counts[one] >= 2 * counts[other] - 1:
                            root[other] = start
                            queue[waiting] = other
                            waiting += 1
    return root


@njit(cache=True, nogil=True)
def _add(
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
    start, end, _, _ = _place(data, record)
    length = int32(data, record + 20)
    cigar = record + 36 + np.int64(data[record + 12])
    count = _u16(data, record + 16)
    bases = cigar + 4 * count
    qualities = bases + (length + 1) // 2
    position, query = start, 0
    for index in range(count):
        packed = int32(data, cigar + 4 * index) & 0xFFFFFFFF
        operation, size = packed & 15, packed >> 4
        if operation == 0 or operation == 7 or operation == 8:
            low, high = max(0, first - position), min(size, first + width - position)
            for step in range(low, high):
                place = query + step
                nibble = data[bases + (place >> 1)] >> (4 - 4 * (place & 1)) & 15
                evidence[position - first + step, CHANNEL[nibble]] += weights[data[qualities + place]]
            position += size
            query += size
        elif operation == 1 or operation == 2:
            inserted = size if operation == 1 else 0
            deleted = size - inserted
            anchor = position - 1
            code = np.int64(0)
            known = position > start and size <= longest and end > anchor + deleted + 1
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
                    evidence[place - first, _DELETED] += weight
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
def _call_strand(evidence: np.ndarray, width: Any, rules: np.ndarray, codes: np.ndarray) -> Any:
    """Consensus codes of one strand; returns the share of raw bases that disagree with it."""
    scale, share, alone, margin = rules[0], rules[1], rules[2], rules[3]
    disagreeing = total = 0
    for place in range(width):
        seen = 0
        best = -1
        for channel in range(5):
            value = evidence[place, channel]
            seen += value >> 40
            if best < 0 or value & _WEIGHT > evidence[place, best] & _WEIGHT:
                best = channel
        if seen == 0:
            codes[place] = NOT_COVERED
            continue
        agree = evidence[place, best] >> 40
        weight = evidence[place, best] & _WEIGHT
        total += seen
        disagreeing += seen - agree
        vote = True
        if agree == seen:
            vote = weight >= alone
        elif seen - agree > share * seen:
            vote = False
        else:
            against = 0.0
            for channel in range(5):
                if channel != best:
                    against += np.exp(((evidence[place, channel] & _WEIGHT) - weight) / scale)
            vote = -np.log(against) >= margin
        codes[place] = NO_VOTE if not vote else DELETED_CODE if best == _DELETED else best
    return disagreeing / total if total else 0.0


@njit(cache=True, nogil=True)
def _spanning(
    data: np.ndarray, fragments: np.ndarray, head: Any, following: np.ndarray, anchor: Any, deleted: Any
) -> Any:
    """Raw reads of a strand that lie across an indel's place."""
    found = 0
    fragment = head
    while fragment >= 0:
        for side in (5, 6):
            start, end, _, _ = _place(data, fragments[fragment, side])
            found += start <= anchor and end > anchor + deleted + 1
        fragment = following[fragment]
    return found


@njit(cache=True, nogil=True)
def consensus(
    data: np.ndarray,
    fragments: np.ndarray,
    bases: Any,
    weights: np.ndarray,
    rules: np.ndarray,
    least: np.ndarray,
    contigs: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    offsets: np.ndarray,
    counts: np.ndarray,
    totals: np.ndarray,
    sizes: np.ndarray,
    composition: np.ndarray,
) -> Any:
    """Group fragments with the same ends by UMI, call each molecule and count its votes.

    Parameters
    ----------
    data, fragments
        As from `pair_mates`; fragments sorted by key, then UMI, ties in file order.
    bases
        Bases of a UMI.
    weights
        (256,) int64 by base quality: one raw base in the upper bits, ln((1-e)/(e/3)) times the scale below; 0 for
        qualities that aren't believed.
    rules
        Scale; largest share of disagreeing bases; least weight of an undisputed base; least log odds of another;
        largest share of disagreement over a strand.
    least
        Fewest pairs of a molecule, fewest of a strand for duplex, whether only duplex votes, trimmed end bases,
        longest indel.
    counts
        (2, 6, panel bases) int64, filled in place; ``offsets`` says where each region begins.
    sizes, composition
        Histogram of family sizes; (bases, 4) molecules by UMI base. Filled in place.

    Returns
    -------
    (n, 6) int64: region, anchor, deleted, inserted bases, their code, strand of each molecule's indels.
    """
    n = fragments.shape[0]
    following = np.empty(n, dtype=np.int64)
    head = np.empty((n, 2), dtype=np.int64)
    pairs = np.empty((n, 2), dtype=np.int64)
    run = np.empty(n + 1, dtype=np.int64)
    widest = 1
    for index in range(n):
        widest = max(widest, fragments[index, 4] - fragments[index, 3] + 1)
    evidence = np.zeros((2, widest, _CHANNELS), dtype=np.int64)
    codes = np.empty((2, widest), dtype=np.uint8)
    indels = np.empty((256, 4), dtype=np.int64)
    support = np.zeros((256, 2), dtype=np.int64)
    events = np.empty((256, EVENT), dtype=np.int64)
    n_events = 0
    at = 0
    while at < n:
        stop = at
        distinct = 0
        while stop < n and fragments[stop, 0] == fragments[at, 0]:
            if stop == at or fragments[stop, 1] != fragments[stop - 1, 1]:
                run[distinct] = stop
                distinct += 1
            stop += 1
        run[distinct] = stop
        umis = np.empty(distinct, dtype=np.int64)
        copies = np.empty(distinct, dtype=np.int64)
        first_seen = np.empty(distinct, dtype=np.int64)
        for one in range(distinct):
            umis[one], copies[one] = fragments[run[one], 1], run[one + 1] - run[one]
            first_seen[one] = fragments[run[one], 5]
            for index in range(run[one], run[one + 1]):
                first_seen[one] = min(first_seen[one], fragments[index, 5], fragments[index, 6])
            head[one, 0] = head[one, 1] = -1
            pairs[one, 0] = pairs[one, 1] = 0
        root = directional(umis, copies, first_seen, bases)
        molecules = 0
        for one in range(distinct):
            if root[one] == one:
                molecules += 1
            else:
                totals[MERGED_PAIRS] += copies[one]
            for index in range(run[one], run[one + 1]):
                strand = fragments[index, 2]
                following[index] = head[root[one], strand]
                head[root[one], strand] = index
                pairs[root[one], strand] += 1
        totals[PAIRS] += stop - at
        totals[MOLECULES] += molecules
        totals[SAME_ENDS] += molecules * (molecules - 1)
        first, last = fragments[at, 3], fragments[at, 4]
        width = last - first + 1
        reference = fragments[at, 0] >> 41
        at = stop
        for one in range(distinct):
            if root[one] != one:
                continue
            forward, backward = pairs[one, 0], pairs[one, 1]
            size = forward + backward
            totals[FORWARD_PAIRS] += forward
            totals[SINGLETONS] += size == 1
            sizes[min(size, LARGEST_SIZE)] += 1
            for place in range(bases):
                composition[place, umis[one] >> 2 * place & 3] += 1
            if size < least[0]:
                continue
            totals[ENOUGH] += 1
            duplex = min(forward, backward) >= least[1]
            totals[DUPLEX] += duplex
            if least[2] and not duplex:
                continue
            n_indels = 0
            usable = 0
            for strand in range(2):
                if pairs[one, strand] == 0:
                    continue
                evidence[strand, :width] = 0
                fragment = head[one, strand]
                while fragment >= 0:
                    for side in (5, 6):
                        n_indels = _add(
                            data, fragments[fragment, side], strand, first, width, weights, least[4],
                            evidence[strand], indels, support, n_indels,
                        )  # fmt: skip
                    fragment = following[fragment]
                if _call_strand(evidence[strand], width, rules, codes[strand]) > rules[4]:
                    pairs[one, strand] = 0
                usable += pairs[one, strand]
            if usable < least[0] or (least[2] and min(pairs[one, 0], pairs[one, 1]) < least[1]):
                continue
            totals[VOTING] += 1
            totals[USED] += 2 * usable
            voice = 0 if pairs[one, 0] >= pairs[one, 1] else 1
            told = codes[0 if pairs[one, 0] else 1]
            if pairs[one, 0] and pairs[one, 1]:
                _agree(codes[0], codes[1], width, least[2])
                told = codes[0]
            for place in range(width):
                if (place < least[3] or place >= width - least[3]) and told[place] != NOT_COVERED:
                    told[place] = NO_VOTE
            for slot in range(n_indels):
                anchor, deleted, inserted = indels[slot, 0], indels[slot, 1], indels[slot, 2]
                if anchor - first < least[3] or anchor + deleted + 1 - first >= width - least[3]:
                    continue
                shown = hidden = 0
                for strand in range(2):
                    across = 0
                    if pairs[one, strand]:
                        across = _spanning(data, fragments, head[one, strand], following, anchor, deleted)
                    if across == 0:
                        hidden += least[2]  # where only duplex votes, a silent strand is a missing one
                    elif across - support[slot, strand] <= rules[1] * across:
                        shown += 1
                    else:
                        hidden += 1
                        if inserted and support[slot, strand] > rules[1] * across:
                            told[anchor + 1 - first] = NO_VOTE
                if shown and not hidden:
                    region = _region(starts, ends, contigs[reference, 0], contigs[reference, 1], anchor, anchor + 1)
                    if region >= 0:
                        if n_events == events.shape[0]:
                            wider = np.empty((2 * n_events, EVENT), dtype=np.int64)
                            wider[:n_events] = events
                            events = wider
                        row = events[n_events]
                        row[0], row[1], row[2], row[3] = region, anchor, deleted, inserted
                        row[4], row[5] = indels[slot, 3], voice
                        n_events += 1
                elif shown and inserted:
                    told[anchor + 1 - first] = NO_VOTE
            region = _region(starts, ends, contigs[reference, 0], contigs[reference, 1], first, last + 1)
            while region >= 0 and region < contigs[reference, 1] and starts[region] <= last:
                shift = offsets[region] - starts[region]
                for position in range(max(first, starts[region]), min(last + 1, ends[region])):
                    code = told[position - first]
                    if code < NOT_COVERED:
                        counts[voice, code, position + shift] += 1
                region += 1
    return events[:n_events]


@njit(cache=True, nogil=True)
def _agree(one: np.ndarray, other: np.ndarray, width: Any, both: Any) -> None:
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
