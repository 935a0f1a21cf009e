"""Our caller on a real pair of alignments, against what Strelka2 publishes for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from palbo_assets.genomics.alleles import Variant
from palbo_assets.genomics.regions import reference
from palbo_assets.wes.call import References, Specimen, call_specimen
from palbo_assets.wes.callers import read_vcf
from palbo_assets.wes.settings import Settings

SHALLOW = Settings(min_tumour_depth=8, min_normal_depth=5, min_alt_reads=3)


@pytest.mark.parametrize(("settings", "found"), [(Settings(), 13), (SHALLOW, 18)], ids=["default", "shallow"])
def test_strelkas_passing_calls_are_found_where_depth_allows_and_no_others_pass(
    shared_data: Path, tmp_path: Path, settings: Settings, found: int
) -> None:
    """The demo takes NA12891 as tumour and NA12892 as normal; 16 SNVs and 2 indels pass in Strelka2 2.9."""
    folder = shared_data / "wes_somatic" / "strelka_demo"
    bed = tmp_path / "targets.bed"
    bed.write_text("demo20\t0\t5000\n")
    references = References(fasta=folder / "demo20.fa", targets=bed)
    with reference(folder / "demo20.fa") as fetch:
        records = [
            one
            for kind in ("snvs", "indels")
            for one in read_vcf(folder / f"somatic.{kind}.vcf.gz", fetch=fetch).records
        ]
    strelka = {one.variant for one in records if one.passed}
    specimen = Specimen(tumour=folder / "NA12891_demo20.bam", normal=folder / "NA12892_demo20.bam")
    rows = call_specimen(specimen, references, settings, tmp_path).rows
    judged = {Variant(row["chrom"], row["pos"], row["ref"], row["alt"]): row["filter"] for row in rows}
    passing = {variant for variant, verdict in judged.items() if verdict == "PASS"}
    assert len(strelka) == 18
    assert passing <= strelka
    assert len(passing) == found
    # Whatever is missed is still in the table, and its reasons say that depth is what it lacks.
    assert all("low_tumour_depth" in judged[variant] for variant in strelka - passing)


def test_counts_of_the_real_pair_are_those_that_strelka_published(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "wes_somatic" / "strelka_demo"
    bed = tmp_path / "targets.bed"
    bed.write_text("demo20\t0\t5000\n")
    specimen = Specimen(tumour=folder / "NA12891_demo20.bam", normal=folder / "NA12892_demo20.bam")
    rows = call_specimen(specimen, References(fasta=folder / "demo20.fa", targets=bed), SHALLOW, tmp_path).rows
    mine = {row["pos"]: row for row in rows if row["filter"] == "PASS"}
    for one in read_vcf(folder / "somatic.snvs.vcf.gz").records:
        if one.passed:
            # Strelka realigns reads and filters bases by rules of its own.
            assert one.tumour.alt is not None and one.tumour.depth is not None
            assert abs(mine[one.variant.pos]["t_alt"] - one.tumour.alt) <= 3
            assert abs(mine[one.variant.pos]["t_depth"] - one.tumour.depth) <= 4
