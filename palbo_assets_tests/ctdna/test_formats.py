"""What the landing says to each file of a plasma."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pysam
import pytest

from palbo_assets.ctdna.formats import (
    FORMATS,
    verify_consensus_bam,
    verify_panel_bed,
    verify_raw_umi_bam,
    verify_wet_lab,
    wet_lab_key,
)
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context, Verifier
from palbo_assets_tests.ctdna import raw_reads
from palbo_assets_tests.ctdna.conftest import REAL, Plasma, RealRun

HG38 = {"chr17": 83257441, "chr3": 198295559, "chr4": 190214555}
HG19 = {"chr17": 81195210, "chr3": 198022430, "chr4": 191154276}


def claim(sample: str = "", version: str = "v1") -> Claim:
    return Claim("x.bam", "ctdna", sample_name=sample, panel_version=version)


def refusal(path: Path, claimed: Claim, context: Context) -> InputError:
    with pytest.raises(InputError) as error:
        verify_consensus_bam(path, claimed, context)
    return error.value


def test_a_real_consensus_bam_is_accepted_with_its_family_sizes(real_run: RealRun) -> None:
    facts = verify_consensus_bam(real_run.bam(REAL[0]), claim(REAL[0]), Context(contig_lengths=HG38))
    assert facts == {"reads": 27366, "mapped_reads": 27366, "family_sizes": "read name", "family_size_mean": 13.818}


def test_a_real_consensus_bam_of_another_build_or_sample_is_refused(real_run: RealRun) -> None:
    bam = real_run.bam(REAL[0])
    assert refusal(bam, claim(), Context(contig_lengths=HG19)).code == "E_BUILD_MISMATCH"
    assert refusal(bam, claim(), Context(contig_lengths={"17": 83257441})).code == "E_BUILD_MISMATCH"
    assert refusal(bam, claim(REAL[1]), Context(contig_lengths=HG38)).code == "E_SAMPLE_MISMATCH"


def test_the_twins_plasma_states_its_tags(plasma: Plasma) -> None:
    context = Context(contig_lengths=plasma.genome.contigs, siblings={"panel_bed": plasma.bed})
    facts = verify_consensus_bam(plasma.bam, claim(plasma.file.sample_name), context)
    assert facts["family_sizes"] == "tag cD" and facts["mapped_reads"] == facts["reads"]


def test_a_bam_without_family_sizes_is_accepted_and_says_so(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "umi_ctdna" / "umi_tools" / "chr19.bam"
    facts = verify_consensus_bam(source, claim(), Context())
    assert facts["family_sizes"] == "none" and facts["reads"] == 55197


def test_raw_umi_reads_are_not_consensus_reads(plasma: Plasma, tmp_path: Path) -> None:
    raw = tmp_path / "raw.bam"
    with pysam.AlignmentFile(str(plasma.bam)) as source, pysam.AlignmentFile(str(raw), "wb", template=source) as out:
        for number, read in enumerate(source):
            read.set_tags([("RX", "ACG-TTA"), ("MI", "7")])
            out.write(read)
            if number == 50:
                break
    error = refusal(raw, claim(), Context())
    assert error.code == "E_SCHEMA" and "consensus" in error.fix


def test_a_panel_of_another_build_beside_the_bam_is_noticed(plasma: Plasma, tmp_path: Path) -> None:
    bed = tmp_path / "hg19.bed"
    bed.write_text("chr17\t7577000\t7577100\n", encoding="utf-8")
    assert refusal(plasma.bam, claim(), Context(siblings={"panel_bed": bed})).code == "E_BUILD_MISMATCH"


def test_broken_bams_are_told_apart(plasma: Plasma, tmp_path: Path) -> None:
    content = plasma.bam.read_bytes()
    broken = tmp_path / "broken.bam"
    for written, code in (
        (b"", "E_EMPTY"),
        (b"not a bam at all", "E_NOT_BGZF"),
        (content[: len(content) // 2], "E_TRUNCATED"),
        (content[:-28], "E_TRUNCATED"),
        (content[: len(content) // 2] + content[-28:], "E_TRUNCATED"),
        (content[:200_000] + bytes([content[200_000] ^ 0xFF]) + content[200_001:], "E_TRUNCATED"),
    ):
        broken.write_bytes(written)
        assert refusal(broken, claim(), Context()).code == code


def test_unsorted_and_unplaced_reads_are_refused(plasma: Plasma, tmp_path: Path) -> None:
    with pysam.AlignmentFile(str(plasma.bam)) as source:
        reads = [read for _, read in zip(range(40), source, strict=False)]
        for name, chosen, unmapped in (("unsorted", reads[::-1], False), ("unplaced", reads, True)):
            path = tmp_path / f"{name}.bam"
            with pysam.AlignmentFile(str(path), "wb", template=source) as out:
                for read in chosen:
                    if unmapped:
                        read.is_unmapped = True
                        read.reference_id = read.reference_start = -1
                        read.cigarstring = None
                    out.write(read)
    assert refusal(tmp_path / "unsorted.bam", claim(), Context()).code == "E_SCHEMA"
    assert refusal(tmp_path / "unplaced.bam", claim(), Context()).code == "E_EMPTY"


def test_a_stale_index_beside_the_bam_changes_nothing(real_run: RealRun, tmp_path: Path) -> None:
    bam = tmp_path / "copy.bam"
    shutil.copyfile(real_run.bam(REAL[0]), bam)
    shutil.copyfile(real_run.bam(REAL[1]).with_name(f"{REAL[1]}_consensus_reads.bam.bai"), tmp_path / "copy.bam.bai")
    assert verify_consensus_bam(bam, claim(), Context())["reads"] == 27366


def test_a_panel_needs_its_version_and_the_studys_genome(plasma: Plasma, tmp_path: Path) -> None:
    facts = verify_panel_bed(plasma.bed, claim(), Context(contig_lengths=plasma.genome.contigs))
    assert facts["panel_version"] == "v1" and facts["bases"] == plasma.panel.size
    with pytest.raises(InputError) as error:
        verify_panel_bed(plasma.bed, claim(version=""), Context())
    assert (error.value.code, error.value.column) == ("E_SCHEMA", "panel_version")
    with pytest.raises(InputError, match="E_BUILD_MISMATCH"):
        verify_panel_bed(plasma.bed, claim(), Context(contig_lengths={"chr1": 5}))


def test_a_wet_lab_batch_is_named_so_that_it_can_be_a_partition(tmp_path: Path) -> None:
    path = tmp_path / "wet.csv"
    path.write_text(
        "patient_id,timepoint,specimen_id,plasma_ml,cfdna_ng_per_ml,input_ng\nPALBO-001,BL,S1,4,10,20\n", "utf-8"
    )
    assert verify_wet_lab(path, Claim("wet.csv", "ctdna"), Context()) == {"plasmas": 1}
    assert wet_lab_key(path, Claim("a/wet lab|7.csv", "ctdna"), Context()) == "wet-lab-7"
    assert wet_lab_key(path, Claim("x.csv", "ctdna", sample_name="batch/3"), Context()) == "batch-3"


def test_every_role_is_declared_once() -> None:
    roles = ["consensus_bam", "control_bam", "healthy_plasma_bam", "panel_bed", "raw_umi_bam", "wet_lab"]
    assert sorted(one.role for one in FORMATS) == roles
    assert {one.modality for one in FORMATS} == {"ctdna"}


def test_raw_reads_are_accepted_with_the_place_of_their_barcode_and_refused_without_one(tmp_path: Path) -> None:
    reads = [read for copy in range(3) for read in raw_reads.pair(f"a{copy}", 30, 100)]
    facts = verify_raw_umi_bam(raw_reads.write(tmp_path / "x.raw_umi.bam", reads), claim(), Context())
    assert (facts["reads"], facts["umi_place"], facts["umi_bases"]) == (6, "tag RX", 8)
    for read in reads:
        read.umi = None
    bare = raw_reads.write(tmp_path / "bare.raw_umi.bam", reads)
    refused("E_UMI_MISSING", verify_raw_umi_bam, bare)
    facts = verify_raw_umi_bam(bare, replace(claim(), note="read structure 8M1S+T"), Context())
    assert (facts["umi_place"], facts["read_structure"], facts["umi_bases"]) == ("inline", "8M1S+T,8M1S+T", 16)


def test_consensus_reads_are_no_raw_reads_and_raw_ones_no_consensus(plasma: Plasma, tmp_path: Path) -> None:
    refused("E_SCHEMA", verify_raw_umi_bam, plasma.bam)
    raw = raw_reads.write(tmp_path / "x.bam", raw_reads.pair("a", 30, 100))
    refused("E_SCHEMA", verify_consensus_bam, raw)


def refused(code: str, verify: Verifier, path: Path) -> None:
    with pytest.raises(InputError) as caught:
        verify(path, claim(), Context())
    assert caught.value.code == code and caught.value.fix
