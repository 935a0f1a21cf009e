"""H&E slides of the twin: pyramidal, tiled JPEG TIFFs as a scanner's export writes them, with TILs of planted extent.

The scene is rendered in stain density (Beer-Lambert) and so has what a slide has: pink stroma with fibres and spindle
nuclei, nests of large pale nuclei, glass around, and lymphocytes that occupy the planted share of stroma.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from palbo_assets.demo.truth import SampleTruth, WrittenFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

MPP = 0.5
SIZE_PX = 2304
MARGIN_PX = 96  # glass
CELL_UM2 = 36.0  # area that one lymphocyte occupies
NUCLEUS_SHARE = 1 / 1.5  # of it, its nucleus
NEST_SPACING_UM = 15.0
FIBROBLASTS_PER_MM2 = 500
# Absorption of red, green and blue by a unit of stain (Ruifrok and Johnston 2001).
HAEMATOXYLIN = np.array([0.65, 0.70, 0.29], dtype=np.float32)
EOSIN = np.array([0.07, 0.99, 0.11], dtype=np.float32)


def write(
    truth: SampleTruth,
    folder: Path,
    rng: np.random.Generator,
    *,
    size_px: int = SIZE_PX,
    haematoxylin: float = 1.0,
    with_resolution: bool = True,
) -> list[WrittenFile]:
    """Write one slide of the sample into ``folder``.

    Parameters
    ----------
    size_px
        Edge of level 0 [px of 0.5 um].
    haematoxylin
        Stain strength, 1 as usual.
    with_resolution
        False plants a fault: a slide that doesn't state its resolution.
    """
    specimen = f"{truth.patient_id}-{truth.timepoint}-HE"
    name = f"{specimen}.tiff"
    rgb = render(truth.til_pct, rng, size_px=size_px, haematoxylin=haematoxylin)
    write_pyramid(folder / name, rgb, mpp=MPP if with_resolution else None)
    return [
        WrittenFile(
            file=name,
            modality="he_slide",
            role="slide",
            patient_id=truth.patient_id,
            timepoint=truth.timepoint,
            specimen_id=specimen,
        )
    ]


def write_truncated(truth: SampleTruth, folder: Path, rng: np.random.Generator) -> list[WrittenFile]:
    """A planted fault: the slide's copy stopped before its end."""
    written = write(truth, folder, rng)
    path = folder / written[0].file
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    return written


def render(
    til_pct: float, rng: np.random.Generator, *, size_px: int = SIZE_PX, haematoxylin: float = 1.0
) -> NDArray[np.uint8]:
    """The scene as RGB (size_px, size_px, 3) at 0.5 um/px with ``til_pct`` % of stroma occupied by lymphocytes."""
    import cv2

    nest = _nests(rng, size_px)
    tissue = np.zeros((size_px, size_px), dtype=bool)
    tissue[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX] = True

    fibres: Any = cv2.GaussianBlur(
        rng.normal(0, 1, (size_px, size_px)).astype(np.float32), (0, 0), sigmaX=9, sigmaY=1.5
    )
    fibres = fibres / fibres.std()
    eosin = np.where(nest, 0.22, 0.32 + 0.05 * fibres).astype(np.float32)
    blue = np.where(nest, 0.14, 0.05).astype(np.float32)

    inner = nest & tissue
    sites = _lattice(rng, size_px, NEST_SPACING_UM / MPP, jitter=5.0, where=inner)
    _nuclei(blue, sites, rng, area_um2=(50, 110), elongation=(1.0, 1.5), amount=(0.38, 0.52), rim=0.1)
    stroma = ~nest & tissue
    n_fibroblasts = round(FIBROBLASTS_PER_MM2 * stroma.sum() * MPP**2 * 1e-6)
    sites = _anywhere(rng, stroma, n_fibroblasts)
    _nuclei(blue, sites, rng, area_um2=(25, 50), elongation=(3.5, 5.5), amount=(0.5, 0.7))
    # One lattice site holds one cell of CELL_UM2, so a share of sites is a share of area.
    spacing = np.sqrt(CELL_UM2 * 2 / np.sqrt(3)) / MPP
    sites = _lattice(rng, size_px, spacing, jitter=0.6, where=stroma)
    taken = rng.random(len(sites)) < til_pct / 100
    lymphocyte = CELL_UM2 * NUCLEUS_SHARE
    _nuclei(
        blue, sites[taken], rng,
        area_um2=(0.85 * lymphocyte, 1.15 * lymphocyte), elongation=(1.0, 1.2), amount=(0.75, 0.95),
    )  # fmt: skip

    blue = cv2.GaussianBlur(blue, (0, 0), 0.9) * np.float32(haematoxylin)  # optics
    blue[~tissue], eosin[~tissue] = 0, 0
    eosin = np.maximum(eosin, 0)
    grain = rng.normal(0, 1.5, (size_px, size_px)).astype(np.float32)
    picture = np.empty((size_px, size_px, 3), dtype=np.uint8)
    for channel in range(3):
        density = blue * HAEMATOXYLIN[channel] + eosin * EOSIN[channel]
        light = np.exp(density * np.float32(-np.log(10)))
        picture[..., channel] = np.clip(243 * light + grain, 0, 255)
    return picture


