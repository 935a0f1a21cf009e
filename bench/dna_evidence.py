"""Reads to allele evidence: our kernels against samtools and bcftools mpileup and pysam, on the same simulated BAM.

Two kinds of files, because what a file costs to inflate bounds every ratio: reads as a NovaSeq writes them (2 x 150
bases, four qualities, Illumina's names, the tags of bwa and markdup), and dwgsim's own (2 x 100 bases, noisy qualities
that hardly compress). Every contestant counts alleles at every base with base quality >= 20 and mapping quality >= 30.
`inflate` is the limit: it only inflates the file with libdeflate. Needs the Debian packages samtools, bcftools, dwgsim
and bwa.
"""

from __future__ import annotations

import gzip
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pysam
from measure import Contestant, compare, growth, show

from palbo_assets.genomics.allele_counts import count_alleles
from palbo_assets.genomics.alleles import Variant
from palbo_assets.genomics.bam import record_offsets
from palbo_assets.genomics.bgzf import bam_header, line_chunks, record_chunks
from palbo_assets.genomics.pileup import pileup
from palbo_assets.genomics.regions import Region, reference
from palbo_assets.genomics.targets import lay_out

TOOLS = ("samtools", "bcftools", "dwgsim", "bwa")
CONTIG = 60_000


def run(command: str) -> None:
    subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], check=True, stderr=subprocess.DEVNULL)


def as_novaseq(source: Path, target: Path, mate: int) -> None:
    """The reads with names of Illumina's form and a NovaSeq's four qualities, worse towards the read's end."""
    names, rng = np.random.default_rng(3), np.random.default_rng(10 + mate)
    lines = gzip.decompress(source.read_bytes()).decode().split("\n")
    bases = lines[1::4]
    places = names.integers((1101, 1000, 1000), (2678, 32000, 37000), (len(bases), 3))
    places = places[np.argsort(places[:, 0], kind="stable")]
    low = np.linspace(0.02, 0.09, len(bases[0]))
    with target.open("w") as out:
        for number, (sequence, (tile_, x, y)) in enumerate(zip(bases, places.tolist(), strict=True)):
            share = rng.random(len(sequence)) / low
            quality = np.select([share < 0.08, share < 0.2, share < 1], [2, 11, 25], 37) + 33
            text = quality.astype(np.uint8).tobytes().decode()
            out.write(f"@A00253:178:HGY7KDSXX:{1 + number % 4}:{tile_}:{x}:{y}/{mate}\n{sequence}\n+\n{text}\n")


def simulate(folder: Path, depth: int, *, novaseq: bool) -> tuple[Path, str]:
    """One contig of random bases, sequenced in pairs, with 1 in 1,000 bases changed; its BAM and bases."""
    bases = "".join(np.random.default_rng(1).choice(list("ACGT"), CONTIG))
    fasta = folder / "one.fa"
    fasta.write_text(f">c0\n{bases}\n")
    run(f"samtools faidx {fasta}; bwa index {fasta}")
    length = "-1 150 -2 150 -d 300" if novaseq else "-1 100 -2 100 -d 250"
    run(f"dwgsim -z 7 -C {depth} {length} -s 60 -e 0.002 -E 0.002 -r 0.001 -y 0 -o 1 {fasta} {folder}/r")
    reads = [folder / f"r.bwa.read{mate}.fastq.gz" for mate in (1, 2)]
    if novaseq:
        for mate, path in enumerate(list(reads)):
            reads[mate] = folder / f"novaseq{mate}.fq"
            as_novaseq(path, reads[mate], mate + 1)
    align = f"bwa mem -t 1 -K 1000000 -R '@RG\\tID:1\\tSM:T' {fasta} {reads[0]} {reads[1]}"
    mark = "samtools fixmate -m -u - - | samtools sort -u - | samtools markdup -"
    run(f"{align} | {mark} {folder}/one.bam" if novaseq else f"{align} | samtools sort -o {folder}/one.bam -")
    return folder / "one.bam", bases


def tile(bam: Path, bases: str, copies: int, folder: Path) -> tuple[Path, Path, int]:
    """The same reads on ``copies`` contigs of the same bases: a BAM, its FASTA, and the number of reads."""
    fasta = folder / f"x{copies}.fa"
    fasta.write_text("".join(f">c{copy}\n{bases}\n" for copy in range(copies)))
    run(f"samtools faidx {fasta}")
    text = ("@HD\tVN:1.6\tSO:coordinate\n" + "".join(f"@SQ\tSN:c{n}\tLN:{CONTIG}\n" for n in range(copies))).encode()
    names = b"".join(
        struct.pack("<i", len(f"c{n}") + 1) + f"c{n}".encode() + b"\0" + struct.pack("<i", CONTIG)
        for n in range(copies)
    )
    target = folder / f"x{copies}.bam"
    records = np.concatenate(list(record_chunks(bam)))
    at = record_offsets(records)
    mapped = at[records[at + 7] < 128]
    end = int(at[len(mapped)]) if len(mapped) < len(at) else len(records)
    with pysam.BGZFile(str(target), "wb") as out:
        out.write(b"BAM\1" + struct.pack("<i", len(text)) + text + struct.pack("<i", copies) + names)
        for copy in range(copies):
            records[mapped + 4] = copy
            mates = mapped[records[mapped + 27] < 128]
            records[mates + 24] = copy
            out.write(records[:end].tobytes())
    run(f"samtools index {target}")
    return target, fasta, len(mapped) * copies


