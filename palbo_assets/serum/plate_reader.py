"""Exports of plate readers, whatever the vendor, as one long frame: plate, well, wavelength, od, flag.

Read here: an 8x12 matrix as CSV (rows A-H), SoftMax Pro text (UTF-16, UTF-8 or Latin-1; plate blocks in TimeFormat and
PlateFormat) and BioTek/Agilent Gen5 text. What other readers write is left to `vendor_exports`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import InputError
from palbo_assets.platform.text import decode
from palbo_assets.serum import vendor_exports
from palbo_assets.serum.readings import COLUMNS, MISSING, OVER, ROWS, Reading

if TYPE_CHECKING:
    import pandas as pd

_OVER = re.compile(r"^(?:ovrflw|overflow|over|sat|saturated|#+|>.*|\*+)$", re.IGNORECASE)
_MISSING = re.compile(r"^(?:|missed|masked|empty|nan|n/?a|-|\?+)$", re.IGNORECASE)

# SoftMax Pro writes the degree sign in the machine's code page; Latin-1 takes any byte, so it stands last.
_ENCODINGS = ("utf-8-sig", "cp949", "latin-1")
_XLSX = b"PK\x03\x04"


def read_plates(path: Path) -> pd.DataFrame:
    """Every raw absorbance that the export holds.

    Returns
    -------
    pandas.DataFrame
        ``plate`` (the reader's name for it, empty where the file names none), ``well`` (``A1`` to ``H12``),
        ``wavelength`` (nm, null where the file doesn't say), ``od`` (absorbance units, null where flagged) and
        ``flag`` (empty, ``over`` or ``missing``), in the file's order.

    Raises
    ------
    InputError
        ``E_SCHEMA`` for an unknown layout, a cell that isn't a number or a well read twice, ``E_TRUNCATED`` for a
        plate with fewer rows than it states, and what `platform.text.decode` raises.
    """
    import pandas as pd

    with path.open("rb") as handle:
        workbook = handle.read(4) == _XLSX
    if workbook:
        readings = vendor_exports.read_workbook(path)
    else:
        readings = list(_from_text(path))
    if not readings:
        raise InputError(
            "E_SCHEMA",
            "the file holds no absorbance that can be recognised",
            file=path.name,
            fix="export the raw absorbance as SoftMax Pro or Gen5 text, or as an 8x12 matrix in CSV",
        )
    frame = pd.DataFrame(readings, columns=list(COLUMNS))
    frame["wavelength"] = frame["wavelength"].astype("Int64")
    frame["od"] = frame["od"].astype("Float64")
    twice = frame.duplicated(["plate", "wavelength", "well"])
    if twice.any():
        raise InputError(
            "E_SCHEMA",
            f"well {frame.loc[twice, 'well'].iloc[0]} was read twice at one wavelength of one plate",
            file=path.name,
            fix="export each plate once, with endpoint readings only, and give every plate its own name",
        )
    return frame


def _from_text(path: Path) -> Iterator[Reading]:
    try:
        content = decode(path, _ENCODINGS)
    except UnicodeDecodeError:
        raise InputError(
            "E_TRUNCATED", "the UTF-16 text ends within a character", file=path.name, fix="send the file again"
        ) from None
    if content.lstrip().startswith("##BLOCKS="):
        return _softmax(path, content)
    if "Software Version" in content[:400] and re.search(r"^Results\s*$", content, re.MULTILINE):
        return _gen5(path, content)
    vendor = vendor_exports.recognise(content)
    if vendor is not None:
        return iter(vendor_exports.read_text_export(path, content, vendor))
    return _matrix(path, content)


def measurement(
    cell: str, *, path: Path, row: int, column: str, decimal_comma: bool = False
) -> tuple[float | None, str]:
    """Absorbance and flag of one cell; the absorbance is None when the cell carries a flag."""
    content = cell.strip()
    if _MISSING.match(content):
        return None, MISSING
    if _OVER.match(content):
        return None, OVER
    if decimal_comma:
        content = content.replace(",", ".")
    try:
        return float(content), ""
    except ValueError:
        raise InputError(
            "E_SCHEMA",
            "the cell is neither an absorbance nor a known reader flag",
            file=path.name,
            row=row,
            column=column,
            fix="use a decimal point" if "," in content else "export the raw absorbance again",
        ) from None


def _matrix(path: Path, content: str) -> Iterator[Reading]:
    """8x12 blocks with a header 1..12; lines ``plate,NAME`` and ``wavelength,NM`` before a block name it."""
    header = re.search(r"^[^\n]*?[,;\t]\"?0?1\"?([,;\t])\"?0?2\"?[,;\t]", content, re.MULTILINE)
    if header is None:
        return
    delimiter = header.group(1)
    plate, wavelength = "", None
    expected: list[str] = []
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter)
    for cells in reader:
        line = reader.line_num
        cells = [cell.strip() for cell in cells]
        first = cells[0] if cells else ""
        numbers = [cell.lstrip("0") for cell in cells[1:]]
        while numbers and not numbers[-1]:
            numbers.pop()
        if expected:
            wanted = expected.pop(0)
            if first.upper() != wanted or len(cells) < 13 or any(cells[13:]):
                raise InputError(
                    "E_TRUNCATED" if first == "" else "E_SCHEMA",
                    f"expected row {wanted} of the plate with 12 cells",
                    file=path.name,
                    row=line,
                    fix="export all rows A to H with columns 1 to 12"
                    + ("; a decimal comma needs ';' between the cells" if delimiter == "," else ""),
                )
            for number, cell in enumerate(cells[1:13], start=1):
                od, flag = measurement(cell, path=path, row=line, column=str(number), decimal_comma=delimiter != ",")
                yield {"plate": plate, "well": f"{wanted}{number}", "wavelength": wavelength, "od": od, "flag": flag}
        elif numbers == [str(number) for number in range(1, 13)]:
            expected = list(ROWS)
        elif first.lower().rstrip(":") in {"plate", "plate_id"} and len(cells) > 1:
            plate, wavelength = cells[1], None
        elif first.lower().rstrip(":") in {"wavelength", "wavelength_nm"} and len(cells) > 1:
            wavelength = _nanometres(cells[1], path, line)
    if expected:
        raise InputError("E_TRUNCATED", f"the plate ends before row {expected[0]}", file=path.name, fix="send it again")


def _nanometres(cell: str, path: Path, line: int) -> int:
    found = re.fullmatch(r"(\d{3,4})(?:\s*nm)?", cell.strip(), re.IGNORECASE)
    if found is None:
        raise InputError(
            "E_SCHEMA", "the wavelength is not a number of nm", file=path.name, row=line, fix="state it as 450"
        )
    return int(found.group(1))


def _softmax(path: Path, content: str) -> Iterator[Reading]:
    """Plate blocks of SoftMax Pro: ``Plate:`` line, header, one line (or 8) per wavelength, ``~End``."""
    lines = content.splitlines()
    index = 0
    while index < len(lines):
        cells = lines[index].split("\t")
        if cells[0].strip() == "Plate:":
            end = next((at for at in range(index, len(lines)) if lines[at].strip() == "~End"), None)
            if end is None:
                raise InputError(
                    "E_TRUNCATED", "a plate block has no end", file=path.name, row=index + 1, fix="export it again"
                )
            yield from _softmax_block(path, lines, index, end)
            index = end
        index += 1


def _softmax_block(path: Path, lines: list[str], start: int, end: int) -> Iterator[Reading]:
    cells = [cell.strip() for cell in lines[start].split("\t")]
    kind, read_type, mode = (cells + [""] * 6)[3:6]
    if read_type != "Endpoint" or mode != "Absorbance":
        raise InputError(
            "E_SCHEMA",
            "the plate block is not an endpoint absorbance",
            file=path.name,
            row=start + 1,
            fix="export endpoint readings",
        )
    wavelengths = next(
        (list(map(int, cell.split())) for cell in cells[10:] if re.fullmatch(r"\d{3}( \d{3})*", cell)), []
    )
    if not wavelengths or len(cells) < 18:
        raise InputError(
            "E_SCHEMA", "the plate line names no wavelength", file=path.name, row=start + 1, fix="export it again"
        )
    header = [cell.strip() for cell in lines[start + 1].split("\t")]
    plate = cells[1]
    if kind == "TimeFormat":
        wells = header[2:]
        body = [at for at in range(start + 2, end) if lines[at].strip()]
        reduced = next((n for n, at in enumerate(body) if lines[at].split("\t")[2:3] == wells[:1]), len(body))
        body = body[:reduced]  # below a second header stand results that SoftMax computed, not readings
        if not body:
            return  # a plate of the protocol that wasn't read
        for wavelength, at in zip(wavelengths, body, strict=False):
            values = lines[at].split("\t")[2:]
            for well, value in zip(wells, values, strict=False):
                if well:
                    yield _softmax_reading(path, at, plate, well, wavelength, value)
        if len(body) < len(wavelengths):
            raise InputError(
                "E_TRUNCATED", "a wavelength's line is missing", file=path.name, row=end, fix="send it again"
            )
    elif kind == "PlateFormat":
        # The wavelengths stand side by side, each under its own run of column numbers.
        columns: list[tuple[int, int, int]] = []  # cell, plate column, wavelength
        at_wavelength = -1
        for position, name in enumerate(header):
            if name.isdigit():
                at_wavelength += int(name == "1")
                columns.append((position, int(name), wavelengths[min(at_wavelength, len(wavelengths) - 1)]))
        stated = next(int(cell) for cell in reversed([*"8", *cells]) if cell.isdigit())  # its last number: plate rows
        body = list(range(start + 2, min(start + 2 + stated, end)))
        if len(body) < stated or any(not lines[at].strip() for at in body):
            raise InputError(
                "E_TRUNCATED",
                "the plate has fewer rows than it states",
                file=path.name,
                row=end + 1,
                fix="send it again",
            )
        for row, at in zip(ROWS, body, strict=False):
            values = lines[at].split("\t")
            for position, column, wavelength in columns:
                value = values[position] if position < len(values) else ""
                yield _softmax_reading(path, at, plate, f"{row}{column}", wavelength, value)
    else:
        raise InputError(
            "E_SCHEMA", "unknown kind of plate block", file=path.name, row=start + 1, fix="export as TimeFormat"
        )


def _softmax_reading(path: Path, at: int, plate: str, well: str, wavelength: int, value: str) -> Reading:
    od, flag = measurement(value, path=path, row=at + 1, column=well)
    return {"plate": plate, "well": well, "wavelength": wavelength, "od": od, "flag": flag}


def _gen5(path: Path, content: str) -> Iterator[Reading]:
    """The ``Results`` matrices of Gen5: per plate row one line per read, named in the last cell.

    Only raw reads are taken: what Gen5 derived (``Blank ...``, ``[Concentration]``) is computed here again.
    """
    plate, letter, in_results = "", "", False
    for number, line in enumerate(content.splitlines(), start=1):
        cells = line.split("\t")
        first = cells[0].strip()
        if first == "Plate Number" and len(cells) > 1:
            plate, in_results = cells[1].strip(), False
        elif first == "Results":
            in_results, letter = True, ""
        elif in_results and (first in tuple(ROWS) or (letter and not first and len(cells) > 2)):
            letter = first or letter
            label = re.fullmatch(r"(?:(?!Blank )[^\[\]]*:)?(\d{3})", cells[-1].strip())
            if label is None or len(cells) < 14:
                continue
            for column, cell in enumerate(cells[1:13], start=1):
                od, flag = measurement(cell, path=path, row=number, column=str(column))
                yield {
                    "plate": plate,
                    "well": f"{letter}{column}",
                    "wavelength": int(label.group(1)),
                    "od": od,
                    "flag": flag,
                }
        elif in_results and letter and not line.strip():
            in_results = False
