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
    for y, x in _lattice(rng, size_px, NEST_SPACING_UM / MPP, jitter=5.0, where=inner):
        _nucleus(blue, y, x, rng.uniform(50, 110), rng.uniform(1.0, 1.5), rng.uniform(0.38, 0.52), rng, rim=0.1)
    stroma = ~nest & tissue
    n_fibroblasts = round(FIBROBLASTS_PER_MM2 * stroma.sum() * MPP**2 * 1e-6)
    for y, x in _anywhere(rng, stroma, n_fibroblasts):
        _nucleus(blue, y, x, rng.uniform(25, 50), rng.uniform(3.5, 5.5), rng.uniform(0.5, 0.7), rng)
    # One lattice site holds one cell of CELL_UM2, so a share of sites is a share of area.
    spacing = np.sqrt(CELL_UM2 * 2 / np.sqrt(3)) / MPP
    sites = _lattice(rng, size_px, spacing, jitter=0.6, where=stroma)
    taken = rng.random(len(sites)) < til_pct / 100
    for y, x in sites[taken]:
        area = CELL_UM2 * NUCLEUS_SHARE * rng.uniform(0.85, 1.15)
        _nucleus(blue, y, x, area, rng.uniform(1.0, 1.2), rng.uniform(0.75, 0.95), rng)

    blue = cv2.GaussianBlur(blue, (0, 0), 0.9) * np.float32(haematoxylin)  # optics
    blue[~tissue], eosin[~tissue] = 0, 0
    density = blue[..., None] * HAEMATOXYLIN + np.maximum(eosin, 0)[..., None] * EOSIN
    picture = 243 * np.power(np.float32(10), -density)
    picture += rng.normal(0, 1.5, (size_px, size_px, 1)).astype(np.float32)
    return np.clip(picture, 0, 255).astype(np.uint8)


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


def _nucleus(
    density: NDArray[np.float32],
    y: float,
    x: float,
    area_um2: float,
    elongation: float,
    amount: float,
    rng: np.random.Generator,
    *,
    rim: float = 0.0,
) -> None:
    """Paint an ellipse of stain; ``rim`` darkens its membrane (vesicular chromatin)."""
    minor = np.sqrt(area_um2 / np.pi / elongation) / MPP
    major = minor * elongation
    half = int(major) + 2
    top, left = int(y) - half, int(x) - half
    size = 2 * half + 1
    if top < 0 or left < 0 or top + size > len(density) or left + size > len(density):
        return
    angle = rng.uniform(0, np.pi)
    across_y, across_x = np.ogrid[0:size, 0:size]
    dy, dx = across_y - (y - top), across_x - (x - left)
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    radius = (along / major) ** 2 + (across / minor) ** 2
    window = density[top : top + size, left : left + size]
    inside = radius <= 1
    window[inside] = np.maximum(window[inside], amount + rim * (radius[inside] > 0.7))
