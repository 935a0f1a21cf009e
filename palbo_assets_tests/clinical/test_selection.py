"""Who is biopsied at progression and who is not."""

from __future__ import annotations

import pytest

from palbo_assets.clinical.selection import selection_rows, standardised_difference


def test_medians_and_shares_of_both_groups_count_only_what_is_known() -> None:
    biopsied = [{"age_years": 50, "visceral": False}, {"age_years": 60, "visceral": True}, {"age_years": None}]
    others = [{"age_years": 70, "visceral": True}, {"age_years": 80, "visceral": True}]
    rows = {(row["characteristic"], row["level"]): row for row in selection_rows(biopsied, others)}
    age = rows["age_years", "median"]
    assert (age["n_biopsied"], age["n_not_biopsied"], age["biopsied"], age["not_biopsied"]) == (2, 2, 55, 75)
    assert age["standardised_difference"] == pytest.approx(-4.0)  # 20 years apart, 5 years of spread
    visceral = rows["visceral", "True"]
    assert (visceral["biopsied"], visceral["not_biopsied"]) == (50.0, 100.0)
    assert rows["er_pct", "median"]["biopsied"] is None


def test_nothing_that_varies_has_no_standardised_difference() -> None:
    assert standardised_difference([1.0, 1.0], [2.0, 2.0]) is None
    assert standardised_difference([], [2.0]) is None
