"""Plates: planted concentrations come back, limits censor, and acceptance says why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from palbo_assets.demo import elisa
from palbo_assets.demo.truth import SampleTruth
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context
from palbo_assets.platform.tables import frame_from_rows, validate
from palbo_assets.serum import formats
from palbo_assets.serum.layout import read_layout
from palbo_assets.serum.plate import PlateResult, evaluate, evaluate_files
from palbo_assets.serum.plate_reader import read_plates
from palbo_assets.serum.readings import OVER
from palbo_assets.serum.settings import Settings
from palbo_assets.serum.specimens import one_result_per_specimen
from palbo_assets.serum.tables import ELISA_PLATES, ELISA_RESULTS, NRG1_ELISA

SETTINGS = Settings()


def truths(levels: list[tuple[float, float]]) -> list[SampleTruth]:
    return [
        SampleTruth(f"PALBO-{index:03d}", timepoint, day, 0.5, nrg1_pg_ml=level)
        for index, pair in enumerate(levels, start=1)
        for timepoint, day, level in (("BL", 0, pair[0]), ("PD", 300, pair[1]))
    ]


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    def write(samples: list[SampleTruth], seed: int = 7) -> tuple[Path, Path]:
        files = elisa.write_plate(samples, tmp_path, np.random.default_rng(seed), "NRG1-01")
        return tmp_path / files[0].file, tmp_path / files[1].file

    return write


def by_specimen(result: PlateResult) -> pd.DataFrame:
    return pd.DataFrame(result.specimens).set_index("specimen_id")


def test_planted_concentrations_come_back_within_ten_percent(written: Callable[..., tuple[Path, Path]]) -> None:
    samples = truths([(200.0 * step, 3600.0 / step) for step in range(1, 9)])
    rows = by_specimen(evaluate_files(*written(samples), SETTINGS))
    for sample in samples:
        found = rows.loc[elisa.specimen_id(sample), "concentration_pg_ml"]
        assert found == pytest.approx(sample.nrg1_pg_ml, rel=0.10)


def test_below_the_lowest_standard_is_null_with_a_censor_mark_and_never_zero(
    written: Callable[..., tuple[Path, Path]],
) -> None:
    samples = truths([(20.0, 0.0), (400.0, 9000.0)])
    rows = by_specimen(evaluate_files(*written(samples), SETTINGS))
    for sample in samples[:2]:
        row = rows.loc[elisa.specimen_id(sample)]
        assert (row["censored"], row["status"]) == ("<", "BELOW_LLOQ") and pd.isna(row["concentration_pg_ml"])
        assert row["lloq_pg_ml"] == pytest.approx(15.625 * 4)
    above = rows.loc[elisa.specimen_id(samples[3])]
    assert (above["censored"], above["reason"]) == (">", "above_uloq") and pd.isna(above["concentration_pg_ml"])


def test_a_saturated_well_is_above_the_range_and_not_missing(written: Callable[..., tuple[Path, Path]]) -> None:
    export, layout_path = written(truths([(400.0, 800.0)]))
    readings, layout = read_plates(export), read_layout(layout_path)
    well = layout.loc[layout["role"] == "UNK", "well"].iloc[0]
    at = (readings["well"] == well) & (readings["wavelength"] == 450)
    readings.loc[at, "od"], readings.loc[at, "flag"] = pd.NA, OVER
    row = evaluate(readings, layout, SETTINGS).specimens[0]
    assert (row["censored"], row["concentration_pg_ml"]) == (">", None)


def test_a_rejected_plate_names_its_reasons_and_gives_no_concentration(
    written: Callable[..., tuple[Path, Path]],
) -> None:
    export, layout_path = written(truths([(400.0, 800.0)]))
    readings, layout = read_plates(export), read_layout(layout_path)
    wrong = layout.copy()
    wrong.loc[wrong["role"].str.startswith("QC"), "nominal_conc"] *= 2
    result = evaluate(readings, wrong, SETTINGS)
    assert not result.plate["accepted"]
    assert result.plate["reasons"].split(";") == [
        "quality_controls_outside_tolerance",
        "quality_control_level_outside_tolerance",
    ]
    assert all(row["concentration_pg_ml"] is None and row["status"] == "QC_FAIL" for row in result.specimens)
    without = layout[~layout["role"].str.startswith("QC")]
    assert evaluate(readings, without, SETTINGS).plate["reasons"] == "no_quality_controls"


def test_standards_in_reverse_order_give_no_curve(written: Callable[..., tuple[Path, Path]]) -> None:
    export, layout_path = written(truths([(400.0, 800.0)]))
    readings, layout = read_plates(export), read_layout(layout_path)
    standards = layout["role"] == "STD"
    layout.loc[standards, "nominal_conc"] = layout.loc[standards, "nominal_conc"].to_numpy()[::-1]
    assert "no_curve" in evaluate(readings, layout, SETTINGS).plate["reasons"]


def test_replicates_that_disagree_are_not_believed(written: Callable[..., tuple[Path, Path]]) -> None:
    export, layout_path = written(truths([(400.0, 800.0)]))
    readings, layout = read_plates(export), read_layout(layout_path)
    well = layout.loc[layout["role"] == "UNK", "well"].iloc[0]
    readings.loc[(readings["well"] == well) & (readings["wavelength"] == 450), "od"] += 0.4
    row = evaluate(readings, layout, SETTINGS).specimens[0]
    assert (row["status"], row["reason"], row["concentration_pg_ml"]) == ("QC_FAIL", "replicate_cv", None)


def test_the_reference_wavelength_and_the_blank_of_the_same_plate_are_subtracted(
    written: Callable[..., tuple[Path, Path]],
) -> None:
    export, layout_path = written(truths([(400.0, 800.0)]))
    readings, layout = read_plates(export), read_layout(layout_path)
    raised = readings.copy()
    raised["od"] = raised["od"] + 0.05  # a scratched plate: both wavelengths alike
    same, first = (evaluate(frame, layout, SETTINGS).specimens[0] for frame in (raised, readings))
    assert same["concentration_pg_ml"] == pytest.approx(first["concentration_pg_ml"], rel=1e-6)


def test_the_real_assay_is_fitted_and_judged(shared_data: Path) -> None:
    """Its standards are the triplicates of columns 1 to 3; it has no quality controls, so it can't be accepted."""
    readings = read_plates(shared_data / "elisa/elisa_softmax/Assay_2.txt")
    doses = [3000, 1500, 750, 375, 187.5, 93.75, 46.875, 0]
    rows = [
        {"well": f"{row}{column}", "role": "STD", "nominal_conc": dose}
        for row, dose in zip("ABCDEFGH", doses, strict=True)
        for column in (1, 2, 3)
    ]
    rows += [{"well": f"G{column}", "role": "UNK", "specimen_id": "P6"} for column in (4, 5, 6)]
    layout = pd.DataFrame(rows).assign(
        plate_id="P1",
        patient_id="P1",
        timepoint="BL",
        dilution=10.0,
        nominal_conc=lambda frame: frame["nominal_conc"].astype("Float64"),
    )
    result = evaluate(readings, layout, SETTINGS)
    assert result.plate["reasons"] == "no_quality_controls"
    assert result.plate["n_standards_passing"] == 7
    assert result.standards["recovery_pct"].between(80, 125).all()


