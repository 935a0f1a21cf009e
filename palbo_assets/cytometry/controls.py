"""Control tubes of a sample: unstained, without one fluorochrome (FMO, fluorescence minus one), or with one alone.

What a tube is stands in the manifest's ``sample_name``: ``unstained``, ``FMO`` and the marker that was left out, or
``single`` and the marker that was stained.
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

    from palbo_assets.cytometry.compensation import Spill
    from palbo_assets.cytometry.fcs import Events
    from palbo_assets.cytometry.settings import Settings
    from palbo_assets.cytometry.strategy import Strategy

UNSTAINED = "unstained"
BEADS = "Beads"  # counting beads shine by themselves: no stain to take out
SINGLE = "single "
_FMO = re.compile(r"^FMO[\s_:]+(.+)$", re.IGNORECASE)
_SINGLE = re.compile(r"^single(?:[\s_-]?stain(?:ed)?)?[\s_:]+(.+)$", re.IGNORECASE)


@dataclass(frozen=True)
class Controls:
    """Control tubes, read like their sample; ``unusable`` says by kind why a tube that was delivered can't serve."""

    unstained: Stained | None = None
    fmo: Mapping[str, Stained] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)


def kind_of(sample_name: str, strategy: Strategy, *, file: str = "") -> str:
    """``unstained``, the marker whose fluorochrome the tube lacks, or ``single `` and the one that it has alone.

    Raises
    ------
    InputError
        ``E_SCHEMA`` when the name says neither, or no marker of the study.
    """
    if sample_name.strip().lower() == UNSTAINED:
        return UNSTAINED
    match = _FMO.match(sample_name.strip())
    single = _SINGLE.match(sample_name.strip())
    named = match or single
    marker = None if named is None else marker_of(named[1], strategy.markers)
    if marker is None:
        raise InputError(
            "E_SCHEMA",
            "sample_name doesn't say which control the tube is",
            file=file,
            column="sample_name",
            fix="write unstained, FMO and the marker that was left out (FMO CD25), or single and the one stained",
        )
    return f"{SINGLE}{marker}" if single else marker


def label_of(kind: str) -> str:
    """``FMO CD25`` for the kind ``CD25``; the others as they are."""
    return kind if kind == UNSTAINED or kind.startswith(SINGLE) else f"FMO {kind}"


def spill_from(
    tubes: Iterable[tuple[str, Path]],
    events: Events,
    columns: Mapping[str, int],
    strategy: Strategy,
    settings: Settings,
) -> Spill | str:
    """The spill matrix that a sample's single-stain tubes (kind, path) give, or the word why they give none.

    Raises
    ------
    InputError
        As `fcs.read_fcs`.
    """
    from palbo_assets.cytometry.single_stains import spill_of

    found = dict(tubes)
    if not any(kind.startswith(SINGLE) for kind in found):
        return "no_single_stains"
    wanted = [marker for marker in columns if marker in strategy.markers and marker != BEADS]
    if UNSTAINED not in found or any(f"{SINGLE}{marker}" not in found for marker in wanted):
        return "single_stains_incomplete"
    needed = {UNSTAINED: found[UNSTAINED]} | {marker: found[f"{SINGLE}{marker}"] for marker in wanted}
    read = {name: read_fcs(path) for name, path in needed.items()}
    for one in read.values():
        reason = _unlike(events, one)
        if reason is not None:
            return reason
    return spill_of({columns[marker]: read[marker] for marker in wanted}, read[UNSTAINED], settings)


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
        if kind.startswith(SINGLE):
            continue
        if kind in seen:
            raise InputError(
                "E_SCHEMA", "the specimen has two controls of one kind", file=path.name, fix="deliver each control once"
            )
        seen.add(kind)
        events = read_fcs(path)
        reason = _unlike(sample.events, events)
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


def _unlike(sample: Events, control: Events) -> str | None:
    if control.channels != sample.channels:
        return "control_of_other_channels"
    if control.instrument != sample.instrument:
        return "control_of_other_instrument"
    if control.voltages != sample.voltages:
        return "control_at_other_voltages"
    return None
