"""Protein changes are named as HGVS and the MAF name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from palbo_assets.demo.genome import MiniGenome
from palbo_assets.genomics.alleles import Variant
from palbo_assets.genomics.consequence import (
    Consequence,
    GeneModels,
    annotate,
    choose,
    consequences,
    frameshift_short,
    hgvsp_short,
    maf_class,
)
from palbo_assets.genomics.regions import reference
from palbo_assets.platform.errors import InputError, ReferenceBundleError


@pytest.mark.parametrize(
    ("change", "short"),
    [
        ("1047H>1047R", "p.H1047R"),
        ("320R>320*", "p.R320*"),
        ("100L", "p.L100="),
        ("421GV>421G", "p.V422del"),
        ("745KELREA>745K", "p.E746_A750del"),
        ("772P>772PP", "p.P772dup"),
        ("745KEL>745KD", "p.E746_L747delinsD"),
        ("", None),
    ],
)
def test_changes_of_csq_become_hgvs(change: str, short: str | None) -> None:
    assert hgvsp_short(change) == short


def test_a_frameshift_is_named_by_its_first_changed_residue() -> None:
    assert frameshift_short("136LESDRRS*>136LNRIEDQ*") == "p.E137fs"
    assert frameshift_short("136LESDRRS*>136L*") == "p.E137*"


@pytest.mark.parametrize(
    ("terms", "ref", "alt", "expected"),
    [
        (["missense", "splice_region"], "A", "T", "Missense_Mutation"),
        (["splice_donor"], "A", "T", "Splice_Site"),
        (["frameshift_variant"], "A", "AT", "Frame_Shift_Ins"),
        (["frameshift"], "AT", "A", "Frame_Shift_Del"),
        (["intron_variant", "non_coding_transcript_variant"], "A", "T", "RNA"),
        (["something_new"], "A", "T", "IGR"),
    ],
)
def test_the_most_severe_term_gives_the_class(terms: list[str], ref: str, alt: str, expected: str) -> None:
    assert maf_class(terms, ref, alt) == expected


def test_the_pinned_transcript_beats_a_more_severe_one() -> None:
    mild = Consequence("RB1", "T1", "Intron")
    severe = Consequence("RB1", "T2", "Nonsense_Mutation", "p.R320*")
    assert choose([mild, severe], {"RB1": "T1"}) == mild
    assert choose([mild, severe], {}) == severe
    assert choose([], {}) == Consequence()


def test_splice_sites_and_introns_of_both_strands(genome: MiniGenome, tmp_path: Path) -> None:
    wanted = {}
    with reference(genome.fasta) as fetch:
        for gene in ("RB1", "TP53"):
            chrom, end = genome.genes[gene].chrom, genome.genes[gene].exons[0][1]
            for pos, kind in ((end + 1, "Splice_Site"), (end + 40, "Intron")):
                ref = fetch(chrom, pos - 1, pos)
                wanted[Variant(chrom, pos, ref, "A" if ref != "A" else "C")] = (gene, kind, kind == "Splice_Site")
    found = annotate(wanted, genome.contigs, genome.fasta, genome.gff3, {}, tmp_path)
    assert {one: (c.gene, c.consequence, c.lof) for one, c in found.items()} == wanted


def test_a_wrong_reference_base_is_a_mismatch_of_builds(genome: MiniGenome, tmp_path: Path) -> None:
    chrom, pos, ref, alt, _ = genome.mutation("PIK3CA", "p.H1047R")
    wrong = Variant(chrom, pos, next(base for base in "ACGT" if base not in (ref, alt)), alt)
    with pytest.raises(InputError, match="E_BUILD_MISMATCH"):
        annotate([wrong], genome.contigs, genome.fasta, genome.gff3, {}, tmp_path)


def test_a_gff3_that_csq_refuses_is_an_error_of_the_bundle(genome: MiniGenome, tmp_path: Path) -> None:
    bad = tmp_path / "bad.gff3"
    bad.write_text("this is no GFF3\n")
    chrom, pos, ref, alt, _ = genome.mutation("PIK3CA", "p.H1047R")
    with pytest.raises(ReferenceBundleError, match="E_REFERENCE_INVALID"):
        annotate([Variant(chrom, pos, ref, alt)], genome.contigs, genome.fasta, bad, {}, tmp_path)


def test_one_call_gives_gene_class_change_loss_of_function_and_hotspot(genome: MiniGenome, tmp_path: Path) -> None:
    wanted = {("ESR1", "p.D538G"): (False, True), ("RB1", "p.R320*"): (True, False), ("RB1", "p.E137fs"): (True, False)}
    variants = {key: Variant(*genome.mutation(*key)[:4]) for key in wanted}
    models = GeneModels(genome.fasta, genome.gff3, genome.transcripts, genome.hotspots)
    found = consequences(variants.values(), models, tmp_path)
    pinned = dict(line.split(",") for line in genome.transcripts.read_text().split()[1:])
    for (gene, change), (lof, hotspot) in wanted.items():
        one = found[variants[gene, change]]
        assert (one.gene, one.hgvsp_short, one.lof, one.hotspot) == (gene, change, lof, hotspot)
        assert one.transcript_id == pinned[gene].split(".")[0]
    assert consequences([], models, tmp_path) == {}
    with pytest.raises(InputError, match="E_BUILD_MISMATCH"):
        consequences([Variant("chrUn", 5, "A", "T")], models, tmp_path)
