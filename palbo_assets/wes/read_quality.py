"""Is an exome deep and clean enough? Depth over targets, duplicates, mapping and on-target share, with a verdict."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from palbo_assets.study.vocabulary import Qc
from palbo_assets.wes.evidence import Region, target_regions
from palbo_assets.wes.settings import Settings

if TYPE_CHECKING:
    import pysam


@dataclass(frozen=True)
class ReadQuality:
    """Metrics of one file. Depths count unique primary reads base by base (x), shares are percentages of reads."""

    reads: int
    mapped_pct: float | None
    duplicate_pct: float | None
    on_target_pct: float | None
    mean_depth: float | None
    covered_20x_pct: float | None


def measure(bam: pysam.AlignmentFile, targets: Sequence[Region], settings: Settings) -> ReadQuality:
    """One pass over the file.

    Parameters
    ----------
    targets
        0-based half-open intervals; depth is taken over them as they are, on-target over them with padding.
    """
    contigs = dict(zip(bam.references, bam.lengths, strict=True))
    exact = target_regions(targets, contigs, 0, 1 << 60)
    padded = target_regions(targets, contigs, settings.target_padding, 1 << 60)
    near = {name: _edges(padded, name) for name in contigs}
    depths = {region: np.zeros(region.end - region.start, dtype=np.int64) for region in exact}
    reads = mapped = duplicates = on_target = 0
    current, starts, ends = "", array("q"), array("q")
    for read in bam.fetch(until_eof=True):
        flag = read.flag
        if flag & 0x900:  # secondary and supplementary lines aren't reads of their own
            continue
        reads += 1
        chrom = read.reference_name
        if flag & 0x4 or chrom is None:
            continue
        mapped += 1
        if flag & 0x400:
            duplicates += 1
            continue
        if chrom != current:  # a contig's reads at a time bound memory
            _add_depth(depths, current, starts, ends)
            current, starts, ends = chrom, array("q"), array("q")
        begin, end = read.reference_start, read.reference_end or read.reference_start + 1
        index = int(near[chrom][0].searchsorted(end)) - 1
        if index >= 0 and near[chrom][1][index] > begin:
            on_target += 1
            if not flag & 0x200 and read.mapping_quality >= settings.min_mapping_quality:
                starts.append(begin)
                ends.append(end)
    _add_depth(depths, current, starts, ends)
    depth = np.concatenate(list(depths.values())) if depths else np.zeros(0, dtype=np.int64)
    unique = mapped - duplicates
    return ReadQuality(
        reads,
        100 * mapped / reads if reads else None,
        100 * duplicates / mapped if mapped else None,
        100 * on_target / unique if unique else None,
        float(depth.mean()) if len(depth) else None,
        float(100 * (depth >= 20).mean()) if len(depth) else None,
    )


def _edges(regions: Sequence[Region], chrom: str) -> tuple[np.ndarray, np.ndarray]:
    mine = [(region.start, region.end) for region in regions if region.chrom == chrom]
    edges = np.array(mine, dtype=np.int64).reshape(-1, 2)
    return edges[:, 0], edges[:, 1]


def _add_depth(depths: dict[Region, np.ndarray], chrom: str, starts: array[int], ends: array[int]) -> None:
    """Add one contig's reads to the depth of its targets."""
    if not starts:
        return
    begun, ended = np.sort(np.array(starts)), np.sort(np.array(ends))
    for region, depth in depths.items():
        if region.chrom == chrom:
            place = np.arange(region.start, region.end)
            depth += begun.searchsorted(place, side="right") - ended.searchsorted(place, side="right")


def verdict(tumour: ReadQuality, normal: ReadQuality | None, settings: Settings) -> tuple[Qc, list[str]]:
    """(verdict, names of the metrics that are not a pass): the worst of all metrics that could be measured."""
    rules = [
        ("tumour_mean_depth", tumour.mean_depth, settings.tumour_depth_pass, settings.tumour_depth_fail),
        ("tumour_covered_20x_pct", tumour.covered_20x_pct, settings.covered_20x_pass, settings.covered_20x_fail),
        ("mapped_pct", tumour.mapped_pct, settings.mapped_pass, settings.mapped_fail),
        ("on_target_pct", tumour.on_target_pct, settings.on_target_pass, settings.on_target_fail),
    ]
    if normal is not None:
        rules.append(("normal_mean_depth", normal.mean_depth, settings.normal_depth_pass, settings.normal_depth_fail))
    worst, reasons = Qc.PASS, []
    for name, value, good, bad in rules:
        if value is not None and value < good:
            reasons.append(name)
            worst = Qc.FAIL if value < bad or worst is Qc.FAIL else Qc.WARN
    share = tumour.duplicate_pct
    if share is not None and share > settings.duplicates_pass:
        reasons.append("duplicate_pct")
        worst = Qc.FAIL if share > settings.duplicates_fail or worst is Qc.FAIL else Qc.WARN
    if tumour.reads == 0:
        return Qc.FAIL, ["reads"]
    return worst, reasons
