"""PRESENT needs a call, ABSENT needs measured power, and everything else says why it is neither."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palbo_assets.resistance.variant_states import binomial_interval, detection_power
from palbo_assets.study.vocabulary import State
from palbo_assets_tests.resistance.frames import (
    D538G,
    E137FS,
    H1047R,
    R320X,
    forced,
    identity,
    one,
    plasma,
    plasma_qc,
    read_qc,
    somatic,
    states,
)

MATCHED = (identity("BL"), identity("PD"))
BOTH = (read_qc("BL"), read_qc("PD"))


@pytest.mark.parametrize(
    ("depth", "vaf", "missed"),
    [(50, 0.05, 0.54), (50, 0.10, 0.11), (100, 0.05, 0.118), (100, 0.02, 0.68), (200, 0.05, 0.002), (200, 0.02, 0.235),
     (300, 0.02, 0.06)],
)  # fmt: skip
def test_power_agrees_with_the_published_chances_of_seeing_two_reads_or_fewer(depth, vaf, missed) -> None:
    assert 1 - detection_power(depth, vaf, 3) == pytest.approx(missed, abs=0.005)


def test_power_is_unknown_without_a_depth_or_a_fraction() -> None:
    assert detection_power(None, 0.1, 3) is None
    assert detection_power(100, None, 3) is None


def test_exact_intervals_are_those_of_clopper_and_pearson() -> None:
    from scipy.stats import binomtest

    for successes, trials in ((0, 10), (3, 10), (10, 10), (17, 200)):
        exact = binomtest(successes, trials).proportion_ci(method="exact")
        assert binomial_interval(successes, trials) == pytest.approx((exact.low, exact.high))


def test_a_called_hotspot_is_present_with_its_fraction_and_evidence() -> None:
    row = one(states(somatic_calls=(somatic("PD", D538G),), quality=BOTH, identities=MATCHED), "ESR1_MUT", "PD", "wes")
    assert (row.state, row.value, row.unit, row.hgvsp) == (State.PRESENT, 0.3, "VAF", "D538G")
    assert row.evidence == "chr6:100:A:G"
    assert row.value_low < 0.3 < row.value_high


def test_a_filtered_or_forced_row_is_no_call() -> None:
    for row in (somatic("PD", D538G, filter="low_depth"), somatic("PD", D538G, forced=True)):
        found = states(somatic_calls=(row, somatic("PD", H1047R)), quality=BOTH, identities=MATCHED)
        assert one(found, "ESR1_MUT", "PD", "wes").state is State.ABSENT


def test_a_mechanism_that_the_patient_never_showed_is_absent_only_against_the_samples_own_clonal_fraction() -> None:
    deep = states(somatic_calls=(somatic("BL", H1047R, vaf=0.3),), quality=(read_qc("BL", 150),))
    row = one(deep, "ESR1_MUT", "BL", "wes")
    assert row.state is State.ABSENT
    assert row.power == pytest.approx(detection_power(150, 0.3, 3))
    thin = states(somatic_calls=(somatic("BL", H1047R, vaf=0.02, depth=100),), quality=(read_qc("BL", 70),))
    row = one(thin, "ESR1_MUT", "BL", "wes")
    assert (row.state, row.reason) == (State.NOT_EVALUABLE, "LOW_POWER")


def test_a_sample_without_any_alteration_excludes_nothing() -> None:
    row = one(states(quality=(read_qc("BL", 500),)), "ESR1_MUT", "BL", "wes")
    assert (row.state, row.reason) == (State.NOT_EVALUABLE, "NO_ALTERATION_IN_SAMPLE")


def test_a_sample_whose_depth_is_not_stated_excludes_nothing() -> None:
    found = states(somatic_calls=(somatic("BL", H1047R),), quality=(read_qc("BL", None, verdict=None),))
    assert one(found, "ESR1_MUT", "BL", "wes").reason == "NO_DEPTH_STATED"


@pytest.mark.parametrize(("depth", "state"), [(40, State.NOT_EVALUABLE), (200, State.ABSENT)])
def test_depth_at_the_very_place_decides_where_the_patient_has_the_alteration_elsewhere(depth, state) -> None:
    found = states(
        somatic_calls=(somatic("PD", D538G, vaf=0.1),),
        genotypes=(forced("BL", D538G, depth=depth, expected=0.1),),
        quality=BOTH,
        identities=MATCHED,
    )
    row = one(found, "ESR1_MUT", "BL", "wes")
    assert row.state is state
    assert row.power == pytest.approx(detection_power(depth, 0.1, 3))


def test_a_trace_above_background_is_neither_present_nor_absent() -> None:
    found = states(
        somatic_calls=(somatic("PD", D538G),),
        genotypes=(forced("BL", D538G, depth=300, alt=2, expected=0.3, trace=True),),
        quality=BOTH,
        identities=MATCHED,
    )
    row = one(found, "ESR1_MUT", "BL", "wes")
    assert (row.state, row.trace, row.reason) == (State.NOT_EVALUABLE, True, "TRACE_BELOW_CALLING_LIMIT")


def test_an_alteration_elsewhere_that_was_not_counted_here_leaves_the_mechanism_open() -> None:
    found = states(somatic_calls=(somatic("PD", D538G), somatic("BL", H1047R)), quality=BOTH, identities=MATCHED)
    assert one(found, "ESR1_MUT", "BL", "wes").reason == "NO_FORCED_GENOTYPE"


def test_two_hits_of_rb1_are_loss_and_one_is_not() -> None:
    single = states(somatic_calls=(somatic("PD", R320X),), quality=BOTH, identities=MATCHED)
    assert one(single, "RB1_LOF", "PD", "wes").state is State.PRESENT
    row = one(single, "RB1_LOSS", "PD", "wes")
    assert (row.state, row.reason) == (State.NOT_EVALUABLE, "ONE_HIT_OF_TWO")
    double = states(somatic_calls=(somatic("PD", R320X), somatic("PD", E137FS)), quality=BOTH, identities=MATCHED)
    row = one(double, "RB1_LOSS", "PD", "wes")
    assert (row.state, row.hgvsp) == (State.PRESENT, "E137fs;R320*")


def test_loss_of_rb1_is_never_absent_without_copy_number() -> None:
    row = one(states(somatic_calls=(somatic("PD", H1047R),), quality=BOTH), "RB1_LOSS", "PD", "wes")
    assert (row.state, row.reason) == (State.NOT_EVALUABLE, "NO_COPY_NUMBER")


def test_failed_read_quality_makes_the_exome_not_evaluable() -> None:
    found = states(somatic_calls=(somatic("PD", D538G),), quality=(read_qc("PD", verdict="fail"),))
    row = one(found, "ESR1_MUT", "PD", "wes")
    assert (row.state, row.reason) == (State.NOT_EVALUABLE, "QC_FAIL")


@pytest.mark.parametrize(
    ("mismatched", "blocked"), [("PD", {"BL", "PD"}), ("BL", {"BL", "W06", "W12", "PD"}), ("W06", {"W06"})]
)
def test_an_identity_mismatch_blocks_the_exomes_of_its_pair(mismatched, blocked) -> None:
    points = ("BL", "W06", "W12", "PD")
    found = states(
        somatic_calls=tuple(somatic(point, D538G) for point in points),
        quality=tuple(read_qc(point) for point in points),
        identities=tuple(identity(point, "mismatch" if point == mismatched else "matched") for point in points),
    )
    for point in points:
        row = one(found, "ESR1_MUT", point, "wes")
        assert (row.reason == "E_IDENTITY_MISMATCH") == (point in blocked)
        assert row.state is (State.NOT_EVALUABLE if point in blocked else State.PRESENT)


def test_a_swapped_samples_alterations_are_no_evidence_for_the_patients_other_samples() -> None:
    found = states(
        somatic_calls=(somatic("W06", D538G), somatic("BL", H1047R)),
        quality=(read_qc("BL"), read_qc("W06")),
        identities=(identity("BL"), identity("W06", "mismatch")),
    )
    assert one(found, "ESR1_MUT", "BL", "wes").state is State.ABSENT  # as if D538G had never been seen


def test_plasma_is_present_with_molecules_and_absent_only_while_the_tumour_sheds() -> None:
    quiet = states(plasma_calls=(plasma("PD", D538G, "ABSENT"),), plasma_quality=(plasma_qc("PD"),))
    row = one(quiet, "ESR1_MUT", "PD", "ctdna")
    assert (row.state, row.reason) == (State.NOT_EVALUABLE, "NO_TUMOUR_DNA_SEEN")
    shedding = states(
        plasma_calls=(plasma("PD", D538G, "ABSENT"), plasma("PD", H1047R, "PRESENT", vaf=0.02)),
        plasma_quality=(plasma_qc("PD"),),
    )
    row = one(shedding, "ESR1_MUT", "PD", "ctdna")
    assert row.state is State.ABSENT
    assert row.power == pytest.approx(detection_power(2000, 0.02, 2))
    assert one(shedding, "PIK3CA_ACT", "PD", "ctdna").state is State.PRESENT


def test_blood_cells_alterations_and_germline_are_no_sign_of_shedding() -> None:
    chip = plasma("PD", {**H1047R, "gene": "DNMT3A"}, "PRESENT", vaf=0.05, chip_gene=True)
    germline = plasma("PD", {**H1047R, "gene": "ATR", "pos": 9}, "PRESENT", vaf=0.5, filter="germline_band")
    found = states(plasma_calls=(plasma("PD", D538G, "ABSENT"), chip, germline), plasma_quality=(plasma_qc("PD"),))
    assert one(found, "ESR1_MUT", "PD", "ctdna").reason == "NO_TUMOUR_DNA_SEEN"


@pytest.mark.parametrize(("state", "reason"), [("NOT_ASSAYED", "NOT_ASSAYED"), ("NOT_EVALUABLE", "LOW_POWER")])
def test_a_locus_outside_the_panel_version_is_not_assayed_and_never_absent(state, reason) -> None:
    calls = (plasma("PD", D538G, state), plasma("PD", H1047R, "PRESENT", vaf=0.05))
    row = one(states(plasma_calls=calls, plasma_quality=(plasma_qc("PD"),)), "ESR1_MUT", "PD", "ctdna")
    assert (row.state, row.reason) == (State.NOT_EVALUABLE, reason)


def test_a_second_plasma_on_a_panel_that_has_the_locus_speaks_for_the_timepoint() -> None:
    """The first tube was run on v1, the second on v2: the locus was assayed, whatever v1 lacks."""
    first = plasma("PD", D538G, "NOT_ASSAYED")
    second = {"specimen_id": "P2", "panel_version": "v2"}
    shed = plasma("PD", H1047R, "PRESENT", vaf=0.05)
    quality = (plasma_qc("PD"), {**plasma_qc("PD"), **second})
    for said, expected in (("ABSENT", (State.ABSENT, "")), ("NOT_EVALUABLE", (State.NOT_EVALUABLE, "LOW_POWER"))):
        calls = (first, shed, {**plasma("PD", D538G, said), **second})
        row = one(states(plasma_calls=calls, plasma_quality=quality), "ESR1_MUT", "PD", "ctdna")
        assert (row.state, row.reason) == expected
    elsewhere = {**plasma("PD", {**D538G, "pos": D538G["pos"] + 3, "hgvsp_short": "p.L536H"}, "ABSENT"), **second}
    row = one(states(plasma_calls=(first, shed, elsewhere), plasma_quality=quality), "ESR1_MUT", "PD", "ctdna")
    assert (row.state, row.reason) == (State.NOT_EVALUABLE, "NOT_ASSAYED")  # this locus nobody looked at


def test_a_mechanism_without_tracked_locus_says_so() -> None:
    calls = (plasma("PD", H1047R, "PRESENT", vaf=0.05),)
    row = one(states(plasma_calls=calls, plasma_quality=(plasma_qc("PD"),)), "ESR1_MUT", "PD", "ctdna")
    assert (row.state, row.reason) == (State.NOT_EVALUABLE, "NO_TRACKED_LOCUS")


@settings(deadline=None)
@given(
    exome=st.booleans(),
    plasma_there=st.booleans(),
    depth=st.one_of(st.none(), st.floats(0, 1000)),
    verdict=st.sampled_from(["pass", "warn", "fail", None]),
    matched=st.sampled_from(["matched", "mismatch", "not_evaluable", None]),
    plasma_verdict=st.sampled_from(["pass", "fail"]),
)
def test_what_is_missing_is_never_absent(exome, plasma_there, depth, verdict, matched, plasma_verdict) -> None:
    """No call anywhere: whatever was or wasn't measured, nothing can be excluded."""
    found = states(
        quality=(read_qc("BL", depth, verdict),) if exome else (),
        identities=(identity("BL", matched),) if matched else (),
        plasma_calls=(plasma("BL", D538G, "ABSENT"),) if plasma_there else (),
        plasma_quality=(plasma_qc("BL", plasma_verdict),) if plasma_there else (),
    )
    assert {row.state for row in found} == {State.NOT_EVALUABLE}
    assert all(row.reason for row in found)
    assert all(row.value is None for row in found)
