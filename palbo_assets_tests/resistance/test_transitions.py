"""Between baseline and progression: what may be called acquired, lost, expanded, and what may not."""

from __future__ import annotations

import pytest

from palbo_assets.resistance.states import as_rows, at, combine, from_rows
from palbo_assets.resistance.tables import MECHANISMS, RESISTANCE_STATES
from palbo_assets.resistance.transitions import TransitionRow, patient_transitions
from palbo_assets.study.vocabulary import State, Transition
from palbo_assets_tests.resistance.frames import (
    D538G,
    H1047R,
    R320X,
    SETTINGS,
    Y537S,
    fact,
    forced,
    identity,
    plasma,
    plasma_qc,
    read_qc,
    rows_of,
    somatic,
    states,
)

MATCHED = (identity("BL"), identity("PD"))
BOTH = (read_qc("BL"), read_qc("PD"))


def transition(mechanism: str, *, blocked: bool = False, **evidence) -> TransitionRow:
    evidence = {"quality": BOTH, "identities": MATCHED, **evidence}
    rows = patient_transitions(MECHANISMS, states(**evidence), identity_blocked=blocked, settings=SETTINGS)
    return next(row for row in rows if row.mechanism == mechanism)


@pytest.mark.parametrize(("depth", "expected"), [(40, Transition.PD_ONLY_INDETERMINATE), (200, Transition.ACQUIRED)])
def test_the_same_alteration_is_indeterminate_at_baseline_depth_40_and_acquired_at_200(depth, expected) -> None:
    row = transition(
        "ESR1_MUT",
        somatic_calls=(somatic("PD", D538G, vaf=0.1),),
        genotypes=(forced("BL", D538G, depth=depth, expected=0.1),),
    )
    assert row.transition is expected
    assert (row.power >= 0.8) == (expected is Transition.ACQUIRED)
    assert (row.sources, row.hgvsp) == ("wes", "D538G")


def test_present_on_both_sides_is_preexisting() -> None:
    row = transition("ESR1_MUT", somatic_calls=(somatic("BL", D538G), somatic("PD", D538G)))
    assert (row.transition, row.baseline_state) == (Transition.PREEXISTING, State.PRESENT)


def test_an_expansion_needs_a_doubled_cell_fraction_with_disjoint_intervals() -> None:
    small = somatic("BL", D538G, vaf=0.05, depth=400, ccf=0.2, ccf_low=0.12, ccf_high=0.29)
    large = somatic("PD", D538G, vaf=0.25, depth=400, ccf=0.9, ccf_low=0.75, ccf_high=1.0)
    assert transition("ESR1_MUT", somatic_calls=(small, large)).transition is Transition.PREEXISTING_EXPANDED
    shallow = somatic("BL", D538G, vaf=0.05, depth=20, ccf=0.2, ccf_low=0.01, ccf_high=0.85)
    shallower = somatic("PD", D538G, vaf=0.25, depth=20, ccf=0.9, ccf_low=0.35, ccf_high=1.0)
    assert transition("ESR1_MUT", somatic_calls=(shallow, shallower)).transition is Transition.PREEXISTING
    raw = transition("ESR1_MUT", somatic_calls=(small | {"ccf": None}, large | {"ccf": None}))
    assert raw.transition is Transition.PREEXISTING  # a purer biopsy doubles allele fractions, too
    assert raw.reason == "no cancer cell fraction to compare"


def test_a_trace_at_baseline_is_a_subclone_that_expanded() -> None:
    row = transition(
        "ESR1_MUT",
        somatic_calls=(somatic("PD", D538G),),
        genotypes=(forced("BL", D538G, depth=300, alt=2, expected=0.3, trace=True),),
    )
    assert row.transition is Transition.PREEXISTING_SUBCLONAL_EXPANDED


