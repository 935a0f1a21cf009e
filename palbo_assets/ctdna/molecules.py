"""What the molecules of a consensus BAM say at every base of the panel.

One consensus read pair is one molecule and has one vote per base, however its reads overlap: mates that agree vote
once, mates that disagree don't vote. Soft-clipped bases, masked bases (N), bases of low consensus quality and the
first bases of a read have no vote. The BAM is streamed once in coordinate order; memory is the counts (twelve numbers
per panel base) plus the molecules whose mate is still to come.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from palbo_assets.ctdna.consensus_reads import (
    BASES,
    DELETED,
    N_CODES,
    Segment,
    family_size,
    merge,
    stream_reads,
    votes_of,
)
from palbo_assets.ctdna.panel import Panel
from palbo_assets.ctdna.settings import Settings
from palbo_assets.platform.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pysam
    from numpy.typing import NDArray

ReferenceBases = Callable[[str, int, int], str]
"""(contig, start, end), 0-based half-open -> upper-case bases."""

_UNUSED_FLAGS = 0x4 | 0x100 | 0x200 | 0x400 | 0x800  # unmapped, secondary, QC fail, duplicate, supplementary
_FLUSH_BASES = 2_000_000
_MOST_WAITING = 200_000
_LEFT_FLANK = 120  # reference bases left of a region in which an indel may be shifted to its leftmost place


class Indel(NamedTuple):
    """A short insertion or deletion as in a VCF: left-aligned, 1-based position of the anchor base."""

    chrom: str
    pos: int
    ref: str
    alt: str


@dataclass(frozen=True)
class RegionCounts:
    """Votes over one region. ``counts[strand, code, offset]``: strand 0 forward, 1 reverse (of read 1);
    code 0..3 = A, C, G, T, 4 = no vote, 5 = deleted."""

    chrom: str
    start: int
    end: int
    reference: str
    counts: NDArray[np.int64]

    @property
    def depth(self) -> NDArray[np.int64]:
        """Molecules that vote at each base (bases and deletions), shape (length,)."""
        votes: NDArray[np.int64] = self.counts[:, :4].sum(axis=(0, 1)) + self.counts[:, DELETED].sum(axis=0)
        return votes


class Evidence(NamedTuple):
    """Votes for one allele: molecules in all and with the alternative allele, by strand."""

    depth_forward: int
    depth_reverse: int
    alt_forward: int
    alt_reverse: int

    @property
    def depth(self) -> int:
        return self.depth_forward + self.depth_reverse

    @property
    def alt(self) -> int:
        return self.alt_forward + self.alt_reverse


@dataclass(frozen=True)
class MoleculeCounts:
    """Votes over the whole panel, and what was read to get them."""

    regions: tuple[RegionCounts, ...]
    indels: Mapping[Indel, tuple[int, int]]  # molecules on the forward and the reverse strand
    reads: int  # mapped primary reads of the file
    reads_on_target: int
    reads_used: int
    family_size_mean: float | None  # raw reads per consensus read, over mapped primary reads; None where untagged
    family_size_least_mean: float | None  # mean of cM, the thinnest base of each consensus read
    _starts: Mapping[str, tuple[list[int], list[int]]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        places: dict[str, tuple[list[int], list[int]]] = {}
        for index, region in enumerate(self.regions):
            starts, indexes = places.setdefault(region.chrom, ([], []))
            starts.append(region.start)
            indexes.append(index)
        object.__setattr__(self, "_starts", places)

    def region_at(self, chrom: str, pos: int) -> RegionCounts | None:
        """The region that covers the 1-based position."""
        starts, indexes = self._starts.get(chrom, ([], []))
        at = bisect_right(starts, pos - 1) - 1
        if at < 0:
            return None
        region = self.regions[indexes[at]]
        return region if pos - 1 < region.end else None

    def evidence(self, chrom: str, pos: int, ref: str, alt: str) -> Evidence | None:
        """Votes for a single base change or a short indel (left-aligned VCF alleles); None outside the panel.

        An indel's depth is the smaller one of its anchor and of the base behind it, so that molecules which end
        inside the event aren't counted as showing the reference.
        """
        region = self.region_at(chrom, pos)
        if region is None:
            return None
        at = pos - 1 - region.start
        votes = region.counts[:, :4].sum(axis=1) + region.counts[:, DELETED]
        if len(ref) == len(alt) == 1:
            forward, reverse = (int(region.counts[strand, BASES.index(alt), at]) for strand in (0, 1))
            return Evidence(int(votes[0, at]), int(votes[1, at]), forward, reverse)
        behind = min(at + len(ref), votes.shape[1] - 1)
        depth_forward, depth_reverse = (int(min(votes[strand, at], votes[strand, behind])) for strand in (0, 1))
        forward, reverse = self.indels.get(Indel(chrom, pos, ref, alt), (0, 0))
        return Evidence(max(depth_forward, forward), max(depth_reverse, reverse), forward, reverse)


def count_molecules(bam: Path, panel: Panel, reference: ReferenceBases, settings: Settings) -> MoleculeCounts:
    """Count molecules per allele, strand and panel base.

    Parameters
    ----------
    bam
        Consensus reads, coordinate-sorted; no index is needed (and none that was delivered is trusted).
    reference
        Bases of the study's genome.

    Raises
    ------
    InputError
        ``E_SCHEMA`` when the reads aren't sorted by coordinate; ``E_TRUNCATED`` when the file breaks off.
    """
    counter = _Counter(panel, reference, settings)
    for read in stream_reads(bam):
        counter.add(read)
    return counter.finish()


def empty_regions(panel: Panel, reference: ReferenceBases) -> list[RegionCounts]:
    """The panel's regions without a vote yet."""
    import numpy as np

    return [
        RegionCounts(
            chrom,
            start,
            end,
            reference(chrom, start, end).upper(),
            np.zeros((2, N_CODES, end - start), dtype=np.int64),
        )
        for chrom, start, end in panel.regions
    ]


