"""Stain separation and nuclei: equal to the reference, and true to what was planted."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import rgb2hed
from skimage.data import immunohistochemistry

from palbo_assets.demo import slides
from palbo_assets.histology import nuclei, stain, tissue


@pytest.mark.parametrize("index", range(3))
def test_stains_equal_scikit_image_within_a_millionth(index: int) -> None:
    image = immunohistochemistry()
    np.testing.assert_allclose(stain.separate(image, stain.STAINS[index]), rgb2hed(image)[..., index], atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_stains_equal_scikit_image_for_any_colours(seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    np.testing.assert_allclose(stain.separate(image), rgb2hed(image)[..., 0], atol=1e-6)


def test_a_stronger_stain_moves_the_threshold_by_its_factor() -> None:
    density = np.random.default_rng(1).gamma(2, 0.02, (200, 200)).astype(np.float32)
    density[50:90, 50:90] += 0.2
    ratio = stain.nuclear_threshold(density * np.float32(1.2)) / stain.nuclear_threshold(density)
    assert ratio == pytest.approx(1.2, rel=0.01)


def test_a_uniform_image_has_no_nuclear_threshold() -> None:
    assert stain.nuclear_threshold(np.full((10, 10), 0.3, np.float32)) == 0.0
    assert stain.nuclear_threshold(np.zeros((0,), np.float32)) == 0.0


def test_touching_round_nuclei_are_told_apart_and_measured() -> None:
    y, x = np.mgrid[0:200, 0:200]
    od = np.full((200, 200), 0.3, np.float32)
    centres = [(60, 60), (60, 74), (140, 100)]
    for cy, cx in centres:
        od[(y - cy) ** 2 + (x - cx) ** 2 <= 8**2] = 2.0
    found = nuclei.measure(nuclei.segment(od, 0.5), od, 0.5)
    assert len(found) == 3
    alone = found.loc[(found["y_um"] - 70.25).abs().idxmin()]
    assert alone["area_um2"] == pytest.approx(np.pi * 4**2, rel=0.12)
    assert alone["x_um"] == pytest.approx(50.25, abs=0.3)
    assert alone["eccentricity"] < 0.3
    assert alone["compactness"] == pytest.approx(1, abs=0.05)


def _spread(
    spacing_um: float, area_um2: tuple[float, float], amount: tuple[float, float], rim: float
) -> tuple[int, int]:
    """(planted, found) nuclei of a field of 0.16 mm2 that was scanned at 1.3 um/px."""
    rng = np.random.default_rng(2)
    density = np.full((800, 800), 0.05, np.float32)
    sites = slides._lattice(rng, 800, spacing_um / 0.5, jitter=1.0, where=np.ones((800, 800), bool))
    slides._nuclei(density, sites, rng, area_um2=area_um2, elongation=(1, 1.2), amount=amount, rim=rim)
    scanned = cv2.resize(density, (308, 308), interpolation=cv2.INTER_AREA)
    read = np.asarray(cv2.resize(scanned, (800, 800), interpolation=cv2.INTER_CUBIC), np.float32)
    od = np.maximum(read, 0) / np.float32(stain.nuclear_threshold(read))
    return len(sites), len(nuclei.measure(nuclei.segment(od, 0.5), od, 0.5))


def test_a_sheet_of_lymphocytes_in_a_coarse_scan_is_no_blob() -> None:
    planted, found = _spread(6.5, (20, 28), (0.75, 0.95), rim=0.0)
    assert found == pytest.approx(planted, rel=0.1)


@pytest.mark.parametrize("rim", [0.1, 0.4])
def test_large_vesicular_nuclei_stay_whole(rim: float) -> None:
    planted, found = _spread(20, (100, 200), (0.38, 0.52), rim=rim)
    assert found == pytest.approx(planted, rel=0.12)


def test_a_spindle_is_eccentric() -> None:
    y, x = np.mgrid[0:120, 0:120]
    od = np.full((120, 120), 0.3, np.float32)
    od[((x - 60) / 22.0) ** 2 + ((y - 60) / 6.0) ** 2 <= 1] = 2.0
    found = nuclei.measure(nuclei.segment(od, 0.5), od, 0.5)
    assert len(found) == 1 and found["eccentricity"].iloc[0] > 0.93


def test_no_nuclei_is_an_empty_table_with_all_columns() -> None:
    found = nuclei.measure(np.zeros((5, 5), np.int32), np.zeros((5, 5), np.float32), 0.5)
    assert found.empty and {"area_um2", "mean_od", "texture"} <= set(found.columns)
    assert len(nuclei.local_density(np.zeros(0), np.zeros(0))) == 0


def test_local_density_counts_the_others_within_20_um() -> None:
    density = nuclei.local_density(np.array([0.0, 10.0, 100.0]), np.zeros(3))
    assert density == pytest.approx([1 / (np.pi * 0.4), 1 / (np.pi * 0.4), 0.0])


def test_glass_is_no_tissue_and_pens_are_none_either() -> None:
    picture = np.full((100, 100, 3), 243, np.uint8)
    assert not tissue.tissue_mask(picture, 8.0).any()
    picture[10:40, 10:90] = (220, 130, 190)  # eosin
    picture[60:90, 10:50] = (20, 140, 60)  # green pen
    picture[60:90, 60:90] = (30, 30, 30)  # black pen
    mask = tissue.tissue_mask(picture, 8.0)
    assert mask[15:35, 15:85].all() and not mask[55:].any()
