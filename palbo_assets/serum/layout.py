"""The plate layout: what stands in each well."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import InputError
from palbo_assets.platform.text import decode, number, read_table
from palbo_assets.serum.readings import WELLS
from palbo_assets.study.vocabulary import TIMEPOINTS

if TYPE_CHECKING:
    import pandas as pd

BLANK, STANDARD, UNKNOWN = "BLK", "STD", "UNK"
QC_LEVELS = ("QC_L", "QC_M", "QC_H")
BRIDGE = "BRG"  # one pooled serum that stands on every plate; nobody knows its true concentration
ROLES = (BLANK, STANDARD, *QC_LEVELS, BRIDGE, UNKNOWN)
COLUMNS = (
    "plate_id",
    "well",
    "role",
    "specimen_id",
    "patient_id",
    "timepoint",
    "nominal_conc",
    "dilution",
    "replicate",
)
PG_ML = {"": 1.0, "pg/ml": 1.0, "ng/l": 1.0, "ng/ml": 1000.0}
_ID = re.compile(r"^[A-Z0-9]+(-[A-Z0-9]+)*$")
_WELL = re.compile(r"^([A-H])0?([1-9]|1[0-2])$")


def read_layout(path: Path) -> pd.DataFrame:
    """The layout of one plate.

    Either one line a well, or shaped like the plate: a line ``plate_id,NAME``, then a block of rows A to H for each
    column, headed by the column's name and 1 to 12 (``role,1,2,...,12``). An empty cell of ``role`` is an unused well.

    ``specimen_id`` may also be called ``sample_id``. ``dilution`` is the factor that the well's concentration is
    multiplied with (``4`` or ``1:4``). ``nominal_conc`` is in pg/mL, unless a column ``unit`` says ``ng/mL``.

    Returns
    -------
    pandas.DataFrame
        `COLUMNS` for every listed well; the index is the line of the file. ``nominal_conc`` (pg/mL) is null except for
        standards and quality controls; ``dilution`` is 1 for blanks and standards.

    Raises
    ------
    InputError
        ``E_SCHEMA`` with row and column, ``E_BAD_NAME`` for ids that aren't study ids, and what `read_table` raises.
    """
    import pandas as pd

    table = _from_blocks(path) if _is_plate_shaped(path) else read_table(path, required=("plate_id", "well", "role"))
    specimen_column = "specimen_id" if "specimen_id" in table.columns else "sample_id"
    if specimen_column not in table.columns:
        raise InputError(
            "E_SCHEMA", "missing column: specimen_id", file=path.name, row=1, column="specimen_id", fix="add it"
        )
    rows = []
    wells: dict[str, int] = {}
    for line, cells in zip(table.index.tolist(), table.to_dict("records"), strict=True):
        well = _well(cells["well"], path, line)
        if well in wells:
            raise InputError(
                "E_SCHEMA",
                f"the well is also listed in row {wells[well]}",
                file=path.name,
                row=line,
                column="well",
                fix="list each well once",
            )
        wells[well] = line
        rows.append(_row(cells, specimen_column, well, path, line))
    layout = pd.DataFrame(rows, columns=list(COLUMNS), index=table.index)
    if layout["plate_id"].nunique() != 1:
        raise InputError(
            "E_SCHEMA",
            "the layout names more than one plate",
            file=path.name,
            column="plate_id",
            fix="deliver one layout for each plate",
        )
    return layout.astype({"nominal_conc": "Float64", "dilution": "Float64", "replicate": "Int64"})


def _is_plate_shaped(path: Path) -> bool:
    first = next((line for line in decode(path).splitlines() if line.strip(",;\t \r")), "")
    cells = [cell.strip().strip('"').lower() for cell in re.split(r"[,;\t]", first)]
    return cells[0] == "plate_id" and "well" not in cells


def _from_blocks(path: Path) -> pd.DataFrame:
    """A plate-shaped layout as one line a used well; the index is the line of the well in the ``role`` block."""
    import pandas as pd

    content = decode(path)
    delimiter = max(",;\t", key=content.count)
    plate_id, name = "", ""
    blocks: dict[str, dict[str, str]] = {}
    lines: dict[str, int] = {}
    expected: list[str] = []
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter)
    for cells in reader:
        row = [cell.strip() for cell in cells]
        first = row[0] if row else ""
        if expected:
            letter = expected.pop(0)
            if first.upper() != letter or len(row) < 13 or any(row[13:]):
                raise InputError(
                    "E_SCHEMA",
                    f"expected row {letter} of the block with 12 cells",
                    file=path.name,
                    row=reader.line_num,
                    column=name,
                    fix="write rows A to H, each with columns 1 to 12",
                )
            for number, cell in enumerate(row[1:13], start=1):
                blocks[name][f"{letter}{number}"] = cell
                if name == "role":
                    lines[f"{letter}{number}"] = reader.line_num
        elif first.lower() == "plate_id" and len(row) > 1:
            plate_id = row[1]
        elif [cell.lstrip("0") for cell in row[1:13]] == [str(number) for number in range(1, 13)]:
            name, expected = first.lower(), list("ABCDEFGH")
            blocks[name] = {}
    if expected or "role" not in blocks:
        raise InputError(
            "E_SCHEMA",
            "the plate-shaped layout ends within a block, or has no block of roles",
            file=path.name,
            column="role",
            fix="write a block headed role,1,2,...,12 with rows A to H",
        )
    used = [well for well in WELLS if blocks["role"][well]]
    rows = [
        {"plate_id": plate_id, "well": well, **{column: block[well] for column, block in blocks.items()}}
        for well in used
    ]
    return pd.DataFrame(rows, index=[lines[well] for well in used], dtype=str).fillna("")


def _row(cells: Mapping[Hashable, str], specimen_column: str, well: str, path: Path, line: int) -> dict[str, object]:
    role = cells["role"].upper()
    if role not in ROLES:
        raise InputError(
            "E_SCHEMA", "unknown role", file=path.name, row=line, column="role", fix=f"use one of {', '.join(ROLES)}"
        )
    plate_id = _identifier(cells["plate_id"], "plate_id", path, line)
    specimen_id = patient_id = timepoint = ""
    nominal = None
    dilution = 1.0
    if role in (UNKNOWN, BRIDGE):
        specimen_id = _identifier(cells[specimen_column], specimen_column, path, line)
    if role == UNKNOWN:
        patient_id = _identifier(cells.get("patient_id", ""), "patient_id", path, line)
        timepoint = cells.get("timepoint", "")
        if timepoint not in TIMEPOINTS:
            raise InputError(
                "E_SCHEMA",
                "unknown timepoint",
                file=path.name,
                row=line,
                column="timepoint",
                fix=f"use one of {', '.join(TIMEPOINTS)}",
            )
    if role == STANDARD or role in QC_LEVELS:
        nominal = number(cells.get("nominal_conc", ""), path=path, row=line, column="nominal_conc")
        if nominal is None or nominal < 0 or (role in QC_LEVELS and nominal == 0):
            raise InputError(
                "E_SCHEMA",
                "a standard or quality control needs its nominal concentration",
                file=path.name,
                row=line,
                column="nominal_conc",
                fix="write pg/mL; 0 only for the zero standard",
            )
        nominal *= _factor(cells.get("unit", ""), path, line)
    if role in (UNKNOWN, BRIDGE, *QC_LEVELS):
        dilution = _dilution(cells.get("dilution", ""), path, line)
    return {
        "plate_id": plate_id,
        "well": well,
        "role": role,
        "specimen_id": specimen_id,
        "patient_id": patient_id,
        "timepoint": timepoint,
        "nominal_conc": nominal,
        "dilution": dilution,
        "replicate": number(cells.get("replicate", ""), path=path, row=line, column="replicate"),
    }


def _well(cell: str, path: Path, line: int) -> str:
    found = _WELL.match(cell.upper())
    if found is None:
        raise InputError(
            "E_SCHEMA",
            "not a well of a 96-well plate",
            file=path.name,
            row=line,
            column="well",
            fix=f"use {WELLS[0]} to {WELLS[-1]}",
        )
    return f"{found.group(1)}{found.group(2)}"


def _identifier(cell: str, column: str, path: Path, line: int) -> str:
    if not _ID.match(cell):
        raise InputError(
            "E_BAD_NAME",
            "the id is empty or holds other characters than A-Z, 0-9 and single hyphens",
            file=path.name,
            row=line,
            column=column,
            fix="use the study's pseudonyms, such as PALBO-001",
        )
    return cell


def _factor(unit: str, path: Path, line: int) -> float:
    factor = PG_ML.get(unit.lower())
    if factor is None:
        raise InputError("E_SCHEMA", "unknown unit", file=path.name, row=line, column="unit", fix="use pg/mL or ng/mL")
    return factor


def _dilution(cell: str, path: Path, line: int) -> float:
    factor = number(cell.removeprefix("1:"), path=path, row=line, column="dilution")
    if factor is None or factor < 1:
        raise InputError(
            "E_SCHEMA",
            "the dilution is missing or below 1",
            file=path.name,
            row=line,
            column="dilution",
            fix="write the factor that multiplies the well's concentration: 1 for undiluted, 4 for one part in four",
        )
    return factor
