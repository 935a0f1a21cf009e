"""What the landing makes sure of before it takes alignments of any room: whole, sorted, of this build and sample."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context, Finding

CHROMOSOME_1 = {249250621: "GRCh37", 248956422: "GRCh38"}
"""Length of chromosome 1 in bases -> build: the surest sign of a build (GRC assemblies)."""

_BUILD_NAMES = {
    "grch37": "GRCh37",
    "hg19": "GRCh37",
    "37": "GRCh37",
    "b37": "GRCh37",
    "hs37d5": "GRCh37",
    "grch38": "GRCh38",
    "hg38": "GRCh38",
    "38": "GRCh38",
}


def canonical_build(name: str) -> str:
    """``GRCh38`` for ``hg38`` and so on; a name that isn't known stays as it is."""
    return _BUILD_NAMES.get(name.strip().lower(), name.strip())


def check_build(path: Path, contigs: Mapping[str, int], claim: Claim, context: Context) -> None:
    """Refuse a file whose contigs contradict the study's reference.

    Raises
    ------
    InputError
        ``E_BUILD_MISMATCH``.
    """
    from palbo_assets.genomics.alleles import ContigNames

    fix = "align to the study's reference, or deliver the files made on it"
    claimed, study = canonical_build(claim.genome_build), canonical_build(context.genome_build)
    if claimed and study and claimed != study:
        raise InputError(
            "E_BUILD_MISMATCH",
            "the manifest's genome_build isn't the study's",
            file=path.name,
            column="genome_build",
            fix=fix,
        )
    names = ContigNames(context.contig_lengths)
    shared = 0
    for name, length in contigs.items():
        expected = context.contig_lengths.get(names.canonical(name) or "")
        if expected is None:
            continue
        shared += 1
        if expected != length:
            told = CHROMOSOME_1.get(_length_of_1(contigs), "another build")
            raise InputError(
                "E_BUILD_MISMATCH",
                f"contig lengths aren't those of the study's reference {context.genome_build}; they are of {told}",
                file=path.name,
                fix=fix,
            )
    if contigs and context.contig_lengths and not shared:
        raise InputError("E_BUILD_MISMATCH", "no contig is one of the study's reference", file=path.name, fix=fix)
    build = CHROMOSOME_1.get(_length_of_1(contigs), "")
    if build and (study or claimed) and build != (study or claimed):
        raise InputError("E_BUILD_MISMATCH", f"the length of chromosome 1 is that of {build}", file=path.name, fix=fix)


def _length_of_1(contigs: Mapping[str, int]) -> int:
    return contigs.get("chr1", contigs.get("1", 0))


def verify_alignments(path: Path, claim: Claim, context: Context) -> Finding:
    """BAM or CRAM: whole, of the study's build and of the claimed sample. Every record is read, not only the header.

    A missing or foreign index doesn't matter: the platform builds its own.
    """
    import pysam

    with path.open("rb") as content:
        cram = content.read(4) == b"CRAM"
    if not cram:
        check_container(path)
    elif b"EOF" not in _last_bytes(path, 40):
        raise InputError("E_TRUNCATED", "the end container is missing", file=path.name, fix="send it again")
    pysam.set_verbosity(0)
    try:
        with pysam.AlignmentFile(str(path), check_sq=False) as opened:
            header = opened.header.to_dict()
            contigs = check_header(path, header, claim, context)
            sort = header.get("HD", {}).get("SO", "")
            if sort not in ("", "coordinate"):
                raise InputError(
                    "E_UNSORTED", "reads aren't sorted by coordinate", file=path.name, fix="sort by coordinate"
                )
            # Records of a CRAM can only be decoded beside its reference, which a verifier doesn't have.
            reads = 0 if cram else sum(1 for _ in opened.fetch(until_eof=True))
    except (OSError, ValueError, KeyError):
        raise InputError(
            "E_TRUNCATED", "the alignments can't be read to their end", file=path.name, fix="send the file again"
        ) from None
    if reads == 0 and not cram:
        raise InputError("E_EMPTY", "the file holds no reads", file=path.name, fix="send the right file")
    return {"reads": reads, "contigs": len(contigs)}


def check_header(path: Path, header: Mapping[str, Any], claim: Claim, context: Context) -> dict[str, int]:
    """Contigs (name -> length in bases) of a SAM header, which must be of the study's build and the claimed sample.

    Raises
    ------
    InputError
        ``E_SCHEMA`` without contigs, ``E_BUILD_MISMATCH``, ``E_SAMPLE_MISMATCH``.
    """
    contigs = {line["SN"]: int(line["LN"]) for line in header.get("SQ", [])}
    if not contigs:
        raise InputError(
            "E_SCHEMA",
            "the header names no contig; the reads aren't aligned",
            file=path.name,
            fix="deliver aligned reads",
        )
    check_build(path, contigs, claim, context)
    if context.contig_lengths and not set(contigs) & set(context.contig_lengths):
        raise InputError(
            "E_BUILD_MISMATCH",
            "contigs are spelled otherwise than in the study's reference",
            file=path.name,
            fix="use the reference's names (with or without chr)",
        )
    _check_sample(path, header, claim)
    return contigs


def check_container(path: Path) -> None:
    """Refuse what isn't a BAM's blocks to the end.

    Raises
    ------
    InputError
        ``E_EMPTY``, ``E_NOT_BGZF``, ``E_TRUNCATED`` without the end marker.
    """
    from palbo_assets.genomics.bgzf import EOF_BLOCK, is_bgzf

    if path.stat().st_size == 0:
        raise InputError("E_EMPTY", "the file is empty", file=path.name, fix="send it again")
    if not is_bgzf(path):
        raise InputError("E_NOT_BGZF", "this is no BAM", file=path.name, fix="deliver a BAM or CRAM")
    if _last_bytes(path, len(EOF_BLOCK)) != EOF_BLOCK:
        raise InputError(
            "E_TRUNCATED", "the end marker is missing; the file is cut", file=path.name, fix="send it again"
        )


def _last_bytes(path: Path, count: int) -> bytes:
    with path.open("rb") as content:
        content.seek(max(0, path.stat().st_size - count))
        return content.read()


def _check_sample(path: Path, header: Mapping[str, Any], claim: Claim) -> None:
    names = {line["SM"] for line in header.get("RG", []) if "SM" in line}
    if len(names) > 1:
        raise InputError(
            "E_SAMPLE_MISMATCH",
            "the header's read groups name several samples",
            file=path.name,
            fix="deliver one sample a file",
        )
    if claim.sample_name and names and names != {claim.sample_name}:
        raise InputError(
            "E_SAMPLE_MISMATCH",
            "the header's read groups name another sample than the manifest",
            file=path.name,
            column="sample_name",
            fix="check that the file is the claimed sample's; then correct sample_name",
        )
