"""Ratios of two populations of one tube, from the rows of their abundances."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from palbo_assets.study.vocabulary import OBSERVED, Absence


def ratios_of(abundances: Sequence[Mapping[str, Any]], ratios: Mapping[str, tuple[str, str]]) -> list[dict[str, Any]]:
    """Rows of `facs_ratios` without their keys, one a ratio.

    Parameters
    ----------
    abundances
        Rows of `facs_abundances` of one specimen.
    ratios
        Name -> (numerator, denominator), as `Strategy.ratios`.

    Returns
    -------
    list of dict
        ``value`` only where both populations are ``OBSERVED``; else status and reason of the one that isn't. ``cv_pct``
        is the Poisson error of both counts.
    """
    by_name = {row["population"]: row for row in abundances}
    rows = []
    for name, pair in ratios.items():
        row: dict[str, Any] = {"ratio": name, "numerator": pair[0], "denominator": pair[1], "value": None}
        row |= {"cv_pct": None, "status": OBSERVED, "reason": None}
        for population in pair:
            found = by_name.get(population)
            if found is None:
                row |= {"status": str(Absence.NOT_ASSAYED), "reason": f"{population}:not_gated"}
                break
            if found["status"] != OBSERVED:
                row |= {"status": found["status"], "reason": f"{population}:{found['reason']}"}
                break
        else:
            above, below = (int(by_name[population]["count"]) for population in pair)
            row |= {"value": above / below, "cv_pct": 100.0 * math.sqrt(1 / above + 1 / below)}
        rows.append(row)
    return rows
