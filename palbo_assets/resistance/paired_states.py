"""States of mechanisms that are measured rather than called: a change from baseline, or a sample's own state.

They are judged on facts, so what a quality gate rejected or an assay couldn't quantify never becomes a state. A value
beyond an assay's limit bounds the change: it decides where the bound alone decides, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf, log2
from typing import TYPE_CHECKING, Any

from palbo_assets.platform.tables import records
from palbo_assets.resistance.features import Catalogue
from palbo_assets.resistance.mechanisms import Kind, Measure, Mechanism, Rule
from palbo_assets.resistance.settings import Settings
from palbo_assets.resistance.state_rows import IDENTITY_MISMATCH, NOT_MEASURED, StateRow
from palbo_assets.study.vocabulary import OBSERVED, Absence, State, Timepoint

if TYPE_CHECKING:
    import pandas as pd

NO_BASELINE = "NO_BASELINE"
NOT_CONFIDENT = "SUBTYPE_NOT_CONFIDENT"
NO_FROZEN_REFERENCE = "NO_FROZEN_REFERENCE"
DIFFERENT_PLATES = "DIFFERENT_PLATES"
NO_PAIR = "NO_PAIR"
BEYOND_LIMITS = "BEYOND_THE_ASSAYS_LIMITS"
LUMINAL = ("LumA", "LumB")
NON_LUMINAL = ("Her2", "Basal")

Fact = Mapping[str, Any]
Facts = Mapping[tuple[str, str], Fact]
"""(timepoint, feature) -> fact with ``value, value_text, status, censor, lod`` (nulls as None)."""


@dataclass(frozen=True)
class _Bounds:
    """What is known of a value: it lies in [low, high]; equal when it was measured."""

    low: float
    high: float

    @property
    def exact(self) -> bool:
        return self.low == self.high


def measured_state(
    mechanism: Mechanism,
    measure: Measure,
    timepoint: str,
    facts: Facts,
    settings: Settings,
    *,
    identity_blocked: bool,
    plates: Mapping[str, str],
    unpaired: Mapping[tuple[str, str], str],
) -> StateRow:
    """State of one measure at one timepoint.

    Parameters
    ----------
    identity_blocked
        A sample of the pair isn't the patient's: nothing paired can be said.
    plates
        Timepoint -> ELISA plate; a pair on two plates carries the plates' difference, which the reason then says.
    unpaired
        (timepoint, feature) -> why the sample can't be compared with baseline (`unpaired_features`).
    """
    nothing = StateRow(
        mechanism.code,
        timepoint,
        measure.source,
        State.NOT_EVALUABLE,
        unit=measure.unit or None,
        threshold=measure.threshold,
    )
    if (timepoint, measure.feature) not in facts:
        return replace(nothing, reason=NOT_MEASURED)
    if identity_blocked:
        return replace(nothing, reason=IDENTITY_MISMATCH)
    if mechanism.kind is Kind.PAIRED and (Timepoint.BL, measure.feature) not in facts:
        return replace(nothing, reason=NO_BASELINE)
    if mechanism.kind is Kind.PAIRED and (timepoint, measure.feature) in unpaired:
        return replace(nothing, reason=f"{NO_PAIR}: {unpaired[timepoint, measure.feature]}")
    if measure.rule is Rule.SUBTYPE_SWITCH:
        return _subtype_switch(nothing, timepoint, facts)
    if measure.rule is Rule.FLAG:
        return _flag(nothing, facts[timepoint, measure.feature])
    if measure.rule is Rule.ER_INDEPENDENT:
        return _er_independent(nothing, measure, timepoint, facts, settings)
    before, after = (_bounds(facts[point, measure.feature]) for point in (Timepoint.BL, timepoint))
    if after is None:
        return replace(nothing, reason=_why(facts[timepoint, measure.feature]))
    if before is None:
        return replace(nothing, reason=f"{NO_BASELINE}: {_why(facts[Timepoint.BL, measure.feature])}")
    row = _change(nothing, measure, before, after, settings)
    if measure.unmeasured and row.state is State.PRESENT:
        return replace(row, state=State.NOT_EVALUABLE, reason=measure.unmeasured)
    two_plates = measure.source == "elisa" and plates.get(Timepoint.BL) != plates.get(timepoint)
    return replace(row, reason=row.reason or DIFFERENT_PLATES) if two_plates else row


def _flag(nothing: StateRow, fact: Fact) -> StateRow:
    """What the measuring room judged itself, with the limits of its own settings."""
    if fact["status"] != OBSERVED or fact["value"] is None:
        return replace(nothing, reason=str(fact["reason"] or _why(fact)))
    yes = fact["value"] == 1
    return replace(nothing, state=State.PRESENT if yes else State.ABSENT, evidence=str(fact["feature"]))


def unpaired_features(catalogue: Catalogue, pairs: Mapping[str, pd.DataFrame]) -> dict[tuple[str, str], str]:
    """(timepoint, feature) -> reason, of a patient's samples whose values mustn't be compared with baseline.

    Parameters
    ----------
    pairs
        Table name -> the patient's rows, of the tables that features name as ``paired_by``.
    """
    found = {}
    for feature in catalogue.features:
        for row in records(pairs[feature.paired_by]) if feature.paired_by else ():
            about = all(row[name] == wanted for name, wanted in feature.where.items())
            if about and row["status"] != OBSERVED:
                found[str(row["timepoint"]), feature.name] = str(row["reason"])
    return found


def _bounds(fact: Fact) -> _Bounds | None:
    if fact["status"] == OBSERVED and fact["value"] is not None:
        return _Bounds(fact["value"], fact["value"])
    if fact["lod"] is None:
        return None
    if fact["status"] == Absence.BELOW_LLOQ:
        return _Bounds(0.0, fact["lod"])
    return _Bounds(fact["lod"], inf) if fact["censor"] == ">" else None


def _why(fact: Fact) -> str:
    return str(fact["status"]) if fact["status"] != OBSERVED else "NO_VALUE"


def _change(nothing: StateRow, measure: Measure, before: _Bounds, after: _Bounds, settings: Settings) -> StateRow:
    ratio = measure.rule in (Rule.RATIO_RISE, Rule.RATIO_FALL, Rule.RATIO_CHANGE)
    if ratio:
        change = _Bounds(_log2_ratio(after.low, before.high), _log2_ratio(after.high, before.low))
    else:
        change = _Bounds(after.low - before.high, after.high - before.low)
    threshold = _threshold(measure, settings)
    row = replace(nothing, threshold=threshold, value=change.low if change.exact and abs(change.low) < inf else None)
    evidence = "baseline and later measured" if before.exact and after.exact else "bounded by the assay's limits"
    row = replace(row, evidence=evidence)
    if change.low != change.low or change.high != change.high:
        return replace(row, reason=BEYOND_LIMITS)
    reached, missed = _verdicts(measure, change, after, threshold)
    if reached:
        return replace(row, state=State.PRESENT)
    if missed:
        return replace(row, state=State.ABSENT)
    return replace(row, reason=BEYOND_LIMITS)


def _verdicts(measure: Measure, change: _Bounds, after: _Bounds, threshold: float) -> tuple[bool, bool]:
    """Whether the whole interval of possible changes meets the rule, and whether none of it does."""
    if measure.rule is Rule.RATIO_FALL:
        return change.high <= threshold, change.low > threshold
    if measure.rule is Rule.FALL:
        return change.high <= -threshold, change.low > -threshold
    if measure.rule in (Rule.CHANGE, Rule.RATIO_CHANGE):
        outside = change.low >= threshold or change.high <= -threshold
        return outside, -threshold < change.low and change.high < threshold
    if measure.rule is Rule.RISE_TO_LEVEL and measure.level is not None:
        return (
            change.low >= threshold and after.low >= measure.level,
            change.high < threshold or after.high < measure.level,
        )
    return change.low >= threshold, change.high < threshold


def _threshold(measure: Measure, settings: Settings) -> float:
    """The rule's threshold on its own scale; with a CV, never inside the reference change value."""
    change_limit = 0.0
    if measure.cv_pct is not None:
        relative = settings.reference_change_factor * measure.cv_pct / 100
        change_limit = log2(1 + relative) if measure.rule is Rule.RATIO_RISE else -log2(max(1 - relative, 1e-9))
    if measure.rule is Rule.RATIO_FALL:
        return -max(change_limit, abs(measure.threshold or 0.0))
    return max(change_limit, measure.threshold or 0.0)


