"""The twin's genome: hotspots at their true residue, and a GFF3 that bcftools csq understands."""

from __future__ import annotations

from pathlib import Path

import pysam
import pytest

from palbo_assets.demo.genome import CODON_TABLE, DESIGNS, MiniGenome, build_genome
from palbo_assets.genomics.alleles import Variant
from palbo_assets.genomics.consequence import annotate, read_transcripts

CHANGES = [(design.name, change) for design in DESIGNS for change in design.hotspots] + [
    ("RB1", "p.R320*"),
    ("RB1", "p.R445*"),
    ("RB1", "p.E137fs"),
    ("FAT1", "p.R250*"),
    ("FAT1", "p.Q410fs"),
    ("KMT2C", "p.R190*"),
    ("NF1", "p.R304*"),
    ("TP53", "p.R213*"),
    ("GATA3", "p.P409fs"),
    ("PTEN", "p.R233*"),
]


def test_csq_gives_exactly_the_protein_change_that_was_asked_for(genome: MiniGenome, tmp_path: Path) -> None:
    wanted = {}
    for gene, change in CHANGES:
        chrom, pos, ref, alt, kind = genome.mutation(gene, change)
        wanted[Variant(chrom, pos, ref, alt)] = (gene, genome.genes[gene].transcript_id, kind, change)
    pinned = read_transcripts(genome.transcripts)
    found = annotate(wanted, genome.contigs, genome.fasta, genome.gff3, pinned, tmp_path)
    told = {one: (c.gene, c.transcript_id, c.consequence, c.hgvsp_short) for one, c in found.items()}
    assert len(wanted) == len(CHANGES)
    assert told == wanted


def test_a_residue_that_the_protein_lacks_is_refused(genome: MiniGenome) -> None:
    with pytest.raises(ValueError, match="has no A at residue 1047"):
        genome.mutation("PIK3CA", "p.A1047R")
    with pytest.raises(ValueError, match="no single base"):
        genome.mutation("PIK3CA", "p.H1047W")


def test_proteins_start_with_methionine_and_end_with_their_only_stop(genome: MiniGenome) -> None:
    for design in DESIGNS:
        coding = genome.coding_sequence(design.name)
        assert len(coding) == 3 * (design.residues + 1)
        assert genome.protein(design.name).startswith("M")
        assert len(genome.protein(design.name)) == design.residues
        assert all(coding[3 * (n - 1) : 3 * n] == codon for n, codon in design.codons.items())
    assert len(CODON_TABLE) == 64


def test_the_fasta_reads_back_as_the_genome(genome: MiniGenome) -> None:
    with pysam.FastaFile(str(genome.fasta)) as opened:
        assert {name: opened.get_reference_length(name) for name in opened.references} == genome.contigs
        assert all(opened.fetch(name) == genome.sequence(name) for name in genome.contigs)
    assert sum(genome.contigs.values()) < 300_000


def test_identity_snps_lie_near_targets_and_outside_coding_sequence(genome: MiniGenome) -> None:
    coding = {(gene.chrom, place) for gene in genome.genes.values() for a, b in gene.cds for place in range(a, b)}
    near = {(c, place) for c, a, b, _ in genome.targets for place in range(a - 100, b + 100)}
    places = {(snp.chrom, snp.pos - 1) for snp in genome.snps}
    assert len(places) == len(genome.snps) >= 60
    assert not places & coding
    assert places <= near
    assert all(genome.sequence(snp.chrom)[snp.pos - 1] == snp.ref != snp.alt for snp in genome.snps)


def test_the_same_seed_gives_the_same_bytes(genome: MiniGenome, tmp_path: Path) -> None:
    again = build_genome(tmp_path, seed=11)
    for name in ("fasta", "gff3", "transcripts", "target_bed", "snp_bed", "hotspots"):
        assert getattr(again, name).read_bytes() == getattr(genome, name).read_bytes()
    assert build_genome(tmp_path / "other", seed=12).fasta.read_bytes() != genome.fasta.read_bytes()
