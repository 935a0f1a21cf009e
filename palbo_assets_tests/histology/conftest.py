"""A trained classifier and a planted slide, made once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

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
