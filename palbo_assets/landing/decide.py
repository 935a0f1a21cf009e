"""What becomes of every file: a pure function of what lies there, so that the order of arrival doesn't matter.

Only which of two competing versions is the newer one depends on arrival. Everything else (what waits for what, which
contents contradict each other) follows from the present state and is worked out anew in every scan.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from palbo_assets.landing.companions import unmet
from palbo_assets.landing.entry import SHARED_ROLES, Entry
from palbo_assets.landing.problem import Problem, Status, problem


def decide(entries: Collection[Entry], withdrawn: frozenset[str] = frozenset()) -> None:
    """Set ``status``, ``reason`` and ``supersedes`` of every entry.

    An entry that isn't hashed or verified yet keeps ``status`` None. Rules, in this order: a withdrawn patient's file
    is quarantined; so is one with a problem or a bad verdict; one whose companions are missing or unusable waits; the
    same content under contradicting claims is quarantined on both sides (neither can be trusted until the lab says
    which is right); of the rest, the newest version of each slot is accepted.
    """
    good: set[Entry] = set()
    pending: set[Entry] = set()
    for entry in entries:
        entry.status, entry.reason, entry.supersedes = None, None, ""
        if entry.patient_id and entry.patient_id in withdrawn:
            _reject(entry, problem("E_CONSENT", "the patient has withdrawn consent", column="patient_id"))
        elif entry.problem is not None:
            _reject(entry, entry.problem)
        elif entry.verdict is None:
            if entry.sha256:
                pending.add(entry)
        elif entry.verdict.problem is not None:
            _reject(entry, entry.verdict.problem)
        else:
            good.add(entry)

    suspects: set[Entry] = set()
    while True:
        waiting = _incomplete((good | pending) - suspects)
        usable = good - suspects - waiting.keys()
        replaced, copies = _versions(usable)
        found = _contradictions(entry for entry in usable if copies.get(entry, entry) not in replaced)
        if not found:
            break
        suspects |= found.keys()
        for entry, other in found.items():
            _reject(entry, _swap(entry, other))
    for entry, missing in waiting.items():
        _reject(entry, _wait(entry, missing))
    for entry in usable:
        entry.status, entry.reason = replaced.get(entry, (Status.ACCEPTED, _seen_last(entry) or _corrected(entry)))


def _reject(entry: Entry, found: Problem) -> None:
    entry.status, entry.reason = found.status, _placed(entry, found)
    if found.code == "W_INDEX_IGNORED":
        entry.status = Status.ACCEPTED


def _placed(entry: Entry, found: Problem) -> Problem:
    """A problem of the claim, with the manifest's row."""
    if found.row is None and entry.line is not None and found.column in _CLAIMED:
        return Problem(found.code, found.message, found.fix, entry.line, found.column)
    return found


_CLAIMED = ("file", "role", "patient_id", "timepoint", "specimen_id", "sha256")


def _incomplete(usable: set[Entry]) -> dict[Entry, list[str]]:
    """Entries whose needs can't be met, also because what they need waits itself (greatest fixed point)."""
    waiting: dict[Entry, list[str]] = {}
    needy = [entry for entry in usable if entry.file_format is not None and entry.file_format.needs]
    left = set(usable)
    changed = True
    while changed:
        changed = False
        for entry in needy:
            if entry in left and (missing := unmet(entry, left)):
                waiting[entry] = missing
                left.discard(entry)
                changed = True
    return waiting


Replaced = dict[Entry, tuple[Status, Problem]]


def _versions(usable: Iterable[Entry]) -> tuple[Replaced, dict[Entry, Entry]]:
    """The entries that are duplicates or were superseded, and the originals of the duplicates.

    Also sets ``supersedes`` of what replaced others.
    """
    slots: dict[tuple[str, ...], list[Entry]] = defaultdict(list)
    for entry in usable:
        entry.supersedes = ""
        slots[entry.slot].append(entry)
    replaced: Replaced = {}
    copies: dict[Entry, Entry] = {}
    for slot in sorted(slots):
        _settle(sorted(slots[slot], key=lambda entry: entry.arrival), replaced, copies)
    return replaced, copies


