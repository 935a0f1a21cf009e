"""What lies in the landing zone: deliveries with a manifest, and files dropped without one.

Names are read as bytes, links are never followed, only regular files count, and one bad entry never stops the scan.
Nothing is opened here.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from palbo_assets.landing.content import fingerprint_of
from palbo_assets.landing.names import DEEPEST, MANIFEST, ignored, safe
from palbo_assets.landing.problem import Problem, printable, problem
from palbo_assets.study.vocabulary import Modality

MODALITIES = frozenset(str(modality) for modality in Modality)


@dataclass(frozen=True)
class Found:
    """One directory entry. ``path`` is relative to the landing zone, as text that can be stored and shown.

    ``inside`` is the path relative to its delivery. Entries with a ``problem`` are never opened.
    """

    path: str
    inside: str
    size: int = 0
    mtime_ns: int = 0
    inode: int = 0
    problem: Problem | None = None

    @property
    def fingerprint(self) -> tuple[int, int, int]:
        return self.size, self.mtime_ns, self.inode


@dataclass
class Delivery:
    """A folder whose files belong together: ``<lab>/<delivery>``, or a drop ``<modality>/<patient>/<timepoint>``.

    ``folder`` is where it lies on disk; ``layout`` holds (modality, patient, timepoint) of a drop without manifest.
    """

    path: str
    lab: str
    folder: Path
    manifest: Found | None = None
    files: dict[str, Found] = field(default_factory=dict)
    refused: list[Found] = field(default_factory=list)
    has_receipt: bool = False
    layout: tuple[str, str, str] | None = None


@dataclass
class Zone:
    """Everything found; ``refused`` and ``stray`` are entries that belong to no delivery."""

    deliveries: list[Delivery] = field(default_factory=list)
    refused: list[Found] = field(default_factory=list)
    stray: list[Found] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)  # folders of labs without a manifest yet


def text_of(name: bytes) -> str:
    """A file name as text: bytes that aren't UTF-8 and characters that can't be shown are escaped."""
    return printable(name.decode("utf-8", errors="backslashreplace"), longest=400)


def scan_zone(landing: Path) -> Zone:
    """List the landing zone. A missing or unreadable folder contributes nothing."""
    zone = Zone()
    root = os.fsencode(landing)
    for first in _entries(root):
        if ignored(text_of(first.name)):
            continue
        lab = text_of(first.name)
        if not _is_folder(first):
            _outside(zone, first, lab)
            continue
        if not safe(lab):
            zone.refused.append(_refused(lab, lab, _bad_name("folder")))
            continue
        for second in _entries(first.path):
            name = text_of(second.name)
            path = f"{lab}/{name}"
            if ignored(name):
                continue
            if not _is_folder(second):
                _outside(zone, second, path)
            elif not safe(name):
                zone.refused.append(_refused(path, path, _bad_name("folder")))
            elif _holds_manifest(second.path):
                zone.deliveries.append(read_delivery(Path(os.fsdecode(second.path)), path, lab))
            elif lab in MODALITIES:
                _read_drops(zone, second.path, lab, name)
            else:
                zone.unfinished.append(path)
    zone.deliveries.sort(key=lambda delivery: delivery.path)
    zone.unfinished.sort()
    return zone


def read_delivery(folder: Path, path: str, lab: str) -> Delivery:
    """List one delivery's folder, with its subfolders."""
    delivery = Delivery(path, lab, folder)
    for entry, inside in _walk(os.fsencode(folder), ""):
        _take(delivery, entry, inside)
    return delivery


def _read_drops(zone: Zone, folder: bytes, modality: str, patient: str) -> None:
    for third in _entries(folder):
        name = text_of(third.name)
        path = f"{modality}/{patient}/{name}"
        if ignored(name):
            continue
        if not _is_folder(third):
            _outside(zone, third, path)
            continue
        if not safe(name):
            zone.refused.append(_refused(path, path, _bad_name("folder")))
            continue
        drop = read_delivery(Path(os.fsdecode(third.path)), path, modality)
        drop.layout = (modality, patient, name)
        if drop.files or drop.refused:
            zone.deliveries.append(drop)


def _outside(zone: Zone, entry: os.DirEntry[bytes], path: str) -> None:
    found = _found(entry, path, path)
    if found.problem is not None:
        zone.refused.append(found)
    else:
        zone.stray.append(found)


def _take(delivery: Delivery, entry: os.DirEntry[bytes], inside: str) -> None:
    found = _found(entry, f"{delivery.path}/{inside}", inside)
    if inside == "receipt.json":
        delivery.has_receipt = True
    elif found.problem is not None:
        delivery.refused.append(found)
    elif inside == MANIFEST:
        delivery.manifest = found
    else:
        delivery.files[inside] = found


def _walk(folder: bytes, inside: str) -> Iterator[tuple[os.DirEntry[bytes], str]]:
    for entry in _entries(folder):
        name = text_of(entry.name)
        path = f"{inside}/{name}" if inside else name
        if ignored(name) and path != "receipt.json":
            continue
        if _is_folder(entry) and safe(name) and path.count("/") < DEEPEST - 1:
            yield from _walk(entry.path, path)
        else:
            yield entry, path


def _found(entry: os.DirEntry[bytes], path: str, inside: str) -> Found:
    name = inside.rsplit("/", 1)[-1]
    try:
        seen = entry.stat(follow_symlinks=False)
    except OSError:
        return _refused(path, inside, problem("E_NOT_REGULAR_FILE", "the entry can't be examined"))
    if not safe(name):
        return _refused(path, inside, _bad_name("folder" if stat.S_ISDIR(seen.st_mode) else "file"))
    if not stat.S_ISREG(seen.st_mode):
        return _refused(path, inside, problem("E_NOT_REGULAR_FILE", f"the entry is {_kind(seen.st_mode)}"))
    if seen.st_nlink > 1:
        text = "the file has a second name (a hard link), so it can change from outside"
        return _refused(path, inside, problem("E_NOT_REGULAR_FILE", text, fix="copy the file instead of linking it"))
    return Found(path, inside, *fingerprint_of(seen))


def _refused(path: str, inside: str, found: Problem) -> Found:
    return Found(path, inside, problem=found)


def _bad_name(what: str) -> Problem:
    return problem("E_BAD_NAME", f"the {what}'s name isn't safe to use")


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder nested too deeply"
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    return "a pipe" if stat.S_ISFIFO(mode) else "not a regular file"


def _entries(folder: bytes) -> list[os.DirEntry[bytes]]:
    try:
        with os.scandir(folder) as listing:
            return sorted(listing, key=lambda entry: entry.name)
    except OSError:
        return []


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _holds_manifest(folder: bytes) -> bool:
    try:
        return stat.S_ISREG((Path(os.fsdecode(folder)) / MANIFEST).lstat().st_mode)
    except OSError:
        return False
