"""Control tubes of a sample: the unstained one, and those without one fluorochrome (FMO, fluorescence minus one).

What a tube is stands in the manifest's ``sample_name``: ``unstained``, or ``FMO`` and the marker that was left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.cytometry.fcs import read_fcs
from palbo_assets.cytometry.gating import Stained
from palbo_assets.cytometry.panel import marker_of
from palbo_assets.platform.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from palbo_assets.cytometry.strategy import Strategy

UNSTAINED = "unstained"
_FMO = re.compile(r"^FMO[\s_:]+(.+)$", re.IGNORECASE)


@dataclass(frozen=True)
class Controls:
    """Control tubes, read like their sample; ``unusable`` says by kind why a tube that was delivered can't serve."""

    unstained: Stained | None = None
    fmo: Mapping[str, Stained] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)


def kind_of(sample_name: str, strategy: Strategy, *, file: str = "") -> str:
    """``unstained``, or the marker whose fluorochrome the tube lacks.

    Raises
    ------
    InputError
        ``E_SCHEMA`` when the name says neither, or no marker of the study.
    """
    if sample_name.strip().lower() == UNSTAINED:
        return UNSTAINED
    match = _FMO.match(sample_name.strip())
    marker = None if match is None else marker_of(match[1], strategy.markers)
    if marker is None:
        raise InputError(
            "E_SCHEMA",
            "sample_name doesn't say which control the tube is",
            file=file,
            column="sample_name",
            fix="write unstained, or FMO and the marker that was left out, such as FMO CD25",
        )
    return marker


def read_controls(tubes: Iterable[tuple[str, Path]], sample: Stained, strategy: Strategy) -> Controls:
    """Read the control tubes (kind, path) of a sample.

    A tube of other channels, another instrument or other voltages can't bound the sample: it is named in ``unusable``.

    Raises
    ------
    InputError
        As `fcs.read_fcs`, and ``E_SCHEMA`` for two tubes of one kind.
    """
    unstained: Stained | None = None
    fmo: dict[str, Stained] = {}
    unusable: dict[str, str] = {}
    seen: set[str] = set()
    for kind, path in tubes:
        if kind in seen:
            raise InputError(
                "E_SCHEMA", "the specimen has two controls of one kind", file=path.name, fix="deliver each control once"
            )
        seen.add(kind)
        events = read_fcs(path)
        reason = _unlike(sample, events.channels, events.instrument, events.voltages)
        if reason is not None:
            unusable[kind] = reason
            continue
        # Its own labels may leave the missing marker blank; detectors and spill are those of the sample.
        tube = Stained(events, sample.columns, sample.compensation)
        if kind == UNSTAINED:
            unstained = tube
        else:
            fmo[kind] = tube
    return Controls(unstained, fmo, unusable)


def _unlike(
    sample: Stained, channels: tuple[str, ...], instrument: str, voltages: tuple[float | None, ...]
) -> str | None:
    if channels != sample.events.channels:
        return "control_of_other_channels"
    if instrument != sample.events.instrument:
        return "control_of_other_instrument"
    if voltages != sample.events.voltages:
        return "control_at_other_voltages"
    return None
