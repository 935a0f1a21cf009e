"""Molecules beside those of published tools: umi-tools' groups read by read, and the duplex pipeline's own report."""

from __future__ import annotations

import csv
import gzip
import re
import shutil
import subprocess
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from palbo_assets.ctdna import umi_families, umi_pairs, umi_records
from palbo_assets.ctdna.molecules import MoleculeCounts, fasta_reference
from palbo_assets.ctdna.panel import Panel, Target
from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.umi import UmiPlace, UmiQuality, UmiSource
from palbo_assets.ctdna.umi_consensus import consensus_molecules
from palbo_assets.genomics.bam import record_offsets
from palbo_assets.genomics.bgzf import record_chunks
from palbo_assets_tests.ctdna.raw_reads import GENOME, pair, write

REPOSITORY = Path(__file__).parents[2]
Reads = Iterable[tuple[str, Hashable, str]]  # name, place, UMI, in the order of the file


def partition(group_of: Mapping[str, Hashable]) -> set[frozenset[str]]:
    """The groups as sets of read names, whatever they are called."""
    groups: dict[Hashable, set[str]] = defaultdict(set)
    for name, group in group_of.items():
        groups[group].add(name)
    return {frozenset(names) for names in groups.values()}


def molecules(reads: Reads) -> dict[str, Hashable]:
    """Read name -> molecule: the compiled grouping of each place's UMIs."""
    places: dict[Hashable, dict[str, list[str]]] = defaultdict(dict)
    for name, place, umi in reads:
        places[place].setdefault(umi, []).append(name)
    found: dict[str, Hashable] = {}
    for place, by_umi in places.items():
        umis, seen = sorted(by_umi), list(by_umi)
        codes = np.array([sum("ACGT".index(base) << 2 * at for at, base in enumerate(reversed(umi))) for umi in umis])
        counts, first = np.array([len(by_umi[umi]) for umi in umis]), np.array([seen.index(umi) for umi in umis])
        root = umi_families.directional(codes, counts, first, len(umis[0]))
        found |= {name: (place, umis[one]) for umi, one in zip(umis, root, strict=True) for name in by_umi[umi]}
    return found


def pairs_of(bam: Path, panel: Panel, bases: int, place: int = umi_records.TAG) -> Reads:
    """Read pairs of a BAM with the ends and the UMI that the compiled pass gives them."""
    data = np.concatenate(list(record_chunks(bam)))
    totals = np.zeros(umi_records.TOTALS, dtype=np.int64)
    totals[[umi_records.LAST_REF, umi_records.LAST_POS, umi_records.FIRST_LENGTH, umi_records.SECOND_LENGTH]] = -1
    starts, ends = (np.array([edge]) for edge in panel.regions[0][1:])
    nothing = (np.empty((0, width), dtype=np.int64) for width in (umi_pairs.FRAGMENT, umi_pairs.SINGLE))
    fragments, _, _ = umi_pairs.pair_mates(
        data, 0, len(record_offsets(data)), *nothing, place, np.zeros((2, 2), dtype=np.int64), np.array([30, 1000]),
        np.array([[0, 1], [1, 1]]), starts, ends, totals, True,
    )  # fmt: skip
    for row in fragments[np.argsort(np.minimum(fragments[:, 5], fragments[:, 6]))]:
        name = bytes(data[row[5] + 36 : row[5] + 35 + data[row[5] + 12]]).decode()
        yield name, int(row[0]), "".join("ACGT"[int(row[1]) >> 2 * at & 3] for at in reversed(range(bases)))


def umi_tools_groups(folder: Path, bam: Path, *options: str, placed: bool = False) -> dict[str, str]:
    """Read name -> group, as `umi_tools group` says (method directional, its default)."""
    tool = shutil.which("umi_tools") or str(REPOSITORY / ".venv-bench" / "bin" / "umi_tools")
    if not Path(tool).exists():
        pytest.skip("umi_tools is not installed; `make bench-smoke` installs it")
    table = folder / "groups.tsv"
    subprocess.run(
        [tool, "group", *options, "-I", str(bam), f"--group-out={table}", "-L", str(folder / "log")],
        check=True, capture_output=True,
    )  # fmt: skip
    return rows_of(table, placed=placed)


def rows_of(table: Path, *, placed: bool = False) -> dict[str, str]:
    """``placed``: the position belongs to the name, since a read may stand in several places."""
    with table.open(encoding="utf-8") as file:
        return {
            row["read_id"] + (f"@{row['position']}" if placed else ""): row["unique_id"]
            for row in csv.DictReader(file, delimiter="\t")
        }


def test_groups_equal_those_that_umi_tools_published_read_by_read(shared_data: Path) -> None:
    """umi-tools' expected output of its directional method: barcodes of 18 bases, the places are genes."""
    import pysam

    folder = shared_data / "umi_ctdna" / "umi_tools"
    published = rows_of(folder / "group_dir_per_gene_py3.tsv")
    with pysam.AlignmentFile(str(folder / "chr19_gene_tags.bam")) as bam:
        found = molecules(
            (str(read.query_name), str(read.get_tag("XF")), str(read.query_name).rpartition("_")[2])
            for read in bam.fetch(until_eof=True)
            if not str(read.get_tag("XF")).startswith(("_", "Unassigned"))
        )
    assert found.keys() == published.keys() and len(published) == 1083
    assert partition(found) == partition(published)


