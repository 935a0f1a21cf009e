"""The DATA segment of an FCS file: what its bits mean, and its values on the linear scale, a block of events at a time.

Events stay in the file, which is mapped into memory: whatever is asked for is decoded when it is asked for, so that
memory doesn't grow with the file beyond what the system keeps of it anyway. Floats and doubles, and integers of any
width: whole bytes in any byte order, or packed bits (most significant bit first, or, where bytes are stored least
significant first, least significant bit first). Values above the next power of two of $PnR are masked, amplifiers
($PnE, $PnG) and the time step are divided out, as FCS 3.1 says (Spidlen et al. 2010, Cytometry A 77:97).
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from palbo_assets.cytometry.fcs_text import Keywords, Segment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Rows = NDArray[np.intp]

MOST_CHANNELS = 512
BLOCK = 1 << 14  # events that are decoded at once: with 50 channels 6 MB
_FLOATS = {"F": 32, "D": 64}


@dataclass(frozen=True)
class Channel:
    """How one channel ($Pn...) is stored: width in bits, and what makes its values linear."""

    bits: int
    top: float  # $PnR
    decades: float = 0.0  # $PnE; 0 is a linear amplifier
    zero: float = 1.0  # $PnE; linear value of 0 behind a logarithmic amplifier
    gain: float = 1.0  # $PnG
    step: float = 1.0  # $TIMESTEP of the time channel [s]

    @property
    def is_plain(self) -> bool:
        """Stored values are the linear ones."""
        return self.decades == 0 and self.gain == 1 and self.step == 1

    @property
    def mask(self) -> int | None:
        """Bits that count in an integer; None when all do."""
        used = max(math.ceil(self.top) - 1, 0).bit_length() if self.top >= 1 else self.bits
        return None if used >= self.bits else (1 << used) - 1

    def linear(self, stored: Floats) -> Floats:
        """Linear values of stored ones (changed in place where that saves a copy)."""
        if self.step != 1:
            stored *= self.step
        if self.decades > 0:
            stored = 10 ** (self.decades * stored / self.top) * self.zero
        if self.gain != 1:
            stored /= self.gain
        return stored


@dataclass(frozen=True)
class ListMode:
    """The events of one file: ``raw`` are the bytes of its DATA segment (mapped, read only)."""

    raw: NDArray[np.uint8]
    count: int
    channels: tuple[Channel, ...]
    kind: str  # I, F or D
    byte_order: tuple[int, ...]  # $BYTEORD: significance of each stored byte, 1 is the least

    def column(self, channel: int, rows: Rows | slice | None = None) -> Floats:
        """Linear values (float64) of one channel, of all events or of some."""
        how = self.channels[channel]
        return how.linear(self._stored(channel, slice(None) if rows is None else rows))

    def block(self, start: int, stop: int) -> Floats:
        """Linear values (events x channels, float64) of a stretch of events."""
        return self.rows(slice(start, stop))

    def rows(self, rows: Rows | slice) -> Floats:
        """As `block`, for any events."""
        if self.kind == "I":
            return np.stack([self.column(channel, rows) for channel in range(len(self.channels))], axis=1)
        values = self._floats[rows].astype(np.float64)
        for channel, how in enumerate(self.channels):
            if not how.is_plain:
                values[:, channel] = how.linear(values[:, channel])
        return values

    def transposed(self, start: int, stop: int, channels: NDArray[np.intp]) -> Floats:
        """Linear values (channels x events, float64) of a stretch of events: each channel lies in one piece."""
        result = np.empty((channels.size, stop - start))
        if self.kind == "I":
            for at, channel in enumerate(channels):
                result[at] = self.column(int(channel), slice(start, stop))
            return result
        stored = self._floats[start:stop]
        for at, channel in enumerate(channels):
            result[at] = stored[:, channel]
            if not self.channels[channel].is_plain:
                result[at] = self.channels[channel].linear(result[at])
        return result

    def blocks(self) -> Iterator[tuple[int, Floats]]:
        """(first event, linear values) of one block after the other."""
        for start in range(0, self.count, BLOCK):
            yield start, self.block(start, min(start + BLOCK, self.count))

    @property
    def plain(self) -> NDArray[np.floating] | None:
        """The mapped values themselves (events x channels), where they are linear floats in native byte order."""
        if self.kind == "I" or self._endian != "<" or not all(channel.is_plain for channel in self.channels):
            return None
        stored: NDArray[np.floating] = self._floats
        return stored

    def first_not_finite(self) -> int | None:
        """The first event that holds NaN or infinity; integers never do."""
        if self.kind == "I":
            return None
        stored = self._floats
        for start in range(0, self.count, BLOCK):
            finite = np.isfinite(stored[start : start + BLOCK])
            if not finite.all():
                return start + int(np.flatnonzero(~finite.all(axis=1))[0])
        return None

    @property
    def _endian(self) -> str:
        """``<`` or ``>``; empty for a mixed order."""
        ascending = tuple(range(1, len(self.byte_order) + 1))
        return "<" if self.byte_order == ascending else ">" if self.byte_order == ascending[::-1] else ""

    @property
    def _floats(self) -> NDArray[np.floating]:
        width = _FLOATS[self.kind] // 8
        if self._endian:
            return self.raw.view(f"{self._endian}f{width}").reshape(self.count, len(self.channels))
        stored = self.raw.reshape(-1, width)[:, np.argsort(self.byte_order)]
        return np.ascontiguousarray(stored).view(f"<f{width}").reshape(self.count, len(self.channels))

    def _stored(self, channel: int, rows: Rows | slice) -> Floats:
        """Values of a channel as they are stored, as float64, masked."""
        if self.kind != "I":
            return self._floats[rows, channel].astype(np.float64)
        how = self.channels[channel]
        before = sum(one.bits for one in self.channels[:channel])
        event_bits = sum(one.bits for one in self.channels)
        if event_bits % 8 or before % 8 or how.bits % 8:
            stored = self._packed(before, event_bits, how.bits, rows)
        else:
            stored = self._whole_bytes(before // 8, event_bits // 8, how.bits // 8, rows)
        if how.mask is not None:
            stored = stored & stored.dtype.type(how.mask)
        return stored.astype(np.float64)

    def _whole_bytes(self, first: int, stride: int, width: int, rows: Rows | slice) -> NDArray[np.unsignedinteger]:
        endian = self._endian
        if endian and width in (1, 2, 4, 8):
            view: NDArray[np.unsignedinteger] = np.ndarray(
                (self.count,), dtype=f"{endian}u{width}", buffer=self.raw.data, offset=first, strides=(stride,)
            )
            return view[rows].astype(f"=u{width}")
        events = self.raw.reshape(self.count, stride)[rows, first : first + width]
        order = self.byte_order if not endian else range(1, width + 1) if endian == "<" else range(width, 0, -1)
        value = np.zeros(len(events), np.uint64)
        for at, significance in enumerate(order):
            value |= events[:, at].astype(np.uint64) << np.uint64(8 * (significance - 1))
        return value

    def _packed(self, before: int, event_bits: int, width: int, rows: Rows | slice) -> NDArray[np.unsignedinteger]:
        """Integers that don't lie on whole bytes: gathered bit by bit from one stream of bits."""
        events = np.arange(self.count)[rows]
        value = np.zeros(len(events), np.uint64)
        first = events * event_bits + before
        little = self._endian == "<"
        for at in range(width):
            where = first + at
            byte = self.raw[where >> 3]
            shift = (where & 7) if little else 7 - (where & 7)
            bit = (byte >> shift.astype(np.uint8)) & np.uint8(1)
            value |= bit.astype(np.uint64) << np.uint64(at if little else width - 1 - at)
        return value


