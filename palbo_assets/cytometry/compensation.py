"""Compensation: taking out of each channel what the other fluorochromes spill into it.

observed = true @ S, where row i of the spill matrix S is how the fluorochrome of channel i shows in every channel (1 in
its own). Compensated values are observed @ inverse(S). It is done once: unmixed (spectral) files and files that were
exported compensated carry no matrix, so nothing is done to them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from palbo_assets.cytometry.fcs_data import BLOCK
from palbo_assets.platform.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from palbo_assets.cytometry.fcs_data import ListMode, Rows


@dataclass(frozen=True)
class Spill:
    """A spill matrix over named channels: ``matrix[i, j]`` is the share of channel i's signal seen in channel j."""

    channels: tuple[str, ...]
    matrix: NDArray[np.float64]

    @property
    def is_identity(self) -> bool:
        return bool(np.array_equal(self.matrix, np.eye(len(self.channels))))


def parse_spill(text: str, channels: Sequence[str], *, file: str = "") -> Spill:
    """The matrix of a ``$SPILLOVER``, ``SPILL`` or ``$COMP`` keyword.

    ``n,name1..namen,n*n values`` row by row; ``$COMP`` has no names and means the first n of all channels, or all
    fluorescence channels when their number is n. Some software writes channel numbers for names.

    Raises
    ------
    InputError
        ``E_SPILL`` when it isn't such a matrix, names channels that the file hasn't got, or can't be inverted.
    """

    def refuse(message: str) -> InputError:
        return InputError("E_SPILL", message, file=file, fix="export the file with its compensation matrix again")

    parts = [part.strip() for part in re.split(r"[,\s]+" if "," not in text else ",", text.strip(", \n"))]
    try:
        size = int(parts[0])
    except ValueError:
        raise refuse("the spill matrix doesn't start with its size") from None
    if not 0 < size <= len(channels):
        raise refuse("the spill matrix has more channels than the file")
    if len(parts) == 1 + size * size:
        fluorescence = [name for name in channels if not re.match(r"(FSC|SSC|TIME)", name, re.IGNORECASE)]
        names = fluorescence if len(fluorescence) == size else list(channels[:size])
        cells = parts[1:]
    elif len(parts) == 1 + size + size * size:
        names, cells = parts[1 : 1 + size], parts[1 + size :]
    else:
        raise refuse("the spill matrix is incomplete")
    try:
        matrix = np.array([float(cell) for cell in cells]).reshape(size, size)
    except ValueError:
        raise refuse("the spill matrix holds cells that are no numbers") from None
    if not np.isfinite(matrix).all() or np.linalg.cond(matrix) > 1e6:
        raise refuse("the spill matrix can't be inverted")
    known = {name.upper(): name for name in channels}
    if np.array_equal(matrix, np.eye(size)):  # takes nothing out of any channel, whatever it calls them
        names = [name for name in names if name.upper() in known]
        matrix = np.eye(len(names))
    if all(name.isdigit() for name in names) and not all(name in known for name in names):
        names = [channels[int(name) - 1] if 0 < int(name) <= len(channels) else name for name in names]
    if any(name.upper() not in known for name in names) or len({name.upper() for name in names}) != len(names):
        raise refuse("the spill matrix names channels that the file hasn't got")
    return Spill(tuple(known[name.upper()] for name in names), matrix)


@dataclass(frozen=True)
class Compensation:
    """How true signals come out of what was observed in the channels ``columns`` (of the file): observed @ inverse."""

    columns: NDArray[np.intp]
    inverse: NDArray[np.float64]

    @classmethod
    def of(cls, spill: Spill, channels: Sequence[str]) -> Compensation:
        """For a file with these ``channels``, which hold those of ``spill``."""
        names = list(channels)
        columns = np.array([names.index(name) for name in spill.channels], dtype=np.intp)
        return cls(columns, np.linalg.inv(spill.matrix).astype(np.float64))

    def column(self, data: ListMode, channel: int, rows: Rows | slice | None = None) -> NDArray[np.float64]:
        """Compensated linear values of one channel, of all events or of some; nothing else is computed or kept."""
        at = np.flatnonzero(self.columns == channel)
        if not at.size:
            return data.column(channel, rows)
        wanted = np.arange(data.count)[rows] if isinstance(rows, slice) else rows
        weights = np.ascontiguousarray(self.inverse[:, at[0]])
        count = data.count if wanted is None else len(wanted)
        result = np.empty(count)
        for start in range(0, count, BLOCK):
            part = slice(start, min(start + BLOCK, count))
            result[part] = data.rows(part if wanted is None else wanted[part])[:, self.columns] @ weights
        return result


def compensate(values: NDArray[np.float64], channels: Sequence[str], spill: Spill) -> NDArray[np.float64]:
    """``values`` (events x channels, linear) with the channels of ``spill`` compensated; the others unchanged."""
    compensation = Compensation.of(spill, channels)
    result = np.array(values, order="F")
    result[:, compensation.columns] = result[:, compensation.columns] @ compensation.inverse
    return result
