"""What the landing must refuse of exomes, and what it must take."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pysam
import pytest

from palbo_assets.demo import wes as writer
from palbo_assets.demo.alignments import bgzf
from palbo_assets.demo.truth import PatientTruth
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context, Scope
from palbo_assets.wes.formats import (
    FORMATS,
    verify_alignments,
    verify_coverage,
    verify_maf,
    verify_segments,
    verify_vcf,
)
from palbo_assets_tests.wes.conftest import Twin

GRCH38 = {"chr1": 248956422, "chr11": 135086622, "chr21": 46709983}


def claim(name: str = "", build: str = "") -> Claim:
    return Claim("x", "wes", "PALBO-001", "BL", sample_name=name, genome_build=build)


def context(twin: Twin) -> Context:
    return Context(genome_build=twin.genome.build, contig_lengths=twin.genome.contigs)


def code_of(verify, path: Path, stated: Claim, study: Context) -> str:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError) as error:
        verify(path, stated, study)
    assert error.value.fix
    return error.value.code


def test_a_whole_exome_of_the_study_is_taken_without_its_index(twin: Twin, tmp_path: Path) -> None:
    path = Path(shutil.copy(twin.bam("PALBO-001-BL-T"), tmp_path / "tumour.bam"))
    found = verify_alignments(path, claim("PALBO-001-BL-T", "twin-mini"), context(twin))
    with pysam.AlignmentFile(str(path)) as opened:
        assert found["reads"] == sum(1 for _ in opened.fetch(until_eof=True)) > 50_000


def test_a_bam_cut_in_a_block_or_damaged_in_the_middle_is_truncated(twin: Twin, tmp_path: Path) -> None:
    path = Path(shutil.copy(twin.bam("PALBO-001-BL-T"), tmp_path / "tumour.bam"))
    writer.truncate(path)
    assert code_of(verify_alignments, path, claim(), context(twin)) == "E_TRUNCATED"
    whole = bytearray(twin.bam("PALBO-001-BL-T").read_bytes())
    whole[len(whole) // 2] ^= 0xFF  # the end marker is there, so only reading everything tells
    path.write_bytes(bytes(whole))
    assert code_of(verify_alignments, path, claim(), context(twin)) == "E_TRUNCATED"


def test_what_is_no_bam_is_refused(twin: Twin, tmp_path: Path) -> None:
    path = tmp_path / "tumour.bam"
    path.write_bytes(b"")
    assert code_of(verify_alignments, path, claim(), context(twin)) == "E_EMPTY"
    path.write_text("not a BAM at all, rather a letter")
    assert code_of(verify_alignments, path, claim(), context(twin)) == "E_NOT_BGZF"
    path.write_bytes(gzip.compress(b"plain gzip"))
    assert code_of(verify_alignments, path, claim(), context(twin)) == "E_NOT_BGZF"
    path.write_bytes(bgzf(b"blocked text, no alignments"))
    assert code_of(verify_alignments, path, claim(), context(twin)) == "E_TRUNCATED"


def test_an_exome_on_hg19_is_a_mismatch_of_builds(twin: Twin, tmp_path: Path) -> None:
    truth = twin.truths["PALBO-001-BL"]
    patient = PatientTruth("PALBO-001", "SMC", (), (0,) * len(twin.genome.snps), 1, True, "PD")
    written = writer.write_on_hg19(truth, patient, twin.genome, tmp_path, np.random.default_rng(1))
    path = tmp_path / written.file
    assert code_of(verify_alignments, path, claim(), context(twin)) == "E_BUILD_MISMATCH"
    # Against the real GRCh38, where the names agree and only lengths tell.
    study = Context(genome_build="GRCh38", contig_lengths=GRCH38)
    assert code_of(verify_alignments, path, claim(), study) == "E_BUILD_MISMATCH"
    # Without any reference the stated build is held against the length of chromosome 1.
    assert code_of(verify_alignments, path, claim(build="hg38"), Context()) == "E_BUILD_MISMATCH"
    assert verify_alignments(path, claim(build="hg19"), Context())["contigs"] == 25


def test_real_reads_are_taken_into_a_study_on_their_reference_only(shared_data: Path) -> None:
    folder = shared_data / "wes_somatic" / "hcc1143_wgs_chr11_slice"
    path = folder / "8f879c15-14da-593d-bb76-db866f81ab3a.6.20190927.wgs.grch38.bam"
    slice_of_chr11 = Context(genome_build="GRCh38", contig_lengths={"chr11": 537000})
    assert verify_alignments(path, claim(build="hg38"), slice_of_chr11)["reads"] == 9878
    whole = Context(genome_build="GRCh38", contig_lengths=GRCH38)
    assert code_of(verify_alignments, path, claim(build="hg38"), whole) == "E_BUILD_MISMATCH"


def test_another_sample_in_the_header_is_a_mismatch(twin: Twin) -> None:
    path = twin.bam("PALBO-002-BL-T")
    assert code_of(verify_alignments, path, claim("PALBO-001-BL-T"), context(twin)) == "E_SAMPLE_MISMATCH"


def test_two_samples_in_one_file_are_said_to_be_two_whichever_is_claimed(twin: Twin, tmp_path: Path) -> None:
    both = tmp_path / "both.bam"
    with pysam.AlignmentFile(str(twin.bam("PALBO-001-BL-T"))) as source:
        header = source.header.to_dict()
        header["RG"].append({**header["RG"][0], "ID": "other", "SM": "PALBO-002-BL-T"})
        with pysam.AlignmentFile(str(both), "wb", header=header) as target:
            for read in source.head(10):
                target.write(read)
    for named in ("PALBO-001-BL-T", ""):
        with pytest.raises(InputError, match="several samples") as caught:
            verify_alignments(both, claim(named), context(twin))
        assert caught.value.code == "E_SAMPLE_MISMATCH"


def test_a_cram_without_its_end_is_truncated(twin: Twin, tmp_path: Path) -> None:
    path = tmp_path / "tumour.cram"
    with pysam.AlignmentFile(str(twin.bam("PALBO-002-BL-T"))) as opened:
        name = str(twin.genome.fasta)
        with pysam.AlignmentFile(str(path), "wc", template=opened, reference_filename=name) as out:
            for number, read in enumerate(opened.fetch(until_eof=True)):
                if number < 2000:
                    out.write(read)
    assert verify_alignments(path, claim("PALBO-002-BL-T"), context(twin))["contigs"] == len(twin.genome.contigs)
    path.write_bytes(path.read_bytes()[:-30])
    assert code_of(verify_alignments, path, claim(), context(twin)) == "E_TRUNCATED"


def test_callers_files_are_parsed_whole(twin: Twin, shared_data: Path) -> None:
    path = twin.folder / "PALBO-001-PD-T.mutect2.vcf.gz"
    found = verify_vcf(path, claim("PALBO-001-PD-T"), context(twin))
    assert (found["caller"], found["records"]) == ("mutect2", 8)
    assert code_of(verify_vcf, path, claim("PALBO-009-BL-T"), context(twin)) == "E_SAMPLE_MISMATCH"
    hg19 = shared_data / "wes_somatic" / "varcode_small" / "somatic_hg19_14muts.vcf"
    study = Context(genome_build="GRCh38", contig_lengths=GRCH38)
    assert code_of(verify_vcf, hg19, claim(), study) == "E_BUILD_MISMATCH"


def test_a_maf_of_another_build_is_refused_with_its_row(shared_data: Path) -> None:
    folder = shared_data / "wes_somatic"
    study = Context(genome_build="GRCh38", contig_lengths=GRCH38)
    assert verify_maf(folder / "vcf2maf" / "test_b38_output.maf", claim("TUMOR"), study)["records"] == 25
    laml = folder / "maf" / "tcga_laml.maf.gz"
    assert code_of(verify_maf, laml, claim("TCGA-AB-2988"), Context(genome_build="GRCh38")) == "E_BUILD_MISMATCH"
    assert code_of(verify_maf, laml, claim(), Context(genome_build="GRCh37")) == "E_SAMPLE_MISMATCH"


def test_segments_and_coverage_of_cnvkit_are_taken(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "wes_somatic"
    assert verify_segments(folder / "cnv_cnvkit" / "p2-9_2.cns", claim(), Context())["tool"] == "cnvkit"
    assert int(verify_coverage(folder / "cnv_cnvkit" / "p2-9_2.cnr", claim(), Context())["regions"]) > 1000
    bad = tmp_path / "bad.cns"
    bad.write_text("chromosome\tstart\tend\tlog2\tprobes\nchr1\t10\tx\t0.1\t5\n")
    with pytest.raises(InputError, match="row 2, column end"):
        verify_segments(bad, claim(), Context())
    bad.write_text("a\tb\n1\t2\n")
    assert code_of(verify_segments, bad, claim(), Context()) == "E_SCHEMA"


def test_the_normal_serves_the_whole_patient_and_the_tumour_waits_for_it() -> None:
    by_role = {one.role: one for one in FORMATS}
    assert set(by_role) == {"tumour_bam", "normal_bam", "somatic_vcf", "somatic_maf", "segments", "purity", "coverage"}
    assert by_role["normal_bam"].scope is Scope.PATIENT
    assert by_role["tumour_bam"].scope is Scope.SAMPLE
    assert by_role["tumour_bam"].needs == (frozenset({"normal_bam"}),)
