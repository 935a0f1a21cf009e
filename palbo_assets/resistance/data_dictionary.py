"""The data dictionary: one row per column of every product, from the products' own declarations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from palbo_assets.platform.tables import Table, dictionary_rows
from palbo_assets.resistance.features import Catalogue


def dictionary(tables: Iterable[Table], catalogue: Catalogue) -> list[dict[str, Any]]:
    """Rows of ``data_dictionary``: tables by name, columns in their order.

    A wide table's column that belongs to a feature names the product it is from in ``source``.
    """
    sources: Mapping[str, str] = {feature.name: feature.table for feature in catalogue.features}
    rows = []
    for table in sorted(tables, key=lambda one: one.name):
        for position, row in enumerate(dictionary_rows(table), start=1):
            parts = str(row["column_name"]).split("__")
            rows.append(
                {
                    **row,
                    "position": position,
                    "grain": table.grain,
                    "source": sources.get("__".join(parts[:2])) if table.name.startswith("integrated_") else None,
                }
            )
    return rows


def contract_hash(tables: Iterable[Table], catalogue: Catalogue) -> str:
    """Hash of everything the dictionary states: a changed declaration makes the dictionary due."""
    content = json.dumps(dictionary(tables, catalogue), sort_keys=True)
    return hashlib.sha256(content.encode("utf-8")).hexdigest()[:24]
