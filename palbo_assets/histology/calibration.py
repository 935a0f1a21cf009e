"""From what the slide shows to what pathologists would call it: fields that experts scored calibrate the score.

The reference `til_training` may be a table of scored fields: a row a reading, ``image, sha256, mpp, patient, reader,
stil_pct``, the images beside it. Readers call the area between mononuclear cells occupied too, so their figure is taken
as proportional to the area rule (`score`): one slope through zero, since no cells are 0 %. Accuracy is that of slopes
fitted without the patient in question. The order of the uncalibrated rule is stated as well: nothing in it was fitted
on fields, so it needs no folds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from palbo_assets.histology import agreement
from palbo_assets.histology.settings import CalibrationSettings
from palbo_assets.platform.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS = ("image", "sha256", "mpp", "patient", "reader", "stil_pct")


@dataclass(frozen=True)
class Calibration:
    """stil_area_pct = slope x area rule, within 0-100; a slope is never negative."""

    slope: float

    def percent(self, area_rule: float | NDArray[np.float64]) -> Any:
        return np.clip(self.slope * np.asarray(area_rule), 0.0, 100.0)


@dataclass(frozen=True)
class ScoredField:
    """One field: its image, resolution [um/px], patient, and readings [%] by reader; none where it can't be judged."""

    path: Path
    mpp: float
    patient: str
    readings: Mapping[str, float]


@dataclass(frozen=True)
class Study:
    """A calibration and what is known of it.

    Attributes
    ----------
    guess
        Left-out predictions [%], in field order.
    accuracy
        Of these predictions, against the experts' mean.
    order
        Of the uncalibrated area rule; only its rank correlation means something.
    readers
        Of the median expert, against the mean of the others.
    """

    calibration: Calibration
    guess: NDArray[np.float64]
    accuracy: agreement.Agreement
    order: agreement.Agreement
    readers: agreement.Agreement
    n_fields: int
    n_patients: int
    validated: bool


def is_scored_fields(path: Path) -> bool:
    """Whether a training table is one of scored fields (else it is one of nuclei)."""
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        return "stil_pct" in lines.readline()


def read(path: Path) -> list[ScoredField]:
    """Fields that at least one reader could judge, in the order of the table.

    Raises
    ------
    InputError
        ``E_SCHEMA, E_BAD_NAME, E_RANGE, E_CHECKSUM, E_EMPTY`` with the row.
    """
    import hashlib

    from palbo_assets.platform.text import number, read_table

    raw = read_table(path, required=COLUMNS)
    found: dict[str, tuple[Path, float, str, dict[str, float]]] = {}
    for row, line in zip(map(int, raw.index), raw.to_dict("records"), strict=True):

        def wrong(code: str, message: str, column: str, row: int = row) -> InputError:
            return InputError(code, message, file=path.name, row=row, column=column, fix="correct the training table")

        name = line["image"]
        if not name or Path(name).name != name:
            raise wrong("E_BAD_NAME", "an image stands beside the table and is named without a folder", "image")
        picture = path.parent / name
        if name not in found:
            if not picture.is_file():
                raise wrong("E_SCHEMA", "the image isn't beside the table", "image")
            if hashlib.sha256(picture.read_bytes()).hexdigest() != line["sha256"].lower():
                raise wrong("E_CHECKSUM", "the image isn't the one that was scored", "sha256")
        mpp = number(line["mpp"], path=path, row=row, column="mpp")
        if mpp is None or not 0.1 <= mpp <= 2:
            raise wrong("E_RANGE", "the resolution isn't one of a microscope", "mpp")
        if not line["patient"] or not line["reader"]:
            raise wrong("E_SCHEMA", "patient and reader must be stated", "patient")
        value = number(line["stil_pct"], path=path, row=row, column="stil_pct")
        if value is not None and not 0 <= value <= 100:
            raise wrong("E_RANGE", "a share lies within 0-100 %", "stil_pct")
        _, stated_mpp, patient, readings = found.setdefault(name, (picture, mpp, line["patient"], {}))
        if (stated_mpp, patient) != (mpp, line["patient"]) or line["reader"] in readings:
            raise wrong("E_SCHEMA", "an image has one resolution, one patient and one reading a reader", "image")
        if value is not None:
            readings[line["reader"]] = value
    fields = [ScoredField(*entry) for entry in found.values() if entry[3]]
    if len({field.patient for field in fields}) < 3:
        raise InputError("E_EMPTY", "fewer than three patients have scored fields", file=path.name)
    return fields


def fit(values: NDArray[np.float64], truth: NDArray[np.float64]) -> Calibration:
    """Least squares through zero; 0 where nothing was found anywhere."""
    power = float((values**2).sum())
    return Calibration(max(0.0, float((values * truth).sum()) / power) if power > 0 else 0.0)


def left_out(
    values: NDArray[np.float64], truth: NDArray[np.float64], patients: NDArray[np.str_]
) -> NDArray[np.float64]:
    """Prediction [%] of each field by a slope fitted on the other patients' fields."""
    guess = np.zeros(len(truth))
    for patient in np.unique(patients):
        own = patients == patient
        guess[own] = fit(values[~own], truth[~own]).percent(values[own])
    return guess


def study(fields: Sequence[ScoredField], values: NDArray[np.float64], settings: CalibrationSettings) -> Study:
    """Calibrate on all fields; state the accuracy of calibrating without the patient in question.

    Parameters
    ----------
    values
        `scored_fields.area_rule` of the fields.
    """
    truth = np.array([np.mean(list(field.readings.values())) for field in fields])
    patients = np.array([field.patient for field in fields])
    readers = sorted({reader for field in fields for reader in field.readings})
    ratings = np.array([[field.readings.get(reader, np.nan) for reader in readers] for field in fields])
    guess = left_out(values, truth, patients)
    accuracy = agreement.agree(guess, truth, patients, seed=settings.seed)
    n_patients = len(np.unique(patients))
    return Study(
        calibration=Calibration(round(fit(values, truth).slope, 6)),
        guess=guess,
        accuracy=accuracy,
        order=agreement.agree(values, truth, patients, seed=settings.seed),
        readers=agreement.readers_against_the_rest(ratings, patients, seed=settings.seed),
        n_fields=len(fields),
        n_patients=n_patients,
        validated=bool(
            n_patients >= settings.min_patients
            and accuracy.icc >= settings.validated_icc
            and accuracy.mae_points <= settings.validated_mae_points
        ),
    )
