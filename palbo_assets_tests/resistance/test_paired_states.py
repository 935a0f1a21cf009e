"""Mechanisms that are measured: a change from baseline, judged on facts and bounded by the assays' limits."""

from __future__ import annotations

from math import log2

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palbo_assets.resistance.settings import Settings
from palbo_assets.study.vocabulary import State
from palbo_assets_tests.resistance.frames import P, fact, identity, one, states

NRG1 = "elisa__nrg1_pg_ml"


def nrg1(before: dict, after: dict, plates: tuple[str, str] = ("plate1", "plate1")):
    rows = tuple(
        {"patient_id": P, "timepoint": point, "specimen_id": f"S-{point}", "plate_id": plate, "plate_accepted": True,
         "dilution": 1.0, "n_plates": 1, "paired_plate": plates[0] == plates[1], "status": "OBSERVED"}
        for point, plate in zip(("BL", "PD"), plates, strict=True)
    )  # fmt: skip
    return one(states(facts=(before, after), plates=rows), "NRG1_RISE", "PD", "elisa")


def below(timepoint: str, lloq: float) -> dict:
    return fact(timepoint, NRG1, None, status="BELOW_LLOQ", censor="<", lod=lloq)


def test_nrg1_rises_when_it_doubles() -> None:
    row = nrg1(fact("BL", NRG1, 300.0), fact("PD", NRG1, 640.0))
    assert (row.state, row.value) == (State.PRESENT, pytest.approx(log2(640 / 300)))
    assert nrg1(fact("BL", NRG1, 300.0), fact("PD", NRG1, 590.0)).state is State.ABSENT


def test_the_threshold_is_never_inside_the_reference_change_value() -> None:
    assert nrg1(fact("BL", NRG1, 300.0), fact("PD", NRG1, 640.0)).threshold == 1.0  # 2.77 x 20 % is a rise of 55 %
    wide = Settings.model_validate({"reference_change_factor": 10.0})
    row = one(
        states(facts=(fact("BL", NRG1, 300.0), fact("PD", NRG1, 640.0)), settings=wide), "NRG1_RISE", "PD", "elisa"
    )
    assert (row.state, row.threshold) == (State.ABSENT, pytest.approx(log2(3)))


def test_a_value_below_quantification_bounds_the_ratio_and_is_never_taken_for_0() -> None:
    assert nrg1(below("BL", 62.5), fact("PD", NRG1, 640.0)).state is State.PRESENT  # at least a tenfold rise
    row = nrg1(below("BL", 62.5), fact("PD", NRG1, 100.0))
    assert (row.state, row.reason) == (State.NOT_EVALUABLE, "BEYOND_THE_ASSAYS_LIMITS")
    assert nrg1(fact("BL", NRG1, 300.0), below("PD", 62.5)).state is State.ABSENT  # it fell
    both = nrg1(below("BL", 62.5), below("PD", 62.5))
    assert (both.state, both.value) == (State.NOT_EVALUABLE, None)


def test_a_pair_on_two_plates_says_so() -> None:
    row = nrg1(fact("BL", NRG1, 300.0), fact("PD", NRG1, 640.0), plates=("plate1", "plate2"))
    assert (row.state, row.reason) == (State.PRESENT, "DIFFERENT_PLATES")


@pytest.mark.parametrize(
    ("before", "after", "state"),
    [
        (40.0, 110.0, State.PRESENT),
        (40.0, 95.0, State.ABSENT),
        (90.0, 120.0, State.ABSENT),
        (60.0, 110.0, State.PRESENT),
    ],
)
def test_cyclin_e1_protein_must_rise_by_50_to_at_least_100(before, after, state) -> None:
    feature = "ihc__cyclin_e1_h_score"
    found = states(facts=(fact("BL", feature, before), fact("PD", feature, after)))
    assert one(found, "CCNE1_HIGH", "PD", "ihc").state is state


def test_a_rise_of_cyclin_e_between_two_staining_runs_is_none() -> None:
    feature = "ihc__cyclin_e1_h_score"
    both = (fact("BL", feature, 40.0), fact("PD", feature, 150.0))
    apart = {("PD", feature): "the staining runs differ"}
    row = one(states(facts=both, unpaired=apart), "CCNE1_HIGH", "PD", "ihc")
    assert (row.state, row.reason) == (State.NOT_EVALUABLE, "NO_PAIR: the staining runs differ")
    assert one(states(facts=both), "CCNE1_HIGH", "PD", "ihc").state is State.PRESENT


@pytest.mark.parametrize(("after", "state"), [(21.0, State.PRESENT), (0.5, State.PRESENT), (15.0, State.ABSENT)])
def test_stromal_lymphocytes_change_in_either_direction(after, state) -> None:
    feature = "he__stil_area_pct"
    found = states(facts=(fact("BL", feature, 11.0), fact("W12", feature, after)))
    row = one(found, "IMMUNE_CHANGE", "W12", "he")
    assert (row.state, row.value) == (state, after - 11.0)


