"""Marker-positive cells per mm2 of a compartment, and when the area is enough to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from palbo_assets.histology.settings import MarkerSettings
from palbo_assets.study.vocabulary import OBSERVED, Absence


@dataclass(frozen=True)
class Count:
    """One counted region: positive cells, all cells, area [mm2]; None where the table doesn't say."""

    scorer: str
    region: str
    n_positive: int | None
    n_cells: int | None
    area_mm2: float | None
    control_ok: bool | None


@dataclass(frozen=True)
class Density:
    """A compartment's density [cells/mm2]; None where the status isn't OBSERVED."""

    density_mm2: float | None
    n_positive: int | None
    area_mm2: float | None
    pct_positive: float | None
    control_ok: bool | None
    status: str
    reason: str | None


def density(counts: Sequence[Count], compartment: str, settings: MarkerSettings) -> Density:
    """Density of one marker in one compartment of a specimen.

    Regions of a scorer are pooled (counts and areas are summed, so a hot spot doesn't weigh more than its area);
    several scorers are averaged. Zero positive cells in enough area is a density of 0, an unknown area is not.

    Parameters
    ----------
    counts
        The specimen's regions, at least one.
    """
    controls = [c.control_ok for c in counts]
    control_ok = None if all(c is None for c in controls) else all(c is not False for c in controls)
    pooled = [_pool([c for c in counts if c.scorer == scorer]) for scorer in sorted({c.scorer for c in counts})]
    areas = [area for _, _, area in pooled if area is not None]
    area = min(areas) if len(areas) == len(pooled) else None
    positives = [n for n, _, _ in pooled if n is not None]
    twice = len({(c.scorer, c.region) for c in counts}) < len(counts)
    reason: str | None = None
    if control_ok is False:
        status, reason = str(Absence.QC_FAIL), "the run's control stain failed"
    elif twice:
        status, reason = str(Absence.NOT_EVALUABLE), "one region was counted twice with different results"
    elif len(positives) < len(pooled):
        status, reason = str(Absence.NOT_EVALUABLE), "positive cells are not stated"
    elif area is None:
        status, reason = str(Absence.NOT_EVALUABLE), "the area is not stated"
    elif area < settings.min_area_mm2:
        status, reason = str(Absence.NOT_EVALUABLE), f"less than {settings.min_area_mm2:g} mm2"
    else:
        status = OBSERVED
        if compartment == "tumour" and area < settings.wanted_area_mm2:
            reason = f"less than {settings.wanted_area_mm2:g} mm2 of tumour"
    observed = status == OBSERVED
    shares = [100 * n / cells for n, cells, _ in pooled if n is not None and cells]
    return Density(
        density_mm2=_mean([n / a for n, _, a in pooled if n is not None and a]) if observed else None,
        n_positive=round(sum(positives) / len(positives)) if len(positives) == len(pooled) else None,
        area_mm2=area,
        pct_positive=_mean(shares) if observed and len(shares) == len(pooled) else None,
        control_ok=control_ok,
        status=status,
        reason=reason,
    )


def _pool(counts: Sequence[Count]) -> tuple[int | None, int | None, float | None]:
    """(positive cells, all cells, area) of one scorer's regions; None where any region doesn't say."""
    positive = [c.n_positive for c in counts if c.n_positive is not None]
    cells = [c.n_cells for c in counts if c.n_cells is not None]
    area = [c.area_mm2 for c in counts if c.area_mm2 is not None]
    return (
        sum(positive) if len(positive) == len(counts) else None,
        sum(cells) if len(cells) == len(counts) else None,
        sum(area) if len(area) == len(counts) else None,
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
