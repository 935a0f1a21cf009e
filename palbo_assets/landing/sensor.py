"""The landing sensor: each tick scans the landing zone once and requests the runs that landed files made due.

The cursor holds two counts for people; state lives in the warehouse. A tick requests at most `REQUESTS_PER_TICK` runs;
what is left is derived again by the next tick, until the publishing transaction makes it up to date.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
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
        wanted = [run for run in intake.runs if requested_by_sensor(run)]
        requests = [
            _request(jobs[run.level].name, run, attempt)
            for run in wanted[:REQUESTS_PER_TICK]
            if (attempt := next_attempt(context.instance, run)) is not None
        ]
        cursor = json.dumps({"due": len(wanted), "requested": len(requests)})
        return dg.SensorResult(run_requests=requests, asset_events=list(arrivals(intake)), cursor=cursor)

    return landing_zone


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


def _request(job_name: str, run: Run, attempt: int) -> dg.RunRequest:
    products = [name for name in run.products if run.level is not Level.COHORT or sensor_asks_for(name)]
    return dg.RunRequest(
        run_key=f"{run.level}:{due_hash(run)}:{SCHEMA_VERSION}:{attempt}",
        job_name=job_name,
        partition_key=run.partition_key or None,
        asset_selection=[dg.AssetKey(name) for name in products],
        tags={DUE_TAG: due_hash(run)},
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
