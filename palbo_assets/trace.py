"""From a value of the integrated table back to the files that it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from palbo_assets.landing.files import ledger_frame
from palbo_assets.landing.relabel import Relabel, events, in_force
from palbo_assets.platform.errors import PalboError
from palbo_assets.platform.product import SPECS
from palbo_assets.platform.warehouse import Published, Warehouse
from palbo_assets.study.vocabulary import Timepoint

if TYPE_CHECKING:
    import pandas as pd
    from rich.tree import Tree

INTEGRATED, PAIRS = "integrated_resistance_table", "integrated_resistance_pairs"
FACT_TABLES = ("facts", "patient_facts", "cohort_facts")
STATES = "resistance_states"
CLINICAL = ("treatment_response", "patients", "sample_manifest")  # which of them holds a clinical__ column
_STATUS_RANK = {"ACCEPTED": 0, "SUPERSEDED": 1}  # of copies of one content, the one that was read


@dataclass(frozen=True)
class Origin:
    """One product partition in a value's history, with the files it read and the partitions it was made from."""

    published: Published
    files: tuple[Mapping[str, str], ...]
    upstream: tuple[Origin, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "product": self.published.asset,
            "partition": self.published.partition_key,
            "data_version": self.published.data_version,
            "run_id": self.published.run_id,
            "published_at": self.published.published_at,
            "references": dict(self.published.inputs.get("references", {})),
            "settings": dict(self.published.inputs.get("settings", {})),
            "files": [dict(file) for file in self.files],
            "upstream": [origin.as_json() for origin in self.upstream],
        }


@dataclass(frozen=True)
class Trace:
    """A value with its unit and status, and where it came from (no origin when it was never measured).

    ``relabelled``: what corrections took from or brought to this patient and timepoint.
    """

    patient_id: str
    timepoint: str
    column: str
    value: str
    unit: str
    status: str
    origin: Origin | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    relabelled: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "patient_id": self.patient_id,
            "timepoint": self.timepoint,
            "column": self.column,
            "value": self.value,
            "unit": self.unit,
            "status": self.status,
            "origin": self.origin.as_json() if self.origin else None,
            "relabelled": list(self.relabelled),
        }

    def as_tree(self) -> Tree:
        from rich.tree import Tree

        value = self.value or "no value"
        tree = Tree(
            f"[bold]{self.patient_id} {self.timepoint} {self.column}[/bold] = {value} {self.unit} ({self.status})"
        )
        for sentence in self.relabelled:
            tree.add(sentence)
        if self.origin:
            _add(tree, self.origin)
        else:
            tree.add(f"never measured: {self.status}" if self.status else "not measured: the table's own column")
        return tree


def _add(tree: Tree, origin: Origin) -> None:
    published = origin.published
    branch = tree.add(
        f"{published.asset} {published.partition_key or 'cohort'}"
        f"  version {published.data_version}  run {published.run_id}"
    )
    for file in origin.files:
        branch.add(
            f"{file['path']}  sha256 {file['sha256'][:16]}...  delivery {file['delivery']}  {file['received_at']}"
        )
    for upstream in origin.upstream:
        _add(branch, upstream)


