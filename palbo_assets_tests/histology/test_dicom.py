"""A DICOM slide is read as any other: one file of the series stands for it, and its label is never looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openslide
import pytest
from numpy.typing import NDArray

from palbo_assets.demo import slides
from palbo_assets.histology.classifier import Training
from palbo_assets.histology.formats import verify_slide
from palbo_assets.histology.score import score
from palbo_assets.histology.settings import SlideSettings
from palbo_assets.histology.slide import Field, Slide
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context
from palbo_assets_tests.histology import dicom

FIELD = SlideSettings(min_scored_mm2=0.1, min_nuclei=50)


@pytest.fixture(scope="module")
def scene() -> NDArray[np.uint8]:
    return slides.render(20, np.random.default_rng(1), size_px=1024)


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory, scene: NDArray[np.uint8]) -> Path:
    return dicom.write(tmp_path_factory.mktemp("dicom"), scene)


def _refusal(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        verify_slide(path, Claim(path.name, "he_slide"), Context())
    return caught.value


def test_a_dicom_series_is_scored_as_the_image_it_holds(
    series: Path, scene: NDArray[np.uint8], training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(self: object) -> None:
        raise AssertionError("an associated image was read")

    monkeypatch.setattr(openslide.OpenSlide, "associated_images", property(forbidden))
    finding = verify_slide(series, Claim(series.name, "he_slide"), Context())
    assert (finding["mpp"], finding["levels"], finding["width_px"]) == (0.5, 2, 1024)
    with Slide(series) as slide:
        found = score(slide, training.model, FIELD)
    plain = score(Field(scene, 0.5), training.model, FIELD)
    assert found.stil_area_pct is not None and plain.stil_area_pct is not None
    assert found.stil_area_pct == pytest.approx(plain.stil_area_pct, abs=1)


@pytest.mark.parametrize("name", ["label.dcm", "level1.dcm"])
def test_another_file_of_the_series_is_not_taken_for_the_slide(series: Path, name: str) -> None:
    assert openslide.OpenSlide(str(series.parent / name)).dimensions == (1024, 1024)  # OpenSlide would take it
    found = _refusal(series.parent / name)
    assert found.code == "E_SCHEMA" and "full resolution" in found.fix


def test_a_dicom_slide_without_resolution_or_cut_short_is_refused(
    scene: NDArray[np.uint8], series: Path, tmp_path: Path
) -> None:
    assert _refusal(dicom.write(tmp_path / "blind", scene[:512, :512], mpp=None)).code == "E_NO_MPP"
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(series.read_bytes()[:-20_000])
    assert _refusal(cut).code in {"E_TRUNCATED", "E_SCHEMA"}
    cut.write_bytes(series.read_bytes()[:400])
    assert _refusal(cut).code == "E_SCHEMA"
