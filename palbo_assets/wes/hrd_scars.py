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

from palbo_assets.platform.errors import InputError
from palbo_assets.wes.settings import Settings

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