def trace_value(warehouse: Warehouse, patient_id: str, timepoint: str, column: str) -> Trace:
    """Follow one cell of the integrated table, or at PD a pair's own cell of the pairs table, to its files.

    Raises
    ------
    PalboError
        ``E_UNKNOWN_COLUMN`` or ``E_UNKNOWN_ROW`` with what there is instead.
    """
    table = SPECS[INTEGRATED].table
    if column not in table.column_names:
        if timepoint != Timepoint.PD or f"{column}__status" not in SPECS[PAIRS].table.column_names:
            raise _unknown("column", column, [name for name in table.column_names if not name.endswith("__status")])
        table = SPECS[PAIRS].table
    rows = warehouse.read(table, patient_id=patient_id, timepoint=timepoint if table.name == INTEGRATED else None)
    corrected = tuple(one.sentence() for one in _corrections(warehouse, patient_id, timepoint))
    if rows.empty:
        raise PalboError(
            "E_UNKNOWN_ROW",
            f"the integrated table has no row for {patient_id} {timepoint}",
            fix="; ".join(corrected) or "see `palbo ledger` for the patients and timepoints that there are",
        )
    row = rows.iloc[0].astype(object).where(rows.iloc[0].notna(), "")
    product, partition = _source(_fact(warehouse, patient_id, timepoint, column), column, patient_id)
    published = warehouse.versions(product).get((product, partition)) if product else None
    origin = _origin(warehouse, published, _landed_by_hash(warehouse)) if published else None
    return Trace(
        patient_id=patient_id,
        timepoint=timepoint,
        column=column,
        value=str(row[column]),
        unit=table[column].unit,
        status=str(row.get(f"{column}__status", "")),
        origin=origin,
        relabelled=corrected,
    )


def _corrections(warehouse: Warehouse, patient_id: str, timepoint: str) -> list[Relabel]:
    """Corrections in force that moved a file away from this patient and timepoint, or to them; one a file."""
    place = patient_id, timepoint
    return [
        one
        for one in in_force(events(warehouse.engine)).values()
        if place in ((one.patient_before, one.timepoint_before), (one.patient_after, one.timepoint_after))
    ]


def _fact(warehouse: Warehouse, patient_id: str, timepoint: str, column: str) -> pd.DataFrame:
    """The fact behind a column, from whichever of the fact tables holds that feature; no row where nothing does."""
    tables = [SPECS[name].table for name in FACT_TABLES]
    of_feature = next((table for table in tables if column in table["feature"].allowed), tables[0])
    facts = warehouse.read(of_feature, patient_id=patient_id, timepoint=timepoint)
    return facts[facts["feature"] == column]


def _source(facts: pd.DataFrame, column: str, patient_id: str) -> tuple[str, str]:
    """The product and the partition that a column's value was taken from; empty texts when it was never measured."""
    if not facts.empty:
        return str(facts.iloc[0]["source_asset"]), str(facts.iloc[0]["source_partition"])
    kind, _, name = column.partition("__")
    if kind == "mechanism":
        return STATES, patient_id
    if kind == "clinical":
        holding = [product for product in CLINICAL if name in SPECS[product].table.column_names]
        return (holding or [CLINICAL[-1]])[0], ""
    return "", ""


def _landed_by_hash(warehouse: Warehouse) -> dict[str, Mapping[str, str]]:
    landed: list[dict[Any, Any]] = ledger_frame(warehouse.engine).astype(str).to_dict("records")
    landed.sort(key=lambda row: (-_STATUS_RANK.get(row["status"], len(_STATUS_RANK)), row["file"]))
    return {row["sha256"]: row for row in landed}  # the last of a hash stays


def _unknown(kind: str, name: str, known: list[str]) -> PalboError:
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=3, cutoff=0.4)
    return PalboError(
        "E_UNKNOWN_COLUMN",
        f"the integrated table has no {kind} {name}",
        fix=f"did you mean {', '.join(close)}?" if close else "see the table data_dictionary",
    )


def _origin(warehouse: Warehouse, published: Published, by_hash: Mapping[str, Mapping[str, str]]) -> Origin:
    files = tuple(
        {
            "path": str(by_hash.get(file["sha256"], {}).get("file", "")),
            "delivery": str(by_hash.get(file["sha256"], {}).get("delivery", "")),
            "received_at": str(by_hash.get(file["sha256"], {}).get("received_at", "")),
            **file,
        }
        for file in published.inputs["files"]
    )
    upstream = []
    for product, versions in sorted(published.inputs["upstream"].items()):
        there = warehouse.versions(product)
        upstream += [
            _origin(warehouse, there[product, key], by_hash) for key in sorted(versions) if (product, key) in there
        ]
    return Origin(published, files, tuple(upstream))
