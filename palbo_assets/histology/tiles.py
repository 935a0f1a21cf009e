"""Pixels of tiled TIFF levels straight from their tiles: each is decoded once, and few are kept.

Region reads through OpenSlide decode, convert to premultiplied RGBA and copy; here a tile is decoded by tifffile's
codecs and kept while its neighbours are read. Used where a level is one tiled 8-bit RGB page whose size OpenSlide
confirms; anything else stays with the vendor library.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CACHE_BYTES = 96 * 1024 * 1024
"""Decoded tiles that are kept: two rows of a slide of 50,000 pixels."""


class TiledLevels:
    """Levels of an open TIFF that can be read tile by tile; close it after use. Threads may read at the same time."""

    def __init__(self, path: Path, level_sizes: tuple[tuple[int, int], ...]) -> None:
        """Find the pages of the levels by their size; a level without exactly one fitting page isn't ``has``."""
        import tifffile

        self._tiff = tifffile.TiffFile(path)
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        pages: list[Any] = [page for page in self._tiff.pages if _is_plain(page)]
        self._pages: dict[int, Any] = {}
        for level, size in enumerate(level_sizes):
            fitting = [page for page in pages if (page.imagewidth, page.imagelength) == size]
            if len(fitting) == 1:
                self._pages[level] = fitting[0]
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[int, int], NDArray[np.uint8]] = OrderedDict()
        self._bytes = 0

    def close(self) -> None:
        os.close(self._file)
        self._tiff.close()

    def has(self, level: int) -> bool:
        return level in self._pages

    def read(self, level: int, x: int, y: int, width: int, height: int) -> NDArray[np.uint8]:
        """Region of a level from its pixel (x, y); white outside the level.

        Raises
        ------
        Exception
            Whatever the codec raises for a broken tile.
        """
        page = self._pages[level]
        out = np.full((height, width, 3), 255, np.uint8)
        wide, high = page.tilewidth, page.tilelength
        across = -(-page.imagewidth // wide)
        left, right = max(x, 0), min(x + width, page.imagewidth)
        top, bottom = max(y, 0), min(y + height, page.imagelength)
        if left >= right or top >= bottom:
            return out
        for j in range(top // high, (bottom - 1) // high + 1):
            for i in range(left // wide, (right - 1) // wide + 1):
                tile = self._tile(level, page, j * across + i)
                a, b = max(top, j * high), min(bottom, (j + 1) * high)
                c, d = max(left, i * wide), min(right, (i + 1) * wide)
                out[a - y : b - y, c - x : d - x] = tile[a - j * high : b - j * high, c - i * wide : d - i * wide]
        return out

    def _tile(self, level: int, page: Any, index: int) -> NDArray[np.uint8]:
        key = (level, index)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        size = page.databytecounts[index]
        if size == 0:  # scanners leave tiles of bare glass out
            tile = np.full((page.tilelength, page.tilewidth, 3), 255, np.uint8)
        else:
            data = os.pread(self._file, size, page.dataoffsets[index])
            decoded = page.decode(data, index, jpegtables=page.jpegtables, jpegheader=page.jpegheader)[0]
            if decoded is None or decoded.shape[-1] != 3:
                raise ValueError("the tile holds no RGB pixels")
            tile = np.asarray(decoded, dtype=np.uint8).reshape(-1, decoded.shape[-2], 3)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = tile
                self._bytes += tile.nbytes
            while self._bytes > CACHE_BYTES and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return tile


def _is_plain(page: Any) -> bool:
    """8-bit RGB in tiles, pixel by pixel, without transparency."""
    return bool(
        page.is_tiled
        and page.samplesperpixel == 3
        and page.bitspersample == 8
        and page.planarconfig == 1
        and page.photometric in (2, 6)  # RGB, YCbCr
    )
