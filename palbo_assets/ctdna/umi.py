"""Where the molecular barcodes (UMIs) of raw reads are, and what is told of them.

Aligned reads carry their UMI in the tag RX (fgbio, Picard), at the end of the read name (umi_tools ``_ACGT``, Illumina
``:ACGT+TTGA``), or still as the first bases of the read (inline), of which a read structure tells the length. Two UMIs
of equal length, one from each end, mark a duplex library: read 1 of one strand starts where read 2 of the other does,
so the parts swap between strands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import InputError

if TYPE_CHECKING:
    import numpy as np

_STRUCTURE = re.compile(r"(?:(\d+)M)?(?:(\d+)S)?\+T")
_NOTE = re.compile(r"read[ _-]?structure\s*[:=]?\s*([0-9MST+, ]+)", re.IGNORECASE)
_LONGEST = 15


class UmiPlace(StrEnum):
    """Where the UMI of a read is."""

    TAG = "tag RX"
    NAME = "read name"
    INLINE = "inline"


@dataclass(frozen=True)
class UmiSource:
    """``structure``: (UMI bases, spacer bases) at the start of read 1 and of read 2; zeros unless inline."""

    place: UmiPlace
    structure: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))


@dataclass(frozen=True)
class UmiQuality:
    """What the barcodes of a file say about its library. Shares are in 0..1, None without anything to share.

    molecules
        Groups of read pairs with the same ends and UMI.
    enough
        Those of at least ``min_family_size`` pairs; ``duplex_share`` is of these.
    strand_balance
        Share of pairs from molecules' forward strands; 0.5 is expected.
    umi_error
        Share of pairs whose UMI was merged into another one: sequencing errors in the barcode.
    umi_collision
        Expected share of molecules that share ends and UMI with another one, from how many share their ends and how
        evenly UMI bases are used.
    """

    pairs: int
    molecules: int
    enough: int
    voting: int
    sizes: tuple[int, ...]  # molecules of 0, 1, 2, ... pairs; the last place holds all larger ones
    duplex_share: float | None
    strand_balance: float | None
    umi_error: float | None
    umi_collision: float | None
    umi_with_n: int  # reads
    without_mate: int  # reads
    improper: int  # pairs that aren't two ends of one fragment, are too long or placed unsurely
    same_ends: int = 0  # ordered pairs of molecules that share both ends; with none, and each read once: deduplicated

    @property
    def size_mean(self) -> float | None:
        """Read pairs per molecule."""
        return self.pairs / self.molecules if self.molecules else None

    @property
    def singleton_share(self) -> float | None:
        """Share of molecules that were read once: under-sequenced, or a barcode that splits families."""
        return self.sizes[1] / self.molecules if self.molecules else None

    @property
    def distribution(self) -> str:
        """``1:120;2:80;...`` molecules by family size, empty sizes left out."""
        last = len(self.sizes) - 1
        return ";".join(f"{size}{'+' if size == last else ''}:{n}" for size, n in enumerate(self.sizes) if n)


def read_structure(stated: str) -> UmiSource:
    """An inline UMI from ``3M2S+T,3M2S+T`` (M: UMI, S: spacer, T: template; one entry serves both reads).

    Raises
    ------
    InputError
        ``E_SCHEMA`` for anything else.
    """
    parts = [part for part in re.split(r"[,\s]+", stated.strip()) if part]
    found = [_STRUCTURE.fullmatch(part) for part in parts]
    if len(found) == 1:
        found *= 2
    read: list[tuple[int, int]] = [(int(match[1] or 0), int(match[2] or 0)) for match in found if match]
    if len(read) != 2 or len(found) != 2 or not 0 < max(umi for umi, _ in read) <= _LONGEST:
        raise InputError(
            "E_SCHEMA",
            "the read structure isn't of the form 3M2S+T,3M2S+T (UMI, spacer, template; UMIs of up to 15 bases)",
            column="note",
            fix="state UMI and spacer lengths of read 1 and read 2, such as 'read structure 8M1S+T,8M1S+T'",
        )
    return UmiSource(UmiPlace.INLINE, (read[0], read[1]))


def stated_structure(note: str) -> UmiSource | None:
    """The read structure that a manifest's note states; None without one."""
    match = _NOTE.search(note)
    return read_structure(match[1]) if match else None


def stated_source(facts: Mapping[str, str | int | float]) -> UmiSource | None:
    """What the landing found when it verified the file (`facts_of`); None where it recorded nothing."""
    if "umi_place" not in facts:
        return None
    place = UmiPlace(str(facts["umi_place"]))
    return read_structure(str(facts["read_structure"])) if place is UmiPlace.INLINE else UmiSource(place)


def facts_of(source: UmiSource) -> dict[str, str | int | float]:
    """The source as facts of a verified file."""
    facts: dict[str, str | int | float] = {"umi_place": str(source.place)}
    if source.place is UmiPlace.INLINE:
        facts["read_structure"] = ",".join(
            f"{umi}M{spacer}S+T" if umi else f"{spacer}S+T" for umi, spacer in source.structure
        )
    return facts


def find_umi(bam: Path, note: str = "") -> UmiSource:
    """Where a raw BAM's UMIs are: as the note states, else tag RX, else the read name, of its first placed read.

    Raises
    ------
    InputError
        ``E_UMI_MISSING`` where none is found, ``E_EMPTY`` without a placed read.
    """
    import pysam

    stated = stated_structure(note)
    verbosity = pysam.set_verbosity(0)
    try:
        with pysam.AlignmentFile(str(bam), "rb", check_sq=False) as file:
            for read in file.fetch(until_eof=True):
                if read.is_unmapped:
                    continue
                if read.has_tag("cD"):
                    raise InputError(
                        "E_SCHEMA",
                        "the reads are consensus reads (tag cD), not raw ones",
                        file=bam.name,
                        fix="deliver the BAM in the role consensus_bam",
                    )
                if stated is not None:
                    return stated
                if read.has_tag("RX"):
                    return UmiSource(UmiPlace.TAG)
                last = re.split("[_:]", read.query_name or "")
                if len(last) > 1 and re.fullmatch("[ACGTNacgtn]+([-+][ACGTNacgtn]+)?", last[-1]):
                    return UmiSource(UmiPlace.NAME)
                raise InputError(
                    "E_UMI_MISSING",
                    "the reads carry no molecular barcode: no tag RX, none at the end of the read name",
                    file=bam.name,
                    fix="extract the UMIs into RX before aligning, or state the read structure in the manifest's note"
                    " ('read structure 3M2S+T,3M2S+T') if they are still in the reads",
                )
    except (OSError, ValueError) as error:
        raise InputError(
            "E_TRUNCATED", "the BAM can't be read to its end", file=bam.name, fix="send the whole file again"
        ) from error.__class__("unreadable BAM")
    finally:
        pysam.set_verbosity(verbosity)
    raise InputError("E_EMPTY", "no read is placed on the genome", file=bam.name, fix="align the reads")


def collision(same_ends: int, molecules: int, composition: np.ndarray) -> float | None:
    """Expected share of molecules that another one with the same ends hides behind the same UMI.

    ``same_ends``: ordered pairs of molecules with the same ends. ``composition``: (bases, 4) molecules by UMI base;
    two UMIs agree with probability prod_i sum_b p_ib^2, bases taken as independent.
    """
    import numpy as np

    if molecules == 0 or composition.shape[0] == 0:
        return None
    shares = composition / molecules
    return min(1.0, same_ends / molecules * float(np.prod((shares**2).sum(axis=1))))
