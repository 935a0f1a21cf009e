"""REDCap: a longitudinal or repeating project's data export, read with its data dictionary.

An export is a sparse block matrix: one row per record x event x repeat, with all instruments' fields as columns. It
comes with codes (``1``) or with labels (``Female``), which only the dictionary can tell apart. Here it becomes one
frame per instrument, in labels, with typed cells and the line numbers of the export.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.clinical.dates import parse_date, parse_moment
from palbo_assets.clinical.export import Export
from palbo_assets.clinical.queries import Query
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.text import read_table

if TYPE_CHECKING:
    import pandas as pd

# The dictionary downloaded by hand and the one from the API name the same things differently.
_DICTIONARY_COLUMNS = {
    "name": ("Variable / Field Name", "field_name"),
    "form": ("Form Name", "form_name"),
    "kind": ("Field Type", "field_type"),
    "choices": ("Choices, Calculations, OR Slider Labels", "select_choices_or_calculations"),
    "validation": ("Text Validation Type OR Show Slider Number", "text_validation_type_or_show_slider_number"),
    "identifier": ("Identifier?", "identifier"),
}
_SYSTEM = (
    "redcap_event_name",
    "redcap_repeat_instrument",
    "redcap_repeat_instance",
    "redcap_data_access_group",
    "redcap_survey_identifier",
)
_COMPLETE = {"0": "Incomplete", "1": "Unverified", "2": "Complete"}
_YES_NO = {"1": "Yes", "0": "No"}
_TRUE_FALSE = {"1": "True", "0": "False"}
_CHECKED = {"1": "Checked", "0": "Unchecked"}
_LAYOUT_ONLY = ("descriptive",)


@dataclass(frozen=True)
class DictionaryField:
    """One field of the project; ``choices`` maps code -> label and is empty for free entry."""

    name: str
    form: str
    kind: str
    choices: Mapping[str, str]
    validation: str
    identifier: bool

    @property
    def export_columns(self) -> dict[str, str]:
        """Columns of the export that hold the field, with the choice code each stands for (empty if not a checkbox)."""
        if self.kind in _LAYOUT_ONLY:
            return {}
        if self.kind != "checkbox":
            return {self.name: ""}
        return {f"{self.name}___{_column_code(code)}": code for code in self.choices}


@dataclass(frozen=True)
class Dictionary:
    """A project's data dictionary. ``record_field`` is the first field, which names the record."""

    fields: Mapping[str, DictionaryField]
    record_field: str

    @property
    def forms(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(entry.form for entry in self.fields.values()))


def read_dictionary(path: Path) -> Dictionary:
    """The data dictionary in ``path`` (the CSV that REDCap offers for download, or the API's metadata as CSV).

    Raises
    ------
    InputError
        ``E_SCHEMA`` when it isn't a data dictionary or a choice can't be read, and what `read_table` raises.
    """
    table = read_table(path)
    names = {
        key: next((name for name in known if name in table.columns), "") for key, known in _DICTIONARY_COLUMNS.items()
    }
    missing = [_DICTIONARY_COLUMNS[key][0] for key, name in names.items() if not name and key != "identifier"]
    if missing:
        raise InputError(
            "E_SCHEMA",
            f"this isn't a REDCap data dictionary: missing columns {', '.join(missing)}",
            file=path.name,
            row=1,
            column=missing[0],
            fix="download the data dictionary as CSV from the project's setup page",
        )
    fields: dict[str, DictionaryField] = {}
    for row, entry in zip(table.index, table.to_dict("records"), strict=True):
        kind = entry[names["kind"]].lower()
        fields[entry[names["name"]]] = DictionaryField(
            name=entry[names["name"]],
            form=entry[names["form"]],
            kind=kind,
            choices=_choices(entry[names["choices"]], kind, path, int(row)),
            validation=entry[names["validation"]].lower(),
            identifier=bool(names["identifier"]) and entry[names["identifier"]].lower() == "y",
        )
    return Dictionary(fields=fields, record_field=next(iter(fields)))


def _choices(text: str, kind: str, path: Path, row: int) -> dict[str, str]:
    if kind == "yesno":
        return dict(_YES_NO)
    if kind == "truefalse":
        return dict(_TRUE_FALSE)
    if kind not in ("radio", "dropdown", "checkbox"):
        return {}
    found: dict[str, str] = {}
    for part in text.split("|"):
        code, comma, label = part.partition(",")
        if not comma or not code.strip() or code.strip() in found:
            raise InputError(
                "E_SCHEMA",
                "the field's choices can't be read as `code, label | code, label`",
                file=path.name,
                row=row,
                column=_DICTIONARY_COLUMNS["choices"][0],
                fix="download the dictionary again",
            )
        found[code.strip()] = label.strip()
    return found


