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
import pytest
import sqlalchemy as sa

from palbo_assets.demo import elisa
from palbo_assets.demo.truth import SampleTruth
from palbo_assets.platform.formats import Scope
from palbo_assets.platform.io_managers import TableIOManager
from palbo_assets.platform.resources import InstallationResource
from palbo_assets.platform.system_tables import SYSTEM
from palbo_assets.platform.tables import sql_table
from palbo_assets.serum.assets import elisa_plates, elisa_results, nrg1_elisa
from palbo_assets.serum.checks import CHECKS
from palbo_assets.serum.tables import ELISA_PLATES, ELISA_RESULTS, NRG1_ELISA, TABLES

TRUTHS = [
    SampleTruth("PALBO-001", "BL", 0, 0.5, nrg1_pg_ml=350.0),
    SampleTruth("PALBO-001", "PD", 300, 0.5, nrg1_pg_ml=1400.0),
    SampleTruth("PALBO-002", "BL", 0, 0.5, nrg1_pg_ml=15.0),
]


@dataclass
class Landing:
    """Accepted files, as the landing would list them."""

    files: list[Any]

    def accepted(self, modalities: Sequence[str], patient_id: str | None = None) -> list[Any]:
        return [file for file in self.files if file.modality in modalities]

    def state(self) -> str:
        return ""


class House:
    """One installation with one delivered plate."""

    def __init__(self, root: Path) -> None:
        delivery = root / "delivery"
        files = elisa.write_plate(TRUTHS, delivery, np.random.default_rng(11), "NRG1-01")
        self.installation = InstallationResource(root=str(root / "home"), reference=str(root / "reference"))
        self.installation.home.create()
        metadata = sa.MetaData()
        for table in TABLES:
            sql_table(table, metadata)
        for tables in (SYSTEM, metadata):
            tables.create_all(self.installation.warehouse.engine)
        self.landing = Landing([self.landed(delivery / file.file, file.role) for file in files])

    @staticmethod
    def landed(path: Path, role: str) -> Any:
        return SimpleNamespace(
            path=path,
            sha256=sha256(path.read_bytes()).hexdigest(),
            modality="elisa",
            role=role,
            scope=Scope.BATCH,
            batch_key="NRG1-01",
            **dict.fromkeys(("patient_id", "timepoint", "specimen_id", "sample_name", "library", "site"), ""),
            **dict.fromkeys(("genome_build", "panel_version"), ""),
        )

    def run(self, assets: Sequence[dg.AssetsDefinition], partition: Any, instance: dg.DagsterInstance) -> Any:
        names = {asset.key.path[-1] for asset in assets}
        checks = [check for check in CHECKS if next(iter(check.check_keys)).asset_key.path[-1] in names]
        io_manager = TableIOManager(installation=self.installation)
        return dg.materialize(
            [elisa_plates, elisa_results, nrg1_elisa, *checks],
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


@pytest.fixture(scope="module")
def instance() -> Any:
    with dg.DagsterInstance.ephemeral() as made:
        made.add_dynamic_partitions("patient", ["PALBO-001", "PALBO-002"])
        made.add_dynamic_partitions("plate", ["elisa-NRG1-01"])
        yield made


def test_a_plate_becomes_one_value_a_sample_with_its_reason(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    house = House(tmp_path)
    assert house.run([elisa_plates, elisa_results], "elisa-NRG1-01", instance).success
    for truth in TRUTHS:
        key = dg.MultiPartitionKey({"patient": truth.patient_id, "timepoint": truth.timepoint})
        result = house.run([nrg1_elisa], key, instance)
        assert result.success
        (row,) = house.installation.warehouse.read(NRG1_ELISA, partition_key=str(key)).to_dict("records")
        assert row["specimen_id"] == elisa.specimen_id(truth) and row["plate_id"] == "NRG1-01"
        if truth.nrg1_pg_ml < 60:
            assert (row["status"], row["censored"]) == ("BELOW_LLOQ", "<")
        else:
            assert row["concentration_pg_ml"] == pytest.approx(truth.nrg1_pg_ml, rel=0.10)
        passed = {one.check_name: one.passed for one in result.get_asset_check_evaluations()}
        assert passed["keeps_its_contract"] and passed["values_are_explained"] and passed["plate_was_accepted"]


def test_a_plate_whose_export_was_refused_is_rejected_and_gives_no_results(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    house = House(tmp_path)
    house.landing.files = [file for file in house.landing.files if file.role == "layout"]
    assert house.run([elisa_plates, elisa_results], "elisa-NRG1-01", instance).success
    (plate,) = house.installation.warehouse.read(ELISA_PLATES).to_dict("records")
    assert (plate["plate_id"], plate["accepted"], plate["reasons"]) == ("NRG1-01", False, "no_export")
    assert house.installation.warehouse.read(ELISA_RESULTS).empty


def test_two_exports_of_one_plate_fail_it_alone_with_a_message_for_people(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    house = House(tmp_path)
    house.landing.files += [file for file in house.landing.files if file.role == "plate"]
    result = house.run([elisa_plates], "elisa-NRG1-01", instance)
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "2 files of role plate" in str(failure.step_failure_data.error)
