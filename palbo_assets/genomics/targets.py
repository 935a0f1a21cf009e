"""Target regions laid end to end, with their reference bases packed as a BAM record packs its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from palbo_assets.genomics.alleles import Fetch
from palbo_assets.genomics.bam import nibbles
from palbo_assets.genomics.regions import Region, merged

BASES = "ACGT"


@dataclass(frozen=True)
class Targets:
    """Merged regions laid end to end: every target base has an index, ``offset`` is that of each region's first."""

    regions: Sequence[Region]
    contig: np.ndarray
    start: np.ndarray
    end: np.ndarray
    offset: np.ndarray
    codes: np.ndarray  # 4-bit reference codes, one a byte
    packed: np.ndarray  # codes packed as a record packs its bases: from index 0, then the same from index 1

    @property
    def total(self) -> int:
        """Bases in all targets."""
        return len(self.codes)

    @cached_property
    def _bounds(self) -> dict[str, tuple[int, int]]:
        bounds: dict[str, tuple[int, int]] = {}
        for which, region in enumerate(self.regions):
            bounds[region.chrom] = (bounds.get(region.chrom, (which, 0))[0], which + 1)
        return bounds

    def _which(self, chrom: str, position: int) -> int | None:
        first, end = self._bounds.get(chrom, (0, 0))
        which = first + int(np.searchsorted(self.start[first:end], position, side="right")) - 1
        return which if which >= first and position < self.end[which] else None

    def holds(self, chrom: str, position: int) -> bool:
        """Whether a 0-based position is in a target."""
        return self._which(chrom, position) is not None

    def index(self, chrom: str, position: int) -> int:
        """Index of a 0-based position that is in a target."""
        which = self._which(chrom, position)
        if which is None:
            raise KeyError("the position is in no target")
        return int(self.offset[which] + position - self.start[which])

    def place(self, index: int) -> tuple[str, int]:
        """Contig and 0-based position of a target base."""
        which = int(np.searchsorted(self.offset, index, side="right")) - 1
        return self.regions[which].chrom, int(self.start[which] + index - self.offset[which])


def lay_out(regions: Sequence[Region], contigs: dict[str, int], fetch: Fetch) -> Targets:
    """Targets of a file with these contigs; reference bases are taken from ``fetch``."""
    order = {name: index for index, name in enumerate(contigs)}
    joined = merged(regions, contigs)
    lengths = [region.end - region.start for region in joined]
    offset = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    codes = np.full(int(offset[-1]), 15, dtype=np.uint8)
    for region, at in zip(joined, offset, strict=False):
        bases = nibbles(fetch(*region))
        codes[at : at + len(bases)] = bases
    padded = np.concatenate((codes, np.full(19 + len(codes) % 2, 15, dtype=np.uint8)))  # a word beyond the last base
    return Targets(
        joined,
        np.array([order[region.chrom] for region in joined], dtype=np.int64),
        np.array([region.start for region in joined], dtype=np.int64),
        np.array([region.end for region in joined], dtype=np.int64),
        offset[:-1].copy(),
        codes,
        np.concatenate((padded[0:-2:2] << 4 | padded[1:-1:2], padded[1:-1:2] << 4 | padded[2::2])),
    )
