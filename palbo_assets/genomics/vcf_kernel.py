"""The compiled part of `vcf_columns`: one pass over the bytes of a VCF's records."""

from __future__ import annotations

import numpy as np
from numba import njit

from palbo_assets.genomics.unaligned import borrowed, load64, trailing_zeros

CELLS = 10
_TAB, _LINE, _COLON, _COMMA, _DOT, _SEMICOLON, _EQUALS = 9, 10, 58, 44, 46, 59, 61
_BASE = np.zeros(256, np.uint8)
_BASE[list(b"ACGT")] = (1, 2, 3, 4)
_KEY = np.zeros(256, np.uint8)  # 1 starts a FORMAT key, 2 only follows
_KEY[list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")] = 1
_KEY[list(b"0123456789.")] = 2


@njit(cache=True, nogil=True)
def count_lines(text, start):  # type: ignore[no-untyped-def]
    n = 0
    for byte in text[start:]:
        n += byte == _LINE
    return n


# Eight bytes as one integer: ``(x - 0x01..) & ~x & 0x80..`` tells where a byte of x is zero, with 11 in place of 1
# where one is below 11. Its lowest bit is right; a byte above one that it names may be named wrongly (Warren, Hacker's
# Delight, 6-1).
_ONES, _ELEVENS = np.uint64(0x0101010101010101), np.uint64(0x0B0B0B0B0B0B0B0B)
_HIGH, _LOW_SEVEN = np.uint64(0x8080808080808080), np.uint64(0x7F7F7F7F7F7F7F7F)
_SEMICOLONS, _COLONS = np.uint64(0x3B3B3B3B3B3B3B3B), np.uint64(0x3A3A3A3A3A3A3A3A)


@njit(cache=True, nogil=True)
def skip(text, at):  # type: ignore[no-untyped-def]
    """Where the INFO field ends that ``at`` stands in: at ``;``, tab or line end."""
    while True:
        while at + 8 <= text.size:
            x = load64(text, at)
            y = x ^ _SEMICOLONS
            ends = (((y - _ONES) & ~y) | ((x - _ELEVENS) & ~x)) & _HIGH
            if ends:
                at += np.int64(trailing_zeros(ends) >> np.uint64(3))
                break
            at += 8
        if text[at] in (_SEMICOLON, _TAB, _LINE):
            return at
        at += 1


@njit(cache=True, nogil=True)
def cell_end(text, at):  # type: ignore[no-untyped-def]
    """Where the cell that ``at`` stands in ends, and how many colons lie before."""
    colons = 0
    while at + 8 <= text.size:
        x = load64(text, at)
        y = x ^ _COLONS
        found = ~(((y & _LOW_SEVEN) + _LOW_SEVEN) | y) & _HIGH  # exactly the bytes that are colons
        ends = (x - _ELEVENS) & ~x & _HIGH
        before = np.uint64(0)
        if ends:
            before = trailing_zeros(ends) & np.uint64(56)
            found &= (np.uint64(1) << before) - np.uint64(1)
        colons += int(((found >> np.uint64(7)) * _ONES) >> np.uint64(56))
        if ends:
            at += np.int64(before >> np.uint64(3))
            break
        at += 8
    while text[at] != _TAB and text[at] != _LINE:
        colons += text[at] == _COLON
        at += 1
    return at, colons


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
def parse(  # type: ignore[no-untyped-def]
    text, at, number, n_cells, keys, key_at, n_wanted, n_values, samples, infos, info_at,
    line, starts, plain, pos, alt_base, counts, n_counts, values, info,
):  # fmt: skip
    text, samples = borrowed(text), borrowed(samples)
    keys, key_at, infos, info_at = borrowed(keys), borrowed(key_at), borrowed(infos), borrowed(info_at)
    line, starts, plain, pos, alt_base = (
        borrowed(line), borrowed(starts), borrowed(plain), borrowed(pos), borrowed(alt_base),
    )  # fmt: skip
    counts, n_counts, values, info = borrowed(counts), borrowed(n_counts), borrowed(values), borrowed(info)
    field_key = np.full(64, -1, np.int64)
    n_fields, last_field, format_start, format_size = 0, -1, -1, -1
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
            at, _ = cell_end(text, at)
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
                                stop = skip(text, first)
                                if info[row, which, 0] < 0:
                                    info[row, which, 0], info[row, which, 1] = first, stop
                                at = stop
                                break
                at = skip(text, at)
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
                    last_field = -1
                    for field in range(n_fields):
                        if field_key[field] >= 0:
                            last_field = field
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
                            if field > last_field:  # nothing more is wanted
                                at, colons = cell_end(text, at)
                                good = field + colons < n_fields
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
                        at, colons = cell_end(text, at)
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
