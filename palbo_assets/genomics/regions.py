"""Intervals of the reference and its bases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from palbo_assets.genomics.alleles import ContigNames, Fetch
from palbo_assets.genomics.bgzf import inflate
from palbo_assets.platform.errors import InputError


class Region(NamedTuple):
    """0-based half-open interval."""

    chrom: str
    start: int
    end: int


@contextmanager
def reference(fasta: Path) -> Iterator[Fetch]:
    """Reference bases in upper case as a function (chrom, start, end); a contig's ends clip the interval."""
    import pysam

    with pysam.FastaFile(str(fasta)) as opened:
        lengths = dict(zip(opened.references, opened.lengths, strict=True))

        def fetch(chrom: str, start: int, end: int) -> str:
            if chrom not in lengths or start >= lengths[chrom]:
                return ""
            return opened.fetch(chrom, max(0, start), max(0, min(end, lengths[chrom]))).upper()

        yield fetch


def read_bed(path: Path) -> list[Region]:
    """Intervals of a BED file (plain, gzip or BGZF), whatever its further columns."""
    found = []
    try:
        lines = inflate(path).decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise InputError("E_ENCODING", "the intervals aren't UTF-8 text", file=path.name) from None
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith(("#", "track", "browser")):
            continue
        cells = line.split("\t")
        try:
            found.append(Region(cells[0], int(cells[1]), int(cells[2])))
        except (IndexError, ValueError):
            raise InputError("E_SCHEMA", "not a BED interval", file=path.name, row=number) from None
    return found


def merged(regions: Iterable[Region], contigs: Mapping[str, int], padding: int = 0) -> list[Region]:
    """Regions padded, clipped to their contigs and merged, in the order of ``contigs``; unknown contigs left out.

    Contigs are named as in ``contigs``, whether a kit's BED writes ``1`` or ``chr1``.
    """
    found: list[Region] = []
    order = {name: index for index, name in enumerate(contigs)}
    names = ContigNames(contigs) if order else None
    named = ((names.canonical(region.chrom) if names else None, region) for region in regions)
    inside = [Region(name, region.start, region.end) for name, region in named if name is not None]
    for chrom, start, end in sorted(inside, key=lambda region: (order[region.chrom], region.start, region.end)):
        start, end = max(0, start - padding), min(contigs[chrom], end + padding)
        if start >= end:
            continue
        if found and found[-1].chrom == chrom and start <= found[-1].end:
            found[-1] = Region(chrom, found[-1].start, max(end, found[-1].end))
        else:
            found.append(Region(chrom, start, end))
    return found
