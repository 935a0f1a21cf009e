"""How often reads err beside a variant: what a count of its alternative must exceed to mean anything."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from palbo_assets.genomics.alleles import Fetch, Variant
from palbo_assets.genomics.bam import NIBBLES
from palbo_assets.genomics.bam_index import WHOLE
from palbo_assets.genomics.bgzf import bam_header
from palbo_assets.genomics.pileup import Indel, pileup
from palbo_assets.genomics.regions import Region
from palbo_assets.genomics.targets import BASES, lay_out


def local_errors(
    path: Path,
    variants: Iterable[Variant],
    fetch: Fetch,
    *,
    window: int,
    max_vaf: float,
    min_base_quality: int,
    min_mapping_quality: int,
    ranges: Iterable[tuple[int, int | None]] = WHOLE,
) -> dict[Variant, float | None]:
    """Errors per base and per alternative base around each variant, itself left out; None without coverage.

    For substitutions: bases other than the reference within ``window`` bases on each side / depth / 3. For indels:
    reads with any other indel per covered base. Positions whose share of such reads is above ``max_vaf`` are taken for
    variants and left out. One pass over the BAM, or over the ``ranges`` of it that hold these places.
    """
    contigs = bam_header(path).contigs
    wanted = [one for one in dict.fromkeys(variants) if one.chrom in contigs]
    around = [Region(one.chrom, max(0, one.pos - 1 - window), one.pos - 1 + len(one.ref) + window) for one in wanted]
    targets = lay_out(around, contigs, fetch)
    counts = np.zeros((targets.total, 4), dtype=np.int64)
    seen: dict[Indel, int] = {}
    pieces = pileup(
        path, targets, min_base_quality=min_base_quality, min_mapping_quality=min_mapping_quality, ranges=ranges
    )
    for piece in pieces:
        counts[piece.first : piece.first + len(piece.counts)] = piece.counts.sum(axis=2)
        for indel, reads in piece.indels.items():
            seen[indel] = seen.get(indel, 0) + reads
    depth = counts.sum(axis=1)
    matching = np.zeros(targets.total, dtype=np.int64)
    known = np.zeros(targets.total, dtype=bool)
    for index, base in enumerate(BASES):
        mine = targets.codes == NIBBLES.index(base)
        matching[mine] = counts[mine, index]
        known |= mine
    answer: dict[Variant, float | None] = {}
    for variant in wanted:
        at = targets.index(variant.chrom, variant.pos - 1)
        left = max(at - window, targets.index(variant.chrom, max(0, variant.pos - 1 - window)))
        right = min(at + len(variant.ref) + window, targets.total)
        columns = np.arange(left, right)
        beside = (columns < at) | (columns >= at + len(variant.ref))
        if variant.kind in ("snv", "mnv"):
            wrong, share = (depth - matching)[left:right], 3.0
            beside &= known[left:right]
        else:
            wrong, share = np.zeros(right - left, dtype=np.int64), 1.0
            for indel, reads in seen.items():
                place = at + indel.at - variant.pos - left
                if indel.chrom == variant.chrom and 0 <= place < right - left and not _same(indel, variant):
                    wrong[place] += reads
        here = depth[left:right]
        beside &= (here > 0) & (wrong <= max_vaf * here)
        total = int(here[beside].sum())
        answer[variant] = float(wrong[beside].sum()) / total / share if total else None
    return answer


def _same(indel: Indel, variant: Variant) -> bool:
    """Whether it is the variant itself, wherever the aligner put it in a repeat: same length, within reach."""
    reach = abs(indel.length) + 50
    return indel.length == len(variant.alt) - len(variant.ref) and 0 <= indel.at - variant.pos <= reach
