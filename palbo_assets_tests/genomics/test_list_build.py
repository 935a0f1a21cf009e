"""A list of another genome build is refused with its file and row, in whatever layout; one of the study's passes."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palbo_assets.genomics.list_build import Layout, hold_to_build
from palbo_assets.platform.errors import InputError

LENGTH = 60_000
OTHER = {"A": "C", "C": "G", "G": "T", "T": "A"}


@pytest.fixture(scope="module")
def bases() -> str:
    return "".join(np.random.default_rng(1).choice(list("ACGT"), LENGTH))


@pytest.fixture(scope="module")
def fasta(bases: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import pysam

    path = tmp_path_factory.mktemp("reference") / "genome.fa"
    path.write_text(f">chr1\n{bases}\n>chrM\n{bases[:500]}\n", encoding="ascii")
    pysam.faidx(str(path))
    return path


def rows(layout: Layout, bases: str, offset: int, n: int = 50, contig: str = "chr1") -> list[str]:
    """n places; with an offset their bases are those of elsewhere, as another build's are."""
    found = []
    for start in range(1000, 1000 + 300 * n, 300):
        ref = bases[start + offset]
        alt = OTHER[ref]
        found.append(
            {
                Layout.BED: f"{contig}\t{start}\t{start + 100}\tname",
                Layout.SNP_BED: f"{contig}\t{start}\t{start + 1}\trs1\t{ref}\t{alt}",
                Layout.SITES_VCF: f"{contig}\t{start + 1}\t.\t{ref}\t{alt}\t.\t.\tAF=0.1",
                Layout.HOTSPOTS: f"GENE,p.A1B,{contig},{start + 1},{ref},{alt}",
            }[layout]
        )
    heads = {
        Layout.HOTSPOTS: ["gene,hgvsp_short,chrom,pos,ref,alt"],
        Layout.SITES_VCF: ["##fileformat=VCFv4.2", "#CHROM"],
    }
    return [*heads.get(layout, []), *found]


def held(path: Path, lines: list[str], layout: Layout, fasta: Path, most: int = 2000, differing: float = 0.01) -> None:
    text = "\n".join(lines) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode(), mtime=0))
    else:
        path.write_text(text, encoding="utf-8")
    hold_to_build(path, layout, fasta, most_rows=most, max_differing=differing)


def refused(path: Path, lines: list[str], layout: Layout, fasta: Path, most: int = 2000) -> InputError:
    with pytest.raises(InputError) as caught:
        held(path, lines, layout, fasta, most)
    assert caught.value.file == path.name and caught.value.row and caught.value.fix
    return caught.value


@pytest.mark.parametrize("layout", list(Layout))
@pytest.mark.parametrize("contig", ["chr1", "1"])
def test_a_list_of_the_studys_build_passes(
    layout: Layout, contig: str, bases: str, fasta: Path, tmp_path: Path
) -> None:
    held(tmp_path / "list.txt", rows(layout, bases, 0, contig=contig), layout, fasta)


@pytest.mark.parametrize("layout", [Layout.SNP_BED, Layout.SITES_VCF, Layout.HOTSPOTS])
def test_bases_of_another_build_are_refused_with_the_first_row_that_shows_it(
    layout: Layout, bases: str, fasta: Path, tmp_path: Path
) -> None:
    lines = rows(layout, bases, 7)
    error = refused(tmp_path / "list.txt", lines, layout, fasta)
    assert error.code == "E_BUILD_MISMATCH"
    first = next(at for at, (own, other) in enumerate(zip(rows(layout, bases, 0), lines, strict=True)) if own != other)
    # Of a SNP either allele may be the genome's.
    assert error.row is not None and error.row >= first + 1
    assert "GENE" not in str(error)


@pytest.mark.parametrize("layout", list(Layout))
def test_a_place_behind_the_end_of_its_contig_is_refused(
    layout: Layout, bases: str, fasta: Path, tmp_path: Path
) -> None:
    lines = rows(layout, bases, 0)
    behind = {
        Layout.BED: f"chr1\t{LENGTH - 10}\t{LENGTH + 1}",
        Layout.SNP_BED: f"chr1\t{LENGTH}\t{LENGTH + 1}\trs2\tA\tC",
        Layout.SITES_VCF: f"chr1\t{LENGTH + 1}\t.\tA\tC\t.\t.\t.",
        Layout.HOTSPOTS: f"GENE,p.A1B,chr1,{LENGTH + 1},,",
    }[layout]
    error = refused(tmp_path / "list.txt", [*lines, behind], layout, fasta)
    assert error.code == "E_BUILD_MISMATCH" and error.row == len(lines) + 1


