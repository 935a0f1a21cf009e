"""From optical densities to concentrations: curve, limits, acceptance of the plate, and one result a specimen.

The order is that of the assay: subtract the reference wavelength, subtract the mean blank of the same plate, fit the
weighted 4PL to the standards, judge standards and quality controls (ICH M10), then read each specimen off the curve,
multiply by its dilution, and censor what lies outside the standards that passed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palbo_assets.platform.errors import InputError, NotEvaluableError
from palbo_assets.serum.four_pl import FourPL, fit_4pl, subtract_blank
from palbo_assets.serum.layout import BLANK, QC_LEVELS, STANDARD, UNKNOWN
from palbo_assets.serum.readings import OVER
from palbo_assets.serum.settings import Settings
from palbo_assets.study.vocabulary import OBSERVED, Absence

if TYPE_CHECKING:
    import pandas as pd

BELOW, ABOVE = "<", ">"


@dataclass(frozen=True)
class PlateResult:
    """What one plate says.

    ``plate`` is the row of `elisa_plates`; ``standards`` has one row a level (nominal and back-calculated pg/mL,
    recovery %, passed); ``controls`` one row a quality-control well; ``specimens`` the rows of `elisa_results`.
    """

    plate: dict[str, Any]
    standards: pd.DataFrame
    controls: pd.DataFrame
    specimens: list[dict[str, Any]]
    curve: FourPL | None = field(default=None)


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
    curve: FourPL | None = None
    try:
        curve = fit_4pl(
            calibration["nominal_conc"].to_numpy(dtype=float, na_value=math.nan),
            calibration["net"].to_numpy(dtype=float),
            weight_power=settings.weight_power,
            smallest_response=settings.smallest_response,
        )
    except NotEvaluableError:
        reasons.append("no_curve")
    standards = _standards(calibration, curve, settings)
    controls = _controls(wells, curve, settings)
    reasons += _reasons(standards, controls, settings)
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
        "lloq_pg_ml": _or_none(lloq),
        "uloq_pg_ml": _or_none(uloq),
        "lod_pg_ml": _or_none(lod),
        "n_standards": len(standards),
        "n_standards_passing": len(passing),
        "n_qc": len(controls),
        "n_qc_passing": int(controls["passed"].sum()) if len(controls) else 0,
        "blank_od": blank_mean if len(blank_ods) else None,
        "blank_sd_od": _or_none(blank_sd),
        "n_specimens": int(wells.loc[wells["role"] == UNKNOWN, "specimen_id"].nunique()),
    }
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
    return PlateResult(plate, pd.DataFrame(standards), controls, specimens, curve)


def _standards(calibration: pd.DataFrame, curve: FourPL | None, settings: Settings) -> pd.DataFrame:
    """One row a non-zero level, rising; the ends get the wider tolerance."""
    import pandas as pd

    levels = sorted(level for level in calibration["nominal_conc"].dropna().unique().tolist() if level > 0)
    rows = []
    for level in levels:
        net = calibration.loc[calibration["nominal_conc"] == level, "net"].dropna().to_numpy(dtype=float)
        back = curve.concentration(net) if curve is not None else net[:0]
        calculated = float(back.mean()) if back.size else math.nan  # NaN off the curve: not passed
        tolerance = (
            settings.calibrator_tolerance_at_ends_pct
            if level in (levels[0], levels[-1])
            else settings.calibrator_tolerance_pct
        )
        recovery = 100.0 * calculated / level
        rows.append(
            {
                "nominal_pg_ml": float(level),
                "mean_net_od": float(net.mean()) if net.size else math.nan,
                "back_calculated_pg_ml": calculated,
                "recovery_pct": recovery,
                "passed": bool(abs(recovery - 100.0) <= tolerance),
            }
        )
    columns = ["nominal_pg_ml", "mean_net_od", "back_calculated_pg_ml", "recovery_pct", "passed"]
    return pd.DataFrame(rows, columns=columns).astype({"passed": bool})


def _controls(wells: pd.DataFrame, curve: FourPL | None, settings: Settings) -> pd.DataFrame:
    import pandas as pd

    controls = wells[wells["role"].isin(QC_LEVELS)]
    net = controls["net"].to_numpy(dtype=float)
    measured = curve.concentration(net) if curve is not None else [math.nan] * len(controls)
    rows = []
    for role, nominal, dilution, value in zip(
        controls["role"], controls["nominal_conc"], controls["dilution"], measured, strict=True
    ):
        recovery = 100.0 * float(value) * float(dilution) / float(nominal)
        rows.append(
            {
                "level": role,
                "recovery_pct": recovery,
                "passed": bool(abs(recovery - 100.0) <= settings.qc_tolerance_pct),
            }
        )
    return pd.DataFrame(rows, columns=["level", "recovery_pct", "passed"]).astype({"passed": bool})


def _reasons(standards: pd.DataFrame, controls: pd.DataFrame, settings: Settings) -> list[str]:
    """Why ICH M10 rejects the run; empty when it doesn't."""
    found = []
    if len(standards) < settings.min_calibrators:
        found.append("too_few_standards")
    elif standards["passed"].mean() < settings.min_calibrators_passing:
        found.append("standards_outside_tolerance")
    if controls.empty:
        found.append("no_quality_controls")
    else:
        if controls["passed"].mean() < settings.min_qc_passing:
            found.append("quality_controls_outside_tolerance")
        if (controls.groupby("level")["passed"].mean() < settings.min_qc_passing_per_level).any():
            found.append("quality_control_level_outside_tolerance")
    return found


def _specimen(
    group: pd.DataFrame,
    curve: FourPL | None,
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
        "concentration_pg_ml": None,
        "cv_pct": None,
        "censored": None,
        "lloq_pg_ml": _or_none(lloq * dilution),
        "uloq_pg_ml": _or_none(uloq * dilution),
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
    row["cv_pct"] = _or_none(cv)
    if not cv <= limit:  # NaN too: a replicate lies off the curve
        return row | {"status": str(Absence.QC_FAIL), "reason": "replicate_cv"}
    return row | {"concentration_pg_ml": in_well * dilution, "status": OBSERVED}


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


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
