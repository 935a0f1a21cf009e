"""Scoring tables of immunohistochemistry: whoever wrote them, one normal form, and every complaint with its row.

Read are the study's own scores table, QuPath annotation measurements, HALO summaries and inForm tables; comma,
semicolon or tab between cells; UTF-8 or CP949; a decimal comma where the whole file uses it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palbo_assets.histology import h_score, ihc_exports, ihc_vocabulary, section_handling
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.text import decode, number, read_table
from palbo_assets.study.vocabulary import TIMEPOINTS

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("specimen_id", "patient_id", "timepoint", "marker", "compartment", "scorer")
OPTIONAL_TEXT = ("region", "antibody", "clone", "lot", "run")
PERCENTAGES = ("pct_0", "pct_1plus", "pct_2plus", "pct_3plus")
NUMBERS = (*PERCENTAGES, "n_cells", "n_positive", "area_mm2", "h_score", *section_handling.AGES)
READING = ("patient_id", "timepoint", "specimen_id", "marker", "region", "compartment", "scorer", "run")
"""What makes a reading one: the same twice in a file is a mistake."""
FLAGS = ("control_ok", *section_handling.FLAGS)
COLUMNS = (
    *READING, "antibody", "clone", "lot", *NUMBERS, "pct_positive", *FLAGS, "counted", "layout", "row"
)  # fmt: skip
PATIENT = re.compile(r"[A-Z0-9]+(-[A-Z0-9]+)*")
_TRUE, _FALSE = (
    frozenset({"true", "yes", "y", "1", "ok", "pass"}),
    frozenset({"false", "no", "n", "0", "fail", "failed"}),
)


def read(path: Path) -> pd.DataFrame:
    """All readings of a scoring table.

    Returns
    -------
    pandas.DataFrame
        `COLUMNS`: study names of marker and compartment; percentages 0-100, ``area_mm2`` [mm2], ``h_score`` 0-300
        (from the percentages; the export's own where it has no percentages), ``pct_positive`` of cells, None where
        unknown; ``control_ok``, ``decalcified`` and ``necrosis`` True, False or None; ``block_years`` and
        ``section_days`` ages at staining; ``counted`` which cells were counted; ``row`` the line of the file.

    Raises
    ------
    InputError
        ``E_EMPTY, E_ENCODING, E_SCHEMA, E_BAD_NAME, E_SAMPLE_MISMATCH``; ``E_RANGE`` (a percentage, an H-score or a
        count that can't be), ``E_UNITS`` (fractions instead of percentages), ``E_SUM`` (percentages don't sum to 100).
    """
    import pandas as pd

    delimiter, header = _header(path)
    layout = ihc_exports.layout_of(header)
    raw = read_table(path, delimiter=delimiter, required=REQUIRED if layout in ("study", "") else ())
    comma = delimiter != "," and _uses_decimal_comma(raw, path)
    if layout == "study":
        renamed = ihc_exports.Renamed(
            raw.rename(columns=ihc_exports.plain), {ihc_exports.plain(c): c for c in map(str, raw.columns)}, layout
        )
    else:
        renamed = ihc_exports.translate(raw, layout, path, comma)
        comma = False
    rows = [
        _reading(int(row), {str(name): str(cell) for name, cell in line.items()}, renamed, path, comma)
        for row, line in zip(renamed.table.index, renamed.table.to_dict("records"), strict=True)
    ]
    seen: set[tuple[str, ...]] = set()
    for reading in rows:
        key = tuple(reading[name] for name in READING)
        if key in seen:
            raise InputError(
                "E_SCHEMA",
                "the same reading (specimen, marker, region, compartment, scorer, run) stands twice",
                file=path.name,
                row=reading["row"],
                fix="remove the row that doesn't count",
            )
        seen.add(key)
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)


def _header(path: Path) -> tuple[str, list[str]]:
    """(delimiter, header): the delimiter of which the first line has most."""
    try:
        lines = decode(path).splitlines()
    except UnicodeDecodeError:  # a byte order mark of UTF-16 before something else
        raise InputError(
            "E_ENCODING", "the text is not the UTF-16 that it says", file=path.name, fix="save the file as UTF-8"
        ) from None
    first = next((line for line in lines if line.strip()), "")
    delimiter = max(",;\t", key=first.count)
    return delimiter, [cell.strip().strip('"') for cell in first.split(delimiter)]


def _uses_decimal_comma(raw: pd.DataFrame, path: Path) -> bool:
    """Whether numbers of the file have a decimal comma; a file that uses comma and point says neither."""
    commas = points = None
    for name in raw.columns:
        if name.lower() in (*OPTIONAL_TEXT, *REQUIRED, "comment", "counted"):
            continue
        for row, cell in zip(map(int, raw.index), raw[name], strict=True):
            if commas is None and re.fullmatch(r"-?\d+,\d+", cell):
                commas = (row, str(name))
            elif points is None and re.fullmatch(r"-?\d+\.\d+", cell):
                points = (row, str(name))
    if commas and points:
        row, name = max(commas, points)
        raise InputError(
            "E_SCHEMA",
            "the file has numbers with a decimal comma and numbers with a decimal point",
            file=path.name,
            row=row,
            column=name,
            fix="export with one of them",
        )
    return commas is not None


def _reading(row: int, line: dict[str, str], renamed: ihc_exports.Renamed, path: Path, comma: bool) -> dict[str, Any]:
    """One row in the normal form."""

    def wrong(code: str, message: str, column: str, fix: str = "correct the cell") -> InputError:
        where = renamed.source_column.get(column, column)
        return InputError(code, message, file=path.name, row=row, column=where, fix=fix)

    reading: dict[str, Any] = {name: line.get(name, "") for name in (*REQUIRED, *OPTIONAL_TEXT)}
    for name in REQUIRED:
        if not reading[name]:
            raise wrong("E_SCHEMA", "the cell is empty", name, "fill it in: a reading without it can't be used")
    if not PATIENT.fullmatch(reading["patient_id"]):
        raise wrong(
            "E_BAD_NAME", "the patient id is not one of the study's", "patient_id", "capitals, digits and hyphens only"
        )
    if reading["timepoint"] not in TIMEPOINTS:
        raise wrong("E_SCHEMA", "the timepoint is unknown", "timepoint", f"use {', '.join(TIMEPOINTS)}")
    marker = ihc_vocabulary.marker(reading["marker"])
    if marker is None:
        raise wrong("E_SCHEMA", "the marker is unknown", "marker", f"use {', '.join(ihc_vocabulary.MARKERS)}")
    compartment = ihc_vocabulary.compartment(reading["compartment"])
    # Nuclear stain is what QuPath, HALO and inForm count in tumour cells unless a column says otherwise.
    if compartment == "tumour" and marker in ihc_vocabulary.CYCLINS and renamed.layout != "study":
        compartment = "nuclear"
    if compartment is None:
        raise wrong(
            "E_SCHEMA", "the compartment is unknown", "compartment", f"use {', '.join(ihc_vocabulary.COMPARTMENTS)}"
        )
    reading |= {"marker": marker, "compartment": compartment, "layout": renamed.layout, "row": row}

    for name in NUMBERS:
        where = renamed.source_column.get(name, name)
        value = number(line.get(name, ""), path=path, row=row, column=where, decimal_comma=comma)
        if value is not None and value < 0:
            raise wrong("E_RANGE", "the number is negative", name)
        if value is not None and name in ("n_cells", "n_positive"):
            if value != int(value):
                raise wrong("E_SCHEMA", "a count of cells is not a whole number", name)
            value = int(value)
        reading[name] = value
    parts = [reading[name] for name in PERCENTAGES]
    stated = [part for part in parts if part is not None]
    if len(stated) == len(PERCENTAGES):
        try:
            score = h_score.from_percentages(*stated)
        except InputError as error:
            raise wrong(error.code, error.message, PERCENTAGES[0], error.fix) from None
        if reading["h_score"] is not None and abs(reading["h_score"] - score) > 4:
            raise wrong("E_RANGE", "the H-score is not the one that the percentages give", "h_score")
        reading["h_score"] = score
    elif stated:
        missing = next(name for name in PERCENTAGES if reading[name] is None)
        raise wrong(
            "E_SCHEMA", "one of the four percentages is missing", missing, "state all four, 0 where there are none"
        )
    if reading["h_score"] is not None and reading["h_score"] > h_score.MAXIMUM:
        raise wrong("E_RANGE", "an H-score is at most 300", "h_score")
    n_cells, n_positive = reading["n_cells"], reading["n_positive"]
    if n_cells is not None and n_positive is not None and n_positive > n_cells:
        raise wrong("E_RANGE", "more positive cells than cells", "n_positive")
    if stated:
        reading["pct_positive"] = sum(stated[1:])
    else:
        reading["pct_positive"] = 100 * n_positive / n_cells if n_cells and n_positive is not None else None

    for name in FLAGS:
        said = line.get(name, "").lower()
        if said and said not in _TRUE | _FALSE:
            raise wrong("E_SCHEMA", "the cell is neither yes nor no", name, "use yes or no")
        reading[name] = None if not said else said in _TRUE
    counted = " ".join(line.get("counted", "").lower().replace("_", " ").split())
    if counted and counted not in section_handling.COUNTED:
        allowed = ", ".join(section_handling.COUNTED)
        raise wrong("E_SCHEMA", "it isn't said which cells were counted", "counted", f"use {allowed}")
    reading["counted"] = counted or None
    return reading
