"""How far the study is: from screened patients to baseline/progression pairs, against what the registry planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from palbo_assets.clinical.records import PatientRecord
from palbo_assets.clinical.sample_manifest import DECLINED, NOT_ACCESSIBLE, SpecimenStatus
from palbo_assets.clinical.settings import Settings
from palbo_assets.study.protocol import Protocol, Specimen

BIOPSIES = (Specimen.TUMOR_FF, Specimen.TUMOR_FFPE)


@dataclass(frozen=True)
class Patient:
    """What accrual needs of one patient: the record, the manifest's rows, and the day of progression."""

    record: PatientRecord
    manifest: Sequence[Mapping[str, Any]]
    pd_day: int | None

    def collected(self, timepoint: str, kinds: Sequence[str], modality: str | None = None) -> int | None:
        """Day of the first such specimen (0 where only the label is known); None where there is none."""
        days = [
            row.get("collected_day") or 0
            for row in self.manifest
            if row["timepoint"] == timepoint
            and row["status"] == SpecimenStatus.COLLECTED
            and row["specimen_type"] in kinds
            and modality in (None, row["modality"])
        ]
        return min(days, default=None)

    @property
    def biopsy_was_attempted(self) -> bool:
        """A biopsy at progression that gave tissue, or one that is recorded as failed after an attempt."""
        return self.collected("PD", BIOPSIES) is not None or any(
            row["timepoint"] == "PD"
            and row["status"] == SpecimenStatus.NOT_COLLECTED
            and row["specimen_type"] in BIOPSIES
            and row["reason"] not in (NOT_ACCESSIBLE, DECLINED)
            and not str(row["reason"]).startswith("died")
            for row in self.manifest
        )

    @property
    def pair_study_day(self) -> int | None:
        """Days from the study's first consent to the biopsy that completed the pair; None without a pair."""
        baseline, progression = self.collected("BL", BIOPSIES), self.collected("PD", BIOPSIES)
        start = self.record.first_dose_study_day
        return None if baseline is None or progression is None or start is None else start + progression


def accrual_rows(
    patients: Sequence[Patient], data_cut_study_day: int | None, protocol: Protocol, settings: Settings
) -> list[dict[str, Any]]:
    """The funnel, one row per stage in order: ``stage, position, n, planned, pct, planned_pct, projected_study_day``.

    ``pct`` is the share of the stage before it that the protocol plans a share for (adequate biopsies among progressed
    patients). Withdrawn patients are counted in the last row alone. The projected day of the 40th pair continues the
    rate of pairs over the last window before the data cut; it is null while that rate is zero.
    """
    current = [patient for patient in patients if not patient.record.withdrawn]
    progressed = [patient for patient in current if patient.pd_day is not None]
    attempted = [patient for patient in progressed if patient.biopsy_was_attempted]
    adequate = [patient for patient in progressed if patient.collected("PD", BIOPSIES) is not None]
    pair_days = sorted(day for patient in current if (day := patient.pair_study_day) is not None)
    planned = {name: cohort.planned for name, cohort in protocol.cohorts.items()}
    projected = projected_day(pair_days, planned["PAIR"], data_cut_study_day, settings)
    stages: list[dict[str, Any]] = [
        {"stage": "screened", "n": len(current)},
        {"stage": "consented", "n": sum(patient.record.consented is True for patient in current)},
        {
            "stage": "baseline_biopsy_banked",
            "n": sum(patient.collected("BL", BIOPSIES) is not None for patient in current),
            "planned": planned["BANK"],
        },
        {"stage": "on_treatment", "n": sum(patient.record.first_dose_known for patient in current)},
        {
            "stage": "on_treatment_substudy",
            "n": sum(
                all(patient.collected(timepoint, BIOPSIES) is not None for timepoint in ("BL", "W06", "W12"))
                for patient in current
            ),
            "planned": planned["TIL"],
        },
        {"stage": "progressed", "n": len(progressed)},
        {"stage": "progression_biopsy_attempted", "n": len(attempted)},
        {
            "stage": "progression_biopsy_adequate",
            "n": len(adequate),
            "pct": 100.0 * len(adequate) / len(progressed) if progressed else None,
            "planned_pct": 100.0 * protocol.planned_progression_biopsy_success,
        },
        {"stage": "pair", "n": len(pair_days), "planned": planned["PAIR"], "projected_study_day": projected},
    ]
    stages += [
        {
            "stage": f"pair_{name}",
            "n": sum(_has_pair(patient, name, protocol) for patient in current),
            "planned": planned["PAIR"],
        }
        for name, assay in protocol.assays.items()
        if {"BL", "PD"} <= set(map(str, assay.timepoints))
    ]
    stages.append({"stage": "withdrawn", "n": len(patients) - len(current)})
    return [{"position": position, **stage} for position, stage in enumerate(stages, start=1)]


def _has_pair(patient: Patient, assay: str, protocol: Protocol) -> bool:
    known = protocol.assays[assay]
    return all(
        patient.collected(timepoint, known.specimens, str(known.modality)) is not None for timepoint in ("BL", "PD")
    )


def projected_day(
    pair_days: Sequence[int], planned: int, data_cut_study_day: int | None, settings: Settings
) -> int | None:
    """Study day of the last planned pair: the day it was completed, or the current rate continued from the data cut.

    Parameters
    ----------
    pair_days
        Study days at which pairs were completed, ascending.
    """
    if len(pair_days) >= planned:
        return pair_days[planned - 1]
    if data_cut_study_day is None:
        return None
    window = min(settings.accrual_window_days, data_cut_study_day)
    recent = sum(day > data_cut_study_day - window for day in pair_days)
    if not recent or window <= 0:
        return None
    return data_cut_study_day + round((planned - len(pair_days)) * window / recent)
