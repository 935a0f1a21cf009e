"""Spans of a text as values: dictionary codes, pieces between delimiters, real numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from palbo_assets.genomics.vcf_columns import Bytes, Ints

_DOT = 46


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
