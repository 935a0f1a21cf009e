"""A tumour of the twin in which APOBEC3 was active: many substitutions at TCW beside exons, and what they are held to.

They lie in introns and flanks, so they change no protein and belong to no mechanism. The profiles are invented for
the twin (one with nearly all of its mass at TCW, one flat) and are named so; they are not COSMIC's.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.demo.truth import PlantedMutation

if TYPE_CHECKING:
    from palbo_assets.demo.genome import MiniGenome

APOBEC, FLAT = "TWIN_APOBEC", "TWIN_FLAT"
AT_TCW, ELSEWHERE = 48, 12
SHARE = AT_TCW / (AT_TCW + ELSEWHERE)
_NEAR, _FAR = 12, 45  # bp beside an exon: off the splice site, still baited
_APART = 8  # bp from one another and from identity SNPs, so that each is a variant of its own
_TCW = {"TCA": "T", "TCT": "G", "TGA": "A", "AGA": "C"}  # motif on either strand -> the mutated middle base
_OTHER = {"A": "C", "C": "A", "G": "T", "T": "C"}  # never what APOBEC3 does


def passengers(genome: MiniGenome, ccf: float = 0.9) -> tuple[PlantedMutation, ...]:
    """`AT_TCW` substitutions at TCW and `ELSEWHERE` others, spread over the genome; the same for the same genome."""
    taken: dict[str, list[int]] = {
        chrom: [snp.pos for snp in genome.snps if snp.chrom == chrom] for chrom in genome.contigs
    }
    at_tcw: list[tuple[str, int, str, str]] = []
    elsewhere: list[tuple[str, int, str, str]] = []
    exons = {
        chrom: [(start, end) for name, start, end, _ in genome.targets if name == chrom] for chrom in genome.contigs
    }
    places = [
        (chrom, edge + sign * distance + 1)
        for distance in range(_NEAR, _FAR)
        for chrom, start, end, _ in genome.targets
        for edge, sign in ((start, -1), (end, 1))
    ]
    for chrom, pos in places:
        within = any(start - 6 < pos <= end + 6 for start, end in exons[chrom])
        if within or any(abs(pos - other) < _APART for other in taken[chrom]):
            continue
        motif = genome.sequence(chrom)[pos - 2 : pos + 1]
        if motif in _TCW and len(at_tcw) < AT_TCW:
            at_tcw.append((chrom, pos, motif[1], _TCW[motif]))
        elif motif not in _TCW and len(elsewhere) < ELSEWHERE:
            elsewhere.append((chrom, pos, motif[1], _OTHER[motif[1]]))
        else:
            continue
        taken[chrom].append(pos)
    return tuple(PlantedMutation("", *place, "", "Intron", ccf, 0.0) for place in (*at_tcw, *elsewhere))


def write_profiles(path: Path) -> None:
    """The two invented profiles in COSMIC's layout."""
    from palbo_assets.wes.trinucleotides import CLASSES

    hit = [name for name in CLASSES if name[0] == "T" and name[2:5] in ("C>T", "C>G") and name[-1] in "AT"]
    lines = [f"Type\t{APOBEC}\t{FLAT}"]
    for name in CLASSES:
        apobec = 0.98 / len(hit) if name in hit else 0.02 / (len(CLASSES) - len(hit))
        lines.append(f"{name}\t{apobec:.6f}\t{1 / len(CLASSES):.6f}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def reference_entries(folder: Path) -> list[dict[str, str]]:
    """Write the profiles into the bundle and name them for its manifest."""
    path = folder / "signature_profiles.tsv"
    write_profiles(path)
    source = "invented for the twin, not COSMIC"
    return [{"name": "signature_profiles", "file": path.name, "licence": "CC0-1.0", "source": source}]


def write_settings(path: Path) -> None:
    """The twin's own signatures in place of COSMIC's; a site's settings that are there already stay."""
    if not path.exists():
        path.write_text(
            "# The twin's signatures are invented; a trial leaves this out and gets COSMIC's.\n"
            f"wes:\n  signatures: [{APOBEC}, {FLAT}]\n  apobec_signatures: [{APOBEC}]\n",
            encoding="utf-8",
        )
