"""The page's one state a mechanism is the one that the integrated table shows."""

from __future__ import annotations

import pandas as pd
import pytest

from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.release.cohort_page import combined_states
from palbo_assets.resistance.states import at, combine, from_rows
from palbo_assets.resistance.tables import MECHANISMS, RESISTANCE_STATES

P, A, N = "PRESENT", "ABSENT", "NOT_EVALUABLE"


def stated(mechanism: str, patient: str = "PALBO-001", **said: str) -> pd.DataFrame:
    """Rows of ``resistance_states`` at progression, one a source."""
    rows = [
        {"patient_id": patient, "timepoint": "PD", "mechanism": mechanism, "source": source, "state": state,
         "trace": False, "reason": "NOT_MEASURED" if state == N else "", "hgvsp": "", "evidence": ""}
        for source, state in said.items()
    ]  # fmt: skip
    return frame_from_rows(RESISTANCE_STATES, rows)


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ({"wes": A, "ctdna": P}, P),
        ({"wes": P, "ctdna": N}, P),
        ({"wes": A, "ctdna": A}, A),
        ({"wes": A, "ctdna": N}, A),  # tissue is what this mechanism requires
        ({"wes": N, "ctdna": A}, N),  # plasma alone doesn't exclude it
        ({"ctdna": A}, N),  # what the required source never said isn't a no
        ({"wes": N, "ctdna": N}, N),
    ],
)
def test_a_mechanism_is_absent_only_if_the_required_source_says_so(said: dict[str, str], state: str) -> None:
    assert set(MECHANISMS["ESR1_MUT"].sources) == {"wes", "ctdna"} and MECHANISMS["ESR1_MUT"].required == ("wes",)
    assert list(combined_states(stated("ESR1_MUT", **said))["state"]) == [state]


def test_every_required_source_must_say_absent() -> None:
    code = next(one.code for one in MECHANISMS.listed if one.required == ("rna", "ihc"))
    assert list(combined_states(stated(code, rna=A, ihc=N))["state"]) == [N]
    assert list(combined_states(stated(code, rna=A, ihc=A))["state"]) == [A]


def test_the_page_agrees_with_the_ladder_of_the_integrated_table_for_every_mechanism_and_answer() -> None:
    for mechanism in MECHANISMS.listed:
        for answer in (P, A, N):
            for other in (P, A, N):
                said = dict.fromkeys(mechanism.sources, answer) | {mechanism.required[0]: other}
                frame = stated(mechanism.code, **said)
                expected = combine(mechanism.required, at(from_rows(frame), mechanism.code, "PD"))
                assert list(combined_states(frame)["state"]) == [str(expected.state)], (mechanism.code, said)


def test_each_patient_and_mechanism_has_a_row_that_lists_what_each_source_said() -> None:
    rows = pd.concat([stated("ESR1_MUT", "PALBO-002", wes=A, ctdna=P), stated("TP53_MUT", wes=P)])
    assert combined_states(rows).to_dict("records") == [
        {"patient_id": "PALBO-001", "timepoint": "PD", "mechanism": "TP53_MUT", "state": P, "sources": "wes: PRESENT"},
        {"patient_id": "PALBO-002", "timepoint": "PD", "mechanism": "ESR1_MUT", "state": P,
         "sources": "ctdna: PRESENT, wes: ABSENT"},
    ]  # fmt: skip


def test_a_mechanism_that_is_no_longer_defined_is_never_absent() -> None:
    assert list(combined_states(stated("GONE", wes=A))["state"]) == [N]
    assert list(combined_states(stated("GONE", wes=A, ctdna=P))["state"]) == [P]


def test_no_states_are_an_empty_frame() -> None:
    empty = combined_states(frame_from_rows(RESISTANCE_STATES, []))
    assert empty.empty and list(empty.columns) == ["patient_id", "timepoint", "mechanism", "state", "sources"]
