"""Mutation Annotation Format: calls of one sample with their annotation, back on VCF alleles.

A MAF writes indels without anchor base and with ``-``; a deletion starts at its first deleted base, an insertion at
the base before it. The anchor comes from the reference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from palbo_assets.genomics.alleles import ContigNames, Fetch, Variant, normalise
from palbo_assets.genomics.consequence import Consequence
from palbo_assets.platform.errors import InputError
from palbo_assets.wes.callers import CallerRecord, SampleCounts, text_lines

REQUIRED = ("Chromosome", "Start_Position", "Reference_Allele", "Tumor_Seq_Allele2")
_ALLELE = re.compile(r"(-|[ACGTN]+)\Z")


@dataclass(frozen=True)
class MafRecord:
    """One row. ``variant`` is in MAF alleles (``-``) where the reference isn't given."""

    row: int
    variant: Variant
    sample: str
    build: str
    filter: str
    tumour: SampleCounts
    normal: SampleCounts
    consequence: Consequence | None


def read_maf(
    path: Path,
    *,
    reference_contigs: Mapping[str, int] | None = None,
    fetch: Fetch | None = None,
    sample_name: str = "",
) -> list[MafRecord]:
    """Rows of one tumour (``sample_name``), or of all where no name is given; the same row twice counts once.

    Raises
    ------
    InputError
        ``E_SCHEMA`` with row and column; ``E_BUILD_MISMATCH``; ``E_SAMPLE_MISMATCH`` when no row has the sample's
        name; and what `text_lines` raises.
    """
    names = ContigNames(reference_contigs or ())
    header: list[str] = []
    found: dict[tuple[str, Variant], MafRecord] = {}
    rows = foreign = 0
    for line, content in text_lines(path):
        if content.startswith("#") or not content.strip():
            continue
        cells = content.split("\t")
        if not header:
            header = _header(path, line, cells)
            continue
        if len(cells) > len(header) or len(cells) < len(REQUIRED):
            raise InputError(
                "E_SCHEMA",
                f"the row has {len(cells)} cells, the header {len(header)}",
                file=path.name,
                row=line,
                fix="export the MAF again",
            )
        rows += 1
        row = dict(zip(header, cells, strict=False))
        sample = row.get("Tumor_Sample_Barcode", "")
        if sample_name and sample != sample_name:
            continue
        chrom = names.canonical(row["Chromosome"])
        if chrom is None:
            foreign += 1
            continue
        record = _record(path, line, chrom, row, sample, fetch)
        found.setdefault((sample, record.variant), record)
    if not header:
        raise InputError("E_EMPTY", "the MAF has no header", file=path.name, fix="export it again")
    if sample_name and rows and not found and not foreign:
        raise InputError(
            "E_SAMPLE_MISMATCH",
            "no row belongs to the sample",
            file=path.name,
            column="Tumor_Sample_Barcode",
            fix="put the name of the file's sample into the manifest's sample_name",
        )
    if foreign and not found:
        raise InputError(
            "E_BUILD_MISMATCH",
            "no row lies on a contig of the study's reference",
            file=path.name,
            column="Chromosome",
            fix="deliver calls made on the study's build",
        )
    return list(found.values())


def _header(path: Path, line: int, cells: list[str]) -> list[str]:
    spelled = {name.lower(): name for name in REQUIRED}
    header = [spelled.get(cell.strip().lower(), cell.strip()) for cell in cells]
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise InputError(
            "E_SCHEMA",
            f"missing columns: {', '.join(missing)}",
            file=path.name,
            row=line,
            column=missing[0],
            fix="deliver a tab-separated MAF",
        )
    return header


def _record(path: Path, line: int, chrom: str, row: Mapping[str, str], sample: str, fetch: Fetch | None) -> MafRecord:
    if not row["Start_Position"].isdigit():
        raise InputError(
            "E_SCHEMA",
            "the position is no number",
            file=path.name,
            row=line,
            column="Start_Position",
            fix="export the MAF again, not through a spreadsheet",
        )
    start, ref = int(row["Start_Position"]), row["Reference_Allele"].strip().upper()
    alt = row["Tumor_Seq_Allele2"].strip().upper()
    if alt in ("", ref):
        alt = row.get("Tumor_Seq_Allele1", "").strip().upper()
    if not _ALLELE.match(ref) or not _ALLELE.match(alt) or alt == ref:
        column = "Reference_Allele" if not _ALLELE.match(ref) else "Tumor_Seq_Allele2"
        raise InputError(
            "E_SCHEMA",
            "the allele is no sequence, or both are the same",
            file=path.name,
            row=line,
            column=column,
            fix="export the MAF again as the caller's converter writes it",
        )
    kind = row.get("Variant_Classification", "")
    change = row.get("HGVSp_Short", "")
    consequence = Consequence(
        row.get("Hugo_Symbol") or None, row.get("Transcript_ID", "").split(".")[0] or None, kind, change or None
    )
    return MafRecord(
        line,
        to_vcf(Variant(chrom, start, ref, alt), fetch, file=path.name, row=line),
        sample,
        row.get("NCBI_Build", ""),
        row.get("FILTER", "") or ".",
        _counts(row, "t"),
        _counts(row, "n"),
        consequence if kind else None,
    )


