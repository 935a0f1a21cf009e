"""Bases as BAM records pack them, two a byte, against the reference packed alike."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from palbo_assets.genomics.bam import nibble
from palbo_assets.genomics.unaligned import load64, trailing_zeros


@numba.njit(cache=True, nogil=True)
def next_unlike(data: np.ndarray, bases: int, query: int, codes: np.ndarray, packed: np.ndarray,
                index: int, k: int, length: int) -> Any:  # fmt: skip
    """The first of a stretch's bases from the ``k``-th on that is unlike the reference; ``length`` without any.

    The stretch starts at base ``query`` of the record's packed bases and at ``index`` of the reference, whose packed
    forms (one half of ``packed`` from its first base on, the other from its second) hold eight bytes beyond its last
    base. Sixteen bases are compared at once.
    """
    if k < length and (query + k) & 1:
        if nibble(data, bases, query + k) != codes[index + k]:
            return k
        k += 1
    half = (packed.size >> 1) if (index + k) & 1 else 0
    while k < length:
        mine = bases + ((query + k) >> 1)
        if mine + 8 > data.size:
            break
        unlike = load64(data, mine) ^ load64(packed, half + ((index + k) >> 1))
        left = length - k
        if left < 16:
            # Of a byte's two bases the first is the higher half.
            mask = (np.uint64(1) << np.uint64(8 * (left >> 1))) - np.uint64(1)
            if left & 1:
                mask |= np.uint64(0xF0) << np.uint64(8 * (left >> 1))
            unlike &= mask
        if unlike:
            byte = np.int64(trailing_zeros(unlike)) >> 3
            first = (unlike >> np.uint64(8 * byte)) & np.uint64(0xF0)
            return k + 2 * byte + (0 if first else 1)
        k += 16
    while k < length and nibble(data, bases, query + k) == codes[index + k]:
        k += 1
    return min(k, length)


@numba.njit(cache=True, nogil=True)
def base_index(code: int) -> Any:
    """0..3 for ACGT's 4-bit codes, -1 for others."""
    if code == 1:
        return 0
    if code == 2:
        return 1
    if code == 4:
        return 2
    return 3 if code == 8 else -1
