"""Change of a patient's concentration from baseline, and how sure it is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from palbo_assets.serum.settings import Settings
from palbo_assets.study.vocabulary import OBSERVED, TIMEPOINTS, Absence

if TYPE_CHECKING:
    import pandas as pd

BASELINE = TIMEPOINTS[0]
BOTH_CENSORED, ONE_CENSORED, NO_BASELINE, PLATES_DIFFER = (
    "both_below_lloq",
    "below_lloq",
    "no_baseline",
    "no_variance_between_plates",
)


def changes(results: pd.DataFrame, plate_log_sd: float | None, settings: Settings) -> list[dict[str, Any]]:
    """log2(later / baseline) of each patient.

    Two specimens of one plate share its curve, whose error mostly cancels: what is carried is each one's own standard
    error, which is cautious. Specimens of two plates carry the variance between plates twice; where nobody knows it,
    there is no ratio. Below the limit of quantification on one side only the direction can be told, where the other
    side lies above that limit; on both sides nothing.

    Parameters
    ----------
    results
        Rows of `nrg1_elisa` of any number of patients; of several specimens of a visit the first by id counts.
    plate_log_sd
        Standard deviation between plates, natural logarithm; None where it isn't known.

    Returns
    -------
    list of dict
        Rows of `nrg1_changes`.
    """
    rows: list[dict[str, Any]] = []
    ordered = results.sort_values(["patient_id", "specimen_id"]).drop_duplicates(["patient_id", "timepoint"])
    for patient, group in ordered.groupby("patient_id", sort=True):
        visits: dict[str, dict[Any, Any]] = {str(row["timepoint"]): row for row in group.to_dict("records")}
        baseline = visits.get(BASELINE)
        for timepoint in TIMEPOINTS[1:]:
            if timepoint in visits:
                found = _change(baseline, visits[timepoint], plate_log_sd, settings)
                rows.append({"patient_id": patient, "timepoint": timepoint, **found})
    return rows


def _change(
    baseline: dict[Any, Any] | None, later: dict[Any, Any], plate_log_sd: float | None, settings: Settings
) -> dict[str, Any]:
    from scipy.stats import norm

    if baseline is None:
        return {"status": str(Absence.NOT_EVALUABLE), "reason": NO_BASELINE}
    same_plate = bool(baseline["plate_id"] == later["plate_id"])
    row: dict[str, Any] = {"same_plate": same_plate}
    below = [each["status"] == Absence.BELOW_LLOQ for each in (baseline, later)]
    for each in (baseline, later):
        if each["status"] not in (OBSERVED, Absence.BELOW_LLOQ):
            return row | {"status": str(each["status"]), "reason": each["reason"]}
    if all(below):
        return row | {"status": str(Absence.NOT_EVALUABLE), "reason": BOTH_CENSORED}
    if any(below):
        hidden, seen = (baseline, later) if below[0] else (later, baseline)
        if seen["concentration_pg_ml"] > hidden["lloq_pg_ml"]:
            row["direction"] = "up" if below[0] else "down"
        return row | {"status": str(Absence.BELOW_LLOQ), "reason": ONE_CENSORED}
    if not same_plate and plate_log_sd is None:
        return row | {"status": str(Absence.NOT_EVALUABLE), "reason": PLATES_DIFFER}
    between = 0.0 if same_plate else math.sqrt(2.0) * float(plate_log_sd or 0.0)
    ratio = math.log2(later["concentration_pg_ml"] / baseline["concentration_pg_ml"])
    row |= {"log2_ratio": ratio, "plate_log2_sd": between / math.log(2), "status": OBSERVED}
    errors = [each["log_se"] for each in (baseline, later)]
    if all(error is not None and error == error for error in errors):
        width = norm.ppf(0.5 + settings.interval / 2) * math.hypot(*errors, between) / math.log(2)
        row |= {"log2_low": ratio - width, "log2_high": ratio + width}
    return row