class IndelPlacer:
    """Names raw indels as a VCF does: left-aligned, as far as the region and its left flank go."""

    def __init__(self, regions: Sequence[RegionCounts], reference: ReferenceBases) -> None:
        self.regions = regions
        self.flanks = [
            reference(region.chrom, max(region.start - _LEFT_FLANK, 0), region.start).upper() for region in regions
        ]
        self.placed: dict[tuple[int, int, int, str], Indel | None] = {}

    def left_aligned(self, index: int, anchor: int, deleted: int, inserted: str) -> Indel | None:
        """The indel behind 0-based ``anchor`` in region ``index``; None for a deletion that leaves the region."""
        raw = (index, anchor, deleted, inserted)
        if raw not in self.placed:
            self.placed[raw] = self._place(*raw)
        return self.placed[raw]

    def _place(self, index: int, anchor: int, deleted: int, inserted: str) -> Indel | None:
        region, flank = self.regions[index], self.flanks[index]
        bases = flank + region.reference
        at = anchor - region.start + len(flank)
        if at + deleted >= len(bases):
            return None  # the deletion leaves the region, whose bases alone are known
        moved = bases[at + 1 : at + 1 + deleted] if deleted else inserted
        while at > 0 and bases[at] == moved[-1]:
            moved = bases[at] + moved[:-1]
            at -= 1
        pos = at - len(flank) + region.start + 1
        anchor_base = bases[at]
        if deleted:
            return Indel(region.chrom, pos, anchor_base + moved, anchor_base)
        return Indel(region.chrom, pos, anchor_base, anchor_base + moved)


