"""Loops over the pixels of a tile, compiled: stain separation, watershed by steepest ascent, moments.

Each has a readable twin in the tests (`test_kernels.py`), and scikit-image's watershed as a reference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def separate(rgb: Any, table: Any, scale: float) -> Any:
    """Density of one stain: three table look-ups a pixel, summed, times ``scale``, not negative."""
    height, width = rgb.shape[:2]
    out = np.empty((height, width), np.float32)
    red, green, blue = table[0], table[1], table[2]
    times, zero = np.float32(scale), np.float32(0)
    for y in range(height):
        row, to = rgb[y], out[y]
        for x in range(width):
            value = red[row[x, 0]] + green[row[x, 1]] + blue[row[x, 2]]
            to[x] = max(value, zero) * times
    return out


@njit(cache=True, nogil=True)
def climb(depth: Any, component: Any, radius: int) -> tuple[Any, int]:
    """Watershed of ``-depth`` within components: each pixel goes to the peak that steepest ascent leads to.

    A summit with a higher pixel within ``radius`` (in its component) isn't a peak: the climb goes on from there.

    Returns
    -------
    labels (height, width) int32, 0 outside components; number of peaks
    """
    height, width = depth.shape
    following = np.empty(height * width, np.int32)
    labels = np.zeros(height * width, np.int32)
    n = 0
    for y in range(height):
        for x in range(width):
            own = component[y, x]
            if own == 0:
                following[y * width + x] = -1
                continue
            best, by, bx = depth[y, x], y, x
            for v in range(max(0, y - 1), min(height, y + 2)):
                for u in range(max(0, x - 1), min(width, x + 2)):
                    if component[v, u] == own and depth[v, u] > best:
                        best, by, bx = depth[v, u], v, u
            if by == y and bx == x:
                for v in range(max(0, y - radius), min(height, y + radius + 1)):
                    for u in range(max(0, x - radius), min(width, x + radius + 1)):
                        if component[v, u] != own or (v - y) ** 2 + (u - x) ** 2 > radius * radius:
                            continue
                        # of equally high pixels the first in reading order is the peak
                        earlier = depth[v, u] == best and (v < by or (v == by and u < bx))
                        if depth[v, u] > best or earlier:
                            best, by, bx = depth[v, u], v, u
            following[y * width + x] = by * width + bx
            if by == y and bx == x:
                n += 1
                labels[y * width + x] = n
    for start in range(height * width):
        if following[start] < 0 or labels[start]:
            continue
        at = start
        while labels[at] == 0:
            at = following[at]
        label = labels[at]
        at = start
        while labels[at] == 0:
            labels[at] = label
            at = following[at]
    return labels.reshape(height, width), n


@njit(cache=True, nogil=True)
def moments(labels: Any, od: Any, n: int) -> Any:
    """Sums over each label's pixels, (n, 8): count, x, y, xx, yy, xy, density, density squared; pixel centres."""
    sums = np.zeros((n, 8), np.float64)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            label = labels[y, x]
            if label > 0:
                to, value, px, py = sums[label - 1], float(od[y, x]), x + 0.5, y + 0.5
                to[0] += 1
                to[1] += px
                to[2] += py
                to[3] += px * px
                to[4] += py * py
                to[5] += px * py
                to[6] += value
                to[7] += value * value
    return sums
