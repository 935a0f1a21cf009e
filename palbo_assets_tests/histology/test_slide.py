"""Slides: what opens, what is refused and why; labels are never read."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import openslide
import pytest
import tiffslide

from palbo_assets.demo import slides
from palbo_assets.histology.formats import FORMATS, verify_slide
from palbo_assets.histology.settings import SlideSettings
from palbo_assets.histology.slide import Slide, resolution
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context
from palbo_assets_tests.histology.conftest import truth

SVS = "he_til/wsi/cmu_small_region.svs"


def _refusal(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        verify_slide(path, Claim(path.name, "he_slide"), Context())
    return caught.value


def test_the_planted_slide_opens_in_openslide_and_tiffslide(planted_slide: Path) -> None:
    with openslide.OpenSlide(planted_slide) as opened:
        assert float(opened.properties["openslide.mpp-x"]) == pytest.approx(0.5)
        assert opened.level_count == 3
        first = np.asarray(opened.read_region((500, 500), 0, (256, 256)).convert("RGB")).astype(int)
    with tiffslide.TiffSlide(planted_slide) as other:
        assert other.properties["tiffslide.mpp-x"] == pytest.approx(0.5)
        second = np.asarray(other.read_region((500, 500), 0, (256, 256)).convert("RGB")).astype(int)
    assert np.abs(first - second).mean() < 2
    assert planted_slide.stat().st_size < 2_000_000


def test_a_verified_slide_states_its_facts(planted_slide: Path) -> None:
    finding = verify_slide(planted_slide, Claim(planted_slide.name, "he_slide"), Context())
    assert finding["mpp"] == pytest.approx(0.5) and finding["levels"] == 3 and finding["width_px"] == slides.SIZE_PX


def test_a_real_aperio_slide_is_accepted(shared_data: Path) -> None:
    finding = verify_slide(shared_data / SVS, Claim("x.svs", "he_slide"), Context())
    assert finding["mpp"] == pytest.approx(0.499) and (finding["width_px"], finding["height_px"]) == (2220, 2967)
    assert finding["objective_power"] == 20


def test_label_and_macro_are_never_read(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(self: object) -> None:
        raise AssertionError("an associated image was read")

    monkeypatch.setattr(openslide.OpenSlide, "associated_images", property(forbidden))
    verify_slide(shared_data / SVS, Claim("x.svs", "he_slide"), Context())
    with Slide(shared_data / SVS) as slide:
        slide.overview(8.0)


def test_regions_are_read_by_micrometre_whatever_the_level(planted_slide: Path) -> None:
    with Slide(planted_slide) as slide:
        fine = slide.read(200, 200, 400, 400, 0.5).astype(float)
        coarse = slide.read(200, 200, 100, 100, 2.0).astype(float)
    averaged = fine.reshape(100, 4, 100, 4, 3).mean(axis=(1, 3))
    here = np.corrcoef(averaged.mean(axis=2).ravel(), coarse.mean(axis=2).ravel())[0, 1]
    beside = np.corrcoef(averaged[:, 2:].mean(axis=2).ravel(), coarse[:, :-2].mean(axis=2).ravel())[0, 1]
    assert here > 0.95 and beside < 0.8  # the same place, not one two micrometres off


def test_outside_the_slide_is_white(planted_slide: Path) -> None:
    with Slide(planted_slide) as slide:
        assert (slide.read(-100, -100, 100, 100, 0.5) == 255).all()


@pytest.mark.parametrize("share", [0.001, 0.2, 0.5, 0.9, 0.999])
def test_a_cut_slide_is_truncated(planted_slide: Path, tmp_path: Path, share: float) -> None:
    cut = tmp_path / "cut.tiff"
    content = planted_slide.read_bytes()
    cut.write_bytes(content[: int(len(content) * share)])
    assert _refusal(cut).code in {"E_TRUNCATED", "E_SCHEMA"}


def test_the_planted_faults_are_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    cut = slides.write_truncated(truth(), tmp_path / "cut", rng)[0].file
    assert _refusal(tmp_path / "cut" / cut).code == "E_TRUNCATED"
    blind = slides.write(truth(), tmp_path, rng, size_px=512, with_resolution=False)[0].file
    assert _refusal(tmp_path / blind).code == "E_NO_MPP"


def test_a_real_slide_cut_in_the_middle_is_truncated(shared_data: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.svs"
    cut.write_bytes((shared_data / SVS).read_bytes()[:900_000])
    assert _refusal(cut).code == "E_TRUNCATED"


def test_an_empty_file_and_a_text_are_no_slides(tmp_path: Path) -> None:
    (tmp_path / "a.svs").write_bytes(b"")
    (tmp_path / "b.svs").write_text("not a slide at all\n" * 50)
    assert _refusal(tmp_path / "a.svs").code == "E_EMPTY"
    assert _refusal(tmp_path / "b.svs").code == "E_SCHEMA"


def test_a_claim_of_forty_gigapixels_is_refused_without_reading_them(tmp_path: Path) -> None:
    tags = [(256, 4, 1, 200_000), (257, 4, 1, 200_000), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    tags += [(273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, 200_000), (279, 4, 1, 10)]
    ifd = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + struct.pack("<I", 0)
    path = tmp_path / "huge.tiff"
    path.write_bytes(b"II*\0" + struct.pack("<I", 20) + b"0123456789ab" + ifd)
    assert _refusal(path).code == "E_TOO_BIG"


def test_a_loop_of_directories_ends(tmp_path: Path) -> None:
    path = tmp_path / "loop.tiff"
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + struct.pack("<HHHIII", 1, 256, 4, 1, 10, 8) + bytes(8))
    assert _refusal(path).code in {"E_SCHEMA", "E_TRUNCATED", "E_TOO_BIG"}


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"openslide.mpp-x": "0"},
        {"openslide.mpp-x": "nan"},
        {"openslide.mpp-x": "352.8"},  # 72 dpi, what an image editor writes
        {"openslide.mpp-x": "0.25", "openslide.mpp-y": "0.5"},
    ],
)
def test_a_resolution_that_cannot_be_is_refused(properties: dict[str, str]) -> None:
    with pytest.raises(InputError, match="E_NO_MPP"):
        resolution(properties, Path("slide.svs"), SlideSettings())


def test_formats_cover_slide_annotations_and_scores() -> None:
    assert {(f.modality, f.role, str(f.scope)) for f in FORMATS} == {
        ("he_slide", "slide", "sample"),
        ("he_slide", "annotations", "sample"),
        ("ihc", "scores", "batch"),
        ("ihc", "image", "sample"),
    }
