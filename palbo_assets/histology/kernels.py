"""Loops over the pixels of a tile, compiled: stain separation, watershed by steepest ascent, moments, isolation.

Each has a readable twin in the tests (`test_kernels.py`), and scikit-image's watershed as a reference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

RING_DIRECTIONS = 16
RING_RANK = 14
"""Of 16 directions, as many that must be paler: two may run into a neighbour."""


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


@njit(cache=True, nogil=True)
def isolation(centre: Any, sharp: Any, tissue: Any, floor: float, apart: int, radius: float) -> Any:
    """Dark spots and how far they stand out of a ring around them.

    Parameters
    ----------
    centre
        Stain smoothed over a nucleus; spots are its largest values within ``apart`` pixels, above ``floor``, in
        ``tissue``.
    sharp
        The same stain, less smoothed, sampled on a ring of ``radius`` pixels.

    Returns
    -------
    (n, 4): y, x [px], density of the centre, centre minus the `RING_RANK`-th palest of 16 ring samples.
    """
    height, width = centre.shape
    margin = int(radius) + 2
    found = np.empty((max(1, height * width // (apart * apart)), 4), np.float32)
    ring = np.empty(RING_DIRECTIONS, np.float32)
    step_y = np.empty(RING_DIRECTIONS)
    step_x = np.empty(RING_DIRECTIONS)
    for k in range(RING_DIRECTIONS):
        step_y[k] = radius * np.sin(2 * np.pi * k / RING_DIRECTIONS)
        step_x[k] = radius * np.cos(2 * np.pi * k / RING_DIRECTIONS)
    n = 0
    for y in range(margin, height - margin):
        for x in range(margin, width - margin):
            value = centre[y, x]
            if value <= floor or not tissue[y, x]:
                continue
            highest = True
            for v in range(y - apart, y + apart + 1):
                for u in range(x - apart, x + apart + 1):
                    if centre[v, u] > value or (centre[v, u] == value and (v < y or (v == y and u < x))):
                        highest = False
                        break
                if not highest:
                    break
            if not highest:
                continue
            for k in range(RING_DIRECTIONS):
                sy, sx = y + step_y[k], x + step_x[k]
                iy, ix = int(sy), int(sx)
                fy, fx = np.float32(sy - iy), np.float32(sx - ix)
                upper = sharp[iy, ix] * (1 - fx) + sharp[iy, ix + 1] * fx
                lower = sharp[iy + 1, ix] * (1 - fx) + sharp[iy + 1, ix + 1] * fx
                ring[k] = upper * (1 - fy) + lower * fy
            ring.sort()
            if n < found.shape[0]:
                found[n, 0], found[n, 1] = y, x
                found[n, 2], found[n, 3] = value, value - ring[RING_RANK]
                n += 1
    return found[:n]
