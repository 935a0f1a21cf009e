"""SDTM tumour domains become the same records as a REDCap export (CDISC's synthetic RECIST subjects, and edits)."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from palbo_assets.clinical.formats import FORMATS
from palbo_assets.clinical.settings import Settings
from palbo_assets.clinical.summary import ClinicalTables, read_sdtm_cohort, summarise
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context

Rows = list[dict[str, str]]


@pytest.fixture
def domains(shared_data: Path) -> dict[str, Path]:
    folder = shared_data / "clinical" / "recist_sdtm"
    names = {"sdtm_dm": "dm.csv", **{f"sdtm_{name}": f"{name}_onco_recist.csv" for name in ("tu", "tr", "rs")}}
    return {role: folder / name for role, name in names.items()}


@pytest.fixture
def edited(domains: dict[str, Path], tmp_path: Path) -> Callable[..., dict[str, Path]]:
    """The domains with one of them changed by a function of its rows."""

    def edit(role: str, change: Callable[[Rows], Rows]) -> dict[str, Path]:
        with domains[role].open(newline="", encoding="utf-8") as stream:
            rows = change(list(csv.DictReader(stream)))
        with (tmp_path / domains[role].name).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return {**domains, role: tmp_path / domains[role].name}

    return edit


def tables(domains: dict[str, Path], settings: Settings | None = None) -> ClinicalTables:
    return summarise(read_sdtm_cohort(domains, settings), settings)


def refused(domains: dict[str, Path]) -> InputError:
    with pytest.raises(InputError) as caught:
        read_sdtm_cohort(domains)
    return caught.value


def test_every_dated_visit_gets_the_investigators_response(domains: dict[str, Path]) -> None:
    found = tables(domains)
    assert len(found.patients) == 306
    assert [row["agrees"] for row in found.response_visits] == [True] * 21
    best = {row["patient_id"]: row["best_overall_response"] for row in found.treatment_response if row["n_assessments"]}
    assert Counter(best.values()) == {"CR": 3, "PD": 1, "NON-CR/NON-PD": 1, "NE": 1, "PR": 1, "SD": 1}
    events = {
        row["patient_id"]: (row["event_basis"], row["pfs_days"])
        for row in found.treatment_response
        if row.get("pfs_event")
    }
    progressed = {patient: day for patient, (basis, day) in events.items() if basis == "RECIST"}
    assert progressed == {"01-701-1028": 42, "01-701-1130": 63, "01-701-1133": 63}
    assert sorted(set(events) - set(progressed)) == ["01-701-1211", "01-704-1445", "01-710-1083"]  # DM says: died


def test_a_partial_date_is_a_query_and_its_visit_is_not_placed(domains: dict[str, Path]) -> None:
    asked = [row for row in tables(domains).queries if row["code"] == "E_BAD_DATE"]
    assert {(row["patient_id"], row["field"]) for row in asked} == {("01-701-1015", "RSDTC"), ("01-701-1015", "TRDTC")}


def test_another_assessor_is_a_setting(domains: dict[str, Path]) -> None:
    settings = Settings(sdtm_assessor="INDEPENDENT ASSESSOR")
    # Two radiologists measured each lesion: sizes that contradict each other are nobody's.
    assert "W_LESION_TWICE" in {row["code"] for row in tables(domains, settings).queries}
    with pytest.raises(InputError, match="assessor") as caught:
        read_sdtm_cohort(domains, Settings(sdtm_assessor="NOBODY"))
    assert (caught.value.code, caught.value.column) == ("E_NO_ASSESSOR", "TUEVAL")


def test_a_new_lesion_of_tu_is_progression(edited: Callable[..., dict[str, Path]]) -> None:
    def with_new_lesion(rows: Rows) -> Rows:
        found = next(row for row in rows if row["USUBJID"] == "01-701-1034" and row["TUEVAL"] == "INVESTIGATOR")
        return [*rows, {**found, "TUORRES": "NEW", "TUSTRESC": "NEW", "TULNKID": "NEW01", "VISITNUM": "3"}]

    visits = list(tables(edited("sdtm_tu", with_new_lesion)).response_visits)
    (third,) = [row for row in visits if row["patient_id"] == "01-701-1034" and row["new_lesion"]]
    assert third["overall_response"] == "PD" and third["agrees"] is False


def test_sizes_in_another_unit_are_refused_by_row(edited: Callable[..., dict[str, Path]]) -> None:
    def in_cm(rows: Rows) -> Rows:
        line = next(n for n, row in enumerate(rows) if row["TREVAL"] == "INVESTIGATOR" and row["TRSTRESN"] != "NA")
        rows[line]["TRSTRESU"] = "cm"
        return rows

    error = refused(edited("sdtm_tr", in_cm))
    assert (error.code, error.column) == ("E_BAD_UNIT", "TRSTRESU") and error.row and "mm" in str(error.fix)


def test_a_subject_twice_and_a_domain_in_anothers_place_are_refused(
    edited: Callable[..., dict[str, Path]], domains: dict[str, Path]
) -> None:
    error = refused(edited("sdtm_dm", lambda rows: [*rows, rows[0]]))
    assert (error.code, error.row) == ("E_DUPLICATE", 308)
    swapped = refused({**domains, "sdtm_tu": domains["sdtm_tr"]})
    assert (swapped.code, swapped.column) == ("E_SCHEMA", "TULOC")


def test_the_door_needs_all_four_domains_and_counts_the_subjects(domains: dict[str, Path]) -> None:
    known = {each.role: each for each in FORMATS}
    assert known["sdtm_dm"].needs == (frozenset({"sdtm_tu"}), frozenset({"sdtm_tr"}), frozenset({"sdtm_rs"}))
    claim = Claim(file="dm.csv", modality="clinical", role="sdtm_dm")
    with pytest.raises(InputError) as caught:
        known["sdtm_dm"].verify(domains["sdtm_dm"], claim, Context())
    assert caught.value.code == "E_NO_TUMOUR_DOMAINS"
    beside = Context({role: path for role, path in domains.items() if role != "sdtm_dm"})
    finding = known["sdtm_dm"].verify(domains["sdtm_dm"], claim, beside)
    assert finding["n_patients"] == 306
    lesions = known["sdtm_tu"].verify(domains["sdtm_tu"], Claim("tu.csv", "clinical", role="sdtm_tu"), Context())
    assert lesions == {"rows": 75, "subjects": 8}


NUMBERS = ("NUM", "STRESN", "SEQ", "DY", "AGE")


def as_transport(source: Path, target: Path) -> Path:
    """The dataset as a SAS transport file, numbers as numbers, as a sponsor would submit it."""
    import pandas as pd
    import pyreadstat

    table = pd.read_csv(source, dtype=str, keep_default_na=False).replace({"NA": ""})
    for name in table.columns:
        if name.endswith(NUMBERS):
            table[name] = pd.to_numeric(table[name], errors="coerce")
    pyreadstat.write_xport(table, str(target), table_name=target.stem.upper(), file_format_version=5)
    return target


def test_transport_files_give_what_the_csv_files_give(domains: dict[str, Path], tmp_path: Path) -> None:
    transported = {role: as_transport(path, tmp_path / f"{role[-2:]}.xpt") for role, path in domains.items()}
    ours, theirs = tables(transported), tables(domains)
    assert any(row["sum_mm"] == 0 for row in ours.response_visits)  # a zero stays a zero
    for mine, other in zip(ours.queries, theirs.queries, strict=True):
        assert {**mine, "row": 0} == {**other, "row": 0}  # observations instead of lines
    for name in ("patients", "response_visits", "treatment_response"):
        assert getattr(ours, name) == getattr(theirs, name)


@pytest.mark.parametrize(("keep", "code"), [(100, "E_TRUNCATED"), (960, "E_SCHEMA"), (-40, "E_TRUNCATED")])
def test_damaged_transport_files_are_refused(domains: dict[str, Path], tmp_path: Path, keep: int, code: str) -> None:
    whole = as_transport(domains["sdtm_tr"], tmp_path / "tr.xpt").read_bytes()
    cut = tmp_path / "cut.xpt"
    cut.write_bytes(whole[:keep])
    assert refused({**domains, "sdtm_tr": cut}).code == code
