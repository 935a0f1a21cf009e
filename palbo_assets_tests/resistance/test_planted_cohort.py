"""Forty pairs with the effects that the field reports: each is found again in its direction, and noise isn't."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.resistance.statistics import cohort_statistics
from palbo_assets.resistance.tables import (
    CATALOGUE,
    INTEGRATED_RESISTANCE_PAIRS,
    MECHANISMS,
    RESISTANCE_TRANSITIONS,
)
from palbo_assets_tests.resistance.frames import SETTINGS, rows_of

PAIRS = 40
# Share of patients with the mechanism at baseline and at progression, out of 40 pairs.
PLANTED = {"ESR1_MUT": (4, 15), "ER_INDEPENDENT": (2, 8), "RB1_LOSS": (0, 3)}
UNCHANGED = ("AKT1_ACT", "ERBB2_ACT")


def transitions() -> pd.DataFrame:
    rows = []
    for mechanism in MECHANISMS.listed:
        before, after = PLANTED.get(mechanism.code, (3, 3) if mechanism.code in UNCHANGED else (0, 0))
        for one in range(PAIRS):
            word = "preexisting" if one < before else "acquired" if one < after else "stable_absent"
            if mechanism.kind == "state" and word == "acquired":
                word = "gained"
            later = "PRESENT" if one < after else "ABSENT"
            rows.append({"patient_id": f"P-{one:03}", "mechanism": mechanism.code, "progression_state": later,
                         "transition": word, "reason": "", "sources": "", "hgvsp": "", "evidence": ""})  # fmt: skip
    return rows_of(RESISTANCE_TRANSITIONS, *rows)


def pairs() -> pd.DataFrame:
    """APOBEC's share rises from 0.10 to 0.35 on average; every other feature is noise around no change."""
    random = np.random.default_rng(20)
    rows: list[dict[str, Any]] = []
    for one in range(PAIRS):
        row: dict[str, Any] = {"patient_id": f"P-{one:03}", "withdrawn": False, "identity_blocked": False, "n_pairs": 1,
                               "primary_mechanism": "unexplained"}  # fmt: skip
        for column in INTEGRATED_RESISTANCE_PAIRS.columns:
            if column.name.endswith("__delta"):
                planted = column.name.startswith("wes__apobec_share__")
                row[column.name] = float(random.normal(0.25 if planted else 0.0, 0.10 if planted else 1.0))
            elif column.name not in row and not column.nullable:
                row[column.name] = "stable_absent" if column.name.endswith("__transition") else "OBSERVED"
        rows.append(row)
    return frame_from_rows(INTEGRATED_RESISTANCE_PAIRS, rows)


def test_planted_effects_are_recovered_with_their_direction_and_false_discovery_rate() -> None:
    found = {
        (row["family"], row["item"]): row
        for row in cohort_statistics(CATALOGUE, MECHANISMS, pairs(), transitions(), SETTINGS)
    }
    by_item = {item: row for (_, item), row in found.items()}
    for code, (before, after) in PLANTED.items():
        row = by_item[code]
        assert (row["n_pairs"], row["n_up"], row["n_down"]) == (PAIRS, after - before, 0)
        assert row["estimate"] > 0
    assert by_item["ESR1_MUT"]["q_value"] < 0.05  # 11 discordant pairs, all upwards
    assert by_item["ER_INDEPENDENT"]["p_value"] < 0.05  # 6:0, the smallest number of pairs that can reach it
    assert by_item["RB1_LOSS"]["p_value"] == 0.25  # three of forty: the direction shows, and nothing more may be said
    apobec = by_item["wes__apobec_share"]
    assert apobec["q_value"] < 0.001
    assert apobec["ci_low"] < 0.25 < apobec["ci_high"]
    noise = [row for item, row in by_item.items() if item in CATALOGUE.names and item != "wes__apobec_share"]
    tested = [row for row in noise if row["q_value"] is not None]
    assert len(tested) > 50
    assert sum(row["q_value"] < 0.05 for row in tested) <= 0.05 * len(tested)
