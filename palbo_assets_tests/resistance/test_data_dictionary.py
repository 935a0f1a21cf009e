"""The data dictionary."""

from __future__ import annotations

from palbo_assets.resistance.data_dictionary import contract_hash, dictionary
from palbo_assets.resistance.tables import CATALOGUE, TABLES


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
