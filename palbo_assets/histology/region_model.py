"""Lymphoid area of a section, estimated from grain instead of outlines, as text.

A few small networks of two hidden layers, averaged, tell of each cell of 4 um which shares are mononuclear cells in
stroma, nest, other stroma and nothing. As many others tell how much of the nuclear area nearby is that of such cells;
1.5 times (the footprint) their nuclear area is a second estimate of the first share, and the two are averaged: the one
knows its rendered crowds, the other can't exceed what is dark. All were trained on rendered fields (`region_training`)
and ship with the package as JSON; the hash of that text is part of the model that scores name. Squared error was
minimised, so shares are expectations and may be summed over a slide.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from palbo_assets.histology.region_features import N_INPUTS, nuclear
from palbo_assets.platform.errors import PalboError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    _Layers = tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]

SHARES = ("lymphoid", "nest", "stroma", "empty")
FARTHEST = 4.0
"""Standardised inputs are held within this: beyond the renderings nothing was learnt."""
FOOTPRINT = 1.5
"""Area of a mononuclear cell over that of its nucleus, as in `settings.SlideSettings.footprint_factor`."""
FILE = Path(__file__).with_name("region_model.json")


@dataclass(frozen=True)
class RegionModel:
    """Standardisation, and networks as (weights, offsets) of each layer, rectified between layers.

    Attributes
    ----------
    networks
        Tell `SHARES`.
    factors
        Tell the lymphoid share over `FOOTPRINT` times the nuclear area.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    networks: tuple[_Layers, ...]
    factors: tuple[_Layers, ...]

    def shares(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """`SHARES` within 0-1 of each cell (n cells, 4) from `region_features.inputs`."""
        x = np.clip((inputs - self.mean) / self.scale, -FARTHEST, FARTHEST)
        shares = np.clip(_mean(self.networks, x), 0, 1)
        by_nuclei = np.clip(FOOTPRINT * nuclear(inputs) * _mean(self.factors, x)[:, 0], 0, 1)
        shares[:, 0] = (shares[:, 0] + by_nuclei) / 2
        return shares

    def to_json(self) -> str:
        """The model as text, the same for the same model."""

        def numbers(values: NDArray[np.float32], digits: int = 5) -> object:
            return np.round(values.astype(float), digits).tolist()

        return json.dumps(
            {
                "kind": "mean of networks with rectified hidden layers",
                "shares": list(SHARES),
                "mean": numbers(self.mean, 7),
                "scale": numbers(self.scale, 7),
                "networks": [[[numbers(w), numbers(b)] for w, b in network] for network in self.networks],
                "factors": [[[numbers(w), numbers(b)] for w, b in network] for network in self.factors],
            },
            sort_keys=True,
        )

    @classmethod
    def from_json(cls, text: str) -> RegionModel:
        """The model that `to_json` wrote.

        Raises
        ------
        PalboError
            ``E_MODEL`` when the text isn't one.
        """
        try:
            content = json.loads(text)
            networks, factors = (
                tuple(
                    tuple((np.asarray(w, np.float32), np.asarray(b, np.float32)) for w, b in network)
                    for network in content[name]
                )
                for name in ("networks", "factors")
            )
            mean, scale = (np.asarray(content[name], np.float32) for name in ("mean", "scale"))
            found = cls(mean, scale, networks, factors)
            fits = mean.shape == scale.shape == (N_INPUTS,) and bool(networks) and bool(factors)
            fits &= all(_fits(network, len(SHARES)) for network in networks)
            fits &= all(_fits(network, 1) for network in factors)
        except (ValueError, KeyError, TypeError, IndexError):
            fits = False
        if not fits:
            raise PalboError("E_MODEL", "the text is not a model of lymphoid area", fix="install the package again")
        return found


def _mean(networks: tuple[_Layers, ...], x: NDArray[np.float32]) -> NDArray[np.float32]:
    """What networks tell on average (n cells, outputs)."""
    total: NDArray[np.float32] | None = None
    for network in networks:
        value = x
        for depth, (weights, offsets) in enumerate(network):
            value = (np.maximum(value, 0) if depth else value) @ weights + offsets
        total = value if total is None else total + value
    assert total is not None  # a model has networks
    return total / np.float32(len(networks))


def _fits(network: _Layers, outputs: int) -> bool:
    widths = [N_INPUTS, *(len(offsets) for _, offsets in network)]
    shapes = list(zip(widths, widths[1:], strict=False))
    return widths[-1] == outputs and [weights.shape for weights, _ in network] == shapes


@cache
def shipped() -> tuple[RegionModel, str]:
    """The model that comes with the package, and the sha256 of its text."""
    text = FILE.read_text(encoding="utf-8")
    return RegionModel.from_json(text), hashlib.sha256(text.encode()).hexdigest()
