"""A small whole-slide image in DICOM (VL Whole Slide Microscopy, PS3.3 A.32.8), written byte by byte for the tests."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
from numpy.typing import NDArray

WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
LONG = {"OB", "OW", "SQ", "UN", "UT"}
SERIES = "1.2.826.0.1.3680043.9.1234.1"


def _element(group: int, number: int, vr: str, value: bytes | str) -> bytes:
    content = value.encode() if isinstance(value, str) else value
    if len(content) % 2:
        content += b"\0" if vr in {"UI", "OB"} else b" "
    head = struct.pack("<HH", group, number) + vr.encode()
    return head + (struct.pack("<HI", 0, len(content)) if vr in LONG else struct.pack("<H", len(content))) + content


def _sequence(group: int, number: int, *items: bytes) -> bytes:
    return _element(group, number, "SQ", b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(i)) + i for i in items))


def _us(group: int, number: int, value: int) -> bytes:
    return _element(group, number, "US", struct.pack("<H", value))


def write_level(
    path: Path, rgb: NDArray[np.uint8], mpp: float | None, *, number: int, flavour: str = "VOLUME", tile: int = 256
) -> None:
    """One instance: ``rgb`` as JPEG tiles, ``number``-th in the series; ``flavour`` LABEL is a label."""
    height, width = rgb.shape[:2]
    frames = []
    for y in range(0, height, tile):
        for x in range(0, width, tile):
            block = np.full((tile, tile, 3), 255, np.uint8)
            part = rgb[y : y + tile, x : x + tile]
            block[: part.shape[0], : part.shape[1]] = part
            jpeg = imagecodecs.jpeg8_encode(block, level=85)
            frames.append(jpeg + b"\0" * (len(jpeg) % 2))
    offsets = np.cumsum([0] + [len(frame) + 8 for frame in frames[:-1]]).astype("<u4").tobytes()
    pixels = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(f)) + f for f in [offsets, *frames])
    instance = f"{SERIES}.{number}"
    spacing = [] if mpp is None else [_element(0x0028, 0x0030, "DS", f"{mpp / 1000:.7f}\\{mpp / 1000:.7f}")]
    body = [
        _element(0x0008, 0x0008, "CS", f"{'ORIGINAL' if number == 1 else 'DERIVED'}\\PRIMARY\\{flavour}\\NONE"),
        _element(0x0008, 0x0016, "UI", WHOLE_SLIDE),
        _element(0x0008, 0x0018, "UI", instance),
        _element(0x0008, 0x0060, "CS", "SM"),
        _element(0x0020, 0x000D, "UI", "1.2.826.0.1.3680043.9.1234"),
        _element(0x0020, 0x000E, "UI", SERIES),
        _element(0x0020, 0x0013, "IS", str(number)),
        _element(0x0020, 0x9311, "CS", "TILED_FULL"),
        _us(0x0028, 0x0002, 3),
        _element(0x0028, 0x0004, "CS", "YBR_FULL_422"),
        _us(0x0028, 0x0006, 0),
        _element(0x0028, 0x0008, "IS", str(len(frames))),
        _us(0x0028, 0x0010, tile),
        _us(0x0028, 0x0011, tile),
        _us(0x0028, 0x0100, 8),
        _us(0x0028, 0x0101, 8),
        _us(0x0028, 0x0102, 7),
        _us(0x0028, 0x0103, 0),
        _element(0x0048, 0x0006, "UL", struct.pack("<I", width)),
        _element(0x0048, 0x0007, "UL", struct.pack("<I", height)),
        _sequence(0x5200, 0x9229, _sequence(0x0028, 0x9110, b"".join(spacing))),
    ]
    meta = b"".join(
        [
            _element(0x0002, 0x0001, "OB", b"\0\1"),
            _element(0x0002, 0x0002, "UI", WHOLE_SLIDE),
            _element(0x0002, 0x0003, "UI", instance),
            _element(0x0002, 0x0010, "UI", JPEG_BASELINE),
            _element(0x0002, 0x0012, "UI", "1.2.826.0.1.3680043.9.1234.9"),
        ]
    )
    encapsulated = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + pixels
    path.write_bytes(
        bytes(128)
        + b"DICM"
        + _element(0x0002, 0x0000, "UL", struct.pack("<I", len(meta)))
        + meta
        + b"".join(body)
        + encapsulated
        + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    )


def write(folder: Path, rgb: NDArray[np.uint8], mpp: float | None = 0.5, levels: int = 2) -> Path:
    """A series of ``levels`` and a label; the full-resolution instance is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    for level in range(levels):
        size = (rgb.shape[1] >> 2 * level, rgb.shape[0] >> 2 * level)
        image = rgb if level == 0 else np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
        write_level(folder / f"level{level}.dcm", image, mpp and mpp * 4**level, number=level + 1)
    write_level(folder / "label.dcm", np.full((256, 256, 3), 200, np.uint8), mpp, number=99, flavour="LABEL")
    return folder / "level0.dcm"
