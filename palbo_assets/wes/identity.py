"""Do two samples come from one person? Genotypes at common SNPs, compared.

The verdict rests on sites that are homozygous in the normal (as Conpair does): loss of heterozygosity and copy
number in a tumour can't change them. The correlation of allele fractions over all sites (as NGSCheckMate) stands
beside it. Neither needs genotypes to leave this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from palbo_assets.genomics.allele_counts import Evidence, count_alleles
from palbo_assets.genomics.alleles import Fetch, Variant
from palbo_assets.wes.settings import Settings

MATCHED, MISMATCH, NOT_EVALUABLE = "matched", "mismatch", "not_evaluable"


@dataclass(frozen=True)
class Identity:
    """Comparison of a sample with its normal.

    ``n_sites`` SNPs are covered in both, ``n_homozygous`` of them are homozygous in the normal; ``concordance`` is
    the share of those where the sample has the same genotype, ``correlation`` Pearson's r of allele fractions over
    all. ``reason`` is a stable code, empty for a clean match.
    """

    verdict: str
    n_sites: int
    n_homozygous: int
    concordance: float | None
    correlation: float | None
    reason: str


def fractions(alt: np.ndarray, depth: np.ndarray, settings: Settings) -> np.ndarray:
    """As `allele_fractions`, from counts."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(depth >= settings.snp_min_depth, alt / depth, np.nan)


def allele_fractions(path: Path, snps: Sequence[Variant], fetch: Fetch, settings: Settings) -> np.ndarray:
    """Alternative fraction (float64) at each SNP of a sorted BAM, NaN below the depth that a genotype needs."""
    counted = count_alleles(
        path,
        snps,
        fetch,
        min_base_quality=settings.min_base_quality,
        min_mapping_quality=settings.min_mapping_quality,
    )
    return fractions_of(counted, snps, settings)


def fractions_of(counted: Mapping[Variant, Evidence | None], snps: Sequence[Variant], settings: Settings) -> np.ndarray:
    """As `allele_fractions`, from evidence that was counted already."""
    found = np.full(len(snps), np.nan)
    for index, snp in enumerate(snps):
        evidence = counted.get(snp)
        if evidence is not None and evidence.depth >= settings.snp_min_depth:
            found[index] = evidence.alt / evidence.depth
    return found


def compare(sample: np.ndarray, normal: np.ndarray, settings: Settings, *, min_sites: int | None = None) -> Identity:
    """Compare allele fractions (float64, NaN where not covered) of a sample with those of a normal, SNP by SNP.

    ``min_sites`` overrides the exome's limit for assays that cover fewer SNPs.
    """
    both = ~np.isnan(sample) & ~np.isnan(normal)
    x, y = sample[both], normal[both]
    n = int(both.sum())
    edge = settings.snp_homozygous_vaf
    homozygous = (y <= edge) | (y >= 1 - edge)
    n_homozygous = int(homozygous.sum())
    same = np.where(y < 0.5, x <= edge, x >= 1 - edge)
    concordance = float(same[homozygous].mean()) if n_homozygous else None
    spread = n > 2 and float(x.std()) > 0 and float(y.std()) > 0
    correlation = float(np.clip(np.corrcoef(x, y)[0, 1], -1, 1)) if spread else None
    needed = settings.identity_min_sites if min_sites is None else min_sites
    # People are homozygous at about half of common SNPs; with fewer than half of that the panel or the normal is odd.
    if n < needed or n_homozygous < needed / 4 or concordance is None:
        return Identity(NOT_EVALUABLE, n, n_homozygous, concordance, correlation, "TOO_FEW_SITES")
    if concordance < settings.identity_fail:
        return Identity(MISMATCH, n, n_homozygous, concordance, correlation, "E_IDENTITY_MISMATCH")
    reason = "W_CONTAMINATION" if concordance < settings.identity_pass else ""
    return Identity(MATCHED, n, n_homozygous, concordance, correlation, reason)
