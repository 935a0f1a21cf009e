"""Who is biopsied at progression, and who is not: whether what the pairs show holds for the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from statistics import fmean, median, pvariance
from typing import Any

NUMBERS = ("age_years", "er_pct", "n_met_sites", "prior_lines_met", "pfs_days")
CATEGORIES = ("site", "ecog", "visceral", "bone_only", "de_novo", "endo_sensitivity", "best_overall_response")
MEDIAN = "median"


def selection_rows(biopsied: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Characteristics of progressed patients with and without an adequate biopsy.

    Parameters
    ----------
    biopsied, others
        Mappings with the columns of `patients` and `treatment_response`; patients without a value are not counted for
        that characteristic.

    Returns
    -------
    list of dict
        ``characteristic, level, n_biopsied, n_not_biopsied, biopsied, not_biopsied, standardised_difference``: medians
        of numbers, shares in % of levels. The standardised difference (Austin, Stat Med 2009;28:3083) is the
        difference of means or shares over the pooled standard deviation; above 0.1 in size it counts as imbalance.
        Null where a group is empty or nothing varies.
    """
    rows = []
    for name in NUMBERS:
        ours, theirs = _numbers(biopsied, name), _numbers(others, name)
        rows.append(
            {
                **_counts(name, MEDIAN, ours, theirs),
                "biopsied": median(ours) if ours else None,
                "not_biopsied": median(theirs) if theirs else None,
                "standardised_difference": standardised_difference(ours, theirs),
            }
        )
    for name in CATEGORIES:
        known = [[str(one[name]) for one in group if one.get(name) is not None] for group in (biopsied, others)]
        for level in sorted({*known[0], *known[1]}):
            ours, theirs = ([float(value == level) for value in group] for group in known)
            rows.append(
                {
                    **_counts(name, level, ours, theirs),
                    "biopsied": 100.0 * fmean(ours) if ours else None,
                    "not_biopsied": 100.0 * fmean(theirs) if theirs else None,
                    "standardised_difference": standardised_difference(ours, theirs),
                }
            )
    return rows


def standardised_difference(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """Difference of means over the root of the mean of both variances; None where it has no scale."""
    if not ours or not theirs:
        return None
    scale = sqrt((pvariance(ours) + pvariance(theirs)) / 2)
    return (fmean(ours) - fmean(theirs)) / scale if scale > 0 else None


def _counts(name: str, level: str, ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any]:
    return {"characteristic": name, "level": level, "n_biopsied": len(ours), "n_not_biopsied": len(theirs)}


def _numbers(group: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [float(one[name]) for one in group if one.get(name) is not None]