@pytest.mark.parametrize(("after", "state"), [(3.0, State.PRESENT), (5.0, State.ABSENT), (20.0, State.ABSENT)])
def test_regulatory_t_cells_must_fall_beyond_the_reference_change_value(after, state) -> None:
    """2.77 x 20 % = 55.4 %: from 8 % to below 3.57 %."""
    feature = "facs__treg_pct_parent"
    found = states(facts=(fact("BL", feature, 8.0), fact("W06", feature, after)))
    assert one(found, "TREG_DROP", "W06", "facs").state is state


def test_a_density_that_rises_from_0_is_a_change_and_two_zeros_are_no_ratio() -> None:
    feature = "ihc__cd8_stroma_mm2"
    rise = states(facts=(fact("BL", feature, 0.0), fact("PD", feature, 120.0)))
    assert one(rise, "IMMUNE_CHANGE", "PD", "ihc").state is State.PRESENT
    zeros = states(facts=(fact("BL", feature, 0.0), fact("PD", feature, 0.0)))
    assert one(zeros, "IMMUNE_CHANGE", "PD", "ihc").state is State.NOT_EVALUABLE


def subtypes(before: str, after: str, sure: tuple[float, float] = (1.0, 1.0)):
    calls = tuple(
        row
        for point, call, confident in zip(("BL", "PD"), (before, after), sure, strict=True)
        for row in (
            fact(point, "rna__subtype", call),
            fact(point, "rna__subtype_confident", confident, value_text="true" if confident else "false"),
        )
    )
    return one(states(facts=calls), "SUBTYPE_SWITCH", "PD", "rna")


def test_a_subtype_switches_only_between_confident_calls() -> None:
    assert (subtypes("LumA", "Basal").state, subtypes("LumA", "Basal").evidence) == (State.PRESENT, "LumA>Basal")
    assert subtypes("LumA", "LumA").state is State.ABSENT
    assert subtypes("LumA", "Basal", (1.0, 0.0)).reason == "SUBTYPE_NOT_CONFIDENT"
    assert subtypes("LumA", "LumA", (0.0, 1.0)).state is State.NOT_EVALUABLE


def er(subtype: str, esr1: tuple[float, float], score: float = -5000.0, settings: Settings | None = None):
    facts = (
        fact("BL", "rna__esr1_log2_tpm", esr1[0]),
        fact("PD", "rna__esr1_log2_tpm", esr1[1]),
        fact("PD", "rna__er_response_early", score),
        fact("PD", "rna__subtype", subtype),
        fact("PD", "rna__subtype_confident", 1.0, value_text="true"),
    )
    given_settings = settings or Settings.model_validate({})
    return one(states(facts=facts, settings=given_settings), "ER_INDEPENDENT", "PD", "rna")


def test_er_independence_needs_a_low_score_and_a_lost_luminal_programme() -> None:
    frozen = Settings.model_validate({"er_score_baseline_mean": 1000.0, "er_score_baseline_sd": 500.0})
    assert er("Basal", (8.0, 7.5), 400.0, frozen).state is State.PRESENT
    assert er("LumB", (8.0, 5.5), 400.0, frozen).state is State.PRESENT  # ESR1 fell more than fourfold
    assert er("Basal", (8.0, 7.5), 900.0, frozen).state is State.ABSENT  # the score isn't low
    assert er("LumA", (8.0, 7.5), 400.0, frozen).state is State.ABSENT


def test_without_the_frozen_baseline_er_independence_is_only_ever_excluded() -> None:
    assert er("LumA", (8.0, 7.5)).state is State.ABSENT
    row = er("Basal", (8.0, 7.5))
    assert (row.state, row.reason) == (State.NOT_EVALUABLE, "NO_FROZEN_REFERENCE")


def test_a_mismatched_sample_blocks_every_change_from_baseline() -> None:
    facts = (fact("BL", NRG1, 300.0), fact("PD", NRG1, 900.0))
    found = states(facts=facts, identities=(identity("BL"), identity("PD", "mismatch")))
    assert one(found, "NRG1_RISE", "PD", "elisa").reason == "E_IDENTITY_MISMATCH"


_SIDES = st.one_of(
    st.none(),
    st.sampled_from(["QC_FAIL", "NOT_EVALUABLE", "BELOW_LLOQ"]),
)


@settings(deadline=None)
@given(before=_SIDES, after=_SIDES)
def test_two_sides_without_a_value_are_never_absent_nor_present(before, after) -> None:
    facts = [
        fact(point, NRG1, None, status=status, censor="<" if status == "BELOW_LLOQ" else "", lod=62.5)
        for point, status in (("BL", before), ("PD", after))
        if status
    ]
    row = one(states(facts=tuple(facts)), "NRG1_RISE", "PD", "elisa")
    assert (row.state, row.value) == (State.NOT_EVALUABLE, None)
    assert row.reason
