"""Asset checks of the histology products."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palbo_assets.histology.tables import (
    CYCLIN_E_IHC,
    CYCLIN_E_PAIRS,
    IHC_IMAGES,
    IHC_SCORES,
    TIL_MARKER_IHC,
    TIL_MODEL,
    TIL_SCORES,
)
from palbo_assets.platform.checks import row_check, schema_check
from palbo_assets.study.partitions import BATCH, COHORT, PATIENT, SAMPLE

if TYPE_CHECKING:
    import pandas as pd


@row_check(TIL_MODEL, COHORT, description="The model's text has the hash that its row states")
def model_is_what_it_says(rows: pd.DataFrame) -> pd.DataFrame:
    """The version that scores carry must lead to this very model."""
    import hashlib

    actual = [hashlib.sha256(str(content).encode()).hexdigest() for content in rows["model_json"]]
    same = [
        a == str(stated) and a.startswith(str(v)) for a, stated, v in zip(actual, rows["sha256"], rows["model_version"])
    ]
    return rows[[not each for each in same]]


@row_check(TIL_MODEL, COHORT, description="The classifier has seen labelled nuclei of patients")
def model_is_validated(rows: pd.DataFrame) -> pd.DataFrame:
    """Warns as long as the classifier knows rendered nuclei only."""
    return rows[~rows["validated"].fillna(False).astype(bool)]


@row_check(TIL_SCORES, SAMPLE, description="The slide passed quality control, and its scores may be used")
def slide_passed_qc(rows: pd.DataFrame) -> pd.DataFrame:
    """Area, focus, nuclei, stain, resolution and site of the slide; `reasons` says which."""
    return rows[rows["qc"] == "fail"]


@row_check(TIL_SCORES, SAMPLE, description="Stroma and nests together are the tissue")
def compartments_add_up(rows: pd.DataFrame) -> pd.DataFrame:
    """Every square of tissue is stroma or nest, none is both (tolerance 0.1 %)."""
    difference = (rows["stroma_mm2"] + rows["nest_mm2"] - rows["tissue_mm2"]).abs()
    return rows[difference > 0.001 * rows["tissue_mm2"]]


@row_check(TIL_SCORES, SAMPLE, description="A score is there exactly where the status says that it is")
def score_matches_status(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["status"] == "OBSERVED") != rows["stil_area_pct"].notna()]


@row_check(IHC_SCORES, BATCH, description="The staining run's control is stated and stained as it should")
def run_has_its_control(rows: pd.DataFrame) -> pd.DataFrame:
    """A run without control tissue can't be believed."""
    return rows[~rows["control_ok"].fillna(False).astype(bool)]


@row_check(IHC_SCORES, BATCH, description="A marker is stained with one clone throughout a table")
def one_clone_a_marker(rows: pd.DataFrame) -> pd.DataFrame:
    """Clones of an antibody are not interchangeable (PD-L1 above all)."""
    clones = rows.dropna(subset=["clone"])
    clones = clones[clones["clone"] != ""]
    return clones[clones.groupby("marker")["clone"].transform("nunique") > 1]


@row_check(TIL_MARKER_IHC, SAMPLE, description="Densities follow from counts and area")
def density_is_count_over_area(rows: pd.DataFrame) -> pd.DataFrame:
    """A density above what fits into the area is impossible: cells of 5 um side by side are 40,000 in a mm2."""
    return rows[rows["density_mm2"].fillna(0) > 40_000]


@row_check(TIL_MARKER_IHC, SAMPLE, description="The compartment was large enough and the control good")
def marker_is_evaluable(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["status"] != "OBSERVED"]


@row_check(CYCLIN_E_IHC, SAMPLE, description="Readers agree, or somebody has decided")
def readers_agree(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["adjudicate"].fillna(False).astype(bool)]


@row_check(CYCLIN_E_IHC, SAMPLE, description="H-score and share of stained cells are possible together")
def h_score_fits_its_percentage(rows: pd.DataFrame) -> pd.DataFrame:
    """Each stained cell adds 1 to 3: the H-score lies between the percentage and three times it (rounding: 4)."""
    positive, score = rows["positive_pct"], rows["h_score"]
    impossible = (score < positive - 4) | (score > 3 * positive + 4)
    return rows[impossible.fillna(False).astype(bool)]


@row_check(IHC_IMAGES, SAMPLE, description="A delivered image doesn't contradict its reading")
def image_agrees_with_its_reading(rows: pd.DataFrame) -> pd.DataFrame:
    """Share of brown nuclei against the reader's, beyond the tolerance: another slide, another marker, or a slip."""
    return rows[rows["agrees"].astype("boolean").eq(False).fillna(False)]


@row_check(CYCLIN_E_PAIRS, PATIENT, description="Sections of a pair were stained together and have a score")
def pairs_share_a_run(rows: pd.DataFrame) -> pd.DataFrame:
    """Intensity drifts from run to run and lot to lot by more than tumours change."""
    return rows[rows["status"] != "OBSERVED"]


@row_check(CYCLIN_E_PAIRS, PATIENT, description="Sections of a pair are as old as each other, and handled alike")
def pairs_were_handled_alike(rows: pd.DataFrame) -> pd.DataFrame:
    """An antigen fades in an old block: a rise since baseline may be the block's age."""
    return rows[rows["remarks"].notna()]


CHECKS = (
    schema_check(TIL_MODEL, COHORT),
    model_is_what_it_says,
    model_is_validated,
    schema_check(TIL_SCORES, SAMPLE),
    slide_passed_qc,
    compartments_add_up,
    score_matches_status,
    schema_check(IHC_SCORES, BATCH),
    run_has_its_control,
    one_clone_a_marker,
    schema_check(TIL_MARKER_IHC, SAMPLE),
    density_is_count_over_area,
    marker_is_evaluable,
    schema_check(CYCLIN_E_IHC, SAMPLE),
    readers_agree,
    h_score_fits_its_percentage,
    schema_check(CYCLIN_E_PAIRS, PATIENT),
    pairs_share_a_run,
    pairs_were_handled_alike,
    schema_check(IHC_IMAGES, SAMPLE),
    image_agrees_with_its_reading,
)
