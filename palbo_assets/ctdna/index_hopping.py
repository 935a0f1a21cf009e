"""Molecules that belong to another library of the same sequencing run: copies whose sample index was exchanged.

On patterned flowcells 0.2 to 6 % of reads are given to another library of the pool (Costello et al. 2018, BMC Genomics,
doi 10.1186/s12864-018-4703-0); unique dual indexes let the sequencer tell them. A copy keeps what the molecule
is known by: both ends and the UMI. So an allele of a plasma that another library of the run holds at more molecules is
looked at molecule by molecule; those that the other library holds too, in a larger family, are copies and don't count.
Two molecules may share ends and UMI by chance: how many would is reckoned from those that share their ends alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from palbo_assets.ctdna.consensus_reads import NO_VOTE, family_size, stream_reads, votes_of
from palbo_assets.ctdna.fitness_settings import FitnessSettings
from palbo_assets.ctdna.molecules import Indel, IndelPlacer, ReferenceBases, empty_regions
from palbo_assets.ctdna.umi import UmiPlace, UmiSource
from palbo_assets.ctdna.umi_records import UNUSED
from palbo_assets.genomics.alleles import Variant
from palbo_assets.genomics.regions import Region
from palbo_assets.platform.errors import InputError
from palbo_assets.study.vocabulary import CallState

if TYPE_CHECKING:
    import pandas as pd
    import pysam

    from palbo_assets.ctdna.panel import Panel
    from palbo_assets.ctdna.settings import Settings

EXPLAINED, STANDS, NO_UMI, UNREADABLE = "explained", "stands", "no_umi", "unreadable"
_ALLELE = ["chrom", "pos", "ref", "alt"]


class Molecule(NamedTuple):
    """What a molecule keeps when its index is exchanged: 0-based half-open place on the contig, and UMI.

    The parts of a duplex UMI swap between strands, so they stand in the order of the alphabet.
    """

    start: int
    end: int
    umi: str


@dataclass(frozen=True)
class Carriers:
    """Molecules that carry an allele, with their family sizes in read pairs; ``unnamed``: those without a UMI."""

    families: Mapping[Molecule, int]
    unnamed: int = 0


@dataclass(frozen=True)
class Hopping:
    """Of the molecules of an allele: how many are copies of another library's, and how many would seem so by chance."""

    molecules: int
    copies: int
    by_chance: float
    p_value: float


class Question(NamedTuple):
    """An allele of a plasma that other libraries of its run hold at more molecules.

    ``keys``: columns of ``ctdna_index_hopping`` that are known before reads are looked at; ``own``, ``others``: hashes
    of the libraries' BAMs.
    """

    keys: Mapping[str, Any]
    allele: Variant
    alt_molecules: int
    critical_molecules: int
    own: str
    others: tuple[str, ...]


