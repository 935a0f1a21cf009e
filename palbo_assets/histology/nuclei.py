"""Nuclei by their haematoxylin: threshold, watershed of the distance to the nearest gap, shape and stain features.

Watershed splitting of touching nuclei follows Malpica et al. (Cytometry 1997), computed by steepest ascent; features
are image moments of all nuclei of a tile in one pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

MEASURED = ("x_um", "y_um", "area_um2", "eccentricity", "compactness", "mean_od", "texture")
SMALLEST_UM2 = 8.0  # less is debris
LARGEST_UM2 = 400.0  # more is a fold, ink or a clump that watershed couldn't split
NEIGHBOURHOOD_UM = 20.0
CELL_UM = 9.0  # a lymphocyte and its gap to the next
GAP = 0.9  # chosen on rendered sheets and rendered vesicular nuclei: docs/histology.md


def segment(od: NDArray[np.float32], mpp: float) -> NDArray[np.int32]:
    """Label image of nuclei.

    Parameters
    ----------
    od
        Haematoxylin density (height, width) in multiples of the slide's nuclear threshold.
    mpp
        Pixel size [um/px].

    Returns
    -------
    array (height, width), int32: 0 outside nuclei, 1..n within.
    """
    import cv2

    from palbo_assets.histology import kernels

    smooth = cv2.GaussianBlur(od, (0, 0), 0.5 / mpp)
    # Tumour cytoplasm is bluish too: a nucleus must also stand out of its own surroundings.
    surroundings = cv2.blur(smooth, (_odd(30.0 / mpp), _odd(30.0 / mpp)))
    foreground: Any = ((smooth > 1.0) & (smooth > surroundings)).astype(np.uint8)
    foreground = cv2.morphologyEx(foreground, cv2.MORPH_OPEN, _disc(0.9 / mpp))
    # Between cells that touch, stain falls below its mean over a cell, though not to that of the matrix. Without these
    # gaps a sheet of lymphocytes scanned at 1 um/px is one blob; the pale middle of a vesicular nucleus isn't as deep.
    gap = smooth <= GAP * cv2.blur(smooth, (_odd(CELL_UM / mpp), _odd(CELL_UM / mpp)))
    core = np.where(gap, 0, foreground).astype(np.uint8)
    depth = cv2.distanceTransform(core, cv2.DIST_L2, 5)
    depth = cv2.GaussianBlur(depth, (0, 0), 0.6 / mpp)
    component = cv2.connectedComponents(foreground, connectivity=8, ltype=cv2.CV_32S)[1]
    labels: NDArray[np.int32] = kernels.climb(depth, component, max(1, round(2.2 / mpp)))[0]
    return labels


def measure(labels: NDArray[np.int32], od: NDArray[np.float32], mpp: float) -> pd.DataFrame:
    """Position, shape and stain of each nucleus of a label image.

    Returns
    -------
    pandas.DataFrame
        `MEASURED`: ``x_um, y_um`` (centroid from the image's corner), ``area_um2``, ``eccentricity`` (0 round, 1 line),
        ``compactness`` (area over that of the ellipse of equal moments, at most about 1), ``mean_od`` (multiples of
        the nuclear threshold), ``texture`` (coefficient of variation of the density). Debris and clumps are left out.
    """
    import pandas as pd

    return pd.DataFrame(as_array(labels, od, mpp), columns=list(MEASURED))


def as_array(labels: NDArray[np.int32], od: NDArray[np.float32], mpp: float) -> NDArray[np.float64]:
    """`measure` as an array (n nuclei, `MEASURED`)."""
    from palbo_assets.histology import kernels

    sums = kernels.moments(labels, od, int(labels.max()) if labels.size else 0)
    area_um2 = sums[:, 0] * mpp**2
    sums = sums[(area_um2 >= SMALLEST_UM2) & (area_um2 <= LARGEST_UM2)]
    _, x, y, xx, yy, xy, value, squared = sums.T / np.maximum(sums[:, 0], 1)
    area = sums[:, 0]
    # 1/12: the second moment of the pixel itself
    xx, yy, xy = xx - x**2 + 1 / 12, yy - y**2 + 1 / 12, xy - x * y
    spread = np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    major, minor = (xx + yy) / 2 + spread, np.maximum((xx + yy) / 2 - spread, 1e-9)
    return np.column_stack(
        [
            x * mpp,
            y * mpp,
            area * mpp**2,
            np.sqrt(np.clip(1 - minor / major, 0, 1)),
            area / (4 * np.pi * np.sqrt(major * minor)),
            value,
            np.sqrt(np.maximum(squared - value**2, 0)) / np.maximum(value, 1e-9),
        ]
    )


def local_density(x_um: NDArray[np.float64], y_um: NDArray[np.float64]) -> NDArray[np.float64]:
    """Other nuclei within 20 um of each nucleus [nuclei/1000 um2]."""
    from scipy.spatial import cKDTree

    if len(x_um) == 0:
        return np.zeros(0)
    points = np.column_stack([x_um, y_um])
    tree = cKDTree(points)
    within = tree.query_ball_point(points, NEIGHBOURHOOD_UM, return_length=True) - 1
    return np.asarray(within) / (np.pi * NEIGHBOURHOOD_UM**2) * 1000.0


def _odd(value: float) -> int:
    return max(3, round(value) | 1)


def _disc(radius: float) -> NDArray[np.uint8]:
    import cv2

    size = 2 * max(1, round(radius)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), dtype=np.uint8)
