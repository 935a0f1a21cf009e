"""A small twin of the trial's clinical data, and records made by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from palbo_assets.clinical.records import PatientRecord
from palbo_assets.demo import clinical as demo
from palbo_assets.demo.truth import PatientTruth, SampleTruth

COURSES: tuple[tuple[str, int, bool, tuple[str, ...]], ...] = (
    ("PR", 400, True, ("PAIR", "BANK")),
    ("SD", 100, True, ("PAIR", "BANK")),
    ("PD", 60, True, ("PAIR",)),
    ("CR", 900, True, ("PAIR",)),
    ("SD", 300, False, ("TIL", "BANK")),
    ("NON-CR/NON-PD", 250, True, ("TIL", "PAIR")),
    ("NE", 1, False, ("BANK",)),
    ("NE", 30, True, ("BANK",)),
    ("PR", 55, True, ("PAIR",)),
    ("SD", 170, False, ("BANK",)),
)
WITHDRAWN = "PALBO-010"


def truths() -> list[PatientTruth]:
    found = []
    for number, (best, days, event, cohorts) in enumerate(COURSES, start=1):
        patient = f"PALBO-{number:03d}"
        sample_days = {"BL": -7, "W06": 42, "W12": 84} | ({"PD": days + 6} if event else {})
        found.append(
            PatientTruth(
                patient_id=patient,
                site="SMC" if number % 2 else "SNUH",
                cohorts=cohorts,
                genotypes=(0, 1),
                pfs_days=days,
                pfs_event=event,
                best_overall_response=best,
                withdrawn=patient == WITHDRAWN,
                samples={point: SampleTruth(patient, point, day, 0.5) for point, day in sample_days.items()},
            )
        )
    return found


@pytest.fixture
def twin(tmp_path: Path) -> tuple[list[PatientTruth], Path, Path]:
    """The planted truth, the export and the dictionary."""
    planted = truths()
    demo.write(planted, tmp_path, np.random.default_rng(7))
    return planted, tmp_path / demo.EXPORT, tmp_path / demo.DICTIONARY


@pytest.fixture
def record() -> Callable[..., PatientRecord]:
    """Builds a patient's record from values and forms; forms get rows of their own."""

    def make(
        values: dict[str, Any] | None = None,
        *,
        cohorts: tuple[str, ...] = ("PAIR",),
        targets: list[dict[str, Any]] | None = None,
        visits: list[dict[str, Any]] | None = None,
        specimens: list[dict[str, Any]] | None = None,
        data_cut_day: int | None = 1000,
    ) -> PatientRecord:
        return PatientRecord(
            patient_id="PALBO-001",
            first_dose_known=True,
            cohorts=cohorts,
            values=values or {},
            rows={},
            targets=[{"row": 10 + index, **form} for index, form in enumerate(targets or [])],
            visits=[{"row": 50 + index, **form} for index, form in enumerate(visits or [])],
            specimens=[{"row": 90 + index, **form} for index, form in enumerate(specimens or [])],
            data_cut_day=data_cut_day,
            first_dose_study_day=60,
        )

    return make
