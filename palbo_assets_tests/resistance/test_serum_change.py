"""The change of serum neuregulin-1 reaches the wide table with its interval, or says why there is none."""

from __future__ import annotations

from typing import Any

import pytest

from palbo_assets.platform.checks import offending_rows
from palbo_assets.platform.tables import validate
from palbo_assets.resistance import checks
from palbo_assets.resistance.facts import facts_of_patient
from palbo_assets.resistance.features import Grain
from palbo_assets.resistance.tables import CATALOGUE, COHORT_FACTS
from palbo_assets.serum.change import changes
from palbo_assets.serum.settings import Settings
from palbo_assets.serum.tables import NRG1_CHANGES, NRG1_ELISA
from palbo_assets_tests.resistance.frames import P, rows_of


def serum(timepoint: str, concentration: float | None, plate: str = "1") -> dict[str, Any]:
    row = {
        "patient_id": P, "timepoint": timepoint, "specimen_id": f"{P}-{timepoint}-S", "plate_id": plate,
        "lloq_pg_ml": 62.5, "uloq_pg_ml": 4000.0, "log_se": 0.05,
    }  # fmt: skip
    if concentration is None:
        return row | {"censored": "<", "status": "BELOW_LLOQ"}
    return row | {"concentration_pg_ml": concentration, "status": "OBSERVED"}


def facts_of(*specimens: dict[str, Any], plate_log_sd: float | None = None) -> dict[Any, Any]:
    results = rows_of(NRG1_ELISA, *specimens)
    told = rows_of(NRG1_CHANGES, *changes(results, plate_log_sd, Settings()))
    found = facts_of_patient(CATALOGUE.at(Grain.COHORT), {"nrg1_elisa": results, "nrg1_changes": told})
    validate(COHORT_FACTS, rows_of(COHORT_FACTS, *({"patient_id": P, **one} for one in found)))
    return {(one["timepoint"], one["feature"].removeprefix("elisa__nrg1_")): one for one in found}


def test_a_change_stands_at_the_later_visit_with_its_interval_and_is_not_expected_at_baseline() -> None:
    found = facts_of(serum("BL", 400.0), serum("PD", 800.0))
    low, ratio, high = (found["PD", f"log2_change{end}"] for end in ("_low", "", "_high"))
    assert ratio["value"] == pytest.approx(1.0) and ratio["unit"] == "log2"
    assert 0.7 < low["value"] < 1.0 < high["value"] < 1.3
    assert found["PD", "same_plate"]["value_text"] == "true"
    assert {fact["status"] for (timepoint, _), fact in found.items() if timepoint == "BL"} == {"NOT_EXPECTED"}


def test_two_plates_widen_the_interval_by_what_lies_between_plates() -> None:
    one = facts_of(serum("BL", 400.0), serum("PD", 800.0))
    two = facts_of(serum("BL", 400.0), serum("PD", 800.0, plate="2"), plate_log_sd=0.2)
    assert two["PD", "same_plate"]["value_text"] == "false"
    assert two["PD", "log2_change_low"]["value"] < one["PD", "log2_change_low"]["value"]
    assert two["PD", "log2_change_low"]["value"] < 0.3  # a doubling between such plates may be little


@pytest.mark.parametrize(
    ("specimens", "reason"),
    [
        ((serum("PD", 800.0),), "no_baseline"),
        ((serum("BL", None), serum("PD", 800.0)), "below_lloq"),
        ((serum("BL", None), serum("PD", None)), "both_below_lloq"),
        ((serum("BL", 400.0), serum("PD", 800.0, plate="2")), "no_variance_between_plates"),
    ],
)
def test_without_a_ratio_the_reason_stands_and_no_limit_is_made_up(
    specimens: tuple[dict[str, Any], ...], reason: str
) -> None:
    fact = facts_of(*specimens)["PD", "log2_change"]
    assert (fact["value"], fact["status"], fact["reason"]) == (None, "NOT_EVALUABLE", reason)
    assert (fact["censor"], fact["lod"]) == ("", None)


def test_a_sample_with_serum_alone_passes_what_is_asked_of_exomes() -> None:
    def fact(timepoint: str, feature: str, value: float | None) -> dict[str, Any]:
        said = {"status": "OBSERVED", "reason": ""} if value is not None else {"status": "NOT_EVALUABLE", "reason": "X"}
        return {
            "patient_id": P, "timepoint": timepoint, "feature": feature, "value": value, **said,
            "source_asset": "nrg1_changes", "unit": "1", "censor": "",
        }  # fmt: skip

    exome = [fact("PD", "wes__apobec_enriched", 1.0), fact("PD", "wes__apobec_fold", 2.0)]
    rows = rows_of(COHORT_FACTS, *exome, fact("BL", "elisa__nrg1_log2_change", 0.1))
    assert offending_rows(checks.what_is_enriched_is_more_than_offered, rows).empty
    few = fact("PD", "wes__apobec_fold", 0.9)
    rows = rows_of(COHORT_FACTS, exome[0], few, fact("BL", "elisa__nrg1_log2_change", 0.1))
    assert set(offending_rows(checks.what_is_enriched_is_more_than_offered, rows)["timepoint"]) == {"PD"}
