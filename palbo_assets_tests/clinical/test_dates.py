"""Dates are read year first, in every way that hospitals type them, or not at all."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palbo_assets.clinical.dates import parse_date, parse_moment
from palbo_assets.clinical.days import data_cut, days_from, first_dose, hours_between
from palbo_assets.clinical.settings import Settings

DAY = date(2019, 3, 5)


@pytest.mark.parametrize(
    "cell",
    ["2019-03-05", "2019.03.05", "2019/3/5", "2019. 3. 5.", "20190305", "43529", "43529.4", "2019-03-05 14:30",
     "2019-03-05T14:30:10", "2019년 3월 5일"],
)  # fmt: skip
def test_every_year_first_spelling_is_the_same_day(cell: str) -> None:
    assert parse_date(cell) == DAY


@pytest.mark.parametrize(
    "cell",
    ["UNK-2019", "05/03/2019", "3-5-19", "2019-13-01", "2019-02-30", "", "today", "2019", "201903", "2019-03-05 25:00"],
)
def test_what_could_be_another_day_is_refused_without_quoting_it(cell: str) -> None:
    with pytest.raises(ValueError, match=r"^not a date$"):
        parse_date(cell)


@given(st.dates(min_value=date(1950, 1, 1), max_value=date(2090, 1, 1)), st.sampled_from(["%Y-%m-%d", "%Y.%m.%d"]))
def test_written_dates_come_back(day: date, style: str) -> None:
    assert parse_date(day.strftime(style)) == day


@given(st.text(max_size=20))
def test_any_text_is_a_moment_or_a_value_error(cell: str) -> None:
    with suppress(ValueError, OverflowError):
        assert isinstance(parse_moment(cell), datetime)


def test_days_count_from_the_first_dose_and_are_negative_before_it() -> None:
    assert days_from(DAY, datetime(2019, 3, 4, 23, 59)) == -1
    assert days_from(DAY, DAY) == 0
    assert days_from(None, DAY) is None
    assert days_from(DAY, None) is None


def test_day_zero_is_the_first_palbociclib_even_when_another_drug_began_earlier() -> None:
    rows = [{"drug": "letrozole", "start": date(2019, 1, 1)}, {"drug": "Palbociclib", "start": DAY},
            {"drug": "palbociclib", "start": date(2019, 9, 1)}]  # fmt: skip
    assert first_dose(rows) == DAY
    assert first_dose([{"drug": "palbociclib", "start": None}]) is None


def test_one_date_far_in_the_future_does_not_move_the_data_cut() -> None:
    late = date(2091, 1, 1)
    assert data_cut([DAY, date(2019, 5, 1), late], Settings()) == (date(2019, 5, 1), late)
    assert data_cut([DAY, date(2019, 5, 1)], Settings()) == (date(2019, 5, 1), None)
    assert data_cut([], Settings()) == (None, None)


def test_hours_need_two_times_of_day() -> None:
    assert hours_between(datetime(2019, 3, 5, 9), datetime(2019, 3, 5, 16, 30)) == 7.5
    assert hours_between(DAY, datetime(2019, 3, 5, 16)) is None
