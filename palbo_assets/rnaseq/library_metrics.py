"""What tools say of a library: STAR's Log.final.out, Picard's RNA metrics, Qualimap's RNA report, salmon's
meta_info.json and lib_format_counts.json, kallisto's run_info.json.

Told apart by content, never by name. None of them is needed; what they don't say stays null.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from palbo_assets.platform.errors import InputError
from palbo_assets.rnaseq import delimited
from palbo_assets.rnaseq.quantifiers import infer_strandedness

STAR, PICARD, QUALIMAP = "star_log", "picard_rna_metrics", "qualimap_rnaseq"
SALMON, SALMON_STRAND, KALLISTO = "salmon_meta_info", "salmon_lib_format", "kallisto_run_info"

_STAR_READS = {
    "Number of input reads": "input",
    "Uniquely mapped reads number": "unique",
    "Number of reads mapped to multiple loci": "multiple",
}
_QUALIMAP_BIAS = re.compile(r"^\s*5'-3' bias\s*=\s*(\S+)\s*$", re.MULTILINE)
# Reads processed and mapped, as the quantifiers' own reports call them.
_MAPPED = {SALMON: ("num_processed", "num_mapped"), KALLISTO: ("n_processed", "n_pseudoaligned")}
# salmon's library types by the strand of the first read: inward, outward, matching, single.
_FORWARD, _REVERSE = ("ISF", "OSF", "MSF", "SF"), ("ISR", "OSR", "MSR", "SR")
_QUALIMAP_EXONIC = re.compile(r"^\s*exonic\s*=.*\(([0-9.]+)%\)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class LibraryMetrics:
    """``mapped_share``: reads that aligned anywhere, of all; ``three_prime_ratio``: median coverage at the 3' end over
    that at the 5' end; ``ribosomal_share`` and ``exonic_share`` (coding and untranslated): of aligned bases (Qualimap:
    of reads); ``strandedness`` as `quantifiers.infer_strandedness` words it. None where the tool doesn't say."""

    tools: tuple[str, ...] = ()
    mapped_share: float | None = None
    three_prime_ratio: float | None = None
    ribosomal_share: float | None = None
    exonic_share: float | None = None
    strandedness: str | None = None


def read_metrics(path: Path) -> LibraryMetrics:
    """Recognise and read one report.

    Raises
    ------
    InputError
        ``E_SCHEMA`` for another file or a value that isn't a number; and what `delimited.content_of` raises.
    """
    text = delimited.content_of(path).decode("utf-8").replace("\r\n", "\n")
    if text.lstrip().startswith("{"):
        return _of_a_quantifier(text, path)
    if "Number of input reads |" in text:
        return _star(text, path)
    if "## METRICS CLASS\tpicard.analysis.RnaSeqMetrics" in text or "PCT_RIBOSOMAL_BASES" in text:
        return _picard(text, path)
    if found := _QUALIMAP_BIAS.search(text):
        # Qualimap divides the 5' coverage by the 3' coverage.
        ratio = _number(found[1], path, None, "5'-3' bias")
        exonic = _QUALIMAP_EXONIC.search(text)
        return LibraryMetrics(
            (QUALIMAP,),
            three_prime_ratio=1 / ratio if ratio else None,
            exonic_share=_number(exonic[1], path, None, "exonic") / 100 if exonic else None,
        )
    raise _unknown(path)


def _unknown(path: Path) -> InputError:
    return InputError(
        "E_SCHEMA",
        "the report is none of STAR's Log.final.out, Picard's CollectRnaSeqMetrics, Qualimap's rnaseq_qc_results, "
        "salmon's meta_info.json or lib_format_counts.json, kallisto's run_info.json",
        file=path.name,
        fix="deliver the report as the tool wrote it",
    )


def combine(reports: Iterable[LibraryMetrics]) -> LibraryMetrics:
    """One library's reports together; the first that says a value counts."""
    reports = list(reports)

    def first(name: str) -> Any:
        return next((value for report in reports if (value := getattr(report, name)) is not None), None)

    said = [field.name for field in fields(LibraryMetrics) if field.name != "tools"]
    return LibraryMetrics(tuple(tool for report in reports for tool in report.tools), **{n: first(n) for n in said})


def _of_a_quantifier(text: str, path: Path) -> LibraryMetrics:
    """Reports as JSON."""
    try:
        report = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            "E_TRUNCATED", "the report isn't whole JSON", file=path.name, row=error.lineno, fix="send the file again"
        ) from None

    def counts(*names: str) -> list[float]:
        return [_number(str(report[name]), path, None, name) for name in names]

    for tool, (processed, mapped) in _MAPPED.items():
        if {processed, mapped} <= report.keys():
            total, found = counts(processed, mapped)
            if found > total:
                raise InputError(
                    "E_SCHEMA",
                    "more reads mapped than were processed",
                    file=path.name,
                    column=mapped,
                    fix="deliver the report as the tool wrote it",
                )
            return LibraryMetrics((tool,), mapped_share=found / total if total else None)
    if {*_FORWARD, *_REVERSE} <= report.keys():
        strandedness = infer_strandedness(sum(counts(*_FORWARD)), sum(counts(*_REVERSE)))
        return LibraryMetrics((SALMON_STRAND,), strandedness=strandedness)
    raise _unknown(path)


def _star(text: str, path: Path) -> LibraryMetrics:
    reads: dict[str, float] = {}
    for row, line in enumerate(text.splitlines(), start=1):
        label, bar, value = line.partition("|")
        if bar and label.strip() in _STAR_READS:
            reads[_STAR_READS[label.strip()]] = _number(value.strip(), path, row, label.strip())
    total = reads.get("input", 0.0)
    if set(reads) != set(_STAR_READS.values()) or reads["unique"] + reads["multiple"] > total:
        raise InputError("E_TRUNCATED", "STAR's read counts aren't all there or don't add up", file=path.name)
    return LibraryMetrics((STAR,), mapped_share=(reads["unique"] + reads["multiple"]) / total if total else None)


def _picard(text: str, path: Path) -> LibraryMetrics:
    lines = text.splitlines()
    at = next((i for i, line in enumerate(lines) if "PCT_RIBOSOMAL_BASES" in line.split("\t")), len(lines))
    if at + 1 >= len(lines) or len(lines[at].split("\t")) != len(lines[at + 1].split("\t")):
        raise InputError("E_TRUNCATED", "Picard's row of metrics isn't whole", file=path.name, row=at + 2)
    cells = dict(zip(lines[at].split("\t"), lines[at + 1].split("\t"), strict=True))

    def value(column: str) -> float | None:
        cell = cells.get(column, "")
        return None if cell in ("", "?") else _number(cell, path, at + 2, column)

    ratio = value("MEDIAN_5PRIME_TO_3PRIME_BIAS")
    coding, untranslated = value("PCT_CODING_BASES"), value("PCT_UTR_BASES")
    return LibraryMetrics(
        (PICARD,),
        three_prime_ratio=1 / ratio if ratio else None,
        ribosomal_share=value("PCT_RIBOSOMAL_BASES"),
        exonic_share=None if coding is None or untranslated is None else min(coding + untranslated, 1.0),
    )


def _number(cell: str, path: Path, row: int | None, column: str) -> float:
    try:
        found = float(cell)
    except ValueError:
        found = math.nan
    if not math.isfinite(found) or found < 0:
        raise InputError("E_SCHEMA", "the value is not a number", file=path.name, row=row, column=column)
    return found
