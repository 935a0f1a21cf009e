"""Which variants the reads of a tumour propose: every allele with enough fragments, before anything is judged.

Substitutions come from counts per base, neighbours that sit on the same fragments are one MNV, and indels come from
what aligners wrote into the reads, left-aligned. Each proposal is then counted exactly by `allele_counts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from palbo_assets.genomics.allele_counts import Evidence, count_alleles
from palbo_assets.genomics.alleles import Fetch, Variant, normalise
from palbo_assets.genomics.bam import NIBBLES
from palbo_assets.genomics.bgzf import bam_header
from palbo_assets.genomics.pileup import Indel, Piece, pileup
from palbo_assets.genomics.regions import Region
from palbo_assets.genomics.targets import BASES, Targets, lay_out
from palbo_assets.wes.settings import Settings

_LONGEST_MNV = 3
_INDEL_REACH = 50


def propose(path: Path, regions: Iterable[Region], fetch: Fetch, settings: Settings) -> list[Variant]:
    """Alleles of a sorted BAM that may reach the candidate limits over the regions; counts are not final.

    Raises
    ------
    InputError
        ``E_EMPTY``, ``E_NOT_BGZF``, ``E_TRUNCATED``, ``E_UNSORTED``.
    """
    targets = lay_out(list(regions), bam_header(path).contigs, fetch)
    substitutions: list[tuple[int, int, int]] = []  # target index, base, fragments
    indels: dict[Indel, int] = {}
    pieces = pileup(
        path,
        targets,
        min_base_quality=settings.min_base_quality,
        min_mapping_quality=settings.min_mapping_quality,
    )
    for piece in pieces:
        substitutions += _substitutions(piece, targets, settings)
        for indel, reads in piece.indels.items():
            indels[indel] = indels.get(indel, 0) + reads
    listed = []
    for index, base, _ in substitutions:
        chrom, position = targets.place(index)
        ref = NIBBLES[targets.codes[index]]
        listed.append(Variant(chrom, position + 1, ref, BASES[base]))
    listed += _neighbours(listed)
    listed += _indels(indels, targets, fetch, settings)
    return listed


def _substitutions(piece: Piece, targets: Targets, settings: Settings) -> list[tuple[int, int, int]]:
    counts = piece.counts.sum(axis=2)
    depth = counts.sum(axis=1)
    codes = targets.codes[piece.first : piece.first + len(counts)]
    enough = (counts >= settings.candidate_alt_reads) & (counts >= settings.candidate_vaf * depth[:, None])
    known = np.zeros(len(codes), dtype=bool)
    for index, base in enumerate(BASES):
        is_ref = codes == NIBBLES.index(base)
        enough[is_ref, index] = False
        known |= is_ref
    rows, bases = np.nonzero(enough & known[:, None])
    return [
        (piece.first + row, base, int(counts[row, base]))
        for row, base in zip(rows.tolist(), bases.tolist(), strict=True)
    ]


def _neighbours(substitutions: list[Variant]) -> list[Variant]:
    """Substitutions of adjoining bases taken together, as two or three bases."""
    by_place: dict[tuple[str, int], list[Variant]] = {}
    for one in substitutions:
        by_place.setdefault((one.chrom, one.pos), []).append(one)
    found: list[Variant] = []
    growing = list(substitutions)
    for _ in range(_LONGEST_MNV - 1):
        growing = [
            Variant(left.chrom, left.pos, left.ref + right.ref, left.alt + right.alt)
            for left in growing
            for right in by_place.get((left.chrom, left.pos + len(left.ref)), [])
        ]
        found += growing
    return found


def _indels(seen: Mapping[Indel, int], targets: Targets, fetch: Fetch, settings: Settings) -> list[Variant]:
    """Left-aligned indels inside the targets that enough reads show."""
    # An indel that fewer reads than the limit show, wherever they put it, isn't worth a look at the reference.
    by_length: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for indel, reads in seen.items():
        by_length.setdefault((indel.chrom, indel.length), []).append((indel.at, reads))
    crowded: set[tuple[str, int, int]] = set()
    for (chrom, length), places in by_length.items():
        places.sort()
        at = np.array([place for place, _ in places])
        total = np.concatenate(([0], np.cumsum([reads for _, reads in places])))
        near = total[at.searchsorted(at + _INDEL_REACH, "right")] - total[at.searchsorted(at - _INDEL_REACH)]
        crowded |= {(chrom, length, int(one)) for one in at[near >= settings.candidate_alt_reads]}
    counted: dict[Variant, int] = {}
    for (chrom, at_, length, inserted), reads in seen.items():
        if (chrom, length, at_) not in crowded or at_ == 0:
            continue
        anchor = fetch(chrom, at_ - 1, at_ + max(0, -length))
        variant = normalise(Variant(chrom, at_, anchor, anchor[0] + inserted), fetch)
        if not set(variant.ref + variant.alt) - set(BASES):
            counted[variant] = counted.get(variant, 0) + reads
    return [
        one
        for one, reads in counted.items()
        if reads >= settings.candidate_alt_reads and targets.holds(one.chrom, one.pos - 1)
    ]


def count(path: Path, variants: Iterable[Variant], fetch: Fetch, settings: Settings) -> dict[Variant, Evidence | None]:
    """`count_alleles` with the room's limits."""
    return count_alleles(
        path,
        variants,
        fetch,
        min_base_quality=settings.min_base_quality,
        min_mapping_quality=settings.min_mapping_quality,
    )


def settle(counted: Mapping[Variant, Evidence | None], settings: Settings) -> list[Variant]:
    """Proposals that reach the candidate limits, with neighbours that sit on the same fragments as one variant."""
    reached = {
        variant: evidence.alt
        for variant, evidence in counted.items()
        if evidence is not None
        and evidence.alt >= settings.candidate_alt_reads
        and (evidence.vaf or 0.0) >= settings.candidate_vaf
    }
    parts: set[Variant] = set()
    for variant in sorted((one for one in reached if one.kind == "mnv"), key=lambda one: -len(one.ref)):
        inside = list(components(variant))
        alone = max(reached.get(part, 0) for part in inside)
        if variant in parts or reached[variant] < settings.mnv_share * alone:
            del reached[variant]
            continue
        parts |= set(inside)
        parts |= {one for one in reached if one.kind == "mnv" and one != variant and _within(one, variant)}
    return sorted(one for one in reached if one not in parts)


def components(variant: Variant) -> Iterable[Variant]:
    """The substitutions of single bases that make up an MNV."""
    for offset, (ref, alt) in enumerate(zip(variant.ref, variant.alt, strict=True)):
        if ref != alt:
            yield Variant(variant.chrom, variant.pos + offset, ref, alt)


def _within(one: Variant, other: Variant) -> bool:
    return set(components(one)) < set(components(other))
