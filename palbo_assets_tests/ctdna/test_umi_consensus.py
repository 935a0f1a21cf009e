"""Raw UMI reads to molecules: who belongs together, and what they say together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palbo_assets.ctdna.molecules import IndelPlacer, MoleculeCounts, empty_regions
from palbo_assets.ctdna.panel import Panel, Target
from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.umi import UmiPlace, UmiQuality, UmiSource, find_umi, read_structure
from palbo_assets.ctdna.umi_consensus import consensus_molecules, survey
from palbo_assets.ctdna.umi_families import directional
from palbo_assets.ctdna.umi_records import tag_text
from palbo_assets.genomics import bgzf
from palbo_assets.genomics.bam import record_offsets
from palbo_assets.platform.errors import InputError
from palbo_assets_tests.ctdna import umi_twin as twin
from palbo_assets_tests.ctdna.raw_reads import GENOME, Raw, pair, wild, write

PANEL = Panel("v1", (Target("chr1", 20, 90), Target("chr1", 120, 200), Target("chr2", 30, 150)))
TAG = UmiSource(UmiPlace.TAG)
PLAIN = Settings(trimmed_end_bases=0)


def reference(chrom: str, start: int, end: int) -> str:
    return GENOME[start:end]


def count(bam: Path, rules: Settings = PLAIN, records: int = 0) -> tuple[MoleculeCounts, UmiQuality]:
    """``records``: cut the file into stretches of so many records, whatever its blocks are."""

    def cut(path: Path) -> Iterator[tuple[np.ndarray, int]]:
        for chunk in bgzf.record_chunks(path):
            offsets = [*record_offsets(chunk)[::records], len(chunk)]
            for start, end in pairwise(offsets):
                yield chunk[start:end], len(record_offsets(chunk[start:end]))

    reads = mock.patch("palbo_assets.ctdna.umi_consensus.counted_chunks", cut) if records else nullcontext()
    with reads:
        return consensus_molecules(bam, TAG, PANEL, reference, rules, *([0] if records else []))


def depth_at(counts: MoleculeCounts, pos: int) -> int:
    region = counts.region_at("chr1", pos)
    assert region is not None
    return int(region.depth[pos - 1 - region.start])


def family(size: int, first: int = 30, last: int = 100, **kind: str | int) -> list[Raw]:
    name = f"f{first}-{kind.get('umi', '')}-{kind.get('strand', 0)}-"
    return [read for copy in range(size) for read in pair(f"{name}{copy}", first, last, **kind)]  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32),
    molecules=st.integers(0, 14),
    duplex=st.booleans(),
    both=st.booleans(),
    trimmed=st.sampled_from([0, 5]),
    least=st.integers(1, 3),
    stretch=st.sampled_from([0, 1, 2, 7]),
)
def test_the_compiled_pass_equals_the_readable_one_however_the_file_is_cut(
    tmp_path: Path, seed: int, molecules: int, duplex: bool, both: bool, trimmed: int, least: int, stretch: int
) -> None:
    rules = Settings(
        trimmed_end_bases=trimmed, min_family_size=least, require_duplex=both and duplex, min_strand_size=1,
        max_base_error_rate=0.25,
    )  # fmt: skip
    bam = write(tmp_path / "wild.bam", wild(seed, molecules, duplex=duplex))
    counts, quality = count(bam, rules, stretch)
    expected = twin.consensus(bam, PANEL, rules)
    for region in counts.regions:
        np.testing.assert_array_equal(
            region.counts, twin.votes_array(expected, region.chrom, region.start, region.end), region.chrom
        )
    placer = IndelPlacer(empty_regions(PANEL, reference), reference)
    indels: Counter[tuple[object, int]] = Counter()
    for (chrom, (anchor, deleted, inserted), strand), n in expected.events.items():
        at = next(i for i, (c, start, end) in enumerate(PANEL.regions) if c == chrom and start <= anchor < end)
        event = placer.left_aligned(at, anchor, deleted, inserted)
        if event is not None:
            indels[event, strand] += n
    assert {event: (indels[event, 0], indels[event, 1]) for event, _ in indels} == dict(counts.indels)
    assert (quality.pairs, quality.molecules) == (expected.pairs, len(expected.families))
    assert {size: n for size, n in enumerate(quality.sizes) if n} == dict(expected.sizes)
    assert quality.voting == expected.voting
    if quality.pairs:
        assert quality.umi_error == expected.merged / expected.pairs


@settings(max_examples=80, deadline=None)
@given(
    umis=st.dictionaries(st.text("ACGT", min_size=3, max_size=3), st.integers(1, 12), min_size=1, max_size=64),
    shuffle=st.integers(0, 10**6),
)
def test_barcodes_cluster_as_the_directional_method_says(umis: dict[str, int], shuffle: int) -> None:
    """Small and large neighbourhoods: the kernel looks them up in two ways."""
    order = np.random.default_rng(shuffle).permutation(sorted(umis)).tolist()
    expected = twin.directional({umi: umis[umi] for umi in order})
    names = sorted(umis)
    codes = np.array([sum("ACGT".index(base) << 2 * (2 - at) for at, base in enumerate(umi)) for umi in names])
    counts, first_seen = np.array([umis[umi] for umi in names]), np.array([order.index(umi) for umi in names])
    found = directional(codes, counts, first_seen, 3)
    assert {umi: names[root] for umi, root in zip(names, found, strict=True)} == expected


def test_the_wild_reads_show_what_they_are_for(tmp_path: Path) -> None:
    """Otherwise the comparison of both passes would prove nothing."""
    seen: Counter[str] = Counter()
    for seed in range(40):
        bam = write(tmp_path / "wild.bam", wild(seed, 14, duplex=True))
        counts, quality = count(bam, Settings(trimmed_end_bases=0, min_strand_size=1))
        votes = np.concatenate([region.counts.sum(axis=(0, 2))[None] for region in counts.regions]).sum(axis=0)
        seen.update(indel=len(counts.indels), no_vote=int(votes[4]), deleted=int(votes[5]), lost=quality.without_mate)
        seen.update(
            masked=quality.umi_with_n, merged=int(quality.pairs * (quality.umi_error or 0)), large=quality.voting
        )
        seen.update(duplex=round(quality.enough * (quality.duplex_share or 0)))
    assert (
        min(seen[kind] for kind in ("indel", "no_vote", "deleted", "lost", "masked", "merged", "large", "duplex")) > 9
    )


def test_reads_with_the_same_ends_and_barcode_are_one_molecule_however_they_are_clipped(tmp_path: Path) -> None:
    reads = family(3)
    reads[0].cigar, reads[0].start = "4S36M", 34  # the same unclipped 5' end
    counts, quality = count(write(tmp_path / "x.bam", reads))
    assert (quality.molecules, quality.pairs, counts.reads) == (1, 3, 6)
    assert [depth_at(counts, pos) for pos in (30, 31, 80)] == [0, 1, 1]


@pytest.mark.parametrize("operation", ["0I", "0D", "2P"])
def test_padding_and_operations_of_no_length_are_no_indels(tmp_path: Path, operation: str) -> None:
    reads = family(3)
    for read in reads:
        read.cigar = f"15M{operation}{len(read.sequence) - 15}M"
    counts, quality = count(write(tmp_path / "x.bam", reads))
    assert (quality.molecules, counts.indels, depth_at(counts, 60)) == (1, {}, 1)


def test_an_error_in_a_barcode_makes_no_molecule_and_two_barcodes_make_two(tmp_path: Path) -> None:
    reads = family(5) + family(1, umi="ACGA-TTGA") + family(4, umi="GGCC-AATT")
    _, quality = count(write(tmp_path / "x.bam", reads))
    assert (quality.molecules, quality.distribution) == (2, "4:1;6:1")
    assert quality.umi_error == pytest.approx(1 / 10)


def test_the_strands_of_a_duplex_are_one_molecule_of_swapped_barcodes(tmp_path: Path) -> None:
    reads = family(2) + family(2, strand=1)
    counts, quality = count(write(tmp_path / "x.bam", reads))
    assert (quality.molecules, quality.duplex_share, quality.strand_balance) == (1, 1.0, 0.5)
    assert depth_at(counts, 60) == 1


def test_without_a_second_barcode_strands_stay_apart(tmp_path: Path) -> None:
    reads = [*family(3, umi="ACGTTTGA"), *family(3, strand=1, umi="ACGTTTGA")]
    _, quality = count(write(tmp_path / "x.bam", reads))
    assert (quality.molecules, quality.duplex_share) == (2, 0.0)


def _changed(reads: list[Raw], position: int, base: str) -> None:
    """Write a base into every read that covers the 0-based position."""
    for read in reads:
        at = position - read.start
        if 0 <= at < len(read.sequence):
            read.sequence = read.sequence[:at] + base + read.sequence[at + 1 :]


def test_an_error_of_one_copy_is_outvoted_and_one_of_a_strand_has_no_vote(tmp_path: Path) -> None:
    other = "A" if GENOME[64] != "A" else "C"
    reads = family(12)
    _changed(reads[:2], 64, other)
    counts, _ = count(write(tmp_path / "one.bam", reads))
    assert counts.evidence("chr1", 65, GENOME[64], other)[2:] == (0, 0)  # type: ignore[index]
    assert depth_at(counts, 65) == 1
    forward, backward = family(3), family(3, strand=1)
    _changed(backward, 64, other)
    counts, _ = count(write(tmp_path / "strand.bam", forward + backward))
    assert (depth_at(counts, 64), depth_at(counts, 65)) == (1, 0)


def test_where_only_duplex_votes_a_single_strand_says_nothing(tmp_path: Path) -> None:
    rules = Settings(trimmed_end_bases=0, require_duplex=True)
    single = count(write(tmp_path / "x.bam", family(6)), rules)[0]
    double = count(write(tmp_path / "y.bam", family(3) + family(3, strand=1)), rules)[0]
    assert (depth_at(single, 60), depth_at(double, 60)) == (0, 1)


def test_families_too_small_to_be_believed_count_in_quality_only(tmp_path: Path) -> None:
    counts, quality = count(write(tmp_path / "x.bam", family(2)))
    assert (quality.molecules, quality.voting, depth_at(counts, 60)) == (1, 0, 0)


def test_the_ends_of_a_molecule_have_no_vote(tmp_path: Path) -> None:
    counts, _ = count(write(tmp_path / "x.bam", family(3)), Settings(trimmed_end_bases=5))
    assert [depth_at(counts, pos) for pos in (35, 36)] == [0, 1]


def test_duplicates_marked_by_position_are_a_molecules_copies(tmp_path: Path) -> None:
    reads = family(4)
    for read in reads[2:]:
        read.flag |= 0x400
    assert count(write(tmp_path / "x.bam", reads))[1].distribution == "4:1"


def test_barcodes_are_found_in_names_and_in_reads_by_their_structure(tmp_path: Path) -> None:
    reads = family(3)
    expected = count(write(tmp_path / "tag.bam", reads))[0]
    for read in reads:
        read.name, read.umi = f"{read.name}:ACGT+TTGA", None
    named = write(tmp_path / "name.bam", reads)
    assert find_umi(named) == UmiSource(UmiPlace.NAME)
    counts, _ = consensus_molecules(named, find_umi(named), PANEL, reference, PLAIN)
    np.testing.assert_array_equal(counts.regions[0].counts, expected.regions[0].counts)
    for read in reads:  # four bases of UMI and one of spacer still in front, clipped by the aligner
        if read.flag & 0x10:
            read.sequence, read.cigar = read.sequence + "GTCAA", f"{len(read.sequence)}M5S"
        else:
            read.sequence, read.cigar = "ACGTG" + read.sequence, f"5S{len(read.sequence)}M"
    source = read_structure("4M1S+T,4M1S+T")
    inline = write(tmp_path / "inline.bam", reads)
    counts, quality = consensus_molecules(inline, source, PANEL, reference, PLAIN)
    np.testing.assert_array_equal(counts.regions[0].counts, expected.regions[0].counts)
    assert quality.distribution == "3:1"
    assert find_umi(inline, "library kit 7; read structure: 4M1S+T,4M1S+T") == source


def test_collisions_are_expected_where_many_molecules_share_ends_and_few_barcodes_exist(tmp_path: Path) -> None:
    reads = [read for a in "ACGT" for b in "ACGT" for read in family(1, umi=f"{a}A-{b}A")]
    _, quality = count(write(tmp_path / "x.bam", reads), Settings(min_family_size=1))
    assert quality.umi_collision is not None
    # All of them are each other's neighbours, so directional merging makes one molecule of them.
    assert (quality.molecules, quality.umi_collision) == (1, 0.0)
    reads = [read for umi in ("AA-CC", "CC-GG", "GG-TT", "TT-AA") for read in family(3, umi=umi)]
    _, quality = count(write(tmp_path / "y.bam", reads))
    assert quality.umi_collision == pytest.approx(4 * 3 / 4 / 4**4)  # three others, each alike with (1/4)^4


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("E_UMI_MISSING", {"umi": None}),
        ("E_UMI_MISSING", {"umi": "ANGT-TTGA"}),
        ("E_UMI_LENGTH", {"umi": "ACG-TTG"}),
        ("E_SINGLE_END", {"flag": 0}),
    ],
)
def test_what_cannot_be_grouped_is_refused_with_its_reason(
    tmp_path: Path, code: str, change: dict[str, str | int | None]
) -> None:
    reads = family(3)
    every = change.get("umi") == "ANGT-TTGA"
    for read in reads if every else reads[2:4]:
        for name, value in change.items():
            setattr(read, name, value)
    bam = write(tmp_path / "x.bam", reads)
    with pytest.raises(InputError) as caught:
        survey(bam, TAG)
    assert caught.value.code == code
    if not every:
        with pytest.raises(InputError) as caught:
            count(bam)
        assert caught.value.code == code


def test_reads_out_of_order_are_refused(tmp_path: Path) -> None:
    bam = write(tmp_path / "x.bam", list(reversed(family(2))), ordered=False)
    for attempt in (lambda: survey(bam, TAG), lambda: count(bam)):
        with pytest.raises(InputError) as caught:
            attempt()
        assert caught.value.code == "E_UNSORTED"


def test_a_read_whose_barcode_has_an_undecided_base_is_left_out_and_counted(tmp_path: Path) -> None:
    reads = family(4)
    reads[0].umi = reads[1].umi = "NCGT-TTGA"
    _, quality = count(write(tmp_path / "x.bam", reads))
    assert (quality.pairs, quality.umi_with_n) == (3, 2)
    assert survey(tmp_path / "x.bam", TAG) == (8, 8, 2)


@pytest.mark.parametrize("stated", ["", "+T", "3M2S", "16M+T", "3M+T,3M+T,3M+T", "3X+T"])
def test_a_read_structure_that_says_nothing_is_refused(stated: str) -> None:
    with pytest.raises(InputError) as caught:
        read_structure(stated)
    assert caught.value.code == "E_SCHEMA"


def test_an_array_of_less_than_no_values_ends_the_tags() -> None:
    """A damaged count would else lead back to where the tag began, for ever."""
    damaged = b"XBBC" + (-12).to_bytes(4, "little", signed=True) + b"RXZACGT\0"
    whole = b"XBBC" + (2).to_bytes(4, "little") + b"\1\2RXZACGT\0"
    for tags, expected in ((damaged, (0, 0)), (whole, (13, 17)), (whole[:6], (0, 0))):
        assert tag_text(np.frombuffer(tags, dtype=np.uint8), 0, len(tags), *b"RX") == expected