def test_plasma_that_shows_it_at_baseline_forbids_acquired() -> None:
    row = transition(
        "ESR1_MUT",
        somatic_calls=(somatic("PD", D538G), somatic("BL", H1047R)),
        genotypes=(forced("BL", D538G, depth=300, expected=0.3),),
        plasma_calls=(plasma("BL", D538G, "PRESENT", vaf=0.01),),
        plasma_quality=(plasma_qc("BL"),),
    )
    assert row.transition is Transition.PREEXISTING_SUBCLONAL_EXPANDED


def test_plasma_alone_at_baseline_without_tissue_is_preexisting() -> None:
    row = transition(
        "ESR1_MUT",
        quality=(read_qc("PD"),),
        somatic_calls=(somatic("PD", D538G),),
        plasma_calls=(plasma("BL", D538G, "PRESENT", vaf=0.01),),
        plasma_quality=(plasma_qc("BL"),),
    )
    assert row.transition is Transition.PREEXISTING


@pytest.mark.parametrize(("depth", "expected"), [(200, Transition.LOST), (20, Transition.BL_ONLY_INDETERMINATE)])
def test_lost_needs_power_at_progression(depth, expected) -> None:
    row = transition(
        "ESR1_MUT",
        somatic_calls=(somatic("BL", D538G, vaf=0.1),),
        genotypes=(forced("PD", D538G, depth=depth, expected=0.1),),
    )
    assert row.transition is expected


def test_absent_with_power_on_both_sides_is_stable() -> None:
    row = transition("ESR1_MUT", somatic_calls=(somatic("BL", H1047R), somatic("PD", H1047R)))
    assert row.transition is Transition.STABLE_ABSENT
    assert row.power >= 0.8


@pytest.mark.parametrize("missing", ["BL", "PD"])
def test_a_side_that_was_not_measured_is_not_evaluable(missing) -> None:
    there = "PD" if missing == "BL" else "BL"
    row = transition("ESR1_MUT", quality=(read_qc(there),), somatic_calls=(somatic(there, D538G),))
    assert (row.transition, row.power) == (Transition.NOT_EVALUABLE, None)
    assert "NOT_MEASURED" in row.reason


def test_an_alteration_seen_only_in_plasma_at_progression_needs_power_in_baseline_plasma() -> None:
    tissue = {"somatic_calls": (somatic("BL", H1047R), somatic("PD", H1047R))}
    later = plasma("PD", D538G, "PRESENT", vaf=0.02)
    alone = transition("ESR1_MUT", **tissue, plasma_calls=(later,), plasma_quality=(plasma_qc("PD"),))
    assert alone.transition is Transition.PD_ONLY_INDETERMINATE
    calls = (later, plasma("BL", D538G, "ABSENT"), plasma("BL", H1047R, "PRESENT", vaf=0.02))
    paired = transition("ESR1_MUT", **tissue, plasma_calls=calls, plasma_quality=(plasma_qc("BL"), plasma_qc("PD")))
    assert (paired.transition, paired.sources) == (Transition.ACQUIRED, "ctdna")


def test_what_only_loci_chosen_from_this_cohort_show_is_true_of_the_patient_and_flagged() -> None:
    shed = [plasma(point, H1047R, "PRESENT", vaf=0.02, chosen_from_cohort=False) for point in ("BL", "PD")]
    both = {"plasma_quality": (plasma_qc("BL"), plasma_qc("PD"))}

    def flag(mechanism: str, *calls: dict, **more) -> tuple[Transition, bool | None]:
        row = transition(mechanism, plasma_calls=(*shed, *calls), **both, **more)
        return row.transition, row.chosen_from_cohort

    before = plasma("BL", D538G, "ABSENT", chosen_from_cohort=True)
    after = plasma("PD", D538G, "PRESENT", vaf=0.02, chosen_from_cohort=True)
    foreseen = plasma("PD", Y537S, "PRESENT", vaf=0.02, chosen_from_cohort=False)
    clean = plasma("BL", Y537S, "ABSENT", chosen_from_cohort=False)
    assert flag("ESR1_MUT", before, after) == (Transition.ACQUIRED, True)
    assert flag("PIK3CA_ACT", before, after)[1] is False
    # The same is said by a locus that was on the panel before, or by the tumour: no circle.
    assert flag("ESR1_MUT", before, after, clean, foreseen) == (Transition.ACQUIRED, False)
    tissue = (somatic("BL", H1047R), somatic("PD", H1047R), somatic("PD", D538G))
    looked = (forced("BL", D538G, depth=200), forced("PD", D538G, depth=200, alt=60, called=True, state="PRESENT"))
    seen = flag("ESR1_MUT", before, after, somatic_calls=tissue, genotypes=looked)
    assert seen == (Transition.ACQUIRED, False)
    # Not found at such a locus is of its kind too: it must not swell the denominator.
    gone = [plasma(point, D538G, "ABSENT", chosen_from_cohort=True) for point in ("BL", "PD")]
    alone = states(plasma_calls=(*shed, *gone), plasma_quality=both["plasma_quality"])
    assert all(one.chosen_from_cohort for one in alone if (one.mechanism, one.source) == ("ESR1_MUT", "ctdna")
               and one.timepoint in ("BL", "PD"))  # fmt: skip
    assert all(one.chosen_from_cohort is None for one in alone if one.source != "ctdna")
    assert from_rows(rows_of(RESISTANCE_STATES, *as_rows("PALBO-001", alone))) == alone


