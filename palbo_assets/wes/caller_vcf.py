"""Somatic calls of Mutect, Strelka2, VarDict, VarScan2 and callers with plain AD/DP, from their VCF files.

The text is read line by line and not through htslib, because callers' files break its rules (undeclared contigs and
fields, missing headers) while what is wanted from them is plain; and so that every complaint can name the line.
Which sample is the tumour is learnt from header lines or names, never from the order of columns.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from palbo_assets.genomics.alleles import ContigNames, Fetch, Variant, normalise
from palbo_assets.platform.errors import InputError

_COLUMNS = ("CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
_ALLELE = re.compile(r"[ACGTN]+\Z", re.IGNORECASE)
_NORMAL = re.compile(r"normal|blood|germline|pbmc|buffy|control|-N\Z|_N\Z", re.IGNORECASE)
_TUMOUR = re.compile(r"tumou?r|primary|metasta|-T\Z|_T\Z", re.IGNORECASE)
LARGEST_TEXT_BYTES = 4 * 1024**3


@dataclass(frozen=True)
class SampleCounts:
    """Reads of one sample at one alternative allele; None where the caller doesn't say."""

    depth: int | None = None
    alt: int | None = None
    vaf: float | None = None
    alt_forward: int | None = None
    alt_reverse: int | None = None


@dataclass(frozen=True)
class CallerRecord:
    """One alternative allele of one line. ``filter`` is the caller's, ``PASS`` or its reasons joined by ``;``."""

    line: int
    variant: Variant
    filter: str
    tumour: SampleCounts
    normal: SampleCounts | None
    info: Mapping[str, str] = field(default_factory=dict, repr=False)
    given_alt: str = ""  # the allele as the file writes it, which annotations refer to
    given_ref: str = ""

    @property
    def passed(self) -> bool:
        """Whether the caller believes it; a file without any filtering (``.``) leaves that to us."""
        return self.filter in ("PASS", ".", "")


@dataclass(frozen=True)
class CallerVcf:
    """A parsed file. ``skipped`` counts alternative alleles that are no sequence (symbolic, breakends, ``*``)."""

    caller: str
    tumour_sample: str
    normal_sample: str
    contigs: Mapping[str, int]
    records: tuple[CallerRecord, ...]
    skipped: int
    header: tuple[str, ...] = field(repr=False, default=())


def text_lines(path: Path, *, whole_lines: bool = False) -> Iterator[tuple[int, str]]:
    """(line number, line without its end) of a plain, gzip or BGZF text file.

    With ``whole_lines`` a last line without its end is taken as cut: half a record can look like a whole one.

    Raises
    ------
    InputError
        ``E_EMPTY``, ``E_TRUNCATED``, ``E_ENCODING`` or ``E_TOO_BIG``.
    """
    if path.stat().st_size == 0:
        raise InputError("E_EMPTY", "the file is empty", file=path.name, fix="export it again")
    with path.open("rb") as probe:
        packed = probe.read(2) == b"\x1f\x8b"
    number, size, last = 0, 0, b"\n"
    try:
        with gzip.open(path) if packed else path.open("rb") as lines:
            for number, last in enumerate(lines, start=1):
                size += len(last)
                if size > LARGEST_TEXT_BYTES:
                    raise InputError("E_TOO_BIG", "the text is larger than any call set", file=path.name)
                yield number, last.rstrip(b"\r\n").decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(
            "E_ENCODING", "the text is not UTF-8", file=path.name, row=number, fix="save as UTF-8"
        ) from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise InputError(
            "E_TRUNCATED",
            "the compressed text ends early or is damaged",
            file=path.name,
            row=number,
            fix="send it again",
        ) from None
    if whole_lines and not last.endswith(b"\n"):
        raise InputError("E_TRUNCATED", "the last line is cut", file=path.name, row=number, fix="send it again")


