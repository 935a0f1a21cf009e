"""Cyclin E pairs are of one staining run; PD-L1 means its clone; DAB in an image checks a reader's fraction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from skimage.data import immunohistochemistry

from palbo_assets.demo import slides
from palbo_assets.demo.ihc import dab_field
from palbo_assets.histology import checks, dab, ihc_summary, section_handling
from palbo_assets.histology.formats import verify_image
from palbo_assets.histology.settings import DabSettings, MarkerSettings, SectionSettings
from palbo_assets.histology.slide import Field
from palbo_assets.platform.checks import offending_rows
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context

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
        "remarks": None,
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
        **dict.fromkeys(section_handling.COLUMNS),
    }
    lines = [common | {"clone": clone, "region": f"r{k}", "scorer": "A"} for k, clone in enumerate(clones)]
    return ihc_summary.marker_densities(pd.DataFrame(lines), MarkerSettings(), SectionSettings())


def test_pd_l1_carries_the_rule_of_its_clone() -> None:
    (row,) = _pd_l1("SP142", "SP142")
    assert row["status"] == "OBSERVED" and row["scoring_rule"].startswith("IC:") and row["density_mm2"] == 20
    (other,) = _pd_l1("22C3")
    assert other["scoring_rule"].startswith("CPS:")


@pytest.mark.parametrize("clones", [("SP142", "22C3"), ("",)])
def test_pd_l1_of_mixed_or_unknown_clones_is_not_evaluable(clones: tuple[str, ...]) -> None:
    (row,) = _pd_l1(*clones)
    assert row["status"] == "NOT_EVALUABLE" and row["density_mm2"] is None and row["scoring_rule"] is None


def _beside(image: dab.DabCount, reader_pct: float) -> dict[str, Any]:
    reading = {"marker": "CYCLIN_E1", "compartment": "nuclear", "positive_pct": reader_pct}
    return dab.compared(image, "CYCLIN_E1", [reading], SETTINGS)


@pytest.mark.parametrize(("positive", "negative"), [(0, 400), (40, 360), (200, 200), (400, 0)])
@pytest.mark.parametrize("strength", [0.8, 1.2])
def test_the_planted_share_of_brown_nuclei_is_counted(positive: int, negative: int, strength: float) -> None:
    found = dab.count(dab_field(positive, negative, strength), 0.5, SETTINGS)
    assert found.n_nuclei == pytest.approx(400, rel=0.03)
    assert found.positive_pct == pytest.approx(positive / 4, abs=3)
    assert _beside(found, positive / 4 + 5)["agrees"]
    off = _beside(found, positive / 4 + (40 if positive < 300 else -40))
    assert off["agrees"] is False and abs(off["difference_points"]) == pytest.approx(40, abs=3)


def test_a_real_dab_image_is_brown_over_half_its_area_and_an_empty_one_says_nothing() -> None:
    # FHL2 in colon: cytoplasm of the crypts is stained, so its share of nuclei means nothing, its area does.
    found = dab.count(immunohistochemistry(), 0.5, SETTINGS)
    assert found.n_nuclei > 200 and 40 < found.dab_area_pct < 65
    empty = dab.count(np.full((200, 200, 3), 240, np.uint8), 0.5, SETTINGS)
    assert empty.positive_pct is None and _beside(empty, 10)["status"] == "NOT_EVALUABLE"


def test_a_section_is_counted_tile_by_tile_as_a_whole() -> None:
    picture = dab_field(120, 280)
    whole, tiled = dab.count(picture, 0.5, SETTINGS), dab.count_slide(Field(picture, 0.5), SETTINGS)
    assert tiled.positive_pct == pytest.approx(30, abs=3) and tiled.n_tiles == 2
    assert tiled.n_nuclei == pytest.approx(whole.n_nuclei, rel=0.1)  # nuclei on the border of tiles count twice
    blank = dab.count_slide(Field(np.full((600, 600, 3), 243, np.uint8), 0.5), SETTINGS)
    assert (blank.n_nuclei, blank.positive_pct) == (0, None)


@pytest.mark.parametrize(
    ("marker", "compartment", "reader_pct", "agrees"),
    [
        ("CYCLIN_E1", "nuclear", 35.0, True),
        ("CYCLIN_E1", "nuclear", 70.0, False),
        ("CYCLIN_E1", "cytoplasmic", 70.0, None),  # other cells than the program counts
        ("CD8", "stroma", 70.0, None),
        ("FOXP3", "whole", 70.0, False),
    ],
)
def test_an_image_that_contradicts_its_reading_is_flagged(
    marker: str, compartment: str, reader_pct: float, agrees: bool | None
) -> None:
    image = dab.DabCount(400, 120, 30.0, 20.0)
    reading = {"marker": marker, "compartment": compartment, "positive_pct": reader_pct}
    row = dab.compared(image, marker, [reading], SETTINGS)
    assert row["agrees"] is agrees and row["status"] == "OBSERVED"
    assert (row["reason"] is None) == (agrees is True)
    assert len(offending_rows(checks.image_agrees_with_its_reading, pd.DataFrame([row]))) == (agrees is False)
    assert "no reading of the marker" in dab.compared(image, "ER", [reading], SETTINGS)["reason"]


def test_an_image_whose_marker_nobody_names_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "section.tiff"
    slides.write_pyramid(path, dab_field(40, 360), mpp=0.5)
    with pytest.raises(InputError, match="E_SCHEMA"):
        verify_image(path, Claim(path.name, "ihc"), Context())
    finding = verify_image(path, Claim(path.name, "ihc", sample_name="cyclin E1"), Context())
    assert finding["marker"] == finding["slot"] == "CYCLIN_E1" and finding["mpp"] == pytest.approx(0.5)
