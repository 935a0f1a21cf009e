"""Bases as BAM records pack them, two a byte, against the reference packed alike."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from palbo_assets.genomics.bam import nibble


@numba.njit(cache=True, nogil=True)
def differ(data: np.ndarray, bases: int, query: int, codes: np.ndarray, even: np.ndarray, odd: np.ndarray, index: int,
            length: int) -> Any:  # fmt: skip
    """Whether a stretch of a read has a base unlike the reference."""
    if query & 1:
        if nibble(data, bases, query) != codes[index]:
            return True
        query, index, length = query + 1, index + 1, length - 1
    if length & 1:
        length -= 1
        if nibble(data, bases, query + length) != codes[index + length]:
            return True
    half = length >> 1
    mine = data[bases + (query >> 1) : bases + (query >> 1) + half]
    packed = odd if index & 1 else even
    theirs = packed[index >> 1 : (index >> 1) + half]
    unlike = np.uint8(0)
    for k in range(half):
        unlike |= mine[k] ^ theirs[k]
    return unlike != 0


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
