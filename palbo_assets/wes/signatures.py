"""Refit of a spectrum to given signatures by maximum likelihood, with seeded bootstrap intervals.

Refitting after Alexandrov 2013 with the multinomial likelihood of the counts, and at most half a
mutation of each signature beforehand, which steadies shares at few counts (its EM is Lee and Seung's 2001 update for
Kullback-Leibler divergence): at the counts of exomes its errors are smaller than those of least squares, which weighs
empty classes like full ones. Intervals by multinomial resampling as in Huang 2018. No signature is extracted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import InputError
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.trinucleotides import CLASSES

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_STEPS = 3000  # of EM at most
_STILL = 1e-6  # change of a share in one step from which on it has arrived


@dataclass(frozen=True)
class Share:
    """Share of a spectrum's mutations with its 95 % interval (fractions)."""

    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Refit:
    """Shares of mutations by signature (they sum to 1) and by named group; None with a reason below the minimum.

    ``cosine`` is the similarity of spectrum and reconstruction (0..1).
    """

    mutations: int
    shares: Mapping[str, Share] | None
    cosine: float | None
    reason: str | None
    low_confidence: bool


def read_profiles(path: Path) -> pd.DataFrame:
    """Profiles (96 x k, columns sum to 1, rows in the order of ``CLASSES``) from COSMIC's tab-separated layout.

    Raises InputError ``E_SCHEMA`` when a class is missing or a column isn't a profile.
    """
    import pandas as pd

    fix = "Give 96 rows named like A[C>A]A and one column of shares a signature."
    try:
        frame = pd.read_csv(path, sep="\t", index_col=0)
    except (ValueError, pd.errors.ParserError, UnicodeDecodeError):
        raise InputError("E_SCHEMA", "The profiles aren't a tab-separated table.", fix=fix, file=path.name) from None
    if not frame.index.is_unique or set(frame.index) != set(CLASSES):
        raise InputError("E_SCHEMA", "The profiles don't have the 96 classes.", fix=fix, file=path.name)
    try:
        frame = frame.loc[list(CLASSES)].astype(float)
    except ValueError:
        raise InputError("E_SCHEMA", "A profile isn't made of numbers.", fix=fix, file=path.name) from None
    if not ((frame >= 0).all(axis=None) and (frame.sum() > 0).all()):
        raise InputError("E_SCHEMA", "A profile is negative, empty or has gaps.", fix=fix, file=path.name)
    return frame / frame.sum()


def refit(
    counts: np.ndarray,
    profiles: pd.DataFrame,
    settings: Settings,
    seed: int,
    groups: Mapping[str, Sequence[str]] | None = None,
) -> Refit:
    """Fit one spectrum.

    Parameters
    ----------
    counts
        (96,) mutations in the order of ``CLASSES``; all and private mutations go in apart.
    profiles
        (96 x k), columns sum to 1.
    groups
        Name -> signatures whose shares are added up, with an interval of the sum.

    Raises
    ------
    ValueError
        Another shape or order.
    """
    import numpy as np

    counts = np.asarray(counts)
    if counts.shape != (len(CLASSES),) or list(profiles.index) != list(CLASSES):
        raise ValueError("counts and profiles need the 96 classes in order")
    total = int(counts.sum())
    if total < settings.signature_min_mutations:
        return Refit(total, None, None, "FEW_MUTATIONS", True)
    matrix = profiles.to_numpy(dtype=float)
    random = np.random.default_rng(seed)
    drawn = random.multinomial(total, counts / total, size=settings.signature_bootstraps)
    fitted = fitted_shares(matrix, np.vstack([counts, drawn]).T, prior_mutations(total, settings))
    names = [str(name) for name in profiles.columns]
    values = {name: fitted[at] for at, name in enumerate(names)}
    for group, members in (groups or {}).items():
        values[group] = fitted[[names.index(member) for member in members]].sum(axis=0)
    tail = (1 - settings.signature_confidence) / 2
    shares = {
        name: Share(float(one[0]), *(float(end) for end in np.quantile(one[1:], [tail, 1 - tail])))
        for name, one in values.items()
    }
    rebuilt = matrix @ fitted[:, 0]
    cosine = float(rebuilt @ counts / (np.linalg.norm(rebuilt) * np.linalg.norm(counts)))
    return Refit(total, shares, min(cosine, 1.0), None, total < settings.signature_sure_mutations)


def prior_mutations(total: int, settings: Settings) -> float:
    """Mutations that each signature is given beforehand, of a spectrum of ``total``: fewer for few."""
    return settings.signature_prior * min(1.0, total / settings.signature_prior_from)


def fitted_shares(matrix: np.ndarray, counts: np.ndarray, prior: float = 0.0) -> np.ndarray:
    """Likeliest shares (k, n) of n spectra (96, n) over k profiles (96, k); each column sums to 1.

    ``prior``: mutations that each signature is given beforehand (the mode under a Dirichlet prior of ``1 + prior``);
    0 is maximum likelihood.
    """
    import numpy as np

    total = counts.sum(axis=0)
    shares = np.full((matrix.shape[1], counts.shape[1]), 1.0 / matrix.shape[1])
    # A class that no profile has says nothing; it neither adds to a share nor divides by zero.
    open_classes = matrix.sum(axis=1) > 0
    matrix, counts = matrix[open_classes], counts[open_classes]
    for _ in range(_STEPS):
        expected = np.maximum(matrix @ shares, 1e-300)
        better = (shares * (matrix.T @ (counts / expected)) + prior) / (total + prior * len(shares))
        sums = better.sum(axis=0)
        better = np.where(sums > 0, better / np.where(sums > 0, sums, 1), shares)
        moved = np.abs(better - shares).max()
        shares = better
        if moved < _STILL:
            break
    return shares
