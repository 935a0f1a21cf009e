"""What a variant does to a protein: ``bcftools csq`` on the pinned transcript, in the words of the MAF.

Haplotypes aren't phased: each variant is judged alone. Splice sites have no protein change, as in HGVS.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from palbo_assets.genomics.alleles import Variant
from palbo_assets.genomics.hotspots import Hotspots, read_hotspots
from palbo_assets.platform.errors import InputError, ReferenceBundleError

LOF = ("Nonsense_Mutation", "Frame_Shift_Del", "Frame_Shift_Ins", "Splice_Site", "Translation_Start_Site")
# MAF classes with the terms of bcftools csq and of the Sequence Ontology (VEP, SnpEff), most severe first.
_CLASSES: tuple[tuple[str, frozenset[str]], ...] = (
    ("Splice_Site", frozenset({"splice_acceptor", "splice_donor", "splice_acceptor_variant", "splice_donor_variant"})),
    ("Nonsense_Mutation", frozenset({"stop_gained"})),
    ("Frame_Shift", frozenset({"frameshift", "frameshift_variant"})),
    ("Nonstop_Mutation", frozenset({"stop_lost"})),
    (
        "Translation_Start_Site",
        frozenset({"start_lost", "initiator_codon_variant", "start_gained", "5_prime_UTR_premature_start_codon"}),
    ),
    (
        "In_Frame_Ins",
        frozenset({"inframe_insertion", "conservative_inframe_insertion", "disruptive_inframe_insertion"}),
    ),
    ("In_Frame_Del", frozenset({"inframe_deletion", "conservative_inframe_deletion", "disruptive_inframe_deletion"})),
    ("Missense_Mutation", frozenset({"missense", "missense_variant", "inframe_altering", "protein_altering_variant"})),
    ("Splice_Region", frozenset({"splice_region", "splice_region_variant", "splice_donor_region_variant"})),
    (
        "Silent",
        frozenset({"synonymous", "synonymous_variant", "stop_retained", "stop_retained_variant", "start_retained"}),
    ),
    ("5'UTR", frozenset({"5_prime_utr", "5_prime_UTR_variant"})),
    ("3'UTR", frozenset({"3_prime_utr", "3_prime_UTR_variant"})),
    ("RNA", frozenset({"non_coding", "non_coding_transcript_exon_variant", "non_coding_transcript_variant"})),
    ("Intron", frozenset({"intron", "intron_variant"})),
    ("5'Flank", frozenset({"upstream_gene_variant"})),
    ("3'Flank", frozenset({"downstream_gene_variant"})),
    ("IGR", frozenset({"intergenic", "intergenic_variant", "intergenic_region"})),
)
MAF_CLASSES: tuple[str, ...] = tuple(
    name for entry, _ in _CLASSES for name in ((entry + "_Del", entry + "_Ins") if entry == "Frame_Shift" else (entry,))
)
_SCRIPT = "import sys, pysam.bcftools as b; b.csq(*sys.argv[1:], catch_stdout=False)"


@dataclass(frozen=True)
class Consequence:
    """Effect on one transcript. ``consequence`` is a MAF variant class, ``hgvsp_short`` like ``p.H1047R``."""

    gene: str | None = None
    transcript_id: str | None = None
    consequence: str = "IGR"
    hgvsp_short: str | None = None
    hotspot: bool = False

    @property
    def lof(self) -> bool:
        """Whether the class is taken as loss of function (canonical splice sites included)."""
        return self.consequence in LOF


def maf_class(terms: Iterable[str], ref: str, alt: str) -> str:
    """The most severe MAF variant class among consequence terms of csq, VEP or SnpEff."""
    given = set(terms)
    for name, known in _CLASSES:
        if given & known:
            if name == "Frame_Shift":
                return "Frame_Shift_Ins" if len(alt) > len(ref) else "Frame_Shift_Del"
            return name
    return "IGR"


def severity(consequence: str) -> int:
    """Rank of a MAF class, 0 for the most severe."""
    return MAF_CLASSES.index(consequence) if consequence in MAF_CLASSES else len(MAF_CLASSES)


def hgvsp_short(change: str) -> str | None:
    """HGVS protein change in one-letter form from csq's ``1047H>1047R``; None where there is no change to name.

    A frameshift is named by its first changed residue (``p.E137fs``). An insertion between two residues names the
    first only, because csq doesn't tell the second.
    """
    if not change:
        return None
    before, _, after = change.partition(">")
    number = int("".join(takewhile(str.isdigit, before)))
    old = before.lstrip("0123456789")
    if not after:
        return f"p.{old}{number}=" if len(old) == 1 else None
    new = after.lstrip("0123456789")
    return _named(number, old, new)


def _named(number: int, old: str, new: str) -> str:
    shared = 0
    while shared < min(len(old), len(new)) and old[shared] == new[shared]:
        shared += 1
    if len(old) == len(new) == shared:
        return f"p.{old[0]}{number}="
    if len(old) == len(new) == 1:
        return f"p.{old}{number}{new}"
    tail = 0
    while tail < min(len(old), len(new)) - shared and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    removed, added = old[shared : len(old) - tail], new[shared : len(new) - tail]
    first, last = number + shared, number + shared + len(removed) - 1
    if not removed:
        left = old[shared - 1] if shared else ""
        if new[max(0, shared - len(added)) : shared] == added:
            start = first - len(added)
            span = f"{added[0]}{start}" + (f"_{added[-1]}{first - 1}" if len(added) > 1 else "")
            return f"p.{span}dup"
        right = old[shared] if shared < len(old) else ""
        return f"p.{left}{first - 1}_{right}{first}ins{added}"
    span = f"{removed[0]}{first}" + (f"_{removed[-1]}{last}" if len(removed) > 1 else "")
    if not added:
        return f"p.{span}del"
    if len(removed) == len(added) == 1:
        return f"p.{span}{added}"
    if added.startswith("*"):
        return f"p.{removed[0]}{first}*"
    return f"p.{span}delins{added}"


def frameshift_short(change: str) -> str | None:
    """``p.E137fs`` from csq's frameshift ``136LESD...*>136LNRI...*``; ``p.E137*`` where a stop comes at once."""
    before, _, after = change.partition(">")
    if not after:
        return None
    number = int("".join(takewhile(str.isdigit, before)))
    old, new = before.lstrip("0123456789"), after.lstrip("0123456789")
    for index, (one, other) in enumerate(zip(old, new, strict=False)):
        if one != other:
            return f"p.{one}{number + index}{'*' if other == '*' else 'fs'}"
    shorter = min(len(old), len(new))
    return f"p.{old[shorter]}{number + shorter}fs" if shorter < len(old) else None


