"""VCF text to columns: one pass over the inflated bytes, without an object a record.

What is taken follows a `Wanted`: counts of FORMAT keys for chosen samples, spans of INFO values, and always the places
of the fixed cells. A record is ``plain`` when every rule below holds; any other is left to a reader of text, whose
line is `VcfColumns.text_of_line`. So the kernel needs no opinion on what is odd.

Plain: as many cells as the column line; POS of 1 to 10 digits and above 0; REF and ALT two different sequences of A, C,
G, T; FORMAT of proper keys, none twice and none that is said to be unusual; samples with no more values than FORMAT;
counts that are digits or ``.``, at most `WIDTH` of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

WIDTH = 4
"""Counts kept of one cell: one for each base, or reference and three alternatives."""
_CELLS = 10
_TAB, _LINE, _COLON, _COMMA, _DOT, _SEMICOLON, _EQUALS = 9, 10, 58, 44, 46, 59, 61
_BASE = np.zeros(256, np.uint8)
_BASE[list(b"ACGT")] = (1, 2, 3, 4)
_KEY = np.zeros(256, np.uint8)  # 1 starts a FORMAT key, 2 only follows
_KEY[list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")] = 1
_KEY[list(b"0123456789.")] = 2


@dataclass(frozen=True)
class Wanted:
    """What to take beside the fixed cells.

    samples
        Sample columns, 0 for the first.
    counts
        FORMAT keys whose cells hold counts (``AD``, ``DP``, ``AU``).
    values
        Further FORMAT keys, whose cells' places are wanted.
    unusual
        FORMAT keys that make a record not plain.
    info
        INFO keys whose values' places are wanted.
    """

    samples: tuple[int, ...] = ()
    counts: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    unusual: tuple[str, ...] = ()
    info: tuple[str, ...] = ()


@dataclass(frozen=True)
class VcfColumns:
    """Columns of n records (every line that isn't blank, plain or not).

    text
        The bytes, uint8.
    line
        int64[n], 1-based line numbers.
    starts
        int64[n, 10]: where CHROM .. FORMAT start, and last where the line ends. -1 where a line lacks the cell.
    plain
        bool[n]. Everything below is only defined for plain records.
    pos
        int64[n], 1-based.
    alt_base
        int8[n]: 0 to 3 for the base of a single-base ALT beside a single-base REF, else -1.
    counts
        int32[n, samples, keys, WIDTH]; -1 for a missing number.
    n_counts
        int8[n, samples, keys]: how many numbers the cell has; 0 for a missing cell.
    values
        int64[n, samples, keys, 2]: start and end of the cell; (-1, -1) for a missing one.
    info
        int64[n, keys, 2]: start and end of the value; (-1, -1) without the key, an empty span for a flag.
    """

    text: Bytes
    line: Ints
    starts: Ints
    plain: npt.NDArray[np.bool_]
    pos: Ints
    alt_base: npt.NDArray[np.int8]
    counts: npt.NDArray[np.int32]
    n_counts: npt.NDArray[np.int8]
    values: Ints
    info: Ints

    def spans(self, cell: int) -> Ints:
        """int64[n, 2]: start and end of a fixed cell, 0 for CHROM to 7 for INFO. Only for plain records."""
        return np.stack((self.starts[:, cell], self.starts[:, cell + 1] - 1), axis=1)

    def text_of_line(self, row: int) -> str:
        """The whole line of a record, without its end."""
        return self.text[self.starts[row, 0] : self.starts[row, 9]].tobytes().rstrip(b"\r").decode("utf-8")


def read_columns(text: bytes, wanted: Wanted, *, n_cells: int, start: int = 0, first_line: int = 1) -> VcfColumns:
    """Columns of VCF text that ends with a line's end.

    Parameters
    ----------
    text
        The whole inflated file.
    n_cells
        Cells of the column line: 8 without samples, else 9 + samples.
    start, first_line
        Offset of the first record and its line number.

    Raises
    ------
    ValueError
        When the text doesn't end with a line's end.
    """
    if not text.endswith(b"\n"):
        raise ValueError("the text must end with a line's end")
    data = np.frombuffer(text, np.uint8)
    words = np.frombuffer(text, "<u8", len(text) // 8)
    n = int(_lines(data, start))
    keys, key_at = _packed((*wanted.counts, *wanted.values, *wanted.unusual))
    infos, info_at = _packed(wanted.info)
    shape = (n, len(wanted.samples), len(wanted.counts))
    line, pos = np.zeros(n, np.int64), np.zeros(n, np.int64)
    starts = np.full((n, _CELLS), -1, np.int64)
    plain, alt_base = np.zeros(n, np.bool_), np.full(n, -1, np.int8)
    counts, n_counts = np.full((*shape, WIDTH), -1, np.int32), np.zeros(shape, np.int8)
    values = np.full((n, len(wanted.samples), len(wanted.values), 2), -1, np.int64)
    info = np.full((n, len(wanted.info), 2), -1, np.int64)
    samples = np.asarray(wanted.samples, np.int64)
    rows = _parse(
        data, words, start, first_line, n_cells, keys, key_at, len(wanted.counts), len(wanted.values), samples,
        infos, info_at, line, starts, plain, pos, alt_base, counts, n_counts, values, info,
    )  # fmt: skip
    return VcfColumns(
        data, line[:rows], starts[:rows], plain[:rows], pos[:rows], alt_base[:rows], counts[:rows], n_counts[:rows],
        values[:rows], info[:rows],
    )  # fmt: skip


def _packed(names: tuple[str, ...]) -> tuple[Bytes, Ints]:
    """Names in one array of bytes, and where each starts (and the last ends)."""
    joined = "".join(names).encode()
    at = np.cumsum([0, *(len(name) for name in names)], dtype=np.int64)
    return np.frombuffer(joined or b"\0", np.uint8), at


@njit(cache=True, nogil=True)
def _lines(text, start):  # type: ignore[no-untyped-def]
    n = 0
    for byte in text[start:]:
        n += byte == _LINE
    return n


@njit(cache=True, nogil=True)
def _skip(text, words, at):  # type: ignore[no-untyped-def]
    """Where the INFO field ends that ``at`` stands in: at ``;``, tab or line end, eight bytes looked at at once.

    ``(x - 0x01..) & ~x & 0x80..`` tells whether a byte of x is zero, with 11 in place of 1 whether one is below 11
    (Warren, Hacker's Delight, 6-1).
    """
    place, one, seven = np.uint64(at), np.uint64(1), np.uint64(7)  # unsigned: no test for places from the end
    while True:
        while place & seven:
            if text[place] == _SEMICOLON or text[place] < 11:
                break
            place += one
        else:
            word, n_words = place >> np.uint64(3), np.uint64(words.size)
            while word < n_words:
                x = words[word]
                y = x ^ np.uint64(0x3B3B3B3B3B3B3B3B)
                zero = (y - np.uint64(0x0101010101010101)) & ~y
                low = (x - np.uint64(0x0B0B0B0B0B0B0B0B)) & ~x
                if (zero | low) & np.uint64(0x8080808080808080):
                    break
                word += one
            place = word << np.uint64(3)
            while text[place] != _SEMICOLON and text[place] >= 11:
                place += one
        if text[place] in (_SEMICOLON, _TAB, _LINE):
            return np.int64(place)
        place += one


@njit(cache=True, nogil=True)
def _cell_end(text, at):  # type: ignore[no-untyped-def]
    """Where the cell that ``at`` stands in ends, and how many colons lie before."""
    place, colons = np.uint64(at), 0
    while text[place] != _TAB and text[place] != _LINE:
        colons += text[place] == _COLON
        place += np.uint64(1)
    return np.int64(place), colons


@njit(cache=True, nogil=True)
def _equal(text, start, end, names, at, which):  # type: ignore[no-untyped-def]
    length = at[which + 1] - at[which]
    if end - start != length:
        return False
    for offset in range(length):  # noqa: SIM110 (numba has no all over generators)
        if text[start + offset] != names[at[which] + offset]:
            return False
    return True


@njit(cache=True, nogil=True)
def _learn_format(text, start, end, keys, key_at, n_wanted, field_key):  # type: ignore[no-untyped-def]
    """Which wanted key each field of a FORMAT cell is; the number of fields, -1 when such records aren't plain."""
    n_keys = key_at.size - 1
    fields, at = 0, start
    while at <= end:
        stop = at
        while stop < end and text[stop] != _COLON:
            if _KEY[text[stop]] == 0:
                return -1
            stop += 1
        if fields >= field_key.size or stop == at or _KEY[text[at]] != 1:
            return -1
        field_key[fields] = -1
        for which in range(n_keys):
            if _equal(text, at, stop, keys, key_at, which):
                if which >= n_wanted:
                    return -1
                field_key[fields] = which
        before = start  # a key that stands twice
        for _ in range(fields):
            until = before
            while text[until] != _COLON:
                until += 1
            if until - before == stop - at:
                same = True
                for offset in range(stop - at):
                    if text[before + offset] != text[at + offset]:
                        same = False
                        break
                if same:
                    return -1
            before = until + 1
        fields += 1
        at = stop + 1
    return fields


@njit(cache=True, nogil=True)
def _count_cell(text, at, numbers):  # type: ignore[no-untyped-def]
    """(end of the cell, how many numbers or -1 when they aren't counts) of comma-separated counts from ``at`` on."""
    found = 0
    if text[at] == _DOT:
        after = text[at + 1]
        if after in (_COLON, _TAB, _LINE):
            return at + 1, 0
    while True:
        value, digits = 0, 0
        byte = text[at]
        if byte == _DOT:
            value = -1
            at += 1
            byte = text[at]
        else:
            while 48 <= byte <= 57:
                value = value * 10 + (byte - 48)
                digits += 1
                at += 1
                byte = text[at]
            if digits == 0 or digits > 9:
                return at, -1
        if found >= numbers.size:
            return at, -1
        numbers[found] = value
        found += 1
        if byte == _COMMA:
            at += 1
            continue
        if byte in (_COLON, _TAB, _LINE):
            return at, found
        return at, -1


@njit(cache=True, nogil=True)
def _parse(  # type: ignore[no-untyped-def]
    text, words, at, number, n_cells, keys, key_at, n_wanted, n_values, samples, infos, info_at,
    line, starts, plain, pos, alt_base, counts, n_counts, values, info,
):  # fmt: skip
    field_key = np.full(64, -1, np.int64)
    n_fields, format_start, format_size = 0, -1, -1
    n_info = info_at.size - 1
    last_sample = -1
    for sample in samples:
        last_sample = max(last_sample, sample)
    row, size = 0, text.size
    while at < size:
        if text[at] == _LINE or (text[at] == 13 and text[at + 1] == _LINE):
            at += 1
            if text[at - 1] == 13:
                at += 1
            number += 1
            continue
        line[row] = number
        number += 1
        good = True
        cell = 0
        starts[row, 0] = at
        # CHROM to FILTER
        while cell < 7:
            at, _ = _cell_end(text, at)
            if text[at] == _LINE:
                good = False
                break
            at += 1
            cell += 1
            starts[row, cell] = at
        if good:
            # INFO, key by key where any is wanted
            while True:
                if n_info:
                    for which in range(n_info):
                        length = info_at[which + 1] - info_at[which]
                        if text[at] == infos[info_at[which]] and at + length < size:
                            after = text[at + length]
                            ends = after in (_EQUALS, _SEMICOLON, _TAB, _LINE)
                            if ends and _equal(text, at, at + length, infos, info_at, which):
                                first = at + length + (1 if after == _EQUALS else 0)
                                stop = _skip(text, words, first)
                                if info[row, which, 0] < 0:
                                    info[row, which, 0], info[row, which, 1] = first, stop
                                at = stop
                                break
                at = _skip(text, words, at)
                if text[at] != _SEMICOLON:
                    break
                at += 1
            cell = 8
            starts[row, 8] = at + 1
            if n_cells > 8 and text[at] == _TAB:
                at += 1
                start = at
                same = format_start >= 0
                while text[at] != _TAB and text[at] != _LINE:
                    if same and (at - start >= format_size or text[at] != text[format_start + at - start]):
                        same = False
                    at += 1
                if not same or at - start != format_size:
                    n_fields = _learn_format(text, start, at, keys, key_at, n_wanted + n_values, field_key)
                format_start, format_size = start, at - start
                good = n_fields >= 0
                cell = 9
                sample = 0
                while text[at] == _TAB:
                    at += 1
                    cell += 1
                    which = -1
                    for index in range(samples.size):
                        if samples[index] == sample:
                            which = index
                    if which >= 0 and good:
                        field = 0
                        while True:
                            if field >= n_fields:
                                good = False
                                break
                            key = field_key[field]
                            if 0 <= key < n_wanted:
                                at, n = _count_cell(text, at, counts[row, which, key])
                                if n < 0:
                                    good = False
                                    break
                                n_counts[row, which, key] = n
                            else:
                                begin = at
                                while text[at] != _COLON and text[at] != _TAB and text[at] != _LINE:
                                    at += 1
                                if key >= n_wanted:
                                    values[row, which, key - n_wanted, 0] = begin
                                    values[row, which, key - n_wanted, 1] = at
                            if text[at] != _COLON:
                                break
                            at += 1
                            field += 1
                    elif good:
                        at, colons = _cell_end(text, at)
                        good = colons < n_fields
                    while text[at] != _TAB and text[at] != _LINE:
                        at += 1
                    sample += 1
            while text[at] != _LINE:
                cell += 1 if text[at] == _TAB else 0
                at += 1
            good = good and cell == n_cells and last_sample < max(n_cells - 9, 0)
        while text[at] != _LINE:
            at += 1
        starts[row, 9] = at
        good = good and text[at - 1] != 13
        if good:
            # POS
            digits, value = 0, 0
            for place in range(starts[row, 1], starts[row, 2] - 1):
                if text[place] < 48 or text[place] > 57:
                    good = False
                    break
                value = value * 10 + (text[place] - 48)
                digits += 1
            good = good and 0 < digits <= 10 and value > 0 and starts[row, 1] > starts[row, 0] + 1
            pos[row] = value
        if good:
            first, end = starts[row, 3], starts[row, 4] - 1
            other, stop = starts[row, 4], starts[row, 5] - 1
            good = end > first and stop > other and text[starts[row, 0]] != 35
            for place in range(first, end):
                good = good and _BASE[text[place]] > 0
            for place in range(other, stop):
                good = good and _BASE[text[place]] > 0
            if good and end - first == stop - other:
                same = True
                for offset in range(end - first):
                    if text[first + offset] != text[other + offset]:
                        same = False
                        break
                good = not same
                if good and end - first == 1:
                    alt_base[row] = np.int8(_BASE[text[other]] - 1)
        plain[row] = good
        row += 1
        at += 1
    return row


def codes(text: Bytes, spans: Ints) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Dictionary of the values at ``spans`` (int64[n, 2]): (int32[n] codes, values by code); -1 for a negative span."""
    n = len(spans)
    table = 64
    while True:
        found = np.full(n, -1, np.int32)
        kept = np.zeros((table // 2, 2), np.int64)
        n_kept = _encode(text, spans, np.full(table, -1, np.int32), kept, found)
        if n_kept >= 0:
            view = memoryview(text)  # type: ignore[arg-type]
            return found, [str(view[start:end], "utf-8") for start, end in kept[:n_kept].tolist()]
        table *= 8


@njit(cache=True, nogil=True)
def _encode(text, spans, table, kept, found):  # type: ignore[no-untyped-def]
    """Open addressing; -1 when the table is too small."""
    mask, n_kept = table.size - 1, 0
    for row in range(spans.shape[0]):
        start, end = spans[row, 0], spans[row, 1]
        if start < 0:
            continue
        key, tail = np.uint64(end - start), np.uint64(0)
        for place in range(start, min(end, start + 8)):  # first and last eight bytes; equality is tested below
            key = (key << np.uint64(8)) ^ np.uint64(text[place])
        for place in range(max(start, end - 8), end):
            tail = (tail << np.uint64(8)) ^ np.uint64(text[place])
        key = (key ^ (tail * np.uint64(0x9E3779B97F4A7C15))) * np.uint64(0xFF51AFD7ED558CCD)
        slot = np.int64((key ^ (key >> np.uint64(33))) & np.uint64(mask))
        while True:
            one = table[slot]
            if one < 0:
                if n_kept == kept.shape[0]:
                    return -1
                kept[n_kept, 0], kept[n_kept, 1] = start, end
                table[slot] = n_kept
                found[row] = n_kept
                n_kept += 1
                break
            if kept[one, 1] - kept[one, 0] == end - start:
                same = True
                for offset in range(end - start):
                    if text[kept[one, 0] + offset] != text[start + offset]:
                        same = False
                        break
                if same:
                    found[row] = one
                    break
            slot = (slot + 1) & mask
    return n_kept


@njit(cache=True, nogil=True)
def pieces(text, spans, delimiter, which):  # type: ignore[no-untyped-def]
    """int64[n, 2]: the ``which``-th part (from 0) of each span cut at byte ``delimiter``; (-1, -1) without one."""
    out = np.full((spans.shape[0], 2), -1, np.int64)
    for row in range(spans.shape[0]):
        at, end = spans[row, 0], spans[row, 1]
        if at < 0:
            continue
        part, start = 0, at
        while part <= which:
            if at == end or text[at] == delimiter:
                if part == which:
                    out[row, 0], out[row, 1] = start, at
                    break
                if at == end:
                    break
                part += 1
                start = at + 1
            at += 1
    return out


def reals(text: Bytes, spans: Ints) -> npt.NDArray[np.float64]:
    """float64[n] of the decimal numbers at ``spans``, exactly as Python reads them; NaN for what is none."""
    out = np.full(len(spans), np.nan)
    odd = np.zeros(len(spans), np.bool_)
    _reals(text, spans, out, odd)
    for row in np.flatnonzero(odd):
        try:
            out[row] = float(text[spans[row, 0] : spans[row, 1]].tobytes())
        except ValueError:
            out[row] = np.nan
    return out


_TENS = 10.0 ** np.arange(23)


@njit(cache=True, nogil=True)
def _reals(text, spans, out, odd):  # type: ignore[no-untyped-def]
    """A mantissa below 2**53 times or over a power of ten up to 22 is exact in one rounding (Clinger 1990)."""
    for row in range(spans.shape[0]):
        at, end = spans[row, 0], spans[row, 1]
        if at < 0 or at == end:
            continue
        negative = text[at] == 45
        if negative:
            at += 1
        mantissa, digits, scale, seen = 0, 0, 0, False
        while at < end and (48 <= text[at] <= 57 or text[at] == _DOT):
            if text[at] == _DOT:
                if seen:
                    break
                seen = True
            else:
                mantissa = mantissa * 10 + (text[at] - 48)
                digits += 1
                scale -= 1 if seen else 0
                if digits > 15:
                    break
            at += 1
        if at < end and digits and (text[at] == 101 or text[at] == 69):
            at += 1
            below = at < end and text[at] == 45
            if at < end and (text[at] == 45 or text[at] == 43):
                at += 1
            power, n = 0, 0
            while at < end and 48 <= text[at] <= 57 and n < 4:
                power = power * 10 + (text[at] - 48)
                n += 1
                at += 1
            if n == 0:
                odd[row] = True
                continue
            scale += -power if below else power
        if at < end or digits == 0 or scale < -22 or scale > 22:
            odd[row] = True
            continue
        value = float(mantissa)
        value = value / _TENS[-scale] if scale < 0 else value * _TENS[scale]
        out[row] = -value if negative else value
