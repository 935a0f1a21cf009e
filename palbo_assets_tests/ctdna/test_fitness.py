"""Another person's DNA in a plasma: from planted SNPs to what may still be said of it."""

from __future__ import annotations

import pandas as pd
import pytest

from palbo_assets.ctdna.fitness import EXPLAINS_ALL, FOREIGN, fitness
from palbo_assets.ctdna.patient_genotypes import union_of_variants
from palbo_assets.ctdna.settings import Settings
from palbo_assets.genomics.plasma_fitness import with_fitness, without_alleles_of_others
from palbo_assets.wes.contamination import plasma_rows
from palbo_assets.wes.settings import Settings as ExomeSettings
from palbo_assets_tests.ctdna.test_patient_genotypes import ESR1, RB1, plasma, tissue
from palbo_assets_tests.wes.test_contamination import plasma_table

SETTINGS = Settings()
CONTROLLED = {"sequencing_run": "F1", "verdict": "pass", "reasons": ""}


@pytest.mark.parametrize(("planted", "verdict"), [(0.0, "pass"), (0.02, "warn"), (0.05, "fail")])
def test_planted_foreign_dna_becomes_a_verdict_and_a_limit_below_which_alleles_are_nobodys(
    planted: float, verdict: str
) -> None:
    """160 SNPs of the panel at 2,000 molecules; the plasma's own largest allele is at 20 %."""
    [measured] = plasma_rows(*plasma_table(1, planted, 160), ExomeSettings())
    found = fitness(measured, 0.2, CONTROLLED, SETTINGS)
    assert (found["verdict"], found["reasons"]) == (verdict, FOREIGN if planted else "")
    assert found["not_checked"] == ""
    if planted:
        assert planted * 0.9 < found["explained_vaf"] < planted * 1.2
    else:
        assert found["explained_vaf"] is None


def test_a_plasma_whose_largest_allele_foreign_dna_explains_says_nothing_of_a_tumour() -> None:
    measured = {"contamination": 0.02, "contamination_high": 0.022}
    low, clear = fitness(measured, 0.021, CONTROLLED, SETTINGS), fitness(measured, 0.023, CONTROLLED, SETTINGS)
    assert (low["verdict"], low["reasons"]) == ("fail", f"{FOREIGN};{EXPLAINS_ALL}")
    assert clear["verdict"] == "warn" and fitness(measured, None, CONTROLLED, SETTINGS)["verdict"] == "warn"


def test_a_share_that_nobody_could_estimate_passes_nothing() -> None:
    for unknown in (None, {"contamination": None, "contamination_high": None}):
        found = fitness(unknown, 0.01, CONTROLLED, SETTINGS)
        assert (found["foreign_dna"], found["not_checked"], found["reasons"]) == (None, FOREIGN, "")


def test_alleles_of_another_person_join_no_patients_variants_and_keep_their_numbers() -> None:
    calls = plasma((RB1, "P2", 0.02, "PASS", "PRESENT"), (ESR1, "P2", 0.01, "PASS", "PRESENT"))
    unfit = pd.DataFrame(
        {"specimen_id": ["P2"], "verdict": ["warn"], "explained_vaf": [0.015], "hopped_alleles": [None]}
    )
    doubted = without_alleles_of_others(calls, unfit)
    assert doubted["state"].tolist() == ["PRESENT", "NOT_EVALUABLE"] and doubted["filter"].tolist()[1] == "foreign_dna"
    assert doubted["vaf"].tolist() == [0.02, 0.01]
    assert set(union_of_variants(tissue(), doubted)) == {RB1}
    own = without_alleles_of_others(calls, unfit, {tuple(ESR1)})
    assert own["state"].tolist() == ["PRESENT", "PRESENT"]


def test_an_unfit_plasma_is_taken_as_one_that_failed_quality() -> None:
    quality = pd.DataFrame({"specimen_id": ["P1", "P2"], "verdict": ["pass", "warn"]})
    unfit = pd.DataFrame({"specimen_id": ["P1", "P2"], "verdict": ["fail", "warn"]})
    assert with_fitness(quality, unfit)["verdict"].tolist() == ["fail", "warn"]
