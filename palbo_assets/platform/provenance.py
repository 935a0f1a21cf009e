"""What a partition of a product is made of, and the data version that follows from it.

The data version is a hash of the input files, the versions of upstream partitions, the references, the room's settings
and the code version. The same function serves the step (skip what is already published), the landing sensor (what
became due) and the command line, so the three never disagree.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from palbo_assets.platform.formats import Scope
from palbo_assets.platform.partitioning import Level, patient_and_timepoint, sample_key, split_sample_key
from palbo_assets.platform.tables import Table

if TYPE_CHECKING:
    from pydantic import BaseModel


class InputFile(Protocol):
    """An accepted, current file of the landing zone."""

    @property
    def path(self) -> Path: ...
    @property
    def sha256(self) -> str: ...
    @property
    def modality(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def scope(self) -> str: ...
    @property
    def patient_id(self) -> str: ...
    @property
    def timepoint(self) -> str: ...
    @property
    def batch_key(self) -> str: ...
    @property
    def specimen_id(self) -> str: ...
    @property
    def sample_name(self) -> str: ...
    @property
    def panel_version(self) -> str: ...


@dataclass(frozen=True)
class ProductSpec:
    """What a product reads and how it is partitioned: everything that planning needs, without Dagster."""

    table: Table
    level: Level
    reads: tuple[str, ...]
    upstream: tuple[str, ...]
    references: tuple[str, ...]
    settings: type[BaseModel] | None
    room: str
    code_version: str
    observes_landing: bool = False
    roles: tuple[str, ...] = ()
    by_patient: bool = False
    by_panel: str = ""

    @property
    def name(self) -> str:
        return self.table.name


def is_root(spec: ProductSpec, specs: Mapping[str, ProductSpec]) -> bool:
    """Whether a product follows from the study's own files alone (the clinical tables, a model), not from samples."""
    return (
        spec.level is Level.COHORT
        and not spec.observes_landing
        and all(is_root(specs[name], specs) for name in spec.upstream)
    )


@dataclass(frozen=True)
class Inputs:
    """The inputs of one partition, in a form that can be stored as JSON."""

    files: tuple[Mapping[str, str], ...] = ()
    upstream: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    landing: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "files": [dict(row) for row in self.files],
            "upstream": {table: dict(versions) for table, versions in self.upstream.items()},
            "references": dict(self.references),
            "settings": dict(self.settings),
            "landing": self.landing,
        }

    def data_version(self, code_version: str) -> str:
        content = json.dumps({"code": code_version, **self.as_json()}, sort_keys=True, default=str)
        return hashlib.sha256(content.encode("utf-8")).hexdigest()[:24]


def batch_partition(file: InputFile) -> str:
    """Partition key of a BATCH file."""
    return f"{file.modality}-{file.batch_key}"


class FileIndex:
    """The accepted files, grouped so that the files of any partition are found without a scan."""

    def __init__(self, files: Iterable[InputFile]) -> None:
        self.by_sample: dict[tuple[str, str, str], list[InputFile]] = defaultdict(list)
        self.by_patient: dict[tuple[str, str], list[InputFile]] = defaultdict(list)
        self.of_cohort: dict[str, list[InputFile]] = defaultdict(list)
        self.by_batch: dict[tuple[str, str], list[InputFile]] = defaultdict(list)
        self.by_modality: dict[str, list[InputFile]] = defaultdict(list)
        for file in files:
            self.by_modality[file.modality].append(file)
            if file.scope == Scope.SAMPLE:
                self.by_sample[file.modality, file.patient_id, file.timepoint].append(file)
            if file.scope in (Scope.SAMPLE, Scope.PATIENT):
                self.by_patient[file.modality, file.patient_id].append(file)
            if file.scope == Scope.COHORT:
                self.of_cohort[file.modality].append(file)
            if file.scope == Scope.BATCH:
                self.by_batch[file.modality, batch_partition(file)].append(file)

    def of_partition(
        self, level: Level, key: str, modalities: Iterable[str], roles: Sequence[str] = ()
    ) -> list[InputFile]:
        """Files that a step of this partition reads; empty when none of them is the partition's own.

        Where ``roles`` are named, files in other roles aren't there for the step. Of the cohort's files that are of a
        panel version (a BED, a donor), those are given that the partition's own files name: a new version makes no old
        sample due.
        """
        found: list[InputFile] = []
        for modality in modalities:
            patient_id, timepoint = patient_and_timepoint(level, key)
            if level is Level.SAMPLE:
                own = self.by_sample[modality, patient_id, timepoint]
                beside = [file for file in self.by_patient[modality, patient_id] if file.scope == Scope.PATIENT]
                beside += self.of_cohort[modality]
            elif level is Level.PATIENT:
                own, beside = self.by_patient[modality, patient_id], self.of_cohort[modality]
            elif level is Level.BATCH:
                own, beside = self.by_batch[modality, key], []
            else:
                own, beside = self.by_modality[modality], []
            if roles:
                own, beside = ([file for file in files if file.role in roles] for files in (own, beside))
            beside = of_panel_versions(beside, panel_versions(own))
            if own:
                found += [*own, *beside]
        return sorted(found, key=lambda file: (file.role, file.specimen_id, file.timepoint, file.sha256))


