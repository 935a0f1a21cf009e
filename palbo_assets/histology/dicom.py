"""Which instance of a DICOM slide a file is: OpenSlide opens the whole series by any of them, a label too.

Only the encoding of lengths is followed (explicit VR, little endian, as all compressed slides are; DICOM PS3.5, 7.1):
values other than the two wanted are skipped unread, since a header names the patient.
"""

from __future__ import annotations

import struct
from pathlib import Path

from palbo_assets.platform.errors import InputError

PREAMBLE = 128
MAGIC = b"DICM"
HEAD_BYTES = 1 << 20
IMAGE_TYPE, MATRIX_COLUMNS = (0x0008, 0x0008), (0x0048, 0x0006)
LONG_FORM = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
UNDEFINED = 0xFFFFFFFF
ITEMS = 0xFFFE


def is_dicom(path: Path) -> bool:
    """Whether the file begins as DICOM files do."""
    with path.open("rb") as handle:
        return handle.read(PREAMBLE + len(MAGIC))[PREAMBLE:] == MAGIC


def check_instance(path: Path, width: int) -> None:
    """The file is the series' full-resolution image, ``width`` pixels wide.

    Otherwise its sha256 wouldn't be that of what is scored, and one slide delivered as five files would be five.

    Raises
    ------
    InputError
        ``E_SCHEMA`` for a label, an overview, a reduced level, or a header that can't be followed.
    """
    with path.open("rb") as handle:
        head = handle.read(HEAD_BYTES)
    found = _values(head)
    columns = found.get(MATRIX_COLUMNS, b"")
    flavour = found.get(IMAGE_TYPE, b"").split(b"\\")
    if len(columns) != 4 or len(flavour) < 3:
        raise InputError(
            "E_SCHEMA",
            "the DICOM header isn't one of a whole slide",
            file=path.name,
            fix="deliver the slide as the scanner or its converter writes it, with explicit value types",
        )
    if flavour[2].strip() != b"VOLUME" or struct.unpack("<I", columns)[0] != width:
        raise InputError(
            "E_SCHEMA",
            "this DICOM file is a label, an overview or a reduced level of a slide",
            file=path.name,
            fix="name the file of full resolution in the manifest, and leave the others of its series beside it",
        )


def _values(head: bytes) -> dict[tuple[int, int], bytes]:
    """The first of each wanted element, as far as ``head`` goes. Sequences of stated length are skipped, others walked
    through."""
    found: dict[tuple[int, int], bytes] = {}
    at = PREAMBLE + len(MAGIC)
    while at + 12 <= len(head) and len(found) < 2:
        group, number = struct.unpack_from("<HH", head, at)
        kind = head[at + 4 : at + 6]
        if group == ITEMS:  # an item or a delimiter has no type, and its elements follow
            at += 8
            continue
        long_form = kind in LONG_FORM
        length = struct.unpack_from("<I" if long_form else "<H", head, at + (8 if long_form else 6))[0]
        at += 12 if long_form else 8
        if length == UNDEFINED:
            continue
        if (group, number) in (IMAGE_TYPE, MATRIX_COLUMNS):
            found.setdefault((group, number), head[at : at + length])
        at += length
    return found
