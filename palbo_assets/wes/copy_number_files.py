"""Copy-number segments of the usual tools in one form, with purity and ploidy where the file states them.

Columns as the tools document them: Battenberg ``_copynumber.txt`` (Nik-Zainal 2012), CNVkit ``.cns``/``.call.cns``
(Talevich 2016), FACETS ``cncf`` (Shen 2016), Sequenza
``_segments.txt`` (Favero 2015), ASCAT segments (Van Loo 2010), PURPLE ``.purple.cnv.somatic.tsv`` (Priestley 2019) and
SEG (IGV/CBS and GDC spelling). Columns alone tell the tools apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import log2
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import InputError
from palbo_assets.platform.text import number, read_table

if TYPE_CHECKING:
    import pandas as pd

_MISSING = ("", "NA", "NaN", "nan")
# PURPLE's fractional copies and their rounding may put the lesser allele a little above half or below zero.
_TOLERANCE = 0.5
_SHARE_TOLERANCE = 0.01  # of rounding


@dataclass(frozen=True)
class Layout:
    """Column names of one tool. ``base`` is 1 where starts count from one; sums of alleles have no ``total``.

    ``sample`` lists the spellings of the column that names the sample. ``cells`` is the share of cells with the copies,
    ``others`` are both alleles' copies in the other tumour cells.
    """

    chrom: str
    start: str
    end: str
    base: int
    log2: str | None = None
    ratio: str | None = None
    total: str | None = None
    alleles: tuple[str, str] | None = None
    minor: str | None = None
    markers: str | None = None
    cells: str | None = None
    others: tuple[str, str] | None = None
    sample: tuple[str, ...] = ()
    told_by: tuple[str, ...] = ()


LAYOUTS: dict[str, Layout] = {
    "purple": Layout(
        *("chromosome", "start", "end", 1),
        total="copyNumber",
        minor="minorAlleleCopyNumber",
        markers="depthWindowCount",
        told_by=("copyNumber", "minorAlleleCopyNumber"),
    ),
    "sequenza": Layout(
        *("chromosome", "start.pos", "end.pos", 1),
        ratio="depth.ratio",
        total="CNt",
        alleles=("A", "B"),
        markers="N.ratio",
        told_by=("CNt",),
    ),
    "facets": Layout(
        *("chrom", "start", "end", 1),
        log2="cnlr.median",
        total="tcn.em",
        minor="lcn.em",
        markers="num.mark",
        cells="cf.em",
        told_by=("tcn.em", "lcn.em"),
    ),
    "battenberg": Layout(
        *("chr", "startpos", "endpos", 1),
        log2="LogR",
        alleles=("nMaj1_A", "nMin1_A"),
        cells="frac1_A",
        others=("nMaj2_A", "nMin2_A"),
        told_by=("nMaj1_A", "nMin1_A", "frac1_A"),
    ),
    "ascat": Layout(
        *("chr", "startpos", "endpos", 1),
        alleles=("nMajor", "nMinor"),
        sample=("sample",),
        told_by=("nMajor", "nMinor"),
    ),
    "cnvkit": Layout(
        *("chromosome", "start", "end", 0),
        log2="log2",
        total="cn",
        alleles=("cn1", "cn2"),
        markers="probes",
        told_by=("log2", "probes"),
    ),
    "seg": Layout(
        *("chrom", "loc.start", "loc.end", 1),
        log2="seg.mean",
        markers="num.mark",
        sample=("ID",),
        told_by=("seg.mean",),
    ),
    "gdc_seg": Layout(
        *("Chromosome", "Start", "End", 1),
        log2="Segment_Mean",
        markers="Num_Probes",
        sample=("GDC_Aliquot", "Sample"),
        told_by=("Segment_Mean",),
    ),
}
# Tools whose copies come from a model that fitted purity and ploidy; the others state a ratio.
MODELLED = ("purple", "sequenza", "facets", "battenberg", "ascat")
_PURITY = ("purity", "cellularity", "aberrantcellfraction")
_PLOIDY = ("ploidy", "ploidy.estimate")


@dataclass(frozen=True)
class CopyNumberSegment:
    """0-based half-open interval on a chromosome named without ``chr``; None where the tool states nothing.

    ``cell_share`` of the tumour cells have ``total_cn`` copies, ``minor_cn`` of them of the lesser allele; the other
    tumour cells have ``other_total_cn`` and ``other_minor_cn``, None where there are none. In a file of FACETS the
    share is one of all cells, normal ones included, until purity is known (`copy_number.absolute_segments`).
    """

    chrom: str
    start: int
    end: int
    log2: float | None
    total_cn: float | None
    minor_cn: float | None
    n_markers: int | None
    cell_share: float | None = None
    other_total_cn: float | None = None
    other_minor_cn: float | None = None


@dataclass(frozen=True)
class CopyNumberProfile:
    """The segments of one tumour, by chromosome and start."""

    tool: str
    segments: tuple[CopyNumberSegment, ...]
    purity: float | None = None
    ploidy: float | None = None

    @property
    def modelled(self) -> bool:
        """Whether the tool fitted purity itself, so that its copies are absolute."""
        return self.tool in MODELLED


def read_copy_number(path: Path, sample: str = "") -> CopyNumberProfile:
    """Read the segments of one tumour, whichever tool wrote them.

    ``sample`` names the tumour in a file of several (SEG, ASCAT); a file of one sample needs no name.

    Raises
    ------
    InputError
        ``E_SAMPLE_MISMATCH`` where several samples are there and none of them is named; ``E_SCHEMA`` with row and
        column: unknown columns, a segment without extent, overlapping segments, negative
        copies, a lesser allele above half of the total; and what `read_table` raises.
    """
    frame = read_table(path, delimiter="\t")
    spelled = {name.lower(): name for name in frame.columns}
    tool = next((tool for tool, layout in LAYOUTS.items() if _fits(layout, spelled)), None)
    if tool is None:
        raise _wrong(path, "the columns are of no known segment file", 1, "", f"deliver one of: {', '.join(LAYOUTS)}")
    layout = LAYOUTS[tool]
    named = (spelled.get(name.lower()) for name in layout.sample)
    frame = _of_sample(path, frame, next((name for name in named if name), None), sample)
    segments, rows = [], []
    for index, cells in frame.iterrows():
        row = int(str(index))

        def value(name: str | None, cells=cells, row: int = row) -> float | None:  # type: ignore[no-untyped-def]
            column = spelled.get(name.lower()) if name else None
            if column is None or cells[column] in _MISSING:
                return None
            return number(cells[column], path=path, row=row, column=column)

        segments.append(_segment(path, row, layout, cells[spelled[layout.chrom.lower()]], value))
        rows.append(row)
    order = sorted(range(len(segments)), key=lambda at: (segments[at].chrom, segments[at].start, segments[at].end))
    for left, right in pairwise(order):
        if segments[left].chrom == segments[right].chrom and segments[right].start < segments[left].end:
            raise _wrong(path, f"the segment overlaps that of row {rows[left]}", rows[right], layout.start)
    purity, ploidy = _stated(path, frame, spelled, _PURITY), _stated(path, frame, spelled, _PLOIDY)
    return CopyNumberProfile(tool, tuple(segments[at] for at in order), *_checked(path, purity, ploidy))


def _of_sample(path: Path, frame: pd.DataFrame, column: str | None, sample: str) -> pd.DataFrame:
    """The rows of the named sample. A file of one sample is that sample's, however the lab spells it."""
    if column is None or frame[column].nunique() <= 1:
        return frame
    if not sample:
        fix = "name the sample in the manifest's sample_name, or deliver one file per sample"
        raise InputError(
            "E_SAMPLE_MISMATCH", "the file holds several samples", file=path.name, row=2, column=column, fix=fix
        )
    chosen = frame[frame[column] == sample]
    if chosen.empty:
        fix = "write sample_name as the file spells it"
        raise InputError(
            "E_SAMPLE_MISMATCH", "the named sample isn't in the file", file=path.name, column=column, fix=fix
        )
    return chosen


