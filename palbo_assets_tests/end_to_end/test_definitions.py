"""What exists: every product is described for people, checked, owned, versioned, and follows what it is made of."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster_shared.serdes import deserialize_value, serialize_value

from palbo_assets.definitions import defs
from palbo_assets.platform.partitioning import Level
from palbo_assets.platform.product import SPECS
from palbo_assets.platform.provenance import is_root
from palbo_assets.study.partitions import BATCH, COHORT, PATIENT, SAMPLE
from palbo_assets_tests.end_to_end.dagster_processes import BIN

REPOSITORY = Path(__file__).resolve().parents[2]
HEAVY = ("numba", "pandas", "sklearn", "scipy", "flowkit", "cv2", "skimage", "pysam", "pyarrow", "matplotlib")
PARTITIONS = {level.level: level.definition for level in (BATCH, SAMPLE, PATIENT, COHORT)}


@pytest.fixture(scope="module")
def repository() -> dg.RepositoryDefinition:
    return defs.get_repository_def()


@pytest.mark.end_to_end
def test_the_workspace_file_loads_and_validates() -> None:
    command = [str(BIN / "dagster"), "definitions", "validate", "-w", "workspace.yaml"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]


def test_importing_the_definitions_imports_nothing_heavy() -> None:
    """Every run is a process that imports them first."""
    code = f"import sys, palbo_assets.definitions; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_code_server_can_hand_the_definitions_to_the_daemon_and_the_ui(repository: dg.RepositoryDefinition) -> None:
    """Validation doesn't serialise; a value that isn't plain text only shows when a daemon asks for it."""
    snapshot = RepositorySnap.from_def(repository)
    assert deserialize_value(serialize_value(snapshot), RepositorySnap) == snapshot


@pytest.mark.parametrize("name", sorted(SPECS))
def test_every_product_is_described_owned_versioned_and_checked(repository: dg.RepositoryDefinition, name: str) -> None:
    spec, graph = SPECS[name], repository.asset_graph
    node = graph.get(dg.AssetKey(name))
    assert node.group_name != "default"
    assert node.owners == ["team:data-platform"]
    assert node.kinds
    assert node.description and len(node.description) > 20
    assert node.code_version
    assert node.partitions_def == PARTITIONS[spec.level]
    schema = node.metadata["dagster/column_schema"]
    assert [column.name for column in schema.columns] == [column.name for column in spec.table.stored_columns]
    assert all(column.description for column in schema.columns)
    assert len(node.check_keys) >= 2
    assert all(graph.get(key).partitions_def == node.partitions_def for key in node.check_keys)


@pytest.mark.parametrize("name", sorted(SPECS))
def test_what_follows_from_samples_has_a_condition_and_the_sensor_asks_for_the_rest(
    repository: dg.RepositoryDefinition, name: str
) -> None:
    spec = SPECS[name]
    follows = spec.level in (Level.PATIENT, Level.COHORT) and not is_root(spec, SPECS)
    assert (repository.asset_graph.get(dg.AssetKey(name)).automation_condition is not None) == follows


def test_a_landed_asset_says_what_a_lab_may_deliver_there(repository: dg.RepositoryDefinition) -> None:
    described = {
        key.path[-1]: repository.asset_graph.get(key).description
        for key in repository.asset_graph.get_all_asset_keys()
        if key.path[0] == "landed"
    }
    assert len(set(described.values())) == len(described)
    assert "`tumour_bam`: Aligned reads" in described["wes"]
    assert "`cbc`" in described["facs_batches"] and "`cbc`" not in described["facs"]


def test_every_modality_that_a_product_reads_is_an_asset_of_the_landing(repository: dg.RepositoryDefinition) -> None:
    graph = repository.asset_graph
    landed = {key for key in graph.get_all_asset_keys() if key.path[0] == "landed"}
    read = {parent for key in graph.get_all_asset_keys() - landed for parent in graph.get(key).parent_keys} & landed
    assert read == landed
    assert all(graph.get(key).is_external and graph.get(key).description for key in landed)


def test_jobs_schedule_and_sensors_exist(repository: dg.RepositoryDefinition) -> None:
    jobs = {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert jobs == {"batch_products", "sample_products", "patient_products", "cohort_products"}
    assert [schedule.name for schedule in repository.schedule_defs] == ["nightly_cohort"]
    sensors = {sensor.name: sensor.default_status for sensor in repository.sensor_defs}
    assert sensors == dict.fromkeys(("landing_zone", "follow_upstream"), dg.DefaultSensorStatus.RUNNING)


def test_each_level_is_one_job_that_runs_in_one_process(repository: dg.RepositoryDefinition) -> None:
    for level in Level:
        job = repository.get_job(f"{level}_products")
        names = {key.path[-1] for key in job.asset_layer.selected_asset_keys}
        assert names == {name for name, spec in SPECS.items() if spec.level is level}
        assert job.executor_def.name == "in_process"


@pytest.fixture
def study() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("patient", ["PALBO-001", "PALBO-002"])
        yield instance


class Ticks:
    """Evaluations of the automation conditions, one after the other, as the daemon makes them."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.cursor = None
        self.requested()

    def published(self, name: str, partition: str | None = None, version: str = "1") -> None:
        event = dg.AssetMaterialization(name, partition=partition, tags={"dagster/data_version": version})
        self.instance.report_runless_asset_event(event)

    def requested(self) -> dict[str, set[str]]:
        """Partitions requested by this evaluation, by product; the cohort's partition is empty text."""
        result = dg.evaluate_automation_conditions(defs, self.instance, cursor=self.cursor)
        self.cursor = result.cursor
        found: dict[str, set[str]] = {}
        for name in SPECS:
            subset = result.get_requested_partitions(dg.AssetKey(name))
            if subset:
                found[name] = {"" if key is None else key for key in subset}
        return found


