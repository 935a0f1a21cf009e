"""Foreign DNA is measured, not guessed; sex is read from depth; what can't be measured isn't claimed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from palbo_assets.platform.checks import offending_rows
from palbo_assets.platform.tables import frame_from_rows, validate
from palbo_assets.study.vocabulary import Qc
from palbo_assets.wes.checks import plasma_holds_no_foreign_dna
from palbo_assets.wes.contamination import FROM_NORMAL, FROM_SELF, NOT_EVALUABLE, contaminations, plasma_rows
from palbo_assets.wes.read_quality import ReadQuality, _spread, metric_verdicts, verdict
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.sex import judge
from palbo_assets.wes.tables import PLASMA_CONTAMINATION

SETTINGS = Settings()
ERROR = 1e-3


def table(
    seed: int, foreign: float, *, in_blood: float = 0.0, sites: int = 1500, depth: int = 100, stated: bool = True
) -> pd.DataFrame:
    """A tumour with loss of heterozygosity and a blood, both with planted shares of somebody else's DNA."""
    rng = np.random.default_rng(seed)
    frequency = rng.uniform(0.2, 0.8, sites) if stated else np.full(sites, 0.5)
    me, other = (rng.binomial(2, frequency) / 2 for _ in range(2))
    lost = np.where((me == 0.5) & (rng.random(sites) < 0.3), 0.9, me)
    frames = []
    for source, own, share in (("tumour", lost, foreign), ("blood", me, in_blood)):
        true = (1 - share) * own + share * other
        total = rng.poisson(depth, sites)
        counts = {"depth": total, "alt_count": rng.binomial(total, true * (1 - ERROR) + (1 - true) * ERROR)}
        place = {"specimen_id": "T1" if source == "tumour" else "B1", "chrom": "1", "pos": range(sites), "alt": "A"}
        frames.append(pd.DataFrame({"source": source, **place, **counts}))
    found = pd.concat(frames, ignore_index=True)
    return found.assign(frequency=np.tile(frequency, 2) if stated else np.nan).astype({"frequency": "Float64"})


@pytest.mark.parametrize("planted", [0.0, 0.005, 0.01, 0.03, 0.1])
def test_the_planted_share_lies_in_the_interval_and_near_the_estimate(planted: float) -> None:
    found = contaminations(table(int(planted * 1000) + 1, planted), "T1", SETTINGS)
    tumour = found.tumour
    assert tumour.method == FROM_NORMAL and found.frequencies == "snp_bed"
    assert tumour.fraction == pytest.approx(planted, abs=0.002 + 0.05 * planted)
    assert tumour.low is not None and tumour.high is not None
    assert tumour.low - 0.001 <= planted <= tumour.high + 0.001
    assert found.normal.fraction is not None and found.normal.fraction < 0.002


@pytest.mark.parametrize(("planted", "told"), [(0.02, Qc.WARN), (0.05, Qc.FAIL)])
def test_two_and_five_per_cent_are_measured_and_told(planted: float, told: Qc) -> None:
    found = [contaminations(table(seed, planted), "T1", SETTINGS).tumour for seed in range(10)]
    assert [one.fraction for one in found] == [pytest.approx(planted, abs=0.002 + 0.05 * planted)] * 10
    assert sum((one.low or 0) <= planted <= (one.high or 0) for one in found) >= 8  # 95 % intervals
    quality = ReadQuality(1, 99.0, 5.0, 90.0, 120.0, 99.0)
    assert {
        metric_verdicts(quality, None, SETTINGS, tumour_contamination=one.fraction)["tumour_contamination"]
        for one in found
    } == {told}


def test_a_contaminated_blood_is_told_from_a_contaminated_tumour() -> None:
    found = contaminations(table(3, 0.0, in_blood=0.03), "T1", SETTINGS)
    assert found.normal.method == FROM_SELF
    assert found.normal.fraction == pytest.approx(0.03, abs=0.005)
    assert found.tumour.fraction is not None and found.tumour.fraction < 0.002