def read_vcf(
    path: Path,
    *,
    reference_contigs: Mapping[str, int] | None = None,
    fetch: Fetch | None = None,
    tumour_sample: str = "",
    normal_sample: str = "",
) -> CallerVcf:
    """Read a caller's VCF: one record an alternative allele, contigs named as the reference names them.

    Parameters
    ----------
    reference_contigs
        The study's contigs; the file's names are mapped to them (``1`` is ``chr1``), records on others are skipped.
    fetch
        Reference bases: alleles are checked against it and left-aligned.
    tumour_sample, normal_sample
        Sample names, where the manifest states them; they beat the header.

    Raises
    ------
    InputError
        ``E_SCHEMA`` with the line, ``E_TRUNCATED``, ``E_BUILD_MISMATCH`` (a reference allele isn't the reference's),
        ``E_SAMPLE_MISMATCH`` (the tumour's column can't be told), and what `text_lines` raises.
    """
    names = ContigNames(reference_contigs or ())
    header: list[str] = []
    columns: list[str] = list(_COLUMNS)
    records: list[CallerRecord] = []
    roles: tuple[str, str] | None = None
    caller, skipped, foreign, line = "", 0, 0, 0
    for line, content in text_lines(path, whole_lines=True):
        if content.startswith("##"):
            header.append(content)
            continue
        if content.startswith("#"):
            columns = content[1:].split("\t")
            if tuple(columns[:8]) != _COLUMNS:
                raise InputError(
                    "E_SCHEMA",
                    "the column line isn't that of a VCF",
                    file=path.name,
                    row=line,
                    fix="keep the caller's own #CHROM line",
                )
            continue
        if not content.strip():
            continue
        cells = content.split("\t")
        if len(cells) < 8 or (len(columns) > 8 and len(cells) != len(columns)):
            raise InputError(
                "E_SCHEMA",
                f"the record has {len(cells)} cells, the header {len(columns)}",
                file=path.name,
                row=line,
                fix="the file may be cut: export and send it again",
            )
        if roles is None:
            roles = _sample_roles(path, header, columns[9:], tumour_sample, normal_sample)
            caller = _caller(header, cells[8] if len(cells) > 8 else "")
        chrom = names.canonical(cells[0])
        if chrom is None:
            foreign += 1
            continue
        made, odd = _records(path, line, chrom, cells, columns, roles, fetch)
        records += made
        skipped += odd
    if not header and not records:
        raise InputError("E_SCHEMA", "this is no VCF", file=path.name, row=1, fix="deliver a VCF")
    if foreign and not records:
        raise InputError(
            "E_BUILD_MISMATCH",
            "no record lies on a contig of the study's reference",
            file=path.name,
            fix="deliver calls made on the study's build",
        )
    if roles is None:
        roles = _sample_roles(path, header, columns[9:], tumour_sample, normal_sample)
        caller = _caller(header, "")
    return CallerVcf(
        caller, roles[0], roles[1], declared_contigs(header), tuple(records), skipped + foreign, tuple(header)
    )


def declared_contigs(header: Sequence[str]) -> dict[str, int]:
    """Contig -> length from the ``##contig`` lines that state one."""
    found = {}
    for line in header:
        if line.startswith("##contig="):
            name = re.search(r"[<,]ID=([^,>]+)", line)
            length = re.search(r"[<,]length=(\d+)", line)
            if name and length:
                found[name[1]] = int(length[1])
    return found


def _caller(header: Sequence[str], layout: str) -> str:
    sources = " ".join(line for line in header if line.lower().startswith(("##source", "##mutect", "##gatk"))).lower()
    keys = set(layout.split(":"))
    if "AU" in keys or "TIR" in keys or "strelka" in sources:
        return "strelka2"
    if "FREQ" in keys or "varscan" in sources:
        return "varscan2"
    if {"VD", "ALD"} <= keys or "vardict" in sources:
        return "vardict"
    if "mutect2" in sources or {"F1R2", "F2R1"} <= keys:
        return "mutect2"
    if {"FA", "SS"} <= keys or "mutect" in sources:
        return "mutect"
    return "vcf"


def _sample_roles(
    path: Path, header: Sequence[str], samples: Sequence[str], tumour: str, normal: str
) -> tuple[str, str]:
    """(tumour's column, normal's column or empty text). Without sample columns both are empty."""
    for line in header:
        key, _, value = line[2:].partition("=")
        if key == "tumor_sample" and tumour not in samples:
            tumour = value
        if key == "normal_sample" and normal not in samples:
            normal = value
    tumour = tumour if tumour in samples else ""
    normal = normal if normal in samples else ""
    if not samples:
        return "", ""
    if not tumour and len(samples) == 1:
        return samples[0], ""
    if not tumour:
        marked = [name for name in samples if _TUMOUR.search(name) and not _NORMAL.search(name)]
        unmarked = [name for name in samples if name != normal and not _NORMAL.search(name)]
        likely = marked if len(marked) == 1 else unmarked
        tumour = likely[0] if len(likely) == 1 else ""
    if not tumour:
        raise InputError(
            "E_SAMPLE_MISMATCH",
            "which sample is the tumour can't be told",
            file=path.name,
            fix="name the tumour's sample in the manifest's sample_name, or keep the ##tumor_sample line",
        )
    if not normal:
        others = [name for name in samples if name != tumour]
        normal = others[0] if len(others) == 1 else ""
    return tumour, normal


