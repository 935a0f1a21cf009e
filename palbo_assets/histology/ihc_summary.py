"""From the readings of a sample to one row a specimen, marker and compartment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from palbo_assets.histology import density, h_score
from palbo_assets.histology.ihc_vocabulary import AREA_COMPARTMENTS, CYCLINS, TIL_MARKERS, TUMOUR_CELL_COMPARTMENTS
from palbo_assets.histology.settings import CyclinSettings, MarkerSettings

if TYPE_CHECKING:
    import pandas as pd

KEY = ("patient_id", "timepoint", "specimen_id", "marker", "compartment")


def marker_densities(readings: pd.DataFrame, settings: MarkerSettings) -> list[dict[str, Any]]:
    """Rows of ``til_marker_ihc`` from rows of ``ihc_scores``."""
    rows = []
    for key, group in _groups(readings, TIL_MARKERS, AREA_COMPARTMENTS):
        counts = [
            density.Count(
                scorer=line["scorer"],
                region=line["region"],
                n_positive=line["n_positive"],
                n_cells=line["n_cells"],
                area_mm2=line["area_mm2"],
                control_ok=line["control_ok"],
            )
            for line in group
        ]
        found = density.density(counts, key["compartment"], settings)
        rows.append(
            key
            | {
                "density_mm2": found.density_mm2,
                "n_positive": found.n_positive,
                "area_mm2": found.area_mm2,
                "pct_positive": found.pct_positive,
                "clone": _joined(group, "clone"),
                "control_ok": found.control_ok,
                "status": found.status,
                "reason": found.reason,
            }
        )
    return rows


def cyclin_scores(readings: pd.DataFrame, settings: CyclinSettings) -> list[dict[str, Any]]:
    """Rows of ``cyclin_e_ihc`` from rows of ``ihc_scores``."""
    rows = []
    for key, group in _groups(readings, CYCLINS, TUMOUR_CELL_COMPARTMENTS):
        given = [
            h_score.Reading(
                scorer=line["scorer"],
                h_score=line["h_score"],
                positive_pct=line["pct_positive"],
                n_cells=line["n_cells"],
                control_ok=line["control_ok"],
            )
            for line in group
        ]
        agreed = h_score.agree(list(dict.fromkeys(given)), settings)  # the same reading delivered twice is one
        rows.append(
            key
            | {
                "h_score": agreed.h_score,
                "positive_pct": agreed.positive_pct,
                "n_readers": agreed.n_readers,
                "reader_difference": agreed.reader_difference,
                "adjudicate": agreed.adjudicate,
                "n_cells": agreed.n_cells,
                "control_ok": agreed.control_ok,
                "run": _joined(group, "run"),
                "lot": _joined(group, "lot"),
                "status": agreed.status,
                "reason": agreed.reason,
            }
        )
    return rows


def _groups(
    readings: pd.DataFrame, markers: tuple[str, ...], compartments: tuple[str, ...]
) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Readings of one specimen, marker and compartment at a time; nulls are None."""
    chosen = readings[readings["marker"].isin(markers) & readings["compartment"].isin(compartments)]
    delivered = [name for name in chosen.columns if name not in ("batch_id", "file_row", "layout")]
    chosen = chosen.drop_duplicates(delivered)  # the same table delivered again counts once
    for values, group in chosen.groupby(list(KEY), sort=True):
        plain = group.astype(object).where(group.notna(), None)
        lines = [{str(name): _python(value) for name, value in line.items()} for line in plain.to_dict("records")]
        yield dict(zip(KEY, (str(value) for value in values), strict=True)), lines


def _python(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _joined(group: list[dict[str, Any]], name: str) -> str | None:
    return ";".join(sorted({line[name] for line in group if line[name]})) or None
