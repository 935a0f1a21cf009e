"""How often clones of planted tumour pairs are found, and how often the intervals of their prevalence hold it."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np
import pytest

from palbo_assets.wes.clones import find_clones
from palbo_assets.wes.settings import Settings
from palbo_assets_tests.wes.planted_clones import Reported, pair

SETTINGS = Settings()
CASES: dict[str, dict[str, Any]] = {
    "nothing": {"purity_sd": 0.0},
    "purity": {"purity_sd": 0.05},
    "purity; reads vary (precision 300)": {"purity_sd": 0.05, "spread": 300.0},
    "purity; copies in part of the cells, stated": {"purity_sd": 0.05, "part": Reported.SHARE},
    "purity; copies in all cells, the tool doesn't say so": {"purity_sd": 0.05, "stated": False},
    "purity; the same, and reads vary (precision 200)": {"purity_sd": 0.05, "stated": False, "spread": 200.0},
    "purity; copies in part of the cells, the tool doesn't say so": {
        "purity_sd": 0.05, "stated": False, "part": Reported.COPIES,
    },
}  # fmt: skip


class Held(NamedTuple):
    """Of all clones with three mutations or more in both tumours of all pairs."""

    covered: float
    clones: int
    width: float
    error: float
    planted_number: int


def study(case: str, pairs: int, seed: int) -> Held:
    """Planted pairs of 2 to 4 clones, 30 to 150 mutations, 60x to 200x, purity 0.3 to 0.9."""
    random = np.random.default_rng(seed)
    held, widths, errors, right = [], [], [], 0
    for number in range(pairs):
        clones = int(random.integers(2, 5))
        planted = pair(random, clones, int(random.integers(30, 151)), random.uniform(60, 200), **CASES[case])
        found = find_clones(planted.tumours, SETTINGS, seed=number)
        right += len(found.fraction) == clones
        for clone in range(len(found.fraction)):
            members = planted.clone[found.assigned == clone]
            if len(members) < 3:
                continue
            # What a clone is held against: the planted one that most of its mutations are of.
            truth = planted.fraction[np.bincount(members).argmax()]
            held += list((found.low[clone] <= truth) & (truth <= found.high[clone]))
            widths += list(found.high[clone] - found.low[clone])
            errors += list(np.abs(found.fraction[clone] - truth))
    return Held(float(np.mean(held)), len(held), float(np.median(widths)), float(np.mean(errors)), right)


@pytest.mark.accuracy
@pytest.mark.parametrize(("case", "pairs"), list(zip(CASES, (30, 30, 30, 30, 12, 12, 12), strict=True)), ids=[*CASES])
def test_intervals_of_prevalence_hold_nineteen_of_twenty_planted_clones(case: str, pairs: int) -> None:
    found = study(case, pairs, seed=17)
    sys.stdout.write(f"\n{case}, {pairs} pairs: {found}\n")
    assert 0.90 <= found.covered <= 0.98
    assert found.error <= 0.05
