"""The work of one scan on a set of claimed files: hash, remember, pair, verify, decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from palbo_assets.landing.admission import Budget, read_contents, verify_contents
from palbo_assets.landing.claims import Claimed, Registry
from palbo_assets.landing.companions import pair
from palbo_assets.landing.decide import decide
from palbo_assets.landing.entry import Entry, entry_of_row
from palbo_assets.landing.files import landed
from palbo_assets.landing.names import INDEX_ROLE, MANIFEST_ROLE
from palbo_assets.landing.problem import Status, problem
from palbo_assets.landing.relabel import Content, Relabel, apply
from palbo_assets.landing.report import FileVerdict, ScanReport
from palbo_assets.landing.settings import Settings
from palbo_assets.landing.zone import Zone
from palbo_assets.platform.formats import Context

UNSETTLED = ("W_SETTLING", "W_CHANGING")


def work(
    claimed: Claimed,
    seen: Mapping[str, Mapping[str, Any]],
    stored: Mapping[str, Mapping[str, Any]],
    engine: sa.Engine,
    landing: Path,
    settings: Settings,
    budget: Budget,
    now: float,
    genome: Context,
    registry: Registry,
    withdrawn: frozenset[str],
    relabels: Mapping[Content, Relabel] | None = None,
) -> list[Entry]:
    """Every entry of the zone, with what the ledger remembers beside it, decided."""
    entries = claimed.entries
    for entry in entries:
        if entry.patient_id in withdrawn and entry.problem is None:
            entry.problem = problem("E_CONSENT", "the patient has withdrawn consent", column="patient_id")
    read_contents(entries, claimed.listed, seen, engine, settings, budget, now)
    entries = _with_remembered(entries, stored, claimed, landing, registry)
    apply(entries, relabels or {})
    for entry in entries:
        row = stored.get(entry.id)
        if row is not None and not (row["status"] == Status.SUPERSEDED and row["reason"] != "W_SUPERSEDED"):
            entry.received_at = row["received_at"]  # a file put back after it was replaced counts as new
    pair(entries)
    verify_contents(entries, stored, engine, settings, budget, genome)
    decide(entries, withdrawn)
    return entries


def _with_remembered(
    entries: list[Entry],
    stored: Mapping[str, Mapping[str, Any]],
    claimed: Claimed,
    landing: Path,
    registry: Registry,
) -> list[Entry]:
    """Entries joined by accepted files that aren't looked at now: deleted since, or in a delivery that can't be read.

    A file that was taken and has been deleted isn't missing, though the manifest still names it.
    """
    by_path = {entry.path: entry for entry in entries}
    remembered: list[Entry] = []
    instead_of: set[str] = set()
    for row in stored.values():
        if row["status"] != Status.ACCEPTED or not row["sha256"] or row["role"] in (INDEX_ROLE, MANIFEST_ROLE):
            continue
        here = by_path.get(row["path"])
        if here is not None and here.present and (here.sha256 or not unread(here)):
            continue
        entry = entry_of_row(row, landing, registry)
        entry.present = (here is not None and here.present) or row["delivery"] in claimed.frozen
        remembered.append(entry)
        if here is not None and not here.present:
            instead_of.add(here.path)
    return [entry for entry in entries if entry.path not in instead_of] + remembered


def unread(entry: Entry) -> bool:
    """Whether the entry's content isn't known only because the scan hasn't got to it."""
    return not entry.sha256 and (entry.problem is None or entry.problem.code in UNSETTLED)


def report_of(
    entries: Sequence[Entry],
    changed: Sequence[Entry],
    stored: Mapping[str, Mapping[str, Any]],
    claimed: Claimed,
    zone: Zone,
    landing: Path,
    budget: Budget,
) -> ScanReport:
    accepted = [
        landed(entry.row(), landing)
        for entry in changed
        if entry.status is Status.ACCEPTED
        and entry.role != INDEX_ROLE
        and (entry.id not in stored or stored[entry.id]["status"] != Status.ACCEPTED)
    ]
    return ScanReport(
        files=tuple(FileVerdict.of(entry) for entry in sorted(entries, key=lambda entry: (entry.path, entry.sha256))),
        changed=tuple(FileVerdict.of(entry) for entry in changed),
        newly_accepted=tuple(accepted),
        problems={path: tuple(found) for path, found in claimed.problems.items() if found},
        remaining=sum(entry.status is None for entry in entries),
        settling=sum(entry.problem is not None and entry.problem.code in UNSETTLED for entry in entries),
        awaited=tuple(zone.unfinished),
        bytes_hashed=budget.hashed,
        files_verified=budget.files_verified,
    )
