"""Table contracts, declared once.

A room declares each table that it publishes as a :class:`Table` in its ``tables.py``. Everything else derives from
that declaration: the SQL table (`sql_table`), validation before publishing (`validate`), the column schema that the
Dagster UI shows (`dagster_schema`), and the data dictionary (`dictionary_rows`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from palbo_assets.platform.errors import PalboError

if TYPE_CHECKING:
    import dagster as dg
    import pandas as pd
    import sqlalchemy as sa


class Type(StrEnum):
    """Storage type of a column; each maps to one SQL, one pandas and one Parquet type."""

    TEXT = "text"
    INTEGER = "integer"
    REAL = "real"
    BOOLEAN = "boolean"


class Storage(StrEnum):
    """Where a table's rows live: SQL, or one Parquet file a partition for what grows beyond a million rows."""

    SQL = "sql"
    PARQUET = "parquet"


@dataclass(frozen=True)
class Column:
    """One column: its type, unit, range and meaning.

    ``unit`` is a UCUM-like symbol (``pg/mL``, ``cells/mm2``, ``%``, ``1`` for a ratio) and empty for text.
    ``allowed`` lists the vocabulary of a text column. ``key`` columns form the primary key and are never null.
    """

    name: str
    type: Type
    description: str
    unit: str = ""
    nullable: bool = True
    allowed: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    key: bool = False


def text(name: str, description: str, **options: Any) -> Column:
    return Column(name, Type.TEXT, description, **options)


def integer(name: str, description: str, **options: Any) -> Column:
    return Column(name, Type.INTEGER, description, **options)


def real(name: str, description: str, **options: Any) -> Column:
    return Column(name, Type.REAL, description, **options)


def boolean(name: str, description: str, **options: Any) -> Column:
    return Column(name, Type.BOOLEAN, description, **options)


PATIENT_ID = text("patient_id", "Study pseudonym of the patient", nullable=False, key=True)
TIMEPOINT = text(
    "timepoint",
    "Canonical timepoint of the visit",
    nullable=False,
    key=True,
    allowed=("BL", "W06", "W12", "PD"),
)
SPECIMEN_ID = text("specimen_id", "Specimen as the delivering lab names it", nullable=False, key=True)

# Written by the platform on every row; rooms never fill these.
PARTITION_KEY = text("partition_key", "Partition that wrote the row; empty for a cohort product", nullable=False)
DATA_VERSION = text("data_version", "Hash of the inputs, code version and parameters", nullable=False)
RUN_ID = text("run_id", "Dagster run that wrote the row", nullable=False)
PROVENANCE = (PARTITION_KEY, DATA_VERSION, RUN_ID)


@dataclass(frozen=True)
class Table:
    """A data product's contract. ``name`` is also the name of its asset."""

    name: str
    description: str
    grain: str
    columns: tuple[Column, ...]
    storage: Storage = Storage.SQL
    _by_name: dict[str, Column] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        duplicated = {name for name in names if names.count(name) > 1}
        if duplicated:
            raise ValueError(f"table {self.name} declares columns twice: {sorted(duplicated)}")
        if not any(column.key for column in self.columns):
            raise ValueError(f"table {self.name} has no key column")
        object.__setattr__(self, "_by_name", {column.name: column for column in self.columns})

    def __getitem__(self, name: str) -> Column:
        return self._by_name[name]

    @property
    def key(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.key)

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def stored_columns(self) -> tuple[Column, ...]:
        """The declared columns followed by the provenance columns."""
        return (*self.columns, *PROVENANCE)


_PANDAS_TYPE = {
    Type.TEXT: "string",
    Type.INTEGER: "Int64",
    Type.REAL: "Float64",
    Type.BOOLEAN: "boolean",
}


def empty_frame(table: Table) -> pd.DataFrame:
    """A frame without rows that has every declared column in its declared type."""
    import pandas as pd

    return pd.DataFrame({column.name: pd.Series(dtype=_PANDAS_TYPE[column.type]) for column in table.columns})


