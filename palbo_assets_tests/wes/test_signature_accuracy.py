"""How well the refit of APOBEC's signatures does at the counts of exomes, with COSMIC's profiles."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from palbo_assets.platform.references import ReferenceBundle
from palbo_assets.wes.process_tables import APOBEC
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.signature_profiles import PACKAGE, find_profiles, installed_version
from palbo_assets.wes.signatures import fitted_shares, prior_mutations, read_profiles, refit
from palbo_assets.wes.trinucleotides import CLASSES
from palbo_assets_tests.wes.planted_spectra import later_profiles, spectrum

pytestmark = [
    pytest.mark.accuracy,
    pytest.mark.skipif(not installed_version(), reason="SigProfilerAssignment isn't installed"),
]
SETTINGS = Settings()
# Backgrounds of breast cancers without APOBEC: ageing alone, and with the flat signatures that are hardest to tell.
BACKGROUNDS = {
    "ageing": {"SBS1": 0.3, "SBS5": 0.7},
    "flat": {"SBS1": 0.25, "SBS5": 0.45, "SBS8": 0.15, "SBS18": 0.15},
    "hrd": {"SBS1": 0.15, "SBS5": 0.35, "SBS3": 0.5},
}


@pytest.fixture(scope="module")
def cosmic() -> pd.DataFrame:
    frame = find_profiles(ReferenceBundle(Path(), "GRCh38", {}), SETTINGS).frame
    assert frame is not None
    return frame


def mixture(cosmic: pd.DataFrame, apobec: float, background: str, sbs2: float = 0.5) -> np.ndarray:
    rest = sum(share * cosmic[name] for name, share in BACKGROUNDS[background].items())
    of_apobec = sbs2 * cosmic["SBS2"] + (1 - sbs2) * cosmic["SBS13"]
    return np.asarray(apobec * of_apobec + (1 - apobec) * rest)


def shares(cosmic: pd.DataFrame, counts: np.ndarray) -> np.ndarray:
    """Share of APOBEC of each of n spectra (n, 96)."""
    fitted = fitted_shares(cosmic.to_numpy(), counts.T, prior_mutations(int(counts[0].sum()), SETTINGS))
    return fitted[[list(cosmic).index(name) for name in SETTINGS.apobec_signatures]].sum(axis=0)


@pytest.fixture(scope="module")
def later() -> pd.DataFrame:
    return later_profiles()


@pytest.mark.parametrize("foreign", [0.0, 0.2, None])
def test_planted_apobec_of_0_40_is_found_within_0_29_and_0_49(
    cosmic: pd.DataFrame, later: pd.DataFrame, foreign: float | None
) -> None:
    """100 SNVs, a background of its own in each tumour; without, with, and sometimes with an unfitted signature."""
    random = np.random.default_rng(20417)
    drawn = [spectrum(later, random, apobec=0.4, mutations=100, foreign=foreign).counts for _ in range(3000)]
    found = shares(cosmic, np.stack(drawn))
    assert ((found >= 0.29) & (found <= 0.49)).mean() >= 0.90


@pytest.mark.parametrize(("mutations", "spread"), [(20, 0.15), (50, 0.095), (100, 0.065), (200, 0.05)])
def test_errors_shrink_with_the_number_of_mutations(
    cosmic: pd.DataFrame, later: pd.DataFrame, mutations: int, spread: float
) -> None:
    random = np.random.default_rng(20417 + mutations)
    for planted in (0.0, 0.15, 0.4):
        drawn = [spectrum(later, random, apobec=planted, mutations=mutations).counts for _ in range(1000)]
        found = shares(cosmic, np.stack(drawn))
        assert found.std() <= spread
        assert abs(found.mean() - planted) <= 0.05


def test_intervals_hold_the_planted_share_of_tumours_of_any_burden(cosmic: pd.DataFrame, later: pd.DataFrame) -> None:
    """300 tumours with 20 to 2,000 SNVs and 2 to 70 % of APOBEC; those without any are never called high."""
    random = np.random.default_rng(7703)
    held, errors, high = [], [], []
    for number in range(360):
        planted = spectrum(later, random, apobec=0.0 if number % 6 == 0 else float(random.uniform(0.02, 0.7)))
        found = refit(planted.counts, cosmic, SETTINGS, number, {APOBEC: SETTINGS.apobec_signatures}).shares
        assert found is not None
        one = found[APOBEC]
        if planted.apobec:
            held.append(one.low <= planted.apobec <= one.high)
            errors.append(one.share - planted.apobec)
        else:
            high.append(one.share >= SETTINGS.apobec_high_share and one.low > SETTINGS.apobec_high_low)
    assert len(held) == 300 and 0.89 <= np.mean(held) <= 0.98
    assert np.sqrt(np.mean(np.square(errors))) < 0.08 and abs(np.mean(errors)) < 0.015
    assert not any(high)


def test_high_apobec_is_hardly_ever_said_of_tumours_without_it(cosmic: pd.DataFrame) -> None:
    random = np.random.default_rng(6)
    called = {}
    for planted, background in ((0.0, "ageing"), (0.0, "hrd"), (0.5, "flat")):
        yes = 0
        for number in range(40):
            counts = random.multinomial(50, mixture(cosmic, planted, background))
            found = refit(counts, cosmic, SETTINGS, number, {APOBEC: SETTINGS.apobec_signatures}).shares
            assert found is not None
            one = found[APOBEC]
            yes += one.share >= SETTINGS.apobec_high_share and one.low > SETTINGS.apobec_high_low
        called[planted, background] = yes / 40
    assert called[0.0, "ageing"] <= 0.025 and called[0.0, "hrd"] <= 0.05
    assert called[0.5, "flat"] >= 0.9


def test_real_breast_cancers_thinned_to_exome_counts_keep_their_apobec(shared_data: Path) -> None:
    """18 genomes of Nik-Zainal 2012: PD4120a and PD4199a are its APOBEC tumours; 100 SNVs of each say what all say."""
    name = (
        f"{PACKAGE}/data/Reference_Signatures/GRCh37/COSMIC_v3.4_SBS_GRCh37.txt"  # whole genomes, so no exome profiles
    )
    profiles = read_profiles(Path(str(metadata.distribution(PACKAGE).locate_file(name))))[list(SETTINGS.signatures)]
    table = shared_data / "reference/signatures_breast/Samples_SBS.dev.derived.tsv"
    counts = pd.read_csv(table, sep="\t", index_col=0).loc[list(CLASSES)]
    whole = pd.Series(shares(profiles, counts.to_numpy().T), index=counts.columns)
    assert set(whole.nlargest(2).index) == {"PD4120a", "PD4199a"} and whole.nlargest(2).min() > 0.6
    random = np.random.default_rng(8)
    errors = []
    for tumour in counts:
        thinned = random.multinomial(100, counts[tumour] / counts[tumour].sum(), size=100)
        errors.append(shares(profiles, thinned) - whole[tumour])
    assert np.sqrt(np.mean(np.square(errors))) < 0.07 and abs(np.mean(errors)) < 0.03
