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
    """The funnel, one row per stage in order: ``stage, position, n, planned, pct, pct_low, pct_high, of_stage,
    planned_pct, projected_study_day, projected_low, projected_high``.

    Shares: progressed among treated, biopsies attempted among progressed, adequate ones among progressed (the share
    that the protocol plans); each with its exact interval. Withdrawn patients are counted in the last row alone. The
    projected day of the 40th pair continues the rate of pairs over the last window before the data cut; it is null
    while that rate is zero.
    """
    current = [patient for patient in patients if not patient.record.withdrawn]
    progressed = [patient for patient in current if patient.pd_day is not None]
    attempted = [patient for patient in progressed if patient.biopsy_was_attempted]
    adequate = [patient for patient in progressed if patient.collected("PD", BIOPSIES) is not None]
    pair_days = sorted(day for patient in current if (day := patient.pair_study_day) is not None)
    planned = {name: cohort.planned for name, cohort in protocol.cohorts.items()}
    projected = projected_day(pair_days, planned["PAIR"], data_cut_study_day, settings)
    treated = sum(patient.record.first_dose_known for patient in current)
    stages: list[dict[str, Any]] = [
        {"stage": "screened", "n": len(current)},
        {"stage": "consented", "n": sum(patient.record.consented is True for patient in current)},
        {
            "stage": "baseline_biopsy_banked",
            "n": sum(patient.collected("BL", BIOPSIES) is not None for patient in current),
            "planned": planned["BANK"],
        },
        {"stage": "on_treatment", "n": treated},
        {
            "stage": "on_treatment_substudy",
            "n": sum(
                all(patient.collected(timepoint, BIOPSIES) is not None for timepoint in ("BL", "W06", "W12"))
                for patient in current
            ),
            "planned": planned["TIL"],
        },
        {
            "stage": "progressed",
            "n": len(progressed),
            **share(sum(patient.record.first_dose_known for patient in progressed), treated, "on_treatment", settings),
        },
        {
            "stage": "progression_biopsy_attempted",
            "n": len(attempted),
            **share(len(attempted), len(progressed), "progressed", settings),
        },
        {
            "stage": "progression_biopsy_adequate",
            "n": len(adequate),
            **share(len(adequate), len(progressed), "progressed", settings),
            "planned_pct": 100.0 * protocol.planned_progression_biopsy_success,
        },
        {"stage": "pair", "n": len(pair_days), "planned": planned["PAIR"], **projected},
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


def share(n: int, of: int, stage: str, settings: Settings) -> dict[str, Any]:
    """``n`` of ``of`` in % with its exact interval (Clopper and Pearson 1934); nothing where ``of`` is 0."""
    from statsmodels.stats.proportion import proportion_confint

    if of == 0:
        return {}
    low, high = proportion_confint(n, of, alpha=1 - settings.interval, method="beta")
    return {"pct": 100.0 * n / of, "pct_low": 100.0 * float(low), "pct_high": 100.0 * float(high), "of_stage": stage}


def projected_day(
    pair_days: Sequence[int], planned: int, data_cut_study_day: int | None, settings: Settings
) -> dict[str, int]:
    """Study day of the last planned pair: the day it was completed, or the current rate continued from the data cut.

    The interval is that of the rate, exact for a Poisson count (Garwood, Biometrika 1936); how the pairs that are
    still missing scatter around the rate is not in it.

    Parameters
    ----------
    pair_days
        Study days at which pairs were completed, ascending.

    Returns
    -------
    dict
        ``projected_study_day`` and, for a projection, ``projected_low`` and ``projected_high``; empty where no rate
        can be told.
    """
    from scipy.stats import chi2

    if len(pair_days) >= planned:
        return {"projected_study_day": pair_days[planned - 1]}
    if data_cut_study_day is None:
        return {}
    window = min(settings.accrual_window_days, data_cut_study_day)
    recent = sum(day > data_cut_study_day - window for day in pair_days)
    if not recent or window <= 0:
        return {}
    missing, tail = planned - len(pair_days), (1 - settings.interval) / 2
    fewest, most = chi2.ppf(tail, 2 * recent) / 2, chi2.ppf(1 - tail, 2 * recent + 2) / 2
    return {
        "projected_study_day": data_cut_study_day + round(missing * window / recent),
        "projected_low": data_cut_study_day + round(missing * window / most),
        "projected_high": data_cut_study_day + round(missing * window / fewest),
    }
