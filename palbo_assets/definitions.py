"""The single Definitions: what exists. Nothing else happens here."""

from __future__ import annotations

from importlib import import_module

import dagster as dg

from palbo_assets.landing.resource import LandingResource
from palbo_assets.landing.sensor import landing_sensor
from palbo_assets.platform.checks import together
from palbo_assets.platform.formats import Scope, registry
from palbo_assets.platform.io_managers import TableIOManager
from palbo_assets.platform.partitioning import Level
from palbo_assets.platform.product import OWNER, SPECS, landed_key
from palbo_assets.platform.resources import InstallationResource
from palbo_assets.study.partitions import BATCH, COHORT, PATIENT, SAMPLE

# In the order in which data flows: a product can only be declared after what it reads.
ASSET_MODULES = (
    "clinical.assets",
    "ctdna.molecule_assets",  # the exome room's identity reads plasmas
    "wes.assets",
    "rnaseq.assets",
    "ctdna.assets",
    "histology.assets",
    "serum.assets",
    "cytometry.assets",
    "wes.paired_assets",  # tissue pairs are read beside plasma
    "wes.clone_assets",
    "resistance.assets",
    "release.assets",
)
ROOMS = tuple(dict.fromkeys(name.partition(".")[0] for name in ASSET_MODULES))
ROOM_ASSETS = [import_module(f"palbo_assets.{name}") for name in ASSET_MODULES]
ROOM_CHECKS = [import_module(f"palbo_assets.{room}.checks") for room in ROOMS]
PARTITIONING = {level.level: level for level in (BATCH, SAMPLE, PATIENT, COHORT)}


def landed_assets() -> list[dg.AssetSpec]:
    """Delivered files as external assets, partitioned as the finest product sees them: where lineage starts."""
    finest: dict[dg.AssetKey, Level] = {}
    for spec in SPECS.values():
        level = Level.SAMPLE if spec.level is Level.PATIENT else spec.level
        for modality in spec.reads:
            key = landed_key(modality, level)
            if finest.get(key, Level.COHORT) is Level.COHORT:
                finest[key] = level
    return [
        dg.AssetSpec(
            key,
            description=_what_is_taken(key),
            group_name="landing",
            owners=[OWNER],
            kinds={"file"},
            partitions_def=PARTITIONING[level].definition,
        )
        for key, level in sorted(finest.items())
    ]


def _what_is_taken(key: dg.AssetKey) -> str:
    """The roles that the landing accepts under a landed asset, as Markdown: that is what a lab may deliver."""
    roles = [
        f"- `{form.role}`: {form.description}"
        for form in registry().values()
        if landed_key(form.modality, Level.BATCH if form.scope is Scope.BATCH else Level.SAMPLE) == key
    ]
    return "\n".join(["Files that labs delivered and the landing accepted, by role:", "", *roles])


def products() -> list[dg.AssetsDefinition]:
    return [item for room in ROOM_ASSETS for item in vars(room).values() if isinstance(item, dg.AssetsDefinition)]


def job(level: Level) -> dg.UnresolvedAssetJobDefinition:
    """All products of one level for one partition, in one process: a process start costs more than most steps."""
    selection = dg.AssetSelection.assets(*(name for name, spec in SPECS.items() if spec.level is level))
    return dg.define_asset_job(
        f"{level}_products",
        selection=selection | selection.required_multi_asset_neighbors(),
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
    asset_checks=together(check for room in ROOM_CHECKS for check in room.CHECKS),
    jobs=list(JOBS.values()),
    schedules=[nightly],
    sensors=[landing_sensor(JOBS), follow_upstream],
    executor=dg.in_process_executor,  # also for what is launched from the UI or by automation: a run is one process
    resources={
        "installation": installation,
        "landing": LandingResource(installation=installation),
        "warehouse": tables,
        "parquet": tables,
    },
)
