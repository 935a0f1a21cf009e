"""The twin's clinical data: a REDCap export and its data dictionary that realise each patient's planted course.

Calendar dates are invented from a seeded start per patient; what is planted are days. The forms are laid out so that
RECIST over the measurements gives the planted best response and progression-free survival.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.demo.clinical_project import (
    KINDS,
    REPEATING,
    RESPONSES,
    SITES,
    Row,
    as_labels,
    columns,
    read_csv,
    write_csv,
    write_dictionary,
)
from palbo_assets.demo.truth import PatientTruth, WrittenFile
from palbo_assets.study.protocol import load_protocol

if TYPE_CHECKING:
    import numpy as np

EXPORT = "PALBO_DATA.csv"
DICTIONARY = "PALBO_DataDictionary.csv"

_FIRST_ENROLMENT = date(2017, 3, 6)
_ENROLMENT_DAYS = 1000
_WEEKS_8 = 56
_AFTER_PFS = 40
_EARLIEST_STABLE = 42  # RECIST: stable disease needs six weeks

_LABELS = {
    "BL": ("BL", "PRE", "baseline", "SCR"),
    "W06": ("W06", "C2D15", "6W"),
    "W12": ("W12", "C4D1", "12W"),
    "PD": ("PD", "PROG", "EOT"),
}


def write(
    patients: list[PatientTruth], folder: Path, rng: np.random.Generator, *, labelled: bool = False
) -> list[WrittenFile]:
    """Write the export (UTF-8 with BOM, CRLF) and the dictionary of these patients into ``folder``.

    ``labelled`` writes labels instead of codes, as REDCap's other kind of export does.

    Raises
    ------
    ValueError
        For a truth that no course of disease can show (stable disease with progression before six weeks).
    """
    folder.mkdir(parents=True, exist_ok=True)
    starts = [_FIRST_ENROLMENT + timedelta(days=int(rng.integers(0, _ENROLMENT_DAYS))) for _ in patients]
    cut = max(
        (
            start + timedelta(days=patient.pfs_days + _AFTER_PFS)
            for start, patient in zip(starts, patients, strict=True)
        ),
        default=_FIRST_ENROLMENT,
    )
    rows = [
        row for start, patient in zip(starts, patients, strict=True) for row in _patient_rows(patient, start, cut, rng)
    ]
    write_csv(folder / EXPORT, columns(), as_labels(rows) if labelled else rows)
    write_dictionary(folder / DICTIONARY)
    return [
        WrittenFile(EXPORT, "clinical", "redcap_export"),
        WrittenFile(DICTIONARY, "clinical", "redcap_dictionary"),
    ]


def write_analyses(patients: list[PatientTruth], folder: Path) -> list[WrittenFile]:
    """Write ADTTE and ADRS as a sponsor's statisticians would, from the truth and not from the export.

    ADaM counts the first dose as day 1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    survival = [
        {"USUBJID": each.patient_id, "PARAMCD": "PFS", "AVAL": str(each.pfs_days + 1), "AVALU": "DAYS",
         "CNSR": str(int(not each.pfs_event))}
        for each in patients
    ]  # fmt: skip
    responses = [
        {"USUBJID": each.patient_id, "PARAMCD": "BOR", "AVALC": each.best_overall_response} for each in patients
    ]
    write_csv(folder / "adtte.csv", ["USUBJID", "PARAMCD", "AVAL", "AVALU", "CNSR"], survival)
    write_csv(folder / "adrs.csv", ["USUBJID", "PARAMCD", "AVALC"], responses)
    return [
        WrittenFile("adtte.csv", "clinical", "adam_adtte"),
        WrittenFile("adrs.csv", "clinical", "adam_adrs"),
    ]


def specimen_label(patient_id: str, timepoint: str, kind: str) -> str:
    """The specimen's study id: patient, timepoint, and a letter for the kind."""
    letter = {
        "TUMOR_FF": "T1",
        "TUMOR_FFPE": "T2",
        "BLOOD_EDTA": "N1",
        "PLASMA": "P1",
        "SERUM": "S1",
        "WHOLE_BLOOD": "W1",
    }[kind]
    return f"{patient_id}-{timepoint}-{letter}"


# What sites get wrong: each turns a written export into one that has to be noticed.


def mix_codes_and_labels(export: Path) -> None:
    """Replace one code by its label, as happens when two exports are pasted together."""
    header, rows = read_csv(export)
    row = next(row for row in rows if row["sex"])
    row["sex"] = {"1": "Female", "2": "Male"}[row["sex"]]
    write_csv(export, header, rows)


