"""The UMI consensus once more, slow and readable: what the compiled loops must equal to the last molecule."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp, log
from pathlib import Path

import numpy as np
import pysam

from palbo_assets.ctdna.panel import Panel
from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.umi_consensus import evidence_rules

UNUSED = 0x4 | 0x100 | 0x200 | 0x800
NO_VOTE, DELETED = 4, 5
Base = tuple[int, int]  # raw bases, their summed weight
Event = tuple[int, int, str]  # 0-based anchor, deleted bases, inserted bases


def directional(counts: Mapping[str, int]) -> dict[str, str]:
    """UMI -> the UMI that it is a copy of; ``counts`` in the order of first appearance."""

    def neighbours(one: str, other: str) -> bool:
        return len(one) == len(other) and sum(a != b for a, b in zip(one, other, strict=True)) == 1

    root: dict[str, str] = {}
    for start in sorted(counts, key=lambda umi: -counts[umi]):
        if start in root:
            continue
        root[start] = start
        queue = [start]
        for one in queue:
            for other in counts:
                if other not in root and neighbours(one, other) and counts[one] >= 2 * counts[other] - 1:
                    root[other] = start
                    queue.append(other)
    return root


@dataclass
class Fragment:
    forward: pysam.AlignedSegment
    reverse: pysam.AlignedSegment
    first: int
    last: int
    strand: int
    umi: str


@dataclass
class Outcome:
    votes: Counter[tuple[str, int, int, int]] = field(default_factory=Counter)  # contig, position, strand, code
    events: Counter[tuple[str, Event, int]] = field(default_factory=Counter)
    sizes: Counter[int] = field(default_factory=Counter)
    families: list[tuple[frozenset[str], str]] = field(default_factory=list)  # read names, UMI
    pairs: int = 0
    merged: int = 0
    duplex: int = 0
    voting: int = 0


def umi_of(read: pysam.AlignedSegment) -> str:
    return str(read.get_tag("RX")).upper().replace("+", "-")


def fragments_of(bam: Path, panel: Panel, settings: Settings) -> list[Fragment]:
    waiting: dict[str, pysam.AlignedSegment] = {}
    done: set[str] = set()
    found = []
    with pysam.AlignmentFile(str(bam), check_sq=False) as file:
        for read in file.fetch(until_eof=True):
            name = read.query_name or ""
            if read.flag & UNUSED or "N" in umi_of(read) or name in done:
                continue
            if name not in waiting:
                waiting[name] = read
                continue
            done.add(name)
            one, two = waiting.pop(name), read
            if one.reference_id != two.reference_id or one.is_reverse == two.is_reverse or one.is_read2 == two.is_read2:
                continue
            forward, reverse = (two, one) if one.is_reverse else (one, two)
            before = [length for operation, length in (forward.cigartuples or [])[:1] if operation == 4]
            behind = [length for operation, length in (reverse.cigartuples or [])[-1:] if operation == 4]
            first = forward.reference_start - sum(before)
            last = (reverse.reference_end or 0) - 1 + sum(behind)
            if last < first or max(forward.reference_start, reverse.reference_start) > last:
                continue
            if last - first >= settings.longest_fragment:
                continue
            if min(one.mapping_quality, two.mapping_quality) < settings.min_mapping_quality:
                continue
            chrom = forward.reference_name or ""
            if not any(c == chrom and start <= last and first < end for c, start, end in panel.regions):
                continue
            strand = int(forward.is_read2)
            umi = umi_of(reverse if strand else forward)
            parts = umi.split("-")
            if len(parts) == 2 and len(parts[0]) == len(parts[1]) and strand:
                umi = f"{parts[1]}-{parts[0]}"
            found.append(Fragment(forward, reverse, first, last, strand, umi))
    return found


class Strand:
    """The evidence of one strand of one molecule."""

    def __init__(self, members: list[Fragment], first: int, last: int, settings: Settings) -> None:
        self.weights, self.rules, _ = evidence_rules(settings)
        self.settings, self.first, self.last = settings, first, last
        self.bases: dict[int, list[Base]] = defaultdict(lambda: [(0, 0)] * 5)
        self.shown: Counter[Event] = Counter()
        self.reads = [read for member in members for read in (member.forward, member.reverse)]
        self.pairs = len(members)
        for read in self.reads:
            self._add(read)
        self.codes, self.error = self._call()

    def _vote(self, position: int, channel: int, weight: int) -> None:
        if self.first <= position <= self.last and weight:
            count, total = self.bases[position][channel]
            self.bases[position][channel] = (count + 1, total + (weight & ((1 << 40) - 1)))

    def _add(self, read: pysam.AlignedSegment) -> None:
        sequence, qualities = read.query_sequence or "", list(read.query_qualities or [])
        position, query = read.reference_start, 0
        for operation, length in read.cigartuples or []:
            inserted, deleted = "", 0
            if operation in (0, 7, 8):
                for step in range(length):
                    if sequence[query + step] in "ACGT":
                        channel = "ACGT".index(sequence[query + step])
                        self._vote(position + step, channel, int(self.weights[qualities[query + step]]))
            elif operation == 1:
                inserted = sequence[query : query + length]
            elif operation == 2:
                deleted = length
                flank = min(qualities[query - 1 : query + 1]) if 0 < query < len(sequence) else 0
                for step in range(length):
                    self._vote(position + step, 4, int(self.weights[flank]))
            if inserted or deleted:
                anchor = position - 1
                event = (anchor, deleted, inserted)
                believed = set(inserted) <= set("ACGT") and all(
                    self.weights[quality] > 0 for quality in qualities[query : query + len(inserted)]
                )
                inside = self.first <= anchor and anchor + deleted + 1 <= self.last
                known = position > read.reference_start and length <= self.settings.longest_indel
                if believed and inside and known and spans(read, event):
                    self.shown[event] += 1
            query += length if operation in (0, 1, 4, 7, 8) else 0
            position += length if operation in (0, 2, 3, 7, 8) else 0

    def _call(self) -> tuple[dict[int, int], float]:
        scale, share, alone, margin, _ = self.rules
        codes: dict[int, int] = {}
        disagreeing = total = 0
        for position, channels in self.bases.items():
            seen = sum(count for count, _ in channels)
            if not seen:
                continue
            best = max(range(5), key=lambda channel: channels[channel][1])
            agree, weight = channels[best]
            total, disagreeing = total + seen, disagreeing + seen - agree
            if agree == seen:
                vote = weight >= alone
            elif seen - agree > share * seen:
                vote = False
            else:
                others = [channels[channel][1] for channel in range(5) if channel != best]
                vote = -log(sum(exp((other - weight) / scale) for other in others)) >= margin
            codes[position] = NO_VOTE if not vote else DELETED if best == 4 else best
        return codes, disagreeing / total if total else 0.0

    def verdict(self, event: Event) -> str:
        """``yes``, ``no`` or ``disputed``; ``silent`` where no read lies across."""
        across = sum(spans(read, event) for read in self.reads)
        tolerated = self.settings.max_base_error_rate * across
        if across == 0:
            return "silent"
        if across - self.shown[event] <= tolerated:
            return "yes"
        return "no" if self.shown[event] <= tolerated else "disputed"


def spans(read: pysam.AlignedSegment, event: Event) -> bool:
    return read.reference_start <= event[0] and (read.reference_end or 0) > event[0] + event[1] + 1


def consensus(bam: Path, panel: Panel, settings: Settings) -> Outcome:
    """Everything that the kernel counts, for a BAM whose UMIs are in RX."""
    out = Outcome()
    groups: dict[tuple[str, int, int, int], list[Fragment]] = defaultdict(list)
    fragments = fragments_of(bam, panel, settings)
    duplex_library = bool(fragments) and len({len(part) for part in fragments[0].umi.split("-")}) == 1
    duplex_library = duplex_library and "-" in fragments[0].umi
    for one in fragments:
        strand = 0 if duplex_library else one.strand
        groups[one.forward.reference_name or "", one.first, one.last, strand].append(one)
    order = first_appearance(bam)
    for (chrom, first, last, _), members in groups.items():
        members.sort(key=lambda one: order[one.forward.query_name or ""])
        counts = Counter(one.umi for one in members)
        root = directional(counts)
        out.pairs += len(members)
        out.merged += sum(n for umi, n in counts.items() if root[umi] != umi)
        for umi in dict.fromkeys(root.values()):
            family = [one for one in members if root[one.umi] == umi]
            out.families.append((frozenset(one.forward.query_name or "" for one in family), umi))
            _molecule(chrom, first, last, family, panel, settings, out)
    return out


def first_appearance(bam: Path) -> dict[str, int]:
    order: dict[str, int] = {}
    with pysam.AlignmentFile(str(bam), check_sq=False) as file:
        for number, read in enumerate(file.fetch(until_eof=True)):
            order.setdefault(read.query_name or "", number)
    return order


def _molecule(
    chrom: str, first: int, last: int, family: list[Fragment], panel: Panel, settings: Settings, out: Outcome
) -> None:
    out.sizes[len(family)] += 1
    if len(family) < settings.min_family_size:
        return
    by_strand = [[one for one in family if one.strand == strand] for strand in (0, 1)]
    duplex = min(map(len, by_strand)) >= settings.min_strand_size
    out.duplex += duplex
    if settings.require_duplex and not duplex:
        return
    strands = [Strand(members, first, last, settings) if members else None for members in by_strand]
    shown: set[Event] = {event for strand in strands if strand for event in strand.shown}
    strands = [strand if strand and strand.error <= settings.max_read_error_rate else None for strand in strands]
    usable = sum(strand.pairs for strand in strands if strand)
    if usable < settings.min_family_size or (settings.require_duplex and None in strands):
        return
    out.voting += 1
    pairs = [strand.pairs if strand else 0 for strand in strands]
    voice = 0 if pairs[0] >= pairs[1] else 1
    told: dict[int, int] = {}
    for position in range(first, last + 1):
        said = [strand.codes[position] for strand in strands if strand and position in strand.codes]
        asked = sum(strand is not None for strand in strands)
        votes = {code for code in said if code != NO_VOTE}
        if not said:
            continue
        silent = settings.require_duplex and (len(said) < asked or NO_VOTE in said)
        told[position] = votes.pop() if len(votes) == 1 and not silent else NO_VOTE
        if min(position - first, last - position) < settings.trimmed_end_bases:
            told[position] = NO_VOTE
    for event in shown:
        anchor, deleted, inserted = event
        if min(anchor - first, last - anchor - deleted - 1) < settings.trimmed_end_bases:
            continue
        verdicts = [strand.verdict(event) if strand else "silent" for strand in strands]
        against = {"no", "disputed"} | ({"silent"} if settings.require_duplex else set())
        if "yes" in verdicts and not against & set(verdicts):
            if any(c == chrom and start <= anchor < end for c, start, end in panel.regions):
                out.events[chrom, event, voice] += 1
        elif inserted and ("disputed" in verdicts or "yes" in verdicts):
            told[anchor + 1] = NO_VOTE
    for position, code in told.items():
        if any(c == chrom and start <= position < end for c, start, end in panel.regions):
            out.votes[chrom, position, voice, code] += 1


def votes_array(out: Outcome, chrom: str, start: int, end: int) -> np.ndarray:
    """(2 strands, 6 codes, positions) of one region."""
    counts = np.zeros((2, 6, end - start), dtype=np.int64)
    for (where, position, strand, code), molecules in out.votes.items():
        if where == chrom and start <= position < end:
            counts[strand, code, position - start] += molecules
    return counts
