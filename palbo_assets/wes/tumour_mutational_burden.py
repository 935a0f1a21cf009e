"""Mutations per callable megabase with an exact Poisson interval (Garwood 1936).

The denominator is what could be called (depth in tumour and normal), not the kit's size.
"""

from __future__ import annotations

from dataclasses import dataclass

from palbo_assets.wes.settings import Settings


@dataclass(frozen=True)
class Burden:
    """Mutations per Mb with its interval; null with a reason where too little could be called."""

    per_mb: float | None
    low: float | None
    high: float | None
    reason: str | None


def burden(mutations: int | None, callable_bases: int | None, settings: Settings) -> Burden:
    """Burden from a count and the bases at which a mutation could have been called. Raises ValueError below zero."""
    from scipy.stats import chi2

    if mutations is None:
        return Burden(None, None, None, "NO_CALLS")
    if callable_bases is None:
        return Burden(None, None, None, "NO_CALLABLE_BASES")
    if mutations < 0 or callable_bases < 0:
        raise ValueError("counts can't be negative")
    if callable_bases < settings.tmb_min_callable:
        return Burden(None, None, None, "FEW_CALLABLE_BASES")
    tail = (1 - settings.tmb_confidence) / 2
    low = float(chi2.ppf(tail, 2 * mutations) / 2) if mutations else 0.0
    high = float(chi2.ppf(1 - tail, 2 * mutations + 2) / 2)
    mb = callable_bases / 1e6
    return Burden(mutations / mb, low / mb, high / mb, None)
