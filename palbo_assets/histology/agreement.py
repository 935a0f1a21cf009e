"""How far a method and readers agree on a percentage: Spearman, ICC(2,1) and mean error, resampled over patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def icc_2_1(ratings: NDArray[np.float64]) -> float:
    """Intraclass correlation, two-way random effects, absolute agreement, one rating (Shrout & Fleiss 1979, case 2).

    Parameters
    ----------
    ratings
        (n targets, k raters), no gaps; NaN for fewer than two of either or no variance.
    """
    n, k = ratings.shape
    if n < 2 or k < 2:
        return float("nan")
    grand = ratings.mean()
    between_targets = k * ((ratings.mean(axis=1) - grand) ** 2).sum() / (n - 1)
    between_raters = n * ((ratings.mean(axis=0) - grand) ** 2).sum() / (k - 1)
    residual = ratings - ratings.mean(axis=1, keepdims=True) - ratings.mean(axis=0, keepdims=True) + grand
    error = (residual**2).sum() / ((n - 1) * (k - 1))
    total = between_targets + (k - 1) * error + k * (between_raters - error) / n
    return float((between_targets - error) / total) if total > 0 else float("nan")


def spearman(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Rank correlation; NaN where one side doesn't vary."""
    from scipy.stats import rankdata

    a, b = rankdata(x), rankdata(y)
    if len(a) < 3 or a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def mean_error(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Mean absolute difference [points]."""
    return float(np.abs(x - y).mean())


@dataclass(frozen=True)
class Agreement:
    """Of a method with the mean of the readers; each with its 95 % interval over resampled patients."""

    spearman: float
    spearman_interval: tuple[float, float]
    icc: float
    icc_interval: tuple[float, float]
    mae_points: float
    mae_interval: tuple[float, float]


def agree(
    guess: NDArray[np.float64], truth: NDArray[np.float64], patients: NDArray[np.str_], *, seed: int, rounds: int = 1000
) -> Agreement:
    """Agreement of ``guess`` with ``truth``, resampling whole patients: fields of a patient aren't independent."""
    rng = np.random.default_rng(seed)
    names = np.unique(patients)
    rows = {name: np.flatnonzero(patients == name) for name in names}
    samples = [np.concatenate([rows[n] for n in rng.choice(names, len(names))]) for _ in range(rounds)]

    def with_interval(measure: Callable[..., float]) -> tuple[float, tuple[float, float]]:
        values = np.array([measure(guess[k], truth[k]) for k in samples])
        values = values[np.isfinite(values)]
        low, high = np.percentile(values, [2.5, 97.5]) if len(values) else (float("nan"),) * 2
        return measure(guess, truth), (float(low), float(high))

    return Agreement(
        *with_interval(spearman),
        *with_interval(lambda a, b: icc_2_1(np.column_stack([a, b]))),
        *with_interval(mean_error),
    )


def readers_against_the_rest(ratings: NDArray[np.float64]) -> tuple[float, float]:
    """(median Spearman, median mean error [points]) of each reader against the mean of the others.

    Parameters
    ----------
    ratings
        (n fields, k readers), NaN where a reader gave none.
    """
    correlations, errors = [], []
    for reader in range(ratings.shape[1]):
        own, rest = ratings[:, reader], np.delete(ratings, reader, axis=1)
        both = np.isfinite(own) & np.isfinite(rest).any(axis=1)
        if both.sum() < 3:
            continue
        others = np.nanmean(rest[both], axis=1)
        correlations.append(spearman(own[both], others))
        errors.append(mean_error(own[both], others))
    if not correlations:
        return float("nan"), float("nan")
    return float(np.nanmedian(correlations)), float(np.median(errors))