def repeat_patient_behind_access_group(export: Path, patient_id: str, group: int = 12) -> None:
    """Enter a patient a second time, with the prefix that REDCap gives records of a data access group."""
    header, rows = read_csv(export)
    rows += [{**row, "record_id": f"{group}-{patient_id}"} for row in rows if row["record_id"] == patient_id]
    write_csv(export, header, rows)


def measure_in_centimetres(export: Path, patient_id: str) -> None:
    """Write a patient's lesions in cm."""
    header, rows = read_csv(export)
    for row in rows:
        if row["record_id"] == patient_id and row["longest_or_short_axis_mm"]:
            row["longest_or_short_axis_mm"] = f"{float(row['longest_or_short_axis_mm']) / 10:g}"
    write_csv(export, header, rows)


def relabel_timepoint(export: Path, specimen: str, label: str) -> None:
    """Give a specimen a label that its day contradicts."""
    header, rows = read_csv(export)
    for row in rows:
        if row["specimen_label"] == specimen:
            row["specimen_timepoint"] = label
    write_csv(export, header, rows)


def _patient_rows(truth: PatientTruth, start: date, cut: date, rng: np.random.Generator) -> list[Row]:
    calendar = _Calendar(start, rng)
    site_codes = sorted(str(code) for code in rng.choice(list(SITES), size=int(rng.integers(1, 4)), replace=False))
    entries: list[tuple[str, Row]] = [
        ("enrolment", _enrolment(truth, calendar, rng)),
        ("eligibility", _eligibility(rng)),
        ("baseline_disease", _baseline(site_codes, calendar, rng)),
        ("progression", _progression(truth, calendar, (cut - start).days - int(rng.integers(0, _AFTER_PFS)))),
    ]
    entries += [("treatment", row) for row in _treatment(truth, calendar)]
    entries += _imaging(truth, site_codes, calendar, rng)
    entries += [("specimens", row) for row in _specimens(truth, site_codes, calendar, rng)]
    events = {"enrolment": "enrolment_arm_1", "eligibility": "enrolment_arm_1", "baseline_disease": "enrolment_arm_1"}
    counts: dict[str, int] = {}
    rows: list[Row] = []
    for form, values in entries:
        row = {
            "record_id": truth.patient_id,
            "redcap_event_name": events.get(form, "on_study_arm_1"),
            "redcap_data_access_group": truth.site.lower(),
            f"{form}_complete": "2",
            **values,
        }
        if form in REPEATING:
            counts[form] = counts.get(form, 0) + 1
            row |= {"redcap_repeat_instrument": form, "redcap_repeat_instance": str(counts[form])}
            rows.append(row)
        elif rows and rows[-1]["redcap_event_name"] == row["redcap_event_name"]:
            rows[-1] |= row
        else:
            rows.append(row)
    return rows


class _Calendar:
    """Writes days from first dose as dates, mostly ISO and now and then as hospitals type them."""

    def __init__(self, start: date, rng: np.random.Generator) -> None:
        self.start = start
        self.rng = rng

    def __call__(self, day: int) -> str:
        written = self.start + timedelta(days=day)
        style = self.rng.random()
        if style < 0.05:
            return written.strftime("%Y.%m.%d")
        return written.strftime("%Y%m%d") if style < 0.08 else written.isoformat()

    def moment(self, day: int, minutes: int) -> str:
        morning = datetime.combine(self.start, datetime.min.time()) + timedelta(days=day, hours=9, minutes=minutes)
        return morning.strftime("%Y-%m-%d %H:%M")


