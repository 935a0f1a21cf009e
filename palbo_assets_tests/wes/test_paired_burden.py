"""Baseline and progression compare where both could be judged: depth alone changes no burden."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from palbo_assets.genomics.regions import Region
from palbo_assets.platform.tables import frame_from_rows, validate
from palbo_assets.wes.paired_burden import Territory, compared
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.tables import PAIRED_MUTATIONAL_BURDEN

LENGTH = 3_000_000
TERRITORY = Territory([Region("1", 0, LENGTH)], [Region("1", 0, LENGTH - 500_000)], (20, 10))


def calls(*positions: int, consequence: str = "Missense_Mutation", evaluable: bool = True) -> pd.DataFrame:
    rows = [("1", pos, "C", "T", consequence, evaluable) for pos in positions]
    return pd.DataFrame(rows, columns=["chrom", "pos", "ref", "alt", "consequence", "evaluable"])


def depth(*shallow: tuple[int, int], value: int = 60) -> dict[str, np.ndarray]:
    found = np.full(LENGTH, value, dtype=np.uint8)
    for start, end in shallow:
        found[start:end] = 5
    return {"1": found}


def test_a_mutation_where_the_other_tumour_is_shallow_counts_for_neither() -> None:
    """Progression alone covers the last megabase: its eight mutations there are no rise."""
    shared, new = (100, 200, 300), (2_000_100,)
    beyond = tuple(range(1_000_010, 1_000_090, 10))
    before, after = depth((1_000_000, 2_000_000)), depth()
    row = compared(calls(*shared), calls(*shared, *beyond, *new), (before, after, depth()), TERRITORY, Settings())
    assert row["common_callable_bases"] == 1_500_000
    assert (row["baseline_mutations"], row["later_mutations"], row["shared_mutations"]) == (3, 4, 3)
    assert row["later_per_mb"] == pytest.approx(4 / 1.5) and row["change_per_mb"] == pytest.approx(1 / 1.5)
    assert row["baseline_low"] < 2 < row["baseline_high"] and row["p_value"] == 1.0
    mirrored = compared(calls(*shared, *beyond, *new), calls(*shared), (after, before, depth()), TERRITORY, Settings())
    assert (mirrored["baseline_mutations"], mirrored["change_per_mb"]) == (4, -row["change_per_mb"])
    both_deep = compared(calls(*shared), calls(*shared, *beyond, *new), (after, after, depth()), TERRITORY, Settings())
    assert both_deep["later_mutations"] == 12 and both_deep["p_value"] == pytest.approx(2 * 0.5**9)


def test_shallow_blood_silences_both_and_intron_or_unjudged_calls_never_count() -> None:
    blood = depth((0, 1_000))
    found = compared(calls(100, 5_000), calls(100, 5_000), (depth(), depth(), blood), TERRITORY, Settings())
    assert (found["baseline_mutations"], found["shared_mutations"]) == (1, 1)
    odd = pd.concat([calls(5_000, consequence="Intron"), calls(6_000, evaluable=False), calls(2_900_000)])
    assert compared(odd, odd, (depth(), depth(), depth()), TERRITORY, Settings())["baseline_mutations"] == 0


def test_too_little_common_ground_has_counts_and_no_rate() -> None:
    shallow = depth((0, 2_000_000))
    row = compared(calls(2_100_000), calls(), (shallow, depth(), depth()), TERRITORY, Settings())
    assert (row["reason"], row.get("change_per_mb"), row["baseline_per_mb"]) == ("FEW_CALLABLE_BASES", None, None)
    assert (row["common_callable_bases"], row["baseline_mutations"]) == (500_000, 1)
    key = {"patient_id": "PALBO-001", "timepoint": "PD", "specimen_id": "T2", "baseline_specimen_id": "T1"}
    validate(PAIRED_MUTATIONAL_BURDEN, frame_from_rows(PAIRED_MUTATIONAL_BURDEN, [{**key, **row}]))
