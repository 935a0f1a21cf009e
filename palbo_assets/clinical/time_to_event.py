"""Survival of groups of patients: Kaplan-Meier curves, the log-rank test, Cox's model. The arithmetic is lifelines'.

Groups are told apart by one characteristic at a time; nothing is adjusted for anything, and patients without a value
of the characteristic are in no group. What too few events can't carry is null with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, sqrt
from typing import TYPE_CHECKING, Any

from palbo_assets.clinical.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

TOO_FEW_EVENTS = "TOO_FEW_EVENTS"
ALL = "all"
_Z95 = 1.959963984540054


@dataclass(frozen=True)
class Median:
    """Median time with the limits of its 95 % interval (Brookmeyer and Crowley 1982); None where it isn't reached."""

    time: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Hazard:
    """Log hazard ratio and its standard error, the ratio with a 95 % interval, and Wald's p."""

    log_ratio: float
    standard_error: float
    ratio: float
    low: float
    high: float
    p_value: float


def kaplan_meier(times: Sequence[float], events: Sequence[bool]) -> list[dict[str, Any]]:
    """The curve: one row an event time, ``time, n_at_risk, n_events, survival, low, high``.

    The 95 % interval is Greenwood's on the log scale (the default of R's survfit), cut at 1, and None where the curve
    has reached 0. Times at which nobody had an event are left out.
    """
    from lifelines import KaplanMeierFitter

    curve = KaplanMeierFitter().fit(list(times), list(events))
    rows = []
    variance = 0.0
    for time, step in curve.event_table[curve.event_table["observed"] > 0].iterrows():
        at_risk, died = int(step["at_risk"]), int(step["observed"])
        survival = float(curve.survival_function_.loc[time].iloc[0])
        low = high = None
        if at_risk > died:
            variance += died / (at_risk * (at_risk - died))
            width = exp(_Z95 * sqrt(variance))
            low, high = survival / width, min(1.0, survival * width)
        rows.append(
            {
                "time": float(str(time)),
                "n_at_risk": at_risk,
                "n_events": died,
                "survival": survival,
                "low": low,
                "high": high,
            }
        )
    return rows


def median_time(times: Sequence[float], events: Sequence[bool]) -> Median:
    """The first time at which the curve is at or below one half, and where the interval's limits are."""
    rows = kaplan_meier(times, events)

    def first_below(name: str) -> float | None:
        return next((row["time"] for row in rows if row[name] is not None and row[name] <= 0.5), None)

    return Median(first_below("survival"), first_below("low"), first_below("high"))


def log_rank(times: Sequence[float], events: Sequence[bool], groups: Sequence[object]) -> float:
    """p of the log-rank test over two or more groups."""
    from lifelines.statistics import multivariate_logrank_test

    return float(multivariate_logrank_test(list(times), list(groups), list(events)).p_value)


def cox(frame: pd.DataFrame, time: str, event: str) -> dict[str, Hazard]:
    """Cox's proportional hazards with Efron's ties, over all other (numeric) columns of ``frame`` at once.

    Returns
    -------
    dict
        Column -> its hazard ratio for one unit more.
    """
    from lifelines import CoxPHFitter

    summary = CoxPHFitter().fit(frame, duration_col=time, event_col=event).summary
    return {
        str(name): Hazard(
            float(row["coef"]),
            float(row["se(coef)"]),
            float(row["exp(coef)"]),
            float(row["exp(coef) lower 95%"]),
            float(row["exp(coef) upper 95%"]),
            float(row["p"]),
        )
        for name, row in summary.iterrows()
    }


def curves(patients: Sequence[Mapping[str, Any]], settings: Settings) -> list[dict[str, Any]]:
    """Curves of progression-free survival in days: of all, and of each level of the settings' characteristics.

    ``patients`` are mappings with ``pfs_days``, ``pfs_event`` and the characteristics.
    """
    rows = []
    for factor, level, members in _strata(patients, settings):
        for row in kaplan_meier([one["pfs_days"] for one in members], [bool(one["pfs_event"]) for one in members]):
            rows.append(
                {
                    "factor": factor,
                    "level": level,
                    "day": round(row["time"]),
                    "n_at_risk": row["n_at_risk"],
                    "n_events": row["n_events"],
                    "survival": row["survival"],
                    "survival_low": row["low"],
                    "survival_high": row["high"],
                }
            )
    return rows


def comparisons(patients: Sequence[Mapping[str, Any]], settings: Settings) -> list[dict[str, Any]]:
    """Numbers, medians, and hazard ratio against the characteristic's first level (in alphabetical order)."""
    import pandas as pd

    rows = []
    strata = _strata(patients, settings)
    for factor, level, members in strata:
        times = [float(one["pfs_days"]) for one in members]
        events = [bool(one["pfs_event"]) for one in members]
        middle = median_time(times, events)
        row: dict[str, Any] = {
            "factor": factor,
            "level": level,
            "n": len(members),
            "n_events": sum(events),
            "median_days": middle.time,
            "median_low": middle.low,
            "median_high": middle.high,
        }
        levels = [known for name, known, _ in strata if name == factor]
        if factor != ALL and level != levels[0]:
            row["reference_level"] = levels[0]
            reference = next(found for name, known, found in strata if name == factor and known == levels[0])
            both = [*reference, *members]
            outcome = [bool(one["pfs_event"]) for one in both]
            if min(sum(events), sum(outcome) - sum(events)) < settings.survival_min_events:
                row["reason"] = TOO_FEW_EVENTS
            else:
                frame = pd.DataFrame(
                    {
                        "time": [float(one["pfs_days"]) for one in both],
                        "event": outcome,
                        "level": [0.0] * len(reference) + [1.0] * len(members),
                    }
                )
                hazard = cox(frame, "time", "event")["level"]
                row |= {"hazard_ratio": hazard.ratio, "hazard_low": hazard.low, "hazard_high": hazard.high}
                row["log_rank_p"] = log_rank(frame["time"].tolist(), outcome, frame["level"].tolist())
        rows.append(row)
    return rows


def _strata(
    patients: Sequence[Mapping[str, Any]], settings: Settings
) -> list[tuple[str, str, list[Mapping[str, Any]]]]:
    treated = [one for one in patients if one.get("pfs_days") is not None]
    if not treated:
        return []
    found: list[tuple[str, str, list[Mapping[str, Any]]]] = [(ALL, ALL, treated)]
    for factor in settings.survival_factors:
        levels = sorted({_level(one.get(factor)) for one in treated} - {""})
        found += [(factor, level, [one for one in treated if _level(one.get(factor)) == level]) for level in levels]
    return found


def _level(value: object) -> str:
    if value is None or value != value:
        return ""
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)
