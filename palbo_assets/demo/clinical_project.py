"""The twin's REDCap project: its instruments, fields and choices, and the two CSV files that REDCap exports of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

Row = dict[str, str]

_YES_NO = ("yesno", "", "")
_DATE = ("text", "", "date_ymd")
_MOMENT = ("text", "", "datetime_ymd")
_NUMBER = ("text", "", "number")
_INTEGER = ("text", "", "integer")
_TEXT = ("text", "", "")
SITES = {"1": "bone", "2": "liver", "3": "lung", "4": "lymph node", "5": "brain", "6": "skin", "7": "pleura"}
KINDS = {
    "1": "TUMOR_FF",
    "2": "TUMOR_FFPE",
    "3": "BLOOD_EDTA",
    "4": "PLASMA",
    "5": "SERUM",
    "6": "PBMC",
    "7": "WHOLE_BLOOD",
}
RESPONSES = {"1": "CR", "2": "PR", "3": "SD", "4": "PD", "5": "NE", "6": "nonCR-nonPD"}
ENDOCRINE = {"1": "sensitive", "2": "primary resistance", "3": "secondary resistance", "4": "naive"}


def _choice(kind: str, choices: Mapping[str, str]) -> tuple[str, str, str]:
    return kind, " | ".join(f"{code}, {label}" for code, label in choices.items()), ""


# instrument -> field -> (field type, choices, validation)
PROJECT: Mapping[str, Mapping[str, tuple[str, str, str]]] = {
    "enrolment": {
        "record_id": _TEXT,
        "screening_id": _TEXT,
        "sex": _choice("radio", {"1": "Female", "2": "Male"}),
        "birth_year": _INTEGER,
        "consent_date": _DATE,
        "consent_version": _TEXT,
        "consent_genomic": _YES_NO,
        "consent_biobank": _YES_NO,
        "consent_future_use": _YES_NO,
        "withdrawal_date": _DATE,
        "withdrawal_scope": _choice("radio", {"1": "stop_followup", "2": "destroy_samples", "3": "stop_use"}),
        "site": _choice("dropdown", {"1": "SMC", "2": "SNUH"}),
        "cohort": _choice("checkbox", {"1": "PAIR", "2": "TIL", "3": "BANK"}),
    },
    "eligibility": {
        "stage": _choice("dropdown", {"1": "III", "2": "IV"}),
        "er_pct": _NUMBER,
        "er_allred": _INTEGER,
        "pr_pct": _NUMBER,
        "her2_ihc": _choice("dropdown", {"10": "0", "11": "1+", "12": "2+", "13": "3+"}),
        "her2_ish": _choice("radio", {"1": "neg", "2": "pos", "3": "nd"}),
        "menopausal_status": _choice("radio", {"1": "pre", "2": "post"}),
        "palbociclib_planned": _YES_NO,
        "et_partner": _choice(
            "dropdown", {"1": "letrozole", "2": "anastrozole", "3": "exemestane", "4": "fulvestrant"}
        ),
        "ecog": _INTEGER,
        "prior_cdk46i": _YES_NO,
        "prior_lines_met": _INTEGER,
    },
    "baseline_disease": {
        "dx_date": _DATE,
        "de_novo_met": _YES_NO,
        "dfi_months": _NUMBER,
        "met_sites": _choice("checkbox", SITES),
        "visceral": _YES_NO,
        "bone_only": _YES_NO,
        "n_met_sites": _INTEGER,
        "prior_ct": _YES_NO,
        "prior_et": _YES_NO,
        "endo_sensitivity": _choice("radio", ENDOCRINE),
        "adjuvant_et_start": _DATE,
        "adjuvant_et_stop": _DATE,
        "relapse_date": _DATE,
    },
    "treatment": {
        "drug": _TEXT,
        "dose_mg": _NUMBER,
        "start": _DATE,
        "stop": _DATE,
        "reason_stop": _choice("dropdown", {"1": "progression", "2": "toxicity", "3": "patient's wish"}),
        "dose_level": _INTEGER,
    },
    "recist_target": {
        "lesion_no": _INTEGER,
        "lesion_site": _choice("dropdown", SITES),
        "is_node": _YES_NO,
        "longest_or_short_axis_mm": _NUMBER,
        "method": _choice("dropdown", {"1": "CT", "2": "MRI"}),
        "date": _DATE,
    },
    "recist_visit": {
        "visit_date": _DATE,
        "nontarget": _choice("dropdown", RESPONSES),
        "new_lesion": _YES_NO,
        "investigator_overall": _choice("dropdown", RESPONSES),
    },
    "progression": {
        "pd_date": _DATE,
        "pd_basis": _choice("radio", {"1": "RECIST", "2": "clinical", "3": "death"}),
        "death_date": _DATE,
        "last_contact_date": _DATE,
        "next_line_start": _DATE,
    },
    "specimens": {
        "specimen_label": _TEXT,
        "specimen_timepoint": _TEXT,
        "type": _choice("dropdown", KINDS),
        "tube": _TEXT,
        "collect_datetime": _MOMENT,
        "processing_datetime": _MOMENT,
        "specimen_site": _choice("dropdown", SITES),
        "aliquots": _INTEGER,
        "storage": _TEXT,
        "biopsy_failed_reason": _TEXT,
    },
}
REPEATING = ("treatment", "recist_target", "recist_visit", "specimens")
_DICTIONARY_HEADER = (
    "Variable / Field Name", "Form Name", "Section Header", "Field Type", "Field Label",
    "Choices, Calculations, OR Slider Labels", "Field Note", "Text Validation Type OR Show Slider Number",
    "Text Validation Min", "Text Validation Max", "Identifier?", "Branching Logic (Show field only if...)",
    "Required Field?", "Custom Alignment", "Question Number (surveys only)", "Matrix Group Name", "Matrix Ranking?",
    "Field Annotation",
)  # fmt: skip


def columns() -> list[str]:
    """The export's header."""
    names = [
        "record_id",
        "redcap_event_name",
        "redcap_repeat_instrument",
        "redcap_repeat_instance",
        "redcap_data_access_group",
    ]
    for form, fields in PROJECT.items():
        for name, (kind, choices, _) in fields.items():
            if kind == "checkbox":
                names += [f"{name}___{code}" for code in _split(choices)]
            elif name != "record_id":
                names.append(name)
        names.append(f"{form}_complete")
    return names


