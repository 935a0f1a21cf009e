"""What people get wrong with a plate, and what is said about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from palbo_assets.demo import elisa
from palbo_assets.demo.truth import SampleTruth
from palbo_assets.platform.errors import InputError
from palbo_assets.serum.layout import read_layout
from palbo_assets.serum.plate import blank_wells, evaluate, evaluate_files
from palbo_assets.serum.plate_reader import read_plates
from palbo_assets.serum.settings import Settings

SETTINGS = Settings()


@pytest.fixture
def plate(tmp_path: Path) -> tuple[Path, Path]:
    """Export and layout of one patient's two visits."""
    samples = [
        SampleTruth("PALBO-001", timepoint, day, 0.5, nrg1_pg_ml=level)
        for timepoint, day, level in (("BL", 0, 400.0), ("PD", 300, 1_600.0))
    ]
    files = elisa.write_plate(samples, tmp_path, np.random.default_rng(7), "NRG1-01")
    return tmp_path / files[0].file, tmp_path / files[1].file


@pytest.fixture
def read(plate: tuple[Path, Path]) -> Callable[[], tuple[pd.DataFrame, pd.DataFrame]]:
    return lambda: (read_plates(plate[0]), read_layout(plate[1]))


def concentrations(readings: pd.DataFrame, layout: pd.DataFrame) -> list[float]:
    return [row["concentration_pg_ml"] for row in evaluate(readings, layout, SETTINGS).specimens]


def test_a_blank_above_the_lowest_standard_rejects_the_plate(
    read: Callable[[], tuple[pd.DataFrame, pd.DataFrame]],
) -> None:
    readings, layout = read()
    lowest = layout.loc[layout["role"] == "STD", "nominal_conc"].replace(0, pd.NA).min()
    dim = readings.set_index(["well", "wavelength"])["od"]
    standard = layout.loc[layout["nominal_conc"] == lowest, "well"].iloc[0]
    blanks = readings["well"].isin(blank_wells(layout.assign(od=0.0))["well"]) & (readings["wavelength"] == 450)
    readings.loc[blanks, "od"] = dim[standard, 450] + 0.02
    result = evaluate(readings, layout, SETTINGS).plate
    assert not result["accepted"] and "blank_above_lowest_standard" in result["reasons"].split(";")


def test_wells_shifted_by_one_column_reject_the_plate(
    read: Callable[[], tuple[pd.DataFrame, pd.DataFrame]],
) -> None:
    readings, layout = read()
    shifted = readings.assign(well=[f"{well[0]}{int(well[1:]) % 12 + 1}" for well in readings["well"]])
    try:
        result = evaluate(shifted, layout, SETTINGS)
    except InputError as error:
        assert error.code == "E_NO_STANDARDS"
    else:
        assert not result.plate["accepted"]
        assert all(row["concentration_pg_ml"] is None for row in result.specimens)


def test_nanograms_and_picograms_give_the_same_and_another_unit_is_refused(plate: tuple[Path, Path]) -> None:
    export, path = plate
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    first = concentrations(read_plates(export), read_layout(path))
    nominal = pd.to_numeric(table["nominal_conc"])
    table["unit"] = ["ng/mL" if value == value else "" for value in nominal]
    table["nominal_conc"] = ["" if value != value else f"{value / 1000:.10g}" for value in nominal]
    table.to_csv(path, index=False)
    assert concentrations(read_plates(export), read_layout(path)) == pytest.approx(first, rel=1e-9)
    table["unit"] = table["unit"].replace("ng/mL", "mg/dL")
    table.to_csv(path, index=False)
    with pytest.raises(InputError) as error:
        read_layout(path)
    assert (error.value.code, error.value.column) == ("E_SCHEMA", "unit")


def test_the_dilution_is_applied_once(read: Callable[[], tuple[pd.DataFrame, pd.DataFrame]]) -> None:
    readings, layout = read()
    unknown = layout["role"] == "UNK"
    factor = float(layout.loc[unknown, "dilution"].iloc[0])
    assert factor > 1
    diluted = concentrations(readings, layout)
    in_the_well = concentrations(readings, layout.assign(dilution=layout["dilution"].where(~unknown, 1.0)))
    assert diluted == pytest.approx([factor * value for value in in_the_well], rel=1e-12)


def test_a_zero_standard_that_serves_as_blank_is_subtracted_once_and_is_no_calibrator(
    read: Callable[[], tuple[pd.DataFrame, pd.DataFrame]],
) -> None:
    readings, layout = read()
    other = layout[layout["role"] != "BLK"]
    zeros = layout[layout["role"] == "BLK"].assign(role="STD", nominal_conc=0.0)
    kit = pd.concat([other[~((other["role"] == "STD") & (other["nominal_conc"] == 0))], zeros])
    without = layout[~((layout["role"] == "STD") & (layout["nominal_conc"] == 0))]
    assert concentrations(readings, kit) == pytest.approx(concentrations(readings, without), rel=1e-9)
    assert (
        evaluate(readings, kit, SETTINGS).plate["blank_od"] == evaluate(readings, without, SETTINGS).plate["blank_od"]
    )


def test_two_plates_in_one_export_are_told_apart_by_name_alone(shared_data: Path, plate: tuple[Path, Path]) -> None:
    export = shared_data / "elisa/reader_exports/PE_Envision_absorbance_A450_example.csv"
    assert read_plates(export)["plate"].nunique() == 2
    with pytest.raises(InputError) as error:
        evaluate_files(export, plate[1], SETTINGS)
    assert error.value.code == "E_SCHEMA" and "2 plates" in str(error.value)


def test_no_concentration_lies_beyond_the_standards_that_passed(
    read: Callable[[], tuple[pd.DataFrame, pd.DataFrame]],
) -> None:
    readings, layout = read()
    wells = layout.loc[layout["role"] == "UNK", "well"].tolist()
    at = readings["wavelength"] == 450
    for scale in np.geomspace(0.05, 20, 25):
        scaled = readings.copy()
        unknown = scaled["well"].isin(wells) & at
        scaled.loc[unknown, "od"] = 0.06 + (scaled.loc[unknown, "od"] - 0.06) * scale
        for row in evaluate(scaled, layout, SETTINGS).specimens:
            if row["concentration_pg_ml"] is not None:
                assert row["lloq_pg_ml"] <= row["concentration_pg_ml"] <= row["uloq_pg_ml"]
            else:
                assert row["censored"] in ("<", ">") or row["status"] == "QC_FAIL"
