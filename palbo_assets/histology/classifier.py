"""Lymphocyte, tumour, stroma or other: a multinomial logistic regression over nuclear morphology, kept as JSON.

Few parameters, a probability for each class, coefficients that a pathologist can read, and no pickle: the model is its
standardisation and coefficients as text, and its version is the hash of that text. Local density is measured but is not
a predictor: rendered nuclei don't know how dense tissue is.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from palbo_assets.histology.agreement import Agreement
from palbo_assets.histology.calibration import Calibration, Study
from palbo_assets.histology.settings import ModelSettings
from palbo_assets.histology.synthetic import CLASSES
from palbo_assets.platform.errors import InputError, PalboError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

PREDICTORS = ("log_area", "eccentricity", "compactness", "mean_od", "texture")
MEASURED = ("area_um2", "eccentricity", "compactness", "mean_od", "texture")
RENDERED = "rendered nuclei"
LABELLED = "labelled nuclei"
SCORED = "rendered nuclei, calibrated on scored fields"


@dataclass(frozen=True)
class Model:
    """Standardisation and coefficients: ``coefficients[class, predictor]`` on standardised predictors."""

    classes: tuple[str, ...]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    intercept: NDArray[np.float64]
    calibration: Calibration | None = None

    def to_json(self) -> str:
        """The model as text, the same for the same model."""
        return json.dumps(
            {
                "kind": "multinomial logistic regression",
                "predictors": list(PREDICTORS),
                "classes": list(self.classes),
                "mean": self.mean.tolist(),
                "scale": self.scale.tolist(),
                "coefficients": self.coefficients.tolist(),
                "intercept": self.intercept.tolist(),
                "calibration": None if self.calibration is None else asdict(self.calibration),
            },
            sort_keys=True,
        )

    @classmethod
    def from_json(cls, text: str) -> Model:
        """The model that `to_json` wrote.

        Raises
        ------
        PalboError
            ``E_MODEL`` when the text isn't one.
        """
        try:
            content = json.loads(text)
            calibration = content["calibration"]
            model = cls(
                classes=tuple(content["classes"]),
                mean=np.asarray(content["mean"], dtype=float),
                scale=np.asarray(content["scale"], dtype=float),
                coefficients=np.asarray(content["coefficients"], dtype=float),
                intercept=np.asarray(content["intercept"], dtype=float),
                calibration=None if calibration is None else Calibration(float(calibration["slope"])),
            )
            fits = (
                tuple(content["predictors"]) == PREDICTORS
                and model.classes == CLASSES
                and model.coefficients.shape == (len(CLASSES), len(PREDICTORS))
                and model.intercept.shape == (len(CLASSES),)
                and model.mean.shape == model.scale.shape == (len(PREDICTORS),)
            )
        except (ValueError, KeyError, TypeError):
            fits = False
        if not fits:
            raise PalboError("E_MODEL", "the text is not a model of this classifier", fix="materialise til_model again")
        return model

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @property
    def version(self) -> str:
        return self.sha256[:12]

    def probabilities(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Class probabilities (n nuclei, n classes) of nuclei measured by `nuclei.measure`."""
        if len(features) == 0:
            return np.zeros((0, len(self.classes)))
        score = ((predictors(features) - self.mean) / self.scale) @ self.coefficients.T + self.intercept
        score -= score.max(axis=1, keepdims=True)
        weight = np.exp(score)
        return np.asarray(weight / weight.sum(axis=1, keepdims=True))

    def predict(self, features: pd.DataFrame) -> NDArray[np.int64]:
        """Index into ``classes`` of the most probable class of each nucleus."""
        return np.asarray(self.probabilities(features).argmax(axis=1))


@dataclass(frozen=True)
class Training:
    """A trained model and what is known of it."""

    model: Model
    source: str
    n_per_class: dict[str, int]
    accuracy: float  # balanced, over left-out groups
    validated: bool
    study: Study | None = None  # of scored fields, where the reference holds these


def model_row(training: Training) -> dict[str, Any]:
    """The model's row of ``til_model`` (without the hash of a training file)."""
    return {
        "model_version": training.model.version,
        "sha256": training.model.sha256,
        "model_json": training.model.to_json(),
        "training_source": training.source,
        **{f"n_{name}": number for name, number in training.n_per_class.items()},
        "cv_balanced_accuracy": None if np.isnan(training.accuracy) else training.accuracy,
        "validated": training.validated,
        **_study_columns(training.study),
    }


def _study_columns(study: Study | None) -> dict[str, Any]:
    if study is None:
        return {}
    return {
        "calibration_slope": study.calibration.slope,
        "n_fields": study.n_fields,
        "n_field_patients": study.n_patients,
        **_with_interval("order_spearman", study.order.spearman, study.order.spearman_interval),
        **_agreement("field", study.accuracy),
        **_agreement("reader", study.readers),
    }


