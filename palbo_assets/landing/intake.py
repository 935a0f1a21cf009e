"""One intake: scan the landing zone, retract what lost its consent, register partitions, derive what is due.

The sensor and the command line share it, so that a laptop without a daemon takes files exactly as the daemon does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from palbo_assets.landing import files, relabel
from palbo_assets.landing.scan import ScanReport, scan
from palbo_assets.landing.settings import Settings
from palbo_assets.platform.config import load_settings
from palbo_assets.platform.consent import PATIENTS, retract, withdrawn_patients
from palbo_assets.platform.formats import Context
from palbo_assets.platform.partitioning import Level, sample_key
from palbo_assets.platform.planning import Run, in_order, plan, runs_of
from palbo_assets.platform.product import SPECS, snapshot_of
from palbo_assets.platform.provenance import FileIndex, batch_partition, inputs_of, is_root
from palbo_assets.study.protocol import valid_patient_id

if TYPE_CHECKING:
    import dagster as dg

    from palbo_assets.landing.resource import LandingResource
    from palbo_assets.platform.resources import InstallationResource

PATIENT_DIMENSION = "patient"
BATCH_DIMENSION = "plate"


@dataclass(frozen=True)
class Intake:
    """What one intake found: the scan's verdicts, partitions retracted for lost consent, and the runs now due."""

    report: ScanReport
    retracted: list[str]
    runs: list[Run]


def take_in(
    installation: InstallationResource, landing: LandingResource, instance: dg.DagsterInstance, *, actor: str
) -> Intake:
    """Scan once and say what is due. Safe to repeat and to kill at any point: everything it derives is derived anew."""
    warehouse = installation.warehouse
    withdrawn = withdrawn_patients(warehouse, SPECS)
    report = scan(
        warehouse.engine,
        installation.home.landing,
        withdrawn=withdrawn,
        genome=genome_context(installation),
        settings=load_settings(Settings, "landing", installation.home.settings_file),
        now=datetime.now(UTC),
    )
    retracted = retract(warehouse, SPECS, withdrawn, actor) if withdrawn else []
    retracted += retract_left_behind(installation, landing, actor)
    register_partitions(installation, instance, withdrawn)
    return Intake(report, retracted, due_runs(installation, landing))


def genome_context(installation: InstallationResource) -> Context:
    """The study's genome, against which verifiers compare contigs."""
    references = installation.references
    return Context(genome_build=references.build, contig_lengths=references.contig_lengths())


def due_runs(installation: InstallationResource, landing: LandingResource) -> list[Run]:
    """Everything that could be materialised now, one run a partition."""
    index = FileIndex(landing.accepted(sorted({modality for spec in SPECS.values() for modality in spec.reads})))
    return runs_of(plan(SPECS, snapshot_of(list(SPECS.values()), index, installation, landing)))


def retract_left_behind(installation: InstallationResource, landing: LandingResource, actor: str) -> list[str]:
    """Retract what was published where a correction left no input: it is another person's and can't be made anew.

    Only partitions that a correction took something from or brought something to are looked at.
    """
    warehouse = installation.warehouse
    touched = relabel.places(relabel.events(warehouse.engine))
    if not touched:
        return []
    levels = {Level.SAMPLE: {sample_key(*place) for place in touched}, Level.PATIENT: {place[0] for place in touched}}
    index = FileIndex(landing.accepted(sorted({modality for spec in SPECS.values() for modality in spec.reads})))
    snapshot = snapshot_of(list(SPECS.values()), index, installation, landing)
    gone: set[tuple[str, str]] = set()

    def version_of(product: str, partition: str) -> str | None:
        return None if (product, partition) in gone else snapshot.published.get((product, partition))

    for spec in in_order(SPECS):
        for key in sorted(levels.get(spec.level, set()) & set(snapshot.keys_of.get(spec.name, ()))):
            if inputs_of(spec, key, snapshot, SPECS, version_of) is None:
                warehouse.retract(spec.table, key, actor=actor)
                gone.add((spec.name, key))
    return [f"{product}:{key}" for product, key in sorted(gone)]


def register_partitions(
    installation: InstallationResource, instance: dg.DagsterInstance, withdrawn: frozenset[str]
) -> None:
    """Add patients (from deliveries and from the clinical export) and batches that Dagster doesn't know yet."""
    warehouse = installation.warehouse
    patients = set(files.patients_with_files(warehouse.engine))
    if PATIENTS in SPECS and warehouse.versions(PATIENTS):
        patients |= set(warehouse.read(SPECS[PATIENTS].table)["patient_id"])
    for spec in SPECS.values():
        if spec.level is Level.BATCH and "patient_id" in spec.table.column_names:
            patients |= {patient for _, patient, _ in warehouse.batch_rows(spec.table) if valid_patient_id(patient)}
    accepted = files.accepted_files(warehouse.engine, installation.home.landing)
    batches = {batch_partition(file) for file in accepted if file.batch_key}
    for dimension, wanted in ((PATIENT_DIMENSION, patients - withdrawn), (BATCH_DIMENSION, batches)):
        new = sorted(wanted - set(instance.get_dynamic_partitions(dimension)))
        if new:
            instance.add_dynamic_partitions(dimension, new)


def requested_by_sensor(run: Run) -> bool:
    """Whether the landing sensor asks for this run; what follows from samples alone is left to its condition."""
    return run.level in (Level.BATCH, Level.SAMPLE) or any(sensor_asks_for(name) for name in run.products)


def sensor_asks_for(product: str) -> bool:
    """Whether a cohort product follows from landed files rather than from samples."""
    spec = SPECS[product]
    return spec.level is Level.COHORT and (spec.observes_landing or is_root(spec, SPECS))
