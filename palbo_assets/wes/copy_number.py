"""Absolute copy number of a gene, judged with the tumour's purity.

A fixed cut on the log2 ratio is wrong: with purity p a homozygous deletion reads log2(1 - p), so CNVkit's -1.1 (meant
for a pure tumour) can't call one below 53 % purity. The ratio is therefore solved for the tumour's copies (as in
CNVkit's ``call --purity``, Talevich 2016). Amplification follows COSMIC's rule, which depends on ploidy. Losses are
judged at the exon with fewest copies, because a gene's mean hides an intragenic deletion. Loss of heterozygosity is
only read from allele-specific copies; what can't be judged is NOT_EVALUABLE with a reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import floor

from palbo_assets.wes.copy_number_files import CopyNumberProfile, CopyNumberSegment, plain_chromosome
from palbo_assets.wes.settings import Settings

NO_PURITY = "NO_PURITY"
LOW_PURITY = "LOW_PURITY"
RESCALING_UNKNOWN = "UNKNOWN_WHETHER_LOG2_IS_RESCALED"


class State(StrEnum):
    """What happened to the gene's copies."""

    HOMOZYGOUS_DELETION = "HOMOZYGOUS_DELETION"
    LOSS = "LOSS"
    NEUTRAL = "NEUTRAL"
    NEUTRAL_LOH = "NEUTRAL_LOH"
    GAIN = "GAIN"
    AMPLIFICATION = "AMPLIFICATION"
    NOT_EVALUABLE = "NOT_EVALUABLE"


class Heterozygosity(StrEnum):
    """Whether both parents' copies are there."""

    LOST = "LOST"
    KEPT = "KEPT"
    NOT_EVALUABLE = "NOT_EVALUABLE"


class Extent(StrEnum):
    """How far the event that holds the gene reaches."""

    FOCAL = "FOCAL"
    LARGE = "LARGE"
    ARM = "ARM"


@dataclass(frozen=True)
class Gene:
    """A gene's exons as 0-based half-open intervals on one chromosome."""

    symbol: str
    chrom: str
    exons: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class GeneCopyNumber:
    """Copies per tumour cell (null where not evaluable), log2 as the tool states it, and what they mean."""

    symbol: str
    state: State
    heterozygosity: Heterozygosity
    mean_copies: float | None
    min_exon_copies: float | None
    minor_copies: float | None
    log2: float | None
    extent: Extent | None
    exon_share: float
    reason: str = ""


def tumour_copies(log2: float, purity: float, *, copies_at_zero: float = 2.0) -> float:
    """Copies per tumour cell on an autosome, from the log2 ratio.

    ``copies_at_zero`` is the tumour's copy number where the tool's log2 is 0: 2 for ratios centred on the diploid mode,
    the ploidy for ratios centred on the mean. Solves ``2^log2 = (p CN + 2 (1-p)) / (p z + 2 (1-p))``; noise can make
    the result a little negative, which counts as 0.
    """
    normal = 2 * (1 - purity)
    return max(0.0, (2.0**log2 * (purity * copies_at_zero + normal) - normal) / purity)


def absolute_segments(
    profile: CopyNumberProfile,
    purity: float | None,
    *,
    settings: Settings,
) -> tuple[tuple[CopyNumberSegment, ...], str]:
    """The segments with absolute copies, and why there are none.

    Copies that a tool modelled with its own purity are taken as they are. Ratios are solved with ``purity``. CNVkit's
    ``call`` may have rescaled log2 for purity and doesn't say so in the file: with a ``cn`` column the settings state
    it (``cn_log2_rescaled``), and None is not guessed. Copies of X and Y from ratios depend on the reference's sex and
    stay null.

    Returns
    -------
    tuple
        Segments (``total_cn`` and ``minor_cn`` null where unknown), and a reason, "" where copies could be judged.
    """
    purity = profile.purity if purity is None else purity
    blank = tuple(_with(one, None, None) for one in profile.segments)
    if purity is None:
        return blank, NO_PURITY
    if not 0 < purity <= 1:
        raise ValueError("purity is a fraction above 0")
    if purity < settings.cn_min_purity:
        return blank, LOW_PURITY
    if profile.modelled:
        of_all_cells = profile.tool == "facets"
        return tuple(_of_tumour_cells(one, purity) if of_all_cells else one for one in profile.segments), ""
    if any(one.total_cn is not None for one in profile.segments):
        if settings.cn_log2_rescaled is None:
            return blank, RESCALING_UNKNOWN
        if settings.cn_log2_rescaled:
            return profile.segments, ""
    return tuple(
        _with(one, tumour_copies(one.log2, purity, copies_at_zero=settings.cn_log2_zero), None)
        if one.log2 is not None and one.chrom not in ("X", "Y")
        else _with(one, None, None)
        for one in profile.segments
    ), ""


