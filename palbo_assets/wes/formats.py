"""Files that sequencing cores deliver for exomes, and what the landing makes sure of before it takes one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.genomics.delivered_alignments import canonical_build, check_build, verify_alignments
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context, FileFormat, Finding, Scope

if TYPE_CHECKING:
    from palbo_assets.genomics.alleles import Variant
    from palbo_assets.wes.callers import CallerRecord


def verify_vcf(path: Path, claim: Claim, context: Context) -> Finding:
    """A caller's VCF, parsed whole: records, sample roles, and build by its contig lines."""
    from palbo_assets.wes.callers import read_vcf
    from palbo_assets.wes.vcf_header import refuse_broken_header

    found = read_vcf(path, reference_contigs=context.contig_lengths, tumour_sample=claim.sample_name)
    refuse_broken_header(path, found.header)
    check_build(path, found.contigs, claim, context)
    if found.roles.contradicts(claim.sample_name, found.header):
        raise InputError(
            "E_SAMPLE_MISMATCH",
            "no sample column has the manifest's sample_name",
            file=path.name,
            column="sample_name",
            fix="give the tumour's column name as sample_name, or leave it empty",
        )
    if not found.samples and not found.described.site_only:
        raise InputError(
            "E_NOT_CALLS",
            "the file has sites and no sample: it is a database (dbSNP, COSMIC, gnomAD), not a tumour's calls",
            file=path.name,
            column="FORMAT",
            fix="deliver the caller's VCF with its tumour column",
        )
    _refuse_contradictions(path, found.records)
    return {
        "records": len(found.records),
        "passed": sum(record.passed for record in found.records),
        "skipped_alleles": found.skipped,
        "caller": found.caller,
    }


def _refuse_contradictions(path: Path, records: Sequence[CallerRecord]) -> None:
    """Refuse two records of one allele that say different things; the same twice counts once."""
    known: dict[Variant, CallerRecord] = {}
    for one in records:
        before = known.setdefault(one.variant, one)
        if before is not one and (before.filter, before.tumour, before.normal) != (one.filter, one.tumour, one.normal):
            raise InputError(
                "E_SCHEMA",
                f"the allele stands in row {before.line} too, with another filter or other counts",
                file=path.name,
                row=one.line,
                column="ALT",
                fix="deliver one caller's file, not several put together",
            )


def verify_maf(path: Path, claim: Claim, context: Context) -> Finding:
    """A MAF, parsed whole; its NCBI_Build must be the study's."""
    from palbo_assets.wes.maf import read_maf

    records = read_maf(path, reference_contigs=context.contig_lengths, sample_name=claim.sample_name)
    if not claim.sample_name and len({record.sample for record in records}) > 1:
        raise InputError(
            "E_SAMPLE_MISMATCH",
            "the MAF holds several tumours",
            file=path.name,
            column="Tumor_Sample_Barcode",
            fix="name the tumour in the manifest's sample_name, or deliver one MAF a tumour",
        )
    wanted = canonical_build(context.genome_build or claim.genome_build)
    other = next(
        (one for one in records if wanted and one.build not in ("", ".") and canonical_build(one.build) != wanted), None
    )
    if other is not None:
        raise InputError(
            "E_BUILD_MISMATCH",
            "NCBI_Build isn't the study's build",
            file=path.name,
            row=other.row,
            column="NCBI_Build",
            fix="deliver calls made on the study's build",
        )
    return {"records": len(records)}


def verify_segments(path: Path, claim: Claim, context: Context) -> Finding:
    """A copy-number segment file of a known tool whose contigs are the study's."""
    from palbo_assets.genomics.alleles import ContigNames
    from palbo_assets.wes.copy_number_files import read_copy_number

    found = read_copy_number(path, claim.sample_name)
    names = ContigNames(context.contig_lengths)
    for one in found.segments:
        length = context.contig_lengths.get(names.canonical(one.chrom) or "")
        if length is not None and one.end > length:
            raise InputError(
                "E_BUILD_MISMATCH",
                "a segment ends beyond its contig in the study's reference",
                file=path.name,
                fix="deliver segments made on the study's build",
            )
    return {"segments": len(found.segments), "tool": found.tool}


def verify_purity(path: Path, claim: Claim, context: Context) -> Finding:
    """Purity and ploidy as the tool that wrote the segments fitted them."""
    from palbo_assets.wes.copy_number_files import read_purity_ploidy

    purity, ploidy = read_purity_ploidy(path)
    return {"purity": purity, "ploidy": ploidy}


def verify_coverage(path: Path, claim: Claim, context: Context) -> Finding:
    """CNVkit's ``.cnr`` or target coverage: regions with depth or log2."""
    from palbo_assets.platform.text import number, read_table

    frame = read_table(path, required=("chromosome", "start", "end"), delimiter="\t")
    measured = [name for name in ("depth", "log2") if name in frame.columns]
    if not measured:
        raise InputError(
            "E_SCHEMA",
            "neither depth nor log2 is there",
            file=path.name,
            row=1,
            column="depth",
            fix="deliver CNVkit's .cnr or target coverage",
        )
    for name in ("start", "end", *measured):
        for row, cell in frame[name].items():
            number(cell, path=path, row=int(str(row)), column=name)
    return {"regions": len(frame)}


_NORMAL = (frozenset({"normal_bam"}),)

FORMATS = (
    FileFormat(
        "wes",
        "tumour_bam",
        (".bam", ".cram"),
        Scope.SAMPLE,
        verify_alignments,
        "Aligned reads of the tumour exome, duplicates marked, sorted by coordinate",
        needs=_NORMAL,
    ),
    FileFormat(
        "wes",
        "normal_bam",
        (),
        Scope.PATIENT,
        verify_alignments,
        "Aligned reads of the patient's blood exome, duplicates marked, sorted by coordinate",
    ),
    FileFormat(
        "wes",
        "somatic_vcf",
        (".vcf", ".vcf.gz"),
        Scope.SAMPLE,
        verify_vcf,
        "Somatic calls of Mutect2, Strelka2, VarDict, VarScan2, MuSE, LoFreq, SomaticSniper, CaVEMan, Scalpel, "
        "freebayes, or another caller with AD and DP",
    ),
    FileFormat(
        "wes", "somatic_maf", (".maf", ".maf.gz"), Scope.SAMPLE, verify_maf, "Annotated somatic calls of one tumour"
    ),
    FileFormat(
        "wes",
        "segments",
        (".cns", ".seg", "_segments.txt", ".segments.txt", ".cncf.txt", ".purple.cnv.somatic.tsv"),
        Scope.SAMPLE,
        verify_segments,
        "Copy-number segments of CNVkit, FACETS, Sequenza, ASCAT, PURPLE, or SEG of IGV, CBS and GDC",
    ),
    FileFormat(
        "wes",
        "purity",
        ("_confints_cp.txt", ".purityploidy.txt", ".purple.purity.tsv"),
        Scope.SAMPLE,
        verify_purity,
        "Purity and ploidy of the fit behind the segments: Sequenza, ASCAT, PURPLE, or columns purity and ploidy",
    ),
    FileFormat(
        "wes",
        "coverage",
        (".cnr", ".cnn"),
        Scope.SAMPLE,
        verify_coverage,
        "Copy-number bins or target coverage of CNVkit",
    ),
)
