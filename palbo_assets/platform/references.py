"""The reference bundle: what a site supplies (genome, gene models, gene sets, ...) under one manifest with checksums.

``$PALBO_REFERENCE/bundle.yaml``::

    build: GRCh38
    entries:
      - {name: genome_fasta, file: genome.fa, version: "...", sha256: "...", licence: "...", source: "..."}

A missing entry makes what needs it NOT_EVALUABLE and the run stays green; a checksum that doesn't match stops it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from palbo_assets.platform.errors import ReferenceBundleError
from palbo_assets.platform.store import file_sha256, write_atomically

MANIFEST = "bundle.yaml"


@dataclass(frozen=True)
class Entry:
    """One file of the bundle."""

    name: str
    file: str
    version: str
    build: str
    sha256: str
    licence: str
    source: str


@dataclass(frozen=True)
class ReferenceBundle:
    """The bundle's entries by name. ``build`` is the study's genome build; empty for an absent bundle."""

    folder: Path
    build: str
    entries: Mapping[str, Entry]

    @classmethod
    def load(cls, folder: Path) -> ReferenceBundle:
        """Read the manifest; a folder without one is an empty bundle.

        Raises
        ------
        ReferenceBundleError
            ``E_REFERENCE_SCHEMA`` when the manifest can't be used.
        """
        import yaml

        manifest = folder / MANIFEST
        if not manifest.is_file():
            return cls(folder, "", {})
        try:
            content = yaml.safe_load(manifest.read_text(encoding="utf-8"))
            build = str(content["build"])
            entries = [_entry(row, build) for row in content["entries"]]
        except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
            raise ReferenceBundleError(
                "E_REFERENCE_SCHEMA",
                f"the bundle's manifest can't be read ({type(error).__name__})",
                file=MANIFEST,
                fix="it needs `build` and `entries`, each with name, file and sha256",
            ) from None
        return cls(folder, build, {entry.name: entry for entry in entries})

    def limited_to(self, names: Iterable[str]) -> ReferenceBundle:
        """The same bundle, showing only what a product declared that it reads."""
        wanted = set(names)
        return ReferenceBundle(
            self.folder, self.build, {name: entry for name, entry in self.entries.items() if name in wanted}
        )

    def entry(self, name: str) -> Entry:
        try:
            return self.entries[name]
        except KeyError:
            raise ReferenceBundleError(
                "E_REFERENCE_MISSING",
                f"the reference bundle has no entry {name}",
                file=MANIFEST,
                fix=f"add it with `palbo reference add {name} FILE`",
            ) from None

    def get(self, name: str) -> Path | None:
        """The verified file of an entry; None when the bundle lacks it."""
        return self.path(name) if name in self.entries else None

    def path(self, name: str) -> Path:
        """The verified file of an entry.

        Raises
        ------
        ReferenceBundleError
            ``E_REFERENCE_MISSING``, or ``E_REFERENCE_CHECKSUM`` when the file isn't the one that the manifest names.
        """
        entry = self.entry(name)
        path = self.folder / entry.file
        if not path.is_file():
            raise ReferenceBundleError(
                "E_REFERENCE_MISSING", f"the file of entry {name} is not there", file=entry.file, fix="put it back"
            )
        status = path.stat()
        if _cached_sha256(path, status.st_size, status.st_mtime_ns) != entry.sha256:
            raise ReferenceBundleError(
                "E_REFERENCE_CHECKSUM",
                f"the file of entry {name} doesn't have the checksum of the manifest",
                file=entry.file,
                fix="restore the file, or register the new one with `palbo reference add`",
            )
        return path

    def contig_lengths(self) -> dict[str, int]:
        """Contig -> length in bases, from the FASTA's index; empty without a genome."""
        if "genome_fasta" not in self.entries:
            return {}
        index = self.folder / (self.entries["genome_fasta"].file + ".fai")
        if not index.is_file():
            return {}
        rows = (line.split("\t") for line in index.read_text(encoding="ascii").splitlines() if line)
        return {row[0]: int(row[1]) for row in rows}


def _entry(row: Mapping[str, Any], build: str) -> Entry:
    return Entry(
        name=str(row["name"]),
        file=str(row["file"]),
        version=str(row.get("version", "")),
        build=str(row.get("build", build)),
        sha256=str(row["sha256"]),
        licence=str(row.get("licence", "")),
        source=str(row.get("source", "")),
    )


@lru_cache(maxsize=256)
def _cached_sha256(path: Path, size: int, mtime_ns: int) -> str:
    del size, mtime_ns  # part of the key: a file that changed is hashed again
    return file_sha256(path)


def write_bundle(folder: Path, build: str, entries: Iterable[Mapping[str, str]]) -> None:
    """Write ``bundle.yaml`` for files that already lie in ``folder``; checksums that aren't given are computed."""
    import yaml

    rows = [{**entry, "sha256": entry.get("sha256") or file_sha256(folder / entry["file"])} for entry in entries]
    text = yaml.safe_dump({"build": build, "entries": rows}, sort_keys=False, allow_unicode=True)
    write_atomically(folder / MANIFEST, text.encode("utf-8"))


def add_entry(
    folder: Path, name: str, file: Path, *, build: str = "", version: str = "", licence: str = "", source: str = ""
) -> Entry:
    """Copy ``file`` (and a FASTA's index beside it) into the bundle and register it, replacing an entry of that name.

    Raises
    ------
    ReferenceBundleError
        ``E_REFERENCE_SCHEMA`` when the bundle has no build yet and none is given, or when the file's name is that of
        another entry's file.
    """
    bundle = ReferenceBundle.load(folder)
    study_build = bundle.build or build
    if not study_build:
        raise ReferenceBundleError(
            "E_REFERENCE_SCHEMA", "the bundle has no genome build yet", fix="name it with --build, e.g. GRCh38"
        )
    taken = {kept.file for kept in bundle.entries.values() if kept.name != name} | {MANIFEST}
    if file.name in taken:
        raise ReferenceBundleError(
            "E_REFERENCE_SCHEMA",
            "another entry's file has that name",
            file=file.name,
            fix="rename the file and add it again",
        )
    folder.mkdir(parents=True, exist_ok=True)
    for path in (file, file.with_name(file.name + ".fai")):
        target = folder / path.name
        if path.is_file() and not (target.exists() and path.samefile(target)):
            shutil.copyfile(path, target)
    entry = Entry(name, file.name, version, build or study_build, file_sha256(folder / file.name), licence, source)
    entries = {**bundle.entries, name: entry}
    write_bundle(folder, study_build, ({**vars(kept)} for kept in entries.values()))
    return entry
