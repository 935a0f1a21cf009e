"""From what lies in the landing zone to entries: every file with what is claimed of it, before anything is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from palbo_assets.landing.entry import Entry
from palbo_assets.landing.manifest import Row, canonical, grouped, read_manifest
from palbo_assets.landing.names import INDEX_ROLE, MANIFEST, MANIFEST_ROLE, index_of, is_index
from palbo_assets.landing.problem import Problem, problem
from palbo_assets.landing.recognise import recognise
from palbo_assets.landing.settings import Settings
from palbo_assets.landing.zone import Delivery, Found, Zone
from palbo_assets.platform.formats import Claim, FileFormat

Registry = Mapping[tuple[str, str], FileFormat]


@dataclass
class Claimed:
    """Entries of the whole zone; ``problems`` are a delivery's complaints for its receipt.

    ``frozen`` names deliveries whose manifest can't be read: what was decided of their files stands.
    """

    entries: list[Entry] = field(default_factory=list)
    problems: dict[str, list[Problem]] = field(default_factory=dict)
    frozen: set[str] = field(default_factory=set)
    manifests: list[Found] = field(default_factory=list)
    listed: set[str] = field(default_factory=set)  # paths of everything that lies in deliveries


def claimed_entries(zone: Zone, landing: Path, registry: Registry, settings: Settings) -> Claimed:
    """Entries of every delivery and drop, and of what lies outside of them."""
    claimed = Claimed()
    for delivery in zone.deliveries:
        claimed.listed.update(found.path for found in delivery.files.values())
        if delivery.manifest is not None:
            claimed.manifests.append(delivery.manifest)
            claimed.listed.add(delivery.manifest.path)
        if delivery.layout is not None:
            _drop(claimed, delivery, registry, settings)
        else:
            _delivery(claimed, delivery, registry, settings)
    for found in zone.refused:
        claimed.entries.append(_plain(found, "", landing))
    for found in zone.stray:
        note = problem("W_NO_MANIFEST", "the file lies in no delivery")
        claimed.entries.append(_plain(found, "", landing, note))
    return claimed


def _delivery(claimed: Claimed, delivery: Delivery, registry: Registry, settings: Settings) -> None:
    manifest = read_manifest(delivery.folder / MANIFEST, settings)
    problems = claimed.problems.setdefault(delivery.path, [])
    problems.extend(manifest.problems)
    if manifest.problem is not None:
        claimed.frozen.add(delivery.path)
        claimed.entries.append(_of_manifest(delivery, manifest.problem))
        claimed.entries.extend(_plain(found, delivery.path, delivery.folder) for found in delivery.refused)
        return
    nowhere = [row for row in manifest.rows if not row.claim.file and row.problem is not None]
    if nowhere:  # rows that can't be tied to a file are recorded against the manifest itself
        first = grouped((row.line, row.problem) for row in nowhere if row.problem is not None)[0]
        claimed.entries.append(_of_manifest(delivery, first))
    refused = {found.inside: found for found in delivery.refused}
    named: set[str] = set()
    indexes = _indexes(delivery)
    for row in manifest.rows:
        file = row.claim.file
        if not file or file in named:
            continue
        named.add(file)
        found = delivery.files.get(file) or refused.get(file)
        entry = _claimed(delivery, row, found, registry, settings)
        entry.index = indexes.get(file)
        claimed.entries.append(entry)
    for inside, found in delivery.files.items():
        if inside not in named:
            text = "the manifest doesn't name the file"
            note = _ignored_index() if is_index(inside) else problem("W_NOT_IN_MANIFEST", text)
            claimed.entries.append(_plain(found, delivery.path, delivery.folder, note))
    for inside, found in refused.items():
        if inside not in named:
            claimed.entries.append(_plain(found, delivery.path, delivery.folder))


def _claimed(delivery: Delivery, row: Row, found: Found | None, registry: Registry, settings: Settings) -> Entry:
    """The entry of a manifest's row, whether its file is there or not."""
    if is_index(row.claim.file):
        seen = found or Found(f"{delivery.path}/{row.claim.file}", row.claim.file)
        note = _ignored_index() if found is not None else _missing(row.line)
        return _plain(seen, delivery.path, delivery.folder, note)
    found_problem = row.problem
    file_format: FileFormat | None = None
    if found_problem is None:
        file_format, found_problem = recognise(row.claim, registry)
    present = found is not None
    if found is None:
        found = Found(f"{delivery.path}/{row.claim.file}", row.claim.file)
        found_problem = found_problem or _missing(row.line)
    entry = _entry(delivery, found, row.claim, file_format, row.line)
    entry.present = present
    entry.problem = found.problem or found_problem or _size_problem(found, settings)
    return entry


