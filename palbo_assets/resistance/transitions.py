"""What became of each mechanism between baseline and progression.

"Acquired" is only said when the baseline sample would have shown the alteration; "lost" only when the progression
sample would have. Everything seen on one side alone without that power is indeterminate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from palbo_assets.resistance.mechanisms import Kind, Mechanism, Mechanisms
from palbo_assets.resistance.settings import Settings
from palbo_assets.resistance.state_rows import IDENTITY_MISMATCH, MEASURED, TRACE, StateRow
from palbo_assets.resistance.states import Combined, at, combine
from palbo_assets.study.vocabulary import State, Timepoint, Transition


@dataclass(frozen=True)
class TransitionRow:
    """One mechanism of one patient. ``power`` is that of the side where nothing was found; None where none is needed.

    ``sources`` are those in which the mechanism is PRESENT at progression (or was at baseline, when lost).
    ``chosen_from_cohort``: what is said rests on loci that are on the plasma panel because of this cohort's findings.
    """

    mechanism: str
    baseline_state: State | None
    progression_state: State
    transition: Transition
    power: float | None = None
    reason: str = ""
    sources: str = ""
    hgvsp: str = ""
    evidence: str = ""
    chosen_from_cohort: bool | None = None


def patient_transitions(
    mechanisms: Mechanisms, states: Sequence[StateRow], *, identity_blocked: bool, settings: Settings
) -> list[TransitionRow]:
    """One row per mechanism that can be stated at progression, in the order of attribution.

    ``identity_blocked``: the baseline or the progression sample isn't the patient's, so nothing paired can be said.
    """
    rows = []
    for mechanism in mechanisms.listed:
        if Timepoint.PD not in mechanism.timepoints:
            continue
        before, after = (at(states, mechanism.code, point) for point in (Timepoint.BL, Timepoint.PD))
        row = _transition(mechanism, before, after, identity_blocked, settings)
        if any(one.chosen_from_cohort is not None for one in (*before, *after)):
            foreseen = [[one for one in side if not one.chosen_from_cohort] for side in (before, after)]
            without = _transition(mechanism, foreseen[0], foreseen[1], identity_blocked, settings)
            row = replace(row, chosen_from_cohort=without.transition is not row.transition)
        rows.append(row)
    return rows


def _transition(
    mechanism: Mechanism,
    before: Sequence[StateRow],
    after: Sequence[StateRow],
    identity_blocked: bool,
    settings: Settings,
) -> TransitionRow:
    later = combine(mechanism.required, after)
    earlier = combine(mechanism.required, before) if mechanism.kind is not Kind.PAIRED else None
    shown = after if later.state is State.PRESENT else before
    present = [row for row in shown if row.state is State.PRESENT]
    row = TransitionRow(
        mechanism.code,
        earlier.state if earlier else None,
        later.state,
        Transition.NOT_EVALUABLE,
        sources=";".join(sorted(one.source for one in present)),
        hgvsp=_joined([one.hgvsp for one in present]),
        evidence=_joined([one.evidence for one in present]),
    )
    if identity_blocked:
        return replace(row, reason=IDENTITY_MISMATCH)
    if earlier is None:
        return _of_change(row, later)
    if mechanism.kind in (Kind.STATE, Kind.AMPLIFICATION):
        return _of_state(row, earlier, later)
    if later.state is State.PRESENT:
        return _seen_at_progression(row, before, after, earlier, settings)
    return _unseen_at_progression(row, after, earlier, later)


def _of_change(row: TransitionRow, later: Combined) -> TransitionRow:
    """A change from baseline is itself the transition."""
    if later.state is State.NOT_EVALUABLE:
        return replace(row, reason=later.reason)
    gained = later.state is State.PRESENT
    return replace(row, transition=Transition.GAINED if gained else Transition.STABLE_ABSENT)


def _of_state(row: TransitionRow, earlier: Combined, later: Combined) -> TransitionRow:
    if State.NOT_EVALUABLE in (earlier.state, later.state):
        return replace(row, reason=_sides(earlier, later))
    transition = {
        (State.PRESENT, State.PRESENT): Transition.PREEXISTING,
        (State.ABSENT, State.PRESENT): Transition.GAINED,
        (State.PRESENT, State.ABSENT): Transition.LOST,
        (State.ABSENT, State.ABSENT): Transition.STABLE_ABSENT,
    }[earlier.state, later.state]
    return replace(row, transition=transition)


def _seen_at_progression(
    row: TransitionRow,
    before: Sequence[StateRow],
    after: Sequence[StateRow],
    earlier: Combined,
    settings: Settings,
) -> TransitionRow:
    tissue = next((one for one in before if one.source == "wes"), None)
    looked_at = tissue is not None and (tissue.state is State.ABSENT or tissue.reason in MEASURED)
    if earlier.state is State.PRESENT:
        if "wes" not in earlier.sources and looked_at:
            return replace(
                row, transition=Transition.PREEXISTING_SUBCLONAL_EXPANDED, reason="in plasma at baseline, not in tissue"
            )
        return _preexisting(row, before, after, settings)
    if any(one.trace for one in before):
        return replace(row, transition=Transition.PREEXISTING_SUBCLONAL_EXPANDED, reason=TRACE)
    seen = {one.source for one in after if one.state is State.PRESENT}
    same = [one for one in before if one.source in seen]
    powers = [one.power for one in same if one.state is State.ABSENT and one.power is not None]
    power = max(powers, default=max((one.power for one in same if one.power is not None), default=None))
    if powers and max(powers) >= settings.min_power:  # measured by tissue or plasma, whichever shows it now
        return replace(row, transition=Transition.ACQUIRED, power=power)
    if earlier.state is State.ABSENT or any(one.reason in MEASURED for one in before):
        reason = earlier.reason or "the source that shows it had no power at baseline"
        return replace(row, transition=Transition.PD_ONLY_INDETERMINATE, power=power, reason=reason)
    return replace(row, reason=earlier.reason)


def _preexisting(
    row: TransitionRow, before: Sequence[StateRow], after: Sequence[StateRow], settings: Settings
) -> TransitionRow:
    """Expanded if the cancer cell fraction at least doubled with disjoint intervals; allele fractions don't tell."""
    sides = [next((one for one in rows if one.source == "wes" and one.unit == "CCF"), None) for rows in (before, after)]
    first, last = sides
    if first is None or last is None or not first.value or last.value is None:
        return replace(row, transition=Transition.PREEXISTING, reason="no cancer cell fraction to compare")
    disjoint = first.value_high is not None and last.value_low is not None and last.value_low > first.value_high
    if disjoint and last.value / first.value >= settings.expansion_ratio:
        return replace(row, transition=Transition.PREEXISTING_EXPANDED)
    return replace(row, transition=Transition.PREEXISTING)


def _unseen_at_progression(
    row: TransitionRow, after: Sequence[StateRow], earlier: Combined, later: Combined
) -> TransitionRow:
    if earlier.state is State.PRESENT:
        if later.state is State.ABSENT:
            return replace(row, transition=Transition.LOST, power=later.power)
        if any(one.reason in MEASURED for one in after):
            powers = [one.power for one in after if one.power is not None]
            transition = Transition.BL_ONLY_INDETERMINATE
            return replace(row, transition=transition, power=max(powers, default=None), reason=later.reason)
        return replace(row, reason=later.reason)
    if earlier.state is State.ABSENT and later.state is State.ABSENT:
        powers = [side.power for side in (earlier, later) if side.power is not None]
        return replace(row, transition=Transition.STABLE_ABSENT, power=min(powers, default=None))
    return replace(row, reason=_sides(earlier, later))


def _sides(earlier: Combined, later: Combined) -> str:
    sides = (("baseline", earlier), ("progression", later))
    return "; ".join(f"{name} {side.reason}" for name, side in sides if side.state is State.NOT_EVALUABLE)


def _joined(parts: Sequence[str]) -> str:
    return ";".join(sorted({piece for part in parts for piece in part.split(";") if piece}))
