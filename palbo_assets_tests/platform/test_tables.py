"""Table contracts: everything derives from one declaration."""

from __future__ import annotations

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from palbo_assets.platform.errors import PalboError
from palbo_assets.platform.tables import (
    PATIENT_ID,
    TIMEPOINT,
    Table,
    boolean,
    coerce,
    dagster_schema,
    dictionary_rows,
    empty_frame,
    frame_from_rows,
    integer,
    real,
    records,
    sql_table,
    text,
    validate,
)

TABLE = Table(
    name="example",
    description="An example",
    grain="patient x timepoint",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        real("vaf", "Variant allele fraction", unit="1", minimum=0, maximum=1),
        integer("depth", "Reads", unit="reads", nullable=False, minimum=0),
        text("state", "State", allowed=("PRESENT", "ABSENT")),
        boolean("forced", "Counted on request"),
    ),
)


def row(**changes: object) -> dict[str, object]:
    return {
        "patient_id": "P1",
        "timepoint": "BL",
        "vaf": 0.1,
        "depth": 30,
        "state": "PRESENT",
        "forced": False,
    } | changes


def test_a_frame_that_keeps_its_contract_passes_with_declared_types() -> None:
    typed = validate(TABLE, frame_from_rows(TABLE, [row(), row(timepoint="PD", vaf=None, state=None)]))
    assert list(typed.columns) == list(TABLE.column_names)
    assert typed["depth"].dtype == "Int64"
    assert typed["vaf"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"vaf": 1.2}, "vaf"),
        ({"depth": None}, "depth"),
        ({"state": "WILD_TYPE"}, "state"),
        ({"timepoint": "W24"}, "timepoint"),
        ({"patient_id": None}, "patient_id"),
    ],
)
def test_a_broken_contract_names_column_and_row_but_no_value(changes: dict[str, object], column: str) -> None:
    with pytest.raises(PalboError) as caught:
        validate(TABLE, frame_from_rows(TABLE, [row(timepoint="W06"), row(**changes)]))
    assert caught.value.code == "E_CONTRACT"
    assert column in str(caught.value)
    assert "[1]" in str(caught.value)
    assert "WILD_TYPE" not in str(caught.value)


def test_a_nan_that_a_computation_left_in_a_typed_column_is_in_no_range() -> None:
    frame = frame_from_rows(TABLE, [row(), row(timepoint="PD")])
    frame["vaf"] = pd.array([0.5, 0.0], dtype="Float64") / pd.array([1.0, 0.0], dtype="Float64")
    with pytest.raises(PalboError, match=r"vaf: greater\w+\(0\) at rows \[1\]; vaf: less\w+\(1\) at rows \[1\]$"):
        validate(TABLE, frame)


def test_every_rule_that_is_broken_is_said_each_with_its_rows() -> None:
    rows = [row(), row(depth=-1), row(timepoint="PD", depth=None, state="WILD_TYPE")]
    with pytest.raises(PalboError) as caught:
        validate(TABLE, frame_from_rows(TABLE, rows))
    said = str(caught.value).partition("its contract: ")[2].split("; ")
    assert said == [
        "depth: greater_than_or_equal_to(0) at rows [1]",
        "depth: not_nullable at rows [2]",
        "patient_id: multiple_fields_uniqueness at rows [0, 1]",
        "state: isin(('PRESENT', 'ABSENT')) at rows [2]",
        "timepoint: multiple_fields_uniqueness at rows [0, 1]",
    ]


def test_rows_are_plain_values_and_nulls_are_none() -> None:
    (first,) = records(frame_from_rows(TABLE, [row(vaf=None)]))
    assert first == row(vaf=None)
    assert [type(value) for value in first.values()] == [str, str, type(None), int, str, bool]
    assert records(empty_frame(TABLE)) == []


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(PalboError, match="E_CONTRACT"):
        validate(TABLE, frame_from_rows(TABLE, [row(), row()]))


def test_undeclared_and_missing_columns_are_named() -> None:
    frame = frame_from_rows(TABLE, [row()]).drop(columns="vaf").assign(extra=1)
    with pytest.raises(PalboError, match=r"missing columns \['vaf'\], undeclared columns \['extra'\]"):
        coerce(TABLE, frame)


def test_text_in_a_number_column_is_refused_without_quoting_it() -> None:
    frame = frame_from_rows(TABLE, [row()]).astype(object)
    frame.loc[0, "depth"] = "KIM-CANARY"
    with pytest.raises(PalboError) as caught:
        coerce(TABLE, frame)
    assert caught.value.column == "depth"
    assert "CANARY" not in repr(caught.value.__cause__)


@given(st.lists(st.sampled_from(["BL", "W06", "W12", "PD"]), unique=True))
def test_any_set_of_timepoints_keeps_rows_and_order(timepoints: list[str]) -> None:
    frame = frame_from_rows(TABLE, [row(timepoint=timepoint) for timepoint in timepoints])
    assert validate(TABLE, frame)["timepoint"].tolist() == timepoints


def test_ddl_dictionary_and_ui_schema_say_the_same() -> None:
    table = sql_table(TABLE, sa.MetaData())
    assert [column.name for column in table.primary_key] == ["patient_id", "timepoint"]
    assert {row["column_name"] for row in dictionary_rows(TABLE)} == {column.name for column in table.columns}
    assert {column.name for column in dagster_schema(TABLE).columns} == {column.name for column in table.columns}
    depth = next(row for row in dictionary_rows(TABLE) if row["column_name"] == "depth")
    assert depth["unit"] == "reads"
    assert depth["allowed_values"] == ">= 0"


def test_an_empty_table_has_its_columns() -> None:
    assert validate(TABLE, empty_frame(TABLE)).empty
