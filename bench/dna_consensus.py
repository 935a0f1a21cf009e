"""Molecules from raw duplex-UMI reads: one compiled pass against `umi_tools group` (which only groups) and plain pysam.

Input: cell-free fragments around 167 bases on targets of 1,000 bases, 2 x 100, 6+6-base duplex UMIs with errors,
families of 8 pairs, base errors as the qualities say. More data is more targets at the same depth (a larger panel, more
samples), or the same target read deeper, where molecules that share their ends become many. Smoke checks that every
simulated family is found and that consensus errors are rare, on small input.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import measure
import numpy as np

SPACING, START, END, FAMILY = 4000, 1500, 2500, 8  # a target every 4,000 bases
MOLECULES = 5000  # a target, 1x: 80,000 reads, 800 molecules deep


def simulate(path: Path, molecules: int, targets: int, seed: int = 1) -> int:
    """Write a raw UMI BAM of so many molecules a target; how many were read at least once."""
    import struct

    import pysam

    from palbo_assets.demo.alignments import bgzf
    from palbo_assets.demo.plasma_reads import Drawn
    from palbo_assets.demo.raw_umi import raw_records

    rng = np.random.default_rng(seed)
    genome = "".join(np.random.default_rng(9).choice(list("ACGT"), size=SPACING * targets))
    lengths = np.clip(np.round(rng.normal(167, 12, size=molecules * targets)), 120, 220).astype(np.int64)
    starts = rng.integers(START - 60, END - 100, size=molecules * targets)
    starts += SPACING * np.repeat(np.arange(targets), molecules)
    drawn = Drawn(genome, starts, lengths, [], rng)
    for reads, first in zip(drawn.reads, drawn.starts):  # no errors before the barcode: what is left is ours
        reads[:] = np.frombuffer(genome.encode(), dtype=np.uint8)[first[:, None] + np.arange(reads.shape[1])]
    records, sizes = raw_records(0, "S", 0, drawn, rng, family_mean=FAMILY)
    text = f"@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:chr1\tLN:{len(genome)}\n@RG\tID:A\tSM:S\n".encode()
    head = b"BAM\1" + struct.pack("<i", len(text)) + text + struct.pack("<i", 1)
    head += struct.pack("<i", 5) + b"chr1\0" + struct.pack("<i", len(genome))
    path.write_bytes(bgzf(head + b"".join(records)))
    path.with_suffix(".fa").write_text(genome)
    pysam.index(str(path))  # type: ignore[attr-defined]
    return int((sizes.sum(axis=1) > 0).sum())


def ours(path: Path) -> tuple[int, int, int, int]:
    """(reads, molecules, votes, votes against the genome)."""
    from palbo_assets.ctdna.panel import Panel, Target
    from palbo_assets.ctdna.settings import Settings
    from palbo_assets.ctdna.umi import UmiPlace, UmiSource
    from palbo_assets.ctdna.umi_consensus import consensus_molecules

    genome = path.with_suffix(".fa").read_text()
    panel = Panel("v1", tuple(Target("chr1", at + START, at + END) for at in range(0, len(genome), SPACING)))
    counts, quality = consensus_molecules(
        path, UmiSource(UmiPlace.TAG), panel, lambda chrom, start, end: genome[start:end], Settings()
    )
    voted = right = 0
    for region in counts.regions:
        votes = region.counts[:, :4].sum(axis=0)
        voted += int(votes.sum())
        right += sum(int(votes["ACGT".index(base), at]) for at, base in enumerate(region.reference))
    return counts.reads, quality.molecules, voted, voted - right


def umi_tools(path: Path) -> int:
    tool = Path(sys.executable).with_name("umi_tools")
    log = path.with_suffix(".log")
    subprocess.run(
        [str(tool), "group", "--extract-umi-method=tag", "--umi-tag=RX", "--paired", "--no-sort-output",
         "--output-bam", "-S", str(path.with_suffix(".grouped.bam")), "-I", str(path), "-L", str(log)],
        check=True, capture_output=True,
    )  # fmt: skip
    return 0


def plain(path: Path) -> int:
    """The tutorial's way: reads as objects, families in a dictionary, the commonest base of each cycle."""
    import pysam

    families: dict[Any, list[tuple[str, str]]] = {}
    with pysam.AlignmentFile(str(path)) as file:
        for read in file.fetch(until_eof=True):
            one, two = str(read.get_tag("RX")).split("-")
            forward = read.is_read1 != read.is_reverse
            umi = f"{one}-{two}" if forward else f"{two}-{one}"
            left = read.next_reference_start if read.is_reverse else read.reference_start
            key = (left, abs(read.template_length), umi, forward, read.is_reverse)
            families.setdefault(key, []).append((read.query_sequence or "", read.qual or ""))
    bases = 0
    for members in families.values():
        for column in zip(*(sequence for sequence, _ in members)):
            bases += Counter(column).most_common(1)[0][1] > 0
    return bases


