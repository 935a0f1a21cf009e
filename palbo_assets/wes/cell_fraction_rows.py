"""Cancer cell fractions of called variants, from the tumour's copy-number profile."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palbo_assets.wes.cancer_cell_fraction import CellFractions, cell_fractions
from palbo_assets.wes.copy_number_files import CopyNumberSegment, plain_chromosome
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


def local_copies(
    places: Sequence[tuple[str, int]], profile: TumourProfile | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(total, lesser) copies at each (chrom, 1-based position), NaN where unknown."""
    lookup = LocalCopies(profile.segments if profile else ())
    found = [lookup.at(*place) for place in places]
    total = [np.nan if one is None or one.total_cn is None else one.total_cn for one in found]
    minor = [np.nan if one is None or one.minor_cn is None else one.minor_cn for one in found]
    return np.array(total, dtype=float), np.array(minor, dtype=float)


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
    total, minor = local_copies(places, profile)
    sexual = np.array([plain_chromosome(chrom) in ("X", "Y") for chrom, _ in places], dtype=bool)
    total[sexual] = np.nan
    purity = profile.purity if profile else None
    found = cell_fractions(alt, depth, purity, total, minor, settings=settings)
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
    total, minor = local_copies(places, profile)
    clonal = found.clonal(settings.ccf_clonal)
    return [
        {
            **row,
            "total_cn": None if np.isnan(total[at]) else float(total[at]),
            "minor_cn": None if np.isnan(minor[at]) else float(minor[at]),
            "ccf": None if found.reasons[at] else float(found.ccf[at]),
            "ccf_low": None if found.reasons[at] else float(found.low[at]),
            "ccf_high": None if found.reasons[at] else float(found.high[at]),
            "clonality": str(_clonality(clonal[at])),
            "ccf_reason": found.reasons[at],
        }
        for at, row in enumerate(rows)
    ]


def _clonality(clonal: bool | None) -> Clonality:
    if clonal is None:
        return Clonality.NOT_EVALUABLE
    return Clonality.CLONAL if clonal else Clonality.SUBCLONAL
