"""Exact paired tests for small cohorts, with their denominators.

The unit is the patient. Mechanisms: McNemar's test on discordant pairs. Features: Wilcoxon's signed ranks with the
exact null distribution (ties share ranks, the distribution is conditional on them) and the Hodges-Lehmann shift. False
discovery rates are controlled within a family, and the family's size is stated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from palbo_assets.platform.tables import records
from palbo_assets.resistance.features import Catalogue, Feature, Pairing
from palbo_assets.resistance.mechanisms import Kind, Mechanisms
from palbo_assets.resistance.settings import Settings
from palbo_assets.resistance.state_rows import NOT_MEASURED
from palbo_assets.study.vocabulary import OBSERVED, Absence, Transition

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

TOO_FEW_PAIRS = "TOO_FEW_PAIRS"
NO_CHANGE = "NO_PAIR_CHANGED"

# Sizes of family follow the analysis plan: mutation genes, expression, immune cells, cytometry and protein apart.
_FAMILY_OF_MODALITY: Mapping[str, str] = {
    "wes": "tumour mutation load",
    "rna": "expression",
    "ctdna": "plasma",
    "he": "immune infiltrate",
    "elisa": "serum",
    "facs": "blood cells",
}
_EVALUABLE = frozenset(Transition) - {
    Transition.NOT_EVALUABLE,
    Transition.PD_ONLY_INDETERMINATE,
    Transition.BL_ONLY_INDETERMINATE,
}
_FAMILIES = {Kind.VARIANT: "mutations", Kind.AMPLIFICATION: "copy number"}
_UP = frozenset({Transition.ACQUIRED, Transition.GAINED})
_AT_PROGRESSION = frozenset(
    {
        Transition.PREEXISTING,
        Transition.PREEXISTING_EXPANDED,
        Transition.PREEXISTING_SUBCLONAL_EXPANDED,
        *_UP,
    }
)
_NOT_A_PAIR = (str(Absence.NOT_EXPECTED), str(Absence.WITHDRAWN))


def mcnemar_exact(up: int, down: int) -> float:
    """Two-sided exact p of McNemar's test: binomial with 1/2 on the ``up + down`` discordant pairs (1 without any)."""
    from scipy.stats import binom

    discordant = up + down
    if discordant == 0:
        return 1.0
    return float(min(1.0, 2.0 * binom.cdf(min(up, down), discordant, 0.5)))


@dataclass(frozen=True)
class SignedRank:
    """Wilcoxon's test of paired changes. ``n_zero`` changes are exactly 0 and left out of the ranks."""

    p_value: float
    shift: float
    low: float
    high: float
    n_up: int
    n_down: int
    n_zero: int


def signed_rank(changes: Sequence[float], confidence: float = 0.95) -> SignedRank:
    """Exact two-sided signed-rank test and Hodges-Lehmann shift of paired changes.

    Parameters
    ----------
    changes
        Finite changes, shape (n,), n >= 1.
    confidence
        Of the interval of the shift, from order statistics of the Walsh averages.

    Returns
    -------
    SignedRank
        p is 1 when every change is 0. The null distribution is enumerated over the 2^m signs of the m non-zero
        changes with mid-ranks, by convolution, so ties need no approximation.
    """
    import numpy as np
    from scipy.stats import rankdata

    values = np.asarray(changes, dtype=float)
    moved = values[values != 0]
    walsh = np.sort(_walsh_averages(values))
    shift = float(np.median(walsh))
    low, high = _shift_interval(walsh, len(values), confidence)
    up, down, zero = int((values > 0).sum()), int((values < 0).sum()), int((values == 0).sum())
    if len(moved) == 0:
        return SignedRank(1.0, shift, low, high, up, down, zero)
    doubled = np.rint(2 * rankdata(np.abs(moved))).astype(int)
    null = _null_distribution(doubled)
    observed = int(doubled[moved > 0].sum())
    tail = min(null[: observed + 1].sum(), null[observed:].sum())
    return SignedRank(float(min(1.0, 2.0 * tail)), shift, low, high, up, down, zero)


def _null_distribution(weights: np.ndarray) -> np.ndarray:
    """Probabilities of every sum of a random subset of whole-numbered weights."""
    import numpy as np

    probabilities = np.zeros(int(weights.sum()) + 1)
    probabilities[0] = 1.0
    for weight in weights:
        moved = np.zeros_like(probabilities)
        moved[weight:] = probabilities[: len(probabilities) - weight]
        probabilities = (probabilities + moved) / 2
    return probabilities


def _walsh_averages(values: np.ndarray) -> np.ndarray:
    import numpy as np

    first, second = np.triu_indices(len(values))
    return (values[first] + values[second]) / 2


