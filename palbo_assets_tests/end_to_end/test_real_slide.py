"""A real Aperio slide from the landing folder to its score and heat map, as a lab and an engineer see it."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import cv2
import dagster as dg
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from palbo_assets_tests.end_to_end.real_deliveries import Sent, Site, at_home

pytestmark = [pytest.mark.end_to_end]

SVS, PARTITION = "he_til/wsi/cmu_small_region.svs", "PALBO-001|BL"
WIDTH_PX, HEIGHT_PX, MPP = 2220, 2967, 0.499  # as Aperio's header states them
WHITE = 255


def _heat_map(site: Site) -> NDArray[np.uint8]:
    """The picture of the newest materialisation, decoded from the metadata that the UI shows."""
    with dg.DagsterInstance.from_config(str(site.home.dagster_home)) as instance:
        records = instance.get_event_records(
            dg.EventRecordsFilter(
                dg.DagsterEventType.ASSET_MATERIALIZATION,
                asset_key=dg.AssetKey("til_scores"),
                asset_partitions=[PARTITION],
            ),
            limit=1,
        )
    event = records[0].asset_materialization
    assert event is not None
    shown = str(event.metadata["heatmap"].value)
    assert "dark 0 %, yellow 60% and more" in shown
    found = re.search(r"data:image/png;base64,([A-Za-z0-9+/=]+)\)", shown)
    assert found is not None
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(found[1]), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture, np.uint8)


def test_the_real_svs_slide_goes_through_landing_score_and_heat_map(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path / "home")
    at_home(site.home, monkeypatch)
    folder = site.deliver("pathology/slides", [Sent(shared_data / SVS, "he_slide", "PALBO-001", "BL", "CMU-1")])
    site.ingest(only=["histology"])

    # The door: taken, with what the slide states of itself.
    assert site.verdict("pathology/slides", "cmu_small_region.svs") == ("ACCEPTED", "")
    facts = site.facts("cmu_small_region.svs")
    assert (facts["width_px"], facts["height_px"], facts["objective_power"]) == (WIDTH_PX, HEIGHT_PX, 20)
    assert facts["mpp"] == pytest.approx(MPP)
    assert (folder / "cmu_small_region.svs").read_bytes() == (shared_data / SVS).read_bytes()

    # The score: measured, and withheld, because 0.56 mm2 of tissue are too little by the rule.
    (withheld,) = site.table("til_scores").to_dict("records")
    assert (withheld["specimen_id"], withheld["mpp"]) == ("CMU-1", pytest.approx(MPP))
    assert (withheld["qc"], withheld["status"], withheld["reasons"]) == ("fail", "QC_FAIL", "SMALL_AREA")
    scores = ["stil_area_pct", "area_rule_pct", "stil_density_mm2", "itil_density_mm2", "etil_pct"]
    assert all(pd.isna(withheld[name]) for name in scores)
    assert withheld["tissue_mm2"] == pytest.approx(0.56, abs=0.03)
    assert withheld["n_nuclei"] > 1000 and withheld["he_hue_pct"] > 90

    # A study that scores small pieces says so in its settings: the slide is due again, and the lab sends nothing.
    site.home.settings_file.write_text("histology: {slides: {min_scored_mm2: 0.5}}\n")
    site.ingest(only=["histology"])
    assert [run.problems for run in site.runs if not run.success] == []
    (row,) = site.table("til_scores").to_dict("records")
    assert row["status"] == "OBSERVED"
    assert 0 < row["stil_area_pct"] < 30  # skin with few lymphocytes
    assert row["stil_density_mm2"] > 0 and 0 < row["etil_pct"] < 100
    assert row["slide_sha256"] == withheld["slide_sha256"] and row["n_nuclei"] == withheld["n_nuclei"]
    assert not row["validated"]

    # The heat map: the slide's shape, stroma where there is some, and not all of it alike.
    picture = _heat_map(site)
    high, wide = picture.shape[:2]
    assert 192 <= max(high, wide) <= 1024
    assert wide / high == pytest.approx(WIDTH_PX / HEIGHT_PX, rel=0.03)
    drawn = picture[(picture != WHITE).any(axis=2)]
    stroma_share = row["stroma_mm2"] / (WIDTH_PX * HEIGHT_PX * MPP**2 / 1e6)
    assert len(drawn) / (high * wide) == pytest.approx(stroma_share, abs=0.15)
    assert len(np.unique(drawn, axis=0)) >= 4
    site.close()
