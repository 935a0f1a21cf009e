"""Genomic scars of homologous recombination deficiency from allele-specific copy-number segments.

HRD-LOH (Abkevich 2012), telomeric allelic imbalance (Birkbak 2012) and large-scale state transitions (Popova 2012),
counted as scarHRD does (Sztupinszki 2018). Scars are historical: they stay when repair returns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palbo_assets.platform.errors import InputError
from palbo_assets.study.vocabulary import OBSERVED, Absence
from palbo_assets.wes.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

AUTOSOMES = frozenset(f"chr{number}" for number in range(1, 23))
Centromeres = Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Segment:
    """A stretch of one chromosome (bp) with the copies of both alleles; ``None`` where they weren't told apart."""

    chromosome: str
    start: int
    end: int
    major: int | None
    minor: int | None


@dataclass(frozen=True)
class Scars:
    """Counts of events, null with a reason where the tumour can't be judged.

    ``adjusted`` is the sum less 15.5 per unit of ploidy (Popova's correction of LST), null unless ploidy is known.
    """

    loh: int | None
    tai: int | None
    lst: int | None
    total: int | None
    adjusted: float | None
    reason: str | None


@dataclass(frozen=True)
class _Piece:
    start: int
    end: int
    a: int
    b: int

    @property
    def length(self) -> int:
        return self.end - self.start


def read_centromeres(path: Path) -> dict[str, tuple[int, int]]:
    """Centromere (start, end) in bp by chromosome, from a CSV ``chrom,centstart,centend``. Raises InputError."""
    import csv

    with path.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines)
        if not {"chrom", "centstart", "centend"} <= set(rows.fieldnames or ()):
            raise InputError(
                "E_SCHEMA",
                "The centromere table lacks a column.",
                fix="Give chrom, centstart and centend.",
                file=path.name,
            )
        try:
            return {_name(row["chrom"]): (int(float(row["centstart"])), int(float(row["centend"]))) for row in rows}
        except (TypeError, ValueError):
            raise InputError(
                "E_SCHEMA", "A centromere isn't a number.", fix="Give positions in bp.", file=path.name
            ) from None


def scars(
    segments: Iterable[Segment],
    centromeres: Centromeres,
    settings: Settings,
    *,
    ploidy: float | None,
    purity: float | None,
) -> Scars:
    """The three scars and their sum, or the reason why there are none.

    Raises InputError ``E_SCHEMA`` when segments aren't allele-specific or a chromosome has no centromere.
    """
    chromosomes = by_chromosome(segments)
    unknown = chromosomes.keys() - centromeres.keys()
    if unknown:
        raise InputError(
            "E_SCHEMA", "A chromosome has no centromere in the reference.", fix="Use the table of the segments' build."
        )
    reason = None
    if ploidy is None:
        reason = "NO_PLOIDY"
    elif purity is None:
        reason = "NO_PURITY"
    elif purity < settings.hrd_min_purity:
        reason = "LOW_PURITY"
    elif sum(map(len, chromosomes.values())) < settings.hrd_min_segments:
        reason = "FEW_SEGMENTS"
    if reason is not None or ploidy is None:
        return Scars(None, None, None, None, None, reason)
    loh = count_loh(chromosomes, settings)
    tai = count_tai(chromosomes, centromeres, settings)
    lst = count_lst(chromosomes, centromeres, settings)
    total = loh + tai + lst
    return Scars(loh, tai, lst, total, total - settings.hrd_ploidy_slope * ploidy, None)


def scar_row(
    rows: pd.DataFrame, centromeres: Centromeres | None, settings: Settings, reason: str | None
) -> dict[str, Any]:
    """Columns of ``hrd_scars`` from one specimen's rows of ``copy_number_segments``.

    ``reason`` stands where the specimen can't be judged whatever its segments are; so do missing alleles.
    """
    if rows.empty or centromeres is None or reason is not None:
        return {"status": Absence.NOT_EVALUABLE.value, "reason": reason or "NO_SEGMENTS", "hrd_sum": None}
    segments = [_of_row(row) for row in rows.to_dict("records") if _name(row["chrom"]) in AUTOSOMES]
    known = [one for one in segments if one.major is not None]
    bases = sum(one.end - one.start + 1 for one in segments)
    left_out = 1 - sum(one.end - one.start + 1 for one in known) / bases if bases else 1.0
    purity, ploidy = (_number(rows[name].iloc[0]) for name in ("purity", "ploidy"))
    row: dict[str, Any] = {"left_out": left_out, "purity": purity, "ploidy": ploidy}
    if left_out > settings.hrd_max_unphased:
        # Where there are no copies at all, the segments say why (no purity, a low one).
        told = [why for why in rows["reason"].unique() if why and why != "NO_ABSOLUTE_COPIES"]
        why = told[0] if told else "NOT_ALLELE_SPECIFIC"
        return row | {"status": Absence.NOT_EVALUABLE.value, "reason": why, "hrd_sum": None}
    found = scars(known, centromeres, settings, ploidy=ploidy, purity=purity)
    return row | {
        "loh": found.loh,
        "tai": found.tai,
        "lst": found.lst,
        "hrd_sum": found.total,
        "hrd_adjusted": found.adjusted,
        "hrd_high": None if found.total is None else found.total >= settings.hrd_high,
        "segments": sum(map(len, by_chromosome(known).values())),
        "status": OBSERVED if found.reason is None else Absence.NOT_EVALUABLE.value,
        "reason": found.reason,
    }