def questions(
    calls: pd.DataFrame,
    runs: pd.DataFrame,
    controls: pd.DataFrame,
    hashes: Mapping[str, str],
    settings: FitnessSettings,
) -> list[Question]:
    """Which alleles other libraries may have lent: PRESENT at a small fraction, and elsewhere in the run in plenty.

    Parameters
    ----------
    calls, runs, controls
        ``ctdna_calls``, ``ctdna_run_qc`` and ``ctdna_controls`` of the cohort.
    hashes
        Specimen -> hash of the plasma's BAM.
    """
    run = {specimen: name for specimen, name in zip(runs["specimen_id"], runs["sequencing_run"], strict=True) if name}
    seen = calls[(calls["alt_molecules"] > 0).fillna(False) & calls["specimen_id"].isin(list(hashes.keys() & run))]
    shown = controls[(controls["alt_molecules"] > 0).fillna(False)]
    holders: dict[tuple[str, Variant], dict[str, int]] = {}
    for row in seen.to_dict("records"):
        libraries = holders.setdefault((run[row["specimen_id"]], _allele(row)), {})
        libraries[hashes[row["specimen_id"]]] = int(row["alt_molecules"])
    for row in shown.to_dict("records"):
        libraries = holders.setdefault((row["sequencing_run"], _allele(row)), {})
        libraries[row["bam_sha256"]] = int(row["alt_molecules"])
    found = []
    doubtful = seen[(seen["state"] == CallState.PRESENT) & (seen["vaf"] <= settings.hopping_largest_vaf).fillna(False)]
    for row in doubtful.sort_values(["patient_id", "timepoint", "specimen_id", *_ALLELE]).to_dict("records"):
        allele, of_run, own = _allele(row), run[row["specimen_id"]], hashes[row["specimen_id"]]
        alt = int(row["alt_molecules"])
        more = (
            sha256 for sha256, held in holders[of_run, allele].items() if held >= settings.hopping_least_ratio * alt
        )
        others = tuple(sorted(sha256 for sha256 in more if sha256 != own))
        if others:
            keys = {name: row[name] for name in ("patient_id", "timepoint", "specimen_id")}
            keys |= {**allele._asdict(), "sequencing_run": of_run, "libraries": len(others)}
            found.append(Question(keys, allele, alt, int(row["critical_molecules"]), own, others))
    return found


def answer(
    question: Question, mine: Carriers | None, others: Sequence[Carriers | None], settings: Settings
) -> dict[str, Any]:
    """Columns of ``ctdna_index_hopping``. ``mine``, ``others``: None for a library that couldn't be read.

    ``explained``: too few molecules are left to call the allele once the copies are taken away. What is called is a
    consensus and not every carrier has a vote, so the called molecules lose the share of copies among the carriers.
    """
    row = {
        **question.keys, "alt_molecules": question.alt_molecules, "critical_molecules": question.critical_molecules,
        "reason": "",
    }  # fmt: skip
    theirs = [one for one in others if one is not None]
    if mine is None or len(theirs) < len(others):
        return {**row, "reason": UNREADABLE}
    if mine.unnamed or not mine.families or any(one.unnamed or not one.families for one in theirs):
        return {**row, "reason": NO_UMI}
    found = copies(mine, theirs, settings)
    left = float(question.alt_molecules)
    if found.p_value < settings.hopping_alpha:
        left *= 1 - found.copies / found.molecules
    explained = left < min(question.critical_molecules, question.alt_molecules)
    return {
        **row, "compared": found.molecules, "copies": found.copies, "copies_by_chance": found.by_chance,
        "p_value": found.p_value, "verdict": EXPLAINED if explained else STANDS,
    }  # fmt: skip


def carriers_of(
    bam: Path,
    alleles: Sequence[Variant],
    source: UmiSource | None,
    panel: Panel,
    reference: ReferenceBases,
    settings: Settings,
    workdir: Path,
) -> dict[Variant, Carriers]:
    """The molecules of a library that carry each allele.

    Parameters
    ----------
    source
        Where raw reads have their UMI; None for consensus reads, which have it in RX and their family's size in cD.
    workdir
        Where the reads around the alleles are put for the time being.

    Raises
    ------
    InputError
        ``E_TRUNCATED`` where the BAM can't be read.
    """
    low_quality = bytes(
        quality < (settings.min_raw_base_quality if source else settings.min_base_quality) for quality in range(256)
    )
    placer = IndelPlacer(empty_regions(panel, reference), reference)
    wanted = set(alleles)
    found: dict[Variant, dict[Molecule, int]] = {allele: {} for allele in alleles}
    unnamed: Counter[Variant] = Counter()
    for pair in _pairs(_reads_around(bam, alleles, settings.longest_fragment, workdir), settings):
        carried = {allele for read in pair for allele in _alleles_of(read, wanted, low_quality, placer, settings)}
        if not carried:
            continue
        umi = _umi(pair, source)
        for allele in carried:
            if umi is None:
                unnamed[allele] += 1
                continue
            molecule = Molecule(*_ends(pair), umi)
            size = 1 if source else max(family_size(read) or 1 for read in pair)
            families = found[allele]
            families[molecule] = families.get(molecule, 0) + size if source else max(families.get(molecule, 0), size)
    return {allele: Carriers(found[allele], unnamed[allele]) for allele in alleles}


