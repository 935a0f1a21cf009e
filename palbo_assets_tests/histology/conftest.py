"""A trained classifier and a planted slide, made once."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from palbo_assets.demo import slides
from palbo_assets.demo.truth import SampleTruth
from palbo_assets.histology.classifier import Training, train
from palbo_assets.histology.settings import ModelSettings


def truth(til_pct: float = 20.0, timepoint: str = "BL", **more: object) -> SampleTruth:
    return SampleTruth("PALBO-001", timepoint, 0, 0.5, til_pct=til_pct, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def training() -> Training:
    return train(ModelSettings())


@pytest.fixture(scope="session")
def planted_slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slide")
    return folder / slides.write(truth(), folder, np.random.default_rng(5))[0].file


def brown_and_blue(positive: int, negative: int, strength: float = 1.0) -> NDArray[np.uint8]:
    """Brown and blue discs of 4 um radius on pale ground, on a grid."""
    blue, brown = np.full((1000, 1000), 0.05, np.float32), np.full((1000, 1000), 0.02, np.float32)
    order = np.random.default_rng(0).permutation(positive + negative)
    for k, site in enumerate(order):
        centre = (25 + 30 * int(site % 32), 25 + 30 * int(site // 32))
        cv2.circle(brown if k < positive else blue, centre, 8, 0.6 * strength, -1)
    haematoxylin, diaminobenzidine = np.array([0.65, 0.70, 0.29]), np.array([0.27, 0.57, 0.78])
    density = blue[..., None] * haematoxylin + brown[..., None] * diaminobenzidine
    return np.clip(255 * 10**-density, 0, 255).astype(np.uint8)
