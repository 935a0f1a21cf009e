"""Where there is tissue, free of ink, and whether it is in focus.

Tissue is coloured, glass isn't: Otsu's threshold on saturation (as CLAM, Lu et al. Nat Biomed Eng 2021, and most
pipelines do), never below a floor, so that a blank slide has no tissue. Ink of green, blue and black pens isn't a
colour of H&E.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SATURATION_FLOOR = 0.05  # of 1: paper-white glass of real scans stays below
SATURATION_CEILING = 0.15  # a pale eosin stroma must not fall to an Otsu threshold set by nuclei
SMALLEST_PIECE_UM2 = 2_500.0  # 50 um square: smaller is dust
FOLD_TIMES = 1.5  # of the median density: two layers measure 1.6-1.8 after averaging over 8 um pixels
FOLD_SIGMA_UM = 12.0


def tissue_mask(rgb: NDArray[np.uint8], mpp: float) -> NDArray[np.bool_]:
    """Tissue without pen marks.

    Parameters
    ----------
    rgb
        (height, width, 3) overview, RGB.
    mpp
        Its pixel size [um/px].

    Returns
    -------
    array (height, width), bool
    """
    import cv2
    from skimage.filters import threshold_otsu
    from skimage.morphology import remove_small_objects

    saturation = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)[..., 1]
    if int(saturation.max()) == int(saturation.min()):
        otsu = 255.0
    else:
        otsu = float(threshold_otsu(saturation))
    threshold = float(np.clip(otsu, SATURATION_FLOOR * 255, SATURATION_CEILING * 255))
    mask = (saturation > threshold) & ~pen_mask(rgb)
    smallest = max(1, round(SMALLEST_PIECE_UM2 / mpp**2))
    cleaned: NDArray[np.bool_] = remove_small_objects(mask, max_size=smallest)
    return cleaned


def pen_mask(rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels in the colour of green, cyan and blue pens (hue 70-220 degrees, saturated) or black ink."""
    import cv2

    hsv = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)  # OpenCV halves degrees; saturation and value are of 255
    coloured = cv2.inRange(hsv, np.array([35, 77, 0]), np.array([110, 255, 255]))
    black = cv2.inRange(hsv, np.array([0, 0, 0]), np.array([180, 76, 63]))
    return np.asarray(np.logical_or(coloured, black))


def fold_mask(rgb: NDArray[np.uint8], tissue: NDArray[np.bool_], mpp: float) -> NDArray[np.bool_]:
    """Folds of the section: tissue twice as thick holds twice as much of both stains.

    A pixel is folded where total density and eosin, each smoothed over a cell or two, exceed `FOLD_TIMES` the slide's
    median. Crowds of nuclei (follicles, epidermis) are dense in haematoxylin only, so eosin tells them apart. (Folds
    are usually found as saturated and dark: Palokangas et al. 2007; the limits here are design defaults.)

    Parameters
    ----------
    rgb
        (height, width, 3) overview of ``mpp`` um/px.
    tissue
        Its tissue mask.

    Returns
    -------
    array (height, width), bool; pieces below 2,500 um2 are dropped.
    """
    import cv2
    from skimage.morphology import remove_small_objects

    from palbo_assets.histology import stain

    if not tissue.any():
        return np.zeros(tissue.shape, dtype=bool)
    total = -np.log10(np.maximum(rgb, 1) / 255.0).sum(axis=2).astype(np.float32)
    folded = tissue
    for density in (total, stain.separate(np.ascontiguousarray(rgb), "eosin")):
        smooth = cv2.GaussianBlur(density, (0, 0), max(0.5, FOLD_SIGMA_UM / mpp))
        folded = folded & (smooth > FOLD_TIMES * float(np.median(smooth[tissue])))
    cleaned: NDArray[np.bool_] = remove_small_objects(folded, max_size=max(1, round(SMALLEST_PIECE_UM2 / mpp**2)))
    return cleaned


def pixels_of_tissue(rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tissue pixel by pixel at high power: darker than glass in its darkest channel (fat and lumina drop out)."""
    import cv2

    glass = cv2.inRange(rgb, np.array([215, 215, 215]), np.array([255, 255, 255]))
    return np.asarray(glass == 0)


def focus(rgb: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian of grey values [grey2]: low where edges are blurred (Pech-Pacheco, ICPR 2000)."""
    import cv2

    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())
