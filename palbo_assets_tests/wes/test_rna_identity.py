"""RNA in the comparison of all samples: read from spliced alignments, swapped biopsies named with their partner."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from palbo_assets.demo import rna_alignments
from palbo_assets.genomics.allele_counts import count_alleles
from palbo_assets.genomics.alleles import Variant
from palbo_assets.platform.tables import validate
from palbo_assets.wes.tables import IDENTITY_FAILURES, IDENTITY_MATCHES, RNA_SNP_GENOTYPES
from palbo_assets_tests.wes.conftest import Twin
from palbo_assets_tests.wes.test_assets import File, Trial, normal, tumour


def rna(twin: Twin, folder: Path, label: str, owner: str) -> File:
    truth = replace(twin.truths["PALBO-001-BL"], patient_id=label)
    rng = np.random.default_rng(int(label[-3:]))
    made = rna_alignments.write(truth, twin.people[owner], twin.genome, folder, rng)
    place = folder / made.file
    return File(place, made.file, made.role, "sample", label, "BL", made.specimen_id, modality="rnaseq")


@pytest.mark.parametrize("swapped", [False, True])
def test_a_swapped_rna_sample_is_found_and_its_partner_named(twin: Twin, tmp_path: Path, swapped: bool) -> None:
    owner = {"PALBO-001": "PALBO-002", "PALBO-002": "PALBO-001"} if swapped else {}
    files = [
        normal(twin, "PALBO-001"),
        normal(twin, "PALBO-002"),
        tumour(twin, "PALBO-001-BL-T", "PALBO-001", "BL"),
        tumour(twin, "PALBO-001-PD-T", "PALBO-001", "PD"),
        tumour(twin, "PALBO-002-BL-T", "PALBO-002", "BL"),
        *(rna(twin, tmp_path, label, owner.get(label, label)) for label in ("PALBO-001", "PALBO-002")),
    ]
    trial = Trial(tmp_path / "trial", files, twin)
    trial.run("PALBO-001|PD", only=("snp_genotypes",))
    for key in ("PALBO-001|BL", "PALBO-002|BL"):
        trial.run(key, only=("snp_genotypes", "rna_snp_genotypes"))
    trial.run("", only=("identity_matches", "identity_failures"))
    counted = trial.rows(RNA_SNP_GENOTYPES, "PALBO-001|BL")
    assert set(counted["source"]) == {"rna"} and 60 < len(counted) < 240 and counted["depth"].min() > 0
    rows = trial.rows(IDENTITY_MATCHES, "")
    validate(IDENTITY_MATCHES, rows[list(IDENTITY_MATCHES.column_names)])
    assert rows["source"].value_counts().to_dict() == {"tumour": 3, "blood": 2, "rna": 2}
    of_rna = rows[rows["source"] == "rna"].set_index("patient_id")
    failures = trial.rows(IDENTITY_FAILURES, "")
    if not swapped:
        assert set(rows["verdict"]) == {"self_match"} and failures.empty
        assert of_rna["correlation"].min() > 0.6
        return
    assert of_rna["verdict"].tolist() == ["swap", "swap"]
    assert of_rna["likely_partner"].to_dict() == owner
    assert of_rna["partner_specimen_id"].to_dict() == {"PALBO-001": "PALBO-002-BL-T1", "PALBO-002": "PALBO-001-BL-T1"}
    assert set(rows.loc[rows["source"] != "rna", "verdict"]) == {"self_match"}
    assert failures["source"].tolist() == ["rna", "rna"]


def test_a_read_that_is_spliced_over_a_snp_says_nothing_of_it(tmp_path: Path) -> None:
    """STAR's reads: mapping quality 255 for a single place, an intron as N."""
    import pysam

    contig = "ACGT" * 250
    header = pysam.AlignmentHeader.from_dict({"HD": {"VN": "1.6", "SO": "coordinate"}, "SQ": [{"SN": "1", "LN": 1000}]})
    path = tmp_path / "rna.bam"
    with pysam.AlignmentFile(str(path), "wb", header=header) as out:
        for number, (start, cigar, quality) in enumerate(
            [(100, "60M", 255), (100, "30M100N30M", 255), (100, "30M100N30M", 255), (100, "60M", 3), (190, "60M", 255)]
        ):
            read = pysam.AlignedSegment(header)
            read.query_name, read.reference_id, read.reference_start = f"r{number}", 0, start
            read.mapping_quality, read.cigarstring = quality, cigar
            if "N" in cigar:
                read.query_sequence = contig[start : start + 30] + contig[start + 130 : start + 160]
            else:
                read.query_sequence = contig[start : start + 60]
            read.query_qualities = pysam.qualitystring_to_array("I" * 60)
            out.write(read)
    inside, before, after = (Variant("1", pos, contig[pos - 1], "N") for pos in (150, 110, 240))
    wanted = [Variant(one.chrom, one.pos, one.ref, "A" if one.ref != "A" else "C") for one in (inside, before, after)]
    found = count_alleles(
        path, wanted, lambda chrom, start, end: contig[start:end], min_base_quality=20, min_mapping_quality=30
    )
    depths = [evidence.depth if evidence else 0 for evidence in (found[one] for one in wanted)]
    assert depths == [1, 3, 3]