def copies(recipient: Carriers, others: Iterable[Carriers], settings: Settings) -> Hopping:
    """Which molecules of an allele are copies of other libraries' molecules.

    Only families that vote are asked; a copy's family is smaller than the one it is from by ``hopping_least_ratio``.
    ``p_value``: chance that as many molecules share ends and UMI with another library's, of molecules that share their
    ends and whose UMI bases are independent (Poisson).
    """
    from scipy.stats import poisson

    families = {molecule: size for molecule, size in recipient.families.items() if size >= settings.min_family_size}
    copied: set[Molecule] = set()
    same_ends = 0
    barcodes = [molecule.umi for molecule in families]
    for other in others:
        ends = Counter(molecule[:2] for molecule in other.families)
        barcodes += [molecule.umi for molecule in other.families]
        for molecule, size in families.items():
            theirs = other.families.get(molecule, 0)
            if theirs >= settings.hopping_least_ratio * size:
                copied.add(molecule)
            same_ends += ends[molecule[:2]] - (theirs > 0)
    agreement = _agreement(barcodes)
    by_chance = same_ends * agreement / (1 - agreement) if agreement < 1 else float(len(copied))
    p_value = float(poisson.sf(len(copied) - 1, by_chance)) if copied else 1.0
    return Hopping(len(families), len(copied), by_chance, p_value)


def unique_dual_indexes(barcodes: Mapping[str, str]) -> dict[str, bool | None]:
    """Library -> whether neither of its two indexes is another library's of the run; None where none is stated.

    Parameters
    ----------
    barcodes
        Library -> its indexes as its read group's PU states them, ``ACGTACGT-TTGACCAA``; empty where it doesn't.
    """
    pairs = {library: tuple(stated.split("-")) for library, stated in barcodes.items()}
    known = {library: pair for library, pair in pairs.items() if len(pair) == 2 and all(pair)}
    first, second = (Counter(pair[place] for pair in known.values()) for place in (0, 1))
    return {
        library: first[known[library][0]] == second[known[library][1]] == 1 if library in known else None
        for library in barcodes
    }


def barcode_of(path: Path) -> str:
    """Indexes of a BAM's library, of its read groups' PU (flowcell.lane.barcode); empty unless they state one."""
    from palbo_assets.genomics.bgzf import bam_header

    text = bam_header(path).text.rstrip("\0")
    fields = (line.split("\t") for line in text.splitlines() if line.startswith("@RG\t"))
    units = [field[3:].split(".") for line in fields for field in line if field.startswith("PU:")]
    stated = {unit[2].strip().replace("+", "-") for unit in units if len(unit) == 3}
    return stated.pop() if len(stated) == 1 else ""


def _allele(row: Mapping[Any, Any]) -> Variant:
    return Variant(row["chrom"], int(row["pos"]), row["ref"], row["alt"])


def _reads_around(bam: Path, alleles: Sequence[Variant], margin: int, workdir: Path) -> Iterable[pysam.AlignedSegment]:
    """Reads near the alleles, in file order; samtools picks them, since a plasma has millions of others."""
    import pysam

    from palbo_assets.genomics.bam_index import BY_INDEX, access

    workdir.mkdir(parents=True, exist_ok=True)
    bed, part = workdir / "alleles.bed", workdir / "around_alleles.bam"
    places = [Region(one.chrom, max(0, one.pos - 1 - margin), one.pos + len(one.ref) + margin) for one in alleles]
    bed.write_text("".join(f"{chrom}\t{start}\t{end}\n" for chrom, start, end in places))
    by_index = ("-M",) if access(bam, places).remark == BY_INDEX else ()
    try:
        pysam.samtools.view("-b", *by_index, "-L", str(bed), "-o", str(part), str(bam), catch_stdout=False)
        yield from stream_reads(part)
    except pysam.SamtoolsError as error:
        raise InputError(
            "E_TRUNCATED", "the BAM can't be read to its end", file=bam.name, fix="send the whole file again"
        ) from error
    finally:
        bed.unlink(missing_ok=True)
        part.unlink(missing_ok=True)


