"""CDISC SDTM: the tumour domains of a regulated trial, as another source of the study's records.

DM names the subjects and their first dose, TU identifies lesions, TR measures them, RS holds the overall responses
(SDTM Implementation Guide 3.4, sections 5.2 and 6.3.14; Oncology Disease Response Supplement, RECIST 1.1). Each is one
file, CSV or SAS transport. One assessor's readings are used: the others' are another opinion, not more data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palbo_assets.clinical.datasets import read_dataset
from palbo_assets.clinical.dates import parse_date
from palbo_assets.clinical.export import Export
from palbo_assets.clinical.queries import Query
from palbo_assets.clinical.settings import Settings
from palbo_assets.platform.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "DM": ("USUBJID", "SITEID", "RFSTDTC", "RFICDTC", "DTHDTC", "SEX", "ARM"),
    "TU": ("USUBJID", "VISITNUM", "TULOC", "TUSTRESC", "TULNKID", "TUEVAL"),
    "TR": ("USUBJID", "VISITNUM", "TRGRPID", "TRLNKID", "TRTESTCD", "TRSTRESC", "TRSTRESN", "TRSTRESU", "TRDTC",
           "TREVAL"),
    "RS": ("USUBJID", "VISITNUM", "RSTESTCD", "RSSTRESC", "RSDTC", "RSEVAL"),
}  # fmt: skip
_SEX = {"F": "female", "M": "male"}
_NODE = "LYMPH NODE"
_PROGRESSED = ("UNEQUIVOCAL PROGRESSION", "PROGRESSION", "PD")
_PRESENT = ("PRESENT", *_PROGRESSED)


def read_domain(path: Path, domain: str) -> pd.DataFrame:
    """One domain as text, blanks as empty text, indexed by line (CSV) or observation (transport file).

    Raises
    ------
    InputError
        ``E_SCHEMA`` when it is another domain, or lacks a column; and what `read_dataset` raises.
    """
    table = read_dataset(path, f"SDTM domain {domain}", REQUIRED[domain])
    if "DOMAIN" in table.columns and (table["DOMAIN"] != domain).any():
        raise InputError(
            "E_SCHEMA",
            f"rows of another domain than {domain}",
            file=path.name,
            row=int(table.index[table["DOMAIN"] != domain][0]),
            column="DOMAIN",
            fix="deliver one domain a file, each in its role",
        )
    return table


def read_sdtm(domains: Mapping[str, Path], settings: Settings) -> Export:
    """The study's instruments from the four domains; ``domains`` maps ``sdtm_dm|tu|tr|rs`` to the file.

    A visit is dated by its response; where that date is partial, by the images that were measured for it. Targets are
    measured by the longest diameter, lymph nodes by the short axis (`LPERP`). Non-targets are judged by `NTRGRESP`
    where the domain has it, else from the tumours' states. The first progression among the assessor's responses is the
    reported one.

    Returns
    -------
    Export
        Instruments enrolment, treatment, recist_target, recist_visit and progression; SDTM has no specimens here.

    Raises
    ------
    InputError
        What `read_domain` raises; ``E_NO_ASSESSOR`` when nobody of ``settings.sdtm_assessor`` read anything;
        ``E_BAD_UNIT`` for sizes in another unit than mm; ``E_DUPLICATE`` for a subject that stands twice in DM.
    """
    dm, tu, tr, rs = (domains[f"sdtm_{name}"] for name in ("dm", "tu", "tr", "rs"))
    subjects = read_domain(dm, "DM")
    lesions = _of_assessor(read_domain(tu, "TU"), "TUEVAL", tu, settings)
    measures = _of_assessor(read_domain(tr, "TR"), "TREVAL", tr, settings)
    responses = _of_assessor(read_domain(rs, "RS"), "RSEVAL", rs, settings)
    twice = subjects["USUBJID"].duplicated()
    if twice.any():
        raise InputError(
            "E_DUPLICATE", "a subject stands twice", file=dm.name, row=int(subjects.index[twice][0]), column="USUBJID"
        )
    sized = measures["TRSTRESN"] != ""
    wrong = sized & (measures["TRSTRESU"].str.lower() != "mm") & measures["TRTESTCD"].isin(("LDIAM", "LPERP"))
    if wrong.any():
        raise InputError(
            "E_BAD_UNIT",
            "a size isn't in mm",
            file=tr.name,
            row=int(measures.index[wrong][0]),
            column="TRSTRESU",
            fix="standardise results (TRSTRESN) to mm",
        )
    queries: list[Query] = []
    dates = _Dates(queries)
    targets = list(_targets(lesions, measures, dates))
    visits = list(_visits(lesions, measures, responses, dates))
    enrolment, treatment, progression = _subjects(subjects, visits, dates)
    return Export(
        record_field="USUBJID",
        instruments={
            "enrolment": _frame(enrolment),
            "treatment": _frame(treatment),
            "recist_target": _frame(targets),
            "recist_visit": _frame(visits),
            "progression": _frame(progression),
        },
        records=tuple(subjects["USUBJID"]),
        queries=tuple(queries),
    )


def _of_assessor(table: pd.DataFrame, column: str, path: Path, settings: Settings) -> pd.DataFrame:
    chosen = table[table[column].str.upper() == settings.sdtm_assessor.upper()]
    if chosen.empty:
        raise InputError(
            "E_NO_ASSESSOR",
            "no row was read by the study's assessor",
            file=path.name,
            row=1,
            column=column,
            fix="send the assessor's rows, or name another one (clinical.sdtm_assessor in settings.yaml)",
        )
    return chosen


class _Dates:
    """Whole dates; a partial one (``2014-02``) is a query, and no date."""

    def __init__(self, queries: list[Query]) -> None:
        self.queries = queries

    def read(self, subject: str, column: str, cell: str, row: int) -> date | None:
        if cell == "":
            return None
        try:
            return parse_date(cell)
        except ValueError:
            self.queries.append(Query(subject, "E_BAD_DATE", column, row, "not a whole year-first date"))
            return None


def _entry(record: str, row: int, **values: object) -> dict[str, Any]:
    return {"record_id": record, "event": "", "instance": "", "row": row, **values}


def _rows(table: pd.DataFrame) -> Iterator[tuple[int, dict[str, str]]]:
    for line, cells in zip(table.index, table.to_dict("records"), strict=True):
        yield int(line), {str(name): str(cell) for name, cell in cells.items()}


def _targets(lesions: pd.DataFrame, measures: pd.DataFrame, dates: _Dates) -> Iterator[dict[str, Any]]:
    """One entry a target lesion and visit, with the axis that RECIST measures there."""
    places = {(cells["USUBJID"], cells["TULNKID"]): cells["TULOC"] for _, cells in _rows(lesions)}
    for row, cells in _rows(measures):
        subject, lesion = cells["USUBJID"], cells["TRLNKID"]
        place = places.get((subject, lesion), "")
        is_node = place.upper().startswith(_NODE)
        if cells["TRTESTCD"] != ("LPERP" if is_node else "LDIAM") or cells["TRGRPID"].upper() != "TARGET":
            continue
        yield _entry(
            subject,
            row,
            lesion_no=lesion,
            lesion_site=place or None,
            is_node=is_node,
            longest_or_short_axis_mm=_number(cells["TRSTRESN"]),
            date=dates.read(subject, "TRDTC", cells["TRDTC"], row),
        )


def _number(cell: str) -> float | str | None:
    if cell == "":
        return None
    try:
        return float(cell)
    except ValueError:
        return cell  # the response's reader queries it


def _visits(
    lesions: pd.DataFrame, measures: pd.DataFrame, responses: pd.DataFrame, dates: _Dates
) -> Iterator[dict[str, Any]]:
    """One entry a visit that was imaged or judged."""
    imaged: dict[tuple[str, str], list[tuple[int, dict[str, str]]]] = {}
    judged: dict[tuple[str, str], list[tuple[int, dict[str, str]]]] = {}
    for found, table in ((imaged, measures), (judged, responses)):
        for row, cells in _rows(table):
            found.setdefault((cells["USUBJID"], cells["VISITNUM"]), []).append((row, cells))
    new = {
        (cells["USUBJID"], cells["VISITNUM"])
        for _, cells in _rows(lesions)
        if cells["TUSTRESC"].upper().startswith("NEW")
    }
    for visit in sorted({*imaged, *judged}, key=lambda key: (key[0], _number_or_last(key[1]))):
        tests = {cells["RSTESTCD"]: (row, cells) for row, cells in judged.get(visit, [])}
        row = (judged.get(visit) or imaged[visit])[0][0]
        day = next(
            (
                read
                for _, cells in judged.get(visit, [])
                if (read := dates.read(visit[0], "RSDTC", cells["RSDTC"], row)) is not None
            ),
            None,
        ) or min(
            (
                read
                for line, cells in imaged.get(visit, [])
                if (read := dates.read(visit[0], "TRDTC", cells["TRDTC"], line)) is not None
            ),
            default=None,
        )
        stated = tests["NTRGRESP"][1]["RSSTRESC"] if "NTRGRESP" in tests else ""
        found_new = visit in new or ("NEWLPROG" in tests and tests["NEWLPROG"][1]["RSSTRESC"].upper() == "Y")
        yield _entry(
            visit[0],
            row,
            visit_date=day,
            nontarget=stated or _nontarget([cells for _, cells in imaged.get(visit, [])]),
            # TU lists every lesion that was identified: at a visit that was imaged, none there means none was found.
            new_lesion="yes" if found_new else ("no" if visit in imaged else None),
            investigator_overall=tests["OVRLRESP"][1]["RSSTRESC"] or None if "OVRLRESP" in tests else None,
        )


def _number_or_last(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("inf")


def _nontarget(measures: Sequence[Mapping[str, str]]) -> str | None:
    """The response of the non-target lesions from their states; None where none is followed."""
    states = [
        cells["TRSTRESC"].upper()
        for cells in measures
        if cells["TRTESTCD"] == "TUMSTATE" and cells["TRGRPID"].upper() == "NON-TARGET"
    ]
    if not states:
        return None
    if any(state in _PROGRESSED for state in states):
        return "PD"
    if all(state == "ABSENT" for state in states):
        return "CR"
    return "NON-CR/NON-PD" if any(state in _PRESENT for state in states) else "NE"


def _subjects(
    subjects: pd.DataFrame, visits: Sequence[Mapping[str, Any]], dates: _Dates
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    progressed: dict[str, date] = {}
    for visit in visits:
        if visit["investigator_overall"] == "PD" and visit["visit_date"] is not None:
            progressed.setdefault(visit["record_id"], visit["visit_date"])
    enrolment, treatment, progression = [], [], []
    for row, cells in _rows(subjects):
        subject = cells["USUBJID"]
        age = _number(cells.get("AGE", "")) if cells.get("AGEU", "").upper() == "YEARS" else None
        first_dose = cells.get("RFXSTDTC") or cells["RFSTDTC"]
        enrolment.append(
            _entry(
                subject,
                row,
                site=cells["SITEID"] or None,
                consent_date=dates.read(subject, "RFICDTC", cells["RFICDTC"], row),
                sex=_SEX.get(cells["SEX"].upper()),
                age_at_consent=age,
            )
        )
        treatment.append(
            _entry(
                subject,
                row,
                drug=cells.get("ACTARM") or cells["ARM"] or None,
                start=dates.read(subject, "RFXSTDTC" if cells.get("RFXSTDTC") else "RFSTDTC", first_dose, row),
            )
        )
        progression.append(
            _entry(
                subject,
                row,
                pd_date=progressed.get(subject),
                pd_basis="RECIST" if subject in progressed else None,
                death_date=dates.read(subject, "DTHDTC", cells["DTHDTC"], row),
                last_contact_date=dates.read(subject, "RFPENDTC", cells.get("RFPENDTC", ""), row),
                next_line_start=None,
            )
        )
    return enrolment, treatment, progression


def _frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    columns = list(rows[0]) if rows else ["record_id", "event", "instance", "row"]
    return pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=object) for name in columns})
