"""Copy number of every gene of the study's gene models in one tumour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from palbo_assets.genomics.gene_exons import GeneExons
from palbo_assets.wes.copy_number import Gene, amplified_from, gene_copy_number
from palbo_assets.wes.copy_number_files import CopyNumberSegment, plain_chromosome
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.tumour_profile import TumourProfile

NO_SEGMENTS = "NO_SEGMENTS"
Arms = Mapping[str, tuple[tuple[int, int], tuple[int, int]]]


def arms(centromeres: Mapping[str, tuple[int, int]], contigs: Mapping[str, int]) -> Arms:
    """Short and long arm of each chromosome (named without ``chr``) that has a centromere and a length."""
    lengths = {plain_chromosome(name): length for name, length in contigs.items()}
    known = {plain_chromosome(name): place for name, place in centromeres.items()}
    return {
        name: ((0, start), (end, lengths[name])) for name, (start, end) in known.items() if lengths.get(name, 0) > end
    }


def gene_rows(
    genes: Iterable[GeneExons],
    profile: TumourProfile | None,
    arms_of: Arms,
    settings: Settings,
    without: str = NO_SEGMENTS,
) -> list[dict[str, Any]]:
    """Rows of ``gene_copy_number`` without patient, timepoint and specimen; NOT_EVALUABLE with a reason is a row.

    ``without``: the reason where there is no profile.
    """
    by_chrom: dict[str, list[CopyNumberSegment]] = {}
    for one in profile.segments if profile else ():
        by_chrom.setdefault(one.chrom, []).append(one)
    reason = without if profile is None else profile.reason
    ploidy = profile.ploidy if profile else None
    rows = []
    for gene in genes:
        chrom = plain_chromosome(gene.chrom)
        found = gene_copy_number(
            Gene(gene.symbol, gene.chrom, gene.exons),
            by_chrom.get(chrom, []),
            # Without ploidy there are no absolute copies either, and nothing is judged with this value.
            ploidy=2.0 if ploidy is None else ploidy,
            settings=settings,
            arm=_arm(gene, arms_of.get(chrom)),
            reason=reason,
        )
        rows.append(
            {
                "gene": gene.symbol,
                "chrom": gene.chrom,
                "state": str(found.state),
                "reason": found.reason,
                "copies": found.mean_copies,
                "min_exon_copies": found.min_exon_copies,
                "minor_copies": found.minor_copies,
                "heterozygosity": str(found.heterozygosity),
                "extent": None if found.extent is None else str(found.extent),
                "log2": found.log2,
                "n_exons": len(gene.exons),
                "exons_covered": round(found.exon_share * len(gene.exons)),
                "amplified_from": None if ploidy is None else amplified_from(ploidy, settings),
                "purity": profile.purity if profile else None,
                "ploidy": ploidy,
            }
        )
    return rows


def _arm(gene: GeneExons, pair: tuple[tuple[int, int], tuple[int, int]] | None) -> tuple[int, int] | None:
    if pair is None:
        return None
    middle = (gene.exons[0][0] + gene.exons[-1][1]) // 2
    return next((arm for arm in pair if arm[0] <= middle < arm[1]), None)
