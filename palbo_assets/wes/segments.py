"""Copy-number segments of CNVkit, Sequenza, FACETS, ASCAT, IGV/CBS and GDC, told apart by their columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from palbo_assets.platform.errors import InputError
from palbo_assets.platform.text import number, read_table

# tool -> (chromosome, start, end, total copies or None, log2 ratio or None); starts are 1-based but for CNVkit.
_LAYOUTS: dict[str, tuple[str, str, str, str | None, str | None]] = {
    "sequenza": ("chromosome", "start.pos", "end.pos", "CNt", None),
    "facets": ("chrom", "start", "end", "tcn.em", "cnlr.median"),
    "ascat": ("chr", "startpos", "endpos", None, None),
    "cnvkit": ("chromosome", "start", "end", "cn", "log2"),
    "seg": ("chrom", "loc.start", "loc.end", None, "seg.mean"),
    "tcga": ("Chromosome", "Start", "End", None, "Segment_Mean"),
}
_PURITY = ("purity", "cellularity")


@dataclass(frozen=True)
class Segment:
    """0-based half-open interval with its total copies and log2 ratio, None where the tool gives none."""

    chrom: str
    start: int
    end: int
    copies: float | None
    log2: float | None


@dataclass(frozen=True)
class Segmentation:
    """A parsed file. ``purity`` is None where the file doesn't state one value for all segments."""

    tool: str
    segments: tuple[Segment, ...]
    purity: float | None


def read_segments(path: Path) -> Segmentation:
    """Read a segment file; columns name the tool.

    Raises
    ------
    InputError
        ``E_SCHEMA`` with row and column, and what `read_table` raises.
    """
    frame = read_table(path, delimiter="\t")
    by_lower = {str(name).strip('"').lower(): str(name) for name in frame.columns}
    frame.columns = frame.columns.str.strip('"')
    by_lower = {name: spelled.strip('"') for name, spelled in by_lower.items()}
    tool = next((tool for tool, layout in _LAYOUTS.items() if _fits(tool, layout, by_lower)), "")
    if not tool:
        raise InputError(
            "E_SCHEMA",
            "the columns are of no known segment file",
            file=path.name,
            row=1,
            fix="deliver CNVkit .cns, Sequenza, FACETS, ASCAT or IGV .seg segments",
        )
    chrom, start, end, copies, log2 = _LAYOUTS[tool]
    segments = []
    for row, cells in frame.iterrows():
        line = int(str(row))

        def value(name: str | None, cells=cells, line: int = line) -> float | None:  # type: ignore[no-untyped-def]
            column = by_lower.get(name.lower()) if name else None
            if column is None or cells[column].strip('"') in ("NA", "", "NaN"):
                return None
            return number(cells[column], path=path, row=line, column=column)

        first, last = value(start), value(end)
        if first is None or last is None or last < first:
            raise InputError("E_SCHEMA", "the segment has no extent", file=path.name, row=line, column=start)
        total = value(copies)
        if tool == "ascat":
            major, minor = value("nMajor"), value("nMinor")
            total = major + minor if major is not None and minor is not None else None
        base = 0 if tool == "cnvkit" else 1
        name = cells[by_lower[chrom.lower()]].strip('"')
        segments.append(Segment(name, int(first) - base, int(last), total, value(log2)))
    return Segmentation(tool, tuple(segments), _purity(path, frame, by_lower))


def _fits(tool: str, layout: tuple[str, str, str, str | None, str | None], columns: dict[str, str]) -> bool:
    wanted = [name for name in layout[:3] if name]
    extra = {"ascat": ["nMajor", "nMinor"], "cnvkit": ["log2"], "seg": ["seg.mean"], "facets": ["tcn.em"]}
    extra["tcga"] = ["Segment_Mean"]
    return all(name.lower() in columns for name in (*wanted, *extra.get(tool, ["CNt"])))


def _purity(path: Path, frame, columns: dict[str, str]) -> float | None:  # type: ignore[no-untyped-def]
    column = next((columns[name] for name in _PURITY if name in columns), None)
    if column is None or frame[column].nunique() != 1:
        return None
    purity = number(frame[column].iloc[0], path=path, row=int(frame.index[0]), column=column)
    if purity is not None and not 0 < purity <= 1:
        raise InputError(
            "E_SCHEMA",
            "purity lies outside 0..1",
            file=path.name,
            row=int(frame.index[0]),
            column=column,
            fix="state purity as a fraction",
        )
    return purity
