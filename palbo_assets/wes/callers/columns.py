"""Large callers' files through the column parser: plain lines as arrays, all others as text.

The layouts' expressions are evaluated here over arrays, and in `counts` over one record's text. Both must say the same,
which a test proves on every caller's file of the collection.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from palbo_assets.genomics.alleles import Variant, normalise
from palbo_assets.genomics.bgzf import line_chunks
from palbo_assets.genomics.vcf_columns import VcfColumns, Wanted, read_columns
from palbo_assets.genomics.vcf_texts import codes
from palbo_assets.platform.errors import InputError
from palbo_assets.wes.callers.counts import BASES, SampleCounts, parsed
from palbo_assets.wes.callers.records import (
    LARGEST_POSITION,
    CallerRecord,
    RecordReader,
    check_reference,
    filter_is_readable,
    passes,
    status_of,
)

if TYPE_CHECKING:
    from palbo_assets.wes.callers.reading import Reading

Numbers = npt.NDArray[np.int64]
_SIMPLE_NAME = re.compile(r"\w[\w.\-]*\Z", re.ASCII)


def take_columns(reading: Reading) -> bool:
    """Take a whole file into ``reading``; False, with nothing promised of ``reading``, where only the reader of lines
    can tell what is wrong.

    Raises
    ------
    InputError
        As `palbo_assets.wes.callers.read.read_vcf`, for lines that aren't plain.
    """
    line = 1
    reader: RecordReader | None = None
    keys: tuple[str, ...] = ()
    wanted = Wanted()
    try:
        for text in line_chunks(reading.path):
            if not text.endswith(b"\n") or not _is_utf8(text):
                return False
            at = 0
            while reader is None and at < len(text):
                end = text.index(b"\n", at)
                content = text[at:end].rstrip(b"\r").decode("utf-8")
                if content.startswith("#"):
                    reading.take(line, content)
                    at, line = end + 1, line + 1
                    continue
                first = content.split("\t")
                if len(first) < 8:
                    return False
                reader = reading.start(first)
                keys, wanted = _wanted(reader, first)
            if reader is not None:
                columns = read_columns(text, wanted, n_cells=len(reader.columns), start=at, first_line=line)
                line += text.count(b"\n", at)
                _take_rows(reading, reader, text, columns, keys)
    except InputError as error:
        if error.code == "E_TRUNCATED":
            return False
        raise
    return reader is not None


def _is_utf8(text: bytes | bytearray) -> bool:
    if text.isascii():
        return True
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _wanted(reader: RecordReader, first: Sequence[str]) -> tuple[tuple[str, ...], Wanted]:
    """FORMAT keys to take, judged by the first record; records with further keys of the layouts aren't plain."""
    keys = _layout_keys(reader)
    present = set(first[8].split(":")) if len(first) > 8 else set()
    taken = tuple(key for key in keys if key in present)
    samples = tuple(reader.columns.index(name) - 9 for name in reader.roles if name)
    return taken, Wanted(samples, counts=taken, unusual=tuple(key for key in keys if key not in present))


def _layout_keys(reader: RecordReader) -> tuple[str, ...]:
    """Every FORMAT key that the caller's layouts may refer to, and that of its verdict."""
    found: dict[str, None] = {}
    for layout in reader.caller.all_layouts:
        for expression in layout.expressions:
            for side in parsed(expression):
                for cell in side:
                    found.update(dict.fromkeys(cell.keys))
    verdict = reader.caller.verdict
    if verdict is not None and verdict.of_tumour:
        found[verdict.key] = None
    return tuple(found)


def _take_rows(
    reading: Reading, reader: RecordReader, raw: bytes | bytearray, columns: VcfColumns, keys: Sequence[str]
) -> None:
    """Records of a chunk's lines in their order."""
    text, plain = columns.text, columns.plain & (columns.pos <= LARGEST_POSITION)
    chrom_code, chroms = codes(text, np.where(plain[:, None], columns.spans(0), -1))
    filter_code, filters = codes(text, np.where(plain[:, None], columns.spans(6), -1))
    simple = np.array([_SIMPLE_NAME.match(name) is not None for name in chroms] or [False])
    known = [reader.contigs.canonical(name) for name in chroms]
    readable = np.array([filter_is_readable(said) for said in filters] or [False])
    plain &= simple[chrom_code] & readable[filter_code]
    counted = [_counts(reader, columns, keys, which) for which in range(columns.counts.shape[1])]
    for depth, alt, *_ in counted:
        plain &= (depth > 0) & (alt >= 0)  # else there may be a fraction only, which the text reader knows
    if not counted:
        plain[:] = False  # counts stand in INFO, if anywhere
    verdict = reader.caller.verdict
    of_tumour = keys.index(verdict.key) if verdict is not None and verdict.of_tumour and verdict.key in keys else -1
    sites = columns.pos.tolist()
    lines, is_plain = columns.line.tolist(), plain.tolist()
    spans = columns.starts.tolist()
    of_chrom, of_filter = chrom_code.tolist(), filter_code.tolist()
    tumours, normals = ([_tuples(*one) for one in counted] + [[], []])[:2]
    seen: set[int] = set()
    for row, plainly in enumerate(is_plain):
        if not plainly:
            reading.take(lines[row], columns.text_of_line(row))
            continue
        code = of_chrom[row]
        if code not in seen:
            seen.add(code)
            reading.spell(lines[row], chroms[code])
        chrom = known[code]
        if chrom is None:
            reading.foreign += 1
            continue
        cells = spans[row]
        given_ref = raw[cells[3] : cells[4] - 1].decode("ascii")
        given_alt = raw[cells[4] : cells[5] - 1].decode("ascii")
        check_reference(reader, lines[row], chrom, sites[row], given_ref)
        info = raw[cells[7] : cells[8] - 1].decode("utf-8")
        status = ""
        if verdict is not None:
            value = int(columns.counts[row, 0, of_tumour, 0]) if of_tumour >= 0 else -1
            status = status_of(reader.caller, info, {verdict.key: str(value)} if value >= 0 else {})
        variant = Variant(chrom, sites[row], given_ref, given_alt)
        said = filters[of_filter[row]]
        reading.records.append(
            CallerRecord(
                lines[row],
                variant if len(given_ref) == len(given_alt) == 1 else normalise(variant, reader.fetch),
                said or ".",
                passes(reader.caller, said, status),
                status,
                tumours[row],
                normals[row] if normals else None,
                info,
                given_ref,
                given_alt,
            )
        )