def ours(bam: Path, fasta: Path, *, mates_once: bool = True) -> int:
    contigs = bam_header(bam).contigs
    with reference(fasta) as fetch:
        targets = lay_out([Region(name, 0, length) for name, length in contigs.items()], contigs, fetch)
        pieces = pileup(bam, targets, min_base_quality=20, min_mapping_quality=30, mates_once=mates_once)
        return int(sum(piece.counts.sum() for piece in pieces))


def named(bam: Path, fasta: Path, variants: list[Variant]) -> int:
    with reference(fasta) as fetch:
        found = count_alleles(bam, variants, fetch, min_base_quality=20, min_mapping_quality=30)
    return sum(one.depth for one in found.values() if one is not None)


def coverage(bam: Path) -> int:
    """pysam's counter, per contig."""
    with pysam.AlignmentFile(str(bam)) as opened:
        return sum(
            sum(sum(base) for base in opened.count_coverage(
                name, quality_threshold=20,
                read_callback=lambda read: not read.flag & 0xF04 and read.mapping_quality >= 30,
            ))
            for name in opened.references
        )  # fmt: skip


def columns(bam: Path) -> int:
    """The usual pileup loop in Python."""
    total = 0
    with pysam.AlignmentFile(str(bam)) as opened:
        for column in opened.pileup(min_base_quality=20, min_mapping_quality=30, max_depth=1_000_000, stepper="all"):
            for read in column.pileups:
                if not read.is_del and not read.is_refskip and read.query_position is not None:
                    total += read.alignment.query_sequence[read.query_position] in "ACGT"
    return total


def contestants(bam: Path, fasta: Path, small: Path, small_fasta: Path, slow: bool) -> list[Contestant]:
    variants = [Variant(name, at, "A", "C") for name in bam_header(bam).contigs for at in range(100, CONTIG, 2000)]

    def warm() -> None:
        ours(small, small_fasta)
        ours(small, small_fasta, mates_once=False)
        named(small, small_fasta, variants[:3])

    found = [
        Contestant("inflate (limit)", lambda: sum(len(text) for text in line_chunks(bam)), warm),
        Contestant("evidence, mates once", lambda: ours(bam, fasta), warm),
        Contestant("evidence, mates apart", lambda: ours(bam, fasta, mates_once=False), warm),
        Contestant("named alleles", lambda: named(bam, fasta, variants), warm),
        Contestant(
            "samtools mpileup -B", lambda: run(f"samtools mpileup -B -q30 -Q20 -d0 -f {fasta} {bam} >/dev/null")
        ),
    ]
    if slow:
        found += [
            Contestant(
                "bcftools mpileup -a AD",
                lambda: run(f"bcftools mpileup -B -q30 -Q20 -d1000000 -a AD -Ou -f {fasta} {bam} >/dev/null"),
            ),
            Contestant("pysam count_coverage", lambda: coverage(bam)),
            Contestant("pysam pileup loop", lambda: columns(bam)),
        ]
    return found


def main(smoke: bool) -> None:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        sys.stdout.write(f"reads to evidence: not measured, because these are missing: {', '.join(missing)}\n")
        return
    for novaseq in (True, False):
        with tempfile.TemporaryDirectory() as name:
            measured(Path(name), novaseq, smoke)


def measured(folder: Path, novaseq: bool, smoke: bool) -> None:
    """One table a size, equal counts, and the least ratio that this kind of reads allows."""
    one, bases = simulate(folder, depth=60 if smoke else 150, novaseq=novaseq)
    sizes, seconds = [], []
    small, small_fasta, _ = tile(one, bases, 1, folder)
    kind = "NovaSeq's qualities" if novaseq else "noisy qualities"
    for copies in (1, 4) if smoke else (1, 4, 16):
        bam, fasta, reads = tile(one, bases, copies, folder)
        slow = copies == 1
        figures = compare(contestants(bam, fasta, small, small_fasta, slow), rounds=1 if smoke else 5)
        show(f"Reads to evidence, {kind}, {reads:,} reads", figures, "evidence, mates once", "reads", reads)
        sizes.append(reads)
        seconds.append(figures["evidence, mates once"].cpu)
        if slow:
            same = figures["evidence, mates apart"].result == figures["pysam count_coverage"].result
            assert same, "counts differ from pysam's"
        for against in ("samtools mpileup -B", "inflate (limit)"):
            ratio = figures[against].cpu / figures["evidence, mates once"].cpu
            sys.stdout.write(f"{against}: {ratio:.2f} of the time of evidence, mates once\n")
        ratio = figures["samtools mpileup -B"].cpu / figures["evidence, mates once"].cpu
        # Opening files weighs on the smallest input.
        assert ratio > (1 if slow else 4 if novaseq else 2.5), f"only {ratio:.1f} times as fast as samtools mpileup"
    sys.stdout.write(f"growth of evidence, mates once: {growth(sizes, seconds):.2f} (1 is linear)\n")
