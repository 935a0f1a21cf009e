"""3DHistech's MRXS: the delivered file is a name, and the pixels lie in the folder beside it.

OpenSlide opens a slide whose data files are cut or gone as long as the coarsest level is there, so the index is held
against the files first. Layout: ``Slidedat.ini`` names the index and the data files; the index is the version, the
slide's id, two pointers, and for each zoom level a chain of pages of (image, offset, length, file), as int32.
"""

from __future__ import annotations

import configparser
import struct
from collections.abc import Iterator
from pathlib import Path

from palbo_assets.platform.errors import InputError

SUFFIX, SETTINGS, VERSION = ".mrxs", "Slidedat.ini", b"01.02"
FIX = "deliver the .mrxs file with its folder of the same name beside it, and copy both again from the scanner"


def check_folder(path: Path) -> None:
    """Every image that the index of the slide lists lies within its data file; no pixel is decoded.

    Raises
    ------
    InputError
        ``E_TRUNCATED`` (the folder or a file of it is missing, or ends too early), ``E_SCHEMA`` (no settings or index
        of such a slide).
    """
    folder = path.with_suffix("")
    if not (folder / SETTINGS).is_file():
        raise _truncated(path, "the folder of the slide or its Slidedat.ini is not beside it")
    try:
        settings = configparser.ConfigParser(interpolation=None, strict=False)
        settings.read_string((folder / SETTINGS).read_text(encoding="utf-8-sig", errors="replace"))
        names = [settings["DATAFILE"][f"FILE_{k}"] for k in range(settings.getint("DATAFILE", "FILE_COUNT"))]
        index = folder / Path(settings["HIERARCHICAL"]["INDEXFILE"]).name
        files = [folder / Path(name).name for name in names]
        lost = sum(not file.is_file() for file in [index, *files])
        if lost:
            raise _truncated(path, f"{lost} of the {1 + len(files)} files of the slide's folder are missing")
        slide_id, levels = settings["GENERAL"]["SLIDE_ID"], settings.getint("HIERARCHICAL", "HIER_0_COUNT")
        sizes = [file.stat().st_size for file in files]
        for offset, length, file in _places(index.read_bytes(), len(VERSION) + len(slide_id), levels):
            if not 0 <= offset <= offset + length <= sizes[file]:
                raise _truncated(path, "a data file of the slide's folder ends before an image that the index lists")
    except (configparser.Error, KeyError, ValueError, IndexError, struct.error):
        raise InputError(
            "E_SCHEMA", "the settings or the index in the slide's folder can't be read", file=path.name, fix=FIX
        ) from None


def _places(index: bytes, root: int, levels: int) -> Iterator[tuple[int, int, int]]:
    """(offset, length, file) of every image of every zoom level."""
    (first,) = struct.unpack_from("<i", index, root)
    for head in struct.unpack_from(f"<{levels}i", index, first):
        _, page = struct.unpack_from("<2i", index, head)
        seen = set()
        while page and page not in seen:
            seen.add(page)
            count, following = struct.unpack_from("<2i", index, page)
            for entry in range(count):
                _, offset, length, file = struct.unpack_from("<4i", index, page + 8 + 16 * entry)
                yield offset, length, file
            page = following


def _truncated(path: Path, message: str) -> InputError:
    return InputError("E_TRUNCATED", message, file=path.name, fix=FIX)
