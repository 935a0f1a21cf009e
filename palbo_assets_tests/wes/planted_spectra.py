"""Spectra of tumours with a known share of APOBEC, of another make than what the refit assumes.

Nothing of it served to choose the refit's prior: profiles are those of a later COSMIC release than the one that is
fitted, every tumour's background is a mixture of its own, a third of the tumours also have a signature that isn't among
the fitted ones, and burdens are those of breast cancer exomes instead of round numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd

from palbo_assets.wes.signature_profiles import PACKAGE
from palbo_assets.wes.signatures import read_profiles

RELEASE = "COSMIC_v3.6_SBS_GRCh38_exome.txt"
# Mean shares of the background: clock-like signatures first, the others in single tumours (concentration 3).
BACKGROUND = {"SBS1": 0.25, "SBS5": 0.4, "SBS3": 0.12, "SBS8": 0.08, "SBS18": 0.08, "SBS17a": 0.03, "SBS17b": 0.04}
FOREIGN = ("SBS40a", "SBS30", "SBS37", "SBS6", "SBS39")  # seen in breast tumours, not among the fitted ones
MEDIAN_BURDEN, SPREAD = 80.0, 0.9  # SNVs, log-normal


@dataclass(frozen=True)
class PlantedSpectrum:
    """Counts (96,) of a tumour, and what was planted in it."""

    counts: np.ndarray
    apobec: float
    foreign: float


def later_profiles() -> pd.DataFrame:
    name = f"{PACKAGE}/data/Reference_Signatures/GRCh38/{RELEASE}"
    return read_profiles(Path(str(metadata.distribution(PACKAGE).locate_file(name))))


def spectrum(
    profiles: pd.DataFrame,
    random: np.random.Generator,
    *,
    apobec: float,
    mutations: int | None = None,
    foreign: float | None = None,
) -> PlantedSpectrum:
    """One tumour; ``mutations`` and the share of a foreign signature are drawn where they aren't given."""
    if mutations is None:
        mutations = int(np.clip(random.lognormal(np.log(MEDIAN_BURDEN), SPREAD), 20, 2000))
    if foreign is None:
        foreign = float(random.uniform(0.05, 0.25)) if random.random() < 1 / 3 else 0.0
    shares = random.dirichlet(3.0 * np.array(list(BACKGROUND.values())))
    own = profiles[list(BACKGROUND)].to_numpy() @ shares
    other = profiles[str(random.choice(FOREIGN))].to_numpy()
    sbs2 = random.beta(3, 3)
    of_apobec = sbs2 * profiles["SBS2"].to_numpy() + (1 - sbs2) * profiles["SBS13"].to_numpy()
    mixture = apobec * of_apobec + (1 - apobec) * ((1 - foreign) * own + foreign * other)
    return PlantedSpectrum(random.multinomial(mutations, mixture / mixture.sum()), apobec, foreign * (1 - apobec))
