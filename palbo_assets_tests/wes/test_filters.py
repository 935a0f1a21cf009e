"""What says against a call: how reads show it, and what is known of its place; and files that can't be read."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pysam
import pytest

from palbo_assets.genomics.allele_counts import Evidence
from palbo_assets.genomics.alleles import Variant
from palbo_assets.genomics.bam import as_bam
from palbo_assets.genomics.site_lists import Mask, listed_alleles, population_frequencies
from palbo_assets.platform.errors import InputError
from palbo_assets.wes.call import Specimen, call_specimen
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.somatic_filter import is_clone, is_germline, orientation_p, somatic_filter, tumour_lod
from palbo_assets_tests.wes.conftest import Twin

SETTINGS = Settings()
NORMAL = Evidence(60, 0, 30, 30)
DEAMINATED, OXIDISED, OTHER = Variant("c1", 9, "C", "T"), Variant("c1", 9, "G", "T"), Variant("c1", 9, "A", "C")


def seen(alt: int, *, f1r2: int, quality: float = 37.0, end: float = 25.0, depth: int = 150) -> Evidence:
    half = (depth - alt) // 2
    return Evidence(
        depth, alt, half, depth - alt - half, alt - alt // 2, alt // 2, half, depth - alt - half, f1r2, alt - f1r2,
        37.0, quality, 60.0, 60.0, 25.0, end, 0.03,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("variant", "evidence", "expected"),
    [
        (DEAMINATED, seen(10, f1r2=10), "ffpe"),
        (DEAMINATED, seen(10, f1r2=0), "ffpe"),
        (DEAMINATED, seen(10, f1r2=6), "PASS"),
        (OXIDISED, seen(10, f1r2=10), "oxog"),
        (OTHER, seen(10, f1r2=10), "PASS"),
        # At a larger fraction it is no artefact of single molecules.
        (DEAMINATED, seen(20, f1r2=16), "PASS"),
        (OTHER, seen(60, f1r2=60), "orientation_bias"),
        (OTHER, seen(10, f1r2=5, end=3.0), "read_end"),
        (OTHER, seen(8, f1r2=4, quality=12.0), "weak_evidence"),
    ],
)
def test_how_reads_show_a_change_speaks_for_or_against_it(variant: Variant, evidence: Evidence, expected: str) -> None:
    assert somatic_filter(evidence, NORMAL, SETTINGS, variant=variant) == expected


def test_the_odds_are_those_of_the_published_model() -> None:
    # 5 of 100 at Phred 30 and f = 0.05, by hand: 5 log10((f (1 - e) + (1 - f) e / 3) / (e / 3)) + 95 log10(...).
    from math import log10

    f, e = 0.05, 1e-3
    expected = 5 * log10((f * (1 - e) + (1 - f) * e / 3) / (e / 3)) + 95 * log10(
        (f * e / 3 + (1 - f) * (1 - e)) / (1 - e)
    )
    found = tumour_lod(Evidence(100, 5, ref_quality=30.0, alt_quality=30.0))
    assert found == pytest.approx(expected)
    assert tumour_lod(Evidence(100, 5)) is None
    assert orientation_p(Evidence(100, 5)) == 1.0


def test_lists_of_places_and_alleles_are_asked_by_allele_and_position(tmp_path: Path) -> None:
    bed = tmp_path / "mask.bed"
    bed.write_text("c1\t0\t100\nc1\t10\t20\nc2\t5\t6\n")
    mask = Mask(bed)
    assert [mask.holds("c1", pos) for pos in (1, 50, 100, 101)] == [True, True, True, False]
    assert mask.holds("c2", 6) and not mask.holds("c2", 5) and not mask.holds("c3", 1)
    sites = tmp_path / "sites.vcf.gz"
    text = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    text += "c1\t9\t.\tC\tT,G\t.\t.\tAF=0.0001,0.2;AF_eas=0.004,.;AN=9\nc1\t10\t.\tA\tC\t.\t.\tAN=9\n"
    sites.write_bytes(gzip.compress(text.encode()))
    other = Variant("c1", 9, "C", "A")
    assert population_frequencies(sites, [DEAMINATED, other, Variant("c1", 10, "A", "C")]) == {DEAMINATED: 0.004}
    assert listed_alleles(sites, [DEAMINATED, other]) == {DEAMINATED}
    sites.write_bytes(b"c1\t9\n")
    with pytest.raises(InputError, match="row 1"):
        listed_alleles(sites, [DEAMINATED])


@pytest.mark.parametrize(("listed", "asked"), [("1", "chr1"), ("chr1", "1"), ("MT", "chrM")])
def test_lists_with_other_names_of_contigs_still_speak(tmp_path: Path, listed: str, asked: str) -> None:
    (tmp_path / "mask.bed").write_text(f"{listed}\t0\t100\n")
    assert Mask(tmp_path / "mask.bed").holds(asked, 50) and not Mask(tmp_path / "mask.bed").holds("chr2", 50)
    sites = tmp_path / "sites.vcf"
    sites.write_text(f"{listed}\t9\t.\tC\tT\t.\t.\tAF_eas=0.2\n")
    wanted = Variant(asked, 9, "C", "T")
    assert listed_alleles(sites, [wanted]) == {wanted} and population_frequencies(sites, [wanted]) == {wanted: 0.2}


def test_alleles_that_share_a_long_reference_are_found_one_by_one(tmp_path: Path) -> None:
    """Three alleles of one site: two deletions of a run, and a substitution two bases on."""
    sites = tmp_path / "sites.vcf"
    sites.write_text("c1\t9\t.\tCAA\tC,CA,CAG\t.\t.\tAF=0.1,0.2,0.3\n")
    both, one, base = Variant("c1", 9, "CAA", "C"), Variant("c1", 9, "CA", "C"), Variant("c1", 11, "A", "G")
    elsewhere = Variant("c1", 10, "A", "G")
    found = population_frequencies(sites, [both, one, base, elsewhere])
    assert found == {both: 0.1, one: 0.2, base: 0.3}


def test_what_blood_shows_below_a_germline_share_keeps_its_row_and_its_counts() -> None:
    """Clonal haematopoiesis in the normal would else hide a tumour's own TP53 mutation."""
    tumour, blood = Evidence(200, 80, 60, 60, 40, 40), Evidence(100, 6, 47, 47, 3, 3)
    assert not is_germline(blood, SETTINGS)
    assert somatic_filter(tumour, blood, SETTINGS, hotspot=True) == "normal_evidence"
    assert is_germline(Evidence(100, 45, 27, 28, 22, 23), SETTINGS)


