"""Coding target bases at which a mutation could have been called: deep enough in the tumour and in the normal."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from palbo_assets.genomics.alleles import plain_contig
from palbo_assets.genomics.regions import Region, merged
from palbo_assets.platform.errors import InputError

Depths = Mapping[str, np.ndarray]


def coding_regions(gff3: Path) -> tuple[Region, ...]:
    """CDS intervals of a GFF3 (plain or gzip), 0-based half open, merged. InputError ``E_SCHEMA`` with the row."""
    return _coding_regions(str(gff3), gff3.stat().st_mtime_ns)


@lru_cache(maxsize=2)  # whole gene models take seconds, and many samples are judged in one run
def _coding_regions(path: str, modified: int) -> tuple[Region, ...]:
    gff3 = Path(path)
    found = set()
    with gzip.open(gff3, "rb") if gff3.suffix == ".gz" else gff3.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if b"\tCDS\t" not in line:
                continue
            cells = line.split(b"\t", 5)
            try:
                found.add(Region(cells[0].decode(), int(cells[3]) - 1, int(cells[4])))
            except (IndexError, ValueError):
                raise InputError("E_SCHEMA", "not a CDS of GFF3", file=gff3.name, row=number) from None
    return tuple(merged(found, _ends(found)))


def count_callable(
    tumour: Depths, normal: Depths, targets: Sequence[Region], coding: Iterable[Region], least: tuple[int, int]
) -> int:
    """Bases that are target and coding, with at least ``least`` (tumour, normal) reads.

    ``tumour``, ``normal``: contig -> depth of each base of its merged targets, laid end to end in genome order.
    """
    of_coding = _by_contig(coding)
    tumour, normal = _plainly_named(tumour), _plainly_named(normal)
    total = 0
    for contig, pieces in _by_contig(targets).items():
        if contig not in tumour or contig not in normal or contig not in of_coding:
            continue
        # The two headers name one build; a contig of another length would have been refused by the landing.
        deep = (tumour[contig] >= least[0]) & (normal[contig] >= least[1])
        cumulative = np.concatenate(([0], np.cumsum(deep)))
        starts, ends = pieces
        offset = np.concatenate(([0], np.cumsum(ends - starts)))
        if offset[-1] != len(deep):
            raise InputError("E_BUILD_MISMATCH", "targets reach beyond a contig", fix="use the kit's BED of this build")
        for first, last in zip(*of_coding[contig], strict=True):
            # Pieces don't overlap, so those that meet an interval are neighbours.
            for at in range(int(np.searchsorted(ends, first, "right")), int(np.searchsorted(starts, last, "left"))):
                begin = offset[at] + max(first, starts[at]) - starts[at]
                end = offset[at] + min(last, ends[at]) - starts[at]
                total += int(cumulative[end] - cumulative[begin])
    return total


def shallower(first: Depths, second: Depths) -> dict[str, np.ndarray]:
    """The lesser of two samples' depths at each base of the same targets: what both could be judged at."""
    return {contig: np.minimum(first[contig], second[contig]) for contig in first if contig in second}


def depth_at(depth: Depths, targets: Iterable[Region], places: Iterable[tuple[str, int]]) -> list[int]:
    """Depth at each (contig, 1-based position); 0 outside the targets."""
    pieces, depth = _by_contig(targets), _plainly_named(depth)
    found = []
    for name, pos in places:
        contig = plain_contig(name)
        if contig not in depth or not _holds(pieces, contig, pos - 1):
            found.append(0)
            continue
        starts, ends = pieces[contig]
        at = int(np.searchsorted(ends, pos - 1, "right"))
        found.append(int(depth[contig][int((ends[:at] - starts[:at]).sum()) + pos - 1 - starts[at]]))
    return found


def inside(places: Iterable[tuple[str, int]], targets: Iterable[Region], coding: Iterable[Region]) -> list[bool]:
    """Whether each (contig, 1-based position) is target and coding."""
    of_targets, of_coding = _by_contig(targets), _by_contig(coding)
    plain = ((plain_contig(name), pos - 1) for name, pos in places)
    return [_holds(of_targets, *place) and _holds(of_coding, *place) for place in plain]


def _plainly_named(depth: Depths) -> dict[str, np.ndarray]:
    return {plain_contig(name): values for name, values in depth.items()}


def _holds(regions: Mapping[str, tuple[np.ndarray, np.ndarray]], contig: str, position: int) -> bool:
    if contig not in regions:
        return False
    starts, ends = regions[contig]
    at = int(np.searchsorted(ends, position, "right"))
    return bool(at < len(starts) and starts[at] <= position)


def _by_contig(regions: Iterable[Region]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Contig, plainly named -> (starts, ends) of its merged regions in order: kits and gene models name them unlike."""
    listed = [Region(plain_contig(one.chrom), one.start, one.end) for one in regions]
    found: dict[str, list[Region]] = {}
    for region in merged(listed, _ends(listed)):
        found.setdefault(region.chrom, []).append(region)
    return {
        contig: (np.array([one.start for one in pieces]), np.array([one.end for one in pieces]))
        for contig, pieces in found.items()
    }


def _ends(regions: Iterable[Region]) -> dict[str, int]:
    """contig -> end of its last region: as long as a contig needs to be to hold them."""
    ends: dict[str, int] = {}
    for region in regions:
        ends[region.chrom] = max(ends.get(region.chrom, 0), region.end)
    return ends
