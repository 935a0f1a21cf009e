"""One value a specimen, where several dilutions or plates hold it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from palbo_assets.serum.settings import Settings
from palbo_assets.study.vocabulary import OBSERVED, Absence

if TYPE_CHECKING:
    import pandas as pd

# A rerun at a higher dilution replaces a '>'; a failed replicate gives way to a plate where it didn't fail.
_PREFERENCE = {OBSERVED: 0, str(Absence.BELOW_LLOQ): 1, str(Absence.NOT_EVALUABLE): 2, str(Absence.QC_FAIL): 3}


NO_VALUE = dict.fromkeys(("concentration_pg_ml", "concentration_low_pg_ml", "concentration_high_pg_ml", "log_se"))


def with_parallelism(specimens: list[dict[str, Any]], settings: Settings) -> list[dict[str, Any]]:
    """Compare each specimen's dilutions: every value as a share (%) of that at the lowest dilution with a value.

    Where one lies outside the tolerance, the specimen's values don't stand: a matrix effect, a hook, or a pipetting
    error, and nobody can tell which dilution is right.
    """
    values: dict[str, list[tuple[float, float]]] = {}
    for row in specimens:
        if row["concentration_pg_ml"] is not None:
            values.setdefault(row["specimen_id"], []).append((row["dilution"], row["concentration_pg_ml"]))
    found = []
    for row in specimens:
        measured = sorted(values.get(row["specimen_id"], ()))
        row = {**row, "parallelism_pct": None}
        if len(measured) > 1 and row["concentration_pg_ml"] is not None:
            reference = measured[0][1]
            row["parallelism_pct"] = 100.0 * row["concentration_pg_ml"] / reference
            low, high = settings.parallelism_pct
            if any(not low <= 100.0 * value / reference <= high for _, value in measured):
                row |= {"status": str(Absence.QC_FAIL), "reason": "dilutions_not_parallel", **NO_VALUE}
        found.append(row)
    return found


def one_result_per_specimen(results: pd.DataFrame) -> list[dict[str, Any]]:
    """Choose one row of `elisa_results` for each specimen, by a rule that doesn't look at the concentration.

    In this order: accepted plates; rows that were quantified, then below, then above the limits; plates that hold
    another timepoint of the patient too (a difference between plates is not a difference between visits); the lowest
    dilution; the most replicates; the smallest plate id. Values of several plates are never averaged.

    Parameters
    ----------
    results
        Rows of `elisa_results`, any number of patients and timepoints.

    Returns
    -------
    list of dict
        Rows of `nrg1_elisa`, by patient, timepoint and specimen.
    """
    rows: list[dict[str, Any]] = []
    if results.empty:
        return rows
    for _, group in results.groupby(["patient_id", "timepoint", "specimen_id"], sort=True):
        candidates = sorted(
            group.to_dict("records"),
            key=lambda row: (
                not row["plate_accepted"],
                _PREFERENCE[row["status"]],
                -min(int(row["timepoints_on_plate"]), 2),
                float(row["dilution"]),
                -int(row["n_replicates"]),
                row["plate_id"],
            ),
        )
        best = candidates[0]
        rows.append(
            {
                **{name: best[name] for name in _COPIED},
                "n_plates": int(group.loc[group["plate_accepted"].astype(bool), "plate_id"].nunique()),
                "paired_plate": int(best["timepoints_on_plate"]) > 1,
            }
        )
    return rows


_COPIED = (
    "patient_id",
    "timepoint",
    "specimen_id",
    *NO_VALUE,
    "cv_pct",
    "censored",
    "lloq_pg_ml",
    "uloq_pg_ml",
    "plate_id",
    "plate_accepted",
    "dilution",
    "status",
    "reason",
)
