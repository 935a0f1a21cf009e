"""A picture of a plate's standard curve, for the partition's metadata."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from palbo_assets.serum.plate import PlateResult

_PASSED, _FAILED, _LINE = "#00695c", "#c62828", "#455a64"


def curve_picture(result: PlateResult) -> str | None:
    """PNG (base64) of standards, curve, limits of quantification and specimens; None without a curve.

    Both axes are logarithmic; responses at or below 0 aren't drawn.
    """
    import numpy as np
    import vl_convert

    if result.curve is None or result.standards.empty:
        return None
    nominal = result.standards["nominal_pg_ml"].astype(float)
    dose = np.geomspace(nominal.min() / 2, nominal.max() * 2, 80)
    line = [{"x": float(x), "y": float(y)} for x, y in zip(dose, result.curve.response(dose)) if y > 0]
    standards = [
        {"x": float(x), "y": float(y), "standard": "passed" if passed else "failed"}
        for x, y, passed in zip(nominal, result.standards["mean_net_od"], result.standards["passed"])
        if y > 0
    ]
    in_well = [
        row["concentration_pg_ml"] / row["dilution"]
        for row in result.specimens
        if row["concentration_pg_ml"] is not None
    ]
    specimens = [{"x": x, "y": float(result.curve.response(x))} for x in in_well]
    limits = [{"x": result.plate[name]} for name in ("lloq_pg_ml", "uloq_pg_ml") if result.plate[name] is not None]
    scale = {"type": "log", "nice": False}
    x = {"field": "x", "type": "quantitative", "scale": scale, "title": "neuregulin-1 in the well, pg/mL"}
    y = {"field": "y", "type": "quantitative", "scale": scale, "title": "absorbance less blank"}
    layers: list[dict[str, Any]] = [
        {
            "data": {"values": limits},
            "mark": {"type": "rule", "strokeDash": [4, 4], "color": _LINE},
            "encoding": {"x": x},
        },
        {"data": {"values": line}, "mark": {"type": "line", "color": _LINE}, "encoding": {"x": x, "y": y}},
        {
            "data": {"values": specimens},
            "mark": {"type": "tick", "color": "black", "thickness": 1.5, "size": 14},
            "encoding": {"x": x, "y": y},
        },
        {
            "data": {"values": standards},
            "mark": {"type": "point", "filled": True, "size": 70},
            "encoding": {
                "x": x,
                "y": y,
                "color": {
                    "field": "standard",
                    "type": "nominal",
                    "scale": {"domain": ["passed", "failed"], "range": [_PASSED, _FAILED]},
                },
            },
        },
    ]
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": f"Plate {result.plate['plate_id']}: standards, curve, specimens (ticks), limits (dashed)",
        "width": 420,
        "height": 260,
        "layer": layers,
        "config": {"axis": {"grid": False}},  # small files: the event log keeps them
    }
    return base64.b64encode(vl_convert.vegalite_to_png(spec)).decode("ascii")
