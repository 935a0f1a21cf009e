"""Writing a scan's decisions into the ledger: only what changed, all of it in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from palbo_assets.landing.claims import Claimed
from palbo_assets.landing.entry import Entry
from palbo_assets.landing.ledger import delete_keys, landed_file, upsert
from palbo_assets.landing.problem import Status, problem
from palbo_assets.landing.work import UNSETTLED, unread
from palbo_assets.platform.database import write_transaction


def record(
    entries: Sequence[Entry], stored: Mapping[str, Mapping[str, Any]], claimed: Claimed, engine: sa.Engine
) -> tuple[list[Entry], set[str]]:
    """Write what changed, in one transaction: a reader never sees a file and its successor both accepted.

    Returns the entries whose row was written, and the deliveries that anything changed in.
    """
    rows: dict[str, dict[str, Any]] = {}
    changed: list[Entry] = []
    for entry in entries:
        if entry.status is None or (
            entry.problem is not None and entry.problem.code in UNSETTLED and entry.id not in stored
        ):
            continue
        row = entry.row()
        before = stored.get(row["id"])
        if before != row and not _only_fresher(before, row):
            rows[row["id"]] = row
            changed.append(entry)
    replaced, gone = _left_behind(entries, stored, claimed)
    for row in replaced:
        rows[row["id"]] = row
    if rows or gone:
        with write_transaction(engine) as connection:
            delete_keys(connection, landed_file, gone)
            upsert(connection, landed_file, list(rows.values()))
    return changed, {row["delivery"] for row in rows.values()} | {stored[key]["delivery"] for key in gone}


def _only_fresher(before: Mapping[str, Any] | None, row: Mapping[str, Any]) -> bool:
    """Whether a row differs only in the file's own time (it was touched) or in the time of its arrival."""
    times = ("mtime_ns", "received_at")
    return before is not None and all(before[name] == value for name, value in row.items() if name not in times)


def _left_behind(
    entries: Iterable[Entry], stored: Mapping[str, Mapping[str, Any]], claimed: Claimed
) -> tuple[list[dict[str, Any]], list[str]]:
    """Ledger rows of earlier contents that now count as superseded, and ids of rows that stood for no content."""
    entries = list(entries)
    ids = {entry.id for entry in entries}
    by_path = {entry.path: entry for entry in entries if entry.present and entry.status is not None}
    not_read = {entry.path for entry in entries if entry.status is None or unread(entry)}
    replaced: list[dict[str, Any]] = []
    gone: list[str] = []
    for row in stored.values():
        if row["id"] in ids or row["path"] in not_read or row["delivery"] in claimed.frozen:
            continue
        here = by_path.get(row["path"])
        refused = row["status"] == Status.QUARANTINED
        if not row["sha256"] and not refused and row["status"] != Status.SUPERSEDED:
            gone.append(row["id"])  # it stood for a file that was missing, unnamed or an index
        elif row["status"] == Status.SUPERSEDED or (row["sha256"] and here is None):
            continue
        elif refused:  # the reason stays, as the history of what was wrong
            replaced.append({**row, "status": str(Status.SUPERSEDED)})
        else:
            note = problem("W_REPLACED", "other content has taken the file's place")
            replaced.append(
                {
                    **row,
                    "status": str(Status.SUPERSEDED),
                    "reason": note.code,
                    "message": note.message,
                    "fix": note.fix,
                    "row": None,
                    "column": "",
                }
            )
    return replaced, gone
