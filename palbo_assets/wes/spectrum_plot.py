"""Pictures of a spectrum of 96 classes and of exposures with their intervals, for the partition's metadata."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from palbo_assets.wes.trinucleotides import CHANGES, CLASSES

if TYPE_CHECKING:
    import pandas as pd

# The field's colours of the six substitutions (COSMIC), the light ones darker so that they stand out from white.
_COLOURS = ("#03bcee", "#010101", "#e32926", "#999999", "#8bbf3f", "#d98880")
_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"


def spectrum_picture(spectra: pd.DataFrame, least: int) -> str | None:
    """PNG (base64) of ``mutation_spectra`` rows, a panel a specimen with ``least`` mutations; None without any."""
    shown = spectra[spectra["mutations"].groupby(spectra["specimen_id"]).transform("sum") >= least]
    if shown.empty:
        return None
    values = [
        {"class": name, "substitution": change, "mutations": int(number), "specimen": specimen}
        for name, change, number, specimen in zip(
            shown["sbs_class"], shown["substitution"], shown["mutations"], shown["specimen_id"], strict=True
        )
    ]
    return _png(
        {
            "data": {"values": values},
            "mark": "bar",
            "width": 860,
            "height": 150,
            "encoding": {
                "row": {"field": "specimen", "type": "nominal", "title": None},
                "x": {
                    "field": "class",
                    "type": "nominal",
                    "sort": list(CLASSES),
                    "title": None,
                    "axis": {"labelFontSize": 6, "labelAngle": -90},
                },
                "y": {"field": "mutations", "type": "quantitative", "title": "SNVs", "axis": {"tickMinStep": 1}},
                "color": {
                    "field": "substitution",
                    "type": "nominal",
                    "scale": {"domain": list(CHANGES), "range": list(_COLOURS)},
                },
            },
        }
    )


def exposure_picture(signatures: pd.DataFrame) -> str | None:
    """PNG (base64) of shares (%) with intervals, one panel a specimen and set; None where nothing was evaluated."""
    shown = signatures[signatures["status"] == "OBSERVED"]
    if shown.empty:
        return None
    values = [
        {
            "signature": row["signature"],
            "share": 100 * row["share"],
            "low": 100 * row["low"],
            "high": 100 * row["high"],
            "panel": f"{row['specimen_id']}, {row['mutation_set']} ({row['mutations']:.0f} SNVs)",
        }
        for row in shown.to_dict("records")
    ]
    signature = {
        "field": "signature",
        "type": "nominal",
        "sort": list(dict.fromkeys(shown["signature"])),
        "title": None,
    }
    return _png(
        {
            "data": {"values": values},
            "facet": {
                "row": {
                    "field": "panel",
                    "type": "nominal",
                    "title": None,
                    "header": {"labelOrient": "top", "labelAnchor": "start"},
                }
            },
            "spec": {
                "width": 420,
                "height": 150,
                "layer": [
                    {
                        "mark": {"type": "bar", "color": "#90a4ae"},
                        "encoding": {
                            "x": signature,
                            "y": {
                                "field": "share",
                                "type": "quantitative",
                                "title": "% of SNVs, 95 % interval",
                                "scale": {"domain": [0, 100]},  # intervals end above their bars
                            },
                        },
                    },
                    {
                        "mark": {"type": "rule", "strokeWidth": 1.5},
                        "encoding": {
                            "x": signature,
                            "y": {"field": "low", "type": "quantitative"},
                            "y2": {"field": "high"},
                        },
                    },
                ],
            },
        }
    )


def _png(spec: dict[str, Any]) -> str:
    import vl_convert

    return base64.b64encode(
        vl_convert.vegalite_to_png({"$schema": _SCHEMA, "config": {"axis": {"grid": False}}, **spec})
    ).decode("ascii")