def _drop(claimed: Claimed, delivery: Delivery, registry: Registry, settings: Settings) -> None:
    """Files without a manifest: the folders say what they are."""
    modality, patient_id, timepoint = delivery.layout or ("", "", "")
    indexes = _indexes(delivery)
    for inside, found in delivery.files.items():
        if is_index(inside):
            claimed.entries.append(_plain(found, delivery.path, delivery.folder, _ignored_index()))
            continue
        named = {"file": inside, "modality": modality, "patient_id": patient_id, "timepoint": timepoint}
        claim, found_problem = canonical(named)
        file_format: FileFormat | None = None
        if found_problem is None:
            file_format, found_problem = recognise(claim, registry)
        entry = _entry(delivery, found, claim, file_format, None)
        entry.problem = found_problem or _size_problem(found, settings)
        entry.index = indexes.get(inside)
        claimed.entries.append(entry)
    claimed.entries.extend(_plain(found, delivery.path, delivery.folder) for found in delivery.refused)
    claimed.problems.setdefault(delivery.path, [])


def _entry(delivery: Delivery, found: Found, claim: Claim, file_format: FileFormat | None, line: int | None) -> Entry:
    return Entry(
        path=found.path,
        delivery=delivery.path,
        lab=delivery.lab,
        inside=found.inside,
        on_disk=delivery.folder / found.inside,
        size=found.size,
        mtime_ns=found.mtime_ns,
        inode=found.inode,
        claim=claim,
        file_format=file_format,
        role=file_format.role if file_format else claim.role,
        scope=str(file_format.scope) if file_format else "",
        line=line,
    )


def _plain(found: Found, delivery: str, folder: Path, note: Problem | None = None) -> Entry:
    """An entry without a claim: only its name is known."""
    entry = Entry(
        path=found.path,
        delivery=delivery,
        lab=found.path.split("/", 1)[0],
        inside=found.inside,
        on_disk=folder / found.inside,
        size=found.size,
        mtime_ns=found.mtime_ns,
        inode=found.inode,
        problem=found.problem or note,
    )
    if entry.problem is not None and entry.problem.code == "W_INDEX_IGNORED":
        entry.role = INDEX_ROLE
    return entry


def _of_manifest(delivery: Delivery, found: Problem) -> Entry:
    seen = delivery.manifest or Found(f"{delivery.path}/{MANIFEST}", MANIFEST)
    entry = _plain(Found(seen.path, seen.inside, seen.size, seen.mtime_ns), delivery.path, delivery.folder, found)
    entry.role = MANIFEST_ROLE
    return entry


def _indexes(delivery: Delivery) -> dict[str, Path]:
    """Delivered indexes by the file that they belong to."""
    found: dict[str, Path] = {}
    for inside in delivery.files:
        if is_index(inside):
            for owner in index_of(inside):
                if owner in delivery.files:
                    found.setdefault(owner, delivery.folder / inside)
    return found


def _ignored_index() -> Problem:
    text = "a delivered index is not used: the platform makes its own from the verified file"
    return problem("W_INDEX_IGNORED", text, fix="nothing")


def _missing(line: int | None) -> Problem:
    return problem("W_MISSING_FILE", "the manifest names the file, but it isn't here", row=line, column="file")


def _size_problem(found: Found, settings: Settings) -> Problem | None:
    if found.size == 0:
        return problem("E_EMPTY", "the file is empty")
    if found.size > settings.largest_file_bytes:
        text = f"the file has {found.size} bytes; at most {settings.largest_file_bytes} are taken"
        return problem("E_TOO_BIG", text, fix="split it, or ask for the limit to be raised")
    return None
