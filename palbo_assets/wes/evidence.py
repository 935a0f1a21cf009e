"""Allele evidence from alignments: what each fragment says at each base.

A fragment (template) speaks once: where its two mates overlap, the better base counts, and where equally good bases
contradict each other, neither does. Duplicates, secondary, supplementary and QC-failed reads are out, as are bases
and reads below the quality limits. Regions are read one at a time, which bounds memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from palbo_assets.genomics.alleles import Fetch, Variant, normalise
from palbo_assets.platform.errors import InputError
from palbo_assets.wes.settings import Settings

if TYPE_CHECKING:
    import pysam

BASES = "ACGT"
_NOTHING = 255
_CODE = np.full(256, _NOTHING, dtype=np.uint8)
for _index, _base in enumerate(BASES):
    _CODE[ord(_base)] = _CODE[ord(_base.lower())] = _index
_EXCLUDED_FLAGS = 0x4 | 0x100 | 0x200 | 0x400 | 0x800  # unmapped, secondary, QC fail, duplicate, supplementary
_INDEL_REACH = 50
_IN_PROCESS_INDEX_BYTES = 200 * 1024 * 1024


class Region(NamedTuple):
    """0-based half-open interval."""

    chrom: str
    start: int
    end: int


class Evidence(NamedTuple):
    """Fragments at a variant: all that cover it, those with the alternative, and both alleles by strand."""

    depth: int
    alt: int
    ref_forward: int
    ref_reverse: int
    alt_forward: int
    alt_reverse: int

    @property
    def vaf(self) -> float | None:
        """Alternative fragments / all fragments, None without any."""
        return self.alt / self.depth if self.depth else None


@dataclass(frozen=True)
class Pileup:
    """What the fragments of one sample say in one region.

    Attributes
    ----------
    bases
        (fragments, positions) uint8: 0..3 for ACGT, 255 where the fragment says nothing.
    reverse
        (fragments, positions) bool: the counted base came from a reverse-strand read.
    indels
        left-aligned indel -> {fragment row: on the reverse strand}
    """

    region: Region
    bases: np.ndarray
    reverse: np.ndarray
    indels: dict[Variant, dict[int, bool]]

    def counts(self) -> np.ndarray:
        """(4 bases, 2 strands, positions) int64 fragments."""
        found = np.zeros((4, 2, self.bases.shape[1]), dtype=np.int64)
        for code in range(4):
            is_base = self.bases == code
            backward = (is_base & self.reverse).sum(axis=0)
            found[code, 1] = backward
            found[code, 0] = is_base.sum(axis=0) - backward
        return found

    def evidence(self, variant: Variant) -> Evidence | None:
        """Evidence for a variant inside the region; None for alleles that a pileup can't count (complex indels)."""
        column = variant.pos - 1 - self.region.start
        width = len(variant.ref)
        if variant.kind in ("snv", "mnv"):
            bases = self.bases[:, column : column + width]
            covered = (bases != _NOTHING).all(axis=1)
            is_alt = covered & (bases == _CODE[np.frombuffer(variant.alt.encode(), np.uint8)]).all(axis=1)
            is_ref = covered & (bases == _CODE[np.frombuffer(variant.ref.encode(), np.uint8)]).all(axis=1)
            reverse = self.reverse[:, column]
        elif variant.kind in ("ins", "del"):
            covered = self.bases[:, column] != _NOTHING
            is_alt = np.zeros(len(covered), dtype=bool)
            reverse = self.reverse[:, column].copy()
            for row, backward in self.indels.get(variant, {}).items():
                is_alt[row] = True
                reverse[row] = backward
            others = np.zeros(len(covered), dtype=bool)
            for other, rows in self.indels.items():
                if other != variant and other.pos == variant.pos:
                    others[list(rows)] = True
            covered = covered | is_alt
            is_ref = covered & ~is_alt & ~others
        else:
            return None
        return Evidence(
            int(covered.sum()),
            int(is_alt.sum()),
            int((is_ref & ~reverse).sum()),
            int((is_ref & reverse).sum()),
            int((is_alt & ~reverse).sum()),
            int((is_alt & reverse).sum()),
        )


def own_index(path: Path, folder: Path) -> Path:
    """An index of the alignments, built in ``folder``: a delivered one may be stale and hide reads without a word."""
    import subprocess
    import sys

    import pysam

    target = folder / (path.name + (".crai" if path.suffix.lower() == ".cram" else ".bai"))
    if not target.exists():
        arguments = ["-o", str(target), str(path)]
        try:
            if path.stat().st_size < _IN_PROCESS_INDEX_BYTES:
                pysam.samtools.index(*arguments)  # type: ignore[attr-defined]
            else:  # the call holds the interpreter's lock, so a long one belongs in a process of its own
                script = "import sys, pysam; pysam.samtools.index(*sys.argv[1:])"
                subprocess.run([sys.executable, "-c", script, *arguments], check=True, capture_output=True)
        except (pysam.SamtoolsError, subprocess.CalledProcessError):
            raise InputError(
                "E_UNSORTED", "the alignments can't be indexed", file=path.name, fix="sort by coordinate, send again"
            ) from None
    return target