def read_purity_ploidy(path: Path) -> tuple[float, float]:
    """Purity (0..1) and tumour ploidy (copies) of the small file beside the segments.

    Sequenza's ``_confints_CP.txt`` has three rows, lower bound, estimate, upper bound: the second counts. PURPLE's
    ``.purple.purity.tsv`` and ASCAT's ``.purityploidy.txt`` have one.

    Raises
    ------
    InputError
        ``E_SCHEMA`` where either is missing, several, or outside its range; and what `read_table` raises.
    """
    frame = read_table(path, delimiter="\t")
    spelled = {name.lower(): name for name in frame.columns}
    if "cellularity" in spelled and "ploidy.estimate" in spelled and len(frame) == 3:
        frame = frame.iloc[1:2]
    if len(frame) != 1:
        raise _wrong(path, "the file states several purities", int(frame.index[1]), "", "deliver the chosen fit alone")
    purity, ploidy = _stated(path, frame, spelled, _PURITY), _stated(path, frame, spelled, _PLOIDY)
    if purity is None or ploidy is None:
        raise _wrong(path, "purity or ploidy is missing", int(frame.index[0]), "", "deliver both, as the tool wrote it")
    _checked(path, purity, ploidy)
    return purity, ploidy


def read_purity_interval(path: Path) -> tuple[float, float] | None:
    """The 95 % interval of purity that the fit's file states (fractions), None where it states none.

    Sequenza's first and third rows; PURPLE's ``minPurity`` and ``maxPurity``, the range of fits that are about as good.

    Raises
    ------
    InputError
        ``E_SCHEMA`` where the ends are no interval of fractions; and what `read_table` raises.
    """
    frame = read_table(path, delimiter="\t")
    spelled = {name.lower(): name for name in frame.columns}
    if "cellularity" in spelled and len(frame) == 3:
        cells = [(int(frame.index[at]), spelled["cellularity"]) for at in (0, 2)]
    elif "minpurity" in spelled and "maxpurity" in spelled and len(frame) == 1:
        cells = [(int(frame.index[0]), spelled[name]) for name in ("minpurity", "maxpurity")]
    else:
        return None
    if any(frame.loc[row, column] in _MISSING for row, column in cells):
        return None
    low, high = (number(str(frame.loc[row, column]), path=path, row=row, column=column) for row, column in cells)
    if low is None or high is None or not 0 <= low <= high <= 1:
        raise _wrong(path, "the interval of purity lies outside 0..1", cells[0][0], cells[0][1])
    return low, high


