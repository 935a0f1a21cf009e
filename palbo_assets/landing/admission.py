"""Reading what landed: hash, check against the manifest, verify in the sandbox. Work is remembered as it is done.

Both caches are committed every few hundred files, so a crash costs at most those; what is remembered is keyed by
content, so doing work twice gives the same answer. Raw files are only ever opened for reading.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from palbo_assets.landing.companions import met
from palbo_assets.landing.content import ChangingError, sha256_of, unchanged
from palbo_assets.landing.entry import Entry, stored_verdict
from palbo_assets.landing.ledger import (
    decode_facts,
    delete_keys,
    encode_facts,
    landing_seen,
    landing_verdict,
    read_all,
    upsert,
)
from palbo_assets.landing.problem import Problem, Status, problem
from palbo_assets.landing.sandbox import Sandbox, Verdict, verifier_name
from palbo_assets.landing.settings import MIB, Settings
from palbo_assets.platform.database import write_transaction
from palbo_assets.platform.formats import Context

if TYPE_CHECKING:
    import sqlalchemy as sa

# A larger file isn't read again because a companion that it doesn't need arrived.
_CHEAP_TO_REREAD = 64 * MIB
STATE = "."  # the row of landing_seen that holds the state of the last finished scan


@dataclass
class Budget:
    """What one scan may still spend. The first file is always done, so that every scan gets further."""

    seconds: float
    bytes: int
    started: float = field(default_factory=time.monotonic)
    hashed: int = 0
    files_hashed: int = 0
    files_verified: int = 0

    @property
    def spent(self) -> float:
        return time.monotonic() - self.started

    def allows_hashing(self, size: int) -> bool:
        return self.files_hashed == 0 or (self.spent < self.seconds and self.hashed + size <= self.bytes)

    def allows_verifying(self) -> bool:
        return self.files_verified == 0 or self.spent < self.seconds


def iso(seconds: float) -> str:
    """UTC text that sorts as the time does."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def read_contents(
    entries: Collection[Entry],
    listed: Collection[str],
    seen: Mapping[str, Mapping[str, Any]],
    engine: sa.Engine,
    settings: Settings,
    budget: Budget,
    now: float,
) -> None:
    """Give entries their content hash, from the cache or by reading, smallest files first.

    What isn't ``listed`` any more is forgotten.

    Sets ``W_SETTLING`` and ``W_CHANGING`` on files that aren't complete, ``E_CHECKSUM`` where the manifest states
    another hash. Entries beyond the budget stay without a hash.
    """
    fresh: list[dict[str, Any]] = []
    to_read: list[Entry] = []
    for entry in entries:
        if not entry.present or not entry.inode:
            entry.received_at = iso(now)
            continue
        known = seen.get(entry.path)
        if known is None or (known["size"], known["mtime_ns"], known["inode"]) != entry.fingerprint:
            known = _seen_row(entry, now, "")
            fresh.append(known)
        entry.received_at = iso(known["first_seen"])
        entry.sha256 = known["sha256"]
        if entry.problem is not None or entry.claim is None or entry.sha256:
            continue
        if not entry.claim.sha256 and now - known["first_seen"] < settings.settle_seconds:
            entry.problem = problem("W_SETTLING", "the file has no checksum and may still be growing")
            continue
        to_read.append(entry)
    gone = sorted(seen.keys() - set(listed) - {entry.path for entry in entries} - {STATE})
    if fresh or gone:
        with write_transaction(engine) as connection:
            upsert(connection, landing_seen, fresh)
            delete_keys(connection, landing_seen, gone)
    _hash(to_read, seen, engine, settings, budget, now)
    for entry in entries:
        stated = entry.claim.sha256 if entry.claim and entry.problem is None else ""
        if stated and entry.sha256 and stated != entry.sha256:
            text = "the content differs from the manifest's sha256"
            entry.problem = problem("E_CHECKSUM", text, row=entry.line, column="sha256")


def _hash(
    to_read: list[Entry],
    seen: Mapping[str, Mapping[str, Any]],
    engine: sa.Engine,
    settings: Settings,
    budget: Budget,
    now: float,
) -> None:
    done: list[dict[str, Any]] = []
    for entry in sorted(to_read, key=lambda entry: (entry.size, entry.path)):
        if not budget.allows_hashing(entry.size):
            break
        try:
            entry.sha256 = sha256_of(entry.on_disk, entry.fingerprint)
        except ChangingError:
            entry.problem = problem("W_CHANGING", "the file changed while it was read")
            continue
        budget.hashed += entry.size
        budget.files_hashed += 1
        first_seen = seen[entry.path]["first_seen"] if _same(seen.get(entry.path), entry) else now
        done.append(_seen_row(entry, first_seen, entry.sha256))
        if len(done) >= settings.rows_per_commit:
            _remember(engine, landing_seen, done)
    _remember(engine, landing_seen, done)


def _same(known: Mapping[str, Any] | None, entry: Entry) -> bool:
    return known is not None and (known["size"], known["mtime_ns"], known["inode"]) == entry.fingerprint


def _seen_row(entry: Entry, first_seen: float, sha256: str) -> dict[str, Any]:
    return {
        "path": entry.path,
        "size": entry.size,
        "mtime_ns": entry.mtime_ns,
        "inode": entry.inode,
        "first_seen": first_seen,
        "sha256": sha256,
    }


