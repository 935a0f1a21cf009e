"""What holds for every product, whatever room it is from: its declaration, its storage and its round trip."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateTable

from palbo_assets import definitions
from palbo_assets.platform.config import Home
from palbo_assets.platform.partitioning import Level
from palbo_assets.platform.product import SPECS
from palbo_assets.platform.provenance import ProductSpec
from palbo_assets.platform.tables import Column, Storage, Table, Type, empty_frame, frame_from_rows, sql_table
from palbo_assets.platform.warehouse import Version, Warehouse
from palbo_assets.resistance.data_dictionary import dictionary
from palbo_assets.resistance.tables import CATALOGUE
from palbo_assets.schema import whole_schema

if TYPE_CHECKING:
    import pandas as pd

del definitions  # importing it declares every product

POSTGRESQL_NAME_LIMIT = 63
PARTITION = {Level.SAMPLE: "PALBO-001|BL", Level.PATIENT: "PALBO-001", Level.BATCH: "elisa-P1", Level.COHORT: ""}

# The tables and columns that labs, analysts and exports depend on, as the design states them.
PROMISED = {
    "sample_manifest": "patient_id timepoint specimen_id specimen_type modality status reason collected_day",
    "delivery_ledger": "patient_id timepoint assay state expected received_at reason",
    "treatment_response": "patient_id best_overall_response pfs_days pfs_event resistance_class",
    "somatic_calls": "patient_id timepoint specimen_id chrom pos ref alt gene consequence hgvsp_short t_depth t_alt "
    "t_vaf n_depth n_alt ccf filter forced",
    "expression": "patient_id timepoint specimen_id gene_symbol count tpm",
    "expression_signatures": "patient_id timepoint specimen_id signature score genes_present genes_total",
    "intrinsic_subtype": "patient_id timepoint specimen_id subtype margin confident reference",
    "ctdna_calls": "patient_id timepoint specimen_id chrom pos ref alt gene unique_depth alt_molecules vaf p_value "
    "lod95_vaf state panel_version",
    "ctdna_panel_extension": "chrom start end gene reason source_patients",
    "til_scores": "patient_id timepoint specimen_id stil_area_pct stil_density_mm2 n_nuclei tissue_mm2 model_version "
    "qc",
    "til_marker_ihc": "patient_id timepoint specimen_id marker compartment density_mm2",
    "cyclin_e_ihc": "patient_id timepoint specimen_id marker compartment h_score positive_pct",
    "nrg1_elisa": "patient_id timepoint specimen_id concentration_pg_ml cv_pct censored lloq_pg_ml plate_id "
    "plate_accepted",
    "facs_abundances": "patient_id timepoint specimen_id population parent count pct_parent pct_cd45 abs_per_ul",
    "facts": "patient_id timepoint feature value unit censor lod status source_asset source_partition",
    "resistance_states": "patient_id timepoint mechanism source state value threshold",
    "resistance_transitions": "patient_id mechanism baseline_state progression_state transition power",
    "integrated_resistance_table": "patient_id timepoint",
    "integrated_resistance_pairs": "patient_id",
    "data_dictionary": "table_name column_name type unit description allowed_values",
}

every_product = pytest.mark.parametrize("spec", SPECS.values(), ids=list(SPECS))
every_sql_product = pytest.mark.parametrize(
    "spec", [spec for spec in SPECS.values() if spec.table.storage is Storage.SQL],
    ids=[name for name, spec in SPECS.items() if spec.table.storage is Storage.SQL],
)  # fmt: skip


@every_product
def test_a_product_says_what_one_row_is_and_what_identifies_it(spec: ProductSpec) -> None:
    table = spec.table
    assert table.name == spec.name
    assert table.grain
    assert table.key
    if spec.level in (Level.SAMPLE, Level.PATIENT):
        assert "patient_id" in table.key
    if spec.level is Level.SAMPLE:
        assert "timepoint" in table.key


@every_product
def test_names_fit_every_database(spec: ProductSpec) -> None:
    names = [spec.name, f"ix_{spec.name}_partition", *(column.name for column in spec.table.stored_columns)]
    assert [name for name in names if len(name.encode()) > POSTGRESQL_NAME_LIMIT] == []
    assert all(name == name.lower() and name.isascii() for name in names)


@every_product
def test_every_measured_number_has_a_unit_and_text_has_none(spec: ProductSpec) -> None:
    without = [column.name for column in spec.table.columns if column.type is Type.REAL and not column.unit]
    assert without == [], "a ratio or a score without dimension has unit '1'"
    odd = [column.name for column in spec.table.columns if column.type in (Type.TEXT, Type.BOOLEAN) and column.unit]
    assert odd == []


@every_product
def test_descriptions_read_as_one_line_without_trailing_noise(spec: ProductSpec) -> None:
    for described in (spec.table, *spec.table.columns):
        text = described.description
        assert text == " ".join(text.split()) and text, described.name
        # Several sentences end with a full stop, one doesn't; a list's separator may be the last word.
        several = ". " in text
        assert text.endswith(".") == several, described.name
        assert not text.removesuffix(" by ;").endswith((",", ";", ":", " -")), described.name
        assert "TODO" not in text


@every_product
def test_ranges_and_vocabularies_can_be_met(spec: ProductSpec) -> None:
    for column in spec.table.columns:
        if column.minimum is not None and column.maximum is not None:
            assert column.minimum < column.maximum, column.name
        if column.allowed:
            assert column.type is Type.TEXT, column.name
            assert len(set(column.allowed)) == len(column.allowed), column.name
        elif column.minimum is not None or column.maximum is not None:
            assert column.type in (Type.INTEGER, Type.REAL), column.name


@pytest.mark.parametrize("name", PROMISED)
def test_the_promised_tables_have_the_promised_columns(name: str) -> None:
    assert set(PROMISED[name].split()) <= set(SPECS[name].table.column_names)


def test_wide_tables_pair_each_feature_with_its_status() -> None:
    table = SPECS["integrated_resistance_table"].table
    features = [name for name in table.column_names if "__" in name and not name.endswith(("__status", "__reason"))]
    assert features
    assert [name for name in features if f"{name}__status" not in table.column_names] == []
    pairs = SPECS["integrated_resistance_pairs"].table.column_names
    paired = {name.removesuffix("__pair_status") for name in pairs if name.endswith("__pair_status")}
    assert paired
    # A vocabulary has no difference; every number has one.
    for feature in sorted(paired):
        assert {f"{feature}__bl", f"{feature}__pd"} <= set(pairs)


@every_product
def test_the_data_dictionary_lists_every_column(spec: ProductSpec) -> None:
    own = [
        row for row in dictionary((each.table for each in SPECS.values()), CATALOGUE) if row["table_name"] == spec.name
    ]
    assert [row["column_name"] for row in own] == [column.name for column in spec.table.stored_columns]
    assert all(row["description"] and row["type"] for row in own)


@every_sql_product
def test_a_product_can_be_created_in_both_dialects(spec: ProductSpec) -> None:
    created = sql_table(spec.table, sa.MetaData())
    for dialect in (sqlite.dialect(), postgresql.dialect()):
        text = str(CreateTable(created).compile(dialect=dialect))
        assert all(column.name in text for column in spec.table.stored_columns)
        assert "PRIMARY KEY" in text


@pytest.fixture(scope="module")
def tables() -> list[Table]:
    return [spec.table for spec in SPECS.values()]


@pytest.fixture
def warehouse(database_url: str, tmp_path: Path, tables: list[Table]) -> Iterator[Warehouse]:
    opened = Warehouse(Home.at(tmp_path / "home", database_url))
    opened.home.create()
    whole_schema(tables).create_all(opened.engine)
    yield opened
    opened.close()


def test_every_product_is_published_and_read_back_unchanged(warehouse: Warehouse) -> None:
    """An empty partition counts as published; rows keep values and nulls; the same rows have the same hash."""
    for spec in SPECS.values():
        key = PARTITION[spec.level]
        empty = _publish(warehouse, spec, key, empty_frame(spec.table))
        assert empty.n_rows == 0, spec.name
        assert warehouse.read(spec.table, partition_key=key).equals(empty_frame(spec.table)), spec.name
        frame = frame_from_rows(spec.table, [_full_row(spec.table), _sparse_row(spec.table)])
        first = _publish(warehouse, spec, key, frame)
        read = warehouse.read(spec.table, partition_key=key)
        expected = frame.sort_values(list(spec.table.key), ignore_index=True)
        _same(read, expected, spec)
        again = _publish(warehouse, spec, key, frame.iloc[::-1])
        if spec.table.storage is Storage.SQL:
            assert again.content_sha256 == first.content_sha256, spec.name
        assert warehouse.versions(spec.name)[spec.name, key].n_rows == 2


def _same(read: pd.DataFrame, expected: pd.DataFrame, spec: ProductSpec) -> None:
    import pandas as pd

    pd.testing.assert_frame_equal(read[list(spec.table.column_names)], expected, obj=spec.name)


def _publish(warehouse: Warehouse, spec: ProductSpec, key: str, frame: pd.DataFrame) -> Any:
    token = warehouse.take_lease(spec.name, key, "run")
    version = Version("version", spec.code_version, {})
    return warehouse.publish(spec.table, key, frame, version, run_id="run", token=token)


def _full_row(table: Table) -> dict[str, Any]:
    """A row with a valid value in every column."""
    return {column.name: _value(column, 0) for column in table.columns}


def _sparse_row(table: Table) -> dict[str, Any]:
    """A row of another key that has nothing where nothing is allowed."""
    values = {column.name: _value(column, 0) for column in table.columns if column.key or not column.nullable}
    changed = next(
        column for column in reversed([table[name] for name in table.key]) if _value(column, 1) != _value(column, 0)
    )
    return {**values, changed.name: _value(changed, 1)}


def _value(column: Column, number: int) -> Any:
    if column.type is Type.BOOLEAN:
        return number == 0
    if column.type is Type.TEXT:
        return column.allowed[number % len(column.allowed)] if column.allowed else f"ID-{number} '한글' ; \\"
    low = column.minimum if column.minimum is not None else (column.maximum or 0) - 1
    high = column.maximum if column.maximum is not None else low + 3
    if column.type is Type.INTEGER:
        return int(low) + number
    return low + (high - low) * (number + 1) / 3