@contextmanager
def alignments(path: Path, folder: Path, fasta: Path | None = None) -> Iterator[pysam.AlignmentFile]:
    """The BAM or CRAM, opened with an index of our own that is kept in ``folder``."""
    import pysam

    with pysam.AlignmentFile(
        str(path), index_filename=str(own_index(path, folder)), reference_filename=str(fasta) if fasta else None
    ) as opened:
        yield opened


@contextmanager
def reference(fasta: Path) -> Iterator[Fetch]:
    """Reference bases in upper case as a function (chrom, start, end); a contig's ends clip the interval."""
    import pysam

    with pysam.FastaFile(str(fasta)) as opened:
        lengths = dict(zip(opened.references, opened.lengths, strict=True))

        def fetch(chrom: str, start: int, end: int) -> str:
            return opened.fetch(chrom, max(0, start), min(end, lengths[chrom])).upper()

        yield fetch


def read_bed(path: Path) -> list[Region]:
    """Intervals of a BED file, whatever its further columns."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith(("#", "track", "browser")):
            continue
        cells = line.split("\t")
        try:
            found.append(Region(cells[0], int(cells[1]), int(cells[2])))
        except (IndexError, ValueError):
            raise InputError("E_SCHEMA", "not a BED interval", file=path.name, row=number) from None
    return found


def target_regions(targets: Iterable[Region], contigs: dict[str, int], padding: int, length: int) -> list[Region]:
    """Targets padded, merged, and cut into pieces of at most ``length`` bases, in the order of ``contigs``."""
    merged: list[Region] = []
    order = {name: index for index, name in enumerate(contigs)}
    inside = [target for target in targets if target.chrom in order]
    for chrom, start, end in sorted(inside, key=lambda target: (order[target.chrom], target.start, target.end)):
        start, end = max(0, start - padding), min(contigs[chrom], end + padding)
        if merged and merged[-1].chrom == chrom and start <= merged[-1].end:
            merged[-1] = Region(chrom, merged[-1].start, max(end, merged[-1].end))
        else:
            merged.append(Region(chrom, start, end))
    return [
        Region(chrom, piece, min(piece + length, end))
        for chrom, start, end in merged
        for piece in range(start, end, length)
    ]


def pileup(bam: pysam.AlignmentFile, region: Region, fetch: Fetch, settings: Settings) -> Pileup:
    """Read one region of one sample. See the module's text for what counts."""
    chrom, start, end = region
    width = end - start
    rows: dict[str, int] = {}
    reads: list[tuple[int, int, pysam.AlignedSegment]] = []
    for read in bam.fetch(chrom, start, end):
        if read.flag & _EXCLUDED_FLAGS or read.mapping_quality < settings.min_mapping_quality:
            continue
        row = rows.setdefault(read.query_name or "", len(rows))
        reads.append((row, 1 if read.is_read2 else 0, read))
    bases = np.full((2, len(rows), width), _NOTHING, dtype=np.uint8)
    quality = np.zeros((2, len(rows), width), dtype=np.uint8)
    backward = np.zeros((2, len(rows)), dtype=bool)
    events: list[tuple[Variant, int, bool]] = []

    def near(anchor: int) -> bool:
        # Left-alignment may move an indel into the region from beyond its end.
        return start < anchor <= end + _INDEL_REACH

    for row, mate, read in reads:
        sequence, qualities = read.query_sequence, read.query_qualities
        if sequence is None or qualities is None or not read.cigartuples:
            continue
        codes = _CODE[np.frombuffer(sequence.encode(), np.uint8)]
        phred = np.frombuffer(qualities, np.uint8)
        backward[mate, row] = read.is_reverse
        at, query = read.reference_start, 0
        for operation, length in read.cigartuples:
            if operation in (0, 7, 8):
                first, last = max(at, start), min(at + length, end)
                if first < last:
                    shift = query - at
                    bases[mate, row, first - start : last - start] = codes[first + shift : last + shift]
                    quality[mate, row, first - start : last - start] = phred[first + shift : last + shift]
                at, query = at + length, query + length
            elif operation == 1:
                if query and near(at) and phred[query : query + length].mean() >= settings.min_base_quality:
                    anchor = fetch(chrom, at - 1, at)
                    inserted = Variant(chrom, at, anchor, anchor + sequence[query : query + length])
                    events.append((inserted, row, read.is_reverse))
                query += length
            elif operation in (2, 3):
                if operation == 2 and query and near(at) and phred[query - 1] >= settings.min_base_quality:
                    deleted = fetch(chrom, at - 1, at + length)
                    events.append((Variant(chrom, at, deleted, deleted[0]), row, read.is_reverse))
                at += length
            elif operation == 4:
                query += length
    second = quality[1] > quality[0]
    clash = (bases[0] != bases[1]) & (quality[0] == quality[1])
    chosen = np.where(second, bases[1], bases[0])
    best = np.maximum(quality[0], quality[1])
    # Where one mate says nothing its quality is 0, so a clash there needs a base of quality 0 on the other one.
    chosen[clash | (best < settings.min_base_quality)] = _NOTHING
    reverse = np.where(second, backward[1][:, None], backward[0][:, None])
    indels: dict[Variant, dict[int, bool]] = {}
    placed: dict[Variant, Variant] = {}
    for event, row, is_reverse in events:
        if event not in placed:
            placed[event] = normalise(event, fetch)
        indels.setdefault(placed[event], {}).setdefault(row, is_reverse)
    return Pileup(region, chosen, reverse, indels)


