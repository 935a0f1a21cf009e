"""Every gene of the gene models has a row: judged on its coding exons, or with the reason why it couldn't be."""

from __future__ import annotations

from pathlib import Path

import pytest

from palbo_assets.genomics.gene_exons import GeneExons, read_gene_exons
from palbo_assets.platform.errors import InputError
from palbo_assets.wes.copy_number_files import CopyNumberProfile, CopyNumberSegment
from palbo_assets.wes.gene_copy_rows import arms, gene_rows
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.tumour_profile import TumourProfile, judged_profile

MB = 1_000_000
SETTINGS = Settings()
GENES = (
    GeneExons("GONE", "chr13", "T1", ((48 * MB, 48 * MB + 100), (48 * MB + 500, 48 * MB + 600))),
    GeneExons("HIGH", "chr8", "T2", ((40 * MB, 40 * MB + 100),)),
    GeneExons("ONX", "chrX", "T3", ((10 * MB, 10 * MB + 100),)),
)
GFF = """##gff-version 3
1\tx\tgene\t1\t900\t.\t+\t.\tID=gene:G1;Name=ONE;biotype=protein_coding
1\tx\tmRNA\t1\t900\t.\t+\t.\tID=transcript:T1.4;Parent=gene:G1
1\tx\texon\t1\t300\t.\t+\t.\tParent=transcript:T1.4
1\tx\tCDS\t201\t300\t.\t+\t0\tID=CDS:1;Parent=transcript:T1.4
1\tx\tCDS\t101\t150\t.\t+\t0\tID=CDS:1;Parent=transcript:T1.4
1\tx\tmRNA\t1\t900\t.\t+\t.\tID=transcript:T2;Parent=gene:G1
1\tx\tCDS\t1\t800\t.\t+\t0\tID=CDS:2;Parent=transcript:T2
"""


def of(*segments: CopyNumberSegment, purity: float | None = 0.6, tool: str = "facets") -> TumourProfile:
    fit = None if purity is None else (purity, 2.0)
    return judged_profile(CopyNumberProfile(tool, segments), fit, SETTINGS)


def test_coding_exons_are_those_of_the_pinned_transcript_else_of_the_longest(tmp_path: Path) -> None:
    path = tmp_path / "genes.gff3"
    path.write_text(GFF)
    [pinned] = read_gene_exons(path, {"ONE": "T1", "OTHER": "T9"})
    assert (pinned.symbol, pinned.transcript_id, pinned.exons) == ("ONE", "T1", ((100, 150), (200, 300)))
    [longest] = read_gene_exons(path, {})
    assert longest.transcript_id == "T2"
    path.write_text(GFF.replace("201\t300", "here\t300"))
    with pytest.raises(InputError) as caught:
        read_gene_exons(path, {})
    assert (caught.value.code, caught.value.row) == ("E_SCHEMA", 5)


def test_every_gene_has_a_row_and_a_tumour_without_segments_says_so() -> None:
    rows = gene_rows(GENES, None, {}, SETTINGS)
    assert {(row["state"], row["reason"], row["copies"]) for row in rows} == {("NOT_EVALUABLE", "NO_SEGMENTS", None)}
    assert [row["gene"] for row in rows] == ["GONE", "HIGH", "ONX"]


def test_a_deleted_exon_and_an_amplified_gene_are_told_with_what_they_rest_on() -> None:
    profile = of(
        CopyNumberSegment("13", 0, 48 * MB + 300, -0.1, 2.0, 1.0, 50),
        CopyNumberSegment("13", 48 * MB + 300, 49 * MB, -1.3, 0.0, 0.0, 50),
        CopyNumberSegment("8", 39 * MB, 41 * MB, 1.5, 8.0, 1.0, 50),
    )
    gone, high, on_x = gene_rows(GENES, profile, {}, SETTINGS)
    assert (gone["state"], gone["min_exon_copies"], gone["copies"], gone["n_exons"], gone["exons_covered"]) == (
        "HOMOZYGOUS_DELETION", 0.0, 1.0, 2, 2,
    )  # fmt: skip
    assert (high["state"], high["extent"], high["amplified_from"], high["purity"]) == ("AMPLIFICATION", "FOCAL", 5, 0.6)
    assert (on_x["state"], on_x["reason"]) == ("NOT_EVALUABLE", "NO_SEGMENT")


def test_at_a_purity_of_a_fifth_a_deletion_is_not_evaluable() -> None:
    profile = of(CopyNumberSegment("13", 0, 90 * MB, -0.32, None, None, 50), purity=0.2, tool="seg")
    gone = gene_rows(GENES, profile, {}, SETTINGS)[0]
    assert (gone["state"], gone["reason"], gone["log2"]) == ("NOT_EVALUABLE", "LOW_PURITY", -0.32)


def test_an_event_of_the_arm_needs_the_places_of_centromeres() -> None:
    profile = of(CopyNumberSegment("13", 18 * MB, 114 * MB, -0.5, 1.0, 0.0, 500))
    of_arms = arms({"chr13": (16 * MB, 18 * MB)}, {"chr13": 114 * MB})
    assert gene_rows(GENES, profile, of_arms, SETTINGS)[0]["extent"] == "ARM"
    assert gene_rows(GENES, profile, {}, SETTINGS)[0]["extent"] == "LARGE"
