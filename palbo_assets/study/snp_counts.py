"""Allele counts at the identity SNPs: the same columns in every room that counts them, so that samples can be compared.

They identify people and leave the study in no export.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from palbo_assets.genomics.alleles import Variant
from palbo_assets.platform.tables import PATIENT_ID, SPECIMEN_ID, TIMEPOINT, Column, integer, real, text

SOURCES = ("blood", "tumour", "plasma", "rna")
SNP_COUNTS: tuple[Column, ...] = (
    PATIENT_ID,
    TIMEPOINT,
    SPECIMEN_ID,
    text("source", "What was sequenced", nullable=False, key=True, allowed=SOURCES),
    text("chrom", "Contig as the study's reference names it", nullable=False, key=True),
    integer("pos", "Position, 1-based", nullable=False, key=True, minimum=1),
    text("alt", "Alternative allele", nullable=False, key=True),
    integer("depth", "Fragments with either allele", unit="fragments", nullable=False, minimum=0),
    integer("alt_count", "Fragments with the alternative allele", unit="fragments", nullable=False, minimum=0),
    real("frequency", "Alternative allele frequency that snp_bed states; null where it states none", unit="1",
         minimum=0.0, maximum=1.0),
)  # fmt: skip


def snp_rows(
    who: Mapping[str, Any],
    snps: Sequence[Variant],
    frequencies: Sequence[float | None],
    seen: Mapping[Variant, tuple[int, int]],
) -> list[dict[str, Any]]:
    """A row for each SNP, in their order.

    Parameters
    ----------
    who
        ``patient_id``, ``timepoint``, ``specimen_id`` and ``source``.
    snps, frequencies
        As `identity_snps.read_snps` and `identity_snps.read_frequencies` give them.
    seen
        SNP -> fragments with the reference and with the alternative; those that show neither are errors. A SNP that
        isn't in it has depth 0.
    """
    rows = []
    for snp, frequency in zip(snps, frequencies, strict=True):
        ref, alt = seen.get(snp, (0, 0))
        counts = {"depth": ref + alt, "alt_count": alt, "frequency": frequency}
        rows.append({**who, "chrom": snp.chrom, "pos": snp.pos, "alt": snp.alt, **counts})
    return rows