def candidates(found: Pileup, fetch: Fetch, settings: Settings) -> list[Variant]:
    """Every alternative allele of the region with enough fragments and a large enough fraction, in genome order."""
    region = found.region
    counts = found.counts().sum(axis=1)
    depth = counts.sum(axis=0)
    sequence = _CODE[np.frombuffer(fetch(*region).encode(), np.uint8)]
    enough = (counts >= settings.candidate_alt_reads) & (counts >= settings.candidate_vaf * depth)
    listed = []
    for code, column in zip(*np.nonzero(enough), strict=True):
        if sequence[column] not in (code, _NOTHING):
            listed.append(Variant(region.chrom, region.start + int(column) + 1, BASES[sequence[column]], BASES[code]))
    for variant, rows in found.indels.items():
        if not region.start < variant.pos <= region.end or len(rows) < settings.candidate_alt_reads:
            continue
        if set(variant.ref + variant.alt) - set(BASES):
            continue
        evidence = found.evidence(variant)
        if evidence is not None and (evidence.vaf or 0) >= settings.candidate_vaf:
            listed.append(variant)
    return sorted(listed)


def around(
    variants: Iterable[Variant], contigs: dict[str, int], margin: int, length: int
) -> Iterator[tuple[Region, list[Variant]]]:
    """Regions that hold the variants with ``margin`` bases on each side, neighbours together up to ``length``."""
    order = {name: index for index, name in enumerate(contigs)}
    group: list[Variant] = []

    def region(members: Sequence[Variant]) -> Region:
        chrom = members[0].chrom
        last = max(one.pos + len(one.ref) for one in members)
        return Region(chrom, max(0, members[0].pos - 1 - margin), min(contigs[chrom], last + margin))

    inside = [variant for variant in variants if variant.chrom in order]
    for variant in sorted(set(inside), key=lambda one: (order[one.chrom], *one[1:])):
        if group and (variant.chrom != group[0].chrom or variant.pos - group[0].pos > length):
            yield region(group), group
            group = []
        group.append(variant)
    if group:
        yield region(group), group


def count_variants(
    bam: pysam.AlignmentFile,
    variants: Iterable[Variant],
    fetch: Fetch,
    settings: Settings,
    *,
    each: Callable[[Variant, Pileup], None] | None = None,
) -> dict[Variant, Evidence | None]:
    """Evidence for the given variants, whether or not any fragment shows them (force-genotyping).

    ``each`` is shown every variant with the pileup it was counted in (its margin is the background window). Variants
    on contigs that the file lacks aren't in the answer; alleles that can't be counted have None.
    """
    contigs = dict(zip(bam.references, bam.lengths, strict=True))
    answer: dict[Variant, Evidence | None] = {}
    for region, members in around(variants, contigs, settings.background_window, settings.region_length):
        found = pileup(bam, region, fetch, settings)
        for variant in members:
            answer[variant] = found.evidence(variant)
            if each is not None:
                each(variant, found)
    return answer


def background_error(found: Pileup, variant: Variant, fetch: Fetch, settings: Settings) -> float | None:
    """Errors per base and per alternative base around a variant, itself left out; None without coverage.

    For SNVs: bases other than the reference within the window / depth / 3, leaving out positions whose non-reference
    share says that they are variants. For indels: fragments with any other indel per covered base.
    """
    region = found.region
    columns = np.arange(region.start, region.end)
    near = np.abs(columns - (variant.pos - 1)) <= settings.background_window
    near &= (columns < variant.pos - 1) | (columns >= variant.pos - 1 + len(variant.ref))
    counts = found.counts().sum(axis=1)
    depth = counts.sum(axis=0)
    if variant.kind in ("snv", "mnv"):
        sequence = _CODE[np.frombuffer(fetch(*region).encode(), np.uint8)]
        known = sequence < 4
        matching = np.where(known, counts[np.where(known, sequence, 0), np.arange(len(columns))], 0)
        wrong = depth - matching
        near &= known & (depth > 0) & (wrong <= settings.background_max_vaf * depth)
        share = 3.0
    else:
        wrong = np.zeros(len(columns), dtype=np.int64)
        for other, rows in found.indels.items():
            if other != variant and region.start < other.pos <= region.end:
                wrong[other.pos - 1 - region.start] += len(rows)
        near &= (depth > 0) & (wrong <= settings.background_max_vaf * depth)
        share = 1.0
    total = int(depth[near].sum())
    if total == 0:
        return None
    return max(settings.background_floor, float(wrong[near].sum()) / total / share)
