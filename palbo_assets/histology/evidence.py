"""What is measured on a slide before anything is judged: tissue, focus, stain and nuclei, tile by tile.

Tiles are worked on by threads (decoding, OpenCV and the kernels run without the interpreter's lock), a few at a time
and in order: memory is bounded by tiles, and results don't depend on the number of threads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from palbo_assets.histology import nuclei, stain, tissue
from palbo_assets.histology.regions import Regions
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
        (rows, columns) map of `CELL_UM` cells that are tissue and were asked for.
    n_tiles, n_tiles_tissue
        Tiles scored, and tiles with tissue (more where the slide was sampled).
    blurred_share
        Share of tiles, at least half tissue, that are out of focus; NaN without such tiles.
    folded_share
        Share of tissue in folds, which is left out; NaN without tissue.
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
    folded_share: float
    he_hue_share: float
    threshold: float

    @property
    def tissue_mm2(self) -> float:
        return float(self.tissue.sum()) * CELL_UM**2 * 1e-6


@dataclass(frozen=True)
class _Tile:
    nuclei: NDArray[np.float64]
    cells: NDArray[np.bool_]
    in_focus: bool | None


def measure(
    source: Source, settings: SlideSettings, regions: Regions | None = None, *, ruler: float | None = None
) -> Evidence:
    """Read a slide's tissue at the target resolution and find its nuclei.

    Parameters
    ----------
    regions
        Annotated regions that restrict what is scored; the whole tissue without them.
    ruler
        Nuclear threshold [rgb2hed units] to measure with, where the source is too small for one of its own.

    Raises
    ------
    InputError
        ``E_TRUNCATED`` where pixels can't be decoded.
    """
    import pandas as pd

    mpp, side = settings.target_mpp, settings.tile_px
    per_cell = max(1, round(CELL_UM / mpp))
    side -= side % per_cell
    side_um = side * mpp
    tiles, n_tissue, folds, folded = _tiles(source, settings, side_um, regions)
    edge = side // per_cell
    columns, rows = (int(np.ceil(s / side_um)) * edge for s in source.size_um)
    tissue_map = np.zeros((rows, columns), dtype=bool)
    threshold, hue = _stain(source, tiles[:: max(1, -(-len(tiles) // STAIN_TILES))], side, mpp)
    ruler = ruler or max(threshold, stain.PALEST_THRESHOLD)

    found: list[NDArray[np.float64]] = [np.zeros((0, len(nuclei.MEASURED)))]
    in_focus: list[bool] = []

    def work(corner: tuple[float, float]) -> _Tile:
        return _tile(source, corner, side, per_cell, ruler, settings, regions, folds)

    for (x_um, y_um), tile in zip(tiles, _in_order(work, tiles, settings.workers), strict=True):
        row, column = round(y_um / side_um) * edge, round(x_um / side_um) * edge
        tissue_map[row : row + edge, column : column + edge] = tile.cells
        found.append(tile.nuclei)
        if tile.in_focus is not None:
            in_focus.append(tile.in_focus)
    table = pd.DataFrame(np.concatenate(found), columns=list(nuclei.MEASURED))
    table["local_density"] = nuclei.local_density(table["x_um"].to_numpy(), table["y_um"].to_numpy())
    return Evidence(
        nuclei=table,
        tissue=tissue_map,
        n_tiles=len(tiles),
        n_tiles_tissue=n_tissue,
        blurred_share=1 - float(np.mean(in_focus)) if in_focus else float("nan"),
        folded_share=folded,
        he_hue_share=hue,
        threshold=threshold,
    )


def _tile(
    source: Source,
    corner: tuple[float, float],
    side: int,
    per_cell: int,
    ruler: float,
    settings: SlideSettings,
    regions: Regions | None,
    folds: NDArray[np.bool_],
) -> _Tile:
    """Nuclei and tissue of one tile; positions are the slide's."""
    import cv2

    mpp, halo = settings.target_mpp, int(HALO_UM / settings.target_mpp)
    (x_um, y_um), side_um, edge = corner, side * mpp, side // per_cell
    wide = source.read(x_um - halo * mpp, y_um - halo * mpp, side + 2 * halo, side + 2 * halo, mpp)
    core = wide[halo : halo + side, halo : halo + side]
    wide_tissue = tissue.pixels_of_tissue(wide)
    is_tissue = wide_tissue[halo : halo + side, halo : halo + side] & ~tissue.pen_mask(core)
    cells = cv2.resize(is_tissue.astype(np.float32), (edge, edge), interpolation=cv2.INTER_AREA) >= 0.5
    if regions is not None:
        cells &= regions.mask(x_um, y_um, edge, edge, CELL_UM)
    middle = (np.arange(edge) + 0.5) * CELL_UM
    at_y, at_x = (
        np.minimum(((start + middle) / settings.overview_mpp).astype(int), size - 1)
        for start, size in zip((y_um, x_um), folds.shape, strict=True)
    )
    cells &= ~folds[np.ix_(at_y, at_x)]
    sharp = None if is_tissue.mean() < 0.5 else tissue.focus(core) >= settings.focus_min

    def within(position: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether (x, y) [um from the halo's corner] lie in scored cells of the core: halos overlap."""
        at = np.floor((position - halo * mpp) / side_um * edge).astype(int)
        inside = ((at >= 0) & (at < edge)).all(axis=1)
        at = np.clip(at, 0, edge - 1)
        return np.asarray(inside & cells[at[:, 1], at[:, 0]])

    od = stain.separate(wide, scale=1 / ruler)
    measured = nuclei.as_array(nuclei.segment(od, mpp), od, mpp)
    measured = measured[within(measured[:, :2])]
    measured[:, :2] += np.array([x_um - halo * mpp, y_um - halo * mpp])
    return _Tile(measured, cells, sharp)


def _in_order(
    work: Callable[[tuple[float, float]], _Tile], tiles: list[tuple[float, float]], workers: int
) -> Iterator[_Tile]:
    """``work`` of each tile, in order, at most twice as many under way as there are workers."""
    if workers == 1:
        yield from map(work, tiles)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[_Tile]] = deque()
        for corner in tiles:
            waiting.append(pool.submit(work, corner))
            if len(waiting) >= 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _tiles(
    source: Source, settings: SlideSettings, side_um: float, regions: Regions | None
) -> tuple[list[tuple[float, float]], int, NDArray[np.bool_], float]:
    """Corners [um] of the tiles to score, in reading order; how many tiles have tissue; folds and their share."""
    mpp = settings.overview_mpp
    overview = source.overview(mpp)
    mask = tissue.tissue_mask(overview, mpp)
    folds = tissue.fold_mask(overview, mask, mpp)
    if regions is not None:
        mask &= regions.mask(0, 0, mask.shape[0], mask.shape[1], mpp)
    folded = float((folds & mask).sum() / mask.sum()) if mask.any() else float("nan")
    mask &= ~folds
    step = side_um / mpp
    corners = []
    for j in range(int(np.ceil(source.size_um[1] / side_um))):
        for i in range(int(np.ceil(source.size_um[0] / side_um))):
            window = mask[round(j * step) : round((j + 1) * step), round(i * step) : round((i + 1) * step)]
            if window.size and window.mean() >= settings.min_tile_tissue:
                corners.append((i * side_um, j * side_um))
    if len(corners) <= settings.max_tiles:
        return corners, len(corners), folds, folded
    spread = np.linspace(0, len(corners) - 1, settings.max_tiles).round().astype(int)
    return [corners[k] for k in spread], len(corners), folds, folded


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
