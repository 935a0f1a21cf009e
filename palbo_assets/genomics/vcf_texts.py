"""Spans of a text as values: dictionary codes, pieces between delimiters, real numbers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from numba import njit

from palbo_assets.genomics.unaligned import borrowed
from palbo_assets.genomics.vcf_columns import Bytes, Ints

_DOT = 46


class Dictionary:
    """Texts as codes 0, 1, .. in the order of their first occurrence, over any number of chunks of text."""

    def __init__(self) -> None:
        self._table = np.full(64, -1, np.int32)
        self._ends = np.zeros(33, np.int64)  # where each text ends in the arena; the first is where the first starts
        self._arena = np.zeros(1 << 12, np.uint8)
        self._n = 0

    def encode(self, text: Bytes, spans: Ints) -> npt.NDArray[np.int32]:
        """int32[n]: codes of the values at ``spans`` (int64[n, 2]); -1 for a negative span."""
        found = np.full(len(spans), -1, np.int32)
        row = 0
        while True:
            row, self._n = _encode(text, spans, row, self._table, self._ends, self._n, self._arena, found)
            if row == len(spans):
                return found
            self._grow(int(spans[row, 1] - spans[row, 0]))

    def _grow(self, length: int) -> None:
        """Make room for another text of this length."""
        if self._n + 1 >= len(self._ends):
            self._ends = np.concatenate((self._ends, np.zeros(3 * len(self._ends), np.int64)))
            self._table = np.full(4 * len(self._table), -1, np.int32)
            _enter(self._table, self._ends, self._n, self._arena)
        room = len(self._arena)
        while self._ends[self._n] + length > room:
            room *= 2
        self._arena = np.concatenate((self._arena, np.zeros(room - len(self._arena), np.uint8)))

    def values(self) -> list[str]:
        """The texts by code."""
        whole = self._arena.tobytes()
        ends = self._ends[: self._n + 1].tolist()
        return [str(whole[start:end], "utf-8") for start, end in pairwise(ends)]


def codes(text: Bytes, spans: Ints) -> tuple[npt.NDArray[np.int32], list[str]]:
    """A dictionary of one chunk: (codes as `Dictionary.encode` gives them, values by code)."""
    dictionary = Dictionary()
    return dictionary.encode(text, spans), dictionary.values()


@njit(cache=True, nogil=True)
def _slot(text, start, end, mask):  # type: ignore[no-untyped-def]
    """Where a text's search begins: by its length and its first and last eight bytes."""
    key, tail = np.uint64(end - start), np.uint64(0)
    for place in range(start, min(end, start + 8)):
        key = (key << np.uint64(8)) ^ np.uint64(text[place])
    for place in range(max(start, end - 8), end):
        tail = (tail << np.uint64(8)) ^ np.uint64(text[place])
    key = (key ^ (tail * np.uint64(0x9E3779B97F4A7C15))) * np.uint64(0xFF51AFD7ED558CCD)
    return np.int64((key ^ (key >> np.uint64(33))) & np.uint64(mask))


@njit(cache=True, nogil=True)
def _enter(table, ends, n, arena):  # type: ignore[no-untyped-def]
    """Fill an empty table."""
    for one in range(n):
        slot = _slot(arena, ends[one], ends[one + 1], table.size - 1)
        while table[slot] >= 0:
            slot = (slot + 1) & (table.size - 1)
        table[slot] = one


@njit(cache=True, nogil=True)
def _encode(text, spans, row, table, ends, n, arena, found):  # type: ignore[no-untyped-def]
    """Open addressing, from a row on: (the row for which there is no room or the number of rows, texts now known)."""
    text, spans, table, ends = borrowed(text), borrowed(spans), borrowed(table), borrowed(ends)
    arena, found = borrowed(arena), borrowed(found)
    mask = table.size - 1
    for row in range(row, spans.shape[0]):  # noqa: B020 (goes on where it stopped)
        start, end = spans[row, 0], spans[row, 1]
        if start < 0:
            continue
        slot = _slot(text, start, end, mask)
        while True:
            one = table[slot]
            if one < 0:
                if n + 1 >= ends.size or ends[n] + end - start > arena.size:
                    return row, n
                for offset in range(end - start):
                    arena[ends[n] + offset] = text[start + offset]
                ends[n + 1] = ends[n] + end - start
                table[slot] = n
                found[row] = n
                n += 1
                break
            if ends[one + 1] - ends[one] == end - start:
                same = True
                for offset in range(end - start):
                    if arena[ends[one] + offset] != text[start + offset]:
                        same = False
                        break
                if same:
                    found[row] = one
                    break
            slot = (slot + 1) & mask
    return spans.shape[0], n


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
