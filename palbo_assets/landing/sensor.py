"""The landing sensor: each tick scans the landing zone once and requests the runs that landed files made due.

The cursor holds counts for people and how long work has been left to automation; state lives in the warehouse. A tick
requests at most `REQUESTS_PER_TICK` runs, none for a partition that a run is already working on; what is left is
derived again by the next tick, until the publishing transaction makes it up to date.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import dagster as dg

from palbo_assets.landing.intake import Intake, requested_by_sensor, sensor_asks_for, take_in
from palbo_assets.platform.partitioning import Level, sample_key
from palbo_assets.platform.planning import Run
from palbo_assets.platform.product import landed_key
from palbo_assets.platform.provenance import batch_partition

if TYPE_CHECKING:
    from palbo_assets.landing.files import LandedFile

REQUESTS_PER_TICK = 25
MAX_ATTEMPTS = 3
SCHEMA_VERSION = "1"
DUE_TAG = "palbo/due"
PRIORITY = "dagster/priority"
URGENT, BY_AND_BY = {PRIORITY: "1"}, {PRIORITY: "-1"}  # automation's own requests have 0
RETRY_PATIENCE = timedelta(minutes=10)
PATIENCE_TICKS = 3  # automation evaluates about as often as the sensor
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def landing_sensor(jobs: Mapping[Level, Any], *, seconds: int = 15) -> dg.SensorDefinition:
    """The sensor, given the job that materialises each level's products."""

    @dg.sensor(
        name="landing_zone",
        jobs=list(jobs.values()),
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"installation", "landing"},
        description="Takes in what labs dropped, writes their receipts, and requests one run for each "
        "(patient, timepoint), batch or clinical export that became due.",
    )
    def landing_zone(context):  # type: ignore[no-untyped-def]  # Dagster can't read a postponed annotation here
        intake = take_in(
            context.resources.installation, context.resources.landing, context.instance, actor="landing sensor"
        )
        unfinished = unfinished_runs(context.instance)
        wanted = [(run, URGENT) for run in map(_asked_for, intake.runs) if run is not None]
        left = [run for run in intake.runs if not requested_by_sensor(run) and not busy(run, unfinished)]
        waited = ticks_waited(context.cursor, left)
        wanted += [(run, BY_AND_BY) for run in left if waited.get(due_hash(run), 0) > PATIENCE_TICKS]
        possible = (  # what failed too often takes no other work's place
            _request(jobs[run.level].name, run, attempt, priority)
            for run, priority in wanted
            if not busy(run, unfinished) and (attempt := next_attempt(context.instance, run)) is not None
        )
        requests = list(islice(possible, REQUESTS_PER_TICK))
        counts = {"due": len(wanted), "requested": len(requests), "left": waited}
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else f"nothing to request: {len(wanted)} due, {len(unfinished)} runs at work",
            asset_events=list(arrivals(intake)),
            cursor=json.dumps(counts),
        )

    return landing_zone


def _asked_for(run: Run) -> Run | None:
    """The part of a due run that the sensor requests at once; None when all of it is left to automation."""
    if not requested_by_sensor(run):
        return None
    if run.level is not Level.COHORT:
        return run
    kept = [(name, version) for name, version in zip(run.products, run.data_versions) if sensor_asks_for(name)]
    return Run(run.level, run.partition_key, tuple(name for name, _ in kept), tuple(version for _, version in kept))


def ticks_waited(cursor: str | None, left: Iterable[Run]) -> dict[str, int]:
    """For how many ticks on end work has been due that automation didn't ask for.

    Automation leaves every patient's refresh after a clinical export to the sensor. It forgets what was published
    before it first looked or before the patient was registered, and what a failed run left out.
    """
    before = json.loads(cursor).get("left", {}) if cursor else {}
    return {key: before.get(key, 0) + 1 for key in map(due_hash, left)}


def unfinished_runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Runs that wait or work, and crashed ones whose automatic retry isn't there yet."""
    crashed = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.FAILURE],
        tags={"dagster/will_retry": "true"},
        updated_after=datetime.now(UTC) - RETRY_PATIENCE,
    )
    return [
        *instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED)),
        *(run for run in instance.get_runs(crashed) if "dagster/auto_retry_run_id" not in run.tags),
    ]


def busy(run: Run, unfinished: Iterable[dg.DagsterRun]) -> bool:
    """Whether some run is going to publish one of these products for the same partition; what it leaves is due then."""
    products = {dg.AssetKey(name) for name in run.products}
    return any(
        other.tags.get("dagster/partition", "") == run.partition_key
        and (other.asset_selection is None or not products.isdisjoint(other.asset_selection))
        for other in unfinished
    )


def due_hash(run: Run) -> str:
    """Identity of due work: the partition and the data versions that it should reach."""
    return hashlib.sha256(json.dumps([run.partition_key, *run.products, *run.data_versions]).encode()).hexdigest()[:24]


def next_attempt(instance: dg.DagsterInstance, run: Run) -> int | None:
    """Number of the next attempt at this work; None when it failed too often and somebody must look."""
    failed = instance.get_runs_count(
        dg.RunsFilter(
            tags={DUE_TAG: due_hash(run)}, statuses=[dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
        )
    )
    return failed + 1 if failed < MAX_ATTEMPTS else None


def _request(job_name: str, run: Run, attempt: int, priority: Mapping[str, str]) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{run.level}:{due_hash(run)}:{SCHEMA_VERSION}:{attempt}",
        job_name=job_name,
        partition_key=run.partition_key or None,
        asset_selection=[dg.AssetKey(name) for name in run.products],
        tags={DUE_TAG: due_hash(run), **priority},
    )


def arrivals(intake: Intake) -> Iterator[dg.AssetMaterialization]:
    """One event a partition for the files that this intake accepted, so that lineage starts at the lab's delivery."""
    grouped: dict[tuple[dg.AssetKey, str], list[LandedFile]] = {}
    for file in intake.report.newly_accepted:
        level = {"sample": Level.SAMPLE, "batch": Level.BATCH}.get(file.scope, Level.COHORT)
        key = {
            Level.SAMPLE: lambda file=file: sample_key(file.patient_id, file.timepoint),
            Level.BATCH: lambda file=file: batch_partition(file),
        }.get(level, lambda: "")()
        if key or file.modality == "clinical":
            grouped.setdefault((landed_key(file.modality, level), key), []).append(file)
    for (asset_key, partition), files in sorted(grouped.items()):
        hashes = sorted(file.sha256 for file in files)
        yield dg.AssetMaterialization(
            asset_key=asset_key,
            partition=partition or None,
            metadata={"files": len(files), "roles": ", ".join(sorted({file.role for file in files}))},
            tags={"dagster/data_version": hashlib.sha256("".join(hashes).encode()).hexdigest()[:24]},
        )
