"""The spill matrix from single-stain tubes, for files that come without one.

The share of a fluorochrome's signal that another detector sees is the difference of medians between stained and
unstained events there, over that in its own detector (Bagwell & Adams 1993; the median form is flowCore's). Medians
don't follow the few events at the ends of either population.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from palbo_assets.cytometry.compensation import Spill

if TYPE_CHECKING:
    from palbo_assets.cytometry.fcs import Events
    from palbo_assets.cytometry.settings import Settings

_LARGEST_CONDITION = 1e6  # of a matrix whose inverse holds ten digits


def spill_of(tubes: Mapping[int, Events], unstained: Events, settings: Settings) -> Spill | str:
    """Spill over the channels of ``tubes``.

    Parameters
    ----------
    tubes
        Column of the stained channel -> the tube stained with its fluorochrome alone. All of the channels that are to
        be compensated need one.
    unstained
        The tube without any, of the same channels.
    settings
        Of it ``min_stained_events``, and what an event has to outshine to be stained: ``min_stained_rise`` times the
        ``fmo_percentile`` of unstained ones.

    Returns
    -------
    Spill, or the word why there is none: ``few_stained_events``, ``singular``.
    """
    columns = sorted(tubes)
    channels = unstained.channels
    background = {column: unstained.data.column(column) for column in columns}
    medians = {column: float(np.median(values)) for column, values in background.items()}
    matrix = np.eye(len(columns))
    for row, source in enumerate(columns):
        tube = tubes[source]
        own = tube.data.column(source)
        reach = max(float(np.quantile(background[source], settings.fmo_percentile / 100)), medians[source])
        stained = np.flatnonzero(own > max(settings.min_stained_rise * reach, reach + 1.0))
        if stained.size < settings.min_stained_events:
            return "few_stained_events"
        rise = float(np.median(own[stained])) - medians[source]
        for at, target in enumerate(columns):
            if target != source:
                seen = float(np.median(tube.data.column(target, stained))) - medians[target]
                matrix[row, at] = seen / rise
    if not np.isfinite(matrix).all() or np.linalg.cond(matrix) > _LARGEST_CONDITION:
        return "singular"
    return Spill(tuple(channels[column] for column in columns), matrix)
