"""Names in the landing zone: which are safe, which are ignored, which are indexes."""

from __future__ import annotations

import re

from palbo_assets.landing.problem import Problem, problem

MANIFEST = "delivery.csv"
RECEIPTS = frozenset({"receipt.json", "receipt.html"})
DEEPEST = 8
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,150}")
_PASSING = (".part", ".partial", ".filepart", ".crdownload", ".tmp", ".md5", ".done")  # transfers in progress, marks
_ALWAYS_THERE = frozenset({"thumbs.db", "desktop.ini"})  # Windows and macOS leave these everywhere
INDEX_SUFFIXES = (".bai", ".csi", ".tbi", ".crai")
INDEX_ROLE = "index"
MANIFEST_ROLE = "manifest"


def safe(name: str) -> bool:
    """Whether one path component can be used in paths, keys, pages and command lines without quoting."""
    return _SAFE.fullmatch(name) is not None


def ignored(name: str) -> bool:
    """Whether the landing takes no notice of a name: dotfiles, unfinished transfers, its own receipts."""
    lowered = name.lower()
    return name.startswith((".", "~$")) or lowered.endswith(_PASSING) or lowered in _ALWAYS_THERE or name in RECEIPTS


def is_index(name: str) -> bool:
    """Whether the name is that of a delivered index, which is recorded and never trusted."""
    return name.lower().endswith(INDEX_SUFFIXES)


def index_of(name: str) -> tuple[str, ...]:
    """The files that an index of this name may belong to: ``a.bam.bai`` and ``a.bai`` to ``a.bam``."""
    stem = name.rsplit(".", 1)[0]
    data_suffix = {".bai": ".bam", ".crai": ".cram", ".tbi": ".vcf.gz", ".csi": ".bam"}
    return (stem, stem + data_suffix.get("." + name.rsplit(".", 1)[-1].lower(), ""))


def problem_of_path(file: str) -> Problem | None:
    """What is wrong with a manifest's path: it must be relative to the delivery and never lead upwards."""
    if not file:
        return problem("E_SCHEMA", "the row names no file", fix="write the path of the file", column="file")
    if "\\" in file:
        return problem("E_BAD_NAME", "the path holds a backslash", fix="separate folders with '/'", column="file")
    if file.startswith("/") or re.match(r"[A-Za-z]:", file):
        return problem(
            "E_BAD_NAME", "the path is absolute", fix="write the path relative to the delivery's folder", column="file"
        )
    parts = file.split("/")
    if ".." in parts:
        return problem(
            "E_BAD_NAME", "the path leads upwards", fix="put the file into the delivery's folder", column="file"
        )
    if len(parts) > DEEPEST or not all(safe(part) for part in parts):
        return problem("E_BAD_NAME", "the path holds a name that isn't safe", column="file")
    if parts[-1] in RECEIPTS or file == MANIFEST or ignored(parts[-1]):
        return problem(
            "E_BAD_NAME", "a file of this name is never taken", fix="rename the file, or remove the row", column="file"
        )
    return None
