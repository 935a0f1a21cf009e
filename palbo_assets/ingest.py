"""Take in what landed and materialise everything that it makes due, without daemon or UI.

Each pass scans, plans and runs; passes repeat until nothing is due, so batches lead to samples, samples to patients,
patients to the cohort. Runs of one pass are independent and go to worker processes that keep their imports.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TYPE_CHECKING

from palbo_assets.platform.config import Home, check_names

if TYPE_CHECKING:
    import dagster as dg

    from palbo_assets.landing.scan import ScanReport
    from palbo_assets.platform.planning import Run

MAX_PASSES = 1000
SETTLING_POLL_SECONDS = 5
STAGING_SECONDS = 3600  # far longer than any write takes: what is older was left by a process that died


@dataclass(frozen=True)
class RunResult:
    """What became of one run. ``problems`` holds a line for each step that failed, fit to be shown to people."""

    level: str
    partition_key: str
    products: tuple[str, ...]
    run_id: str
    success: bool
    problems: tuple[str, ...] = ()


@dataclass
class IngestResult:
    """All scans and runs of one ingest."""

    reports: list[ScanReport] = field(default_factory=list)
    runs: list[RunResult] = field(default_factory=list)
    retracted: list[str] = field(default_factory=list)

    @property
    def failed(self) -> list[RunResult]:
        return [run for run in self.runs if not run.success]


@dataclass(frozen=True)
class Progress:
    """A moment of an ingest, for a progress display: a pass's number, its runs, those done, and the last one."""

    ingest_pass: int
    total: int
    done: int
    last: RunResult | None


def prepare(home: Home) -> None:
    """Make the folders, bring the warehouse to the newest revision, and give Dagster its instance file."""
    from palbo_assets import definitions, schema
    from palbo_assets.landing.settings import Settings
    from palbo_assets.platform.store import sweep
    from palbo_assets.platform.warehouse import Warehouse

    del definitions  # importing it declares every product
    from palbo_assets.platform.product import SPECS

    known: dict[str, set[str]] = {"landing": set(Settings.model_fields)}
    for spec in SPECS.values():
        if spec.settings:
            known.setdefault(spec.room, set()).update(spec.settings.model_fields)
    check_names(home.settings_file, known)
    home.create()
    for folder in (home.objects, home.products, home.pages, home.releases):
        sweep(folder, older_than_seconds=STAGING_SECONDS)
    write_instance_file(home)
    warehouse = Warehouse(home)
    try:
        schema.upgrade(warehouse, [spec.table for spec in SPECS.values()])
    finally:
        warehouse.close()


def write_instance_file(home: Home) -> None:
    """Copy the instance configuration into ``$PALBO_HOME/dagster`` unless a site keeps its own there."""
    from palbo_assets.platform.instance import INSTANCE_YAML

    target = home.dagster_home / "dagster.yaml"
    if not target.exists():
        target.write_text(INSTANCE_YAML, encoding="utf-8")


def ingest(
    home: Home, *, workers: int | None = None, on_progress: Callable[[Progress], None] | None = None
) -> IngestResult:
    """Scan and materialise until nothing is due.

    A partition that fails is left out of the following passes of this ingest; the next ingest tries it again unless
    its inputs are known to be bad.
    """
    from palbo_assets import definitions
    from palbo_assets.landing.intake import take_in
    from palbo_assets.landing.resource import LandingResource
    from palbo_assets.landing.sensor import arrivals, due_hash
    from palbo_assets.platform.resources import InstallationResource
    from palbo_assets.platform.run_history import open_instance

    del definitions
    prepare(home)
    installation = InstallationResource(
        root=str(home.root), database_url=home.database_url, reference=str(home.reference)
    )
    landing = LandingResource(installation=installation)
    result = IngestResult()
    tried: set[str] = set()
    with open_instance(home.dagster_home) as instance, _pool(home, workers) as pool:
        for number in range(1, MAX_PASSES + 1):
            intake = take_in(installation, landing, instance, actor="palbo ingest")
            result.reports.append(intake.report)
            result.retracted += intake.retracted
            for event in arrivals(intake):
                instance.report_runless_asset_event(event)
            runs = coarse_first([run for run in intake.runs if due_hash(run) not in tried])
            tried |= {due_hash(run) for run in runs}
            if not runs:
                if not (intake.report.unfinished or intake.report.settling):
                    break
                time.sleep(0 if intake.report.unfinished else SETTLING_POLL_SECONDS)
            for done, finished in enumerate(_execute(pool, home, runs), start=1):
                result.runs.append(finished)
                if on_progress:
                    on_progress(Progress(number, len(runs), done, finished))
    installation.warehouse.close()
    return result


def coarse_first(runs: list[Run]) -> list[Run]:
    """The runs that others may be waiting for: batches and the clinical tables before samples, so that each sample
    is materialised once, with everything that it reads."""
    from palbo_assets.platform.partitioning import Level

    first = [run for run in runs if run.level in (Level.BATCH, Level.COHORT)]
    return first or runs


def _pool(home: Home, workers: int | None) -> ProcessPoolExecutor:
    count = workers or max(1, min(4, os.cpu_count() or 1))
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_start_worker, initargs=(home,))


def _start_worker(home: Home) -> None:
    from palbo_assets.platform.processes import die_with_parent

    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the parent decides
    os.environ["PALBO_HOME"] = str(home.root)
    os.environ["PALBO_DATABASE_URL"] = home.database_url
    os.environ["PALBO_REFERENCE"] = str(home.reference)
    os.environ["DAGSTER_HOME"] = str(home.dagster_home)
    # Two workers on two cores: a numeric library's own threads would only fight.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(variable, "1")


def _execute(pool: ProcessPoolExecutor, home: Home, runs: list[Run]) -> Iterator[RunResult]:
    waiting = {pool.submit(execute_run, home, run): run for run in runs}
    try:
        for future in as_completed(waiting):
            run = waiting[future]
            try:
                done = future.result()
            except BrokenProcessPool:
                problem = "E_CRASH: the worker process died (memory?)"
                done = RunResult(run.level, run.partition_key, run.products, "", False, (problem,))
            yield done
    finally:
        # After Ctrl-C the runs that have begun are finished and recorded; the others aren't begun.
        for future in waiting:
            future.cancel()


def execute_run(home: Home, run: Run) -> RunResult:
    """Materialise one run's products in this process, recorded in the installation's Dagster instance."""
    import dagster as dg

    from palbo_assets.definitions import JOBS, defs
    from palbo_assets.landing.sensor import DUE_TAG, due_hash
    from palbo_assets.platform.run_history import open_instance

    job = defs.resolve_job_def(JOBS[run.level].name)
    with open_instance(home.dagster_home) as instance:
        outcome = job.execute_in_process(
            partition_key=run.partition_key or None,
            asset_selection=[dg.AssetKey(name) for name in run.products],
            instance=instance,
            raise_on_error=False,
            tags={DUE_TAG: due_hash(run)},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    problems = tuple(
        _problem(event) for event in outcome.all_events if event.event_type == dg.DagsterEventType.STEP_FAILURE
    )
    return RunResult(run.level, run.partition_key, run.products, outcome.run_id, outcome.success, problems)


def _problem(event: dg.DagsterEvent) -> str:
    failure = event.step_failure_data
    if failure.user_failure_data and failure.user_failure_data.description:
        return f"{event.step_key}: {failure.user_failure_data.description}"
    return f"{event.step_key}: {failure.error.cls_name if failure.error else 'failed'}"
