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

from palbo_assets.cytometry.assets import blood_counts, facs_abundances, facs_gates, facs_qc
from palbo_assets.cytometry.checks import CHECKS
from palbo_assets.cytometry.tables import FACS_ABUNDANCES, FACS_QC, TABLES
from palbo_assets.demo import facs
from palbo_assets.demo.truth import SampleTruth, WrittenFile
from palbo_assets.platform.formats import Scope
from palbo_assets.platform.io_managers import TableIOManager
from palbo_assets.platform.resources import InstallationResource
from palbo_assets.platform.system_tables import SYSTEM
from palbo_assets.platform.tables import sql_table

KEY = "PALBO-001|W06"
TRUTH = SampleTruth(
    "PALBO-001", "W06", 42, 0.5, facs_pct_parent={"Treg": 4.0}, wbc_per_ul=3600, lymphocytes_per_ul=1100
)


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

    def __init__(self, root: Path, *, with_counts: bool = True) -> None:
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

    def run(self, assets: Sequence[dg.AssetsDefinition], partition: Any, instance: dg.DagsterInstance) -> Any:
        names = {asset.key.path[-1] for asset in assets}
        checks = [check for check in CHECKS if next(iter(check.check_keys)).asset_key.path[-1] in names]
        io_manager = TableIOManager(installation=self.installation)
        return dg.materialize(
            [blood_counts, facs_gates, facs_qc, facs_abundances, *checks],
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
        result = self.run([facs_gates, facs_qc, facs_abundances], key, instance)
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
    assert rows.loc[["T", "B", "NK"], "abs_per_ul"].sum() == pytest.approx(1100)
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


def test_importing_the_definitions_stays_cheap() -> None:
    import subprocess
    import sys

    names = ("pandas", "scipy", "flowkit", "flowio", "allotropy", "numba")
    code = (
        "import sys, palbo_assets.cytometry.assets, palbo_assets.cytometry.formats, palbo_assets.serum.assets, "
        "palbo_assets.serum.formats; "
        f"print([name for name in {names} if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert told.returncode == 0
    assert told.stdout.strip() == "[]"
