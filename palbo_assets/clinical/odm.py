"""CDISC ODM 1.3: REDCap's export of a whole project, definitions and data, in one XML file.

The definitions become the data dictionary, the data the rows that REDCap would write into its CSV export, so that both
ways of exporting are read by the same code. REDCap's own attributes (``redcap:FieldType``) say what plain ODM can't;
where they are missing, what ODM itself says is used (code lists are choices, dates are dates).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, ParseError

from palbo_assets.clinical.redcap import Dictionary, DictionaryField
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.text import LARGEST_TABLE_BYTES

if TYPE_CHECKING:
    import pandas as pd

_REDCAP = "{https://projectredcap.org}"
_KINDS = {"integer": ("text", "integer"), "float": ("text", "number"), "double": ("text", "number"),
          "date": ("text", "date_ymd"), "partialDate": ("text", "date_ymd"), "datetime": ("text", "datetime_ymd"),
          "partialDatetime": ("text", "datetime_ymd"), "boolean": ("truefalse", "")}  # fmt: skip
_VALIDATIONS = {"int": "integer", "float": "number"}  # REDCap's names in ODM -> in its data dictionary


def read_odm(path: Path) -> tuple[Dictionary, pd.DataFrame]:
    """The dictionary and the rows of an ODM file, as REDCap's CSV files would hold them.

    Returns
    -------
    Dictionary
        One field an ``ItemDef`` (the columns of a checkbox make one field), in the order of the forms.
    pandas.DataFrame
        All columns as ``str``; one row a subject, event, instrument and repeat. The index counts ``FormData``
        elements from 1.

    Raises
    ------
    InputError
        ``E_EMPTY``, ``E_TOO_BIG``; ``E_SCHEMA`` when it is no ODM file, holds more than one study, defines no items, or
        holds values of items that it doesn't define.
    """
    import pandas as pd

    root = _root(path)
    definitions = _only(path, root, "MetaDataVersion")
    _only(path, root, "ClinicalData")
    fields = _fields(path, definitions)
    record_field = definitions.get(f"{_REDCAP}RecordIdField") or next(iter(fields))
    if record_field not in fields:
        raise _unusable(path, "the record's field isn't defined", "MetaDataVersion")
    dictionary = Dictionary({record_field: fields[record_field], **fields}, record_field)
    forms = {form.get("OID", ""): _form_name(form) for form in _all(definitions, "FormDef")}
    # REDCap calls every form non-repeating, and lists the repeating ones among the project's settings.
    repeating = {each.get(f"{_REDCAP}RepeatInstrument", "") for each in _all(root, "RepeatingInstrument")}
    repeating |= {_form_name(form) for form in _all(definitions, "FormDef") if form.get("Repeating") == "Yes"}
    events = {
        event.get("OID", ""): event.get(f"{_REDCAP}UniqueEventName", "") or event.get("OID", "")
        for event in _all(definitions, "StudyEventDef")
    }
    columns = [name for field in dictionary.fields.values() for name in field.export_columns]
    columns += [f"{form}_complete" for form in dictionary.forms]
    system = ["redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"]
    rows: list[dict[str, str]] = []
    for subject in _all(root, "SubjectData"):
        for event, repeat, form in _forms_of(subject):
            oid = form.get("FormOID", "")
            if oid not in forms:
                raise _unusable(path, "data of a form that isn't defined", "FormData", row=len(rows) + 1)
            row = dict.fromkeys([*columns, *system], "")
            row["redcap_event_name"] = events.get(event, event)
            if forms[oid] in repeating:
                row["redcap_repeat_instrument"] = forms[oid]
                row["redcap_repeat_instance"] = form.get("FormRepeatKey", "1")
            elif repeat not in ("", "1"):  # a repeat of the whole event
                row["redcap_repeat_instance"] = repeat
            for item in _all(form, "ItemData"):
                name = _bare(item.get("ItemOID", ""))
                if name.startswith("redcap_") and name not in row:
                    continue  # access group and survey fields: who entered it, not what
                if name not in row:
                    raise _unusable(path, "a value of an item that isn't defined", "ItemData", row=len(rows) + 1)
                row[name] = (item.get("Value") or "").strip()
            row[record_field] = subject.get("SubjectKey", "")
            rows.append(row)
    if not rows:
        raise InputError("E_EMPTY", "the file holds no data of subjects", file=path.name, fix="export with data")
    return dictionary, pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="row"), dtype=str)


def _root(path: Path) -> Element:
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import parse

    size = path.stat().st_size
    if size == 0:
        raise InputError("E_EMPTY", "the file is empty", file=path.name, fix="export it again")
    if size > LARGEST_TABLE_BYTES:
        raise InputError("E_TOO_BIG", f"an export of {size} bytes is not expected here", file=path.name)
    try:
        root = parse(path).getroot()
    except ParseError as error:
        raise InputError(
            "E_SCHEMA", "the XML can't be read", file=path.name, row=error.position[0], fix="export it again"
        ) from None
    except (DefusedXmlException, LookupError, ValueError):
        raise _unusable(path, "the XML defines entities or an unknown encoding", "ODM") from None
    if root is None or _tag(root) != "ODM":
        raise _unusable(path, "this is no ODM file", "ODM")
    return root


def _fields(path: Path, definitions: Element) -> dict[str, DictionaryField]:
    lists = {
        found.get("OID", ""): {
            item.get("CodedValue", ""): " ".join("".join(item.itertext()).split())
            for item in _all(found, "CodeListItem")
        }
        for found in _all(definitions, "CodeList")
    }
    ticks = {found.get("OID", ""): _checkbox_labels(found) for found in _all(definitions, "CodeList")}
    form_of = {
        group.get("ItemGroupOID", ""): _form_name(form)
        for form in _all(definitions, "FormDef")
        for group in _all(form, "ItemGroupRef")
    }
    items = {item.get("OID", ""): item for item in _all(definitions, "ItemDef")}
    fields: dict[str, DictionaryField] = {}
    for group in _all(definitions, "ItemGroupDef"):
        form = form_of.get(group.get("OID", ""), "")
        for reference in _all(group, "ItemRef"):
            item = items.get(reference.get("ItemOID", ""))
            if item is None or not form:
                raise _unusable(path, "an item group names an item or is in a form that isn't defined", "ItemRef")
            _add(fields, item, form, lists, ticks)
    if not fields:
        raise _unusable(path, "no items are defined", "ItemDef")
    return fields


def _add(
    fields: dict[str, DictionaryField],
    item: Element,
    form: str,
    lists: dict[str, dict[str, str]],
    ticks: dict[str, dict[str, str]],
) -> None:
    column = _bare(item.get("OID", ""))
    if column == f"{form}_complete":
        return
    name = item.get(f"{_REDCAP}Variable") or column.partition("___")[0]
    named = next((each.get("CodeListOID", "") for each in _all(item, "CodeListRef")), "")
    kind, validation = _KINDS.get(item.get("DataType", ""), ("text", ""))
    stated = item.get(f"{_REDCAP}TextValidationType")
    validation = _VALIDATIONS.get(stated, stated) if stated else validation
    choices = lists.get(named, {})
    kind = item.get(f"{_REDCAP}FieldType") or ("radio" if choices else kind)
    kind = "dropdown" if kind == "select" else kind  # REDCap's inner name of the field type
    if "___" in column:
        kind, code = "checkbox", column.partition("___")[2]
        known = fields.get(name)
        label = ticks.get(named, {}).get(code, code)
        choices = {**(known.choices if known else {}), code: label}
    fields[name] = DictionaryField(
        name=name,
        form=form,
        kind=kind,
        choices=choices if kind != "text" else {},
        validation=(validation or "").lower(),
        identifier=item.get(f"{_REDCAP}Identifier", "").lower() == "y",
    )


def _checkbox_labels(found: Element) -> dict[str, str]:
    """``1, bone|2, liver`` of a code list, by the code as it stands in the column's name."""
    pairs = (part.partition(",") for part in found.get(f"{_REDCAP}CheckboxChoices", "").split("|"))
    return {code.strip().lower().replace("-", "_"): label.strip() for code, comma, label in pairs if comma}


