"""Slides of every scanner's format give the same pixels at the same micrometres, and nobody reads their labels."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openslide
import pytest
from numpy.typing import NDArray

from palbo_assets.demo import slides
from palbo_assets.histology.formats import verify_slide
from palbo_assets.histology.slide import Slide
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context
from palbo_assets_tests.histology import vendor_slides as made

SIDE = 1024


@dataclass(frozen=True)
class Kind:
    """A format: writer, name in OpenSlide, levels, the picture of its glass, where its scan begins [px]."""

    suffix: str
    write: Callable[[Path, NDArray[np.uint8]], Path]
    vendor: str
    levels: int
    glass: str
    begins: int = 0


KINDS = (
    Kind(".ndpi", made.write_ndpi, "hamamatsu", 2, "macro"),
    Kind(".mrxs", made.write_mrxs, "mirax", 3, "label", made.FIRST * made.ADVANCE),
    Kind(".bif", made.write_bif, "ventana", 2, "macro"),
    Kind(".tiff", made.write_philips, "philips", 3, "label"),
)


@pytest.fixture(scope="module")
def scene() -> NDArray[np.uint8]:
    return slides.render(25, np.random.default_rng(1), size_px=SIDE)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.vendor)
def delivered(
    request: pytest.FixtureRequest, scene: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Kind, Path]:
    kind: Kind = request.param
    return kind, kind.write(tmp_path_factory.mktemp(kind.vendor) / f"glass{kind.suffix}", scene)


Delivered = tuple[Kind, Path]


def _verified(path: Path) -> dict[str, str | int | float]:
    return dict(verify_slide(path, Claim(path.name, "he_slide"), Context()))


def test_a_scanners_slide_is_read_at_its_micrometres_at_every_level(
    delivered: Delivered, scene: NDArray[np.uint8]
) -> None:
    kind, path = delivered
    finding = _verified(path)
    assert finding["mpp"] == pytest.approx(made.MPP) and finding["objective_power"] == made.POWER
    with openslide.OpenSlide(path) as opened:
        assert kind.glass in opened.associated_images
    with Slide(path) as slide:
        assert slide.vendor == kind.vendor and len(slide.level_sizes) >= kind.levels
        assert slide.scanned_from == (kind.begins, kind.begins)
        start = (kind.begins + 120) * made.MPP
        fine = slide.read(start, start + 50, 300, 200, made.MPP).astype(int)
        coarse = slide.read(start, start + 50, 120, 80, made.MPP * 4).astype(int)
    assert np.abs(fine - scene[220:420, 120:420]).mean() < 4
    wanted = scene[220:540, 120:600].reshape(80, 4, 120, 4, 3).mean(axis=(1, 3))
    assert np.abs(coarse - wanted).mean() < 4


def test_no_label_and_no_macro_is_read(delivered: Delivered, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(self: object) -> None:
        raise AssertionError("an associated image was read")

    monkeypatch.setattr(openslide.OpenSlide, "associated_images", property(forbidden))
    _verified(delivered[1])
    with Slide(delivered[1]) as slide:
        overview = slide.overview(4.0)
    label = made.LABEL[0, 0].astype(int)
    assert (np.abs(overview.astype(int) - label).max(axis=2) > 3).mean() > 0.999  # no grey of the label's shows


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_cut_slide_of_any_scanner_is_refused(delivered: Delivered, tmp_path: Path, share: float) -> None:
    kind, path = delivered
    cut = tmp_path / path.name
    shutil.copyfile(path, cut)
    shortened = cut
    if kind.vendor == "mirax":
        shutil.copytree(path.with_suffix(""), cut.with_suffix(""))
        shortened = cut.with_suffix("") / "Data0000.dat"
    content = shortened.read_bytes()
    shortened.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError) as caught:
        _verified(cut)
    assert caught.value.code in {"E_TRUNCATED", "E_SCHEMA"} and caught.value.fix


@pytest.mark.parametrize("lost", ["", "Slidedat.ini", "Index.dat", "Data0000.dat", "Data0001.dat"])
def test_an_mrxs_slide_without_its_folder_or_a_file_of_it_says_what_is_missing(
    scene: NDArray[np.uint8], tmp_path: Path, lost: str
) -> None:
    path = made.write_mrxs(tmp_path / "glass.mrxs", scene)
    folder = tmp_path / "glass"
    if lost:
        (folder / lost).unlink()
    else:
        shutil.rmtree(folder)
    with pytest.raises(InputError) as caught:
        _verified(path)
    assert caught.value.code == "E_TRUNCATED" and "folder" in str(caught.value)
