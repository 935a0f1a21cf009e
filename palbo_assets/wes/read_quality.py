"""Is an exome deep and clean enough? Depth over targets, duplicates, mapping and on-target share, with a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numba
import numpy as np

from palbo_assets.genomics.bam import NAME, int32, uint8, uint16
from palbo_assets.genomics.bgzf import bam_header, record_chunks
from palbo_assets.genomics.regions import Region, merged
from palbo_assets.study.vocabulary import Qc
from palbo_assets.wes.settings import Settings

_LONGEST_INSERT = 2000  # bp; longer ones share a bin: a median isn't there


@dataclass(frozen=True)
class ReadQuality:
    """Metrics of one file. Depths count unique primary reads base by base (x), shares are percentages of reads.

    ``insert_median`` and ``insert_iqr`` are fragment lengths of proper pairs in bp; ``depth_of``: contig -> (depth
    over its targets in x, target bases). ``target_depth``: contig -> depth of each base of its merged targets, laid end
    to end (uint8, 255 stands for more).
    """

    reads: int
    mapped_pct: float | None
    duplicate_pct: float | None
    on_target_pct: float | None
    mean_depth: float | None
    covered_20x_pct: float | None
    insert_median: float | None = None
    insert_iqr: float | None = None
    depth_of: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    target_depth: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False, repr=False)


def measure(path: Path, targets: Sequence[Region], settings: Settings) -> ReadQuality:
    """One pass over a BAM.

    Parameters
    ----------
    targets
        0-based half-open intervals; depth is taken over them as they are, on-target over them with padding.

    Raises
    ------
    InputError
        ``E_EMPTY``, ``E_NOT_BGZF``, ``E_TRUNCATED``.
    """
    contigs = bam_header(path).contigs
    order = {name: index for index, name in enumerate(contigs)}
    exact = _columns(merged(targets, contigs), order)
    padded = _columns(merged(targets, contigs, settings.target_padding), order)
    offset = np.concatenate(([0], np.cumsum(exact[:, 2] - exact[:, 1]))).astype(np.int64)
    # +1 where a read starts to cover the targets laid end to end, -1 where it stops.
    steps = np.zeros(int(offset[-1]) + 1, dtype=np.int32)
    counts = np.zeros(4, dtype=np.int64)
    inserts = np.zeros(_LONGEST_INSERT + 1, dtype=np.int64)
    for chunk in record_chunks(path):
        _measure(chunk, padded, exact, offset, settings.min_mapping_quality, counts, steps, inserts)
    reads, mapped, duplicates, on_target = counts.tolist()
    depth = np.cumsum(steps[:-1])
    unique = mapped - duplicates
    return ReadQuality(
        reads,
        100 * mapped / reads if reads else None,
        100 * duplicates / mapped if mapped else None,
        100 * on_target / unique if unique else None,
        float(depth.mean()) if len(depth) else None,
        float(100 * (depth >= 20).mean()) if len(depth) else None,
        *_spread(inserts),
        _by_contig(depth, exact, list(contigs)),
        _depths(depth, exact, list(contigs)),
    )


def _columns(regions: Sequence[Region], order: Mapping[str, int]) -> np.ndarray:
    """(regions, 3) int64: number of the contig, start, end."""
    return np.array([(order[chrom], start, end) for chrom, start, end in regions], dtype=np.int64).reshape(-1, 3)


def _spread(histogram: np.ndarray) -> tuple[float | None, float | None]:
    """(median, interquartile range) of a histogram whose index is the value; (None, None) when it is empty."""
    total = int(histogram.sum())
    if not total:
        return None, None
    reached = np.cumsum(histogram)
    low, middle, high = (float(reached.searchsorted(total * share)) for share in (0.25, 0.5, 0.75))
    return middle, high - low


def _by_contig(depth: np.ndarray, exact: np.ndarray, contigs: Sequence[str]) -> dict[str, tuple[float, int]]:
    """contig -> (mean depth, bases) from the depth of targets laid end to end."""
    contig = np.repeat(exact[:, 0], exact[:, 2] - exact[:, 1])
    bases = np.bincount(contig, minlength=len(contigs))
    sums = np.bincount(contig, weights=depth, minlength=len(contigs))
    return {name: (float(sums[i] / bases[i]), int(bases[i])) for i, name in enumerate(contigs) if bases[i]}


def _depths(depth: np.ndarray, exact: np.ndarray, contigs: Sequence[str]) -> dict[str, np.ndarray]:
    """contig -> depth of each of its target bases (uint8, saturated)."""
    contig = np.repeat(exact[:, 0], exact[:, 2] - exact[:, 1])
    small = np.minimum(depth, 255).astype(np.uint8)
    ends = np.searchsorted(contig, np.arange(len(contigs) + 1))
    return {name: small[ends[i] : ends[i + 1]] for i, name in enumerate(contigs) if ends[i] < ends[i + 1]}


@numba.njit(cache=True, nogil=True)
def _first_ending_after(regions: np.ndarray, contig: int, position: int) -> Any:
    low, high = 0, regions.shape[0]
    while low < high:
        middle = (low + high) // 2
        if regions[middle, 0] < contig or (regions[middle, 0] == contig and regions[middle, 2] <= position):
            low = middle + 1
        else:
            high = middle
    return low


@numba.njit(cache=True, nogil=True)
def _measure(
    data: np.ndarray, padded: np.ndarray, exact: np.ndarray, offset: np.ndarray, min_mapping: int,
    counts: np.ndarray, steps: np.ndarray, inserts: np.ndarray,
) -> None:  # fmt: skip
    """Add a chunk's records to ``counts`` (reads, mapped, duplicates, on target), ``steps`` and ``inserts``."""
    at = 0
    while at < data.size:
        record = at
        at += 4 + int32(data, record)
        flag, contig, begin = uint16(data, record + 18), int32(data, record + 4), int32(data, record + 8)
        if flag & 0x900:  # secondary and supplementary lines aren't reads of their own
            continue
        counts[0] += 1
        if flag & 0x4 or contig < 0:
            continue
        counts[1] += 1
        if flag & 0x400:
            counts[2] += 1
            continue
        if flag & 0x43 == 0x43:  # a proper pair, told once, by its first read
            inserts[min(abs(int32(data, record + 32)), inserts.size - 1)] += 1
        end = begin
        cigar = record + NAME + uint8(data, record + 12)
        for number in range(uint16(data, record + 16)):
            word = int32(data, cigar + 4 * number)
            kind = word & 15
            if kind == 0 or kind == 2 or kind == 3 or kind == 7 or kind == 8:
                end += (word >> 4) & 0xFFFFFFF
        end = max(end, begin + 1)
        near = _first_ending_after(padded, contig, begin)
        if near == padded.shape[0] or padded[near, 0] != contig or padded[near, 1] >= end:
            continue
        counts[3] += 1
        if flag & 0x200 or uint8(data, record + 13) < min_mapping:
            continue
        target = _first_ending_after(exact, contig, begin)
        while target < exact.shape[0] and exact[target, 0] == contig and exact[target, 1] < end:
            steps[offset[target] + max(begin, exact[target, 1]) - exact[target, 1]] += 1
            steps[offset[target] + min(end, exact[target, 2]) - exact[target, 1]] -= 1
            target += 1


