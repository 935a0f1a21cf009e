"""One scan of the landing zone: list, hash, verify, decide, record, answer.

Everything decided is derived anew from what lies there, what was read before and when each file was first seen; so a
scan may be killed at any point and repeated, and files may arrive in any order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from palbo_assets.landing.admission import STATE, Budget
from palbo_assets.landing.claims import Claimed, Registry, claimed_entries
from palbo_assets.landing.entry import Entry
from palbo_assets.landing.ledger import landed_file, landing_seen, read_all
from palbo_assets.landing.names import MANIFEST_ROLE
from palbo_assets.landing.offline import check
from palbo_assets.landing.problem import Status, problem
from palbo_assets.landing.receipt import receipt, write_receipt
from palbo_assets.landing.record import record
from palbo_assets.landing.relabel import events, fingerprint, in_force
from palbo_assets.landing.report import FileVerdict, ScanReport
from palbo_assets.landing.settings import Settings
from palbo_assets.landing.state import remember, state_of
from palbo_assets.landing.work import report_of, unread, work
from palbo_assets.landing.zone import Zone, scan_zone
from palbo_assets.platform import formats
from palbo_assets.platform.formats import Context

__all__ = ["ScanReport", "check", "scan"]


def scan(
    engine: sa.Engine,
    landing: Path,
    *,
    withdrawn: frozenset[str] = frozenset(),
    genome: Context | None = None,
    settings: Settings | None = None,
    now: datetime | None = None,
    registry: Registry | None = None,
) -> ScanReport:
    """Take in what lies in the landing zone, record it in the ledger, and write receipts.

    Parameters
    ----------
    withdrawn
        Patients whose files aren't taken (``E_CONSENT``).
    genome
        The study's build name and contig lengths in bases; ``siblings`` is not used.
    settings
        Limits; a scan that reaches them leaves the rest to the next one (`ScanReport.unfinished`).
    now
        Aware time of the scan. Only differences count; the files' own times are never used.
    """
    known = formats.registry() if registry is None else registry
    limits = settings or Settings()
    context = genome or Context()
    seconds = (now or datetime.now(UTC)).timestamp()
    budget = Budget(limits.seconds_per_scan, limits.bytes_per_scan)
    if not landing.is_dir():
        # An unmounted disk isn't a zone that was emptied.
        return ScanReport(problems={"": (problem("E_NO_LANDING_ZONE", "the landing zone isn't there"),)})
    zone = scan_zone(landing)
    relabels = in_force(events(engine))
    corrected = fingerprint(relabels)
    state = state_of(zone, withdrawn, context, limits, known, corrected)
    with engine.connect() as connection:
        seen = read_all(connection, landing_seen)
        if seen.get(STATE, {}).get("sha256") == state:
            return ScanReport(quiet=True, awaited=tuple(zone.unfinished), seconds=budget.spent)
        stored = read_all(connection, landed_file)
    claimed = claimed_entries(zone, landing, known, limits)
    entries = work(claimed, seen, stored, engine, landing, limits, budget, seconds, context, known, withdrawn, relabels)
    changed, touched = record(entries, stored, claimed, engine)
    touched |= {entry.delivery for entry in entries if entry.status is None or unread(entry)}
    touched |= _new_manifests(claimed, seen)
    written, refused = _answer(zone, entries, claimed, stored, touched)
    report = report_of(entries, changed, stored, claimed, zone, landing, budget)
    report = replace(report, receipts_written=written, receipts_refused=refused, seconds=budget.spent)
    finished = not (report.remaining or report.settling or refused)
    remember(engine, claimed, seconds, state_of(zone, withdrawn, context, limits, known, corrected) if finished else "")
    return report


def _new_manifests(claimed: Claimed, seen: Mapping[str, Mapping[str, Any]]) -> set[str]:
    found = set()
    for manifest in claimed.manifests:
        known = seen.get(manifest.path)
        if known is None or (known["size"], known["mtime_ns"], known["inode"]) != manifest.fingerprint:
            found.add(manifest.path.rpartition("/")[0])
    return found


def _answer(
    zone: Zone,
    entries: Iterable[Entry],
    claimed: Claimed,
    stored: Mapping[str, Mapping[str, Any]],
    touched: Collection[str],
) -> tuple[int, int]:
    """Write the receipts of deliveries that something was decided about; (files written, folders that refused)."""
    grouped: dict[str, list[FileVerdict]] = defaultdict(list)
    for entry in entries:
        if entry.role != MANIFEST_ROLE and (entry.present or entry.delivery not in claimed.frozen):
            grouped[entry.delivery].append(FileVerdict.of(entry))
    for row in stored.values():  # a delivery whose manifest can't be read keeps its verdicts
        if row["delivery"] in claimed.frozen and row["status"] != Status.ACCEPTED and row["role"] != MANIFEST_ROLE:
            grouped[row["delivery"]].append(FileVerdict.of_row(row))
    written = refused = 0
    for delivery in zone.deliveries:
        if delivery.has_receipt and delivery.path not in touched:
            continue
        content = receipt(delivery.path, grouped[delivery.path], claimed.problems.get(delivery.path, ()))
        try:
            written += write_receipt(delivery.folder, content)
        except OSError:
            refused += 1
        delivery.has_receipt = True
    return written, refused
