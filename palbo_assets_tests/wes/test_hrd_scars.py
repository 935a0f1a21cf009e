"""Scars equal scarHRD's on its own example and don't depend on how segments are written down."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palbo_assets.platform.errors import InputError
from palbo_assets.wes.hrd_scars import Scars, Segment, by_chromosome, count_loh, count_lst, read_centromeres, scars
from palbo_assets.wes.settings import Settings

SETTINGS = Settings()
ANY_NUMBER = Settings(hrd_min_segments=1)
MB = 1_000_000
CENTROMERES = {"chr1": (120 * MB, 125 * MB), "chr2": (90 * MB, 95 * MB)}


def example(folder: Path) -> list[Segment]:
    with (folder / "reference/domain/scarHRD_test2_segments.txt").open(encoding="utf-8") as lines:
        return [
            Segment(
                row["Chromosome"],
                int(row["Start_position"]),
                int(row["End_position"]),
                int(row["A_cn"]),
                int(row["B_cn"]),
            )
            for row in csv.DictReader(lines, delimiter="\t")
        ]


def judged(segments: list[Segment], ploidy: float | None = 2.0, purity: float | None = 0.6) -> Scars:
    return scars(segments, CENTROMERES, ANY_NUMBER, ploidy=ploidy, purity=purity)


@pytest.mark.parametrize(("build", "expected"), [("grch38", (25, 35, 33, 93)), ("grch37", (25, 34, 33, 92))])
def test_scarhrd_example_gives_its_published_counts(
    shared_data: Path, build: str, expected: tuple[int, int, int, int]
) -> None:
    centromeres = read_centromeres(shared_data / f"reference/domain/chrominfo_{build}.csv")
    found = scars(example(shared_data), centromeres, SETTINGS, ploidy=3.7, purity=0.6)
    assert (found.loh, found.tai, found.lst, found.total) == expected
    assert found.adjusted == pytest.approx(expected[3] - 15.5 * 3.7)


@st.composite
def genomes(draw: st.DrawFn) -> list[Segment]:
    out = []
    for name in CENTROMERES:
        at = 0
        for _ in range(draw(st.integers(1, 8))):
            end = at + 2 * draw(st.integers(1, 15 * MB))
            out.append(Segment(name, at, end, draw(st.integers(0, 4)), draw(st.integers(0, 4))))
            at = end
    return out


@given(genomes(), st.randoms())
def test_order_of_segments_does_not_matter(segments: list[Segment], random: object) -> None:
    shuffled = list(segments)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert judged(shuffled) == judged(segments)


@given(genomes())
def test_halving_every_segment_changes_nothing(segments: list[Segment]) -> None:
    halves = []
    for segment in segments:
        middle = (segment.start + segment.end) // 2
        halves += [replace(segment, end=middle), replace(segment, start=middle)]
    assert judged(halves) == judged(segments)


def test_loh_of_a_whole_chromosome_does_not_count() -> None:
    whole = [Segment("1", 0, 240 * MB, 1, 0)]
    part = [Segment("2", 0, 16 * MB, 2, 0), Segment("2", 16 * MB, 200 * MB, 1, 1)]
    assert count_loh(by_chromosome(whole), SETTINGS) == 0
    assert count_loh(by_chromosome(whole + part), SETTINGS) == 1


def test_a_short_segment_does_not_hide_a_transition() -> None:
    pieces = [
        Segment("1", 0, 50 * MB, 1, 1),
        Segment("1", 50 * MB, 52 * MB, 4, 1),
        Segment("1", 52 * MB, 110 * MB, 2, 1),
    ]
    assert count_lst(by_chromosome(pieces), CENTROMERES, SETTINGS) == 1


def test_segments_without_alleles_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        judged([Segment("1", 0, MB, 2, None)])
    assert caught.value.code == "E_SCHEMA"


@pytest.mark.parametrize(
    ("ploidy", "purity", "reason"), [(None, 0.6, "NO_PLOIDY"), (2.0, None, "NO_PURITY"), (2.0, 0.2, "LOW_PURITY")]
)
def test_unjudged_tumours_have_a_reason_and_no_count(ploidy: float | None, purity: float | None, reason: str) -> None:
    found = judged([Segment("1", 0, MB, 1, 1)], ploidy, purity)
    assert (found.total, found.adjusted, found.reason) == (None, None, reason)


def test_few_segments_are_not_scored() -> None:
    found = scars([Segment("1", 0, MB, 1, 1)], CENTROMERES, SETTINGS, ploidy=2.0, purity=0.6)
    assert found.reason == "FEW_SEGMENTS"
