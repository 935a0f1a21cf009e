"""Compiled counting says what reading read by read says, in every cell, on random and on real reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pysam
import pytest

from palbo_assets.genomics.allele_counts import count_alleles, countable
from palbo_assets.genomics.alleles import Variant, normalise
from palbo_assets.genomics.bgzf import bam_header
from palbo_assets.genomics.pileup import pileup
from palbo_assets.genomics.regions import Region, reference
from palbo_assets.genomics.targets import lay_out
from palbo_assets_tests.genomics import plain_reads

LIMITS = {"min_base_quality": 20, "min_mapping_quality": 30}


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    rng = np.random.default_rng(3)
    # Runs and repeats, so that indels can be written in many places.
    contigs = {
        name: "".join(
            str(rng.choice(["A", "C", "G", "T", "AAAA", "CACACA", "GGG", "ACGT", "TGCATTG"])) for _ in range(length)
        )
        for name, length in {"c1": 90, "c2": 60}.items()
    }
    path = tmp_path_factory.mktemp("genome") / "tiny.fa"
    path.write_text("".join(f">{name}\n{text}\n" for name, text in contigs.items()))
    pysam.faidx(str(path))  # type: ignore[attr-defined]
    return path, contigs


def contigs_of(path: Path) -> dict[str, int]:
    return bam_header(path).contigs


def compiled(path: Path, fasta: Path, regions: list[Region], **options: int | bool) -> np.ndarray:
    with reference(fasta) as fetch:
        targets = lay_out(regions, bam_header(path).contigs, fetch)
        pieces = list(pileup(path, targets, **LIMITS, **options))  # type: ignore[arg-type]
    assert [piece.first for piece in pieces] == np.cumsum([0, *(len(piece.counts) for piece in pieces)])[:-1].tolist()
    found = np.concatenate([piece.counts for piece in pieces])
    assert len(found) == targets.total
    return found


@pytest.mark.parametrize("seed", range(12))
def test_counts_of_random_reads_are_the_plain_counts_in_every_cell(
    tmp_path: Path, genome: tuple[Path, dict[str, str]], seed: int
) -> None:
    fasta, contigs = genome
    rng = np.random.default_rng(seed)
    path = plain_reads.random_bam(tmp_path / "reads.bam", contigs, rng, pairs=150)
    cut = int(rng.integers(20, 60))
    regions = [Region("c1", 3, cut), Region("c1", cut + 5, len(contigs["c1"])), Region("c2", 0, 70)]
    for mates_once in (True, False):
        plain = [
            plain_reads.counts(path, chrom, range(start, end), 20, 30, mates_once=mates_once)
            for chrom, start, end in regions
        ]
        expected = np.concatenate(plain)
        assert expected.sum() > 1000
        # Small windows and chunks: nothing is lost or doubled where pieces meet.
        for options in ({}, {"window": 8}, {"chunk_bytes": 200}, {"window": 50, "chunk_bytes": 1}):
            found = compiled(path, fasta, regions, mates_once=mates_once, **options)
            assert (found != expected).sum() == 0


@pytest.mark.parametrize("seed", range(3))
def test_counts_of_odd_cigars_are_the_plain_counts(
    tmp_path: Path, genome: tuple[Path, dict[str, str]], seed: int
) -> None:
    """Hard clips, padding, = and X, operations of length 0, reads that are one deletion and hold no base."""
    fasta, contigs = genome
    path = plain_reads.random_bam(
        tmp_path / "reads.bam", contigs, np.random.default_rng(50 + seed), pairs=150, odd=True
    )
    region = Region("c1", 3, len(contigs["c1"]))
    expected = plain_reads.counts(path, "c1", range(3, len(contigs["c1"])), 20, 30)
    assert expected.sum() > 1000
    assert np.array_equal(compiled(path, fasta, [region]), expected)
    with reference(fasta) as fetch:
        pieces = list(pileup(path, lay_out([region], contigs_of(path), fetch), **LIMITS))  # type: ignore[arg-type]
    indels = [indel for piece in pieces for indel in piece.indels]
    assert len(indels) > 20 and all(indel.length for indel in indels)


@pytest.mark.parametrize(("seed", "odd"), [*((seed, False) for seed in range(8)), *((seed, True) for seed in range(3))])
def test_evidence_of_random_variants_is_the_plain_evidence(
    tmp_path: Path, genome: tuple[Path, dict[str, str]], seed: int, odd: bool
) -> None:
    fasta, contigs = genome
    rng = np.random.default_rng(100 + seed)
    path = plain_reads.random_bam(tmp_path / "reads.bam", contigs, rng, pairs=200, odd=odd)
    with reference(fasta) as fetch:
        variants = set()
        targets = lay_out([Region(name, 0, len(text)) for name, text in contigs.items()], contigs_of(path), fetch)
        for piece in pileup(path, targets, **LIMITS):  # type: ignore[arg-type]
            for chrom, at, length, inserted in sorted(piece.indels)[::3]:
                anchor = fetch(chrom, at - 1, at + max(0, -length))
                variants.add(normalise(Variant(chrom, at, anchor, anchor[0] + inserted), fetch))
            for index, base, strand in np.argwhere(piece.counts > 0)[::7]:
                chrom, at = targets.place(piece.first + int(index))
                size = 1 + int(strand) * int(rng.integers(2))
                ref = fetch(chrom, at, at + size)
                alt = "ACGT"[base] + "".join("CGTA"["ACGT".index(one)] for one in ref[1:])
                variants.add(normalise(Variant(chrom, at + 1, ref, alt), fetch))
        variants = {one for one in variants if countable(one) and one.ref != one.alt}
        found = count_alleles(path, sorted(variants), fetch, **LIMITS)  # type: ignore[arg-type]
        seen = 0
        for variant in variants:
            counted = found[variant]
            assert counted is not None
            assert counted[:6] == plain_reads.evidence(path, variant, fetch, 20, 30), variant
            assert counted.ref_f1r2 + counted.ref_f2r1 <= counted.ref_forward + counted.ref_reverse
            seen += counted.alt
        assert seen > 20


def test_without_the_overlap_rule_real_reads_give_pysams_counts(shared_data: Path) -> None:
    folder = shared_data / "wes_somatic" / "hcc1143_wgs_chr11_slice"
    region = Region("chr11", 530_001, 537_000)
    for path in sorted(folder.glob("*.bam")):
        mine = compiled(path, folder / "tiny-grch38-chr11-530001-537000.fa", [region], mates_once=False)
        with pysam.AlignmentFile(str(path)) as opened:
            theirs = opened.count_coverage(
                *region,
                quality_threshold=20,
                read_callback=lambda read: not read.flag & 0xF04 and read.mapping_quality >= 30,
            )
        assert mine.sum() > 200_000
        assert np.array_equal(mine.sum(axis=2), np.array(theirs).T)


def test_with_the_overlap_rule_real_reads_give_the_plain_counts(shared_data: Path) -> None:
    folder = shared_data / "wes_somatic" / "hcc1143_wgs_chr11_slice"
    region = Region("chr11", 531_000, 532_500)
    for path in sorted(folder.glob("*.bam")):
        mine = compiled(path, folder / "tiny-grch38-chr11-530001-537000.fa", [region])
        assert np.array_equal(mine, plain_reads.counts(path, "chr11", range(531_000, 532_500), 20, 30))
