"""Scars equal scarHRD's on its own example and don't depend on how segments are written down."""

from __future__ import annotations

import csv
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palbo_assets.platform.errors import InputError
from palbo_assets.wes.hrd_scars import (
    Scars,
    Segment,
    by_chromosome,
    count_loh,
    count_lst,
    read_centromeres,
    scar_row,
    scars,
)
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.signature_profiles import PACKAGE, installed_version

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


def rows_of(segments: list[Segment]) -> pd.DataFrame:
    """Rows as ``copy_number_segments`` holds them: 0-based, total copies and those of the lesser allele."""
    return pd.DataFrame(
        {
            "chrom": one.chromosome,
            "start": one.start - 1,
            "end": one.end,
            "total_cn": float((one.major or 0) + (one.minor or 0)),
            "minor_cn": float(min(one.major or 0, one.minor or 0)),
            "purity": 0.6,
            "ploidy": 3.7,
            "reason": "",
        }
        for one in segments
    )


def test_the_example_keeps_its_counts_through_the_table_of_segments(shared_data: Path) -> None:
    centromeres = read_centromeres(shared_data / "reference/domain/chrominfo_grch38.csv")
    row = scar_row(rows_of(example(shared_data)), centromeres, SETTINGS, None)
    assert (row["loh"], row["tai"], row["lst"], row["hrd_sum"]) == (25, 35, 33, 93)
    assert (row["hrd_high"], row["status"], row["reason"]) == (True, "OBSERVED", None)


@pytest.mark.skipif(not installed_version(), reason="SigProfilerAssignment isn't installed")
def test_breast_cancers_of_560_genomes_keep_their_sums(shared_data: Path) -> None:
    """Segments of 34 tumours that SigProfilerAssignment carries; sums as an independent port of scarHRD gave them."""
    name = f"{PACKAGE}/data/tests/cnv_input/all.breast.ascat.summary.sample.tsv"
    frame = pd.read_csv(str(metadata.distribution(PACKAGE).locate_file(name)), sep="\t", dtype={"Chromosome": str})
    centromeres = read_centromeres(shared_data / "reference/domain/chrominfo_grch37.csv")
    sums = {}
    for sample, own in frame.groupby("sample"):
        total, minor = own["Tumour TCN"], own["Tumour BCN"]
        places = zip(own["Chromosome"], own["Start Position"], own["End Position"], total - minor, minor, strict=True)
        segments = [Segment(chrom, int(start), int(end), int(a), int(b)) for chrom, start, end, a, b in places]
        sums[sample] = scars(segments, centromeres, ANY_NUMBER, ploidy=2.0, purity=0.6).total
    assert len(sums) == 34
    expected = {"PD13427a": 4, "PD9067a": 6, "PD13623a": 47, "PD7248a": 76, "PD9004a": 77, "PD4006a": 78}
    assert {sample: sums[sample] for sample in expected} == expected


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"minor_cn": None}, "NOT_ALLELE_SPECIFIC"),
        ({"total_cn": None, "minor_cn": None, "reason": "NO_PURITY"}, "NO_PURITY"),
        ({"purity": 0.2}, "LOW_PURITY"),
        ({"ploidy": None}, "NO_PLOIDY"),
    ],
)
def test_segments_that_cannot_be_scored_say_why(shared_data: Path, change: dict[str, object], reason: str) -> None:
    centromeres = read_centromeres(shared_data / "reference/domain/chrominfo_grch38.csv")
    row = scar_row(rows_of(example(shared_data)).assign(**change), centromeres, SETTINGS, None)  # type: ignore[arg-type]
    assert (row["hrd_sum"], row["status"], row["reason"]) == (None, "NOT_EVALUABLE", reason)


def test_few_bases_without_alleles_are_left_out_and_stated(shared_data: Path) -> None:
    centromeres = read_centromeres(shared_data / "reference/domain/chrominfo_grch38.csv")
    rows = rows_of(example(shared_data))
    rows = rows[rows["end"] > rows["start"]]
    rows.loc[rows["end"] - rows["start"] < 100_000, "minor_cn"] = None
    row = scar_row(rows, centromeres, SETTINGS, None)
    assert 0 < row["left_out"] < 0.1 and row["status"] == "OBSERVED"
