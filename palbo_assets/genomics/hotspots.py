"""Known hotspots, by what they change in a protein and by where they are in the genome.

The same mutation has other names on other transcripts (FGFR2 N549K is N550K on the one that the public list counts on),
so that a list of names alone misses it; a place in the genome of the study's build is the same on all.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from palbo_assets.genomics.alleles import Variant, normalise, plain_contig
from palbo_assets.genomics.protein_change import short_change
from palbo_assets.platform.errors import ReferenceBundleError

_UNCHANGED = ("Silent", "5'UTR", "3'UTR", "RNA", "Intron", "5'Flank", "3'Flank", "IGR")


@dataclass(frozen=True)
class Hotspots:
    """``names``: (gene, protein change); ``alleles``: variants; ``places``: (contig, 1-based position), any change.

    Contigs are named plainly (`plain_contig`), and changes in HGVS's short form.
    """

    names: frozenset[tuple[str, str]] = frozenset()
    alleles: frozenset[Variant] = frozenset()
    places: frozenset[tuple[str, int]] = frozenset()

    def hold(self, variant: Variant, gene: str | None, change: str | None, consequence: str | None) -> bool:
        """Whether the variant is one, by its change's name, by its allele, or by its place.

        A place counts for what changes the protein there: not where ``consequence`` (a MAF class, None where nobody
        said) is silent or lies outside the protein.
        """
        chrom = plain_contig(variant.chrom)
        if (gene or "", change or "") in self.names or variant._replace(chrom=chrom) in self.alleles:
            return True
        if consequence in _UNCHANGED:
            return False
        return any((chrom, variant.pos + offset) in self.places for offset in range(len(variant.ref)))


def read_hotspots(path: Path) -> Hotspots:
    """Hotspots from a CSV with columns gene and hgvsp_short, or chrom, pos, ref and alt (VCF), or both; a row with
    chrom and pos alone means any change of the protein there. ``p.Glu545Lys`` and ``E545K`` mean ``p.E545K``, and ``3``
    means ``chr3``.

    Raises
    ------
    ReferenceBundleError
        ``E_REFERENCE_INVALID`` for a row that names neither, or a position that is no number.
    """
    names, alleles, places = set(), set(), set()
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ReferenceBundleError(
            "E_REFERENCE_INVALID", "the hotspots aren't UTF-8 text", file=path.name, fix="save them as UTF-8"
        ) from None
    for number, row in enumerate(csv.DictReader(lines), start=2):
        gene, change, chrom, pos, ref, alt = (
            (row.get(column) or "").strip() for column in ("gene", "hgvsp_short", "chrom", "pos", "ref", "alt")
        )
        named, placed = bool(gene and change), bool(chrom and pos)
        if not (named or placed) or (pos and not pos.isdecimal()) or bool(ref) != bool(alt):
            raise ReferenceBundleError(
                "E_REFERENCE_INVALID", f"line {number} of the hotspots names no protein change and no place"
            )
        if named:
            names.add((gene, _short(change)))
        if placed and ref:
            alleles.add(normalise(Variant(plain_contig(chrom), int(pos), ref.upper(), alt.upper())))
        elif placed:
            places.add((plain_contig(chrom), int(pos)))
    return Hotspots(frozenset(names), frozenset(alleles), frozenset(places))


def _short(change: str) -> str:
    """The change as `consequences` writes it; what isn't one of a residue stays as it is."""
    named = change if change.startswith("p.") or ":" in change else f"p.{change}"
    return short_change(named) or change
