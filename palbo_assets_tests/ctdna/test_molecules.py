"""Counting molecules: each has one vote, however it was sequenced."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pysam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palbo_assets.ctdna.consensus_reads import BASES, DELETED, NO_VOTE
from palbo_assets.ctdna.molecules import Indel, MoleculeCounts, count_molecules
from palbo_assets.ctdna.panel import Panel, Target
from palbo_assets.ctdna.settings import Settings
from palbo_assets.platform.errors import InputError
from palbo_assets_tests.ctdna.conftest import REAL, Plasma, RealRun

GENOME = "ACGTTGCAAGGCTATCCGATTTTGACCAGTACGGCATTAGCCATGACTGGATCCTAAGCTTGCATCGTAGCT"
PANEL = Panel("v1", (Target("chr1", 10, 60),))
PLAIN = Settings(trimmed_end_bases=0)


@dataclass
class Read:
    name: str
    start: int
    sequence: str
    cigar: str = ""
    flag: int = 0
    mate: int = -1
    quality: int = 60
    mapq: int = 60
    tags: tuple[tuple[str, int | float], ...] = ()


def pair(name: str, left: int, right: int, length: int = 20, **changed: str) -> list[Read]:
    """Two mates of one molecule; ``left_seq`` / ``right_seq`` replace the genome's bases."""
    one = changed.get("left_seq", GENOME[left : left + length])
    two = changed.get("right_seq", GENOME[right : right + length])
    return [Read(name, left, one, flag=99, mate=right), Read(name, right, two, flag=147, mate=left)]


def write(path: Path, reads: list[Read], *, ordered: bool = True) -> Path:
    header = {"HD": {"VN": "1.6"}, "SQ": [{"SN": "chr1", "LN": len(GENOME)}]}
    with pysam.AlignmentFile(str(path), "wb", header=header) as file:
        for read in sorted(reads, key=lambda one: one.start) if ordered else reads:
            record = pysam.AlignedSegment(file.header)
            record.query_name, record.flag, record.reference_id = read.name, read.flag, 0
            record.reference_start, record.mapping_quality = read.start, read.mapq
            record.cigarstring = read.cigar or f"{len(read.sequence)}M"
            record.query_sequence = read.sequence
            record.query_qualities = pysam.qualitystring_to_array(chr(read.quality + 33) * len(read.sequence))
            if read.mate >= 0:
                record.next_reference_id, record.next_reference_start = 0, read.mate
            record.set_tags(list(read.tags))
            file.write(record)
    return path


def reference(chrom: str, start: int, end: int) -> str:
    return GENOME[start:end]


def count(folder: Path, reads: list[Read], settings: Settings = PLAIN) -> MoleculeCounts:
    return count_molecules(write(folder / "x.bam", reads), PANEL, reference, settings)


def depth_at(counts: MoleculeCounts, pos: int) -> int:
    return int(counts.regions[0].depth[pos - 1 - 10])


def test_overlapping_mates_count_once_and_votes_keep_the_strand_of_read_1(tmp_path: Path) -> None:
    flipped = [Read("b", 15, GENOME[15:35], flag=163, mate=25), Read("b", 25, GENOME[25:45], flag=83, mate=15)]
    counts = count(tmp_path, [*pair("a", 15, 25), *flipped])
    assert [depth_at(counts, pos) for pos in (15, 16, 30, 45, 46)] == [0, 2, 2, 2, 0]
    evidence = counts.evidence("chr1", 30, GENOME[29], "N" if GENOME[29] == "A" else "A")
    assert evidence is not None and (evidence.depth_forward, evidence.depth_reverse) == (1, 1)


def test_mates_that_disagree_have_no_vote_there(tmp_path: Path) -> None:
    other = "A" if GENOME[29] != "A" else "C"
    wrong = GENOME[25:29] + other + GENOME[30:45]
    counts = count(tmp_path, pair("a", 15, 25, right_seq=wrong))
    assert (depth_at(counts, 29), depth_at(counts, 30), depth_at(counts, 31)) == (1, 0, 1)


