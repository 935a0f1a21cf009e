"""Rendered nuclei with known class: what the classifier learns from while no labelled nuclei are supplied.

Lymphocytes are small, round and dark; tumour nuclei larger and paler; fibroblasts spindles; the rest faint specks and
nuclei cut at their edge. The literature gives 20-60 um2 for lymphocytes and more than 60 um2 for tumour nuclei.
Profiles in a thin section, outlined at Otsu's threshold, are smaller: round dark nuclei of the dermis of OpenSlide's
CMU-1 measured 10-28 um2 (10-90 %) at 1.8-2.5 times the threshold, its keratinocytes 12-51 um2 at 1.3-1.9, and the
ranges here are moved accordingly. Nuclei go through the same segmentation as a slide's, so features carry its
errors. A model trained on this has never seen a labelled patient: it is not validated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

CLASSES = ("lymphocyte", "tumour", "stroma", "other")
MPP = 0.5
FIELD_PX = 400
BACKGROUND = 0.4  # stain of cytoplasm and matrix, in units of a nucleus' edge


@dataclass(frozen=True)
class Morphology:
    """Ranges of one class: area [um2], long over short axis, density (background 0.4)."""

    area_um2: tuple[float, float]
    elongation: tuple[float, float]
    density: tuple[float, float]


MORPHOLOGY = {
    "lymphocyte": Morphology((14, 36), (1.0, 1.6), (1.9, 3.0)),
    "tumour": Morphology((36, 160), (1.0, 1.8), (1.1, 1.9)),
    "stroma": Morphology((14, 70), (2.4, 5.0), (1.3, 2.8)),
    "other": Morphology((10, 22), (1.0, 2.4), (1.1, 1.6)),
}
CHROMATIN = (0.05, 0.3)  # contrast, the same for every class: no source tells them apart at this resolution


def training_nuclei(per_class: int, seed: int, scan_mpp: float = MPP) -> pd.DataFrame:
    """Features of rendered and segmented nuclei with their class.

    Parameters
    ----------
    per_class
        Nuclei a class that the table holds at most.
    seed
        Same seed, same table.
    scan_mpp
        Resolution [um/px] of the images to come, where it is coarser than that at which nuclei are read: nuclei are
        rendered through it, so that the table carries its blur.

    Returns
    -------
    pandas.DataFrame
        The columns of `nuclei.measure`, ``local_density``, ``label`` and ``group`` (the rendered field, for
        cross-validation over fields).
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    fields: list[pd.DataFrame] = []
    have = dict.fromkeys(CLASSES, 0)
    while min(have.values()) < per_class and len(fields) < 40:
        frame = _field(rng, scan_mpp)
        frame["group"] = f"field{len(fields):02d}"
        fields.append(frame)
        for name, number in frame["label"].value_counts().items():
            have[str(name)] += int(number)
    every = pd.concat(fields, ignore_index=True)
    return every.groupby("label", sort=True).head(per_class).reset_index(drop=True)


def _field(rng: np.random.Generator, scan_mpp: float) -> pd.DataFrame:
    """One rendered field, segmented, each nucleus labelled by the planted nucleus under its centroid."""
    import cv2

    from palbo_assets.histology import nuclei
    from palbo_assets.histology.stain import nuclear_threshold

    density: Any = np.full((FIELD_PX, FIELD_PX), BACKGROUND, dtype=np.float32)
    owner = np.full((FIELD_PX, FIELD_PX), -1, dtype=np.int32)
    kinds: list[int] = []
    step_px = 24
    sites = [(x, y) for y in range(20, FIELD_PX - 20, step_px) for x in range(20, FIELD_PX - 20, step_px)]
    share = rng.dirichlet([2, 2, 2, 3])  # fields differ in composition, as slides do
    for x, y in sites:
        if rng.random() < 0.25:
            continue
        kind = int(rng.choice(len(CLASSES), p=share))
        centre = np.array([x, y]) + rng.uniform(-5, 5, 2)
        _draw(density, owner, centre, kind, len(kinds), rng)
        kinds.append(kind)
    density = cv2.GaussianBlur(density, (0, 0), rng.uniform(0.3, 0.7) / MPP)  # optics and scanner
    density += rng.normal(0, 0.06, density.shape).astype(np.float32)
    if scan_mpp > MPP:
        scanned = (round(FIELD_PX * MPP / scan_mpp),) * 2
        density = cv2.resize(density, scanned, interpolation=cv2.INTER_AREA)
        density = cv2.resize(density, (FIELD_PX, FIELD_PX), interpolation=cv2.INTER_CUBIC)
    np.maximum(density, 0, out=density)

    od = density / np.float32(nuclear_threshold(density))
    labels = nuclei.segment(od, MPP)
    frame = nuclei.measure(labels, od, MPP)
    frame["local_density"] = nuclei.local_density(frame["x_um"].to_numpy(), frame["y_um"].to_numpy())
    planted = owner[(frame["y_um"] / MPP).astype(int), (frame["x_um"] / MPP).astype(int)]
    visible_um2 = np.bincount(owner[owner >= 0], minlength=len(kinds) + 1) * MPP**2
    # A fragment of a nucleus or two nuclei in one teach nothing of the class.
    ratio = frame["area_um2"].to_numpy() / np.maximum(visible_um2[planted], MPP**2)
    whole = (planted >= 0) & (ratio > 0.6) & (ratio < 1.6)
    frame = frame[whole].reset_index(drop=True)
    frame["label"] = [CLASSES[kinds[number]] for number in planted[whole]]
    return frame


def _draw(
    density: NDArray[np.float32],
    owner: NDArray[np.int32],
    centre: NDArray[np.float64],
    kind: int,
    number: int,
    rng: np.random.Generator,
) -> None:
    """Paint one nucleus into ``density`` and its number into ``owner``."""
    import cv2

    form = MORPHOLOGY[CLASSES[kind]]
    area, elongation = rng.uniform(*form.area_um2), rng.uniform(*form.elongation)
    minor = np.sqrt(area / np.pi / elongation) / MPP
    half = int(np.ceil(minor * elongation)) + 2
    left, top = int(centre[0]) - half, int(centre[1]) - half
    size = 2 * half + 1
    if left < 0 or top < 0 or left + size > density.shape[1] or top + size > density.shape[0]:
        return
    angle = rng.uniform(0, np.pi)
    grid_y, grid_x = np.mgrid[0:size, 0:size] - float(half)
    along = grid_x * np.cos(angle) + grid_y * np.sin(angle)
    across = grid_y * np.cos(angle) - grid_x * np.sin(angle)
    radius2 = (along / (minor * elongation)) ** 2 + (across / minor) ** 2
    inside = radius2 <= 1
    chromatin: Any = cv2.GaussianBlur(rng.normal(0, 1, (size, size)).astype(np.float32), (0, 0), 1.2)
    chromatin *= rng.uniform(*CHROMATIN) / max(float(chromatin.std()), 1e-6)
    dome = np.sqrt(1 - 0.75 * np.minimum(radius2, 1))  # a sphere is thinner towards its edge
    painted = (rng.uniform(*form.density) * dome * (1 + chromatin)).astype(np.float32)
    window = (slice(top, top + size), slice(left, left + size))
    density[window][inside] = np.maximum(density[window], painted)[inside]
    owner[window][inside] = number
