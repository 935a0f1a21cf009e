"""Placing the cuts of a strategy on the events themselves, with control tubes where there are any.

A cut is tried in the order that the strategy states; a bound outside its limits, or a valley or tail below what the
unstained tube reaches, counts as none, and what was passed over is told. What a sample gives by itself is placed here;
`batches` weighs it against what the samples acquired alike give together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from palbo_assets.cytometry.controls import Controls
from palbo_assets.cytometry.density import GRID, Found, counts_of, tail, valley
from palbo_assets.cytometry.gating import Stained, Tube
from palbo_assets.cytometry.strategy import ROOT, Cut, Strategy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from palbo_assets.cytometry.settings import Settings


@dataclass(frozen=True)
class Placed:
    """Where a cut lies: ``bound_linear`` in the channel's units, ``bound_scale`` on the transformed scale (0..1).

    ``origin`` is fmo, valley, tail or fixed, and ``marker``, ``origin`` and bounds are None where the tube lacks the
    channel. ``events`` is what the bound was placed on, ``passed_over`` why earlier ways gave none. ``floor_scale`` is
    what the unstained tube reaches; None without one.
    """

    cut: str
    marker: str | None
    origin: str | None
    bound_scale: float | None
    bound_linear: float | None
    depth: float | None = None
    events: int | None = None
    passed_over: str | None = None
    floor_scale: float | None = None


def by_density(way: str, counts: NDArray[np.int64], cut: Cut, settings: Settings) -> Found | str:
    """A valley or a tail of the events in each bin of `density.GRID`, or the word why there is none."""
    if counts.sum() < settings.min_cut_events:
        return "few_events"
    if way == "tail":
        return tail(counts, low=cut.tail_low, tolerance=settings.tail_tolerance) or "none"
    found = valley(counts, cut.lowest, cut.highest, min_z=settings.min_valley_z, min_events=settings.min_peak_events)
    if found is None:
        return "none"
    return "shallow" if (found.depth or 0.0) < settings.min_valley_depth else found


class Placing:
    """The cuts of one sample, placed as they are needed; ``densities`` holds the events in each bin of a placed cut."""

    def __init__(
        self, sample: Stained, strategy: Strategy, settings: Settings, controls: Controls | None = None
    ) -> None:
        self.sample = sample
        self.strategy = strategy
        self.settings = settings
        self.controls = controls or Controls()
        self.placed: dict[str, Placed] = {}
        self.densities: dict[str, NDArray[np.int64]] = {}
        self._bounds: dict[str, float] = {}
        self.tube = Tube(sample, strategy, self._bounds)
        self._populations = {one.name: one for one in strategy.populations}
        self._edges: dict[str, NDArray[np.float64]] = {}

    def place_all(self) -> dict[str, Placed]:
        """Place every cut."""
        for cut in self.strategy.cuts.values():
            self.place(cut)
        return self.placed

    def place(self, cut: Cut) -> None:
        """Place one cut, after those that its events depend on."""
        if cut.name in self.placed:
            return
        self._place_needed(cut)
        found = self._find(cut)
        self.placed[cut.name] = found
        if found.bound_linear is not None:
            self._bounds[cut.name] = found.bound_linear

    def _place_needed(self, cut: Cut) -> None:
        needed = list(cut.among)
        name = cut.within
        while name != ROOT:
            needed += self._populations[name].sides
            name = self._populations[name].parent
        for side in needed:
            self.place(self.strategy.cuts[side.cut])

    def _find(self, cut: Cut) -> Placed:
        marker = cut.channel(self.sample.columns)
        if marker is None:
            return Placed(cut.name, None, None, None, None)
        events = self._events(self.tube, cut)
        if events is None:
            return Placed(cut.name, marker, None, None, None)
        counts = counts_of(self.sample.of(marker, events), self._grid(marker))
        self.densities[cut.name] = counts
        passed: list[str] = []
        floor = self._unstained_floor(cut, marker)
        way, found = "fixed", Found(cut.fixed)
        for tried in cut.ways:
            result = self._by_fmo(cut, marker) if tried == "fmo" else by_density(tried, counts, cut, self.settings)
            if isinstance(result, str):
                passed.append(f"{tried}:{result}")
            elif not cut.lowest <= result.bound <= cut.highest:
                passed.append(f"{tried}:outside_limits")
            elif tried != "fmo" and floor is not None and result.bound < floor:
                passed.append(f"{tried}:below_unstained")
            else:
                way, found = tried, result
                break
        linear = self.strategy.inverse(marker, found.bound)
        told = ";".join(passed) or None
        return Placed(cut.name, marker, way, found.bound, linear, found.depth, int(events.size), told, floor)

    def _by_fmo(self, cut: Cut, marker: str) -> Found | str:
        control = self.controls.fmo.get(marker)
        if control is None:
            return self.controls.unusable.get(marker, "no_control")
        return self._percentile(control, cut, marker)

    def _unstained_floor(self, cut: Cut, marker: str) -> float | None:
        """What unstained cells reach in a fluorescence channel: no positive cell lies below it."""
        control = self.controls.unstained
        if control is None or marker not in control.columns or marker not in self.strategy.markers:
            return None
        values = control.of(marker, Tube(control, self.strategy, {}).events(self._scatter_only()))
        if values.size < self.settings.min_control_events:
            return None
        return float(
            self.strategy.transform(marker, np.atleast_1d(np.quantile(values, self.settings.fmo_percentile / 100)))[0]
        )

    def _scatter_only(self) -> str:
        """The deepest population that scatter alone defines: an unstained tube can be gated no further."""
        name = ROOT
        for population in self.strategy.populations:
            if population.parent != name or population.sides or set(population.markers) & set(self.strategy.markers):
                break
            name = population.name
        return name

    def _percentile(self, control: Stained, cut: Cut, marker: str) -> Found | str:
        if marker not in control.columns:
            return "control_lacks_channel"
        events = self._events(Tube(control, self.strategy, self._bounds), cut)
        if events is None or events.size < self.settings.min_control_events:
            return "few_control_events"
        reach = np.quantile(control.of(marker, events), self.settings.fmo_percentile / 100)
        return Found(float(self.strategy.transform(marker, np.atleast_1d(reach))[0]))

    def _events(self, tube: Tube, cut: Cut) -> NDArray[np.intp] | None:
        events = tube.events(cut.within)
        return None if events is None else tube.on_sides(events, cut.among)

    def _grid(self, marker: str) -> NDArray[np.float64]:
        kind = marker if marker not in self.strategy.markers else ""
        if kind not in self._edges:
            self._edges[kind] = self.strategy.inverses(marker, GRID)
        return self._edges[kind]
