"""Cancer cell fractions of called variants, from the tumour's copy-number profile."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import numpy as np

from palbo_assets.wes.cancer_cell_fraction import CellFractions, cell_fractions
from palbo_assets.wes.copy_number_files import CopyNumberSegment, plain_chromosome
from palbo_assets.wes.genotypes import Copies
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.tumour_profile import TumourProfile

NO_SEGMENTS = "NO_SEGMENTS"
SEX_CHROMOSOME = "SEX_CHROMOSOME"


class Clonality(StrEnum):
    """CLONAL is "not shown to be subclonal": the interval reaches (nearly) all tumour cells."""

    CLONAL = "CLONAL"
    SUBCLONAL = "SUBCLONAL"
    NOT_EVALUABLE = "NOT_EVALUABLE"


class LocalCopies:
    """Copies at a place of the genome: ``at(chrom, pos)`` is the segment that holds the 1-based position."""

    def __init__(self, segments: Sequence[CopyNumberSegment]) -> None:
        self._by_chrom: dict[str, list[CopyNumberSegment]] = {}
        for one in sorted(segments, key=lambda one: (one.chrom, one.start)):
            self._by_chrom.setdefault(one.chrom, []).append(one)
        self._starts = {chrom: [one.start for one in listed] for chrom, listed in self._by_chrom.items()}

    def at(self, chrom: str, pos: int) -> CopyNumberSegment | None:
        chrom = plain_chromosome(chrom)
        index = bisect_right(self._starts.get(chrom, []), pos - 1) - 1
        if index < 0:
            return None
        found = self._by_chrom[chrom][index]
        return found if pos <= found.end else None


def local_copies(places: Sequence[tuple[str, int]], profile: TumourProfile | None, settings: Settings) -> Copies:
    """Copies at each (chrom, 1-based position), NaN where unknown."""
    lookup = LocalCopies(profile.segments if profile else ())
    found = [_of_segment(lookup.at(*place), settings) for place in places]
    return Copies(*np.array(found, dtype=float).reshape(len(places), 5).T)


def _of_segment(one: CopyNumberSegment | None, settings: Settings) -> tuple[float, ...]:
    """Total, lesser allele, share of cells, and total and lesser allele of the other cells.

    Fractional copies are the mean over tumour cells (PURPLE, ratios solved with purity): two populations with the whole
    numbers on both sides have that mean (Nik-Zainal 2012). Whole numbers say nothing of a mean, the tool rounded.
    """
    if one is None or one.total_cn is None:
        return (np.nan,) * 5
    minor = np.nan if one.minor_cn is None else one.minor_cn
    if one.cell_share is not None:
        others = (np.nan if value is None else value for value in (one.other_total_cn, one.other_minor_cn))
        return (one.total_cn, minor, one.cell_share, *others)
    fractions = {name: value - np.floor(value) for name, value in (("total", one.total_cn), ("minor", minor))}
    if not any(value > 0 for value in fractions.values()):
        return (one.total_cn, minor, np.nan, np.nan, np.nan)
    near = settings.ccf_whole_copies
    split = {name: near < value < 1 - near for name, value in fractions.items()}
    whole = (np.floor(one.total_cn + 0.5), np.floor(minor + 0.5))
    if split["total"]:
        # Either allele may be the one that differs; where both seem to, alleles aren't told apart.
        lesser = np.nan if split["minor"] else whole[1]
        return (np.ceil(one.total_cn), lesser, fractions["total"], np.floor(one.total_cn), lesser)
    if split["minor"]:
        return (whole[0], np.ceil(minor), fractions["minor"], whole[0], np.floor(minor))
    return (*whole, 1.0, np.nan, np.nan)


def fractions_of(
    places: Sequence[tuple[str, int]],
    alt: Sequence[float],
    depth: Sequence[float],
    profile: TumourProfile | None,
    settings: Settings,
) -> CellFractions:
    """Posterior cell fractions of variants of one tumour.

    X and Y aren't judged: how many copies normal cells have there depends on the sex, which may be unclear. Why
    nothing was said of the whole tumour (no segments, its purity) comes before what is missing at a place.
    """
    copies = local_copies(places, profile, settings)
    sexual = np.array([plain_chromosome(chrom) in ("X", "Y") for chrom, _ in places], dtype=bool)
    found = cell_fractions(
        alt,
        depth,
        profile.purity if profile else None,
        np.where(sexual, np.nan, copies.total),
        copies.minor,
        settings=settings,
        share=copies.share,
        other_total=np.where(sexual, np.nan, copies.other_total),
        other_minor=copies.other_minor,
        purity_sd=(profile.stated_purity_sd if profile else None) or 0.0,
    )
    overall = NO_SEGMENTS if profile is None else profile.reason
    reasons = tuple(
        why and (overall or (SEX_CHROMOSOME if on_sex else why))
        for why, on_sex in zip(found.reasons, sexual, strict=True)
    )
    return CellFractions(found.ccf, found.low, found.high, found.posterior, reasons)


def with_cell_fractions(
    rows: Sequence[Mapping[str, Any]], profile: TumourProfile | None, settings: Settings
) -> list[dict[str, Any]]:
    """Rows of ``somatic_calls`` with copies at the place, cell fraction, its interval, clonality or the reason."""
    if not rows:
        return []
    places = [(str(row["chrom"]), int(row["pos"])) for row in rows]
    alt = [0 if row["t_alt"] is None else row["t_alt"] for row in rows]
    depth = [0 if row["t_depth"] is None else row["t_depth"] for row in rows]
    found = fractions_of(places, alt, depth, profile, settings)
    lookup = LocalCopies(profile.segments if profile else ())
    segments = [lookup.at(*place) for place in places]
    copies = local_copies(places, profile, settings)
    clonal = found.clonal(settings.ccf_clonal)
    return [
        {
            **row,
            "total_cn": None if segment is None else segment.total_cn,
            "minor_cn": None if segment is None else segment.minor_cn,
            "cn_cell_share": None if np.isnan(copies.share[at]) else float(copies.share[at]),
            "ccf": None if found.reasons[at] else float(found.ccf[at]),
            "ccf_low": None if found.reasons[at] else float(found.low[at]),
            "ccf_high": None if found.reasons[at] else float(found.high[at]),
            "clonality": str(_clonality(clonal[at])),
            "ccf_reason": found.reasons[at],
        }
        for at, (row, segment) in enumerate(zip(rows, segments, strict=True))
    ]


def _clonality(clonal: bool | None) -> Clonality:
    if clonal is None:
        return Clonality.NOT_EVALUABLE
    return Clonality.CLONAL if clonal else Clonality.SUBCLONAL
