"""What the study's records are made of, whichever system they were exported from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from palbo_assets.clinical.queries import Query

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Export:
    """A data export by instrument, whatever system it is from.

    Attributes
    ----------
    record_field
        Column of the export that names the record.
    instruments
        Instrument -> frame with ``record_id, event, instance, row`` and the instrument's fields: labels for choices,
        booleans for checkbox columns (``field___code``), `date`, `datetime` and `float` where the dictionary says so,
        text otherwise; None where empty or a missing code.
    labelled
        Whether the export held labels instead of codes.
    ticks
        Field of several ticks -> its column in the frame -> the label that a tick there means.
    queries
        Cells that were set to null because they can't be what the dictionary says.
    """

    record_field: str
    instruments: Mapping[str, pd.DataFrame]
    records: tuple[str, ...]
    labelled: bool = True
    ticks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    queries: tuple[Query, ...] = field(default=())
