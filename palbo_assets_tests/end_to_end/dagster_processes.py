"""An installation in a temporary folder, labs that drop files into it, and Dagster as real processes.

Every process is started in a session of its own and killed with everything it started, whatever happens.
"""

from __future__ import annotations

import csv
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg
import numpy as np
import yaml

from palbo_assets.demo import course
from palbo_assets.demo.truth import PatientTruth, WrittenFile
from palbo_assets.demo.twin import MANIFEST_COLUMNS
from palbo_assets.ingest import prepare
from palbo_assets.landing.intake import due_runs
from palbo_assets.landing.resource import LandingResource
from palbo_assets.landing.sensor import unfinished_runs
from palbo_assets.platform.config import Home
from palbo_assets.platform.instance import INSTANCE_YAML
from palbo_assets.platform.resources import InstallationResource
from palbo_assets.platform.store import file_sha256
from palbo_assets.platform.tables import Table
from palbo_assets.platform.warehouse import Warehouse
from palbo_assets_tests.databases import free_port

BIN = Path(sys.executable).parent
SEED = 11
Found = TypeVar("Found")


def wait_until(question: Callable[[], Found | None], seconds: float, what: str, *, every: float = 0.5) -> Found:
    """The first true answer; fails with ``what`` when there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = question()
        if answer:
            return answer
        time.sleep(every)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")


class Installation:
    """One installation: its folders and settings, the scripted patients, and what stands in its warehouse."""

    def __init__(self, root: Path, instance: dict[str, Any] | None = None) -> None:
        self.home = Home.at(root)
        self.home.create()
        configuration = yaml.safe_load(INSTANCE_YAML)
        for section, values in (instance or {}).items():
            configuration.setdefault(section, {}).update(values)
        (self.home.dagster_home / "dagster.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
        prepare(self.home)
        self.logs = root / "process-logs"
        self.logs.mkdir()
        self.rng = np.random.default_rng(SEED)

    @cached_property
    def people(self) -> dict[str, PatientTruth]:
        """The scripted patients; the reference bundle holds the genome only."""
        from palbo_assets.demo import facs
        from palbo_assets.demo.genome import build_genome

        genome = build_genome(self.home.root / "genome", SEED)
        drawn = course.patients(course.SCRIPTED, genome, self.rng, facs.HEALTHY_PCT_PARENT)
        return {patient.patient_id: patient for patient in drawn}

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PALBO_HOME": str(self.home.root),
            "PALBO_DATABASE_URL": self.home.database_url,
            "PALBO_REFERENCE": str(self.home.reference),
            "DAGSTER_HOME": str(self.home.dagster_home),
            "PYTHONWARNINGS": "ignore",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }

    # --- what labs do -----------------------------------------------------------------------------------------

    def deliver(self, name: str, *writers: Callable[[Path], Iterable[WrittenFile]]) -> float:
        """Write a delivery as labs are asked to: files first, delivery.csv last. The moment when it was complete."""
        folder = self.home.landing / name
        folder.mkdir(parents=True)
        rows = [row for write in writers for row in write(folder)]
        staging = folder / ".delivery.csv.part"
        with staging.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, MANIFEST_COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows({**asdict(row), "sha256": file_sha256(folder / row.file)} for row in rows)
        staging.replace(folder / "delivery.csv")
        return time.monotonic()

    def clinical_export(self, patients: int) -> Callable[[Path], list[WrittenFile]]:
        """Export of the first so many patients."""
        from palbo_assets.demo import clinical

        return lambda folder: clinical.write(list(self.people.values())[:patients], folder, self.rng)

    def expression(self, patient_id: str, timepoint: str) -> Callable[[Path], list[WrittenFile]]:
        from palbo_assets.demo import rnaseq

        return lambda folder: rnaseq.write(self.people[patient_id].samples[timepoint], folder, self.rng)

    def slide(self, patient_id: str, timepoint: str) -> Callable[[Path], list[WrittenFile]]:
        from palbo_assets.demo import slides

        return lambda folder: slides.write(self.people[patient_id].samples[timepoint], folder, self.rng)

    # --- what can be asked ------------------------------------------------------------------------------------

    def rows(self, table: Table, patient_id: str | None = None, timepoint: str | None = None) -> list[dict[str, Any]]:
        warehouse = Warehouse(self.home)
        try:
            frame = warehouse.read(table, patient_id=patient_id, timepoint=timepoint)
        finally:
            warehouse.close()
        return [
            {str(name): None if value is None or value != value else value for name, value in row.items()}
            for row in frame.astype(object).where(frame.notna(), None).to_dict("records")
        ]

    def versions(self) -> dict[tuple[str, str], str]:
        """Data version of every published partition."""
        warehouse = Warehouse(self.home)
        try:
            return warehouse.current_versions()
        finally:
            warehouse.close()

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        with dg.DagsterInstance.from_config(str(self.home.dagster_home)) as instance:
            yield instance

    def published_rows(self, product: str, partition: str) -> int:
        warehouse = Warehouse(self.home)
        try:
            return warehouse.versions(product)[product, partition].n_rows
        finally:
            warehouse.close()

    def is_settled(self) -> bool:
        """Whether no run waits or works and nothing is due."""
        with self.instance() as instance:
            if unfinished_runs(instance):
                return False
        resource = InstallationResource(root=str(self.home.root), database_url=self.home.database_url)
        try:
            return not due_runs(resource, LandingResource(installation=resource))
        finally:
            resource.warehouse.close()

    # --- processes --------------------------------------------------------------------------------------------

    @contextmanager
    def process(self, name: str, command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
        """A process of the installation, killed with its children at the end; its output goes to ``logs``."""
        with (self.logs / f"{name}.log").open("ab") as log:
            started = subprocess.Popen(
                command,
                cwd=self.home.root,
                env=self.environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=die_with_the_tests,
            )
        try:
            yield started
        finally:
            kill_tree(started)

    @contextmanager
    def code_server(self) -> Iterator[Path]:
        """A gRPC code server; yields the workspace file that points at it."""
        port = free_port()
        command = [
            str(BIN / "dagster"), "api", "grpc", "-m", "palbo_assets.definitions", "-h", "127.0.0.1", "-p", str(port),
        ]  # fmt: skip
        with self.process("code-server", command) as server:
            wait_until(lambda: answers(port, server), 90, "the code server listens")
            workspace = self.home.root / "workspace.yaml"
            location = {"host": "127.0.0.1", "port": port, "location_name": "palbo_assets"}
            workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": location}]}), encoding="utf-8")
            yield workspace

    @contextmanager
    def daemon(self, workspace: Path) -> Iterator[subprocess.Popen[bytes]]:
        command = [str(BIN / "dagster-daemon"), "run", "-w", str(workspace)]
        with self.process("daemon", command) as daemon:
            yield daemon

    def log_tail(self, name: str, lines: int = 30) -> str:
        return "\n".join((self.logs / f"{name}.log").read_text(errors="replace").splitlines()[-lines:])


def die_with_the_tests() -> None:
    """Ask the kernel to kill this process when the test process is killed and can't clean up."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Whether something listens on the port; fails when the process that should is gone."""
    assert process.poll() is None, f"the process ended with {process.returncode}"
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that it started, those included that went into sessions of their own."""
    import psutil

    try:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)


def runs_by_partition(instance: dg.DagsterInstance) -> dict[str, list[dg.DagsterRun]]:
    """All runs, oldest first, by the partition that they are for (empty text: the cohort)."""
    found: dict[str, list[dg.DagsterRun]] = {}
    for run in sorted(instance.get_runs(), key=lambda run: run.run_id):
        found.setdefault(run.tags.get("dagster/partition", ""), []).append(run)
    return found
