"""What the reads themselves say of a library: fragment lengths, depth before consensus, lengths of the two reads.

The wet lab states a fragment peak from an electropherogram of the DNA; the sequenced library may differ. Raw depth says
how often molecules were read, whatever became of them.
"""

# mypy: disable-error-code="assignment"
# Compiled code has one kind of integer; numpy's stubs have many.

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.umi_records import UNUSED, alignment, region_at, u16
from palbo_assets.genomics.bam import MATE_UNMAPPED, PAIRED, SECOND, int32
from palbo_assets.genomics.bgzf import bam_header, record_chunks

DUPLICATE = 0x400
ON_PANEL, UNTOLD, LONGEST_FIRST, LONGEST_SECOND = range(4)


@dataclass(frozen=True)
class Library:
    """Figures of one file's reads; None where they can't be told.

    fragment_peak_bp
        Commonest fragment length (SAM's TLEN of pairs), over windows of `_WINDOW` bases; None for too few pairs.
    raw_depth_mean
        Raw reads per panel base, both mates counted, each from its first to its last aligned base (gaps within it too);
        of a consensus BAM each read counts as often as its tag cD says. Contigs that the file lacks aren't counted.
        None where a read on the panel has no such tag, or one that is no positive whole number.
    read_1_length, read_2_length
        Bases of the longest read.
    """

    fragment_pairs: int
    fragment_peak_bp: float | None
    raw_depth_mean: float | None
    read_1_length: int | None
    read_2_length: int | None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


_WINDOW = 5


def library_of(bam: Path, regions: Sequence[tuple[str, int, int]], settings: Settings, *, raw: bool) -> Library:
    """Measure a sorted BAM in one pass.

    Parameters
    ----------
    regions
        The panel's merged regions, 0-based half-open.
    raw
        Whether each record is one raw read (duplicates among them); else it is a consensus read.

    Raises
    ------
    InputError
        What reading BGZF raises.
    """
    names = list(bam_header(bam).contigs)
    number = {name: index for index, name in enumerate(names)}
    placed = sorted((number[chrom], start, end) for chrom, start, end in regions if chrom in number)
    contig, starts, ends = (np.array([row[at] for row in placed], dtype=np.int64) for at in range(3))
    numbers = np.arange(max(len(names), 1))
    contigs = np.stack([np.searchsorted(contig, numbers), np.searchsorted(contig, numbers, side="right")], 1)
    lengths, totals = np.zeros(settings.longest_fragment + 1, dtype=np.int64), np.zeros(4, dtype=np.int64)
    for chunk in record_chunks(bam):
        measure(chunk, raw, contigs, starts, ends, lengths, totals)
    return summary(lengths, totals, int((ends - starts).sum()), settings)


def summary(lengths: np.ndarray, totals: np.ndarray, panel_bp: int, settings: Settings) -> Library:
    """The figures from the histogram of fragment lengths and the totals that `measure` filled."""
    pairs = int(lengths.sum())
    peak = None
    if pairs >= settings.fragment_pairs_least:
        smooth = np.convolve(lengths, np.ones(_WINDOW, dtype=np.int64), mode="same")
        peak = float(np.flatnonzero(smooth == smooth.max()).mean())
    told = panel_bp > 0 and not totals[UNTOLD]
    return Library(
        fragment_pairs=pairs,
        fragment_peak_bp=peak,
        raw_depth_mean=float(totals[ON_PANEL] / panel_bp) if told else None,
        read_1_length=int(totals[LONGEST_FIRST]) or None,
        read_2_length=int(totals[LONGEST_SECOND]) or None,
    )


def _widths() -> np.ndarray:
    """Bytes of a tag's value, by the letter of its type; 0 where these aren't fixed."""
    table = np.zeros(256, dtype=np.int64)
    for width, letters in ((1, "AcC"), (2, "sS"), (4, "iIf")):
        for letter in letters:
            table[ord(letter)] = width
    return table


_WIDTH = _widths()


@njit(cache=True, nogil=True)
def copies_of(data: np.ndarray, at: Any, end: Any) -> Any:
    """The tag cD among a record's tags, [at, end); 0 where it is absent or no whole number, or where tags are cut."""
    while at + 4 <= end:
        kind, value = data[at + 2], at + 3
        width = _WIDTH[kind]
        if data[at] == 99 and data[at + 1] == 68:  # cD
            return _whole_number(data, value, kind) if value + width <= end else np.int64(0)
        if width:
            at = value + width
        elif kind == 90 or kind == 72:  # Z, H
            at = value
            while at < end and data[at] != 0:
                at += 1
            at += 1
        elif kind == 66 and value + 5 <= end and int32(data, value + 1) >= 0:  # B
            at = value + 5 + _WIDTH[data[value]] * int32(data, value + 1)
        else:
            break
    return np.int64(0)


@njit(cache=True, nogil=True)
def _whole_number(data: np.ndarray, at: Any, kind: Any) -> Any:
    """A tag's value; 0 for a type that isn't one of whole numbers."""
    if kind == 99:  # c
        return np.int64(np.int8(data[at]))
    if kind == 67:  # C
        return np.int64(data[at])
    if kind == 115:  # s
        return np.int64(np.int16(u16(data, at)))
    if kind == 83:  # S
        return u16(data, at)
    if kind == 105:  # i
        return int32(data, at)
    return int32(data, at) & 0xFFFFFFFF if kind == 73 else np.int64(0)  # I


@njit(cache=True, nogil=True)
def measure(
    data: np.ndarray,
    raw: bool,
    contigs: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    lengths: np.ndarray,
    totals: np.ndarray,
) -> None:
    """Enter a chunk of whole records into ``lengths`` (pairs by TLEN) and ``totals``; see `library_of`."""
    at = 0
    while at < data.size:
        record = at
        at += 4 + int32(data, record)
        flag, reference, length = u16(data, record + 18), int32(data, record + 4), int32(data, record + 20)
        if flag & UNUSED or (flag & DUPLICATE and not raw) or reference < 0 or length == 0:
            continue
        longest = LONGEST_SECOND if flag & SECOND else LONGEST_FIRST
        totals[longest] = max(totals[longest], length)
        size = int32(data, record + 32)
        same = int32(data, record + 24) == reference
        if flag & PAIRED and not flag & MATE_UNMAPPED and same and 0 < size < lengths.size:
            lengths[size] += 1
        start, end, _, _ = alignment(data, record)
        region = region_at(starts, ends, contigs[reference, 0], contigs[reference, 1], start, end)
        if region < 0 or end == start:
            continue
        copies = np.int64(1)
        if not raw:
            tags = record + 36 + np.int64(data[record + 12]) + 4 * u16(data, record + 16) + (length + 1) // 2 + length
            copies = copies_of(data, tags, at)
            if copies <= 0:
                totals[UNTOLD] += 1
                continue
        while region < contigs[reference, 1] and starts[region] < end:
            totals[ON_PANEL] += copies * (min(end, ends[region]) - max(start, starts[region]))
            region += 1