def test_a_failed_identity_check_blocks_every_transition_of_the_patient() -> None:
    rows = patient_transitions(
        MECHANISMS,
        states(
            somatic_calls=(somatic("BL", D538G), somatic("PD", D538G)),
            quality=BOTH,
            identities=(identity("BL"), identity("PD", "mismatch")),
            facts=(fact("BL", "rna__ccne1_log2_tpm", 2.0), fact("PD", "rna__ccne1_log2_tpm", 9.0)),
        ),
        identity_blocked=True,
        settings=SETTINGS,
    )
    assert {row.transition for row in rows} == {Transition.NOT_EVALUABLE}
    assert {row.reason for row in rows} == {"E_IDENTITY_MISMATCH"}


def test_two_swapped_patients_are_both_blocked_and_others_are_not() -> None:
    swapped = states(
        somatic_calls=(somatic("BL", R320X),), quality=BOTH, identities=(identity("BL"), identity("PD", "mismatch"))
    )
    kept = states(somatic_calls=(somatic("BL", R320X),), quality=BOTH, identities=MATCHED)
    assert {row.state for row in swapped if row.source == "wes"} == {State.NOT_EVALUABLE}
    assert State.PRESENT in {row.state for row in kept if row.source == "wes"}


def test_a_change_from_baseline_is_gained_stable_or_not_evaluable() -> None:
    def of(later: float | None, baseline: float | None = 3.0) -> TransitionRow:
        facts = [fact("PD", "rna__ccne1_log2_tpm", later), fact("PD", "ihc__cyclin_e1_h_score", 60.0)]
        if baseline is not None:
            facts += [fact("BL", "rna__ccne1_log2_tpm", baseline), fact("BL", "ihc__cyclin_e1_h_score", 50.0)]
        return transition("CCNE1_HIGH", facts=tuple(facts))

    assert of(4.5).transition is Transition.GAINED
    assert of(3.5).transition is Transition.STABLE_ABSENT
    assert of(None).transition is Transition.NOT_EVALUABLE
    assert of(4.5, None).transition is Transition.NOT_EVALUABLE
    assert of(4.5).baseline_state is None


def test_absent_over_sources_needs_every_required_source() -> None:
    found = states(facts=(fact("BL", "rna__ccne1_log2_tpm", 3.0), fact("PD", "rna__ccne1_log2_tpm", 3.2)))
    combined = combine(MECHANISMS["CCNE1_HIGH"].required, at(found, "CCNE1_HIGH", "PD"))
    assert combined.state is State.NOT_EVALUABLE
    assert combined.reason == "ihc: NOT_MEASURED"


def test_treg_fall_is_no_transition_because_it_ends_on_treatment() -> None:
    rows = patient_transitions(MECHANISMS, states(), identity_blocked=False, settings=SETTINGS)
    assert "TREG_DROP" not in {row.mechanism for row in rows}
