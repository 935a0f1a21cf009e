"""One line of a caller's VCF, as text: the readable way, which knows every exception and names every mistake."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from palbo_assets.genomics.alleles import ContigNames, Fetch, Variant, normalise
from palbo_assets.platform.errors import InputError
from palbo_assets.wes.callers.counts import SampleCounts, sample_counts
from palbo_assets.wes.callers.described import SOMATIC, UNKNOWN, Caller
from palbo_assets.wes.callers.roles import Roles

FIX = "deliver the VCF as the caller wrote it"
LARGEST_POSITION = 2**31 - 2  # the longest contig that BAI, CSI and BCF can address
_CONTIG = re.compile(r"<[^<>\s]+>|[0-9A-Za-z!#$%&+./:;?@^_|~-][0-9A-Za-z!#$%&*+./:;=?@^_|~-]*")  # VCF 4.3, 1.6.1
_FORMAT_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")
_ALLELE = re.compile(r"[ACGTN]+\Z", re.IGNORECASE)
_OTHER_ALLELE = re.compile(
    r"<[^<>\s,]+>|\*|\.|[ACGTN.]*[\[\]][^\[\]\s]+[\[\]][ACGTN.]*|\.[ACGTN]+|[ACGTN]+\.|[ACGTN]+/[ACGTN]+",
    re.IGNORECASE,
)  # symbolic, overlapping deletion, missing, breakends; VarScan2's A/T, whose counts are of the two together


class CallerRecord(NamedTuple):
    """One alternative allele of one line.

    filter
        The caller's FILTER, ``PASS`` or its reasons joined by ``;``; ``.`` where it didn't filter.
    passed
        Whether the caller believes it to be somatic: its FILTER passes and its own verdict, where it gives one,
        is somatic. A file without any filtering (``.``) leaves that to us.
    status
        The caller's verdict: ``somatic``, ``germline``, ``loh``, ``unknown``, ..; empty where it gives none.
    given_ref, given_alt
        Alleles as the file writes them, which annotations refer to.
    """

    line: int
    variant: Variant
    filter: str
    passed: bool
    status: str
    tumour: SampleCounts
    normal: SampleCounts | None
    info_text: str = ""
    given_ref: str = ""
    given_alt: str = ""

    @property
    def info(self) -> dict[str, str]:
        """The INFO cell; flags have an empty value."""
        return info_values(self.info_text)

    @property
    def objection(self) -> str:
        """What the caller says of it, for people: its FILTER, and its verdict where that is against."""
        return self.filter if self.status in ("", SOMATIC) else f"{self.filter};{self.status}"


def info_values(cell: str) -> dict[str, str]:
    """Key -> value of an INFO cell; flags have an empty value."""
    return {} if cell in ("", ".") else dict(part.partition("=")[::2] for part in cell.split(";"))


@dataclass(frozen=True)
class RecordReader:
    """What is needed to read one file's records."""

    path: Path
    contigs: ContigNames
    columns: Sequence[str]
    roles: Roles
    caller: Caller
    fetch: Fetch | None = None

    def refuse(
        self, line: int, message: str, column: str = "", *, code: str = "E_SCHEMA", fix: str = FIX
    ) -> InputError:
        """The error that names a line."""
        return InputError(code, message, file=self.path.name, row=line, column=column, fix=fix)

    def read(self, line: int, content: str) -> tuple[list[CallerRecord], int, bool]:
        """(records, alleles that are no sequence, whether the contig isn't the study's) of one line.

        Raises
        ------
        InputError
            ``E_SCHEMA`` or ``E_BUILD_MISMATCH`` with line and column.
        """
        cells = content.split("\t")
        if len(cells) < 8 or (len(self.columns) > 8 and len(cells) != len(self.columns)):
            message = f"the record has {len(cells)} cells, the header {len(self.columns)}"
            raise self.refuse(line, message, fix="the file may be cut: export and send it again")
        chrom = self.contigs.canonical(cells[0])
        if not _CONTIG.fullmatch(cells[0]):
            raise self.refuse(line, "the contig's name isn't one", "CHROM")
        if chrom is None:
            return [], 0, True
        if not (cells[1].isascii() and cells[1].isdigit()) or int(cells[1]) > LARGEST_POSITION:
            raise self.refuse(line, "the position is no number", "POS")
        if not _ALLELE.match(cells[3]):
            raise self.refuse(line, "the reference allele is no sequence", "REF")
        pos, ref, alleles = int(cells[1]), cells[3].upper(), cells[4].split(",")
        for alt in alleles:
            if not (_ALLELE.match(alt) or _OTHER_ALLELE.fullmatch(alt)):
                raise self.refuse(line, "the alternative allele is no allele", "ALT")
        if pos == 0:  # a telomere, which VCF allows; no base stands there
            return [], len(alleles), False
        check_reference(self, line, chrom, pos, ref)
        info, format_keys = cells[7], cells[8].split(":") if len(cells) > 8 else []
        if len(set(format_keys)) != len(format_keys) or not all(_FORMAT_KEY.match(key) for key in format_keys):
            raise self.refuse(line, "FORMAT names a key twice, or one that is no key", "FORMAT")
        if not filter_is_readable(cells[6]):
            raise self.refuse(line, "the filter contradicts itself or has an empty part", "FILTER")
        values = self._sample_values(line, format_keys, cells)
        of_tumour, of_normal = values.get(self.roles.tumour), values.get(self.roles.normal)
        if of_tumour is None:
            of_tumour = info_values(info) if self.caller.site_only else {}
        status = status_of(self.caller, info, of_tumour)
        made, odd, layouts = [], 0, self.caller.all_layouts
        for index, given in enumerate(alleles):
            alt = given.upper()
            if not _ALLELE.match(alt) or alt == ref or "N" in ref + alt:
                odd += 1
                continue
            made.append(
                CallerRecord(
                    line,
                    normalise(Variant(chrom, pos, ref, alt), self.fetch),
                    cells[6] or ".",
                    passes(self.caller, cells[6], status),
                    status,
                    sample_counts(of_tumour, ref, alt, index, layouts, len(alleles)),
                    None if of_normal is None else sample_counts(of_normal, ref, alt, index, layouts, len(alleles)),
                    info,
                    ref,
                    alt,
                )
            )
        return made, odd, False

    def _sample_values(self, line: int, keys: Sequence[str], cells: Sequence[str]) -> dict[str, dict[str, str]]:
        found = {}
        for name, cell in zip(self.columns[9:], cells[9:], strict=False):
            parts = cell.split(":")
            if len(parts) > len(keys):
                raise self.refuse(line, "a sample has more values than FORMAT names", name)
            found[name] = dict(zip(keys, parts, strict=False))
        return found


