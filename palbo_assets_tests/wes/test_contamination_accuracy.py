"""How exactly contamination is measured: simulated samples by planted share; figures in docs/wes.md."""

from __future__ import annotations

import numpy as np
import pytest

from palbo_assets.wes.contamination import contaminations
from palbo_assets.wes.settings import Settings
from palbo_assets_tests.wes.test_contamination import table

SETTINGS = Settings()
RUNS = 20


@pytest.mark.accuracy
@pytest.mark.parametrize("sites", [1500, 240])
@pytest.mark.parametrize("planted", [0.0, 0.005, 0.01, 0.03, 0.1])
def test_estimates_stay_near_the_planted_share(planted: float, sites: int) -> None:
    tumours, bloods, inside = [], [], 0
    for run in range(RUNS):
        seed = 1000 * run + int(1000 * planted) + sites
        found = contaminations(table(seed, planted, in_blood=0, sites=sites), "T1", SETTINGS).tumour
        assert found.fraction is not None and found.low is not None and found.high is not None
        tumours.append(found.fraction)
        inside += found.low <= planted <= found.high
        alone = contaminations(table(seed, 0.0, in_blood=min(planted, 0.03), sites=sites), "T1", SETTINGS).normal
        bloods.append(alone.fraction)
    error = float(np.sqrt(np.mean((np.array(tumours) - planted) ** 2)))
    of_blood = float(np.sqrt(np.mean((np.array(bloods, dtype=float) - min(planted, 0.03)) ** 2)))
    assert error < 0.002 + 0.05 * planted + (0.002 if sites < 1000 else 0)
    assert inside >= 0.8 * RUNS
    assert of_blood < 0.005
