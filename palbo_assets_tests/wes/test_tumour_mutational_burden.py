"""Burden is per callable megabase, with the exact Poisson interval."""

from __future__ import annotations

import pytest

from palbo_assets.wes.settings import Settings
from palbo_assets.wes.tumour_mutational_burden import Burden, burden

SETTINGS = Settings()


def test_the_interval_is_the_exact_one_of_published_tables() -> None:
    found = burden(10, 2_000_000, SETTINGS)  # Garwood: 4.795 to 18.390 for ten events
    assert found.per_mb == 5.0
    assert (found.low, found.high) == (pytest.approx(4.795 / 2, abs=1e-3), pytest.approx(18.390 / 2, abs=1e-3))


def test_no_mutation_still_has_an_upper_limit() -> None:
    found = burden(0, 1_000_000, SETTINGS)
    assert (found.per_mb, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(3.689, abs=1e-3)


@pytest.mark.parametrize(
    ("mutations", "bases", "reason"),
    [(None, 2_000_000, "NO_CALLS"), (3, None, "NO_CALLABLE_BASES"), (3, 33_000, "FEW_CALLABLE_BASES")],
)
def test_what_could_not_be_called_is_null_with_a_reason(mutations: int | None, bases: int | None, reason: str) -> None:
    assert burden(mutations, bases, SETTINGS) == Burden(None, None, None, reason)
