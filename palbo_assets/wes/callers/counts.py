"""Where callers keep a sample's reads, written as small expressions over FORMAT (or INFO) cells.

``AD[alt]+...`` : cells joined by ``+`` are added; ``|`` separates alternatives, the first that can be read counts.
A cell is a key and which of its comma-separated numbers is meant:

============  ==========================================================================
``DP``        the first (``DP[0]``); any number in brackets is that place, from 0
``AD[alt]``   the alternative allele's place where the reference comes first (1, 2, ..)
``AO[nth]``   the alternative allele's place where only alternatives are listed (0, 1, ..)
              (both only where there is one number an allele: else nobody knows whose they are)
``BC[base]``  the place of the alternative base among A, C, G, T
``AD[all]``   the sum of all
``{alt}U``    a key that has the alternative base in its name (``{ref}`` likewise)
============  ==========================================================================
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

BASES = "ACGT"
_CELL = re.compile(r"([A-Za-z0-9_{}]+)(?:\[(\d+|alt|nth|base|all)\])?\Z")


class SampleCounts(NamedTuple):
    """Reads of one sample at one alternative allele; None where the caller doesn't say. ``vaf`` is a fraction."""

    depth: int | None = None
    alt: int | None = None
    vaf: float | None = None
    alt_forward: int | None = None
    alt_reverse: int | None = None
    ref: int | None = None


class Cell(NamedTuple):
    """One cell of an expression: ``key`` may hold ``{alt}`` or ``{ref}``; ``place`` is a number or a rule's name."""

    key: str
    place: int | str

    @property
    def keys(self) -> tuple[str, ...]:
        """All FORMAT keys that the cell may refer to."""
        if "{" not in self.key:
            return (self.key,)
        return tuple(re.sub(r"\{(alt|ref)\}", base, self.key) for base in BASES)


@lru_cache(maxsize=256)
def parsed(expression: str) -> tuple[tuple[Cell, ...], ...]:
    """Alternatives of sums of cells."""
    return tuple(tuple(_cell(part) for part in side.split("+")) for side in expression.split("|") if side)


def _cell(text: str) -> Cell:
    found = _CELL.match(text)
    if found is None:
        raise ValueError(f"no cell of a layout: {text}")
    place = found[2] or "0"
    return Cell(found[1], int(place) if place.isdigit() else place)


@dataclass(frozen=True)
class Layout:
    """Expressions for alternative reads, depth, alternative reads of each strand, and reference reads."""

    alt: str
    depth: str
    forward: str = ""
    reverse: str = ""
    ref: str = ""

    @property
    def expressions(self) -> tuple[str, ...]:
        """In the order of `SampleCounts` without the fraction: depth, alt, forward, reverse, ref."""
        return self.depth, self.alt, self.forward, self.reverse, self.ref


GENERIC = (
    Layout("AD[alt]", "DP|AD[all]", "SB[2]|DP4[2]|ADF[alt]", "SB[3]|DP4[3]|ADR[alt]", "AD[0]"),
    Layout("AO[nth]", "DP", ref="RO"),
    Layout("VD", "DP"),
)
"""What most callers do; every caller falls back to it."""
_FRACTIONS = ("FREQ", "AF", "FA")


def sample_counts(
    values: Mapping[str, str], ref: str, alt: str, index: int, layouts: Sequence[Layout] = GENERIC, n_alts: int = 1
) -> SampleCounts:
    """Depth and alternative reads of one sample at its ``index``-th of ``n_alts`` alternative alleles.

    The first layout whose alternative reads can be read counts. A depth below the alternative reads is raised to
    them, because callers realign: reads that support an allele aren't always in the site's depth. Strands are only
    told at sites with one alternative allele, where it's clear whose they are.
    """
    depth = alternative = forward = reverse = reference = None
    for layout in layouts:
        alternative = _evaluate(layout.alt, values, ref, alt, index, n_alts)
        depth = _evaluate(layout.depth, values, ref, alt, index, n_alts) if depth is None else depth
        if alternative is not None:
            depth = _evaluate(layout.depth, values, ref, alt, index, n_alts)
            reference = _evaluate(layout.ref, values, ref, alt, index, n_alts)
            if n_alts == 1:
                forward = _evaluate(layout.forward, values, ref, alt, index, n_alts)
                reverse = _evaluate(layout.reverse, values, ref, alt, index, n_alts)
            break
    if forward is None or reverse is None:
        forward = reverse = None
    if depth is not None and alternative is not None:
        depth = max(depth, alternative)
    vaf = alternative / depth if alternative is not None and depth else _fraction(values, index)
    return SampleCounts(depth, alternative, vaf, forward, reverse, reference)


def _evaluate(expression: str, values: Mapping[str, str], ref: str, alt: str, index: int, n_alts: int) -> int | None:
    for side in parsed(expression):
        total = 0
        for cell in side:
            number = _number(cell, values, ref, alt, index, n_alts)
            if number is None:
                break
            total += number
        else:
            return total
    return None


def _number(cell: Cell, values: Mapping[str, str], ref: str, alt: str, index: int, n_alts: int) -> int | None:
    key = cell.key
    if "{" in key:
        if len(ref) != 1 or len(alt) != 1:
            return None
        key = key.replace("{alt}", alt).replace("{ref}", ref)
    numbers = integers(values.get(key, ""))
    if cell.place == "all":
        return sum(number or 0 for number in numbers) if len(numbers) > 1 and None not in numbers else None
    if isinstance(cell.place, int):
        place = cell.place
    elif cell.place == "base":
        place = BASES.find(alt) if len(alt) == 1 and len(numbers) == len(BASES) else -1
    else:
        first = 1 if cell.place == "alt" else 0
        place = index + first if len(numbers) == n_alts + first else -1
    return numbers[place] if 0 <= place < len(numbers) else None


def _fraction(values: Mapping[str, str], index: int) -> float | None:
    for key in _FRACTIONS:
        parts = values.get(key, "").split(",")
        cell = parts[index] if index < len(parts) else ""
        try:
            value = float(cell.rstrip("%")) / (100 if cell.endswith("%") else 1)
        except ValueError:
            continue
        if 0 <= value <= 1:
            return value
    return None


def integers(cell: str) -> list[int | None]:
    """The numbers of a cell, None for what is no count; empty for a missing cell."""
    if cell in ("", "."):
        return []
    return [int(part) if part.isascii() and part.isdigit() else None for part in cell.split(",")]
