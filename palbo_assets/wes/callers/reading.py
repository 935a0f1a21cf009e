"""One caller's VCF while it is read, line by line, and what it is when it was."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from palbo_assets.genomics.alleles import ContigNames, Fetch
from palbo_assets.platform.errors import InputError
from palbo_assets.wes.callers.described import Caller, recognise
from palbo_assets.wes.callers.records import CallerRecord, RecordReader
from palbo_assets.wes.callers.roles import Roles, sample_roles

_COLUMNS = ("CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
_MAIN = re.compile(r"(chr)?([1-9]|1\d|2[0-2]|X|Y)\Z")


@dataclass(frozen=True)
class CallerVcf:
    """A parsed file. ``skipped`` counts alternative alleles that are no sequence (symbolic, breakends, ``*``)."""

    described: Caller
    roles: Roles
    contigs: Mapping[str, int]
    records: tuple[CallerRecord, ...]
    skipped: int
    header: tuple[str, ...] = field(repr=False, default=())
    samples: tuple[str, ...] = ()

    @property
    def caller(self) -> str:
        """The caller's name, ``vcf`` where it isn't known."""
        return self.described.name

    @property
    def tumour_sample(self) -> str:
        """The tumour's column; empty where the file has no samples."""
        return self.roles.tumour

    @property
    def normal_sample(self) -> str:
        """The normal's column, or empty."""
        return self.roles.normal


class Reading:
    """A file while it is read, line by line."""

    def __init__(
        self, path: Path, contigs: ContigNames, fetch: Fetch | None, tumour_sample: str, normal_sample: str
    ) -> None:
        self.path, self.contigs, self.fetch = path, contigs, fetch
        self._stated = (tumour_sample, normal_sample)
        self.header: list[str] = []
        self.columns: list[str] = []
        self.reader: RecordReader | None = None
        self.records: list[CallerRecord] = []
        self.skipped = self.foreign = 0
        self._spelling: dict[bool, str] = {}

    def take(self, line: int, content: str) -> None:
        """Take one line in.

        Raises
        ------
        InputError
            What is wrong with it.
        """
        if content.startswith("##"):
            self.header.append(content)
        elif content.startswith("#"):
            self._column_line(line, content)
        elif content.strip():
            cells = content.split("\t", 9)
            self.spell(line, cells[0])
            reader = self.reader or self.start(cells)
            made, odd, foreign = reader.read(line, content)
            self.records += made
            self.skipped += odd
            self.foreign += foreign

    def _column_line(self, line: int, content: str) -> None:
        columns = content[1:].split("\t")
        while len(columns) == 9 and not columns[-1]:  # a tab at the end, which some tools write
            columns.pop()
        samples = columns[9:]
        if tuple(columns[:8]) != _COLUMNS or self.columns or (len(columns) > 8 and columns[8] != "FORMAT"):
            raise InputError(
                "E_SCHEMA",
                "the column line isn't that of a VCF",
                file=self.path.name,
                row=line,
                fix="keep the caller's own #CHROM line",
            )
        if "" in samples or len(set(samples)) != len(samples):
            raise InputError(
                "E_SCHEMA",
                "a sample has no name, or two have one",
                file=self.path.name,
                row=line,
                fix="keep the caller's own #CHROM line",
            )
        self.columns = columns

    def start(self, cells: Sequence[str]) -> RecordReader:
        """Settle, at the first record, which caller and which samples these are."""
        keys = frozenset(cells[8].split(":")) if len(cells) > 8 else frozenset()
        info = frozenset(part.partition("=")[0] for part in cells[7].split(";")) if len(cells) > 7 else frozenset()
        columns = self.columns or list(_COLUMNS)
        roles = sample_roles(self.path, self.header, columns[9:], *self._stated)
        caller = recognise(self.header, keys, info)
        self.reader = RecordReader(self.path, self.contigs, columns, roles, caller, self.fetch)
        return self.reader

    def spell(self, line: int, name: str) -> None:
        """Refuse a file that calls one chromosome with and another without ``chr``: two builds were mixed."""
        main = _MAIN.match(name)
        if main:
            self._spelling[bool(main[1])] = name
            if len(self._spelling) == 2:
                raise InputError(
                    "E_SCHEMA",
                    "chromosomes are named with and without chr in one file",
                    file=self.path.name,
                    row=line,
                    column="CHROM",
                    fix="deliver calls made on one reference",
                )

    def result(self) -> CallerVcf:
        """The whole file.

        Raises
        ------
        InputError
            When it is no VCF, or of another genome.
        """
        if not self.header and not self.records:
            raise InputError("E_SCHEMA", "this is no VCF", file=self.path.name, row=1, fix="deliver a VCF")
        if self.foreign and not self.records:
            raise InputError(
                "E_BUILD_MISMATCH",
                "no record lies on a contig of the study's reference",
                file=self.path.name,
                fix="deliver calls made on the study's build",
            )
        samples = tuple(self.columns[9:])
        if self.reader is None:
            roles = sample_roles(self.path, self.header, samples, *self._stated)
            caller = recognise(self.header, frozenset(), frozenset())
        else:
            roles, caller = self.reader.roles, self.reader.caller
        return CallerVcf(
            caller,
            roles,
            declared_contigs(self.header),
            tuple(self.records),
            self.skipped + self.foreign,
            tuple(self.header),
            samples,
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
