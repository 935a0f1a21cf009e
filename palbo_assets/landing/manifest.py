"""``delivery.csv``: what a lab says of the files of one delivery.

One bad row costs only its own file; complaints of the same kind are told once, with the rows they concern.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path

from palbo_assets.landing.names import is_index, problem_of_path
from palbo_assets.landing.problem import Problem, problem
from palbo_assets.landing.settings import Settings
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim
from palbo_assets.platform.text import decode
from palbo_assets.study.protocol import load_protocol, valid_patient_id
from palbo_assets.study.vocabulary import TIMEPOINTS, Modality

REQUIRED = ("file", "modality", "patient_id", "timepoint", "specimen_id", "sha256")
COLUMNS = tuple(item.name for item in fields(Claim))
MODALITIES = tuple(str(modality) for modality in Modality)

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:#+()/-]{0,99}")
_LABELS = ("specimen_id", "sample_name", "genome_build", "panel_version", "library", "site", "lab_id", "role")
_DATE = re.compile(r"[0-9]{4}[-./]?[0-9]{1,2}[-./]?[0-9]{1,2}")
# Resident registration number (6 + 7 digits) and mobile number, as Korean labs write them.
_PERSONAL = re.compile(r"(?<![0-9])(?:[0-9]{6}-[1-8][0-9]{6}|01[016789]-[0-9]{3,4}-[0-9]{4})(?![0-9])")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST_CELL = 1000


@dataclass(frozen=True)
class Row:
    """One row: its line in the file, the claim in canonical vocabulary, and what is wrong with it."""

    line: int
    claim: Claim
    problem: Problem | None = None


@dataclass(frozen=True)
class Manifest:
    """``problem`` concerns the whole manifest (then there are no rows); ``problems`` groups those of its rows."""

    rows: tuple[Row, ...] = ()
    problem: Problem | None = None
    finished: bool = True  # the last line ends in a newline: nothing was cut off
    notes: tuple[Problem, ...] = field(default=())

    @property
    def claims(self) -> list[Claim]:
        """Claims of the rows without a problem."""
        return [row.claim for row in self.rows if row.problem is None]

    @property
    def problems(self) -> list[Problem]:
        """Every kind of problem once, naming its rows."""
        if self.problem is not None:
            return [self.problem]
        return [*grouped((row.line, row.problem) for row in self.rows if row.problem is not None), *self.notes]


def read_manifest(path: Path, settings: Settings | None = None) -> Manifest:
    """Read ``delivery.csv``; never raises for what a lab may have written."""
    limit = (settings or Settings()).largest_manifest_bytes
    try:
        if path.stat().st_size > limit:
            return Manifest(problem=problem("E_TOO_BIG", "the manifest is too large", fix="split the delivery"))
        content = decode(path)
    except InputError as error:
        return Manifest(problem=Problem.of(error))
    except UnicodeDecodeError:
        return Manifest(problem=problem("E_ENCODING", "the text can't be decoded", fix="save the manifest as UTF-8"))
    except OSError:
        return Manifest(problem=problem("E_UNREADABLE", "the manifest can't be opened", fix="make it readable"))
    return parse_manifest(content)


def parse_manifest(content: str) -> Manifest:
    """The manifest in ``content``: rows in canonical vocabulary, each with its own problem."""
    content = content.removeprefix("\ufeff")
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    header: list[str] | None = None
    rows: list[Row] = []
    notes: list[Problem] = []
    try:
        while True:
            line = reader.line_num + 1
            cells = next(reader, None)
            if cells is None:
                break
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = [cell.strip().lower().replace(" ", "_") for cell in cells]
                found, notes = _check_header(header)
                if found is not None:
                    return Manifest(problem=found)
                continue
            rows.append(_row(line, header, [cell.strip() for cell in cells]))
    except csv.Error:
        return Manifest(
            problem=problem(
                "E_SCHEMA",
                "the row can't be read: a quotation mark isn't closed, or a cell is longer than any name",
                fix="close the quotation mark and export again",
                row=reader.line_num,
            )
        )
    if header is None or not rows:
        return Manifest(problem=problem("E_EMPTY", "the manifest names no files", fix="add a row for each file"))
    return Manifest(rows=_named_once(rows), finished=content.endswith(("\n", "\r")), notes=tuple(notes))


def _check_header(header: Sequence[str]) -> tuple[Problem | None, list[Problem]]:
    missing = [name for name in REQUIRED if name not in header]
    unknown = [name for name in header if name and name not in COLUMNS]
    twice = sorted({name for name in header if name in COLUMNS and header.count(name) > 1})
    if twice:
        return problem("E_SCHEMA", "a column name stands twice", fix="remove one", row=1, column=twice[0]), []
    if missing:
        mark = next((mark for mark in ";\t|" if len(header) == 1 and mark in header[0]), "")
        if mark:
            fix = "export with a comma as delimiter"
        else:
            near = difflib.get_close_matches(missing[0], unknown, n=1, cutoff=0.6)
            # A heading is vocabulary, not a value, but only what resembles ours is repeated.
            fix = "rename the column that resembles it" if near else "add the column (it may be empty)"
        text = f"missing columns: {', '.join(missing)}"
        return problem("E_SCHEMA", text, fix=fix, row=1, column=missing[0]), []
    if unknown:
        places = ", ".join(str(header.index(name) + 1) for name in unknown[:5])
        text = f"unknown headings are ignored (column {places})"
        return None, [problem("W_UNKNOWN_COLUMN", text, fix="known: " + ", ".join(COLUMNS), row=1)]
    return None, []


def _row(line: int, header: Sequence[str], cells: Sequence[str]) -> Row:
    named = {name: cell for name, cell in zip(header, cells, strict=False) if name in COLUMNS}
    file = named.get("file", "")
    if len(cells) != len(header):
        found = problem(
            "E_SCHEMA",
            f"the row has {len(cells)} cells, the header {len(header)}",
            fix="quote cells that contain a comma",
        )
        return Row(line, Claim(file if problem_of_path(file) is None else "", ""), replace(found, row=line))
    claim, found_problem = canonical(named)
    return Row(line, claim, None if found_problem is None else replace(found_problem, row=line))


def canonical(named: Mapping[str, str]) -> tuple[Claim, Problem | None]:
    """A claim in canonical vocabulary, and the first thing that is wrong with it.

    A cell that isn't valid is left empty in the claim: what isn't understood is neither stored nor shown.
    """
    found: list[Problem] = []
    valid: dict[str, str] = {}

    def check(column: str, problem_found: Problem | None, value: str) -> None:
        if problem_found is None:
            valid[column] = value
        else:
            found.append(problem_found)

    for column, cell in named.items():
        unfit = _cell_problem(column, cell)
        if unfit is not None:
            found.append(unfit)
            named = {**named, column: ""}
    file = named.get("file", "")
    check("file", problem_of_path(file), file)
    modality = named.get("modality", "").lower()
    check("modality", _modality_problem(modality), modality)
    patient_id = named.get("patient_id", "")
    check("patient_id", _patient_problem(patient_id), patient_id)
    label = named.get("timepoint", "")
    timepoint = _canonical_timepoint(label) if label else ""
    check("timepoint", _timepoint_problem(label, timepoint), timepoint)
    sha256 = named.get("sha256", "").lower()
    check("sha256", _sha256_problem(sha256), sha256)
    for column in _LABELS:
        cell = named.get(column, "")
        check(column, _label_problem(column, cell), cell.lower() if column == "role" else cell)
    collected_on = named.get("collected_on", "")
    check("collected_on", _date_problem(collected_on), collected_on)
    claim = Claim(**{"file": "", "modality": "", "note": named.get("note", "") if not found else "", **valid})
    return claim, found[0] if found else None


def _cell_problem(column: str, cell: str) -> Problem | None:
    """What no cell may hold; such a cell is read as empty."""
    if len(cell) > _LONGEST_CELL:
        return problem("E_SCHEMA", "the cell is too long", fix="shorten it", column=column)
    if column != "sha256" and _PERSONAL.search(cell):
        text = "the cell looks like a resident registration or telephone number"
        return problem("E_PHI_FOUND", text, fix="remove it: use study ids only", column=column)
    return None


@lru_cache(maxsize=256)
def _canonical_timepoint(label: str) -> str:
    return load_protocol().canonical(label) or ""


def _modality_problem(modality: str) -> Problem | None:
    if modality in MODALITIES:
        return None
    near = difflib.get_close_matches(modality, MODALITIES, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return problem(
        "E_UNKNOWN_MODALITY",
        "the modality is not known" if modality else "the modality is empty",
        fix=f"{hint}use one of {', '.join(MODALITIES)}",
        column="modality",
    )


def _patient_problem(patient_id: str) -> Problem | None:
    if not patient_id or valid_patient_id(patient_id):
        return None
    if valid_patient_id(patient_id.upper().replace("_", "-").replace(" ", "")):
        fix = "write it in capitals, with hyphens and without blanks"
    else:
        fix = "use the study id: capitals and digits, single hyphens inside"
    return problem("E_BAD_PATIENT_ID", "the patient id doesn't follow the study's form", fix=fix, column="patient_id")


def _timepoint_problem(label: str, timepoint: str) -> Problem | None:
    if not label or timepoint:
        return None
    near = difflib.get_close_matches(label.upper(), TIMEPOINTS, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return problem(
        "E_UNKNOWN_TIMEPOINT",
        "the timepoint is not known",
        fix=f"{hint}use one of {', '.join(TIMEPOINTS)}",
        column="timepoint",
    )


def _sha256_problem(sha256: str) -> Problem | None:
    if not sha256 or _SHA256.fullmatch(sha256):
        return None
    fix = "32 digits are an MD5: write the SHA-256" if len(sha256) == 32 else "write the 64 hexadecimal digits"
    return problem("E_SCHEMA", "the checksum is not a SHA-256", fix=fix, column="sha256")


def _label_problem(column: str, cell: str) -> Problem | None:
    if not cell or _LABEL.fullmatch(cell):
        return None
    return problem(
        "E_SCHEMA",
        "the cell holds characters that a label can't have",
        fix="use letters, digits, blanks and . _ : # + ( ) / -, at most 100, beginning with a letter or digit",
        column=column,
    )


def _date_problem(cell: str) -> Problem | None:
    if not cell or _DATE.fullmatch(cell):
        return None
    return problem("E_SCHEMA", "the cell is not a date", fix="write year-month-day", column="collected_on")


def _named_once(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Rows with a problem set on those that name a file another row names too: neither claim can be trusted."""
    lines: dict[str, list[int]] = {}
    for row in rows:
        if row.claim.file and not is_index(row.claim.file):
            lines.setdefault(row.claim.file, []).append(row.line)
    checked = []
    for row in rows:
        others = [line for line in lines.get(row.claim.file, ()) if line != row.line]
        if others and row.problem is None:
            found = problem(
                "E_NAMED_TWICE",
                "several rows name the file",
                fix="keep one row for each file",
                row=row.line,
                column="file",
            )
            row = replace(row, problem=found)
        checked.append(row)
    return tuple(checked)


def grouped(found: Iterable[tuple[int | None, Problem]]) -> list[Problem]:
    """Problems of the same kind once, with the rows they concern; in order of their first row."""
    kinds: dict[tuple[str, str, str], tuple[Problem, list[int]]] = {}
    for line, item in found:
        _, lines = kinds.setdefault((item.code, item.column, item.fix), (item, []))
        if line is not None:
            lines.append(line)
    return [
        replace(first, message=f"{first.message}: {spans(lines)}" if len(lines) > 1 else first.message)
        for first, lines in kinds.values()
    ]


def spans(lines: Sequence[int], longest: int = 8) -> str:
    """``rows 2-9, 14`` for row numbers; at most ``longest`` spans are written out."""
    ordered = sorted(set(lines))
    runs: list[list[int]] = []
    for line in ordered:
        if runs and line == runs[-1][1] + 1:
            runs[-1][1] = line
        else:
            runs.append([line, line])
    shown = ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in runs[:longest])
    more = f" and more ({len(ordered)} rows in all)" if len(runs) > longest else ""
    return f"row{'s' if len(ordered) > 1 else ''} {shown}{more}"
