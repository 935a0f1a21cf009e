"""Corrections of what labs say a file is: another patient or timepoint than its manifest states, audited, reversible.

A correction is bound to content, not to a path: neither a manifest sent again nor the same file in a new delivery
undoes it. Raw files and manifests aren't touched. Events are only ever appended; what holds now is what they add up to.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from palbo_assets.landing.ledger import landed_file, landing_relabel
from palbo_assets.landing.names import INDEX_ROLE, MANIFEST_ROLE
from palbo_assets.landing.problem import Status
from palbo_assets.platform.database import missing_tables, write_transaction
from palbo_assets.platform.errors import PalboError
from palbo_assets.study.protocol import valid_patient_id
from palbo_assets.study.vocabulary import TIMEPOINTS

if TYPE_CHECKING:
    from palbo_assets.landing.entry import Entry

RELABEL, UNDO = "relabel", "undo"
_CURRENT = (Status.ACCEPTED, Status.WAITING)
Content = tuple[str, str]
"""What a correction is about: content hash, and the sample inside where a file holds several."""


@dataclass(frozen=True)
class Relabel:
    """One event on one file: who said, when and why, that it belongs elsewhere (or, undone, that it doesn't)."""

    correction: str
    action: str
    at: str
    actor: str
    reason: str
    sha256: str
    sample: str
    path: str
    specimen_id: str
    patient_before: str
    timepoint_before: str
    patient_after: str
    timepoint_after: str

    @property
    def content(self) -> Content:
        return self.sha256, self.sample

    def sentence(self) -> str:
        """For people: what was changed, by whom, when and why."""
        before = f"{self.patient_before} {self.timepoint_before}".strip()
        after = f"{self.patient_after} {self.timepoint_after}".strip()
        name = self.specimen_id or self.path
        return f"{name} ({self.path}) of {before} was relabelled to {after} by {self.actor} on {self.at}: {self.reason}"


def events(engine: sa.Engine) -> list[Relabel]:
    """Every correction and every undoing, in the order in which they were made; none before the first installation."""
    if missing_tables(engine, [landing_relabel.name]):
        return []
    names = list(Relabel.__dataclass_fields__)
    query = sa.select(*(landing_relabel.c[name] for name in names)).order_by(landing_relabel.c.id)
    with engine.connect() as connection:
        return [Relabel(*row) for row in connection.execute(query)]


def in_force(history: Iterable[Relabel]) -> dict[Content, Relabel]:
    """The correction that holds for each content: the last one that wasn't undone."""
    stacks: dict[Content, list[Relabel]] = defaultdict(list)
    for event in history:
        if event.action == RELABEL:
            stacks[event.content].append(event)
        elif stacks[event.content]:
            stacks[event.content].pop()
    return {content: stack[-1] for content, stack in stacks.items() if stack}


def fingerprint(relabels: Mapping[Content, Relabel]) -> str:
    """Text that changes when what holds changes; empty while nothing was ever corrected."""
    told = sorted((*content, one.patient_after, one.timepoint_after) for content, one in relabels.items())
    return hashlib.sha256(json.dumps(told).encode()).hexdigest() if told else ""


def apply(entries: Iterable[Entry], relabels: Mapping[Content, Relabel]) -> None:
    """Give entries the patient and timepoint that corrections say; what the lab claimed stays in ``delivered``.

    An entry that the ledger remembers and whose correction was undone gets its lab's claim back.
    """
    for entry in entries:
        if entry.claim is None or not entry.sha256:
            continue
        stated = entry.delivered or entry.claim
        found = relabels.get((entry.sha256, entry.named_sample))
        if found is None:
            entry.claim, entry.delivered = stated, None
            continue
        entry.delivered = stated
        entry.claim = replace(stated, patient_id=found.patient_after, timepoint=found.timepoint_after)


def places(history: Iterable[Relabel]) -> set[tuple[str, str]]:
    """Every (patient, timepoint) that a correction ever took something from or brought something to."""
    told = set()
    for event in history:
        told |= {(event.patient_before, event.timepoint_before), (event.patient_after, event.timepoint_after)}
    return told


def relabel(
    engine: sa.Engine,
    names: Sequence[str],
    *,
    patient_id: str,
    timepoint: str = "",
    reason: str,
    actor: str,
    withdrawn: frozenset[str] = frozenset(),
) -> list[Relabel]:
    """Record that specimens (or single files) belong to another patient or timepoint.

    Parameters
    ----------
    names
        Specimen ids, or paths in the landing zone. Every current file of a specimen moves.
    timepoint
        Empty keeps each file's own.

    Raises
    ------
    PalboError
        ``E_RELABEL`` with what is wrong; nothing is recorded then.
    """
    _check_reason(reason)
    if not valid_patient_id(patient_id):
        raise PalboError("E_BAD_PATIENT_ID", "that is no patient id", fix="write it as in the clinical export")
    if timepoint and timepoint not in TIMEPOINTS:
        raise PalboError("E_UNKNOWN_TIMEPOINT", "that is no timepoint", fix=f"one of {', '.join(TIMEPOINTS)}")
    if patient_id in withdrawn:
        raise PalboError("E_CONSENT", "the patient has withdrawn consent", fix="nothing can be relabelled to them")
    moves = [(row, patient_id, timepoint or row["timepoint"]) for name in names for row in _files_of(engine, name)]
    return _write(engine, moves, reason, actor)


def swap(
    engine: sa.Engine, first: str, second: str, *, reason: str, actor: str, withdrawn: frozenset[str] = frozenset()
) -> list[Relabel]:
    """Record that two specimens were exchanged: each gets the other's patient and timepoint, in one correction."""
    _check_reason(reason)
    sides = [_files_of(engine, name) for name in (first, second)]
    owners = [{(row["patient_id"], row["timepoint"]) for row in side} for side in sides]
    if any(len(owner) != 1 for owner in owners):
        raise PalboError(
            "E_RELABEL", "a specimen's files lie under several timepoints", fix="name the files themselves"
        )
    here, there = (next(iter(owner)) for owner in owners)
    if {here[0], there[0]} & withdrawn:
        raise PalboError("E_CONSENT", "the patient has withdrawn consent", fix="nothing can be relabelled to them")
    moves = [(row, *there) for row in sides[0]] + [(row, *here) for row in sides[1]]
    return _write(engine, moves, reason, actor)


def undo(engine: sa.Engine, names: Sequence[str], *, reason: str, actor: str) -> list[Relabel]:
    """Take back the last correction of each named specimen or file, whole: both sides of a swap."""
    _check_reason(reason)
    history = events(engine)
    holding = in_force(history)
    wanted: set[str] = set()
    for name in names:
        found = {one.correction for one in holding.values() if name in (one.specimen_id, one.path)}
        if not found:
            raise PalboError("E_RELABEL", f"no correction of {name} is in force", fix="see `palbo ledger`")
        wanted |= found
    taken_back = [one for one in holding.values() if one.correction in wanted]
    whole = {(one.correction, one.content) for one in history if one.action == RELABEL and one.correction in wanted}
    if whole != {(one.correction, one.content) for one in taken_back}:
        raise PalboError("E_RELABEL", "a part of that correction was corrected again", fix="undo the later one first")
    at = _now()
    written = [
        replace(
            one,
            action=UNDO,
            at=at,
            actor=actor,
            reason=reason,
            patient_before=one.patient_after,
            timepoint_before=one.timepoint_after,
            patient_after=one.patient_before,
            timepoint_after=one.timepoint_before,
        )
        for one in taken_back
    ]
    _append(engine, written)
    return written


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise PalboError("E_RELABEL", "a correction needs a reason", fix="say with --reason how it is known")


def _files_of(engine: sa.Engine, name: str) -> list[dict[str, Any]]:
    """Ledger rows of the current files of a specimen, or of one path."""
    table = landed_file.c
    query = sa.select(landed_file).where(
        sa.or_(table.specimen_id == name, table.path == name),
        table.status.in_(_CURRENT),
        table.role.not_in((INDEX_ROLE, MANIFEST_ROLE)),
        table.sha256 != "",
    )
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(query.order_by(table.path, table.id)).mappings()]
    if not rows:
        raise PalboError(
            "E_RELABEL",
            f"no current file has the specimen or path {name}",
            fix="name a specimen_id of a manifest, or a path in the landing zone",
        )
    if any(row["scope"] not in ("sample", "patient") for row in rows):
        raise PalboError(
            "E_RELABEL",
            f"{name} lies in a file that holds many patients",
            fix="correct its rows and send the file again",
        )
    return rows