def _column_code(code: str) -> str:
    """A choice code as REDCap writes it into a checkbox column's name: lower case, a minus becomes an underscore."""
    return code.lower().replace("-", "_")


def read_export(path: Path, dictionary: Dictionary, *, missing_codes: Sequence[str] = ()) -> Export:
    """The data export in ``path``, one frame per instrument.

    Raises
    ------
    InputError
        ``E_SCHEMA`` for columns that the dictionary doesn't know or a repeat of an unknown instrument,
        ``E_MIXED_EXPORT`` when codes and labels stand in one file, ``E_DUPLICATE`` when a record x event x instrument x
        instance stands twice, and what `read_table` raises.
    """
    return read_rows(path, read_table(path), dictionary, missing_codes=missing_codes)


def read_rows(path: Path, table: pd.DataFrame, dictionary: Dictionary, *, missing_codes: Sequence[str] = ()) -> Export:
    """As `read_export`, of rows that were already read as text; ``path`` is for messages."""
    columns = _columns(path, table, dictionary)
    blank = {"", *missing_codes}
    labelled = _is_labelled(path, table, columns, blank)
    reader = _Cells(dictionary, columns, labelled, blank)
    rows: dict[str, list[dict[str, object]]] = {form: [] for form in dictionary.forms}
    seen: set[tuple[str, str, str, str]] = set()
    form_columns = {form: [name for name, known in columns.items() if known.form == form] for form in dictionary.forms}
    queries: list[Query] = []
    for line, cells in zip(table.index, table.to_dict("records"), strict=True):
        record = cells[dictionary.record_field]
        if not record:
            queries.append(Query("", "E_NO_RECORD_ID", dictionary.record_field, int(line), "the row names no record"))
            continue
        event = cells.get("redcap_event_name", "")
        instance = cells.get("redcap_repeat_instance", "")
        repeated = _form_named(cells.get("redcap_repeat_instrument", ""), dictionary, path, int(line))
        filled = [
            form
            for form in dictionary.forms
            if any(_is_filled(cells[name], columns[name]) for name in form_columns[form])
        ]
        if repeated and any(form != repeated for form in filled):
            queries.append(
                Query(
                    record,
                    "W_WRONG_INSTRUMENT",
                    "redcap_repeat_instrument",
                    int(line),
                    "a repeat of one instrument holds cells of another; those are not read",
                )
            )
        for form in [repeated] if repeated else filled:
            key = (record, event, form, instance)
            if key in seen:
                raise InputError(
                    "E_DUPLICATE",
                    "the same record, event, instrument and instance stand twice",
                    file=path.name,
                    row=int(line),
                    column=dictionary.record_field,
                    fix="export once; don't append exports to each other",
                )
            seen.add(key)
            entry: dict[str, object] = {"record_id": record, "event": event, "instance": instance, "row": int(line)}
            for name in form_columns[form]:
                entry[name], query = reader.read(record, name, cells[name], int(line))
                queries.extend(query)
            rows[form].append(entry)
    records = tuple(dict.fromkeys(name for name in table[dictionary.record_field] if name))
    return Export(
        record_field=dictionary.record_field,
        instruments={form: _frame(listed, form_columns[form]) for form, listed in rows.items()},
        records=records,
        labelled=labelled,
        ticks={
            name: {column: known.choices[code] for column, code in known.export_columns.items()}
            for name, known in dictionary.fields.items()
            if known.kind == "checkbox"
        },
        queries=tuple(queries),
    )


def duplicated_by_access_group(records: Iterable[str]) -> dict[str, str]:
    """Records that REDCap prefixed with a data access group (``12-3``) beside the unprefixed one (``3``).

    Returns
    -------
    dict
        prefixed record -> the record that it repeats.
    """
    known = set(records)
    found = {}
    for record in sorted(known):
        prefixed = re.fullmatch(r"\d+-(.+)", record)
        if prefixed and prefixed[1] in known:
            found[record] = prefixed[1]
    return found


@dataclass(frozen=True)
class _Column:
    form: str
    entry: DictionaryField | None  # None for <form>_complete
    choices: Mapping[str, str]


