"""From optical densities to concentrations: curve, limits, acceptance of the plate, and one result a specimen.

The order is that of the assay: subtract the reference wavelength, subtract the mean blank of the same plate, fit the
weighted logistic curve to the standards (five parameters only where four don't make an acceptable curve), judge
standards and quality controls (ICH M10), then read each specimen off the curve, multiply by its dilution, and censor
what lies outside the standards that passed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palbo_assets.platform.errors import InputError, NotEvaluableError
from palbo_assets.serum.acceptance import (
    edge_scatter,
    judged_controls,
    judged_standards,
    or_none,
    rejections,
    standards_fail,
)
from palbo_assets.serum.layout import BLANK, STANDARD, UNKNOWN
from palbo_assets.serum.readings import OVER
from palbo_assets.serum.settings import Settings
from palbo_assets.serum.specimens import NO_VALUE, with_parallelism
from palbo_assets.serum.standard_curve import FIVE, FOUR, StandardCurve, fit_standard_curve, subtract_blank
from palbo_assets.study.vocabulary import OBSERVED, Absence

if TYPE_CHECKING:
    import pandas as pd

BELOW, ABOVE = "<", ">"


@dataclass(frozen=True)
class PlateResult:
    """What one plate says.

    ``plate`` is the row of `elisa_plates`; ``standards`` has one row a level (nominal and back-calculated pg/mL,
    recovery %, passed); ``controls`` the rows of `elisa_controls` (quality-control and bridge wells); ``specimens`` the
    rows of `elisa_results`.
    """

    plate: dict[str, Any]
    standards: pd.DataFrame
    controls: pd.DataFrame
    specimens: list[dict[str, Any]]
    curve: StandardCurve | None = field(default=None)


def plate_wells(readings: pd.DataFrame, layout: pd.DataFrame, settings: Settings, *, file: str = "") -> pd.DataFrame:
    """The layout's wells with their corrected absorbance.

    Returns
    -------
    pandas.DataFrame
        The layout's columns with ``od`` (signal less reference wavelength; NaN where flagged) and ``flag``.

    Raises
    ------
    InputError
        ``E_SCHEMA`` when the export doesn't hold the layout's plate or the signal wavelength.
    """
    plate_id = str(layout["plate_id"].iloc[0])
    names = readings["plate"].unique().tolist()
    if len(names) > 1:
        if plate_id not in names:
            raise InputError(
                "E_SCHEMA",
                f"the export holds {len(names)} plates and none has the layout's plate_id",
                file=file,
                fix="name the plates in the reader as in the layout, or export one plate a file",
            )
        readings = readings[readings["plate"] == plate_id]
    # A single plate is the layout's, whatever its name: readers number plates as they like.
    wavelengths = readings["wavelength"]
    if wavelengths.isna().all():
        signal, reference = readings, None
    else:
        signal = readings[(wavelengths == settings.signal_nm).fillna(False)]
        held = next((nm for nm in settings.reference_nm if (wavelengths == nm).any()), None)
        reference = None if held is None else readings[(wavelengths == held).fillna(False)]
    if signal.empty:
        raise InputError(
            "E_SCHEMA",
            f"the export holds no reading at {settings.signal_nm} nm",
            file=file,
            fix=f"export the reading at {settings.signal_nm} nm, with the reference wavelength if there is one",
        )
    by_well = signal.set_index("well")
    od = by_well["od"].astype(float)
    if reference is not None:
        od = od - reference.set_index("well")["od"].astype(float).reindex(od.index)
    wells = layout.copy()
    wells["od"] = wells["well"].map(od).astype(float)
    wells["flag"] = wells["well"].map(by_well["flag"]).fillna("missing")
    return wells


def refuse_without_signal(wells: pd.DataFrame, *, file: str = "") -> None:
    """Refuse a plate that can't be a run: no standards in the layout, or standards that look like blanks.

    Raises
    ------
    InputError
        ``E_NO_STANDARDS``.
    """
    standards = wells[(wells["role"] == STANDARD) & (wells["nominal_conc"] > 0).fillna(False)]
    if standards["nominal_conc"].nunique() < 4:
        raise InputError(
            "E_NO_STANDARDS",
            "the plate has fewer than 4 standards with a concentration",
            file=file,
            column="role",
            fix="list the standard curve (role STD with nominal_conc) in the layout",
        )
    blanks = blank_wells(wells)["od"].dropna()
    if blanks.empty:
        return
    noise = float(blanks.std(ddof=1)) if len(blanks) > 1 else 0.0
    top = standards.loc[standards["nominal_conc"] == standards["nominal_conc"].max()]
    saturated = bool((top["flag"] == OVER).any())
    if not saturated and not bool((standards["od"] > float(blanks.mean()) + 3 * noise + 0.010).any()):
        raise InputError(
            "E_NO_STANDARDS",
            "no standard is brighter than the blanks: this is a blank plate, or the layout belongs to another plate",
            file=file,
            fix="deliver the export of the assay plate with its own layout",
        )


def blank_wells(wells: pd.DataFrame) -> pd.DataFrame:
    """The wells to subtract: the blanks, or the zero standard where a kit has no other blank."""
    blanks = wells[wells["role"] == BLANK]
    if blanks.empty:
        blanks = wells[(wells["role"] == STANDARD) & (wells["nominal_conc"] == 0).fillna(False)]
    return blanks


def evaluate(readings: pd.DataFrame, layout: pd.DataFrame, settings: Settings, *, file: str = "") -> PlateResult:
    """Evaluate one plate.

    Parameters
    ----------
    readings
        As `plate_reader.read_plates` returns them.
    layout
        As `layout.read_layout` returns it.

    Returns
    -------
    PlateResult
        A plate that fails has ``accepted`` False with named ``reasons``; its specimens carry ``QC_FAIL``.

    Raises
    ------
    InputError
        From `plate_wells` and `refuse_without_signal`.
    """
    import pandas as pd

    wells = plate_wells(readings, layout, settings, file=file)
    refuse_without_signal(wells, file=file)
    reasons: list[str] = []
    blanks = blank_wells(wells)
    blank_ods = blanks["od"].dropna()
    if blank_ods.empty:
        reasons.append("no_blanks")
        blank_mean, blank_sd = 0.0, math.nan
    else:
        blank_mean = float(blank_ods.mean())
        blank_sd = float(blank_ods.std(ddof=1)) if len(blank_ods) > 1 else math.nan
    wells["net"] = subtract_blank(wells["od"], [blank_mean])

    calibration = wells[(wells["role"] == STANDARD) & ~wells.index.isin(blanks.index)]
    curve, standards = _accepted_curve(calibration, settings)
    if curve is None:
        reasons.append("no_curve")
    controls = judged_controls(wells, curve, settings)
    reasons += rejections(standards, controls, settings)
    passing = standards[standards["passed"]]
    lloq = float(passing["nominal_pg_ml"].min()) if len(passing) else math.nan
    uloq = float(passing["nominal_pg_ml"].max()) if len(passing) else math.nan
    lod = float(curve.concentration(settings.lod_blank_sd * blank_sd)) if curve is not None else math.nan
    lowest = standards["mean_net_od"].iloc[0] if len(standards) else math.nan
    if lowest <= 0:
        reasons.append("blank_above_lowest_standard")
    plate_id = str(layout["plate_id"].iloc[0])
    plate: dict[str, Any] = {
        "plate_id": plate_id,
        "accepted": not reasons,
        "reasons": ";".join(reasons) or None,
        "a": curve.a if curve else None,
        "b": curve.b if curve else None,
        "c": curve.c if curve else None,
        "d": curve.d if curve else None,
        "g": curve.g if curve else None,
        "curve_parameters": curve.parameters if curve else None,
        "lloq_pg_ml": or_none(lloq),
        "uloq_pg_ml": or_none(uloq),
        "lod_pg_ml": or_none(lod),
        "n_standards": len(standards),
        "n_standards_passing": len(passing),
        "n_qc": int(controls["passed"].notna().sum()),
        "n_qc_passing": int(controls["passed"].sum()),
        **edge_scatter(wells, settings),
        "blank_od": blank_mean if len(blank_ods) else None,
        "blank_sd_od": or_none(blank_sd),
        "n_specimens": int(wells.loc[wells["role"] == UNKNOWN, "specimen_id"].nunique()),
    }
    controls.insert(0, "plate_id", plate_id)
    unknown = wells[wells["role"] == UNKNOWN]
    timepoints = unknown.groupby("patient_id")["timepoint"].nunique()
    specimens = [
        {
            **_specimen(group, curve, lloq, uloq, plate, settings),
            "plate_id": plate_id,
            "timepoints_on_plate": int(timepoints[group["patient_id"].iloc[0]]),
        }
        for _, group in unknown.groupby(["specimen_id", "dilution"], sort=True)
    ]
    return PlateResult(plate, pd.DataFrame(standards), controls, with_parallelism(specimens, settings), curve)


def _accepted_curve(calibration: pd.DataFrame, settings: Settings) -> tuple[StandardCurve | None, pd.DataFrame]:
    """The curve with four parameters; with five only where that makes an acceptable curve of one that isn't.

    Acceptance decides, by the standards that pass; the correlation coefficient says nothing about a curve's use.
    """
    best: tuple[StandardCurve | None, pd.DataFrame] | None = None
    for parameters in (FOUR, FIVE):
        try:
            curve = fit_standard_curve(
                calibration["nominal_conc"].to_numpy(dtype=float, na_value=math.nan),
                calibration["net"].to_numpy(dtype=float),
                parameters=parameters,
                weight_power=settings.weight_power,
                smallest_response=settings.smallest_response,
            )
        except NotEvaluableError:
            continue
        found = curve, judged_standards(calibration, curve, settings)
        if not standards_fail(found[1], settings):
            return found
        best = best or found
    return best or (None, judged_standards(calibration, None, settings))


def _specimen(
    group: pd.DataFrame,
    curve: StandardCurve | None,
    lloq: float,
    uloq: float,
    plate: dict[str, Any],
    settings: Settings,
) -> dict[str, Any]:
    """One specimen at one dilution. Limits apply to the concentration in the well, before the dilution factor."""
    first = group.iloc[0]
    dilution = float(first["dilution"])
    net = group["net"].dropna().to_numpy(dtype=float)
    row: dict[str, Any] = {
        "specimen_id": first["specimen_id"],
        "patient_id": first["patient_id"],
        "timepoint": first["timepoint"],
        "dilution": dilution,
        "n_replicates": int(net.size),
        **NO_VALUE,
        "cv_pct": None,
        "censored": None,
        "lloq_pg_ml": or_none(lloq * dilution),
        "uloq_pg_ml": or_none(uloq * dilution),
        "plate_accepted": plate["accepted"],
        "reason": None,
    }
    if curve is None or not plate["accepted"] or math.isnan(lloq):
        return row | {"status": str(Absence.QC_FAIL), "reason": "plate_rejected"}
    if (group["flag"] == OVER).any():
        return row | {"censored": ABOVE, "status": str(Absence.NOT_EVALUABLE), "reason": "above_uloq"}
    if net.size < settings.min_replicates:
        return row | {"status": str(Absence.NOT_EVALUABLE), "reason": "too_few_replicates"}
    mean = float(net.mean())
    in_well = float(curve.concentration(mean))
    if mean <= curve.a or in_well < lloq:
        return row | {"censored": BELOW, "status": str(Absence.BELOW_LLOQ), "reason": "below_lloq"}
    if mean >= curve.d or in_well > uloq:
        return row | {"censored": ABOVE, "status": str(Absence.NOT_EVALUABLE), "reason": "above_uloq"}
    replicates = curve.concentration(net)
    cv = 100.0 * float(replicates.std(ddof=1)) / float(replicates.mean())
    near_limit = in_well <= 1.25 * lloq
    limit = settings.max_replicate_cv_at_lloq_pct if near_limit else settings.max_replicate_cv_pct
    row["cv_pct"] = or_none(cv)
    if not cv <= limit:  # NaN too: a replicate lies off the curve
        return row | {"status": str(Absence.QC_FAIL), "reason": "replicate_cv"}
    low, high = curve.interval(mean, net.size, settings.interval)
    return row | {
        "concentration_pg_ml": in_well * dilution,
        "concentration_low_pg_ml": or_none(low * dilution),
        "concentration_high_pg_ml": or_none(high * dilution),
        "log_se": or_none(curve.log_standard_error(mean, net.size)),
        "status": OBSERVED,
    }


def without_export(plate_id: str, reason: str) -> PlateResult:
    """A plate of which only the layout (or only the export) is there: not accepted, no curve, no results."""
    import pandas as pd

    counted = ("n_standards", "n_standards_passing", "n_qc", "n_qc_passing", "n_specimens")
    plate: dict[str, Any] = {"plate_id": plate_id, "accepted": False, "reasons": reason, **dict.fromkeys(counted, 0)}
    return PlateResult(plate, pd.DataFrame(), pd.DataFrame(), [])


def evaluate_files(export: Path, layout: Path, settings: Settings) -> PlateResult:
    """`evaluate` for an export and its layout as files."""
    from palbo_assets.serum.layout import read_layout
    from palbo_assets.serum.plate_reader import read_plates

    return evaluate(read_plates(export), read_layout(layout), settings, file=export.name)