@pytest.mark.accuracy
def test_groups_of_55_197_real_reads_equal_umi_tools_read_by_read(shared_data: Path, tmp_path: Path) -> None:
    import pysam

    path = shared_data / "umi_ctdna" / "umi_tools" / "chr19.bam"
    theirs = umi_tools_groups(tmp_path, path, placed=True)
    with pysam.AlignmentFile(str(path)) as bam:
        reads = [
            (
                f"{read.query_name}@{_five_prime(read)}",
                (read.is_reverse, _five_prime(read)),
                str(read.query_name).rpartition("_")[2],
            )
            for read in bam.fetch(until_eof=True)
        ]
    found = molecules(reads)
    assert found.keys() == theirs.keys() and len(theirs) == 55_197
    assert partition(found) == partition(theirs)
    assert len(partition(theirs)) < len({(place, umi) for _, place, umi in reads})  # barcodes were merged


def _five_prime(read: object) -> int:
    """0-based unclipped 5' end."""
    cigar = read.cigartuples  # type: ignore[attr-defined]
    if read.is_reverse:  # type: ignore[attr-defined]
        return int(read.reference_end + (cigar[-1][1] if cigar[-1][0] == 4 else 0))  # type: ignore[attr-defined]
    return int(read.reference_start - (cigar[0][1] if cigar[0][0] == 4 else 0))  # type: ignore[attr-defined]


def test_pairs_of_one_barcode_are_grouped_as_umi_tools_groups_them(tmp_path: Path) -> None:
    """Both ends and the barcode; what the whole pass counts is what the groups hold."""
    rng = np.random.default_rng(12)
    reads = []
    for number in range(1500):
        first = int(rng.integers(10, 60))
        umi = list("".join(rng.choice(list("ACGT"), size=6, p=[0.4, 0.3, 0.2, 0.1])))
        strand = int(rng.integers(2))
        for copy in range(int(rng.integers(1, 9))):
            letters = [base if rng.random() > 0.02 else "ACGT"[rng.integers(4)] for base in umi]
            last = first + 90 + number % 3
            made = pair(f"m{number}c{copy}", first, last, strand=strand)
            for read in made:
                read.umi = "".join(letters)
            reads += made
    bam = write(tmp_path / "pairs.bam", reads)
    with_length = tmp_path / "sized.bam"
    _state_template_lengths(bam, with_length)
    theirs = umi_tools_groups(
        tmp_path, with_length, "--paired", "--extract-umi-method=tag", "--umi-tag=RX", "--no-sort-output"
    )
    panel = Panel("v1", (Target("chr1", 0, len(GENOME)),))
    found = molecules(pairs_of(bam, panel, 6))
    assert found.keys() == theirs.keys() and len(found) > 5000
    assert partition(found) == partition(theirs)
    _, quality = consensus_molecules(
        bam, UmiSource(UmiPlace.TAG), panel, lambda chrom, start, end: GENOME[start:end], Settings()
    )
    sizes = Counter(map(len, partition(theirs)))
    assert {size: n for size, n in enumerate(quality.sizes) if n} == dict(
        sum((Counter({min(size, umi_families.LARGEST_SIZE): n}) for size, n in sizes.items()), Counter())
    )


def _state_template_lengths(bam: Path, sized: Path) -> None:
    """umi-tools knows the other end by the template length that aligners state; it wants an index, too."""
    import pysam

    with pysam.AlignmentFile(str(bam)) as file:
        records = list(file.fetch(until_eof=True))
        ends: dict[str, list[int]] = defaultdict(list)
        for read in records:
            ends[str(read.query_name)] += [read.reference_start, int(read.reference_end or 0)]
        with pysam.AlignmentFile(str(sized), "wb", template=file) as out:
            for read in records:
                length = max(ends[str(read.query_name)]) - min(ends[str(read.query_name)])
                read.template_length = -length if read.is_reverse else length
                out.write(read)
    pysam.index(str(sized))  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Duplexes:
    """The duplex pipeline's test reads, aligned, and the report that it published of them."""

    folder: Path
    bam: Path
    report: str

    def stated(self, words: str) -> int:
        """The number that the report states before these words."""
        (found,) = set(re.findall(rf"(\d+) {words}", self.report))
        return int(found)

    def count(self, without: tuple[str, ...] = ()) -> tuple[MoleculeCounts, UmiQuality]:
        """Its own rules: three pairs of each strand, seven bases off each 5' end. ``without``: molecules left out."""
        import pysam

        path = self.bam
        if without:
            path = self.folder / "some.bam"
            with pysam.AlignmentFile(str(self.bam)) as file, pysam.AlignmentFile(str(path), "wb", template=file) as out:
                for read in file.fetch(until_eof=True):
                    if not str(read.query_name).startswith(without):
                        out.write(read)
        rules = Settings(min_family_size=3, min_strand_size=3, require_duplex=True, trimmed_end_bases=7)
        reference = fasta_reference(self.folder / "testRef.fa")
        return consensus_molecules(path, UmiSource(UmiPlace.NAME), DUPLEX_PANEL, reference, rules)


