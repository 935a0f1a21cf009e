"""A product's step: inputs, skipping, failures for people, publication; and its checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest
import sqlalchemy as sa
from pydantic import BaseModel

from palbo_assets.platform import product as product_module
from palbo_assets.platform.checks import row_check, schema_check
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.io_managers import TableIOManager
from palbo_assets.platform.product import Step, product
from palbo_assets.platform.references import write_bundle
from palbo_assets.platform.resources import InstallationResource
from palbo_assets.platform.system_tables import SYSTEM
from palbo_assets.platform.tables import PATIENT_ID, TIMEPOINT, Storage, Table, integer, real, sql_table
from palbo_assets.platform.warehouse import Warehouse
from palbo_assets.study.partitions import COHORT, PATIENT, SAMPLE

COUNTS = Table("step_counts", "d", "sample", (PATIENT_ID, TIMEPOINT, integer("n", "files", nullable=False)))
GENES = Table(
    "step_genes",
    "d",
    "gene",
    (PATIENT_ID, TIMEPOINT, integer("gene", "g", key=True), real("tpm", "t")),
    Storage.PARQUET,
)
TOTALS = Table("step_totals", "d", "patient", (PATIENT_ID, integer("n", "sum")))
COHORT_TOTAL = Table("step_cohort", "d", "cohort", (integer("n", "sum", key=True),))


class Settings(BaseModel):
    factor: int = 1


@dataclass(frozen=True)
class File:
    path: Path
    sha256: str
    modality: str = "wes"
    role: str = "bam"
    scope: str = "sample"
    patient_id: str = "P1"
    timepoint: str = "BL"
    batch_key: str = ""
    specimen_id: str = "S"
    sample_name: str = ""
    panel_version: str = ""


class Landing:
    """A landing zone that accepted these files."""

    def __init__(self, *files: File) -> None:
        self.files = list(files)

    def accepted(self, modalities: Sequence[str], patient_id: str | None = None) -> list[File]:
        return [file for file in self.files if patient_id in (None, file.patient_id)]

    def ledger_frame(self) -> pd.DataFrame:
        return pd.DataFrame()

    def state(self) -> str:
        return ""


class Trial:
    """A small installation with four products, one a level."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.calls = 0
        self.error: Exception | None = None
        self.assets = self._declare()
        self.installation = InstallationResource(root=str(folder), database_url=database_url)
        self.installation.home.create()
        self.warehouse = self.installation.warehouse
        SYSTEM.create_all(self.warehouse.engine)
        metadata = sa.MetaData()
        for table in (COUNTS, TOTALS, COHORT_TOTAL):
            sql_table(table, metadata)
        metadata.create_all(self.warehouse.engine)
        self.landing = Landing(File(folder / "a", "sha-a"), File(folder / "b", "sha-b", timepoint="PD"))
        self.instance = dg.DagsterInstance.ephemeral()
        self.instance.add_dynamic_partitions("patient", ["P1", "P2"])

    def _declare(self) -> list[Any]:
        @product(COUNTS, SAMPLE, reads=("wes",), references=("model",), settings=Settings, group="test")
        def step_counts(step: Step) -> pd.DataFrame:
            """Counts files."""
            self.calls += 1
            if self.error:
                raise self.error
            step.report(files=len(step.files("bam")))
            n = len(step.files()) * step.settings.factor
            return pd.DataFrame({"patient_id": [step.patient_id], "timepoint": [step.timepoint], "n": [n]})

        @product(GENES, SAMPLE, reads=("wes",), group="test")
        def step_genes(step: Step) -> pd.DataFrame:
            frame = pd.DataFrame({"gene": range(3), "tpm": [float(step.seed % 7), 0.0, None]})
            return frame.assign(patient_id=step.patient_id, timepoint=step.timepoint)[list(GENES.column_names)]

        @product(TOTALS, PATIENT, upstream=(COUNTS, GENES), group="test")
        def step_totals(step: Step, step_counts: pd.DataFrame, step_genes: pd.DataFrame) -> pd.DataFrame:
            return pd.DataFrame({"patient_id": [step.patient_id], "n": [len(step_counts) + len(step_genes)]})

        @product(COHORT_TOTAL, COHORT, upstream=(TOTALS,), group="test")
        def step_cohort(step: Step, step_totals: pd.DataFrame) -> pd.DataFrame:
            return pd.DataFrame({"n": [int(step_totals["n"].sum())]})

        @row_check(COUNTS, SAMPLE)
        def has_two_files(rows: pd.DataFrame) -> pd.DataFrame:
            """Two files a sample"""
            return rows[rows["n"] < 2]

        return [
            step_counts, step_genes, step_totals, step_cohort, has_two_files, schema_check(COUNTS, SAMPLE),
        ]  # fmt: skip

    def run(self, names: Sequence[str], key: str | None = None) -> dg.ExecuteInProcessResult:
        tables = TableIOManager(installation=self.installation)
        return dg.materialize(
            self.assets,
            selection=list(names),
            partition_key=key,
            instance=self.instance,
            raise_on_error=False,
            resources={
                "installation": self.installation,
                "landing": dg.ResourceDefinition.hardcoded_resource(self.landing),
                "warehouse": tables,
                "parquet": tables,
            },
        )


@pytest.fixture
def trial(tmp_path: Path, database_url: str) -> Iterator[Trial]:
    before = dict(product_module.SPECS)
    opened = Trial(tmp_path, database_url)
    yield opened
    opened.warehouse.close()
    product_module.SPECS.clear()
    product_module.SPECS.update(before)


