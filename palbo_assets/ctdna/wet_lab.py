"""The wet lab's table: how much plasma, how much DNA, and what spoils it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from palbo_assets.platform.errors import InputError
from palbo_assets.platform.text import number, read_table
from palbo_assets.study.protocol import load_protocol, valid_patient_id

REQUIRED = ("patient_id", "timepoint", "specimen_id", "plasma_ml", "cfdna_ng_per_ml", "input_ng")
# column of the file -> (column of the table, smallest, largest plausible value)
NUMBERS: dict[str, tuple[str, float, float]] = {
    "plasma_ml": ("plasma_ml", 0, 50),
    "cfdna_ng_per_ml": ("cfdna_ng_per_ml", 0, 100_000),
    "input_ng": ("input_ng", 0, 10_000),
    "haemolysis": ("haemolysis_grade", 0, 4),
    "fragment_peak_bp": ("fragment_peak_bp", 0, 20_000),
    "library_ng": ("library_ng", 0, 1_000_000),
    "gdna_pct": ("gdna_pct", 0, 100),
    "hours_to_spin": ("hours_to_spin", 0, 2000),
}
PLASMA, OTHER = "PLASMA", "OTHER"
EDTA, STRECK = "EDTA", "STRECK"


def read_wet_lab(path: Path) -> list[dict[str, Any]]:
    """Rows of a wet-lab CSV, one per plasma.

    Columns: patient_id, timepoint (any label that the protocol knows), specimen_id, plasma_ml, cfdna_ng_per_ml,
    input_ng; optional haemolysis (grade 0-4), fragment_peak_bp, library_ng, gdna_pct (DNA above 1 kb, %),
    specimen_type, tube_type (EDTA, Streck, or another), hours_to_spin (from draw to first
    centrifugation). An empty cell is null, never 0.

    Raises
    ------
    InputError
        ``E_SCHEMA`` with row and column for an id or timepoint that the study doesn't know, a cell that is no number or
        outside what is physically plausible, or a plasma that stands twice; and what `text.read_table` raises.
    """
    table = read_table(path, required=REQUIRED)
    protocol = load_protocol()
    rows: list[dict[str, Any]] = []
    seen: set[tuple[str, str, str]] = set()
    for index, cells in table.iterrows():
        line = int(str(index))

        def refuse(column: str, message: str, fix: str, line: int = line) -> InputError:
            return InputError("E_SCHEMA", message, file=path.name, row=line, column=column, fix=fix)

        if not valid_patient_id(cells["patient_id"]):
            raise refuse("patient_id", "the cell is not a study id", "write the study's patient id")
        timepoint = protocol.canonical(cells["timepoint"])
        if timepoint is None:
            raise refuse("timepoint", "the protocol knows no such timepoint", "write BL, W06, W12 or PD")
        if not cells["specimen_id"]:
            raise refuse("specimen_id", "the cell is empty", "write the plasma's specimen id")
        key = (cells["patient_id"], timepoint, cells["specimen_id"])
        if key in seen:
            raise refuse("specimen_id", "the plasma stands twice", "keep one row per plasma")
        seen.add(key)
        row: dict[str, Any] = dict(zip(("patient_id", "timepoint", "specimen_id"), key, strict=True))
        for source, (column, smallest, largest) in NUMBERS.items():
            value = number(cells[source], path=path, row=line, column=source) if source in table.columns else None
            if value is not None and not smallest <= value <= largest:
                raise refuse(source, f"the number lies outside {smallest:g} to {largest:g}", "check the column's unit")
            row[column] = value
        if row["haemolysis_grade"] is not None and row["haemolysis_grade"] % 1:
            raise refuse("haemolysis", "the grade is not a whole number", "write 0, 1, 2, 3 or 4")
        stated = cells["specimen_type"].upper() if "specimen_type" in table.columns else ""
        row["specimen_type"] = stated if stated in {PLASMA, "SERUM"} else OTHER if stated else None
        tube = cells["tube_type"].upper() if "tube_type" in table.columns else ""
        row["tube_type"] = next((known for known in (EDTA, STRECK) if known in tube), OTHER if tube else None)
        rows.append(row)
    return rows
