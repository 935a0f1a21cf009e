"""The wet lab's table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from palbo_assets.ctdna.tables import CTDNA_WET_LAB
from palbo_assets.ctdna.wet_lab import read_wet_lab
from palbo_assets.demo import ctdna as twin
from palbo_assets.demo.truth import SampleTruth
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.tables import frame_from_rows, validate

HEADER = "patient_id,timepoint,specimen_id,plasma_ml,cfdna_ng_per_ml,input_ng,haemolysis"


def table(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "wet.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_the_twins_table_is_read_whole(tmp_path: Path) -> None:
    samples = [SampleTruth("PALBO-001", "BL", 0, 0.5), SampleTruth("PALBO-001", "PD", 400, 0.5)]
    file = twin.write_wet_lab(samples, tmp_path, np.random.default_rng(1))
    frame = validate(CTDNA_WET_LAB, frame_from_rows(CTDNA_WET_LAB, read_wet_lab(tmp_path / file.file)))
    assert list(frame["specimen_id"]) == ["PALBO-001-BL-P1", "PALBO-001-PD-P1"]
    assert (frame["plasma_ml"] >= 3).all() and (frame["input_ng"] >= 10).all()


def test_labels_of_the_lab_become_timepoints_and_empty_cells_stay_null(tmp_path: Path) -> None:
    (row,) = read_wet_lab(table(tmp_path, "PALBO-001,Baseline,S1,4.0,,20,"))
    assert (row["timepoint"], row["cfdna_ng_per_ml"], row["haemolysis_grade"]) == ("BL", None, None)
    assert (row["gdna_pct"], row["specimen_type"]) == (None, None)


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("PALBO 001,BL,S1,4,10,20,0", "patient_id"),
        ("PALBO-001,week 99,S1,4,10,20,0", "timepoint"),
        ("PALBO-001,BL,,4,10,20,0", "specimen_id"),
        ("PALBO-001,BL,S1,4 mL,10,20,0", "plasma_ml"),
        ("PALBO-001,BL,S1,4000,10,20,0", "plasma_ml"),
        ("PALBO-001,BL,S1,4,-1,20,0", "cfdna_ng_per_ml"),
        ("PALBO-001,BL,S1,4,10,20,1.5", "haemolysis"),
        ("PALBO-001,BL,S0,4,10,20,0", "specimen_id"),
    ],
)
def test_a_lab_mistake_is_named_by_row_and_column_and_not_quoted(tmp_path: Path, row: str, column: str) -> None:
    with pytest.raises(InputError) as error:
        read_wet_lab(table(tmp_path, "PALBO-001,BL,S0,4,10,20,0", row))
    assert (error.value.code, error.value.row, error.value.column) == ("E_SCHEMA", 3, column)
    assert "PALBO" not in str(error.value) and "week 99" not in str(error.value)


def test_a_table_without_a_needed_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="input_ng"):
        read_wet_lab(
            table(tmp_path, "PALBO-001,BL,S0,4,10", header="patient_id,timepoint,specimen_id,plasma_ml,cfdna_ng_per_ml")
        )


@pytest.mark.parametrize(
    ("tube", "hours", "said"),
    [
        ("K2 EDTA", "5.5", ("EDTA", 5.5)),
        ("Streck BCT", "48", ("STRECK", 48.0)),
        ("heparin", "2", ("OTHER", 2.0)),
        ("", "", (None, None)),
    ],
)
def test_tube_and_time_to_spin_are_read_where_stated(
    tmp_path: Path, tube: str, hours: str, said: tuple[str | None, float | None]
) -> None:
    (row,) = read_wet_lab(
        table(tmp_path, f"PALBO-001,BL,S1,4,10,20,0,{tube},{hours}", header=f"{HEADER},tube_type,hours_to_spin")
    )
    assert (row["tube_type"], row["hours_to_spin"]) == said
