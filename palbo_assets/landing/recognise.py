"""Which kind of file a claim is about: its role, and whether the claim names what that kind needs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from palbo_assets.landing.problem import Problem, problem
from palbo_assets.platform import formats
from palbo_assets.platform.formats import Claim, FileFormat, Scope

Registry = Mapping[tuple[str, str], FileFormat]


def recognise(claim: Claim, registry: Registry | None = None) -> tuple[FileFormat | None, Problem | None]:
    """The format of a claimed file, by its role or, when the claim names none, by its suffix.

    Returns the format, and a problem when there is none or when patient and timepoint don't suit it
    (``E_UNKNOWN_ROLE``, ``E_SCHEMA``).
    """
    known = formats.registry() if registry is None else registry
    roles = {role: item for (modality, role), item in known.items() if modality == claim.modality}
    if claim.role:
        chosen = roles.get(claim.role)
        if chosen is None:
            return None, _unknown_role(claim.role, list(roles))
    else:
        fitting = by_suffix(claim.file, roles.values())
        if len(fitting) != 1:
            names = ", ".join(item.role for item in fitting) or ", ".join(sorted(roles)) or "none is installed"
            text = "the name's suffix suits no role" if not fitting else "the name's suffix suits several roles"
            return None, problem(
                "E_UNKNOWN_ROLE", f"{text} of this modality", fix=f"fill in the role: {names}", column="role"
            )
        chosen = fitting[0]
    return chosen, scope_problem(claim, chosen)


def by_suffix(file: str, candidates: Iterable[FileFormat]) -> list[FileFormat]:
    """Formats whose suffix is the longest that the name ends in (``.vcf.gz`` wins over ``.gz``), by role."""
    name = file.lower()
    fitting: list[tuple[int, FileFormat]] = []
    for item in candidates:
        lengths = [len(suffix) for suffix in item.suffixes if name.endswith(suffix)]
        if lengths:
            fitting.append((max(lengths), item))
    longest = max((length for length, _ in fitting), default=0)
    return sorted((item for length, item in fitting if length == longest), key=lambda item: (item.modality, item.role))


def scope_problem(claim: Claim, chosen: FileFormat) -> Problem | None:
    """Whether patient and timepoint are given exactly where a file of this kind speaks of one."""
    speaks_of = {
        Scope.SAMPLE: ("patient_id", "timepoint"),
        Scope.PATIENT: ("patient_id",),
        Scope.BATCH: (),
        Scope.COHORT: (),
    }[chosen.scope]
    for column in speaks_of:
        if not getattr(claim, column):
            return problem(
                "E_SCHEMA", f"a file of role {chosen.role} needs a {column}", fix="fill in the cell", column=column
            )
    if chosen.scope in (Scope.BATCH, Scope.COHORT):
        for column in ("patient_id", "timepoint"):
            if getattr(claim, column):
                return problem(
                    "E_SCHEMA",
                    f"a file of role {chosen.role} holds many patients, so it has no {column}",
                    fix="leave the cell empty",
                    column=column,
                )
    return None


def _unknown_role(role: str, roles: list[str]) -> Problem:
    near = difflib.get_close_matches(role, roles, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    listed = ", ".join(sorted(roles)) or "no format of this modality is installed"
    text = "the role is not known for this modality"
    return problem("E_UNKNOWN_ROLE", text, fix=f"{hint}use one of: {listed}", column="role")