def to_vcf(variant: Variant, fetch: Fetch | None, *, file: str = "", row: int | None = None) -> Variant:
    """VCF alleles of a variant with MAF alleles; unchanged (but trimmed) without a reference.

    Raises
    ------
    InputError
        ``E_BUILD_MISMATCH`` when the reference allele isn't the reference's.
    """
    chrom, start, ref, alt = variant
    if fetch is None:
        return variant if "-" in ref + alt else normalise(variant)
    if ref != "-" and set(ref) <= set("ACGT") and fetch(chrom, start - 1, start - 1 + len(ref)) != ref:
        raise InputError(
            "E_BUILD_MISMATCH",
            "the reference allele differs from the study's reference",
            file=file,
            row=row,
            column="Reference_Allele",
            fix="deliver calls made on the study's build",
        )
    if ref == "-":
        anchor = fetch(chrom, start - 1, start)
        return normalise(Variant(chrom, start, anchor, anchor + alt), fetch)
    if alt == "-":
        anchor = fetch(chrom, start - 2, start - 1)
        return normalise(Variant(chrom, start - 1, anchor + ref, anchor), fetch)
    return normalise(variant, fetch)


def from_vcf(variant: Variant) -> tuple[int, int, str, str, str]:
    """(Start_Position, End_Position, Variant_Type, Reference_Allele, Tumor_Seq_Allele2) of a variant in VCF alleles.

    The GDC MAF specification: shared first bases leave indels, an insertion spans the two bases it lies between,
    substitutions are SNP, DNP, TNP or ONP by their length.
    """
    _, pos, ref, alt = variant
    while ref and alt and ref[0] == alt[0] and len(ref) != len(alt):
        pos, ref, alt = pos + 1, ref[1:], alt[1:]
    if not ref:
        return pos - 1, pos, "INS", "-", alt
    kind = {1: "SNP", 2: "DNP", 3: "TNP"}.get(len(ref), "ONP") if len(ref) == len(alt) else ""
    return pos, pos + len(ref) - 1, kind or ("DEL" if len(ref) > len(alt) else "INS"), ref, alt or "-"


def maf_row(record: CallerRecord, tumour: str, normal: str, build: str) -> dict[str, str]:
    """The columns of a MAF that a caller's record determines; unknown counts are ``.``, as vcf2maf writes them.

    Tumor_Seq_Allele1 is the reference allele: a caller's genotype of a tumour is a formality, and isn't read.
    """
    start, end, kind, ref, alt = from_vcf(record.variant)

    def counts(which: str, found: SampleCounts | None) -> dict[str, str]:
        numbers = (None, None, None) if found is None else (found.depth, found.ref, found.alt)
        names = (f"{which}_depth", f"{which}_ref_count", f"{which}_alt_count")
        return {name: "." if number is None else str(number) for name, number in zip(names, numbers, strict=True)}

    return {
        "NCBI_Build": build,
        "Chromosome": record.variant.chrom,
        "Start_Position": str(start),
        "End_Position": str(end),
        "Strand": "+",
        "Variant_Type": kind,
        "Reference_Allele": ref,
        "Tumor_Seq_Allele1": ref,
        "Tumor_Seq_Allele2": alt,
        "Tumor_Sample_Barcode": tumour,
        "Matched_Norm_Sample_Barcode": normal,
        **counts("t", record.tumour),
        **counts("n", record.normal),
        "FILTER": record.filter,
        "vcf_pos": str(record.variant.pos),
    }


def _counts(row: Mapping[str, str], which: str) -> SampleCounts:
    def count(name: str) -> int | None:
        cell = row.get(name, "").strip()
        return int(cell) if cell.isdigit() else None

    depth, alt, ref = count(f"{which}_depth"), count(f"{which}_alt_count"), count(f"{which}_ref_count")
    if depth is None and alt is not None and ref is not None:
        depth = alt + ref
    if depth is not None and alt is not None:
        depth = max(depth, alt)
    return SampleCounts(depth, alt, alt / depth if alt is not None and depth else None)
