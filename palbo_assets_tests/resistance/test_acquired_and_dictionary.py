"""Acquired alterations, and the data dictionary."""

from __future__ import annotations

from typing import Any

import pytest

from palbo_assets.resistance.acquired import acquired_alterations, blocked_patients
from palbo_assets.resistance.data_dictionary import contract_hash, dictionary
from palbo_assets.resistance.settings import ExtensionSettings
from palbo_assets.resistance.tables import CATALOGUE, RESISTANCE_TRANSITIONS, TABLES
from palbo_assets.wes.tables import FORCED_GENOTYPES, SOMATIC_CALLS
from palbo_assets_tests.resistance.frames import D538G, R320X, Y537S, P, forced, rows_of, somatic


def acquired(call: dict[str, Any], *genotypes: dict[str, Any], blocked: frozenset[str] = frozenset()):
    return acquired_alterations(
        rows_of(SOMATIC_CALLS, call), rows_of(FORCED_GENOTYPES, *genotypes), blocked, ExtensionSettings()
    ).to_dict("records")


def test_an_alteration_called_at_progression_and_absent_with_power_at_baseline_is_a_candidate() -> None:
    found = acquired(somatic("PD", D538G), forced("BL", D538G, depth=300, state="ABSENT"))
    assert [(row["gene"], row["hgvsp_short"], row["confident"]) for row in found] == [("ESR1", "p.D538G", True)]


@pytest.mark.parametrize(
    "genotypes",
    [
        (),
        (forced("BL", D538G, depth=30),),
        (forced("BL", D538G, depth=300, called=True, state="PRESENT"),),
        (forced("BL", Y537S, depth=300, state="ABSENT"),),
    ],
)
def test_without_a_powered_absence_at_baseline_it_is_none(genotypes) -> None:
    assert acquired(somatic("PD", D538G), *genotypes) == []


@pytest.mark.parametrize(
    ("change", "confident"),
    [
        ({}, True),
        ({"t_alt": 4}, False),
        ({"n_alt": 1}, False),
        ({"t_vaf": 0.05}, False),  # C>T at a low fraction may come from formalin
    ],
)
def test_candidates_that_may_be_artefacts_are_not_confident(change, confident) -> None:
    found = acquired(somatic("PD", R320X, **change), forced("BL", R320X, depth=300, state="ABSENT"))
    assert [row["confident"] for row in found] == [confident]


def test_silent_alterations_and_blocked_patients_propose_nothing() -> None:
    absent = forced("BL", D538G, depth=300, state="ABSENT")
    assert acquired(somatic("PD", D538G, consequence="Silent"), absent) == []
    transitions = rows_of(
        RESISTANCE_TRANSITIONS,
        {"patient_id": P, "mechanism": "ESR1_MUT", "progression_state": "NOT_EVALUABLE",
         "transition": "not_evaluable", "reason": "E_IDENTITY_MISMATCH"},
    )  # fmt: skip
    assert blocked_patients(transitions) == {P}
    assert acquired(somatic("PD", D538G), absent, blocked=frozenset({P})) == []


def test_the_dictionary_has_every_column_of_every_table_with_its_unit() -> None:
    rows = dictionary(TABLES, CATALOGUE)
    assert len(rows) == sum(len(table.stored_columns) for table in TABLES)
    by_name = {(row["table_name"], row["column_name"]): row for row in rows}
    nrg1 = by_name["integrated_resistance_table", "elisa__nrg1_pg_ml"]
    assert (nrg1["unit"], nrg1["source"], nrg1["type"]) == ("pg/mL", "nrg1_elisa", "real")
    assert by_name["integrated_resistance_pairs", "elisa__nrg1_pg_ml__delta"]["unit"] == "log2"
    assert all(row["description"].strip() for row in rows)


def test_a_changed_declaration_changes_the_contracts_hash() -> None:
    assert contract_hash(TABLES, CATALOGUE) == contract_hash(reversed(TABLES), CATALOGUE)
    assert contract_hash(TABLES[:-1], CATALOGUE) != contract_hash(TABLES, CATALOGUE)
