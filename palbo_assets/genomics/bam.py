"""BAM records in inflated bytes: where each starts, and its fields, for compiled kernels.

A record is what the SAM/BAM specification (section 4.2) says, with its block size first. Offsets below are from there.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

SMALLEST_RECORD = 4 + 32


@numba.njit(cache=True, nogil=True, inline="always")
def int32(data: np.ndarray, at: int) -> np.int64:
    """Little-endian signed integer at an offset."""
    value = (
        np.uint32(data[at])
        | np.uint32(data[at + 1]) << np.uint32(8)
        | np.uint32(data[at + 2]) << np.uint32(16)
        | np.uint32(data[at + 3]) << np.uint32(24)
    )
    return np.int64(np.int32(value))


@numba.njit(cache=True, nogil=True)
def whole_records(data: np.ndarray) -> int:
    """Bytes of ``data`` that are whole records; -1 where a record contradicts itself."""
    at = 0
    while at + 4 <= data.size:
        size = int32(data, at)
        if size < 32:
            return -1
        if at + 4 + size > data.size:
            break
        name = np.int64(data[at + 12])
        cigar = np.int64(data[at + 16]) | np.int64(data[at + 17]) << 8
        bases = int32(data, at + 20)
        if bases < 0 or name == 0 or 32 + name + 4 * cigar + (bases + 1) // 2 + bases > size:
            return -1
        at += 4 + size
    return at


@numba.njit(cache=True, nogil=True)
def _record_offsets(data: np.ndarray) -> np.ndarray:
    count = 0
    at = 0
    while at < data.size:
        at += 4 + int32(data, at)
        count += 1
    found = np.empty(count, np.int64)
    at = 0
    for index in range(count):
        found[index] = at
        at += 4 + int32(data, at)
    return found


def record_offsets(data: np.ndarray) -> Any:
    """Where each record of a chunk of whole records starts (int64)."""
    return _record_offsets(data)