def frame_from_rows(table: Table, rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Typed frame of ``table`` from row dictionaries; a column that a row doesn't name is null."""
    import pandas as pd

    listed = list(rows)
    if not listed:
        return empty_frame(table)
    return coerce(table, pd.DataFrame(listed).reindex(columns=list(table.column_names)))


def coerce(table: Table, frame: pd.DataFrame, columns: Iterable[Column] | None = None) -> pd.DataFrame:
    """``frame`` with the declared columns, in declared order and type. NaN and None become null.

    Raises
    ------
    PalboError
        ``E_CONTRACT`` when a column is missing, unknown, or holds values that its type can't express.
    """
    import pandas as pd

    declared = tuple(columns if columns is not None else table.columns)
    names = {column.name: None for column in declared}  # in their order, and quick to ask
    missing = [name for name in names if name not in frame.columns]
    unknown = [str(name) for name in frame.columns if name not in names]
    if missing or unknown:
        raise PalboError(
            "E_CONTRACT",
            f"table {table.name}: missing columns {missing}, undeclared columns {unknown}",
            fix="return exactly the columns that the room's tables.py declares",
        )
    typed: dict[str, Any] = {}
    for column in declared:
        try:
            typed[column.name] = frame[column.name].astype(_PANDAS_TYPE[column.type]).array  # type: ignore[call-overload]
        except (TypeError, ValueError) as error:
            # The original text would quote cell values.
            raise PalboError(
                "E_CONTRACT",
                f"table {table.name}: column {column.name} holds values that are not {column.type}",
                column=column.name,
            ) from error.__class__(f"cannot convert {column.name} to {column.type}")
    # In one go: into a frame of hundreds of columns, each that is put by itself costs a pass over all.
    return pd.DataFrame(typed, index=pd.RangeIndex(len(frame)))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dictionaries of plain Python values; nulls of any kind are None."""
    if not len(frame):
        return []
    columns = [
        [None if null else value for value, null in zip(values.tolist(), values.isna().tolist(), strict=True)]
        for _, values in frame.items()
    ]
    names = [str(name) for name in frame.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


@cache
def pandera_schema(table: Table) -> Any:
    """The pandera schema of ``table``: types, nullability, ranges, vocabularies, unique key."""
    import pandera.pandas as pa

    def checks(column: Column) -> list[Any]:
        found = []
        if column.allowed:
            found.append(pa.Check.isin(column.allowed))
        if column.minimum is not None:
            found.append(pa.Check.ge(column.minimum))
        if column.maximum is not None:
            found.append(pa.Check.le(column.maximum))
        return found

    return pa.DataFrameSchema(
        {
            column.name: pa.Column(
                _PANDAS_TYPE[column.type],
                checks=checks(column),
                nullable=column.nullable and not column.key,
                description=column.description,
            )
            for column in table.columns
        },
        unique=list(table.key),
        strict=True,
        name=table.name,
    )


def validate(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """``frame`` in the table's types, or an error that names the columns, rules and rows that break the contract.

    Raises
    ------
    PalboError
        ``E_CONTRACT``; it lists at most five violations with row numbers and never quotes a value.
    """
    import pandera.errors

    typed = coerce(table, frame)
    try:
        pandera_schema(table).validate(typed, lazy=True)
    except pandera.errors.SchemaErrors as error:
        cases = error.failure_cases
        found = []
        for (column, rule), group in cases.groupby(["column", "check"], dropna=False, sort=True):
            rows = sorted({int(index) for index in group["index"].dropna()})[:5]
            found.append(f"{column}: {rule} at rows {rows}")
        raise PalboError("E_CONTRACT", f"table {table.name} breaks its contract: " + "; ".join(found[:5])) from None
    return typed


def sql_table(table: Table, metadata: sa.MetaData) -> sa.Table:
    """The SQLAlchemy table (with provenance columns and the key as primary key), registered in ``metadata``."""
    import sqlalchemy as sa

    if table.name in metadata.tables:
        return metadata.tables[table.name]
    types: dict[Type, Any] = {
        Type.TEXT: sa.Text,
        Type.INTEGER: sa.BigInteger,
        Type.REAL: sa.Double,
        Type.BOOLEAN: sa.Boolean,
    }
    return sa.Table(
        table.name,
        metadata,
        *(
            sa.Column(
                column.name,
                types[column.type],
                primary_key=column.key,
                nullable=column.nullable and not column.key,
                comment=_comment(column),
            )
            for column in table.stored_columns
        ),
        sa.Index(f"ix_{table.name}_partition", PARTITION_KEY.name),
        comment=table.description,
    )


def _comment(column: Column) -> str:
    return f"{column.description} [{column.unit}]" if column.unit else column.description


def dagster_schema(table: Table) -> dg.TableSchema:
    """The column schema that the Dagster UI shows, with units, nullability and vocabularies."""
    import dagster as dg

    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                type=f"{column.type} [{column.unit}]" if column.unit else str(column.type),
                description=column.description,
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable and not column.key,
                    unique=False,
                    other=list(_rules(column)),
                ),
            )
            for column in table.stored_columns
        ]
    )


def _rules(column: Column) -> Iterable[str]:
    if column.key:
        yield "key"
    if column.allowed:
        yield "one of " + ", ".join(column.allowed)
    if column.minimum is not None:
        yield f">= {column.minimum:g}"
    if column.maximum is not None:
        yield f"<= {column.maximum:g}"


def dictionary_rows(table: Table) -> list[dict[str, Any]]:
    """One data-dictionary row a column: table_name, column_name, type, unit, description, allowed_values."""
    return [
        {
            "table_name": table.name,
            "column_name": column.name,
            "type": str(column.type),
            "unit": column.unit or None,
            "description": column.description,
            "allowed_values": "; ".join(_rules(column)) or None,
        }
        for column in table.stored_columns
    ]
