"""The single Definitions: what exists. Nothing else happens here."""

from __future__ import annotations

from types import ModuleType

import dagster as dg

from palbo_assets.clinical import assets as clinical
from palbo_assets.clinical import checks as clinical_checks
from palbo_assets.ctdna import assets as ctdna
from palbo_assets.ctdna import checks as ctdna_checks
from palbo_assets.cytometry import assets as cytometry
from palbo_assets.cytometry import checks as cytometry_checks
from palbo_assets.histology import assets as histology
from palbo_assets.histology import checks as histology_checks
from palbo_assets.landing.resource import LandingResource
from palbo_assets.landing.sensor import landing_sensor
from palbo_assets.platform.io_managers import TableIOManager
from palbo_assets.platform.partitioning import Level
from palbo_assets.platform.product import OWNER, SPECS, landed_key
from palbo_assets.platform.resources import InstallationResource
from palbo_assets.release import assets as release
from palbo_assets.release import checks as release_checks
from palbo_assets.resistance import assets as resistance
from palbo_assets.resistance import checks as resistance_checks
from palbo_assets.rnaseq import assets as rnaseq
from palbo_assets.rnaseq import checks as rnaseq_checks
from palbo_assets.serum import assets as serum
from palbo_assets.serum import checks as serum_checks
from palbo_assets.study.partitions import BATCH, COHORT, PATIENT, SAMPLE
from palbo_assets.wes import assets as wes
from palbo_assets.wes import checks as wes_checks

ROOMS: tuple[ModuleType, ...] = (clinical, wes, rnaseq, ctdna, histology, serum, cytometry, resistance, release)
ROOM_CHECKS: tuple[ModuleType, ...] = (
    clinical_checks,
    wes_checks,
    rnaseq_checks,
    ctdna_checks,
    histology_checks,
    serum_checks,
    cytometry_checks,
    resistance_checks,
    release_checks,
)
PARTITIONING = {level.level: level for level in (BATCH, SAMPLE, PATIENT, COHORT)}


def landed_assets() -> list[dg.AssetSpec]:
    """The files of each modality as external assets: where lineage starts."""
    levels = {
        (modality, Level.SAMPLE if spec.level is Level.PATIENT else spec.level)
        for spec in SPECS.values()
        for modality in spec.reads
    }
    return [
        dg.AssetSpec(
            landed_key(modality, level),
            description=f"Files of {modality} that labs delivered and the landing accepted",
            group_name="landing",
            owners=[OWNER],
            kinds={"file"},
            partitions_def=PARTITIONING[level].definition,
        )
        for modality, level in sorted(levels)
    ]


def products() -> list[dg.AssetsDefinition]:
    return [item for room in ROOMS for item in vars(room).values() if isinstance(item, dg.AssetsDefinition)]


def job(level: Level) -> dg.UnresolvedAssetJobDefinition:
    """All products of one level for one partition, in one process: a process start costs more than most steps."""
    selection = dg.AssetSelection.assets(*(name for name, spec in SPECS.items() if spec.level is level))
    return dg.define_asset_job(
        f"{level}_products",
        selection=selection | selection.required_multi_asset_neighbors(),
        partitions_def=PARTITIONING[level].definition,
        executor_def=dg.in_process_executor,
        description=f"Materialise {level}-level products; what is up to date is skipped",
        tags={"palbo/level": str(level)},
    )


JOBS = {level: job(level) for level in PARTITIONING}

nightly = dg.ScheduleDefinition(
    name="nightly_cohort",
    job=JOBS[Level.COHORT],
    cron_schedule="0 5 * * *",
    execution_timezone="Asia/Seoul",
    description="Refreshes the cohort's tables and pages every morning; what is up to date is skipped",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)

follow_upstream = dg.AutomationConditionSensorDefinition(
    "follow_upstream",
    target=dg.AssetSelection.all(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=15,
    description="Patient and cohort products follow the samples that they are made of",
)

installation = InstallationResource()
tables = TableIOManager(installation=installation)

defs = dg.Definitions(
    assets=[*products(), *landed_assets()],
    asset_checks=[check for room in ROOM_CHECKS for check in room.CHECKS],
    jobs=list(JOBS.values()),
    schedules=[nightly],
    sensors=[landing_sensor(JOBS), follow_upstream],
    resources={
        "installation": installation,
        "landing": LandingResource(installation=installation),
        "warehouse": tables,
        "parquet": tables,
    },
)
