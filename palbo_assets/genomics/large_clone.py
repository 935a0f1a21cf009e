"""A large clone of blood cells told from a heterozygous germline variant: by how far below one half the blood shows it.

A clone of 40 to 90 % of white cells shows its mutation at 20 to 45 % of fragments, where limits on the fraction alone
would call it germline. Reads of a heterozygous variant scatter more than a binomial, and fewer carry the alternative
than the reference because aligners prefer that: both are taken in (variance above the binomial in exomes: Heinrich et
al. 2012, Nucleic Acids Res, doi 10.1093/nar/gkr1073; reference bias: Degner et al. 2009, Bioinformatics, doi
10.1093/bioinformatics/btp579), so that what is left below is a clone.
"""

from __future__ import annotations

from math import exp, lgamma

CHIP_GENES = ("DNMT3A", "TET2", "ASXL1", "JAK2", "PPM1D", "TP53", "ATM", "CHEK2", "SF3B1", "GNB1", "CBL")
"""Genes of clonal haematopoiesis that are seen in plasma (Razavi 2019, Nat Med)."""


def heterozygous_at_most(alt: int, depth: int, mean: float, concentration: float) -> float:
    """P(X <= alt) of a heterozygous germline variant: X ~ beta-binomial(depth), exact sum.

    ``mean``: fraction of alternative fragments; ``concentration``: alpha + beta, the larger the nearer to binomial.
    """
    a, b = mean * concentration, (1.0 - mean) * concentration
    whole = lgamma(depth + 1) + lgamma(a + b) - lgamma(a) - lgamma(b) - lgamma(depth + a + b)
    terms = (
        exp(whole - lgamma(k + 1) - lgamma(depth - k + 1) + lgamma(k + a) + lgamma(depth - k + b))
        for k in range(min(alt, depth) + 1)
    )
    return min(1.0, sum(terms))


def large_clone(alt: int, depth: int, *, heterozygous: float, concentration: float, alpha: float) -> bool:
    """Whether the blood's fragments exclude a heterozygous germline variant from below, with p < ``alpha``."""
    return depth > 0 and heterozygous_at_most(alt, depth, heterozygous, concentration) < alpha