class _Counter:
    """The state of one pass over a BAM."""

    def __init__(self, panel: Panel, reference: ReferenceBases, settings: Settings) -> None:
        self.settings = settings
        self.low_quality = bytes(quality < settings.min_base_quality for quality in range(256))
        self.regions = empty_regions(panel, reference)
        self.placer = IndelPlacer(self.regions, reference)
        self.places: dict[str, tuple[list[int], list[int]]] = {}
        for index, region in enumerate(self.regions):
            starts, indexes = self.places.setdefault(region.chrom, ([], []))
            starts.append(region.start)
            indexes.append(index)
        self.buffers: dict[tuple[int, int], tuple[list[int], list[bytes]]] = {}
        self.buffered = 0
        self.waiting: dict[str, tuple[Segment, int, int]] = {}  # name -> votes, strand, where the mate starts
        self.waiting_limit = _MOST_WAITING
        self.contig = ""
        self.indels: Counter[tuple[Indel, int]] = Counter()
        self.reads = self.on_target = self.used = 0
        self.sizes = self.size_sum = self.least = self.least_sum = 0

    def add(self, read: pysam.AlignedSegment) -> None:
        if read.flag & _UNUSED_FLAGS or read.query_sequence is None:
            return
        self.reads += 1
        size = family_size(read)
        if size is not None:
            self.sizes += 1
            self.size_sum += size
        if read.has_tag("cM"):
            self.least += 1
            self.least_sum += int(read.get_tag("cM"))
        chrom = read.reference_name or ""
        if chrom != self.contig:
            self._release()
            self.contig = chrom
        if not self._overlapping(chrom, read.reference_start, read.reference_end or 0):
            return
        self.on_target += 1
        if (
            read.mapping_quality < self.settings.min_mapping_quality
            or (size is not None and size < self.settings.min_family_size)
            or (read.has_tag("cE") and float(read.get_tag("cE")) > self.settings.max_read_error_rate)
        ):
            return
        self.used += 1
        segment = votes_of(read, self.low_quality, self.settings.trimmed_end_bases)
        strand = int(read.is_reverse if not read.is_paired or read.is_read1 else read.mate_is_reverse)
        self._pair(read, segment, strand)

    def _pair(self, read: pysam.AlignedSegment, segment: Segment, strand: int) -> None:
        name = read.query_name or ""
        earlier = self.waiting.pop(name, None)
        if earlier is not None:
            for merged in merge(earlier[0], segment):
                self._emit(merged, earlier[1])
            return
        mate_overlaps = (
            read.is_paired
            and not read.mate_is_unmapped
            and read.next_reference_id == read.reference_id
            and read.reference_start <= read.next_reference_start < (read.reference_end or 0)
        )
        if mate_overlaps:
            self.waiting[name] = (segment, strand, read.next_reference_start)
            if len(self.waiting) > self.waiting_limit:
                self._release(before=read.reference_start)
                self.waiting_limit = max(_MOST_WAITING, 2 * len(self.waiting))
        else:
            self._emit(segment, strand)

    def _release(self, before: int | None = None) -> None:
        """Count molecules whose mate didn't come (filtered away): all, or those whose mate's place has passed."""
        for name in [name for name, (_, _, mate) in self.waiting.items() if before is None or mate < before]:
            segment, strand, _ = self.waiting.pop(name)
            self._emit(segment, strand)

    def _overlapping(self, chrom: str, start: int, end: int) -> list[int]:
        starts, indexes = self.places.get(chrom, ([], []))
        last = bisect_right(starts, end - 1) - 1
        found = []
        while last >= 0 and self.regions[indexes[last]].end > start:
            found.append(indexes[last])
            last -= 1
        return found

    def _emit(self, segment: Segment, strand: int) -> None:
        end = segment.start + len(segment.codes)
        for index in self._overlapping(self.contig, segment.start, end):
            region = self.regions[index]
            low, high = max(segment.start, region.start), min(end, region.end)
            starts, chunks = self.buffers.setdefault((index, strand), ([], []))
            starts.append(low - region.start)
            chunks.append(segment.codes[low - segment.start : high - segment.start])
            self.buffered += high - low
            for anchor, deleted, inserted in segment.indels:
                if region.start <= anchor < region.end and max(deleted, len(inserted)) <= self.settings.longest_indel:
                    event = self.placer.left_aligned(index, anchor, deleted, inserted)
                    if event is not None:
                        self.indels[event, strand] += 1
        if self.buffered > _FLUSH_BASES:
            self._flush()

    def _flush(self) -> None:
        import numpy as np

        for (index, strand), (starts, chunks) in self.buffers.items():
            counts = self.regions[index].counts
            length = counts.shape[2]
            sizes = np.fromiter(map(len, chunks), dtype=np.int64, count=len(chunks))
            codes = np.frombuffer(b"".join(chunks), dtype=np.uint8).astype(np.int64)
            first = np.cumsum(sizes) - sizes
            offsets = np.arange(codes.size) + np.repeat(np.array(starts, dtype=np.int64) - first, sizes)
            counts[strand] += np.bincount(codes * length + offsets, minlength=N_CODES * length).reshape(N_CODES, length)
        self.buffers.clear()
        self.buffered = 0

    def finish(self) -> MoleculeCounts:
        self._release()
        self._flush()
        events: dict[Indel, tuple[int, int]] = {}
        for event in sorted({event for event, _ in self.indels}):
            events[event] = (self.indels[event, 0], self.indels[event, 1])
        return MoleculeCounts(
            regions=tuple(self.regions),
            indels=events,
            reads=self.reads,
            reads_on_target=self.on_target,
            reads_used=self.used,
            family_size_mean=self.size_sum / self.sizes if self.sizes else None,
            family_size_least_mean=self.least_sum / self.least if self.least else None,
        )


def fasta_reference(fasta: Path) -> ReferenceBases:
    """Bases of an indexed FASTA; every call opens the file, so that nothing stays open between steps."""

    def bases(chrom: str, start: int, end: int) -> str:
        import pysam

        with pysam.FastaFile(str(fasta)) as file:
            if chrom not in file.references:
                raise InputError(
                    "E_BUILD_MISMATCH",
                    "the panel names a contig that the genome lacks",
                    column="chrom",
                    fix="deliver the panel for the study's genome build",
                )
            return file.fetch(chrom, start, end).upper()

    return bases
