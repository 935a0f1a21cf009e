"""Alembic's environment: engine and target metadata are handed in by `palbo_assets.schema`."""

from __future__ import annotations

from alembic import context

from palbo_assets.platform.database import write_transaction

with write_transaction(context.config.attributes["engine"]) as connection:
    context.configure(
        connection=connection,
        target_metadata=context.config.attributes["target_metadata"],
        render_as_batch=connection.dialect.name == "sqlite",
        transactional_ddl=True,
        # Dagster keeps its own `alembic_version` when both share a database.
        version_table=context.config.attributes["version_table"],
    )
    context.run_migrations()