def _split(choices: str) -> dict[str, str]:
    pairs = (part.partition(", ") for part in choices.split(" | "))
    return {code: label for code, _, label in pairs}


def as_labels(rows: Iterable[Row]) -> list[Row]:
    """The rows as REDCap's labelled export shows them."""
    tables: dict[str, dict[str, str]] = {}
    for form, fields in PROJECT.items():
        tables[f"{form}_complete"] = {"2": "Complete"}
        for name, (kind, choices, _) in fields.items():
            if kind == "checkbox":
                tables |= {f"{name}___{code}": {"1": "Checked", "0": "Unchecked"} for code in _split(choices)}
            elif kind == "yesno":
                tables[name] = {"1": "Yes", "0": "No"}
            elif choices:
                tables[name] = _split(choices)
    return [{name: tables.get(name, {}).get(cell, cell) for name, cell in row.items()} for row in rows]


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """UTF-8 with byte order mark and CRLF, as REDCap writes."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=header, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(b"\xef\xbb\xbf" + text.getvalue().encode("utf-8"))


def read_csv(path: Path) -> tuple[list[str], list[Row]]:
    reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""))
    return list(reader.fieldnames or ()), [dict(row) for row in reader]


def write_dictionary(path: Path) -> None:
    rows = [
        {
            "Variable / Field Name": name,
            "Form Name": form,
            "Field Type": kind,
            "Field Label": name.replace("_", " "),
            "Choices, Calculations, OR Slider Labels": choices,
            "Text Validation Type OR Show Slider Number": validation,
        }
        for form, fields in PROJECT.items()
        for name, (kind, choices, validation) in fields.items()
    ]
    write_csv(path, _DICTIONARY_HEADER, rows)
