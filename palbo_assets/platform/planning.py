"""What is due: every partition whose inputs are not the ones that its published version was made from.

Nothing is remembered: due work is derived from the accepted files and the published versions, so a crash between any
two writes loses no update and repeats none (the outbox is the landing ledger itself).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter

from palbo_assets.platform.partitioning import Level, sample_key, split_sample_key
from palbo_assets.platform.provenance import (
    ProductSpec,
    Snapshot,
    inputs_of,
    sample_keys_of_files,
    upstream_partitions,
)


@dataclass(frozen=True)
class Due:
    """One partition of one product that should be materialised.

    ``ready`` is false while an upstream partition that another run must publish is itself due.
    """

    product: str
    level: Level
    partition_key: str
    data_version: str
    ready: bool


@dataclass(frozen=True)
class Run:
    """Due products of one partition that one run materialises together, in order."""

    level: Level
    partition_key: str
    products: tuple[str, ...]
    data_versions: tuple[str, ...]


def in_order(specs: Mapping[str, ProductSpec]) -> list[ProductSpec]:
    """Products, upstream first; ties by name, so that the order is the same everywhere."""
    graph = {name: set(spec.upstream) for name, spec in sorted(specs.items())}
    return [specs[name] for name in TopologicalSorter(graph).static_order()]


def candidate_keys(
    spec: ProductSpec, snapshot: Snapshot, specs: Mapping[str, ProductSpec], known: Mapping[str, set[str]]
) -> set[str]:
    """Partitions of a product that could have inputs. ``known`` holds the keys found for products upstream."""
    if spec.level is Level.COHORT:
        return {""}
    if spec.level is Level.BATCH:
        return {key for (modality, key), files in snapshot.files.by_batch.items() if modality in spec.reads and files}
    if spec.level is Level.SAMPLE:
        if spec.reads:
            return sample_keys_of_files(snapshot, spec.reads)
        keys: set[str] = set()
        for name in spec.upstream:
            if specs[name].level is Level.SAMPLE:
                keys |= known[name]
            elif specs[name].level is Level.BATCH:
                keys |= {sample_key(patient, at) for _, patient, at in snapshot.batch_samples.get(name, ())}
        return keys
    if spec.reads:
        return {
            patient
            for (modality, patient), files in snapshot.files.by_patient.items()
            if modality in spec.reads and files
        }
    keys = set()
    for name in spec.upstream:
        if specs[name].level is Level.PATIENT:
            keys |= known[name]
        elif specs[name].level is Level.SAMPLE:
            keys |= {split_sample_key(key)[0] for key in known[name]}
    return keys


class _DueIndex:
    """Due partitions by product, so that a downstream partition finds what it waits for without a scan."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Due] = {}
        self.keys: dict[str, set[str]] = defaultdict(set)
        self.patients: dict[str, set[str]] = defaultdict(set)

    def add(self, item: Due) -> None:
        self.items[item.product, item.partition_key] = item
        self.keys[item.product].add(item.partition_key)
        if item.level is Level.SAMPLE:
            self.patients[item.product].add(split_sample_key(item.partition_key)[0])

    def blocks(self, upstream: ProductSpec, spec: ProductSpec, key: str, snapshot: Snapshot) -> bool:
        """Whether partition ``key`` must wait for a partition of ``upstream`` that another run publishes."""
        if upstream.level is spec.level:
            item = self.items.get((upstream.name, key))
            return item is not None and not item.ready
        if spec.level is Level.COHORT:
            return bool(self.keys[upstream.name])
        if spec.level is Level.PATIENT and upstream.level is Level.SAMPLE:
            return key in self.patients[upstream.name]
        return any(
            partition in self.keys[upstream.name]
            for partition in upstream_partitions(upstream, spec.level, key, snapshot)
        )


def plan(specs: Mapping[str, ProductSpec], snapshot: Snapshot) -> list[Due]:
    """Due partitions, upstream products first.

    A partition whose current inputs already failed is not due: it is tried again when an input changes.
    """
    due = _DueIndex()
    known: dict[str, set[str]] = {}
    expected: dict[tuple[str, str], str] = {}

    def version_of(product: str, partition: str) -> str | None:
        return expected.get((product, partition), snapshot.published.get((product, partition)))

    for spec in in_order(specs):
        known[spec.name] = candidate_keys(spec, snapshot, specs, known)
        for key in sorted(known[spec.name]):
            inputs = inputs_of(spec, key, snapshot, specs, version_of)
            if inputs is None:
                continue
            version = inputs.data_version(spec.code_version)
            if version in (snapshot.published.get((spec.name, key)), snapshot.failed.get((spec.name, key))):
                continue
            waits = any(due.blocks(specs[name], spec, key, snapshot) for name in spec.upstream)
            due.add(Due(spec.name, spec.level, key, version, ready=not waits))
            expected[spec.name, key] = version
    return list(due.items.values())


def runs_of(due: Iterable[Due]) -> list[Run]:
    """Ready work grouped into runs: one a partition, its products in order."""
    grouped: dict[tuple[Level, str], list[Due]] = {}
    for item in due:
        if item.ready:
            grouped.setdefault((item.level, item.partition_key), []).append(item)
    return [
        Run(level, key, tuple(item.product for item in items), tuple(item.data_version for item in items))
        for (level, key), items in grouped.items()
    ]
