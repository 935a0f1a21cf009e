"""The read kernels' rules once more, read by read and base by base, readable rather than fast; and random reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pysam

from palbo_assets.genomics.alleles import Fetch, Variant

BASES = "ACGT"
ALIGNED, INSERTED, DELETED, SKIPPED, CLIPPED = 0, 1, 2, 3, 4


def fragments(path: Path, min_mapping: int, *, mates_once: bool = True) -> Iterator[list[pysam.AlignedSegment]]:
    """Reads that count, as fragments of one or two mates (read 1 first)."""
    waiting: dict[tuple[str, bool, int], pysam.AlignedSegment] = {}
    with pysam.AlignmentFile(str(path)) as opened:
        for read in opened.fetch(until_eof=True):
            if read.flag & 0xF04 or read.mapping_quality < min_mapping or not read.query_qualities:
                continue
            if not mates_once or not read.is_paired or read.mate_is_unmapped:
                yield [read]
                continue
            name, contig = str(read.query_name), read.reference_id
            mate = waiting.pop((name, not read.is_read2, contig), None)
            if mate is not None:
                yield sorted([read, mate], key=lambda one: one.is_read2)
            else:
                waiting[(name, read.is_read2, contig)] = read
        for read in waiting.values():
            yield [read]


def aligned_pairs(read: pysam.AlignedSegment) -> Iterator[tuple[int, int]]:
    """(index in the read's bases, 0-based reference position) of aligned bases. pysam's own takes padding for bases."""
    query, place = 0, read.reference_start
    for operation, length in read.cigartuples or ():
        if operation in (ALIGNED, 7, 8):
            yield from zip(range(query, query + length), range(place, place + length), strict=True)
        query += length if operation in (ALIGNED, INSERTED, CLIPPED, 7, 8) else 0
        place += length if operation in (ALIGNED, DELETED, SKIPPED, 7, 8) else 0


def bases_of(read: pysam.AlignedSegment) -> dict[int, tuple[str, int]]:
    """0-based reference position -> (base, quality) of the aligned bases."""
    assert read.query_sequence is not None and read.query_qualities is not None
    return {place: (read.query_sequence[query], read.query_qualities[query]) for query, place in aligned_pairs(read)}


def counts(
    path: Path, chrom: str, places: Sequence[int], min_base: int, min_mapping: int, *, mates_once: bool = True
) -> np.ndarray:
    """(positions, 4 bases, 2 strands) fragments."""
    found: dict[tuple[int, str, bool], int] = defaultdict(int)
    for fragment in fragments(path, min_mapping, mates_once=mates_once):
        if fragment[0].reference_name != chrom:
            continue
        said = [bases_of(read) for read in fragment]
        for place in set().union(*said):
            votes = [
                (bases[place][1], bases[place][0], read.is_reverse)
                for read, bases in zip(fragment, said, strict=True)
                if place in bases and bases[place][0] in BASES and bases[place][1] >= min_base
            ]
            vote = decide(votes)
            if vote is not None:
                found[(place, vote[1], vote[2])] += 1
    return np.array(
        [[[found[(place, base, strand)] for strand in (False, True)] for base in BASES] for place in places]
    ).reshape(-1, 4, 2)


def decide(votes: list[tuple[int, str, bool]]) -> tuple[int, str, bool] | None:
    """What a fragment says whose mates (read 1 first) vote (quality, what, reverse)."""
    if len(votes) < 2:
        return votes[0] if votes else None
    one, two = votes
    if one[1] != two[1] and one[0] == two[0]:
        return None
    return two if two[0] > one[0] else one


def said(read: pysam.AlignedSegment, variant: Variant, fetch: Fetch, min_base: int) -> tuple[int, str] | None:
    """(quality, "ref", "alt" or "other") of one read at a left-aligned SNV, MNV, insertion or deletion."""
    known = {place: query for query, place in aligned_pairs(read)}
    assert read.query_sequence is not None and read.query_qualities is not None
    start = variant.pos - 1

    def stretch(first: int, last: int) -> tuple[str, list[int], bool] | None:
        """Bases between two aligned places, their qualities, and whether they are aligned without gap."""
        if first not in known or last not in known:
            return None
        part = slice(known[first], known[last] + 1)
        gap = any(
            operation in (INSERTED, DELETED, SKIPPED) for operation, place in operations(read) if first < place <= last
        )
        return str(read.query_sequence)[part], list(read.query_qualities or ())[part], not gap

    if len(variant.ref) == len(variant.alt):
        found = stretch(start, start + len(variant.ref) - 1)
        if found is None or "N" in found[0]:
            return None
        text, qualities, plain = found
        call = {variant.alt: "alt", variant.ref: "ref"}.get(text, "other") if plain else "other"
        return min(qualities), call
    # How far right the same indel can be written: the alleles' sequences agree up to there.
    shift = 0
    size = len(variant.ref) - len(variant.alt)
    sequence = fetch(variant.chrom, 0, 10_000)
    altered = sequence[:start] + variant.alt + sequence[start + len(variant.ref) :]

    def moved(by: int) -> str:
        if size > 0:
            return sequence[: start + 1 + by] + sequence[start + 1 + by + size :]
        grown = altered[start + 1 + by : start + 1 + by - size]
        return sequence[: start + 1 + by] + grown + sequence[start + 1 + by :]

    while start + len(variant.ref) + shift + 1 <= len(sequence) - 1 and moved(shift + 1) == altered:
        shift += 1
    end = min(start + len(variant.ref) + shift, len(sequence) - 1)
    tail = end - (start + len(variant.ref)) + 1
    ref_end = start + tail if size > 0 else end
    wanted = variant.alt + sequence[start + len(variant.ref) : end + 1]
    whole = stretch(start, end)
    if any(operation == SKIPPED and start < place + 1 and place <= end for operation, place in operations(read)):
        return None

    def same(text: str, qualities: list[int], other: str) -> bool:
        return all(a == b or q < min_base for a, q, b in zip(text, qualities, other, strict=True))

    if whole is not None and not whole[2] and len(whole[0]) == len(wanted):
        return sum(whole[1]) // len(whole[1]), "alt" if same(whole[0], whole[1], wanted) else "other"
    short = stretch(start, ref_end)
    chosen = short or whole
    if chosen is None:
        return None
    if short is None or not short[2] or not same(short[0], short[1], sequence[start : ref_end + 1]):
        return sum(chosen[1]) // len(chosen[1]), "other"
    return sum(short[1]) // len(short[1]), "ref"


def operations(read: pysam.AlignedSegment) -> list[tuple[int, int]]:
    """(operation, 0-based reference position before which it starts)."""
    place = read.reference_start
    found = []
    for operation, length in read.cigartuples or ():
        if length:
            found.append((operation, place))
        if operation in (ALIGNED, DELETED, SKIPPED, 7, 8):
            place += length
    return found


def evidence(path: Path, variant: Variant, fetch: Fetch, min_base: int, min_mapping: int) -> tuple[int, ...]:
    """Depth, alt, then reference and alternative forward and reverse."""
    total: dict[tuple[str, bool], int] = defaultdict(int)
    for fragment in fragments(path, min_mapping):
        if fragment[0].reference_name != variant.chrom:
            continue
        votes = []
        for read in fragment:
            found = said(read, variant, fetch, min_base)
            if found is not None and found[0] >= min_base:
                votes.append((found[0], found[1], read.is_reverse))
        vote = decide(votes)
        if vote is not None:
            total[(vote[1], vote[2])] += 1
    strands = [total[(call, strand)] for call in ("ref", "alt") for strand in (False, True)]
    return sum(total.values()), strands[2] + strands[3], *strands


def random_bam(path: Path, contigs: dict[str, str], rng: np.random.Generator, pairs: int, *, odd: bool = False) -> Path:
    """Sorted pairs with errors, Ns, indels, clips, skips, overlaps, duplicates, lost mates and bad mapping.

    ``odd``: CIGARs that the standard allows and few aligners write (`odd_cigar`), and reads without any base.
    """
    header = {"HD": {"VN": "1.6", "SO": "coordinate"}, "SQ": [{"SN": n, "LN": len(s)} for n, s in contigs.items()]}
    made = pysam.AlignmentHeader.from_dict(header)
    reads = []
    for number in range(pairs):
        contig = int(rng.integers(len(contigs)))
        sequence = list(contigs.values())[contig]
        duplicate = 0x400 if rng.random() < 0.05 else 0
        single = rng.random() < 0.1
        drawn = []
        begin = int(rng.integers(0, len(sequence) - 60))
        for mate in range(1 if single else 2):
            start = min(max(0, begin + int(rng.integers(0, 40)) * mate), len(sequence) - 25)
            read = pysam.AlignedSegment(made)
            read.query_name, read.reference_id, read.reference_start = f"f{number}", contig, start
            cigar, text = _random_alignment(sequence, start, rng)
            if odd:
                cigar = odd_cigar(cigar, rng)
                if rng.random() < 0.05:
                    cigar, text = [(DELETED, 5)], ""
            read.query_sequence, read.cigartuples = text, cigar
            read.query_qualities = pysam.qualitystring_to_array(
                "".join(
                    chr(33 + q) for q in rng.choice([2, 19, 20, 30, 37], len(text), p=[0.05, 0.05, 0.2, 0.35, 0.35])
                )
            )
            read.mapping_quality = int(rng.choice([60, 60, 60, 30, 29]))
            flag = duplicate | (0x10 if rng.random() < 0.5 else 0)
            if not single:
                flag |= 0x1 | (0x40 if mate == 0 else 0x80)
            if rng.random() < 0.03:
                flag |= int(rng.choice([0x100, 0x200, 0x800]))
            read.flag = flag
            drawn.append(read)
        if not single:
            if rng.random() < 0.5:
                drawn[0].flag, drawn[1].flag = drawn[0].flag ^ 0xC0, drawn[1].flag ^ 0xC0
            told = rng.random() > 0.1
            for read, mate_read in (drawn, drawn[::-1]):
                read.next_reference_id = contig if told else -1
                read.next_reference_start = mate_read.reference_start if told else -1
        reads += drawn
    reads.sort(key=lambda read: (read.reference_id, read.reference_start))
    with pysam.AlignmentFile(str(path), "wb", header=made) as out:
        for read in reads:
            out.write(read)
    return path


def odd_cigar(cigar: list[tuple[int, int]], rng: np.random.Generator) -> list[tuple[int, int]]:
    """The same alignment with = and X for M, padding, operations of length 0 and hard clips."""
    found: list[tuple[int, int]] = []
    for operation, length in cigar:
        if operation == ALIGNED and rng.random() < 0.7:
            first = int(rng.integers(0, length + 1))
            found += [(7, first), (8, length - first)]  # a part may be empty
        else:
            found.append((operation, length))
        if rng.random() < 0.2:
            found.append((int(rng.choice([6, 6, INSERTED, DELETED])), 0 if rng.random() < 0.5 else 2))
            if found[-1][0] != 6:
                found[-1] = (found[-1][0], 0)
    if rng.random() < 0.3:
        found.insert(0, (5, 4))
    if rng.random() < 0.3:
        found.append((5, 3))
    return found


def _random_alignment(sequence: str, start: int, rng: np.random.Generator) -> tuple[list[tuple[int, int]], str]:
    cigar: list[tuple[int, int]] = []
    text = ""
    place = start

    def random_bases(length: int) -> str:
        return "".join(rng.choice(list(BASES), length))

    if rng.random() < 0.2:
        clip = int(rng.integers(1, 6))
        cigar.append((CLIPPED, clip))
        text += random_bases(clip)
    for stretch in range(int(rng.integers(1, 4))):
        if stretch:
            operation = int(rng.choice([INSERTED, DELETED, DELETED, SKIPPED], p=[0.4, 0.3, 0.2, 0.1]))
            length = int(rng.integers(1, 4))
            if operation != INSERTED and place + length + 1 >= len(sequence):
                break
            cigar.append((operation, length))
            if operation == INSERTED:
                text += (
                    sequence[place : place + length].ljust(length, "A") if rng.random() < 0.5 else random_bases(length)
                )
            else:
                place += length
        length = min(int(rng.integers(3, 25)), len(sequence) - place)
        if length <= 0:
            break
        aligned = [
            base if rng.random() > 0.05 else str(rng.choice(list("ACGTN"))) for base in sequence[place : place + length]
        ]
        cigar.append((ALIGNED, length))
        text += "".join(aligned)
        place += length
    while cigar[-1][0] in (INSERTED, DELETED, SKIPPED):
        operation, length = cigar.pop()
        text = text[:-length] if operation == INSERTED else text
    if rng.random() < 0.2:
        clip = int(rng.integers(1, 6))
        cigar.append((CLIPPED, clip))
        text += random_bases(clip)
    return cigar, text
