"""Infiltrate without outlines: dark round spots that stand alone, for images too coarse to outline nuclei.

A lymphocyte is a small, dark, round nucleus with little cytoplasm, so most of a ring of 7 um around its centre is
paler; inside a nest of tumour cells the ring meets the next nucleus or purple cytoplasm. The contrast is taken in units
of the slide's own nuclei, so that stain strength cancels. Constants: docs/histology.md says how they were found and
what that means for the accuracy stated there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RING_UM = 7.0
"""Radius of the ring: a lymphocyte of 7-8 um and half the gap to the next."""
CENTRE_SIGMA_UM = 1.2
SHARP_SIGMA_UM = 0.7
APART_UM = 2.0
CONTRAST = 0.25
"""Of the median density of the slide's nuclei: less is a nucleus among nuclei."""


def spots(od: NDArray[np.float32], tissue: NDArray[np.bool_], mpp: float) -> NDArray[np.float32]:
    """Dark spots of a tile.

    Parameters
    ----------
    od
        Haematoxylin density in multiples of the slide's nuclear threshold.
    tissue
        Where spots are looked for, of the same shape.
    mpp
        Pixel size [um/px].

    Returns
    -------
    array (n, 4): x, y [um from the tile's corner], density of the centre, contrast to the ring
    """
    import cv2

    from palbo_assets.histology import kernels

    centre = cv2.GaussianBlur(od, (0, 0), CENTRE_SIGMA_UM / mpp)
    sharp = cv2.GaussianBlur(od, (0, 0), SHARP_SIGMA_UM / mpp)
    found = kernels.isolation(centre, sharp, tissue, 1.0, max(1, round(APART_UM / mpp)), RING_UM / mpp)
    out = found[:, [1, 0, 2, 3]]
    out[:, :2] = (out[:, :2] + 0.5) * mpp
    return np.ascontiguousarray(out)


def isolated(found: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of a slide's spots stand alone: contrast of at least `CONTRAST` times the median density of all."""
    if len(found) == 0:
        return np.zeros(0, dtype=bool)
    return np.asarray(found[:, 3] >= CONTRAST * float(np.median(found[:, 2])))


def density_mm2(found: NDArray[np.float32], area_mm2: float) -> float:
    """Isolated spots per mm2 of the area that they were looked for in; NaN without area."""
    return float(isolated(found).sum()) / area_mm2 if area_mm2 > 0 else float("nan")
