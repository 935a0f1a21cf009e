"""Survival against answers that others computed: R's survival package on GBSG2, and PALOMA-3 as published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from palbo_assets.clinical.settings import Settings
from palbo_assets.clinical.time_to_event import TOO_FEW_EVENTS, comparisons, cox, curves, log_rank, median_time

# survfit and coxph of R's survival package on GBSG2 (686 patients, 299 events).
R_MEDIAN = (1807, 1587, 2030)
R_COX = {
    "horTh_yes": -0.34628,
    "age": -0.00946,
    "menostat_Pre": -0.25844,
    "tsize": 0.00780,
    "tgrade_II": 0.63611,
    "tgrade_III": 0.77965,
    "pnodes": 0.04879,
    "progrec": -0.00222,
    "estrec": 0.00020,
}


@pytest.fixture(scope="module")
def gbsg2(shared_data: Path) -> pd.DataFrame:
    return pd.read_csv(shared_data / "clinical" / "survival" / "gbsg2.csv")


def test_the_median_and_its_interval_are_those_of_r(gbsg2: pd.DataFrame) -> None:
    found = median_time(gbsg2["time"].tolist(), gbsg2["cens"].astype(bool).tolist())
    assert found.time == R_MEDIAN[0]
    assert (found.low, found.high) == R_MEDIAN[1:]


def test_the_coefficients_of_cox_are_those_of_r(gbsg2: pd.DataFrame) -> None:
    coded = gbsg2.assign(
        horTh_yes=(gbsg2["horTh"] == "yes").astype(float),
        menostat_Pre=(gbsg2["menostat"] == "Pre").astype(float),
        tgrade_II=(gbsg2["tgrade"] == "II").astype(float),
        tgrade_III=(gbsg2["tgrade"] == "III").astype(float),
    )
    found = cox(coded[[*R_COX, "time", "cens"]], "time", "cens")
    assert {name: round(hazard.log_ratio, 5) for name, hazard in found.items()} == pytest.approx(R_COX, abs=1.01e-5)


def test_paloma_3_comes_out_as_published(shared_data: Path) -> None:
    """Turner, NEJM 2015: 9.2 against 3.8 months, hazard ratio 0.42 (0.32 to 0.56); data digitised from the figure."""
    table = pd.read_csv(shared_data / "reference" / "domain" / "kmdata_PALOMA3_1A.csv")
    arms = dict(iter(table.groupby("arm")))
    medians = {
        str(arm): median_time(rows["time"].tolist(), rows["event"].astype(bool).tolist()).time
        for arm, rows in arms.items()
    }
    treated = next(arm for arm in medians if "palbo" in arm.lower())
    assert sorted(round(value, 1) for value in medians.values() if value) == [3.8, 9.2]
    assert medians[treated] == pytest.approx(9.2, abs=0.05)
    frame = table.assign(treated=(table["arm"] == treated).astype(float))[["time", "event", "treated"]]
    hazard = cox(frame, "time", "event")["treated"]
    assert (hazard.ratio, hazard.low, hazard.high) == pytest.approx((0.422, 0.315, 0.567), abs=5e-4)
    p_value = log_rank(frame["time"].tolist(), frame["event"].tolist(), frame["treated"].tolist())
    assert p_value == pytest.approx(3.0e-9, rel=0.05)


def patient(days: int, event: bool, visceral: bool | None) -> dict[str, Any]:
    return {"pfs_days": days, "pfs_event": event, "visceral": visceral}


def test_groups_are_compared_only_with_enough_events_and_the_unknown_are_in_none() -> None:
    settings = Settings(survival_factors=("visceral",), survival_min_events=5)
    many = [patient(70 + 40 * n, True, False) for n in range(8)] + [patient(60 + 15 * n, True, True) for n in range(8)]
    untreated = {"pfs_days": None, "pfs_event": None, "visceral": True}
    rows = {row["level"]: row for row in comparisons([*many, patient(9, True, None), untreated], settings)}
    assert (rows["all"]["n"], rows["no"]["n"], rows["yes"]["n"]) == (17, 8, 8)
    assert rows["yes"]["reference_level"] == "no"
    assert rows["yes"]["hazard_ratio"] > 2 and rows["yes"]["log_rank_p"] < 0.05
    few = {row["level"]: row for row in comparisons(many[3:11], settings)}
    assert few["yes"]["reason"] == TOO_FEW_EVENTS and "hazard_ratio" not in few["yes"]


def test_a_curve_steps_at_events_alone_and_ends_with_nobody() -> None:
    rows = curves([patient(10, True, None), patient(20, False, None), patient(30, True, None)], Settings())
    assert [(row["day"], row["n_at_risk"], row["survival"]) for row in rows] == [
        (10, 3, pytest.approx(2 / 3)),
        (30, 1, 0.0),
    ]


def test_a_median_that_is_not_reached_is_null() -> None:
    found = median_time([10, 20, 30, 40], [True, False, False, False])
    assert (found.time, found.high) == (None, None)