def metadata(result: dg.ExecuteInProcessResult, name: str) -> dict[str, Any]:
    event = next(e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey(name))
    return {key: value.value for key, value in event.materialization.metadata.items()}


def test_levels_feed_one_another_through_their_tables(trial: Trial) -> None:
    for key in ("P1|BL", "P1|PD"):
        assert trial.run(["step_counts", "step_genes"], key).success
    assert trial.run(["step_totals"], "P1").success
    assert trial.run(["step_cohort"]).success
    assert trial.warehouse.read(COHORT_TOTAL)["n"].tolist() == [8]


def test_a_partition_shows_its_rows_files_and_numbers(trial: Trial) -> None:
    shown = metadata(trial.run(["step_counts"], "P1|BL"), "step_counts")
    assert (shown["dagster/row_count"], shown["input_files"], shown["files"]) == (1, 1, 1)


def test_unchanged_inputs_are_not_computed_again_and_give_the_same_bytes(trial: Trial) -> None:
    trial.run(["step_counts"], "P1|BL")
    before = trial.warehouse.versions()
    assert trial.run(["step_counts"], "P1|BL").success
    assert trial.calls == 1
    assert trial.warehouse.versions() == before


@pytest.mark.parametrize("change", ["file", "settings", "reference"])
def test_a_changed_input_is_computed_again_under_another_version(trial: Trial, change: str) -> None:
    trial.run(["step_counts"], "P1|BL")
    before = trial.warehouse.current_versions()["step_counts", "P1|BL"]
    home = trial.installation.home
    if change == "file":
        trial.landing.files[0] = File(Path("a"), "sha-corrected")
    elif change == "settings":
        home.settings_file.write_text("platform: {factor: 3}\n")
    else:
        home.reference.mkdir()
        (home.reference / "model.txt").write_text("x")
        write_bundle(home.reference, "b", [{"name": "model", "file": "model.txt"}])
        trial.installation = InstallationResource(root=str(home.root), database_url=home.database_url)
    assert trial.run(["step_counts"], "P1|BL").success
    assert trial.calls == 2
    assert trial.warehouse.current_versions()["step_counts", "P1|BL"] != before


def test_bad_input_fails_its_own_step_with_a_message_and_keeps_the_last_good_rows(trial: Trial) -> None:
    trial.run(["step_counts"], "P1|BL")
    trial.landing.files[0] = File(Path("a"), "sha-bad")
    trial.error = InputError("E_TRUNCATED", "the file ends early", file="a.bam", fix="send it again")
    result = trial.run(["step_counts", "step_genes"], "P1|BL")
    failure = result.failure_data_for_node("step_counts")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert "E_TRUNCATED: the file ends early (a.bam) Fix: send it again" in str(failure.user_failure_data.description)
    assert trial.warehouse.read(COUNTS)["n"].tolist() == [1]
    assert trial.warehouse.failures()["step_counts", "P1|BL"]["code"] == "E_TRUNCATED"
    assert not trial.warehouse.read(GENES).empty


def test_a_database_that_fails_once_is_tried_again_and_a_labs_mistake_is_not(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def restarting(*arguments: Any) -> int:
        monkeypatch.undo()
        raise sa.exc.OperationalError("BEGIN", {}, Exception("the server is starting up"))

    monkeypatch.setattr(Warehouse, "take_lease", restarting)
    result = trial.run(["step_counts"], "P1|BL")
    assert result.success
    assert result.retry_attempts_for_node("step_counts") == 1
    assert trial.warehouse.read(COUNTS)["n"].tolist() == [1]

    trial.error = InputError("E_TRUNCATED", "the file ends early")
    again = trial.run(["step_counts"], "P1|PD")
    assert not again.success
    assert again.retry_attempts_for_node("step_counts") == 0
    assert trial.calls == 2


def test_an_unexpected_error_names_the_place_but_quotes_no_value(trial: Trial) -> None:
    trial.error = ValueError("could not convert KIM-CANARY to float")
    result = trial.run(["step_counts"], "P1|BL")
    text = str([event.event_specific_data for event in result.all_events])
    assert "ValueError at test_product.py" in text
    assert "KIM-CANARY" not in text


def test_a_partition_without_files_fails_before_it_computes(trial: Trial) -> None:
    result = trial.run(["step_counts"], "P2|BL")
    assert not result.success
    assert trial.calls == 0


def test_a_check_names_the_rows_it_found(trial: Trial) -> None:
    result = trial.run(["step_counts"], "P1|BL")
    found = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert found["keeps_its_contract"].passed
    assert not found["has_two_files"].passed
    records = found["has_two_files"].metadata["offending_rows"].records
    assert records[0].data == {"patient_id": "P1", "timepoint": "BL"}
    assert found["has_two_files"].partition == "P1|BL"
    assert found["has_two_files"].description == "1 of 1 row: see offending_rows"
    assert found["keeps_its_contract"].description == "1 row passed"


def test_the_asset_declares_schema_owners_and_kinds(trial: Trial) -> None:
    spec = trial.assets[0].get_asset_spec(dg.AssetKey("step_counts"))
    assert spec.description == "Counts files."
    assert spec.owners
    columns = {column.name for column in spec.metadata["dagster/column_schema"].columns}
    assert columns == {"patient_id", "timepoint", "n", "partition_key", "data_version", "run_id"}
