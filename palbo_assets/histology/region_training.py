"""Training of `region_model` on rendered fields: ``python -m palbo_assets.histology.region_training``.

Takes ten minutes of one processor and writes the model's file anew; same package versions, same file. Patients have
one, two or four fields that share their style, their rulers (median, moved by 8 % as rulers of small samples are) and
their context.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from palbo_assets.histology import region_features as grain
from palbo_assets.histology import scenes
from palbo_assets.histology.region_model import FARTHEST, FILE, FOOTPRINT, RegionModel
from palbo_assets.histology.slide import Field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

COHORTS = ((31, 500), (32, 500), (33, 500))
"""Seed and patients of the training fields."""
VALIDATION = (2, 120)
MEMBERS, HIDDEN, DECAY, RATE, BATCH, EPOCHS = 3, (64, 32), 0.1, 2e-3, 1024, 8
KEPT = 0.3  # share of cells: neighbours tell the same
READ_MPP = 0.5
LEAST_NUCLEAR = 1e-3


class Cells(NamedTuple):
    """Cells of rendered fields: inputs, shares, and the number of the field."""

    inputs: NDArray[np.float32]
    shares: NDArray[np.float32]
    field: NDArray[np.int64]
    tumours: tuple[str, ...]
    scan_mpp: NDArray[np.float64]


def pictured(rgb: NDArray[np.uint8], mpp: float) -> NDArray[np.uint8]:
    """An image as slides are read, at `READ_MPP`, cut to whole cells."""
    source = Field(rgb, mpp)
    width, height = (int(side / READ_MPP) // scenes.CELL_PX * scenes.CELL_PX for side in source.size_um)
    return source.read(0, 0, width, height, READ_MPP)


def rendered(seed: int, patients: int, kept: float = 1.0) -> Cells:
    """Cells (a share of them at random) of the fields of some patients; patients without tissue are left out."""
    inputs: list[NDArray[np.float32]] = []
    shares: list[NDArray[np.float32]] = []
    numbers: list[NDArray[np.int64]] = []
    tumours: list[str] = []
    resolutions: list[float] = []
    for patient in range(patients):
        rng = np.random.default_rng([seed, patient])
        look = scenes.style(rng)
        fields = [scenes.field(look, rng) for _ in range(int(rng.choice([1, 2, 4], p=[0.5, 0.25, 0.25])))]
        pictures = [pictured(rgb, look.scan_mpp) for rgb, _ in fields]
        own = np.array([grain.rulers([picture], READ_MPP) for picture in pictures])
        own = own[own[:, 0] > 0]
        if not len(own):
            continue
        usual = grain.Rulers(*np.median(own, axis=0)).at_least()
        rulers = grain.Rulers(*(np.array(usual) * np.exp(rng.normal(0, 0.08, 2))))
        found = [grain.features(grain.maps(grain.coarse(picture, READ_MPP), rulers)) for picture in pictures]
        told = grain.context(found)
        for cells, (_, truth) in zip(found, fields, strict=True):
            rows, columns = min(len(cells), len(truth)), min(cells.shape[1], truth.shape[1])
            chosen = rng.random(rows * columns) < kept
            inputs.append(grain.inputs(cells[:rows, :columns], told)[chosen])
            shares.append(truth[:rows, :columns].reshape(-1, truth.shape[-1])[chosen])
            numbers.append(np.full(int(chosen.sum()), len(tumours)))
            tumours.append(look.tumour)
            resolutions.append(look.scan_mpp)
    return Cells(
        np.concatenate(inputs), np.concatenate(shares), np.concatenate(numbers), tuple(tumours), np.array(resolutions)
    )


def fit(cohorts: Sequence[Cells], seed: int = 0) -> RegionModel:
    """Networks of either kind, each of a kind trained on another part of the cells."""
    from sklearn.neural_network import MLPRegressor

    raw, y = (np.concatenate([cells[k] for cells in cohorts]) for k in (0, 1))
    part = np.random.default_rng(seed).integers(0, MEMBERS, len(raw))
    mean, scale = raw.mean(axis=0), raw.std(axis=0) + 1e-6
    x = np.clip((raw - mean) / scale, -FARTHEST, FARTHEST)
    nuclear = np.maximum(grain.nuclear(raw), LEAST_NUCLEAR)
    factor = np.clip(y[:, scenes.LYMPHOID] / (FOOTPRINT * nuclear), 0, 3)
    weight = nuclear**2 / np.mean(nuclear**2)  # so that the error of the share is what is minimised

    def trained(member: int, **told: Any) -> Any:
        network = MLPRegressor(
            hidden_layer_sizes=HIDDEN,
            alpha=DECAY,
            batch_size=BATCH,
            learning_rate_init=RATE,
            max_iter=EPOCHS,
            random_state=member,
        ).fit(x[part == member], **{name: values[part == member] for name, values in told.items()})
        layers = zip(network.coefs_, network.intercepts_, strict=True)
        return tuple((np.round(w, 5).astype(np.float32), np.round(b, 5).astype(np.float32)) for w, b in layers)

    return RegionModel(
        np.round(mean, 7),
        np.round(scale, 7),
        tuple(trained(member, y=y) for member in range(MEMBERS)),
        tuple(trained(member, y=factor, sample_weight=weight) for member in range(MEMBERS)),
    )


def by_field(cells: Cells, shares: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(stromal share that mononuclear cells occupy [%], stroma's share of the area) of each field."""
    lymphoid, rest = (np.bincount(cells.field, shares[:, k]) for k in (scenes.LYMPHOID, scenes.STROMA))
    stroma = lymphoid + rest
    return 100 * lymphoid / np.maximum(stroma, 1e-6), stroma / np.bincount(cells.field)


def main() -> None:
    import warnings

    warnings.filterwarnings("ignore", message="Stochastic Optimizer")  # the number of epochs is fixed
    model = fit([rendered(*cohort, KEPT) for cohort in COHORTS])
    FILE.write_text(model.to_json() + "\n", encoding="utf-8")
    unseen = rendered(*VALIDATION)
    truth, stroma = by_field(unseen, unseen.shares)
    found, _ = by_field(unseen, model.shares(unseen.inputs))
    keep = stroma > 0.1
    sys.stdout.write(f"{keep.sum()} left-out fields: mean error {np.abs(found - truth)[keep].mean():.1f} points\n")


if __name__ == "__main__":
    main()
