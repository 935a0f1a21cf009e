"""Which alleles of common SNPs a plasma's molecules show: whose it is, and whether a second person's DNA is in it.

SNPs beside the panel's targets count as well: fragments reach beyond what they were captured by.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.ctdna.panel import Panel, Target
from palbo_assets.ctdna.settings import Settings

if TYPE_CHECKING:
    from palbo_assets.ctdna.umi import UmiSource
    from palbo_assets.genomics.alleles import Fetch, Variant


def of_consensus_reads(
    bam: Path, snps: Sequence[Variant], reference: Fetch, settings: Settings
) -> dict[Variant, tuple[int, int]]:
    """SNP -> molecules with the reference and with the alternative, from delivered consensus reads."""
    from palbo_assets.genomics.allele_counts import count_alleles

    counted = count_alleles(
        bam,
        snps,
        reference,
        min_base_quality=settings.min_base_quality,
        min_mapping_quality=settings.min_mapping_quality,
    )
    return {
        snp: (found.ref_forward + found.ref_reverse, found.alt) for snp, found in counted.items() if found is not None
    }


def of_raw_reads(
    bam: Path, source: UmiSource, snps: Sequence[Variant], settings: Settings
) -> dict[Variant, tuple[int, int]]:
    """SNP -> molecules with the reference and with the alternative; the molecules are called here, at the SNPs alone.

    Raises
    ------
    InputError
        As `consensus_molecules`.
    """
    from palbo_assets.ctdna.umi_consensus import consensus_molecules
    from palbo_assets.genomics.bgzf import bam_header

    known = set(bam_header(bam).contigs)
    placed = [snp for snp in snps if snp.chrom in known]
    sites = Panel("identity_snps", tuple(Target(snp.chrom, snp.pos - 1, snp.pos) for snp in placed))
    counts, _ = consensus_molecules(bam, source, sites, lambda chrom, start, end: "N" * (end - start), settings)
    found = {}
    for snp in placed:
        ref, alt = (counts.evidence(snp.chrom, snp.pos, "N", base) for base in (snp.ref, snp.alt))
        if ref is not None and alt is not None:
            found[snp] = (ref.alt, alt.alt)
    return found
