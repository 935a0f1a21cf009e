"""Callable bases are target and coding and deep in both samples, whatever order and overlaps the lists have."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palbo_assets.genomics.regions import Region, merged
from palbo_assets.platform.errors import InputError
from palbo_assets.wes.callable_bases import coding_regions, count_callable, depth_at, inside

LENGTH = 60
regions = st.lists(
    st.tuples(st.sampled_from(["1", "2"]), st.integers(0, LENGTH - 2), st.integers(1, 12)).map(
        lambda one: Region(one[0], one[1], min(one[1] + one[2], LENGTH))
    ),
    max_size=8,
)


def laid_out(depth: dict[str, np.ndarray], targets: list[Region]) -> dict[str, np.ndarray]:
    found: dict[str, list[np.ndarray]] = {}
    for chrom, start, end in merged(targets, {"1": LENGTH, "2": LENGTH}):
        found.setdefault(chrom, []).append(depth[chrom][start:end])
    return {chrom: np.concatenate(pieces) for chrom, pieces in found.items()}


@given(regions, regions, st.integers(0, 99))
def test_the_count_is_that_of_looking_at_every_base(targets: list[Region], coding: list[Region], seed: int) -> None:
    random = np.random.default_rng(seed)
    tumour, normal = ({c: random.integers(0, 40, LENGTH).astype(np.uint8) for c in "12"} for _ in range(2))
    callable_places = [
        (chrom, at)
        for chrom in "12"
        for at in range(LENGTH)
        if any(one.chrom == chrom and one.start <= at < one.end for one in targets)
        and any(one.chrom == chrom and one.start <= at < one.end for one in coding)
    ]
    deep = [place for place in callable_places if tumour[place[0]][place[1]] >= 20 and normal[place[0]][place[1]] >= 10]
    assert count_callable(laid_out(tumour, targets), laid_out(normal, targets), targets, coding, (20, 10)) == len(deep)
    every = [(chrom, at + 1) for chrom in "12" for at in range(LENGTH)]
    kept = [(chrom, pos - 1) for (chrom, pos), yes in zip(every, inside(every, targets, coding), strict=True) if yes]
    assert kept == callable_places
    looked_up = depth_at(laid_out(tumour, targets), targets, every)
    on_target = [any(one.chrom == c and one.start <= pos - 1 < one.end for one in targets) for c, pos in every]
    assert looked_up == [int(tumour[c][pos - 1]) if on else 0 for (c, pos), on in zip(every, on_target, strict=True)]


def test_a_kit_that_names_contigs_otherwise_than_the_genome_counts_the_same() -> None:
    depth = {"1": np.full(9, 99, dtype=np.uint8)}
    targets, coding = [Region("chr1", 3, 12)], [Region("1", 0, 8)]
    assert count_callable(depth, depth, targets, coding, (20, 10)) == 5
    assert inside([("1", 4), ("chr1", 9)], targets, coding) == [True, False]
    assert depth_at(depth, targets, [("1", 4), ("1", 3)]) == [99, 0]


def test_targets_of_another_genome_are_refused() -> None:
    depth = {"1": np.full(5, 99, dtype=np.uint8)}
    with pytest.raises(InputError) as caught:
        count_callable(depth, depth, [Region("1", 0, 9)], [Region("1", 0, 9)], (20, 10))
    assert caught.value.code == "E_BUILD_MISMATCH"


@pytest.mark.parametrize("name", ["genes.gff3", "genes.gff3.gz"])
def test_coding_sequence_is_read_from_plain_and_packed_models(tmp_path: Path, name: str) -> None:
    lines = "##gff-version 3\n1\tx\texon\t1\t90\t.\t+\t.\tID=e\n"
    lines += "".join(f"1\tx\tCDS\t{start}\t{end}\t.\t+\t0\tID=c\n" for start, end in ((31, 40), (11, 20), (15, 25)))
    path = tmp_path / name
    path.write_bytes(gzip.compress(lines.encode()) if name.endswith("gz") else lines.encode())
    assert coding_regions(path) == (Region("1", 10, 25), Region("1", 30, 40))


def test_a_broken_model_names_its_row(tmp_path: Path) -> None:
    (tmp_path / "g.gff3").write_text("##gff-version 3\n1\tx\tCDS\tten\t20\t.\t+\t0\tID=c\n")
    with pytest.raises(InputError) as caught:
        coding_regions(tmp_path / "g.gff3")
    assert (caught.value.code, caught.value.row) == ("E_SCHEMA", 2)
