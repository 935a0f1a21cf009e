"""Spectra are read on the pyrimidine's strand, and a refit finds the planted shares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from palbo_assets.platform.errors import InputError
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.signatures import fitted_shares, read_profiles, refit
from palbo_assets.wes.trinucleotides import CLASSES, INDEX, sbs_class, spectrum

GENOME = "TTCAGGA"


def fetch(contig: str, start: int, end: int) -> str:
    return GENOME[start:end]


def known_profiles(folder: Path) -> pd.DataFrame:
    frame = pd.read_csv(folder / "reference/signatures_known_answer/ground.truth.syn.sigs.csv")
    change, context = frame["Mutation type"], frame["Trinucleotide"]
    frame.index = pd.Index(context.str[0] + "[" + change + "]" + context.str[2])
    frame = frame.drop(columns=["Mutation type", "Trinucleotide"]).loc[list(CLASSES)]
    return frame / frame.sum()


def test_both_strands_are_one_class() -> None:
    assert sbs_class("TCA", "T") == sbs_class("TGA", "A") == "T[C>T]A"
    assert len(set(CLASSES)) == 96


def test_positions_are_one_based_and_only_substitutions_count() -> None:
    counts = spectrum([("1", 3, "C", "T"), ("1", 6, "G", "C"), ("1", 3, "CA", "C"), ("1", 1, "T", "A")], fetch)
    assert counts.sum() == 2
    assert (counts[INDEX["T[C>T]A"]], counts[INDEX["T[C>G]C"]]) == (1, 1)


@pytest.mark.parametrize("position", [2, 4, 99, 0])
def test_another_genome_is_refused(position: int) -> None:
    with pytest.raises(InputError) as caught:
        spectrum([("1", position, "C", "T")], fetch)
    assert caught.value.code == "E_BUILD_MISMATCH"


def test_known_mixtures_are_recovered(shared_data: Path) -> None:
    profiles = known_profiles(shared_data)
    folder = shared_data / "reference/signatures_known_answer"
    samples = pd.read_csv(folder / "Samples.txt", sep="\t", index_col=0).loc[list(CLASSES)].iloc[:, :60]
    truth = pd.read_csv(folder / "ground.truth.syn.exposures.csv", index_col=0)[samples.columns]
    settings = Settings(signature_bootstraps=2)
    errors = []
    for name in samples:
        shares = refit(samples[name].to_numpy(), profiles, settings, seed=1).shares
        assert shares is not None
        planted = truth[name] / truth[name].sum()
        errors += [abs(shares[signature].share - planted[signature]) for signature in profiles]
    assert np.median(errors) < 0.03


def test_the_refit_is_the_maximum_of_the_likelihood(shared_data: Path) -> None:
    """Held against a plain search over the share of two signatures."""
    profiles = known_profiles(shared_data)[["SBS5", "SBS3"]]
    counts = np.random.default_rng(3).multinomial(80, profiles.to_numpy() @ [0.3, 0.7])
    grid = np.linspace(0, 1, 2001)[1:-1]
    mixtures = profiles.to_numpy() @ np.stack([grid, 1 - grid])
    best = grid[(counts[:, None] * np.log(mixtures)).sum(axis=0).argmax()]
    assert fitted_shares(profiles.to_numpy(), counts[:, None])[0, 0] == pytest.approx(best, abs=1e-3)


def test_a_group_is_the_sum_of_its_members_and_lies_in_its_interval(shared_data: Path) -> None:
    counts = np.random.default_rng(4).multinomial(200, np.full(96, 1 / 96))
    names = ["SBS3", "SBS5"]
    shares = refit(counts, known_profiles(shared_data), Settings(), seed=1, groups={"both": names}).shares
    assert shares is not None
    assert shares["both"].share == pytest.approx(sum(shares[name].share for name in names))
    assert shares["both"].low <= shares["both"].share <= shares["both"].high


def test_few_mutations_have_no_share() -> None:
    counts = np.zeros(96, dtype=int)
    counts[0] = 19
    found = refit(counts, pd.DataFrame({"a": np.full(96, 1 / 96)}, index=list(CLASSES)), Settings(), seed=1)
    assert (found.shares, found.reason) == (None, "FEW_MUTATIONS")


def test_a_class_that_no_profile_has_is_no_division_by_zero() -> None:
    profile = np.zeros(96)
    profile[1:] = 1 / 95
    found = refit(np.ones(96, dtype=int), pd.DataFrame({"a": profile}, index=list(CLASSES)), Settings(), seed=1)
    assert found.shares is not None and found.shares["a"].share == 1.0


def test_the_same_seed_gives_the_same_interval(shared_data: Path) -> None:
    counts = np.ones(96, dtype=int)
    profiles = known_profiles(shared_data)
    assert refit(counts, profiles, Settings(), seed=3) == refit(counts, profiles, Settings(), seed=3)


def test_profiles_in_another_order_are_put_right_and_gaps_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": np.arange(96.0)}, index=list(CLASSES))
    frame.iloc[::-1].to_csv(tmp_path / "p.tsv", sep="\t")
    assert read_profiles(tmp_path / "p.tsv")["a"].to_numpy() == pytest.approx(np.arange(96) / np.arange(96).sum())
    frame.iloc[1:].to_csv(tmp_path / "p.tsv", sep="\t")
    with pytest.raises(InputError):
        read_profiles(tmp_path / "p.tsv")


def test_a_file_that_is_no_table_of_profiles_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.tsv").write_bytes(b"\xff\xfe\x00garbage\n" * 3)
    with pytest.raises(InputError) as caught:
        read_profiles(tmp_path / "p.tsv")
    assert caught.value.code == "E_SCHEMA"
