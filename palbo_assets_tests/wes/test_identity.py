"""One person's samples match, two persons' don't, and too few sites say nothing."""

from __future__ import annotations

import numpy as np
import pytest

from palbo_assets.wes.identity import compare
from palbo_assets.wes.settings import Settings

SETTINGS = Settings()


def person(seed: int, n: int = 240) -> np.ndarray:
    return np.random.default_rng(seed).binomial(2, 0.5, n) / 2


def read(genotypes: np.ndarray, seed: int, depth: int = 60) -> np.ndarray:
    return np.random.default_rng(seed).binomial(depth, np.clip(genotypes, 0.001, 0.999)) / depth


@pytest.mark.parametrize("seed", range(5))
def test_a_person_matches_itself_and_nobody_else(seed: int) -> None:
    me, other = person(seed), person(seed + 100)
    same = compare(read(me, seed + 1), read(me, seed + 2), SETTINGS)
    assert (same.verdict, same.reason) == ("matched", "")
    assert same.correlation is not None and same.correlation > 0.875 - 2 * 0.022
    swapped = compare(read(other, seed + 1), read(me, seed + 2), SETTINGS)
    assert (swapped.verdict, swapped.reason) == ("mismatch", "E_IDENTITY_MISMATCH")
    assert swapped.concordance is not None and swapped.concordance < 0.6


def test_loss_of_heterozygosity_in_a_tumour_is_no_mismatch() -> None:
    me = person(1)
    tumour = me.copy()
    tumour[me == 0.5] = np.random.default_rng(3).integers(0, 2, int((me == 0.5).sum()))
    assert compare(read(tumour, 4), read(me, 5), SETTINGS).verdict == "matched"


def test_foreign_dna_in_a_tumour_lowers_concordance() -> None:
    me, other = person(1), person(2)
    mixed = 0.7 * me + 0.3 * other
    found = compare(read(mixed, 4, depth=200), read(me, 5), SETTINGS)
    assert found.concordance is not None and found.concordance < 0.99
    assert found.reason in ("W_CONTAMINATION", "E_IDENTITY_MISMATCH")


def test_too_few_covered_sites_are_not_evaluable() -> None:
    me = person(1)
    tumour = read(me, 2)
    tumour[90:] = np.nan
    found = compare(tumour, read(me, 3), SETTINGS)
    assert (found.verdict, found.reason, found.n_sites) == ("not_evaluable", "TOO_FEW_SITES", 90)
    assert compare(tumour, read(me, 3), SETTINGS, min_sites=30).verdict == "matched"
    nothing = compare(np.full(240, np.nan), read(me, 3), SETTINGS)
    assert (nothing.verdict, nothing.concordance, nothing.correlation) == ("not_evaluable", None, None)
