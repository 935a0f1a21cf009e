"""The decorator that turns a room's function into a Dagster asset, and the step that the function works with.

An asset's body loads, calls the science and returns the table's rows. What is the same for every product happens here:
inputs and data version, skipping what is already published, fencing, errors for people, metadata, publication.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import shutil
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from palbo_assets.platform.config import load_settings
from palbo_assets.platform.errors import PalboError, StaleWriterError
from palbo_assets.platform.partitioning import Level, Partitioning, patient_and_timepoint
from palbo_assets.platform.processes import die_with_parent
from palbo_assets.platform.provenance import FileIndex, InputFile, ProductSpec, Snapshot, inputs_of, is_root
from palbo_assets.platform.references import ReferenceBundle
from palbo_assets.platform.resources import InstallationResource, LandingProvider
from palbo_assets.platform.tables import Storage, Table, dagster_schema
from palbo_assets.platform.warehouse import Version, Warehouse

if TYPE_CHECKING:
    import pandas as pd
    from pydantic import BaseModel

OWNER = "team:data-platform"

SPECS: dict[str, ProductSpec] = {}
"""Every product declared in this process, by name; filled as rooms' ``assets.py`` are imported."""


def after_upstream(ignored: Sequence[str] = ()) -> dg.AutomationCondition[Any]:
    """Follow upstream partitions whose content changed, except those of ``ignored`` products.

    Loses no update: one that comes between a request and the next evaluation doesn't count as handled by that request,
    which is what `eager` gets wrong. Asks for nothing that hasn't landed, and for products of one partition that follow
    from each other as one run.
    """
    condition = dg.AutomationCondition
    changed = condition.any_deps_match(condition.data_version_changed() & ~condition.executed_with_root_target())
    if ignored:
        changed = changed.ignore(dg.AssetSelection.assets(*ignored))
    return (
        (
            changed.since(condition.newly_requested() & ~changed)
            | condition.any_deps_match(condition.will_be_requested())
        )
        & ~condition.in_progress()
        & ~condition.any_deps_in_progress()
    ).with_label("after upstream")


# A database that restarts or is locked is worth another try; what a person must mend is a Failure without retries.
INFRASTRUCTURE_RETRY = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL)


@dataclass
class Step:
    """What a body may use: its partition, files, references, settings, and a place to report numbers."""

    partition_key: str
    patient_id: str
    timepoint: str
    data_version: str
    settings: Any
    references: ReferenceBundle
    workdir: Path
    landing: LandingProvider
    warehouse: Warehouse
    _files: Sequence[InputFile]
    metadata: dict[str, Any] = field(default_factory=dict)

    def files(self, *roles: str) -> list[Any]:
        """Accepted, current files of the partition in these roles (all roles when none is named), in stable order."""
        return [file for file in self._files if not roles or file.role in roles]

    def report(self, **metadata: Any) -> None:
        """Numbers, text of the study's vocabulary, or dagster MetadataValue objects to show with the partition."""
        self.metadata.update(metadata)

    @property
    def seed(self) -> int:
        """Seed of the partition: the same partition draws the same numbers everywhere."""
        return int.from_bytes(hashlib.sha256(self.partition_key.encode()).digest()[:4], "big")

    def landed_files_frame(self) -> pd.DataFrame:
        """The landing ledger: patient_id, timepoint, modality, role, specimen_id, status, reason, received_at."""
        return self.landing.ledger_frame()

    def published_frame(self) -> pd.DataFrame:
        """Published sample-level measurements: product, patient_id, timepoint.

        A product that takes its rows from batches and found none there measured nothing; it isn't listed.
        """
        import pandas as pd

        rows = [
            (product, *patient_and_timepoint(Level.SAMPLE, key))
            for (product, key), published in sorted(self.warehouse.versions().items())
            if product in SPECS and SPECS[product].level is Level.SAMPLE and (SPECS[product].reads or published.n_rows)
        ]
        return pd.DataFrame(rows, columns=["product", "patient_id", "timepoint"], dtype=str)


