"""The room's products, materialised from files of the twin through Dagster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

import palbo_assets.clinical.assets  # noqa: F401 - products that the room's build on
from palbo_assets.cytometry.abundance import Counted, abundances
from palbo_assets.cytometry.assets import (
    ASSETS,
    blood_counts,
    facs_abundances,
    facs_batch_bounds,
    facs_changes,
    facs_densities,
    facs_gates,
    facs_qc,
    facs_ratios,
)
from palbo_assets.cytometry.blood_counts import BloodCount
from palbo_assets.cytometry.checks import CHECKS, off_the_whole
from palbo_assets.cytometry.formats import verify_fcs
from palbo_assets.cytometry.settings import Settings
from palbo_assets.cytometry.strategy import load_strategy
from palbo_assets.cytometry.tables import FACS_ABUNDANCES, FACS_GATES, FACS_QC, TABLES
from palbo_assets.demo import facs
from palbo_assets.demo.truth import SampleTruth, WrittenFile
from palbo_assets.platform.formats import Claim, Context, Scope
from palbo_assets.platform.io_managers import TableIOManager
from palbo_assets.platform.references import add_entry
from palbo_assets.platform.resources import InstallationResource
from palbo_assets.platform.system_tables import SYSTEM
from palbo_assets.platform.tables import sql_table

KEY = "PALBO-001|W06"
TRUTH = SampleTruth("PALBO-001", "W06", 42, 0.5, facs_pct_parent={"Treg": 4.0}, wbc_per_ul=3600)


@dataclass
class Landing:
    """Accepted files, as the landing would list them."""

    files: list[Any]

    def accepted(self, modalities: Sequence[str], patient_id: str | None = None) -> list[Any]:
        return [file for file in self.files if file.modality in modalities]

    def state(self) -> str:
        return ""


def landed(folder: Path, file: WrittenFile) -> Any:
    path = folder / file.file
    batch = file.role == "cbc"
    return SimpleNamespace(
        path=path,
        sha256=sha256(path.read_bytes()).hexdigest(),
        modality=file.modality,
        role=file.role,
        scope=Scope.BATCH if batch else Scope.SAMPLE,
        batch_key="cbc" if batch else "",
        patient_id=file.patient_id,
        timepoint=file.timepoint,
        specimen_id=file.specimen_id,
        **dict.fromkeys(("sample_name", "library", "site", "genome_build", "panel_version"), ""),
    )


class House:
    """One installation with one delivered tube and, if ``with_counts``, its blood count."""

    def __init__(self, root: Path, *, with_counts: bool = True, tube: Path | None = None, gating: str = "") -> None:
        delivery = root / "delivery"
        rng = np.random.default_rng(4)
        files = facs.write(TRUTH, delivery, rng) + (facs.write_cbc([TRUTH], delivery, rng) if with_counts else [])
        self.installation = InstallationResource(root=str(root / "home"), reference=str(root / "reference"))
        self.installation.home.create()
        metadata = sa.MetaData()
        for table in TABLES:
            sql_table(table, metadata)
        for tables in (SYSTEM, metadata):
            tables.create_all(self.installation.warehouse.engine)
        self.landing = Landing([landed(delivery, file) for file in files])
        if tube is not None:  # a real file in the twin's place
            self.landing.files[0].path = tube
            self.landing.files[0].sha256 = sha256(tube.read_bytes()).hexdigest()
        if gating:
            site = root / "site.yaml"
            site.write_text(gating)
            add_entry(root / "reference", "facs_gating", site, build="GRCh38")

    def run(self, assets: Sequence[dg.AssetsDefinition], partition: Any, instance: dg.DagsterInstance) -> Any:
        names = {asset.key.path[-1] for asset in assets}
        checks = [check for check in CHECKS if next(iter(check.check_keys)).asset_key.path[-1] in names]
        io_manager = TableIOManager(installation=self.installation)
        return dg.materialize(
            [*(asset for asset in ASSETS if asset is not facs_changes), *checks],
            selection=[asset.key for asset in assets],
            instance=instance,
            partition_key=partition,
            resources={
                "installation": self.installation,
                "landing": dg.ResourceDefinition.hardcoded_resource(self.landing),
                "parquet": io_manager,
                "warehouse": io_manager,
            },
            raise_on_error=False,
        )

    def sample(self, instance: dg.DagsterInstance) -> tuple[Any, pd.DataFrame]:
        key = dg.MultiPartitionKey({"patient": "PALBO-001", "timepoint": "W06"})
        assert self.run([facs_densities], key, instance).success
        assert self.run([facs_batch_bounds], None, instance).success
        result = self.run([facs_gates, facs_qc, facs_abundances, facs_ratios], key, instance)
        return result, self.installation.warehouse.read(FACS_ABUNDANCES, partition_key=KEY).set_index("population")


@pytest.fixture(scope="module")
def instance() -> Any:
    with dg.DagsterInstance.ephemeral() as made:
        made.add_dynamic_partitions("patient", ["PALBO-001"])
        made.add_dynamic_partitions("plate", ["facs-cbc"])
        yield made


def test_a_tube_and_its_blood_count_become_percentages_and_absolute_counts(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    house = House(tmp_path)
    assert house.run([blood_counts], "facs-cbc", instance).success
    result, rows = house.sample(instance)
    assert result.success
    assert rows.loc["Treg", "pct_parent"] == pytest.approx(4.0, abs=1.5)
    assert rows.loc[["T", "B", "NK"], "abs_per_ul"].sum() == pytest.approx(3600 * 0.295, abs=0.5)
    assert (rows["specimen_id"] == facs.specimen_id(TRUTH)).all()
    assert all(one.passed for one in result.get_asset_check_evaluations())
    quality = house.installation.warehouse.read(FACS_QC, partition_key=KEY)
    assert quality["events"].tolist() == [30_000]


def test_without_a_blood_count_percentages_stay_and_absolute_counts_say_why_not(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    result, rows = House(tmp_path, with_counts=False).sample(instance)
    assert result.success
    assert rows.loc["T", "pct_parent"] == pytest.approx(22.0, abs=1.5)
    assert rows["abs_per_ul"].isna().all()
    assert rows.loc["T", "abs_reason"] == "no_blood_count"


def test_every_row_names_the_gating_and_where_its_bounds_come_from(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    house = House(tmp_path, with_counts=False)
    result, rows = house.sample(instance)
    gates = house.installation.warehouse.read(FACS_GATES, partition_key=KEY).set_index("cut")
    assert set(rows["gating_version"]) == set(gates["gating_version"]) == {load_strategy().version}
    assert gates.loc["CD25hi", "source"] == "sample" and gates.loc["CD25hi", "specimens"] == 1
    assert gates.loc["CD25hi", "origin"] == "valley" and gates.loc["CD137"].isna()["origin"]
    assert rows.loc["Treg", "bound_origins"] == "CD25hi:valley;CD127:valley"
    assert rows.loc["CD8_CD137", "status"] == "NOT_ASSAYED" and rows.loc["DC", "status"] == "OBSERVED"
    (made,) = result.asset_materializations_for_node("facs_gates")
    assert made.metadata["gating_tree"].value.startswith("![gating tree](data:image/png;base64,iVBOR")


def test_a_real_t_cell_panel_is_gated_by_a_sites_own_file_and_says_which_bounds_its_data_gave(
    tmp_path: Path, instance: dg.DagsterInstance, shared_data: Path
) -> None:
    tube = shared_data / "fcs/flowio/100715.fcs"
    assert verify_fcs(tube, Claim(tube.name, "facs", "PALBO-001", "W06"), Context())["events"] == 65_016
    own = Path(__file__).with_name("t_cell_panel.yaml").read_text()
    house = House(tmp_path, with_counts=False, tube=tube, gating=own)
    result, rows = house.sample(instance)
    assert result.success and (rows["gating_version"].str.startswith("t-cells-1-")).all()
    parts = ["CD4", "CD8", "CD4_CD8_double_positive", "CD4_CD8_double_negative"]
    assert rows.loc[parts, "count"].sum() == rows.loc["T", "count"] > 5_000
    assert rows.loc["CD8_memory", "status"] == "NOT_EVALUABLE" and pd.isna(rows.loc["CD8_memory", "pct_parent"])
    # Two peaks of CD57 and CCR7; none of CD3, CD4 and CD8 in this tube, which a check warns of.
    origins = house.installation.warehouse.read(FACS_GATES, partition_key=KEY).set_index("cut")["origin"]
    assert set(origins[["CD57", "CCR7"]]) == {"valley"} and set(origins[["CD3", "CD4", "CD8"]]) == {"fixed"}
    failed = {one.check_name for one in result.get_asset_check_evaluations() if not one.passed}
    assert "lineage_bounds_follow_the_sample" in failed and "t_cells_sum_to_their_parts" not in failed


def test_beads_in_the_tube_make_the_count_single_platform() -> None:
    counted = [Counted("root", "", 60_000), Counted("CD45", "root", 40_000), Counted("T", "CD45", 10_000),
               Counted("beads", "root", 20_000)]  # fmt: skip
    cbc = BloodCount(6000.0, 1800.0, 0, beads_per_tube=50_000.0, blood_ul=100.0)
    rows = {row["population"]: row for row in abundances(counted, ["T"], cbc, Settings(), beads="beads")}
    assert (rows["T"]["abs_per_ul"], rows["T"]["abs_method"]) == (250.0, "single")  # 10,000 / 20,000 x 50,000 / 100
    few = [*counted[:-1], Counted("beads", "root", 100)]
    rows = {row["population"]: row for row in abundances(few, ["T"], cbc, Settings(), beads="beads")}
    assert (rows["T"]["abs_per_ul"], rows["T"]["abs_method"]) == (1800.0, "dual")


@pytest.mark.parametrize(("counts", "wrong"), [((60, 30, 2, 8), False), ((60, 30, 2, 3), True)])
def test_t_cells_that_do_not_sum_to_their_parts_are_named(counts: tuple[int, ...], wrong: bool) -> None:
    names = ("CD4", "CD8", "CD4_CD8_double_positive", "CD4_CD8_double_negative", "T")
    rows = pd.DataFrame({"specimen_id": "S", "population": names, "count": [*counts, 100]})
    found = off_the_whole(rows, names[:4], "T", lowest=99.0, highest=101.0)
    assert list(found["population"]) == (list(names[:4]) if wrong else [])


def test_importing_the_definitions_stays_cheap() -> None:
    import subprocess
    import sys

    names = ("pandas", "scipy", "flowkit", "flowio", "allotropy", "numba")
    code = (
        "import sys, palbo_assets.clinical.assets, palbo_assets.cytometry.assets, palbo_assets.cytometry.formats, "
        "palbo_assets.serum.assets, "
        "palbo_assets.serum.formats; "
        f"print([name for name in {names} if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert told.returncode == 0
    assert told.stdout.strip() == "[]"