def _pairs(reads: Iterable[pysam.AlignedSegment], settings: Settings) -> Iterable[list[pysam.AlignedSegment]]:
    """Mates together, as far as both lie near the alleles."""
    waiting: dict[str, pysam.AlignedSegment] = {}
    for read in reads:
        if read.flag & UNUSED or read.query_sequence is None:
            continue
        if read.mapping_quality < settings.min_mapping_quality:
            continue
        name = read.query_name or ""
        mate = waiting.pop(name, None)
        if mate is None and read.is_paired:
            waiting[name] = read
        else:
            yield [read] if mate is None else [mate, read]
    for read in waiting.values():
        yield [read]


def _ends(pair: Sequence[pysam.AlignedSegment]) -> tuple[int, int]:
    """Where the fragment starts and ends; by the stated length where its mate was left out."""
    start = min(read.reference_start for read in pair)
    if len(pair) == 1 and pair[0].is_paired and pair[0].template_length:
        start = min(start, pair[0].next_reference_start)
        return start, start + abs(pair[0].template_length)
    return start, max(read.reference_end or 0 for read in pair)


def _alleles_of(
    read: pysam.AlignedSegment, wanted: set[Variant], low_quality: bytes, placer: IndelPlacer, settings: Settings
) -> Iterable[Variant]:
    segment = votes_of(read, low_quality, settings.trimmed_end_bases)
    for allele in wanted:
        if allele.chrom != read.reference_name:
            continue
        if allele.kind == "snv":
            at = allele.pos - 1 - segment.start
            code = segment.codes[at] if 0 <= at < len(segment.codes) else NO_VOTE
            if code < NO_VOTE and "ACGT"[code] == allele.alt:
                yield allele
        elif segment.indels:
            for index, region in enumerate(placer.regions):
                if region.chrom == allele.chrom and region.start <= allele.pos - 1 < region.end:
                    named = {placer.left_aligned(index, *event) for event in segment.indels}
                    if Indel(*allele) in named:
                        yield allele


def _umi(pair: Sequence[pysam.AlignedSegment], source: UmiSource | None) -> str | None:
    """The molecule's UMI, its parts in the order of the alphabet; None where the reads don't carry it."""
    if source is None or source.place is UmiPlace.TAG:
        stated = next((str(read.get_tag("RX")) for read in pair if read.has_tag("RX")), "")
    elif source.place is UmiPlace.NAME:
        stated = (pair[0].query_name or "").replace("_", ":").rsplit(":", 1)[-1]
    else:
        mates = {bool(read.is_read2): read for read in pair}
        if any(length and mate not in mates for mate, (length, _) in enumerate(source.structure)):
            return None
        parts = [
            (mates[bool(mate)].get_forward_sequence() or "")[:length]
            for mate, (length, _) in enumerate(source.structure)
            if length
        ]
        stated = "-".join(parts)
    parts = stated.upper().replace("+", "-").split("-")
    whole = all(parts) and set("".join(parts)) <= set("ACGT")
    return "-".join(sorted(parts)) if whole else None


def _agreement(barcodes: Sequence[str]) -> float:
    """Chance that two molecules' UMIs agree, bases taken as independent: prod_i sum_b p_ib^2; 1 without a UMI."""
    from math import prod

    letters = list(zip(*barcodes, strict=False))
    shares = [Counter(column) for column in letters]
    return prod(sum((number / sum(one.values())) ** 2 for number in one.values()) for one in shares) if shares else 1.0