def _write(
    engine: sa.Engine, moves: Sequence[tuple[dict[str, Any], str, str]], reason: str, actor: str
) -> list[Relabel]:
    from palbo_assets.landing.entry import MULTI_SAMPLE_ROLES

    at = _now()
    seed = [at, actor, *(f"{row['id']}{patient}{timepoint}" for row, patient, timepoint in moves)]
    correction = hashlib.sha256("\0".join(seed).encode()).hexdigest()[:16]
    found: dict[Content, Relabel] = {}
    for row, patient_id, timepoint in moves:
        before = row["patient_id"], row["timepoint"]
        if before == (patient_id, timepoint):
            raise PalboError(
                "E_RELABEL", f"{row['path']} is {patient_id} {timepoint} already", fix="nothing to correct"
            )
        sample = row["sample_name"] if row["role"] in MULTI_SAMPLE_ROLES else ""
        one = Relabel(
            correction, RELABEL, at, actor, reason, row["sha256"], sample, row["path"], row["specimen_id"],
            *before, patient_id, timepoint,
        )  # fmt: skip
        other = found.setdefault(one.content, one)
        if (other.patient_after, other.timepoint_after) != (patient_id, timepoint):
            raise PalboError("E_RELABEL", f"{row['path']} is named twice", fix="name each specimen once")
    _append(engine, list(found.values()))
    return list(found.values())


def _append(engine: sa.Engine, written: Sequence[Relabel]) -> None:
    with write_transaction(engine) as connection:
        connection.execute(sa.insert(landing_relabel), [vars(one) for one in written])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
