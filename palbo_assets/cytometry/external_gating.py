"""Gating that a lab brings along: GatingML 2.0, or the gates of a FlowJo workspace, evaluated by FlowKit.

The populations are then the gates, under the lab's names; a gate is known by its name, so that names must not repeat.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palbo_assets.platform.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class GatedPopulation:
    """A gate's events: ``members`` is true for the events inside it and all its parents."""

    name: str
    parent: str
    members: NDArray[np.bool_]


def refuse_unsafe_xml(path: Path) -> str:
    """The root element's name of a well-formed document without entities or external references.

    Raises
    ------
    InputError
        ``E_EMPTY`` or ``E_SCHEMA``.
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import parse

    if path.stat().st_size == 0:
        raise InputError("E_EMPTY", "the file is empty", file=path.name, fix="export it again")
    try:
        root = parse(path).getroot()
    except (ParseError, DefusedXmlException, ValueError):
        raise InputError(
            "E_SCHEMA", "the file is no plain XML (or declares entities)", file=path.name, fix="export the gating again"
        ) from None
    return "" if root is None else str(root.tag).rpartition("}")[2]


def gate_names(path: Path) -> list[str]:
    """Names of the gates of a GatingML file or of a FlowJo workspace.

    Raises
    ------
    InputError
        ``E_SCHEMA`` when FlowKit can't read it, or it has no gates.
    """
    root = refuse_unsafe_xml(path)
    try:
        if root == "Gating-ML":
            from flowkit import parse_gating_xml

            names = [gate_id[0] for gate_id in parse_gating_xml(str(path)).get_gate_ids()]
        else:
            workspace = _workspace(path)
            names = sorted(
                {
                    name
                    for sample in workspace.get_sample_ids(loaded_only=False)
                    for name, _ in workspace.get_gate_ids(sample)
                }
            )
    except InputError:
        raise
    except Exception:  # FlowKit raises whatever its XML handling hits upon
        raise _unreadable(path) from None
    if not names:
        raise InputError("E_SCHEMA", "the file holds no gates", file=path.name, fix="export the gating again")
    return names


def applies_to(path: Path) -> str:
    """What a gating applies to, as one word: ``all`` for GatingML, a digest of its samples' names for a workspace.

    Raises
    ------
    InputError
        As `gate_names`.
    """
    if refuse_unsafe_xml(path) == "Gating-ML":
        return "all"
    from hashlib import sha256

    try:
        samples = _workspace(path).get_sample_ids(loaded_only=False)
    except Exception:
        raise _unreadable(path) from None
    return sha256("\n".join(sorted(samples)).encode()).hexdigest()[:12]


def gate_with(path: Path, fcs: Path) -> list[GatedPopulation] | None:
    """Apply a GatingML file, or the gates that a FlowJo workspace holds for this very FCS file.

    Returns
    -------
    list of GatedPopulation or None
        Parents before children; None when a workspace holds no gates for the file (known by its name).

    Raises
    ------
    InputError
        ``E_SCHEMA`` when the file can't be read, doesn't fit the channels, or repeats a gate's name.
    """
    root = refuse_unsafe_xml(path)
    try:
        import flowkit

        if root == "Gating-ML":
            sample = flowkit.Sample(str(fcs), sample_id=fcs.name)
            results = flowkit.parse_gating_xml(str(path)).gate_sample(sample)
        else:
            workspace = _workspace(path, fcs)
            if fcs.name not in workspace.get_sample_ids():
                return None
            workspace.analyze_samples(sample_id=fcs.name, use_mp=False)
            results = workspace.get_gating_results(fcs.name)
        # The report names the quadrants of a quadrant gate, which the list of gates does not.
        gates = sorted(
            zip(results.report["gate_name"], results.report["gate_path"], strict=True), key=lambda one: len(one[1])
        )
        found = [
            GatedPopulation(str(name), str(gate_path[-1]), results.get_gate_membership(name, gate_path))
            for name, gate_path in gates
        ]
    except Exception:
        raise _unreadable(path) from None
    if len({population.name for population in found}) != len(found):
        raise InputError("E_SCHEMA", "two gates carry one name", file=path.name, fix="give each gate its own name")
    return found


def _workspace(path: Path, fcs: Path | None = None) -> Any:
    import warnings

    from flowkit import Workspace

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Workspace(str(path), fcs_samples=None if fcs is None else str(fcs), load_missing_file_data=fcs is None)


def _unreadable(path: Path) -> InputError:
    return InputError(
        "E_SCHEMA",
        "the gating can't be read, or doesn't fit the channels of the sample",
        file=path.name,
        fix="export it as GatingML 2.0 with the channel names ($PnN) of the FCS files",
    )
