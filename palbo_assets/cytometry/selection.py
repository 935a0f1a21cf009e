"""Choosing the events of a whole tree of gates in one pass over the file, block by block.

A block of events is decoded and compensated by one matrix product, every bound is compared once however many
populations share it, and a population is the bytewise "and" of those comparisons and its parent. Nothing but a byte
per event and population is kept: no compensated value, and no branch that depends on an event.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from palbo_assets.cytometry.fcs_data import BLOCK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from palbo_assets.cytometry.compensation import Compensation
    from palbo_assets.cytometry.fcs_data import ListMode
    from palbo_assets.cytometry.scales import Scale

    Indices = NDArray[np.intp]
    Points = tuple[tuple[float, float], ...]


ROOT = "root"


@dataclass(frozen=True)
class Bound:
    """Events from ``value`` upwards (``above``) or below it, in a channel of the file (compensated linear values)."""

    channel: int
    value: float
    above: bool


@dataclass(frozen=True)
class Area:
    """A polygon over two channels of the file, the last corner joined to the first.

    Corners are linear values, or lie on the scale of a channel that has one.
    """

    x: int
    y: int
    points: Points
    x_scale: Scale | None = None
    y_scale: Scale | None = None


@dataclass(frozen=True)
class Gate:
    """A population by what its events satisfy besides the gates of its parent (`ROOT` for all events)."""

    name: str
    parent: str
    bounds: tuple[Bound, ...] = ()
    areas: tuple[Area, ...] = ()


class Members(Mapping[str, "Indices | None"]):
    """The events of every population and of `ROOT`: their number, and their indices (ascending) for who asks for them.

    None where the panel can't show the population.
    """

    def __init__(self, names: Sequence[str], masks: NDArray[np.bool_], absent: Sequence[str] = ()) -> None:
        self._at = {ROOT: -1} | {name: at for at, name in enumerate(names)}
        self._masks = masks
        self._absent = frozenset(absent)
        self._counts = [*(int(np.count_nonzero(mask)) for mask in masks), masks.shape[1]]
        self._indices: dict[str, Indices] = {}

    def count(self, name: str) -> int | None:
        return None if name in self._absent else self._counts[self._at[name]]

    def __getitem__(self, name: str) -> Indices | None:
        if name in self._absent:
            return None
        if name not in self._indices:
            at = self._at[name]
            self._indices[name] = np.arange(self._masks.shape[1]) if at < 0 else np.flatnonzero(self._masks[at])
        return self._indices[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._at
        yield from self._absent

    def __len__(self) -> int:
        return len(self._at) + len(self._absent)


def select(
    data: ListMode, compensation: Compensation | None, gates: Sequence[Gate], absent: Sequence[str] = ()
) -> Members:
    """Members of every gate; parents stand before their children, ``absent`` are names that can't be evaluated."""
    names = [gate.name for gate in gates]
    masks = np.empty((len(gates), data.count), dtype=bool)
    channels: list[int] = []
    for gate in gates:
        for channel in (*(one.channel for one in gate.bounds), *(at for one in gate.areas for at in (one.x, one.y))):
            if channel not in channels:
                channels.append(channel)
    row = {channel: at for at, channel in enumerate(channels)}
    unmix = _unmixing(len(data.channels), compensation)[channels]
    used = np.flatnonzero(unmix.any(axis=0))
    unmix = np.ascontiguousarray(unmix[:, used])
    for start in range(0, data.count, BLOCK):
        stop = min(start + BLOCK, data.count)
        values = unmix @ data.transposed(start, stop, used)
        compared: dict[tuple[int, float], NDArray[np.bool_]] = {}
        for at, gate in enumerate(gates):
            own = masks[at, start:stop]
            own[:] = True if gate.parent == ROOT else masks[names.index(gate.parent), start:stop]
            for bound in gate.bounds:
                key = (bound.channel, bound.value)
                if key not in compared:
                    compared[key] = values[row[bound.channel]] >= bound.value
                own &= compared[key] if bound.above else ~compared[key]
            for area in gate.areas:
                left = slice(None) if own.all() else np.flatnonzero(own)
                x, y = values[row[area.x]][left], values[row[area.y]][left]
                x = x if area.x_scale is None else area.x_scale.transform(x)
                y = y if area.y_scale is None else area.y_scale.transform(y)
                own[left] = inside(x, y, area.points)
    return Members(names, masks, absent)


def inside(x: NDArray[np.float64], y: NDArray[np.float64], points: Points) -> NDArray[np.bool_]:
    """Whether points lie in a polygon, by the even-odd rule (a ray to the right crosses an odd number of sides)."""
    odd = np.zeros(x.shape, dtype=bool)
    for (x1, y1), (x2, y2) in zip(points, (*points[1:], points[0]), strict=True):
        if y1 == y2:
            continue
        crosses = (y1 > y) != (y2 > y)
        odd ^= crosses & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return odd


def _unmixing(channels: int, compensation: Compensation | None) -> NDArray[np.float64]:
    """(channel x channel): compensated = unmixing @ observed."""
    matrix = np.eye(channels)
    if compensation is not None:
        matrix[np.ix_(compensation.columns, compensation.columns)] = compensation.inverse.T
    return matrix
