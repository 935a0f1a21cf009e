"""Calls from simulated reads of a known tumour, beside those of other callers on the same alignments."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pysam
import pytest

from palbo_assets.genomics.alleles import Fetch, Variant, normalise
from palbo_assets.genomics.regions import reference
from palbo_assets.wes.call import References, Specimen, call_specimen
from palbo_assets.wes.settings import Settings

LENGTH, SPACING = 300_000, 500
FRACTIONS = (0.10, 0.15, 0.20, 0.30, 0.50)
TUMOUR_DEPTH, NORMAL_DEPTH = 100, 60


def run(command: str) -> None:
    subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], check=True, capture_output=True)


def planted(sequence: str, rng: np.random.Generator, count: int, offset: int) -> list[Variant]:
    """Substitutions, and a quarter insertions and deletions of 1 to 8 bases, left-aligned."""

    def fetch(chrom: str, start: int, end: int) -> str:
        return sequence[max(0, start) : end]

    found = []
    for number in range(count):
        at = offset + number * SPACING + int(rng.integers(0, 100))
        ref, size = sequence[at], int(rng.integers(1, 9))
        kind = rng.random()
        if kind < 0.75:
            variant = Variant("c1", at + 1, ref, str(rng.choice([base for base in "ACGT" if base != ref])))
        elif kind < 0.875:
            variant = Variant("c1", at + 1, ref, ref + "".join(rng.choice(list("ACGT"), size)))
        else:
            variant = Variant("c1", at + 1, sequence[at : at + 1 + size], ref)
        found.append(normalise(variant, fetch))
    return found


def altered(sequence: str, variants: Iterable[Variant]) -> str:
    for one in sorted(variants, key=lambda one: -one.pos):
        sequence = sequence[: one.pos - 1] + one.alt + sequence[one.pos - 1 + len(one.ref) :]
    return sequence


def align(folder: Path, name: str, parts: list[tuple[str, float]], seed: int) -> Path:
    """Reads of several genomes at given depths (dwgsim: errors in 1 of 500 bases), aligned together by bwa."""
    for number, (sequence, depth) in enumerate(parts):
        if depth <= 0:
            continue
        fasta = folder / f"{name}.{number}.fa"
        fasta.write_text(f">c1\n{sequence}\n")
        run(
            f"dwgsim -z {seed + number} -C {depth} -1 100 -2 100 -d 280 -s 60 -e 0.002 -E 0.002 -r 0 -y 0 -o 1 "
            f"-P p{number} {fasta} {folder}/{name}.{number}"
        )
    reads = [f"cat {folder}/{name}.*.bwa.read{mate}.fastq.gz > {folder}/{name}_{mate}.fq.gz" for mate in (1, 2)]
    run("; ".join(reads))
    bam = folder / f"{name}.bam"
    run(
        f"bwa mem -t 1 -K 1000000 -R '@RG\\tID:{name}\\tSM:{name}' {folder}/genome.fa {folder}/{name}_1.fq.gz "
        f"{folder}/{name}_2.fq.gz | samtools sort -o {bam} - && samtools index {bam}"
    )
    return bam


def scores(found: set[Variant], truth: set[Variant]) -> dict[str, tuple[float, int, int, int]]:
    """Kind -> F1, true, false and missed calls."""
    answer = {}
    for kind, belongs in (("snv", ("snv",)), ("indel", ("ins", "del"))):
        mine = {one for one in found if one.kind in belongs}
        real = {one for one in truth if one.kind in belongs}
        true, false, missed = len(mine & real), len(mine - real), len(real - mine)
        answer[kind] = (2 * true / max(1, 2 * true + false + missed), true, false, missed)
    return answer


def of_vcf(path: Path, fetch: Fetch) -> set[Variant]:
    """What a joint VCF of tumour and normal says is somatic, by the limits of our own caller."""
    found = set()
    with pysam.VariantFile(str(path)) as opened:
        for record in opened:
            for number, alt in enumerate(record.alts or (), start=1):
                tumour, normal = (record.samples[name]["AD"] for name in ("tumour", "normal"))
                if None in (*tumour, *normal):
                    continue
                depth, normal_depth = sum(tumour), sum(normal)
                enough = depth >= 20 and tumour[number] >= 5 and tumour[number] >= 0.05 * depth
                clean = normal_depth >= 10 and normal[number] <= 1 and normal[number] <= 0.02 * normal_depth
                if enough and clean and set(alt) <= set("ACGT"):
                    # freebayes writes neighbours and their context as one record.
                    whole = normalise(Variant(record.chrom, record.pos, record.ref or "", alt), fetch)
                    if whole.kind == "mnv":
                        pairs = enumerate(zip(whole.ref, whole.alt, strict=True))
                        found |= {Variant(whole.chrom, whole.pos + i, a, b) for i, (a, b) in pairs if a != b}
                    else:
                        found.add(whole)
    return found


@pytest.mark.accuracy
def test_simulated_tumours_are_called_as_well_as_by_others(tmp_path: Path) -> None:
    missing = [one for one in ("dwgsim", "bwa", "samtools", "bcftools", "freebayes") if shutil.which(one) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    rng = np.random.default_rng(20)
    sequence = "".join(rng.choice(list("ACGT"), LENGTH))
    fasta = tmp_path / "genome.fa"
    fasta.write_text(f">c1\n{sequence}\n")
    run(f"samtools faidx {fasta}; bwa index {fasta}")
    (tmp_path / "targets.bed").write_text(f"c1\t500\t{LENGTH - 500}\n")
    count = LENGTH // SPACING - 4
    somatic = planted(sequence, rng, count, 800)
    germline = planted(sequence, rng, count, 1050)
    share = dict(zip(somatic, rng.choice(FRACTIONS, len(somatic)), strict=True))
    # Nested subclones: a variant at fraction f is in every part of the tumour below f.
    parts = []
    last = 0.0
    for fraction in (*FRACTIONS, 1.0):
        carried = [one for one in somatic if share[one] >= fraction]
        # Germline variants are heterozygous: half of every part carries them.
        for inherited in (germline, []):
            genome = altered(sequence, sorted([*carried, *inherited]))
            parts.append((genome, TUMOUR_DEPTH * (fraction - last) / 2))
        last = fraction
    tumour = align(tmp_path, "tumour", parts, 100)
    halves = [(altered(sequence, germline), NORMAL_DEPTH / 2), (sequence, NORMAL_DEPTH / 2)]
    normal = align(tmp_path, "normal", halves, 200)
    run(
        f"bcftools mpileup -q30 -Q20 -d 10000 -a AD -f {fasta} {tumour} {normal} | bcftools call -mv "
        f"| bcftools norm -m-any -f {fasta} -Oz -o {tmp_path}/bcftools.vcf.gz"
    )
    run(
        f"freebayes -f {fasta} --pooled-continuous -F 0.05 -C 3 -m 30 -q 20 {tumour} {normal} "
        f"| bcftools norm -m-any -f {fasta} -Oz -o {tmp_path}/freebayes.vcf.gz"
    )
    specimen = Specimen(tumour=tumour, normal=normal)
    references = References(fasta=fasta, targets=tmp_path / "targets.bed")
    rows = call_specimen(specimen, references, Settings(), tmp_path).rows
    passing = {Variant(row["chrom"], row["pos"], row["ref"], row["alt"]) for row in rows if row["filter"] == "PASS"}
    truth = set(somatic)
    with reference(fasta) as fetch:
        table = {
            "palbo_assets": scores(passing, truth),
            "bcftools": scores(of_vcf(tmp_path / "bcftools.vcf.gz", fetch), truth),
            "freebayes": scores(of_vcf(tmp_path / "freebayes.vcf.gz", fetch), truth),
        }
    lines = [
        f"{name:14} {kind:6} F1 {f1:.4f} true {true} false {false} missed {missed}"
        for name, found in table.items()
        for kind, (f1, true, false, missed) in found.items()
    ]
    sys.stdout.write("\n" + "\n".join(lines) + "\n")
    mine = table["palbo_assets"]
    assert mine["snv"][0] >= 0.98
    assert mine["indel"][0] >= 0.90