def test_a_sample_makes_its_patient_and_nobody_else_due(study: dg.DagsterInstance) -> None:
    ticks = Ticks(study)
    ticks.published("facts", "PALBO-001|BL")
    requested = ticks.requested()
    for name in ("resistance_states", "resistance_transitions", "integrated_resistance_pairs"):
        assert requested[name] == {"PALBO-001"}, f"{name} belongs to the same run"


def test_an_upstream_published_between_two_evaluations_is_not_lost(study: dg.DagsterInstance) -> None:
    """The second sample is published after its patient was requested for the first, before the next evaluation."""
    ticks = Ticks(study)
    ticks.published("facts", "PALBO-001|BL")
    first = ticks.requested()
    ticks.published("facts", "PALBO-001|PD")
    second = ticks.requested()
    for requested in (first, second):
        assert requested["resistance_states"] == {"PALBO-001"}
    assert ticks.requested() == {}


def test_the_cohort_follows_when_another_patient_is_published_right_after_it_was_requested(
    study: dg.DagsterInstance,
) -> None:
    ticks = Ticks(study)
    ticks.published("resistance_states", "PALBO-001")
    assert ticks.requested()["integrated_resistance_table"] == {""}
    ticks.published("resistance_states", "PALBO-002")
    assert ticks.requested()["integrated_resistance_table"] == {""}


def test_a_correction_between_two_evaluations_is_not_lost(study: dg.DagsterInstance) -> None:
    ticks = Ticks(study)
    for version in ("1", "2"):
        ticks.published("facts", "PALBO-001|BL", version)
        assert ticks.requested()["resistance_states"] == {"PALBO-001"}


def test_a_product_that_was_found_up_to_date_makes_nothing_due(study: dg.DagsterInstance) -> None:
    ticks = Ticks(study)
    ticks.published("patients")
    assert ticks.requested()["integrated_resistance_table"] == {""}
    ticks.published("patients")
    assert ticks.requested() == {}


def test_a_clinical_export_does_not_ask_for_every_patient_at_once(study: dg.DagsterInstance) -> None:
    """The sensor asks for them by and by, so that a new sample's runs aren't queued behind everybody's."""
    ticks = Ticks(study)
    ticks.published("patients")
    assert "integrated_resistance_pairs" not in ticks.requested()


def test_a_quiet_study_asks_for_nothing(study: dg.DagsterInstance) -> None:
    """A registered patient without data makes nothing due."""
    ticks = Ticks(study)
    assert ticks.requested() == {}
    assert ticks.requested() == {}
