"""From the readings of a sample to one row a specimen, marker and compartment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from palbo_assets.histology import density, h_score, ihc_vocabulary, section_handling
from palbo_assets.histology.ihc_vocabulary import AREA_COMPARTMENTS, CYCLINS, TIL_MARKERS, TUMOUR_CELL_COMPARTMENTS
from palbo_assets.histology.settings import CyclinSettings, MarkerSettings, SectionSettings
from palbo_assets.study.vocabulary import OBSERVED, TIMEPOINTS, Absence

if TYPE_CHECKING:
    import pandas as pd

KEY = ("patient_id", "timepoint", "specimen_id", "marker", "compartment")


def marker_densities(
    readings: pd.DataFrame, settings: MarkerSettings, sections: SectionSettings
) -> list[dict[str, Any]]:
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
        clone = _joined(group, "clone")
        if key["marker"] == "PD-L1" and found.status == OBSERVED:
            found = _of_one_known_clone(found, clone)
        why = section_handling.unusable(group, sections, of_tumour_cells=False)
        if why and found.status == OBSERVED:
            found = _without_value(found, why)
        rows.append(
            key
            | {
                "density_mm2": found.density_mm2,
                "n_positive": found.n_positive,
                "area_mm2": found.area_mm2,
                "pct_positive": found.pct_positive,
                "clone": clone,
                "scoring_rule": ihc_vocabulary.pd_l1_rule(clone) if key["marker"] == "PD-L1" else None,
                "control_ok": found.control_ok,
                "remarks": section_handling.remarks(group, sections),
                "status": found.status,
                "reason": found.reason,
            }
        )
    return rows


def _of_one_known_clone(found: density.Density, clone: str | None) -> density.Density:
    """A PD-L1 density means something only together with the clone that gave it."""
    if clone and ";" not in clone:
        return found
    why = "several PD-L1 clones, which are not interchangeable" if clone else "the clone of PD-L1 is not stated"
    return _without_value(found, why)


def _without_value(found: density.Density, why: str) -> density.Density:
    return replace(found, density_mm2=None, pct_positive=None, status=str(Absence.NOT_EVALUABLE), reason=why)


def cyclin_scores(readings: pd.DataFrame, settings: CyclinSettings, sections: SectionSettings) -> list[dict[str, Any]]:
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
        why = section_handling.unusable(group, sections, of_tumour_cells=True)
        if why and agreed.status == OBSERVED:
            agreed = replace(
                agreed, h_score=None, positive_pct=None, status=str(Absence.NOT_EVALUABLE), reason=why
            )  # fmt: skip
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
                "clone": _joined(group, "clone"),
                "run": _joined(group, "run"),
                "lot": _joined(group, "lot"),
                "remarks": section_handling.remarks(group, sections),
                "status": agreed.status,
                "reason": agreed.reason,
            }
        )
    return rows


def cyclin_pairs(scores: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of ``cyclin_e_pairs`` from a patient's rows of ``cyclin_e_ihc``: each later timepoint against baseline.

    A change of protein is one only if both sections were stained in the same run with the same clone and lot; else
    the row says what differs, and there is no change.
    """
    plain = scores.astype(object).where(scores.notna(), None)
    rows = []
    for (marker, compartment), group in plain.groupby(["marker", "compartment"], sort=True):
        lines: dict[str, list[dict[str, Any]]] = {
            str(point): [{str(name): cell for name, cell in line.items()} for line in part.to_dict("records")]
            for point, part in group.groupby("timepoint")
        }
        for timepoint in [point for point in TIMEPOINTS if point in lines and point != BASELINE]:
            before, after = lines.get(BASELINE, []), lines[timepoint]
            reason = _unpaired(before, after)
            paired = reason is None
            rows.append(
                {
                    "patient_id": after[0]["patient_id"],
                    "timepoint": timepoint,
                    "marker": marker,
                    "compartment": compartment,
                    "baseline_h_score": _python(before[0]["h_score"]) if paired else None,
                    "h_score": _python(after[0]["h_score"]) if paired else None,
                    "h_score_change": _python(after[0]["h_score"] - before[0]["h_score"]) if paired else None,
                    "run": after[0]["run"] if paired else None,
                    "remarks": _unlike(before[0], after[0]) if paired else None,
                    "status": OBSERVED if paired else str(Absence.NOT_EVALUABLE),
                    "reason": reason,
                }
            )
    return rows


BASELINE = TIMEPOINTS[0]


def _unpaired(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> str | None:
    """Why two timepoints make no pair; None when they do."""
    if not before:
        return "there is no baseline section"
    if len(before) > 1 or len(after) > 1:
        return "several specimens at one timepoint: which of them pair is not stated"
    first, second = before[0], after[0]
    if first["status"] != OBSERVED or second["status"] != OBSERVED:
        return "one of the two sections has no score"
    for name, label in (("run", "staining runs"), ("clone", "clones"), ("lot", "lots of the antibody")):
        if not first[name] or not second[name]:
            if name == "run":
                return "the staining run is not stated"
            continue
        if first[name] != second[name] or ";" in first[name]:
            return f"the {label} differ"
    return None


def _unlike(before: dict[str, Any], after: dict[str, Any]) -> str | None:
    """What only one of two sections went through, or both in unlike ways: a change may be of the section alone."""
    if before["remarks"] == after["remarks"]:
        return None
    said = ((BASELINE, before["remarks"]), (after["timepoint"], after["remarks"]))
    return "; ".join(f"{timepoint}: {remarks.replace(';', ', ')}" for timepoint, remarks in said if remarks)


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
