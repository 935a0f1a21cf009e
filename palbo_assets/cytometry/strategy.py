"""A gating strategy: the tree of populations and the named bounds between them, read from YAML.

The form is described in `populations.yaml`. A file that breaks it is refused with the key and the line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from palbo_assets.cytometry.panel import SCATTER
from palbo_assets.cytometry.scales import BY_NAME, Scale
from palbo_assets.platform.errors import ReferenceBundleError

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROOT = "root"
FUNCTIONAL = ("CD25", "CD127", "PD-1", "FOXP3", "HLA-DR", "CD38")
"""Markers whose medians `facs_abundances` has a column for."""

Way = Literal["fmo", "valley", "tail"]
_WAYS = ("fmo", "valley", "tail")
_SIDE = re.compile(r"^(\S+)([+-])$")


@dataclass(frozen=True)
class Polygon:
    """Vertices on the transformed scale; the border between the last and the first is closed."""

    x: str
    y: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Side:
    """One side of a cut: from its bound upwards (``positive``), or below it."""

    cut: str
    positive: bool


@dataclass(frozen=True)
class Cut:
    """A bound between negative and positive of one channel; positions on the transformed scale (0..1).

    ``markers``: the first that a tube shows counts. ``within`` and ``among``: the events that the bound is placed on.
    ``ways`` in the order in which they are tried; ``tail_low`` puts the tail's bound below the main peak.
    """

    name: str
    markers: tuple[str, ...]
    within: str
    among: tuple[Side, ...]
    ways: tuple[Way, ...]
    tail_low: bool
    fixed: float
    lowest: float
    highest: float

    def channel(self, columns: Mapping[str, int]) -> str | None:
        """The marker that a tube with these columns shows; None when it shows none."""
        return next((marker for marker in self.markers if marker in columns), None)


@dataclass(frozen=True)
class Population:
    """A named population: every side, bound and the polygon apply to the events of ``parent``."""

    name: str
    parent: str
    rectangle: Mapping[str, tuple[float | None, float | None]]
    polygon: Polygon | None = None
    sides: tuple[Side, ...] = ()

    @property
    def markers(self) -> tuple[str, ...]:
        """Channels of rectangle and polygon."""
        return (*self.rectangle, *((self.polygon.x, self.polygon.y) if self.polygon else ()))


@dataclass(frozen=True)
class Strategy:
    """A gating strategy: scale, markers, cuts, and populations with every parent before its children.

    ``version`` is the file's own word and a digest of its content, so that no two gatings share one.
    """

    version: str
    scale: Scale
    markers: Mapping[str, tuple[str, ...]]
    functional: tuple[str, ...]
    lymphocytes: tuple[str, ...]
    populations: tuple[Population, ...]
    cuts: Mapping[str, Cut] = field(default_factory=dict)
    beads: str | None = None  # the population of counting beads
    ratios: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # name -> (numerator, denominator)
    whole_blood_only: tuple[str, ...] = ()  # populations that a preparation of mononuclear cells has lost

    def inverse(self, channel: str, value: float) -> float:
        """Linear value at ``value`` (0..1) of the channel's scale."""
        return value * self.scale.t if channel in SCATTER else float(self.scale.inverse(value))

    def inverses(self, channel: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """As `inverse`, for many values."""
        return values * self.scale.t if channel in SCATTER else self.scale.inverse(values)

    def transform(self, channel: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scale values of linear ``values``."""
        return values / self.scale.t if channel in SCATTER else self.scale.transform(values)


class _Wrong(Exception):
    """What is wrong with the entry at a path of keys."""

    def __init__(self, path: tuple[str | int, ...], what: str) -> None:
        super().__init__(what)
        self.path = path
        self.what = what


def load_strategy(path: Path | None = None) -> Strategy:
    """The room's populations, or a site's own file of the same form.

    Raises
    ------
    ReferenceBundleError
        ``E_REFERENCE_SCHEMA`` with key and line when a site's file doesn't describe a tree of known markers.
    """
    import yaml

    own = files("palbo_assets.cytometry").joinpath("populations.yaml")
    text = (own if path is None else path).read_text(encoding="utf-8")
    name = "populations.yaml" if path is None else path.name
    fix = "keep the form of the populations.yaml that comes with the package"
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = None if mark is None else mark.line + 1
        raise ReferenceBundleError(
            "E_REFERENCE_SCHEMA", "the gating is no YAML", file=name, row=line, fix=fix
        ) from None
    try:
        return _strategy(_mapping(content, ()), sha256(text.encode()).hexdigest()[:12])
    except _Wrong as wrong:
        key = ".".join(map(str, wrong.path)) or "the file"
        raise ReferenceBundleError(
            "E_REFERENCE_SCHEMA",
            f"the gating can't be used: {wrong.what}",
            file=name,
            row=_line(tree, wrong.path),
            column=key,
            fix=fix,
        ) from None


def _scale(content: Mapping[str, Any]) -> Scale:
    named = [name for name in BY_NAME if name in content]
    if len(named) != 1:
        raise _Wrong((), f"one scale is needed: {', '.join(BY_NAME)}")
    kind = BY_NAME[named[0]]
    given = _mapping(content[named[0]], (named[0],))
    _known_keys(given, tuple(field.name for field in fields(kind)), at=(named[0],))
    numbers = {key: _number(value, (named[0], key)) for key, value in given.items()}
    for key in ("t", "cofactor", "m", "positive"):
        if numbers.get(key, 1.0) <= 0:
            raise _Wrong((named[0], key), "a number above 0 is needed")
    return kind(**numbers)


def _strategy(content: Mapping[str, Any], digest: str) -> Strategy:
    top = ("version", "markers", "functional", "lymphocytes", "populations")
    optional = ("cuts", "beads", "ratios", "whole_blood_only")
    _known_keys(content, (*top, *optional, *BY_NAME), required=top)
    markers = {
        str(marker): tuple(str(word).upper() for word in _list(words, ("markers", marker)))
        for marker, words in _mapping(content["markers"], ("markers",)).items()
    }
    described = _mapping(content.get("cuts") or {}, ("cuts",))
    trees = _mapping(content["populations"], ("populations",))
    cuts = {
        name: _cut(name, _mapping(cut, ("cuts", name)), markers, trees, described) for name, cut in described.items()
    }
    populations: list[Population] = []
    known = {ROOT}
    for name, gate in trees.items():
        populations.append(_population(name, _mapping(gate, ("populations", name)), markers, cuts, known))
        known.add(name)
    ratios = _mapping(content.get("ratios") or {}, ("ratios",))
    listed = {"functional": set(FUNCTIONAL), "lymphocytes": known, "whole_blood_only": known}
    for key, allowed in listed.items():
        for at, one in enumerate(_list(content.get(key, []), (key,))):
            if one not in allowed:
                raise _Wrong((key, at), "no such marker with a column" if key == "functional" else "no such population")
    if content.get("beads") is not None and content["beads"] not in known:
        raise _Wrong(("beads",), "no such population")
    for name, pair in ratios.items():
        if len(_list(pair, ("ratios", name))) != 2 or not set(pair) <= known:
            raise _Wrong(("ratios", name), "two populations are needed")
    _no_circles(cuts, {one.name: one for one in populations})
    return Strategy(
        version=f"{content['version']}-{digest}",
        scale=_scale(content),
        markers=markers,
        functional=tuple(content["functional"]),
        lymphocytes=tuple(content["lymphocytes"]),
        populations=tuple(populations),
        cuts=cuts,
        beads=content.get("beads"),
        ratios={name: (above, below) for name, (above, below) in ratios.items()},
        whole_blood_only=tuple(content.get("whole_blood_only", [])),
    )


def _cut(
    name: str,
    cut: Mapping[str, Any],
    markers: Mapping[str, Any],
    populations: Mapping[str, Any],
    cuts: Mapping[str, Any],
) -> Cut:
    at = ("cuts", name)
    _known_keys(
        cut, ("marker", "within", "among", "place", "tail", "fixed", "limits"), ("within", "fixed", "limits"), at
    )
    written = cut.get("marker", name)
    channels = tuple(written) if isinstance(written, list) else (written,)
    for marker in channels:
        _marker(marker, markers, (*at, "marker") if "marker" in cut else at)
    if cut["within"] not in populations and cut["within"] != ROOT:
        raise _Wrong((*at, "within"), "no such population")
    ways = _list(cut.get("place", ["valley"]), (*at, "place"))
    if any(way not in _WAYS for way in ways):
        raise _Wrong((*at, "place"), f"the ways are {', '.join(_WAYS)}")
    if cut.get("tail", "high") not in ("high", "low"):
        raise _Wrong((*at, "tail"), "high or low")
    limits = _list(cut["limits"], (*at, "limits"))
    if len(limits) != 2:
        raise _Wrong((*at, "limits"), "two numbers are needed")
    lowest, highest = (_number(limit, (*at, "limits")) for limit in limits)
    fixed = _number(cut["fixed"], (*at, "fixed"))
    if not lowest <= fixed <= highest:
        raise _Wrong((*at, "fixed"), "the fixed bound lies outside the limits")
    among = _sides(cut.get("among", ""), cuts, (*at, "among"))
    return Cut(name, channels, cut["within"], among, tuple(ways), cut.get("tail") == "low", fixed, lowest, highest)


def _population(
    name: str, gate: Mapping[str, Any], markers: Mapping[str, Any], cuts: Mapping[str, Cut], known: set[str]
) -> Population:
    at: tuple[str | int, ...] = ("populations", name)
    _known_keys(gate, ("parent", "gate", "rectangle", "polygon"), ("parent",), at)
    if gate["parent"] not in known:
        raise _Wrong((*at, "parent"), "a parent must stand before its children")
    rectangle: dict[str, tuple[float | None, float | None]] = {}
    for marker, bounds in _mapping(gate.get("rectangle") or {}, (*at, "rectangle")).items():
        here: tuple[str | int, ...] = (*at, "rectangle", marker)
        _marker(marker, markers, here)
        if len(_list(bounds, here)) != 2:
            raise _Wrong(here, "two bounds are needed, null for an open side")
        low, high = (None if bound is None else _number(bound, here) for bound in bounds)
        rectangle[marker] = (low, high)
    polygon = None
    if gate.get("polygon") is not None:
        here = (*at, "polygon")
        drawn = _mapping(gate["polygon"], here)
        _known_keys(drawn, ("x", "y", "points"), ("x", "y", "points"), here)
        for axis in ("x", "y"):
            _marker(drawn[axis], markers, (*here, axis))
        points = [_list(point, (*here, "points")) for point in _list(drawn["points"], (*here, "points"))]
        if len(points) < 3 or any(len(point) != 2 for point in points):
            raise _Wrong((*here, "points"), "three or more pairs of numbers are needed")
        x, y = ([_number(point[axis], (*here, "points")) for point in points] for axis in (0, 1))
        polygon = Polygon(drawn["x"], drawn["y"], tuple(zip(x, y, strict=True)))
    sides = _sides(gate.get("gate", ""), cuts, (*at, "gate"))
    if not (rectangle or polygon or sides):
        raise _Wrong(at, "no gate")
    return Population(name, gate["parent"], rectangle, polygon, sides)


def _sides(written: Any, cuts: Mapping[str, Any], at: tuple[str | int, ...]) -> tuple[Side, ...]:
    if not isinstance(written, str):
        raise _Wrong(at, "sides of cuts are needed, such as CD3+ CD19-")
    found = []
    for word in written.split():
        match = _SIDE.match(word)
        if match is None or match[1] not in cuts:
            raise _Wrong(at, "it names a cut that isn't described, or no side (+ or -) of it")
        found.append(Side(match[1], match[2] == "+"))
    return tuple(found)


def _no_circles(cuts: Mapping[str, Cut], populations: Mapping[str, Population]) -> None:
    """A cut is placed within a population; that one's own cuts must be placeable before it."""

    def visit(cut: Cut, path: tuple[str, ...]) -> None:
        if cut.name in path:
            raise _Wrong(("cuts", cut.name, "within"), "the population is itself made by this cut")
        needed = list(cut.among)
        name = cut.within
        while name != ROOT:
            needed += populations[name].sides
            name = populations[name].parent
        for side in needed:
            visit(cuts[side.cut], (*path, cut.name))

    for cut in cuts.values():
        visit(cut, ())


def _known_keys(
    entry: Mapping[str, Any],
    allowed: tuple[str, ...],
    required: tuple[str, ...] = (),
    at: tuple[str | int, ...] = (),
) -> None:
    for key in entry:
        if key not in allowed:
            raise _Wrong((*at, key), f"the key isn't known; keys are {', '.join(allowed)}")
    for key in required:
        if entry.get(key) is None:
            raise _Wrong(at, f"{key} is missing")


def _marker(marker: Any, markers: Mapping[str, Any], at: tuple[str | int, ...]) -> None:
    if marker not in markers and marker not in SCATTER:
        raise _Wrong(at, "the marker isn't listed under markers")


def _mapping(value: Any, at: tuple[str | int, ...]) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise _Wrong(at, "names with entries are needed")
    return value


def _list(value: Any, at: tuple[str | int, ...]) -> list[Any]:
    if not isinstance(value, list):
        raise _Wrong(at, "a list is needed")
    return value


def _number(value: Any, at: tuple[str | int, ...]) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
        raise _Wrong(at, "a number is needed")
    return float(value)


def _line(node: Any, path: tuple[str | int, ...]) -> int | None:
    """Line (from 1) of the entry at a path of keys, or of the deepest part of the path that is there."""
    import yaml

    line = None if node is None else node.start_mark.line + 1
    for key in path:
        found = None
        if isinstance(node, yaml.MappingNode):
            found = next(((name, value) for name, value in node.value if name.value == key), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            found = (node.value[key], node.value[key])
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line
