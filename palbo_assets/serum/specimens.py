"""One value a specimen, where several plates or dilutions hold it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from palbo_assets.study.vocabulary import OBSERVED, Absence

if TYPE_CHECKING:
    import pandas as pd

# A rerun at a higher dilution replaces a '>'; a failed replicate gives way to a plate where it didn't fail.
_PREFERENCE = {OBSERVED: 0, str(Absence.BELOW_LLOQ): 1, str(Absence.NOT_EVALUABLE): 2, str(Absence.QC_FAIL): 3}


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
    "concentration_pg_ml",
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
