"""File formats that labs may deliver: one :class:`FileFormat` per (modality, role).

Each modality room lists its formats in its ``formats.py`` as ``FORMATS`` and registers that list under the entry-point
group ``palbo_assets.formats``; the landing finds them there, so it knows no room, and a site can add its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

Finding = Mapping[str, str | int | float]
"""What verification learnt of a file (read count, plate id, ...): numbers and study ids, no free text of a lab."""


class Scope(StrEnum):
    """What a file speaks about, and so what becomes due when it lands."""

    SAMPLE = "sample"  # one patient at one timepoint
    PATIENT = "patient"  # one patient at every timepoint (the germline BAM)
    BATCH = "batch"  # many patients; a partition of its own (a plate, a scoring table, a blood count export)
    COHORT = "cohort"  # the whole study (the REDCap export, a panel BED)


@dataclass(frozen=True)
class Claim:
    """What a lab says of one file: a row of ``delivery.csv``. Empty text where it says nothing."""

    file: str
    modality: str
    patient_id: str = ""
    timepoint: str = ""
    specimen_id: str = ""
    sha256: str = ""
    role: str = ""
    sample_name: str = ""
    genome_build: str = ""
    panel_version: str = ""
    library: str = ""
    site: str = ""
    collected_on: str = ""
    lab_id: str = ""
    note: str = ""


@dataclass(frozen=True)
class Context:
    """What a verifier may look at beside the file itself.

    ``siblings`` maps role -> path for the files of the same sample (or batch) in the same delivery, so that a plate
    can be checked with its layout and a BAM with its index. ``genome`` is the study's build name with its contig
    lengths in bases, empty when no reference is configured.
    """

    siblings: Mapping[str, Path] = field(default_factory=dict)
    genome_build: str = ""
    contig_lengths: Mapping[str, int] = field(default_factory=dict)


Verifier = Callable[[Path, Claim, Context], Finding]
"""Reads the file with its real parser; raises InputError with a stable code. Runs in a child process with limits."""


@dataclass(frozen=True)
class FileFormat:
    """One kind of file.

    ``suffixes`` (lower case, with the dot) recognise the role of a file whose manifest row names none. ``needs`` lists
    roles without which the file waits; each entry is a set of alternatives, any one of which will do. ``batch_key``
    names the partition of a BATCH file (a plate id).
    """

    modality: str
    role: str
    suffixes: tuple[str, ...]
    scope: Scope
    verify: Verifier
    description: str
    needs: tuple[frozenset[str], ...] = ()
    batch_key: Callable[[Path, Claim, Context], str] | None = None


GROUP = "palbo_assets.formats"


@cache
def registry() -> dict[tuple[str, str], FileFormat]:
    """Every installed format by (modality, role)."""
    found: dict[tuple[str, str], FileFormat] = {}
    for entry in entry_points(group=GROUP):
        formats: Iterable[FileFormat] = entry.load()
        for file_format in formats:
            found[(file_format.modality, file_format.role)] = file_format
    return found
