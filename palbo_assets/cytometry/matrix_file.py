"""A compensation matrix that comes as a file of its own: the tables that FlowJo and FACSDiva export.

Comma, semicolon or tab; the first row names the channels (``FITC-A``, ``Comp-FITC-A`` or ``FITC-A :: CD3``), a first
column may name them again, in the same order. Row i is what the fluorochrome of channel i shows in every channel, as a
share (1 on the diagonal) or in per cent (100).
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from palbo_assets.cytometry.compensation import Spill
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.text import decode

_MOST_CHANNELS = 200


def read_matrix(path: Path) -> Spill:
    """The matrix with the names of its channels.

    Raises
    ------
    InputError
        ``E_SPILL`` with row and column for a table that is no such matrix or can't be inverted, and what `decode`
        raises.
    """

    def refuse(message: str, row: int | None = None, column: str = "") -> InputError:
        fix = "export the matrix of the stained tube again: channels in the first row, 1 or 100 on the diagonal"
        return InputError("E_SPILL", message, file=path.name, row=row, column=column, fix=fix)

    text = decode(path)
    first = text.lstrip().split("\n", 1)[0]
    delimiter = max("\t;,", key=first.count)
    try:
        read = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        lines = [(read.line_num, [cell.strip() for cell in cells]) for cells in read if any(map(str.strip, cells))]
    except csv.Error:
        raise refuse("the table can't be read") from None
    if not 2 <= len(lines) <= _MOST_CHANNELS + 1:
        raise refuse(f"the table isn't a header and 1 to {_MOST_CHANNELS} rows")
    header = [_channel(cell) for cell in lines[0][1]]
    size = len(lines) - 1
    named = len(lines[1][1]) == size + 1  # a first column of names, with or without a heading
    names = header[-size:] if named else header
    if len(names) != size or len(header) not in (size, size + named):
        raise refuse("the table isn't square: as many rows as channels are needed", lines[0][0])
    if not all(names) or len({name.upper() for name in names}) != size:
        raise refuse("a channel is named twice or not at all", lines[0][0])
    matrix = np.empty((size, size))
    for at, (line, cells) in enumerate(lines[1:]):
        if len(cells) != size + named:
            raise refuse("the row hasn't as many cells as there are channels", line)
        if named and _channel(cells[0]).upper() != names[at].upper():
            raise refuse("the rows don't name the channels in the order of the columns", line)
        for column, cell in enumerate(cells[named:]):
            matrix[at, column] = _number(cell, decimal_comma=delimiter != ",")
            if not math.isfinite(matrix[at, column]):
                raise refuse("the cell is no number", line, names[column])
    if np.all(np.abs(np.diag(matrix) - 100) < 1e-6):
        matrix = matrix / 100
    if np.any(np.abs(np.diag(matrix) - 1) > 1e-6):
        raise refuse("the diagonal isn't 1 (or 100 per cent)")
    if np.linalg.cond(matrix) > 1e6:
        raise refuse("the matrix can't be inverted")
    return Spill(tuple(names), matrix)


def fitted(spill: Spill, channels: Sequence[str], *, file: str) -> Spill:
    """The matrix under the names of a file's channels.

    Raises
    ------
    InputError
        ``E_SPILL`` when it names channels that the file hasn't got.
    """
    known = {name.upper(): name for name in channels}
    if any(name.upper() not in known for name in spill.channels):
        raise InputError(
            "E_SPILL",
            "the compensation matrix names channels that the FCS file hasn't got",
            file=file,
            fix="deliver the matrix of this acquisition, with the detectors' names ($PnN)",
        )
    return Spill(tuple(known[name.upper()] for name in spill.channels), spill.matrix)


def _channel(cell: str) -> str:
    name = cell.lstrip("# ").split(" :: ")[0].strip()
    return name[5:] if name.upper().startswith("COMP-") else name


def _number(cell: str, *, decimal_comma: bool) -> float:
    try:
        return float(cell.rstrip("%").replace(",", ".") if decimal_comma else cell.rstrip("%"))
    except ValueError:
        return math.nan
