"""The product's own gating: a tree of populations, each a rectangle or a polygon within its parent.

Rectangles are placed on the linear values by inverting the (strictly increasing) scale, which selects exactly the
events that the transformed values would, without transforming them; a bound includes its lower end and excludes its
upper one, as GatingML 2.0 says. Each gate looks only at the events of its parent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from palbo_assets.cytometry.compensation import Compensation
from palbo_assets.cytometry.logicle import Logicle
from palbo_assets.cytometry.panel import SCATTER, marker_columns
from palbo_assets.platform.errors import ReferenceBundleError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from palbo_assets.cytometry.fcs import Events

    Indices = NDArray[np.intp]

ROOT = "root"


@dataclass(frozen=True)
class Polygon:
    """Vertices on the transformed scale; the border between the last and the first is closed."""

    x: str
    y: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Population:
    """A named population: every bound and the polygon apply to the events of ``parent``."""

    name: str
    parent: str
    rectangle: Mapping[str, tuple[float | None, float | None]]
    polygon: Polygon | None = None

    @property
    def markers(self) -> tuple[str, ...]:
        """Channels that the gate looks at."""
        return (*self.rectangle, *((self.polygon.x, self.polygon.y) if self.polygon else ()))


@dataclass(frozen=True)
class Strategy:
    """A gating strategy: scale, markers, and populations with every parent before its children."""

    version: str
    logicle: Logicle
    markers: Mapping[str, tuple[str, ...]]
    functional: tuple[str, ...]
    lymphocytes: tuple[str, ...]
    populations: tuple[Population, ...]

    def inverse(self, channel: str, value: float) -> float:
        """Linear value at ``value`` (0..1) of the channel's scale."""
        return value * self.logicle.t if channel in SCATTER else float(self.logicle.inverse(value))

    def transform(self, channel: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scale values of linear ``values``."""
        return values / self.logicle.t if channel in SCATTER else self.logicle.transform(values)


@dataclass(frozen=True)
class Stained:
    """Events with the columns of their markers and their compensation: what gates, quality and abundances look at."""

    events: Events
    columns: Mapping[str, int]
    compensation: Compensation | None

    @property
    def count(self) -> int:
        return self.events.count

    @property
    def compensated(self) -> bool:
        return self.compensation is not None

    def of(self, marker: str, events: Indices | None = None) -> NDArray[np.float64]:
        """Compensated linear values of a marker, of all or of some events; computed anew at every call."""
        return self.channel(self.columns[marker], events)

    def channel(self, column: int, events: Indices | None = None) -> NDArray[np.float64]:
        """As `of`, for any channel of the file."""
        data = self.events.data
        return (
            data.column(column, events) if self.compensation is None else self.compensation.column(data, column, events)
        )


def load_strategy(path: Path | None = None) -> Strategy:
    """The room's populations, or a site's own file of the same form.

    Raises
    ------
    ReferenceBundleError
        ``E_REFERENCE_SCHEMA`` when a site's file doesn't describe a tree of known markers.
    """
    import yaml

    text = (
        files("palbo_assets.cytometry").joinpath("populations.yaml").read_text(encoding="utf-8")
        if path is None
        else path.read_text(encoding="utf-8")
    )
    name = "populations.yaml" if path is None else path.name
    try:
        content = yaml.safe_load(text)
        strategy = Strategy(
            version=str(content["version"]),
            logicle=Logicle(**{key: float(value) for key, value in content["logicle"].items()}),
            markers={
                str(marker): tuple(str(word).upper() for word in words) for marker, words in content["markers"].items()
            },
            functional=tuple(content["functional"]),
            lymphocytes=tuple(content["lymphocytes"]),
            populations=tuple(_population(name, gate) for name, gate in content["populations"].items()),
        )
        known = {ROOT}
        for population in strategy.populations:
            if population.parent not in known:
                raise ValueError(f"{population.name}: its parent must stand before it")
            if any(marker not in strategy.markers and marker not in SCATTER for marker in population.markers):
                raise ValueError(f"{population.name}: unknown marker")
            known.add(population.name)
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ReferenceBundleError(
            "E_REFERENCE_SCHEMA",
            f"the gating can't be used ({type(error).__name__})",
            file=name,
            fix="keep the form of the populations.yaml that comes with the package",
        ) from None
    return strategy


def _population(name: str, gate: Mapping[str, Any]) -> Population:
    polygon = gate.get("polygon")
    bounds = {
        str(marker): (None if low is None else float(low), None if high is None else float(high))
        for marker, (low, high) in gate.get("rectangle", {}).items()
    }
    if not bounds and polygon is None:
        raise ValueError(f"{name}: no gate")
    return Population(
        name=str(name),
        parent=str(gate["parent"]),
        rectangle=bounds,
        polygon=Polygon(polygon["x"], polygon["y"], tuple((float(x), float(y)) for x, y in polygon["points"]))
        if polygon
        else None,
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


def gate(sample: Stained, strategy: Strategy) -> dict[str, Indices | None]:
    """Indices of the events of every population; None where the panel lacks a marker of it or of its parent."""
    found: dict[str, Indices | None] = {ROOT: np.arange(sample.count)}
    for population in strategy.populations:
        events = found[population.parent]
        if events is None or any(marker not in sample.columns for marker in population.markers):
            found[population.name] = None
            continue
        for marker, (low, high) in population.rectangle.items():
            values = sample.of(marker, events)
            keep = np.ones(events.size, dtype=bool)
            if low is not None:
                keep &= values >= strategy.inverse(marker, low)
            if high is not None:
                keep &= values < strategy.inverse(marker, high)
            events = events[keep]
        if population.polygon is not None:
            polygon = population.polygon
            events = events[
                inside(
                    strategy.transform(polygon.x, sample.of(polygon.x, events)),
                    strategy.transform(polygon.y, sample.of(polygon.y, events)),
                    polygon.points,
                )
            ]
        found[population.name] = events
    return found


def inside(
    x: NDArray[np.float64], y: NDArray[np.float64], points: tuple[tuple[float, float], ...]
) -> NDArray[np.bool_]:
    """Whether points lie in a polygon, by the even-odd rule (a ray to the right crosses an odd number of sides)."""
    odd = np.zeros(x.shape, dtype=bool)
    for (x1, y1), (x2, y2) in zip(points, (*points[1:], points[0]), strict=True):
        if y1 == y2:
            continue
        crosses = (y1 > y) != (y2 > y)
        odd ^= crosses & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return odd
