"""Real tissue scores the same when its stain is a fifth stronger or weaker, and at x20 and x40."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.color import hed2rgb, rgb2hed

from palbo_assets.histology.classifier import Training
from palbo_assets.histology.score import score
from palbo_assets.histology.settings import SlideSettings
from palbo_assets.histology.slide import Field, Slide

# Half a square millimetre and fields of a quarter are below the limits that hold for slides.
LENIENT = SlideSettings(min_scored_mm2=0.0, min_nuclei=50, min_stroma_mm2=0.001, focus_min=0.0)
FIELDS = ("002", "007", "008", "012", "015")  # rich and poor, of four patients


def _stained(rgb: np.ndarray, haematoxylin: float, eosin: float) -> np.ndarray:  # type: ignore[type-arg]
    if haematoxylin == eosin:  # Beer and Lambert: every density by the same factor
        darker = 255 * (np.maximum(np.arange(256), 1) / 255) ** haematoxylin
        return np.clip(np.round(darker), 0, 255).astype(np.uint8)[rgb]
    density = rgb2hed(rgb) * np.array([haematoxylin, eosin, 1.0])
    return np.clip(np.round(255 * hed2rgb(density)), 0, 255).astype(np.uint8)


def _scaled(rgb: np.ndarray, factor: float) -> np.ndarray:  # type: ignore[type-arg]
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(rgb, None, fx=factor, fy=factor, interpolation=how), np.uint8)


def _pct(rgb: np.ndarray, mpp: float, training: Training) -> float:  # type: ignore[type-arg]
    found = score(Field(rgb, mpp), training.model, LENIENT).stil_area_pct
    assert found is not None
    return found


@pytest.fixture(scope="module")
def real_slide(shared_data: Path, training: Training) -> tuple[np.ndarray, float, float]:  # type: ignore[type-arg]
    with Slide(shared_data / "he_til/wsi/cmu_small_region.svs") as slide:
        width, height = slide.level_sizes[0]
        rgb, mpp = slide.read(0, 0, width, height, slide.mpp), slide.mpp
    return rgb, mpp, _pct(rgb, mpp, training)


@pytest.mark.parametrize(
    "stain",
    [
        (0.8, 0.8),
        (1.2, 1.2),
        pytest.param((0.8, 1.0), marks=pytest.mark.accuracy),
        pytest.param((1.2, 1.0), marks=pytest.mark.accuracy),
    ],
)
def test_the_real_slide_stained_a_fifth_otherwise_scores_the_same(
    real_slide: tuple[np.ndarray, float, float],  # type: ignore[type-arg]
    stain: tuple[float, float],
    training: Training,
) -> None:
    rgb, mpp, usual = real_slide
    assert 3 < usual < 8
    assert _pct(_stained(rgb, *stain), mpp, training) == pytest.approx(usual, abs=1.0)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_the_real_slide_scanned_at_half_or_twice_the_resolution_scores_the_same(
    real_slide: tuple[np.ndarray, float, float],  # type: ignore[type-arg]
    factor: float,
    training: Training,
) -> None:
    rgb, mpp, usual = real_slide
    assert _pct(_scaled(rgb, factor), mpp / factor, training) == pytest.approx(usual, abs=1.0)


@pytest.mark.accuracy
@pytest.mark.parametrize("name", FIELDS)
def test_real_breast_fields_are_stable_to_stain_and_resolution(
    shared_data: Path, name: str, training: Training
) -> None:
    picture = cv2.imread(str(shared_data / f"he_til/htt_breast_stil/Image_{name}.jpg"))
    rgb, mpp = np.ascontiguousarray(picture[..., ::-1]).astype(np.uint8), 500 / 384
    usual = _pct(rgb, mpp, training)
    variants = [(_stained(rgb, k, k), mpp) for k in (0.8, 1.2)] + [(_stained(rgb, k, 1.0), mpp) for k in (0.8, 1.2)]
    variants += [(_scaled(rgb, mpp / finer), finer) for finer in (0.5, 0.25)]
    changes = [_pct(image, size, training) - usual for image, size in variants]
    assert max(map(abs, changes)) < 2.5  # of 3-9 points; the limit of the field is 5
