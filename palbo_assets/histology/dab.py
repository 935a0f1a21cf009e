"""Share of DAB-positive nuclei in a brightfield image: a cross-check of a pathologist's positive fraction, no score.

Stains are told apart with the matrix of Ruifrok and Johnston (`stain`, equal to ``skimage.color.rgb2hed``). A nucleus
is found in either stain, and positive where its DAB exceeds a limit. The program can't tell tumour from stroma, so
the two fractions agree only on a field of mostly tumour cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from palbo_assets.histology.evidence import Source
from palbo_assets.histology.settings import DabSettings
from palbo_assets.study.vocabulary import OBSERVED, Absence

if TYPE_CHECKING:
    from numpy.typing import NDArray


TILE_PX, MPP = 512, 0.5
OVERVIEW_MPP = 8.0
STAINED = 0.5  # of the palest nuclear threshold: nuclei fill a part of an 8 um pixel
THRESHOLD_TILES = 16


@dataclass(frozen=True)
class DabCount:
    """Nuclei of an image, those positive, and their share [%]; None without nuclei."""

    n_nuclei: int
    n_positive: int
    positive_pct: float | None
    dab_area_pct: float
    n_tiles: int = 1


def count(rgb: NDArray[np.uint8], mpp: float, settings: DabSettings) -> DabCount:
    """Count nuclei of an IHC image.

    Parameters
    ----------
    rgb
        (height, width, 3), DAB over haematoxylin.
    mpp
        Pixel size [um/px].
    """
    nuclei, positive, brown = _count(rgb, mpp, _threshold([rgb], mpp), settings)
    return _counted(nuclei, positive, brown, rgb.shape[0] * rgb.shape[1])


def count_slide(source: Source, settings: DabSettings) -> DabCount:
    """Count nuclei of a section, or of an even sample of its tiles; one threshold for all, memory of a few tiles.

    Raises
    ------
    InputError
        ``E_TRUNCATED`` where pixels can't be decoded.
    """
    corners = _tiles(source, settings.max_tiles)
    every = max(1, -(-len(corners) // THRESHOLD_TILES))
    threshold = _threshold([source.read(x, y, TILE_PX, TILE_PX, MPP) for x, y in corners[::every]], MPP)
    found = [_count(source.read(x, y, TILE_PX, TILE_PX, MPP), MPP, threshold, settings) for x, y in corners]
    nuclei, positive, brown = (sum(each) for each in zip(*found, strict=True)) if found else (0, 0, 0)
    return replace(_counted(nuclei, positive, brown, len(corners) * TILE_PX**2), n_tiles=len(corners))


def compared(
    image: DabCount, marker: str, readings: Sequence[Mapping[str, Any]], settings: DabSettings
) -> dict[str, Any]:
    """``reader_pct, difference_points, agrees, status, reason`` of an image beside its specimen's readings.

    Parameters
    ----------
    readings
        ``marker, compartment, positive_pct`` of the specimen; only stains of nuclei read over what an image shows
        (`ihc_vocabulary.NUCLEAR_READINGS`) count the cells that the program counts.
    """
    from palbo_assets.histology.ihc_vocabulary import NUCLEAR_READINGS

    of_marker = [one for one in readings if one["marker"] == marker]
    same = [one["positive_pct"] for one in of_marker if (marker, one["compartment"]) in NUCLEAR_READINGS]
    reader_pct = next((float(share) for share in same if share is not None), None)
    row: dict[str, Any] = {"reader_pct": reader_pct, "difference_points": None, "agrees": None}
    if image.positive_pct is None or image.n_nuclei < settings.min_nuclei:
        return row | {"status": str(Absence.NOT_EVALUABLE), "reason": f"fewer than {settings.min_nuclei} nuclei"}
    if reader_pct is None:
        read = "no reading counts the same cells" if of_marker else "the specimen has no reading of the marker"
        return row | {"status": OBSERVED, "reason": read}
    difference = image.positive_pct - reader_pct
    agrees = abs(difference) <= settings.tolerance_points
    reason = None if agrees else f"image and reading differ by more than {settings.tolerance_points:g} points"
    return row | {"difference_points": difference, "agrees": agrees, "status": OBSERVED, "reason": reason}


def _tiles(source: Source, most: int) -> list[tuple[float, float]]:
    """Corners [um] of tiles of which a tenth is stained, at most so many, evenly spread.

    By density, not by colour as H&E's tissue is found: a negative section is as pale and blue as a pen.
    """
    from palbo_assets.histology import stain

    stained = _either(source.overview(OVERVIEW_MPP)) > STAINED * stain.PALEST_THRESHOLD
    edge = round(TILE_PX * MPP / OVERVIEW_MPP)
    corners = [
        (column * edge * OVERVIEW_MPP, row * edge * OVERVIEW_MPP)
        for row in range(-(-stained.shape[0] // edge))
        for column in range(-(-stained.shape[1] // edge))
        if stained[row * edge : (row + 1) * edge, column * edge : (column + 1) * edge].mean() >= 0.1
    ]
    if len(corners) <= most:
        return corners
    return [corners[k] for k in np.linspace(0, len(corners) - 1, most).round().astype(int)]


def _threshold(pictures: Sequence[NDArray[np.uint8]], mpp: float) -> float:
    """Nuclear threshold of both stains together, of all pictures."""
    from palbo_assets.histology import stain

    values = [_smooth(_either(rgb), mpp).ravel() for rgb in pictures]
    return max(stain.nuclear_threshold(np.concatenate(values)) if values else 0.0, stain.PALEST_THRESHOLD)


def _either(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    from palbo_assets.histology import stain

    return stain.separate(rgb) + stain.separate(rgb, "dab")


def _smooth(density: NDArray[np.float32], mpp: float) -> NDArray[np.float32]:
    import cv2

    return np.asarray(cv2.GaussianBlur(density, (0, 0), 0.5 / mpp), dtype=np.float32)


def _count(rgb: NDArray[np.uint8], mpp: float, threshold: float, settings: DabSettings) -> tuple[int, int, int]:
    """(nuclei, positive nuclei, brown pixels)."""
    from palbo_assets.histology import nuclei, stain

    brown = stain.separate(rgb, "dab")
    labels = nuclei.segment(_either(rgb) / np.float32(threshold), mpp)
    mean_dab = nuclei.as_array(labels, brown, mpp)[:, nuclei.MEASURED.index("mean_od")]
    positive = int((mean_dab > settings.dab_positive).sum())
    return len(mean_dab), positive, int((brown > settings.dab_positive).sum())


def _counted(nuclei: int, positive: int, brown: int, pixels: int) -> DabCount:
    return DabCount(
        n_nuclei=nuclei,
        n_positive=positive,
        positive_pct=100 * positive / nuclei if nuclei else None,
        dab_area_pct=100 * brown / pixels if pixels else 0.0,
    )
