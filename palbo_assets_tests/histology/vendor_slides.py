"""Small true slides in the formats of scanners, written byte by byte or tag by tag for the tests.

What a layout holds follows how OpenSlide describes and reads the formats (openslide.org/formats) and, for NDPI, its
offsets of 64 bits in a TIFF of 32. Every slide shows the same RGB scene at 0.5 um a pixel, scanned at x20, with reduced
levels, and holds a label or an overview of the glass with one.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]
MPP, POWER, TILE = 0.5, 20, 256
LABEL: Picture = np.full((96, 128, 3), 90, np.uint8)


def _smaller(scene: Picture, factor: int) -> Picture:
    size = (scene.shape[1] // factor, scene.shape[0] // factor)
    return np.asarray(cv2.resize(scene, size, interpolation=cv2.INTER_AREA), np.uint8)


def _jpeg(picture: Picture, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=95, subsampling=0, **options)
    return buffer.getvalue()


# --- Hamamatsu: a JPEG a level, read in pieces by its restart markers ----------------------------------------------

SHORT, LONG, RATIONAL, SLONG, FLOAT = 3, 4, 5, 9, 11


def write_ndpi(path: Path, scene: Picture) -> Path:
    """NDPI: levels of factor 4, then the macro image; sides of the scene are multiples of 1,024."""
    content = bytearray(b"II*\0" + bytes(8))
    pointer = 4
    for picture, lens in ((scene, POWER), (_smaller(scene, 4), POWER / 4), (LABEL, -1.0)):
        blocks = TILE // 8 if lens > 0 else 0
        jpeg = _jpeg(picture, **({"restart_marker_blocks": blocks} if blocks else {}))
        at = len(content)
        content += jpeg
        starts = _restarts(jpeg) if blocks else []
        content += bytes(-len(content) % 4)
        starts_at = len(content)
        content += struct.pack(f"<{len(starts)}I", *starts)
        resolution_at = len(content)
        mpp = MPP * POWER / lens if lens > 0 else 20.0
        content += struct.pack("<II", round(1e4 / mpp * 1000), 1000)
        entries = [
            (256, LONG, 1, picture.shape[1]), (257, LONG, 1, picture.shape[0]), (259, SHORT, 1, 7),
            (262, SHORT, 1, 6), (273, LONG, 1, at), (277, SHORT, 1, 3), (278, LONG, 1, picture.shape[0]),
            (279, LONG, 1, len(jpeg)), (282, RATIONAL, 1, resolution_at), (283, RATIONAL, 1, resolution_at),
            (296, SHORT, 1, 3), (65420, LONG, 1, 1), (65421, FLOAT, 1, _float_bits(lens)),
            (65422, SLONG, 1, 0), (65423, SLONG, 1, 0), (65424, SLONG, 1, 0),
            *([(65426, LONG, len(starts), starts_at)] if starts else []),
        ]  # fmt: skip
        content[pointer : pointer + 8] = struct.pack("<Q", len(content))
        content += struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
        pointer = len(content)
        content += bytes(8) + bytes(4 * len(entries))  # the next directory, then the upper halves of the values
    path.write_bytes(content)
    return path


def _restarts(jpeg: bytes) -> list[int]:
    """Where each piece between restart markers begins, from the start of the JPEG."""
    scan = jpeg.index(b"\xff\xda")
    first = scan + 2 + int.from_bytes(jpeg[scan + 2 : scan + 4], "big")
    markers = [k for k in range(first, len(jpeg) - 1) if jpeg[k] == 0xFF and 0xD0 <= jpeg[k + 1] <= 0xD7]
    return [first, *(k + 2 for k in markers)]


def _float_bits(value: float) -> int:
    return int(struct.unpack("<I", struct.pack("<f", value))[0])


# --- 3DHistech: a folder of camera images and an index --------------------------------------------------------------

PHOTO, OVERLAP, LEVELS = 256, 16, 3
GRID, FIRST = 8, 2  # camera positions a side of the canvas, and the first that was scanned
ADVANCE = PHOTO - OVERLAP
SLIDE_ID = "0123456789ABCDEF0123456789ABCDEF"


def write_mrxs(path: Path, scene: Picture) -> Path:
    """MRXS: camera images that overlap, in the middle of a larger canvas, in three zoom levels; a label."""
    photos = (scene.shape[0] - OVERLAP) // ADVANCE
    folder = path.with_suffix("")
    folder.mkdir()
    files = [bytearray(b"01.02" + SLIDE_ID.encode()) for _ in range(2)]  # full resolution, and the rest
    levels = []
    for level in range(LEVELS):
        concat = 2**level
        entries = []
        for y in range(0, GRID, concat):
            for x in range(0, GRID, concat):
                picture = _mosaic(scene, photos, x, y, concat)
                if picture is None:
                    continue
                jpeg, number = _jpeg(picture), min(level, 1)
                entries.append((y * GRID + x, len(files[number]), len(jpeg), number))
                files[number] += jpeg
        levels.append(entries)
    label = _jpeg(LABEL)
    (folder / "Index.dat").write_bytes(_mrxs_index(levels, (len(files[1]), len(label), 1)))
    files[1] += label
    for number, data in enumerate(files):
        (folder / f"Data{number:04d}.dat").write_bytes(data)
    (folder / "Slidedat.ini").write_text(_slidedat(), encoding="utf-8-sig")
    path.write_bytes(_jpeg(LABEL))  # scanners put a picture here, and readers take only its name
    return path


def _mosaic(scene: Picture, photos: int, x: int, y: int, concat: int) -> Picture | None:
    """Camera images (x, y) to (x + concat, y + concat), reduced and side by side; None where none was taken."""
    side = PHOTO // concat
    picture = np.full((PHOTO, PHOTO, 3), 255, np.uint8)
    taken = False
    for j in range(concat):
        for i in range(concat):
            column, row = x + i - FIRST, y + j - FIRST
            if 0 <= column < photos and 0 <= row < photos:
                top, left = row * ADVANCE, column * ADVANCE
                photo = _smaller(scene[top : top + PHOTO, left : left + PHOTO], concat)
                picture[j * side : (j + 1) * side, i * side : (i + 1) * side] = photo
                taken = True
    return picture if taken else None


def _mrxs_index(levels: list[list[tuple[int, int, int, int]]], label: tuple[int, int, int]) -> bytes:
    """Index.dat: two roots, of the zoom levels and of what belongs to the slide as a whole; pages of places."""
    content = bytearray(b"01.02" + SLIDE_ID.encode())
    root = len(content)
    content += bytes(8)

    def put(numbers: list[int]) -> int:
        at = len(content)
        content.extend(struct.pack(f"<{len(numbers)}i", *numbers))
        return at

    pages = [put([len(entries), 0, *(n for entry in entries for n in entry)]) for entries in levels]
    heads = [put([0, page]) for page in pages]
    content[root : root + 4] = struct.pack("<i", put(heads))
    record = put([0, put([1, 0, 0, 0, *label])])
    content[root + 4 : root + 8] = struct.pack("<i", put([record]))
    return bytes(content)


def _slidedat() -> str:
    sections = "".join(f"HIER_0_VAL_{k}_SECTION = LAYER_0_LEVEL_{k}_SECTION\n" for k in range(LEVELS))
    levels = "".join(
        f"[LAYER_0_LEVEL_{k}_SECTION]\nOVERLAP_X = {OVERLAP / 2**k}\nOVERLAP_Y = {OVERLAP / 2**k}\n"
        f"MICROMETER_PER_PIXEL_X = {MPP * 2**k}\nMICROMETER_PER_PIXEL_Y = {MPP * 2**k}\nIMAGE_FORMAT = JPEG\n"
        f"IMAGE_FILL_COLOR_BGR = 16777215\nDIGITIZER_WIDTH = {PHOTO}\nDIGITIZER_HEIGHT = {PHOTO}\n"
        f"IMAGE_CONCAT_FACTOR = {min(k, 1)}\n"
        for k in range(LEVELS)
    )
    return (
        f"[GENERAL]\nSLIDE_VERSION = 01.02\nSLIDE_ID = {SLIDE_ID}\nIMAGENUMBER_X = {GRID}\nIMAGENUMBER_Y = {GRID}\n"
        f"OBJECTIVE_MAGNIFICATION = {POWER}\nCameraImageDivisionsPerSide = 1\n"
        "[HIERARCHICAL]\nHIER_COUNT = 1\nNONHIER_COUNT = 1\nINDEXFILE = Index.dat\n"
        f"HIER_0_NAME = Slide zoom level\nHIER_0_COUNT = {LEVELS}\n{sections}"
        "NONHIER_0_NAME = Scan data layer\nNONHIER_0_COUNT = 1\nNONHIER_0_VAL_0 = ScanDataLayer_SlideBarcode\n"
        "NONHIER_0_VAL_0_SECTION = NONHIERLAYER_0_LEVEL_0_SECTION\n"
        "[NONHIERLAYER_0_LEVEL_0_SECTION]\nBARCODE_IMAGE_TYPE = JPEG\n"
        f"[DATAFILE]\nFILE_COUNT = 2\nFILE_0 = Data0000.dat\nFILE_1 = Data0001.dat\n{levels}"
    )


# --- Ventana: tiles that overlap, and where they join ---------------------------------------------------------------

JOIN = 8  # px that neighbouring tiles share


def write_bif(path: Path, scene: Picture) -> Path:
    """BIF: tiles of one area with their joints, two levels, the label first."""
    tiles = (scene.shape[0] - JOIN) // (TILE - JOIN)
    mosaic = np.full((tiles * TILE, tiles * TILE, 3), 255, np.uint8)
    for row in range(tiles):
        for column in range(tiles):
            top, left = row * (TILE - JOIN), column * (TILE - JOIN)
            mosaic[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE] = scene[
                top : top + TILE, left : left + TILE
            ]
    joints = []
    for row in range(tiles):
        for column in range(tiles):
            here = _ventana_number(column, row, tiles)
            if column + 1 < tiles:
                joints.append(_joint(here, _ventana_number(column + 1, row, tiles), "RIGHT", JOIN, 0))
            if row > 0:
                joints.append(_joint(here, _ventana_number(column, row - 1, tiles), "UP", 0, JOIN))
    stitching = (
        '<?xml version="1.0" encoding="utf-8"?><EncodeInfo Ver="2"><SlideStitchInfo>'
        f'<ImageInfo AOIScanned="1" AOIIndex="0" NumRows="{tiles}" NumCols="{tiles}" Width="{TILE}" Height="{TILE}" '
        f'Pos-X="0" Pos-Y="0">{"".join(joints)}</ImageInfo></SlideStitchInfo>'
        '<AoiOrigin><AOI0 OriginX="0" OriginY="0"/></AoiOrigin></EncodeInfo>'
    )
    scan = f'<iScan Magnification="{POWER}" ScanRes="{MPP}" Z-layers="1" ScannerModel="VENTANA DP 200"/>'
    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        common: dict[str, Any] = {"photometric": "rgb", "metadata": None, "software": False}
        tiff.write(LABEL, description="Label Image", extratags=[_xml_packet(scan)], **common)
        common |= {"tile": (TILE, TILE), "compression": "jpeg", "compressionargs": {"level": 95}}
        tiff.write(mosaic, description="level=0 mag=20 quality=95", extratags=[_xml_packet(stitching)], **common)
        tiff.write(_smaller(mosaic, 2), description="level=1 mag=10 quality=95", **common)
    return path


def _ventana_number(column: int, row: int, tiles: int) -> int:
    """From 1, from the bottom row up, to and fro."""
    upwards = tiles - 1 - row
    return upwards * tiles + (tiles - 1 - column if upwards % 2 else column) + 1


def _joint(tile1: int, tile2: int, direction: str, overlap_x: int, overlap_y: int) -> str:
    return (
        f'<TileJointInfo FlagJoined="1" Confidence="100" Direction="{direction}" Tile1="{tile1}" Tile2="{tile2}" '
        f'OverlapX="{overlap_x}" OverlapY="{overlap_y}"/>'
    )


def _xml_packet(text: str) -> tuple[int, int, int, bytes, bool]:
    return (700, 1, len(text.encode()), text.encode(), True)


# --- Philips: a TIFF whose reduced levels are padded to whole tiles --------------------------------------------------


def write_philips(path: Path, scene: Picture) -> Path:
    """Philips TIFF: three levels, the reduced ones padded to whole tiles, and a label."""

    def attribute(name: str, value: str, kind: str = "IString") -> str:
        return f'<Attribute Name="{name}" Group="0x301D" Element="0x0" PMSVR="{kind}">{value}</Attribute>'

    def spacing(factor: int) -> str:
        millimetres = f"{MPP * factor / 1000:.6f}"
        return attribute("DICOM_PIXEL_SPACING", f"&quot;{millimetres}&quot; &quot;{millimetres}&quot;", "IDoubleArray")

    factors = (1, 2, 4)
    representations = "".join(
        f'<DataObject ObjectType="PixelDataRepresentation">{spacing(factor)}</DataObject>' for factor in factors
    )
    whole = (
        '<DataObject ObjectType="DPScannedImage">'
        + attribute("PIM_DP_IMAGE_TYPE", "WSI")
        + spacing(1)
        + attribute("DICOM_DERIVATION_DESCRIPTION", f"tiff-useBigTIFF=1-levels={POWER},10,5-quality=80")
        + attribute("PIIM_PIXEL_DATA_REPRESENTATION_SEQUENCE", f"<Array>{representations}</Array>", "IDataObjectArray")
        + "</DataObject>"
    )
    description = (
        '<?xml version="1.0" encoding="UTF-8"?><DataObject ObjectType="DPUfsImport">'
        + attribute("PIM_DP_SCANNED_IMAGES", f"<Array>{whole}</Array>", "IDataObjectArray")
        + "</DataObject>"
    )
    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        common: dict[str, Any] = {"photometric": "rgb", "metadata": None}
        tiled = {"tile": (TILE, TILE), "compression": "jpeg", "compressionargs": {"level": 95}}
        for factor in factors:
            small = _smaller(scene, factor)
            high, wide = (-(-side // TILE) * TILE for side in small.shape[:2])
            padded = np.full((high, wide, 3), 255, np.uint8)
            padded[: small.shape[0], : small.shape[1]] = small
            first = factor == 1
            tiff.write(
                padded,
                description=description if first else None,
                software="Philips DP v1.0" if first else False,
                subfiletype=0 if first else 1,
                **common,
                **tiled,
            )
        tiff.write(LABEL, description="Label", software=False, **common)
    return path
