"""Renders copy-number segments of the twin, in the layouts of four tools, with the fit's purity where the tool has one.

CNVkit's segments come without a purity, as ``cnvkit.py segment`` leaves them: what can't be judged from them is part of
the twin.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import log2
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.demo.truth import SampleTruth, WrittenFile

if TYPE_CHECKING:
    import numpy as np

    from palbo_assets.demo.genome import MiniGenome

LOWEST_LOG2 = -3.0  # what is left of a homozygous deletion in a very pure tumour


@dataclass(frozen=True)
class _Piece:
    """1-based closed interval with the copies of both alleles, and the targets in it."""

    chrom: str
    start: int
    end: int
    major: int
    minor: int
    targets: int

    @property
    def total(self) -> int:
        return self.major + self.minor


def write(
    truth: SampleTruth, genome: MiniGenome, folder: Path, *, tool: str, rng: np.random.Generator
) -> list[WrittenFile]:
    """The tumour's segments as ``tool`` (facets, ascat, purple, cnvkit) writes them, and its purity beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{truth.patient_id}-{truth.timepoint}-T"
    pieces = list(_pieces(truth, genome))
    bases = sum(one.end - one.start + 1 for one in pieces)
    ploidy = sum(one.total * (one.end - one.start + 1) for one in pieces) / bases
    header, row, suffix = _LAYOUTS[tool]
    lines = ["\t".join(header.split())]
    for one in pieces:
        noise = float(rng.normal(0, 0.01))
        lines.append("\t".join(map(str, row(one, noise, _log2(one, truth.purity) + noise, name))))
    written = [_file(folder / f"{name}{suffix}", "segments", lines, truth, genome, name)]
    if tool in _FITS:
        fit_header, fit_suffix = _FITS[tool]
        fit = [fit_header, f"{truth.purity:.3f}\t{ploidy:.3f}"]
        written.append(_file(folder / f"{name}{fit_suffix}", "purity", fit, truth, genome, name))
    return written


def _log2(piece: _Piece, purity: float) -> float:
    mixed = (purity * piece.total + 2 * (1 - purity)) / 2
    return log2(mixed) if mixed > 0 else LOWEST_LOG2


def _pieces(truth: SampleTruth, genome: MiniGenome) -> Iterator[_Piece]:
    """The genome cut midway between genes, neighbours with equal copies joined."""
    for chrom, length in genome.contigs.items():
        genes = sorted((gene for gene in genome.genes.values() if gene.chrom == chrom), key=lambda gene: gene.exons[0])
        middles = [(left.exons[-1][1] + right.exons[0][0]) // 2 for left, right in pairwise(genes)]
        copies = [truth.copy_number.get(gene.name, 2) for gene in genes]
        begin, targets = 1, 0
        for index, gene in enumerate(genes):
            targets += len(gene.exons)
            last = index == len(genes) - 1
            if last or copies[index + 1] != copies[index]:
                end = length if last else middles[index]
                yield _Piece(chrom, begin, end, *_parents(copies[index]), targets)
                begin, targets = end + 1, 0


def _parents(copies: int) -> tuple[int, int]:
    """(more, fewer) copies of the two parents' alleles: one parent's is lost first, and only one parent's is gained."""
    return (copies, 0) if copies < 2 else (copies - 1, 1)


def _plain(chrom: str) -> str:
    return chrom.removeprefix("chr")


# Tool -> header, row (piece, noise, log2 ratio with it, sample), suffix.
_LAYOUTS = {
    "facets": (
        "chrom seg num.mark nhet cnlr.median mafR segclust start end cf.em tcn.em lcn.em",
        lambda one, noise, ratio, name: (
            *(_plain(one.chrom), 1, one.targets, one.targets, f"{ratio:.4f}", 0.1, 1, one.start, one.end),
            *(1, one.total, one.minor),
        ),
        ".cncf.txt",
    ),
    "ascat": (
        "sample chr startpos endpos nMajor nMinor",
        lambda one, noise, ratio, name: (name, _plain(one.chrom), one.start, one.end, one.major, one.minor),
        ".segments.txt",
    ),
    "purple": (
        "chromosome start end copyNumber bafCount depthWindowCount minorAlleleCopyNumber majorAlleleCopyNumber",
        lambda one, noise, ratio, name: (
            *(one.chrom, one.start, one.end, f"{max(0.0, one.total + noise):.4f}", one.targets, one.targets),
            *(f"{one.minor:.4f}", f"{one.major:.4f}"),
        ),
        ".purple.cnv.somatic.tsv",
    ),
    "cnvkit": (
        "chromosome start end gene log2 depth probes weight",
        lambda one, noise, ratio, name: (one.chrom, one.start - 1, one.end, "-", f"{ratio:.4f}", 100, one.targets, 1),
        ".cns",
    ),
}
_FITS = {
    "facets": ("purity\tploidy", ".facets.tsv"),
    "ascat": ("AberrantCellFraction\tPloidy", ".purityploidy.txt"),
    "purple": ("purity\tploidy", ".purple.purity.tsv"),
}


def _file(path: Path, role: str, lines: list[str], truth: SampleTruth, genome: MiniGenome, name: str) -> WrittenFile:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return WrittenFile(
        path.name,
        "wes",
        role,
        patient_id=truth.patient_id,
        timepoint=truth.timepoint,
        specimen_id=f"{truth.patient_id}-{truth.timepoint}-T1",
        sample_name=name,
        genome_build=genome.build,
    )