def _tuples(depth: Numbers, alt: Numbers, forward: Numbers, reverse: Numbers, ref: Numbers) -> list[SampleCounts]:
    deep = np.maximum(depth, alt)
    with np.errstate(divide="ignore", invalid="ignore"):
        vaf = alt / deep
    columns = (numbers.tolist() for numbers in (deep, alt, vaf, forward, reverse, ref))
    return [
        SampleCounts(
            n, a, v, f if f >= 0 and r >= 0 else None, r if f >= 0 and r >= 0 else None, base if base >= 0 else None
        )
        for n, a, v, f, r, base in zip(*columns, strict=True)
    ]


def _counts(
    reader: RecordReader, columns: VcfColumns, keys: Sequence[str], which: int
) -> tuple[Numbers, Numbers, Numbers, Numbers, Numbers]:
    """Depth, alternative reads, those of each strand, reference reads of one sample; int64[n], -1 for unsaid ones."""
    n = len(columns.line)
    depth, alt, forward, reverse, ref = (np.full(n, -1, np.int64) for _ in range(5))
    open_rows = np.ones(n, np.bool_)
    for layout in reader.caller.all_layouts:
        found = [_evaluate(one, columns, keys, which) for one in (layout.alt, layout.depth)]
        here = open_rows & (found[0] >= 0)
        if not here.any():
            continue
        alt[here], depth[here] = found[0][here], found[1][here]
        for target, expression in ((forward, layout.forward), (reverse, layout.reverse), (ref, layout.ref)):
            target[here] = _evaluate(expression, columns, keys, which)[here]
        open_rows &= ~here
        if not open_rows.any():
            break
    return depth, alt, forward, reverse, ref


def _evaluate(expression: str, columns: VcfColumns, keys: Sequence[str], which: int) -> Numbers:
    n = len(columns.line)
    result = np.full(n, -1, np.int64)
    for side in parsed(expression):
        total, readable = np.zeros(n, np.int64), np.ones(n, np.bool_)
        for cell in side:
            number = _cell(cell.key, cell.place, columns, keys, which)
            readable &= number >= 0
            total += number
        result = np.where((result < 0) & readable, total, result)
    return result


def _cell(key: str, place: int | str, columns: VcfColumns, keys: Sequence[str], which: int) -> Numbers:
    n = len(columns.line)
    if "{" in key:
        result = np.full(n, -1, np.int64)
        first = columns.text[columns.starts[:, 3]]  # the reference base of SNVs
        for base in BASES:
            named = re.sub(r"\{(alt|ref)\}", base, key)
            here = columns.alt_base == BASES.index(base) if "{alt}" in key else first == ord(base)
            found = _cell(named, place, columns, keys, which)
            result = np.where(here & (columns.alt_base >= 0), found, result)
        return result
    if key not in keys:
        return np.full(n, -1, np.int64)
    index = keys.index(key)
    numbers, size = columns.counts[:, which, index].astype(np.int64), columns.n_counts[:, which, index]
    if place == "all":
        whole = (size > 1) & ((numbers >= 0).sum(axis=1) == size)
        return np.where(whole, np.where(numbers >= 0, numbers, 0).sum(axis=1), -1)
    if place == "base":
        chosen = np.take_along_axis(numbers, np.maximum(columns.alt_base, 0)[:, None].astype(np.int64), axis=1)[:, 0]
        return np.where((columns.alt_base >= 0) & (size == len(BASES)), chosen, -1)
    if isinstance(place, int):
        return np.where(size > place, numbers[:, place], -1)
    at = 1 if place == "alt" else 0
    return np.where(size == at + 1, numbers[:, at], -1)