def test_a_large_clone_of_blood_is_named_in_its_genes_alone_and_never_passes() -> None:
    """25 of 100 fragments exclude a heterozygous variant; 40 of 100 don't, nor do 5 of 16."""
    tumour, clone = Evidence(200, 80, 60, 60, 40, 40), Evidence(100, 25, 38, 37, 12, 13)
    named = somatic_filter(tumour, clone, SETTINGS, chip_gene=True)
    assert named == "normal_evidence;clonal_haematopoiesis"
    assert somatic_filter(tumour, clone, SETTINGS) == "normal_evidence"
    assert is_clone(clone, SETTINGS)
    assert not is_clone(Evidence(100, 40, 30, 30, 20, 20), SETTINGS)
    assert not is_clone(Evidence(16, 5, 6, 5, 2, 3), SETTINGS)


def test_a_large_clone_of_blood_keeps_its_row_where_a_germline_variant_leaves(twin: Twin, tmp_path: Path) -> None:
    """A caller saw 75 of 300 fragments of blood with each: a fourth, too few for one that is heterozygous."""
    header = "##fileformat=VCFv4.2\n##source=Mutect2\n##tumor_sample=T\n##normal_sample=N\n"
    header += '##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Depths">\n'
    header += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tN\tT\n"
    genes = {"TP53": "p.R248Q", "PIK3CA": "p.H1047R"}
    alleles = {gene: twin.genome.mutation(gene, change)[:4] for gene, change in genes.items()}
    order = list(twin.genome.contigs)
    lines = [
        f"{chrom}\t{pos}\t.\t{ref}\t{alt}\t.\tPASS\t.\tAD\t225,75\t120,80\n"
        for chrom, pos, ref, alt in sorted(alleles.values(), key=lambda one: (order.index(one[0]), one[1]))
    ]
    vcf = tmp_path / "calls.vcf"
    vcf.write_text(header + "".join(lines))
    found = call_specimen(Specimen(vcfs=((vcf, "T"),)), twin.references, SETTINGS, tmp_path)
    [row] = found.rows
    assert (row["gene"], row["chrom"], row["pos"]) == ("TP53", *alleles["TP53"][:2])
    assert "clonal_haematopoiesis" in row["filter"].split(";") and (row["n_alt"], row["n_depth"]) == (75, 300)
    assert found.n_germline == 1


