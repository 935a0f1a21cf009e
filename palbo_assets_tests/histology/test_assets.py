"""The histology assets, materialised by Dagster into a warehouse of their own."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from palbo_assets.demo import ihc, slides
from palbo_assets.demo.ihc import dab_field
from palbo_assets.histology import assets, checks
from palbo_assets.histology.formats import verify_image
from palbo_assets.histology.tables import (
    CYCLIN_E_IHC,
    CYCLIN_E_PAIRS,
    IHC_IMAGES,
    IHC_SCORES,
    TABLES,
    TIL_MARKER_IHC,
    TIL_MODEL,
    TIL_SCORES,
)
from palbo_assets.platform.checks import offending_rows
from palbo_assets.platform.formats import Claim, Context
from palbo_assets.platform.io_managers import TableIOManager
from palbo_assets.platform.resources import InstallationResource
from palbo_assets.platform.system_tables import SYSTEM
from palbo_assets.platform.tables import sql_table
from palbo_assets_tests.histology.conftest import truth


@dataclass(frozen=True)
class Delivered:
    path: Path
    role: str
    sha256: str
    modality: str
    scope: str
    patient_id: str = ""
    timepoint: str = ""
    batch_key: str = ""
    sample_name: str = ""
    panel_version: str = ""
    specimen_id: str = ""
    site: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


class Landing:
    """A landing zone that holds one slide and one scoring table."""

    def __init__(self, files: list[Delivered]) -> None:
        self.files = files

    def accepted(self, modalities: Any, patient_id: str | None = None) -> list[Delivered]:
        return [file for file in self.files if file.modality in modalities]

    def ledger_frame(self) -> pd.DataFrame:
        return pd.DataFrame()

    def state(self) -> str:
        return ""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[InstallationResource, list[dg.ExecuteInProcessResult]]:
    folder = tmp_path_factory.mktemp("assets")
    sample = truth(til_marker_density={"CD8": 250.0}, cyclin_e1_h_score=120.0)
    slide = folder / slides.write(sample, folder, np.random.default_rng(1))[0].file
    later = truth(timepoint="PD", cyclin_e1_h_score=200.0)
    table = folder / ihc.write([sample, later], folder, np.random.default_rng(1), "scores")[0].file

    def digest(path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()

    drawn = folder / f"{slide.stem}.geojson"
    # The left seven eighths: half would be too little tissue.
    wide, high = slides.SIZE_PX * 7 // 8, slides.SIZE_PX
    left = [[0, 0], [wide, 0], [wide, high], [0, high], [0, 0]]
    drawn.write_text(json.dumps({"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [left]}}))
    image = folder / "PALBO-001_BL_CYCLINE1.tiff"
    slides.write_pyramid(image, dab_field(positive=288, negative=112), mpp=0.5)
    image_facts = dict(verify_image(image, Claim(image.name, "ihc"), Context()))
    reading = pd.read_csv(table).query("timepoint == 'BL' and marker == 'CYCLIN_E1'")

    files = [
        Delivered(slide, "slide", digest(slide), "he_slide", "sample", "PALBO-001", "W06", specimen_id="S6"),
        Delivered(drawn, "annotations", digest(drawn), "he_slide", "sample", "PALBO-001", "W06"),
        Delivered(
            *(image, "image", digest(image), "ihc", "sample", "PALBO-001", "BL"),
            specimen_id=reading["specimen_id"].iloc[0],
            facts=image_facts,
        ),
        Delivered(
            slide, "slide", digest(slide), "he_slide", "sample", "PALBO-001", "BL", specimen_id="S1", site="breast"
        ),
        Delivered(table, "scores", digest(table), "ihc", "batch", batch_key="scores-1"),
    ]
    installation = InstallationResource(root=str(folder / "home"))
    installation.home.create()
    schema = sa.MetaData()
    for each in TABLES:
        sql_table(each, schema)
    SYSTEM.create_all(installation.warehouse.engine)
    schema.create_all(installation.warehouse.engine)
    instance = dg.DagsterInstance.ephemeral()
    instance.add_dynamic_partitions("patient", ["PALBO-001"])
    instance.add_dynamic_partitions("plate", ["ihc-scores-1"])
    resources = {
        "installation": installation,
        "landing": Landing(files),
        "warehouse": TableIOManager(installation=installation),
    }
    results = [
        dg.materialize(
            [*assets.ASSETS, *checks.CHECKS],
            selection=dg.AssetSelection.assets(*names),
            partition_key=key,
            resources=resources,
            instance=instance,
        )
        for names, key in (
            (["til_model"], None),
            (["ihc_scores"], "ihc-scores-1"),
            (["til_scores", "til_marker_ihc", "cyclin_e_ihc", "ihc_images"], "PALBO-001|BL"),
            (["til_scores"], "PALBO-001|W06"),
            (["cyclin_e_ihc"], "PALBO-001|PD"),
            (["cyclin_e_pairs"], "PALBO-001"),
        )
    ]
    return installation, results


Home = tuple[InstallationResource, list[dg.ExecuteInProcessResult]]


def test_every_product_is_published(home: Home) -> None:
    installation, results = home
    assert all(result.success for result in results)
    for table in TABLES:
        assert len(installation.warehouse.read(table)) > 0, table.name


def test_scores_name_the_very_model_that_is_published(home: Home) -> None:
    model = home[0].warehouse.read(TIL_MODEL).iloc[0]
    score = home[0].warehouse.read(TIL_SCORES).query("timepoint == 'BL'").iloc[0]
    assert score["model_version"] == model["model_version"]
    assert hashlib.sha256(model["model_json"].encode()).hexdigest() == model["sha256"]
    assert not model["validated"] and not score["validated"]


def test_the_planted_sample_is_recovered(home: Home) -> None:
    warehouse = home[0].warehouse
    score = warehouse.read(TIL_SCORES).query("timepoint == 'BL'").iloc[0]
    assert score["qc"] == "pass" and score["stil_area_pct"] == pytest.approx(20, abs=5)
    assert score["specimen_id"] == "S1" and score["site_validated"]
    cd8 = warehouse.read(TIL_MARKER_IHC).iloc[0]
    assert cd8["marker"] == "CD8" and cd8["density_mm2"] == pytest.approx(250, rel=0.3)
    cyclin = warehouse.read(CYCLIN_E_IHC).query("timepoint == 'BL'").set_index("marker").loc["CYCLIN_E1"]
    assert cyclin["h_score"] == pytest.approx(120, abs=15) and cyclin["n_readers"] == 2
    pair = warehouse.read(CYCLIN_E_PAIRS).set_index("marker").loc["CYCLIN_E1"]
    assert pair["status"] == "OBSERVED" and pair["h_score_change"] == pytest.approx(80, abs=25)
    assert set(warehouse.read(IHC_SCORES)["batch_id"]) == {"ihc-scores-1"}


def test_annotations_restrict_what_a_run_scores(home: Home) -> None:
    scores = home[0].warehouse.read(TIL_SCORES).set_index("timepoint")
    assert scores["annotated"].to_dict() == {"BL": False, "W06": True}
    assert scores.loc["W06", "tissue_mm2"] == pytest.approx(scores.loc["BL", "tissue_mm2"] * 0.91, rel=0.03)
    assert scores.loc["W06", "slide_sha256"] == scores.loc["BL", "slide_sha256"]


def test_a_slide_after_treatment_is_published_with_its_remark(home: Home) -> None:
    scores = home[0].warehouse.read(TIL_SCORES).set_index("timepoint")
    assert scores.loc["W06", ["qc", "reasons"]].tolist() == ["warn", "RULE_NOT_VALIDATED_AFTER_TREATMENT"]
    assert scores.loc["W06", "status"] == "OBSERVED" and pd.isna(scores.loc["BL", "reasons"])


def test_a_delivered_image_is_held_against_its_reading(home: Home) -> None:
    warehouse = home[0].warehouse
    (image,) = warehouse.read(IHC_IMAGES).to_dict("records")
    readings = warehouse.read(CYCLIN_E_IHC).query("timepoint == 'BL' and marker == 'CYCLIN_E1'")
    assert image["positive_pct"] == pytest.approx(72, abs=4) and image["marker"] == "CYCLIN_E1"
    assert image["reader_pct"] == pytest.approx(readings["positive_pct"].iloc[0])
    assert image["difference_points"] == pytest.approx(image["positive_pct"] - image["reader_pct"])
    assert image["agrees"] and abs(image["difference_points"]) < 20


def test_checks_pass_except_the_honest_one(home: Home) -> None:
    found = {}
    for result in home[1]:
        for check in result.get_asset_check_evaluations():
            found[check.check_name, check.asset_key.to_user_string()] = check.passed
    assert len(found) == len(checks.CHECKS)
    assert [name for (name, _), passed in found.items() if not passed] == ["model_is_validated"]


def test_the_heat_map_is_small_enough_for_metadata(home: Home) -> None:
    event = home[1][2].asset_materializations_for_node("til_scores")[0]
    heatmap = event.metadata["heatmap"].value
    assert "dark 0 %, yellow 60% and more" in heatmap
    assert isinstance(heatmap, str) and "data:image/png;base64," in heatmap and len(heatmap) < 60_000


def test_checks_find_what_is_planted() -> None:
    rows = pd.DataFrame({"status": ["OBSERVED", "QC_FAIL"], "stil_area_pct": [None, 3.0]})
    assert len(offending_rows(checks.score_matches_status, rows)) == 2
    clones = pd.DataFrame({"marker": ["PD-L1", "PD-L1", "CD8"], "clone": ["22C3", "SP142", "C8/144B"]})
    assert len(offending_rows(checks.one_clone_a_marker, clones)) == 2
    h_scores = pd.DataFrame({"positive_pct": [50.0, 50.0, None], "h_score": [40.0, 100.0, None]})
    assert offending_rows(checks.h_score_fits_its_percentage, h_scores).index.tolist() == [0]
    model = pd.DataFrame({"model_json": ["{}"], "sha256": ["0"], "model_version": ["0"], "validated": [True]})
    assert len(offending_rows(checks.model_is_what_it_says, model)) == 1