def _shift_interval(walsh: np.ndarray, n: int, confidence: float) -> tuple[float, float]:
    """Interval of the shift: the widest order statistics that keep the confidence, all of them for a small n."""
    import numpy as np

    cumulative = np.cumsum(_null_distribution(np.arange(1, n + 1)))
    cut = int(np.searchsorted(cumulative, (1 - confidence) / 2, side="right"))
    cut = max(cut, 1)
    return float(walsh[cut - 1]), float(walsh[len(walsh) - cut])


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p (q) in the order given."""
    import numpy as np

    if not p_values:
        return []
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    adjusted = np.minimum.accumulate(scaled[::-1])[::-1].clip(max=1.0)
    q = np.empty_like(adjusted)
    q[order] = adjusted
    return [float(value) for value in q]


def family_of(feature: Feature) -> str:
    """The family that a feature is adjusted in."""
    if feature.assay == "cyclin_e_ihc":
        return "cyclin E protein"
    return _FAMILY_OF_MODALITY.get(feature.modality, "immune infiltrate")


def cohort_statistics(
    catalogue: Catalogue,
    mechanisms: Mechanisms,
    pairs: pd.DataFrame,
    transitions: pd.DataFrame,
    settings: Settings,
) -> list[dict[str, Any]]:
    """Rows of ``resistance_statistics``: one per variant or state mechanism and per feature with a change.

    Parameters
    ----------
    pairs
        ``integrated_resistance_pairs``; withdrawn patients count nowhere.
    transitions
        ``resistance_transitions``. A mechanism that is itself a change has no baseline state to compare, so its
        feature is tested instead. Transitions of ``chosen_from_cohort`` are counted apart and not tested.
    """
    kept = pairs[~pairs["withdrawn"].astype(bool)]
    rows = _mechanism_rows(mechanisms, kept, transitions, settings)
    changing = [feature for feature in catalogue.features if feature.compared]
    rows += [_feature_row(feature, kept, settings) for feature in changing]
    return _adjusted(rows)


def _mechanism_rows(
    mechanisms: Mechanisms, pairs: pd.DataFrame, transitions: pd.DataFrame, settings: Settings
) -> list[dict[str, Any]]:
    patients = set(pairs["patient_id"])
    own = [row for row in records(transitions) if row["patient_id"] in patients]
    rows = []
    for mechanism in mechanisms.listed:
        stated = [row for row in own if row["mechanism"] == mechanism.code]
        if mechanism.kind is Kind.PAIRED or not stated:
            continue
        evaluable = [row for row in stated if row["transition"] in _EVALUABLE]
        # A locus that is read because this cohort showed it can't tell how common it is in this cohort, found or not.
        found = [Transition(row["transition"]) for row in evaluable if not row["chosen_from_cohort"]]
        up, down = sum(one in _UP for one in found), found.count(Transition.LOST)
        after = sum(one in _AT_PROGRESSION for one in found)
        before = after - up + down
        row = {
            "family": _FAMILIES.get(mechanism.kind, "states"),
            "item": mechanism.code,
            "test": "mcnemar_exact",
            "n_eligible": sum(NOT_MEASURED not in (row["reason"] or "") for row in stated),
            "n_pairs": len(found),
            "n_up": up,
            "n_down": down,
            "n_baseline": before,
            "n_progression": after,
            "n_zero": None,
            "n_chosen_from_cohort": len(evaluable) - len(found),
            "ci_low": None,
            "ci_high": None,
            "unit": "share of pairs",
        }
        if len(found) < settings.min_pairs:
            rows.append(row | _untestable(f"{TOO_FEW_PAIRS}: {len(found)} of {settings.min_pairs}"))
        else:
            rows.append(row | _tested(mcnemar_exact(up, down), (up - down) / len(found)))
    return rows


def _feature_row(feature: Feature, pairs: pd.DataFrame, settings: Settings) -> dict[str, Any]:
    status = pairs[f"{feature.name}__pair_status"]
    changes = [float(value) for value in pairs.loc[status == OBSERVED, f"{feature.name}__delta"]]
    ratio = feature.pairing in (Pairing.LOG2_RATIO, Pairing.LOG2_RATIO_PLUS_ONE)
    row = {
        "family": family_of(feature),
        "item": feature.name,
        "test": "wilcoxon_signed_rank",
        "n_eligible": int((~status.isin(_NOT_A_PAIR)).sum()),
        "n_pairs": len(changes),
        "n_up": sum(change > 0 for change in changes),
        "n_down": sum(change < 0 for change in changes),
        "n_baseline": None,
        "n_progression": None,
        "n_zero": sum(change == 0 for change in changes),
        "n_chosen_from_cohort": None,
        "ci_low": None,
        "ci_high": None,
        "unit": "log2" if ratio else feature.unit,
    }
    if len(changes) < settings.min_pairs:
        return row | _untestable(f"{TOO_FEW_PAIRS}: {len(changes)} of {settings.min_pairs}")
    result = signed_rank(changes, settings.confidence)
    if result.n_zero == len(changes):
        return row | _untestable(NO_CHANGE)
    return row | _tested(result.p_value, result.shift) | {"ci_low": result.low, "ci_high": result.high}


def _tested(p_value: float, estimate: float) -> dict[str, Any]:
    return {"p_value": p_value, "estimate": estimate, "status": OBSERVED, "reason": ""}


def _untestable(reason: str) -> dict[str, Any]:
    return {"p_value": None, "estimate": None, "status": str(Absence.NOT_EVALUABLE), "reason": reason}


def _adjusted(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with ``q_value`` and ``family_size``; what isn't testable is no test of its family."""
    listed = list(rows)
    families: dict[str, list[dict[str, Any]]] = {}
    for row in listed:
        row["q_value"] = None
        families.setdefault(row["family"], []).append(row)
    for members in families.values():
        tested = [row for row in members if row["p_value"] is not None]
        for row, q in zip(tested, benjamini_hochberg([row["p_value"] for row in tested]), strict=True):
            row["q_value"] = q
        for row in members:
            row["family_size"] = len(tested)
    return listed
