"""FCS files 2.0 to 3.1, read strictly: events, channels, ranges and spill matrix, and nothing that names a person.

flowio parses; none of its ``ignore_...`` options is used. It doesn't compare the stated number of events with the data
and lets NaN pass, so that is done here. Keywords such as operator, patient id, dates and file names stay in the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from palbo_assets.cytometry.compensation import Spill, parse_spill
from palbo_assets.platform.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

VERSIONS = (b"FCS2.0", b"FCS3.0", b"FCS3.1")
_SPILL_KEYWORDS = ("spillover", "spill", "comp")
_MOST_CHANNELS = 512
_DATA_BITS = {"F": 32, "D": 64}


@dataclass(frozen=True)
class Events:
    """One acquisition.

    ``values`` is (events x channels), float64, on the linear scale: gains divided out, log-amplified integers decoded,
    time in seconds where the file says its step. ``channels`` are the detectors ($PnN), ``labels`` what stands behind
    them ($PnS, free text), ``ranges`` the tops of the scales ($PnR). ``spill`` is None where the file carries none.
    """

    version: str
    channels: tuple[str, ...]
    labels: tuple[str, ...]
    ranges: tuple[float, ...]
    values: NDArray[np.float64]
    spill: Spill | None

    @property
    def count(self) -> int:
        return int(self.values.shape[0])

    def column(self, channel: str) -> int | None:
        """Index of a detector, whatever its case; None when the file hasn't got it."""
        names = [name.upper() for name in self.channels]
        return names.index(channel.upper()) if channel.upper() in names else None

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
        ``E_EMPTY``; ``E_SCHEMA`` for what isn't FCS, states other than list mode, or whose keywords don't fit its data
        ($TOT, $PAR, $PnB, duplicate channels, NaN); ``E_TRUNCATED`` for offsets that don't fit the file.
    """
    if path.stat().st_size == 0:
        raise InputError("E_EMPTY", "the file is empty", file=path.name, fix="export it again")
    with path.open("rb") as handle:
        magic = handle.read(6)
    if magic not in VERSIONS:
        raise InputError(
            "E_SCHEMA",
            "the file is not FCS 2.0, 3.0 or 3.1",
            file=path.name,
            fix="export it as FCS 3.1 from the cytometer",
        )
    head = _parsed(path, only_text=True)
    text = {key.lower(): str(value).strip() for key, value in head.text.items()}
    _check_keywords(path, text, head.header)
    data = _parsed(path, only_text=False)
    try:
        with np.errstate(invalid="ignore"):  # values that are no numbers are refused below
            values = data.as_array(preprocess=True)
    except (ValueError, TypeError):
        raise InputError(
            "E_SCHEMA", "a gain, amplification or time-step keyword is no number", file=path.name, fix="export it again"
        ) from None
    channels = tuple(str(name).strip() for name in data.pnn_labels)
    twice = sorted({name for name in channels if [one.upper() for one in channels].count(name.upper()) > 1})
    if twice:
        raise InputError(
            "E_SCHEMA", "two channels carry one name ($PnN)", file=path.name, fix="rename the channel and export again"
        )
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values).all(axis=1)).sum())
        raise InputError(
            "E_SCHEMA",
            f"{bad} events hold values that are no numbers",
            file=path.name,
            fix="export the raw events again",
        )
    return Events(
        version=str(data.version),
        channels=channels,
        labels=tuple(str(label).strip() for label in data.pns_labels),
        ranges=tuple(float(value) for value in data.pnr_values),
        values=values,
        spill=_spill(path, text, channels),
    )


def _parsed(path: Path, *, only_text: bool) -> Any:
    """flowio's data set. It lets KeyError, ValueError, struct.error and more out of a damaged file."""
    from flowio import FlowData
    from flowio.exceptions import DataOffsetDiscrepancyError, FCSParsingError, MultipleDataSetsError

    try:
        return FlowData(str(path), only_text=only_text)
    except MultipleDataSetsError:
        raise InputError(
            "E_SCHEMA", "the file holds several data sets", file=path.name, fix="export one sample a file"
        ) from None
    except (DataOffsetDiscrepancyError, FCSParsingError):
        raise InputError(
            "E_TRUNCATED",
            "the file's offsets and its data don't fit: it was cut, or written by software that breaks the standard",
            file=path.name,
            fix="send the file again as the cytometer wrote it",
        ) from None
    except MemoryError:
        raise
    except Exception:
        raise InputError(
            "E_SCHEMA", "the FCS header or text segment can't be read", file=path.name, fix="send the file again"
        ) from None


def _check_keywords(path: Path, text: dict[str, str], header: dict[str, Any]) -> None:
    """Compare what the keywords promise with the bytes that are there, before any are read."""

    def number(keyword: str) -> int:
        try:
            return int(text[keyword])
        except (KeyError, ValueError):
            raise InputError(
                "E_SCHEMA", f"keyword ${keyword.upper()} is missing or no number", file=path.name, fix="export it again"
            ) from None

    par, tot = number("par"), number("tot")
    if not 0 < par <= _MOST_CHANNELS or tot < 0:
        raise InputError("E_SCHEMA", "$PAR or $TOT is out of range", file=path.name, fix="export it again")
    if tot == 0:
        raise InputError("E_EMPTY", "the file holds no events", file=path.name, fix="export the acquired sample")
    if text.get("mode", "L").upper() != "L":
        raise InputError("E_SCHEMA", "the data are not in list mode", file=path.name, fix="export single events")
    kind = text.get("datatype", "").upper()
    widths = [number(f"p{index}b") for index in range(1, par + 1)]
    if kind not in ("I", "F", "D") or any(width != _DATA_BITS.get(kind, width) for width in widths):
        raise InputError("E_SCHEMA", "$DATATYPE and $PnB don't fit", file=path.name, fix="export it again")
    if any(width % 8 or not 0 < width <= 64 for width in widths):
        raise InputError("E_SCHEMA", "a $PnB is no whole number of bytes", file=path.name, fix="export it again")
    start, stop = header["data_start"], header["data_stop"]
    if start == 0 and stop == 0:
        start, stop = number("begindata"), number("enddata")
    if stop - start + 1 != tot * sum(widths) // 8:
        raise InputError(
            "E_SCHEMA",
            "$TOT events of $PAR channels don't fill the data segment exactly",
            file=path.name,
            fix="send the file again as the cytometer wrote it",
        )


def _spill(path: Path, text: dict[str, str], channels: tuple[str, ...]) -> Spill | None:
    for keyword in _SPILL_KEYWORDS:
        if text.get(keyword):
            return parse_spill(text[keyword], channels, file=path.name)
    return None