def _log2_ratio(later: float, earlier: float) -> float:
    """log2(later / earlier), infinite where one side is 0 or unbounded, NaN where that leaves no order."""
    if later == earlier and later in (0, inf):
        return float("nan")
    if later == 0 or earlier == inf:
        return -inf
    if earlier == 0 or later == inf:
        return inf
    return log2(later / earlier)


def _confident_subtype(facts: Facts, timepoint: str) -> tuple[str | None, str]:
    """The subtype, and why it can't be used (empty when it can)."""
    call, confident = facts.get((timepoint, "rna__subtype")), facts.get((timepoint, "rna__subtype_confident"))
    if call is None or call["status"] != OBSERVED:
        return None, NO_BASELINE if timepoint == Timepoint.BL else _why(call) if call else NOT_MEASURED
    subtype = str(call["value_text"])
    sure = confident is not None and confident["status"] == OBSERVED and confident["value"] == 1
    return subtype, "" if sure else NOT_CONFIDENT


def _subtype_switch(nothing: StateRow, timepoint: str, facts: Facts) -> StateRow:
    """Another confident call than at baseline. A Normal-like call is never confident: it means little tumour."""
    before, no_before = _confident_subtype(facts, Timepoint.BL)
    after, no_after = _confident_subtype(facts, timepoint)
    evidence = f"{before or '?'}>{after or '?'}"
    if no_before or no_after:
        return replace(nothing, reason=no_after or no_before, evidence=evidence)
    state = State.PRESENT if before != after else State.ABSENT
    return replace(nothing, state=state, evidence=evidence)


