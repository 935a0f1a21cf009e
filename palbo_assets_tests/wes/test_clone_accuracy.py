"""How often clones of planted tumour pairs are found, and how often the intervals of their prevalence hold it."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from palbo_assets.wes.clones import find_clones
from palbo_assets.wes.settings import Settings
from palbo_assets_tests.wes.planted_clones import pair

SETTINGS = Settings()
PAIRS = 30


@pytest.mark.accuracy
@pytest.mark.parametrize(
    ("name", "purity_sd", "stated", "spread"),
    [
        ("purity known", 0.0, True, None),
        ("purity off by 0.05", 0.05, True, None),
        ("reads vary beyond chance", 0.05, True, 300.0),
        ("share of cells with copies unsaid", 0.05, False, None),
    ],
)
def test_intervals_of_prevalence_hold_nineteen_of_twenty_planted_clones(
    name: str, purity_sd: float, stated: bool, spread: float | None
) -> None:
    """30 tumour pairs (12 of the slow last kind): 2 to 4 clones, 30 to 150 mutations, 60x to 200x, purity 0.3-0.9."""
    random = np.random.default_rng(17)
    held, widths, errors, right = [], [], [], 0
    pairs = PAIRS if stated else 12
    for number in range(pairs):
        clones = int(random.integers(2, 5))
        planted = pair(
            random,
            clones,
            int(random.integers(30, 151)),
            random.uniform(60, 200),
            purity_sd=purity_sd,
            stated=stated,
            spread=spread,
        )
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
    sys.stdout.write(
        f"\n{name}: {np.mean(held):.3f} of {len(held)} held, median width {np.median(widths):.3f}, "
        f"mean error {np.mean(errors):.3f}, {right} of {pairs} with the planted number of clones\n"
    )
    assert 0.90 <= np.mean(held) <= 0.98
