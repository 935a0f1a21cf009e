"""Cyclin E pairs are of one staining run; PD-L1 means its clone; DAB in an image checks a reader's fraction."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from skimage.data import immunohistochemistry

from palbo_assets.histology import dab, ihc_summary
from palbo_assets.histology.settings import DabSettings, MarkerSettings

SETTINGS = DabSettings()


def _scores(**later: Any) -> pd.DataFrame:
    line = {
        "patient_id": "P1",
        "timepoint": "BL",
        "specimen_id": "S1",
        "marker": "CYCLIN_E1",
        "compartment": "nuclear",
        "h_score": 60.0,
        "clone": "HE12",
        "run": "R7",
        "lot": "L1",
        "status": "OBSERVED",
    }
    return pd.DataFrame([line, line | {"timepoint": "PD", "specimen_id": "S2", "h_score": 150.0} | later])


def test_two_sections_of_one_run_have_a_change() -> None:
    (row,) = ihc_summary.cyclin_pairs(_scores())
    assert (row["timepoint"], row["h_score_change"], row["status"], row["reason"]) == ("PD", 90.0, "OBSERVED", None)


@pytest.mark.parametrize(
    ("later", "why"),
    [
        ({"run": "R8"}, "the staining runs differ"),
        ({"run": None}, "the staining run is not stated"),
        ({"lot": "L2"}, "the lots of the antibody differ"),
        ({"clone": "EP126"}, "the clones differ"),
        ({"run": "R7;R8"}, "the staining runs differ"),
        ({"h_score": None, "status": "QC_FAIL"}, "one of the two sections has no score"),
    ],
)
def test_what_was_not_stained_together_has_no_change_and_says_why(later: dict[str, Any], why: str) -> None:
    (row,) = ihc_summary.cyclin_pairs(_scores(**later))
    assert (row["h_score_change"], row["status"], row["reason"]) == (None, "NOT_EVALUABLE", why)


def test_a_later_section_without_baseline_is_no_pair() -> None:
    (row,) = ihc_summary.cyclin_pairs(_scores().iloc[1:])
    assert row["reason"] == "there is no baseline section" and row["h_score_change"] is None
    assert ihc_summary.cyclin_pairs(_scores().iloc[:1]) == []


def _pd_l1(*clones: str) -> list[dict[str, Any]]:
    common = {
        "batch_id": "b",
        "patient_id": "P1",
        "timepoint": "BL",
        "specimen_id": "S1",
        "marker": "PD-L1",
        "compartment": "stroma",
        "run": "R1",
        "n_positive": 40,
        "n_cells": 4000,
        "area_mm2": 2.0,
        "control_ok": True,
    }
    lines = [common | {"clone": clone, "region": f"r{k}", "scorer": "A"} for k, clone in enumerate(clones)]
    return ihc_summary.marker_densities(pd.DataFrame(lines), MarkerSettings())


def test_pd_l1_carries_the_rule_of_its_clone() -> None:
    (row,) = _pd_l1("SP142", "SP142")
    assert row["status"] == "OBSERVED" and row["scoring_rule"].startswith("IC:") and row["density_mm2"] == 20
    (other,) = _pd_l1("22C3")
    assert other["scoring_rule"].startswith("CPS:")


@pytest.mark.parametrize("clones", [("SP142", "22C3"), ("",)])
def test_pd_l1_of_mixed_or_unknown_clones_is_not_evaluable(clones: tuple[str, ...]) -> None:
    (row,) = _pd_l1(*clones)
    assert row["status"] == "NOT_EVALUABLE" and row["density_mm2"] is None and row["scoring_rule"] is None


def _field(positive: int, negative: int, strength: float = 1.0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Brown and blue discs of 4 um radius on pale ground, on a grid."""
    blue, brown = np.full((1000, 1000), 0.05, np.float32), np.full((1000, 1000), 0.02, np.float32)
    order = np.random.default_rng(0).permutation(positive + negative)
    for k, site in enumerate(order):
        centre = (25 + 30 * int(site % 32), 25 + 30 * int(site // 32))
        cv2.circle(brown if k < positive else blue, centre, 8, 0.6 * strength, -1)
    haematoxylin, diaminobenzidine = np.array([0.65, 0.70, 0.29]), np.array([0.27, 0.57, 0.78])
    density = blue[..., None] * haematoxylin + brown[..., None] * diaminobenzidine
    return np.clip(255 * 10**-density, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("positive", "negative"), [(0, 400), (40, 360), (200, 200), (400, 0)])
@pytest.mark.parametrize("strength", [0.8, 1.2])
def test_the_planted_share_of_brown_nuclei_is_counted(positive: int, negative: int, strength: float) -> None:
    found = dab.count(_field(positive, negative, strength), 0.5, SETTINGS)
    assert found.n_nuclei == pytest.approx(400, rel=0.03)
    assert found.positive_pct == pytest.approx(positive / 4, abs=3)
    assert dab.agrees(found, positive / 4 + 5, SETTINGS)
    assert not dab.agrees(found, positive / 4 + (40 if positive < 300 else -40), SETTINGS)


def test_a_real_dab_image_is_brown_over_half_its_area_and_an_empty_one_says_nothing() -> None:
    # FHL2 in colon: cytoplasm of the crypts is stained, so its share of nuclei means nothing, its area does.
    found = dab.count(immunohistochemistry(), 0.5, SETTINGS)
    assert found.n_nuclei > 200 and 40 < found.dab_area_pct < 65
    empty = dab.count(np.full((200, 200, 3), 240, np.uint8), 0.5, SETTINGS)
    assert empty.positive_pct is None and dab.agrees(empty, 10, SETTINGS) is None