def test_tables_keep_their_contracts_and_the_files_are_the_same_bytes_for_the_same_seed(
    written: Callable[..., tuple[Path, Path]],
) -> None:
    samples = truths([(400.0, 800.0), (10.0, 700.0)])
    export, layout = written(samples)
    content = export.read_bytes(), layout.read_bytes()
    result = evaluate_files(export, layout, SETTINGS)
    validate(ELISA_PLATES, frame_from_rows(ELISA_PLATES, [result.plate]))
    results = validate(ELISA_RESULTS, frame_from_rows(ELISA_RESULTS, result.specimens))
    final = validate(NRG1_ELISA, frame_from_rows(NRG1_ELISA, one_result_per_specimen(results)))
    assert len(final) == 4 and final["paired_plate"].all()
    assert validate(NRG1_ELISA, frame_from_rows(NRG1_ELISA, one_result_per_specimen(results.iloc[:0]))).empty
    export, layout = written(samples)
    assert (export.read_bytes(), layout.read_bytes()) == content


def result_row(**changes: object) -> dict[str, object]:
    return {
        "plate_id": "A",
        "specimen_id": "S1",
        "dilution": 4.0,
        "patient_id": "PALBO-001",
        "timepoint": "BL",
        "concentration_pg_ml": 300.0,
        "cv_pct": 4.0,
        "censored": None,
        "lloq_pg_ml": 60.0,
        "uloq_pg_ml": 4000.0,
        "concentration_low_pg_ml": 280.0,
        "concentration_high_pg_ml": 321.0,
        "log_se": 0.03,
        "n_replicates": 2,
        "timepoints_on_plate": 1,
        "plate_accepted": True,
        "status": "OBSERVED",
        "reason": None,
    } | changes


