"""Plates against one another, dilutions against one another, and changes between visits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from palbo_assets.demo import elisa
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.tables import frame_from_rows, validate
from palbo_assets.serum.acceptance import edge_scatter
from palbo_assets.serum.change import changes
from palbo_assets.serum.control_chart import between_plates, control_chart
from palbo_assets.serum.layout import read_layout
from palbo_assets.serum.plate import evaluate, evaluate_files, without_export
from palbo_assets.serum.plate_plot import curve_picture
from palbo_assets.serum.plate_reader import read_plates
from palbo_assets.serum.settings import Settings
from palbo_assets.serum.specimens import with_parallelism
from palbo_assets.serum.standard_curve import StandardCurve
from palbo_assets.serum.tables import ELISA_CONTROL_CHART, ELISA_CONTROLS, NRG1_CHANGES, NRG1_ELISA
from palbo_assets_tests.serum.test_plate import truths

SETTINGS = Settings()


def plate(folder: Path, plate_id: str, seed: int) -> tuple[Path, Path]:
    files = elisa.write_plate(truths([(400.0, 800.0)]), folder, np.random.default_rng(seed), plate_id)
    return folder / files[0].file, folder / files[1].file


def controls_of(plates: dict[str, float]) -> pd.DataFrame:
    """A bridge sample of 200 pg/mL on plates that read it so many times too high, in duplicate."""
    rows = [
        {"plate_id": name, "well": well, "level": "BRG", "control_id": "POOL", "concentration_pg_ml": 200 * factor}
        for name, factor in plates.items()
        for well in ("A1", "A2")
    ]
    return validate(ELISA_CONTROLS, frame_from_rows(ELISA_CONTROLS, rows))


def test_a_bridge_sample_is_measured_on_every_plate_and_neither_passes_nor_fails(tmp_path: Path) -> None:
    result = evaluate_files(*plate(tmp_path, "NRG1-01", 5), SETTINGS)
    records = result.controls.astype(object).where(result.controls.notna(), None).to_dict("records")
    rows = validate(ELISA_CONTROLS, frame_from_rows(ELISA_CONTROLS, records))
    bridge = rows[rows["level"] == "BRG"]
    assert len(bridge) == 2 and bridge["passed"].isna().all()
    assert bridge["concentration_pg_ml"].astype(float).mean() == pytest.approx(elisa.BRIDGE_PG_ML, rel=0.1)
    assert result.plate["n_qc"] == 6


def test_the_plate_that_reads_half_as_much_again_is_found_and_others_are_not() -> None:
    controls = controls_of({"A": 1.0, "B": 1.05, "C": 0.95, "D": 1.5})
    chart = validate(ELISA_CONTROL_CHART, frame_from_rows(ELISA_CONTROL_CHART, control_chart(controls, SETTINGS)))
    assert set(chart.loc[~chart["within_tolerance"].astype(bool), "plate_id"]) == {"D"}
    spread, source = between_plates(chart)
    assert source == "bridge"
    assert spread == pytest.approx(np.std(np.log([1.0, 1.05, 0.95, 1.5]), ddof=1))


def test_two_plates_are_not_judged() -> None:
    rows = control_chart(controls_of({"A": 1.0, "B": 2.0}), SETTINGS)
    assert all("within_tolerance" not in row and row["plate_log_sd"] is None for row in rows)
    assert between_plates(frame_from_rows(ELISA_CONTROL_CHART, rows)) == (None, None)


def dilutions(*values: float) -> list[dict[str, object]]:
    return [
        {"specimen_id": "S", "dilution": 4.0 * 2**n, "concentration_pg_ml": value, "status": "OBSERVED", "reason": None}
        for n, value in enumerate(values)
    ]


def test_dilutions_that_agree_stand_and_a_hook_takes_all_of_them_down() -> None:
    assert [row["status"] for row in with_parallelism(dilutions(100, 95, 110), SETTINGS)] == ["OBSERVED"] * 3
    hooked = with_parallelism(dilutions(100, 180), SETTINGS)
    assert {(row["status"], row["reason"], row["concentration_pg_ml"]) for row in hooked} == {
        ("QC_FAIL", "dilutions_not_parallel", None)
    }
    assert hooked[1]["parallelism_pct"] == pytest.approx(180)


def visit(timepoint: str, value: float | None, plate_id: str = "A", status: str = "OBSERVED") -> dict[str, object]:
    return {"patient_id": "PALBO-001", "timepoint": timepoint, "specimen_id": f"S-{timepoint}", "plate_id": plate_id,
            "concentration_pg_ml": value, "log_se": 0.05 if value else None, "status": status, "reason": None,
            "lloq_pg_ml": 60.0, "plate_accepted": True, "dilution": 4.0, "n_plates": 1,
            "paired_plate": True}  # fmt: skip


def change(*visits: dict[str, object], between: float | None = None) -> pd.Series:
    results = validate(NRG1_ELISA, frame_from_rows(NRG1_ELISA, list(visits)))
    rows = validate(NRG1_CHANGES, frame_from_rows(NRG1_CHANGES, changes(results, between, SETTINGS)))
    assert len(rows) == 1
    return rows.iloc[0]


def test_a_change_across_plates_is_less_sure_than_on_one_plate_and_unknown_without_their_variance() -> None:
    same = change(visit("BL", 200.0), visit("PD", 400.0))
    assert (same["log2_ratio"], same["same_plate"]) == (pytest.approx(1.0), True)
    assert same["log2_high"] - same["log2_ratio"] == pytest.approx(1.96 * 0.05 * 2**0.5 / np.log(2), rel=1e-3)
    apart = change(visit("BL", 200.0), visit("PD", 400.0, "B"), between=0.10)
    assert apart["log2_high"] - apart["log2_low"] > 2 * (same["log2_high"] - same["log2_low"])
    unknown = change(visit("BL", 200.0), visit("PD", 400.0, "B"))
    assert (unknown["status"], unknown["reason"]) == ("NOT_EVALUABLE", "no_variance_between_plates")
    assert pd.isna(unknown["log2_ratio"])


def test_below_the_limit_on_one_side_only_the_direction_is_known_and_on_both_nothing() -> None:
    below = visit("BL", None, status="BELOW_LLOQ")
    up = change(below, visit("PD", 400.0))
    assert (up["direction"], up["status"]) == ("up", "BELOW_LLOQ") and pd.isna(up["log2_ratio"])
    both = change(below, visit("PD", None, status="BELOW_LLOQ"))
    assert (both["status"], both["reason"]) == ("NOT_EVALUABLE", "both_below_lloq")
    assert change(visit("PD", 400.0))["reason"] == "no_baseline"


def test_five_parameters_are_used_only_where_four_make_no_acceptable_curve(tmp_path: Path) -> None:
    export, layout_path = plate(tmp_path, "NRG1-01", 5)
    readings, layout = read_plates(export), read_layout(layout_path)
    assert evaluate(readings, layout, SETTINGS).plate["curve_parameters"] == 4
    # An asymmetric assay without noise: four parameters miss its ends.
    truth = StandardCurve(0.0, 4.0, 50.0, 2.5, 0.25)
    signal = readings["wavelength"] == 450
    doses = layout.set_index("well")["nominal_conc"].astype(float)
    plastic = readings.loc[readings["wavelength"] == 570].set_index("well")["od"].astype(float)
    bent = readings.copy()
    bent.loc[signal, "od"] = [
        plastic[well] + (float(truth.response(doses[well])) if doses.get(well, np.nan) > 0 else 0.0)
        for well in readings.loc[signal, "well"]
    ]
    found = evaluate(bent, layout, SETTINGS)
    assert found.plate["curve_parameters"] == 5
    assert found.plate["n_standards_passing"] == 7


def test_wells_at_the_edge_that_scatter_twice_as_much_are_noticed() -> None:
    rng = np.random.default_rng(8)

    def wells(outer_cv: float) -> pd.DataFrame:
        rows = []
        for row in "ABCDEFGH":
            for column in range(1, 13):
                edge = row in "AH" or column in (1, 12)
                # Duplicates stand above one another in the outer columns and side by side elsewhere.
                pair = f"{'ABCDEFGH'.index(row) // 2}-{column}" if column in (1, 12) else f"{row}-{column // 2}"
                od = 1.0 * (1 + (outer_cv if edge else 0.03) * rng.standard_normal())
                rows.append({"well": f"{row}{column}", "role": "UNK", "specimen_id": pair, "dilution": 4.0,
                             "od": od, "net": od})  # fmt: skip
        return pd.DataFrame(rows)

    assert edge_scatter(wells(0.15), SETTINGS)["edge_effect"] is True
    assert edge_scatter(wells(0.03), SETTINGS)["edge_effect"] is False
    assert edge_scatter(wells(0.03).iloc[:8], SETTINGS)["edge_effect"] is None


def test_a_plate_shaped_layout_says_the_same_as_one_line_a_well(tmp_path: Path) -> None:
    _, layout = plate(tmp_path, "NRG1-01", 5)
    long = read_layout(layout)
    shaped = tmp_path / "shaped.csv"
    cells = long.astype(object).where(long.notna(), "").set_index("well")
    blocks = ["plate_id,NRG1-01", ""]
    for column in ("role", "specimen_id", "patient_id", "timepoint", "nominal_conc", "dilution", "replicate"):
        blocks.append(f"{column},{','.join(map(str, range(1, 13)))}")
        for row in "ABCDEFGH":
            held = [str(cells.at[f"{row}{n}", column]) if f"{row}{n}" in cells.index else "" for n in range(1, 13)]
            blocks.append(",".join([row, *held]))
    shaped.write_text("\n".join(blocks) + "\n")
    again = read_layout(shaped)
    pd.testing.assert_frame_equal(again.set_index("well").sort_index(), long.set_index("well").sort_index())
    shaped.write_text("\n".join(blocks[:6]) + "\n")
    with pytest.raises(InputError) as error:
        read_layout(shaped)
    assert (error.value.code, error.value.column) == ("E_SCHEMA", "role")


def test_the_picture_of_a_plate_is_small_and_there_is_none_without_a_curve(tmp_path: Path) -> None:
    picture = curve_picture(evaluate_files(*plate(tmp_path, "NRG1-01", 5), SETTINGS))
    assert picture is not None and picture.startswith("iVBOR") and len(picture) < 100_000
    assert curve_picture(without_export("NRG1-01", "no_export")) is None
