"""Killed workers and daemons: a product is the old or the new one, and no due work is lost or done twice."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator

import dagster as dg
import psutil
import pytest

from palbo_assets.demo import rnaseq
from palbo_assets.rnaseq.tables import EXPRESSION
from palbo_assets_tests.end_to_end.dagster_processes import Installation, wait_until

pytestmark = [
    pytest.mark.faults,
    pytest.mark.daemon,
    pytest.mark.timeout(240),
]
PATIENT = "PALBO-001"
BASELINE = f"{PATIENT}|BL"


def sample_runs(instance: dg.DagsterInstance, partition: str) -> list[dg.DagsterRun]:
    """Runs of a sample's partition, oldest first."""
    found = instance.get_run_records(dg.RunsFilter(tags={"dagster/partition": partition}), ascending=True)
    return [record.dagster_run for record in found if record.dagster_run.job_name == "sample_products"]


@pytest.fixture
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("faults"))
    made.deliver("rna/rna-01", rnaseq.write_tx2gene, made.expression(PATIENT, "BL"))
    yield made


def test_a_worker_killed_mid_step_is_retried_and_leaves_the_old_or_the_new_product(installation: Installation) -> None:
    with (
        installation.instance() as instance,
        installation.code_server() as workspace,
        installation.daemon(workspace),
    ):
        wait_until(lambda: installation.versions().get(("expression", BASELINE)), 90, "the first version is published")
        wait_until(lambda: all(run.is_finished for run in sample_runs(instance, BASELINE)), 60, "its run ends")
        old = installation.rows(EXPRESSION, PATIENT, "BL")
        known = {run.run_id for run in sample_runs(instance, BASELINE)}
        installation.deliver("rna/rna-02", installation.expression(PATIENT, "BL"))

        def started() -> dg.DagsterRun | None:
            runs = [run for run in sample_runs(instance, BASELINE) if run.run_id not in known]
            return runs[0] if runs and _step_began(instance, runs[0].run_id) else None

        run = wait_until(started, 90, "a step of the correction's run begins", every=0.05)
        os.kill(_worker_of(instance, run.run_id), signal.SIGKILL)
        between = installation.rows(EXPRESSION, PATIENT, "BL")

        def status() -> dg.DagsterRunStatus | None:
            found = instance.get_run_by_id(run.run_id)
            return found.status if found and found.is_finished else None

        assert wait_until(status, 30, "the killed run is noticed") is dg.DagsterRunStatus.FAILURE

        def retried() -> dg.DagsterRun | None:
            later = [one for one in sample_runs(instance, BASELINE) if one.parent_run_id == run.run_id]
            return later[0] if later and later[0].is_finished else None

        again = wait_until(retried, 90, "the run is retried")
        assert again.status is dg.DagsterRunStatus.SUCCESS
        new = installation.rows(EXPRESSION, PATIENT, "BL")
        assert new != old
        assert between in (old, new)
        assert len(sample_runs(instance, BASELINE)) == len(known) + 2, "the killed run and its retry, nothing more"


def _step_began(instance: dg.DagsterInstance, run_id: str) -> bool:
    return bool(instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_START))


def _worker_of(instance: dg.DagsterInstance, run_id: str) -> int:
    """Process of a run: the worker says its id when it starts."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        pid = entry.get_dagster_event().engine_event_data.metadata.get("pid")
        if pid is not None and psutil.pid_exists(int(str(pid.value))):
            return int(str(pid.value))
    raise AssertionError("no process of this run is alive")


def test_a_daemon_killed_while_it_submits_loses_no_request_and_doubles_none(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Runs stay queued here, so that only their submission is at stake."""
    installation = Installation(
        tmp_path_factory.mktemp("submission"), {"concurrency": {"runs": {"max_concurrent_runs": 0}}}
    )
    samples = [(name, at) for name, person in installation.people.items() for at in person.samples]
    assert len(samples) >= 20
    installation.deliver(
        "rna/rna-01", rnaseq.write_tx2gene, *(installation.expression(name, at) for name, at in samples)
    )
    with installation.instance() as instance, installation.code_server() as workspace:

        def submitted() -> list[str]:
            return [run.tags["palbo/due"] for run in instance.get_runs() if "palbo/due" in run.tags]

        for share in (0.1, 0.4, 0.7):
            with installation.daemon(workspace) as daemon:
                wait_until(lambda share=share: len(submitted()) >= share * len(samples), 90, "requests", every=0.05)
                daemon.kill()
        with installation.daemon(workspace):
            wait_until(lambda: len(submitted()) >= len(samples) + 1, 90, "the rest is submitted")
            ticks = _landing_ticks(instance)
            wait_until(lambda: _landing_ticks(instance) >= ticks + 2, 60, "two more ticks")
        partitions = Counter(
            run.tags["dagster/partition"] for run in instance.get_runs() if run.job_name == "sample_products"
        )
        assert partitions == Counter({f"{name}|{at}": 1 for name, at in samples})
        assert set(Counter(submitted()).values()) == {1}


def _landing_ticks(instance: dg.DagsterInstance) -> int:
    state = next(state for state in instance.all_instigator_state() if state.name == "landing_zone")
    return len(instance.get_ticks(state.instigator_origin_id, state.selector_id))
