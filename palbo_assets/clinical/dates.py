"""Dates as hospitals type them."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

_YEAR_FIRST = re.compile(r"(\d{4})\s*[-./년]\s*(\d{1,2})\s*[-./월]\s*(\d{1,2})\s*[.일]?")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_EXCEL_SERIAL = re.compile(r"\d{5}(\.\d+)?")
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?")
_EXCEL_EPOCH = datetime(1899, 12, 30)  # serial 1 is 1900-01-01 after Excel's invented 29 February 1900


def parse_moment(cell: str) -> datetime:
    """The moment in ``cell``, midnight where no time is given.

    Year-first dates (``2019-03-05``, ``2019.03.05``, ``2019/3/5``, ``20190305``), each with an optional time of day,
    and Excel serials (``43529``). Day-first and month-first dates are not accepted: they can't be told apart.

    Raises
    ------
    ValueError
        For anything else, without quoting the cell.
    """
    content = cell.strip()
    if _EXCEL_SERIAL.fullmatch(content):
        return _EXCEL_EPOCH + timedelta(days=float(content))
    day_text, _, time_text = content.replace("T", " ").partition(" ")
    if time_text and not _TIME.fullmatch(time_text.strip()):
        day_text, time_text = content, ""
    found = _YEAR_FIRST.fullmatch(day_text.strip()) or _COMPACT.fullmatch(day_text.strip())
    if not found:
        raise ValueError("not a date")
    clock = _TIME.fullmatch(time_text.strip()) if time_text else None
    hour, minute, second = (int(part or 0) for part in clock.groups()) if clock else (0, 0, 0)
    try:
        return datetime(int(found[1]), int(found[2]), int(found[3]), hour, minute, second)
    except ValueError:
        raise ValueError("not a date") from None


def parse_date(cell: str) -> date:
    """The calendar day in ``cell``; see `parse_moment`."""
    return parse_moment(cell).date()
