"""Compiled grouping of fragments with the same ends into molecules by UMI, and their votes on the panel."""

# mypy: disable-error-code="assignment"
# Compiled code has one kind of integer; numpy's stubs have many.

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from palbo_assets.ctdna.umi_records import (
    DUPLEX,
    ENOUGH,
    FORWARD_PAIRS,
    MERGED_PAIRS,
    MOLECULES,
    PAIRS,
    SAME_ENDS,
    SINGLETONS,
    USED,
    VOTING,
    region_at,
)
from palbo_assets.ctdna.umi_strands import (
    CHANNELS,
    LONGEST_ALIKE,
    NO_VOTE,
    NOT_COVERED,
    add_strand,
    agree,
    call_strand,
    spanning,
)
from palbo_assets.genomics.unaligned import borrowed, prefetch

AHEAD, RECORD_LINES = 16, 6  # fragments, and cache lines of each record, that are asked for before they are read
LARGEST_SIZE = 50  # sizes from here on share the last place of the histogram
EVENT = 6  # numbers of one called indel: region, anchor, deleted, inserted bases, their code, strand


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
def ask_for(data: np.ndarray, fragment: np.ndarray) -> None:
    """Ask for both records of a fragment: they lie where the file had them, far from their family's others."""
    for side in (5, 6):
        for line in range(RECORD_LINES):
            prefetch(data, fragment[side] + 64 * line)


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
        As from `umi_pairs.pair_mates`; fragments sorted by key, then UMI, ties in file order.
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
    data, fragments, weights, rules, least = (
        borrowed(data), borrowed(fragments), borrowed(weights), borrowed(rules), borrowed(least)
    )  # fmt: skip
    contigs, starts, ends, offsets = borrowed(contigs), borrowed(starts), borrowed(ends), borrowed(offsets)
    counts, totals, sizes, composition = borrowed(counts), borrowed(totals), borrowed(sizes), borrowed(composition)
    n = fragments.shape[0]
    following = np.empty(n, dtype=np.int64)
    head = np.empty((n, 2), dtype=np.int64)
    pairs = np.empty((n, 2), dtype=np.int64)
    run = np.empty(n + 1, dtype=np.int64)
    widest = 1
    for index in range(n):
        widest = max(widest, fragments[index, 4] - fragments[index, 3] + 1)
    evidence = np.zeros((2, CHANNELS, widest), dtype=np.int64)
    codes = np.empty((2, widest), dtype=np.uint8)
    sums = np.zeros((2, LONGEST_ALIKE), dtype=np.int64)
    indels = np.empty((256, 4), dtype=np.int64)
    support = np.zeros((256, 2), dtype=np.int64)
    events = np.empty((256, EVENT), dtype=np.int64)
    n_events = 0
    at = 0
    while at < n:
        stop = at
        distinct = 0
        while stop < n and fragments[stop, 0] == fragments[at, 0]:
            ask_for(data, fragments[min(stop + AHEAD, n - 1)])
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
                n_indels = add_strand(
                    data, fragments, head[one, strand], following, strand, first, width, weights, least[4],
                    evidence[strand], sums, indels, support, n_indels,
                )  # fmt: skip
                if call_strand(evidence[strand], width, rules, codes[strand]) > rules[4]:
                    pairs[one, strand] = 0
                usable += pairs[one, strand]
            if usable < least[0] or (least[2] and min(pairs[one, 0], pairs[one, 1]) < least[1]):
                continue
            totals[VOTING] += 1
            totals[USED] += 2 * usable
            voice = 0 if pairs[one, 0] >= pairs[one, 1] else 1
            told = codes[0 if pairs[one, 0] else 1]
            if pairs[one, 0] and pairs[one, 1]:
                agree(codes[0], codes[1], width, least[2])
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
                        across = spanning(data, fragments, head[one, strand], following, anchor, deleted)
                    if across == 0:
                        hidden += least[2]  # where only duplex votes, a silent strand is a missing one
                    elif across - support[slot, strand] <= rules[1] * across:
                        shown += 1
                    else:
                        hidden += 1
                        if inserted and support[slot, strand] > rules[1] * across:
                            told[anchor + 1 - first] = NO_VOTE
                if shown and not hidden:
                    region = region_at(starts, ends, contigs[reference, 0], contigs[reference, 1], anchor, anchor + 1)
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
            region = region_at(starts, ends, contigs[reference, 0], contigs[reference, 1], first, last + 1)
            while region >= 0 and region < contigs[reference, 1] and starts[region] <= last:
                shift = offsets[region] - starts[region]
                for position in range(max(first, starts[region]), min(last + 1, ends[region])):
                    code = told[position - first]
                    if code < NOT_COVERED:
                        counts[voice, code, position + shift] += 1
                region += 1
    return events[:n_events]
