"""The files of the modality ``ctdna``: consensus BAM, raw UMI BAM, panel BED, and the wet lab's table.

A consensus BAM (fgbio, UMIErrorCorrect) is taken as it is. One that still carries raw families is refused in that role,
because counting its reads would count every molecule many times: as ``raw_umi_bam`` its consensus is called here.
"""

from __future__ import annotations

import re
from pathlib import Path

from palbo_assets.genomics.delivered_alignments import check_container, check_header
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context, FileFormat, Finding, Scope

MODALITY = "ctdna"


def verify_consensus_bam(path: Path, claim: Claim, context: Context, *, may_be_empty: bool = False) -> Finding:
    """Read every record, and check build, sample and that the reads are consensus reads.

    Raises
    ------
    InputError
        ``E_EMPTY``, ``E_NOT_BGZF``, ``E_TRUNCATED``, ``E_SCHEMA`` (not sorted; raw UMI reads), ``E_BUILD_MISMATCH``,
        ``E_SAMPLE_MISMATCH``.
    """
    from palbo_assets.ctdna.consensus_reads import family_size, stream_reads

    check_container(path)
    _check_header(path, claim, context)
    reads = mapped = sized = sizes = tagged = 0
    for read in stream_reads(path):
        reads += 1
        mapped += not read.is_unmapped
        size = family_size(read)
        if size is not None:
            sized += 1
            sizes += size
            tagged += read.has_tag("cD")
        elif read.has_tag("RX") or read.has_tag("MI"):
            raise InputError(
                "E_SCHEMA",
                "the reads carry molecular barcodes (RX, MI) but no consensus depth (cD): raw or grouped reads",
                file=path.name,
                fix="deliver it in the role raw_umi_bam, or call consensus reads first and deliver that BAM",
            )
    if mapped == 0 and not may_be_empty:
        raise InputError("E_EMPTY", "no read is placed on the genome", file=path.name, fix="align the consensus reads")
    return {
        "reads": reads,
        "mapped_reads": mapped,
        "family_sizes": "tag cD" if tagged else "read name" if sized else "none",
        "family_size_mean": round(sizes / sized, 3) if sized else 0,
    }


def verify_healthy_plasma_bam(path: Path, claim: Claim, context: Context) -> Finding:
    """As `verify_consensus_bam`; the manifest must name the donor and the panel version.

    Raises
    ------
    InputError
        ``E_SCHEMA`` where it doesn't, and what `verify_consensus_bam` raises.
    """
    for column, named in (("panel_version", claim.panel_version), ("sample_name", claim.sample_name)):
        if not named:
            raise InputError(
                "E_SCHEMA",
                f"the manifest names no {column} for the plasma of a healthy donor",
                file=path.name,
                column=column,
                fix="write the panel version of the library, and one name per donor, into delivery.csv",
            )
    return {**verify_consensus_bam(path, claim, context), "slot": claim.sample_name}


def verify_control_bam(path: Path, claim: Claim, context: Context) -> Finding:
    """As `verify_consensus_bam`, but without template there may be no read; the manifest names library and material.

    Raises
    ------
    InputError
        ``E_SCHEMA`` where it doesn't, and what `verify_consensus_bam` raises.
    """
    for column, named in (("panel_version", claim.panel_version), ("sample_name", claim.sample_name),
                          ("specimen_id", claim.specimen_id)):  # fmt: skip
        if not named:
            raise InputError(
                "E_SCHEMA",
                f"the manifest names no {column} for the control",
                file=path.name,
                column=column,
                fix="write the panel version, one name per control library (sample_name), and the material: NTC or the"
                " standard's name in ctdna_control_alleles (specimen_id)",
            )
    without = claim.specimen_id.upper() == "NTC"
    return {**verify_consensus_bam(path, claim, context, may_be_empty=without), "slot": claim.sample_name}


def verify_raw_umi_bam(path: Path, claim: Claim, context: Context) -> Finding:
    """Read every record: paired, in order, on this build, each with a UMI of one length.

    The UMI is where the manifest's note states a read structure, else in the tag RX, else in the read name.

    Raises
    ------
    InputError
        ``E_EMPTY``, ``E_NOT_BGZF``, ``E_TRUNCATED``, ``E_BUILD_MISMATCH``, ``E_SAMPLE_MISMATCH``, ``E_UNSORTED``,
        ``E_SINGLE_END``, ``E_UMI_MISSING``, ``E_UMI_LENGTH``, ``E_SCHEMA`` for consensus reads or a bad structure.
    """
    from palbo_assets.ctdna.umi import facts_of, find_umi
    from palbo_assets.ctdna.umi_consensus import survey

    check_container(path)
    _check_header(path, claim, context)
    source = find_umi(path, claim.note)
    reads, bases, masked = survey(path, source)
    return {"reads": reads, "umi_bases": bases, "reads_with_n_in_umi": masked, **facts_of(source)}


