"""Whether a release is still what was frozen, and whether it still may be used."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palbo_assets.platform.parquet import read_parquet
from palbo_assets.platform.store import file_sha256
from palbo_assets.release.data_package import CHECKSUMS, tables_of


@dataclass(frozen=True)
class Verdict:
    """``problems`` names files that are missing, changed or weren't frozen; ``withdrawn`` who must not be in it."""

    name: str
    sha256: str
    files: int
    problems: tuple[str, ...]
    withdrawn: tuple[str, ...]

    @property
    def whole(self) -> bool:
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "whole": self.whole}


def verify(folder: Path, withdrawn: Iterable[str] = ()) -> Verdict:
    """Hold every file of a release against ``SHA256SUMS``, and look for rows of patients who withdrew since."""
    sums = folder / CHECKSUMS
    if not sums.is_file():
        return Verdict(folder.name, "", 0, (f"{CHECKSUMS} missing",), ())
    content = sums.read_bytes()
    stated = {name: sha256 for sha256, _, name in (line.partition("  ") for line in content.decode().splitlines())}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {CHECKSUMS}
    problems = [f"{name} wasn't frozen" for name in sorted(there - set(stated))]
    for name, sha256 in sorted(stated.items()):
        if name not in there:
            problems.append(f"{name} missing")
        elif file_sha256(folder / name) != sha256:
            problems.append(f"{name} changed")
    gone = _named(folder, set(withdrawn)) if withdrawn and not problems else set()
    return Verdict(folder.name, hashlib.sha256(content).hexdigest(), len(stated), tuple(problems), tuple(sorted(gone)))


def _named(folder: Path, patients: set[str]) -> set[str]:
    """Which of ``patients`` some table of the release has rows of."""
    found: set[str] = set()
    for table in tables_of(folder):
        rows = read_parquet((folder / "tables" / f"{table}.parquet").read_bytes())
        if "patient_id" in rows:
            found |= patients & set(rows["patient_id"])
    return found
