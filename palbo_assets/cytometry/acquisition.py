"""One acquisition with everything that is needed to read it: panel, gating strategy, and the lab's own gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.cytometry.compensation import Compensation
from palbo_assets.cytometry.fcs import Events, read_fcs
from palbo_assets.cytometry.gating import Stained, gate, stained
from palbo_assets.cytometry.matrix_file import fitted, read_matrix
from palbo_assets.cytometry.panel import read_panel
from palbo_assets.cytometry.settings import Settings
from palbo_assets.cytometry.strategy import Strategy
from palbo_assets.platform.errors import InputError

if TYPE_CHECKING:
    from palbo_assets.cytometry.abundance import Counted
    from palbo_assets.cytometry.selection import Members


@dataclass(frozen=True)
class Acquisition:
    """A read, compensated and gated FCS file; ``gated`` are the events of the room's own populations."""

    path: Path
    events: Events
    sample: Stained
    gated: Members


def read_acquisition(
    path: Path,
    strategy: Strategy,
    panel: Path | None = None,
    bounds: Mapping[str, float] | None = None,
    matrix: Path | None = None,
    controls: Sequence[tuple[str, Path]] = (),
    settings: Settings | None = None,
) -> Acquisition:
    """Read, compensate and gate one file, with the linear ``bounds`` of `facs_gates` (fixed ones where none is given).

    Raises
    ------
    InputError
        As `fcs.read_fcs`, `panel.marker_columns` and `matrix_file.read_matrix`.
    """
    events, sample = read_stained(path, strategy, panel, matrix, controls, settings)
    return Acquisition(path, events, sample, gate(sample, strategy, bounds))


def read_stained(
    path: Path,
    strategy: Strategy,
    panel: Path | None = None,
    matrix: Path | None = None,
    controls: Sequence[tuple[str, Path]] = (),
    settings: Settings | None = None,
) -> tuple[Events, Stained]:
    """Read and compensate one file, and find its markers; errors as `read_acquisition`.

    A delivered ``matrix`` takes the place of the file's own; a file whose channels are compensated already takes none.
    Where there is neither, single-stain tubes among the ``controls`` (kind, path) give the matrix, if every marker of
    the tube has one with enough stained events.
    """
    events = read_fcs(path)
    if matrix is not None:
        if events.already_compensated:
            raise InputError(
                "E_SPILL",
                "a compensation matrix was delivered for a file whose channels are compensated already",
                file=path.name,
                fix="deliver the events as the cytometer wrote them, or no matrix",
            )
        events = replace(events, spill=fitted(read_matrix(matrix), events.channels, file=matrix.name))
    sample = stained(events, strategy, None if panel is None else read_panel(panel), file=path.name)
    if matrix is not None:
        return events, replace(sample, source="delivered")
    if events.spill is None and not events.already_compensated and controls:
        from palbo_assets.cytometry.controls import spill_from

        spill = spill_from(controls, events, sample.columns, strategy, settings or Settings())
        if not isinstance(spill, str):
            events = replace(events, spill=spill)
            sample = Stained(events, sample.columns, Compensation.of(spill, events.channels), "single_stains")
    return events, sample


@dataclass(frozen=True)
class Gating:
    """The gating that applied: ``kind`` is populations, gatingml or flowjo; ``version`` tells it from any other."""

    kind: str
    version: str


def count(
    acquisition: Acquisition,
    strategy: Strategy,
    gatings: Sequence[Path] = (),
    origins: Mapping[str, str] | None = None,
) -> tuple[Gating, list[Counted]]:
    """Populations of an acquisition, by the lab's gating where one applies, else by the room's own.

    Parameters
    ----------
    gatings
        GatingML files and FlowJo workspaces; a workspace applies when it holds gates for this file.

    origins
        Of the own gating's cuts, as `facs_gates` states them.

    Returns
    -------
    Gating
    list of Counted

    Raises
    ------
    InputError
        ``E_GATING`` when more than one gating applies, and what `external_gating.gate_with` raises.
    """
    from palbo_assets.cytometry.abundance import count_external, count_gated

    applying: list[tuple[Gating, list[Counted]]] = []
    if gatings:
        from palbo_assets.cytometry.external_gating import gate_with

        for path in gatings:
            populations = gate_with(path, acquisition.path)
            if populations is not None:
                kind = "flowjo" if path.suffix.lower() == ".wsp" else "gatingml"
                version = f"{kind}-{sha256(path.read_bytes()).hexdigest()[:12]}"
                applying.append((Gating(kind, version), count_external(acquisition.events.count, populations)))
    if len(applying) > 1:
        raise InputError(
            "E_GATING",
            f"{len(applying)} gatings apply to the sample",
            file=acquisition.path.name,
            fix="keep one GatingML file, or workspaces that don't share samples",
        )
    if applying:
        return applying[0]
    own = count_gated(acquisition.sample, strategy, acquisition.gated, origins)
    return Gating("populations", strategy.version), own
