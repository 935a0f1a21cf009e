"""FCS files 2.0 to 3.1, read strictly: events, channels, ranges and spill matrix, and nothing that names a person.

Everything the keywords promise is held against the bytes that are there before any memory is taken; the events stay in
the file and are decoded as they are asked for. Keywords such as operator, patient id, dates and file names stay in the
file too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from palbo_assets.cytometry.compensation import Spill, parse_spill
from palbo_assets.cytometry.fcs_data import MOST_CHANNELS, ListMode, map_data
from palbo_assets.cytometry.fcs_text import Keywords, data_segment, read_header, read_keywords
from palbo_assets.platform.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SPILL_KEYWORDS = ("$SPILLOVER", "SPILLOVER", "$SPILL", "SPILL", "$COMP", "COMP")
_INSTRUMENT_KEYWORDS = ("$CYT", "$CYTSN", "CYTNUM")


@dataclass(frozen=True)
class Events:
    """One acquisition.

    ``data`` gives the events' values on the linear scale: gains divided out, log-amplified integers decoded, time in
    seconds where the file says its step. ``channels`` are the detectors ($PnN), ``labels`` what stands behind them
    ($PnS, free text), ``ranges`` the tops of the scales ($PnR), ``voltages`` those of the detectors ($PnV [V], None
    where not stated). ``spill`` is None where the file carries none. ``instrument`` is a digest of the cytometer's
    model and serial number, ``bead_lot`` one of the lot of calibration beads (BD's CS&T); empty where not stated.
    """

    version: str
    channels: tuple[str, ...]
    labels: tuple[str, ...]
    ranges: tuple[float, ...]
    voltages: tuple[float | None, ...]
    data: ListMode
    spill: Spill | None
    instrument: str = ""
    bead_lot: str = ""

    @property
    def count(self) -> int:
        return self.data.count

    @property
    def values(self) -> NDArray[np.float64]:
        """All linear values (events x channels), decoded anew at every call: for small files and comparisons."""
        return self.data.block(0, self.count)

    def column(self, channel: str) -> int | None:
        """Index of a detector, whatever its case; None when the file hasn't got it."""
        names = [name.upper() for name in self.channels]
        return names.index(channel.upper()) if channel.upper() in names else None

    @property
    def already_compensated(self) -> bool:
        """FlowJo exports compensated channels as ``Comp-...``; a matrix beside them was applied."""
        return any(name.upper().startswith("COMP-") for name in self.channels)

    @property
    def time_column(self) -> int | None:
        return self.column("Time")

    @property
    def fluorescence(self) -> tuple[int, ...]:
        """Columns that are neither scatter nor time nor the instrument's own (event header, doublet flag)."""
        pattern = re.compile(r"^(FSC|SSC|TIME|HDR|DOUBLET|EVENT)", re.IGNORECASE)
        return tuple(index for index, name in enumerate(self.channels) if not pattern.match(name))


def read_fcs(path: Path) -> Events:
    """Read one FCS file.

    Raises
    ------
    InputError
        ``E_EMPTY``; ``E_SCHEMA`` for what isn't FCS, for several data sets, states other than list mode, and keywords
        that contradict one another or the data ($TOT, $PAR, $PnB, duplicate channels, NaN); ``E_TRUNCATED`` for
        offsets that don't fit the file; ``E_SPILL`` as `compensation.parse_spill`.
    """
    size = path.stat().st_size
    with path.open("rb") as handle:
        header = read_header(handle, size, file=path.name)
        keywords = read_keywords(handle, header, size, file=path.name)
    if keywords.integer("$NEXTDATA", 0) != 0:
        raise InputError("E_SCHEMA", "the file holds several data sets", file=path.name, fix="export one sample a file")
    par = keywords.integer("$PAR")
    if not 0 < par <= MOST_CHANNELS:
        raise keywords.refuse(f"$PAR is not between 1 and {MOST_CHANNELS}")
    numbers = range(1, par + 1)
    channels = tuple(keywords.text(f"$P{number}N") for number in numbers)
    data = map_data(path, data_segment(header, keywords, size), keywords, channels)
    if len({name.upper() for name in channels}) != par:
        raise InputError(
            "E_SCHEMA", "two channels carry one name ($PnN)", file=path.name, fix="rename the channel and export again"
        )
    bad = data.first_not_finite()
    if bad is not None:
        raise InputError(
            "E_SCHEMA",
            f"event {bad + 1} holds a value that is no number",
            file=path.name,
            fix="export the raw events again",
        )
    return Events(
        version=header.version.removeprefix("FCS"),
        channels=channels,
        labels=tuple(keywords.text(f"$P{number}S", "") for number in numbers),
        ranges=tuple(channel.top for channel in data.channels),
        voltages=tuple(_voltage(keywords, number) for number in numbers),
        data=data,
        spill=_spill(keywords, channels),
        instrument=_digest(keywords, *_INSTRUMENT_KEYWORDS),
        bead_lot=_digest(keywords, "CST BEADS LOT ID"),
    )


def _voltage(keywords: Keywords, number: int) -> float | None:
    try:
        return float(keywords.values[f"$P{number}V"])
    except (KeyError, ValueError):  # not stated, or in words: it is only compared between visits
        return None


def _digest(keywords: Keywords, *names: str) -> str:
    """Tells one instrument or lot from another without naming it."""
    stated = [keywords.values.get(name, "").strip() for name in names]
    return sha256("\n".join(stated).encode()).hexdigest()[:12] if any(stated) else ""


def _spill(keywords: Keywords, channels: tuple[str, ...]) -> Spill | None:
    if any(name.upper().startswith("COMP-") for name in channels):
        return None  # taken out already: once is right, twice is wrong
    for keyword in _SPILL_KEYWORDS:
        if keywords.text(keyword, ""):
            return parse_spill(keywords.text(keyword), channels, file=keywords.file)
    return None
