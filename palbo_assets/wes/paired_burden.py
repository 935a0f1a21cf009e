"""Mutational burden at baseline and later, over the bases at which both tumours could have been judged.

Each tumour's own burden is over its own callable bases. A deeper biopsy covers other exons, so the two compare only on
the coding target bases that are deep enough in both tumours and in the blood. Both have then the same denominator, and
shared mutations say nothing of a change: it rests on those called in one alone (exact McNemar test).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from palbo_assets.genomics.regions import Region
from palbo_assets.study.vocabulary import OBSERVED, Absence
from palbo_assets.wes.callable_bases import Depths, count_callable, depth_at, inside, shallower
from palbo_assets.wes.process_rows import CODING
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.tumour_mutational_burden import burden

if TYPE_CHECKING:
    import pandas as pd

_ALLELE = ["chrom", "pos", "ref", "alt"]


@dataclass(frozen=True)
class Territory:
    """Where mutations count: targets and coding sequence (0-based half open), and reads that tumour and blood need."""

    targets: Sequence[Region]
    coding: Sequence[Region]
    least: tuple[int, int]


def compared(
    baseline: pd.DataFrame,
    later: pd.DataFrame,
    depths: tuple[Depths, Depths, Depths],
    territory: Territory,
    settings: Settings,
) -> dict[str, Any]:
    """Burden of two tumours of a patient on their common callable bases.

    Parameters
    ----------
    baseline, later
        PASS rows of ``somatic_calls`` of one specimen each.
    depths
        Of baseline, later and blood: contig -> depth of each base of its merged targets.

    Returns
    -------
    dict
        Columns of ``paired_mutational_burden`` beside its keys; rates null with a reason below ``tmb_min_callable``.
    """
    from scipy.stats import binomtest

    first, second, blood = depths
    both = shallower(first, second)
    bases = count_callable(both, blood, territory.targets, territory.coding, territory.least)
    alleles = [_alleles(calls, both, blood, territory) for calls in (baseline, later)]
    shared = alleles[0] & alleles[1]
    row: dict[str, Any] = {"common_callable_bases": bases, "shared_mutations": len(shared)}
    reason = None
    for name, own in zip(("baseline", "later"), alleles, strict=True):
        found = burden(len(own), bases, settings)
        reason = found.reason
        row |= {
            f"{name}_mutations": len(own),
            f"{name}_per_mb": found.per_mb,
            f"{name}_low": found.low,
            f"{name}_high": found.high,
        }
    gained, lost = len(alleles[1] - shared), len(alleles[0] - shared)
    if reason is None:
        row["change_per_mb"] = row["later_per_mb"] - row["baseline_per_mb"]
        row["p_value"] = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    return row | {"status": _status(reason), "reason": reason}


def unjudged(reason: str) -> dict[str, Any]:
    """The columns of a pair that can't be compared."""
    return {"status": _status(reason), "reason": reason}


def _status(reason: str | None) -> str:
    return OBSERVED if reason is None else str(Absence.NOT_EVALUABLE.value)


def _alleles(
    calls: pd.DataFrame, both: Mapping[str, Any], blood: Depths, territory: Territory
) -> set[tuple[str, int, str, str]]:
    """Coding PASS alleles of one tumour at bases that count."""
    kept = calls[calls["evaluable"].astype(bool) & calls["consequence"].isin(CODING)]
    places = list(zip(kept["chrom"], kept["pos"], strict=True))
    where = zip(
        kept[_ALLELE].itertuples(index=False, name=None),
        inside(places, territory.targets, territory.coding),
        depth_at(both, territory.targets, places),
        depth_at(blood, territory.targets, places),
        strict=True,
    )
    tumour, normal = territory.least
    return {allele for allele, within, deep, of_blood in where if within and deep >= tumour and of_blood >= normal}