def test_contig_lengths_in_a_headers_words_are_held_too(bases: str, fasta: Path, tmp_path: Path) -> None:
    head = [f"##contig=<ID=1,length={LENGTH}>", "##contig=<ID=MT,length=16571>"]
    error = refused(tmp_path / "pon.vcf", [*head, *rows(Layout.SITES_VCF, bases, 0)], Layout.SITES_VCF, fasta)
    assert (error.code, error.row) == ("E_BUILD_MISMATCH", 2)


def test_a_list_of_no_known_contig_is_refused_and_further_contigs_alone_are_left(
    bases: str, fasta: Path, tmp_path: Path
) -> None:
    assert refused(tmp_path / "a.bed", ["chr9\t1\t2"], Layout.BED, fasta).code == "E_BUILD_MISMATCH"
    held(tmp_path / "b.bed", ["chrUn_x\t1\t999999", *rows(Layout.BED, bases, 0)], Layout.BED, fasta)


def test_a_long_list_is_sampled_over_its_whole_length(bases: str, fasta: Path, tmp_path: Path) -> None:
    good, bad = rows(Layout.SITES_VCF, bases, 0, 150), rows(Layout.SITES_VCF, bases, 7, 150)
    error = refused(tmp_path / "long.vcf.gz", [*good, *bad[2:]], Layout.SITES_VCF, fasta, most=40)
    assert error.row is not None and error.row > len(good)
    assert "of 40 reference bases" in error.message


def test_a_slip_of_a_long_public_list_is_no_other_build(bases: str, fasta: Path, tmp_path: Path) -> None:
    lines = rows(Layout.SITES_VCF, bases, 0, 150)
    ref = lines[50].split("\t")[3]
    slip = [*lines[:50], lines[50].replace(f"\t{ref}\t", f"\t{OTHER[ref]}\t", 1), *lines[51:]]
    held(tmp_path / "a.vcf", slip, Layout.SITES_VCF, fasta)  # 1 of 150
    error = refused(tmp_path / "b.vcf", [*slip[:2], *slip[40:60]], Layout.SITES_VCF, fasta)  # 1 of 20
    assert error.row == 13


def test_a_site_where_the_genome_has_the_alternative_allele_is_a_snp_of_its_build(
    bases: str, fasta: Path, tmp_path: Path
) -> None:
    turned = [
        "\t".join([*cells[:4], cells[5], cells[4]])
        for cells in (line.split("\t") for line in rows(Layout.SNP_BED, bases, 0))
    ]
    held(tmp_path / "snps.bed", turned, Layout.SNP_BED, fasta)


def test_hotspots_named_by_their_change_alone_are_of_any_build(fasta: Path, tmp_path: Path) -> None:
    held(tmp_path / "hotspots.csv", ["gene,hgvsp_short", "ESR1,p.D538G"], Layout.HOTSPOTS, fasta)


def test_a_corrected_list_is_looked_at_again(bases: str, fasta: Path, tmp_path: Path) -> None:
    path = tmp_path / "hotspots.csv"
    refused(path, rows(Layout.HOTSPOTS, bases, 7, 30), Layout.HOTSPOTS, fasta)
    held(path, rows(Layout.HOTSPOTS, bases, 0, 31), Layout.HOTSPOTS, fasta)


def test_what_is_no_text_is_refused_as_such(fasta: Path, tmp_path: Path) -> None:
    path = tmp_path / "latin.bed"
    path.write_bytes("chr1\t1\t2\tGröße\n".encode("latin-1"))
    with pytest.raises(InputError) as caught:
        hold_to_build(path, Layout.BED, fasta, most_rows=10, max_differing=0.01)
    assert caught.value.code == "E_ENCODING"


@settings(max_examples=60, deadline=None)
@given(
    layout=st.sampled_from(list(Layout)),
    lines=st.lists(
        st.lists(st.sampled_from(["chr1", "1", "-1", "9", "x", "", "A", "99999999", '"', "#", "²", "1.5"]), max_size=8),
        max_size=6,
    ),
    separator=st.sampled_from(["\t", ",", " "]),
)
def test_no_list_gives_a_traceback(
    layout: Layout, lines: list[list[str]], separator: str, fasta: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("wild") / "list.txt"
    content = ["chrom,pos,ref,alt", *(separator.join(line) for line in lines)]
    try:
        held(path, content if layout is Layout.HOTSPOTS else content[1:], layout, fasta)
    except InputError as error:
        assert error.file and error.fix
