"""Share of DAB-positive nuclei in a brightfield image: a cross-check of a pathologist's positive fraction, no score.

Stains are told apart with the matrix of Ruifrok and Johnston (`stain`, equal to ``skimage.color.rgb2hed``). A nucleus
is found in either stain, and positive where its DAB exceeds a limit. The program can't tell tumour from stroma, so
the two fractions agree only on a field of mostly tumour cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from palbo_assets.histology.settings import DabSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class DabCount:
    """Nuclei of an image, those positive, and their share [%]; None without nuclei."""

    n_nuclei: int
    n_positive: int
    positive_pct: float | None
    dab_area_pct: float


def count(rgb: NDArray[np.uint8], mpp: float, settings: DabSettings) -> DabCount:
    """Count nuclei of an IHC image.

    Parameters
    ----------
    rgb
        (height, width, 3), DAB over haematoxylin.
    mpp
        Pixel size [um/px].
    """
    import cv2

    from palbo_assets.histology import nuclei, stain

    haematoxylin, brown = stain.separate(rgb), stain.separate(rgb, "dab")
    either = haematoxylin + brown
    smooth = np.asarray(cv2.GaussianBlur(either, (0, 0), 0.5 / mpp), dtype=np.float32)
    threshold = max(stain.nuclear_threshold(smooth), stain.PALEST_THRESHOLD)
    labels = nuclei.segment(either / np.float32(threshold), mpp)
    mean_dab = nuclei.as_array(labels, brown, mpp)[:, nuclei.MEASURED.index("mean_od")]
    positive = int((mean_dab > settings.dab_positive).sum())
    return DabCount(
        n_nuclei=len(mean_dab),
        n_positive=positive,
        positive_pct=100 * positive / len(mean_dab) if len(mean_dab) else None,
        dab_area_pct=100 * float((brown > settings.dab_positive).mean()),
    )


def agrees(image: DabCount, reader_pct: float, settings: DabSettings) -> bool | None:
    """Whether a reader's positive fraction [%] is within the tolerance of the image's; None with too few nuclei."""
    if image.positive_pct is None or image.n_nuclei < settings.min_nuclei:
        return None
    return abs(image.positive_pct - reader_pct) <= settings.tolerance_points