def metric_verdicts(
    tumour: ReadQuality,
    normal: ReadQuality | None,
    settings: Settings,
    *,
    tumour_contamination: float | None = None,
    normal_contamination: float | None = None,
) -> dict[str, Qc]:
    """Verdict of each metric that could be measured; contaminations are fractions."""
    at_least = [
        ("tumour_mean_depth", tumour.mean_depth, settings.tumour_depth_pass, settings.tumour_depth_fail),
        ("tumour_covered_20x_pct", tumour.covered_20x_pct, settings.covered_20x_pass, settings.covered_20x_fail),
        ("mapped_pct", tumour.mapped_pct, settings.mapped_pass, settings.mapped_fail),
        ("on_target_pct", tumour.on_target_pct, settings.on_target_pass, settings.on_target_fail),
        (
            "normal_mean_depth",
            normal.mean_depth if normal else None,
            settings.normal_depth_pass,
            settings.normal_depth_fail,
        ),
        ("insert_median", tumour.insert_median, settings.insert_pass, settings.insert_fail),
    ]
    limits = settings.contamination_pass, settings.contamination_fail
    at_most = [
        ("duplicate_pct", tumour.duplicate_pct, settings.duplicates_pass, settings.duplicates_fail),
        ("tumour_contamination", tumour_contamination, *limits),
        ("normal_contamination", normal_contamination, *limits),
    ]
    found = {}
    for sign, rules in ((1, at_least), (-1, at_most)):
        for name, value, good, bad in rules:
            if value is not None:
                off = sign * value < sign * good
                found[name] = Qc.FAIL if sign * value < sign * bad else Qc.WARN if off else Qc.PASS
    return found


def verdict(
    tumour: ReadQuality, normal: ReadQuality | None, settings: Settings, **contaminations: float | None
) -> tuple[Qc, list[str]]:
    """(verdict, names of the metrics that are not a pass): the worst of all metrics that could be measured."""
    if tumour.reads == 0:
        return Qc.FAIL, ["reads"]
    found = metric_verdicts(tumour, normal, settings, **contaminations)
    worst = Qc.FAIL if Qc.FAIL in found.values() else Qc.WARN if Qc.WARN in found.values() else Qc.PASS
    return worst, [name for name, one in found.items() if one is not Qc.PASS]
