"""Endocrine sensitivity from the dates of earlier endocrine treatment, by the ESO-ESMO consensus.

Primary resistance is a relapse in the first two years of adjuvant endocrine treatment, or progression within six months
of the first endocrine line for metastatic disease. Secondary resistance is a relapse under adjuvant treatment later
than that or within a year of its end, or progression of metastatic disease from six months on (Cardoso et al., 5th
ESO-ESMO International Consensus Guidelines for Advanced Breast Cancer, Ann Oncol 2020;31:1623).
"""

from __future__ import annotations

from enum import StrEnum

from palbo_assets.clinical.records import PatientRecord, squeeze
from palbo_assets.clinical.settings import Settings

FIELDS = ("adjuvant_et_start", "adjuvant_et_stop", "relapse_date", "met_et_start", "met_et_pd_date")


class EndocrineSensitivity(StrEnum):
    NAIVE = "naive"
    SENSITIVE = "sensitive"
    PRIMARY = "primary_resistance"
    SECONDARY = "secondary_resistance"


def endocrine_sensitivity(record: PatientRecord, settings: Settings) -> EndocrineSensitivity | None:
    """The patient's class from recorded days; None while the days don't decide it.

    The latest treatment decides: progression under an endocrine line for metastatic disease comes before a relapse
    after adjuvant treatment. Treatment without a recorded end that began before the relapse is taken to have gone on.
    A recorded class that differs, and days in an impossible order, become queries on ``record``.
    """
    found = _class_of(record, settings)
    stated = squeeze(record.text("endo_sensitivity") or "")
    if found is not None and stated in set(EndocrineSensitivity) and stated != found:
        record.query(
            "W_ENDOCRINE_DIFFERS", "endo_sensitivity", "the recorded class isn't what the treatment dates give"
        )
    return found


def _class_of(record: PatientRecord, settings: Settings) -> EndocrineSensitivity | None:
    start, stop, relapse = (record.day(name) for name in FIELDS[:3])
    line_start, line_end = (record.day(name) for name in FIELDS[3:])
    for name, first, last in (
        ("adjuvant_et_stop", start, stop),
        ("relapse_date", start, relapse),
        ("met_et_pd_date", line_start, line_end),
    ):
        if first is not None and last is not None and last < first:
            record.query("E_DATE_ORDER", name, "before the treatment began")
            return None
    if line_start is not None:
        if line_end is None:
            return None
        early = (line_end - line_start) / settings.month_days < settings.first_line_resistance_months
        return EndocrineSensitivity.PRIMARY if early else EndocrineSensitivity.SECONDARY
    if start is not None:
        if relapse is None:
            return None
        if stop is None or stop >= relapse:
            early = (relapse - start) / settings.month_days < settings.adjuvant_resistance_months
            return EndocrineSensitivity.PRIMARY if early else EndocrineSensitivity.SECONDARY
        recent = (relapse - stop) / settings.month_days <= settings.after_adjuvant_months
        return EndocrineSensitivity.SECONDARY if recent else EndocrineSensitivity.SENSITIVE
    return EndocrineSensitivity.NAIVE if record.yes("prior_et") is False else None
