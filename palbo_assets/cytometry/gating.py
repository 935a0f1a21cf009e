"""The product's own gating: a tree of populations, each by bounds and a polygon within its parent.

`gate` evaluates the whole tree at once, `Tube` as far as somebody asks, while its bounds are still being placed.

Bounds are placed on the linear values by inverting the (strictly increasing) scale, which selects exactly the
events that the transformed values would, without transforming them; a bound includes its lower end and excludes its
upper one, as GatingML 2.0 says. Each gate looks only at the events of its parent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from palbo_assets.cytometry.compensation import Compensation
from palbo_assets.cytometry.panel import SCATTER, marker_columns
from palbo_assets.cytometry.selection import Area, Bound, Gate, Members, inside, select
from palbo_assets.cytometry.strategy import ROOT, Polygon, Population, Side, Strategy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from palbo_assets.cytometry.fcs import Events

    Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Stained:
    """Events with the columns of their markers and their compensation: what gates, quality and abundances look at."""

    events: Events
    columns: Mapping[str, int]
    compensation: Compensation | None
    source: str = "file"  # of the compensation: file, delivered or single_stains

    @property
    def count(self) -> int:
        return self.events.count

    @property
    def compensated(self) -> bool:
        return self.compensation is not None

    @property
    def origin(self) -> str:
        """Where the compensation comes from: `source`, before the file was exported (already), or nowhere (none)."""
        if self.compensated:
            return self.source
        return "already" if self.events.already_compensated else "none"

    def of(self, marker: str, events: Indices | None = None) -> NDArray[np.float64]:
        """Compensated linear values of a marker, of all or of some events; computed anew at every call."""
        return self.channel(self.columns[marker], events)

    def channel(self, column: int, events: Indices | None = None) -> NDArray[np.float64]:
        """As `of`, for any channel of the file."""
        data = self.events.data
        return (
            data.column(column, events) if self.compensation is None else self.compensation.column(data, column, events)
        )


def stained(events: Events, strategy: Strategy, panel: Mapping[str, str] | None = None, *, file: str = "") -> Stained:
    """Compensate once, with the file's own matrix, and find the markers.

    Raises
    ------
    InputError
        As `panel.marker_columns` does.
    """
    columns = marker_columns(events, strategy.markers, panel, file=file)
    if events.spill is None or events.spill.is_identity:
        return Stained(events, columns, None)
    return Stained(events, columns, Compensation.of(events.spill, events.channels))


def gate(sample: Stained, strategy: Strategy, bounds: Mapping[str, float] | None = None) -> Members:
    """Events of every population, in one pass over the file; None where the panel lacks a marker of it or its parent.

    ``bounds`` are linear bounds of cuts, by name; the fixed ones of the strategy where none is given.
    """
    gates: dict[str, Gate] = {}
    absent = []
    for population in strategy.populations:
        satisfied = _bounds_of(sample, strategy, population, bounds or {})
        if satisfied is None or population.parent not in (ROOT, *gates):
            absent.append(population.name)
            continue
        areas = (_area(sample, strategy, population.polygon),) if population.polygon else ()
        gates[population.name] = Gate(population.name, population.parent, satisfied, areas)
    return select(sample.events.data, sample.compensation, list(gates.values()), absent)


def _bounds_of(
    sample: Stained, strategy: Strategy, population: Population, bounds: Mapping[str, float]
) -> tuple[Bound, ...] | None:
    """Sides and rectangle of a population on the linear values; None where the panel lacks a marker."""
    if any(marker not in sample.columns for marker in population.markers):
        return None
    found = []
    for side in population.sides:
        cut = strategy.cuts[side.cut]
        marker = cut.channel(sample.columns)
        if marker is None:
            return None
        placed = bounds.get(cut.name)
        value = strategy.inverse(marker, cut.fixed) if placed is None else placed
        found.append(Bound(sample.columns[marker], value, side.positive))
    for marker, (low, high) in population.rectangle.items():
        for position, above in ((low, True), (high, False)):
            if position is not None:
                found.append(Bound(sample.columns[marker], strategy.inverse(marker, position), above))
    return tuple(found)


def _area(sample: Stained, strategy: Strategy, polygon: Polygon) -> Area:
    """A polygon on the transformed scale: over scatter its corners are moved to linear values, else the values move."""
    scales = [None if channel in SCATTER else strategy.scale for channel in (polygon.x, polygon.y)]
    factors = [strategy.scale.t if scale is None else 1.0 for scale in scales]
    corners = tuple((x * factors[0], y * factors[1]) for x, y in polygon.points)
    return Area(sample.columns[polygon.x], sample.columns[polygon.y], corners, scales[0], scales[1])


class Tube:
    """A tube that is gated as far as it is asked for: each population once, on the events of its parent alone."""

    def __init__(self, sample: Stained, strategy: Strategy, bounds: Mapping[str, float] | None = None) -> None:
        self.sample = sample
        self.strategy = strategy
        self._bounds = {} if bounds is None else bounds
        self._populations = {one.name: one for one in strategy.populations}
        self._found: dict[str, Indices | None] = {ROOT: np.arange(sample.count)}

    def events(self, name: str) -> Indices | None:
        """Indices of a population's events, ascending; None where the panel lacks a marker of it or of its parent."""
        if name not in self._found:
            population = self._populations[name]
            events = self.events(population.parent)
            self._found[name] = None if events is None else self._within(population, events)
        return self._found[name]

    def on_sides(self, events: Indices, sides: Sequence[Side]) -> Indices | None:
        """Those of ``events`` that lie on the named sides of cuts; None where the panel lacks a marker."""
        for side in sides:
            cut = self.strategy.cuts[side.cut]
            marker = cut.channel(self.sample.columns)
            if marker is None:
                return None
            bound = self._bounds.get(cut.name)
            if bound is None:
                bound = self.strategy.inverse(marker, cut.fixed)
            values = self.sample.of(marker, events)
            events = events[values >= bound if side.positive else values < bound]
        return events

    def _within(self, population: Population, events: Indices) -> Indices | None:
        if any(marker not in self.sample.columns for marker in population.markers):
            return None
        cut = self.on_sides(events, population.sides)
        if cut is None:
            return None
        events = cut
        for marker, (low, high) in population.rectangle.items():
            values = self.sample.of(marker, events)
            keep = np.ones(events.size, dtype=bool)
            if low is not None:
                keep &= values >= self.strategy.inverse(marker, low)
            if high is not None:
                keep &= values < self.strategy.inverse(marker, high)
            events = events[keep]
        if population.polygon is not None:
            x, y = population.polygon.x, population.polygon.y
            events = events[
                inside(
                    self.strategy.transform(x, self.sample.of(x, events)),
                    self.strategy.transform(y, self.sample.of(y, events)),
                    population.polygon.points,
                )
            ]
        return events
