"""CDISC ADaM: the sponsor's analysis datasets, compared with what this room derives from the records.

A trial's statisticians program survival and best response themselves; two independent derivations that agree are worth
more than either. ADTTE holds one row a subject and parameter (``AVAL`` with the first dose as day 1, ``CNSR`` 0 for an
event; ADaM Basic Data Structure for Time-to-Event Analyses 1.0), ADRS one row a subject and response parameter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from palbo_assets.clinical.datasets import read_dataset
from palbo_assets.clinical.response import parse_response
from palbo_assets.clinical.settings import Settings
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.text import number

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "ADTTE": ("USUBJID", "PARAMCD", "AVAL", "CNSR"),
    "ADRS": ("USUBJID", "PARAMCD", "AVALC"),
}
_FIRST_DAY = 1  # ADaM counts the day of the first dose as day 1


class Agreement(StrEnum):
    """How a sponsor's value and the room's own stand to each other."""

    AGREES = "AGREES"
    DAYS_DIFFER = "DAYS_DIFFER"
    EVENT_DIFFERS = "EVENT_DIFFERS"
    RESPONSE_DIFFERS = "RESPONSE_DIFFERS"
    ONLY_SPONSOR = "ONLY_SPONSOR"
    ONLY_OURS = "ONLY_OURS"


@dataclass(frozen=True)
class SponsorValue:
    """One parameter of one subject: days since the first dose and event, or a response."""

    days: float | None = None
    event: bool | None = None
    response: str | None = None


Analyses = dict[tuple[str, str], SponsorValue]
"""(subject, parameter ``PFS`` | ``BOR`` | ``CBOR``) -> value."""


def read_adam(datasets: Mapping[str, Path], settings: Settings) -> Analyses:
    """The sponsor's survival and responses; ``datasets`` maps ``adam_adtte`` and ``adam_adrs`` (either) to its file.

    Raises
    ------
    InputError
        ``E_SCHEMA`` for a value or unit that can't be read, ``E_DUPLICATE`` when a subject has a parameter twice,
        ``E_EMPTY`` when no row has one of the study's parameters, and what `read_dataset` raises.
    """
    found: Analyses = {}
    if "adam_adtte" in datasets:
        found |= _survival(datasets["adam_adtte"], settings)
    if "adam_adrs" in datasets:
        found |= _responses(datasets["adam_adrs"], settings)
    return found


def _rows(path: Path, dataset: str, parameters: Mapping[str, str]) -> Iterable[tuple[int, str, str, dict[str, str]]]:
    """(row, subject, the room's parameter, cells) of the rows that hold one of ``parameters`` (code -> ours)."""
    table = read_dataset(path, f"ADaM dataset {dataset}", REQUIRED[dataset])
    chosen = table[table["PARAMCD"].isin(list(parameters))]
    if chosen.empty:
        raise InputError(
            "E_EMPTY",
            f"no row has one of the parameters {', '.join(parameters)}",
            file=path.name,
            column="PARAMCD",
            fix="name the parameters of your analysis under clinical.adam_parameters in settings.yaml",
        )
    twice = chosen.duplicated(["USUBJID", "PARAMCD"])
    if twice.any():
        raise InputError(
            "E_DUPLICATE",
            "the subject has the parameter twice",
            file=path.name,
            row=int(chosen.index[twice][0]),
            column="PARAMCD",
            fix="keep the analysis that counts, or name its own PARAMCD in clinical.adam_parameters",
        )
    for row, cells in zip(chosen.index, chosen.to_dict("records"), strict=True):
        named = {str(name): str(cell) for name, cell in cells.items()}
        yield int(row), named["USUBJID"], parameters[named["PARAMCD"]], named


def _survival(path: Path, settings: Settings) -> Analyses:
    found: Analyses = {}
    codes = {code: str(name) for name, code in settings.adam_parameters.items() if name == "PFS"}
    for row, subject, parameter, cells in _rows(path, "ADTTE", codes):
        value = number(cells["AVAL"], path=path, row=row, column="AVAL")
        censored = number(cells["CNSR"], path=path, row=row, column="CNSR")
        if value is None or censored is None:
            continue
        unit = (cells.get("AVALU") or "DAYS").upper().rstrip("S")
        if unit not in ("DAY", "MONTH"):
            raise InputError(
                "E_BAD_UNIT",
                "the time is neither in days nor in months",
                file=path.name,
                row=row,
                column="AVALU",
                fix="write AVAL in days",
            )
        # Months were divided from days that count the first dose as day 1.
        days = value * (settings.month_days if unit == "MONTH" else 1) - _FIRST_DAY
        found[subject, parameter] = SponsorValue(days=max(days, 0.0), event=censored == 0)
    return found


def _responses(path: Path, settings: Settings) -> Analyses:
    found: Analyses = {}
    codes = {code: str(name) for name, code in settings.adam_parameters.items() if name != "PFS"}
    for row, subject, parameter, cells in _rows(path, "ADRS", codes):
        if cells["AVALC"] == "":
            continue
        response = parse_response(cells["AVALC"])
        if response is None:
            raise InputError(
                "E_SCHEMA",
                "not a response of RECIST",
                file=path.name,
                row=row,
                column="AVALC",
                fix="use CR, PR, SD, NON-CR/NON-PD, PD or NE",
            )
        found[subject, parameter] = SponsorValue(response=str(response))
    return found


def compare(analyses: Analyses, responses: Iterable[Mapping[str, Any]], settings: Settings) -> list[dict[str, Any]]:
    """One row a patient and parameter that either side has, ordered by patient.

    Parameters
    ----------
    responses
        Rows of ``treatment_response``, null as None. A patient without any is somebody whom the study doesn't know or
        who withdrew, and gets no row: the sponsor's value is no reason to keep them.

    Returns
    -------
    list of dict
        Rows of ``analysis_comparison``. Days agree within ``settings.adam_tolerance_days``.
    """
    rows = []
    read = {parameter for _, parameter in analyses}
    for ours in sorted(responses, key=lambda row: str(row["patient_id"])):
        for parameter in sorted(read):
            theirs = analyses.get((str(ours["patient_id"]), parameter))
            row = _compared(parameter, theirs, ours, settings)
            if row is not None:
                rows.append({"patient_id": ours["patient_id"], "parameter": parameter, **row})
    return rows


def _compared(
    parameter: str, theirs: SponsorValue | None, ours: Mapping[str, Any], settings: Settings
) -> dict[str, Any] | None:
    own: dict[str, Any] = {"days": None, "event": None, "response": None}
    if parameter == "PFS":
        own |= {"days": ours.get("pfs_days"), "event": ours.get("pfs_event")}
    else:
        own["response"] = ours.get("best_overall_response" if parameter == "BOR" else "confirmed_response")
    missing = all(value is None for value in own.values())
    if theirs is None and missing:
        return None
    sponsor = theirs or SponsorValue()
    if theirs is None:
        verdict = Agreement.ONLY_OURS
    elif missing:
        verdict = Agreement.ONLY_SPONSOR
    elif parameter != "PFS":
        verdict = Agreement.AGREES if sponsor.response == own["response"] else Agreement.RESPONSE_DIFFERS
    elif sponsor.event != own["event"]:
        verdict = Agreement.EVENT_DIFFERS
    else:
        apart = abs((sponsor.days or 0.0) - float(own["days"]))
        verdict = Agreement.AGREES if apart <= settings.adam_tolerance_days else Agreement.DAYS_DIFFER
    return {
        "sponsor_days": sponsor.days,
        "own_days": own["days"],
        "sponsor_event": sponsor.event,
        "own_event": own["event"],
        "sponsor_response": sponsor.response,
        "own_response": own["response"],
        "verdict": str(verdict),
    }
