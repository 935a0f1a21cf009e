"""Agreement statistics are the published ones; a calibration counts only when it holds on left-out patients."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from palbo_assets.demo import slides
from palbo_assets.histology import agreement, calibration, classifier, scored_fields
from palbo_assets.histology.calibration import ScoredField
from palbo_assets.histology.classifier import Model, Training
from palbo_assets.histology.settings import CalibrationSettings, ModelSettings
from palbo_assets.platform.errors import InputError

SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)


def test_icc_is_that_of_shrout_and_fleiss() -> None:
    assert agreement.icc_2_1(SHROUT_FLEISS) == pytest.approx(0.29, abs=0.005)


def test_icc_falls_with_a_constant_offset_that_spearman_doesnt_see() -> None:
    x = np.arange(20.0)
    assert agreement.icc_2_1(np.column_stack([x, x])) == pytest.approx(1)
    assert agreement.icc_2_1(np.column_stack([x, x + 10])) < 0.6
    assert agreement.spearman(x, x + 10) == pytest.approx(1)
    assert np.isnan(agreement.spearman(x, np.ones(20)))


def test_a_reader_who_reverses_the_order_stands_out_from_the_rest() -> None:
    ratings = np.array([[1.0, 2, 3, 10], [2, 3, 4, 5], [3, 4, np.nan, 1], [40, 41, 42, 0]])
    found = agreement.readers_against_the_rest(ratings, np.array(["a", "b", "c", "d"]), seed=1, rounds=50)
    assert 0 < found.spearman < 1 and found.mae_points > 1 and found.icc < 0.99
    low, high = found.spearman_interval
    assert -1 <= low <= high <= 1


def _study(noise: float, seed: int = 0) -> calibration.Study:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, 80, 48)
    fields = [ScoredField(Path("x"), 1.0, f"P{k // 4}", {"a": t, "b": t}) for k, t in enumerate(truth)]
    return calibration.study(fields, np.abs(truth / 4 + rng.normal(0, noise, 48)), CalibrationSettings())


def test_a_rule_proportional_to_the_readings_validates_and_its_slope_is_found() -> None:
    found = _study(noise=0.5)
    assert found.validated and found.calibration.slope == pytest.approx(4, rel=0.05)
    assert found.accuracy.icc > 0.9 and found.accuracy.mae_points < 5
    low, high = found.accuracy.spearman_interval
    assert low <= found.accuracy.spearman <= high
    assert found.readers.spearman == found.readers.icc == pytest.approx(1)


def test_an_index_of_nothing_validates_nothing() -> None:
    found = _study(noise=1e6)
    assert not found.validated and abs(found.accuracy.spearman) < 0.6


def test_a_slope_goes_through_zero_and_never_falls() -> None:
    assert calibration.fit(np.array([1.0, 2, 3]), np.array([2.0, 4, 6])).slope == pytest.approx(2)
    assert calibration.fit(np.zeros(3), np.array([2.0, 4, 6])).slope == 0
    assert calibration.Calibration(30.0).percent(5) == 100  # no share exceeds the whole


def test_the_patient_in_question_takes_no_part_in_its_slope() -> None:
    values, patients = np.array([1.0, 1, 2, 3]), np.array(["a", "a", "b", "c"])
    truth = np.array([50.0, 60, 4, 6])  # only "a" departs from a slope of 2
    np.testing.assert_allclose(calibration.left_out(values, truth, patients)[:2], [2, 2])


def _table(folder: Path, shares: list[float], **replace: object) -> Path:
    rows = []
    for k, share in enumerate(shares):
        name = f"field{k}.png"
        picture = slides.render(share, np.random.default_rng(k), size_px=640)
        cv2.imwrite(str(folder / name), np.ascontiguousarray(picture[..., ::-1]))
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        rows += [
            {"image": name, "sha256": digest, "mpp": 0.5, "patient": f"P{k}", "reader": reader, "stil_pct": share + off}
            for reader, off in (("r1", -1), ("r2", 1))
        ]
    path = folder / "fields.csv"
    pd.DataFrame(rows).assign(**replace).to_csv(path, index=False)
    return path


def test_scored_fields_calibrate_the_model_and_its_text_carries_it(tmp_path: Path, training: Training) -> None:
    path = _table(tmp_path, [3, 8, 12, 20, 25, 30, 40, 45, 50, 60])
    assert calibration.is_scored_fields(path)
    found = scored_fields.calibrated(training, calibration.read(path), CalibrationSettings(), ModelSettings())
    assert found.study is not None and found.validated and found.source == classifier.SCORED
    assert found.study.accuracy.spearman > 0.9 and found.study.accuracy.mae_points < 6
    again = Model.from_json(found.model.to_json())
    assert again.calibration == found.study.calibration and again.version != training.model.version
    row = classifier.model_row(found)
    assert row["n_fields"] == 10 and row["field_icc_low"] <= row["field_icc"] <= row["field_icc_high"]


def test_a_calibration_that_doesnt_hold_moves_no_score(tmp_path: Path, training: Training) -> None:
    path = _table(tmp_path, [3, 30, 60])  # three patients are too few
    found = scored_fields.calibrated(training, calibration.read(path), CalibrationSettings(), ModelSettings())
    assert not found.validated and found.model.calibration is None
    row = classifier.model_row(found)
    assert row["calibration_slope"] > 0 and not row["validated"]


@pytest.mark.parametrize(
    ("replace", "code"),
    [
        ({"sha256": "0" * 64}, "E_CHECKSUM"),
        ({"image": "../field0.png"}, "E_BAD_NAME"),
        ({"image": "absent.png"}, "E_SCHEMA"),
        ({"stil_pct": 120}, "E_RANGE"),
        ({"mpp": 0}, "E_RANGE"),
        ({"reader": "r1"}, "E_SCHEMA"),
        ({"patient": "P0"}, "E_EMPTY"),
    ],
)
def test_a_wrong_training_table_names_its_row(tmp_path: Path, replace: dict[str, object], code: str) -> None:
    with pytest.raises(InputError) as caught:
        calibration.read(_table(tmp_path, [3, 30, 60], **replace))
    assert caught.value.code == code
