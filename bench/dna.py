"""Reads to allele evidence: our kernels against samtools and bcftools mpileup and pysam, on the same simulated BAM.

Every contestant counts alleles at every base with base quality >= 20 and mapping quality >= 30. `inflate` is the limit:
it only inflates the file with libdeflate. Needs the Debian packages samtools, bcftools, dwgsim and bwa.
"""

from __future__ import annotations

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
from palbo_assets.genomics.bgzf import bam_header, inflate, record_chunks
from palbo_assets.genomics.pileup import pileup
from palbo_assets.genomics.regions import Region, reference
from palbo_assets.genomics.targets import lay_out

TOOLS = ("samtools", "bcftools", "dwgsim", "bwa")
CONTIG = 60_000


def run(command: str) -> None:
    subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], check=True, stderr=subprocess.DEVNULL)


def simulate(folder: Path, depth: int) -> tuple[Path, str]:
    """One contig of random bases, sequenced in pairs of 100 bases, with 1 in 1,000 bases changed; its BAM and bases."""
    bases = "".join(np.random.default_rng(1).choice(list("ACGT"), CONTIG))
    fasta = folder / "one.fa"
    fasta.write_text(f">c0\n{bases}\n")
    run(f"samtools faidx {fasta}; bwa index {fasta}")
    run(
        f"dwgsim -z 7 -C {depth} -1 100 -2 100 -d 250 -s 60 -e 0.002 -E 0.002 -r 0.001 -y 0 -o 1 {fasta} {folder}/r; "
        f"bwa mem -t 1 -K 1000000 {fasta} {folder}/r.bwa.read1.fastq.gz {folder}/r.bwa.read2.fastq.gz"
        f" | samtools sort -o {folder}/one.bam -"
    )
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
        Contestant("inflate (limit)", lambda: len(inflate(bam)), warm),
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
        sys.stdout.write(f"bench/dna.py: not measured, because these are missing: {', '.join(missing)}\n")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one, bases = simulate(folder, depth=60 if smoke else 150)
        sizes, seconds = [], []
        small, small_fasta, _ = tile(one, bases, 1, folder)
        for copies in (1, 4) if smoke else (1, 4, 16):
            bam, fasta, reads = tile(one, bases, copies, folder)
            slow = copies == 1
            figures = compare(contestants(bam, fasta, small, small_fasta, slow), rounds=1 if smoke else 3)
            show(f"Reads to evidence, {reads:,} reads", figures, "evidence, mates once", "reads", reads)
            sizes.append(reads)
            seconds.append(figures["evidence, mates once"].cpu)
            if slow:
                same = figures["evidence, mates apart"].result == figures["pysam count_coverage"].result
                assert same, "counts differ from pysam's"
            ratio = figures["samtools mpileup -B"].cpu / figures["evidence, mates once"].cpu
            # Opening files weighs on the smallest input.
            assert ratio > (1 if slow else 1.5), f"only {ratio:.1f} times as fast as samtools mpileup"
        sys.stdout.write(f"growth of evidence, mates once: {growth(sizes, seconds):.2f} (1 is linear)\n")


if __name__ == "__main__":
    main("--smoke" in sys.argv)
