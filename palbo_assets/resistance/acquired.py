"""Which alterations of progression were acquired under treatment, and may it be said?

Every alteration that a tumour or a plasma shows at progression is looked up in every baseline sample of the patient
(`patient_genotypes`). "Acquired" is said only where a baseline sample of the kind that shows it now would have shown it
then, and no baseline sample shows as much as a trace. Looked at without that power is indeterminate. A baseline plasma
whose panel version lacks the locus, or a sample that failed or isn't the patient's, says nothing at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from palbo_assets.platform.tables import records
from palbo_assets.resistance.settings import AcquiredSettings
from palbo_assets.resistance.state_rows import IDENTITY_MISMATCH
from palbo_assets.resistance.variant_states import VariantKey, key_of
from palbo_assets.study.vocabulary import CallState, Timepoint, Transition

if TYPE_CHECKING:
    import pandas as pd

PROTEIN_CHANGING = frozenset(
    {
        "Missense_Mutation", "Nonsense_Mutation", "Frame_Shift_Del", "Frame_Shift_Ins", "In_Frame_Del", "In_Frame_Ins",
        "Splice_Site", "Translation_Start_Site", "Nonstop_Mutation",
    }
)  # fmt: skip
TUMOUR, PLASMA, NORMAL = "tumour", "plasma", "normal"
NO_BASELINE, NOT_ASSAYED = "NO_BASELINE_SAMPLE", "NOT_ASSAYED"
# Reasons of a sample that wasn't looked at: such a sample neither shows nor excludes.
SILENT = frozenset({IDENTITY_MISMATCH, "QC_FAIL", "UNKNOWN_PANEL", "NOT_COUNTABLE"})
FEW_FRAGMENTS, IN_BLOOD, FORMALIN, UNPROVEN = "few_fragments", "in_white_cells", "formalin", "origin_not_shown"
_DEAMINATION = {("C", "T"), ("G", "A")}


@dataclass(frozen=True)
class Verdict:
    """``power`` is that of the baseline samples which exclude the alteration (or of the best that couldn't)."""

    verdict: Transition
    power: float | None = None
    reason: str = ""


def alterations_of_progression(
    patient_genotypes: pd.DataFrame,
    ctdna_origins: pd.DataFrame,
    *,
    identity_blocked: bool,
    settings: AcquiredSettings,
) -> list[dict[str, Any]]:
    """Rows of ``acquired_alterations`` of one patient, in genome order: what progression shows, and since when.

    Parameters
    ----------
    patient_genotypes, ctdna_origins
        The patient's rows of these tables.
    identity_blocked
        A sample of the pair isn't the patient's: nothing paired is said.
    """
    by_variant: dict[VariantKey, list[dict[str, Any]]] = {}
    for row in records(patient_genotypes):
        by_variant.setdefault(key_of(row), []).append(row)
    origins = {(str(row["specimen_id"]), key_of(row)): str(row["origin"]) for row in records(ctdna_origins)}
    found = []
    for key, rows in sorted(by_variant.items()):
        now = [row for row in rows if row["timepoint"] == Timepoint.PD and _shows(row)]
        if not now:
            continue
        before = [row for row in rows if row["timepoint"] == Timepoint.BL and row["sample_kind"] in (TUMOUR, PLASMA)]
        judged = Verdict(Transition.NOT_EVALUABLE, reason=IDENTITY_MISMATCH)
        if not identity_blocked:
            judged = since_when(now, before, settings)
        normal = [row for row in rows if row["sample_kind"] == NORMAL]
        doubts = doubts_of(now, normal, [origins.get((str(row["specimen_id"]), key)) for row in now], settings)
        first = now[0]
        found.append(
            {
                **key._asdict(),
                **{name: first[name] for name in ("gene", "consequence", "hgvsp_short", "lof", "hotspot")},
                "timepoint": str(Timepoint.PD),
                "seen_in": ";".join(sorted({str(row["sample_kind"]) for row in now})),
                "verdict": str(judged.verdict),
                "power": judged.power,
                "reason": judged.reason,
                "baseline": ";".join(map(_said, before)),
                "max_vaf": max((row["vaf"] for row in now if row["vaf"] is not None), default=None),
                "protein_changing": changes_protein(first),
                "confident": not doubts,
                "doubts": ";".join(doubts),
            }
        )
    return found


def _shows(row: Mapping[str, Any]) -> bool:
    return row["sample_kind"] in (TUMOUR, PLASMA) and row["state"] == CallState.PRESENT and bool(row["called"])


def _said(row: Mapping[str, Any]) -> str:
    """What one baseline sample says, for people: kind, counts, state, and why."""
    depth = "" if row["depth"] is None else f" {row['alt_count']}/{row['depth']}"
    version = f" on panel {row['panel_version']}" if row["panel_version"] else ""
    reason = f" ({row['reason']})" if row["reason"] else ""
    return f"{row['sample_kind']}{depth}: {row['state']}{reason}{version}"


def since_when(
    now: Sequence[Mapping[str, Any]], before: Sequence[Mapping[str, Any]], settings: AcquiredSettings
) -> Verdict:
    """Whether an alteration that ``now`` shows was there ``before``: both rows of ``patient_genotypes``.

    Tissue speaks for tissue and plasma for plasma: that a biopsy lacks what plasma shows of other lesions excludes
    nothing. Of several baseline samples of one kind each that was looked at must exclude it.
    """
    shown = {str(row["sample_kind"]) for row in now}
    earlier = {str(row["sample_kind"]) for row in before if _shows(row)}
    if shown & earlier:
        return Verdict(Transition.PREEXISTING)
    if earlier:
        (kind,) = earlier
        return Verdict(Transition.PREEXISTING_SUBCLONAL_EXPANDED, reason=f"in {kind} at baseline")
    if any(row["trace"] for row in before):
        return Verdict(Transition.PREEXISTING_SUBCLONAL_EXPANDED, reason="TRACE_BELOW_CALLING_LIMIT")
    powers: list[float] = []
    best: list[float] = []
    reasons: list[str] = []
    silent: list[str] = []
    for kind in sorted(shown):
        same = [row for row in before if row["sample_kind"] == kind]
        looked = [row for row in same if row["state"] != CallState.NOT_ASSAYED and row["reason"] not in SILENT]
        known = [float(row["power"]) for row in looked if row["power"] is not None]
        if looked and len(known) == len(looked) and all(_excludes(row, settings) for row in looked):
            powers.append(min(known))
        elif looked:
            best += known
            reasons += [str(row["reason"] or "LOW_POWER") for row in looked if not _excludes(row, settings)]
        else:
            silent += [
                f"{NOT_ASSAYED} on panel {row['panel_version']}" if row["state"] == CallState.NOT_ASSAYED
                else str(row["reason"])
                for row in same
            ]  # fmt: skip
    if powers:
        return Verdict(Transition.ACQUIRED, max(powers))
    if reasons:
        joined = ";".join(dict.fromkeys(reasons))
        return Verdict(Transition.PD_ONLY_INDETERMINATE, max(best, default=None), joined)
    return Verdict(Transition.NOT_EVALUABLE, reason=";".join(dict.fromkeys(silent)) or NO_BASELINE)


def _excludes(row: Mapping[str, Any], settings: AcquiredSettings) -> bool:
    return row["state"] == CallState.ABSENT and row["power"] is not None and row["power"] >= settings.min_power


def doubts_of(
    now: Sequence[Mapping[str, Any]],
    normal: Sequence[Mapping[str, Any]],
    origins: Sequence[str | None],
    settings: AcquiredSettings,
) -> list[str]:
    """Why an alteration isn't believed enough to order a probe for it; empty where nothing speaks against it.

    One sample of progression that stands suffices. ``origins``: of ``now`` in plasma, by the patient's white cells.
    """
    if any(row["alt_count"] for row in normal):
        return [IN_BLOOD]
    doubts: list[str] = []
    for row, origin in zip(now, origins, strict=True):
        if row["sample_kind"] == PLASMA:
            doubt = None if origin == "TUMOUR" else UNPROVEN
        elif (row["alt_count"] or 0) < settings.extension_alt_reads:
            doubt = FEW_FRAGMENTS
        elif (row["ref"], row["alt"]) in _DEAMINATION and (row["vaf"] or 0.0) < settings.artefact_vaf:
            doubt = FORMALIN
        else:
            doubt = None
        if doubt is None:
            return []
        doubts.append(doubt)
    return sorted(set(doubts))


def changes_protein(row: Mapping[str, Any]) -> bool:
    """By its class; a tracked allele of plasma has none, so there the protein change that the list states counts."""
    if row["consequence"]:
        return row["consequence"] in PROTEIN_CHANGING
    change = str(row["hgvsp_short"] or "")
    return bool(change) and not change.endswith("=")
