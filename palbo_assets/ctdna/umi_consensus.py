"""Molecules of a plasma from raw reads: group by ends and UMI, call each strand's consensus, and count.

One pass over a coordinate-sorted BAM. A fragment is a read pair; its ends are the unclipped 5' ends of both reads
(from the CIGAR, so soft clipping doesn't split families). Fragments with the same ends are grouped by UMI with the
directional method (Smith, Heger and Sudbery 2017, Genome Research), so that a sequencing error in a barcode makes no
molecule of its own. Where both ends carry a UMI, the strands of a duplex meet: the part of the forward read comes
first. Each strand is called for itself: per reference base the raw bases' likelihoods multiply (mates are two readings
of the same copy), and what is undecided, or disputed by more than the tolerated share, has no vote. Strands that
contradict each other have no vote either (duplex consensus, Schmitt 2012, PNAS; the quality model is fgbio's).
Memory is bounded by the fragments that span the place of reading: a group is done when no later record can have its
ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import log
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.ctdna.molecules import Indel, IndelPlacer, MoleculeCounts, ReferenceBases, empty_regions
from palbo_assets.ctdna.panel import Panel
from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.umi import UmiPlace, UmiQuality, UmiSource, collision
from palbo_assets.genomics.bgzf import bam_header, counted_chunks, record_chunks
from palbo_assets.platform.errors import InputError

if TYPE_CHECKING:
    import numpy as np

_SCALE = 1024.0  # fixed-point weights: sums don't depend on the order of reads
_STRETCH = 4 << 20  # bytes of records that are paired and counted at once, about,
_WAITING = 1 << 16  # where not more than so many others wait
_PLACES = {UmiPlace.TAG: 0, UmiPlace.NAME: 1, UmiPlace.INLINE: 2}


def consensus_molecules(
    bam: Path,
    source: UmiSource,
    panel: Panel,
    reference: ReferenceBases,
    settings: Settings,
    stretch_bytes: int = _STRETCH,
) -> tuple[MoleculeCounts, UmiQuality]:
    """Molecules per allele, strand and panel base, and what the barcodes say about the library.

    A molecule of both strands counts on the strand that more raw pairs are from. ``reads`` of the counts are raw.

    Raises
    ------
    InputError
        ``E_UNSORTED``, ``E_SINGLE_END``, ``E_UMI_MISSING``, ``E_UMI_LENGTH``, and what reading BGZF raises.
    """
    import numpy as np

    from palbo_assets.ctdna import umi_families, umi_pairs
    from palbo_assets.ctdna import umi_records as records

    names = list(bam_header(bam).contigs)
    regions = empty_regions(panel, reference)
    layout = _Layout(regions, names)
    counts = np.zeros((2, 6, max(layout.size, 1)), dtype=np.int64)
    totals = _new_totals()
    sizes = np.zeros(umi_families.LARGEST_SIZE + 1, dtype=np.int64)
    structure = np.array(source.structure, dtype=np.int64)
    limits = np.array([settings.min_mapping_quality, settings.longest_fragment], dtype=np.int64)
    weights, rules, least = evidence_rules(settings)
    composition = np.zeros((0, 4), dtype=np.int64)
    events: Counter[tuple[int, ...]] = Counter()
    kept = _Records(stretch_bytes)
    for chunk, count, final in _with_last(counted_chunks(bam)):
        kept.add(chunk, count)
        if not (final or kept.enough):
            continue
        data, start, count = kept.stretch()
        fragments, kept.fragments, kept.singles = umi_pairs.pair_mates(
            data, start, count, kept.fragments, kept.singles, _PLACES[source.place], structure, limits, layout.contigs,
            layout.starts, layout.ends, totals, final,
        )  # fmt: skip
        _refuse(totals, bam)
        bases = umi_bases(source, totals)
        if composition.shape[0] == 0:
            composition = np.zeros((bases, 4), dtype=np.int64)
        fragments = fragments[np.lexsort((fragments[:, 1], fragments[:, 0]))]
        found = umi_families.consensus(
            data, fragments, bases, weights, rules, least, layout.contigs, layout.starts, layout.ends, layout.offsets,
            counts, totals, sizes, composition,
        )  # fmt: skip
        events.update(map(tuple, found.tolist()))
    for index, region in enumerate(regions):
        first = layout.offset_of(index)
        region.counts[:] = counts[:, :, first : first + region.end - region.start]
    quality = _quality(totals, sizes, composition)
    molecules = MoleculeCounts(
        regions=tuple(regions),
        indels=_indels(events, layout, IndelPlacer(regions, reference)),
        reads=int(totals[records.READS]),
        reads_on_target=int(totals[records.ON_TARGET]),
        reads_used=int(totals[records.USED]),
        family_size_mean=quality.size_mean,
        family_size_least_mean=None,
    )
    return molecules, quality


class _Records:
    """Raw records in one buffer: those of earlier stretches that wait, for their mate or for fragments with the same
    ends, what is known of them, and behind them the stretch that comes next.

    Records that are done with stay among them until the buffer is full; then those that wait move together, and what
    follows has at least as much room as they take. So a byte is moved about once, however many stretches it waits for.
    """

    def __init__(self, stretch_bytes: int) -> None:
        import numpy as np

        from palbo_assets.ctdna.umi_pairs import FRAGMENT, SINGLE

        self.fragments = np.empty((0, FRAGMENT), dtype=np.int64)
        self.singles = np.empty((0, SINGLE), dtype=np.int64)
        self._stretch_bytes = stretch_bytes
        self._buffer = np.empty(0, dtype=np.uint8)
        self._known = self._used = 0  # where the stretch starts and ends
        self._count = 0  # records of the stretch

    def add(self, chunk: np.ndarray, count: int) -> None:
        """Put ``count`` whole records at the stretch's end."""
        import numpy as np

        from palbo_assets.ctdna.umi_pairs import move_waiting, waiting_bytes

        if self._used + chunk.size > self._buffer.size:
            fresh = self._used - self._known
            needed = waiting_bytes(self._buffer, self.fragments, self.singles) + fresh
            least = 2 * needed + max(chunk.size, self._stretch_bytes)
            room = self._buffer if least <= self._buffer.size else np.empty(least + least // 2, dtype=np.uint8)
            end = move_waiting(self._buffer, self.fragments, self.singles, room)
            room[end : end + fresh] = self._buffer[self._known : self._used]
            self._buffer, self._known, self._used = room, end, end + fresh
        self._buffer[self._used : self._used + chunk.size] = chunk
        self._used += chunk.size
        self._count += count

    @property
    def enough(self) -> bool:
        """Whether the stretch is long enough; the more waits, the longer, because all of it is gone through again."""
        waiting = 2 * len(self.fragments) + len(self.singles)
        return self._used - self._known >= self._stretch_bytes * max(1.0, waiting / _WAITING)

    def stretch(self) -> tuple[np.ndarray, int, int]:
        """All records, where the stretch starts and how many it has; the next one starts behind it."""
        start, count = self._known, self._count
        self._known, self._count = self._used, 0
        return self._buffer[: self._used], start, count


def survey(bam: Path, source: UmiSource) -> tuple[int, int, int]:
    """(placed reads, UMI bases, reads whose UMI has an N) of a raw BAM; raises as `consensus_molecules` does."""
    import numpy as np

    from palbo_assets.ctdna import umi_records as records

    totals = _new_totals()
    lengths = np.array([umi for umi, _ in source.structure], dtype=np.int64)
    for chunk in record_chunks(bam):
        records.survey(chunk, _PLACES[source.place], lengths, totals)
        _refuse(totals, bam)
    reads, masked = int(totals[records.READS]), int(totals[records.WITH_N])
    if reads == 0:
        raise InputError("E_EMPTY", "no read is placed on the genome", file=bam.name, fix="align the reads")
    if masked == reads:
        raise InputError(
            "E_UMI_MISSING", "every molecular barcode has an undecided base (N)", file=bam.name, fix=_FIX_UMI
        )
    return reads, umi_bases(source, totals), masked


def umi_bases(source: UmiSource, totals: np.ndarray) -> int:
    """Bases of a UMI, both ends together."""
    if source.place is UmiPlace.INLINE:
        return sum(umi for umi, _ in source.structure)
    from palbo_assets.ctdna.umi_records import FIRST_LENGTH, SECOND_LENGTH

    return max(int(totals[FIRST_LENGTH] + totals[SECOND_LENGTH]), 0)


def evidence_rules(settings: Settings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The kernel's (weights, rules, least) from the settings; see `umi_families.consensus`.

    A raw base errs with 10^(-Q/10), and with ``error_rate_post_umi`` from amplification after tagging; a consensus
    base can't be better than ``error_rate_pre_umi``. Two errors e, f of one base: e + f - 4/3 e f (fgbio's model).
    """
    import numpy as np

    after, before = 10 ** (-settings.error_rate_post_umi / 10), 10 ** (-settings.error_rate_pre_umi / 10)
    error = np.minimum(10 ** (-np.arange(256) / 10), 0.75)
    error = np.minimum(error + after - 4 / 3 * error * after, 0.75)
    weights = np.round(_SCALE * np.maximum(np.log((1 - error) / (error / 3)), 0.0)).astype(np.int64)
    weights |= np.int64(1) << np.int64(40)
    weights[: settings.min_raw_base_quality] = 0
    weights[255] = 0  # no quality stated
    wanted = 10 ** (-settings.min_base_quality / 10)
    tolerated = (wanted - before) / (1 - 4 / 3 * before)
    margin = log((1 - tolerated) / tolerated) if tolerated > 0 else float("inf")
    alone = _SCALE * (margin + log(4)) if tolerated > 0 else 2.0**39
    rules = np.array([_SCALE, settings.max_base_error_rate, alone, margin, settings.max_read_error_rate])
    least = np.array(
        [settings.min_family_size, settings.min_strand_size, settings.require_duplex, settings.trimmed_end_bases,
         min(settings.longest_indel, 31)],
        dtype=np.int64,
    )  # fmt: skip
    return weights, rules, least


_FIX_UMI = "extract the UMIs again, with the read structure of this kit"


def _refuse(totals: np.ndarray, bam: Path) -> None:
    from palbo_assets.ctdna.umi_records import MIXED, NO_UMI, UNPAIRED, UNSORTED

    if totals[UNSORTED]:
        raise InputError(
            "E_UNSORTED", "the reads aren't sorted by coordinate", file=bam.name, fix="sort the BAM (samtools sort)"
        )
    if totals[UNPAIRED]:
        raise InputError(
            "E_SINGLE_END",
            "reads without a mate: a molecule is known by both of its ends",
            file=bam.name,
            fix="deliver paired-end reads, or a consensus BAM",
        )
    if totals[NO_UMI]:
        raise InputError("E_UMI_MISSING", "some reads carry no molecular barcode", file=bam.name, fix=_FIX_UMI)
    if totals[MIXED]:
        raise InputError("E_UMI_LENGTH", "molecular barcodes differ in length", file=bam.name, fix=_FIX_UMI)


class _Layout:
    """The panel's regions as the kernel wants them: by contig number, ascending, end to end in one array."""

    def __init__(self, regions: list, names: list[str]) -> None:
        import numpy as np

        number = {name: index for index, name in enumerate(names)}
        self.order = sorted(
            (index for index, region in enumerate(regions) if region.chrom in number),
            key=lambda index: (number[regions[index].chrom], regions[index].start),
        )
        ordered = [regions[index] for index in self.order]
        lengths = np.array([region.end - region.start for region in ordered], dtype=np.int64)
        self.starts = np.array([region.start for region in ordered], dtype=np.int64)
        self.ends = self.starts + lengths
        self.offsets = np.cumsum(lengths) - lengths
        self.size = int(lengths.sum())
        contig = np.array([number[region.chrom] for region in ordered], dtype=np.int64)
        numbers = np.arange(max(len(names), 1))
        self.contigs = np.stack([np.searchsorted(contig, numbers), np.searchsorted(contig, numbers, side="right")], 1)
        self._places = dict(zip(self.order, self.offsets.tolist(), strict=True))
        self._lengths = dict(zip(self.order, lengths.tolist(), strict=True))

    def offset_of(self, index: int) -> int:
        """Where the region's counts begin; a region on a contig that the file lacks has none."""
        return int(self._places.get(index, self.size))


def _indels(events: Counter[tuple[int, ...]], layout: _Layout, placer: IndelPlacer) -> dict[Indel, tuple[int, int]]:
    found: dict[Indel, list[int]] = {}
    for (region, anchor, deleted, inserted, code, strand), molecules in events.items():
        bases = "".join("ACGT"[code >> 2 * place & 3] for place in range(inserted - 1, -1, -1))
        event = placer.left_aligned(layout.order[region], anchor, deleted, bases)
        if event is not None:
            found.setdefault(event, [0, 0])[strand] += molecules
    return {event: (found[event][0], found[event][1]) for event in sorted(found)}


def _quality(totals: np.ndarray, sizes: np.ndarray, composition: np.ndarray) -> UmiQuality:
    from palbo_assets.ctdna import umi_records as records

    def share(part: int, whole: int) -> float | None:
        return float(totals[part] / totals[whole]) if totals[whole] else None

    molecules = int(totals[records.MOLECULES])
    return UmiQuality(
        pairs=int(totals[records.PAIRS]),
        molecules=molecules,
        enough=int(totals[records.ENOUGH]),
        voting=int(totals[records.VOTING]),
        sizes=tuple(sizes.tolist()),
        duplex_share=share(records.DUPLEX, records.ENOUGH),
        strand_balance=share(records.FORWARD_PAIRS, records.PAIRS),
        umi_error=share(records.MERGED_PAIRS, records.PAIRS),
        umi_collision=collision(int(totals[records.SAME_ENDS]), molecules, composition),
        umi_with_n=int(totals[records.WITH_N]),
        without_mate=int(totals[records.ORPHANS]),
        improper=int(totals[[records.IMPROPER, records.TOO_LONG, records.LOW_MAPQ]].sum()),
        same_ends=int(totals[records.SAME_ENDS]),
    )


def _new_totals() -> np.ndarray:
    import numpy as np

    from palbo_assets.ctdna import umi_records as records

    totals = np.zeros(records.TOTALS, dtype=np.int64)
    totals[[records.LAST_REF, records.LAST_POS, records.FIRST_LENGTH, records.SECOND_LENGTH]] = -1
    return totals


def _with_last(chunks: Iterator[tuple[np.ndarray, int]]) -> Iterator[tuple[np.ndarray, int, bool]]:
    """Each chunk, its records, and whether it is the last one; one empty chunk for a file without records."""
    import numpy as np

    held = next(chunks, (np.zeros(0, dtype=np.uint8), 0))
    for chunk in chunks:
        yield *held, False
        held = chunk
    yield *held, True