def _er_independent(nothing: StateRow, measure: Measure, timepoint: str, facts: Facts, settings: Settings) -> StateRow:
    """Low oestrogen response AND (non-luminal subtype or lost ESR1): one part that fails is enough for ABSENT."""
    subtype, unsure = _confident_subtype(facts, timepoint)
    non_luminal = None if unsure else subtype in NON_LUMINAL
    fall = _esr1_fall(timepoint, facts)
    lost = False if timepoint == Timepoint.BL else None if fall is None else fall >= settings.er_drop_log2
    second = True if non_luminal or lost else False if non_luminal is False and lost is False else None
    score = facts[timepoint, measure.feature]
    mean, sd = settings.er_score_baseline_mean, settings.er_score_baseline_sd
    first, z = None, None
    if score["status"] == OBSERVED and mean is not None and sd is not None and measure.threshold is not None:
        z = (score["value"] - mean) / sd
        first = z <= measure.threshold
    row = replace(nothing, value=z, evidence=f"subtype {subtype or 'unknown'}")
    if first is False or second is False:
        return replace(row, state=State.ABSENT)
    if first and second:
        return replace(row, state=State.PRESENT)
    if score["status"] != OBSERVED:
        return replace(row, reason=_why(score))
    return replace(row, reason=NO_FROZEN_REFERENCE if first is None else unsure or NO_BASELINE)


def _esr1_fall(timepoint: str, facts: Facts) -> float | None:
    """log2 fall of ESR1 from baseline; None where one side is missing."""
    sides = [facts.get((point, "rna__esr1_log2_tpm")) for point in (Timepoint.BL, timepoint)]
    values = [side["value"] for side in sides if side is not None and side["status"] == OBSERVED]
    return values[0] - values[1] if len(values) == 2 else None
