"""Lymphoid area by grain: stain cancels, the text is the model, left-out renderings are measured, fields state their
accuracy."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from scipy.stats import spearmanr

from palbo_assets.demo import slides
from palbo_assets.histology import region_features as grain
from palbo_assets.histology import region_training, scenes
from palbo_assets.histology.classifier import Training
from palbo_assets.histology.evidence import measure
from palbo_assets.histology.region_model import FILE, RegionModel, shipped
from palbo_assets.histology.region_training import Cells
from palbo_assets.histology.score import areas_of, score
from palbo_assets.histology.settings import SlideSettings
from palbo_assets.histology.slide import Field
from palbo_assets.platform.errors import PalboError

LENIENT = SlideSettings(min_scored_mm2=0, min_nuclei=0, min_stroma_mm2=1e-4, focus_min=0, min_he_hue=0)


def _features(rgb: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    found = grain.features(grain.maps(grain.coarse(rgb, 0.5), grain.rulers([rgb], 0.5).at_least()))
    assert found.shape == (len(rgb) // 8, rgb.shape[1] // 8, grain.N_FEATURES)
    return found


def test_a_stain_a_fifth_stronger_leaves_grain_as_it_is() -> None:
    usual = slides.render(30, np.random.default_rng(1), size_px=512)
    stronger = np.clip(255 * (usual / 255.0) ** 1.2, 0, 255).astype(np.uint8)
    model, _ = shipped()
    shares = [model.shares(grain.inputs(found, grain.context([found]))) for found in map(_features, (usual, stronger))]
    assert np.abs(shares[0] - shares[1]).mean() < 0.02
    assert shares[0].std(axis=0)[:3].min() > 0.1  # it isn't the same everywhere


def test_a_slide_without_tissue_has_no_rulers_and_a_context_of_nothing() -> None:
    glass = np.full((64, 64, 3), 243, np.uint8)
    assert grain.rulers([glass], 0.5) == (0, 0)
    assert not grain.context([]).any() and len(grain.context([])) == 2 * len(grain.CONTEXT)


def test_the_text_is_the_model_and_another_text_is_refused() -> None:
    model, sha256 = shipped()
    text = FILE.read_text(encoding="utf-8")
    assert hashlib.sha256(text.encode()).hexdigest() == sha256
    assert model.to_json() + "\n" == text
    inputs = np.random.default_rng(1).normal(0, 1, (50, grain.N_INPUTS)).astype(np.float32)
    np.testing.assert_array_equal(RegionModel.from_json(text).shares(inputs), model.shares(inputs))
    shorter = json.loads(text)
    shorter["networks"][0][0][0] = shorter["networks"][0][0][0][:-1]
    for wrong in ("", "{}", "[1]", json.dumps(shorter)):
        with pytest.raises(PalboError, match="E_MODEL"):
            RegionModel.from_json(wrong)


def test_a_classifier_that_names_another_model_of_area_scores_nothing(training: Training) -> None:
    from dataclasses import replace

    assert areas_of(training.model) is shipped()[0]
    assert areas_of(replace(training.model, areas=None)) is None
    with pytest.raises(PalboError, match="E_MODEL"):
        areas_of(replace(training.model, areas="0" * 64))


def test_shares_of_a_cell_of_tissue_add_up_to_one() -> None:
    source = Field(slides.render(30, np.random.default_rng(2), size_px=640), 0.5)
    found = measure(source, LENIENT, areas=shipped()[0])
    assert found.shares is not None and found.shares.shape == (*found.tissue.shape, 3)
    together = found.shares.astype(float).sum(axis=-1)
    np.testing.assert_allclose(together[found.tissue], 1, atol=0.005)
    assert not together[~found.tissue].any()


def _errors(cells: Cells) -> tuple[float, float]:
    """(Spearman, mean error [points]) of the fields of some cells that have a tenth of stroma."""
    truth, stroma = region_training.by_field(cells, cells.shares)
    found, _ = region_training.by_field(cells, shipped()[0].shares(cells.inputs))
    keep = stroma > 0.1
    return float(spearmanr(truth[keep], found[keep]).statistic), float(np.abs(truth - found)[keep].mean())


def test_rendered_fields_that_were_left_out_are_measured() -> None:
    rank, error = _errors(region_training.rendered(seed=77, patients=10))
    assert rank > 0.8 and error < 10


def test_rendered_fields_state_what_they_hold() -> None:
    rng = np.random.default_rng([5, 1])
    look = scenes.style(rng)
    rgb, truth = scenes.field(look, rng)
    assert rgb.shape[0] == round(scenes.FIELD_UM / look.scan_mpp) and truth.shape == (64, 64, 4)
    np.testing.assert_allclose(truth.sum(axis=-1), 1, atol=0.02)
    again = np.random.default_rng([5, 1])
    np.testing.assert_array_equal(scenes.field(scenes.style(again), again)[0], rgb)


@pytest.mark.parametrize("scan_mpp", [0.5, 1.3])
def test_planted_extents_are_recovered_in_another_renderer_and_a_coarse_scan(
    training: Training, scan_mpp: float
) -> None:
    import cv2

    planted, found = [2, 10, 20, 45, 80], []
    for share in planted:
        rgb = slides.render(share, np.random.default_rng(100 + share), size_px=1024)
        edge = round(1024 * 0.5 / scan_mpp)
        scan = cv2.resize(rgb, (edge, edge), interpolation=cv2.INTER_AREA)
        found.append(score(Field(np.asarray(scan, np.uint8), scan_mpp), training.model, LENIENT).stil_area_pct)
    assert None not in found
    assert found == sorted(found)
    assert np.abs(np.subtract(found, planted)).max() < 10