def test_a_base_that_one_mate_masks_is_taken_from_the_other(tmp_path: Path) -> None:
    counts = count(tmp_path, pair("a", 15, 25, left_seq=GENOME[15:29] + "N" + GENOME[30:35]))
    assert depth_at(counts, 30) == 1


def test_a_mate_that_was_filtered_away_leaves_its_molecule_counted(tmp_path: Path) -> None:
    one, two = pair("a", 15, 25)
    two.mapq = 3
    counts = count(tmp_path, [one, two])
    assert (depth_at(counts, 20), depth_at(counts, 40)) == (1, 0)


def test_soft_clips_low_qualities_and_trimmed_ends_have_no_vote(tmp_path: Path) -> None:
    clipped = Read("a", 20, "TTTTT" + GENOME[20:40], cigar="5S20M")
    assert depth_at(count(tmp_path, [clipped]), 20) == 0
    assert count(tmp_path, [Read("a", 20, GENOME[20:40], quality=20)]).regions[0].depth.sum() == 0
    trimmed = Settings(trimmed_end_bases=5)
    forward = count(tmp_path, [Read("a", 20, GENOME[20:40])], trimmed)
    reverse = count(tmp_path, [Read("a", 20, GENOME[20:40], flag=16)], trimmed)
    assert [depth_at(forward, pos) for pos in (25, 26, 40)] == [0, 1, 1]
    assert [depth_at(reverse, pos) for pos in (21, 35, 36)] == [1, 1, 0]


@pytest.mark.parametrize(
    ("tags", "name", "counted"),
    [
        ((("cD", 3), ("cM", 2), ("cE", 0.0)), "a", 1),
        ((("cD", 2), ("cM", 2), ("cE", 0.0)), "a", 0),
        ((("cD", 9), ("cE", 0.03)), "a", 0),
        ((), "Consensus_read_0_ACGT_Count=2", 0),
        ((), "Consensus_read_0_ACGT_Count=3", 1),
        ((), "a", 1),
    ],
)
def test_small_and_quarrelling_families_have_no_vote(
    tmp_path: Path, tags: tuple[tuple[str, int | float], ...], name: str, counted: int
) -> None:
    counts = count(tmp_path, [Read(name, 20, GENOME[20:40], tags=tags)])
    assert depth_at(counts, 30) == counted
    assert (counts.family_size_mean is None) == (not tags and name == "a")


@pytest.mark.parametrize("flag", [0x4, 0x100, 0x200, 0x400, 0x800])
def test_secondary_failed_and_duplicate_reads_are_left_out(tmp_path: Path, flag: int) -> None:
    assert count(tmp_path, [Read("a", 20, GENOME[20:40], flag=flag)]).reads == 0


def test_indels_are_left_aligned_and_counted_once_for_a_pair(tmp_path: Path) -> None:
    # GENOME[19:23] is TTTT behind A at 18: deleting any T is deleting the first.
    assert GENOME[18:23] == "ATTTT"
    left = Read("a", 12, GENOME[12:21] + GENOME[22:33], cigar="9M1D11M", flag=99, mate=14)
    right = Read("a", 14, GENOME[14:21] + GENOME[22:35], cigar="7M1D13M", flag=147, mate=12)
    inserted = Read("b", 12, GENOME[12:21] + "T" + GENOME[21:32], cigar="9M1I11M")
    counts = count(tmp_path, [left, right, inserted])
    assert dict(counts.indels) == {
        Indel("chr1", 19, "AT", "A"): (1, 0),
        Indel("chr1", 19, "A", "AT"): (1, 0),
    }
    evidence = counts.evidence("chr1", 19, "AT", "A")
    assert evidence is not None and (evidence.alt, evidence.depth) == (1, 2)


def test_an_indel_that_only_one_of_two_overlapping_mates_shows_is_not_believed(tmp_path: Path) -> None:
    left = Read("a", 12, GENOME[12:21] + GENOME[22:33], cigar="9M1D11M", flag=99, mate=14)
    assert count(tmp_path, [left, Read("a", 14, GENOME[14:34], flag=147, mate=12)]).indels == {}


