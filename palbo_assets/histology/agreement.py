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
    """Of a method, or of the median reader, with the mean of the (other) readers; 95 % intervals over patients."""

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
    pairs = np.column_stack([guess, truth])
    return _resampled(lambda rows: _of_pairs(pairs[rows]), patients, seed, rounds)


def readers_against_the_rest(
    ratings: NDArray[np.float64], patients: NDArray[np.str_], *, seed: int, rounds: int = 1000
) -> Agreement:
    """The median reader's agreement with the mean of the others, resampling whole patients.

    Parameters
    ----------
    ratings
        (n fields, k readers), NaN where a reader gave none.
    """

    def median_reader(rows: NDArray[np.int64]) -> tuple[float, float, float]:
        found = []
        for reader in range(ratings.shape[1]):
            own, rest = ratings[rows, reader], np.delete(ratings[rows], reader, axis=1)
            both = np.isfinite(own) & np.isfinite(rest).any(axis=1)
            if both.sum() >= 3:
                found.append(_of_pairs(np.column_stack([own[both], np.nanmean(rest[both], axis=1)])))
        columns = [[value for value in column if np.isfinite(value)] for column in zip(*found, strict=True)]
        first, second, third = (float(np.median(c)) if c else float("nan") for c in columns or [[], [], []])
        return first, second, third

    return _resampled(median_reader, patients, seed, rounds)


def _of_pairs(pairs: NDArray[np.float64]) -> tuple[float, float, float]:
    return spearman(pairs[:, 0], pairs[:, 1]), icc_2_1(pairs), mean_error(pairs[:, 0], pairs[:, 1])


def _resampled(
    measures: Callable[[NDArray[np.int64]], tuple[float, float, float]],
    patients: NDArray[np.str_],
    seed: int,
    rounds: int,
) -> Agreement:
    """Three measures of all rows, each with its percentile interval over patients drawn with replacement."""
    rng = np.random.default_rng(seed)
    names = np.unique(patients)
    rows = {name: np.flatnonzero(patients == name) for name in names}
    drawn = [np.concatenate([rows[n] for n in rng.choice(names, len(names))]) for _ in range(rounds)]
    values = np.array([measures(sample) for sample in drawn])

    def interval(column: NDArray[np.float64]) -> tuple[float, float]:
        known = column[np.isfinite(column)]
        low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (float("nan"),) * 2
        return float(low), float(high)

    rank, icc, error = measures(np.arange(len(patients)))
    return Agreement(rank, interval(values[:, 0]), icc, interval(values[:, 1]), error, interval(values[:, 2]))
