"""The descriptor of a release: Data Package and Table Schema (https://datapackage.org/standard)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from palbo_assets.platform.store import file_sha256
from palbo_assets.platform.tables import Column, Table, Type

DESCRIPTOR, VERSIONS, CHECKSUMS = "datapackage.json", "versions.json", "SHA256SUMS"
TYPES = {Type.TEXT: "string", Type.INTEGER: "integer", Type.REAL: "number", Type.BOOLEAN: "boolean"}
FORMATS = {"parquet": ("tables", "application/vnd.apache.parquet"), "csv": ("csv", "text/csv")}


def descriptor(
    name: str, study: str, tables: Iterable[Table], folder: Path, *, note: str = "", controlled: bool = False
) -> bytes:
    """``datapackage.json`` of the files below ``folder``: a resource a file, with checksum and schema."""
    resources = []
    for table in tables:
        for kind, (place, media_type) in FORMATS.items():
            path = f"{place}/{table.name}.{kind}"
            file = folder / path
            if file.is_file():
                columns = table.stored_columns if kind == "parquet" else table.columns
                resources.append(
                    {
                        # Names are unique in a package: the Parquet file has the table's.
                        "name": table.name.replace("_", "-") + ("" if kind == "parquet" else f"-{kind}"),
                        "path": path,
                        "format": kind,
                        "mediatype": media_type,
                        "encoding": "utf-8",
                        "bytes": file.stat().st_size,
                        "hash": f"sha256:{file_sha256(file)}",
                        "description": f"{table.description}. A row a {table.grain}.",
                        "schema": schema(table, columns),
                    }
                )
    package = {
        "name": f"{study}-{name}".lower(),
        "title": f"{study}: release {name}",
        "description": note,
        "version": name,
        "access": "controlled" if controlled else "open to holders of a data-use agreement",
        "resources": resources,
    }
    return json.dumps(package, indent=1, ensure_ascii=False).encode()


def schema(table: Table, columns: Iterable[Column]) -> dict[str, Any]:
    """Table Schema of a table; what the standard has no word for (the unit) stands beside it."""
    return {
        "fields": [_field(column) for column in columns],
        "primaryKey": list(table.key),
        "missingValues": [""],
    }


def _field(column: Column) -> dict[str, Any]:
    constraints: dict[str, Any] = {"required": True} if column.key or not column.nullable else {}
    if column.allowed:
        constraints["enum"] = list(column.allowed)
    if column.minimum is not None:
        constraints["minimum"] = column.minimum
    if column.maximum is not None:
        constraints["maximum"] = column.maximum
    field: dict[str, Any] = {"name": column.name, "type": TYPES[column.type], "description": column.description}
    if column.type is Type.BOOLEAN:
        field |= {"trueValues": ["True"], "falseValues": ["False"]}
    if column.unit:
        field["unit"] = column.unit
    if constraints:
        field["constraints"] = constraints
    return field


def tables_of(folder: Path) -> Mapping[str, list[str]]:
    """Primary key of each table of a release, by the table's name."""
    package = json.loads((folder / DESCRIPTOR).read_text(encoding="utf-8"))
    return {
        Path(resource["path"]).stem: resource["schema"]["primaryKey"]
        for resource in package["resources"]
        if resource["format"] == "parquet"
    }
