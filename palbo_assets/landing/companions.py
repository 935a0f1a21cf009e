"""Which files belong beside which: the layout of a plate, the normal of a tumour, the panel of a plasma sample.

Files of one delivery, one folder, with the same ids and the most similar names are nearest. Files of many patients
(plates) are paired across deliveries only by an id that both claim: a layout of another plate would be read silently.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping

from palbo_assets.landing.entry import Entry

_NEIGHBOURS = 3
_MOST = 20
_IDS = ("specimen_id", "sample_name", "library")


def pair(entries: Iterable[Entry]) -> None:
    """Set ``companions`` of every entry: role -> entries, the nearest first. Entries without a format have none."""
    listed = [entry for entry in entries if entry.file_format is not None and entry.problem is None and entry.sha256]
    index = _Index(listed)
    for entry in listed:
        found: dict[str, list[Entry]] = defaultdict(list)
        for other in index.candidates(entry):
            if other is not entry and other.role != entry.role and other not in found[other.role]:
                found[other.role].append(other)
        entry.companions = {
            role: sorted(others, key=lambda other: _nearness(entry, other), reverse=True)
            for role, others in sorted(found.items())
            if others
        }


def met(entry: Entry, usable: set[Entry]) -> bool:
    """Whether every need of the entry's format has a usable companion."""
    return not unmet(entry, usable)


def unmet(entry: Entry, usable: set[Entry]) -> list[str]:
    """The needs without a usable companion, each as ``role or role``."""
    if entry.file_format is None:
        return []
    return [
        " or ".join(sorted(roles))
        for roles in entry.file_format.needs
        if not any(other in usable for role in roles for other in entry.companions.get(role, ()))
    ]


class _Index:
    def __init__(self, entries: Iterable[Entry]) -> None:
        self.samples: Mapping[tuple[str, str, str], list[Entry]] = defaultdict(list)
        self.patients: Mapping[tuple[str, str], list[Entry]] = defaultdict(list)  # scope PATIENT only
        self.all_of_patient: Mapping[tuple[str, str], list[Entry]] = defaultdict(list)
        self.shared: Mapping[tuple[str, str], list[Entry]] = defaultdict(list)  # (modality, scope)
        self.delivered: Mapping[tuple[str, str, str], list[Entry]] = defaultdict(list)  # (modality, scope, delivery)
        self.batches: Mapping[tuple[str, str, str], list[Entry]] = defaultdict(list)  # (modality, delivery, role)
        self.roles: Mapping[tuple[str, str], set[str]] = defaultdict(set)
        self.named: Mapping[tuple[str, str, str], list[Entry]] = defaultdict(list)  # (modality, id column, id)
        for entry in sorted(entries, key=lambda entry: entry.arrival, reverse=True):
            modality = entry.modality
            if entry.scope == "sample":
                self.samples[modality, entry.patient_id, entry.timepoint].append(entry)
            if entry.scope == "patient":
                self.patients[modality, entry.patient_id].append(entry)
            if entry.scope in ("sample", "patient"):
                self.all_of_patient[modality, entry.patient_id].append(entry)
                continue
            self.shared[modality, entry.scope].append(entry)
            self.delivered[modality, entry.scope, entry.delivery].append(entry)
            if entry.scope == "batch":
                self.batches[modality, entry.delivery, entry.role].append(entry)
                self.roles[modality, entry.delivery].add(entry.role)
                for column in _IDS:
                    value = getattr(entry.claim, column)
                    if value:
                        self.named[modality, column, value].append(entry)
        for pool in self.batches.values():
            pool.sort(key=lambda entry: entry.inside)

    def candidates(self, entry: Entry) -> Iterable[Entry]:
        modality = entry.modality
        if entry.scope == "sample":
            yield from self.samples.get((modality, entry.patient_id, entry.timepoint), ())[:_MOST]
            yield from self.patients.get((modality, entry.patient_id), ())[:_MOST]
            yield from self._shared(entry, "batch")
        elif entry.scope == "patient":
            yield from self.all_of_patient.get((modality, entry.patient_id), ())[:_MOST]
        elif entry.scope == "batch":
            yield from self._batch(entry)
        yield from self._shared(entry, "cohort")

    def _shared(self, entry: Entry, scope: str) -> Iterable[Entry]:
        yield from self.delivered.get((entry.modality, scope, entry.delivery), ())[:_MOST]
        yield from self.shared.get((entry.modality, scope), ())[:_MOST]

    def _batch(self, entry: Entry) -> Iterable[Entry]:
        for column in _IDS:
            value = getattr(entry.claim, column)
            if value:
                yield from self.named.get((entry.modality, column, value), ())[:_MOST]
        for role in self.roles.get((entry.modality, entry.delivery), ()):
            pool = self.batches[entry.modality, entry.delivery, role]
            # In sorted order the names that share the longest beginning stand next to each other.
            at = bisect_left(pool, entry.inside, key=lambda other: other.inside)
            yield from pool[max(0, at - _NEIGHBOURS) : at + _NEIGHBOURS]


def _nearness(entry: Entry, other: Entry) -> tuple[bool, int, bool, int, str, str]:
    same_ids = sum(
        bool(getattr(entry.claim, column)) and getattr(entry.claim, column) == getattr(other.claim, column)
        for column in _IDS
    )
    together = entry.delivery == other.delivery
    prefix = _shared_beginning(entry.name, other.name) if together else 0
    return together, same_ids, together and entry.folder == other.folder, prefix, *other.arrival


def _shared_beginning(name: str, other: str) -> int:
    return next((at for at, (left, right) in enumerate(zip(name, other)) if left != right), min(len(name), len(other)))
