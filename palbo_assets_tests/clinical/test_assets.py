"""The clinical assets, materialised by Dagster into a warehouse of their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest
import sqlalchemy as sa

from palbo_assets.clinical import assets, checks
from palbo_assets.clinical.tables import DELIVERY_LEDGER, PATIENTS, TABLES, TREATMENT_RESPONSE
from palbo_assets.demo.truth import PatientTruth
from palbo_assets.platform.io_managers import TableIOManager
from palbo_assets.platform.resources import InstallationResource
from palbo_assets.platform.system_tables import SYSTEM
from palbo_assets.platform.tables import sql_table

Twin = tuple[list[PatientTruth], Path, Path]


@dataclass(frozen=True)
class Delivered:
    path: Path
    role: str
    sha256: str
    modality: str = "clinical"
    scope: str = "cohort"
    patient_id: str = ""
    timepoint: str = ""
    batch_key: str = ""
    sample_name: str = ""
    panel_version: str = ""
    specimen_id: str = ""


class Landing:
    """A landing zone that holds the clinical delivery and one accepted FACS file."""

    def __init__(self, files: list[Delivered]) -> None:
        self.files = files

    def accepted(self, modalities: Any, patient_id: str | None = None) -> list[Delivered]:
        return self.files if "clinical" in modalities else []

    def ledger_frame(self) -> pd.DataFrame:
        return pd.DataFrame(
            [("PALBO-005", "W06", "facs", "fcs", "", "ACCEPTED", None, "2019-05-01T10:00:00+00:00")],
            columns=["patient_id", "timepoint", "modality", "role", "specimen_id", "status", "reason", "received_at"],
        )

    def state(self) -> str:
        return "one file"


PRODUCTS = [value for value in vars(assets).values() if isinstance(value, dg.AssetsDefinition)]


@pytest.fixture
def materialised(twin: Twin, tmp_path: Path) -> tuple[dg.ExecuteInProcessResult, InstallationResource]:
    _, export, dictionary = twin
    installation = InstallationResource(root=str(tmp_path / "home"))
    installation.home.create()
    schema = sa.MetaData()
    for table in TABLES:
        sql_table(table, schema)
    SYSTEM.create_all(installation.warehouse.engine)
    schema.create_all(installation.warehouse.engine)
    files = [Delivered(export, "redcap_export", "a" * 64), Delivered(dictionary, "redcap_dictionary", "b" * 64)]
    result = dg.materialize(
        [*PRODUCTS, *checks.CHECKS],
        resources={
            "installation": installation,
            "landing": Landing(files),
            "warehouse": TableIOManager(installation=installation),
        },
        raise_on_error=False,
    )
    return result, installation


def test_every_table_is_an_asset() -> None:
    assert {product.key.path[-1] for product in PRODUCTS} == {table.name for table in TABLES}


def test_every_product_has_two_checks_or_more() -> None:
    names = [key.asset_key.path[-1] for check in checks.CHECKS for key in check.check_keys]
    assert all(names.count(table.name) >= 2 for table in TABLES)


def test_assets_publish_and_the_errors_checks_pass(
    materialised: tuple[dg.ExecuteInProcessResult, InstallationResource],
) -> None:
    result, installation = materialised
    assert result.success
    failed = {
        evaluation.check_name
        for evaluation in result.get_asset_check_evaluations()
        if not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR
    }
    assert failed == set()
    assert len(installation.warehouse.read(PATIENTS, partition_key="")) == 10
    assert len(installation.warehouse.read(TREATMENT_RESPONSE, partition_key="")) == 9


def test_ledger_sees_what_landed(materialised: tuple[dg.ExecuteInProcessResult, InstallationResource]) -> None:
    _, installation = materialised
    ledger = installation.warehouse.read(DELIVERY_LEDGER, partition_key="").set_index(
        ["patient_id", "timepoint", "assay"]
    )
    assert len(ledger) == 10 * 4 * 9
    assert ledger.loc[("PALBO-005", "W06", "facs"), "state"] == "RECEIVED"
    assert ledger.loc[("PALBO-005", "PD", "facs"), "state"] == "NOT_EXPECTED"
    assert ledger.loc[("PALBO-010", "BL", "he_til"), "state"] == "WITHDRAWN"