@dataclass(frozen=True)
class Publication:
    """What a step hands to the IO manager: the rows, what they were made of, and the right to publish them."""

    frame: pd.DataFrame
    version: Version
    token: int


@dataclass(frozen=True)
class Unchanged:
    """The partition is already published with these inputs; nothing is written."""

    data_version: str


def product(
    table: Table,
    partitioning: Partitioning,
    *,
    reads: Sequence[str] = (),
    roles: Sequence[str] = (),
    upstream: Sequence[Table] = (),
    references: Sequence[str] = (),
    settings: type[BaseModel] | None = None,
    code_version: str = "1",
    group: str | None = None,
    kinds: set[str] | frozenset[str] = frozenset(),
    owners: Sequence[str] = (OWNER,),
    observes_landing: bool = False,
    by_patient: bool = False,
    by_panel: str = "",
    pool: str | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Declare the asset that publishes ``table``.

    Parameters
    ----------
    reads
        Landed modalities whose files the partition is made of.
    roles
        Of these, only files in these roles are inputs: others neither arrive nor make the partition due. All when
        none is named.
    upstream
        Tables that arrive as parameters of the same name.
    references
        Entries of the reference bundle that the body may ask for.
    settings
        The room's settings model; values come from ``settings.yaml`` over its defaults.
    code_version
        Raise it when the method changes: every partition becomes due.
    observes_landing
        The product reads the landing ledger itself (the delivery ledger does).
    by_patient
        Of a cohort product with few rows: what is made of it for one patient depends on that patient's rows alone.
    by_panel
        Of a cohort product with a column ``panel_version``: the column that holds the hash of each version's rows. What
        is made of it for a sample depends on the rows of the versions that the sample's files name.
    pool
        Concurrency pool of memory-heavy products.
    """

    def declare(function: Callable[..., Any]) -> dg.AssetsDefinition:
        room = "".join(function.__module__.split(".")[1:2])  # palbo_assets.<room>.assets, or a module of such a package
        spec = ProductSpec(
            table=table,
            level=partitioning.level,
            reads=tuple(reads),
            upstream=tuple(source.name for source in upstream),
            references=tuple(references),
            settings=settings,
            room=room,
            code_version=code_version,
            observes_landing=observes_landing,
            roles=tuple(roles),
            by_patient=by_patient,
            by_panel=by_panel,
        )
        SPECS[table.name] = spec
        # What landed files make due at batch and sample level the landing sensor requests; the rest follows upstream.
        follows = partitioning.level in (Level.PATIENT, Level.COHORT) and not is_root(spec, SPECS)
        # A clinical export concerns every patient: the sensor asks for those by and by, behind what is urgent.
        of_everybody = [
            source.name
            for source in upstream
            if partitioning.level is Level.PATIENT and SPECS[source.name].level is Level.COHORT
        ]

        @functools.wraps(function)
        def compute(context: dg.AssetExecutionContext, **frames: Any) -> Iterator[dg.Output[Any]]:
            output = _run(spec, function, context, frames)
            if output is not None:
                yield output

        names = [source.name for source in upstream]
        compute.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD),
                *(inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names),
            ]
        )
        compute.__annotations__ = {}
        return dg.asset(
            name=table.name,
            ins={source.name: _input(source, partitioning) for source in upstream},
            deps=[landed_key(modality, partitioning.level) for modality in reads],
            partitions_def=partitioning.definition,
            output_required=partitioning.level is not Level.COHORT,
            io_manager_key="parquet" if table.storage is Storage.PARQUET else "warehouse",
            required_resource_keys={"installation", "landing"},
            description=inspect.getdoc(function) or table.description,
            group_name=group or room or None,
            kinds=set(kinds) or None,
            owners=list(owners),
            code_version=code_version,
            metadata={
                "dagster/column_schema": dagster_schema(table),
                "dagster/table_name": table.name,
                "grain": table.grain,
            },
            tags={"level": str(partitioning.level), "room": room},
            automation_condition=after_upstream(of_everybody) if follows else None,
            pool=pool,
            retry_policy=INFRASTRUCTURE_RETRY,
        )(compute)

    return declare


def landed_key(modality: str, level: Level) -> dg.AssetKey:
    """Asset key of the files that labs deliver for a modality, as a product of this level sees them.

    Files of one patient are partitioned by patient and timepoint; files of many patients by batch; the study's own
    files (the clinical export) are not partitioned.
    """
    return dg.AssetKey(["landed", f"{modality}_batches" if level is Level.BATCH else modality])


def _input(source: Table, partitioning: Partitioning) -> dg.AssetIn:
    """How ``source`` arrives: the IO manager selects the rows that concern the partition of a product at this level."""
    upstream_level = SPECS[source.name].level
    any_batch = upstream_level is Level.BATCH and partitioning.level in (Level.SAMPLE, Level.PATIENT)
    return dg.AssetIn(
        metadata={"level": str(partitioning.level)},
        # The rows of any batch may concern the partition.
        partition_mapping=dg.AllPartitionMapping() if any_batch else None,
    )


def _run(
    spec: ProductSpec, function: Callable[..., Any], context: dg.AssetExecutionContext, frames: Mapping[str, Any]
) -> dg.Output[Any] | None:
    """Make the partition; None when the cohort has nothing yet to make it of, which is no failure of a refresh."""
    if context.job_def.executor_def.name != "in_process":
        die_with_parent()
    installation: InstallationResource = context.resources.installation
    landing: LandingProvider = context.resources.landing
    warehouse = installation.warehouse
    key = "" if spec.level is Level.COHORT else context.partition_key
    snapshot, files = step_snapshot(spec, key, installation, landing)
    inputs = inputs_of(spec, key, snapshot, SPECS)
    if inputs is None and spec.level is Level.COHORT:
        context.log.info(f"{spec.name}: nothing that it is made of was delivered so far")
        return None
    if inputs is None:
        raise dg.Failure(
            f"{spec.name} {key}: no accepted file and no upstream rows; nothing was delivered for this partition",
            allow_retries=False,
        )
    data_version = inputs.data_version(spec.code_version)
    published = snapshot.published.get((spec.name, key))
    if published == data_version:
        context.log.info(f"{spec.name} {key} is already published with these inputs")
        return _output(Unchanged(data_version), data_version, {"unchanged": True})
    token = warehouse.take_lease(spec.name, key, context.run.run_id)
    with _scratch(installation.home.scratch) as workdir:
        patient_id, timepoint = patient_and_timepoint(spec.level, key)
        step = Step(
            partition_key=key,
            patient_id=patient_id,
            timepoint=timepoint,
            data_version=data_version,
            settings=load_settings(spec.settings, spec.room, installation.home.settings_file)
            if spec.settings
            else None,
            references=installation.references.limited_to(spec.references),
            workdir=workdir,
            landing=landing,
            warehouse=warehouse,
            _files=files,
        )
        with _failures_for_people(spec, key, data_version, warehouse, context):
            frame = function(step, **frames)
    version = Version(data_version, spec.code_version, inputs.as_json())
    numbers = {"unchanged": False, "input_files": len(inputs.files), **step.metadata}
    return _output(Publication(frame, version, token), data_version, numbers)


def _output(value: Publication | Unchanged, data_version: str, metadata: Mapping[str, Any]) -> dg.Output[Any]:
    with warnings.catch_warnings():
        # Data versions of outputs are announced as beta, once for each step; the version is pinned and tested.
        warnings.simplefilter("ignore", category=dg.BetaWarning)
        return dg.Output(value, data_version=dg.DataVersion(data_version), metadata=dict(metadata))


def step_snapshot(
    spec: ProductSpec, key: str, installation: InstallationResource, landing: LandingProvider
) -> tuple[Snapshot, list[InputFile]]:
    """The part of the world's state that one partition's inputs follow from, and the partition's files."""
    patient_id, _ = patient_and_timepoint(spec.level, key)
    files = FileIndex(landing.accepted(spec.reads, patient_id or None) if spec.reads else ())
    snapshot = snapshot_of([spec], files, installation, landing)
    return snapshot, files.of_partition(spec.level, key, spec.reads, spec.roles)


def snapshot_of(
    wanted: Sequence[ProductSpec], files: FileIndex, installation: InstallationResource, landing: LandingProvider
) -> Snapshot:
    """State of the warehouse, references and settings for planning ``wanted`` products."""
    warehouse = installation.warehouse
    published = warehouse.current_versions()
    # A cohort product reads every batch whole; only finer products ask which samples a batch speaks about.
    batches = {
        name
        for spec in wanted
        if spec.level is not Level.COHORT
        for name in spec.upstream
        if SPECS[name].level is Level.BATCH
    }
    return Snapshot(
        files=files,
        published=published,
        failed=warehouse.failed_versions(),
        batch_samples={name: warehouse.batch_rows(SPECS[name].table) for name in sorted(batches)},
        references={name: entry.sha256 for name, entry in installation.references.entries.items()},
        settings={
            spec.name: load_settings(spec.settings, spec.room, installation.home.settings_file).model_dump(mode="json")
            for spec in wanted
            if spec.settings is not None
        },
        landing=_observed(landing, published) if any(spec.observes_landing for spec in wanted) else "",
        slices=_slices(wanted, warehouse, published),
    )


def _slices(
    wanted: Sequence[ProductSpec], warehouse: Warehouse, published: Mapping[tuple[str, str], str]
) -> dict[tuple[str, str], str]:
    """Hashes of the patients' or panel versions' rows of cohort products that are versioned by them."""
    slices: dict[tuple[str, str], str] = {}
    for name in sorted({name for spec in wanted for name in spec.upstream if (name, "") in published}):
        if SPECS[name].by_patient:
            found = warehouse.patient_versions(SPECS[name].table)
        elif SPECS[name].by_panel:
            found = warehouse.panel_versions(SPECS[name].table, SPECS[name].by_panel)
        else:
            continue
        slices |= {(name, part): version for part, version in found.items()}
    return slices


def _observed(landing: LandingProvider, published: Mapping[tuple[str, str], str]) -> str:
    """What a product that observes the landing depends on: the ledger, and which samples have been measured."""
    measured = sorted(key for key in published if key[0] in SPECS and SPECS[key[0]].level is Level.SAMPLE)
    return hashlib.sha256(json.dumps([landing.state(), measured]).encode("utf-8")).hexdigest()


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    workdir = Path(tempfile.mkdtemp(dir=folder))
    try:
        yield workdir
    finally:
        shutil.rmtree(workdir, ignore_errors=True)


@contextmanager
def _failures_for_people(
    spec: ProductSpec, key: str, data_version: str, warehouse: Warehouse, context: dg.AssetExecutionContext
) -> Iterator[None]:
    """Turn what goes wrong into a failure that says what to do, and keep cell values out of the event log."""
    try:
        yield
    except (dg.Failure, StaleWriterError):
        raise
    except PalboError as error:
        warehouse.record_failure(
            spec.name, key, data_version, code=error.code, message=str(error), run_id=context.run.run_id
        )
        raise dg.Failure(
            str(error), metadata={"code": error.code, "file": error.file, "fix": error.fix}, allow_retries=False
        ) from None
    except MemoryError:
        raise
    except Exception as error:
        frames = [
            f"{Path(place.filename).name}:{place.lineno} in {place.name}"
            for place in traceback.extract_tb(error.__traceback__)
        ]
        raise dg.Failure(
            f"{spec.name} {key}: {type(error).__name__} at {frames[-1]} (the text is withheld, it may quote values)",
            metadata={"code": "E_INTERNAL", "trace": "\n".join(frames)},
            allow_retries=False,
        ) from None