def _of_row(row: Mapping[Any, Any]) -> Segment:
    """Whole copies of both alleles; None where a tool didn't tell them apart. The start counts from 1, as scarHRD's."""
    total, minor = _number(row["total_cn"]), _number(row["minor_cn"])
    place = str(row["chrom"]), int(row["start"]) + 1, int(row["end"])
    if total is None or minor is None:
        return Segment(*place, None, None)
    copies, lesser = round(total), round(minor)
    return Segment(*place, max(copies - lesser, 0), lesser)


def _number(cell: Any) -> float | None:
    import pandas as pd

    return None if pd.isna(cell) else float(cell)


def by_chromosome(segments: Iterable[Segment]) -> dict[str, list[_Piece]]:
    """Autosomal pieces in order, larger allele first, neighbours with equal copies joined. Raises InputError."""
    found: dict[str, list[_Piece]] = defaultdict(list)
    for segment in segments:
        if segment.major is None or segment.minor is None or min(segment.major, segment.minor) < 0:
            raise InputError(
                "E_SCHEMA",
                "Segments don't give the copies of both alleles.",
                fix="Deliver allele-specific segments (ASCAT, Sequenza, FACETS), not log ratios.",
            )
        name = _name(segment.chromosome)
        if name in AUTOSOMES:
            a, b = max(segment.major, segment.minor), min(segment.major, segment.minor)
            found[name].append(_Piece(segment.start, segment.end, a, b))
    return {name: _joined(sorted(found[name], key=lambda piece: (piece.start, piece.end))) for name in sorted(found)}


def count_loh(chromosomes: Mapping[str, list[_Piece]], settings: Settings) -> int:
    """Stretches of LOH above ``hrd_loh_length``; chromosomes lost whole don't count (Abkevich 2012)."""
    count = 0
    for pieces in chromosomes.values():
        if all(piece.b == 0 for piece in pieces):
            continue
        flat = _joined([replace(piece, a=min(piece.a, 1), b=min(piece.b, 1)) for piece in pieces])
        count += sum(piece.b == 0 and piece.a != 0 and piece.length > settings.hrd_loh_length for piece in flat)
    return count


def count_tai(chromosomes: Mapping[str, list[_Piece]], centromeres: Centromeres, settings: Settings) -> int:
    """Allelic imbalances that reach a telomere and don't cross the centromere (Birkbak 2012).

    On a chromosome of odd main copy number the main state is balanced enough, as long as both alleles are there.
    """
    count = 0
    for name, every in chromosomes.items():
        pieces = _joined([piece for piece in every if piece.length >= settings.hrd_tai_length])
        if len(pieces) < 2:
            continue
        lengths: dict[int, int] = defaultdict(int)
        for piece in pieces:
            if piece.a + piece.b:
                lengths[piece.a + piece.b] += piece.length
        main = max(sorted(lengths), key=lengths.__getitem__, default=2)
        first, last = pieces[0], pieces[-1]
        start, end = centromeres[name]
        count += _imbalanced(first, main) and first.end < start
        count += _imbalanced(last, main) and last.start > end
    return count


def count_lst(chromosomes: Mapping[str, list[_Piece]], centromeres: Centromeres, settings: Settings) -> int:
    """Breaks within an arm between two long pieces, after short ones were smoothed away (Popova 2012)."""
    count = 0
    for name, pieces in chromosomes.items():
        if len(pieces) < 2:
            continue
        start, end = centromeres[name]
        short = _joined([piece for piece in pieces if piece.start <= start])
        long = _joined([piece for piece in pieces if piece.end >= end])
        if short:
            short[-1] = replace(short[-1], end=start)
        if long:
            long[0] = replace(long[0], start=end)
        for arm in (_smoothed(short, settings.hrd_lst_smooth), _smoothed(long, settings.hrd_lst_smooth)):
            count += sum(
                min(left.length, right.length) >= settings.hrd_lst_length
                and right.start - left.end < settings.hrd_lst_smooth
                for left, right in pairwise(arm)
            )
    return count


def _imbalanced(piece: _Piece, main: int) -> bool:
    if main == 1 or main % 2 == 0:
        return piece.a != piece.b
    return piece.a + piece.b != main or piece.b == 0


def _smoothed(arm: list[_Piece], shortest: int) -> list[_Piece]:
    while True:
        at = next((index for index, piece in enumerate(arm) if piece.length < shortest), None)
        if at is None:
            return arm
        arm = _joined(arm[:at] + arm[at + 1 :])


def _joined(pieces: list[_Piece]) -> list[_Piece]:
    out: list[_Piece] = []
    for piece in pieces:
        if out and (out[-1].a, out[-1].b) == (piece.a, piece.b):
            out[-1] = replace(out[-1], end=max(out[-1].end, piece.end))
        else:
            out.append(piece)
    return out


def _name(chromosome: str) -> str:
    return "chr" + chromosome.strip().removeprefix("chr")
