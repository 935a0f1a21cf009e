"""An installation in a temporary folder, and deliveries of real files into its landing zone."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from palbo_assets.ingest import RunResult, coarse_first, execute_run, prepare
from palbo_assets.landing.intake import take_in
from palbo_assets.landing.report import ScanReport
from palbo_assets.landing.resource import LandingResource
from palbo_assets.landing.sensor import arrivals, due_hash
from palbo_assets.platform.config import Home
from palbo_assets.platform.product import SPECS
from palbo_assets.platform.references import write_bundle
from palbo_assets.platform.resources import InstallationResource

COLUMNS = (
    "file", "modality", "patient_id", "timepoint", "specimen_id", "sha256", "role", "sample_name", "genome_build",
    "panel_version",
)  # fmt: skip
MAX_PASSES = 8


@dataclass(frozen=True)
class Sent:
    """One file of a delivery: its content (a real file, or text that a lab would write beside it) and its row.

    ``name`` is the file's name in the delivery; empty for the name that it already has.
    """

    content: Path | str | bytes
    modality: str
    patient_id: str = ""
    timepoint: str = ""
    specimen_id: str = ""
    name: str = ""
    row: Mapping[str, str] = field(default_factory=dict)

    @property
    def file(self) -> str:
        return self.name or (self.content.name if isinstance(self.content, Path) else "")

    def write(self, folder: Path) -> str:
        """Put the file into the delivery; its sha256."""
        target = folder / self.file
        if isinstance(self.content, Path):
            shutil.copyfile(self.content, target)
        else:
            target.write_bytes(self.content.encode("utf-8") if isinstance(self.content, str) else self.content)
        return hashlib.sha256(target.read_bytes()).hexdigest()


class Site:
    """An installation with its reference bundle, worked as ``palbo ingest`` works it, but in this process."""

    def __init__(self, root: Path, *, build: str = "", references: Mapping[str, Path] | None = None) -> None:
        self.home = Home.at(root)
        prepare(self.home)
        self.installation = InstallationResource(
            root=str(self.home.root), database_url=self.home.database_url, reference=str(self.home.reference)
        )
        self.landing = LandingResource(installation=self.installation)
        self.reports: list[ScanReport] = []
        self.runs: list[RunResult] = []
        if build:
            _bundle(self.home.reference, build, references or {})

    def deliver(self, delivery: str, files: Iterable[Sent]) -> Path:
        """Write the files, then their manifest with true checksums."""
        folder = self.home.landing / delivery
        folder.mkdir(parents=True)
        rows = []
        for sent in files:
            rows.append(
                {
                    "file": sent.file,
                    "modality": sent.modality,
                    "patient_id": sent.patient_id,
                    "timepoint": sent.timepoint,
                    "specimen_id": sent.specimen_id,
                    "sha256": sent.write(folder),
                    **sent.row,
                }
            )
        with (folder / "delivery.csv").open("w", encoding="utf-8", newline="") as manifest:
            writer = csv.DictWriter(manifest, COLUMNS, restval="")
            writer.writeheader()
            writer.writerows(rows)
        return folder

    @cached_property
    def _dagster(self) -> dg.DagsterInstance:
        return dg.DagsterInstance.from_config(str(self.home.dagster_home))

    def ingest(self, only: Iterable[str] | None = None) -> Site:
        """Scan, and materialise what is due until nothing is; with ``only``, no other rooms' products."""
        rooms = None if only is None else set(only)
        tried: set[str] = set()
        for _ in range(MAX_PASSES):
            intake = take_in(self.installation, self.landing, self._dagster, actor="test")
            self.reports.append(intake.report)
            for event in arrivals(intake):
                self._dagster.report_runless_asset_event(event)
            due = [_limited(run, rooms) for run in intake.runs]
            runs = coarse_first([run for run in due if run.products and due_hash(run) not in tried])
            tried |= {due_hash(run) for run in runs}
            if not runs and not intake.report.unfinished:
                return self
            self.runs += [execute_run(self.home, run) for run in runs]
        raise AssertionError(f"something is still due after {MAX_PASSES} passes")

    def scan(self) -> Site:
        """Scan alone, until every file has been read."""
        for _ in range(MAX_PASSES):
            report = take_in(self.installation, self.landing, self._dagster, actor="test").report
            self.reports.append(report)
            if not report.unfinished:
                return self
        raise AssertionError(f"files are still unread after {MAX_PASSES} scans")

    def receipt(self, delivery: str) -> dict[str, dict[str, Any]]:
        """The receipt's entries by file."""
        content = json.loads((self.home.landing / delivery / "receipt.json").read_text(encoding="utf-8"))
        return {entry["file"]: entry for entry in content["files"]}

    def verdict(self, delivery: str, file: str) -> tuple[str, str]:
        """(status, reason code) of one file, as its lab reads it."""
        entry = self.receipt(delivery)[file]
        return entry["status"], entry["reason"]

    def facts(self, file: str) -> Mapping[str, str | int | float]:
        """What verification learnt of an accepted file."""
        modalities = sorted({modality for spec in SPECS.values() for modality in spec.reads})
        (found,) = [one for one in self.landing.accepted(modalities) if one.path.name == file]
        return found.facts

    def table(self, name: str, partition_key: str | None = None) -> pd.DataFrame:
        if partition_key is None:
            return self.installation.warehouse.read(SPECS[name].table)
        return self.installation.warehouse.read(SPECS[name].table, partition_key=partition_key)

    def close(self) -> None:
        self.installation.warehouse.close()
        if "_dagster" in self.__dict__:
            self._dagster.dispose()


def _limited(run: Any, rooms: set[str] | None) -> Any:
    from dataclasses import replace

    kept = [
        (name, version)
        for name, version in zip(run.products, run.data_versions, strict=True)
        if rooms is None or SPECS[name].room in rooms
    ]
    return replace(
        run, products=tuple(name for name, _ in kept), data_versions=tuple(version for _, version in kept)
    )


def _bundle(folder: Path, build: str, references: Mapping[str, Path]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for name, path in references.items():
        for source in (path, path.with_name(path.name + ".fai"), path.with_name(path.name + ".gzi")):
            if source.is_file() and not (folder / source.name).exists():
                shutil.copyfile(source, folder / source.name)
        entries.append({"name": name, "file": path.name, "version": "1", "build": build})
    write_bundle(folder, build, entries)


def at_home(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the definitions of this process find this installation, as a worker of ``palbo ingest`` does."""
    monkeypatch.setenv("PALBO_HOME", str(home.root))
    monkeypatch.setenv("PALBO_DATABASE_URL", home.database_url)
    monkeypatch.setenv("PALBO_REFERENCE", str(home.reference))
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster_home))