def check_reference(reader: RecordReader, line: int, chrom: str, pos: int, ref: str) -> None:
    """Refuse a reference allele that isn't the reference's (``E_BUILD_MISMATCH``)."""
    fetch = reader.fetch
    if fetch is not None and set(ref) <= set("ACGT") and fetch(chrom, pos - 1, pos - 1 + len(ref)) != ref:
        message = "the reference allele differs from the study's reference"
        fix = "deliver calls made on the study's build"
        raise reader.refuse(line, message, "REF", code="E_BUILD_MISMATCH", fix=fix)


def status_of(caller: Caller, info: str, of_tumour: Mapping[str, str]) -> str:
    """The caller's own word, empty where it gives none."""
    verdict = caller.verdict
    if verdict is None:
        return ""
    if verdict.of_tumour:
        value = of_tumour.get(verdict.key, "")
    else:
        at = 0 if info.startswith(f"{verdict.key}=") else info.find(f";{verdict.key}=") + 1
        value = info[at:].partition(";")[0].partition("=")[2] if at or info.startswith(f"{verdict.key}=") else ""
    return "" if value in ("", ".") else verdict.values.get(value, UNKNOWN)


def filter_is_readable(cell: str) -> bool:
    """Whether a FILTER cell is a list of names. ``q10;PASS``, as in VCF's own examples, is one that doesn't pass."""
    parts = cell.split(";")
    if len(parts) == 1:
        return not re.search(r"\s", cell)
    return all(part not in ("", ".", "0") and not re.search(r"\s", part) for part in parts)


def passes(caller: Caller, filters: str, status: str) -> bool:
    """Whether FILTER and verdict together mean a somatic variant."""
    return filters in caller.passing and status in ("", SOMATIC)
