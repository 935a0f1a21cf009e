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
from palbo_assets.histology import region_features as grain
from palbo_assets.histology.region_features import Rulers
from palbo_assets.histology.region_model import RegionModel
from palbo_assets.histology.regions import Regions
from palbo_assets.histology.settings import SlideSettings

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

CELL_UM = 4.0
"""Edge of a cell of the maps (tissue, nests) [um]: half a lymphocyte."""
HALO_UM = 24.0
"""Margin read around a tile so that nuclei on its border are whole, and its cells know their surroundings [um]."""
SHARE_STEP = 2
"""Cells from one estimate of shares to the next: surroundings of 6 um and more don't change over 8 um."""
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
    shares
        (rows, columns, 3) shares of each tissue cell that are mononuclear cells in stroma, nest and other stroma,
        together 1; None without a model of lymphoid area.
    """

    nuclei: pd.DataFrame
    tissue: NDArray[np.bool_]
    n_tiles: int
    n_tiles_tissue: int
    blurred_share: float
    folded_share: float
    he_hue_share: float
    threshold: float
    shares: NDArray[np.float16] | None = None

    @property
    def tissue_mm2(self) -> float:
        return float(self.tissue.sum()) * CELL_UM**2 * 1e-6


@dataclass(frozen=True)
class Appearance:
    """What is known of a slide's stain and looks before its tiles are measured.

    Attributes
    ----------
    rulers
        Units of stain.
    context
        `region_features.context` of the slide; None without a model of lymphoid area.
    """

    rulers: Rulers
    context: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class _Tile:
    nuclei: NDArray[np.float64]
    cells: NDArray[np.bool_]
    in_focus: bool | None
    shares: NDArray[np.float16] | None


@dataclass(frozen=True)
class _Plan:
    """Tiles to score: corners [um] in reading order, their edge [px], how many tiles have tissue, folds, folds' share
    of tissue."""

    corners: list[tuple[float, float]]
    side: int
    n_tissue: int
    folds: NDArray[np.bool_]
    folded: float

    @property
    def sample(self) -> list[tuple[float, float]]:
        """Some of the tiles, evenly spread."""
        return self.corners[:: max(1, -(-len(self.corners) // STAIN_TILES))]


def appearance(source: Source, settings: SlideSettings, regions: Regions | None = None) -> Rulers:
    """Rulers of a source's stain, from some of its tiles; zeros without tissue."""
    plan = _plan(source, settings, regions)
    return _stain(source, plan.sample, plan.side, settings.target_mpp)[0]


def grain_of(
    source: Source, settings: SlideSettings, rulers: Rulers, regions: Regions | None = None
) -> list[NDArray[np.float32]]:
    """`region_features.features` of some tiles, measured with ``rulers``: what a context is made of."""
    plan = _plan(source, settings, regions)
    return _grain(source, plan.sample, plan.side, settings.target_mpp, rulers)


def measure(
    source: Source,
    settings: SlideSettings,
    regions: Regions | None = None,
    *,
    areas: RegionModel | None = None,
    known: Appearance | None = None,
) -> Evidence:
    """Read a slide's tissue at the target resolution, find its nuclei and estimate its lymphoid area.

    Parameters
    ----------
    regions
        Annotated regions that restrict what is scored; the whole tissue without them.
    areas
        Model of lymphoid area; without it nuclei alone are measured.
    known
        Rulers and context to measure with, where the source is too small for some of its own.

    Raises
    ------
    InputError
        ``E_TRUNCATED`` where pixels can't be decoded.
    """
    import pandas as pd

    mpp = settings.target_mpp
    plan = _plan(source, settings, regions)
    side_um = plan.side * mpp
    edge = round(side_um / CELL_UM)
    columns, rows = (int(np.ceil(s / side_um)) * edge for s in source.size_um)
    tissue_map = np.zeros((rows, columns), dtype=bool)
    shares = None if areas is None else np.zeros((rows, columns, 3), np.float16)
    own, hue = _stain(source, plan.sample, plan.side, mpp)
    if known is None:
        rulers = own.at_least()
        told = None if areas is None else grain.context(_grain(source, plan.sample, plan.side, mpp, rulers))
        known = Appearance(rulers, told)

    found: list[NDArray[np.float64]] = [np.zeros((0, len(nuclei.MEASURED)))]
    in_focus: list[bool] = []

    def work(corner: tuple[float, float]) -> _Tile:
        return _tile(source, corner, plan, settings, regions, known, areas)

    for (x_um, y_um), tile in zip(plan.corners, _in_order(work, plan.corners, settings.workers), strict=True):
        row, column = round(y_um / side_um) * edge, round(x_um / side_um) * edge
        tissue_map[row : row + edge, column : column + edge] = tile.cells
        if shares is not None and tile.shares is not None:
            shares[row : row + edge, column : column + edge] = tile.shares
        found.append(tile.nuclei)
        if tile.in_focus is not None:
            in_focus.append(tile.in_focus)
    table = pd.DataFrame(np.concatenate(found), columns=list(nuclei.MEASURED))
    table["local_density"] = nuclei.local_density(table["x_um"].to_numpy(), table["y_um"].to_numpy())
    return Evidence(
        nuclei=table,
        tissue=tissue_map,
        n_tiles=len(plan.corners),
        n_tiles_tissue=plan.n_tissue,
        blurred_share=1 - float(np.mean(in_focus)) if in_focus else float("nan"),
        folded_share=plan.folded,
        he_hue_share=hue,
        threshold=own.haematoxylin,
        shares=shares,
    )


