"""H-scores: staining intensity weighted over tumour cells, 0-300.

H = 1 x % weak + 2 x % moderate + 3 x % strong (McCarty et al. Arch Pathol Lab Med 1985).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from palbo_assets.histology.settings import CyclinSettings
from palbo_assets.platform.errors import InputError
from palbo_assets.study.vocabulary import OBSERVED, Absence

MAXIMUM = 300.0
SUM_TOLERANCE = 1.0  # percentages are rounded by readers


def from_percentages(negative: float, weak: float, moderate: float, strong: float) -> float:
    """H-score of four percentages of cells.

    Raises
    ------
    InputError
        ``E_RANGE`` for a percentage outside 0-100, ``E_UNITS`` when they are fractions of 1, ``E_SUM`` when they
        don't sum to 100 within 1.
    """
    parts = (negative, weak, moderate, strong)
    if any(not 0 <= part <= 100 for part in parts):
        raise InputError("E_RANGE", "a percentage lies outside 0-100", fix="correct the cell")
    total = sum(parts)
    if abs(total - 1) <= 0.02:
        raise InputError("E_UNITS", "the percentages sum to 1: they are fractions", fix="export percentages, 0-100")
    if abs(total - 100) > SUM_TOLERANCE:
        raise InputError(
            "E_SUM", "the percentages of negative, weak, moderate and strong don't sum to 100", fix="correct the row"
        )
    return weak + 2 * moderate + 3 * strong


@dataclass(frozen=True)
class Reading:
    """One reader's score of a specimen: ``n_cells`` scored, whether the run's control stained as it should."""

    scorer: str
    h_score: float | None
    positive_pct: float | None
    n_cells: int | None
    control_ok: bool | None


@dataclass(frozen=True)
class Agreed:
    """What the readers say together; the scores are None where the status isn't OBSERVED."""

    h_score: float | None
    positive_pct: float | None
    n_readers: int
    reader_difference: float | None
    adjudicate: bool
    control_ok: bool | None
    n_cells: int | None
    status: str
    reason: str | None


CONSENSUS = "consensus"


def agree(readings: Sequence[Reading], settings: CyclinSettings) -> Agreed:
    """One score from the readings of a specimen.

    A consensus reading (scorer ``consensus``) decides; otherwise readers are averaged, unless they differ by more than
    ``settings.adjudicate_above``: then somebody must look again, and there is no score until then.

    Parameters
    ----------
    readings
        At least one, each of another scorer.
    """
    scored = [r for r in readings if r.h_score is not None]
    individual = [r for r in scored if r.scorer.lower() != CONSENSUS]
    decided = [r for r in scored if r.scorer.lower() == CONSENSUS]
    scores = [r.h_score for r in individual if r.h_score is not None]
    difference = max(scores) - min(scores) if len(scores) > 1 else None
    # A run without a recorded control is no better than one whose control failed.
    controls = [r.control_ok for r in readings]
    control_ok = None if all(c is None for c in controls) else all(c is True for c in controls)
    used = decided or individual
    cells = [r.n_cells for r in used if r.n_cells is not None]
    n_cells = min(cells) if cells else None
    adjudicate = difference is not None and difference > settings.adjudicate_above and not decided
    twice = len({r.scorer.lower() for r in scored}) < len(scored)

    if control_ok is not True:
        status, reason = str(Absence.QC_FAIL), "the run's control stain is missing or failed"
    elif not scored:
        status, reason = str(Absence.NOT_EVALUABLE), "no reading gives percentages"
    elif n_cells is None:
        status, reason = str(Absence.NOT_EVALUABLE), "the number of tumour nuclei is not stated"
    elif n_cells < settings.min_nuclei:
        status, reason = str(Absence.NOT_EVALUABLE), f"fewer than {settings.min_nuclei} tumour nuclei"
    elif twice:
        status, reason = str(Absence.NOT_EVALUABLE), "one reader gave two different scores"
    elif adjudicate:
        status, reason = (
            str(Absence.NOT_EVALUABLE),
            f"readers differ by more than {settings.adjudicate_above:g}: adjudicate",
        )
    else:
        status, reason = OBSERVED, None
    observed = status == OBSERVED
    positive = [r.positive_pct for r in used if r.positive_pct is not None]
    h_scores = [r.h_score for r in used if r.h_score is not None]
    return Agreed(
        h_score=sum(h_scores) / len(h_scores) if observed else None,
        positive_pct=sum(positive) / len(positive) if observed and positive else None,
        n_readers=len({r.scorer.lower() for r in individual}),
        reader_difference=difference,
        adjudicate=adjudicate,
        control_ok=control_ok,
        n_cells=n_cells,
        status=status,
        reason=reason,
    )