def read_transcripts(path: Path) -> dict[str, str]:
    """Gene -> pinned transcript (without version) from a CSV with columns gene, transcript_id."""
    with path.open(encoding="utf-8", newline="") as lines:
        return {row["gene"]: row["transcript_id"].split(".")[0] for row in csv.DictReader(lines)}


@dataclass(frozen=True)
class GeneModels:
    """The bundle's files that `consequences` needs: genome with its index, GFF3 as csq takes it; pinned transcripts and
    hotspots where there are any."""

    fasta: Path
    gff3: Path
    transcripts: Path | None = None
    hotspots: Path | None = None


def consequences(variants: Iterable[Variant], models: GeneModels, workdir: Path) -> dict[Variant, Consequence]:
    """Gene, transcript, class, protein change, loss of function and hotspot of each variant (VCF alleles, 1-based).

    Raises
    ------
    InputError
        ``E_BUILD_MISMATCH`` when a reference allele isn't the reference's base, or a contig isn't the reference's.
    ReferenceBundleError
        ``E_REFERENCE_INVALID`` when csq refuses the GFF3 or FASTA.
    """
    import pysam

    with pysam.FastaFile(str(models.fasta)) as opened:
        contigs = dict(zip(opened.references, opened.lengths, strict=True))
    listed = list(variants)
    if any(one.chrom not in contigs for one in listed):
        raise InputError(
            "E_BUILD_MISMATCH",
            "a variant lies on a contig that the study's reference lacks",
            fix="deliver calls made on the study's build",
        )
    pinned = read_transcripts(models.transcripts) if models.transcripts else {}
    hotspots = read_hotspots(models.hotspots) if models.hotspots else Hotspots()
    found = annotate(listed, contigs, models.fasta, models.gff3, pinned, workdir)
    return {
        variant: replace(one, hotspot=hotspots.hold(variant, one.gene, one.hgvsp_short, one.consequence))
        for variant, one in found.items()
    }


