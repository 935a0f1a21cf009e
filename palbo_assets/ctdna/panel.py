"""The versioned panel: which bases an assay covers, read from the lab's BED.

A file is one version of the panel: it lists every target of that version. A plasma that was run on version 1 says
nothing about a locus that only version 2 covers, so every question here is asked of a version.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from palbo_assets.platform.errors import InputError
from palbo_assets.platform.text import decode
from palbo_assets.study.vocabulary import CHOSEN_FROM_COHORT

COLUMNS = ("chrom", "start", "end", "gene", "exon", "panel_version", "reason")


@dataclass(frozen=True, order=True)
class Target:
    """One BED row: 0-based half-open interval. ``since`` is the version that introduced it (the row's own column)."""

    chrom: str
    start: int
    end: int
    gene: str = ""
    exon: str = ""
    since: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Panel:
    """One version of the panel."""

    version: str
    targets: tuple[Target, ...]
    _by_chrom: Mapping[str, tuple[Target, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        grouped: dict[str, list[Target]] = {}
        for target in sorted(self.targets):
            grouped.setdefault(target.chrom, []).append(target)
        object.__setattr__(self, "_by_chrom", {chrom: tuple(found) for chrom, found in grouped.items()})

    @cached_property
    def regions(self) -> tuple[tuple[str, int, int], ...]:
        """Targets with overlapping and touching ones merged, sorted: no base is in two regions."""
        merged: list[tuple[str, int, int]] = []
        for chrom, targets in self._by_chrom.items():
            for target in targets:
                if merged and merged[-1][0] == chrom and target.start <= merged[-1][2]:
                    merged[-1] = (chrom, merged[-1][1], max(merged[-1][2], target.end))
                else:
                    merged.append((chrom, target.start, target.end))
        return tuple(merged)

    @cached_property
    def _regions_by_chrom(self) -> dict[str, tuple[list[int], list[int]]]:
        found: dict[str, tuple[list[int], list[int]]] = {}
        for chrom, start, end in self.regions:
            starts, ends = found.setdefault(chrom, ([], []))
            starts.append(start)
            ends.append(end)
        return found

    @property
    def size(self) -> int:
        """Bases that the panel covers, each counted once."""
        return sum(end - start for _, start, end in self.regions)

    def covers(self, chrom: str, pos: int) -> bool:
        """Whether the 1-based position lies in a target."""
        starts, ends = self._regions_by_chrom.get(chrom, ([], []))
        at = bisect_right(starts, pos - 1) - 1
        return at >= 0 and pos - 1 < ends[at]

    def gene_at(self, chrom: str, pos: int) -> str:
        """Gene that the BED names for the 1-based position; empty where it names none."""
        for target in self._by_chrom.get(chrom, ()):
            if target.start < pos <= target.end and target.gene:
                return target.gene
        return ""

    def chosen_from_cohort(self, chrom: str, pos: int) -> bool | None:
        """Whether the 1-based position is covered only because of what this cohort showed; None off the panel."""
        covering = [one for one in self._by_chrom.get(chrom, ()) if one.start < pos <= one.end]
        return all(CHOSEN_FROM_COHORT in one.reason.split(";") for one in covering) if covering else None

    def check_contigs(self, contig_lengths: Mapping[str, int], file: str = "") -> None:
        """Refuse a panel of another genome build: every target must lie on a known contig, inside its length.

        Raises
        ------
        InputError
            ``E_BUILD_MISMATCH``. An empty mapping (no reference configured) is never a mismatch.
        """
        if not contig_lengths:
            return
        for target in self.targets:
            length = contig_lengths.get(target.chrom)
            if length is None or target.end > length:
                what = "names a contig that the genome lacks" if length is None else "ends beyond its contig"
                raise InputError(
                    "E_BUILD_MISMATCH",
                    f"a target {what}",
                    file=file,
                    column="chrom" if length is None else "end",
                    fix="export the panel for the study's genome build (contig names and coordinates)",
                )


def read_panel(path: Path, version: str) -> Panel:
    """A panel BED.

    Parameters
    ----------
    path
        Tab- (or blank-) delimited: chrom, start, end, then up to gene, exon, panel_version, reason in this order. A
        first row with these column names, ``#`` comments, ``track`` and ``browser`` lines are skipped. Coordinates are
        0-based half-open.
    version
        The version that this file is (from the delivery manifest).

    Raises
    ------
    InputError
        ``E_SCHEMA`` with row and column for too few columns, coordinates that aren't whole numbers, or an interval
        that holds no base (1-based exports write start = end); ``E_EMPTY``; and what `text.decode` raises.
    """
    targets = []
    for row, line in enumerate(decode(path).splitlines(), start=1):
        if not line.strip() or line.startswith(("#", "track ", "track\t", "browser ")):
            continue
        cells = [cell.strip() for cell in (line.split("\t") if "\t" in line else line.split())]
        if [cell.lower() for cell in cells[:3]] == ["chrom", "start", "end"]:
            continue
        if len(cells) < 3:
            raise InputError(
                "E_SCHEMA",
                f"the row has {len(cells)} columns, a BED has at least chrom, start, end",
                file=path.name,
                row=row,
                fix="export a tab-delimited BED",
            )
        start, end = (_coordinate(cells[index], path, row, COLUMNS[index]) for index in (1, 2))
        if end <= start:
            raise InputError(
                "E_SCHEMA",
                "the interval holds no base: a BED counts from 0 and its end is exclusive",
                file=path.name,
                row=row,
                column="end",
                fix="subtract 1 from start if the export counts from 1",
            )
        if not cells[0]:
            raise InputError("E_SCHEMA", "the contig is missing", file=path.name, row=row, column="chrom")
        gene, exon, since, reason = (*cells[3:7], "", "", "", "")[:4]
        targets.append(Target(cells[0], start, end, "" if gene == "." else gene, exon, since or version, reason))
    if not targets:
        raise InputError("E_EMPTY", "the panel has no targets", file=path.name, fix="export it again")
    return Panel(version, tuple(targets))


def _coordinate(cell: str, path: Path, row: int, column: str) -> int:
    if not (cell.isascii() and cell.isdigit()) or len(cell) > 10:
        raise InputError(
            "E_SCHEMA",
            "the coordinate is not a whole number",
            file=path.name,
            row=row,
            column=column,
            fix="write coordinates without thousands separators or decimals",
        )
    return int(cell)