def _enrolment(truth: PatientTruth, calendar: _Calendar, rng: np.random.Generator) -> Row:
    code = {"PAIR": "1", "TIL": "2", "BANK": "3"}
    chosen = {code[cohort] for cohort in truth.cohorts}
    row = {
        "screening_id": f"SCR{int(rng.integers(1000, 9999))}",
        "sex": "1",
        "birth_year": str(calendar.start.year - int(rng.integers(33, 80))),
        "consent_date": calendar(-60),
        "consent_version": "2.1",
        "consent_genomic": "1",
        "consent_biobank": "1",
        "consent_future_use": str(int(rng.integers(0, 2))),
        "site": {"SMC": "1", "SNUH": "2"}[truth.site],
        **{f"cohort___{each}": str(int(each in chosen)) for each in code.values()},
    }
    if truth.withdrawn:
        row |= {
            "withdrawal_date": calendar(max(truth.pfs_days // 2, 1)),
            "withdrawal_scope": str(rng.choice(["2", "3"])),
        }
    return row


def _eligibility(rng: np.random.Generator) -> Row:
    return {
        "stage": "2",
        "er_pct": str(int(rng.integers(60, 100))),
        "er_allred": "-99",
        "pr_pct": str(int(rng.integers(0, 90))),
        "her2_ihc": str(rng.choice(["10", "11", "12"])),
        "her2_ish": "1",
        "menopausal_status": str(rng.integers(1, 3)),
        "palbociclib_planned": "1",
        "et_partner": str(rng.choice(["1", "1", "2", "4"])),
        "ecog": str(int(rng.integers(0, 2))),
        "prior_cdk46i": "0",
        "prior_lines_met": str(int(rng.integers(0, 2))),
    }


def _baseline(site_codes: Sequence[str], calendar: _Calendar, rng: np.random.Generator) -> Row:
    de_novo = bool(rng.random() < 0.3)
    names = {SITES[code] for code in site_codes}
    return {
        "dx_date": calendar(-int(rng.integers(90, 200)) if de_novo else -int(rng.integers(900, 4000))),
        "de_novo_met": str(int(de_novo)),
        "dfi_months": "" if de_novo else str(int(rng.integers(12, 120))),
        **{f"met_sites___{code}": str(int(code in site_codes)) for code in SITES},
        "visceral": str(int(bool(names & {"liver", "lung", "pleura"}))),
        "bone_only": str(int(names == {"bone"})),
        "n_met_sites": str(len(site_codes)),
        "prior_ct": str(int(rng.integers(0, 2))),
        "prior_et": str(int(not de_novo)),
        **_earlier_treatment(de_novo, calendar, rng),
    }


def _earlier_treatment(de_novo: bool, calendar: _Calendar, rng: np.random.Generator) -> Row:
    """Adjuvant endocrine treatment whose dates give the recorded sensitivity; none for who was metastatic at first."""
    drawn = str(rng.choice(["1", "1", "3"]))
    if de_novo:
        return {"endo_sensitivity": "4"}
    relapse = -60
    stopped = relapse - (900 if drawn == "1" else 120)
    return {
        "endo_sensitivity": drawn,
        "adjuvant_et_start": calendar(stopped - 5 * 365),
        "adjuvant_et_stop": calendar(stopped),
        "relapse_date": calendar(relapse),
    }


def _progression(truth: PatientTruth, calendar: _Calendar, last_contact: int) -> Row:
    """The living are followed up to the data cut, long after their last scan."""
    died = truth.pfs_event and truth.best_overall_response == "NE"
    row = {"last_contact_date": calendar(truth.pfs_days if died else last_contact)}
    if died:
        row |= {"pd_date": calendar(truth.pfs_days), "pd_basis": "3", "death_date": calendar(truth.pfs_days)}
    elif truth.pfs_event:
        row |= {"pd_date": calendar(truth.pfs_days), "pd_basis": "1", "next_line_start": calendar(truth.pfs_days + 35)}
    return row


def _treatment(truth: PatientTruth, calendar: _Calendar) -> list[Row]:
    ends = {"stop": calendar(truth.pfs_days), "reason_stop": "1"} if truth.pfs_event else {}
    reduced = truth.pfs_days > 200
    rows = [{"drug": "palbociclib", "dose_mg": "125", "start": calendar(0), "dose_level": "125", **ends}]
    if reduced:
        rows[0] |= {"stop": calendar(120), "reason_stop": "2"}  # a pause for toxicity is no event
        rows.append({"drug": "palbociclib", "dose_mg": "100", "start": calendar(127), "dose_level": "100", **ends})
    return rows


def visit_days(truth: PatientTruth) -> list[int]:
    """Days of the tumour assessments: every eight weeks, with the last one at the end of progression-free survival."""
    best, end = truth.best_overall_response, truth.pfs_days
    if best == "NE":
        if not truth.pfs_event and end != 1:
            raise ValueError("without any assessment a patient is censored at day 1")
        return []
    if best == "PD":
        if not truth.pfs_event:
            raise ValueError("progression as best response is an event")
        return [end]
    if end < _EARLIEST_STABLE and best in ("SD", "NON-CR/NON-PD"):
        raise ValueError("stable disease can't be seen in the first six weeks")
    days = [*range(_WEEKS_8, end, _WEEKS_8), end]
    if truth.pfs_event and len(days) == 1:
        if end <= _EARLIEST_STABLE:
            raise ValueError("no response can be seen before a progression in the first six weeks")
        days = [_EARLIEST_STABLE, end]
    return days


def _imaging(
    truth: PatientTruth, site_codes: Sequence[str], calendar: _Calendar, rng: np.random.Generator
) -> list[tuple[str, Row]]:
    """Baseline and every assessment: one form per target lesion, one per visit."""
    best = truth.best_overall_response
    lesions = _target_lesions(site_codes, rng) if best != "NON-CR/NON-PD" else []
    days = visit_days(truth)
    by_growth = best == "PD" or bool(rng.random() < 0.6)
    shrink = {"CR": 0.0, "PR": float(rng.uniform(0.35, 0.6)), "SD": float(rng.uniform(0.8, 1.0))}.get(best, 1.0)
    code = {label.upper(): key for key, label in RESPONSES.items()} | {"NON-CR/NON-PD": "6"}
    forms: list[tuple[str, Row]] = []
    baseline_day = -int(rng.integers(5, 22))
    forms += _target_forms(lesions, [size for _, size, _ in lesions], baseline_day, calendar)
    forms.append(("recist_visit", {"visit_date": calendar(baseline_day), "nontarget": "6", "new_lesion": "0"}))
    for day in days:
        progressing = truth.pfs_event and day == days[-1]
        growing = progressing and by_growth and bool(lesions)
        sizes = [_size_at(size, is_node, shrink, progressing=growing) for _, size, is_node in lesions]
        forms += _target_forms(lesions, sizes, day, calendar)
        forms.append(
            (
                "recist_visit",
                {
                    "visit_date": calendar(day),
                    "nontarget": "1" if best == "CR" and not progressing else "6",
                    "new_lesion": str(int(progressing and not growing)),
                    "investigator_overall": code["PD"] if progressing else code[best],
                },
            )
        )
    return forms


def _target_lesions(site_codes: Sequence[str], rng: np.random.Generator) -> list[tuple[str, float, bool]]:
    """(site code, baseline size in mm, is a node) of one to three lesions."""
    lesions = []
    for code in site_codes:
        is_node = SITES[code] == "lymph node"
        lesions.append((code, float(rng.integers(18 if is_node else 15, 50)), is_node))
    return lesions


def _size_at(size: float, is_node: bool, shrink: float, *, progressing: bool) -> float:
    """Size after treatment, or at progression twice the baseline: far above any nadir."""
    if progressing:
        return 2 * size
    if shrink == 0.0:
        return 7.0 if is_node else 0.0
    return round(max(size * shrink, 5.0), 1)


def _target_forms(
    lesions: Iterable[tuple[str, float, bool]], sizes: Iterable[float], day: int, calendar: _Calendar
) -> list[tuple[str, Row]]:
    return [
        (
            "recist_target",
            {
                "lesion_no": str(number),
                "lesion_site": code,
                "is_node": str(int(is_node)),
                "longest_or_short_axis_mm": f"{size:g}",
                "method": "1",
                "date": calendar(day),
            },
        )
        for number, ((code, _, is_node), size) in enumerate(zip(lesions, sizes, strict=True), start=1)
    ]


def _specimens(
    truth: PatientTruth, site_codes: Sequence[str], calendar: _Calendar, rng: np.random.Generator
) -> list[Row]:
    """What the protocol plans for the patient's cohorts, at the planted days; nothing at progression without one."""
    protocol = load_protocol()
    code = {label: key for key, label in KINDS.items()}
    rows = []
    for timepoint in protocol.expected_timepoints(truth.cohorts):
        if timepoint not in truth.samples or (timepoint == "PD" and not truth.pfs_event):
            continue
        day = truth.samples[timepoint].day
        planned = [protocol.assays[name] for name in protocol.assays_at(truth.cohorts, timepoint)]
        for kind in dict.fromkeys(str(kind) for assay in planned for kind in assay.specimens):
            minutes = int(rng.integers(0, 240))
            tissue = kind.startswith("TUMOR")
            rows.append(
                {
                    "specimen_label": specimen_label(truth.patient_id, timepoint, kind),
                    "specimen_timepoint": str(rng.choice(_LABELS[timepoint])),
                    "type": code[kind],
                    "tube": "" if tissue else "EDTA",
                    "collect_datetime": calendar.moment(day, minutes),
                    "processing_datetime": calendar.moment(day, minutes + int(rng.integers(20, 200))),
                    "specimen_site": site_codes[0] if tissue else "",
                    "aliquots": str(int(rng.integers(1, 5))),
                    "storage": "-80",
                }
            )
    return rows
