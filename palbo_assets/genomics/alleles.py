"""Variants as left-aligned VCF alleles on the reference's contig names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

Fetch = Callable[[str, int, int], str]
"""(chrom, start, end), 0-based half-open -> reference bases in upper case."""


class Variant(NamedTuple):
    """One alternative allele: 1-based position, VCF alleles (indels with their anchor base)."""

    chrom: str
    pos: int
    ref: str
    alt: str

    @property
    def kind(self) -> str:
        """``snv``, ``mnv``, ``ins``, ``del`` or ``complex``."""
        if len(self.ref) == len(self.alt):
            return "snv" if len(self.ref) == 1 else "mnv"
        if len(self.ref) == 1 and self.alt[0] == self.ref:
            return "ins"
        if len(self.alt) == 1 and self.ref[0] == self.alt:
            return "del"
        return "complex"


def normalise(variant: Variant, fetch: Fetch | None = None) -> Variant:
    """The variant trimmed and, where the reference is known, left-aligned (Tan, Abecasis and Kang 2015)."""
    chrom, pos, ref, alt = variant
    while ref != alt:
        can_extend = fetch is not None and pos > 1
        if ref[-1] == alt[-1] and (min(len(ref), len(alt)) > 1 or can_extend):
            ref, alt = ref[:-1], alt[:-1]
            if not ref or not alt:
                assert fetch is not None
                pos -= 1
                base = fetch(chrom, pos - 1, pos)
                ref, alt = base + ref, base + alt
            continue
        break
    while len(ref) > 1 and len(alt) > 1 and ref[0] == alt[0]:
        pos, ref, alt = pos + 1, ref[1:], alt[1:]
    return Variant(chrom, pos, ref, alt)


def plain_contig(name: str) -> str:
    """A contig's name without ``chr``; mitochondria are ``MT``."""
    plain = name[3:] if name.lower().startswith("chr") else name
    return "MT" if plain.upper() in ("M", "MT") else plain


class ContigNames:
    """Maps a file's contig names to the reference's: ``1`` and ``chr1``, ``MT`` and ``chrM`` are the same."""

    def __init__(self, reference: Iterable[str]) -> None:
        self._known: dict[str, str] = {}
        for name in reference:
            self._known[plain_contig(name)] = name

    def canonical(self, name: str) -> str | None:
        """The reference's name, None for a contig that it lacks; without any reference, the name as it is."""
        return self._known.get(plain_contig(name)) if self._known else name


def homopolymer_length(variant: Variant, fetch: Fetch) -> int:
    """Length in bases of the run of one base that starts right after the variant's anchor."""
    following = fetch(variant.chrom, variant.pos, variant.pos + 50)
    if not following:
        return 0
    return len(following) - len(following.lstrip(following[0]))
