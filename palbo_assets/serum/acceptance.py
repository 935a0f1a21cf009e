"""Whether a plate may be believed: its standards, its controls, its edges (ICH M10, ligand-binding assays)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from palbo_assets.serum.layout import BRIDGE, QC_LEVELS, UNKNOWN
from palbo_assets.serum.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from palbo_assets.serum.standard_curve import StandardCurve


def judged_standards(calibration: pd.DataFrame, curve: StandardCurve | None, settings: Settings) -> pd.DataFrame:
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


def judged_controls(wells: pd.DataFrame, curve: StandardCurve | None, settings: Settings) -> pd.DataFrame:
    """One row a control well; a bridge sample has no nominal concentration, so it neither passes nor fails here."""
    import pandas as pd

    controls = wells[wells["role"].isin([*QC_LEVELS, BRIDGE])]
    net = controls["net"].to_numpy(dtype=float)
    measured = curve.concentration(net) if curve is not None else [math.nan] * len(controls)
    rows = []
    for well, role, name, nominal, dilution, value in zip(
        controls["well"],
        controls["role"],
        controls["specimen_id"],
        controls["nominal_conc"].astype(float),
        controls["dilution"].astype(float),
        measured,
        strict=True,
    ):
        concentration = float(value) * dilution
        recovery = 100.0 * concentration / nominal
        rows.append(
            {
                "well": well,
                "level": role,
                "control_id": name or role,
                "nominal_pg_ml": or_none(nominal),
                "concentration_pg_ml": or_none(concentration),
                "recovery_pct": or_none(recovery),
                # A control that can't be read off the curve has failed; a bridge can't fail alone.
                "passed": None if role == BRIDGE else bool(abs(recovery - 100.0) <= settings.qc_tolerance_pct),
            }
        )
    columns = ["well", "level", "control_id", "nominal_pg_ml", "concentration_pg_ml", "recovery_pct", "passed"]
    return pd.DataFrame(rows, columns=columns).astype({"passed": "boolean"})


def standards_fail(standards: pd.DataFrame, settings: Settings) -> str | None:
    """Why ICH M10 rejects the standards; None when it doesn't."""
    if len(standards) < settings.min_calibrators:
        return "too_few_standards"
    if standards["passed"].mean() < settings.min_calibrators_passing:
        return "standards_outside_tolerance"
    return None


def rejections(standards: pd.DataFrame, controls: pd.DataFrame, settings: Settings) -> list[str]:
    """Why ICH M10 rejects the run; empty when it doesn't."""
    failing = standards_fail(standards, settings)
    found = [failing] if failing else []
    judged = controls[controls["passed"].notna()]
    if judged.empty:
        found.append("no_quality_controls")
    else:
        if judged["passed"].mean() < settings.min_qc_passing:
            found.append("quality_controls_outside_tolerance")
        if (judged.groupby("level")["passed"].mean() < settings.min_qc_passing_per_level).any():
            found.append("quality_control_level_outside_tolerance")
    return found


def edge_scatter(wells: pd.DataFrame, settings: Settings) -> dict[str, float | bool | None]:
    """Scatter (%) of replicates in the plate's outer and inner wells, and whether the edge stands out.

    Root mean square of the replicates' coefficients of variation; only groups whose wells all lie in one of the two.
    """
    used = wells[(wells["role"] == UNKNOWN) & wells["od"].notna() & (wells["net"] > settings.smallest_response)].copy()
    used["edge"] = used["well"].str[0].isin(["A", "H"]) | used["well"].str[1:].isin(["1", "12"])
    squares: dict[bool, list[float]] = {True: [], False: []}
    for _, group in used.groupby(["specimen_id", "dilution"], sort=True):
        if len(group) >= settings.min_replicates and group["edge"].nunique() == 1:
            net = group["net"].to_numpy(dtype=float)
            squares[bool(group["edge"].iloc[0])].append(float(net.var(ddof=1) / net.mean() ** 2))
    scatter = {
        edge: 100.0 * math.sqrt(sum(found) / len(found)) if len(found) >= settings.min_edge_pairs else None
        for edge, found in squares.items()
    }
    outer, inner = scatter[True], scatter[False]
    stands_out = None if outer is None or not inner else outer > settings.edge_cv_ratio * inner
    return {"outer_cv_pct": outer, "inner_cv_pct": inner, "edge_effect": stands_out}


def or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
