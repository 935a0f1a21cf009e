"""Fields that experts scored, measured as a slide is, and the model that is calibrated on them.

It stands above classifier, score and calibration, so that none of these needs the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from palbo_assets.histology import calibration
from palbo_assets.histology import region_features as grain
from palbo_assets.histology.calibration import ScoredField
from palbo_assets.histology.classifier import SCORED, Model, Training
from palbo_assets.histology.evidence import Appearance, appearance, grain_of, measure
from palbo_assets.histology.region_features import Rulers
from palbo_assets.histology.score import areas_of, judge
from palbo_assets.histology.settings import CalibrationSettings, SlideSettings
from palbo_assets.histology.slide import Field
from palbo_assets.platform.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def area_rule(fields: Sequence[ScoredField], model: Model) -> NDArray[np.float64]:
    """Area rule [%] of each field, without the limits of size that hold for slides.

    A field is too small for rulers and a context of its own, so the fields of a patient share theirs, as tiles of a
    slide do: the median of their rulers, and the context of all. No reading takes part in that.
    """
    import cv2

    lenient = SlideSettings(min_scored_mm2=0, min_nuclei=0, min_stroma_mm2=1e-4, focus_min=0, min_he_hue=0)
    pictures: list[Field] = []
    for field in fields:
        picture = cv2.imread(str(field.path), cv2.IMREAD_COLOR)
        if picture is None:
            raise InputError("E_SCHEMA", "a scored image can't be decoded", file=field.path.name)
        pictures.append(Field(np.ascontiguousarray(picture[..., ::-1]).astype(np.uint8), field.mpp))
    areas = areas_of(model)
    found = np.zeros(len(fields))
    for patient in sorted({field.patient for field in fields}):
        own = [k for k, field in enumerate(fields) if field.patient == patient]
        stains = np.array([appearance(pictures[k], lenient) for k in own])
        rulers = Rulers(*np.median(stains, axis=0).tolist()).at_least()
        context = grain.context([piece for k in own for piece in grain_of(pictures[k], lenient, rulers)])
        known = Appearance(rulers, context)
        for k in own:
            evidence = measure(pictures[k], lenient, areas=areas, known=known)
            found[k] = judge(pictures[k], evidence, model, lenient).area_rule_pct or 0.0
    return found


def calibrated(training: Training, fields: Sequence[ScoredField], settings: CalibrationSettings) -> Training:
    """The model with a score calibrated on fields that experts scored: what is validated then is that score.

    A calibration that doesn't hold on left-out patients is stated, but moves nobody's score.
    """
    study = calibration.study(fields, area_rule(fields, training.model), settings)
    return replace(
        training,
        model=replace(training.model, calibration=study.calibration if study.validated else None),
        source=SCORED,
        validated=study.validated,
        study=study,
    )