DUPLEX_PANEL = Panel("test", (Target("TP53_hg38", 0, 7189),))
# Molecules that the report's BLAST step takes out: two with two equally good places, one with two equally good species.
AMBIGUOUS = ("fam8_0_", "fam8_1_", "fam1_0_")


@pytest.fixture(scope="module")
def duplexes(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Duplexes:
    import pysam

    if shutil.which("bwa") is None:
        pytest.skip("bwa is not installed (apt install bwa)")
    source, folder = shared_data / "umi_ctdna" / "duplex_kennedy", tmp_path_factory.mktemp("duplex")
    for name in ("testRef.fa", "testRef.fa.fai"):
        shutil.copyfile(source / name, folder / name)
    reads = [_fastq(source / f"testSeq{mate}.fastq.gz") for mate in (1, 2)]
    with (folder / "1.fq").open("w") as first, (folder / "2.fq").open("w") as second:
        for one, two in zip(*reads, strict=True):
            umi = f"{one[1][:8]}-{two[1][:8]}"  # read structure 8M1S+T,8M1S+T
            for file, (name, bases, qualities) in ((first, one), (second, two)):
                file.write(f"@{name}:{umi}\n{bases[9:]}\n+\n{qualities[9:]}\n")
    run = partial(subprocess.run, check=True, capture_output=True, cwd=folder)
    run(["bwa", "index", "testRef.fa"])
    run(["bwa", "mem", "-o", "x.sam", "testRef.fa", "1.fq", "2.fq"])
    pysam.sort("-o", str(folder / "x.bam"), str(folder / "x.sam"))  # type: ignore[attr-defined]
    page = (source / "test1.expectedReport.html").read_text(encoding="utf-8")
    return Duplexes(folder, folder / "x.bam", unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))))


def _fastq(path: Path) -> Iterator[tuple[str, str, str]]:
    with gzip.open(path, "rt") as file:
        lines = [line.rstrip("\n") for line in file]
    for at in range(0, len(lines), 4):
        yield lines[at][1:].partition("/")[0], lines[at + 1], lines[at + 3]


def test_families_and_duplexes_are_those_of_the_published_report(duplexes: Duplexes) -> None:
    """The report counts each end of a molecule for itself, and each strand's family as one."""
    _, quality = duplexes.count()
    assert quality.pairs == duplexes.stated("reads processed") // 2 == 3898
    duplex = round(quality.enough * (quality.duplex_share or 0))
    assert duplex == duplexes.stated("DCS made") // 2 == 206
    assert quality.molecules + duplex == duplexes.stated("SSCS made") // 2 == 413  # strands
    assert quality.molecules - duplex == duplexes.stated("DCS failed due to missing SSCS") // 2 == 1


def test_each_published_read_is_in_the_molecule_that_its_name_states(duplexes: Duplexes) -> None:
    found = molecules(pairs_of(duplexes.bam, DUPLEX_PANEL, 16, umi_records.NAME))
    stated = {name: re.sub(r"(_fr|_rf)?_\d+:.*", "", name) for name in found}
    assert len(found) == 3898 and partition(found) == partition(stated)


def test_duplex_mutations_are_those_of_the_published_report(duplexes: Duplexes) -> None:
    """Below a fraction of 0.1 at 100 molecules or more, as the report counts them."""
    counts, _ = duplexes.count(AMBIGUOUS)
    (region,) = counts.regions
    votes, depth = region.counts[:, :4].sum(axis=0), region.depth
    found = {
        f"{ref}>{'ACGT'[base]}@{at + 1}": int(votes[base, at])
        for at, ref in enumerate(region.reference)
        for base in np.flatnonzero(votes[:, at])
        if "ACGT"[base] != ref and depth[at] >= 100 and votes[base, at] < 0.1 * depth[at]
    }
    # One T>A, as published. The A>T is of two soft-clipped reads, all raw reads of both strands agree on it; the report
    # doesn't count it and doesn't say why.
    assert found == {"T>A@3995": 1, "A>T@3779": 1}
    lengths = [(len(indel.alt) - len(indel.ref), sum(molecules)) for indel, molecules in counts.indels.items()]
    assert sorted(lengths) == [(-4, 1), (4, 1)]
    assert re.search(r"T>A SNV 1 .*\+4 INS 1 .*-4 DEL 1 ", duplexes.report)
    lowest, mean, median, highest = re.search(r"Bed_Line (\d+) ([\d.]+) (\d+) (\d+)", duplexes.report).groups()  # type: ignore[union-attr]
    covered = depth[depth > 0]
    assert (covered.min(), np.median(covered), covered.max()) == (int(lowest), int(median), int(highest))
    assert covered.mean() == pytest.approx(float(mean), rel=0.04)  # overlapping mates are cut there, joined here