def plain_chromosome(name: str) -> str:
    """``chr1`` and ``1`` are one name; FACETS and SEG number X and Y as 23 and 24."""
    bare = name[3:] if name.lower().startswith("chr") else name
    return {"23": "X", "24": "Y"}.get(bare, bare)


def _fits(layout: Layout, spelled: dict[str, str]) -> bool:
    return all(name.lower() in spelled for name in (layout.chrom, layout.start, layout.end, *layout.told_by))


def _segment(
    path: Path, row: int, layout: Layout, chrom: str, value: Callable[[str | None], float | None]
) -> CopyNumberSegment:
    start, end = value(layout.start), value(layout.end)
    if chrom in _MISSING:
        raise _wrong(path, "the segment names no chromosome", row, layout.chrom)
    for place, column in ((start, layout.start), (end, layout.end)):
        if place is None or place != int(place) or place < layout.base:
            raise _wrong(path, "the segment's place is not a whole number", row, column, "state bases of the genome")
    assert start is not None and end is not None
    if end <= start - layout.base:
        raise _wrong(path, "the segment ends before it starts", row, layout.end)
    ratio = value(layout.ratio)
    if ratio is not None and ratio < 0:
        raise _wrong(path, "the depth ratio is negative", row, layout.ratio or "")
    log_ratio = log2(ratio) if ratio else value(layout.log2)  # a ratio of 0 has no logarithm: it stays missing
    total, minor = value(layout.total), value(layout.minor)
    first, second = (value(name) for name in layout.alleles or (None, None))
    if first is not None and second is not None:
        minor = min(first, second)
        if total is None:
            total = first + second
        elif abs(first + second - total) > _TOLERANCE:
            raise _wrong(path, "the alleles' copies don't add up to the total", row, layout.total or "")
    copies_column, minor_column = layout.total or "nMajor", layout.minor or (layout.alleles or ("", ""))[1]
    if total is not None and total < -_TOLERANCE:
        raise _wrong(path, "the copies are negative", row, copies_column)
    if minor is not None and (minor < -_TOLERANCE or (total is not None and minor > total / 2 + _TOLERANCE)):
        raise _wrong(path, "the lesser allele has fewer than no copies or more than half", row, minor_column)
    markers, share = value(layout.markers), value(layout.cells)
    if share is not None and not 0 <= share <= 1 + _SHARE_TOLERANCE:
        raise _wrong(path, "the share of cells lies outside 0..1", row, layout.cells or "")
    major_of_others, minor_of_others = (value(name) for name in layout.others or (None, None))
    others: tuple[float | None, float | None] = (None, None)
    if share is not None and major_of_others is not None and minor_of_others is not None:
        others = (major_of_others + minor_of_others, min(major_of_others, minor_of_others))
        if share < 0.5:  # what most cells have comes first
            (total, minor), others, share = others, (total, minor), 1 - share
    return CopyNumberSegment(
        plain_chromosome(chrom),
        int(start) - layout.base,
        int(end),
        log_ratio,
        None if total is None else max(0.0, total),
        None if minor is None else max(0.0, minor),
        None if markers is None else int(markers),
        None if share is None else min(share, 1.0),
        *others,
    )


def _stated(path: Path, frame, spelled: dict[str, str], names: tuple[str, ...]) -> float | None:  # type: ignore[no-untyped-def]
    column = next((spelled[name] for name in names if name in spelled), None)
    if column is None or frame[column].nunique() != 1 or frame[column].iloc[0] in _MISSING:
        return None
    return number(frame[column].iloc[0], path=path, row=int(frame.index[0]), column=column)


def _checked(path: Path, purity: float | None, ploidy: float | None) -> tuple[float | None, float | None]:
    if purity is not None and not 0 < purity <= 1:
        raise _wrong(path, "purity lies outside 0..1", 2, "purity", "state purity as a fraction")
    if ploidy is not None and ploidy <= 0:
        raise _wrong(path, "ploidy is not above 0", 2, "ploidy", "state the mean copies of a tumour cell")
    return purity, ploidy


def _wrong(path: Path, message: str, row: int, column: str, fix: str = "export it again from the tool") -> InputError:
    return InputError("E_SCHEMA", message, file=path.name, row=row, column=column, fix=fix)
