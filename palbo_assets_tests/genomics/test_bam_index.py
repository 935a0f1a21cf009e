"""A few places of a large BAM are read by its index, as the whole file; an index that lies isn't used."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pysam
import pytest

from palbo_assets.genomics import bgzf
from palbo_assets.genomics.allele_counts import count_alleles, reads_at
from palbo_assets.genomics.alleles import Variant
from palbo_assets.genomics.bam_index import BY_INDEX, MOST_OF_THE_FILE, NO_INDEX, STALE_INDEX, WHOLE, access
from palbo_assets.genomics.local_errors import local_errors
from palbo_assets.genomics.regions import Region

LENGTH, READ, STEP = 200_000, 100, 20
LIMITS = {"min_base_quality": 20, "min_mapping_quality": 30}
BASES = {
    name: "".join(np.random.default_rng(seed).choice(list("ACGT"), LENGTH)) for seed, name in enumerate(("c1", "c2"))
}


def fetch(chrom: str, start: int, end: int) -> str:
    return BASES[chrom][max(0, start) : end]


def write(path: Path, step: int = STEP) -> Path:
    """Overlapping pairs every few bases over two contigs, with random qualities (so that blocks are many), then reads
    that lie nowhere."""
    rng = np.random.default_rng(4)
    header = pysam.AlignmentHeader.from_dict(
        {"HD": {"VN": "1.6", "SO": "coordinate"}, "SQ": [{"SN": name, "LN": LENGTH} for name in BASES]}
    )
    with pysam.AlignmentFile(str(path), "wb", header=header) as out:
        for contig, text in enumerate(BASES.values()):
            reads = []
            for number, start in enumerate(range(0, LENGTH - 400, step)):
                reads.append((start, number, 99, start + 60))
                reads.append((start + 60, number, 147, start))
            for start, number, flag, mate in sorted(reads):
                read = pysam.AlignedSegment(header)
                read.query_name, read.flag, read.mapping_quality = f"r{contig}:{number}", flag, 60
                read.reference_id, read.reference_start = contig, start
                read.next_reference_id, read.next_reference_start = contig, mate
                bases = list(text[start : start + READ])
                if rng.random() < 0.3:
                    bases[int(rng.integers(READ))] = "ACGT"[int(rng.integers(4))]
                read.query_sequence, read.cigarstring = "".join(bases), f"{READ}M"
                read.query_qualities = rng.integers(2, 40, READ).astype(np.uint8).tolist()
                out.write(read)
        for number in range(50):
            read = pysam.AlignedSegment(header)
            read.query_name, read.flag, read.query_sequence = f"u{number}", 4, "ACGT"
            out.write(read)
    return path


@pytest.fixture(scope="module")
def bam(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("bam") / "many.bam")


@pytest.fixture
def copy(bam: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(bam, tmp_path / "copy.bam"))


def some_variants(n: int) -> list[Variant]:
    rng = np.random.default_rng(5)
    found = []
    for _ in range(n):
        chrom, pos = ("c1", "c2")[int(rng.integers(2))], int(rng.integers(300, LENGTH - 800))
        ref = BASES[chrom][pos - 1]
        found.append(Variant(chrom, pos, ref, "ACGT"[("ACGT".index(ref) + 1) % 4]))
        found.append(Variant(chrom, pos, BASES[chrom][pos - 1 : pos + 1], ref))
    # Beside the border of the index's smallest bins.
    return [*found, Variant("c1", 16_384, BASES["c1"][16_383], "N"), Variant("c2", 16_385, BASES["c2"][16_384], "A")]


class Inflated:
    """Counts the bytes that are inflated."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.bytes, real = 0, bgzf._unpack

        def counted(block: Any, into: Any, path: Path) -> None:
            self.bytes += block.length
            real(block, into, path)

        patch.setattr(bgzf, "_unpack", counted)


@pytest.mark.parametrize("kind", ["bai", "csi"])
def test_a_few_places_by_index_have_the_counts_of_the_whole_file_and_little_is_inflated(
    copy: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pysam.index(*(["-c"] if kind == "csi" else []), str(copy))  # type: ignore[attr-defined]
    variants = some_variants(1)
    options = {"window": 50, "max_vaf": 0.05, **LIMITS}
    whole = count_alleles(copy, variants, fetch, **LIMITS)  # type: ignore[arg-type]
    errors = local_errors(copy, variants, fetch, **options)  # type: ignore[arg-type]
    inflated = Inflated(monkeypatch)
    count_alleles(copy, variants, fetch, **LIMITS)  # type: ignore[arg-type]
    all_bytes, inflated.bytes = inflated.bytes, 0
    part = reads_at(copy, variants, fetch, around=50)
    assert (part.remark, part.share < 0.5) == (BY_INDEX, True)
    found = count_alleles(copy, variants, fetch, ranges=part.ranges, **LIMITS)  # type: ignore[arg-type]
    assert inflated.bytes < 0.5 * all_bytes
    assert found == whole
    assert any(one is not None and one.depth > 5 for one in found.values())
    assert local_errors(copy, variants, fetch, ranges=part.ranges, **options) == errors  # type: ignore[arg-type]


def test_without_an_index_the_whole_file_is_read(copy: Path) -> None:
    assert access(copy, [Region("c1", 0, 10)]) == (WHOLE, NO_INDEX, 1.0)


def test_many_places_are_sooner_read_in_one_go(copy: Path) -> None:
    pysam.index(str(copy))  # type: ignore[attr-defined]
    assert access(copy, [Region(name, 0, LENGTH) for name in BASES]).remark == MOST_OF_THE_FILE


def test_an_index_of_another_file_or_a_damaged_one_is_not_used(copy: Path, tmp_path: Path) -> None:
    places = [Region("c1", 100_000, 100_010)]
    index = tmp_path / "copy.bam.bai"
    other = write(tmp_path / "sparse.bam", 2 * STEP)
    pysam.index(str(other))  # type: ignore[attr-defined]
    shutil.copy(f"{other}.bai", index)
    assert access(copy, places).remark == STALE_INDEX
    pysam.index(str(copy))  # type: ignore[attr-defined]
    good = index.read_bytes()
    assert access(copy, places).remark == BY_INDEX
    for broken in (good[:100], good[: len(good) // 2], b"", b"BAI\1" + b"\xff" * 40, b"no index"):
        index.write_bytes(broken)
        assert access(copy, places) == (WHOLE, STALE_INDEX, 1.0)


def test_a_file_that_grew_after_it_was_indexed_is_read_whole(copy: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.bam"
    header = pysam.AlignmentFile(str(copy)).header
    with pysam.AlignmentFile(str(copy)) as source, pysam.AlignmentFile(str(short), "wb", header=header) as out:
        for number, read in enumerate(source.fetch(until_eof=True)):
            if number < 15_000:
                out.write(read)
    pysam.index(str(short))  # type: ignore[attr-defined]
    shutil.copy(f"{short}.bai", f"{copy}.bai")
    assert access(copy, [Region("c1", 100, 110)]).remark == STALE_INDEX
