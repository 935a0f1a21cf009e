"""What a VCF's header must be for its records to mean anything: the rules that no caller breaks.

Undeclared contigs and fields are common and harmless here; a declaration without its type or its end is a file that was
edited or cut. Source: VCF specification 4.3, section 1.4 (samtools/hts-specs).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from palbo_assets.platform.errors import InputError

_VERSION = re.compile(r"##fileformat=VCFv\d+(\.\d+)?\Z")
_STRUCTURED = re.compile(r"##(INFO|FORMAT|FILTER|contig|SAMPLE)=(.*)\Z", re.DOTALL)
_PART = re.compile(r'([A-Za-z_][A-Za-z0-9_.]*)=("(?:[^"\\]|\\.)*"|[^",]*)(?:,|\Z)')
_NUMBER = re.compile(r"\d+|[ARG.]|-1")  # -1 is VCF 4.0's way to say unknown
_TYPES = {
    "INFO": frozenset({"Integer", "Float", "Flag", "Character", "String"}),
    "FORMAT": frozenset({"Integer", "Float", "Character", "String"}),
}
_FIX = "deliver the VCF as the caller wrote it"


def refuse_broken_header(path: Path, header: Sequence[str]) -> None:
    """Refuse a header (its ``##`` lines in order) that isn't a VCF's.

    Raises
    ------
    InputError
        ``E_SCHEMA`` with the line.
    """
    if not header or not _VERSION.match(header[0]):
        raise InputError("E_SCHEMA", "the first line names no VCF version", file=path.name, row=1, fix=_FIX)
    for row, line in enumerate(header, start=1):
        structured = _STRUCTURED.match(line)
        complaint = _complaint(structured[1], structured[2]) if structured else _plain(line)
        if complaint:
            raise InputError("E_SCHEMA", complaint, file=path.name, row=row, fix=_FIX)


def _plain(line: str) -> str:
    key, equals, value = line[2:].partition("=")
    return "" if key.strip() and equals and value.strip() else "the header line is no key=value"


def _complaint(kind: str, value: str) -> str:
    if not (value.startswith("<") and value.endswith(">")):
        return f"the {kind} line isn't enclosed in <>"
    content = value[1:-1]
    parts: dict[str, str] = {}
    at = 0
    while at < len(content):
        found = _PART.match(content, at)
        if found is None:
            return f"the {kind} line can't be read as key=value pairs"
        if found[1] in parts:
            return f"the {kind} line says {found[1]} twice"
        parts[found[1]] = found[2]
        at = found.end()
    if not parts.get("ID") or any(letter.isspace() for letter in parts["ID"]):
        return f"the {kind} line has no ID, or one with a blank in it"
    if kind in _TYPES:
        if not _NUMBER.fullmatch(parts.get("Number", "")):
            return f"the {kind} line's Number is no number, A, R, G or ."
        if parts.get("Type") not in _TYPES[kind]:
            return f"the {kind} line's Type is none of VCF's"
    if kind in ("INFO", "FORMAT", "FILTER") and not parts.get("Description", "").startswith('"'):
        return f"the {kind} line has no quoted Description"
    return ""
