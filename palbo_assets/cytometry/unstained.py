"""Controls delivered as samples: an unstained tube has no positive channel, a single stain has exactly one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from palbo_assets.cytometry.logicle import Logicle
from palbo_assets.platform.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from palbo_assets.cytometry.fcs import Events
    from palbo_assets.cytometry.gating import Stained

_FOLLOWS = 0.95  # correlation from which a channel shows nothing but the spill of another
_FEWEST_CHANNELS = 4  # with fewer fluorochromes a sample can't be told from a control


def positive_percent(events: Events, sample: Stained, threshold: float, scale: Logicle) -> dict[str, float]:
    """Percentage of all events above ``threshold`` (0..1 of the scale) in each fluorescence channel but viability.

    Dead cells light up the viability channel in any tube, so it says nothing about staining. In a file without
    compensation a channel that follows the brightest one shows its spill, and counts as 0.
    """
    viability = sample.columns.get("Viability")
    linear = float(scale.inverse(threshold))
    columns = [column for column in events.fluorescence if column != viability]
    share = {column: 100.0 * float(np.mean(sample.channel(column) >= linear)) for column in columns}
    if not sample.compensated and columns:
        signal = {column: float(np.quantile(sample.channel(column), 0.95)) for column in columns}
        brightest = max(columns, key=lambda column: signal[column])
        bright = np.flatnonzero(sample.channel(brightest) >= linear)
        for column in columns:
            if column != brightest and bright.size > 2 and _follows(sample, column, brightest, bright):
                share[column] = 0.0
    return {events.channels[column]: percent for column, percent in share.items()}


def _follows(sample: Stained, column: int, brightest: int, bright: NDArray[np.intp]) -> bool:
    """Whether a channel is proportional to the brightest one among the events bright in that."""
    values = sample.channel(column, bright), sample.channel(brightest, bright)
    if min(float(np.ptp(one)) for one in values) == 0.0:
        return False
    return float(np.corrcoef(*values)[0, 1]) > _FOLLOWS


def refuse_control(positive: dict[str, float], min_positive_pct: float, *, file: str = "") -> None:
    """Refuse what is stained in no channel or in one.

    Parameters
    ----------
    positive
        As `positive_percent` returns it (%).
    min_positive_pct
        Share of events (%) that makes a channel a stained one.

    Raises
    ------
    InputError
        ``E_UNSTAINED``.
    """
    stained = sum(share >= min_positive_pct for share in positive.values())
    if len(positive) < _FEWEST_CHANNELS or stained > 1:
        return
    what = "an unstained control" if stained == 0 else "a single-stain control"
    raise InputError(
        "E_UNSTAINED",
        f"{stained} of {len(positive)} fluorescence channels are stained: this looks like {what}",
        file=file,
        fix="deliver the fully stained tube as fcs; a control goes in the role control, its sample_name saying which",
    )
