"""Rows that a revision can't carry over because they follow from others: they are made anew.

A wide table gains columns that are never null whenever a feature is added. What old rows would hold there isn't known,
and a default would be a lie; without a recorded version their partitions are due, and the next pass makes them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


def make_anew(*tables: str) -> None:
    """Empty derived tables and forget that their partitions were published."""
    for table in tables:
        op.execute(sa.delete(sa.table(table)))
        forget(table)


def forget(asset: str) -> None:
    """Drop what is recorded of an asset's partitions; its audit trail stays."""
    for record in ("product_version", "product_failure"):
        of = sa.table(record, sa.column("asset", sa.Text))
        op.execute(sa.delete(of).where(of.c.asset == asset))