def _tile(
    source: Source,
    corner: tuple[float, float],
    plan: _Plan,
    settings: SlideSettings,
    regions: Regions | None,
    known: Appearance,
    areas: RegionModel | None,
) -> _Tile:
    """Nuclei, tissue and shares of one tile; positions are the slide's."""
    import cv2

    mpp, side, folds = settings.target_mpp, plan.side, plan.folds
    halo = round(HALO_UM / CELL_UM) * round(CELL_UM / mpp)
    (x_um, y_um), side_um = corner, side * mpp
    edge = round(side_um / CELL_UM)
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

    od = stain.separate(wide, scale=1 / known.rulers.haematoxylin)
    measured = nuclei.as_array(nuclei.segment(od, mpp), od, mpp)
    measured = measured[within(measured[:, :2])]
    measured[:, :2] += np.array([x_um - halo * mpp, y_um - halo * mpp])
    shares = None
    if areas is not None and known.context is not None:
        mirrored = _mirrored(wide, x_um - halo * mpp, y_um - halo * mpp, source, mpp)
        around = grain.features(grain.maps(grain.coarse(mirrored, mpp), known.rulers))
        margin = round(HALO_UM / CELL_UM)
        every = slice(margin, margin + edge, SHARE_STEP)
        three = areas.shares(grain.inputs(around[every, every], known.context))[:, :3]
        three /= np.maximum(three.sum(axis=1, keepdims=True), 1e-3)
        steps = -(-edge // SHARE_STEP)
        wider = three.reshape(steps, steps, 3).repeat(SHARE_STEP, axis=0).repeat(SHARE_STEP, axis=1)
        shares = np.where(cells[..., None], wider[:edge, :edge], 0).astype(np.float16)
    return _Tile(measured, cells, sharp, shares)


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


def _plan(source: Source, settings: SlideSettings, regions: Regions | None) -> _Plan:
    """Which tiles to score: those with tissue outside folds, evenly spread where there are too many."""
    mpp = settings.overview_mpp
    side = settings.tile_px - settings.tile_px % max(1, round(CELL_UM / settings.target_mpp))
    side_um = side * settings.target_mpp
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
    n_tissue = len(corners)
    if n_tissue > settings.max_tiles:
        corners = [corners[k] for k in np.linspace(0, n_tissue - 1, settings.max_tiles).round().astype(int)]
    return _Plan(corners, side, n_tissue, folds, folded)


def _stain(source: Source, tiles: list[tuple[float, float]], side: int, mpp: float) -> tuple[Rulers, float]:
    """(rulers, share of H&E hues) of the tissue of some tiles; zeros and NaN without tissue."""
    import cv2

    densities: dict[str, list[Any]] = {"haematoxylin": [np.zeros(0, np.float32)], "eosin": [np.zeros(0, np.float32)]}
    colours = [np.zeros((0, 3), np.uint8)]
    for x_um, y_um in tiles:
        rgb = source.read(x_um, y_um, side, side, mpp)
        keep = tissue.pixels_of_tissue(rgb) & ~tissue.pen_mask(rgb)
        keep[1::2] = False  # a quarter of the pixels tells as much
        keep[:, 1::2] = False
        for name, values in densities.items():
            values.append(cv2.GaussianBlur(stain.separate(rgb, name), (0, 0), 0.5 / mpp)[keep])
        colours.append(rgb[keep])
    blue, pink = (np.concatenate(values) for values in densities.values())
    rulers = Rulers(stain.nuclear_threshold(blue), float(np.median(pink)) if pink.size else 0.0)
    return rulers, stain.he_hue_share(np.concatenate(colours))


def _grain(
    source: Source, tiles: list[tuple[float, float]], side: int, mpp: float, rulers: Rulers
) -> list[NDArray[np.float32]]:
    """Features of some tiles without their halo."""
    pictures = (_mirrored(source.read(x, y, side, side, mpp), x, y, source, mpp) for x, y in tiles)
    return [grain.features(grain.maps(grain.coarse(rgb, mpp), rulers)) for rgb in pictures]


def _mirrored(rgb: NDArray[np.uint8], x_um: float, y_um: float, source: Source, mpp: float) -> NDArray[np.uint8]:
    """What was read, mirrored where it reaches beyond the source: the edge of an exported field is no glass."""
    import cv2

    height, width = rgb.shape[:2]
    left, top = (max(0, int(np.ceil(-start / mpp))) for start in (x_um, y_um))
    right, bottom = (
        min(side, max(1, int((size - start) / mpp)))
        for side, size, start in zip((width, height), source.size_um, (x_um, y_um), strict=True)
    )
    if (left, top, right, bottom) == (0, 0, width, height):
        return rgb
    inside = np.ascontiguousarray(rgb[top:bottom, left:right])
    whole = cv2.copyMakeBorder(inside, top, height - bottom, left, width - right, cv2.BORDER_REFLECT_101)
    return np.asarray(whole, np.uint8)