def inflate(path: Path) -> int:
    from palbo_assets.genomics.bgzf import record_chunks

    return sum(len(chunk) for chunk in record_chunks(path))


def main(smoke: bool) -> None:
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for how in ("more targets",) if smoke else ("more targets", "deeper"):
            sizes, seconds = [], []
            for scale in (1,) if smoke else (1, 4, 16):
                path = Path(folder) / f"{how[0]}{scale}.bam"
                wide = how == "more targets"
                simulated = simulate(path, MOLECULES * (1 if wide else scale), scale if wide else 1)
                size, spent, missed = measured(path, simulated, f"{how}, {scale}x", smoke, slow=wide)
                sizes.append(size)
                seconds.append(spent)
                failures += missed
                path.unlink()
            if not smoke:
                sys.stdout.write(f"growth of one compiled pass, {how}: {measure.growth(sizes, seconds):.2f}\n")
    if failures:
        raise SystemExit("missed: " + "; ".join(failures))


def measured(path: Path, simulated: int, title: str, smoke: bool, *, slow: bool) -> tuple[float, float, list[str]]:
    """(reads, our CPU seconds, which aims were missed) of one file. ``slow``: peers take part as well."""
    ours(path)  # compiles, outside the measurement
    contestants = [
        measure.Contestant("one compiled pass", partial(ours, path), partial(ours, path)),
        measure.Contestant("inflate only (limit)", partial(inflate, path), partial(inflate, path)),
    ]
    if slow:
        if simulated <= 10 * MOLECULES:  # a minute beyond, at the same ratio
            contestants.append(measure.Contestant("pysam, dictionary, no error correction", partial(plain, path)))
        if Path(sys.executable).with_name("umi_tools").exists():
            contestants.append(measure.Contestant("umi_tools group --paired", partial(umi_tools, path)))
    figures = measure.compare(contestants, rounds=1 if smoke else 3)
    reads, molecules, votes, errors = figures["one compiled pass"].result
    measure.show(f"Raw reads to molecules, {title}, {reads:,} reads", figures, "one compiled pass", "reads", reads)
    spent = figures["one compiled pass"].cpu
    sys.stdout.write(
        f"{1e6 * spent / reads:.2f} us a raw read; molecules {molecules:,} of {simulated:,} simulated; errors"
        f" {errors} of {votes:,} votes\n"
    )
    assert abs(molecules - simulated) <= 0.001 * simulated, "families were split or merged"
    assert errors <= 5e-6 * votes + 2, "the consensus errs too often"
    missed = []
    if "umi_tools group --paired" in figures:
        ratio = figures["umi_tools group --paired"].cpu / spent
        if ratio < (5 if smoke else 20):
            missed.append(f"umi_tools group: {ratio:.1f} times as long at {reads:,} reads")
    if 1e6 * spent / reads > (6 if smoke else 1.5):
        missed.append(f"{1e6 * spent / reads:.2f} us a raw read at {reads:,} reads")
    return float(reads), spent, missed
