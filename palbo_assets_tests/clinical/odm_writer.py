"""Writes a REDCap CSV export and its dictionary as the ODM file that REDCap would export of the same project."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, register_namespace

from palbo_assets.clinical.redcap import Dictionary, DictionaryField, read_dictionary
from palbo_assets.demo.clinical_project import Row, read_csv

ODM = "http://www.cdisc.org/ns/odm/v1.3"
REDCAP = "https://projectredcap.org"
FIXED = {"yesno": {"1": "Yes", "0": "No"}, "truefalse": {"1": "True", "0": "False"}}
TICKED = {"1": "Checked", "0": "Unchecked"}
COMPLETE = {"0": "Incomplete", "1": "Unverified", "2": "Complete"}


def write_odm(export: Path, dictionary: Path, target: Path) -> Path:
    register_namespace("", ODM)
    register_namespace("redcap", REDCAP)
    known = read_dictionary(dictionary)
    _, rows = read_csv(export)
    root = Element(f"{{{ODM}}}ODM", {"ODMVersion": "1.3.1", "FileType": "Snapshot"})
    study = _sub(root, "Study", OID="Project.Twin")
    settings = SubElement(_sub(study, "GlobalVariables"), f"{{{REDCAP}}}RepeatingInstrumentsAndEvents")
    repeated = {row.get("redcap_repeat_instrument", "") for row in rows} - {""}
    for form in sorted(repeated):
        SubElement(settings, f"{{{REDCAP}}}RepeatingInstrument", {f"{{{REDCAP}}}RepeatInstrument": form})
    version = _sub(study, "MetaDataVersion", OID="Metadata.Twin")
    version.set(f"{{{REDCAP}}}RecordIdField", known.record_field)
    column_form = _define(version, known)
    data = _sub(root, "ClinicalData", StudyOID="Project.Twin")
    for record in dict.fromkeys(row[known.record_field] for row in rows):
        subject = _sub(data, "SubjectData", SubjectKey=record)
        for row in (row for row in rows if row[known.record_field] == record):
            _write_row(subject, row, known, column_form)
    ElementTree(root).write(target, encoding="UTF-8", xml_declaration=True)
    return target


def _sub(parent: Element, tag: str, **attributes: str) -> Element:
    return SubElement(parent, f"{{{ODM}}}{tag}", attributes)


def _define(version: Element, known: Dictionary) -> dict[str, str]:
    column_form: dict[str, str] = {}
    for form in known.forms:
        element = _sub(version, "FormDef", OID=f"Form.{form}", Name=form.title(), Repeating="No")
        element.set(f"{{{REDCAP}}}FormName", form)
        _sub(element, "ItemGroupRef", ItemGroupOID=f"{form}.items", Mandatory="No")
    for form in known.forms:
        group = _sub(version, "ItemGroupDef", OID=f"{form}.items", Name=form, Repeating="No")
        for field in (field for field in known.fields.values() if field.form == form):
            for column in field.export_columns:
                _sub(group, "ItemRef", ItemOID=column, Mandatory="No")
                column_form[column] = form
        _sub(group, "ItemRef", ItemOID=f"{form}_complete", Mandatory="No")
        column_form[f"{form}_complete"] = form
    for field in known.fields.values():
        for column in field.export_columns:
            choices = TICKED if field.kind == "checkbox" else FIXED.get(field.kind, field.choices)
            _item(version, column, field, choices)
    for form in known.forms:
        _item(version, f"{form}_complete", None, COMPLETE)
    return column_form


def _item(version: Element, column: str, field: DictionaryField | None, choices: Mapping[str, str]) -> None:
    item = _sub(version, "ItemDef", OID=column, Name=column, DataType="text", Length="999")
    if field is not None:
        item.set(f"{{{REDCAP}}}Variable", field.name)
        item.set(f"{{{REDCAP}}}FieldType", {"dropdown": "select"}.get(field.kind, field.kind))
        if field.validation:
            inner = {"integer": "int", "number": "float"}.get(field.validation, field.validation)
            item.set(f"{{{REDCAP}}}TextValidationType", inner)
    if choices:
        _sub(item, "CodeListRef", CodeListOID=f"{column}.choices")
        found = _sub(version, "CodeList", OID=f"{column}.choices", Name=column, DataType="text")
        if field is not None and field.kind == "checkbox":
            found.set(
                f"{{{REDCAP}}}CheckboxChoices", "|".join(f"{code}, {label}" for code, label in field.choices.items())
            )
        for code, label in choices.items():
            decode = _sub(_sub(found, "CodeListItem", CodedValue=code), "Decode")
            _sub(decode, "TranslatedText").text = label


def _write_row(subject: Element, row: Row, known: Dictionary, column_form: dict[str, str]) -> None:
    """One FormData an instrument of the row that holds anything; an unticked box is left out, as REDCap does."""
    repeated = row.get("redcap_repeat_instrument", "")
    for form in known.forms:
        if repeated and repeated != form:
            continue
        cells = {
            name: row[name]
            for name, owner in column_form.items()
            if owner == form and row.get(name) and not ("___" in name and row[name] == "0")
        }
        if not set(cells) - {known.record_field}:
            continue
        event = row.get("redcap_event_name", "")
        parent = _sub(subject, "StudyEventData", StudyEventOID=event) if event else subject
        data = _sub(parent, "FormData", FormOID=f"Form.{form}", FormRepeatKey=row.get("redcap_repeat_instance") or "1")
        group = _sub(data, "ItemGroupData", ItemGroupOID=f"{form}.items", ItemGroupRepeatKey="1")
        for name, value in cells.items():
            _sub(group, "ItemData", ItemOID=name, Value=value)
