"""What is measured on a slide before anything is judged: tissue, focus, stain and nuclei, tile by tile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from palbo_assets.histology import nuclei, stain, tissue
from palbo_assets.histology.settings import SlideSettings

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

CELL_UM = 4.0
"""Edge of a cell of the maps (tissue, nests) [um]: half a lymphocyte."""
HALO_UM = 16.0
"""Margin read around a tile so that nuclei on its border are whole [um]."""
STAIN_TILES = 24
"""Most tiles, evenly spread, from which the slide's nuclear threshold is taken."""


class Source(Protocol):
    """What can be scored: a slide, or an image of known resolution."""

    size_um: tuple[float, float]
    objective_power: float | None
    mpp: float
    level_sizes: tuple[tuple[int, int], ...]

    def read(self, x_um: float, y_um: float, width: int, height: int, mpp: float) -> NDArray[np.uint8]: ...

    def overview(self, mpp: float) -> NDArray[np.uint8]: ...


@dataclass(frozen=True)
class Evidence:
    """A slide's measurements.

    Attributes
    ----------
    nuclei
        One row a nucleus: `nuclei.measure`'s columns in slide coordinates, and ``local_density``.
    tissue
        (rows, columns) map of `CELL_UM` cells that are tissue.
    n_tiles, n_tiles_tissue
        Tiles scored, and tiles with tissue (more where the slide was sampled).
    blurred_share
        Share of tiles, at least half tissue, that are out of focus; NaN without such tiles.
    he_hue_share
        `stain.he_hue_share` of tissue.
    threshold
        Nuclear threshold [rgb2hed units].
    """

    nuclei: pd.DataFrame
    tissue: NDArray[np.bool_]
    n_tiles: int
    n_tiles_tissue: int
    blurred_share: float
    he_hue_share: float
    threshold: float

    @property
    def tissue_mm2(self) -> float:
        return float(self.tissue.sum()) * CELL_UM**2 * 1e-6


def measure(source: Source, settings: SlideSettings) -> Evidence:
    """Read a slide's tissue at the target resolution and find its nuclei.

    Raises
    ------
    InputError
        ``E_TRUNCATED`` where pixels can't be decoded.
    """
    import pandas as pd

    mpp, side = settings.target_mpp, settings.tile_px
    per_cell = max(1, round(CELL_UM / mpp))
    side -= side % per_cell
    side_um, halo = side * mpp, int(HALO_UM / mpp)
    tiles, n_tissue = _tiles(source, settings, side_um)
    columns, rows = (int(np.ceil(s / side_um)) * (side // per_cell) for s in source.size_um)
    tissue_map = np.zeros((rows, columns), dtype=bool)

    threshold, hue = _stain(source, tiles[:: max(1, -(-len(tiles) // STAIN_TILES))], side, mpp)
    ruler = np.float32(max(threshold, stain.PALEST_THRESHOLD))
    found: list[pd.DataFrame] = []
    in_focus: list[bool] = []
    for x_um, y_um in tiles:
        wide = source.read(x_um - halo * mpp, y_um - halo * mpp, side + 2 * halo, side + 2 * halo, mpp)
        core = wide[halo : halo + side, halo : halo + side]
        is_tissue = tissue.pixels_of_tissue(core) & ~tissue.pen_mask(core)
        cells = is_tissue.reshape(side // per_cell, per_cell, side // per_cell, per_cell).mean(axis=(1, 3)) >= 0.5
        row, column = round(y_um / side_um) * cells.shape[0], round(x_um / side_um) * cells.shape[1]
        tissue_map[row : row + cells.shape[0], column : column + cells.shape[1]] = cells
        if is_tissue.mean() >= 0.5:
            in_focus.append(tissue.focus(core) >= settings.focus_min)
        od = stain.separate(wide) / ruler
        frame = nuclei.measure(nuclei.segment(od, mpp), od, mpp)
        frame["x_um"] -= halo * mpp
        frame["y_um"] -= halo * mpp
        # A nucleus belongs to the tile that holds its centroid; halos overlap.
        frame = frame[frame["x_um"].between(0, side_um, "left") & frame["y_um"].between(0, side_um, "left")]
        frame = frame[
            cells[
                (frame["y_um"] / side_um * cells.shape[0]).astype(int),
                (frame["x_um"] / side_um * cells.shape[1]).astype(int),
            ]
        ]
        found.append(frame.assign(x_um=frame["x_um"] + x_um, y_um=frame["y_um"] + y_um))
    table = (
        pd.concat(found, ignore_index=True)
        if found
        else nuclei.measure(np.zeros((1, 1), np.int32), np.zeros((1, 1), np.float32), mpp)
    )
    table["local_density"] = nuclei.local_density(table["x_um"].to_numpy(), table["y_um"].to_numpy())
    return Evidence(
        nuclei=table,
        tissue=tissue_map,
        n_tiles=len(tiles),
        n_tiles_tissue=n_tissue,
        blurred_share=1 - float(np.mean(in_focus)) if in_focus else float("nan"),
        he_hue_share=hue,
        threshold=threshold,
    )


def _tiles(source: Source, settings: SlideSettings, side_um: float) -> tuple[list[tuple[float, float]], int]:
    """Corners [um] of the tiles to score, in reading order, and how many tiles have tissue."""
    mask = tissue.tissue_mask(source.overview(settings.overview_mpp), settings.overview_mpp)
    step = side_um / settings.overview_mpp
    corners = []
    for j in range(int(np.ceil(source.size_um[1] / side_um))):
        for i in range(int(np.ceil(source.size_um[0] / side_um))):
            window = mask[round(j * step) : round((j + 1) * step), round(i * step) : round((i + 1) * step)]
            if window.size and window.mean() >= settings.min_tile_tissue:
                corners.append((i * side_um, j * side_um))
    if len(corners) <= settings.max_tiles:
        return corners, len(corners)
    spread = np.linspace(0, len(corners) - 1, settings.max_tiles).round().astype(int)
    return [corners[k] for k in spread], len(corners)


def _stain(source: Source, tiles: list[tuple[float, float]], side: int, mpp: float) -> tuple[float, float]:
    """(nuclear threshold, share of H&E hues) of the tissue of some tiles; (0, NaN) without tissue."""
    import cv2

    densities: list[Any] = [np.zeros(0, np.float32)]
    colours = [np.zeros((0, 3), np.uint8)]
    for x_um, y_um in tiles:
        rgb = source.read(x_um, y_um, side, side, mpp)
        keep = tissue.pixels_of_tissue(rgb) & ~tissue.pen_mask(rgb)
        keep[1::2] = False  # a quarter of the pixels tells as much
        keep[:, 1::2] = False
        densities.append(cv2.GaussianBlur(stain.separate(rgb), (0, 0), 0.5 / mpp)[keep])
        colours.append(rgb[keep])
    return stain.nuclear_threshold(np.concatenate(densities)), stain.he_hue_share(np.concatenate(colours))
