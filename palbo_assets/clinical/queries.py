"""Queries: what a data manager has to look at. They name a place, never a value, and stop nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Query:
    """One question about one patient's data.

    ``row`` is the line of the export as a spreadsheet shows it, 0 where the question isn't about one line.
    """

    patient_id: str
    code: str
    column: str
    row: int
    message: str


def codes(queries: Iterable[Query]) -> str | None:
    """The distinct codes in alphabetical order, joined by ``;``; None where there is no query."""
    return ";".join(sorted({query.code for query in queries})) or None