def _check_header(path: Path, claim: Claim, context: Context) -> None:
    import pysam

    try:
        with pysam.AlignmentFile(str(path), "rb", check_sq=False) as file:
            header = file.header.to_dict()
    except (OSError, ValueError) as error:
        raise InputError(
            "E_TRUNCATED", "the BAM's header can't be read", file=path.name, fix="send the whole file again"
        ) from error.__class__("unreadable BAM")
    contigs = check_header(path, header, claim, context)
    panel = context.siblings.get("panel_bed")
    if panel is not None:
        from palbo_assets.ctdna.panel import read_panel

        try:
            targets = read_panel(panel, claim.panel_version)
        except InputError:
            return  # the panel is refused under its own name; the reads aren't to blame
        targets.check_contigs(contigs, panel.name)


def verify_panel_bed(path: Path, claim: Claim, context: Context) -> Finding:
    """Read every target; the manifest must name the version, and targets must lie on the study's genome.

    Raises
    ------
    InputError
        ``E_SCHEMA`` without a panel_version, ``E_BUILD_MISMATCH``, and what `panel.read_panel` raises.
    """
    from palbo_assets.ctdna.panel import read_panel

    if not claim.panel_version:
        raise InputError(
            "E_SCHEMA",
            "the manifest names no panel_version for the panel",
            file=path.name,
            column="panel_version",
            fix="write the version that this BED is into delivery.csv",
        )
    panel = read_panel(path, claim.panel_version)
    panel.check_contigs(context.contig_lengths, path.name)
    return {"panel_version": panel.version, "targets": len(panel.targets), "bases": panel.size}


def verify_wet_lab(path: Path, claim: Claim, context: Context) -> Finding:
    """Read every row; see `wet_lab.read_wet_lab`."""
    from palbo_assets.ctdna.wet_lab import read_wet_lab

    return {"plasmas": len(read_wet_lab(path))}


def wet_lab_key(path: Path, claim: Claim, context: Context) -> str:
    """The batch is named by the manifest's sample_name or library, else by the file's own name."""
    name = claim.sample_name or claim.library or Path(claim.file or path.name).stem
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.") or "wet-lab"


FORMATS = (
    FileFormat(
        modality=MODALITY,
        role="consensus_bam",
        suffixes=(".bam",),
        scope=Scope.SAMPLE,
        verify=verify_consensus_bam,
        description="Consensus reads of one plasma, coordinate-sorted (fgbio tags, or UMIErrorCorrect names)",
        needs=(frozenset({"panel_bed"}),),
    ),
    FileFormat(
        modality=MODALITY,
        role="healthy_plasma_bam",
        suffixes=(".healthy_plasma.bam",),
        scope=Scope.COHORT,
        verify=verify_healthy_plasma_bam,
        description="Consensus reads of a healthy donor's plasma on one panel version: what its background is made of",
    ),
    FileFormat(
        modality=MODALITY,
        role="control_bam",
        suffixes=(".control.bam",),
        scope=Scope.COHORT,
        verify=verify_control_bam,
        description="Consensus reads of a run's control: no template (NTC) or a reference standard",
    ),
    FileFormat(
        modality=MODALITY,
        role="raw_umi_bam",
        suffixes=(".raw_umi.bam",),
        scope=Scope.SAMPLE,
        verify=verify_raw_umi_bam,
        description="Raw paired reads of one plasma with their UMIs (tag RX, read name, or inline), coordinate-sorted",
        needs=(frozenset({"panel_bed"}),),
    ),
    FileFormat(
        modality=MODALITY,
        role="panel_bed",
        suffixes=(".bed",),
        scope=Scope.COHORT,
        verify=verify_panel_bed,
        description="Targets of one panel version: chrom, start, end, gene, exon, panel_version, reason",
    ),
    FileFormat(
        modality=MODALITY,
        role="wet_lab",
        suffixes=(".csv",),
        scope=Scope.BATCH,
        verify=verify_wet_lab,
        description="Plasma volume, cfDNA concentration, library input and haemolysis of many plasmas",
        batch_key=wet_lab_key,
    ),
)
