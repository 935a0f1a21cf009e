"""What changed between two releases, cell by cell, and why.

A cause is the first thing upstream that isn't the same: a delivered file, the code of a product, a reference, a
setting, or a partition that came or went. A cell that changed though nothing that it was made of did is called
unexplained: either a method isn't deterministic, or a release was altered.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palbo_assets.platform.parquet import read_parquet
from palbo_assets.platform.tables import PROVENANCE
from palbo_assets.release.data_package import VERSIONS, tables_of

if TYPE_CHECKING:
    import pandas as pd

Partition = tuple[str, str]
UNEXPLAINED = "unexplained"
_OWN = {column.name for column in PROVENANCE}


@dataclass(frozen=True)
class Change:
    """What changed in the rows of one partition of a table."""

    table: str
    partition: str
    added: int
    removed: int
    cells: Mapping[str, int]
    causes: tuple[str, ...]

    @property
    def n_cells(self) -> int:
        return sum(self.cells.values())


def compare(old: Path, new: Path) -> list[Change]:
    """Changes from release ``old`` to ``new``, by table and partition; tables that both hold, or one of them."""
    keys_before, keys_after = tables_of(old), tables_of(new)
    why = causes(_versions(old), _versions(new))
    changes = []
    for table in sorted({*keys_before, *keys_after}):
        before, after = _rows(old, table), _rows(new, table)
        key = keys_after.get(table) or keys_before[table]
        for partition, (added, removed, cells) in sorted(_differences(before, after, key).items()):
            changes.append(Change(table, partition, added, removed, cells, why(table, partition)))
    return changes


def by_cause(changes: Iterable[Change]) -> dict[str, Counter[str]]:
    """Rows added and removed and cells changed, by cause; what has several causes stands under all of them together."""
    totals: dict[str, Counter[str]] = defaultdict(Counter)
    for change in changes:
        cause = " and ".join(change.causes)
        totals[cause].update(rows_added=change.added, rows_removed=change.removed, cells=change.n_cells)
    return dict(sorted(totals.items(), key=lambda item: (-item[1]["cells"], item[0])))


def causes(old: Mapping[Partition, Any], new: Mapping[Partition, Any]) -> Any:
    """A function that gives the causes for which a partition's content may differ between two states."""

    @cache
    def of(product: str, partition: str) -> tuple[str, ...]:
        before, after = old.get((product, partition)), new.get((product, partition))
        if before is None or after is None:
            return (f"{_name(product, partition)} {'published' if before is None else 'retracted'}",)
        found = set(_own_causes(product, before, after))
        upstream = before["inputs"]["upstream"], after["inputs"]["upstream"]
        for source in {*upstream[0], *upstream[1]}:
            versions = upstream[0].get(source, {}), upstream[1].get(source, {})
            for part in {*versions[0], *versions[1]}:
                if versions[0].get(part) != versions[1].get(part):
                    # A slice of a cohort product (a patient's rows, a panel version's) is part of its one partition.
                    known = (source, part) in old or (source, part) in new
                    found.update(of(source, part if known else ""))
        return tuple(sorted(found)) or (UNEXPLAINED,)

    return of


def _own_causes(product: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[str]:
    """What of a partition's own inputs differs, without what is upstream."""
    if before["code_version"] != after["code_version"]:
        yield f"code of {product}"
    was, now = before["inputs"], after["inputs"]
    for name in sorted({*was["references"], *now["references"]}):
        if was["references"].get(name) != now["references"].get(name):
            yield f"reference {name}"
    for name in sorted({*was["settings"], *now["settings"]}):
        if was["settings"].get(name) != now["settings"].get(name):
            yield f"setting {name} of {product}"
    files = [{json.dumps(file, sort_keys=True) for file in side["files"]} for side in (was, now)]
    for text in sorted(files[0] ^ files[1]):
        file = json.loads(text)
        place = " ".join(part for part in (file["patient_id"], file["timepoint"]) if part)
        yield f"file {file['modality']}/{file['role']}" + (f" of {place}" if place else "")
    if was["landing"] != now["landing"]:
        yield "what has been delivered"


def _name(product: str, partition: str) -> str:
    return f"{product} {partition.replace('|', ' ')}".strip()


def _versions(folder: Path) -> dict[Partition, Any]:
    rows = json.loads((folder / VERSIONS).read_text(encoding="utf-8"))
    return {(row["product"], row["partition"]): row for row in rows}


def _rows(folder: Path, table: str) -> pd.DataFrame | None:
    file = folder / "tables" / f"{table}.parquet"
    return read_parquet(file.read_bytes()) if file.is_file() else None


def _differences(
    before: pd.DataFrame | None, after: pd.DataFrame | None, key: list[str]
) -> dict[str, tuple[int, int, dict[str, int]]]:
    """By partition: rows added, rows removed, and of rows in both the changed cells by column."""
    found: dict[str, tuple[int, int, dict[str, int]]] = {}
    some = after if after is not None else before
    assert some is not None  # a table that neither release holds isn't asked about
    left = (some.iloc[:0] if before is None else before).set_index(key)
    right = (some.iloc[:0] if after is None else after).set_index(key)
    added = right.loc[~right.index.isin(left.index), "partition_key"].value_counts()
    removed = left.loc[~left.index.isin(right.index), "partition_key"].value_counts()
    both = right.index.intersection(left.index)
    was, now = left.loc[both], right.loc[both]
    cells: dict[str, dict[str, int]] = defaultdict(dict)
    for column in dict.fromkeys([*was.columns, *now.columns]):
        if column in _OWN:
            continue
        if column in was and column in now:
            equal = (was[column] == now[column]).fillna(False) | (was[column].isna() & now[column].isna())
        else:  # a column that came or went changes the cells that hold something
            equal = (was if column in was else now)[column].isna()
        for partition, n in now.loc[~equal.to_numpy(bool), "partition_key"].value_counts().items():
            cells[str(partition)][column] = int(n)
    for partition in {*added.index, *removed.index, *cells}:
        found[str(partition)] = (
            int(added.get(partition, 0)),
            int(removed.get(partition, 0)),
            cells.get(str(partition), {}),
        )
    return found