def _remember(engine: sa.Engine, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        with write_transaction(engine) as connection:
            upsert(connection, table, rows)
        rows.clear()


def verify_contents(
    entries: Iterable[Entry],
    stored: Mapping[str, Mapping[str, Any]],
    engine: sa.Engine,
    settings: Settings,
    budget: Budget,
    genome: Context,
) -> None:
    """Give entries their verdict, from the cache or by the sandbox; files that need no other come first.

    An entry whose needs aren't met is left without a verdict. One beyond the budget keeps what the ledger holds.
    """
    todo = [entry for entry in entries if _to_verify(entry)]
    if not todo:
        return
    with engine.connect() as connection:
        known = read_all(connection, landing_verdict)
    usable = set(todo) | {entry for entry in entries if entry.verdict is not None and entry.verdict.problem is None}
    done: list[dict[str, Any]] = []
    fresh: dict[str, Verdict] = {}
    with Sandbox(settings) as sandbox:
        for entry in sorted(todo, key=_verification_order):
            if not met(entry, usable):
                continue
            beside = _offered(entry, usable)
            key = _verdict_key(entry, beside, genome)
            entry.verdict = _cached(known.get(key), entry) or fresh.get(key)
            if entry.verdict is None and budget.allows_verifying():
                _verify(entry, beside, sandbox, genome)
                budget.files_verified += 1
                if entry.verdict is not None:
                    fresh[key] = entry.verdict
                    done.append(_verdict_row(key, entry.verdict))
            elif entry.verdict is None:
                _keep_stored(entry, stored)
            if entry.verdict is not None and entry.verdict.problem is not None:
                usable.discard(entry)
            if len(done) >= settings.rows_per_commit:
                _remember(engine, landing_verdict, done)
    _remember(engine, landing_verdict, done)


def _to_verify(entry: Entry) -> bool:
    return bool(
        entry.present and entry.inode and entry.problem is None and entry.sha256 and entry.file_format is not None
    )


def _verification_order(entry: Entry) -> tuple[bool, int, str]:
    needs = bool(entry.file_format and entry.file_format.needs)
    return needs, entry.size, entry.path


def _offered(entry: Entry, usable: Collection[Entry]) -> dict[str, Entry]:
    """The nearest companion of each role that isn't refused: a bad panel must not blame the file beside it."""
    nearest = {
        role: next((other for other in others if other in usable), None) for role, others in entry.companions.items()
    }
    return {role: other for role, other in nearest.items() if other is not None}


def _verify(entry: Entry, beside: Mapping[str, Entry], sandbox: Sandbox, genome: Context) -> None:
    assert entry.claim is not None and entry.file_format is not None
    siblings = {role: other.on_disk for role, other in beside.items()}
    if entry.index is not None:
        siblings["index"] = entry.index
    context = Context(siblings, genome.genome_build, genome.contig_lengths)
    try:
        # A verifier judges the file against what its lab says of it; a correction comes after.
        verdict = sandbox.verify(entry.on_disk, entry.delivered or entry.claim, context, entry.file_format)
    except FileNotFoundError:
        verdict = None
    if verdict is None or not unchanged(entry.on_disk, entry.fingerprint):
        entry.problem = problem("W_CHANGING", "the file changed while it was read")
    else:
        entry.verdict = verdict


def _keep_stored(entry: Entry, stored: Mapping[str, Mapping[str, Any]]) -> None:
    row = stored.get(entry.id)
    if row is not None and row["status"] in (Status.ACCEPTED, Status.DUPLICATE, Status.SUPERSEDED):
        entry.verdict = stored_verdict(row)


def _verdict_key(entry: Entry, beside: Mapping[str, Entry], genome: Context) -> str:
    """What a verdict depends on: content, claim, companions, genome. Not the verifier's version (see `_cached`)."""
    assert entry.claim is not None and entry.file_format is not None
    needed = {role for roles in entry.file_format.needs for role in roles}
    hashes = {role: other.sha256 for role, other in beside.items() if role in needed or entry.size <= _CHEAP_TO_REREAD}
    stated = entry.delivered or entry.claim
    claim = {name: value for name, value in vars(stated).items() if name not in ("file", "sha256", "note")}
    content = [
        entry.sha256,
        entry.name,
        entry.role,
        claim,
        hashes,
        genome.genome_build,
        sorted(genome.contig_lengths.items()),
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _cached(row: Mapping[str, Any] | None, entry: Entry) -> Verdict | None:
    """A remembered verdict. A rejection holds only for the version of the code that gave it: it may have been wrong."""
    if row is None or entry.file_format is None:
        return None
    if not row["code"]:
        return Verdict(None, decode_facts(row["facts"]), row["batch_key"], row["verified_by"])
    if row["verified_by"] != verifier_name(entry.file_format):
        return None
    found = Problem(row["code"], row["message"], row["fix"], row["row"], row["column"])
    return Verdict(found, verified_by=row["verified_by"])


def _verdict_row(key: str, verdict: Verdict) -> dict[str, Any]:
    found = verdict.problem
    return {
        "key": key,
        "code": found.code if found else "",
        "message": found.message if found else "",
        "fix": found.fix if found else "",
        "row": found.row if found else None,
        "column": found.column if found else "",
        "facts": encode_facts(verdict.facts),
        "batch_key": verdict.batch_key,
        "verified_by": verdict.verified_by,
    }
