"""A picture of the gating tree for the partition's metadata: a panel a population, the density of its parent's events.

Red lines are bounds placed on the data, orange ones come from control tubes, grey ones are fixed; the side of them that
the population lies on is tinted.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from palbo_assets.cytometry.gating import Indices, Stained
    from palbo_assets.cytometry.strategy import Population, Strategy

_SIDE, _HEAD, _FOOT, _GAP, _COLUMNS = 116, 30, 15, 10, 8  # px; the event log keeps the picture, so it is small
_BINS = 58
_MOST = 20_000  # events drawn of a population: more change no picture
_LOWEST, _HIGHEST = -0.05, 1.0
_INK, _RED, _ORANGE, _GREY = (60, 60, 60), (40, 40, 200), (0, 130, 230), (150, 150, 150)  # blue, green, red
_TINT = (215, 245, 255)


def gating_picture(
    sample: Stained,
    strategy: Strategy,
    gated: Mapping[str, Indices | None],
    bounds: Mapping[str, float],
    origins: Mapping[str, str],
) -> str | None:
    """PNG (base64) of every population that the tube can show, in the order of the strategy; None when it shows none.

    Parameters
    ----------
    gated
        Events of the populations, as `gating.gate` gives them.
    bounds, origins
        Of the cuts, linear; as `facs_gates` states them.
    """
    import cv2

    shown = [one for one in strategy.populations if gated.get(one.name) is not None]
    if not shown:
        return None
    rows = -(-len(shown) // _COLUMNS)
    width, height = _SIDE + _GAP, _HEAD + _SIDE + _FOOT + _GAP
    sheet = np.full((rows * height + _GAP, min(len(shown), _COLUMNS) * width + _GAP, 3), 255, dtype=np.uint8)
    for at, population in enumerate(shown):
        top, left = _GAP + at // _COLUMNS * height, _GAP + at % _COLUMNS * width
        panel = _panel(population, sample, strategy, gated, bounds, origins)
        sheet[top : top + panel.shape[0], left : left + panel.shape[1]] = panel
    return base64.b64encode(cv2.imencode(".png", sheet, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes()).decode("ascii")


def _panel(
    population: Population,
    sample: Stained,
    strategy: Strategy,
    gated: Mapping[str, Indices | None],
    bounds: Mapping[str, float],
    origins: Mapping[str, str],
) -> NDArray[np.uint8]:
    import cv2

    parent, members = gated[population.parent], gated[population.name]
    assert parent is not None and members is not None  # its own events are there, so its parent's are
    x, y = _axes(population, sample, strategy)
    panel = np.full((_HEAD + _SIDE + _FOOT, _SIDE, 3), 255, dtype=np.uint8)
    drawn = parent[:: max(1, parent.size // _MOST)]
    panel[_HEAD : _HEAD + _SIDE] = _density(
        strategy.transform(x, sample.of(x, drawn)), strategy.transform(y, sample.of(y, drawn))
    )
    area = panel[_HEAD : _HEAD + _SIDE]
    tinted = np.full((_SIDE, _SIDE), bool(population.sides))
    for side in population.sides:
        cut = strategy.cuts[side.cut]
        marker = cut.channel(sample.columns)
        origin = origins.get(cut.name, "fixed").removeprefix("batch-")
        colour = {"fixed": _GREY, "fmo": _ORANGE}.get(origin, _RED)
        linear = bounds.get(cut.name)
        bound = cut.fixed if linear is None else float(strategy.transform(marker or "", np.array([linear]))[0])
        if marker == x:
            tinted[:, : _px(bound)] &= not side.positive
            tinted[:, _px(bound) :] &= side.positive
            cv2.line(area, (_px(bound), 0), (_px(bound), _SIDE - 1), colour, 1)
        elif marker == y:
            tinted[: _SIDE - 1 - _px(bound)] &= side.positive
            tinted[_SIDE - 1 - _px(bound) :] &= not side.positive
            cv2.line(area, (0, _SIDE - 1 - _px(bound)), (_SIDE - 1, _SIDE - 1 - _px(bound)), colour, 1)
    empty = tinted & (area == 255).all(axis=2)
    area[empty] = _TINT
    if population.polygon is not None:
        points = np.array([[_px(px), _SIDE - 1 - _px(py)] for px, py in population.polygon.points], dtype=np.int32)
        cv2.polylines(area, [points], True, _GREY, 1, cv2.LINE_AA)
    cv2.rectangle(area, (0, 0), (_SIDE - 1, _SIDE - 1), (200, 200, 200), 1)
    share = f"{100 * members.size / parent.size:.1f} % of {population.parent}" if parent.size else "no parent"
    _write(panel, population.name, 11, _INK)
    _write(panel, share, 24, _GREY)
    _write(panel, f"{x} / {y}", _HEAD + _SIDE + 11, _INK)
    return panel


def _axes(population: Population, sample: Stained, strategy: Strategy) -> tuple[str, str]:
    """The channels that a population is drawn in: its own first two, completed with scatter."""
    if population.polygon is not None:
        return population.polygon.x, population.polygon.y
    channels = [strategy.cuts[side.cut].channel(sample.columns) or "" for side in population.sides]
    channels += [*population.rectangle, "SSC-A", "FSC-A"]
    distinct = [one for one in dict.fromkeys(channels) if one in sample.columns]
    return distinct[0], distinct[1] if len(distinct) > 1 else distinct[0]


def _density(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Square picture of the events' density, on a logarithmic blue scale; white where there are none."""
    import cv2

    inside = np.clip(x, _LOWEST, _HIGHEST), np.clip(y, _LOWEST, _HIGHEST)
    counts = np.histogram2d(*inside, bins=_BINS, range=[[_LOWEST, _HIGHEST]] * 2)[0].T[::-1]
    level = np.log1p(counts) / max(float(np.log1p(counts.max())), 1e-9)
    steps = (np.ceil(level * 12) / 12)[..., None]  # few colours compress well
    picture = 255 - steps * np.array([60, 150, 225])
    square: NDArray[np.uint8] = cv2.resize(picture.astype(np.uint8), (_SIDE, _SIDE), interpolation=cv2.INTER_NEAREST)
    return square


def _px(value: float) -> int:
    return round(float(np.clip((value - _LOWEST) / (_HIGHEST - _LOWEST), 0, 1)) * (_SIDE - 1))


def _write(panel: NDArray[np.uint8], text: str, baseline: int, colour: tuple[int, int, int]) -> None:
    """Text in one line, as large as fits."""
    import cv2

    scale = 0.36
    width = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0][0]
    scale *= min(1.0, (_SIDE - 2) / max(width, 1))
    cv2.putText(panel, text, (1, baseline), cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)
