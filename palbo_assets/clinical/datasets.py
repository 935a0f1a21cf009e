"""CDISC datasets as files: CSV, or the SAS transport format (XPORT) that regulators ask for.

Transport files are read by ReadStat: pandas' reader turns a zero into 5.4e-79, and a lesion that is gone would have a
size. The format states no number of rows, so a file that was cut between cards can only be told by its checksum.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import InputError
from palbo_assets.platform.text import LARGEST_TABLE_BYTES, read_table

if TYPE_CHECKING:
    import pandas as pd

_TRANSPORT = b"HEADER RECORD*******"
_CARD = 80  # bytes; transport files are made of such cards
_BLANK = ("", "NA", ".")  # R and SAS write missing cells so into CSV


def read_dataset(path: Path, name: str, required: Sequence[str]) -> pd.DataFrame:
    """The dataset as text, blanks as empty text.

    Parameters
    ----------
    name
        What the dataset is called, for messages (``SDTM domain TR``).
    required
        Variables that must be there.

    Returns
    -------
    pandas.DataFrame
        All columns as ``str``; the index is the line of a CSV file, or the observation's number of a transport file.
        Whole numbers have no decimals, as SAS writes them into CSV.

    Raises
    ------
    InputError
        ``E_SCHEMA`` when a variable is missing or a transport file can't be read, ``E_TRUNCATED`` when one ends
        within a card, ``E_EMPTY`` without rows, and what `read_table` raises.
    """
    with path.open("rb") as stream:
        head = stream.read(len(_TRANSPORT))
    table = _read_transport(path) if head == _TRANSPORT else read_table(path)
    missing = [variable for variable in required if variable not in table.columns]
    if missing:
        raise InputError(
            "E_SCHEMA",
            f"the {name} lacks {', '.join(missing)}",
            file=path.name,
            row=1,
            column=missing[0],
            fix=f"export the whole {name}",
        )
    return table.mask(table.isin(_BLANK), "")


def _read_transport(path: Path) -> pd.DataFrame:
    import pandas as pd
    import pyreadstat

    size = path.stat().st_size
    if size > LARGEST_TABLE_BYTES:
        raise InputError("E_TOO_BIG", f"a dataset of {size} bytes is not expected here", file=path.name)
    if size % _CARD:
        raise InputError(
            "E_TRUNCATED", "the file ends within a card of 80 bytes", file=path.name, fix="transfer it again, as binary"
        )
    try:
        table, _ = pyreadstat.read_xport(str(path), disable_datetime_conversion=True)
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, UnicodeDecodeError):
        raise InputError(
            "E_SCHEMA", "the transport file can't be read", file=path.name, fix="write it again, or as CSV"
        ) from None
    if table.empty:
        raise InputError("E_EMPTY", "the dataset has no rows", file=path.name, fix="export it again")
    table.index = pd.RangeIndex(1, len(table) + 1, name="row")
    return pd.DataFrame({str(column): _as_text(table[column]) for column in table.columns})


def _as_text(column: pd.Series) -> pd.Series:
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column):
        return column.map(lambda value: "" if value != value else f"{value:.15g}").astype(str)
    return column.fillna("").astype(str).str.strip()
