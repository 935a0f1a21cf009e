"""A fragment speaks once, and only in bases and reads that are good enough."""

from __future__ import annotations

from pathlib import Path

import pysam
import pytest

from palbo_assets.genomics.alleles import Variant
from palbo_assets.genomics.local_errors import local_errors
from palbo_assets.genomics.regions import Region, merged, read_bed, reference
from palbo_assets.platform.errors import InputError
from palbo_assets.wes.candidates import count as count_all
from palbo_assets.wes.candidates import propose, settle
from palbo_assets.wes.settings import Settings

SETTINGS = Settings()
#           0         10        20        30        40        50
SEQUENCE = "ACGTTGCATGCCATTAGCAAAAACTGGATCCGTACGATTGCAGGCTTAACGT" * 2


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.fa"
    path.write_text(f">c1\n{SEQUENCE}\n")
    pysam.faidx(str(path))  # type: ignore[attr-defined]
    return path


class Bam:
    """Writes reads by hand: (name, start, cigar, changes, options)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        header = {"HD": {"VN": "1.6", "SO": "coordinate"}, "SQ": [{"SN": "c1", "LN": len(SEQUENCE)}]}
        self.header = pysam.AlignmentHeader.from_dict(header)
        self.reads: list[pysam.AlignedSegment] = []

    def add(
        self, name: str, start: int, bases: str, cigar: str = "", flag: int = 0, mapq: int = 60, quality: int = 37
    ) -> None:
        read = pysam.AlignedSegment(self.header)
        read.query_name, read.reference_id, read.reference_start = name, 0, start
        read.query_sequence, read.flag, read.mapping_quality = bases, flag, mapq
        read.cigarstring = cigar or f"{len(bases)}M"
        read.query_qualities = pysam.qualitystring_to_array(chr(33 + quality) * len(bases))
        self.reads.append(read)

    def write(self) -> Path:
        with pysam.AlignmentFile(str(self.path), "wb", header=self.header) as out:
            for read in sorted(self.reads, key=lambda one: one.reference_start):
                out.write(read)
        return self.path


def with_base(start: int, length: int, place: int, base: str) -> str:
    bases = list(SEQUENCE[start : start + length])
    bases[place - start] = base
    return "".join(bases)


def count(bam: Bam, fasta: Path, variant: Variant) -> tuple[int, ...] | None:
    """Depth, alternative, and both alleles by strand."""
    with reference(fasta) as fetch:
        found = count_all(bam.write(), [variant], fetch, SETTINGS)[variant]
    return None if found is None else found[:6]


def proposed(bam: Bam, fasta: Path, settings: Settings) -> list[Variant]:
    with reference(fasta) as fetch:
        found = propose(bam.write(), [Region("c1", 0, 60)], fetch, settings)
        return settle(count_all(bam.path, found, fetch, settings), settings)


SNV = Variant("c1", 31, SEQUENCE[30], "T" if SEQUENCE[30] != "T" else "G")


def test_overlapping_mates_are_one_fragment(tmp_path: Path, fasta: Path) -> None:
    bam = Bam(tmp_path / "a.bam")
    bam.add("pair", 10, with_base(10, 30, 30, SNV.alt), flag=0x63)
    bam.add("pair", 20, with_base(20, 30, 30, SNV.alt), flag=0x93)
    bam.add("single", 15, SEQUENCE[15:45], flag=0x10)
    assert count(bam, fasta, SNV) == (2, 1, 0, 1, 1, 0)


def test_the_better_of_two_contradicting_mates_counts_and_equals_cancel(tmp_path: Path, fasta: Path) -> None:
    bam = Bam(tmp_path / "a.bam")
    bam.add("better", 10, with_base(10, 30, 30, SNV.alt), flag=0x63, quality=25)
    bam.add("better", 20, SEQUENCE[20:50], flag=0x93, quality=37)
    bam.add("equal", 10, with_base(10, 30, 30, SNV.alt), flag=0x63)
    bam.add("equal", 20, SEQUENCE[20:50], flag=0x93)
    assert count(bam, fasta, SNV) == (1, 0, 0, 1, 0, 0)


@pytest.mark.parametrize(
    "options",
    [{"flag": 0x400}, {"flag": 0x100}, {"flag": 0x800}, {"flag": 0x200}, {"mapq": 29}, {"quality": 19}],
    ids=["duplicate", "secondary", "supplementary", "qc_fail", "mapping_quality", "base_quality"],
)
def test_reads_and_bases_that_are_not_good_enough_do_not_count(
    tmp_path: Path, fasta: Path, options: dict[str, int]
) -> None:
    bam = Bam(tmp_path / "a.bam")
    bam.add("good", 10, with_base(10, 30, 30, SNV.alt))
    bam.add("bad", 10, with_base(10, 30, 30, SNV.alt), **options)  # type: ignore[arg-type]
    assert count(bam, fasta, SNV) == (1, 1, 0, 0, 1, 0)


def test_an_indel_counts_wherever_the_aligner_put_it_in_a_run(tmp_path: Path, fasta: Path) -> None:
    run = SEQUENCE.index("CAAAAAC")  # the reference has C AAAAA C
    left = Variant("c1", run + 1, "CA", "C")
    bam = Bam(tmp_path / "a.bam")
    before = run + 1 - 8
    read = SEQUENCE[before : run + 1] + "AAAA" + SEQUENCE[run + 6 : run + 16]
    bam.add("left", before, read, cigar=f"8M1D{len(read) - 8}M")
    bam.add("right", before, read, cigar=f"12M1D{len(read) - 12}M", flag=0x10)
    bam.add("none", before, SEQUENCE[before : before + 23])
    assert count(bam, fasta, left) == (3, 2, 1, 0, 1, 1)
    few = SETTINGS.model_copy(update={"candidate_alt_reads": 2})
    assert proposed(bam, fasta, few) == [left]


def test_insertions_and_neighbouring_base_changes_count_as_what_they_are(tmp_path: Path, fasta: Path) -> None:
    insertion = Variant("c1", 31, SEQUENCE[30], SEQUENCE[30] + "GG")
    double = Variant("c1", 31, SEQUENCE[30:32], "TA" if SEQUENCE[30:32] != "TA" else "CC")
    bam = Bam(tmp_path / "a.bam")
    bam.add("ins", 10, SEQUENCE[10:31] + "GG" + SEQUENCE[31:45], cigar="21M2I14M")
    bam.add("mnv", 10, SEQUENCE[10:30] + double.alt + SEQUENCE[32:45])
    bam.add("ref", 10, SEQUENCE[10:45])
    # The read with two other bases where the insertion would be says neither of its alleles.
    assert count(bam, fasta, insertion) == (3, 1, 1, 0, 1, 0)
    # Nor does the read with an insertion between two neighbours say either allele of both.
    assert count(bam, fasta, double) == (3, 1, 1, 0, 1, 0)


def test_neighbours_on_the_same_fragments_are_one_variant_and_others_are_not(tmp_path: Path, fasta: Path) -> None:
    double = Variant("c1", 31, SEQUENCE[30:32], "TA" if SEQUENCE[30:32] != "TA" else "CC")
    together, apart = Bam(tmp_path / "a.bam"), Bam(tmp_path / "b.bam")
    for number in range(8):
        together.add(f"both{number}", 10, SEQUENCE[10:30] + double.alt + SEQUENCE[32:45])
        apart.add(f"one{number}", 10, with_base(10, 35, 30, double.alt[0]))
        apart.add(f"two{number}", 10, with_base(10, 35, 31, double.alt[1]))
    assert proposed(together, fasta, SETTINGS) == [double]
    assert proposed(apart, fasta, SETTINGS) == [
        Variant("c1", 31 + one, SEQUENCE[30 + one], double.alt[one]) for one in (0, 1)
    ]


def test_orientation_quality_and_place_in_the_read_are_told(tmp_path: Path, fasta: Path) -> None:
    bam = Bam(tmp_path / "a.bam")
    bam.add("one", 10, with_base(10, 30, 30, SNV.alt), flag=0x41, quality=30)
    bam.add("two", 10, with_base(10, 30, 30, SNV.alt), flag=0x91, quality=20)
    bam.add("three", 10, with_base(10, 30, 30, SNV.alt), flag=0x51, quality=40)
    bam.add("ref", 25, SEQUENCE[25:45], flag=0x81, quality=30)
    with reference(fasta) as fetch:
        found = count_all(bam.write(), [SNV], fetch, SETTINGS)[SNV]
    assert found is not None
    # Read 1 forward and read 2 reverse are F1R2.
    assert (found.alt_f1r2, found.alt_f2r1, found.ref_f1r2, found.ref_f2r1) == (2, 1, 0, 1)
    assert (found.alt_quality, found.alt_mapping_quality, found.alt_end_distance) == (30.0, 60.0, 9.0)
    assert found.ref_end_distance == 5.0
    assert found.expected_errors == pytest.approx(2 * 1e-3 + 1e-2 + 1e-4)


def test_alleles_that_are_not_spelled_out_and_unknown_contigs_are_not_counted(tmp_path: Path, fasta: Path) -> None:
    bam = Bam(tmp_path / "a.bam")
    bam.add("ref", 10, SEQUENCE[10:45])
    bam.write()
    symbolic, elsewhere = Variant("c1", 31, SEQUENCE[30], "<DEL>"), Variant("c9", 31, "A", "C")
    with reference(fasta) as fetch:
        assert count_all(bam.path, [symbolic, elsewhere], fetch, SETTINGS) == {symbolic: None, elsewhere: None}


def test_a_place_without_reads_has_depth_zero_and_no_fraction(tmp_path: Path, fasta: Path) -> None:
    bam = Bam(tmp_path / "a.bam")
    bam.add("far", 60, SEQUENCE[60:90])
    with reference(fasta) as fetch:
        found = count_all(bam.write(), [SNV], fetch, SETTINGS)[SNV]
    assert found is not None and found.depth == 0 and found.vaf is None and found.alt_quality is None


def test_unsorted_alignments_are_refused_in_plain_words(tmp_path: Path, fasta: Path) -> None:
    bam = Bam(tmp_path / "a.bam")
    with pysam.AlignmentFile(str(bam.path), "wb", header=bam.header) as out:
        for start in (60, 10):
            bam.add("r", start, SEQUENCE[start : start + 20])
            out.write(bam.reads[-1])
    with reference(fasta) as fetch:
        with pytest.raises(InputError, match="E_UNSORTED"):
            count_all(bam.path, [SNV], fetch, SETTINGS)
        with pytest.raises(InputError, match="E_UNSORTED"):
            propose(bam.path, [Region("c1", 0, 100)], fetch, SETTINGS)


def test_regions_are_padded_and_merged(tmp_path: Path) -> None:
    bed = tmp_path / "t.bed"
    bed.write_text("track name=x\nc2\t10\t20\tgene\nc1\t100\t200\nc1\t250\t300\n")
    found = merged(read_bed(bed), {"c1": 320, "c2": 30}, 50)
    assert found == [Region("c1", 50, 320), Region("c2", 0, 30)]
    assert merged([Region("chr1", 5, 9), Region("M", 1, 3)], {"1": 20, "MT": 9}) == [
        Region("1", 5, 9),
        Region("MT", 1, 3),
    ]
    bed.write_text("c1\tten\t20\n")
    with pytest.raises(InputError, match="row 1"):
        read_bed(bed)


def test_the_real_tumour_shows_the_variant_that_mutect2_saw(shared_data: Path) -> None:
    folder = shared_data / "wes_somatic" / "hcc1143_wgs_chr11_slice"
    names = {True: "8f879c15-14da-593d-bb76-db866f81ab3a.6", False: "cfa409d0-3236-5f07-8634-a2c0de74c8f2.5"}
    variant = Variant("chr11", 531138, "C", "G")
    found = {}
    with reference(folder / "tiny-grch38-chr11-530001-537000.fa") as fetch:
        for is_tumour, name in names.items():
            path = folder / f"{name}.20190927.wgs.grch38.bam"
            found[is_tumour] = count_all(path, [variant], fetch, SETTINGS)[variant]
    tumour, normal = found[True], found[False]
    assert tumour is not None and normal is not None
    # Mutect2 counts 11 of 67 in the tumour after local assembly, and a smaller share in the normal.
    assert abs(tumour.depth - 67) <= 5 and abs(tumour.alt - 11) <= 2
    assert normal.depth >= 40 and (normal.vaf or 0) < (tumour.vaf or 0)


def test_background_is_the_error_rate_beside_the_variant(tmp_path: Path, fasta: Path) -> None:
    bam = Bam(tmp_path / "a.bam")
    for number in range(200):
        place = 40 if number < 4 else 30
        base = SNV.alt if place == 30 and number % 2 else ("T" if SEQUENCE[40] != "T" else "G")
        bam.add(f"r{number}", 10, with_base(10, 40, place, base if place == 40 or number % 2 else SEQUENCE[30]))
    with reference(fasta) as fetch:
        error = local_errors(
            bam.write(), [SNV], fetch, window=50, max_vaf=0.05, min_base_quality=20, min_mapping_quality=30
        )[SNV]
    # 4 errors in 200 fragments x 39 other covered bases, a third of them towards any one alternative.
    assert error == pytest.approx(4 / (200 * 39) / 3)
