"""Where in a BAM the reads of a few places lie, by the index that was delivered beside it (BAI or CSI).

An index that lies (made for another version of the file) would hide reads, and a count of zero means something here. So
it is only believed where it agrees with the file: as many contigs, its first read where the first record is, its last
offset where the file's reads end, and each of its ranges starting at a read of the contig that was asked for. Else, and
where the ranges hold most of the file anyway, the whole file is read. Formats: SAM specification, sections 5.2 and 5.3.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from palbo_assets.genomics.bgzf import BamHeader, bam_header, inflate, record_chunks
from palbo_assets.genomics.regions import Region
from palbo_assets.platform.errors import InputError

WHOLE: tuple[tuple[int, int | None], ...] = ((0, None),)
"""The range of virtual offsets that is the whole file."""
NO_INDEX, STALE_INDEX, MOST_OF_THE_FILE, BY_INDEX = "no_index", "stale_index", "most_of_the_file", "by_index"
_BLOCK = 1 << 16  # compressed bytes that are sooner read than skipped
_READ_MORE = 20_000  # compressed bytes of the block in which a range ends, about
_SHARE = 0.5  # of the file, from which on reading it whole costs little more


class Access(NamedTuple):
    """``ranges``: virtual offsets (start, end) in file order; ``remark``: how it was decided; ``share`` of the file."""

    ranges: Sequence[tuple[int, int | None]]
    remark: str
    share: float


class _Contig(NamedTuple):
    bins: dict[int, tuple[int, list[tuple[int, int]]]]  # bin -> smallest offset (CSI), chunks
    linear: tuple[int, ...]  # smallest offset of each 16 kb (BAI)
    leaves: list[int]  # numbers of the smallest bins, sorted


class _Index(NamedTuple):
    shift: int
    depth: int
    contigs: list[_Contig]


def access(path: Path, regions: Iterable[Region]) -> Access:
    """The parts of a sorted BAM that hold all reads that overlap the regions.

    Raises
    ------
    InputError
        What reading the BAM's header raises; never for what is wrong with an index.
    """
    names = (f"{path.name}.bai", f"{path.stem}.bai", f"{path.name}.csi", f"{path.stem}.csi")
    found = next((path.parent / name for name in names if (path.parent / name).is_file()), None)
    if found is None:
        return Access(WHOLE, NO_INDEX, 1.0)
    header = bam_header(path)
    try:
        index = _read(found)
        if not _agrees(index, header, path):
            return Access(WHOLE, STALE_INDEX, 1.0)
        ranges = _joined(path, _ranges(index, header, regions))
    except (InputError, ValueError, struct.error, IndexError):
        return Access(WHOLE, STALE_INDEX, 1.0)
    share = sum((stop >> 16) - (start >> 16) + _READ_MORE for start, stop in ranges) / max(1, path.stat().st_size)
    if share > _SHARE:
        return Access(WHOLE, MOST_OF_THE_FILE, 1.0)
    return Access(ranges, BY_INDEX, share)


def _read(path: Path) -> _Index:
    """An index; ValueError or struct.error where it is none."""
    content = inflate(path)
    is_csi = content[:4] == b"CSI\1"
    if not is_csi and content[:4] != b"BAI\1":
        raise ValueError
    at, shift, depth = 4, 14, 5
    if is_csi:
        shift, depth, auxiliary = struct.unpack_from("<3i", content, 4)
        at = 16 + auxiliary
    (n_contigs,) = struct.unpack_from("<i", content, at)
    at += 4
    contigs = []
    for _ in range(n_contigs):
        (n_bins,) = struct.unpack_from("<i", content, at)
        at += 4
        bins = {}
        for _ in range(n_bins):
            if is_csi:
                number, smallest, n_chunks = struct.unpack_from("<IQi", content, at)
                at += 16
            else:
                (number, n_chunks), smallest = struct.unpack_from("<Ii", content, at), 0
                at += 8
            offsets = struct.unpack_from(f"<{2 * n_chunks}Q", content, at)
            at += 16 * n_chunks
            bins[number] = (smallest, list(zip(offsets[::2], offsets[1::2], strict=True)))
        linear: tuple[int, ...] = ()
        if not is_csi:
            (n_intervals,) = struct.unpack_from("<i", content, at)
            linear = struct.unpack_from(f"<{n_intervals}Q", content, at + 4)
            at += 4 + 8 * n_intervals
        leaves = sorted(number for number, (_, chunks) in bins.items() if number >= _first_bin(depth) and chunks)
        contigs.append(_Contig(bins, linear, leaves))
    return _Index(shift, depth, contigs)


def _first_bin(level: int) -> int:
    """Number of a level's first bin; level 0 is the whole contig."""
    return ((1 << 3 * level) - 1) // 7


