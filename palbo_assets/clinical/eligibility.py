"""Who belongs to the study: inclusion and exclusion, consent, withdrawal. Doubts are queries, no silent exclusions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from palbo_assets.clinical.records import PatientRecord
from palbo_assets.clinical.settings import Settings


class Her2(StrEnum):
    NEGATIVE = "negative"
    POSITIVE = "positive"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Eligibility:
    """The verdict, None while a criterion can't be judged; ``reason`` names the criteria that fail or are open."""

    eligible: bool | None
    reason: str | None
    hormone_receptor_positive: bool | None
    er_low: bool | None
    her2: Her2


def hormone_receptor_positive(
    er_pct: float | None, pr_pct: float | None, er_allred: float | None, settings: Settings
) -> bool | None:
    """ER or PgR in at least 1 % of nuclei; ER by Allred score where no percentage is given; None without any result."""
    percentages = [value for value in (er_pct, pr_pct) if value is not None]
    positive = any(value >= settings.er_positive_pct for value in percentages)
    if er_pct is None and er_allred is not None:
        positive = positive or er_allred >= settings.allred_positive
    elif not percentages:
        return None
    if positive:
        return True
    measured_er = er_pct is not None or er_allred is not None
    return False if measured_er and pr_pct is not None else None


def her2_status(ihc: str | None, ish: str | None) -> Her2:
    """Negative for 0, 1+, and 2+ with negative ISH; 2+ without ISH stays unknown (ASCO/CAP 2018)."""
    score = (ihc or "").strip().rstrip("+")
    hybridisation = (ish or "").strip().lower()
    if score == "3" or hybridisation.startswith("pos"):
        return Her2.POSITIVE
    if score in ("0", "1") or (score == "2" and hybridisation.startswith("neg")):
        return Her2.NEGATIVE
    return Her2.UNKNOWN


def judge(record: PatientRecord, settings: Settings) -> Eligibility:
    """Inclusion: hormone receptor positive, stage IV, treated with palbociclib and endocrine therapy; consented.

    A male patient, a HER2 result that isn't negative, and earlier CDK4/6 inhibitors raise queries on ``record`` and
    exclude nobody: the protocol's text doesn't.
    """
    er, pr = record.number("er_pct"), record.number("pr_pct")
    positive = hormone_receptor_positive(er, pr, record.number("er_allred"), settings)
    her2 = her2_status(record.text("her2_ihc"), record.text("her2_ish"))
    stage = (record.text("stage") or "").upper().removeprefix("STAGE").strip()
    criteria: dict[str, bool | None] = {
        "hormone receptor positive": positive,
        "stage IV": stage.startswith(("IV", "4")) if stage else None,
        "palbociclib": record.first_dose_known or record.yes("palbociclib_planned"),
        "endocrine partner": True if record.text("et_partner") else None,
        "consent": record.consented,
    }
    if (record.text("sex") or "").lower() == "male":
        record.query("W_MALE", "sex", "the patient is male: confirm; the protocol doesn't exclude men")
    if her2 is Her2.POSITIVE:
        record.query("W_HER2_POSITIVE", "her2_ihc", "HER2 is not negative: confirm that the patient belongs here")
    elif her2 is Her2.UNKNOWN:
        record.query("W_HER2_UNKNOWN", "her2_ish", "HER2 can't be told: 2+ needs a hybridisation result")
    if record.yes("prior_cdk46i"):
        record.query("W_PRIOR_CDK46", "prior_cdk46i", "treated with a CDK4/6 inhibitor before this study")
    failed = [name for name, met in criteria.items() if met is False]
    unclear = [f"{name} unknown" for name, met in criteria.items() if met is None]
    for name in unclear:
        record.query("W_ELIGIBILITY_OPEN", "", f"criterion can't be judged: {name}")
    verdict = False if failed else None if unclear else True
    er_low = None if er is None else settings.er_positive_pct <= er <= settings.er_low_below_pct
    return Eligibility(verdict, "; ".join([*failed, *unclear]) or None, positive, er_low, her2)
