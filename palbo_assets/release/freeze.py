"""Frozen releases: every product as it stands, in one folder that is checked, cited and never changed.

A release is a Data Package (https://datapackage.org/standard/data-package): a Parquet file a table (and a CSV of what
SQL holds), each column with its type, unit and meaning, `versions.json` with what every partition was made of, and
`SHA256SUMS`. The same published versions give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import PalboError
from palbo_assets.platform.parquet import parquet_bytes
from palbo_assets.platform.store import file_sha256, staging_path
from palbo_assets.platform.tables import Storage, Table
from palbo_assets.release.data_package import CHECKSUMS, DESCRIPTOR, VERSIONS, descriptor
from palbo_assets.release.disclosure import WITHHELD, germline_alleles, without_germline

if TYPE_CHECKING:
    import pandas as pd

    from palbo_assets.platform.provenance import ProductSpec
    from palbo_assets.platform.warehouse import Published, Warehouse

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
ATTEMPTS = 3
Versions = Mapping[tuple[str, str], "Published"]


@dataclass(frozen=True)
class Release:
    """What was frozen. ``sha256`` is the checksum of ``SHA256SUMS`` and so names the whole content."""

    name: str
    folder: Path
    sha256: str
    tables: int
    rows: int
    patients: int
    controlled: bool


@dataclass(frozen=True)
class State:
    """What of the study is not in the products at this moment: partitions due, and those whose inputs failed."""

    due: Sequence[str] = ()
    failed: Sequence[str] = ()


def freeze(
    warehouse: Warehouse,
    specs: Mapping[str, ProductSpec],
    name: str,
    *,
    study: str,
    state: State,
    withdrawn: frozenset[str] = frozenset(),
    note: str = "",
    controlled: bool = False,
) -> Release:
    """Write release ``name`` below the installation's ``releases`` folder, whole or not at all.

    Rows of ``withdrawn`` patients are left out. Unless ``controlled``, so is what identifies a person
    (:mod:`palbo_assets.release.disclosure`).

    Raises
    ------
    PalboError
        ``E_RELEASE_NAME``, ``E_RELEASE_EXISTS``; ``E_NOT_PUBLISHED`` when nothing is; ``E_BUSY`` when products are
        published faster than they are read.
    """
    folder = warehouse.home.releases / name
    if not NAME.fullmatch(name):
        raise PalboError(
            "E_RELEASE_NAME",
            "a release is named by up to 64 letters, digits, dots, hyphens and underscores",
            fix="for instance 2026-11 or interim-1",
        )
    if folder.exists():
        raise PalboError(
            "E_RELEASE_EXISTS", "a release of that name exists, and releases never change", fix="choose another name"
        )
    staging = staging_path(folder.parent)
    try:
        for _ in range(ATTEMPTS):
            versions = warehouse.versions()
            if not versions:
                raise PalboError("E_NOT_PUBLISHED", "no product is published yet", fix="run `palbo ingest` first")
            shutil.rmtree(staging, ignore_errors=True)
            rows, patients = _write_tables(warehouse, specs, staging, withdrawn, controlled)
            if warehouse.versions() == versions:
                break
        else:
            raise PalboError("E_BUSY", "products are being published", fix="wait until no run is under way")
        _write(staging / VERSIONS, _versions_json(versions, specs, rows))
        listed = [specs[table].table for table in rows]
        _write(staging / DESCRIPTOR, descriptor(name, study, listed, staging, note=note, controlled=controlled))
        _write(staging / "README.md", _readme(name, study, rows, patients, state, note, controlled))
        sums = _checksums(staging)
        _write(staging / CHECKSUMS, sums)
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    for path in (*folder.rglob("*"), folder):
        path.chmod(0o550 if path.is_dir() else 0o440)
    return Release(
        name, folder, hashlib.sha256(sums).hexdigest(), len(rows), sum(rows.values()), len(patients), controlled
    )


def record(warehouse: Warehouse, release: Release, state: State, *, actor: str) -> None:
    """Note in the audit log who froze what."""
    with warehouse.transaction() as connection:
        warehouse.audit(
            connection,
            actor=actor,
            action="release",
            subject=release.name,
            detail={
                "sha256": release.sha256,
                "rows": release.rows,
                "controlled": release.controlled,
                "due": len(state.due),
                "failed": len(state.failed),
            },
        )


def _write_tables(
    warehouse: Warehouse,
    specs: Mapping[str, ProductSpec],
    folder: Path,
    withdrawn: frozenset[str],
    controlled: bool,
) -> tuple[dict[str, int], set[str]]:
    """Write each table that may leave; rows by table, and the patients that any of them names."""
    origins = warehouse.read(specs["ctdna_origins"].table) if not controlled and "ctdna_origins" in specs else None
    germline = None if origins is None else germline_alleles(origins)
    written: dict[str, int] = {}
    patients: set[str] = set()
    for name, spec in sorted(specs.items()):
        if name in WITHHELD and not controlled:
            continue
        rows = warehouse.read(spec.table, provenance=True)
        if "patient_id" in rows:
            rows = rows[~rows["patient_id"].isin(withdrawn)].reset_index(drop=True)
            patients |= set(rows["patient_id"])
        if germline is not None:
            rows = without_germline(name, rows, germline)
        _write(folder / "tables" / f"{name}.parquet", parquet_bytes(spec.table, rows))
        if spec.table.storage is Storage.SQL:
            _write(folder / "csv" / f"{name}.csv", _csv(spec.table, rows))
        written[name] = len(rows)
    return written, patients


def _csv(table: Table, rows: pd.DataFrame) -> bytes:
    """RFC 4180 with LF, UTF-8; null is empty. Provenance columns stay in the Parquet file."""
    return bytes(rows[list(table.column_names)].to_csv(index=False, lineterminator="\n"), "utf-8")


def _versions_json(versions: Versions, specs: Mapping[str, ProductSpec], tables: Mapping[str, int]) -> bytes:
    """What each published partition was made of, so that two releases can be held against each other."""
    rows = [
        {
            "product": product,
            "partition": key,
            "level": str(specs[product].level),
            "released": product in tables,
            "data_version": published.data_version,
            "content_sha256": published.content_sha256,
            "rows": published.n_rows,
            "code_version": published.code_version,
            "run_id": published.run_id,
            "published_at": published.published_at,
            "inputs": published.inputs,
        }
        for (product, key), published in sorted(versions.items())
        if product in specs
    ]
    return json.dumps(rows, indent=1, sort_keys=True).encode()


def _readme(
    name: str,
    study: str,
    rows: Mapping[str, int],
    patients: set[str],
    state: State,
    note: str,
    controlled: bool,
) -> bytes:
    tier = (
        "**Controlled**: it holds genotypes and germline alleles, which identify people. Don't pass it on."
        if controlled
        else "Left out: germline alleles, and "
        + "; ".join(f"`{table}` ({why})" for table, why in WITHHELD.items())
        + "."
    )
    stands = [f"{len(state.due)} partitions were due and {len(state.failed)} had failed when it was frozen."]
    if not state.due and not state.failed:
        stands = [
            "Nothing was due and nothing had failed when it was frozen. What was late or refused: `delivery_ledger`."
        ]
    stands += [f"* due: `{item}`" for item in state.due]
    stands += [f"* failed: `{item}`" for item in state.failed]
    text = f"""# {study}: release {name}

{note or "No note was given."}

{len(rows)} tables, {sum(rows.values()):,} rows, {len(patients)} patients; nobody whose consent is withdrawn. {tier}

| | |
|---|---|
| `tables/` | a Parquet file a table, units and meanings in the fields' metadata |
| `csv/` | the same as CSV (UTF-8; null is empty), but for the largest |
| `datapackage.json` | every column's type, unit, meaning and range; a Data Package that `frictionless` validates |
| `versions.json` | what each partition was made of: files by checksum, upstream versions, code, settings, references |
| `SHA256SUMS` | check with `sha256sum -c SHA256SUMS`; its own checksum names the release |

Start with `integrated_resistance_table` (patient and timepoint) and `integrated_resistance_pairs` (patient): each
value has a status beside it. Null is never 0, and absent is said only where it was measured with power.

## What isn't in it
{chr(10).join(stands)}
"""
    return text.encode()


def _checksums(folder: Path) -> bytes:
    files = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    return "".join(f"{file_sha256(folder / file)}  {file}\n" for file in files).encode()


def _write(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
