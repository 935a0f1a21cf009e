"""No TIL rule is validated after treatment: a slide taken later than baseline says so, and keeps its score."""

from __future__ import annotations

import numpy as np
import pytest

from palbo_assets.demo import slides
from palbo_assets.histology.classifier import Training
from palbo_assets.histology.evidence import Evidence, measure
from palbo_assets.histology.regions import Polygon, Regions
from palbo_assets.histology.score import WARN_REASONS, judge, score
from palbo_assets.histology.settings import SlideSettings
from palbo_assets.histology.slide import Field

FIELD = SlideSettings(min_scored_mm2=0.1, min_nuclei=50)
CODE = "RULE_NOT_VALIDATED_AFTER_TREATMENT"


@pytest.fixture(scope="module")
def field() -> Field:
    return Field(slides.render(20, np.random.default_rng(6), size_px=1024), 0.5)


@pytest.fixture(scope="module")
def evidence(field: Field) -> Evidence:
    return measure(field, FIELD)


@pytest.mark.parametrize("timepoint", ["W06", "W12", "PD"])
def test_a_slide_after_treatment_carries_a_remark_beside_its_score(
    field: Field, evidence: Evidence, training: Training, timepoint: str
) -> None:
    before = judge(field, evidence, training.model, FIELD, timepoint="BL")
    after = judge(field, evidence, training.model, FIELD, timepoint=timepoint)
    assert before.qc == "pass" and not before.reasons
    assert after.qc == "warn" and after.reasons == (CODE,) and CODE in WARN_REASONS
    assert after.status == "OBSERVED" and after.stil_area_pct == before.stil_area_pct


def test_residual_fibrosis_lowers_the_share_and_a_drawn_tumour_bed_keeps_it_out(training: Training) -> None:
    """Half of the section turned to collagen without cells: the trap that the remark is for."""
    bed = slides.render(40, np.random.default_rng(7), size_px=1024)
    scar = np.full((1024, 1024, 3), (214, 108, 217), np.uint8)  # the stroma of that bed
    scar = np.clip(scar + np.random.default_rng(8).normal(0, 3, scar.shape), 0, 255).astype(np.uint8)
    section = Field(np.hstack([bed, scar]), 0.5)
    whole = score(section, training.model, FIELD, timepoint="PD")
    ring = [[0.0, 0.0], [1024.0, 0.0], [1024.0, 1024.0], [0.0, 1024.0], [0.0, 0.0]]
    viable = Regions((Polygon((np.array(ring),), excluded=False),), 0.5)
    alone = score(section, training.model, FIELD, timepoint="PD", regions=viable)
    assert whole.stil_area_pct is not None and alone.stil_area_pct is not None
    assert whole.stil_area_pct < 0.7 * alone.stil_area_pct
    assert CODE in whole.reasons and CODE in alone.reasons
