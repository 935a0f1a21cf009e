"""Parquet in a table's declared types, with units and descriptions beside the columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from palbo_assets.platform.tables import Table, Type

if TYPE_CHECKING:
    import pandas as pd


def parquet_bytes(table: Table, stored: pd.DataFrame) -> bytes:
    """Parquet with the unit and the description of each column in its field's metadata; zstd; deterministic."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {Type.TEXT: pa.string(), Type.INTEGER: pa.int64(), Type.REAL: pa.float64(), Type.BOOLEAN: pa.bool_()}
    schema = pa.schema(
        [
            pa.field(column.name, types[column.type], metadata={"unit": column.unit, "description": column.description})
            for column in table.stored_columns
        ]
    )
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(stored, schema=schema, preserve_index=False), sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def read_parquet(content: bytes, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The frame of a Parquet file (or some of its columns), in pandas' nullable types."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.read_table(pa.BufferReader(content), columns=None if columns is None else list(columns)).to_pandas(
        types_mapper=_nullable_type
    )


def _nullable_type(arrow_type: Any) -> Any:
    import pandas as pd
    import pyarrow as pa

    if pa.types.is_string(arrow_type) or pa.types.is_large_string(arrow_type):
        return pd.StringDtype()
    if pa.types.is_integer(arrow_type):
        return pd.Int64Dtype()
    if pa.types.is_floating(arrow_type):
        return pd.Float64Dtype()
    return pd.BooleanDtype() if pa.types.is_boolean(arrow_type) else None
