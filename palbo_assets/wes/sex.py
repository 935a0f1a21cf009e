"""Sex by the sex chromosomes: depth of X and Y targets against the autosomes.

Expected against autosomes: X 1 and Y 0 with two X, X 0.5 and Y 0.5 with X and Y. A tumour may lose a sex chromosome,
so the blood is judged. Heterozygous SNPs on X are a second witness: one X has none but errors of mapping. PLINK's
``--check-sex`` cuts their share, which needs hundreds of SNPs; a likelihood ratio says how sure few are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

FEMALE, MALE, UNCLEAR, NOT_EVALUABLE = "female", "male", "unclear", "not_evaluable"
_X, _Y = ("chrX", "X"), ("chrY", "Y")
# Pseudo-autosomal regions are left to the targets: capture panels leave them out. SNPs in them say nothing of the sex:
# up to the end of the first (GRCh38) and from the start of the second (GRCh37), which holds for both builds.
_PAR1_END, _PAR2_START = 2_781_479, 154_931_044


@dataclass(frozen=True)
class Sex:
    """``x_ratio`` and ``y_ratio``: mean depth over X and Y targets / mean depth over autosomal targets (1)."""

    sex: str
    x_ratio: float | None = None
    y_ratio: float | None = None


def judge(
    depth_of: Mapping[str, tuple[float, int]], *, min_bases: int, y_male: float, y_female: float, x_male: float
) -> Sex:
    """Sex of the person.

    Parameters
    ----------
    depth_of
        contig -> (mean depth over its targets in x, target bases).
    min_bases
        Target bases of X, and of autosomes, without which nothing is said.
    y_male, y_female
        Y ratio from which a Y is there, up to which it isn't.
    x_male
        X ratio that separates one X from two; it decides where no Y is targeted.
    """
    autosomes = [value for name, value in depth_of.items() if name not in (*_X, *_Y, "chrM", "MT")]
    n_autosomal = sum(bases for _, bases in autosomes)
    on_x, on_y = _pooled(depth_of, _X), _pooled(depth_of, _Y)
    if n_autosomal < min_bases or on_x is None or on_x[1] < min_bases:
        return Sex(NOT_EVALUABLE)
    mean = sum(depth * bases for depth, bases in autosomes) / n_autosomal
    if mean <= 0:
        return Sex(NOT_EVALUABLE)
    x_ratio = on_x[0] / mean
    by_x = MALE if x_ratio < x_male else FEMALE
    if on_y is None or on_y[1] < min_bases:
        return Sex(by_x, x_ratio)
    y_ratio = on_y[0] / mean
    by_y = MALE if y_ratio >= y_male else FEMALE if y_ratio <= y_female else UNCLEAR
    return Sex(by_x if by_x == by_y else UNCLEAR, x_ratio, y_ratio)


def _pooled(depth_of: Mapping[str, tuple[float, int]], names: tuple[str, ...]) -> tuple[float, int] | None:
    found = [depth_of[name] for name in names if name in depth_of]
    bases = sum(one for _, one in found)
    return (float(np.dot([d for d, _ in found], [b for _, b in found]) / bases), bases) if bases else None


@dataclass(frozen=True)
class Heterozygosity:
    """What SNPs on X say: ``n_sites`` deep enough, ``n_heterozygous`` of them, and the log10 ratio of two X to one."""

    sex: str
    n_sites: int
    n_heterozygous: int
    score: float | None = None


def by_heterozygosity(
    alt: np.ndarray,
    depth: np.ndarray,
    frequency: np.ndarray,
    *,
    min_depth: int,
    edge: float,
    error: float,
    min_score: float,
) -> Heterozygosity:
    """Sex of blood by heterozygosity of X.

    Parameters
    ----------
    alt, depth, frequency
        (s,) fragments with the alternative and with either allele at SNPs `on_x`, and the allele's frequency.
    min_depth, edge
        Fragments that a genotype needs, and the fraction from 0 or 1 that still is homozygous.
    error
        Share of SNPs that look heterozygous though there is one X.
    min_score
        log10 likelihood ratio, either way, from which a sex is said.
    """
    deep = depth >= min_depth
    n_sites = int(deep.sum())
    if not n_sites:
        return Heterozygosity(NOT_EVALUABLE, 0, 0)
    fraction = alt[deep] / depth[deep]
    seen = (fraction > edge) & (fraction < 1 - edge)
    # With two X an error looks heterozygous as well: else a woman's rare alleles would speak for one X.
    truly = 2 * frequency[deep] * (1 - frequency[deep])
    two = truly + (1 - truly) * error
    score = float(np.where(seen, np.log10(two / error), np.log10((1 - two) / (1 - error))).sum())
    sex = FEMALE if score >= min_score else MALE if score <= -min_score else NOT_EVALUABLE
    return Heterozygosity(sex, n_sites, int(seen.sum()), score)


def on_x(chrom: Sequence[str], pos: Sequence[int]) -> np.ndarray:
    """(s,) bool: SNPs (1-based) on X outside the regions that it shares with Y."""
    place = np.asarray(pos)
    return np.isin(np.asarray(chrom, dtype=str), _X) & (place > _PAR1_END) & (place < _PAR2_START)