def _agreement(prefix: str, found: Agreement) -> dict[str, float | None]:
    return {
        **_with_interval(f"{prefix}_spearman", found.spearman, found.spearman_interval),
        **_with_interval(f"{prefix}_icc", found.icc, found.icc_interval),
        **_with_interval(f"{prefix}_mae_points", found.mae_points, found.mae_interval),
    }


def _with_interval(name: str, value: float, interval: tuple[float, float]) -> dict[str, float | None]:
    return {name: _finite(value), f"{name}_low": _finite(interval[0]), f"{name}_high": _finite(interval[1])}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def predictors(features: pd.DataFrame) -> NDArray[np.float64]:
    """(n nuclei, 5): area on a log scale, the others as measured."""
    values = features[list(MEASURED)].to_numpy(dtype=float, copy=True)
    values[:, 0] = np.log(values[:, 0])
    return values


def train(settings: ModelSettings, labelled: pd.DataFrame | None = None, *, scan_mpp: float = 0.5) -> Training:
    """Train the classifier, on human-labelled nuclei where given, else on rendered ones.

    Parameters
    ----------
    labelled
        `read_training`'s table, or None.
    scan_mpp
        Resolution of the images [um/px] that rendered nuclei are seen through, if coarser than 0.5.

    Returns
    -------
    Training
        ``validated`` only for labelled nuclei of several patients with a balanced accuracy over left-out patients of
        at least ``settings.validated_accuracy``.
    """
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import StratifiedGroupKFold

    from palbo_assets.histology.synthetic import training_nuclei

    table = labelled if labelled is not None else training_nuclei(settings.nuclei_per_class, settings.seed, scan_mpp)
    x, y, groups = predictors(table), table["label"].to_numpy(dtype=str), table["group"].to_numpy(dtype=str)
    folds = min(settings.folds, len(np.unique(groups)))
    accuracy = float("nan")
    if folds >= 2:
        guess = np.empty_like(y)
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=settings.seed)
        for seen, left_out in splitter.split(x, y, groups):
            guess[left_out] = _fit(x[seen], y[seen]).predict(x[left_out])
        accuracy = float(balanced_accuracy_score(y, guess))

    pipeline = _fit(x, y)
    scaler, regression = pipeline[0], pipeline[1]
    order = [list(regression.classes_).index(name) for name in CLASSES]
    model = Model(
        classes=CLASSES,
        # Rounded so that the last bits of a solver don't change the version.
        mean=np.round(scaler.mean_, 8),
        scale=np.round(scaler.scale_, 8),
        coefficients=np.round(regression.coef_[order], 6),
        intercept=np.round(regression.intercept_[order], 6),
    )
    return Training(
        model=model,
        source=RENDERED if labelled is None else LABELLED,
        n_per_class={name: int((y == name).sum()) for name in CLASSES},
        accuracy=accuracy,
        validated=labelled is not None and accuracy >= settings.validated_accuracy,
    )


def _fit(x: NDArray[np.float64], y: NDArray[Any]) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=2000, class_weight="balanced")).fit(x, y)


def read_training(path: Path, settings: ModelSettings) -> pd.DataFrame:
    """Human-labelled nuclei: CSV with the columns of `MEASURED`, ``label`` and ``group`` (the patient).

    Features must come from this room's segmentation, so that they mean the same. Without ``group`` all rows count as
    one patient, so no accuracy can be stated.

    Raises
    ------
    InputError
        ``E_SCHEMA`` for columns, numbers, classes or too few labels.
    """
    import pandas as pd

    from palbo_assets.platform.text import number, read_table

    raw = read_table(path, required=(*MEASURED, "label"))
    lines = [int(row) for row in raw.index]
    columns: dict[str, Any] = {}
    for name in MEASURED:
        values = [number(cell, path=path, row=row, column=name) for row, cell in zip(lines, raw[name], strict=True)]
        for row, value in zip(lines, values, strict=True):
            if value is None or (name == "area_um2" and value <= 0):
                raise InputError(
                    "E_SCHEMA", "the feature is missing or impossible", file=path.name, row=row, column=name
                )
        columns[name] = values
    unknown = [row for row, label in zip(lines, raw["label"], strict=True) if label not in CLASSES]
    if unknown:
        raise InputError(
            "E_SCHEMA",
            "the class is unknown",
            file=path.name,
            row=unknown[0],
            column="label",
            fix=f"use {', '.join(CLASSES)}",
        )
    counts = raw["label"].value_counts()
    few = [name for name in CLASSES if int(counts.get(name, 0)) < settings.min_class_labels]
    if few:
        raise InputError(
            "E_SCHEMA",
            f"fewer than {settings.min_class_labels} nuclei of: {', '.join(few)}",
            file=path.name,
            column="label",
        )
    columns["label"] = raw["label"].to_list()
    columns["group"] = raw["group"].to_list() if "group" in raw.columns else [""] * len(raw)
    return pd.DataFrame(columns)
