"""Copy number is judged with purity, and what can't be judged is not called normal."""

from __future__ import annotations

from math import log2
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palbo_assets.wes.copy_number import (
    Extent,
    Gene,
    GeneCopyNumber,
    Heterozygosity,
    State,
    absolute_segments,
    gene_copy_number,
    tumour_copies,
)
from palbo_assets.wes.copy_number_files import CopyNumberProfile, CopyNumberSegment, read_copy_number
from palbo_assets.wes.settings import Settings

SETTINGS = Settings()
MB = 1_000_000
GENE = Gene("G", "chr13", ((50 * MB, 50 * MB + 200), (50 * MB + 10_000, 50 * MB + 10_200)))
ARM = (20 * MB, 110 * MB)


def piece(start: int, end: int, total: float | None, minor: float | None = None, chrom: str = "13"):
    return CopyNumberSegment(chrom, start, end, None, total, minor, 10)


def judged(*segments: CopyNumberSegment, ploidy: float = 2.0) -> GeneCopyNumber:
    return gene_copy_number(GENE, segments, ploidy=ploidy, settings=SETTINGS, arm=ARM)


def mixture(copies: float, purity: float, zero: float = 2.0) -> float:
    return log2((purity * copies + 2 * (1 - purity)) / (purity * zero + 2 * (1 - purity)))


@given(copies=st.floats(0, 60), purity=st.floats(0.1, 0.99), zero=st.floats(1.5, 5))
def test_the_ratio_of_a_mixture_gives_its_copies_back(copies: float, purity: float, zero: float) -> None:
    assert tumour_copies(mixture(copies, purity, zero), purity, copies_at_zero=zero) == pytest.approx(copies, abs=1e-6)


def from_ratio(ratio: float, purity: float | None) -> GeneCopyNumber:
    profile = CopyNumberProfile("seg", (CopyNumberSegment("13", 49 * MB, 51 * MB, ratio, None, None, 40),))
    segments, reason = absolute_segments(profile, purity, settings=SETTINGS)
    return gene_copy_number(GENE, segments, ploidy=2.0, settings=SETTINGS, reason=reason)


@pytest.mark.parametrize(
    ("ratio", "purity", "state"),
    [
        (-0.515, 0.3, State.HOMOZYGOUS_DELETION),  # a fixed cut at -1.1 sees a loss of one copy
        (-0.234, 0.3, State.LOSS),  # a fixed cut at -0.25 sees nothing
        (0.202, 0.3, State.GAIN),
        (0.678, 0.3, State.AMPLIFICATION),
        (-1.0, 0.5, State.HOMOZYGOUS_DELETION),
        (-1.0, 1.0, State.LOSS),
        (0.0, 0.5, State.NEUTRAL),
    ],
)
def test_the_same_ratio_means_other_copies_at_another_purity(ratio: float, purity: float, state: State) -> None:
    assert from_ratio(ratio, purity).state is state


@pytest.mark.parametrize(("purity", "reason"), [(None, "NO_PURITY"), (0.2, "LOW_PURITY")])
def test_without_enough_purity_a_deletion_is_not_evaluable_and_not_absent(purity: float | None, reason: str) -> None:
    result = from_ratio(-0.32, purity)
    assert (result.state, result.reason, result.mean_copies) == (State.NOT_EVALUABLE, reason, None)
    assert result.log2 == -0.32  # what was measured stays


def test_heterozygosity_is_never_read_from_a_ratio() -> None:
    for ratio in (-1.0, -0.415, 0.0, 1.0):
        assert from_ratio(ratio, 0.5).heterozygosity is Heterozygosity.NOT_EVALUABLE


@pytest.mark.parametrize(
    ("total", "minor", "ploidy", "state", "heterozygosity"),
    [
        (2, 1, 2.0, State.NEUTRAL, Heterozygosity.KEPT),
        (2, 0, 2.0, State.NEUTRAL_LOH, Heterozygosity.LOST),
        (1, 0, 2.0, State.LOSS, Heterozygosity.LOST),
        (0, 0, 2.0, State.HOMOZYGOUS_DELETION, Heterozygosity.NOT_EVALUABLE),
        (2, None, 2.0, State.NEUTRAL, Heterozygosity.NOT_EVALUABLE),
        (4, 1, 2.7, State.GAIN, Heterozygosity.KEPT),
        (5, 1, 2.7, State.AMPLIFICATION, Heterozygosity.KEPT),
        (8, 1, 3.6, State.GAIN, Heterozygosity.KEPT),
        (9, 1, 3.6, State.AMPLIFICATION, Heterozygosity.KEPT),
        (4, 0, 3.6, State.NEUTRAL_LOH, Heterozygosity.LOST),
        (2, 1, 3.6, State.LOSS, Heterozygosity.KEPT),
    ],
)
def test_states_follow_copies_alleles_and_ploidy(
    total: float, minor: float | None, ploidy: float, state: State, heterozygosity: Heterozygosity
) -> None:
    result = judged(piece(40 * MB, 60 * MB, total, minor), ploidy=ploidy)
    assert (result.state, result.heterozygosity) == (state, heterozygosity)


