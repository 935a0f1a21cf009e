"""Tiles read directly are the pixels that OpenSlide reads, in bounded memory and from any number of threads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openslide
import pytest

from palbo_assets.histology import tiles
from palbo_assets.histology.classifier import Training
from palbo_assets.histology.score import score
from palbo_assets.histology.settings import SlideSettings
from palbo_assets.histology.slide import Slide
from palbo_assets.histology.tiles import TiledLevels


def _by_openslide(path: Path, level: int, at: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    with openslide.OpenSlide(str(path)) as slide:
        down = round(slide.level_downsamples[level])
        return np.asarray(slide.read_region((at[0] * down, at[1] * down), level, size))[..., :3]


@pytest.mark.parametrize("level", [0, 1, 2])
def test_tiles_of_each_level_are_openslides_pixels(planted_slide: Path, level: int) -> None:
    with Slide(planted_slide) as slide:
        levels = TiledLevels(planted_slide, slide.level_sizes)
        assert levels.has(level)
        for at in ((0, 0), (100, 230), (255, 256)):
            np.testing.assert_array_equal(
                levels.read(level, *at, 301, 299), _by_openslide(planted_slide, level, at, (301, 299))
            )
        levels.close()


def test_a_real_aperio_slides_tiles_are_openslides_pixels(shared_data: Path) -> None:
    path = shared_data / "he_til/wsi/cmu_small_region.svs"
    with Slide(path) as slide:
        found = slide.read(300 * slide.mpp, 200 * slide.mpp, 700, 600, slide.mpp)
    np.testing.assert_array_equal(found, _by_openslide(path, 0, (300, 200), (700, 600)))


def test_outside_the_slide_is_white(planted_slide: Path) -> None:
    with Slide(planted_slide) as slide:
        found = slide.read(-100 * slide.mpp, -100 * slide.mpp, 50, 50, slide.mpp)
        edge = slide.read(slide.size_um[0] - 10 * slide.mpp, 0, 30, 5, slide.mpp)
    assert (found == 255).all() and (edge[:, 10:] == 255).all()


def test_kept_tiles_stay_within_their_budget(planted_slide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "CACHE_BYTES", 1_000_000)
    with Slide(planted_slide) as slide:
        levels = TiledLevels(planted_slide, slide.level_sizes)
        levels.read(0, 0, 0, *slide.level_sizes[0])
        assert sum(tile.nbytes for tile in levels._kept.values()) == levels._bytes <= 1_000_000
        levels.close()


def test_threads_dont_change_the_score(planted_slide: Path, training: Training) -> None:
    found = []
    for workers in (1, 3):
        with Slide(planted_slide) as slide:
            found.append(score(slide, training.model, SlideSettings(workers=workers)))
    assert found[0] == found[1]
