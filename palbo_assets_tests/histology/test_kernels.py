"""The compiled loops equal their readable twins, and scikit-image's watershed."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from scipy import ndimage
from skimage.segmentation import watershed

from palbo_assets.demo import slides
from palbo_assets.histology import kernels, nuclei, stain


@pytest.fixture(scope="module")
def tile() -> np.ndarray[Any, np.dtype[np.float32]]:
    rgb = slides.render(30, np.random.default_rng(2), size_px=512)
    density = stain.separate(rgb)
    return density / np.float32(stain.nuclear_threshold(density))


def _moments(labels: Any, od: Any, mpp: float) -> Any:
    """The twin of `kernels.moments`: numpy, one nucleus at a time."""
    rows = []
    for label in range(1, labels.max() + 1):
        y, x = np.nonzero(labels == label)
        if not nuclei.SMALLEST_UM2 <= len(y) * mpp**2 <= nuclei.LARGEST_UM2:
            continue
        value = od[y, x].astype(float)
        covariance = np.cov(np.vstack([x, y]), bias=True) + np.eye(2) / 12
        minor, major = np.linalg.eigvalsh(covariance)
        rows.append(
            [
                (x.mean() + 0.5) * mpp,
                (y.mean() + 0.5) * mpp,
                len(y) * mpp**2,
                np.sqrt(1 - minor / major),
                len(y) / (4 * np.pi * np.sqrt(major * minor)),
                value.mean(),
                value.std() / value.mean(),
            ]
        )
    return np.array(rows)


def test_moments_equal_each_nucleus_measured_alone(tile: Any) -> None:
    labels = nuclei.segment(tile, 0.5)
    found = nuclei.as_array(labels, tile, 0.5)
    assert len(found) > 100
    np.testing.assert_allclose(found, _moments(labels, tile, 0.5), rtol=1e-4, atol=1e-6)


def test_separate_equals_look_ups_in_numpy() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    table = stain._tables()[0]
    twin = np.maximum(sum(table[channel][rgb[..., channel]] for channel in range(3)), 0) * 3.0
    np.testing.assert_allclose(stain.separate(rgb, scale=3.0), twin, rtol=1e-5, atol=1e-6)


def test_climbing_splits_nuclei_as_scikit_images_watershed_does(tile: Any) -> None:
    smooth = cv2.GaussianBlur(tile, (0, 0), 1.0)
    foreground = cv2.morphologyEx((smooth > 1).astype(np.uint8), cv2.MORPH_OPEN, nuclei._disc(1.8))
    depth = cv2.GaussianBlur(cv2.distanceTransform(foreground, cv2.DIST_L2, 5), (0, 0), 1.2)
    component = cv2.connectedComponents(foreground, connectivity=8, ltype=cv2.CV_32S)[1]
    ours, n = kernels.climb(depth, component, 4)
    peaks = (depth >= cv2.dilate(depth, nuclei._disc(4))) & (foreground > 0)
    reference = watershed(-depth, ndimage.label(peaks, np.ones((3, 3)))[0], mask=foreground > 0)
    assert (ours > 0).sum() == foreground.sum() and n == ours.max()
    assert n == pytest.approx(reference.max(), rel=0.03)
    best = np.zeros(reference.max() + 1)
    pairs, counts = np.unique(np.stack([reference[foreground > 0], ours[foreground > 0]]), axis=1, return_counts=True)
    np.maximum.at(best, pairs[0], counts)
    assert best.sum() / foreground.sum() > 0.95  # of the pixels are in the nucleus that the reference puts them in
