"""The twin's genome: a small reference with real gene names, on which hotspots keep their true residue and codon.

Everything but the named residues is random sequence, so nothing here can be mistaken for a person's genome or for
GRCh38; chromosome, strand, transcript id and protein length follow the real gene (three very long genes are cut to
600 residues so that the exome stays about 30 kb). Introns are a few hundred bases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

BUILD = "twin-mini"
BASES = "TCAG"
_AMINO_ACIDS = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"
CODON_TABLE: Mapping[str, str] = {
    first + second + third: _AMINO_ACIDS[16 * i + 4 * j + k]
    for i, first in enumerate(BASES)
    for j, second in enumerate(BASES)
    for k, third in enumerate(BASES)
}
_COMPLEMENT = str.maketrans("ACGT", "TGCA")
_TRANSITION = {"A": "G", "G": "A", "C": "T", "T": "C"}
N_IDENTITY_SNPS = 240  # half are homozygous in a patient at allele frequency 0.5, and 100 sites are needed


@dataclass(frozen=True)
class GeneDesign:
    """What a gene of the twin keeps from the real one: place, length and the codons of named residues (1-based)."""

    name: str
    chrom: str
    strand: str
    transcript_id: str
    residues: int
    codons: Mapping[int, str] = field(default_factory=dict)
    hotspots: tuple[str, ...] = ()


# Order on a chromosome follows GRCh38. Transcripts are MSK's isoforms; where none is pinned, MANE Select.
DESIGNS: tuple[GeneDesign, ...] = (
    GeneDesign(
        "PIK3CA",
        "chr3",
        "+",
        "ENST00000263967",
        1068,
        {345: "AAT", 420: "TGT", 542: "GAA", 545: "GAG", 546: "CAG", 1043: "ATG", 1047: "CAT"},
        ("p.N345K", "p.C420R", "p.E542K", "p.E545K", "p.Q546K", "p.M1043I", "p.H1047R", "p.H1047L"),
    ),
    GeneDesign("FAT1", "chr4", "-", "ENST00000441802", 600, {250: "CGA", 410: "CAG"}),
    GeneDesign(
        "ESR1",
        "chr6",
        "+",
        "ENST00000443427",
        595,
        {380: "GAA", 422: "GTG", 463: "TCC", 536: "CTC", 537: "TAT", 538: "GAC"},
        (
            "p.E380Q",
            "p.V422del",
            "p.S463P",
            "p.L536H",
            "p.L536P",
            "p.L536R",
            "p.Y537C",
            "p.Y537D",
            "p.Y537N",
            "p.Y537S",
            "p.D538G",
        ),
    ),
    GeneDesign("CDK6", "chr7", "-", "ENST00000424848", 326),
    GeneDesign("KMT2C", "chr7", "-", "ENST00000262189", 600, {190: "CGA", 380: "CAA"}),
    GeneDesign("FGFR1", "chr8", "-", "ENST00000425967", 853),
    GeneDesign("CCNE2", "chr8", "-", "ENST00000308108", 404),
    GeneDesign("GATA3", "chr10", "+", "ENST00000379328", 444, {330: "CGG", 409: "CCA"}),
    GeneDesign("PTEN", "chr10", "+", "ENST00000371953", 403, {130: "CGA", 233: "CGA"}, ("p.R130Q", "p.R130G")),
    GeneDesign("CCND1", "chr11", "+", "ENST00000227507", 295),
    GeneDesign(
        "KRAS",
        "chr12",
        "-",
        "ENST00000311936",
        188,
        {12: "GGT", 13: "GGC", 61: "CAA"},
        ("p.G12D", "p.G12V", "p.G12C", "p.G13D", "p.Q61R"),
    ),
    GeneDesign("CDK4", "chr12", "-", "ENST00000257904", 303),
    GeneDesign(
        "RB1",
        "chr13",
        "+",
        "ENST00000267163",
        928,
        {137: "GAA", 320: "CGA", 358: "CGA", 445: "CGA", 455: "CGA", 579: "CGA"},
    ),
    GeneDesign("AKT1", "chr14", "-", "ENST00000407796", 480, {17: "GAG"}, ("p.E17K",)),
    GeneDesign(
        "TP53",
        "chr17",
        "-",
        "ENST00000269305",
        393,
        {175: "CGC", 213: "CGA", 220: "TAT", 245: "GGC", 248: "CGG", 273: "CGT"},
        ("p.R175H", "p.Y220C", "p.G245S", "p.R248Q", "p.R248W", "p.R273H", "p.R273C"),
    ),
    GeneDesign("NF1", "chr17", "+", "ENST00000356175", 600, {304: "CGA", 440: "CGA"}),
    GeneDesign(
        "ERBB2",
        "chr17",
        "+",
        "ENST00000269571",
        1255,
        {310: "TCC", 755: "TTG", 769: "GAT", 777: "GTG"},
        ("p.S310F", "p.S310Y", "p.L755S", "p.D769H", "p.D769Y", "p.V777L"),
    ),
    GeneDesign("CCNE1", "chr19", "+", "ENST00000262643", 410),
)


@dataclass(frozen=True)
class Gene:
    """A gene on the genome. Intervals are 0-based half-open, ascending on the genome whatever the strand."""

    name: str
    gene_id: str
    transcript_id: str
    chrom: str
    strand: str
    exons: tuple[tuple[int, int], ...]
    cds: tuple[tuple[int, int], ...]

    @cached_property
    def coding_positions(self) -> tuple[int, ...]:
        """0-based genomic position of every coding base in the order of translation (stop codon included)."""
        ascending = [position for start, end in self.cds for position in range(start, end)]
        return tuple(ascending if self.strand == "+" else reversed(ascending))


@dataclass(frozen=True)
class Snp:
    """A biallelic germline SNP of the identity panel (``pos`` is 1-based)."""

    chrom: str
    pos: int
    rsid: str
    ref: str
    alt: str


@dataclass(frozen=True)
class MiniGenome:
    """The twin's reference files and what is known of them."""

    folder: Path
    fasta: Path
    gff3: Path
    transcripts: Path
    target_bed: Path
    snp_bed: Path
    hotspots: Path
    build: str
    contigs: dict[str, int]
    genes: dict[str, Gene]
    snps: tuple[Snp, ...]
    _sequences: dict[str, str] = field(repr=False)

    def sequence(self, chrom: str) -> str:
        """The contig's bases, upper case."""
        return self._sequences[chrom]

    @property
    def targets(self) -> tuple[tuple[str, int, int, str], ...]:
        """(chrom, start, end, gene) of every exon, 0-based half-open, in genome order."""
        return tuple(_targets(self.contigs, self.genes))

    def coding_sequence(self, gene: str) -> str:
        """Coding bases in the order of translation."""
        found = self.genes[gene]
        contig = self._sequences[found.chrom]
        bases = "".join(contig[position] for position in found.coding_positions)
        return bases if found.strand == "+" else bases.translate(_COMPLEMENT)

    def protein(self, gene: str) -> str:
        """One-letter protein sequence without the stop."""
        return translate(self.coding_sequence(gene))

    def mutation(self, gene: str, hgvsp_short: str) -> tuple[str, int, str, str, str]:
        """A genomic variant that causes a protein change.

        Parameters
        ----------
        hgvsp_short
            ``p.H1047R`` (missense), ``p.R320*`` (nonsense), ``p.E137fs`` (frameshift whose first changed residue is
            the named one) or ``p.V422del`` (one residue deleted in frame).

        Returns
        -------
        tuple
            (chrom, 1-based position, ref, alt, MAF variant class), left-aligned VCF alleles on the forward strand.

        Raises
        ------
        ValueError
            When the protein has another residue there, or no single base or short deletion causes the change.
        """
        match = re.fullmatch(r"p\.([A-Z])(\d+)([A-Z*]|fs|del)", hgvsp_short)
        if match is None:
            raise ValueError(f"{hgvsp_short} is not a substitution, p.X1fs or p.X1del")
        residue, number, change = match[1], int(match[2]), match[3]
        protein = self.protein(gene)
        if not 1 <= number <= len(protein) or protein[number - 1] != residue:
            raise ValueError(f"{gene} has no {residue} at residue {number} in {self.build}")
        if change == "fs":
            return self._frameshift(gene, number)
        if change == "del":
            return self._deletion(gene, 3 * (number - 1), 3, "In_Frame_Del")
        return self._substitution(gene, number, change)

    def _substitution(self, gene: str, number: int, wanted: str) -> tuple[str, int, str, str, str]:
        found = self.genes[gene]
        coding = self.coding_sequence(gene)
        codon = coding[3 * (number - 1) : 3 * number]
        for offset in range(3):
            for base in BASES:
                changed = codon[:offset] + base + codon[offset + 1 :]
                if base != codon[offset] and CODON_TABLE[changed] == wanted:
                    position = found.coding_positions[3 * (number - 1) + offset]
                    forward = base if found.strand == "+" else base.translate(_COMPLEMENT)
                    ref = self._sequences[found.chrom][position]
                    kind = "Nonsense_Mutation" if wanted == "*" else "Missense_Mutation"
                    return found.chrom, position + 1, ref, forward, kind
        raise ValueError(f"no single base of {gene} codon {number} gives {wanted}")

    def _frameshift(self, gene: str, number: int) -> tuple[str, int, str, str, str]:
        coding = self.coding_sequence(gene)
        protein = translate(coding)
        for length in (1, 2, 4, 5):
            for offset in range(3):
                start = 3 * (number - 1) + offset
                shifted = translate(coding[:start] + coding[start + length :])
                same = next((i for i, (a, b) in enumerate(zip(protein, shifted, strict=False)) if a != b), len(shifted))
                if same == number - 1 and len(shifted) > same:
                    try:
                        return self._deletion(gene, start, length, "Frame_Shift_Del")
                    except ValueError:
                        continue
        raise ValueError(f"no short deletion of {gene} shifts the frame first at residue {number}")

    def _deletion(self, gene: str, start: int, length: int, kind: str) -> tuple[str, int, str, str, str]:
        found = self.genes[gene]
        positions = sorted(found.coding_positions[start : start + length])
        first, last = positions[0], positions[-1]
        contig = self._sequences[found.chrom]
        end = last + 1
        while contig[first - 1] == contig[end - 1]:
            first, end = first - 1, end - 1
        # Far enough from the exon's edges that the consequence is the coding one alone.
        inside = any(begin + 4 <= first and last + 4 < stop for begin, stop in found.cds)
        if last - positions[0] + 1 != length or not inside:
            raise ValueError(f"the deletion in {gene} would touch a splice site")
        return found.chrom, first, contig[first - 1 : end], contig[first - 1], kind