def _records(
    path: Path,
    line: int,
    chrom: str,
    cells: Sequence[str],
    columns: Sequence[str],
    roles: tuple[str, str],
    fetch: Fetch | None,
) -> tuple[list[CallerRecord], int]:
    fix = "deliver the VCF as the caller wrote it"
    if not (cells[1].isascii() and cells[1].isdigit()):
        raise InputError("E_SCHEMA", "the position is no number", file=path.name, row=line, column="POS", fix=fix)
    if not _ALLELE.match(cells[3]):
        raise InputError(
            "E_SCHEMA", "the reference allele is no sequence", file=path.name, row=line, column="REF", fix=fix
        )
    pos, ref = int(cells[1]), cells[3].upper()
    if pos == 0:  # a telomere, which VCF allows; no base stands there
        return [], len(cells[4].split(","))
    if fetch is not None and set(ref) <= set("ACGT") and fetch(chrom, pos - 1, pos - 1 + len(ref)) != ref:
        raise InputError(
            "E_BUILD_MISMATCH",
            "the reference allele differs from the study's reference",
            file=path.name,
            row=line,
            column="REF",
            fix="deliver calls made on the study's build",
        )
    info = dict(part.partition("=")[::2] for part in cells[7].split(";") if part != ".")
    keys = cells[8].split(":") if len(cells) > 8 else []
    values = {
        name: dict(zip(keys, cell.split(":"), strict=False)) for name, cell in zip(columns[9:], cells[9:], strict=False)
    }
    made, odd = [], 0
    alleles = cells[4].upper().split(",")
    for index, alt in enumerate(alleles):
        if not _ALLELE.match(alt) or alt == ref or "N" in ref + alt:
            odd += 1
            continue
        of_normal = sample_counts(values[roles[1]], ref, alt, index) if roles[1] else None
        made.append(
            CallerRecord(
                line,
                normalise(Variant(chrom, pos, ref, alt), fetch),
                cells[6] or ".",
                sample_counts(values.get(roles[0], {}), ref, alt, index),
                of_normal,
                info,
                alt,
                ref,
            )
        )
    return made, odd


def sample_counts(values: Mapping[str, str], ref: str, alt: str, index: int) -> SampleCounts:
    """Depth and alternative reads of one sample at its ``index``-th alternative allele, in any of the callers' ways.

    Strelka2: tier 1 counts (SNV: the bases' ``AU`` .. ``TU``; indel: ``TAR`` and ``TIR``), as its user guide computes
    allele fractions. VarScan2: ``RD``, ``AD`` and ``FREQ`` in percent. Else ``AD`` by allele with ``DP``, or ``RO``
    and ``AO``.
    """
    depth = alternative = None
    if f"{ref}U" in values and f"{alt}U" in values and len(ref) == len(alt) == 1:
        tiers = [_integers(values.get(f"{base}U", ""))[:1] for base in "ACGT"]
        if all(tier and tier[0] is not None for tier in tiers):
            depth = sum(tier[0] or 0 for tier in tiers)
        alternative = _first(values.get(f"{alt}U", ""))
    elif "TIR" in values:
        alternative, other = _first(values["TIR"]), _first(values.get("TAR", ""))
        depth = alternative + other if alternative is not None and other is not None else None
    elif "AO" in values:
        counts = _integers(values["AO"])
        alternative = counts[index] if index < len(counts) else None
        depth = _first(values.get("DP", ""))
    else:
        counts = _integers(values.get("AD", ""))
        if len(counts) == 1 and "RD" in values:
            alternative = counts[0]
        elif len(counts) > index + 1:
            alternative = counts[index + 1]
        depth = _first(values.get("DP", ""))
        if depth is None and counts and len(counts) > 1 and None not in counts:
            depth = sum(count or 0 for count in counts)
        if alternative is None and index == 0:
            alternative = _first(values.get("VD", ""))
    if depth is not None and alternative is not None:
        # Callers realign: reads that support an allele aren't always in the site's depth.
        depth = max(depth, alternative)
    vaf = alternative / depth if alternative is not None and depth else _fraction(values, index)
    forward, reverse = _strands(values, index)
    return SampleCounts(depth, alternative, vaf, forward, reverse)


def _strands(values: Mapping[str, str], index: int) -> tuple[int | None, int | None]:
    for key, first in (("SB", 2), ("DP4", 2), ("ALD", 0)):
        counts = _integers(values.get(key, ""))
        if index == 0 and len(counts) == first + 2:
            return counts[first], counts[first + 1]
    forward, reverse = _integers(values.get("ADF", "")), _integers(values.get("ADR", ""))
    if len(forward) > index + 1 and len(reverse) > index + 1:
        return forward[index + 1], reverse[index + 1]
    return None, None


def _fraction(values: Mapping[str, str], index: int) -> float | None:
    for key in ("FREQ", "AF", "FA"):
        parts = values.get(key, "").split(",")
        cell = parts[index] if index < len(parts) else ""
        try:
            value = float(cell.rstrip("%")) / (100 if cell.endswith("%") else 1)
        except ValueError:
            continue
        if 0 <= value <= 1:
            return value
    return None


def _integers(cell: str) -> list[int | None]:
    return [int(part) if part.isdigit() else None for part in cell.split(",")] if cell not in ("", ".") else []


def _first(cell: str) -> int | None:
    counts = _integers(cell)
    return counts[0] if counts else None