def _forms_of(subject: Element) -> Iterator[tuple[str, str, Element]]:
    """(event, repeat of the event, form data): classic projects hold forms without events."""
    for child in subject:
        if _tag(child) == "FormData":
            yield "", "", child
        elif _tag(child) == "StudyEventData":
            for form in _all(child, "FormData"):
                yield child.get("StudyEventOID", ""), child.get("StudyEventRepeatKey", ""), form


def _form_name(form: Element) -> str:
    return form.get(f"{_REDCAP}FormName") or form.get("OID", "").removeprefix("Form.")


def _bare(oid: str) -> str:
    """``enrolment.sex`` and ``sex`` are the same item: some exports put the form before it."""
    return oid.rpartition(".")[2]


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _all(element: Element, tag: str) -> Iterator[Element]:
    """The element's descendants of a name, whatever ODM's namespace is called."""
    return (each for each in element.iter() if _tag(each) == tag)


def _only(path: Path, root: Element, tag: str) -> Element:
    found = list(_all(root, tag))
    if len(found) != 1:
        raise _unusable(path, f"there are {len(found)} {tag} elements, one is needed", tag)
    return found[0]


def _unusable(path: Path, message: str, element: str, row: int | None = None) -> InputError:
    return InputError(
        "E_SCHEMA",
        message,
        file=path.name,
        row=row,
        column=element,
        fix="export the whole project with data as CDISC ODM (XML)",
    )
