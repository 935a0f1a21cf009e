"""Large tab-separated tables of numbers, whole and checked: every row has every cell, every number is one.

Quantifiers write 10-100 MB of plain cells without quotes. The table is checked and parsed by vectorised code; only when
something is wrong does a slow pass look for the row and column to complain about.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from palbo_assets.platform.errors import InputError
from palbo_assets.platform.text import LARGEST_TABLE_BYTES

_GZIP = b"\x1f\x8b"
_NUMBER = re.compile(rb"^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*$")


def content_of(path: Path, limit: int = LARGEST_TABLE_BYTES) -> bytes:
    """The file's bytes, inflated when it is gzip, without byte order mark; at most ``limit`` bytes.

    A table's last line must end; JSON shows by itself whether it is whole.

    Raises
    ------
    InputError
        ``E_EMPTY``, ``E_TOO_BIG``, ``E_TRUNCATED`` (gzip ends early, or the last line has no end), ``E_CHECKSUM``
        (gzip is damaged), ``E_ENCODING`` (not UTF-8, or NUL bytes).
    """
    with path.open("rb") as file:
        compressed = file.read(2) == _GZIP
    content = _inflated(path, limit) if compressed else _plain(path, limit)
    if b"\0" in content or content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError("E_ENCODING", "the text isn't UTF-8", file=path.name, fix="deliver it as the tool wrote it")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise InputError("E_ENCODING", "the text isn't UTF-8", file=path.name, row=row, fix="save as UTF-8") from None
    content = content.removeprefix(b"\xef\xbb\xbf")
    if not content.strip():
        raise InputError("E_EMPTY", "the file is empty", file=path.name, fix="deliver it again")
    if not content.endswith(b"\n") and not content.lstrip().startswith(b"{"):
        # Without its line end a last number may have lost digits, and 12 instead of 1234 looks fine.
        raise InputError(
            "E_TRUNCATED",
            "the last line has no end, so the file may have been cut",
            file=path.name,
            row=content.count(b"\n") + 1,
            fix="transfer the file again; if it is complete, end it with a newline",
        )
    return content


def _plain(path: Path, limit: int) -> bytes:
    if path.stat().st_size > limit:
        raise InputError("E_TOO_BIG", f"a table of more than {limit} bytes is not expected here", file=path.name)
    return path.read_bytes()


def _inflated(path: Path, limit: int) -> bytes:
    import gzip
    import zlib

    try:
        with gzip.open(path, "rb") as file:
            content = file.read(limit + 1)
    except EOFError:
        raise InputError(
            "E_TRUNCATED", "the gzip file ends too early", file=path.name, fix="transfer the file again"
        ) from None
    except (gzip.BadGzipFile, zlib.error):
        raise InputError("E_CHECKSUM", "the gzip file is damaged", file=path.name, fix="transfer it again") from None
    if len(content) > limit:
        raise InputError("E_TOO_BIG", f"it inflates to more than {limit} bytes", file=path.name)
    return content


def header_of(content: bytes, path: Path, delimiter: str = "\t") -> tuple[int, list[str]]:
    """(number of leading ``#`` lines, cells of the first other line).

    Raises
    ------
    InputError
        ``E_EMPTY`` when there is no such line.
    """
    start = skipped = 0
    while content.startswith(b"#", start):
        start = content.index(b"\n", start) + 1
        skipped += 1
    end = content.find(b"\n", start)
    if end < 0:
        raise InputError("E_EMPTY", "the table has no header", file=path.name, fix="deliver it again")
    return skipped, content[start:end].decode("utf-8").rstrip("\r").split(delimiter)


def columns_of(
    content: bytes,
    path: Path,
    header: Sequence[str],
    *,
    texts: Sequence[str],
    numbers: Sequence[str],
    skip_rows: int,
    delimiter: str = "\t",
) -> dict[str, Any]:
    """The named columns: ``texts`` as pandas Series of str, ``numbers`` as float64 arrays of the same length.

    ``header`` names every column; ``skip_rows`` lines (comments, header) come before the first row.

    Raises
    ------
    InputError
        ``E_EMPTY`` without rows; ``E_SCHEMA`` with the row for a row of another width or an empty id, and with row and
        column for a cell that isn't a finite number.
    """
    import numpy as np
    import pyarrow as pa
    from pyarrow import csv

    _check_widths(content, path, len(header), skip_rows, delimiter)
    try:
        table = csv.read_csv(
            pa.BufferReader(content),
            # One thread: another engine's worker pool outlives the step and competes with its neighbours.
            read_options=csv.ReadOptions(column_names=list(header), skip_rows=skip_rows, use_threads=False),
            parse_options=csv.ParseOptions(
                delimiter=delimiter, quote_char=False, double_quote=False, ignore_empty_lines=False
            ),
            convert_options=csv.ConvertOptions(
                include_columns=[*texts, *numbers],
                column_types={**dict.fromkeys(texts, pa.string()), **dict.fromkeys(numbers, pa.float64())},
                null_values=[],
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:  # its text quotes the cell
        raise _first_bad_number(content, path, header, numbers, skip_rows, delimiter) from None
    found: dict[str, Any] = {}
    for name in texts:
        found[name] = table[name].to_pandas().astype(object)
        empty = (found[name] == "").to_numpy()
        if empty.any():
            row = int(empty.argmax()) + skip_rows + 1
            raise InputError(
                "E_SCHEMA",
                "the cell is empty",
                file=path.name,
                row=row,
                column=name,
                fix="deliver the tool's own table",
            )
    for name in numbers:
        found[name] = table[name].to_numpy().copy()
        if not np.isfinite(found[name]).all():
            raise _first_bad_number(content, path, header, numbers, skip_rows, delimiter)
    return found


def _check_widths(content: bytes, path: Path, width: int, skip_rows: int, delimiter: str) -> None:
    """Every line after ``skip_rows`` has ``width`` cells: a short one would shift or lose values silently."""
    import numpy as np

    octets = np.frombuffer(content, dtype=np.uint8)
    line_ends = np.flatnonzero(octets == ord("\n"))
    if line_ends.size <= skip_rows:
        raise InputError("E_EMPTY", "the table has no rows", file=path.name, fix="deliver it again")
    delimiters = np.flatnonzero(octets == ord(delimiter))
    before = np.searchsorted(delimiters, line_ends)
    cells = np.diff(before, prepend=0) + 1
    wrong = np.flatnonzero(cells[skip_rows:] != width)
    if wrong.size:
        row = int(wrong[0]) + skip_rows
        raise InputError(
            "E_TRUNCATED" if row == line_ends.size - 1 and cells[row] < width else "E_SCHEMA",
            f"the row has {int(cells[row])} cells, the table {width}",
            file=path.name,
            row=row + 1,
            fix="deliver the table as the tool wrote it",
        )


def _first_bad_number(
    content: bytes, path: Path, header: Sequence[str], numbers: Sequence[str], skip_rows: int, delimiter: str
) -> InputError:
    mark = delimiter.encode()
    wanted = [(header.index(name), name) for name in numbers]
    for row, line in enumerate(content.split(b"\n")[skip_rows:-1], start=skip_rows + 1):
        cells = line.rstrip(b"\r").split(mark)
        for position, name in wanted:
            if not _NUMBER.match(cells[position]) or float(cells[position]) in (float("inf"), float("-inf")):
                return InputError(
                    "E_SCHEMA", "the cell is not a finite number", file=path.name, row=row, column=name,
                    fix="use a decimal point" if b"," in cells[position] else "deliver it as the tool wrote it",
                )  # fmt: skip
    return InputError("E_SCHEMA", "the table can't be parsed", file=path.name, fix="deliver it as the tool wrote it")
