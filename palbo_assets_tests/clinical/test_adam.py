"""The sponsor's ADaM analyses beside the study's own: agreement is said, and each kind of difference is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from palbo_assets.clinical.adam import compare, read_adam
from palbo_assets.clinical.formats import FORMATS
from palbo_assets.clinical.settings import Settings
from palbo_assets.clinical.summary import read_cohort, read_sdtm_cohort, summarise
from palbo_assets.demo.clinical import write_analyses
from palbo_assets.demo.truth import PatientTruth
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context

Twin = tuple[list[PatientTruth], Path, Path]
SETTINGS = Settings()


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def verdicts(
    datasets: dict[str, Path], responses: list[dict[str, Any]], settings: Settings = SETTINGS
) -> dict[tuple[str, str], str]:
    rows = compare(read_adam(datasets, settings), responses, settings)
    return {(row["patient_id"], row["parameter"]): row["verdict"] for row in rows}


def ours(patient: str, days: int | None, event: bool | None, best: str = "SD") -> dict[str, Any]:
    return {"patient_id": patient, "pfs_days": days, "pfs_event": event, "best_overall_response": best,
            "confirmed_response": best}  # fmt: skip


def test_two_derivations_of_the_twin_agree_in_every_patient(twin: Twin, tmp_path: Path) -> None:
    planted, export, dictionary = twin
    write_analyses(planted, tmp_path)
    own = summarise(read_cohort(export, dictionary)).treatment_response
    found = verdicts({"adam_adtte": tmp_path / "adtte.csv", "adam_adrs": tmp_path / "adrs.csv"}, own)
    assert set(found.values()) == {"AGREES"}
    assert len(found) == 2 * sum(not patient.withdrawn for patient in planted)


def test_each_kind_of_difference_is_named(tmp_path: Path) -> None:
    adtte = written(
        tmp_path / "adtte.csv",
        "USUBJID,PARAMCD,AVAL,CNSR\nP-1,PFS,101,0\nP-2,PFS,101,0\nP-3,PFS,101,1\nP-4,PFS,101,0\nP-9,PFS,50,0\n"
        "P-1,OS,900,1\n",
    )
    adrs = written(tmp_path / "adrs.csv", "USUBJID,PARAMCD,AVALC\nP-1,BOR,SD\nP-2,BOR,PR\n")
    own = [ours("P-1", 101, True), ours("P-2", 103, True), ours("P-3", 100, True), ours("P-4", None, None),
           ours("P-5", 77, False)]  # fmt: skip
    found = verdicts({"adam_adtte": adtte, "adam_adrs": adrs}, own)
    assert {patient: verdict for (patient, parameter), verdict in found.items() if parameter == "PFS"} == {
        "P-1": "AGREES",  # a day apart
        "P-2": "DAYS_DIFFER",
        "P-3": "EVENT_DIFFERS",
        "P-4": "ONLY_SPONSOR",
        "P-5": "ONLY_OURS",
    }  # P-9 isn't of the study, or withdrew
    assert (found["P-1", "BOR"], found["P-2", "BOR"], found["P-3", "BOR"]) == (
        "AGREES",
        "RESPONSE_DIFFERS",
        "ONLY_OURS",
    )


def test_months_are_turned_into_days_and_another_unit_is_refused(tmp_path: Path) -> None:
    header = "USUBJID,PARAMCD,AVAL,AVALU,CNSR\n"
    months = written(tmp_path / "adtte.csv", f"{header}P-1,PFS,{366 / 30.4375:.4f},MONTHS,0\n")
    assert verdicts({"adam_adtte": months}, [ours("P-1", 365, True)]) == {("P-1", "PFS"): "AGREES"}
    weeks = written(tmp_path / "weeks.csv", f"{header}P-1,PFS,52,WEEKS,0\n")
    with pytest.raises(InputError) as refused:
        read_adam({"adam_adtte": weeks}, SETTINGS)
    assert (refused.value.code, refused.value.row, refused.value.column) == ("E_BAD_UNIT", 2, "AVALU")


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("USUBJID,PARAMCD,AVALC\nP-1,BOR,good\n", "E_SCHEMA", (2, "AVALC")),
        ("USUBJID,PARAMCD,AVALC\nP-1,BOR,PR\nP-1,BOR,SD\n", "E_DUPLICATE", (3, "PARAMCD")),
        ("USUBJID,PARAMCD,AVALC\nP-1,OVRLRESP,PR\n", "E_EMPTY", (None, "PARAMCD")),
        ("USUBJID,PARAMCD\nP-1,BOR\n", "E_SCHEMA", (1, "AVALC")),
    ],
)
def test_what_can_not_be_read_is_refused_by_place(
    tmp_path: Path, text: str, code: str, place: tuple[int | None, str]
) -> None:
    with pytest.raises(InputError) as refused:
        read_adam({"adam_adrs": written(tmp_path / "adrs.csv", text)}, SETTINGS)
    assert (refused.value.code, (refused.value.row, refused.value.column)) == (code, place)


def test_the_parameters_names_are_a_setting(tmp_path: Path) -> None:
    adtte = written(tmp_path / "adtte.csv", "USUBJID,PARAMCD,AVAL,CNSR\nP-1,PFSINV,101,0\nP-1,PFSIRC,80,0\n")
    settings = Settings(adam_parameters={"PFS": "PFSINV"})
    assert verdicts({"adam_adtte": adtte}, [ours("P-1", 100, True)], settings) == {("P-1", "PFS"): "AGREES"}


def test_the_door_refuses_times_that_are_no_numbers(tmp_path: Path) -> None:
    known = {each.role: each for each in FORMATS}
    claim = Claim(file="adtte.csv", modality="clinical", role="adam_adtte")
    good = written(tmp_path / "adtte.csv", "USUBJID,PARAMCD,AVAL,CNSR\nP-1,PFSINV,101,0\n")
    assert known["adam_adtte"].verify(good, claim, Context()) == {"rows": 1, "subjects": 1}
    bad = written(tmp_path / "bad.csv", "USUBJID,PARAMCD,AVAL,CNSR\nP-1,PFS,12w,0\n")
    with pytest.raises(InputError) as refused:
        known["adam_adtte"].verify(bad, claim, Context())
    assert (refused.value.row, refused.value.column) == (2, "AVAL")


def test_responses_of_cdiscs_subjects_agree_with_an_analysis_of_them(shared_data: Path, tmp_path: Path) -> None:
    """The best of the investigator's visits, which knows no earliest day of stable disease: there the two differ."""
    folder = shared_data / "clinical" / "recist_sdtm"
    names = {"sdtm_dm": "dm.csv", **{f"sdtm_{name}": f"{name}_onco_recist.csv" for name in ("tu", "tr", "rs")}}
    own = summarise(read_sdtm_cohort({role: folder / name for role, name in names.items()}))
    stated: dict[str, list[str]] = {}
    for visit in own.response_visits:
        if visit["investigator_overall"] is not None:
            stated.setdefault(visit["patient_id"], []).append(visit["investigator_overall"])
    order = ("CR", "PR", "SD", "NON-CR/NON-PD", "PD", "NE")
    best = {patient: min(calls, key=order.index) for patient, calls in stated.items()}
    rows = "".join(f"{patient},BOR,{response}\n" for patient, response in best.items())
    adrs = written(tmp_path / "adrs.csv", f"USUBJID,PARAMCD,AVALC\n{rows}")
    found = verdicts({"adam_adrs": adrs}, [row for row in own.treatment_response if row["patient_id"] in best])
    assert len(found) == 8
    differing = {patient for (patient, _), verdict in found.items() if verdict != "AGREES"}
    early = {
        visit["patient_id"]
        for visit in own.response_visits
        if visit["overall_response"] in ("SD", "NON-CR/NON-PD") and visit["visit_day"] < SETTINGS.stable_from_day
    }
    assert differing == {"01-701-1028", "01-701-1097"} and differing <= early