def test_what_lists_say_becomes_a_reason_and_the_row_stays(twin: Twin, tmp_path: Path) -> None:
    specimen = Specimen(tumour=twin.bam("PALBO-001-BL-T"), normal=twin.bam("PALBO-001-N"))
    plain = [
        row for row in call_specimen(specimen, twin.references, SETTINGS, tmp_path).rows if row["filter"] == "PASS"
    ]
    first, second = plain[0], plain[1]
    sites = tmp_path / "sites.vcf"
    sites.write_text(
        "\t".join([first["chrom"], str(first["pos"]), ".", first["ref"], first["alt"], ".", ".", "AF=0.01"])
    )
    bed = tmp_path / "mask.bed"
    bed.write_text(f"{second['chrom']}\t{second['pos'] - 1}\t{second['pos']}\n")
    listed = replace(twin.references, panel_of_normals=sites, population_af=sites, blacklist=bed, mappability=bed)
    rows = {(row["chrom"], row["pos"]): row for row in call_specimen(specimen, listed, SETTINGS, tmp_path).rows}
    assert rows[(first["chrom"], first["pos"])]["filter"] == "low_mappability;panel_of_normals;population"
    assert rows[(second["chrom"], second["pos"])]["filter"] == "blacklist"


def test_a_cram_gives_the_rows_of_its_bam(twin: Twin, tmp_path: Path) -> None:
    crams = {}
    for name in ("PALBO-001-BL-T", "PALBO-001-N"):
        crams[name] = tmp_path / f"{name}.cram"
        pysam.samtools.view(  # type: ignore[attr-defined]
            "-C", "-T", str(twin.genome.fasta), "-o", str(crams[name]), str(twin.bam(name)), catch_stdout=False
        )
    one = Specimen(tumour=twin.bam("PALBO-001-BL-T"), normal=twin.bam("PALBO-001-N"))
    other = Specimen(tumour=crams["PALBO-001-BL-T"], normal=crams["PALBO-001-N"])
    first, second = (call_specimen(each, twin.references, SETTINGS, tmp_path).rows for each in (one, other))
    assert first and first == second


def test_a_cram_of_another_reference_or_without_any_is_refused_and_leaves_nothing_to_read(
    twin: Twin, tmp_path: Path
) -> None:
    """The reference that it was made on is gone, and the study's has other bases under the same names."""
    gone, other = tmp_path / "gone.fa", tmp_path / "other.fa"
    bases = twin.genome.fasta.read_text()
    gone.write_text(bases)
    other.write_text("".join(line if line[0] == ">" else line[::-1].lstrip() + "\n" for line in bases.splitlines(True)))
    cram = tmp_path / "tumour.cram"
    source = str(twin.bam("PALBO-001-BL-T"))
    pysam.samtools.view("-C", "-T", str(gone), "-o", str(cram), source, catch_stdout=False)  # type: ignore[attr-defined]
    gone.unlink()
    for fasta in (None, other):
        with pytest.raises(InputError, match=r"E_REFERENCE_MISMATCH.*reference.*tumour\.cram"):
            as_bam(cram, tmp_path, fasta)
        assert not [*tmp_path.glob("*.bam"), *tmp_path.glob("*.part")]
    assert as_bam(cram, tmp_path, twin.genome.fasta).suffix == ".bam"
    cut = tmp_path / "cut.cram"
    cut.write_bytes(cram.read_bytes()[: cram.stat().st_size // 2])
    with pytest.raises(InputError, match=r"E_TRUNCATED.*cut\.cram"):
        as_bam(cut, tmp_path, twin.genome.fasta)
    assert not list(tmp_path.glob("*.part"))


def test_files_that_cannot_be_read_are_told_and_not_traced(twin: Twin, tmp_path: Path) -> None:
    whole = twin.bam("PALBO-001-BL-T").read_bytes()
    bad = tmp_path / "bad.bam"
    for content, code in (
        (b"", "E_EMPTY"),
        (b"no reads at all, only text\n", "E_NOT_BGZF"),
        (whole[: len(whole) // 2], "E_TRUNCATED"),
        (whole[:-28], "E_TRUNCATED"),
        (b"CRAM\x03\x00" + bytes(40), "E_TRUNCATED"),
    ):
        bad.write_bytes(content)
        with pytest.raises(InputError, match=rf"{code}.*bad\.bam"):
            call_specimen(Specimen(tumour=bad), twin.references, SETTINGS, tmp_path)


def test_reads_without_a_read_group_and_without_any_index_are_called(twin: Twin, tmp_path: Path) -> None:
    bare = tmp_path / "bare.bam"
    with pysam.AlignmentFile(str(twin.bam("PALBO-001-BL-T"))) as source:
        header = {key: value for key, value in source.header.to_dict().items() if key in ("HD", "SQ")}
        with pysam.AlignmentFile(str(bare), "wb", header=header) as out:
            for read in source.fetch(until_eof=True):
                read.set_tag("RG", None)
                out.write(read)
    normal = twin.bam("PALBO-001-N")
    rows = call_specimen(Specimen(tumour=bare, normal=normal), twin.references, SETTINGS, tmp_path).rows
    assert sum(row["filter"] == "PASS" for row in rows) == 2
    assert as_bam(bare, tmp_path) == bare
