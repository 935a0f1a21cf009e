"""Refit of a spectrum to given signatures by non-negative least squares, with seeded bootstrap intervals.

Refitting after Alexandrov 2013; intervals by multinomial resampling as in Huang 2018. No signature is extracted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import InputError
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.trinucleotides import CLASSES

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class Refit:
    """Shares of mutations by signature (sum 1) with intervals; all null with a reason below the minimum."""

    mutations: int
    shares: dict[str, float] | None
    low: dict[str, float] | None
    high: dict[str, float] | None
    cosine: float | None
    reason: str | None
    low_confidence: bool


def read_profiles(path: Path) -> pd.DataFrame:
    """Profiles (96 x k, columns sum to 1, rows in the order of ``CLASSES``) from COSMIC's tab-separated layout.

    Raises InputError ``E_SCHEMA`` when a class is missing or a column isn't a profile.
    """
    import pandas as pd

    frame = pd.read_csv(path, sep="\t", index_col=0)
    fix = "Give 96 rows named like A[C>A]A and one column of shares a signature."
    if not frame.index.is_unique or set(frame.index) != set(CLASSES):
        raise InputError("E_SCHEMA", "The profiles don't have the 96 classes.", fix=fix, file=path.name)
    try:
        frame = frame.loc[list(CLASSES)].astype(float)
    except ValueError:
        raise InputError("E_SCHEMA", "A profile isn't made of numbers.", fix=fix, file=path.name) from None
    if not ((frame >= 0).all(axis=None) and (frame.sum() > 0).all()):
        raise InputError("E_SCHEMA", "A profile is negative, empty or has gaps.", fix=fix, file=path.name)
    return frame / frame.sum()


def refit(counts: np.ndarray, profiles: pd.DataFrame, settings: Settings, seed: int) -> Refit:
    """Fit one spectrum (96); all and private mutations go in apart. ValueError for another shape."""
    import numpy as np

    counts = np.asarray(counts)
    if counts.shape != (len(CLASSES),) or list(profiles.index) != list(CLASSES):
        raise ValueError("counts and profiles need the 96 classes in order")
    total = int(counts.sum())
    if total < settings.signature_min_mutations:
        return Refit(total, None, None, None, None, "FEW_MUTATIONS", True)
    matrix = profiles.to_numpy(dtype=float)
    shares = _shares(matrix, counts)
    if shares is None:
        return Refit(total, None, None, None, None, "NOTHING_FITS", True)
    random = np.random.default_rng(seed)
    drawn = random.multinomial(total, counts / total, size=settings.signature_bootstraps)
    fitted = [found for found in (_shares(matrix, one) for one in drawn) if found is not None]
    low, high = np.quantile(np.array(fitted), [0.025, 0.975], axis=0)
    rebuilt = matrix @ shares
    cosine = float(rebuilt @ counts / (np.linalg.norm(rebuilt) * np.linalg.norm(counts)))
    names = [str(name) for name in profiles.columns]

    def named(values: np.ndarray) -> dict[str, float]:
        return dict(zip(names, values.tolist(), strict=True))

    unsure = total < settings.signature_sure_mutations
    return Refit(total, named(shares), named(low), named(high), cosine, None, unsure)


def _shares(matrix: np.ndarray, counts: np.ndarray) -> np.ndarray | None:
    from scipy.optimize import nnls

    weights = nnls(matrix, counts.astype(float))[0]
    return weights / weights.sum() if weights.sum() > 0 else None
