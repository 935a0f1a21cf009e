"""The model's card says of expert-scored fields what is measured on them."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pandas as pd
import pytest

from palbo_assets.histology import agreement, calibration, classifier, model_card, scored_fields
from palbo_assets.histology.calibration import ScoredField
from palbo_assets.histology.classifier import Training
from palbo_assets.histology.model_card import Claims, Figure
from palbo_assets.histology.settings import CalibrationSettings, ModelSettings


@pytest.fixture(scope="module")
def expert_fields(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[ScoredField]:
    """The 18 fields of the FDA's study (16 of 11 patients could be judged), as a lab would put them into a bundle."""
    source, folder = shared_data / "he_til/htt_breast_stil", tmp_path_factory.mktemp("fields")
    case = pd.read_csv(source / "truth_stils_mean.derived.csv").set_index("image")["case_id"]
    readings = pd.read_csv(source / "truth_stils_per_expert.derived.csv")
    for name in case.index:
        (folder / name).symlink_to(source / name)
    readings["sha256"] = [hashlib.sha256((source / name).read_bytes()).hexdigest() for name in readings["image"]]
    readings["patient"] = readings["image"].map(case.str.split(".").str[0])
    readings = readings.rename(columns={"expert": "reader", "stil_density": "stil_pct"}).assign(mpp=500 / 384)
    readings[list(calibration.COLUMNS)].to_csv(folder / "fields.csv", index=False)
    return calibration.read(folder / "fields.csv")


@pytest.fixture(scope="module")
def study(expert_fields: list[ScoredField]) -> calibration.Study:
    values = scored_fields.area_rule(expert_fields, lambda mpp: classifier.train(ModelSettings(), scan_mpp=mpp).model)
    found = calibration.study(expert_fields, values, CalibrationSettings())
    for name, agreed in (("as it is", found.order), ("left out", found.accuracy), ("readers", found.readers)):
        sys.stdout.write(f"{name}: {agreed}\n")
    return found


def _near(claimed: Figure, value: float, interval: tuple[float, float], tolerance: float) -> None:
    assert claimed == pytest.approx((value, *interval), abs=tolerance)


def _agrees(found: agreement.Agreement, spearman: Figure, icc: Figure, mae_points: Figure) -> None:
    """Within what another processor's rounding moves ranks of sixteen fields by."""
    _near(spearman, found.spearman, found.spearman_interval, 0.03)
    _near(icc, found.icc, found.icc_interval, 0.03)
    _near(mae_points, found.mae_points, found.mae_interval, 0.5)


@pytest.mark.accuracy
def test_the_card_claims_of_real_fields_what_is_measured_on_them(study: calibration.Study) -> None:
    claims: Claims = model_card.ON_REAL_FIELDS
    assert (study.n_fields, study.n_patients) == (claims.n_fields, claims.n_patients) == (16, 11)
    _agrees(study.order, claims.spearman, claims.icc, claims.mae_points)
    _agrees(study.accuracy, claims.calibrated_spearman, claims.calibrated_icc, claims.calibrated_mae_points)
    _agrees(study.readers, claims.reader_spearman, claims.reader_icc, claims.reader_mae_points)


def test_the_card_shows_the_claims(training: Training) -> None:
    card = model_card.text(classifier.model_row(training))
    for figure in (model_card.ON_REAL_FIELDS.spearman, model_card.ON_REAL_FIELDS.calibrated_mae_points):
        assert str(figure) in card
