"""A hotspot is known by its name, by its allele, or by its place, whatever transcript names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from palbo_assets.genomics.alleles import Variant
from palbo_assets.genomics.hotspots import Hotspots, read_hotspots
from palbo_assets.platform.errors import ReferenceBundleError

LISTED = """gene,hgvsp_short,chrom,pos,ref,alt
PIK3CA,p.H1047R,,,,
FGFR2,p.N550K,chr10,121498522,A,T
ESR1,,chr6,152098788,,
"""


@pytest.fixture
def hotspots(tmp_path: Path) -> Hotspots:
    path = tmp_path / "hotspots.csv"
    path.write_text(LISTED)
    return read_hotspots(path)


@pytest.mark.parametrize(
    ("variant", "gene", "change", "consequence", "expected"),
    [
        (Variant("chr3", 1, "A", "G"), "PIK3CA", "p.H1047R", "Missense_Mutation", True),
        (Variant("chr3", 1, "A", "G"), "PIK3CA", "p.H1047L", "Missense_Mutation", False),
        # On its pinned transcript the residue has another number; the allele is the same.
        (Variant("chr10", 121498522, "A", "T"), "FGFR2", "p.N549K", "Missense_Mutation", True),
        (Variant("chr10", 121498522, "A", "G"), "FGFR2", "p.N549N", "Silent", False),
        # A place alone: any change of the protein there, also as one of two neighbouring bases.
        (Variant("chr6", 152098788, "A", "C"), "ESR1", "p.Y537S", "Missense_Mutation", True),
        (Variant("chr6", 152098787, "TA", "GC"), "ESR1", "p.Y537A", "Missense_Mutation", True),
        (Variant("chr6", 152098788, "A", "C"), None, None, None, True),
        (Variant("chr6", 152098788, "A", "C"), "ESR1", "p.Y537=", "Silent", False),
        (Variant("chr6", 152098789, "A", "C"), "ESR1", "p.Y537S", "Missense_Mutation", False),
        (Variant("chr7", 152098788, "A", "C"), None, None, None, False),
    ],
)
def test_names_alleles_and_places_are_asked(
    hotspots: Hotspots, variant: Variant, gene: str | None, change: str | None, consequence: str | None, expected: bool
) -> None:
    assert hotspots.hold(variant, gene, change, consequence) is expected


@pytest.mark.parametrize(
    "written", ["p.Glu545Lys", "E545K", "p.E545K", "ENSP00000263967.3:p.Glu545Lys", "p.(Glu545Lys)"]
)
def test_a_change_is_known_in_whatever_form_a_list_writes_it(tmp_path: Path, written: str) -> None:
    path = tmp_path / "hotspots.csv"
    path.write_text(f"gene,hgvsp_short\nPIK3CA,{written}\n")
    assert read_hotspots(path).hold(Variant("3", 1, "G", "A"), "PIK3CA", "p.E545K", "Missense_Mutation")


def test_a_list_that_names_contigs_otherwise_still_speaks(tmp_path: Path) -> None:
    path = tmp_path / "hotspots.csv"
    path.write_text("gene,hgvsp_short,chrom,pos,ref,alt\n,,10,121498522,A,T\n,,chr6,152098788,,\n")
    found = read_hotspots(path)
    assert found.hold(Variant("chr10", 121498522, "A", "T"), None, None, None)
    assert found.hold(Variant("6", 152098788, "A", "C"), None, None, "Missense_Mutation")


@pytest.mark.parametrize("row", ["TP53,,,,,", ",,chr1,,,", "TP53,p.R175H,chr1,one,A,C", ",,chr1,5,A,"])
def test_a_row_that_names_nothing_is_refused_by_its_line(tmp_path: Path, row: str) -> None:
    path = tmp_path / "hotspots.csv"
    path.write_text(f"gene,hgvsp_short,chrom,pos,ref,alt\n{row}\n")
    with pytest.raises(ReferenceBundleError, match="line 2"):
        read_hotspots(path)


def test_a_list_that_is_no_text_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "hotspots.csv"
    path.write_bytes("gene,hgvsp_short\nESR1,Größe\n".encode("latin-1"))
    with pytest.raises(ReferenceBundleError, match="UTF-8"):
        read_hotspots(path)
