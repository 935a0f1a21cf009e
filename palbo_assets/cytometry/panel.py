"""Which detector shows which marker: the lab's panel table, or else what the file's labels say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import InputError
from palbo_assets.platform.text import read_table

if TYPE_CHECKING:
    from palbo_assets.cytometry.fcs import Events

SCATTER = ("FSC-A", "FSC-H", "FSC-W", "SSC-A", "SSC-H", "SSC-W")
COLUMNS = ("detector", "fluorochrome", "marker")


def read_panel(path: Path) -> dict[str, str]:
    """Detector -> marker of a panel table (``detector, fluorochrome, marker``, optionally ``clone``).

    Raises
    ------
    InputError
        ``E_SCHEMA`` for a detector that is empty or stands twice, and what `read_table` raises.
    """
    table = read_table(path, required=COLUMNS)
    found: dict[str, str] = {}
    for line, detector, marker in zip(table.index.tolist(), table["detector"], table["marker"], strict=True):
        if not detector or detector.upper() in found:
            raise InputError(
                "E_SCHEMA",
                "the detector is empty or listed twice",
                file=path.name,
                row=line,
                column="detector",
                fix="list each detector ($PnN) once",
            )
        found[detector.upper()] = marker
    return found


def marker_columns(
    events: Events,
    patterns: Mapping[str, Sequence[str]],
    panel: Mapping[str, str] | None = None,
    *,
    file: str = "",
) -> dict[str, int]:
    """Column of each scatter channel and of each marker that the file shows.

    Parameters
    ----------
    patterns
        Marker -> words that mean it (`Strategy.markers`).
    panel
        Detector (upper case) -> marker as the lab writes it; labels of the file must not contradict it.

    Raises
    ------
    InputError
        ``E_PANEL_MISMATCH`` when the panel names a detector that the file hasn't got or the file's label says another
        marker, ``E_PANEL`` when two channels show one marker.
    """
    found = {name: column for name in SCATTER if (column := events.column(name)) is not None}
    by_marker: dict[str, list[int]] = {}
    if panel is not None:
        for detector, written in panel.items():
            column = next((at for name in (detector, f"{detector}-A") if (at := events.column(name)) is not None), None)
            if column is None:
                raise InputError(
                    "E_PANEL_MISMATCH",
                    "the panel names a detector that the file hasn't got",
                    file=file,
                    fix="deliver the panel of this acquisition",
                )
            marker = marker_of(written, patterns)
            labelled = marker_of(events.labels[column], patterns)
            if marker and labelled and marker != labelled:
                raise InputError(
                    "E_PANEL_MISMATCH",
                    f"the panel says {marker} where the file says {labelled}",
                    file=file,
                    fix="correct the panel, or the labels of the acquisition",
                )
            if marker:
                by_marker.setdefault(marker, []).append(column)
    else:
        for column in events.fluorescence:
            marker = marker_of(events.labels[column], patterns)
            if marker:
                by_marker.setdefault(marker, []).append(column)
    for marker, columns in by_marker.items():
        areas = [column for column in columns if events.channels[column].upper().endswith("-A")] or columns
        if len(areas) > 1:
            raise InputError(
                "E_PANEL", f"two channels show {marker}", file=file, fix="deliver a panel table that names one of them"
            )
        found[marker] = areas[0]
    return found


def marker_of(label: str, patterns: Mapping[str, Sequence[str]]) -> str | None:
    """The marker that a label names; None when it names none, or several (a dump channel)."""
    words = [word for word in re.split(r"[\s/;,|:_()]+", label.upper()) if word]
    words += [word.split("-")[0] for word in words if "-" in word]
    named = {marker for marker, names in patterns.items() if any(word in names for word in words)}
    return named.pop() if len(named) == 1 else None
