"""The platform's own tables: what is published, who may publish, what failed, and who did what."""

from __future__ import annotations

import sqlalchemy as sa

SYSTEM = sa.MetaData()
"""Tables of the platform itself."""

product_version = sa.Table(
    "product_version",
    SYSTEM,
    sa.Column("asset", sa.Text, primary_key=True),
    sa.Column("partition_key", sa.Text, primary_key=True),
    sa.Column("data_version", sa.Text, nullable=False),
    sa.Column("content_sha256", sa.Text, nullable=False),
    sa.Column("n_rows", sa.BigInteger, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("code_version", sa.Text, nullable=False),
    sa.Column("inputs", sa.Text, nullable=False, comment="JSON: files, upstream versions, references, settings"),
    sa.Column("published_at", sa.Text, nullable=False, comment="UTC"),
    comment="The current version of every published partition",
)

partition_lease = sa.Table(
    "partition_lease",
    SYSTEM,
    sa.Column("asset", sa.Text, primary_key=True),
    sa.Column("partition_key", sa.Text, primary_key=True),
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    comment="Fencing tokens: only the step that took the newest token may publish",
)

product_failure = sa.Table(
    "product_failure",
    SYSTEM,
    sa.Column("asset", sa.Text, primary_key=True),
    sa.Column("partition_key", sa.Text, primary_key=True),
    sa.Column("data_version", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("failed_at", sa.Text, nullable=False, comment="UTC"),
    comment="Partitions whose current inputs can't be used; the last good version stays",
)

audit_log = sa.Table(
    "audit_log",
    SYSTEM,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("at", sa.Text, nullable=False, comment="UTC"),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("object", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False, comment="JSON"),
    comment="Who did what, append only",
)
