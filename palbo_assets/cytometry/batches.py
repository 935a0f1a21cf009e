"""Bounds of a batch: specimens that were acquired alike are cut alike.

One bound for all of them makes their shares comparable, and a sample with too few events for a valley of its own takes
the one that the others show. Densities over the same events of each sample are pooled by adding up their counts (as
openCyto does when it collapses data for gating, Finak et al. 2014). A sample that the pooled bound doesn't suit keeps
its own: the staining of one tube may differ where the instrument doesn't.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from palbo_assets.cytometry.controls import BEADS
from palbo_assets.cytometry.density import GRID, Found
from palbo_assets.cytometry.thresholds import Placing, by_density

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from palbo_assets.cytometry.gating import Stained
    from palbo_assets.cytometry.settings import Settings
    from palbo_assets.cytometry.strategy import Cut, Strategy

_KEYS = ("patient_id", "timepoint", "specimen_id")


def batch_of(sample: Stained, strategy: Strategy, *, panel_lot: str = "", preparation: str = "") -> str | None:
    """Digest of what a sample was acquired with; None where the file doesn't say its cytometer and all voltages."""
    events = sample.events
    detectors = {
        marker: column for marker, column in sample.columns.items() if marker in strategy.markers and marker != BEADS
    }
    voltages = {marker: events.voltages[column] for marker, column in sorted(detectors.items())}
    if not events.instrument or not voltages or any(volts is None for volts in voltages.values()):
        return None
    names = {marker: events.channels[column].upper() for marker, column in sorted(detectors.items())}
    said = [events.instrument, events.bead_lot, voltages, names, panel_lot, preparation, strategy.version]
    return sha256(json.dumps(said).encode()).hexdigest()[:12]


def density_rows(placing: Placing, batch: str | None) -> list[dict[str, Any]]:
    """Rows of `facs_densities` without their keys, of a sample whose cuts are all placed."""
    rows = []
    for name, placed in placing.placed.items():
        first, text = _written(placing.densities.get(name))
        row = {column: value for column, value in asdict(placed).items() if column != "bound_linear"}
        version = placing.strategy.version
        rows.append({**row, "first_bin": first, "density": text, "batch": batch, "gating_version": version})
    return rows


def batch_bounds(
    densities: Iterable[Mapping[str, Any]], strategy: Strategy, settings: Settings
) -> list[dict[str, Any]]:
    """Rows of `facs_batch_bounds`: one for each specimen and cut whose batch gives a bound.

    Parameters
    ----------
    densities
        Rows of `facs_densities` of all specimens (None for null). Those without a batch, or alone in theirs, have no
        bound here.
    """
    members: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in densities:
        if row["batch"] is not None and row["density"] is not None and row["cut"] in strategy.cuts:
            members[row["batch"], row["cut"]].append(row)
    rows = []
    for (batch, name), alike in sorted(members.items()):
        if len(alike) < settings.min_batch_specimens:
            continue
        pooled = _pooled(alike, strategy.cuts[name], settings)
        if pooled is not None:
            found = {"cut": name, "batch": batch, **asdict(pooled)}
            rows += [{**{key: one[key] for key in _KEYS}, **found} for one in alike]
    return rows


def chosen(
    own: Mapping[str, Any], pooled: Mapping[str, Any] | None, strategy: Strategy, settings: Settings
) -> dict[str, Any]:
    """Where a cut lies in a sample: the batch's bound, or else the sample's own.

    Parameters
    ----------
    own
        Row of `facs_densities`.
    pooled
        Row of `facs_batch_bounds` for the same cut and specimen; None without.

    Returns
    -------
    dict
        Columns of `facs_gates` from ``cut`` to ``passed_over``. The sample keeps its own bound where its own control
        tube gives it, where it comes from a better way than the batch's, where unstained cells reach above the batch's,
        and where too many of its events lie between its own valley and the batch's bound.
    """
    cut = strategy.cuts[own["cut"]]
    row = {name: own[name] for name in ("cut", "marker", "origin", "bound_scale", "depth", "events", "batch")}
    row |= {"bound_linear": None, "source": None, "specimens": None, "passed_over": own["passed_over"]}
    if own["origin"] is None:
        return row
    row |= {"source": "strategy"} if own["origin"] == "fixed" else {"source": "sample", "specimens": 1}
    if pooled is not None:
        unfit = _unfit(own, pooled, cut, settings)
        if unfit is None:
            taken = ("origin", "bound_scale", "depth", "events", "specimens")
            row |= {name: pooled[name] for name in taken} | {"source": "batch", "passed_over": None}
        elif unfit:
            row["passed_over"] = ";".join(filter(None, (f"batch:{unfit}", own["passed_over"])))
    return row | {"bound_linear": strategy.inverse(own["marker"], row["bound_scale"])}


@dataclass(frozen=True)
class _Pooled:
    specimens: int
    origin: str
    bound_scale: float
    depth: float | None
    events: int


def _pooled(alike: Sequence[Mapping[str, Any]], cut: Cut, settings: Settings) -> _Pooled | None:
    counts = np.sum([_counts(row) for row in alike], axis=0)
    for way in cut.ways:
        if way == "fmo":
            controlled = [row for row in alike if row["origin"] == "fmo"]
            if controlled:
                bound = float(np.median([row["bound_scale"] for row in controlled]))
                return _Pooled(len(controlled), way, bound, None, sum(int(row["events"]) for row in controlled))
            continue
        found = by_density(way, counts, cut, settings)
        if isinstance(found, Found) and cut.lowest <= found.bound <= cut.highest:
            return _Pooled(len(alike), way, found.bound, found.depth, int(counts.sum()))
    return None


def _unfit(own: Mapping[str, Any], pooled: Mapping[str, Any], cut: Cut, settings: Settings) -> str | None:
    """Why the sample keeps its own bound (empty: it is the better one); None where it takes the batch's."""
    order = [*cut.ways, "fixed"]
    if own["origin"] == "fmo" or order.index(own["origin"]) < order.index(pooled["origin"]):
        return ""
    if pooled["origin"] != "fmo" and own["floor_scale"] is not None and pooled["bound_scale"] < own["floor_scale"]:
        return "below_unstained"
    if own["origin"] == "valley" and pooled["origin"] == "valley":
        counts = _counts(own)
        first, second = sorted(np.searchsorted(GRID, (own["bound_scale"], pooled["bound_scale"])) - 1)
        at = int(np.searchsorted(GRID, own["bound_scale"])) - 1
        smaller = min(int(counts[:at].sum()), int(counts[at:].sum()))
        if counts[first:second].sum() > settings.max_batch_shift_pct / 100 * smaller + 3 * math.sqrt(smaller):
            return "unlike_the_sample"
    return None


def _written(counts: NDArray[np.int64] | None) -> tuple[int | None, str | None]:
    """Position of the first bin with events, and the events of each bin from there to the last."""
    if counts is None:
        return None, None
    held = np.flatnonzero(counts)
    if not held.size:
        return 0, "0"
    return int(held[0]), " ".join(map(str, counts[held[0] : held[-1] + 1].tolist()))


def _counts(row: Mapping[str, Any]) -> NDArray[np.int64]:
    """Events in each bin of `density.GRID`."""
    counts = np.zeros(GRID.size - 1, dtype=np.int64)
    if row["density"]:
        told = np.array(row["density"].split(), dtype=np.int64)
        counts[int(row["first_bin"]) : int(row["first_bin"]) + told.size] = told
    return counts
