"""One spelling of a variant and its effect on a protein, against bcftools and against plain translation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pysam
import pysam.bcftools
import pytest

from palbo_assets.demo.genome import MiniGenome, translate
from palbo_assets.genomics.alleles import Fetch, Variant, normalise
from palbo_assets.genomics.consequence import annotate
from palbo_assets.genomics.regions import reference

COMPLEMENT = str.maketrans("ACGT", "TGCA")


def sites(path: Path, length: int, variants: list[Variant]) -> Path:
    head = f"##fileformat=VCFv4.2\n##contig=<ID=c1,length={length}>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    rows = [f"{one.chrom}\t{one.pos}\t{n}\t{one.ref}\t{one.alt}\t.\t.\t.\n" for n, one in enumerate(variants)]
    path.write_text(head + "".join(rows))
    return path


@pytest.mark.parametrize("seed", range(2))
def test_one_spelling_is_that_of_bcftools_norm(tmp_path: Path, seed: int) -> None:
    """Runs, repeats, both ends of the contig; the same on a soft-masked genome."""
    rng = np.random.default_rng(seed)
    parts = ["A", "C", "G", "T", "AAAA", "CACACA", "GGG", "ACGT", "TGCATTG", "TTTT"]
    bases = "".join(rng.choice(parts, 60))
    fasta, masked = tmp_path / "plain.fa", tmp_path / "masked.fa"
    fasta.write_text(f">c1\n{bases}\n")
    masked.write_text(f">c1\n{bases.lower()}\n")
    wild = set()
    for _ in range(1500):
        pos = int(rng.integers(1, len(bases) + 1))
        ref = bases[pos - 1 : pos - 1 + int(rng.integers(1, 6))]
        anything = "".join(rng.choice(list("ACGT"), int(rng.integers(1, 6))))
        alt = str(rng.choice([anything, ref[0], ref[0] + 2 * ref[1:], anything + ref]))
        wild |= {Variant("c1", pos, ref, alt)} if alt != ref else set()
    variants = sorted(wild)
    told = pysam.bcftools.norm("-f", str(fasta), str(sites(tmp_path / "a.vcf", len(bases), variants)))
    rows = [line.split("\t") for line in str(told).splitlines() if not line.startswith("#")]
    expected = {variants[int(row[2])]: Variant(row[0], int(row[1]), row[3], row[4]) for row in rows}
    assert len(expected) == len(variants) > 700
    for path in (fasta, masked):
        with reference(path) as fetch:
            assert {one: normalise(one, fetch) for one in variants} == expected


def across_codons(genome: MiniGenome, gene: str, fetch: Fetch) -> dict[Variant, str]:
    """Changes of three neighbouring bases, two of one codon and one of the next, with what translation says of them."""
    coding, protein, found = genome.coding_sequence(gene), genome.protein(gene), {}
    places, chrom = genome.genes[gene].coding_positions, genome.genes[gene].chrom
    for codon in range(5, 300, 7):
        at = 3 * codon - 2  # of the second base of a codon that counts from 1
        here = list(places[at : at + 3])
        new = "".join("ACGT"[("ACGT".index(base) + 2) % 4] for base in coding[at : at + 3])
        changed = translate(coding[: at - 1] + coding[at - 1] + new + coding[at + 3 :])
        first, second = protein[codon - 1], protein[codon]
        if abs(here[2] - here[0]) != 2 or len(changed) <= codon + 1 or first == changed[codon - 1]:
            continue
        if second == changed[codon]:
            continue
        if here[0] > here[2]:
            new = new[::-1].translate(COMPLEMENT)
        ref = fetch(chrom, min(here), min(here) + 3)
        change = f"p.{first}{codon}_{second}{codon + 1}delins{changed[codon - 1 : codon + 1]}"
        found[Variant(chrom, min(here) + 1, ref, new)] = change
    return found


def test_a_change_across_two_codons_is_named_as_plain_translation_says(genome: MiniGenome, tmp_path: Path) -> None:
    """On both strands, and alike on a soft-masked genome; at the ends of a contig there is no gene and no error."""
    masked = tmp_path / "masked.fa"
    lines = genome.fasta.read_text().splitlines(keepends=True)
    masked.write_text("".join(line if line.startswith(">") else line.lower() for line in lines))
    pysam.faidx(str(masked))  # type: ignore[attr-defined]
    with reference(genome.fasta) as fetch:
        wanted = {**across_codons(genome, "PIK3CA", fetch), **across_codons(genome, "TP53", fetch)}
        chrom, length = next(iter(genome.contigs.items()))
        left, right = fetch(chrom, 0, 2), fetch(chrom, length - 1, length)
    ends = [Variant(chrom, 1, left, left[0]), Variant(chrom, length, right, right + "ACG")]
    assert len({one.chrom for one in wanted}) == 2 and len(wanted) > 20
    for fasta in (genome.fasta, masked):
        found = annotate([*wanted, *ends], genome.contigs, fasta, genome.gff3, {}, tmp_path)
        assert {one: found[one].hgvsp_short for one in wanted} == wanted
        assert {found[one].consequence for one in wanted} == {"Missense_Mutation"}
        assert [found[one].consequence for one in ends] == ["IGR", "IGR"]
