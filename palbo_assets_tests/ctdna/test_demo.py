"""The twin's plasmas: true format, planted truth, same bytes, quickly made."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pysam

from palbo_assets.ctdna.background import kind_of
from palbo_assets.ctdna.molecules import MoleculeCounts
from palbo_assets.demo import ctdna as twin
from palbo_assets.demo.plasma_reads import BACKGROUND, READ
from palbo_assets_tests.ctdna.conftest import Plasma


def test_the_same_seed_renders_the_same_bytes_fast(plasma: Plasma, tmp_path: Path) -> None:
    started = time.process_time()
    twin.write(plasma.truth, plasma.patient, plasma.genome, plasma.bed, tmp_path, np.random.default_rng(5))
    spent = time.process_time() - started
    assert (tmp_path / plasma.file.file).read_bytes() == plasma.bam.read_bytes()
    assert spent < 3


def test_records_are_as_fgbio_and_an_aligner_write_them(plasma: Plasma) -> None:
    """Mates point at each other, gapped reads keep their length, and every base outside alleles is the genome's."""
    mates: dict[str, list[pysam.AlignedSegment]] = {}
    gapped = mismatches = bases = 0
    with pysam.AlignmentFile(str(plasma.bam)) as file:
        assert file.header.to_dict()["HD"]["SO"] == "coordinate"
        for read in file.fetch("chr6"):
            mates.setdefault(read.query_name or "", []).append(read)
            assert read.infer_query_length() == READ == len(read.query_sequence or "")
            assert {name for name, _ in read.get_tags()} == {"RG", "MI", "RX", "cD", "cM", "cE"}
            cigar = read.cigartuples or []
            gapped += len(cigar) > 1
            if len(cigar) == 1:
                genome = plasma.genome.sequence("chr6")[read.reference_start : read.reference_end]
                mismatches += sum(a not in {b, "N"} for a, b in zip(read.query_sequence or "", genome, strict=True))
                bases += READ
    assert gapped > 10  # the planted three-base deletion of ESR1
    assert 0 < mismatches / bases < 0.01
    for one, other in mates.values():
        assert one.is_read1 != other.is_read1 and one.next_reference_start == other.reference_start
        assert one.template_length == -other.template_length > 0


def test_molecules_err_at_the_stated_rates(plasma: Plasma, plasma_counts: MoleculeCounts) -> None:
    """All substitutions together, away from tracked and germline sites; about 250 errors are expected."""
    known = {(row["chrom"], row["pos"]) for row in plasma.tracked.to_dict("records")}
    known |= {(snp.chrom, snp.pos) for snp in plasma.genome.snps}
    errors = expected = 0.0
    for region in plasma_counts.regions:
        votes = region.counts[:, :4].sum(axis=0)
        for at, ref in enumerate(region.reference):
            if (region.chrom, region.start + at + 1) not in known:
                depth = int(region.depth[at])
                for alt in set("ACGT") - {ref}:
                    errors += int(votes["ACGT".index(alt), at])
                    expected += depth * BACKGROUND[kind_of(ref, alt)]
    assert expected > 200
    assert abs(errors - expected) < 4 * np.sqrt(expected)


def test_the_written_index_finds_the_reads(plasma: Plasma) -> None:
    with pysam.AlignmentFile(str(plasma.bam)) as file:
        streamed = sum(read.reference_name == "chr6" for read in file.fetch(until_eof=True))
        assert file.count("chr6") == streamed > 1000


def test_the_panel_leaves_genes_out_and_tracked_sites_name_them(plasma: Plasma) -> None:
    assert {target.gene for target in plasma.panel.targets} == set(twin.PANEL_GENES)
    tracked = plasma.tracked
    assert {"FAT1", "KMT2C", "ESR1", "RB1"} <= set(tracked["gene"])
    for row in tracked.to_dict("records"):
        contig = plasma.genome.sequence(row["chrom"])
        assert contig[row["pos"] - 1 : row["pos"] - 1 + len(row["ref"])] == row["ref"]
    assert tracked.loc[tracked["hgvsp_short"] == "p.R320*", "lof"].all()
    assert not tracked.loc[tracked["hgvsp_short"] == "p.D538G", "lof"].any()
