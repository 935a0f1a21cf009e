"""What is known of places and alleles beforehand: masks (BED), panels of normals and population frequencies (VCF).

Public lists name contigs otherwise than a study may (``1`` and ``chr1``, ``MT`` and ``chrM``), and write the
alleles of a site with one common reference. Both would make a list silently say nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np

from palbo_assets.genomics.alleles import ContigNames, Variant, normalise
from palbo_assets.genomics.bgzf import inflate
from palbo_assets.genomics.regions import read_bed
from palbo_assets.platform.errors import InputError


class Mask:
    """Intervals of a BED file, asked for single positions."""

    def __init__(self, path: Path) -> None:
        by_contig: dict[str, list[tuple[int, int]]] = {}
        for chrom, start, end in read_bed(path):
            by_contig.setdefault(chrom, []).append((start, end))
        self._edges = {}
        for chrom, intervals in by_contig.items():
            starts, ends = np.array(sorted(intervals), dtype=np.int64).T
            # Nested intervals: the furthest end so far is the one that matters.
            self._edges[chrom] = (starts, np.maximum.accumulate(ends))
        self._names = ContigNames(self._edges)

    def holds(self, chrom: str, pos: int) -> bool:
        """Whether a 1-based position lies in an interval."""
        own = self._names.canonical(chrom)
        if own is None or own not in self._edges:
            return False
        starts, ends = self._edges[own]
        index = int(starts.searchsorted(pos - 1, side="right")) - 1
        return index >= 0 and bool(pos <= ends[index])


def listed_alleles(path: Path, wanted: Collection[Variant]) -> set[Variant]:
    """Those of the variants that a sites VCF (plain, gzip or BGZF; left-aligned) lists.

    Raises
    ------
    InputError
        ``E_SCHEMA`` with the line that is no VCF record.
    """
    return {variant for variant, _ in _records(path, wanted)}


def population_frequencies(path: Path, wanted: Collection[Variant]) -> dict[Variant, float]:
    """Largest frequency that a sites VCF states for each variant it lists, over all populations.

    Frequencies are INFO keys ``AF`` and ``AF_<population>`` (gnomAD's names): a variant that is common in any
    population, such as the patients' own, is no somatic one.
    """
    found: dict[Variant, float] = {}
    for variant, values in _records(path, wanted):
        if values:
            found[variant] = max(found.get(variant, 0.0), *values)
    return found


def _records(path: Path, wanted: Collection[Variant]) -> Iterable[tuple[Variant, list[float]]]:
    names = ContigNames({one.chrom for one in wanted})
    contigs: dict[bytes, str | None] = {}
    places = {(one.chrom, one.pos) for one in wanted}
    alleles = set(wanted)
    for number, line in enumerate(inflate(path).splitlines(), start=1):
        if line.startswith(b"#") or not line.strip():
            continue
        cells = line.split(b"\t", 8)
        if len(cells) < 8 or not cells[1].isdigit():
            raise InputError("E_SCHEMA", "not a VCF record", file=path.name, row=number, fix="give a sites VCF")
        if cells[0] not in contigs:
            contigs[cells[0]] = names.canonical(cells[0].decode("utf-8", "replace"))
        chrom, pos = contigs[cells[0]], int(cells[1])
        # Trimming an allele of a longer reference moves it to the right, at most to that reference's end.
        if chrom is None or not any((chrom, place) in places for place in range(pos, pos + len(cells[3]))):
            continue
        frequencies = [
            value.split(",")
            for key, _, value in (entry.partition("=") for entry in cells[7].decode("utf-8", "replace").split(";"))
            if key == "AF" or key.startswith("AF_")
        ]
        for index, alt in enumerate(cells[4].decode("ascii", "replace").split(",")):
            variant = normalise(Variant(chrom, pos, cells[3].decode("ascii", "replace").upper(), alt.upper()))
            if variant in alleles:
                values = [one[index] for one in frequencies if index < len(one)]
                try:
                    yield variant, [float(one) for one in values if one not in ("", ".")]
                except ValueError:
                    raise InputError(
                        "E_SCHEMA", "a frequency (AF) is no number", file=path.name, row=number, fix="give a sites VCF"
                    ) from None
