"""Coding exons of genes from a GFF3 of gene models, on each gene's pinned transcript."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from palbo_assets.platform.errors import InputError

_TRANSCRIPT_KINDS = frozenset({b"mRNA", b"transcript"})


@dataclass(frozen=True)
class GeneExons:
    """A gene's coding exons as 0-based half-open intervals of one chromosome, by position."""

    symbol: str
    chrom: str
    transcript_id: str
    exons: tuple[tuple[int, int], ...]


def read_gene_exons(gff3: Path, pinned: Mapping[str, str]) -> tuple[GeneExons, ...]:
    """Genes with coding exons, by chromosome and place.

    ``pinned`` (gene -> transcript) names the genes and their transcripts; without it every gene is taken on its
    longest coding transcript (of equals the first by name). Versions of transcripts don't matter.

    Raises
    ------
    InputError
        ``E_SCHEMA`` with the row of what isn't GFF3.
    """
    return _read(str(gff3), gff3.stat().st_mtime_ns, tuple(sorted(pinned.items())))


@lru_cache(maxsize=2)  # whole gene models take seconds, and many samples are judged in one run
def _read(path: str, modified: int, pinned_items: tuple[tuple[str, str], ...]) -> tuple[GeneExons, ...]:
    gff3, pinned = Path(path), dict(pinned_items)
    names: dict[str, str] = {}  # id of a gene -> symbol
    gene_of: dict[str, str] = {}  # id of a transcript -> id of its gene
    coding: dict[str, list[tuple[str, int, int]]] = {}
    with gzip.open(gff3, "rb") if gff3.suffix == ".gz" else gff3.open("rb") as lines:
        for row, line in enumerate(lines, start=1):
            cells = line.rstrip(b"\n").split(b"\t")
            if len(cells) < 9 or line.startswith(b"#"):
                continue
            kind, attributes = cells[2], cells[8]
            if kind == b"CDS":
                try:
                    place = (cells[0].decode(), int(cells[3]) - 1, int(cells[4]))
                except ValueError:
                    raise InputError("E_SCHEMA", "not a CDS of GFF3", file=gff3.name, row=row) from None
                coding.setdefault(_attribute(attributes, b"Parent"), []).append(place)
            elif kind in _TRANSCRIPT_KINDS:
                gene_of[_attribute(attributes, b"ID")] = _attribute(attributes, b"Parent")
            elif b"Name=" in attributes and kind.endswith(b"gene"):
                names[_attribute(attributes, b"ID")] = _attribute(attributes, b"Name")
    chosen: dict[str, GeneExons] = {}
    for transcript in sorted(coding):
        symbol = names.get(gene_of.get(transcript, ""))
        if symbol is None or (pinned and pinned.get(symbol) != _plain(transcript)):
            continue
        chrom = min(chrom for chrom, _, _ in coding[transcript])
        exons = tuple(sorted((start, end) for name, start, end in coding[transcript] if name == chrom))
        found = GeneExons(symbol, chrom, _plain(transcript), exons)
        if symbol not in chosen or _bases(found) > _bases(chosen[symbol]):
            chosen[symbol] = found
    return tuple(sorted(chosen.values(), key=lambda one: (one.chrom, one.exons[0], one.symbol)))


def _attribute(attributes: bytes, name: bytes) -> str:
    for part in attributes.split(b";"):
        if part.startswith(name + b"="):
            return part[len(name) + 1 :].decode()
    return ""


def _plain(transcript: str) -> str:
    return transcript.removeprefix("transcript:").partition(".")[0]


def _bases(gene: GeneExons) -> int:
    return sum(end - start for start, end in gene.exons)
