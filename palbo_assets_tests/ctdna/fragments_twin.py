"""What the reads say of a library once more, read by read and base by base; and random libraries to say it of."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pysam

from palbo_assets.ctdna.fragments import Library
from palbo_assets.ctdna.settings import Settings
from palbo_assets_tests.genomics.plain_reads import random_bam

UNUSED = 0x4 | 0x100 | 0x200 | 0x800
WIDTH = 5  # bases of the window over which the peak is smoothed
WHOLE_NUMBERS = {"c": 127, "C": 255, "s": 32_767, "S": 65_535, "i": 2**31 - 1, "I": 2**32 - 1}  # tag type -> largest


def library(bam: Path, regions: Sequence[tuple[str, int, int]], settings: Settings, *, raw: bool) -> Library:
    """What `palbo_assets.ctdna.fragments.library_of` must say."""
    lengths: Counter[int] = Counter()
    longest = {False: 0, True: 0}
    covered, told = 0, True
    with pysam.AlignmentFile(str(bam), check_sq=False) as file:
        contigs = file.references
        panel = {(chrom, at) for chrom, start, end in regions if chrom in contigs for at in range(start, end)}
        for read in file.fetch(until_eof=True):
            if read.flag & UNUSED or read.reference_id < 0 or not read.query_sequence:
                continue
            if read.is_duplicate and not raw:
                continue
            longest[read.is_read2] = max(longest[read.is_read2], len(read.query_sequence))
            paired = read.is_paired and not read.mate_is_unmapped and read.next_reference_id == read.reference_id
            if paired and 0 < read.template_length <= settings.longest_fragment:
                lengths[read.template_length] += 1
            on_panel = sum((read.reference_name, at) in panel for at in range(*span(read)))
            copies = 1 if raw else family_size(read)
            covered += on_panel * copies
            told = told and not (on_panel and copies <= 0)
    return Library(
        fragment_pairs=lengths.total(),
        fragment_peak_bp=peak(lengths, settings) if lengths.total() >= settings.fragment_pairs_least else None,
        raw_depth_mean=covered / len(panel) if panel and told else None,
        read_1_length=longest[False] or None,
        read_2_length=longest[True] or None,
    )


def span(read: pysam.AlignedSegment) -> tuple[int, int]:
    """Where the read lies from its first to its last aligned base, gaps within it included; 0-based half-open."""
    used = sum(length for operation, length in read.cigartuples or () if operation in (0, 2, 3, 7, 8))
    return read.reference_start, read.reference_start + used


def family_size(read: pysam.AlignedSegment) -> int:
    """Tag cD where it is a whole number, else 0."""
    if not read.has_tag("cD"):
        return 0
    value, kind = read.get_tag("cD", with_value_type=True)
    return int(value) if kind in WHOLE_NUMBERS else 0


def peak(lengths: Counter[int], settings: Settings) -> float:
    """Middle of the windows that hold most pairs."""
    near = range(-(WIDTH // 2), WIDTH // 2 + 1)
    windows = [sum(lengths[middle + off] for off in near) for middle in range(settings.longest_fragment + 1)]
    best = [middle for middle, held in enumerate(windows) if held == max(windows)]
    return sum(best) / len(best)


def random_library(path: Path, contigs: dict[str, str], rng: np.random.Generator, pairs: int) -> Path:
    """Reads as `random_bam` draws them (indels, clips, skips, odd CIGARs, mates in any order and on any strand), as
    pairs with a fragment length, as an aligner may write it, and with the tags of a consensus."""
    drawn = random_bam(path.with_suffix(".drawn.bam"), contigs, rng, pairs, odd=True)
    with pysam.AlignmentFile(str(drawn)) as file:
        reads = list(file.fetch(until_eof=True))
        by_name: dict[str, list[pysam.AlignedSegment]] = {}
        for read in reads:
            by_name.setdefault(str(read.query_name), []).append(read)
        for mates in by_name.values():
            _state_length(mates, rng)
        with pysam.AlignmentFile(str(path), "wb", header=file.header) as out:
            for read in reads:
                _misstate(read, len(contigs), rng)
                if read.cigartuples:  # what covers no base needn't say how often it was read
                    _tag(read, rng)
                out.write(read)
    drawn.unlink()
    return path


def _state_length(mates: list[pysam.AlignedSegment], rng: np.random.Generator) -> None:
    """TLEN: between the outermost bases or between the 5' ends (SAM specification, section 1.4, allows both)."""
    if len(mates) < 2:
        mates[0].template_length = int(rng.integers(-50, 50))  # what isn't paired has none, whatever the field says
        return
    first, last = sorted(mates, key=lambda read: read.reference_start)
    if rng.random() < 0.5:
        size = max(span(first)[1], span(last)[1]) - first.reference_start
    else:
        ends = [span(read)[1] if read.is_reverse else read.reference_start for read in (first, last)]
        size = ends[1] - ends[0]
    first.template_length, last.template_length = size, -size


def _misstate(read: pysam.AlignedSegment, contigs: int, rng: np.random.Generator) -> None:
    """What an aligner leaves of a read that it can't place for sure: alone, its mate elsewhere, no alignment."""
    what = rng.random()
    if what < 0.04:
        read.mate_is_unmapped = True
    elif what < 0.08:
        read.next_reference_id = int(rng.integers(-1, contigs))
    elif what < 0.10:
        read.is_unmapped = True
    elif what < 0.12:
        read.cigarstring = None
    elif what < 0.14:
        read.template_length = int(rng.integers(0, 3)) * 10_000


def _tag(read: pysam.AlignedSegment, rng: np.random.Generator) -> None:
    """The family size as each type of whole number, among tags of every other type."""
    kind = str(rng.choice(list(WHOLE_NUMBERS)))
    size = int(rng.integers(1, 10)) if rng.random() < 0.9 else WHOLE_NUMBERS[kind]
    others = [
        ("RX", "", "Z"), ("MI", "7/A", "Z"), ("XH", "1AE3", "H"), ("XA", "c", "A"), ("cE", 0.5, "f"), ("cM", 3, "c"),
        ("Dc", 200, "C"), ("cd", -1, "s"), ("aD", 300, "S"), ("NM", 70_000, "i"), ("bD", 2**31, "I"),
        *((f"B{kind}", array(kind, range(int(rng.integers(1, 5)))), None) for kind in "bBhHiIf"),
    ]  # fmt: skip
    before = [others[place] for place in rng.permutation(len(others))[: rng.integers(len(others))]]
    for tag, value, how in [*before, ("cD", size, kind), ("cE", 0.25, "f")]:
        read.set_tag(tag, value, how)
