"""Nuclei by their haematoxylin: threshold, distance-transform watershed, shape and stain features as arrays.

Watershed splitting of touching nuclei follows Malpica et al. (Cytometry 1997); features are image moments, computed
for all nuclei of a tile at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

FEATURES = ("area_um2", "eccentricity", "compactness", "mean_od", "texture", "local_density")
SMALLEST_UM2 = 8.0  # less is debris
LARGEST_UM2 = 400.0  # more is a fold, ink or a clump that watershed couldn't split
NEIGHBOURHOOD_UM = 20.0


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
    from scipy import ndimage
    from skimage.segmentation import watershed

    smooth = cv2.GaussianBlur(od, (0, 0), 0.5 / mpp)
    # Tumour cytoplasm is bluish too: a nucleus must also stand out of its own surroundings.
    surroundings = cv2.blur(smooth, (_odd(30.0 / mpp), _odd(30.0 / mpp)))
    foreground: Any = ((smooth > 1.0) & (smooth > surroundings)).astype(np.uint8)
    foreground = cv2.morphologyEx(foreground, cv2.MORPH_OPEN, _disc(0.9 / mpp))
    depth = cv2.distanceTransform(foreground, cv2.DIST_L2, 5)
    depth = cv2.GaussianBlur(depth, (0, 0), 0.6 / mpp)
    peaks = (depth >= cv2.dilate(depth, _disc(2.2 / mpp))) & (foreground > 0)
    markers, _ = ndimage.label(peaks, structure=np.ones((3, 3)))
    labels: NDArray[np.int32] = watershed(-depth, markers, mask=foreground > 0).astype(np.int32)
    return labels


def measure(labels: NDArray[np.int32], od: NDArray[np.float32], mpp: float) -> pd.DataFrame:
    """Position, shape and stain of each nucleus of a label image.

    Returns
    -------
    pandas.DataFrame
        ``x_um, y_um`` (centroid from the image's corner), ``area_um2``, ``eccentricity`` (0 round, 1 line),
        ``compactness`` (area over that of the ellipse of equal moments, at most about 1), ``mean_od`` (multiples of
        the nuclear threshold), ``texture`` (coefficient of variation of the density). Debris and clumps are left out.
    """
    import pandas as pd

    rows, columns = np.nonzero(labels)
    label = labels[rows, columns]
    size = int(label.max()) + 1 if label.size else 1
    value = od[rows, columns].astype(np.float64)

    def total(weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        return np.bincount(label, weights=weights, minlength=size)[1:].astype(np.float64)

    x, y = columns.astype(np.float64) + 0.5, rows.astype(np.float64) + 0.5
    area = total()
    present = area > 0
    count = np.maximum(area, 1)
    mean_x, mean_y = total(x) / count, total(y) / count
    # 1/12: the second moment of the pixel itself
    xx = total(x * x) / count - mean_x**2 + 1 / 12
    yy = total(y * y) / count - mean_y**2 + 1 / 12
    xy = total(x * y) / count - mean_x * mean_y
    spread = np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    major, minor = (xx + yy) / 2 + spread, np.maximum((xx + yy) / 2 - spread, 1e-9)
    mean_od = total(value) / count
    variance = np.maximum(total(value * value) / count - mean_od**2, 0)
    frame = pd.DataFrame(
        {
            "x_um": mean_x * mpp,
            "y_um": mean_y * mpp,
            "area_um2": area * mpp**2,
            "eccentricity": np.sqrt(np.clip(1 - minor / major, 0, 1)),
            "compactness": area / (4 * np.pi * np.sqrt(major * minor)),
            "mean_od": mean_od,
            "texture": np.sqrt(variance) / np.maximum(mean_od, 1e-9),
        }
    )
    kept = present & frame["area_um2"].between(SMALLEST_UM2, LARGEST_UM2).to_numpy()
    return frame[kept].reset_index(drop=True)


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
