"""The real daemon: what a lab drops stands in the integrated table without anybody touching anything."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
import pytest

from palbo_assets.demo import rnaseq
from palbo_assets.platform.partitioning import Level
from palbo_assets.platform.product import SPECS
from palbo_assets.resistance.tables import INTEGRATED_RESISTANCE_TABLE
from palbo_assets_tests.end_to_end.dagster_processes import Installation, runs_by_partition, wait_until

pytestmark = [
    pytest.mark.daemon,
    pytest.mark.end_to_end,
    pytest.mark.timeout(420),
]
PATIENT = "PALBO-001"
BASELINE, PROGRESSION = f"{PATIENT}|BL", f"{PATIENT}|PD"
LATENCY_BOUND = 240.0  # seconds


@dataclass(frozen=True)
class Study:
    """An installation on which daemon and code server run."""

    installation: Installation

    def value(self, timepoint: str, column: str) -> object:
        rows = self.installation.rows(INTEGRATED_RESISTANCE_TABLE, PATIENT, timepoint)
        return rows[0][column] if rows else None

    def seen(self, timepoint: str, column: str, *, other_than: object = None) -> float:
        """The moment when the integrated table holds a value in this column, another one than a former value."""

        def there() -> float | None:
            value = self.value(timepoint, column)
            return time.monotonic() if value is not None and value != other_than else None

        return wait_until(there, LATENCY_BOUND, f"{column} of {PATIENT} {timepoint} in the integrated table")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    installation = Installation(tmp_path_factory.mktemp("daemon"))
    installation.deliver("clinic/export-01", installation.clinical_export(patients=4))
    installation.deliver("rna/rna-01", rnaseq.write_tx2gene, installation.expression(PATIENT, "BL"))
    with installation.code_server() as workspace, installation.daemon(workspace):
        yield Study(installation)


def test_a_delivery_stands_in_the_integrated_table_without_any_human_action(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    study.seen("BL", "rna__esr1_log2_tpm")
    assert study.value("PD", "rna__esr1_log2_tpm") is None
    dropped = study.installation.deliver(
        "hospital/delivery-02",
        study.installation.expression(PATIENT, "PD"),
        study.installation.slide(PATIENT, "PD"),
    )
    latency = {column: study.seen("PD", column) - dropped for column in ("rna__esr1_log2_tpm", "he__stil_area_pct")}
    with capsys.disabled():
        print("\nseconds from delivery.csv to the integrated table:", {k: round(v) for k, v in latency.items()})  # noqa: T201
    assert max(latency.values()) < LATENCY_BOUND


def test_a_corrected_file_makes_exactly_its_own_partition_run_again(study: Study) -> None:
    study.seen("PD", "he__stil_area_pct")
    wait_until(study.installation.is_settled, LATENCY_BOUND, "nothing is due and nothing runs", every=2)
    former, before = study.value("BL", "rna__esr1_log2_tpm"), study.installation.versions()
    with study.installation.instance() as instance:
        known = {run.run_id for run in instance.get_runs()}
    study.installation.deliver("rna/rna-03", study.installation.expression(PATIENT, "BL"))
    study.seen("BL", "rna__esr1_log2_tpm", other_than=former)
    wait_until(study.installation.is_settled, LATENCY_BOUND, "nothing is due and nothing runs", every=2)

    after = study.installation.versions()
    changed = {key for key in after if after[key] != before.get(key)}
    assert {key for product, key in changed if SPECS[product].level is Level.SAMPLE} == {BASELINE}
    assert {key for product, key in changed if SPECS[product].level is Level.PATIENT} == {PATIENT}
    with study.installation.instance() as instance:
        runs = {
            partition: [run for run in found if run.run_id not in known]
            for partition, found in runs_by_partition(instance).items()
        }
    again = {partition for partition, found in runs.items() if found}
    assert again == {BASELINE, PATIENT, ""}
    assert [run.status for run in runs[BASELINE]] == [dg.DagsterRunStatus.SUCCESS], "one run and no more"


def test_no_run_failed_and_no_due_work_was_asked_for_twice(study: Study) -> None:
    with study.installation.instance() as instance:
        runs = instance.get_runs()
    assert [run.run_id for run in runs if run.status is dg.DagsterRunStatus.FAILURE] == []
    due = [run.tags["palbo/due"] for run in runs if "palbo/due" in run.tags]
    assert len(due) == len(set(due))
