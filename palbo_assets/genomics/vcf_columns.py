"""VCF text to columns: one pass over the inflated bytes, without an object a record.

What is taken follows a `Wanted`: counts of FORMAT keys for chosen samples, spans of INFO values, and always the places
of the fixed cells. A record is ``plain`` when every rule below holds; any other is left to a reader of text, whose
line is `VcfColumns.text_of_line`. So the kernel needs no opinion on what is odd.

Plain: as many cells as the column line; POS of 1 to 10 digits and above 0; REF and ALT two different sequences of A, C,
G, T; FORMAT of proper keys, none twice and none that is said to be unusual; samples with no more values than FORMAT;
counts that are digits or ``.``, at most `WIDTH` of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from palbo_assets.genomics.vcf_kernel import CELLS, count_lines, parse

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

WIDTH = 4
"""Counts kept of one cell: one for each base, or reference and three alternatives."""


@dataclass(frozen=True)
class Wanted:
    """What to take beside the fixed cells.

    samples
        Sample columns, 0 for the first.
    counts
        FORMAT keys whose cells hold counts (``AD``, ``DP``, ``AU``).
    values
        Further FORMAT keys, whose cells' places are wanted.
    unusual
        FORMAT keys that make a record not plain.
    info
        INFO keys whose values' places are wanted.
    """

    samples: tuple[int, ...] = ()
    counts: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    unusual: tuple[str, ...] = ()
    info: tuple[str, ...] = ()


@dataclass(frozen=True)
class VcfColumns:
    """Columns of n records (every line that isn't blank, plain or not).

    text
        The bytes, uint8.
    line
        int64[n], 1-based line numbers.
    starts
        int64[n, 10]: where CHROM .. FORMAT start, and last where the line ends. -1 where a line lacks the cell.
    plain
        bool[n]. Everything below is only defined for plain records.
    pos
        int64[n], 1-based.
    alt_base
        int8[n]: 0 to 3 for the base of a single-base ALT beside a single-base REF, else -1.
    counts
        int32[n, samples, keys, WIDTH]; -1 for a missing number.
    n_counts
        int8[n, samples, keys]: how many numbers the cell has; 0 for a missing cell.
    values
        int64[n, samples, keys, 2]: start and end of the cell; (-1, -1) for a missing one.
    info
        int64[n, keys, 2]: start and end of the value; (-1, -1) without the key, an empty span for a flag.
    """

    text: Bytes
    line: Ints
    starts: Ints
    plain: npt.NDArray[np.bool_]
    pos: Ints
    alt_base: npt.NDArray[np.int8]
    counts: npt.NDArray[np.int32]
    n_counts: npt.NDArray[np.int8]
    values: Ints
    info: Ints

    def spans(self, cell: int) -> Ints:
        """int64[n, 2]: start and end of a fixed cell, 0 for CHROM to 7 for INFO. Only for plain records."""
        return np.stack((self.starts[:, cell], self.starts[:, cell + 1] - 1), axis=1)

    def text_of_line(self, row: int) -> str:
        """The whole line of a record, without its end."""
        return self.text[self.starts[row, 0] : self.starts[row, 9]].tobytes().rstrip(b"\r").decode("utf-8")


def read_columns(
    text: bytes | bytearray, wanted: Wanted, *, n_cells: int, start: int = 0, first_line: int = 1
) -> VcfColumns:
    """Columns of VCF text that ends with a line's end.

    Parameters
    ----------
    text
        The whole inflated file.
    n_cells
        Cells of the column line: 8 without samples, else 9 + samples.
    start, first_line
        Offset of the first record and its line number.

    Raises
    ------
    ValueError
        When the text doesn't end with a line's end.
    """
    if not text.endswith(b"\n"):
        raise ValueError("the text must end with a line's end")
    data = np.frombuffer(text, np.uint8)
    data.flags.writeable = False  # one compiled kernel, whatever holds the text
    n = int(count_lines(data, start))
    keys, key_at = _packed((*wanted.counts, *wanted.values, *wanted.unusual))
    infos, info_at = _packed(wanted.info)
    shape = (n, len(wanted.samples), len(wanted.counts))
    line, pos = np.zeros(n, np.int64), np.zeros(n, np.int64)
    starts = np.full((n, CELLS), -1, np.int64)
    plain, alt_base = np.zeros(n, np.bool_), np.full(n, -1, np.int8)
    counts, n_counts = np.full((*shape, WIDTH), -1, np.int32), np.zeros(shape, np.int8)
    values = np.full((n, len(wanted.samples), len(wanted.values), 2), -1, np.int64)
    info = np.full((n, len(wanted.info), 2), -1, np.int64)
    samples = np.asarray(wanted.samples, np.int64)
    rows = parse(
        data, start, first_line, n_cells, keys, key_at, len(wanted.counts), len(wanted.values), samples,
        infos, info_at, line, starts, plain, pos, alt_base, counts, n_counts, values, info,
    )  # fmt: skip
    return VcfColumns(
        data, line[:rows], starts[:rows], plain[:rows], pos[:rows], alt_base[:rows], counts[:rows], n_counts[:rows],
        values[:rows], info[:rows],
    )  # fmt: skip


def _packed(names: tuple[str, ...]) -> tuple[Bytes, Ints]:
    """Names in one array of bytes, and where each starts (and the last ends)."""
    joined = "".join(names).encode()
    at = np.cumsum([0, *(len(name) for name in names)], dtype=np.int64)
    return np.frombuffer(joined or b"\0", np.uint8), at
