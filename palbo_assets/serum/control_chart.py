"""Plates against one another: the same control or bridge sample on all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from palbo_assets.serum.layout import BRIDGE
from palbo_assets.serum.settings import Settings

if TYPE_CHECKING:
    import pandas as pd


def control_chart(controls: pd.DataFrame, settings: Settings) -> list[dict[str, Any]]:
    """Each control on each plate, with its deviation from the median of all plates.

    Concentrations are compared on the log scale, on which plates differ by a factor. With fewer plates than the
    settings ask for nothing is judged: the median would be the plate itself.

    Parameters
    ----------
    controls
        Rows of `elisa_controls` of any number of plates.

    Returns
    -------
    list of dict
        Rows of `elisa_control_chart`, by control and plate.
    """
    import numpy as np

    rows: list[dict[str, Any]] = []
    for (control, level), group in controls.groupby(["control_id", "level"], sort=True):
        logs = {
            str(plate): np.log(wells["concentration_pg_ml"].dropna().astype(float).to_numpy())
            for plate, wells in group.groupby("plate_id", sort=True)
        }
        means = {plate: float(found.mean()) for plate, found in logs.items() if found.size}
        enough = len(means) >= settings.min_bridge_plates
        median = float(np.median(list(means.values()))) if means else None
        spread = float(np.std(list(means.values()), ddof=1)) if enough else None
        for plate, found in logs.items():
            row: dict[str, Any] = {
                "plate_id": plate,
                "control_id": control,
                "level": level,
                "n_wells": int(found.size),
                "n_plates": len(logs),
                "plate_log_sd": spread,
            }
            if plate in means and median is not None:
                away = means[plate] - median
                row |= {"concentration_pg_ml": float(np.exp(means[plate])), "median_pg_ml": float(np.exp(median))}
                if enough:
                    row["deviation_pct"] = 100.0 * float(np.expm1(away))
                    row["z"] = away / spread if spread else None
                    row["within_tolerance"] = abs(row["deviation_pct"]) <= settings.bridge_tolerance_pct
            rows.append(row)
    return rows


def between_plates(chart: pd.DataFrame) -> tuple[float | None, str | None]:
    """Standard deviation (natural log) of a concentration between plates, and what it is from.

    Bridge samples are like the specimens and count first; without any, the quality controls. Several are averaged as
    variances.
    """
    import numpy as np

    for levels, source in (((BRIDGE,), "bridge"), (None, "quality controls")):
        known = chart if levels is None else chart[chart["level"].isin(levels)]
        spreads = known.drop_duplicates("control_id")["plate_log_sd"].dropna().astype(float).to_numpy()
        if spreads.size:
            return float(np.sqrt(np.mean(spreads**2))), source
    return None, None
