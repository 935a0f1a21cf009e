"""Whole-slide images: resolution from metadata, regions by micrometre, and the checks that a file must pass.

OpenSlide reads vendor formats (SVS, NDPI, SCN, MRXS, DICOM, generic tiled TIFF); tiffslide stands in for TIFFs that
OpenSlide doesn't know. They say what the levels are; levels of plain tiles are then decoded directly (`tiles`). Label
and macro images are never read: a label carries the patient's name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from palbo_assets.histology import mirax
from palbo_assets.histology.settings import SlideSettings
from palbo_assets.histology.tiles import TiledLevels
from palbo_assets.platform.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
BLOCK_PX = 2048


class Slide:
    """An open slide. Use it as a context manager.

    Attributes
    ----------
    mpp
        Size of a level-0 pixel [um/px].
    size_um
        (width, height) of the slide [um].
    level_sizes
        (width, height) of each level [px].
    objective_power
        As the scanner states it, None where it doesn't.
    scanned_from
        (x, y) of the scanned part's corner [level-0 px]: formats such as SCN and MRXS place it on a larger canvas.
    """

    def __init__(self, path: Path, settings: SlideSettings | None = None) -> None:
        """Open ``path`` and read its resolution.

        Raises
        ------
        InputError
            ``E_EMPTY``, ``E_TRUNCATED``, ``E_SCHEMA`` (not a slide), ``E_TOO_BIG`` (pixel budget), ``E_NO_MPP``.
        """
        settings = settings or SlideSettings()
        self.path = path
        check_structure(path, settings)
        self._reader = _open(path)
        try:
            self.level_sizes = tuple((int(w), int(h)) for w, h in self._reader.level_dimensions)
            self.downsamples = tuple(float(d) for d in self._reader.level_downsamples)
            width, height = self.level_sizes[0]
            if width < 1 or height < 1:
                raise InputError("E_SCHEMA", "the slide has no pixels", file=path.name, fix="export the slide again")
            if width * height > settings.pixel_budget:
                raise _too_big(path, width * height, settings)
            properties = self._reader.properties
            self.mpp = resolution(properties, path, settings)
            self.objective_power = _number(properties, "objective-power")
            self.scanned_from = (_number(properties, "bounds-x") or 0.0, _number(properties, "bounds-y") or 0.0)
            self.vendor = str(properties.get("openslide.vendor") or properties.get("tiffslide.vendor") or "")
            self.size_um = (width * self.mpp, height * self.mpp)
            self._tiles = _plain_tiles(path, self.level_sizes)
        except BaseException:
            self._reader.close()
            raise

    def __enter__(self) -> Slide:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()
        if self._tiles is not None:
            self._tiles.close()

    def read(self, x_um: float, y_um: float, width: int, height: int, mpp: float) -> NDArray[np.uint8]:
        """Region of ``width`` x ``height`` pixels of ``mpp`` um, its top left corner at (x_um, y_um).

        It is taken from the coarsest level that is at least as fine as asked, then resampled: levels of slides differ,
        micrometres don't. Outside the slide is white.

        Returns
        -------
        array (height, width, 3), uint8, RGB

        Raises
        ------
        InputError
            ``E_TRUNCATED`` when the pixels can't be decoded.
        """
        import cv2

        level = max(k for k, d in enumerate(self.downsamples) if k == 0 or d * self.mpp <= mpp * 1.02)
        level_mpp = self.downsamples[level] * self.mpp
        take = (max(1, round(width * mpp / level_mpp)), max(1, round(height * mpp / level_mpp)))
        corner = (round(x_um / self.mpp), round(y_um / self.mpp))
        rgb = self._level_region(corner, level, take)
        if take == (width, height):
            return rgb
        how = cv2.INTER_AREA if take[0] > width else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(rgb, (width, height), interpolation=how), dtype=np.uint8)

    def overview(self, mpp: float) -> NDArray[np.uint8]:
        """The whole slide at ``mpp`` um a pixel, read in blocks so that a slide without pyramid fits into memory."""
        width, height = (max(1, math.ceil(side / mpp)) for side in self.size_um)
        picture = np.full((height, width, 3), 255, dtype=np.uint8)
        level = max(k for k, d in enumerate(self.downsamples) if k == 0 or d * self.mpp <= mpp * 1.02)
        block = max(16, int(BLOCK_PX * self.downsamples[level] * self.mpp / mpp))
        for top in range(0, height, block):
            for left in range(0, width, block):
                high, wide = min(block, height - top), min(block, width - left)
                picture[top : top + high, left : left + wide] = self.read(left * mpp, top * mpp, wide, high, mpp)
        return picture

    def decode_last_tiles(self) -> None:
        """Decode the last tile of each level: what a cut file lacks.

        Raises
        ------
        InputError
            ``E_TRUNCATED``.
        """
        for level, (width, height) in enumerate(self.level_sizes):
            side = min(256, width, height)
            down = self.downsamples[level]
            self._level_region((int((width - side) * down), int((height - side) * down)), level, (side, side))

    def _level_region(self, corner: tuple[int, int], level: int, size: tuple[int, int]) -> NDArray[np.uint8]:
        try:
            if self._tiles is not None and self._tiles.has(level):
                x, y = (round(at / self.downsamples[level]) for at in corner)
                return self._tiles.read(level, x, y, *size)
            rgba = np.asarray(self._reader.read_region(corner, level, size))
        except Exception as error:  # readers raise whatever their codec does
            raise _truncated(
                self.path, f"the pixels of level {level} can't be decoded ({type(error).__name__})"
            ) from None
        if rgba.shape[-1] == 3:
            return np.ascontiguousarray(rgba)
        import cv2

        rgb = np.asarray(cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB), dtype=np.uint8)
        outside = rgba[..., 3] == 0
        if outside.any():
            rgb[outside] = 255
        return rgb


def resolution(properties: Mapping[str, Any], path: Path, settings: SlideSettings) -> float:
    """Size of a level-0 pixel [um/px] from the slide's properties.

    Raises
    ------
    InputError
        ``E_NO_MPP`` when it is missing, implausible, or differs between the axes by more than 5 %.
    """
    x, y = _number(properties, "mpp-x"), _number(properties, "mpp-y")
    fix = "scan or export the slide with its resolution in the metadata; never guess it from the magnification"
    if x is None:
        raise InputError("E_NO_MPP", "the slide doesn't state its resolution", file=path.name, fix=fix)
    if not settings.mpp_min <= x <= settings.mpp_max:
        raise InputError(
            "E_NO_MPP",
            f"a resolution outside {settings.mpp_min:g}-{settings.mpp_max:g} um/px is not a scanner's",
            file=path.name,
            fix=fix,
        )
    if y is not None and abs(y - x) > 0.05 * x:
        raise InputError("E_NO_MPP", "the resolutions of the two axes differ", file=path.name, fix=fix)
    return x


def check_structure(path: Path, settings: SlideSettings) -> None:
    """For TIFF-based slides: every tile lies within the file, and no image claims more pixels than the budget; for MRXS
    what `mirax.check_folder` says.

    Only directories are read, no pixel is decoded, so a file that claims to be enormous costs nothing.

    Raises
    ------
    InputError
        ``E_EMPTY``, ``E_TRUNCATED``, ``E_TOO_BIG``, ``E_SCHEMA``.
    """
    import tifffile

    size = path.stat().st_size
    if size == 0:
        raise InputError("E_EMPTY", "the file is empty", file=path.name, fix="copy the slide again")
    with path.open("rb") as handle:
        head = handle.read(16)
    if path.suffix.lower() == mirax.SUFFIX:
        mirax.check_folder(path)
    if head[:4] not in TIFF_MAGIC:
        return
    order = "little" if head[:2] == b"II" else "big"
    big = head[2:3] == b"+" or head[3:4] == b"+"
    first = int.from_bytes(head[8:16] if big else head[4:8], order)  # type: ignore[arg-type]
    if len(head) < 8 or first >= size:
        raise _truncated(path, "the first image directory lies beyond the end of the file")
    try:
        with tifffile.TiffFile(path) as tiff:
            for page in tiff.pages:
                pixels = int(page.imagewidth) * int(page.imagelength)  # type: ignore[union-attr]
                if pixels > settings.pixel_budget:
                    raise _too_big(path, pixels, settings)
                ends = [at + n for at, n in zip(page.dataoffsets, page.databytecounts, strict=False)]
                if not ends:
                    raise InputError(
                        "E_SCHEMA", "an image of the slide holds no data", file=path.name, fix="export it again"
                    )
                if max(ends) > size:
                    raise _truncated(path, "image data lie beyond the end of the file")
    except InputError:
        raise
    except Exception as error:  # a broken directory makes the parser fail in many ways
        raise InputError(
            "E_SCHEMA",
            f"the TIFF directories can't be read ({type(error).__name__})",
            file=path.name,
            fix="copy the slide again from the scanner",
        ) from None


def _open(path: Path) -> Any:
    import openslide

    try:
        return openslide.OpenSlide(str(path))
    except (openslide.OpenSlideError, OSError):
        pass
    try:
        import tiffslide

        return tiffslide.TiffSlide(str(path))
    except Exception:  # not a slide either: whatever the parser says, the answer is the same
        raise InputError(
            "E_SCHEMA",
            "the file is not a whole-slide image that can be read",
            file=path.name,
            fix="deliver SVS, NDPI, SCN, MRXS (with its folder), DICOM (with its series) or a tiled pyramidal TIFF",
        ) from None


def _plain_tiles(path: Path, level_sizes: tuple[tuple[int, int], ...]) -> TiledLevels | None:
    """Direct access to the tiles of a TIFF; None for other files, for a TIFF of no plain level, or one with an origin
    of its own (Leica's SCN and Ventana place their pages on a larger canvas)."""
    with path.open("rb") as handle:
        if handle.read(4) not in TIFF_MAGIC:
            return None
    try:
        found = TiledLevels(path, level_sizes)
    except Exception:  # what tifffile can't parse, the vendor library reads as before
        return None
    if found.has(0):
        return found
    found.close()
    return None


def _number(properties: Mapping[str, Any], name: str) -> float | None:
    for prefix in ("openslide", "tiffslide"):
        try:
            value = float(properties.get(f"{prefix}.{name}"))  # type: ignore[arg-type]
        except (TypeError, ValueError):
            continue
        if math.isfinite(value) and value > 0:
            return value
    return None


def _truncated(path: Path, message: str) -> InputError:
    return InputError(
        "E_TRUNCATED", message, file=path.name, fix="copy the slide again and compare its size and sha256"
    )


def _too_big(path: Path, pixels: int, settings: SlideSettings) -> InputError:
    return InputError(
        "E_TOO_BIG",
        f"the slide claims {pixels} pixels, the budget is {settings.pixel_budget}",
        file=path.name,
        fix="a whole section at x40 stays below this; export the slide again",
    )


class Field:
    """An RGB image of known resolution (an exported region) that reads like a slide.

    Parameters
    ----------
    rgb
        (height, width, 3), uint8.
    mpp
        Pixel size [um/px].
    """

    objective_power: float | None = None
    level_sizes: tuple[tuple[int, int], ...]

    def __init__(self, rgb: NDArray[np.uint8], mpp: float) -> None:
        self.rgb = rgb
        self.mpp = mpp
        self.level_sizes = ((rgb.shape[1], rgb.shape[0]),)
        self.size_um = (rgb.shape[1] * mpp, rgb.shape[0] * mpp)

    def read(self, x_um: float, y_um: float, width: int, height: int, mpp: float) -> NDArray[np.uint8]:
        """As `Slide.read`."""
        import cv2

        scale = mpp / self.mpp
        # Pixel centres: sample (j + 0.5) * scale + x / mpp - 0.5 of the image
        shift = np.array(
            [[scale, 0, x_um / self.mpp + scale / 2 - 0.5], [0, scale, y_um / self.mpp + scale / 2 - 0.5]],
            dtype=np.float64,
        )
        image: Any = self.rgb
        if scale > 1:
            image = cv2.GaussianBlur(image, (0, 0), scale / 2)
        return np.asarray(
            cv2.warpAffine(
                image,
                shift,
                (width, height),
                flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=(255, 255, 255),
            ),
            dtype=np.uint8,
        )

    def overview(self, mpp: float) -> NDArray[np.uint8]:
        """As `Slide.overview`."""
        width, height = (max(1, math.ceil(side / mpp)) for side in self.size_um)
        return self.read(0, 0, width, height, mpp)