def write_pyramid(path: Path, rgb: NDArray[np.uint8], *, mpp: float | None) -> None:
    """``rgb`` as a tiled JPEG TIFF with two reduced levels, resolution in the TIFF tags."""
    import cv2
    import tifffile

    path.parent.mkdir(parents=True, exist_ok=True)
    with tifffile.TiffWriter(path) as tiff:
        for level in range(3):
            scale = 2**level
            image = (
                rgb if level == 0 else cv2.resize(rgb, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA)
            )
            resolution: dict[str, Any] = (
                {} if mpp is None else {"resolution": (1e4 / (mpp * scale),) * 2, "resolutionunit": "CENTIMETER"}
            )
            tiff.write(
                image,
                tile=(256, 256),
                photometric="rgb",
                compression="jpeg",
                compressionargs={"level": 80},
                subfiletype=1 if level else 0,
                metadata=None,
                software=False,
                **resolution,
            )


def _nests(rng: np.random.Generator, size_px: int) -> NDArray[np.bool_]:
    """Tumour nests: smooth blobs over about two fifths of the section."""
    import cv2

    small = rng.normal(0, 1, (size_px // 16 + 1,) * 2).astype(np.float32)
    smooth = cv2.GaussianBlur(small, (0, 0), 7)
    return np.asarray(cv2.resize(smooth, (size_px, size_px)) > np.quantile(smooth, 0.6))


def _lattice(
    rng: np.random.Generator, size_px: int, spacing: float, *, jitter: float, where: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Jittered hexagonal sites (n, 2) as (y, x) [px] within ``where``."""
    step = spacing * np.sqrt(3) / 2
    rows, columns = int(size_px / step) + 1, int(size_px / spacing) + 1
    j, i = np.mgrid[0:rows, 0:columns]
    sites = np.column_stack([(j * step).ravel(), ((i + 0.5 * (j % 2)) * spacing).ravel()])
    sites += rng.uniform(-jitter, jitter, sites.shape)
    sites = sites[((sites >= 0) & (sites < size_px)).all(axis=1)]
    return sites[where[sites[:, 0].astype(int), sites[:, 1].astype(int)]]


def _anywhere(rng: np.random.Generator, where: NDArray[np.bool_], number: int) -> NDArray[np.float64]:
    sites = rng.uniform(0, len(where), (number * 4, 2))
    return sites[where[sites[:, 0].astype(int), sites[:, 1].astype(int)]][:number]


def _nuclei(
    density: NDArray[np.float32],
    sites: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    area_um2: tuple[float, float],
    elongation: tuple[float, float],
    amount: tuple[float, float],
    rim: float = 0.0,
) -> None:
    """Paint an ellipse of stain at each site; ``rim`` darkens its membrane (vesicular chromatin).

    Areas, elongations and amounts are uniform between the two numbers given. Where nuclei overlap the darker one shows;
    one that would reach over the picture's edge isn't painted.
    """

    def between(limits: tuple[float, float], drawn: NDArray[np.float64]) -> NDArray[np.float64]:
        return limits[0] + (limits[1] - limits[0]) * drawn

    drawn = rng.random((len(sites), 4))
    longer = between(elongation, drawn[:, 1])
    stain = between(amount, drawn[:, 2])
    angle = np.pi * drawn[:, 3]
    minor = np.sqrt(between(area_um2, drawn[:, 0]) / np.pi / longer) / MPP
    major = minor * longer
    y, x = sites.T
    half = major.astype(np.int64) + 2
    top, left = y.astype(np.int64) - half, x.astype(np.int64) - half
    size = 2 * half + 1
    whole = (top >= 0) & (left >= 0) & (top + size <= len(density)) & (left + size <= len(density))
    for width in np.unique(size[whole]):  # those whose windows are as large are painted together
        these = np.flatnonzero(whole & (size == width))

        def of(values: NDArray[Any], these: NDArray[np.intp] = these) -> NDArray[Any]:
            return values[these, None, None]

        rows, columns = np.arange(width)[:, None], np.arange(width)[None, :]
        dy, dx = rows - of(y - top), columns - of(x - left)
        along = dx * np.cos(of(angle)) + dy * np.sin(of(angle))
        across = dy * np.cos(of(angle)) - dx * np.sin(of(angle))
        radius = (along / of(major)) ** 2 + (across / of(minor)) ** 2
        inside = radius <= 1
        painted = (of(stain) + rim * (radius > 0.7))[inside]
        places = ((of(top) + rows) * density.shape[1] + of(left) + columns)[inside]
        np.maximum.at(density.reshape(-1), places, painted.astype(np.float32))
