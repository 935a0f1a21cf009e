"""Unsigned decimal numbers from their digits, compiled: eight bytes are looked at as one integer.

A loop over digits mispredicts its end at nearly every number, which costs more than the arithmetic. Here a number of
up to seven digits on each side of the point takes no loop; any other form takes the loop.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from palbo_assets.genomics.unaligned import load64, trailing_zeros

_POWERS = np.array([float(10**k) for k in range(23)])  # each exactly a double
_WHOLE_POWERS = np.array([10**k for k in range(8)])
_ZEROS = np.uint64(0x3030303030303030)
_TO_HIGH_BIT = np.uint64(0x7676767676767676)  # 10 and more reach a byte's high bit
_HIGH_BITS = np.uint64(0x8080808080808080)
_BYTES, _PAIRS, _FOURS = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0000FFFF0000FFFF), np.uint64(0xFFFFFFFF)


@njit(cache=True, nogil=True)
def leading_digits(content: np.ndarray, at: int) -> Any:
    """(how many of the eight bytes from ``at`` on are digits before the first other byte, the integer they write)."""
    word = load64(content, at) ^ _ZEROS
    # A byte that is no digit may carry into those behind it, which nobody looks at.
    others = ((word + _TO_HIGH_BIT) | word) & _HIGH_BITS
    bits = trailing_zeros(others) & np.uint64(0x78)
    # The digits go to the high end, zeros in front of them; in two steps, as no shift by 64 is defined.
    half = (np.uint64(64) - bits) >> np.uint64(1)
    word = (word << half) << half
    word = (word * np.uint64(10) + (word >> np.uint64(8))) & _BYTES
    word = (word * np.uint64(100) + (word >> np.uint64(16))) & _PAIRS
    word = (word * np.uint64(10_000) + (word >> np.uint64(32))) & _FOURS
    return np.int64(bits >> np.uint64(3)), np.int64(word)


@njit(cache=True, nogil=True)
def number(content: np.ndarray, at: int) -> Any:
    """(the unsigned number at ``at``, position behind it); position -1 where there is none, or the content ends.

    Digits are gathered into one integer and scaled once, which is the nearest double as long as there are at most 15
    digits and 22 powers of ten (Clinger 1990); more digits, signs and words are no number here.
    """
    if at + 17 <= content.size:
        digits, integer = leading_digits(content, at)
        if 0 < digits < 8:
            behind = at + digits
            decimals = 0
            if content[behind] == 46:
                decimals, fraction = leading_digits(content, behind + 1)
                behind += 1 + decimals
                integer = integer * _WHOLE_POWERS[decimals & 7] + fraction
            if decimals < 8 and content[behind] != 101 and content[behind] != 69:
                return integer / _POWERS[decimals], behind
    return number_by_digit(content, at)


@njit(cache=True, nogil=True)
def number_by_digit(content: np.ndarray, at: int) -> tuple[float, int]:
    """As `number`, byte by byte: any count of digits, with an exponent or without."""
    integer = 0
    size = content.size
    start = at
    while at < size and 48 <= content[at] <= 57:
        integer = integer * 10 + (content[at] - 48)
        at += 1
    digits, decimals = at - start, 0
    if at < size and content[at] == 46:
        at += 1
        start = at
        while at < size and 48 <= content[at] <= 57:
            integer = integer * 10 + (content[at] - 48)
            at += 1
        decimals = at - start
        digits += decimals
    if digits == 0 or digits > 15 or at >= size:
        return 0.0, -1
    exponent = 0
    octet = content[at]
    if octet == 101 or octet == 69:
        at += 1
        negative = False
        if at < size and (content[at] == 45 or content[at] == 43):
            negative = content[at] == 45
            at += 1
        begin = at
        while at < size and 48 <= content[at] <= 57 and at - begin < 4:
            exponent = exponent * 10 + (content[at] - 48)
            at += 1
        if at == begin or at >= size:
            return 0.0, -1
        if negative:
            exponent = -exponent
    scale = exponent - decimals
    if scale < -22 or scale > 22:
        return 0.0, -1
    return (integer / _POWERS[-scale] if scale < 0 else integer * _POWERS[scale]), at
