"""From calendar dates to days from first dose. No calendar date leaves this room."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime

from palbo_assets.clinical.settings import Settings


def as_date(moment: date | datetime) -> date:
    return moment.date() if isinstance(moment, datetime) else moment


def days_from(anchor: date | None, moment: object) -> int | None:
    """Whole days from ``anchor`` to ``moment`` (negative before it); None when either is unknown."""
    if anchor is None or not isinstance(moment, date):
        return None
    return (as_date(moment) - anchor).days


def hours_between(start: object, end: object) -> float | None:
    """Hours from ``start`` to ``end``; None unless both carry a time of day."""
    if not isinstance(start, datetime) or not isinstance(end, datetime):
        return None
    return (end - start).total_seconds() / 3600.0


def first_dose(treatments: Iterable[Mapping[str, object]]) -> date | None:
    """Day 0: the first start of palbociclib, or of any study drug where no row names palbociclib."""
    started = [
        (str(row.get("drug") or "").lower(), as_date(start))
        for row in treatments
        if isinstance(start := row.get("start"), date)
    ]
    palbociclib = [day for drug, day in started if "palbo" in drug or "ibrance" in drug]
    return min(palbociclib or [day for _, day in started], default=None)


def data_cut(last_dates: Iterable[date], settings: Settings) -> tuple[date | None, date | None]:
    """The day up to which the export speaks: the last date of any patient.

    Returns
    -------
    tuple
        The cut, and a date that was set aside because it lies implausibly far after every other patient's.
    """
    ordered = sorted(last_dates)
    if not ordered:
        return None, None
    if len(ordered) > 1 and (ordered[-1] - ordered[-2]).days > settings.future_gap_days:
        return ordered[-2], ordered[-1]
    return ordered[-1], None
