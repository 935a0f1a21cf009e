"""The migrations and the declarations agree, on each kind of database, upwards and downwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command

import palbo_assets.definitions  # noqa: F401  (declares every product)
from palbo_assets import schema
from palbo_assets.platform.config import Home
from palbo_assets.platform.product import SPECS
from palbo_assets.platform.tables import Storage, Table, integer, text
from palbo_assets.platform.warehouse import Warehouse

TABLES = [spec.table for spec in SPECS.values()]


@pytest.fixture
def warehouse(tmp_path: Path, database_url: str) -> Iterator[Warehouse]:
    opened = Warehouse(Home.at(tmp_path, database_url))
    yield opened
    opened.close()


def names(warehouse: Warehouse) -> set[str]:
    return set(sa.inspect(warehouse.engine).get_table_names())


def added(changes: list[Any]) -> set[tuple[str, str]]:
    return {(change[0], change[1].name) for change in changes if change[0] in ("add_table", "add_index")}


def test_from_nothing_to_what_the_rooms_declare(warehouse: Warehouse) -> None:
    schema.upgrade(warehouse, TABLES)
    assert schema.differences(warehouse, TABLES) == []
    assert names(warehouse) == {*schema.whole_schema(TABLES).tables, schema.VERSION_TABLE}


def test_a_second_upgrade_changes_nothing_and_keeps_rows(warehouse: Warehouse) -> None:
    schema.upgrade(warehouse, TABLES)
    warehouse.take_lease("calls", "P1|BL", "run")
    before = names(warehouse)
    schema.upgrade(warehouse, TABLES)
    assert names(warehouse) == before
    assert warehouse.take_lease("calls", "P1|BL", "run") == 2


def test_down_to_base_leaves_no_table_of_the_platform(warehouse: Warehouse) -> None:
    schema.upgrade(warehouse, TABLES)
    before = names(warehouse)
    command.downgrade(schema._config(warehouse.engine, TABLES), "base")
    assert names(warehouse) == {schema.VERSION_TABLE}
    schema.upgrade(warehouse, TABLES)
    assert names(warehouse) == before


WIDE = ("integrated_resistance_table", "integrated_resistance_pairs")


@pytest.mark.parametrize("revision", ["0001", "0002", "0003"])
def test_an_older_installation_with_rows_is_upgraded_and_its_wide_tables_are_made_anew(
    warehouse: Warehouse, revision: str
) -> None:
    """New features are columns that are never null: what old rows would hold there isn't known."""
    command.upgrade(schema._config(warehouse.engine, TABLES), revision)
    old = sa.MetaData()
    old.reflect(warehouse.engine)
    with warehouse.engine.begin() as connection:
        for name in (*WIDE, "patients"):
            connection.execute(old.tables[name].insert().values(_any_row(old.tables[name])))
            versions = old.tables["product_version"]
            connection.execute(versions.insert().values({**_any_row(versions), "asset": name, "inputs": "{}"}))
    schema.upgrade(warehouse, TABLES)
    assert schema.differences(warehouse, TABLES) == []
    with warehouse.engine.connect() as connection:
        rows = {
            name: connection.execute(sa.text(f"SELECT count(*) FROM {name}")).scalar() for name in (*WIDE, "patients")
        }
    assert rows == {**dict.fromkeys(WIDE, 0), "patients": 1}
    assert {asset for asset, _ in warehouse.versions()} == {"patients"}


def _any_row(table: sa.Table) -> dict[str, Any]:
    """A value of the column's type wherever one must be."""
    return {
        column.name: "x" if isinstance(column.type, sa.Text | sa.String) else column.type.python_type(1)
        for column in table.columns
        if not column.nullable
    }


def test_a_table_that_no_revision_makes_is_reported(warehouse: Warehouse) -> None:
    schema.upgrade(warehouse, TABLES)
    new = Table("not_migrated", "d", "row", (text("key", "k", key=True), integer("n", "n")))
    assert "not_migrated" not in names(warehouse)
    found = added(schema.differences(warehouse, [*TABLES, new])) - added(schema.differences(warehouse, TABLES))
    assert found == {("add_table", "not_migrated"), ("add_index", "ix_not_migrated_partition")}


def test_a_table_that_is_only_in_files_needs_no_migration(warehouse: Warehouse) -> None:
    schema.upgrade(warehouse, TABLES)
    before = added(schema.differences(warehouse, TABLES))
    in_files = Table("in_files", "d", "row", (text("key", "k", key=True),), Storage.PARQUET)
    assert added(schema.differences(warehouse, [*TABLES, in_files])) == before
