"""The funnel against the registry's plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from palbo_assets.clinical.accrual import Patient, accrual_rows, projected_day, share
from palbo_assets.clinical.records import PatientRecord
from palbo_assets.clinical.settings import Settings
from palbo_assets.study.protocol import load_protocol

SETTINGS = Settings()


def biopsy(timepoint: str, day: int | None, reason: str | None = None) -> dict[str, Any]:
    return {"timepoint": timepoint, "specimen_type": "TUMOR_FF", "modality": "wes", "collected_day": day,
            "reason": reason, "status": "COLLECTED" if day is not None else "NOT_COLLECTED"}  # fmt: skip


def test_half_of_two_progressed_patients_with_an_adequate_biopsy_is_fifty_percent(
    record: Callable[..., PatientRecord],
) -> None:
    paired = Patient(record(), [biopsy("BL", -10), biopsy("PD", 305)], 300)
    declined = Patient(record(), [biopsy("BL", -10), biopsy("PD", None, "patient declined")], 200)
    tried = Patient(record(), [biopsy("BL", -10), biopsy("PD", None, "insufficient tissue")], None)
    gone = Patient(record({"withdrawal_given": True}), [biopsy("BL", -10), biopsy("PD", 305)], 300)
    rows = {row["stage"]: row for row in accrual_rows([paired, declined, tried, gone], 600, load_protocol(), SETTINGS)}
    assert (rows["screened"]["n"], rows["withdrawn"]["n"]) == (3, 1)
    assert rows["baseline_biopsy_banked"] == {"position": 3, "stage": "baseline_biopsy_banked", "n": 3, "planned": 100}
    assert rows["progressed"]["n"] == 2
    assert rows["progression_biopsy_attempted"]["n"] == 1
    assert (rows["progression_biopsy_adequate"]["pct"], rows["progression_biopsy_adequate"]["planned_pct"]) == (50, 40)
    assert (rows["pair"]["n"], rows["pair"]["planned"]) == (1, 40)
    # One pair in the 365 days before the cut at day 600; 39 are missing.
    assert rows["pair"]["projected_study_day"] == 600 + 39 * 365


def test_two_biopsies_of_one_patient_count_once(record: Callable[..., PatientRecord]) -> None:
    twice = Patient(record(), [biopsy("BL", -10), biopsy("BL", -9), biopsy("PD", 305), biopsy("PD", 306)], 300)
    rows = {row["stage"]: row for row in accrual_rows([twice], 600, load_protocol(), SETTINGS)}
    for stage in ("baseline_biopsy_banked", "progression_biopsy_attempted", "progression_biopsy_adequate", "pair"):
        assert rows[stage]["n"] == 1


@pytest.mark.parametrize(
    ("days", "planned", "cut", "expected"),
    [
        ([100, 200, 300], 3, 400, 300),
        ([100, 200, 300], 2, 400, 200),
        ([300, 350], 4, 400, 400 + 365),
        ([10], 4, 400, None),
        ([], 4, 400, None),
        ([10], 4, None, None),
        ([50], 2, 100, 200),
    ],
)
def test_projection_continues_the_rate_of_the_last_year(
    days: list[int], planned: int, cut: int | None, expected: int | None
) -> None:
    assert projected_day(days, planned, cut, SETTINGS).get("projected_study_day") == expected


def test_shares_carry_their_exact_interval_and_say_of_whom() -> None:
    found = share(16, 40, "progressed", SETTINGS)
    assert (found["pct"], found["of_stage"]) == (40.0, "progressed")
    # binom.test(16, 40) of R: 0.2486 to 0.5667
    assert (found["pct_low"], found["pct_high"]) == pytest.approx((24.86, 56.67), abs=0.01)
    assert share(0, 0, "progressed", SETTINGS) == {}


def test_the_projection_says_how_little_ten_pairs_tell() -> None:
    found = projected_day(list(range(10, 110, 10)), 40, 365, SETTINGS)
    # poisson.test(10) of R: 4.795 to 18.39 pairs in the window of 365 days, and 30 are missing
    assert found["projected_study_day"] == 365 + 30 * 365 // 10
    assert found["projected_low"] == pytest.approx(365 + 30 * 365 / 18.39, abs=1)
    assert found["projected_high"] == pytest.approx(365 + 30 * 365 / 4.795, abs=1)
