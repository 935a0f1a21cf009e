"""What the fragments of a BAM say at every base of target regions: counts per allele and strand, in one pass.

A fragment counts once at a base: agreeing mates are one vote, which the better base casts (read 1 of equal ones); of
disagreeing mates the better base counts, and neither of two equally good ones. A base that isn't ACGT, or below the
quality limit, says nothing. Reads excluded by flags or mapping quality are out.

How it is fast: depth is added over a whole aligned block at once, packed bases are compared with the packed reference
two at a time, and only what differs is looked at one by one. When the second mate comes, the vote that doesn't count
is taken back over the overlap. First mates wait in an open-addressed table of names; what no read can reach any more
is handed out and its memory used anew, so that memory doesn't grow with the file or the targets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np

from palbo_assets.genomics.bam import EXCLUDED_FLAGS, NIBBLES, unsorted
from palbo_assets.genomics.bam_index import WHOLE
from palbo_assets.genomics.bgzf import bam_header, counted_chunks
from palbo_assets.genomics.mates import hold, waiting
from palbo_assets.genomics.pileup_kernel import pile
from palbo_assets.genomics.targets import BASES, Targets

_BASE_OF = np.full(16, 4, dtype=np.int64)
for _index, _letter in enumerate(BASES):
    _BASE_OF[NIBBLES.index(_letter)] = _index
_WINDOW = 1 << 15
_CHUNK_BYTES = 1 << 19
_EVENTS, _ARENA = 1 << 14, 1 << 20


class Indel(NamedTuple):
    """An insertion or a deletion (``length`` < 0) where the aligner put it: before 0-based position ``at``."""

    chrom: str
    at: int
    length: int
    inserted: str


class Piece(NamedTuple):
    """Target bases ``first`` onwards.

    counts
        (positions, 4 bases ACGT, 2 strands) int32 fragments.
    indels
        distinct insertions and deletions seen by reads since the last piece -> reads; not yet left-aligned, and mates
        not yet made one.
    """

    first: int
    counts: np.ndarray
    indels: dict[Indel, int]


def pileup(
    path: Path,
    targets: Targets,
    *,
    min_base_quality: int,
    min_mapping_quality: int,
    excluded_flags: int = EXCLUDED_FLAGS,
    mates_once: bool = True,
    window: int = _WINDOW,
    chunk_bytes: int = _CHUNK_BYTES,
    ranges: Iterable[tuple[int, int | None]] = WHOLE,
) -> Iterator[Piece]:
    """Counts over all targets, in pieces from the first base to the last, each base once.

    Parameters
    ----------
    path
        A coordinate-sorted BAM.
    mates_once
        False counts each mate on its own, as samtools' and pysam's plain counters do.
    window
        Target bases held at a time (40 bytes each): bounds memory, not the result.
    ranges
        Virtual offsets in file order that hold all reads over the targets (`bam_index.access`); the whole file when
        left out.

    Raises
    ------
    InputError
        ``E_EMPTY``, ``E_NOT_BGZF``, ``E_TRUNCATED``, ``E_UNSORTED``.
    """
    state = _State(path, targets, window, bam_header(path).contigs)
    held, n_held = np.empty(0, dtype=np.uint8), 0
    limits = (min_base_quality, min_mapping_quality, excluded_flags, mates_once)
    chunks = (one for part in ranges for one in counted_chunks(path, *part, chunk_bytes=chunk_bytes, reuse=True))
    for chunk, reads in chunks:
        size = 1 << 10
        while size < 2 * (reads + n_held):
            size *= 2
        tags, slots = np.zeros(size, dtype=np.uint64), np.full(size, -1, dtype=np.int64)
        hold(held, tags, slots)
        at = 0
        while at < len(chunk):
            arguments: list[Any] = [chunk, held, at, state.last, *state.layout, state.base, *state.counts]
            arguments += [tags, slots, *limits, *state.events]
            at = pile(*arguments)
            if at < 0:
                raise unsorted(path)
            if at < len(chunk):
                yield from state.make_room()
        held, n_held = waiting(chunk, held, tags, slots, state.last)
    yield from state.rest()


class _State:
    """The window of target bases that reads can still reach, and where the file stands."""

    def __init__(self, path: Path, targets: Targets, window: int, contigs: dict[str, int]) -> None:
        self.path, self.targets, self.window = path, targets, window
        self.contigs = list(contigs)
        self.base = 0
        # Contig, position of the last read; target that the next read may meet first; longest stretch of a read.
        self.last = np.array([-1, -1, 0, 0], dtype=np.int64)
        self.layout = (
            targets.contig, targets.start, targets.end, targets.offset, targets.codes, targets.packed,
        )  # fmt: skip
        self.counts = self._empty(window)
        # Contig, position, signed length, where the inserted bases are; number of events and of arena bytes used.
        self.events = (np.zeros((_EVENTS, 4), np.int64), np.zeros(_ARENA, np.uint8), np.zeros(2, np.int64))

    @staticmethod
    def _empty(window: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Depth on the forward and the reverse strand; bases unlike the reference (position x base x strand)."""
        return np.zeros(window, np.int32), np.zeros(window, np.int32), np.zeros(window * 8, np.int32)

    def make_room(self) -> Iterator[Piece]:
        """Hand out what is final; a window that a single read overflows grows."""
        final = self._final()
        if final > self.base:
            yield self._piece(final)
        elif self.events[2][0]:
            yield Piece(self.base, np.zeros((0, 4, 2), np.int32), self._indels())
        else:
            self.window *= 2
            grown = self._empty(self.window)
            for old, new in zip(self.counts, grown, strict=True):
                new[: len(old)] = old
            self.counts = grown

    def _final(self) -> int:
        """Index of the first target base that the next read may still cover."""
        contig, position, which = (int(one) for one in self.last[:3])
        targets = self.targets
        while which < len(targets.regions) and (
            targets.contig[which] < contig or (targets.contig[which] == contig and targets.end[which] <= position)
        ):
            which += 1
        if which == len(targets.regions):
            return targets.total
        inside = targets.contig[which] == contig and targets.start[which] < position
        return int(targets.offset[which]) + (position - int(targets.start[which]) if inside else 0)

    def _piece(self, final: int) -> Piece:
        size = min(final - self.base, self.window)
        forward, reverse, unlike = self.counts
        counts = np.empty((size, 4, 2), dtype=np.int32)
        _by_base(forward, reverse, unlike, _BASE_OF[self.targets.codes[self.base : self.base + size]], counts)
        for array, width in ((forward, 1), (reverse, 1), (unlike, 8)):
            kept = len(array) - size * width
            array[:kept] = array[size * width :]
            array[kept:] = 0
        piece = Piece(self.base, counts, self._indels())
        self.base += size
        return piece

    def _indels(self) -> dict[Indel, int]:
        rows, arena, used = self.events
        found: dict[Indel, int] = {}
        for contig, at, length, where in rows[: used[0]].tolist():
            inserted = "".join(NIBBLES[code] for code in arena[where : where + length]) if length > 0 else ""
            indel = Indel(self.contigs[contig], at, length, inserted)
            found[indel] = found.get(indel, 0) + 1
        used[:] = 0
        return found

    def rest(self) -> Iterator[Piece]:
        """What is left when the file has ended."""
        while self.base < self.targets.total:
            yield self._piece(self.targets.total)


@numba.njit(cache=True, nogil=True)
def _by_base(
    forward: np.ndarray, reverse: np.ndarray, unlike: np.ndarray, base_of: np.ndarray, counts: np.ndarray
) -> None:
    """Counts of each base: what is unlike the reference as it is, and of the reference's base the rest of the depth."""
    flat = counts.reshape(-1)
    flat[:] = unlike[: flat.size]
    for place in range(base_of.size):
        which, at = base_of[place], 8 * place
        if which < 4:
            flat[at + 2 * which] = forward[place] - (flat[at] + flat[at + 2] + flat[at + 4] + flat[at + 6])
            flat[at + 2 * which + 1] = reverse[place] - (flat[at + 1] + flat[at + 3] + flat[at + 5] + flat[at + 7])
