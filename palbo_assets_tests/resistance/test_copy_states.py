"""Copy number makes amplifications and second hits PRESENT or ABSENT, and never where it couldn't be judged."""

from __future__ import annotations

from typing import Any

import pytest

from palbo_assets.resistance.mechanisms import Kind
from palbo_assets.resistance.tables import MECHANISMS
from palbo_assets.resistance.transitions import TransitionRow, patient_transitions
from palbo_assets.study.vocabulary import State, Transition
from palbo_assets_tests.resistance.frames import (
    E137FS,
    H1047R,
    R320X,
    SETTINGS,
    gene_copies,
    identity,
    one,
    read_qc,
    somatic,
    states,
)

MATCHED = (identity("BL"), identity("PD"))
BOTH = (read_qc("BL"), read_qc("PD"))
TRUNCAL = (somatic("BL", H1047R), somatic("PD", H1047R))


def rb1(calls: tuple[dict[str, Any], ...], *copies: dict[str, Any]):  # type: ignore[no-untyped-def]
    found = states(somatic_calls=(*TRUNCAL, *calls), gene_copies=copies, quality=BOTH, identities=MATCHED)
    return one(found, "RB1_LOSS", "PD", "wes")


def test_a_homozygous_deletion_is_loss_without_any_mutation() -> None:
    row = rb1((), gene_copies("PD", "RB1", "HOMOZYGOUS_DELETION", 0.1))
    assert (row.state, row.value, row.unit, row.evidence) == (State.PRESENT, 0.1, "copies", "RB1:HOMOZYGOUS_DELETION")


def test_one_mutation_is_loss_only_where_the_other_parents_copy_is_gone() -> None:
    hit = (somatic("PD", R320X),)
    lost = rb1(hit, gene_copies("PD", "RB1", "LOSS", 1.0, "LOST"))
    assert lost.state is State.PRESENT and lost.hgvsp == "R320*" and lost.evidence.endswith("RB1:LOH")
    kept = rb1(hit, gene_copies("PD", "RB1", "NEUTRAL", 2.0, "KEPT"))
    assert kept.state is State.ABSENT and kept.power >= 0.8 and kept.hgvsp == "R320*"
    for untold in (gene_copies("PD", "RB1", "NEUTRAL", 2.0), gene_copies("PD", "RB1", "NOT_EVALUABLE")):
        row = rb1(hit, untold)
        assert (row.state, row.reason) == (State.NOT_EVALUABLE, "ONE_HIT_OF_TWO")
    assert rb1((somatic("PD", R320X), somatic("PD", E137FS))).state is State.PRESENT


@pytest.mark.parametrize("heterozygosity", ["LOST", "KEPT", "NOT_EVALUABLE"])
def test_without_mutation_loss_is_absent_once_copies_were_judged_with_depth(heterozygosity: str) -> None:
    row = rb1((), gene_copies("PD", "RB1", "LOSS", 1.0, heterozygosity))
    assert row.state is State.ABSENT and row.power >= 0.8


def test_copies_that_could_not_be_judged_leave_loss_and_amplification_open() -> None:
    unjudged = [gene_copies("PD", gene, "NOT_EVALUABLE", reason="LOW_PURITY") for gene in ("RB1", "FGFR1")]
    found = states(somatic_calls=TRUNCAL, gene_copies=tuple(unjudged), quality=BOTH, identities=MATCHED)
    assert one(found, "RB1_LOSS", "PD", "wes").reason == "NO_COPY_NUMBER"
    amplified = one(found, "FGFR1_AMP", "PD", "cn")
    assert (amplified.state, amplified.reason) == (State.NOT_EVALUABLE, "LOW_PURITY")
    assert one(found, "CCNE1_AMP", "PD", "cn").reason == "NO_COPY_NUMBER"


def test_amplification_states_copies_and_the_limit_that_they_passed() -> None:
    copies = (gene_copies("PD", "FGFR1", "AMPLIFICATION", 8.2), gene_copies("PD", "CCNE1", "GAIN", 4.0))
    found = states(gene_copies=copies, quality=BOTH, identities=MATCHED)
    row = one(found, "FGFR1_AMP", "PD", "cn")
    assert (row.state, row.value, row.threshold, row.evidence) == (State.PRESENT, 8.2, 5, "FGFR1:AMPLIFICATION")
    assert one(found, "CCNE1_AMP", "PD", "cn").state is State.ABSENT


def test_another_persons_tumour_and_a_failed_one_say_nothing_of_copies() -> None:
    copies = (gene_copies("PD", "FGFR1", "AMPLIFICATION", 8.0),)
    swapped = states(gene_copies=copies, quality=BOTH, identities=(identity("BL"), identity("PD", "mismatch")))
    assert one(swapped, "FGFR1_AMP", "PD", "cn").reason == "E_IDENTITY_MISMATCH"
    failed = states(gene_copies=copies, quality=(read_qc("BL"), read_qc("PD", verdict="fail")), identities=MATCHED)
    assert one(failed, "FGFR1_AMP", "PD", "cn").reason == "QC_FAIL"


def transition(code: str, *copies: dict[str, Any]) -> TransitionRow:
    found = states(somatic_calls=TRUNCAL, gene_copies=copies, quality=BOTH, identities=MATCHED)
    rows = patient_transitions(MECHANISMS, found, identity_blocked=False, settings=SETTINGS)
    return next(row for row in rows if row.mechanism == code)


def test_an_amplification_is_gained_lost_or_was_there_before() -> None:
    high, none = ("AMPLIFICATION", 8.0), ("NEUTRAL", 2.0)
    for before, after, expected in (
        (none, high, Transition.GAINED),
        (high, none, Transition.LOST),
        (high, high, Transition.PREEXISTING),
        (none, none, Transition.STABLE_ABSENT),
        (("NOT_EVALUABLE", None), high, Transition.NOT_EVALUABLE),
    ):
        row = transition("FGFR1_AMP", gene_copies("BL", "FGFR1", *before), gene_copies("PD", "FGFR1", *after))
        assert row.transition is expected


def test_a_deletion_that_baseline_would_have_shown_is_acquired() -> None:
    row = transition(
        "RB1_LOSS",
        gene_copies("BL", "RB1", "NEUTRAL", 2.0, "KEPT"),
        gene_copies("PD", "RB1", "HOMOZYGOUS_DELETION", 0.0),
    )
    assert (row.transition, row.baseline_state) == (Transition.ACQUIRED, State.ABSENT)


def test_every_amplification_names_one_gene_and_is_tested_in_a_family_of_its_own() -> None:
    kinds = [one for one in MECHANISMS.listed if one.kind is Kind.AMPLIFICATION]
    assert {one.code for one in kinds} == {f"{one.genes[0]}_AMP" for one in kinds} and len(kinds) == 12
