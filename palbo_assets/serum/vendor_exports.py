"""Exports of readers that the open-source converter allotropy knows: Tecan Magellan, Thermo SkanIt, PerkinElmer
EnVision and BMG MARS.

allotropy turns each into an Allotrope plate-reader document; here that becomes the long frame of `plate_reader`, and
every complaint of the converter becomes an InputError. Importing it takes seconds, so it happens within the functions.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from palbo_assets.platform.errors import InputError
from palbo_assets.serum.readings import MISSING, Reading

_WELL = re.compile(r"^([A-H])0?([1-9]|1[0-2])$")
_SHEETS = {"Magellan": "TECAN_MAGELLAN", "Session information": "THERMO_SKANIT"}


def recognise(content: str) -> str | None:
    """The vendor of a text export, None when it is none of those handled here."""
    if "Plate information" in content[:200] and "Results for" in content:
        return "PERKIN_ELMER_ENVISION"
    if re.search(r"^Test name:", content[:4000], re.MULTILINE) and "Raw Data" in content:
        return "BMG_MARS"
    return None


def read_text_export(path: Path, content: str, vendor: str) -> list[Reading]:
    """Readings of a text export; the wavelength comes from the label, where the document doesn't carry it."""
    label = re.search(r"Results for A(\d{3})", content) or re.search(r"Raw Data \((?:A-)?(\d{3})", content)
    return _readings(path, _document(path, vendor), int(label.group(1)) if label else None)


def read_workbook(path: Path) -> list[Reading]:
    """Readings of an xlsx export of Magellan or SkanIt.

    Raises
    ------
    InputError
        ``E_SCHEMA`` for any other workbook.
    """
    import zipfile

    import openpyxl

    try:
        with path.open("rb") as handle:  # a workbook is one whatever it is called
            names = openpyxl.load_workbook(handle, read_only=True).sheetnames
    except (zipfile.BadZipFile, KeyError, ValueError, OSError):
        raise InputError("E_TRUNCATED", "the workbook can't be opened", file=path.name, fix="send it again") from None
    for mark, vendor in _SHEETS.items():
        if any(name.startswith(mark) for name in names):
            return _readings(path, _document(path, vendor), None)
    raise InputError(
        "E_SCHEMA",
        "the workbook is no export of Tecan Magellan or Thermo SkanIt",
        file=path.name,
        fix="export the raw absorbance as an 8x12 matrix in CSV",
    )


def _document(path: Path, vendor: str) -> dict[str, Any]:
    import warnings

    from allotropy.to_allotrope import allotrope_from_file

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return allotrope_from_file(str(path), vendor)
    except Exception:  # the converter lets any exception of its parsers out, and its texts may quote cells
        raise InputError(
            "E_SCHEMA",
            f"the export doesn't read as {vendor.replace('_', ' ').title()}",
            file=path.name,
            fix="export it again without editing, or as an 8x12 matrix in CSV",
        ) from None


def _readings(path: Path, document: dict[str, Any], wavelength: int | None) -> list[Reading]:
    """Absorbances of an Allotrope plate-reader document (well, plate, wavelength in nm)."""
    import math

    found: list[Reading] = []
    for plate_document in document.get("plate reader aggregate document", {}).get("plate reader document", []):
        for entry in plate_document["measurement aggregate document"]["measurement document"]:
            if "absorbance" not in entry:
                continue
            sample = entry["sample document"]
            well = _WELL.match(str(sample.get("location identifier", "")).upper())
            if well is None:
                raise InputError("E_SCHEMA", "a reading has no well of a 96-well plate", file=path.name)
            control = entry["device control aggregate document"]["device control document"][0]
            stated = control.get("detector wavelength setting", {}).get("value")
            try:
                od = float(entry["absorbance"]["value"])
            except (TypeError, ValueError):
                od = math.nan
            found.append(
                {
                    "plate": str(sample.get("well plate identifier", "")),
                    "well": f"{well.group(1)}{well.group(2)}",
                    "wavelength": wavelength if wavelength is not None else (int(stated) if stated else None),
                    "od": od if math.isfinite(od) else None,
                    "flag": "" if math.isfinite(od) else MISSING,
                }
            )
    return found