def test_a_deleted_exon_is_seen_though_the_mean_of_the_gene_is_one_copy() -> None:
    result = judged(piece(40 * MB, 50 * MB + 5000, 2, 1), piece(50 * MB + 5000, 50 * MB + 20_000, 0, 0))
    assert (result.mean_copies, result.min_exon_copies) == (1.0, 0.0)
    assert (result.state, result.extent) == (State.HOMOZYGOUS_DELETION, Extent.FOCAL)


def test_an_exon_without_a_segment_leaves_the_gene_unjudged_unless_another_is_deleted() -> None:
    half = judged(piece(40 * MB, 50 * MB + 5000, 2, 1))
    assert (half.state, half.reason) == (State.NOT_EVALUABLE, "EXONS_WITHOUT_SEGMENT")
    assert half.heterozygosity is Heterozygosity.NOT_EVALUABLE
    assert judged(piece(40 * MB, 50 * MB + 5000, 0, 0)).state is State.HOMOZYGOUS_DELETION
    assert judged(piece(1, 90 * MB, 2, 1, chrom="14")).reason == "NO_SEGMENT"


def test_an_event_reaches_as_far_as_its_copies_do() -> None:
    assert judged(piece(49 * MB, 51 * MB, 1)).extent is Extent.FOCAL
    assert judged(piece(40 * MB, 60 * MB, 1)).extent is Extent.LARGE
    # Cut in two by the segmentation, it is still one event of the arm.
    assert judged(piece(20 * MB, 49 * MB, 1), piece(49 * MB, 100 * MB, 1)).extent is Extent.ARM
    assert judged(piece(20 * MB, 49 * MB, 2), piece(49 * MB, 51 * MB, 1), piece(51 * MB, 90 * MB, 2)).extent is (
        Extent.FOCAL
    )
    assert judged(piece(20 * MB, 100 * MB, 2)).extent is None


def test_sex_chromosomes_are_not_judged_from_ratios() -> None:
    profile = CopyNumberProfile("seg", (CopyNumberSegment("X", 0, 90 * MB, -1.0, None, None, 40),))
    segments, reason = absolute_segments(profile, 0.9, settings=SETTINGS)
    result = gene_copy_number(Gene("G", "chrX", ((5, 9),)), segments, ploidy=2.0, settings=SETTINGS, reason=reason)
    assert (result.state, result.reason) == (State.NOT_EVALUABLE, "NO_ABSOLUTE_COPIES")


def test_copies_of_a_real_cnvkit_call_count_only_once_it_is_known_what_its_log2_is(shared_data: Path) -> None:
    folder = shared_data / "wes_somatic" / "cnv_cnvkit"
    called, plain = read_copy_number(folder / "p2-9_2.call.cns"), read_copy_number(folder / "p2-9_2.cns")
    unknown, reason = absolute_segments(called, 0.5, settings=SETTINGS)
    assert reason == "UNKNOWN_WHETHER_LOG2_IS_RESCALED" and all(one.total_cn is None for one in unknown)
    # The call left log2 as it was, so both files say the same with the purity; CNVkit's own fixed cuts don't.
    ours, _ = absolute_segments(called, 0.5, settings=Settings(cn_log2_rescaled=False))
    theirs, _ = absolute_segments(plain, 0.5, settings=SETTINGS)
    assert [one.total_cn for one in ours] == [one.total_cn for one in theirs]
    autosomes = [
        (one.total_cn, fixed.total_cn)
        for one, fixed in zip(ours, called.segments, strict=True)
        if one.total_cn is not None and fixed.total_cn is not None
    ]
    assert len(autosomes) > 200
    assert sum(round(mine) != fixed for mine, fixed in autosomes) > 0
    assert all(mine <= 1 for mine, fixed in autosomes if fixed == 0)
