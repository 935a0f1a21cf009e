"""Rows of signatures, enrichment and burden: planted ones are found, and what can't be judged says why."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from palbo_assets.genomics.regions import Region
from palbo_assets.platform.checks import offending_rows
from palbo_assets.platform.tables import frame_from_rows, validate
from palbo_assets.wes import process_checks
from palbo_assets.wes.process_rows import burden_rows, enrichment_rows, signature_rows, spectrum_of, spectrum_rows
from palbo_assets.wes.process_tables import (
    APOBEC,
    APOBEC_ENRICHMENT,
    MUTATION_SPECTRA,
    MUTATIONAL_SIGNATURES,
    TUMOUR_MUTATIONAL_BURDEN,
)
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.signature_profiles import Profiles
from palbo_assets.wes.spectrum_plot import exposure_picture, spectrum_picture
from palbo_assets.wes.trinucleotides import CLASSES

SETTINGS = Settings(signatures=("tcw", "flat"), apobec_signatures=("tcw",), signature_bootstraps=50)
GENOME = "".join(np.random.default_rng(1).choice(list("ACGT"), 30_000).tolist())
IDENTITY = pd.DataFrame({"specimen_id": ["T1", "T2"], "verdict": ["matched", "mismatch"]})
WHO = {"patient_id": "P-1", "timepoint": "PD"}


def fetch(contig: str, start: int, end: int) -> str:
    return GENOME[start:end]


def profiles() -> Profiles:
    hit = [name[0] == "T" and name[2:5] in ("C>T", "C>G") and name[-1] in "AT" for name in CLASSES]
    frame = pd.DataFrame({"tcw": np.where(hit, 1 / sum(hit), 0.0), "flat": 1 / 96}, index=list(CLASSES))
    return Profiles(frame, "invented 1")


def calls(at_tcw: int, elsewhere: int) -> pd.DataFrame:
    """Passing calls of specimen T1: C>T at TCA and T>G."""
    tca = [at for at in range(100, 29_000) if GENOME[at - 1 : at + 2] == "TCA"][:at_tcw]
    others = [at for at in range(100, 29_000) if GENOME[at] == "T"][:elsewhere]
    rows = [(at + 1, "C", "T") for at in tca] + [(at + 1, "T", "G") for at in others]
    frame = pd.DataFrame(rows, columns=["pos", "ref", "alt"])
    more = {"specimen_id": "T1", "chrom": "1", "filter": "PASS", "forced": False, "evaluable": True}
    return frame.assign(**WHO, **more, consequence="Missense_Mutation")


def signatures(counts: np.ndarray | None, found: Profiles, reason: str | None = None) -> pd.DataFrame:
    who = {**WHO, "specimen_id": "T1", "mutation_set": "all"}
    frame = frame_from_rows(MUTATIONAL_SIGNATURES, signature_rows(who, counts, found, SETTINGS, 1, reason=reason))
    validate(MUTATIONAL_SIGNATURES, frame)
    return frame


def test_a_planted_share_is_found_through_the_tables_and_both_opinions_agree() -> None:
    made = frame_from_rows(MUTATION_SPECTRA, [{**WHO, **row} for row in spectrum_rows(calls(60, 40), ["T1"], fetch)])
    validate(MUTATION_SPECTRA, made)
    counts = spectrum_of(made, "T1")
    assert counts is not None and counts.sum() == 100
    frame = signatures(counts, profiles())
    apobec = frame.set_index("signature").loc[APOBEC]
    assert apobec["low"] <= 0.6 <= apobec["high"] and apobec["apobec_high"] and apobec["dominant"] == "tcw"
    assert frame.set_index("signature").loc["tcw", "exposure"] == pytest.approx(100 * apobec["share"])
    genotypes = pd.DataFrame(columns=["patient_id", "timepoint", "specimen_id", "state"])
    rows = enrichment_rows(calls(60, 40), genotypes, (), frame, fetch, SETTINGS)
    validate(APOBEC_ENRICHMENT, frame_from_rows(APOBEC_ENRICHMENT, rows))
    assert (rows[0]["enriched"], rows[0]["agreement"]) == (True, "both") and rows[0]["fold"] > 3
    assert spectrum_picture(made, 20) and exposure_picture(frame)
    assert spectrum_picture(made, 101) is None


@pytest.mark.parametrize(
    ("counts", "found", "reason", "expected"),
    [
        (np.ones(96, dtype=int), Profiles(None, "", "NO_PROFILES"), None, "NO_PROFILES"),
        (np.ones(96, dtype=int), Profiles(None, "x", "E_BUILD_MISMATCH"), None, "E_BUILD_MISMATCH"),
        (np.zeros(96, dtype=int), profiles(), None, "FEW_MUTATIONS"),
        (None, profiles(), "E_IDENTITY_MISMATCH", "E_IDENTITY_MISMATCH"),
    ],
)
def test_what_cannot_be_fitted_is_null_with_the_reason(
    counts: np.ndarray | None, found: Profiles, reason: str | None, expected: str
) -> None:
    frame = signatures(counts, found, reason)
    assert set(frame["signature"]) == {"tcw", "flat", APOBEC}
    assert set(frame["reason"]) == {expected} and frame["share"].isna().all() and exposure_picture(frame) is None


def test_burden_counts_where_the_bases_count() -> None:
    targets, coding = [Region("1", 0, 20_000)], [Region("1", 5_000, 30_000)]
    called = calls(10, 0)
    called.loc[called.index[:5], "pos"] = [4_000, 6_000, 7_000, 25_000, 8_000]
    called.loc[called.index[5:], "filter"] = "min_vaf"
    called.loc[called["pos"] == 7_000, "consequence"] = "Silent"
    called.loc[called["pos"] == 8_000, "consequence"] = "Intron"
    quality = pd.DataFrame({"specimen_id": ["T1", "T2"], "callable_coding_bases": [2_000_000, 2_000_000]})
    rows = {row["specimen_id"]: row for row in burden_rows(called, IDENTITY, quality, targets, coding, Settings())}
    assert (rows["T1"]["coding_mutations"], rows["T1"]["nonsilent_mutations"]) == (2, 1)
    assert (rows["T1"]["coding_per_mb"], rows["T1"]["tmb_high"]) == (1.0, False)
    assert (rows["T2"]["coding_per_mb"], rows["T2"]["reason"]) == (None, "E_IDENTITY_MISMATCH")
    frame = frame_from_rows(TUMOUR_MUTATIONAL_BURDEN, [{**WHO, **row} for row in rows.values()])
    validate(TUMOUR_MUTATIONAL_BURDEN, frame)
    unknown = quality.assign(callable_coding_bases=None)
    row = burden_rows(called, IDENTITY, unknown, targets, coding, Settings())[0]
    assert (row["coding_per_mb"], row["reason"]) == (None, "NO_CALLABLE_BASES")
    assert burden_rows(called, IDENTITY, quality, targets, None, Settings())[0]["reason"] == "E_REFERENCE_MISSING"


def test_a_tumour_without_any_call_has_a_burden_of_zero_with_an_upper_limit() -> None:
    quality = pd.DataFrame({"specimen_id": ["T1"], "callable_coding_bases": [2_000_000]})
    regions = [Region("1", 0, 20_000)]
    nothing, own = calls(0, 0), IDENTITY.iloc[:1]
    row = burden_rows(nothing, own, quality, regions, regions, Settings())[0]
    assert (row["coding_per_mb"], row["status"]) == (0.0, "OBSERVED") and row["coding_high"] > 1
    assert sum(one["mutations"] for one in spectrum_rows(nothing, ["T1"], fetch)) == 0
    found = signatures(np.zeros(96, dtype=int), profiles())
    genotypes = pd.DataFrame(columns=["patient_id", "timepoint", "specimen_id", "state"])
    assert [one["reason"] for one in enrichment_rows(nothing, genotypes, (), found, fetch, SETTINGS)] == [
        "FEW_MUTATIONS"
    ]


def test_checks_name_what_is_wrong() -> None:
    frame = signatures(np.ones(96, dtype=int), profiles())
    assert offending_rows(process_checks.shares_add_up, frame).empty
    assert len(offending_rows(process_checks.shares_add_up, frame.assign(share=0.9))) == 2
    assert len(offending_rows(process_checks.signatures_rebuild_the_spectrum, frame.assign(cosine=0.5))) == 1
    made = frame_from_rows(MUTATION_SPECTRA, [{**WHO, **row} for row in spectrum_rows(calls(60, 40), ["T1"], fetch)])
    assert offending_rows(process_checks.spectrum_is_whole, made).empty
    assert len(offending_rows(process_checks.spectrum_is_whole, made.iloc[1:])) == 95
    assert set(offending_rows(process_checks.no_class_dominates, made)["sbs_class"]) == {"T[C>T]A"}
