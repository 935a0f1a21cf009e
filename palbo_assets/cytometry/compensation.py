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

from palbo_assets.platform.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


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
    known = {name.upper(): name for name in channels}
    if all(name.isdigit() for name in names) and not all(name in known for name in names):
        names = [channels[int(name) - 1] if 0 < int(name) <= len(channels) else name for name in names]
    if any(name.upper() not in known for name in names) or len({name.upper() for name in names}) != size:
        raise refuse("the spill matrix names channels that the file hasn't got")
    try:
        matrix = np.array([float(cell) for cell in cells]).reshape(size, size)
    except ValueError:
        raise refuse("the spill matrix holds cells that are no numbers") from None
    if not np.isfinite(matrix).all() or np.linalg.cond(matrix) > 1e6:
        raise refuse("the spill matrix can't be inverted")
    return Spill(tuple(known[name.upper()] for name in names), matrix)


def compensate(values: NDArray[np.float64], channels: Sequence[str], spill: Spill) -> NDArray[np.float64]:
    """``values`` (events x channels, linear) with the channels of ``spill`` compensated; the others unchanged."""
    columns = [list(channels).index(name) for name in spill.channels]
    result = np.array(values, order="F")  # gates read single channels, so each lies in one piece
    result[:, columns] = result[:, columns] @ np.linalg.inv(spill.matrix)
    return result
