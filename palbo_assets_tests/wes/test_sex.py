"""The recorded sex against the reads': men are men, a disagreement names both and whose samples they may be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from palbo_assets.genomics.regions import Region
from palbo_assets.platform.checks import offending_rows
from palbo_assets.platform.tables import frame_from_rows, validate
from palbo_assets.wes.checks import recorded_sex_is_the_bloods, witnesses_of_sex_agree
from palbo_assets.wes.cohort_identity import failures
from palbo_assets.wes.read_quality import measure
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.sex import FEMALE, MALE, NOT_EVALUABLE, UNCLEAR, by_heterozygosity, judge, on_x
from palbo_assets.wes.sex_concordance import sex_rows
from palbo_assets.wes.tables import IDENTITY_FAILURES, IDENTITY_MATCHES, SEX_CONCORDANCE

SETTINGS = Settings()
LENGTH, TARGET, READ = 12_000, 11_000, 100
X_OFFSET = 3_000_000  # SNPs lie beyond the region that X and Y share
LIMITS = {"min_depth": 20, "edge": 0.1, "error": 0.02, "min_score": 3.0}


def x_alleles(rng: np.random.Generator, copies: int, sites: int, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """(alt, depth) at SNPs of X with allele frequency 0.4, by the number of X that the person has."""
    share = (rng.random((copies, sites)) < 0.4).mean(axis=0)
    total = rng.poisson(depth, sites)
    return rng.binomial(total, share * 0.998 + 0.001), total


@pytest.mark.parametrize("copies", [1, 2])
def test_two_x_are_heterozygous_and_one_is_not(copies: int) -> None:
    rng = np.random.default_rng(copies)
    frequency = np.full(40, 0.4)
    found = [by_heterozygosity(*x_alleles(rng, copies, 40, 60), frequency, **LIMITS) for _ in range(200)]
    assert {one.sex for one in found} == {FEMALE if copies == 2 else MALE}
    assert by_heterozygosity(*x_alleles(rng, copies, 40, 4), frequency, **LIMITS).sex == NOT_EVALUABLE


def test_a_few_snps_are_not_enough_to_say_that_there_is_one_x() -> None:
    rng = np.random.default_rng(1)
    assert by_heterozygosity(*x_alleles(rng, 1, 6, 60), np.full(6, 0.4), **LIMITS).sex == NOT_EVALUABLE
    few_mismapped = np.array([30] * 3 + [0] * 57), np.full(60, 60)
    assert by_heterozygosity(*few_mismapped, np.full(60, 0.4), **LIMITS).sex == MALE


def test_a_womans_rare_alleles_do_not_speak_for_one_x() -> None:
    common = np.full(20, 0.4)
    rare = np.array([0.001] * 5)
    heterozygous = np.array([30] * 10 + [0] * 10), np.full(20, 60)
    alone = by_heterozygosity(*heterozygous, common, **LIMITS)
    counts = np.append(heterozygous[0], [30] * 5), np.full(25, 60)
    found = by_heterozygosity(*counts, np.append(common, rare), **LIMITS)
    assert alone.score is not None and found.score is not None
    assert found.sex == FEMALE and found.score >= alone.score


def test_snps_that_x_shares_with_y_are_no_witness() -> None:
    places = [("chrX", 2_000_000), ("chrX", 2_900_000), ("X", 100_000_000), ("chrX", 155_800_000), ("chr1", 5_000_000)]
    assert on_x(*zip(*places, strict=True)).tolist() == [False, True, True, False, False]


def write_blood(path: Path, rng: np.random.Generator, *, x: int, y: int) -> None:
    """Unpaired reads over one autosome, X and Y at 30x a copy, written as BAM."""
    import pysam

    contigs = {"chr1": LENGTH, "chrX": LENGTH, "chrY": LENGTH}
    header = pysam.AlignmentHeader.from_dict(
        {"HD": {"VN": "1.6", "SO": "coordinate"}, "SQ": [{"SN": name, "LN": n} for name, n in contigs.items()]}
    )
    with pysam.AlignmentFile(str(path), "wb", header=header) as out:
        for index, copies in enumerate((2, x, y)):
            starts = np.sort(rng.integers(0, LENGTH - READ, rng.poisson(30 * copies * LENGTH / READ)))
            for number, start in enumerate(starts.tolist()):
                read = pysam.AlignedSegment(header)
                read.query_name, read.flag = f"r{index}:{number}", 0
                read.reference_id, read.reference_start, read.mapping_quality = index, start, 60
                read.cigarstring, read.query_sequence = f"{READ}M", "A" * READ
                read.query_qualities = pysam.qualitystring_to_array("I" * READ)
                out.write(read)


@pytest.mark.parametrize(("x", "y", "sex"), [(2, 0, FEMALE), (1, 1, MALE), (2, 1, UNCLEAR), (1, 0, UNCLEAR)])
def test_depth_of_real_alignments_gives_the_sex(tmp_path: Path, x: int, y: int, sex: str) -> None:
    write_blood(tmp_path / "blood.bam", np.random.default_rng(1), x=x, y=y)
    targets = [Region(name, 500, 500 + TARGET) for name in ("chr1", "chrX", "chrY")]
    found = judge(
        measure(tmp_path / "blood.bam", targets, SETTINGS).depth_of,
        min_bases=SETTINGS.sex_min_bases,
        y_male=SETTINGS.sex_y_male,
        y_female=SETTINGS.sex_y_female,
        x_male=SETTINGS.sex_x_male,
    )
    assert found.sex == sex
    assert found.x_ratio == pytest.approx(x / 2, abs=0.05) and found.y_ratio == pytest.approx(y / 2, abs=0.05)


def quality(patient: str, sex: str | None) -> dict[str, object]:
    ratios = {"female": (1.0, 0.0), "male": (0.5, 0.5), "unclear": (1.0, 0.5)}.get(sex or "", (None, None))
    return {
        "patient_id": patient,
        "specimen_id": f"{patient}-T",
        "normal_mean_depth": 60.0,
        "sex": sex,
        "x_ratio": ratios[0],
        "y_ratio": ratios[1],
    }


def genotypes(patient: str, copies: int, seed: int) -> pd.DataFrame:
    alt, depth = x_alleles(np.random.default_rng(seed), copies, 40, 60)
    about = {"patient_id": patient, "specimen_id": f"{patient}-B", "source": "blood", "chrom": "chrX", "alt": "G"}
    counts = {"pos": X_OFFSET + np.arange(40), "depth": depth, "alt_count": alt, "frequency": 0.4}
    return pd.DataFrame({**about, **counts})


def judged(
    recorded: dict[str, str | None],
    depth: dict[str, str | None],
    copies: dict[str, int] | None = None,
    swaps: dict[str, str] | None = None,
) -> pd.DataFrame:
    patients = pd.DataFrame({"patient_id": list(recorded), "sex": list(recorded.values())})
    read_qc = pd.DataFrame([quality(*one) for one in depth.items()])
    snps = [genotypes(patient, n, seed) for seed, (patient, n) in enumerate((copies or {}).items())]
    columns = ["patient_id", "specimen_id", "source", "chrom", "pos", "alt", "depth", "alt_count", "frequency"]
    matches = pd.DataFrame(
        [
            {"patient_id": one, "source": "blood", "verdict": "swap", "likely_partner": other}
            for one, other in (swaps or {}).items()
        ],
        columns=["patient_id", "source", "verdict", "likely_partner"],
    )
    frame = pd.concat(snps, ignore_index=True) if snps else pd.DataFrame(columns=columns)
    rows = frame_from_rows(SEX_CONCORDANCE, sex_rows(patients, read_qc, frame, matches, SETTINGS))
    validate(SEX_CONCORDANCE, rows)
    return rows.set_index("patient_id", drop=False)


def test_men_and_women_who_are_what_is_recorded_agree() -> None:
    rows = judged({"P1": "Female", "P2": "male"}, {"P1": "female", "P2": "male"}, {"P1": 2, "P2": 1})
    assert rows["agreement"].tolist() == ["concordant"] * 2
    assert rows["heterozygosity_sex"].tolist() == ["female", "male"] and (rows["reason"] == "").all()


def test_everything_of_two_patients_exchanged_names_each_as_the_others_partner() -> None:
    recorded: dict[str, str | None] = {"P1": "female", "P2": "male", "P3": "female"}
    rows = judged(recorded, {"P1": "male", "P2": "female", "P3": "female"}, {"P1": 1, "P2": 2, "P3": 2})
    assert rows["agreement"].to_dict() == {"P1": "discordant", "P2": "discordant", "P3": "concordant"}
    assert rows["likely_partner"].dropna().to_dict() == {"P1": "P2", "P2": "P1"}
    assert set(rows["partner_by"].dropna()) == {"opposite_sex"}
    assert rows.loc["P1", "reason"] == "RECORD_OR_ALL_SAMPLES"
    assert offending_rows(recorded_sex_is_the_bloods, rows)["patient_id"].tolist() == ["P1", "P2"]


def test_genotypes_name_the_partner_where_they_can() -> None:
    recorded: dict[str, str | None] = {"P1": "female", "P2": "male", "P3": "male"}
    rows = judged(recorded, {"P1": "male", "P2": "female", "P3": "female"}, swaps={"P1": "P3"})
    assert (rows.loc["P1", "likely_partner"], rows.loc["P1", "partner_by"]) == ("P3", "genotypes")
    assert rows.loc["P1", "reason"] == "BLOOD_IS_ANOTHER_PERSONS"
    assert rows.loc["P2", "likely_partner"] == "P1"


def test_a_patient_alone_in_disagreement_has_no_partner() -> None:
    rows = judged({"P1": "female", "P2": "male"}, {"P1": "male", "P2": "male"})
    assert rows.loc["P1", "agreement"] == "discordant" and pd.isna(rows.loc["P1", "likely_partner"])


def test_two_x_and_a_y_are_no_definite_sex_and_no_accusation() -> None:
    rows = judged({"P1": "male", "P2": "female"}, {"P1": "male", "P2": "unclear"}, {"P1": 2, "P2": 2})
    assert rows["reads_sex"].tolist() == ["unclear"] * 2
    assert rows["agreement"].tolist() == ["not_evaluable"] * 2
    assert rows["reason"].tolist() == ["WITNESSES_DISAGREE", "UNCLEAR"]
    assert offending_rows(recorded_sex_is_the_bloods, rows).empty
    assert offending_rows(witnesses_of_sex_agree, rows)["patient_id"].tolist() == ["P1"]


def test_one_witness_is_enough_and_none_says_nothing() -> None:
    rows = judged(
        {"P1": "female", "P2": "female", "P3": None},
        {"P1": "not_evaluable", "P2": None, "P3": "female"},
        {"P1": 1},
    )
    assert rows["agreement"].to_dict() == {"P1": "discordant", "P2": "not_evaluable", "P3": "not_evaluable"}
    assert rows["reason"].to_dict()["P2"] == "TOO_LITTLE_OF_X"
    assert rows["reason"].to_dict()["P3"] == "SEX_NOT_RECORDED"


def match(patient: str, source: str, verdict: str = "self_match", partner: str | None = None) -> dict[str, object]:
    who = {"patient_id": patient, "timepoint": "BL", "specimen_id": f"{patient}-{source}", "source": source}
    return {**who, "verdict": verdict, "likely_partner": partner, "n_compared": 3}


def failed(rows: pd.DataFrame, *matches: dict[str, object]) -> dict[str, tuple[str, object]]:
    found = failures(frame_from_rows(IDENTITY_MATCHES, list(matches)), rows.reset_index(drop=True))
    frame = frame_from_rows(IDENTITY_FAILURES, found)
    validate(IDENTITY_FAILURES, frame)
    plain = frame.astype(object).where(frame.notna(), None)
    return {row["specimen_id"]: (row["verdict"], row["likely_partner"]) for row in plain.to_dict("records")}


def test_a_blood_of_the_other_sex_fails_every_sample_of_the_same_person() -> None:
    recorded: dict[str, str | None] = {"P1": "female", "P2": "female"}
    rows = judged(recorded, {"P1": "male", "P2": "female"}, {"P1": 1, "P2": 2})
    samples = [match(one, source) for one in recorded for source in ("blood", "tumour", "plasma")]
    found = failed(rows, *samples, match("P1", "rna", "no_match"))
    assert found == {
        "P1-blood": ("sex_mismatch", None),
        "P1-tumour": ("sex_mismatch", None),
        "P1-plasma": ("sex_mismatch", None),
        "P1-rna": ("no_match", None),  # genotypes say what it is
    }


def test_where_genotypes_tell_the_blood_from_its_patient_the_tumours_are_not_accused_of_its_sex() -> None:
    rows = judged({"P1": "female"}, {"P1": "male"}, {"P1": 1}, swaps={"P1": "P9"})
    assert failed(rows, match("P1", "blood", "swap", "P9"), match("P1", "tumour")) == {"P1-blood": ("swap", "P9")}


def test_an_unclear_or_unrecorded_sex_fails_nobody() -> None:
    rows = judged({"P1": "female", "P2": None}, {"P1": "unclear", "P2": "male"}, {"P1": 2, "P2": 1})
    assert failed(rows, match("P1", "blood"), match("P2", "blood")) == {}
