"""The cohort's products: made of published tables, not made again when nothing that they read has changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from palbo_assets.clinical.tables import PATIENTS, SAMPLE_MANIFEST
from palbo_assets.definitions import products
from palbo_assets.platform.io_managers import TableIOManager
from palbo_assets.platform.product import SPECS
from palbo_assets.platform.resources import InstallationResource
from palbo_assets.platform.system_tables import SYSTEM
from palbo_assets.platform.tables import Storage, Table, frame_from_rows, sql_table
from palbo_assets.platform.warehouse import Version
from palbo_assets.rnaseq import paired_expression
from palbo_assets.rnaseq.checks import COHORT_CHECKS
from palbo_assets.rnaseq.tables import EXPRESSION, EXPRESSION_SIGNATURES, RNA_QC

PAIRS, GENES = 6, 40
COHORT = ("rna_identity", "paired_contrasts", "paired_expression", "paired_sets")


class Landing:
    def accepted(self, modalities: Sequence[str], patient_id: str | None = None) -> list[Any]:
        return []

    def state(self) -> str:
        return ""


class Study:
    """Six patients with expression at baseline and progression: the first five genes rise fourfold."""

    def __init__(self, folder: Path) -> None:
        self.installation = InstallationResource(root=str(folder / "home"))
        self.installation.home.create()
        self.warehouse = self.installation.warehouse
        SYSTEM.create_all(self.warehouse.engine)
        metadata = sa.MetaData()
        for spec in SPECS.values():
            if spec.table.storage is Storage.SQL:
                sql_table(spec.table, metadata)
        metadata.create_all(self.warehouse.engine)
        rng = np.random.default_rng(8)
        level = rng.lognormal(6, 0.5, GENES)
        people = []
        for i in range(PAIRS):
            patient = f"PALBO-{i + 1:03d}"
            people.append({"patient_id": patient, "sex": "Female", "withdrawn": False, "treated": True, "n_queries": 0})
            own = level * rng.lognormal(0, 0.5, GENES)
            for timepoint, fold in (("BL", 1.0), ("PD", 4.0)):
                mean = own * np.where(np.arange(GENES) < 5, fold, 1.0)
                self.sample(patient, timepoint, rng.negative_binomial(20, 20 / (20 + mean)))
        self.publish(PATIENTS, "", people)
        self.publish(SAMPLE_MANIFEST, "", [])

    def sample(self, patient: str, timepoint: str, counts: np.ndarray, version: str = "v1", y: float = 0.0) -> None:
        keys = {"patient_id": patient, "timepoint": timepoint, "specimen_id": f"{patient}-{timepoint}"}
        genes = [
            {**keys, "gene_id": f"ENSG{i:011d}", "gene_symbol": f"G{i}", "count": float(count), "tpm": 25_000.0}
            for i, count in enumerate(counts)
        ]
        quality = {
            **keys, "tool": "salmon", "verdict": "pass", "status": "OBSERVED", "assigned_reads": float(counts.sum()),
            "xist_tpm": 20.0, "rps4y1_tpm": y, "reasons": "", "not_judged": "",
        }  # fmt: skip
        self.publish(EXPRESSION, f"{patient}|{timepoint}", genes, version)
        self.publish(RNA_QC, f"{patient}|{timepoint}", [quality], version)
        self.publish(EXPRESSION_SIGNATURES, f"{patient}|{timepoint}", [], version)

    def publish(self, table: Table, key: str, rows: list[dict[str, Any]], version: str = "v1") -> None:
        token = self.warehouse.take_lease(table.name, key, "by-hand")
        frame = frame_from_rows(table, rows)
        self.warehouse.publish(table, key, frame, Version(version, "1", {}), run_id="by-hand", token=token)

    def run(self) -> dict[str, bool]:
        """Make the cohort's products; whether each found itself up to date."""
        tables = TableIOManager(installation=self.installation)
        with dg.DagsterInstance.ephemeral() as instance:
            result = dg.materialize(
                [*products(), *COHORT_CHECKS],
                selection=dg.AssetSelection.assets(*COHORT),
                instance=instance,
                resources={
                    "installation": self.installation,
                    "landing": dg.ResourceDefinition.hardcoded_resource(Landing()),
                    "warehouse": tables,
                    "parquet": tables,
                },
            )
        return {
            event.asset_key.path[-1]: bool(event.materialization.metadata["unchanged"].value)
            for event in result.get_asset_materialization_events()
            if event.asset_key
        }

    def rows(self, name: str) -> pd.DataFrame:
        return self.warehouse.read(SPECS[name].table)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    opened = Study(tmp_path_factory.mktemp("cohort"))
    yield opened
    opened.warehouse.close()


def test_six_pairs_are_compared_and_nothing_is_made_again_until_something_changed(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert study.run() == dict.fromkeys(COHORT, False)
    contrasts = study.rows("paired_contrasts").set_index("contrast")
    assert (contrasts.loc["BL_PD", "n_pairs"], contrasts.loc["BL_PD", "status"]) == (6, "OBSERVED")
    assert contrasts.loc["BL_W06", "reason"] == "TOO_FEW_PAIRS: 0 of 6"
    genes = study.rows("paired_expression").set_index("gene_symbol")
    assert genes.loc[[f"G{i}" for i in range(5)], "significant"].all() and (genes["contrast"] == "BL_PD").all()
    assert not genes.loc[[f"G{i}" for i in range(5, GENES)], "significant"].any()

    def made_again(*_: object, **__: object) -> pd.DataFrame:
        raise AssertionError("the model ran though nothing that it reads has changed")

    with monkeypatch.context() as patch:
        patch.setattr(paired_expression, "differential", made_again)
        assert study.run() == dict.fromkeys(COHORT, True)

    # A Y gene in a woman's biopsy: her pair is no comparison of one person, and five are too few.
    study.sample("PALBO-001", "PD", np.full(GENES, 100), version="v2", y=30.0)
    assert study.run()["paired_contrasts"] is False
    left = study.rows("paired_contrasts").set_index("contrast").loc["BL_PD"]
    assert (left["left_out"], left["reason"]) == ("SEX_MISMATCH: 1", "TOO_FEW_PAIRS: 5 of 6")
    assert study.rows("paired_expression").empty
    identity = study.rows("rna_identity").set_index("specimen_id")
    assert identity.loc["PALBO-001-PD", "verdict"] == "fail" and (identity["verdict"] == "pass").sum() == 11
