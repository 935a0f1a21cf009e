"""Fields that experts scored, measured as a slide is, and the model that is calibrated on them.

It stands above classifier, score and calibration, so that none of these needs the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from palbo_assets.histology import calibration
from palbo_assets.histology.calibration import ScoredField
from palbo_assets.histology.classifier import SCORED, Model, Training, train
from palbo_assets.histology.evidence import measure
from palbo_assets.histology.score import judge
from palbo_assets.histology.settings import CalibrationSettings, ModelSettings, SlideSettings
from palbo_assets.histology.slide import Field
from palbo_assets.platform.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def area_rule(fields: Sequence[ScoredField], model_at: Callable[[float], Model]) -> NDArray[np.float64]:
    """Area rule [%] of each field, without the limits of size that hold for slides.

    A field holds too few nuclei for a ruler of its own, so the fields of a patient share one, as tiles of a slide do:
    the median of their nuclear thresholds. No reading takes part in that.

    Parameters
    ----------
    model_at
        The classifier for images of a resolution [um/px].
    """
    import cv2

    lenient = SlideSettings(min_scored_mm2=0, min_nuclei=0, min_stroma_mm2=1e-4, focus_min=0, min_he_hue=0)
    pictures: list[Field] = []
    for field in fields:
        picture = cv2.imread(str(field.path), cv2.IMREAD_COLOR)
        if picture is None:
            raise InputError("E_SCHEMA", "a scored image can't be decoded", file=field.path.name)
        pictures.append(Field(np.ascontiguousarray(picture[..., ::-1]).astype(np.uint8), field.mpp))
    patients = np.array([field.patient for field in fields])
    thresholds = np.array([measure(picture, lenient).threshold for picture in pictures])
    rulers = [float(np.median(thresholds[patients == patient])) for patient in patients]
    models = {mpp: model_at(mpp) for mpp in sorted({field.mpp for field in fields})}
    found = [
        judge(picture, measure(picture, lenient, ruler=ruler), models[picture.mpp], lenient).area_rule_pct or 0.0
        for picture, ruler in zip(pictures, rulers, strict=True)
    ]
    return np.array(found)


def calibrated(
    training: Training, fields: Sequence[ScoredField], settings: CalibrationSettings, rendering: ModelSettings
) -> Training:
    """The model with a score calibrated on fields that experts scored: what is validated then is that score.

    Fields are measured by a classifier whose nuclei were rendered through their resolution. A calibration that doesn't
    hold on left-out patients is stated, but moves nobody's score.
    """
    values = area_rule(fields, lambda mpp: train(rendering, scan_mpp=mpp).model)
    study = calibration.study(fields, values, settings)
    return replace(
        training,
        model=replace(training.model, calibration=study.calibration if study.validated else None),
        source=SCORED,
        validated=study.validated,
        study=study,
    )