def map_data(path: Path, segment: Segment, keywords: Keywords, names: Sequence[str]) -> ListMode:
    """The events of a file, once all that its keywords promise fits the bytes that are there.

    ``names`` are the channels' ($PnN). One byte more than the events need is passed over: many instruments state the
    byte after the last as the last.

    Raises
    ------
    InputError
        ``E_SCHEMA`` for histograms, text data, widths and byte orders that don't exist, and for events that don't
        fill the segment; ``E_EMPTY`` for no events.
    """
    if keywords.text("$MODE").upper() != "L":
        raise keywords.refuse("the data are not in list mode: export single events")
    kind = keywords.text("$DATATYPE").upper()
    if kind not in ("I", "F", "D"):
        raise keywords.refuse("$DATATYPE is none of I, F and D")
    channels = tuple(_channel(keywords, number, name, kind) for number, name in enumerate(names, start=1))
    byte_order = _byte_order(keywords, kind, channels)
    event_bits = sum(channel.bits for channel in channels)
    length = segment[1] - segment[0] + 1
    default = 8 * length // event_bits if keywords.values.get("$TOT") is None else None  # optional in FCS 2.0
    count = keywords.integer("$TOT", default)
    if count == 0:
        raise keywords.refuse("the file holds no events", "E_EMPTY")
    needed = -(-count * event_bits // 8)
    if count < 0 or length not in (needed, needed + 1):
        raise keywords.refuse("$TOT events of $PAR channels don't fill the data segment exactly")
    with path.open("rb") as handle:
        mapped = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
    raw = np.frombuffer(mapped, dtype=np.uint8, count=needed, offset=segment[0])
    return ListMode(raw, count, channels, kind, byte_order)


def _channel(keywords: Keywords, number: int, name: str, kind: str) -> Channel:
    bits = keywords.integer(f"$P{number}B")
    if not 1 <= bits <= 64 or _FLOATS.get(kind, bits) != bits:
        raise keywords.refuse(f"$P{number}B doesn't fit $DATATYPE")
    top = keywords.number(f"$P{number}R", 0.0)
    decades, zero = keywords.pair(f"$P{number}E")
    if decades < 0 or zero < 0 or (decades > 0 and (kind != "I" or top <= 0 or decades > 20)):
        raise keywords.refuse(f"$P{number}E is no amplification of such data")
    gain = keywords.number(f"$P{number}G", 1.0) or 1.0  # 0 is written for none
    is_time = name.upper() == "TIME"
    step = _time_step(keywords) if is_time else 1.0
    if gain < 0:
        raise keywords.refuse(f"$P{number}G is below 0")
    # Time has no amplifier; what stands in its $PnG repeats the time step.
    return Channel(bits, top, decades, zero or 1.0, 1.0 if is_time else gain, step)


def _time_step(keywords: Keywords) -> float:
    """Seconds a tick of the clock; 1 where the file doesn't say it, since times are only compared with one another."""
    try:
        step = float(keywords.values.get("$TIMESTEP", ""))
    except ValueError:
        return 1.0
    return step if 0 < step < 1e6 else 1.0


def _byte_order(keywords: Keywords, kind: str, channels: Sequence[Channel]) -> tuple[int, ...]:
    parts = keywords.text("$BYTEORD").split(",")
    if not all(part.strip() in "12345678" and part.strip() for part in parts):
        raise keywords.refuse("$BYTEORD is no order of bytes")
    order = tuple(int(part) for part in parts)
    ascending = tuple(range(1, len(order) + 1))
    if tuple(sorted(order)) != ascending:
        raise keywords.refuse("$BYTEORD is no order of bytes")
    if order not in (ascending, ascending[::-1]) and any(channel.bits != 8 * len(order) for channel in channels):
        raise keywords.refuse("a mixed $BYTEORD needs channels of just that many bytes")
    return order