def plasma_table(seed: int, foreign: float, sites: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(plasma of a small panel at 2,000 molecules, blood): rows of one patient; the plasma covers every other SNP."""
    made = table(seed, foreign, sites=2 * sites, depth=2000)
    blood = made[made["source"] == "blood"].assign(timepoint="BL")
    plasma = made[(made["source"] == "tumour") & (made["pos"] % 2 == 0)]
    return plasma.assign(source="plasma", timepoint="W06", specimen_id="P1"), blood


@pytest.mark.parametrize(("planted", "told"), [(0.0, "pass"), (0.02, "warn"), (0.05, "fail")])
def test_foreign_dna_in_a_plasma_is_measured_at_the_panels_snps(planted: float, told: str) -> None:
    for seed in range(5):
        [row] = plasma_rows(*plasma_table(seed, planted, 160), SETTINGS)
        assert (row["verdict"], row["method"], row["reason"]) == (told, FROM_NORMAL, "")
        assert row["contamination"] == pytest.approx(planted, abs=0.002 + 0.1 * planted)
        frame = frame_from_rows(PLASMA_CONTAMINATION, [{"patient_id": "PALBO-001", **row}])
        validate(PLASMA_CONTAMINATION, frame)
        assert offending_rows(plasma_holds_no_foreign_dna, frame).empty == (told == "pass")


def test_a_plasma_of_few_snps_or_of_another_person_has_no_estimate() -> None:
    [few] = plasma_rows(*plasma_table(1, 0.02, 20), SETTINGS)
    assert (few["contamination"], few["reason"]) == (None, "TOO_FEW_SITES")
    plasma, _ = plasma_table(1, 0.0, 160)
    [other] = plasma_rows(plasma, plasma_table(2, 0.0, 160)[1], SETTINGS)
    assert (other["verdict"], other["reason"]) == (None, "E_IDENTITY_MISMATCH")
    [alone] = plasma_rows(plasma_table(3, 0.05, 160)[0], plasma.iloc[:0], SETTINGS)
    assert (alone["method"], alone["verdict"]) == (FROM_SELF, "fail")


def test_without_stated_frequencies_the_answer_says_so() -> None:
    found = contaminations(table(4, 0.03, stated=False), "T1", SETTINGS)
    assert found.frequencies == "assumed" and found.tumour.fraction == pytest.approx(0.03, abs=0.004)


def test_another_persons_tumour_and_few_snps_have_no_estimate() -> None:
    swapped = pd.concat([table(5, 0).query("source == 'tumour'"), table(6, 0).query("source == 'blood'")])
    assert contaminations(swapped, "T1", SETTINGS).tumour.method == NOT_EVALUABLE
    assert contaminations(table(7, 0, sites=60), "T1", SETTINGS).tumour.fraction is None
    assert contaminations(table(7, 0).iloc[:0], "T1", SETTINGS).normal.method == NOT_EVALUABLE


GOOD = ReadQuality(10**6, 99.0, 10.0, 80.0, 120.0, 95.0, 180.0, 40.0)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, Qc.PASS), (0.01, Qc.PASS), (0.02, Qc.WARN), (0.03, Qc.WARN), (0.05, Qc.FAIL)]
)
def test_contamination_counts_towards_the_verdict(share: float, expected: Qc) -> None:
    found, reasons = verdict(GOOD, None, SETTINGS, tumour_contamination=share)
    assert found is expected and reasons == ([] if expected is Qc.PASS else ["tumour_contamination"])


def test_each_metric_has_a_verdict_of_its_own_and_what_was_not_measured_has_none() -> None:
    short = ReadQuality(10**6, 92.0, None, 80.0, 50.0, None, 120.0, 40.0)
    assert metric_verdicts(short, None, SETTINGS) == {
        "tumour_mean_depth": Qc.FAIL,
        "mapped_pct": Qc.WARN,
        "on_target_pct": Qc.PASS,
        "insert_median": Qc.WARN,
    }


def test_the_spread_of_fragment_lengths_is_that_of_the_sorted_values() -> None:
    values = np.random.default_rng(1).integers(50, 400, 1001)
    median, width = _spread(np.bincount(values, minlength=500))
    low, middle, high = np.sort(values)[[250, 500, 750]]
    assert median == middle and width == pytest.approx(high - low, abs=1)
    assert _spread(np.zeros(10, dtype=np.int64)) == (None, None)


LIMITS = {"min_bases": 1000, "y_male": 0.2, "y_female": 0.1, "x_male": 0.75}
AUTOSOME = {"chr1": (60.0, 50_000)}


@pytest.mark.parametrize(
    ("depth_of", "expected"),
    [
        (AUTOSOME | {"chrX": (59.0, 5000), "chrY": (0.3, 2000)}, "female"),
        (AUTOSOME | {"chrX": (31.0, 5000), "chrY": (28.0, 2000)}, "male"),
        (AUTOSOME | {"X": (31.0, 5000)}, "male"),
        (AUTOSOME | {"chrX": (59.0, 5000), "chrY": (28.0, 2000)}, "unclear"),
        (AUTOSOME | {"chrX": (59.0, 5000), "chrY": (9.0, 2000)}, "unclear"),
        (AUTOSOME | {"chrX": (59.0, 500)}, "not_evaluable"),
        (AUTOSOME, "not_evaluable"),
        ({}, "not_evaluable"),
        ({"chr1": (0.0, 5000), "chrX": (0.0, 5000)}, "not_evaluable"),
    ],
)
def test_sex_is_read_from_depth_of_x_and_y(depth_of: dict[str, tuple[float, int]], expected: str) -> None:
    assert judge(depth_of, **LIMITS).sex == expected