def annotate(
    variants: Iterable[Variant],
    contigs: Mapping[str, int],
    fasta: Path,
    gff3: Path,
    pinned: Mapping[str, str],
    workdir: Path,
) -> dict[Variant, Consequence]:
    """Consequence of each variant on its gene's pinned transcript, else on the one that it harms most.

    ``bcftools csq`` runs in a process of its own, because in ours it would hold the interpreter's lock throughout.

    Raises
    ------
    InputError
        ``E_BUILD_MISMATCH`` when a reference allele isn't the reference's base.
    ReferenceBundleError
        ``E_REFERENCE_INVALID`` when csq refuses the GFF3 or FASTA.
    """
    order = {name: index for index, name in enumerate(contigs)}
    listed = sorted(set(variants), key=lambda one: (order[one.chrom], *one[1:]))
    if not listed:
        return {}
    source, target = workdir / "variants.vcf", workdir / "consequences.vcf"
    with source.open("w", encoding="ascii", newline="\n") as out:
        out.write("##fileformat=VCFv4.2\n")
        out.writelines(f"##contig=<ID={name},length={length}>\n" for name, length in contigs.items())
        out.write("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
        for number, one in enumerate(listed):
            out.write(f"{one.chrom}\t{one.pos}\t{number}\t{one.ref}\t{one.alt}\t.\t.\t.\n")
    arguments = ["--local-csq", "-f", str(fasta), "-g", str(gff3), "-Ov", "-o", str(target), str(source)]
    done = subprocess.run([sys.executable, "-c", _SCRIPT, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        if "REF" in done.stderr and "match" in done.stderr:
            raise InputError(
                "E_BUILD_MISMATCH",
                "a variant's reference allele differs from the study's reference",
                fix="deliver calls made on the study's build",
            )
        raise ReferenceBundleError("E_REFERENCE_INVALID", "bcftools csq can't use the GFF3 with the FASTA")
    found: dict[Variant, Consequence] = {}
    for line in target.read_text(encoding="ascii").splitlines():
        if not line.startswith("#"):
            cells = line.split("\t")
            variant = listed[int(cells[2])]
            info = next((part[5:] for part in cells[7].split(";") if part.startswith("BCSQ=")), "")
            found[variant] = choose(_csq_entries(info, variant), pinned)
    return found


def _csq_entries(info: str, variant: Variant) -> list[Consequence]:
    entries = []
    for entry in info.split(",") if info else ():
        if entry.startswith("@"):  # points to the record where a compound change is written out; there is none alone
            continue
        parts = entry.split("|") + [""] * 7
        terms = [term.lstrip("*") for term in parts[0].split("&")]
        kind = maf_class(terms, variant.ref, variant.alt)
        change = frameshift_short(parts[5]) if "frameshift" in terms else hgvsp_short(parts[5])
        entries.append(Consequence(parts[1] or None, parts[2].split(".")[0] or None, kind, change))
    return entries


def choose(entries: Iterable[Consequence], pinned: Mapping[str, str]) -> Consequence:
    """The entry on a pinned transcript, else the most severe one on any; ties by gene and transcript name."""
    ranked = sorted(
        entries,
        key=lambda one: (
            pinned.get(one.gene or "") != one.transcript_id,
            severity(one.consequence),
            one.gene or "",
            one.transcript_id or "",
        ),
    )
    return ranked[0] if ranked else Consequence()
