"""Complete blood counts beside the cytometry: leukocytes and lymphocytes per microlitre."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palbo_assets.platform.errors import InputError
from palbo_assets.platform.text import number, read_table
from palbo_assets.study.vocabulary import TIMEPOINTS

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("patient_id", "timepoint", "wbc_per_ul", "alc_per_ul", "days_from_draw")
BEADS = ("beads_per_tube", "blood_ul")
"""Optional columns: counting beads of the visit's tube [beads], and the blood that was stained in it [uL]."""
NEUTROPHILS = "anc_per_ul"
"""Optional column: neutrophils [cells/uL]."""
_ID = re.compile(r"^[A-Z0-9]+(-[A-Z0-9]+)*$")
_LOWEST_WBC = 100.0  # cells/uL: less is no blood count of a walking patient, but a count in 10^3/uL


@dataclass(frozen=True)
class BloodCount:
    """Leukocytes and lymphocytes per microlitre, ``days`` after (before, if negative) the cytometry draw.

    ``beads_per_tube`` and ``blood_ul`` are those of the cytometry's own tube, whatever the day of the blood count.
    """

    leukocytes_per_ul: float | None
    lymphocytes_per_ul: float | None
    days: int
    beads_per_tube: float | None = None
    blood_ul: float | None = None


def read_blood_counts(path: Path) -> list[dict[str, Any]]:
    """Rows of a blood-count export: many patients, one row a visit.

    Returns
    -------
    list of dict
        `COLUMNS`, `BEADS`, `NEUTROPHILS` and ``dnlr``, the derived ratio of neutrophils to lymphocytes, ANC / (WBC -
        ANC) (Proctor 2012); counts in cells/uL, None where empty or absent; ``days_from_draw`` whole days.

    Raises
    ------
    InputError
        ``E_SCHEMA``, ``E_BAD_NAME`` or ``E_UNIT`` (counts in 10^3/uL) with row and column; what `read_table` raises.
    """
    table = read_table(path, required=COLUMNS)
    rows: list[dict[str, Any]] = []
    seen: dict[tuple[str, str, int], int] = {}
    for line, cells in zip(table.index.tolist(), table.to_dict("records"), strict=True):

        def refuse(code: str, column: str, message: str, fix: str, line: int = line) -> InputError:
            return InputError(code, message, file=path.name, row=line, column=column, fix=fix)

        if not _ID.match(cells["patient_id"]):
            raise refuse("E_BAD_NAME", "patient_id", "the id is no study pseudonym", "use ids such as PALBO-001")
        if cells["timepoint"] not in TIMEPOINTS:
            raise refuse("E_SCHEMA", "timepoint", "unknown timepoint", f"use one of {', '.join(TIMEPOINTS)}")
        days = number(cells["days_from_draw"], path=path, row=line, column="days_from_draw")
        if days is None or days != int(days):
            raise refuse(
                "E_SCHEMA", "days_from_draw", "not a whole number of days", "0 for the same day, -1 for the day before"
            )
        counts = {
            column: number(cells[column], path=path, row=line, column=column) for column in ("wbc_per_ul", "alc_per_ul")
        }
        wbc, alc = counts["wbc_per_ul"], counts["alc_per_ul"]
        if wbc is not None and wbc < _LOWEST_WBC:
            raise refuse("E_UNIT", "wbc_per_ul", "the count looks like 10^3 cells/uL", "write cells per uL")
        if alc is not None and (alc < 0 or (wbc is not None and alc > wbc)):
            raise refuse(
                "E_SCHEMA", "alc_per_ul", "lymphocytes are negative or exceed the leukocytes", "correct the row"
            )
        anc = number(cells.get(NEUTROPHILS, ""), path=path, row=line, column=NEUTROPHILS)
        if anc is not None and (anc < 0 or (wbc is not None and anc + (alc or 0.0) > wbc)):
            raise refuse(
                "E_SCHEMA", NEUTROPHILS, "neutrophils are negative or exceed the leukocytes", "correct the row"
            )
        counts[NEUTROPHILS] = anc
        for column in BEADS:
            counts[column] = number(cells.get(column, ""), path=path, row=line, column=column)
            if counts[column] is not None and not 0 < float(counts[column] or 0) < math.inf:
                raise refuse("E_SCHEMA", column, "not above zero", "leave the cell empty where no beads were used")
        if (counts[BEADS[0]] is None) != (counts[BEADS[1]] is None):
            raise refuse("E_SCHEMA", BEADS[1], "beads and volume belong together", "state both, or neither")
        key = (cells["patient_id"], cells["timepoint"], int(days))
        if key in seen:
            raise refuse("E_SCHEMA", "patient_id", f"the visit also stands in row {seen[key]}", "state each count once")
        seen[key] = line
        dnlr = None if wbc is None or anc is None or anc >= wbc else anc / (wbc - anc)
        rows.append({"patient_id": key[0], "timepoint": key[1], **counts, "dnlr": dnlr, "days_from_draw": key[2]})
    return rows


def nearest(counts: pd.DataFrame) -> BloodCount | None:
    """The count nearest to the draw among one visit's rows of `blood_counts`; the earlier of two as near."""
    import pandas as pd

    if counts.empty:
        return None
    ordered = sorted(
        counts.to_dict("records"),
        key=lambda row: (abs(int(row["days_from_draw"])), int(row["days_from_draw"]), row["cbc_id"]),
    )
    best = ordered[0]

    def value(name: str) -> float | None:
        return None if pd.isna(best[name]) else float(best[name])

    beads, blood = (value(name) for name in BEADS)
    return BloodCount(value("wbc_per_ul"), value("alc_per_ul"), int(best["days_from_draw"]), beads, blood)
