"""Numbers read eight bytes at a time are those that Python reads."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palbo_assets.rnaseq.digits import leading_digits, number, number_by_digit


def octets(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), dtype=np.uint8)


@pytest.mark.parametrize("read", [number, number_by_digit])
@given(st.floats(0, 1e9, allow_nan=False), st.sampled_from(["{:.6f}", "{:.3f}", "{:g}", "{:e}", "{:.0f}", "{:.7f}"]))
@settings(max_examples=200, deadline=None)
def test_numbers_are_read_as_python_reads_them(read: object, value: float, form: str) -> None:
    text = form.format(value)
    for behind in ("\t", "\t" + "7" * 20):
        found, at = read(octets(text + behind), 0)  # type: ignore[operator]
        if at >= 0:
            assert at == len(text)
            # Division of integers below 2**53 by an exact power is rounded once, as Python rounds.
            assert found == (float(text) if "e" not in text else pytest.approx(float(text), rel=1e-15))
        else:
            assert len(text.replace(".", "")) > 15 or "e" in text


@given(st.text("0123456789.\teE+-x", min_size=1, max_size=40))
@settings(max_examples=500, deadline=None)
def test_both_ways_of_reading_agree_on_any_bytes(text: str) -> None:
    assert number(octets(text), 0) == number_by_digit(octets(text), 0)


@given(st.binary(min_size=8, max_size=8))
@settings(max_examples=500, deadline=None)
def test_leading_digits_are_found_before_any_byte(eight: bytes) -> None:
    digits = re.match(rb"[0-9]*", eight).group()  # type: ignore[union-attr]
    assert leading_digits(np.frombuffer(eight, np.uint8), 0) == (len(digits), int(digits or b"0"))
