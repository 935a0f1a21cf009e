"""Delimited text of labs, read without guessing.

Everything stays text (``001`` is not 1, the gene ``NA`` is not missing), encodings are tried in a declared order and
never detected (a short CP949 file looks like Big5 to detectors), and every complaint names the line as a spreadsheet
shows it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

ENCODINGS = ("utf-8-sig", "cp949")
LARGEST_TABLE_BYTES = 200 * 1024 * 1024


def decode(path: Path, encodings: Sequence[str] = ENCODINGS) -> str:
    """The file's text in the first declared encoding that fits, UTF-16 when it carries that byte order mark.

    Raises
    ------
    InputError
        ``E_EMPTY``, ``E_TOO_BIG``, ``E_SCHEMA`` (NUL bytes) or ``E_ENCODING``.
    """
    size = path.stat().st_size
    if size == 0:
        raise InputError("E_EMPTY", "the file is empty", file=path.name, fix="export it again")
    if size > LARGEST_TABLE_BYTES:
        raise InputError("E_TOO_BIG", f"a table of {size} bytes is not expected here", file=path.name)
    content = path.read_bytes()
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encodings = ("utf-16",)
    elif b"\0" in content:
        raise InputError("E_SCHEMA", "the file holds NUL bytes, so it isn't text", file=path.name, fix="export as CSV")
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError(
        "E_ENCODING", f"the text is in none of {', '.join(encodings)}", file=path.name, fix="save the file as UTF-8"
    )


def read_table(
    path: Path,
    *,
    required: Sequence[str] = (),
    delimiter: str = ",",
    encodings: Sequence[str] = ENCODINGS,
    rows_required: bool = True,
) -> pd.DataFrame:
    """A delimited file with a header, as text.

    Parameters
    ----------
    required
        Columns that must be there, whatever their order.
    rows_required
        Whether a header without rows is an error.

    Returns
    -------
    pandas.DataFrame
        All columns as ``str`` (empty text where a cell is empty), stripped of surrounding blanks; the index is the
        1-based line of the file where the row starts.

    Raises
    ------
    InputError
        With the line and the column: ``E_SCHEMA`` for missing or duplicate columns, short or long rows and unclosed
        quotes; ``E_EMPTY`` for no rows; and what `decode` raises.
    """
    import pandas as pd

    content = decode(path, encodings)
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    header: list[str] = []
    try:
        while True:
            line = reader.line_num + 1
            cells = next(reader, None)
            if cells is None:
                break
            if not any(cell.strip() for cell in cells):
                continue
            cells = [cell.strip() for cell in cells]
            if not header:
                header = cells
                _check_header(path, header, required, delimiter)
                continue
            if len(cells) != len(header):
                raise InputError(
                    "E_SCHEMA",
                    f"the row has {len(cells)} cells, the header {len(header)}",
                    file=path.name,
                    row=line,
                    fix="quote cells that contain the delimiter, and export again",
                )
            rows.append(cells)
            lines.append(line)
    except csv.Error as error:
        raise InputError(
            "E_SCHEMA", f"the row can't be read: {error}", file=path.name, row=reader.line_num, fix="export it again"
        ) from None
    if not header or (rows_required and not rows):
        raise InputError("E_EMPTY", "the table has no rows", file=path.name, fix="export it again")
    return pd.DataFrame(rows, columns=header, index=pd.Index(lines, name="row"), dtype=str)


def _check_header(path: Path, header: list[str], required: Sequence[str], delimiter: str) -> None:
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise InputError("E_SCHEMA", "a column name stands twice", file=path.name, row=1, column=twice[0])
    missing = [name for name in required if name not in header]
    if not missing:
        return
    other = next((mark for mark in ",;\t" if mark != delimiter and len(header) == 1 and mark in header[0]), "")
    raise InputError(
        "E_SCHEMA",
        f"missing columns: {', '.join(missing)}",
        file=path.name,
        row=1,
        column=missing[0],
        fix=f"the delimiter looks like {other!r}: export with {delimiter!r}" if other else "add the missing columns",
    )


def number(cell: str, *, path: Path, row: int, column: str, decimal_comma: bool = False) -> float | None:
    """The number in ``cell``, None for an empty cell.

    Raises
    ------
    InputError
        ``E_SCHEMA`` with row and column when the cell isn't a finite number. A decimal comma is accepted only where
        the caller knows that the whole file uses it.
    """
    import math

    content = cell.strip()
    if content == "":
        return None
    if decimal_comma:
        content = content.replace(",", ".")
    try:
        value = float(content)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(
            "E_SCHEMA",
            "the cell is not a number",
            file=path.name,
            row=row,
            column=column,
            fix="use a decimal point" if "," in cell else "correct the cell, or leave it empty if it is missing",
        )
    return value