@pytest.mark.parametrize(
    ("other", "chosen"),
    [
        ({"plate_id": "B", "plate_accepted": False, "status": "QC_FAIL", "timepoints_on_plate": 2}, "A"),
        ({"plate_id": "B", "timepoints_on_plate": 2}, "B"),
        ({"plate_id": "B", "dilution": 2.0}, "B"),
        ({"plate_id": "B", "status": "NOT_EVALUABLE", "censored": ">", "dilution": 1.0}, "A"),
        ({"plate_id": "B"}, "A"),
    ],
    ids=[
        "accepted plates first",
        "then the pair's plate",
        "then the lower dilution",
        "a rerun replaces '>'",
        "then the name",
    ],
)
def test_one_value_is_chosen_among_plates_by_rule_and_never_averaged(other: dict[str, object], chosen: str) -> None:
    for rows in ([result_row(), result_row(**other)], [result_row(**other), result_row()]):
        (row,) = one_result_per_specimen(frame_from_rows(ELISA_RESULTS, rows))
        assert row["plate_id"] == chosen


def verify(export: Path, layout: Path, plate_id: str) -> object:
    claim = Claim(export.name, "elisa", role="plate", sample_name=plate_id)
    return formats.verify_plate(export, claim, Context(siblings={"layout": layout}))


def test_a_blank_only_plate_is_refused_at_the_door(tmp_path: Path) -> None:
    for seed in range(20):
        export, layout = elisa.write_blank_only_plate(tmp_path, np.random.default_rng(seed), "NRG1-09")
        with pytest.raises(InputError) as error:
            verify(tmp_path / export.file, tmp_path / layout.file, "NRG1-09")
        assert error.value.code == "E_NO_STANDARDS"


def test_a_good_plate_passes_the_door_and_is_named_after_its_layout(written: Callable[..., tuple[Path, Path]]) -> None:
    export, layout = written(truths([(400.0, 800.0)]))
    assert verify(export, layout, "NRG1-01") == {"plates": 1, "wells": 96, "wells_over_range": 0}
    claim, context = Claim(export.name, "elisa"), Context(siblings={"layout": layout})
    assert formats.plate_key(export, claim, context) == formats.layout_key(layout, claim, context) == "NRG1-01"
    assert formats.verify_layout(layout, claim, context)["specimens"] == 2


def test_a_manifest_that_names_another_plate_than_the_layout_is_refused(
    written: Callable[..., tuple[Path, Path]],
) -> None:
    export, layout = written(truths([(400.0, 800.0)]))
    claim = Claim(layout.name, "elisa", role="layout", sample_name="NRG1-02")
    for check in (lambda: verify(export, layout, "NRG1-02"), lambda: formats.verify_layout(layout, claim, Context())):
        with pytest.raises(InputError) as error:
            check()
        assert error.value.code == "E_SAMPLE_MISMATCH"


@pytest.mark.parametrize(
    ("old", "new", "code", "column"),
    [
        (",UNK,PALBO-001-BL-SER,PALBO-001,BL,,4,1", ",UNK,PALBO-001-BL-SER,PALBO-001,BL,,,1", "E_SCHEMA", "dilution"),
        (",UNK,PALBO-001-BL-SER,PALBO-001,BL", ",UNK,PALBO-001-BL-SER,Kim Minji,BL", "E_BAD_NAME", "patient_id"),
        (",UNK,PALBO-001-BL-SER,PALBO-001,BL", ",UNK,PALBO-001-BL-SER,PALBO-001,W99", "E_SCHEMA", "timepoint"),
        ("A1,STD,,,,1000", "A1,STD,,,,", "E_SCHEMA", "nominal_conc"),
        ("A1,STD", "A13,STD", "E_SCHEMA", "well"),
        ("A1,STD", "A2,STD", "E_SCHEMA", "well"),
        ("A1,STD", "A1,CAL", "E_SCHEMA", "role"),
        ("NRG1-01,A1,", "NRG1-02,A1,", "E_SCHEMA", "plate_id"),
    ],
)
def test_a_wrong_layout_is_refused_with_row_and_column(
    written: Callable[..., tuple[Path, Path]], old: str, new: str, code: str, column: str
) -> None:
    _, layout = written(truths([(400.0, 800.0)]))
    content = layout.read_text()
    assert old in content
    layout.write_text(content.replace(old, new, 1))
    with pytest.raises(InputError) as error:
        read_layout(layout)
    assert (error.value.code, error.value.column) == (code, column)
    assert "Kim" not in str(error.value)
