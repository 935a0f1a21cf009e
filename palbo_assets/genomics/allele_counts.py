"""How many fragments of a BAM show a named variant, and how: SNVs, MNVs, insertions, deletions and both at once.

What counts, in one place:

* A read speaks for a variant when it is aligned over all of the allele's span, and says the reference, the alternative
  or something else. The span of a substitution is its bases; that of an indel goes from its anchor to the first base
  that tells the alleles apart, so that wherever the aligner put an indel within a repeat, it is the same indel, and a
  read that ends within the repeat says nothing.
* A substitution's quality is the worst of its bases, an indel's the mean over its span. What is below the limit
  isn't said.
* A fragment counts once: agreeing mates are one vote (the better one, read 1 of equal ones, gives strand and
  qualities); of disagreeing mates the better one counts, and neither of two equally good ones.
* Unmapped, secondary, supplementary, duplicate and QC-failed reads, and reads below the mapping quality, are out.

Mates are found by name and mate position through an open-addressed table, and leave it when they can't meet any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from palbo_assets.genomics.allele_kernel import count_final, move, observe
from palbo_assets.genomics.alleles import Fetch, Variant, normalise
from palbo_assets.genomics.bam import (
    EXCLUDED_FLAGS,
    nibbles,
    unsorted,
)
from palbo_assets.genomics.bam_index import WHOLE, Access, access
from palbo_assets.genomics.bgzf import bam_header, record_chunks
from palbo_assets.genomics.regions import Region

_REPEAT_REACH = 1000
_COLUMNS = (
    "depth",
    "ref_forward",
    "ref_reverse",
    "alt_forward",
    "alt_reverse",
    "ref_f1r2",
    "ref_f2r1",
    "alt_f1r2",
    "alt_f2r1",
    "ref_quality",
    "alt_quality",
    "ref_mapping_quality",
    "alt_mapping_quality",
    "ref_end_distance",
    "alt_end_distance",
)


class Evidence(NamedTuple):
    """Fragments at a variant: all that speak there, those with the alternative, and how both alleles are seen.

    ``*_forward`` and ``*_reverse`` are the strand of the counted read; ``*_f1r2`` and ``*_f2r1`` the fragment's
    orientation (read 1 forward or reverse; unpaired reads have none). ``*_quality`` and ``*_mapping_quality`` are mean
    Phred values, ``*_end_distance`` the mean distance in bases to the nearer end of the aligned read; None without
    reads or where a caller's file stands behind the counts. ``expected_errors`` is the number of fragments of which
    base qualities say that they err, towards whatever base.
    """

    depth: int
    alt: int
    ref_forward: int = 0
    ref_reverse: int = 0
    alt_forward: int = 0
    alt_reverse: int = 0
    ref_f1r2: int = 0
    ref_f2r1: int = 0
    alt_f1r2: int = 0
    alt_f2r1: int = 0
    ref_quality: float | None = None
    alt_quality: float | None = None
    ref_mapping_quality: float | None = None
    alt_mapping_quality: float | None = None
    ref_end_distance: float | None = None
    alt_end_distance: float | None = None
    expected_errors: float | None = None

    @property
    def vaf(self) -> float | None:
        """Alternative fragments / all fragments, None without any."""
        return self.alt / self.depth if self.depth else None


def reads_at(path: Path, variants: Iterable[Variant], fetch: Fetch, around: int = 0) -> Access:
    """Where a BAM holds the reads that speak of the variants, and those over ``around`` bases on each side.

    Worth asking for a few variants of a large file that has its index beside it; the answer without one is the whole
    file.
    """
    regions = []
    for variant in variants:
        left, right = variant.pos - 1, variant.pos - 1 + len(variant.ref)
        if countable(variant):
            start, end, ref_end, *_ = _span(variant, fetch)
            left, right = min(start, left), max(end, ref_end, right)
        regions.append(Region(variant.chrom, max(0, left - around), right + around))
    return access(path, regions)


class _Spans(NamedTuple):
    """Variants as the kernel takes them, sorted by contig and start."""

    contig: np.ndarray
    start: np.ndarray
    end: np.ndarray  # of the alternative's span on the reference, exclusive
    ref_end: np.ndarray  # of what a read must cover to say the reference
    by_base: np.ndarray  # substitutions: each base counts; else the length decides
    ref_at: np.ndarray
    ref_length: np.ndarray
    alt_at: np.ndarray
    alt_length: np.ndarray
    bases: np.ndarray


def countable(variant: Variant) -> bool:
    """Whether both alleles are spelled out in ACGT (no symbolic alleles, no N)."""
    return bool(variant.ref and variant.alt) and not set(variant.ref + variant.alt) - set("ACGT")


def count_alleles(
    path: Path,
    variants: Iterable[Variant],
    fetch: Fetch,
    *,
    min_base_quality: int,
    min_mapping_quality: int,
    excluded_flags: int = EXCLUDED_FLAGS,
    ranges: Iterable[tuple[int, int | None]] = WHOLE,
) -> dict[Variant, Evidence | None]:
    """Evidence for each variant in one coordinate-sorted BAM, whether or not any fragment shows it.

    Parameters
    ----------
    fetch
        Reference bases; the variants' contig names are the reference's and the BAM's.
    min_base_quality, min_mapping_quality
        Phred; what is below doesn't count.
    ranges
        Virtual offsets in file order that hold all reads at the variants (`bam_index.access`); the whole file when
        left out.

    Returns
    -------
    One entry a variant; None where its alleles can't be counted (symbolic) or the BAM lacks its contig.

    Raises
    ------
    InputError
        ``E_EMPTY``, ``E_NOT_BGZF``, ``E_TRUNCATED``, ``E_UNSORTED``.
    """
    wanted = list(dict.fromkeys(variants))
    contigs = {name: index for index, name in enumerate(bam_header(path).contigs)}
    usable = [one for one in wanted if one.chrom in contigs and countable(one)]
    answer: dict[Variant, Evidence | None] = dict.fromkeys(wanted)
    if not usable:
        return answer
    spans, order = _spans(usable, contigs, fetch)
    sums = np.zeros((len(usable), len(_COLUMNS)), dtype=np.int64)
    errors = np.zeros(len(usable))
    error_of = 10.0 ** (-np.arange(256) / 10)
    table = empty_table(1 << 12)
    limits = (min_base_quality, min_mapping_quality, excluded_flags)
    last = np.full(2, -1, dtype=np.int64)
    for start, stop in ranges:
        for chunk in record_chunks(path, start, stop, chunk_bytes=1 << 19):
            at = 0
            while True:
                arguments: list[Any] = [chunk, at, last, *spans, *limits, *table, sums, errors, error_of]
                at, need = observe(*arguments)
                if at < 0:
                    raise unsorted(path)
                table = settled(table, need, spans, last, sums, errors, error_of)
                if at >= len(chunk):
                    break
    settled(table, 0, spans, np.array([1 << 40, 0]), sums, errors, error_of)
    for index, variant in zip(order, usable, strict=True):
        answer[variant] = _evidence(sums[index], float(errors[index]))
    return answer


def _evidence(row: np.ndarray, errors: float) -> Evidence:
    values = dict(zip(_COLUMNS, row.tolist(), strict=True))
    ref = values["ref_forward"] + values["ref_reverse"]
    alt = values["alt_forward"] + values["alt_reverse"]
    for name in _COLUMNS[9:]:
        count = ref if name.startswith("ref") else alt
        values[name] = values[name] / count if count else None
    return Evidence(alt=alt, expected_errors=errors, **values)


def _spans(variants: list[Variant], contigs: dict[str, int], fetch: Fetch) -> tuple[_Spans, np.ndarray]:
    """Sorted spans, and where each given variant went."""
    placed = [_span(one, fetch) for one in variants]
    keys = [(contigs[one.chrom], span[0]) for one, span in zip(variants, placed, strict=True)]
    by_place = sorted(range(len(variants)), key=lambda index: keys[index])
    order = np.empty(len(variants), dtype=np.int64)
    order[by_place] = np.arange(len(variants))
    sequences = []
    at = 0
    columns: list[list[int]] = []
    for index in by_place:
        start, end, ref_end, by_base, ref, alt = placed[index]
        columns.append([keys[index][0], start, end, ref_end, by_base, at, len(ref), at + len(ref), len(alt)])
        sequences += [nibbles(ref), nibbles(alt)]
        at += len(ref) + len(alt)
    arrays = np.array(columns, dtype=np.int64).T
    columns_and_bases = [*(np.ascontiguousarray(one) for one in arrays), np.concatenate(sequences)]
    return _Spans._make(columns_and_bases), order


def _span(variant: Variant, fetch: Fetch) -> tuple[int, int, int, bool, str, str]:
    """0-based start and end of the alternative's span, end of the reference's, kind, and both spans' bases."""
    chrom, pos, ref, alt = normalise(variant, fetch)
    kind = Variant(chrom, pos, ref, alt).kind
    start = pos - 1
    end = start + len(ref)
    if kind in ("snv", "mnv"):
        return start, end, end, True, ref, alt
    if kind == "complex":
        before = fetch(chrom, start - 1, start) if start else ""
        after = fetch(chrom, end, end + 1)
        start, end = start - len(before), end + len(after)
        return start, end, end, False, before + ref + after, before + alt + after
    moved = ref[1:] or alt[1:]
    following = fetch(chrom, end, end + len(moved) + _REPEAT_REACH)
    text = moved + following
    shift = 0
    while shift < len(following) and text[shift] == following[shift]:
        shift += 1
    tail = following[: shift + 1]
    if kind == "ins":
        return start, end + len(tail), end + len(tail), False, ref + tail, alt + tail
    # A read of the reference needs no more than the base that a deleted read doesn't show.
    return start, end + len(tail), start + 1 + len(tail), False, (ref + tail)[: 1 + len(tail)], alt + tail


Table = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def empty_table(size: int) -> Table:
    """Open-addressed table of waiting observations: two name keys, variant (-1: free), packed observation."""
    return (
        np.zeros(size, dtype=np.uint64),
        np.zeros(size, dtype=np.uint64),
        np.full(size, -1, dtype=np.int64),
        np.zeros(size, dtype=np.int64),
    )


def settled(
    table: Table, need: int, spans: _Spans, last: np.ndarray, sums: np.ndarray, errors: np.ndarray, error_of: np.ndarray
) -> Table:
    """Count what no mate can change any more; the rest waits in a table with ample room for ``need`` more."""
    waiting = count_final(*table, spans.contig, spans.start, last, sums, errors, error_of)
    size = 1 << 12
    while size < 4 * (waiting + need):
        size *= 2
    # Entries that left would break the chains of those that stay, so these move to a fresh table.
    fresh = empty_table(size)
    if waiting:
        move(*table, *fresh)
    return fresh
