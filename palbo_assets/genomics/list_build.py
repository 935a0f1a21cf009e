"""Whether a list of places (BED, sites VCF, hotspots) is of the study's reference build.

Names of builds are words; what a list can't lie about are its coordinates. Places behind the end of a contig, contig
lengths in a VCF's header, and reference bases that differ from the genome's show another build: at SNVs of hg19 on hg38
three of four bases are others. An interval without bases, within the contigs of both builds, shows nothing.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from palbo_assets.genomics.alleles import ContigNames, Fetch
from palbo_assets.genomics.bgzf import inflate
from palbo_assets.genomics.regions import reference
from palbo_assets.platform.errors import InputError

_CONTIG = re.compile(rb"##contig=<.*?\bID=([^,>]+).*?\blength=(\d+)")
_BASES = frozenset("ACGT")


class Layout(StrEnum):
    """How a list states its places."""

    BED = "bed"  # chrom, start, end; 0-based half-open
    SNP_BED = "snp_bed"  # and rsid, ref, alt; either allele may be the genome's
    SITES_VCF = "sites_vcf"
    HOTSPOTS = "hotspots"  # CSV with chrom, pos and maybe ref


class Place(NamedTuple):
    """0-based half-open interval of a line (1-based), and the alleles one of which the genome has there, if stated."""

    row: int
    chrom: str
    start: int
    end: int
    alleles: tuple[str, ...] = ()


def hold_to_build(path: Path, layout: Layout, fasta: Path, *, most_rows: int, max_differing: float) -> None:
    """Refuse a list of another build than ``fasta``'s; a list that passed isn't read again until it changes.

    Parameters
    ----------
    path
        The list, plain or (VCF, BED) compressed.
    fasta
        The study's reference with its index.
    most_rows
        Rows that are looked at: all of a shorter list, so many evenly spread ones of a longer.
    max_differing
        Share of stated reference bases that may differ from the genome's: rare slips of a public list.

    Raises
    ------
    InputError
        ``E_BUILD_MISMATCH`` with the first row that shows it; ``E_SCHEMA`` or ``E_ENCODING`` for a row that can't be
        read.
    """
    stamps = tuple((one.stat().st_size, one.stat().st_mtime_ns) for one in (path, fasta))
    _held(path, layout, fasta, most_rows, max_differing, stamps)


@lru_cache(maxsize=64)
def _held(
    path: Path, layout: Layout, fasta: Path, most_rows: int, max_differing: float, stamps: tuple[tuple[int, int], ...]
) -> None:
    del stamps  # part of the key: a file that changed is read again
    import pysam

    with pysam.FastaFile(str(fasta)) as opened:
        lengths = dict(zip(opened.references, opened.lengths, strict=True))
    lines = inflate(path).splitlines()
    _header(path, lines, lengths)
    places = list(_places(path, layout, _spread(list(_rows(lines, layout)), most_rows), lines[:1]))
    with reference(fasta) as fetch:
        _compare(path, places, lengths, fetch, max_differing)


def _header(path: Path, lines: Sequence[bytes], lengths: Mapping[str, int]) -> None:
    names = ContigNames(lengths)
    for number, line in enumerate(lines, start=1):
        if not line.startswith(b"##"):
            return
        stated = _CONTIG.match(line)
        own = names.canonical(stated[1].decode("utf-8", "replace")) if stated else None
        if stated and own is not None and lengths[own] != int(stated[2]):
            raise _other_build(path, number, "its header states another length of a contig than the study's reference")


def _rows(lines: Sequence[bytes], layout: Layout) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(lines, start=1):
        heading = number == 1 if layout is Layout.HOTSPOTS else line.startswith((b"#", b"track", b"browser"))
        if line.strip() and not heading:
            yield number, line


def _spread(rows: Sequence[tuple[int, bytes]], most: int) -> Sequence[tuple[int, bytes]]:
    """All rows, or ``most`` of them, evenly spread, first and last among them."""
    if len(rows) <= most:
        return rows
    return [rows[round(at * (len(rows) - 1) / (most - 1))] for at in range(most)]


def _places(path: Path, layout: Layout, rows: Iterable[tuple[int, bytes]], heading: Sequence[bytes]) -> Iterator[Place]:
    columns = next(csv.reader([heading[0].decode("utf-8-sig", "replace")]), []) if heading else []
    for number, line in rows:
        try:
            text = line.decode("utf-8")
            if layout is Layout.HOTSPOTS:
                cells = dict(zip(columns, next(csv.reader(io.StringIO(text))), strict=False))
                chrom, pos, ref = (cells.get(name, "").strip() for name in ("chrom", "pos", "ref"))
                if not (chrom and pos):
                    continue  # named by its protein change alone
                place = _of_allele(number, chrom, int(pos) - 1, ref)
            elif layout is Layout.SITES_VCF:
                fields = text.split("\t", 5)
                place = _of_allele(number, fields[0], int(fields[1]) - 1, fields[3])
            elif layout is Layout.SNP_BED:
                fields = text.split("\t")
                alleles = (fields[4].strip().upper(), fields[5].strip().upper())
                start = int(fields[1])
                place = Place(number, fields[0], start, start + max(len(alleles[0]), 1), alleles)
            else:
                fields = text.split("\t")
                place = Place(number, fields[0], int(fields[1]), int(fields[2]))
        except UnicodeDecodeError:
            raise InputError(
                "E_ENCODING",
                "the list isn't UTF-8 text",
                file=path.name,
                row=number,
                fix="save it as plain text in UTF-8",
            ) from None
        except (IndexError, ValueError, csv.Error):
            raise InputError(
                "E_SCHEMA",
                "the row states no place",
                file=path.name,
                row=number,
                fix="give chromosome and whole numbers for positions, in the list's layout",
            ) from None
        if not 0 <= place.start <= place.end:
            raise InputError(
                "E_SCHEMA",
                "an interval starts before the contig or ends before it starts",
                file=path.name,
                row=number,
                fix="give 0-based starts (BED) or 1-based positions (VCF, hotspots)",
            )
        yield place


def _of_allele(row: int, chrom: str, start: int, ref: str) -> Place:
    alleles = (ref.upper(),) if ref else ()
    return Place(row, chrom, start, start + max(len(ref), 1), alleles)


def _compare(
    path: Path, places: Sequence[Place], lengths: Mapping[str, int], fetch: Fetch, max_differing: float
) -> None:
    names = ContigNames(lengths)
    known = [(place, own) for place in places if (own := names.canonical(place.chrom)) is not None]
    if places and not known:
        raise _other_build(path, places[0].row, "none of its contigs is one of the study's reference")
    compared, differing = 0, []
    for place, own in known:
        if place.end > lengths[own]:
            raise _other_build(path, place.row, "a place lies behind the end of its contig in the study's reference")
        stated = [one for one in place.alleles if one and set(one) <= _BASES]
        if not stated:
            continue
        bases = [fetch(own, place.start, place.start + len(one)) for one in stated]
        if not all(set(one) <= _BASES for one in bases):
            continue
        compared += 1
        if not any(one == base for one, base in zip(stated, bases, strict=True)):
            differing.append(place.row)
    if len(differing) > max_differing * compared:
        raise _other_build(
            path,
            differing[0],
            f"{len(differing)} of {compared} reference bases that were compared aren't those of the study's reference",
        )


def _other_build(path: Path, row: int, message: str) -> InputError:
    return InputError(
        "E_BUILD_MISMATCH",
        f"the list is of another genome build: {message}",
        file=path.name,
        row=row,
        fix="give the list of the study's build (or lift it over, alleles too) and register it with "
        "`palbo reference add`; correct the row where it alone is wrong",
    )