@pytest.mark.parametrize("cigar", ["9M0I11M", "9M0D11M", "3H9=2P1X10=", "9M0N11M4H"])
def test_padding_hard_clips_and_operations_of_no_length_are_no_indels(tmp_path: Path, cigar: str) -> None:
    counts = count(tmp_path, [Read("a", 20, GENOME[20:40], cigar=cigar)])
    assert counts.indels == {} and counts.regions[0].depth.sum() == 20


def test_reads_out_of_order_are_refused(tmp_path: Path) -> None:
    reads = [Read("a", 40, GENOME[40:60]), Read("b", 20, GENOME[20:40])]
    with pytest.raises(InputError, match="E_SCHEMA"):
        count_molecules(write(tmp_path / "x.bam", reads, ordered=False), PANEL, reference, PLAIN)


molecules = st.lists(
    st.tuples(
        st.integers(0, 45), st.integers(0, 25), st.booleans(), st.sampled_from("ACGTN"), st.integers(0, 19),
        st.booleans(),
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(molecules)
def test_counts_equal_those_of_a_slow_reading_of_each_molecule(
    tmp_path: Path, drawn: list[tuple[int, int, bool, str, int, bool]]
) -> None:
    """The twin: every molecule as a dictionary from position to the set of letters that its reads show."""
    reads: list[Read] = []
    expected: Counter[tuple[int, int]] = Counter()
    for number, (left, shift, single, letter, at, on_right) in enumerate(drawn):
        name, right = f"m{number}", min(left + shift, len(GENOME) - 20)
        mates = [Read(name, left, GENOME[left : left + 20])] if single else pair(name, left, right)
        changed = mates[-1] if on_right else mates[0]
        changed.sequence = changed.sequence[:at] + letter + changed.sequence[at + 1 :]
        reads += mates
        shown: dict[int, set[str]] = {}
        for mate in mates:
            for offset, base in enumerate(mate.sequence):
                shown.setdefault(mate.start + offset, set()).add(base)
        for position, letters in shown.items():
            voted = letters - {"N"}
            if 10 <= position < 60 and len(voted) == 1:
                expected[position, BASES.index(voted.pop())] += 1
    votes = count(tmp_path, reads).regions[0].counts.sum(axis=0)
    found = {(10 + at, code): int(votes[code, at]) for code in range(4) for at in range(50) if votes[code, at]}
    assert found == dict(expected)


@pytest.mark.parametrize("sample", REAL)
def test_counts_agree_with_another_tools_own_table_of_the_same_bam(real_run: RealRun, sample: str) -> None:
    """UMIErrorCorrect's table at family size 3: all but a few positions are equal, and those differ by one molecule
    (it writes a deletion inside a repeat elsewhere)."""
    counts = real_run.counts(sample, Settings(trimmed_end_bases=0, min_mapping_quality=0, min_base_quality=0))
    compared = equal = 0
    for row in real_run.table(sample):
        region = counts.region_at(row["Contig"], int(row["Position"]))
        if region is None or row["Consensus group size"] != "3":
            continue
        votes = region.counts.sum(axis=0)[:, int(row["Position"]) - 1 - region.start]
        ours = [int(votes[code]) for code in (0, 1, 2, 3, DELETED)]
        theirs = [int(row[name]) for name in "ACGTD"]
        assert max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) <= 1
        compared += 1
        equal += ours == theirs
    assert compared == 347
    assert equal >= 343


def test_what_the_panel_does_not_cover_has_no_evidence(plasma_counts: MoleculeCounts) -> None:
    assert plasma_counts.evidence("chr4", 1200, "A", "T") is None
    assert plasma_counts.evidence("chrUn", 1, "A", "T") is None


def test_no_molecule_votes_with_a_masked_base(plasma: Plasma, plasma_counts: MoleculeCounts) -> None:
    for region in plasma_counts.regions:
        assert (region.depth == region.counts.sum(axis=(0, 1)) - region.counts[:, NO_VOTE].sum(axis=0)).all()
