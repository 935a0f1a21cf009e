"""What a small piece of tissue looks like: stain, grain and texture of cells of 4 um and their surroundings.

Where a lymphocyte is five pixels wide its outline is noise, but a sheet of lymphocytes still has a grain: dark spots
of 6-8 um, close together, little between them. So nothing is outlined here. Haematoxylin and eosin, in units of the
slide's own rulers, are measured at every pixel of 1 um (levels of stain; bright-on-dark spots of five sizes by
differences of Gaussians, Lindeberg 1998; the structure tensor, Bigun 1987), averaged over cells of `CELL_UM`, and
these over two surroundings. What the whole slide looks like (`context`) goes with every cell, since large dark nuclei
elsewhere say that the small ones here aren't the tumour's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from palbo_assets.histology import stain, tissue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

MPP = 1.0
"""Resolution at which grain is measured [um/px]: what a x10 scan still has."""
CELL_PX = 4
SURROUNDINGS = (1.5, 4.0)
"""Gaussian sigmas of the two surroundings [cells]: 6 and 16 um."""
LEVELS = (0.5, 1.0, 1.5, 2.0, 2.6)
"""Haematoxylin [nuclear thresholds] above which area is counted."""
SPOTS_UM = (1.5, 2.1, 3.0, 4.2, 6.0)
"""Sizes of dark spots, sigma [um]; a disc of radius r answers most to r/1.4: radii of 2-8 um."""
LEAST_SPOT = 0.15
"""Contrast of a spot that counts as one [nuclear thresholds]; noise of a rendered scan stays below it."""
LEAST_EOSIN = 0.02
"""Smallest believable median of eosin (rgb2hed units), so that nothing is divided by zero."""

_N_SPOTS = len(SPOTS_UM)
_SPOT = 2 + len(LEVELS)  # where the spots begin among the maps
_PEAK = _SPOT + _N_SPOTS + 2
_GRADIENT = _PEAK + 4
N_MAPS = _GRADIENT + 5
N_FEATURES = len(SURROUNDINGS) * (_GRADIENT + 4 + _N_SPOTS + 2)
_WIDE = N_FEATURES // 2  # the second surrounding's features
_GLASS = _WIDE + _GRADIENT + 3
_TOLD = (*range(7), _PEAK, _PEAK + 2, *range(_GRADIENT + 4, _GRADIENT + 4 + _N_SPOTS + 2))
CONTEXT = tuple(_WIDE + index for index in _TOLD)
"""Features whose mean and spread over the slide are its context: levels, sizes and heights of spots."""
N_INPUTS = N_FEATURES + 2 * len(CONTEXT)
_DARK = 2 + LEVELS.index(1.0)


class Rulers(NamedTuple):
    """Units of stain of one slide [rgb2hed units]: nuclear threshold, median eosin of tissue."""

    haematoxylin: float
    eosin: float

    def at_least(self) -> Rulers:
        """No smaller than can be believed."""
        return Rulers(max(self.haematoxylin, stain.PALEST_THRESHOLD), max(self.eosin, LEAST_EOSIN))


def coarse(rgb: NDArray[np.uint8], mpp: float) -> NDArray[np.uint8]:
    """An image at `MPP`, by averaging pixels."""
    import cv2

    size = (round(rgb.shape[1] * mpp / MPP), round(rgb.shape[0] * mpp / MPP))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def maps(rgb: NDArray[np.uint8], rulers: Rulers) -> NDArray[np.float32]:
    """Stain and grain averaged over cells.

    Parameters
    ----------
    rgb
        (height, width, 3) at `MPP`; what is over a multiple of `CELL_PX` is cut off.

    Returns
    -------
    array (rows, columns, `N_MAPS`)
    """
    import cv2

    def blurred(plane: Any, sigma: float) -> Any:
        return cv2.GaussianBlur(plane, (0, 0), sigma)

    sharp_pink = stain.separate(rgb, "eosin", 1 / rulers.eosin)
    blue = blurred(stain.separate(rgb, "haematoxylin", 1 / rulers.haematoxylin), 0.7)
    pink = blurred(sharp_pink, 0.7)
    found = [blue, np.minimum(pink, 4)]
    found += [np.clip((blue - level) * 4 + 0.5, 0, 1) for level in LEVELS]
    # A difference of Gaussians a third of an octave apart, in the units of its stain whatever its size
    spots = [(blurred(blue, size / 1.189) - blurred(blue, size * 1.189)) * 3 for size in SPOTS_UM]
    found += [np.maximum(spot, 0) for spot in spots]
    found += [np.maximum(-spots[1], 0), np.maximum(-spots[3], 0)]
    for spot, width in ((spots[1], 5), (spots[3], 9)):
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
        peak = (spot >= cv2.dilate(spot, disc)) & (spot > LEAST_SPOT)
        found += [peak.astype(np.float32) * CELL_PX**2, np.where(peak, blue, 0) * CELL_PX**2]
    smooth = blurred(blue, 1.0)
    x, y = (cv2.Sobel(smooth, cv2.CV_32F, *order) / 8 for order in ((1, 0), (0, 1)))
    found += [x * x + y * y, x * x - y * y, 2 * x * y]
    found += [np.abs(pink - blurred(pink, 3.0)), ((blue < 0.25) & (pink < 0.3)).astype(np.float32)]
    rows, columns = rgb.shape[0] // CELL_PX, rgb.shape[1] // CELL_PX
    return np.stack(
        [
            cv2.resize(
                np.ascontiguousarray(plane[: rows * CELL_PX, : columns * CELL_PX], np.float32),
                (columns, rows),
                interpolation=cv2.INTER_AREA,
            )
            for plane in found
        ],
        axis=-1,
    )


def features(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """Features of each cell (rows, columns, `N_FEATURES`) from `maps`: its surroundings, and shares of the spectrum."""
    import cv2

    parts: list[NDArray[Any]] = []
    for sigma in SURROUNDINGS:
        near = np.stack([cv2.GaussianBlur(cells[..., k], (0, 0), sigma) for k in range(N_MAPS)], axis=-1)
        energy, along, across = (near[..., _GRADIENT + k] for k in range(3))
        sizes = near[..., _SPOT : _SPOT + _N_SPOTS]
        heights = [near[..., _PEAK + k + 1] / (near[..., _PEAK + k] + 0.05) for k in (0, 2)]
        parts += [
            np.sqrt(np.maximum(near[..., : _GRADIENT + 1], 0)),
            (np.sqrt(along**2 + across**2) / (energy + 1e-4))[..., None],  # 1 where all edges run one way
            near[..., _GRADIENT + 3 :],
            sizes / (sizes.sum(axis=-1, keepdims=True) + 0.02),
            np.stack(heights, axis=-1),
        ]
    return np.concatenate(parts, axis=-1).astype(np.float32)


def rulers(pictures: Iterable[NDArray[np.uint8]], mpp: float) -> Rulers:
    """Rulers of a slide from some of its pictures at ``mpp``; zeros where they show no tissue."""
    import cv2

    found: dict[str, list[Any]] = {"haematoxylin": [], "eosin": []}
    for rgb in pictures:
        keep = tissue.pixels_of_tissue(rgb)
        for name, values in found.items():
            values.append(cv2.GaussianBlur(stain.separate(rgb, name), (0, 0), 0.5 / mpp)[keep])
    blue, pink = (np.concatenate([np.zeros(0, np.float32), *values]) for values in found.values())
    return Rulers(stain.nuclear_threshold(blue), float(np.median(pink)) if pink.size else 0.0)


def context(pieces: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Mean and spread over a slide's pieces (`features` of each) of what `CONTEXT` names, glass left out."""
    kept = [np.zeros((0, len(CONTEXT)), np.float32)]
    for piece in pieces:
        flat = piece.reshape(-1, N_FEATURES)
        kept.append(flat[flat[:, _GLASS] < 0.5][:, CONTEXT])
    every = np.concatenate(kept).astype(np.float64)
    if not len(every):
        return np.zeros(2 * len(CONTEXT), np.float32)
    return np.concatenate([every.mean(axis=0), every.std(axis=0)]).astype(np.float32)


def inputs(cells: NDArray[np.float32], told: NDArray[np.float32]) -> NDArray[np.float32]:
    """(rows x columns, `N_INPUTS`): each cell's features and the slide's context."""
    flat = cells.reshape(-1, N_FEATURES)
    return np.concatenate([flat, np.broadcast_to(told, (len(flat), len(told)))], axis=1)


def nuclear(given: NDArray[np.float32]) -> NDArray[np.float32]:
    """Share of the nearer surroundings that is as dark as nuclei, of each row of `inputs`."""
    return np.asarray(given[:, _DARK] ** 2)
