"""The wide tables: a complete grid in which every null has its reason and nothing is ever filled in."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palbo_assets.histology.tables import CYCLIN_E_PAIRS
from palbo_assets.platform.tables import frame_from_rows, records, validate
from palbo_assets.resistance.absence import ledger_reasons, planned_reasons
from palbo_assets.resistance.integrated import pair_row, primary_mechanism, wide_rows
from palbo_assets.resistance.paired_states import unpaired_features
from palbo_assets.resistance.states import as_rows
from palbo_assets.resistance.tables import (
    CATALOGUE,
    CLINICAL_COLUMNS,
    CLINICAL_OF_PATIENTS,
    CLINICAL_OF_RESPONSE,
    FACTS,
    INTEGRATED_RESISTANCE_PAIRS,
    INTEGRATED_RESISTANCE_TABLE,
    MECHANISMS,
    RESISTANCE_STATES,
    RESISTANCE_TRANSITIONS,
)
from palbo_assets.study.protocol import load_protocol
from palbo_assets.study.vocabulary import TIMEPOINTS
from palbo_assets_tests.resistance.frames import (
    D538G,
    P,
    fact,
    identity,
    ledger,
    manifest,
    patient,
    patients,
    read_qc,
    responses,
    rows_of,
    somatic,
    states,
)

OF_PATIENTS = CLINICAL_COLUMNS[: len(CLINICAL_OF_PATIENTS)]
OF_RESPONSE = CLINICAL_COLUMNS[-len(CLINICAL_OF_RESPONSE) :]
NRG1 = "elisa__nrg1_pg_ml"
RESPONSE = {
    "patient_id": P, "best_overall_response": "SD", "pfs_days": 400, "pfs_event": True, "pfs_months": 400 / 30.4375,
    "resistance_class": "acquired", "n_assessments": 5, "n_evaluable": 5,
}  # fmt: skip


def integrated(people, facts=(), state_rows=(), specimens=(), deliveries=(), answers=()) -> pd.DataFrame:
    listed = patients(*people)
    reasons = planned_reasons(listed, manifest(*specimens), load_protocol()) | ledger_reasons(ledger(*deliveries))
    rows = wide_rows(
        CATALOGUE,
        MECHANISMS,
        patients=listed,
        treatment_response=responses(*answers),
        sample_manifest=manifest(*specimens),
        facts=rows_of(FACTS, *facts),
        resistance_states=rows_of(RESISTANCE_STATES, *as_rows(P, state_rows)),
        reasons=reasons,
        of_patients=OF_PATIENTS,
        of_response=OF_RESPONSE,
    )
    return validate(INTEGRATED_RESISTANCE_TABLE, frame_from_rows(INTEGRATED_RESISTANCE_TABLE, rows))


def at(frame: pd.DataFrame, timepoint: str, patient_id: str = P) -> dict[str, Any]:
    found = frame[(frame["timepoint"] == timepoint) & (frame["patient_id"] == patient_id)]
    return records(found)[0]


def values_and_statuses(row: dict[str, Any]) -> list[tuple[Any, str]]:
    return [(row[name.removesuffix("__status")], status) for name, status in row.items() if name.endswith("__status")]


def test_every_enrolled_patient_has_a_row_at_every_timepoint_even_without_data() -> None:
    frame = integrated([patient(), patient("PALBO-002", "TIL"), patient("PALBO-003", "BANK")])
    assert len(frame) == 3 * len(TIMEPOINTS)
    order = dict(zip(frame["timepoint"], frame["timepoint_order"], strict=True))
    assert order == {"BL": 0, "W06": 1, "W12": 2, "PD": 3}
    assert (frame["n_modalities"] == 0).all()


def test_what_the_protocol_does_not_plan_is_not_expected_and_the_rest_is_pending() -> None:
    frame = integrated([patient(), patient("PALBO-002", "TIL")])
    assert at(frame, "BL")[f"{NRG1}__status"] == "PENDING"
    assert at(frame, "W06")[f"{NRG1}__status"] == "NOT_EXPECTED"
    assert at(frame, "PD", "PALBO-002")["wes__n_somatic__status"] == "NOT_EXPECTED"
    assert at(frame, "W06", "PALBO-002")["facs__treg_pct_parent__status"] == "PENDING"


def test_a_biopsy_that_was_not_taken_is_not_collected() -> None:
    specimens = [
        {"patient_id": P, "timepoint": "PD", "specimen_id": f"{kind}", "modality": "wes", "specimen_type": kind,
         "expected": True, "status": "NOT_COLLECTED", "reason": "biopsy failed"}
        for kind in ("TUMOR_FF", "TUMOR_FFPE")
    ]  # fmt: skip
    row = at(integrated([patient()], specimens=specimens), "PD")
    assert row["wes__n_somatic__status"] == "NOT_COLLECTED"
    assert row["mechanism__esr1_mut__status"] == "NOT_COLLECTED"
    assert row["rna__esr1_log2_tpm__status"] == "PENDING"


@pytest.mark.parametrize(
    ("state", "status"),
    [("OVERDUE", "PENDING"), ("QUARANTINED", "PENDING"), ("QC_FAIL", "QC_FAIL"), ("READY", "NOT_EVALUABLE"),
     ("NOT_COLLECTED", "NOT_COLLECTED")],
)  # fmt: skip
def test_the_ledger_explains_what_has_no_fact(state, status) -> None:
    delivery = {
        "patient_id": P, "timepoint": "BL", "assay": "nrg1_elisa", "modality": "elisa", "expected": True,
        "state": state,
    }  # fmt: skip
    row = at(integrated([patient()], deliveries=[delivery]), "BL")
    assert (row[NRG1], row[f"{NRG1}__status"]) == (None, status)


def test_facts_keep_their_value_or_their_own_reason() -> None:
    censored = fact("PD", NRG1, None, status="BELOW_LLOQ", censor="<", lod=62.5)
    frame = integrated([patient()], facts=(fact("BL", NRG1, 512.0), censored))
    assert (at(frame, "BL")[NRG1], at(frame, "BL")[f"{NRG1}__status"]) == (512.0, "OBSERVED")
    assert (at(frame, "PD")[NRG1], at(frame, "PD")[f"{NRG1}__status"]) == (None, "BELOW_LLOQ")
    assert at(frame, "BL")["n_modalities"] == 1


def test_mechanisms_stand_beside_the_features_and_absent_is_a_value() -> None:
    rows = states(
        somatic_calls=(somatic("BL", {**D538G, "gene": "GATA3"}), somatic("PD", D538G)),
        quality=(read_qc("BL"), read_qc("PD")),
        identities=(identity("BL"), identity("PD")),
    )
    frame = integrated([patient()], state_rows=rows)
    assert at(frame, "PD")["mechanism__esr1_mut"] == "PRESENT"
    assert at(frame, "BL")["mechanism__esr1_mut__status"] == "NOT_EVALUABLE"  # never counted at that very place
    assert at(frame, "BL")["mechanism__akt1_act"] == "ABSENT"
    assert at(frame, "BL")["mechanism__nrg1_rise__status"] == "NOT_EXPECTED"  # a change has no baseline
    assert at(frame, "PD")["mechanism__nrg1_rise__status"] == "PENDING"
    assert at(frame, "W06")["mechanism__esr1_mut__status"] == "NOT_EXPECTED"


def test_clinical_values_come_with_reasons_too() -> None:
    row = at(integrated([patient()], answers=[RESPONSE]), "W12")
    assert (row["clinical__pfs_days"], row["clinical__pfs_days__status"]) == (400, "OBSERVED")
    assert (row["clinical__er_pct"], row["clinical__er_pct__status"]) == (None, "NOT_COLLECTED")
    assert row["clinical__clinical_benefit__status"] == "NOT_EVALUABLE"


def test_a_withdrawn_patient_shows_nothing_whatever_was_measured() -> None:
    rows = states(somatic_calls=(somatic("PD", D538G),), quality=(read_qc("PD"),))
    frame = integrated([patient(withdrawn=True)], facts=(fact("BL", NRG1, 512.0),), state_rows=rows, answers=[RESPONSE])
    for timepoint in TIMEPOINTS:
        assert set(values_and_statuses(at(frame, timepoint))) == {(None, "WITHDRAWN")}
    assert frame["n_modalities"].sum() == 0


FACT = st.sampled_from(CATALOGUE.features).flatmap(
    lambda feature: st.tuples(
        st.just(feature.name),
        st.sampled_from(["BL", "W06", "W12", "PD"]),
        st.sampled_from(["OBSERVED", "QC_FAIL", "NOT_EVALUABLE", "BELOW_LLOQ", "NOT_ASSAYED"]),
    )
)


@settings(max_examples=25, deadline=None)
@given(
    measured=st.dictionaries(FACT.map(lambda drawn: drawn[:2]), FACT.map(lambda drawn: drawn[2]), max_size=30),
    cohorts=st.sets(st.sampled_from(["BANK", "PAIR", "TIL"]), max_size=3),
    withdrawn=st.booleans(),
)
def test_any_combination_of_missing_modalities_leaves_only_explained_nulls(measured, cohorts, withdrawn) -> None:
    facts = []
    for (name, timepoint), status in measured.items():
        text = CATALOGUE[name].type == "text"
        row = fact(timepoint, name, ("x" if text else 3.5) if status == "OBSERVED" else None)
        facts.append(row | {"status": status, "reason": "" if status == "OBSERVED" else "TEST"})
    frame = integrated([patient(cohorts=";".join(sorted(cohorts)), withdrawn=withdrawn)], facts=facts)
    observed = 0
    for timepoint in TIMEPOINTS:
        for value, status in values_and_statuses(at(frame, timepoint)):
            assert (value is not None) == (status == "OBSERVED")
            assert value != 0
            assert value != "ABSENT"
            observed += status == "OBSERVED"
    in_pairs = {feature.name for feature in CATALOGUE.of_pairs}  # they have no place in the table of samples
    stands = sum(status == "OBSERVED" for (name, _), status in measured.items() if name not in in_pairs)
    clinical = 0 if withdrawn else 4 * (1 + bool(cohorts))  # site, and the cohorts where there are any
    assert observed == (0 if withdrawn else stands + clinical)


# --- pairs ---------------------------------------------------------------------------------------------------------


def pair(facts=(), person=None, transitions=(), *, blocked: bool = False, cyclin_e_pairs=()) -> dict[str, Any]:
    who = person or patient()
    row = pair_row(
        CATALOGUE,
        MECHANISMS,
        patient=records(patients(who))[0],
        response=None,
        facts=rows_of(FACTS, *facts),
        resistance_transitions=rows_of(RESISTANCE_TRANSITIONS, *transitions),
        identity_blocked=blocked,
        reasons=planned_reasons(patients(who), manifest(), load_protocol()),
        of_patients=OF_PATIENTS,
        of_response=OF_RESPONSE,
        unpaired=unpaired_features(CATALOGUE, {"cyclin_e_pairs": rows_of(CYCLIN_E_PAIRS, *cyclin_e_pairs)}),
    )
    validate(INTEGRATED_RESISTANCE_PAIRS, frame_from_rows(INTEGRATED_RESISTANCE_PAIRS, [row]))
    for name in row:
        if name.endswith("__delta"):
            stem = name.removesuffix("__delta")
            assert (row[name] is not None) == (row[f"{stem}__pair_status"] == "OBSERVED")
    return row


def test_a_pair_has_both_values_and_their_change() -> None:
    row = pair((fact("BL", NRG1, 300.0), fact("PD", NRG1, 1200.0)))
    assert (row[f"{NRG1}__bl"], row[f"{NRG1}__pd"], row[f"{NRG1}__delta"]) == (300.0, 1200.0, 2.0)
    assert (row[f"{NRG1}__pair_status"], row["n_pairs"]) == ("OBSERVED", 1)


@pytest.mark.parametrize(("status", "delta"), [("OBSERVED", 80.0), ("NOT_EVALUABLE", None)])
def test_cyclin_e_has_a_change_only_where_its_sections_were_stained_together(status, delta) -> None:
    nuclear, cytoplasmic = "ihc__cyclin_e1_h_score", "ihc__cyclin_e1_cytoplasmic_h_score"
    facts = [
        fact(point, name, value) for name in (nuclear, cytoplasmic) for point, value in (("BL", 60.0), ("PD", 140.0))
    ]
    stained = {"patient_id": P, "timepoint": "PD", "marker": "CYCLIN_E1", "compartment": "nuclear", "status": status}
    row = pair(tuple(facts), cyclin_e_pairs=(stained | {"reason": "the staining runs differ"},))
    assert (row[f"{nuclear}__bl"], row[f"{nuclear}__pd"], row[f"{nuclear}__delta"]) == (60.0, 140.0, delta)
    assert row[f"{nuclear}__pair_status"] == status
    assert row[f"{cytoplasmic}__delta"] == 80.0  # another compartment's pair


def test_a_change_of_densities_survives_a_zero_and_a_ratio_of_zeros_does_not() -> None:
    density, share = "ihc__cd8_stroma_mm2", "facs__treg_pct_parent"
    row = pair((fact("BL", density, 0.0), fact("PD", density, 7.0), fact("BL", share, 0.0), fact("PD", share, 2.0)))
    assert row[f"{density}__delta"] == 3.0
    assert (row[f"{share}__delta"], row[f"{share}__pair_status"]) == (None, "NOT_EVALUABLE")


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        (None, 5.0, "PENDING"),
        (5.0, None, "PENDING"),
        ("BELOW_LLOQ", 5.0, "BELOW_LLOQ"),
        ("BELOW_LLOQ", "QC_FAIL", "QC_FAIL"),
        ("BELOW_LLOQ", "BELOW_LLOQ", "BELOW_LLOQ"),
    ],
)
def test_the_side_that_is_further_from_a_measurement_explains_the_pair(before, after, status) -> None:
    facts = [
        fact(point, NRG1, None, status=side) if isinstance(side, str) else fact(point, NRG1, side)
        for point, side in (("BL", before), ("PD", after))
        if side is not None
    ]
    row = pair(tuple(facts))
    assert (row[f"{NRG1}__pair_status"], row[f"{NRG1}__delta"]) == (status, None)


def test_a_patient_on_treatment_without_progression_biopsy_is_not_expected_to_have_a_pair() -> None:
    row = pair((fact("BL", "wes__n_somatic", 12.0),), patient(cohorts="TIL"))
    assert row["wes__n_somatic__pair_status"] == "NOT_EXPECTED"
    assert row["wes__n_somatic__bl"] == 12.0


def test_a_failed_identity_check_blocks_every_pair_and_keeps_both_sides() -> None:
    row = pair((fact("BL", NRG1, 300.0), fact("PD", NRG1, 1200.0)), blocked=True)
    assert (row[f"{NRG1}__delta"], row[f"{NRG1}__pair_status"], row["n_pairs"]) == (None, "QC_FAIL", 0)
    assert row[f"{NRG1}__pd"] == 1200.0


def test_a_withdrawn_patients_pair_is_empty() -> None:
    row = pair((fact("BL", NRG1, 300.0), fact("PD", NRG1, 1200.0)), patient(withdrawn=True))
    kept = {"patient_id", "withdrawn", "identity_blocked", "n_pairs"}
    assert {value for name, value in row.items() if name not in kept} == {None, "WITHDRAWN"}


def test_the_primary_mechanism_is_the_first_in_the_order_of_attribution() -> None:
    both = {"ESR1_MUT": "acquired", "NRG1_RISE": "gained", "RB1_LOSS": "not_evaluable"}
    assert primary_mechanism(MECHANISMS, both) == "ESR1_MUT"
    assert primary_mechanism(MECHANISMS, both | {"RB1_LOSS": "acquired"}) == "RB1_LOSS"
    assert primary_mechanism(MECHANISMS, {"ESR1_MUT": "preexisting", "PIK3CA_ACT": "lost"}) == "unexplained"
    assert primary_mechanism(MECHANISMS, {"ESR1_MUT": "not_evaluable"}) == "not_evaluable"
    assert primary_mechanism(MECHANISMS, {}) == "not_evaluable"
