"""The warehouse's whole schema, and its migrations.

Tables are declared in the rooms; this module gathers them for alembic. `upgrade` brings any database to the newest
revision; a test asserts that the revisions and the declarations agree.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from palbo_assets.landing import ledger
from palbo_assets.platform.system_tables import SYSTEM
from palbo_assets.platform.tables import Storage, Table, sql_table
from palbo_assets.platform.warehouse import Warehouse

VERSION_TABLE = "palbo_schema_version"


def whole_schema(tables: Iterable[Table]) -> sa.MetaData:
    """Every SQL table of an installation: the platform's, the landing's, and the products' in ``tables``."""
    gathered = sa.MetaData()
    for source in (SYSTEM, ledger.metadata):
        for table in source.sorted_tables:
            table.to_metadata(gathered)
    for product_table in tables:
        if product_table.storage is Storage.SQL:
            sql_table(product_table, gathered)
    return gathered


def _config(engine: sa.Engine, tables: Iterable[Table]) -> Config:
    config = Config()
    config.set_main_option("script_location", "palbo_assets:migrations")
    config.attributes["engine"] = engine
    config.attributes["target_metadata"] = whole_schema(tables)
    config.attributes["version_table"] = VERSION_TABLE
    return config


def upgrade(warehouse: Warehouse, tables: Iterable[Table]) -> None:
    """Bring the database to the newest revision, and its comments to the declarations."""
    warehouse.home.create()
    config = _config(warehouse.engine, tables)
    command.upgrade(config, "head")
    _describe(warehouse.engine, config.attributes["target_metadata"])


def _describe(engine: sa.Engine, declared: sa.MetaData) -> None:
    """Write descriptions into the database where it keeps comments: a better wording is no revision of the schema."""
    if not engine.dialect.supports_comments:
        return
    inspector = sa.inspect(engine)
    tables, columns = inspector.get_multi_table_comment(), inspector.get_multi_columns()
    with engine.begin() as connection:
        for table in declared.sorted_tables:
            known = tables.get((None, table.name))
            if known is None or known["text"] != table.comment:
                connection.execute(sa.schema.SetTableComment(table))
            found = {column["name"]: column.get("comment") for column in columns.get((None, table.name), ())}
            for column in table.columns:
                if found.get(column.name) != column.comment:
                    connection.execute(sa.schema.SetColumnComment(column))


def new_revision(warehouse: Warehouse, tables: Iterable[Table], message: str) -> None:
    """Write a revision for what the declarations have and the database lacks (for developers)."""
    command.revision(_config(warehouse.engine, tables), message=message, autogenerate=True)


def differences(warehouse: Warehouse, tables: Iterable[Table]) -> list[object]:
    """What the declarations and the database don't agree on; empty after `upgrade`."""
    with warehouse.engine.connect() as connection:
        return list(
            compare_metadata(
                MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}), whole_schema(tables)
            )
        )