def panel_versions(files: Iterable[InputFile]) -> set[str]:
    """Panel versions that files of samples name; "" stands for a file that names none."""
    return {file.panel_version for file in files if file.scope == Scope.SAMPLE}


def of_panel_versions(files: Iterable[InputFile], named: set[str]) -> list[InputFile]:
    """Files of the named panel versions or of none; all of them for a sample that doesn't tell its version."""
    return [file for file in files if "" in named or file.panel_version in {"", *named}]


def describe_file(file: InputFile) -> dict[str, str]:
    """What of a file enters the data version: its content and what it is said to be, not where it lies."""
    return {
        "sha256": file.sha256,
        "modality": file.modality,
        "role": file.role,
        "patient_id": file.patient_id,
        "timepoint": file.timepoint,
        "specimen_id": file.specimen_id,
        "sample_name": file.sample_name,
        "panel_version": file.panel_version,
    }


@dataclass(frozen=True)
class Snapshot:
    """The state from which inputs and due work are derived.

    ``published`` and ``failed`` map (product, partition) to a data version; ``batch_samples`` maps a BATCH product to
    its (partition, patient, timepoint) rows; ``slices`` maps (product, patient) or (product, panel version) to a hash
    of these rows of a cohort product that is versioned by patient or by panel; ``landing`` is a hash of the landing
    ledger, for what observes it.
    """

    files: FileIndex
    published: Mapping[tuple[str, str], str]
    failed: Mapping[tuple[str, str], str]
    batch_samples: Mapping[str, Sequence[tuple[str, str, str]]]
    references: Mapping[str, str]
    settings: Mapping[str, Mapping[str, Any]]
    landing: str = ""
    slices: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @cached_property
    def keys_of(self) -> Mapping[str, list[str]]:
        keys: dict[str, list[str]] = defaultdict(list)
        for product, key in self.published:
            keys[product].append(key)
        return keys


def inputs_of(
    spec: ProductSpec,
    key: str,
    snapshot: Snapshot,
    specs: Mapping[str, ProductSpec],
    version_of: Callable[[str, str], str | None] | None = None,
) -> Inputs | None:
    """The inputs that partition ``key`` of a product would have now; None when there is nothing to work from.

    ``version_of`` gives the version of an upstream partition and defaults to what is published; the planner passes
    predicted versions for partitions that the same run is going to publish first.
    """
    look_up = version_of or (lambda product, partition: snapshot.published.get((product, partition)))
    files = snapshot.files.of_partition(spec.level, key, spec.reads, spec.roles)
    upstream: dict[str, dict[str, str]] = {}
    for name in spec.upstream:
        versions = {
            partition: version
            for partition in upstream_partitions(specs[name], spec.level, key, snapshot)
            if (version := look_up(name, partition)) is not None
        }
        if versions and specs[name].by_patient and spec.level in (Level.SAMPLE, Level.PATIENT):
            # Another patient's rows must not make this one's partition due.
            patient_id, _ = patient_and_timepoint(spec.level, key)
            versions = {"": snapshot.slices.get((name, patient_id), "")}
        if versions and specs[name].by_panel and files and spec.level in (Level.SAMPLE, Level.PATIENT):
            # Nor must another panel version's, for samples that weren't run on it.
            versions = _panel_slices(name, panel_versions(files), snapshot)
        if versions:
            upstream[name] = versions
    if spec.reads and not files:
        return None
    if not spec.reads and spec.upstream and not upstream:
        return None
    return Inputs(
        files=tuple(describe_file(file) for file in files),
        upstream=upstream,
        references={name: snapshot.references[name] for name in spec.references if name in snapshot.references},
        settings=snapshot.settings.get(spec.name, {}),
        landing=snapshot.landing if spec.observes_landing else "",
    )


def _panel_slices(product: str, named: set[str], snapshot: Snapshot) -> dict[str, str]:
    """Hashes of the rows of the named panel versions that are there; of all versions where a sample names none."""
    return {
        version: sha256
        for (name, version), sha256 in sorted(snapshot.slices.items())
        if name == product and ("" in named or version in named)
    }


def upstream_partitions(upstream: ProductSpec, level: Level, key: str, snapshot: Snapshot) -> list[str]:
    """Partitions of ``upstream`` that partition ``key`` of a product at ``level`` reads (they may not exist yet)."""
    patient_id, timepoint = patient_and_timepoint(level, key)
    if upstream.level is Level.COHORT:
        return [""]
    if upstream.level is Level.BATCH and level in (Level.SAMPLE, Level.PATIENT):
        return sorted(
            {
                batch
                for batch, patient, at in snapshot.batch_samples.get(upstream.name, ())
                if patient == patient_id and timepoint in ("", at)
            }
        )
    if level is Level.COHORT:
        return sorted(snapshot.keys_of[upstream.name])
    if upstream.level is level:
        return [key]
    if upstream.level is Level.PATIENT:
        return [patient_id]
    if upstream.level is Level.SAMPLE and level is Level.PATIENT:
        return sorted(
            {partition for partition in snapshot.keys_of[upstream.name] if split_sample_key(partition)[0] == patient_id}
        )
    return []


def sample_keys_of_files(snapshot: Snapshot, modalities: Iterable[str]) -> set[str]:
    wanted = set(modalities)
    return {
        sample_key(patient_id, timepoint)
        for (modality, patient_id, timepoint), files in snapshot.files.by_sample.items()
        if modality in wanted and files
    }