def _agrees(index: _Index, header: BamHeader, path: Path) -> bool:
    """Whether the index can be of this very file."""
    limit = _first_bin(index.depth + 1)
    chunks = [
        chunk
        for contig in index.contigs
        for number, (_, listed) in contig.bins.items()
        if number < limit
        for chunk in listed
    ]
    if len(index.contigs) != len(header.contigs) or not chunks:
        return False
    if min(start for start, _ in chunks) != header.first_record:
        return False
    # Behind the last placed read there are unplaced ones, or nothing.
    rest = next(iter(record_chunks(path, max(stop for _, stop in chunks), chunk_bytes=_BLOCK)), None)
    return rest is None or _contig_of(rest) < 0


def _ranges(index: _Index, header: BamHeader, regions: Iterable[Region]) -> list[tuple[int, int, int]]:
    """(start, end, contig's number) of all chunks of all bins that the regions touch."""
    order = {name: number for number, name in enumerate(header.contigs)}
    found: list[tuple[int, int, int]] = []
    for chrom, start, end in sorted(set(regions)):
        if chrom not in order:
            continue
        contig = index.contigs[order[chrom]]
        smallest, limit = _smallest(contig, index, max(0, start)), _limit(contig, index, end)
        for level in range(index.depth + 1):
            shift = index.shift + 3 * (index.depth - level)
            for number in range(_first_bin(level) + (max(0, start) >> shift), _first_bin(level) + (end >> shift) + 1):
                for first, last in contig.bins.get(number, (0, []))[1]:
                    if last > smallest and first < limit:
                        found.append((max(first, smallest), min(last, limit), order[chrom]))
    return found


def _smallest(contig: _Contig, index: _Index, start: int) -> int:
    """Offset before which no read lies that reaches ``start``."""
    if contig.linear:
        return contig.linear[min(start >> 14, len(contig.linear) - 1)]
    number = _first_bin(index.depth) + (start >> index.shift)
    while number:
        if number in contig.bins:
            return contig.bins[number][0]
        number = (number - 1) >> 3
    return contig.bins.get(0, (0, []))[0]


def _limit(contig: _Contig, index: _Index, end: int) -> int:
    """Offset from which on all reads start behind ``end``: that of the next smallest bin, which holds only such."""
    last, beyond = _first_bin(index.depth) + (end >> index.shift), _first_bin(index.depth + 1)
    following = bisect_right(contig.leaves, last)
    if following == len(contig.leaves) or contig.leaves[following] >= beyond:
        return 1 << 63
    return min(first for first, _ in contig.bins[contig.leaves[following]][1])


def _joined(path: Path, parts: Iterable[tuple[int, int, int]]) -> list[tuple[int, int]]:
    """Ranges sorted, and joined where less than a block lies between them; ValueError where one isn't what it says."""
    joined: list[tuple[int, int]] = []
    for start, stop, contig in sorted(parts):
        if joined and (start >> 16) - (joined[-1][1] >> 16) <= _BLOCK:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
            continue
        first = next(iter(record_chunks(path, start, stop, chunk_bytes=1)), None)
        if first is None or _contig_of(first) != contig:
            raise ValueError
        joined.append((start, stop))
    return joined


def _contig_of(records: np.ndarray) -> int:
    """Number of the first record's contig, -1 for an unplaced read."""
    return int.from_bytes(records[4:8].tobytes(), "little", signed=True)
