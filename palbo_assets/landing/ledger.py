"""The landing's own tables: what landed and what became of it, and two caches that make a scan cheap.

`landed_file` is the record (and the outbox: what is accepted and not yet published is due). `landing_seen` and
`landing_verdict` only remember work: emptying them changes no decision, it costs one slow scan.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

metadata = sa.MetaData()


def _text(name: str, comment: str, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="", comment=comment, **options)


landed_file = sa.Table(
    "landed_file",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="SHA-256 of path and content hash"),
    _text("path", "Path in the landing zone; unsafe characters escaped"),
    _text("delivery", "Folder of the delivery in the landing zone"),
    _text("lab", "First folder of the path"),
    sa.Column("size", sa.BigInteger, nullable=False, server_default="0", comment="bytes"),
    sa.Column("mtime_ns", sa.BigInteger, nullable=False, server_default="0", comment="As seen; never used for order"),
    _text("sha256", "Content hash; empty while the content hasn't been read"),
    _text("modality", "Modality the file was delivered as"),
    _text("role", "Role within the sample; 'index' and 'manifest' are the landing's own"),
    _text("scope", "sample, patient, batch or cohort"),
    _text("patient_id", "Empty where the file holds many patients"),
    _text("timepoint", "Canonical timepoint, or empty"),
    _text("batch_key", "Batch (plate, export) of a file that holds many patients"),
    _text("specimen_id", "Specimen as the lab names it"),
    _text("sample_name", "Name of the sample inside the file"),
    _text("genome_build", "As delivered"),
    _text("panel_version", "As delivered"),
    _text("library", "As delivered"),
    _text("site", "As delivered"),
    _text("status", "ACCEPTED, WAITING, QUARANTINED, SUPERSEDED or DUPLICATE"),
    _text("reason", "Stable code; empty when there is nothing to say"),
    _text("message", "One sentence, without cell values"),
    sa.Column("row", sa.BigInteger, comment="1-based line that the reason is about"),
    _text("column", "Column that the reason is about"),
    _text("fix", "What to do, in plain words"),
    _text("facts", "JSON: what verification learnt"),
    _text("received_at", "UTC"),
    _text("supersedes", "id of the file that this one replaced"),
    _text("verified_by", "Verifier and version"),
    sa.Column("claimed_patient_id", sa.Text, comment="Patient of the lab's claim, where a correction overrules it"),
    sa.Column("claimed_timepoint", sa.Text, comment="Timepoint of the lab's claim, where a correction overrules it"),
    sa.Index("ix_landed_file_status", "status", "modality"),
    sa.Index("ix_landed_file_patient", "patient_id"),
    comment="Every file that ever landed, with its status and reason",
)

landing_seen = sa.Table(
    "landing_seen",
    metadata,
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("mtime_ns", sa.BigInteger, nullable=False),
    sa.Column("inode", sa.BigInteger, nullable=False),
    sa.Column("first_seen", sa.Double, nullable=False, comment="Seconds since 1970 by this machine's clock"),
    _text("sha256", "Content hash of exactly this fingerprint; empty until read"),
    comment="Fingerprints of what lies in the landing zone, so that unchanged files aren't read again",
)

landing_relabel = sa.Table(
    "landing_relabel",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    _text("correction", "The files that one command corrected share it"),
    _text("action", "relabel or undo"),
    _text("at", "UTC"),
    _text("actor", "Who corrected"),
    _text("reason", "Why, in the words of who corrected"),
    _text("sha256", "Content hash of the file; a correction follows the content"),
    _text("sample", "Sample inside, of a file that holds several"),
    _text("path", "Where the file lay"),
    _text("specimen_id", "Specimen as the lab names it; a correction doesn't rename it"),
    _text("patient_before", ""),
    _text("timepoint_before", ""),
    _text("patient_after", ""),
    _text("timepoint_after", ""),
    sa.Index("ix_landing_relabel_content", "sha256"),
    comment="Corrections of labels, and their undoing; rows are only ever added",
)

landing_verdict = sa.Table(
    "landing_verdict",
    metadata,
    sa.Column("key", sa.Text, primary_key=True, comment="Hash of content, claim, companions and genome"),
    _text("code", "Reason code; empty when the file is good"),
    _text("message", ""),
    _text("fix", ""),
    sa.Column("row", sa.BigInteger),
    _text("column", ""),
    _text("facts", "JSON"),
    _text("batch_key", ""),
    _text("verified_by", "Verifier and version"),
    comment="What verifiers said, so that no content is parsed twice under the same claim",
)


def file_id(path: str, sha256: str) -> str:
    """Identity of a landed file: the same content at the same place."""
    return hashlib.sha256(f"{path}\0{sha256}".encode()).hexdigest()


def read_all(connection: sa.Connection, table: sa.Table) -> dict[str, dict[str, Any]]:
    """Every row by primary key."""
    key = next(iter(table.primary_key.columns)).name
    names = [column.name for column in table.columns]
    rows = (dict(zip(names, row, strict=True)) for row in connection.execute(sa.select(table)))
    return {row[key]: row for row in rows}


def upsert(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, replacing those whose primary key exists."""
    if not rows:
        return
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table)
    keys = [column.name for column in table.primary_key.columns]
    replaced = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=replaced), list(rows))


def delete_keys(connection: sa.Connection, table: sa.Table, keys: Sequence[str]) -> None:
    """Delete rows by primary key."""
    key = next(iter(table.primary_key.columns))
    if keys:
        connection.execute(sa.delete(table).where(key == sa.bindparam("gone")), [{"gone": value} for value in keys])


def encode_facts(facts: Mapping[str, Any]) -> str:
    return json.dumps(dict(facts), sort_keys=True, ensure_ascii=False) if facts else ""


def decode_facts(text: str) -> dict[str, Any]:
    return dict(json.loads(text)) if text else {}


def chunks(items: Iterable[Any], size: int) -> Iterable[list[Any]]:
    """Lists of at most ``size`` items, in order."""
    listed = list(items)
    for start in range(0, len(listed), size):
        yield listed[start : start + size]