def gene_copy_number(
    gene: Gene,
    segments: Sequence[CopyNumberSegment],
    *,
    ploidy: float,
    settings: Settings,
    arm: tuple[int, int] | None = None,
    reason: str = "",
) -> GeneCopyNumber:
    """Judge one gene from segments with absolute copies (`absolute_segments`, whose ``reason`` is passed on).

    Parameters
    ----------
    ploidy
        Mean copies of a tumour cell.
    arm
        The gene's chromosome arm, 0-based half-open, to tell an event of the arm; without it none is called ARM.
    """
    chrom = plain_chromosome(gene.chrom)
    here = [one for one in segments if one.chrom == chrom]
    found = [(one, overlap) for exon in gene.exons for one in here if (overlap := _overlap(one, *exon)) > 0]
    known = [(one, overlap) for one, overlap in found if one.total_cn is not None]
    judged = [one for one, _ in known or found]
    share = sum(any(_overlap(one, *exon) for one in judged) for exon in gene.exons) / len(gene.exons)
    log2 = _mean([(one.log2, overlap) for one, overlap in found])
    if not known:
        why = reason or ("NO_ABSOLUTE_COPIES" if found else "NO_SEGMENT")
        return GeneCopyNumber(
            gene.symbol, State.NOT_EVALUABLE, Heterozygosity.NOT_EVALUABLE, None, None, None, log2, None, share, why
        )
    mean = _mean([(one.total_cn, overlap) for one, overlap in known])
    worst = min((one for one, _ in known), key=lambda one: (one.total_cn, one.start))
    lowest = worst.total_cn
    assert mean is not None and lowest is not None
    minors = [one.minor_cn for one, _ in known if one.minor_cn is not None]
    heterozygosity = _heterozygosity([one for one, _ in known], complete=share >= settings.cn_min_exon_share)
    state = _state(mean, lowest, ploidy, heterozygosity, settings)
    # Exons that no segment covers may be deleted; a homozygous deletion that was seen stands all the same.
    if share < settings.cn_min_exon_share and state is not State.HOMOZYGOUS_DELETION:
        state, reason = State.NOT_EVALUABLE, "EXONS_WITHOUT_SEGMENT"
    altered = state not in (State.NEUTRAL, State.NOT_EVALUABLE)
    most = max(known, key=lambda pair: pair[1])[0]
    loss = state in (State.HOMOZYGOUS_DELETION, State.LOSS)
    extent = _extent(worst if loss else most, here, arm, settings) if altered else None
    minor = min(minors) if minors else None
    return GeneCopyNumber(gene.symbol, state, heterozygosity, mean, lowest, minor, log2, extent, share, reason)


def amplified_from(ploidy: float, settings: Settings) -> int:
    """Copies from which a gene counts as amplified: COSMIC asks for more where the genome is doubled."""
    return settings.cn_amplified_doubled if ploidy > settings.cn_high_ploidy else settings.cn_amplified


def _state(mean: float, lowest: float, ploidy: float, het: Heterozygosity, settings: Settings) -> State:
    usual = _whole(ploidy)
    if _whole(lowest) == 0:
        return State.HOMOZYGOUS_DELETION
    if _whole(mean) >= amplified_from(ploidy, settings):
        return State.AMPLIFICATION
    if _whole(lowest) < usual:
        return State.LOSS
    if _whole(mean) > usual:
        return State.GAIN
    return State.NEUTRAL_LOH if het is Heterozygosity.LOST else State.NEUTRAL


def _heterozygosity(known: list[CopyNumberSegment], *, complete: bool) -> Heterozygosity:
    if any(one.minor_cn is not None and _whole(one.minor_cn) == 0 and _whole(one.total_cn or 0.0) for one in known):
        return Heterozygosity.LOST
    # Where no copy is left there is no heterozygosity to keep or lose.
    if complete and all(one.minor_cn is not None and _whole(one.minor_cn) > 0 for one in known):
        return Heterozygosity.KEPT
    return Heterozygosity.NOT_EVALUABLE


def _extent(
    seed: CopyNumberSegment, here: list[CopyNumberSegment], arm: tuple[int, int] | None, settings: Settings
) -> Extent:
    """Neighbours with the same whole copies of both alleles belong to the event."""
    ordered = sorted(here, key=lambda one: one.start)
    first = last = ordered.index(seed)
    while first and _same(ordered[first - 1], seed):
        first -= 1
    while last + 1 < len(ordered) and _same(ordered[last + 1], seed):
        last += 1
    start, end = ordered[first].start, ordered[last].end
    if arm and min(end, arm[1]) - max(start, arm[0]) >= settings.cn_arm_share * (arm[1] - arm[0]):
        return Extent.ARM
    return Extent.FOCAL if end - start < settings.cn_focal_bases else Extent.LARGE


def _same(one: CopyNumberSegment, other: CopyNumberSegment) -> bool:
    return all(
        (a is None) == (b is None) and (a is None or b is None or _whole(a) == _whole(b))
        for a, b in ((one.total_cn, other.total_cn), (one.minor_cn, other.minor_cn))
    )


def _whole(copies: float) -> int:
    return floor(copies + 0.5)


def _overlap(one: CopyNumberSegment, start: int, end: int) -> int:
    return max(0, min(one.end, end) - max(one.start, start))


def _mean(weighted: list[tuple[float | None, int]]) -> float | None:
    pairs = [(value, weight) for value, weight in weighted if value is not None]
    total = sum(weight for _, weight in pairs)
    return sum(value * weight for value, weight in pairs) / total if total else None


def _of_tumour_cells(one: CopyNumberSegment, purity: float) -> CopyNumberSegment:
    """FACETS states the share of all cells that have the copies, and takes the other cells to be normal (Shen 2016)."""
    if one.cell_share is None or one.total_cn is None:
        return replace(one, cell_share=None)
    share = min(one.cell_share / purity, 1.0)
    if (one.total_cn, one.minor_cn) == (2, 1) or share == 1:
        return replace(one, cell_share=1.0)
    return replace(one, cell_share=share, other_total_cn=2.0, other_minor_cn=1.0)


def _with(one: CopyNumberSegment, total: float | None, minor: float | None) -> CopyNumberSegment:
    return CopyNumberSegment(one.chrom, one.start, one.end, one.log2, total, minor, one.n_markers)
