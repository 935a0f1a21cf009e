"""Compiled loops over events; `compensation` and `gating` hold their readable twins."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def weighted_rows(
    raw: NDArray[np.floating],
    columns: NDArray[np.intp],
    weights: NDArray[np.float64],
    rows: NDArray[np.intp],
    every: bool,
) -> NDArray[np.float64]:
    """Sum of ``raw[row, columns] * weights`` of the given rows, or of ``every`` row (float64)."""
    count = raw.shape[0] if every else rows.size
    result = np.empty(count)
    for at in range(count):
        row = at if every else rows[at]
        total = 0.0
        for k in range(columns.size):
            total += raw[row, columns[k]] * weights[k]
        result[at] = total
    return result
