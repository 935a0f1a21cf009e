"""Processes, context, and what no product can tell: each is stated for what it is and explains no more than it may."""

from __future__ import annotations

import pytest

from palbo_assets.resistance.integrated import primary_mechanism
from palbo_assets.resistance.tables import MECHANISMS
from palbo_assets.study.vocabulary import State
from palbo_assets_tests.resistance.frames import fact, one, states

FLAGS = {"APOBEC_HIGH": "wes__apobec_high", "HRD_HIGH": "wes__hrd_high", "TMB_HIGH": "wes__tmb_high"}


@pytest.mark.parametrize(("code", "feature"), FLAGS.items())
def test_a_process_is_what_its_own_room_judged_and_not_evaluable_where_that_could_not(code: str, feature: str) -> None:
    rows = states(
        facts=(
            fact("PD", feature, 1.0),
            fact("BL", feature, 0.0),
            fact("W06", feature, None, reason="FEW_MUTATIONS"),
        )
    )
    assert one(rows, code, "PD", "wes").state is State.PRESENT
    assert one(rows, code, "BL", "wes").state is State.ABSENT
    unknown = one(rows, code, "W06", "wes")
    assert (unknown.state, unknown.reason) == (State.NOT_EVALUABLE, "FEW_MUTATIONS")
    assert one(rows, code, "W12", "wes").reason == "NOT_MEASURED"


def test_limits_that_are_not_this_trials_own_say_so() -> None:
    assert "borrowed" in MECHANISMS["HRD_HIGH"].description
    assert "borrowed" in MECHANISMS["HRD_HIGH"].measures[0].threshold_source
    assert "FDA" in MECHANISMS["TMB_HIGH"].measures[0].threshold_source


@pytest.mark.parametrize(
    ("code", "feature", "moved", "why"),
    [
        ("ER_LOSS", "rna__esr1_log2_tpm", -3.0, "NO_ER_STAIN"),
        ("CDK6_HIGH", "rna__cdk6_log2_tpm", 2.0, "NO_FROZEN_REFERENCE"),
    ],
)
def test_of_two_conditions_the_measured_one_excludes_and_never_finds(code, feature, moved, why) -> None:
    before = fact("BL", feature, 5.0)
    reached = one(states(facts=(before, fact("PD", feature, 5.0 + moved))), code, "PD", "rna")
    assert (reached.state, reached.reason, reached.value) == (State.NOT_EVALUABLE, why, moved)
    assert one(states(facts=(before, fact("PD", feature, 5.0))), code, "PD", "rna").state is State.ABSENT


def test_a_fusion_is_never_said_to_be_absent() -> None:
    found = [row for row in states() if row.mechanism == "ESR1_FUSION"]
    assert {row.timepoint for row in found} == {"BL", "W06", "W12", "PD"}
    assert {(row.state, row.reason) for row in found} == {(State.NOT_EVALUABLE, "NO_FUSION_ASSAY")}


@pytest.mark.parametrize("code", ["CCND1_AMP", "IMMUNE_CHANGE", "TMB_HIGH", "GATA3_LOF", "CDKN2A_LOSS"])
def test_context_is_stated_and_explains_no_progression(code: str) -> None:
    assert primary_mechanism(MECHANISMS, {code: "gained", "ESR1_MUT": "stable_absent"}) == "unexplained"
    assert primary_mechanism(MECHANISMS, {code: "gained"}) == "not_evaluable"


def test_attribution_follows_the_analysis_plan() -> None:
    plan = ["RB1_LOSS", "ESR1_MUT", "PTEN_LOSS", "ERBB2_ACT", "CCNE1_AMP", "FAT1_LOSS", "KMT2C_LOF", "SUBTYPE_SWITCH",
            "APOBEC_HIGH"]  # fmt: skip
    ranks = [MECHANISMS[code].rank for code in plan]
    assert ranks == sorted(set(ranks))
    gained = dict.fromkeys(plan, "gained")
    for code in plan:
        assert primary_mechanism(MECHANISMS, gained) == code
        del gained[code]
