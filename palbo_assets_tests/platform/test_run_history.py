"""Runs recorded with databases kept open are what Dagster itself reads afterwards."""

from __future__ import annotations

import sys
from pathlib import Path

import dagster as dg
import yaml

from palbo_assets.platform.instance import INSTANCE_YAML
from palbo_assets.platform.run_history import FileLogManager, OpenSqliteEventLog, open_instance


@dg.op
def speaks() -> None:
    sys.stdout.write("said by the step\n")


@dg.job(executor_def=dg.in_process_executor)
def job() -> None:
    speaks()


def test_dagsters_own_storage_reads_events_and_output_of_runs_recorded_quickly(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text(INSTANCE_YAML, encoding="utf-8")
    with open_instance(tmp_path) as quick:
        assert isinstance(quick.event_log_storage, OpenSqliteEventLog)
        assert isinstance(quick.compute_log_manager, FileLogManager)
        runs = [job.execute_in_process(instance=quick).run_id for _ in range(2)]
        written = {run: [event.message for event in quick.all_logs(run)] for run in runs}
    with dg.DagsterInstance.from_config(str(tmp_path)) as plain:
        assert {run.run_id: run.status for run in plain.get_runs()} == dict.fromkeys(runs, dg.DagsterRunStatus.SUCCESS)
        assert {run: [event.message for event in plain.all_logs(run)] for run in runs} == written
        (captured,) = [
            event.dagster_event.logs_captured_data
            for event in plain.all_logs(runs[0], of_type=dg.DagsterEventType.LOGS_CAPTURED)
            if event.dagster_event
        ]
        log = plain.compute_log_manager.get_log_data([runs[0], "compute_logs", captured.file_key])
        assert b"said by the step" in (log.stdout or b"")


def test_a_site_that_says_where_its_databases_lie_finds_them_there(tmp_path: Path) -> None:
    own = {"storage": {"sqlite": {"base_dir": str(tmp_path / "elsewhere")}}, "telemetry": {"enabled": False}}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")
    with open_instance(tmp_path) as instance:
        assert isinstance(instance.event_log_storage, OpenSqliteEventLog)
    assert (tmp_path / "elsewhere" / "history" / "runs" / "index.db").is_file()