def translate(coding: str) -> str:
    """One-letter protein up to the first stop (exclusive); an incomplete last codon is ignored."""
    residues = []
    for index in range(0, len(coding) - 2, 3):
        residue = CODON_TABLE[coding[index : index + 3]]
        if residue == "*":
            break
        residues.append(residue)
    return "".join(residues)


def build_genome(folder: Path, seed: int) -> MiniGenome:
    """Write the twin's reference into ``folder``: FASTA with index, GFF3, transcripts, targets, SNPs, hotspots.

    The same seed gives the same bytes. The GFF3 follows Ensembl's conventions (``ID=gene:``, ``ID=transcript:``,
    biotypes), as ``bcftools csq`` demands.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    contigs: dict[str, int] = {}
    genes: dict[str, Gene] = {}
    sequences: dict[str, str] = {}
    chromosomes = sorted({design.chrom for design in DESIGNS}, key=lambda name: int(name[3:]))
    for chrom in chromosomes:
        pieces = [_random_bases(rng, 1000)]
        length = 1000
        for design in (one for one in DESIGNS if one.chrom == chrom):
            bases, exons, cds = _gene_sequence(rng, design)
            genes[design.name] = Gene(
                design.name,
                f"ENSGTWIN{len(genes) + 1:07d}",
                design.transcript_id,
                chrom,
                design.strand,
                tuple((start + length, end + length) for start, end in exons),
                tuple((start + length, end + length) for start, end in cds),
            )
            spacer = _random_bases(rng, 1500)
            pieces += [bases, spacer]
            length += len(bases) + len(spacer)
        sequences[chrom] = "".join(pieces)
        contigs[chrom] = length
    genome = MiniGenome(
        folder=folder,
        fasta=folder / "genome.fa",
        gff3=folder / "genes.gff3",
        transcripts=folder / "transcripts.csv",
        target_bed=folder / "targets.bed",
        snp_bed=folder / "identity_snps.bed",
        hotspots=folder / "hotspots.csv",
        build=BUILD,
        contigs=contigs,
        genes=genes,
        snps=tuple(_identity_snps(rng, contigs, genes, sequences)),
        _sequences=sequences,
    )
    _write_fasta(genome)
    genome.gff3.write_text("".join(_gff_lines(genome)), encoding="utf-8")
    genome.transcripts.write_text(
        "gene,transcript_id\n" + "".join(f"{gene.name},{gene.transcript_id}\n" for gene in genes.values()),
        encoding="utf-8",
    )
    genome.target_bed.write_text(
        "".join(f"{chrom}\t{start}\t{end}\t{gene}\n" for chrom, start, end, gene in genome.targets), encoding="utf-8"
    )
    genome.snp_bed.write_text(
        "".join(f"{snp.chrom}\t{snp.pos - 1}\t{snp.pos}\t{snp.rsid}\t{snp.ref}\t{snp.alt}\n" for snp in genome.snps),
        encoding="utf-8",
    )
    genome.hotspots.write_text(
        "gene,hgvsp_short\n" + "".join(f"{one.name},{change}\n" for one in DESIGNS for change in one.hotspots),
        encoding="utf-8",
    )
    return genome


def _random_bases(rng: np.random.Generator, length: int) -> str:
    """Random bases without homopolymers of five or more, so that indels have one place only a short way around."""
    chosen: list[str] = []
    for base in rng.integers(0, 4, size=length):
        letter = BASES[base]
        if chosen[-4:] == [letter] * 4:
            letter = BASES[(base + 1) % 4]
        chosen.append(letter)
    return "".join(chosen)


def _random_coding(rng: np.random.Generator, design: GeneDesign) -> str:
    sense = sorted(codon for codon, residue in CODON_TABLE.items() if residue != "*")
    coding = "ATG"
    for number in range(2, design.residues + 1):
        codon = design.codons.get(number)
        while codon is None:
            drawn = sense[int(rng.integers(len(sense)))]
            following = design.codons.get(number + 1, "")
            if re.search(r"(.)\1{4}", coding[-4:] + drawn + following) is None:
                codon = drawn
        coding += codon
    return coding + "TGA"


def _gene_sequence(
    rng: np.random.Generator, design: GeneDesign
) -> tuple[str, list[tuple[int, int]], list[tuple[int, int]]]:
    """Bases of the gene on the forward strand, with exon and CDS intervals relative to its first base."""
    coding = _random_coding(rng, design)
    protected = {3 * (number - 1) + offset for number in design.codons for offset in range(-9, 12)}
    cuts = [0]
    while len(coding) - cuts[-1] > 420:
        cut = cuts[-1] + int(rng.integers(220, 340))
        while cut in protected:
            cut += 1
        cuts.append(cut)
    cuts.append(len(coding))
    pieces: list[str] = []
    exons: list[tuple[int, int]] = []
    cds: list[tuple[int, int]] = []
    length = 0
    last = len(cuts) - 2
    for index in range(len(cuts) - 1):
        before = _random_bases(rng, 60) if index == 0 else ""
        after = _random_bases(rng, 90) if index == last else ""
        part = coding[cuts[index] : cuts[index + 1]]
        exons.append((length, length + len(before) + len(part) + len(after)))
        cds.append((length + len(before), length + len(before) + len(part)))
        pieces += [before, part, after]
        length = exons[-1][1]
        if index != last:
            intron = "GTAAGT" + _random_bases(rng, int(rng.integers(240, 420))) + "TTTCAG"
            pieces.append(intron)
            length += len(intron)
    bases = "".join(pieces)
    if design.strand == "-":
        bases = bases.translate(_COMPLEMENT)[::-1]
        exons = [(length - end, length - start) for start, end in reversed(exons)]
        cds = [(length - end, length - start) for start, end in reversed(cds)]
    return bases, exons, cds


def _targets(contigs: Mapping[str, int], genes: Mapping[str, Gene]) -> Iterator[tuple[str, int, int, str]]:
    for chrom in contigs:
        for start, end, name in sorted(
            (start, end, gene.name) for gene in genes.values() if gene.chrom == chrom for start, end in gene.exons
        ):
            yield chrom, start, end, name


def _identity_snps(
    rng: np.random.Generator, contigs: Mapping[str, int], genes: Mapping[str, Gene], sequences: Mapping[str, str]
) -> list[Snp]:
    """SNPs in introns and flanks 12 to 60 bases beside exons: covered by capture, outside coding sequence."""
    places: list[tuple[str, int]] = []
    for chrom, start, end, _ in _targets(contigs, genes):
        for near, far in ((12, 30), (38, 60)):
            places.append((chrom, start - int(rng.integers(near, far))))
            places.append((chrom, end + int(rng.integers(near, far))))
    chosen = sorted(rng.permutation(len(places))[:N_IDENTITY_SNPS].tolist())
    order = list(contigs)
    snps = []
    for number, (chrom, position) in enumerate(
        sorted((places[index] for index in chosen), key=lambda place: (order.index(place[0]), place[1])), start=1
    ):
        ref = sequences[chrom][position]
        snps.append(Snp(chrom, position + 1, f"twin{number:04d}", ref, _TRANSITION[ref]))
    return snps


def _write_fasta(genome: MiniGenome) -> None:
    width = 60
    offset = 0
    index = []
    with genome.fasta.open("w", encoding="ascii", newline="\n") as out:
        for chrom, length in genome.contigs.items():
            header = f">{chrom}\n"
            bases = genome.sequence(chrom)
            body = "".join(bases[start : start + width] + "\n" for start in range(0, length, width))
            index.append(f"{chrom}\t{length}\t{offset + len(header)}\t{width}\t{width + 1}\n")
            out.write(header + body)
            offset += len(header) + len(body)
    genome.fasta.with_name(genome.fasta.name + ".fai").write_text("".join(index), encoding="ascii")


def _gff_lines(genome: MiniGenome) -> Iterator[str]:
    yield "##gff-version 3\n"
    for chrom, length in genome.contigs.items():
        yield f"##sequence-region {chrom} 1 {length}\n"
    for chrom in genome.contigs:
        for gene in sorted((g for g in genome.genes.values() if g.chrom == chrom), key=lambda g: g.exons[0][0]):
            yield from _gene_lines(gene)


def _gene_lines(gene: Gene) -> Iterator[str]:
    def line(kind: str, start: int, end: int, phase: str, attributes: str) -> str:
        place = f"{gene.chrom}\ttwin\t{kind}\t{start + 1}\t{end}"
        return f"{place}\t.\t{gene.strand}\t{phase}\t{attributes}\n"

    start, end = gene.exons[0][0], gene.exons[-1][1]
    transcript = f"transcript:{gene.transcript_id}"
    yield line("gene", start, end, ".", f"ID=gene:{gene.gene_id};Name={gene.name};biotype=protein_coding")
    yield line(
        "mRNA",
        start,
        end,
        ".",
        f"ID={transcript};Parent=gene:{gene.gene_id};Name={gene.name}-201;biotype=protein_coding;"
        f"transcript_id={gene.transcript_id}",
    )
    for number, (begin, stop) in enumerate(gene.exons if gene.strand == "+" else gene.exons[::-1], start=1):
        yield line("exon", begin, stop, ".", f"Parent={transcript};Name={gene.transcript_id}.e{number};rank={number}")
    coded = 0
    for begin, stop in gene.cds if gene.strand == "+" else gene.cds[::-1]:
        yield line("CDS", begin, stop, str(-coded % 3), f"ID=CDS:{gene.transcript_id};Parent={transcript}")
        coded += stop - begin
    for kind, (begin, stop) in zip(("five_prime_UTR", "three_prime_UTR"), _untranslated(gene), strict=True):
        yield line(kind, begin, stop, ".", f"Parent={transcript}")


def _untranslated(gene: Gene) -> tuple[tuple[int, int], tuple[int, int]]:
    """(5' UTR, 3' UTR) intervals."""
    left = (gene.exons[0][0], gene.cds[0][0])
    right = (gene.cds[-1][1], gene.exons[-1][1])
    return (left, right) if gene.strand == "+" else (right, left)
