"""Molecule counts as rows of ``ctdna_molecules`` and back, so that a BAM is read once for all that follows from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from palbo_assets.ctdna.molecules import Indel, MoleculeCounts, RegionCounts

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from palbo_assets.ctdna.fragments import Library
    from palbo_assets.ctdna.umi import UmiQuality

VOTES = tuple(
    f"{what}_{strand}" for strand in ("forward", "reverse") for what in ("a", "c", "g", "t", "masked", "deleted")
)
_OF_FILE = ("reads", "reads_on_target", "reads_used", "family_size_mean", "family_size_least_mean")


@dataclass(frozen=True)
class Plasma:
    """One plasma's counts; ``barcodes`` are figures of `umi.UmiQuality`, empty for a consensus BAM; ``reads`` those of
    `fragments.Library`."""

    panel_version: str
    counts: MoleculeCounts
    barcodes: dict[str, Any]
    reads: dict[str, Any]


def frame_of(
    panel_version: str, counts: MoleculeCounts, barcodes: UmiQuality | None, reads: Library | None = None
) -> pd.DataFrame:
    """One row per panel base: position, reference base, votes by strand, indels anchored there, and the file's totals.

    Totals are JSON, the same in every row: Parquet stores them once.
    """
    import pandas as pd

    library: dict[str, Any] = {name: getattr(counts, name) for name in _OF_FILE}
    library["barcodes"] = {} if barcodes is None else {name: getattr(barcodes, name) for name in BARCODES}
    library["fragments"] = {} if reads is None else reads.as_dict()
    stated = json.dumps(library, sort_keys=True)
    events: dict[tuple[str, int], list[str]] = {}
    for event, (forward, reverse) in sorted(counts.indels.items()):
        events.setdefault((event.chrom, event.pos), []).append(f"{event.ref}>{event.alt}:{forward}:{reverse}")
    parts = []
    for region in counts.regions:
        positions = range(region.start + 1, region.end + 1)
        part = pd.DataFrame({"chrom": region.chrom, "pos": positions, "ref": list(region.reference)})
        part[list(VOTES)] = region.counts.reshape(len(VOTES), -1).T
        part["indels"] = [";".join(events.get((region.chrom, pos), ())) or None for pos in positions]
        parts.append(part)
    return pd.concat(parts, ignore_index=True).assign(panel_version=panel_version, library=stated)


BARCODES = (
    "pairs", "molecules", "enough", "voting", "distribution", "singleton_share", "duplex_share", "strand_balance",
    "umi_error", "umi_collision", "umi_with_n", "without_mate", "improper", "same_ends",
)  # fmt: skip


def plasma_of(rows: pd.DataFrame) -> Plasma | None:
    """The plasma that `frame_of` wrote; None without rows (its panel version isn't known)."""
    if rows.empty:
        return None
    rows = rows.sort_values(["chrom", "pos"])
    library = json.loads(rows["library"].iloc[0])
    counts = MoleculeCounts(
        regions=tuple(_regions(rows)),
        indels=dict(_indels(rows)),
        **{name: library[name] for name in _OF_FILE},
    )
    return Plasma(str(rows["panel_version"].iloc[0]), counts, library["barcodes"], library["fragments"])


def _regions(rows: pd.DataFrame) -> Iterator[RegionCounts]:
    import numpy as np

    chrom, pos = rows["chrom"].to_numpy(dtype=object), rows["pos"].to_numpy(dtype=np.int64)
    votes: np.ndarray = rows[list(VOTES)].to_numpy(dtype=np.int64)
    bases = rows["ref"].to_numpy(dtype=object)
    breaks = np.flatnonzero((np.diff(pos) != 1) | (chrom[1:] != chrom[:-1])) + 1
    for first, last in zip([0, *breaks], [*breaks, len(pos)], strict=True):
        counts = np.ascontiguousarray(votes[first:last].T).reshape(2, 6, last - first)
        yield RegionCounts(
            str(chrom[first]), int(pos[first]) - 1, int(pos[last - 1]), "".join(bases[first:last]), counts
        )


def _indels(rows: pd.DataFrame) -> Iterator[tuple[Indel, tuple[int, int]]]:
    shown = rows[rows["indels"].notna()]
    for chrom, pos, listed in zip(shown["chrom"], shown["pos"], shown["indels"], strict=True):
        for entry in str(listed).split(";"):
            alleles, forward, reverse = entry.split(":")
            ref, alt = alleles.split(">")
            yield Indel(str(chrom), int(pos), ref, alt), (int(forward), int(reverse))