def _settle(versions: list[Entry], replaced: Replaced, copies: dict[Entry, Entry]) -> None:
    """Walk one slot's files in order of arrival.

    Files of one delivery stand beside each other (two slides, three callers). A later delivery's file replaces the
    earlier one of the same name, else all earlier ones whose content it doesn't send again.
    """
    contents: dict[str, set[str]] = defaultdict(set)
    for entry in versions:
        contents[entry.delivery].add(entry.sha256)
    active: dict[str, list[Entry]] = {}  # by delivery
    by_content: dict[str, list[Entry]] = defaultdict(list)
    for entry in versions:
        same = next((other for other in by_content[entry.sha256] if _compatible(entry, other)), None)
        if same is not None and (same.present or not entry.present):
            copies[entry] = same
            replaced[entry] = (
                Status.DUPLICATE,
                problem("W_DUPLICATE", f"the same content was taken before as {same.path}"),
            )
            continue
        gone: list[Entry] = []
        if same is not None:  # what was taken before is gone from disk: the copy stands in for it
            replaced[same] = (Status.DUPLICATE, problem("W_DUPLICATE", f"the same content now lies at {entry.path}"))
            copies[same] = entry
            entry.supersedes = same.supersedes
            _remove(same, active, by_content)
        else:
            rivals = [
                other
                for delivery, others in active.items()
                if delivery != entry.delivery
                for other in others
                if _compatible(entry, other) and other.sha256 not in contents[entry.delivery]
            ]
            gone = [other for other in rivals if other.name == entry.name] or rivals
        for other in gone:
            replaced[other] = (Status.SUPERSEDED, problem("W_SUPERSEDED", f"a newer file replaced it: {entry.path}"))
            entry.supersedes = other.id
            _remove(other, active, by_content)
        active.setdefault(entry.delivery, []).append(entry)
        by_content[entry.sha256].append(entry)


def _remove(entry: Entry, active: dict[str, list[Entry]], by_content: dict[str, list[Entry]]) -> None:
    active[entry.delivery].remove(entry)
    by_content[entry.sha256].remove(entry)


def _compatible(entry: Entry, other: Entry) -> bool:
    """Whether two files can speak of the same specimen: a drop without manifest doesn't name it."""
    return entry.specimen_id == other.specimen_id or not entry.specimen_id or not other.specimen_id


def _contradictions(current: Iterable[Entry]) -> dict[Entry, Entry]:
    """Entries whose content is also claimed for something else, each with one of the others.

    Duplicates of a current file take part too: they carry the same claim.
    """
    contents: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in current:
        if entry.scope in ("sample", "patient") and entry.role not in SHARED_ROLES:
            contents[entry.sha256, entry.named_sample].append(entry)
    found: dict[Entry, Entry] = {}
    for group in contents.values():
        if len(group) < 2:
            continue
        group.sort(key=lambda entry: entry.arrival)
        about = _disagreement(group)
        if about:
            for entry in group:
                other = next((other for other in group if _value(other, about) != _value(entry, about)), group[0])
                found[entry] = other
    return found


_ABOUT = ("patient_id", "timepoint", "role", "specimen_id")


def _value(entry: Entry, about: str) -> tuple[str, ...]:
    if about == "role":
        return entry.modality, entry.role
    if about == "timepoint" and entry.scope != "sample":
        return ("",)
    return (str(getattr(entry, about)),)


def _disagreement(group: list[Entry]) -> str:
    """What the claims of one content disagree about; empty when they agree."""
    for about in _ABOUT:
        if len({_value(entry, about) for entry in group} - {("",)}) > 1:
            return about
    return ""


def _swap(entry: Entry, other: Entry) -> Problem:
    about = _disagreement([entry, other]) or "patient_id"
    named = {"patient_id": "patient", "timepoint": "timepoint", "role": "role", "specimen_id": "specimen"}[about]
    text = f"the same content is also claimed for another {named}: {other.path}"
    return problem("E_SAMPLE_SWAP_SUSPECT", text, column=about)


def _wait(entry: Entry, missing: list[str]) -> Problem:
    of = {"sample": "the same patient and timepoint", "patient": "the same patient", "batch": "the same batch"}
    text = f"the file waits for {'; '.join(missing)} of {of.get(entry.scope, 'the study')}"
    return problem("W_INCOMPLETE", text, fix=f"send {'; '.join(missing)}; order doesn't matter")


def _corrected(entry: Entry) -> Problem | None:
    """What a receipt says while a correction overrules the manifest."""
    stated, claim = entry.delivered, entry.claim
    if stated is None or claim is None:
        return None
    if (stated.patient_id, stated.timepoint) == (claim.patient_id, claim.timepoint):
        return None
    text = (
        f"relabelled to {claim.patient_id} {claim.timepoint}; the manifest says {stated.patient_id} {stated.timepoint}"
    )
    return problem("W_RELABELLED", text)


def _seen_last(entry: Entry) -> Problem | None:
    if entry.present:
        return None
    return problem("W_SOURCE_MISSING", "the file was taken and has since been removed", fix="nothing: products stay")