def _columns(path: Path, table: pd.DataFrame, dictionary: Dictionary) -> dict[str, _Column]:
    if dictionary.record_field not in table.columns:
        raise InputError(
            "E_SCHEMA",
            f"the record field {dictionary.record_field} is missing",
            file=path.name,
            row=1,
            column=dictionary.record_field,
            fix="export raw variable names in the header (not labels), with the record field",
        )
    known: dict[str, _Column] = {}
    for entry in dictionary.fields.values():
        for name in entry.export_columns:
            known[name] = _Column(entry.form, entry, _CHECKED if entry.kind == "checkbox" else entry.choices)
    for form in dictionary.forms:
        known[f"{form}_complete"] = _Column(form, None, _COMPLETE)
    found = {}
    for name in table.columns:
        if name == dictionary.record_field or name in _SYSTEM or name.endswith("_timestamp"):
            continue
        if name not in known:
            raise InputError(
                "E_SCHEMA",
                "the column isn't in the data dictionary",
                file=path.name,
                row=1,
                column=name,
                fix="deliver the dictionary that was downloaded together with this export",
            )
        found[name] = known[name]
    return found


def _is_labelled(path: Path, table: pd.DataFrame, columns: Mapping[str, _Column], blank: set[str]) -> bool:
    """Whether the export is labelled. A value that is a code and a label at once says nothing."""
    evidence: dict[bool, tuple[int, str]] = {}
    for name, column in columns.items():
        if not column.choices:
            continue
        codes, labels = set(column.choices), set(column.choices.values())
        for line, cell in table[name].items():
            if cell in blank or (cell in codes) == (cell in labels):
                continue
            evidence.setdefault(cell in labels, (int(str(line)), name))
    if len(evidence) == 2:
        row, name = evidence[True]
        other_row, other = evidence[False]
        raise InputError(
            "E_MIXED_EXPORT",
            f"codes (row {other_row}, column {other}) and labels stand in one file",
            file=path.name,
            row=row,
            column=name,
            fix="export again, either all raw codes or all labels",
        )
    return True in evidence


class _Cells:
    """Turns cells into typed values."""

    def __init__(self, dictionary: Dictionary, columns: Mapping[str, _Column], labelled: bool, blank: set[str]) -> None:
        self.columns = columns
        self.blank = blank
        self.lookup: dict[str, dict[str, str]] = {}
        for name, column in columns.items():
            self.lookup[name] = (
                {label: label for label in column.choices.values()} if labelled else dict(column.choices)
            )

    def read(self, record: str, name: str, cell: str, row: int) -> tuple[object, tuple[Query, ...]]:
        if cell in self.blank:
            return None, ()
        column = self.columns[name]
        if column.choices:
            label = self.lookup[name].get(cell)
            if label is None:
                return None, (Query(record, "E_UNKNOWN_CHOICE", name, row, "not one of the field's choices"),)
            return (label == "Checked" if column.choices is _CHECKED else label), ()
        validation = column.entry.validation if column.entry else ""
        try:
            if validation.startswith("datetime"):
                return parse_moment(cell), ()
            if validation.startswith("date"):
                return parse_date(cell), ()
        except (ValueError, OverflowError):
            return None, (Query(record, "E_BAD_DATE", name, row, "not a year-first date"),)
        if validation.startswith(("integer", "number")) or (column.entry and column.entry.kind == "calc"):
            try:
                value = float(cell)
            except ValueError:
                value = float("nan")
            if value - value != 0:  # NaN and infinities
                return None, (Query(record, "E_NOT_A_NUMBER", name, row, "not a number"),)
            return value, ()
        return cell, ()


def _is_filled(cell: str, column: _Column) -> bool:
    """Whether the cell shows that its instrument was entered in this row; an unticked box shows nothing."""
    if column.choices is _CHECKED:
        return cell in ("1", "Checked")
    return cell != ""


def _form_named(text: str, dictionary: Dictionary, path: Path, row: int) -> str:
    """The instrument of a repeat; labelled exports name it by its title."""
    if text == "":
        return ""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    if name not in dictionary.forms:
        raise InputError(
            "E_SCHEMA",
            "the repeated instrument isn't in the data dictionary",
            file=path.name,
            row=row,
            column="redcap_repeat_instrument",
            fix="deliver the dictionary that was downloaded together with this export",
        )
    return name


def _frame(rows: list[dict[str, object]], fields: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=["record_id", "event", "instance", "row", *fields], dtype=object)
