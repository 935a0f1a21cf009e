"""What is known of places and alleles beforehand: masks (BED), panels of normals and population frequencies (VCF)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np

from palbo_assets.genomics.alleles import Variant
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

    def holds(self, chrom: str, pos: int) -> bool:
        """Whether a 1-based position lies in an interval."""
        if chrom not in self._edges:
            return False
        starts, ends = self._edges[chrom]
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
    places = {(one.chrom.encode(), str(one.pos).encode()) for one in wanted}
    alleles = set(wanted)
    for number, line in enumerate(inflate(path).splitlines(), start=1):
        if line.startswith(b"#") or not line.strip():
            continue
        cells = line.split(b"\t", 8)
        if len(cells) < 8:
            raise InputError("E_SCHEMA", "not a VCF record", file=path.name, row=number, fix="give a sites VCF")
        if (cells[0], cells[1]) not in places:
            continue
        frequencies = [
            value.split(",")
            for key, _, value in (entry.partition("=") for entry in cells[7].decode("utf-8", "replace").split(";"))
            if key == "AF" or key.startswith("AF_")
        ]
        for index, alt in enumerate(cells[4].decode("ascii", "replace").split(",")):
            variant = Variant(
                cells[0].decode(), int(cells[1]), cells[3].decode("ascii", "replace").upper(), alt.upper()
            )
            if variant in alleles:
                values = [one[index] for one in frequencies if index < len(one)]
                yield variant, [float(one) for one in values if one not in ("", ".")]
