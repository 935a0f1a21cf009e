"""Likelihood of a mutation's reads at any share of reads, looked up in a table.

Genotypes by the dozen ask for the same reads at hundreds of shares; so it is computed once on a fine scale. Steps are
even in the square root of the share, where the binomial's spread is even too: at 1,000 reads it is ten steps wide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from palbo_assets.wes.genotypes import Rows

Array = NDArray[np.float64]
_STEPS = 600
_MOST_LOG = 600.0  # of shares that no genotype reaches
_SHARES: Array = np.clip(np.linspace(0.0, 1.0, _STEPS + 1) ** 2, 1e-9, 1 - 1e-9)


@dataclass(frozen=True)
class ReadLikelihood:
    """``values`` (n, shares), each row relative to its best reachable one, whose log likelihood is ``scale`` (n,)."""

    values: Array
    scale: Array

    @classmethod
    def of(
        cls, alt: ArrayLike, depth: ArrayLike, precision: float | None = None, most: ArrayLike = 1.0
    ) -> ReadLikelihood:
        """``alt`` of ``depth`` reads, shape (n,): binomial, or beta-binomial with ``precision`` pseudo-reads.

        ``most`` (n,): the greatest share that any genotype reaches, so that reads far above it still tell fractions.
        """
        alternate, reads = (np.asarray(one, float)[:, None] for one in (alt, depth))
        if precision is None:
            found = alternate * np.log(_SHARES) + (reads - alternate) * np.log1p(-_SHARES)
        else:
            from scipy.special import betaln

            a, b = _SHARES * precision, (1 - _SHARES) * precision
            found = betaln(alternate + a, reads - alternate + b) - betaln(a, b)
        reached = np.broadcast_to(np.asarray(most, float), (len(found),))[:, None] >= _SHARES
        best = np.where(reached, found, -np.inf).max(axis=1, keepdims=True)
        return cls(np.exp(np.minimum(found - best, _MOST_LOG)), best[:, 0])

    def at(self, rows: Rows, shares: Array) -> Array:
        """Of some rows at each share, shape (rows, shares); between steps on a straight line."""
        left, part = _steps(shares)
        values = self.values[rows]
        return np.asarray(values[:, left] * (1 - part) + values[:, left + 1] * part)


def _steps(shares: Array) -> tuple[Rows, Array]:
    """The step to the left of each share, and how far behind it the share lies."""
    place = np.sqrt(np.clip(shares, 0.0, 1.0)) * _STEPS
    left = np.minimum(place.astype(np.int64), _STEPS - 1)
    return left, np.asarray(place - left)
