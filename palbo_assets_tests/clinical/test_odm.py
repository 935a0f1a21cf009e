"""A project exported as ODM gives what its CSV export and dictionary give; what isn't one is refused by place."""

from __future__ import annotations

from pathlib import Path

import pytest

from palbo_assets.clinical.formats import FORMATS
from palbo_assets.clinical.odm import read_odm
from palbo_assets.clinical.redcap import read_dictionary, read_export, read_rows
from palbo_assets.clinical.summary import read_cohort, read_odm_cohort, summarise
from palbo_assets.demo.truth import PatientTruth
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context
from palbo_assets_tests.clinical.odm_writer import write_odm

Twin = tuple[list[PatientTruth], Path, Path]


@pytest.fixture
def odm(twin: Twin, tmp_path: Path) -> Path:
    _, export, dictionary = twin
    return write_odm(export, dictionary, tmp_path / "twin.odm.xml")


def test_every_table_is_the_one_of_the_csv_export(twin: Twin, odm: Path) -> None:
    _, export, dictionary = twin
    ours, theirs = summarise(read_odm_cohort(odm)), summarise(read_cohort(export, dictionary))
    assert len(ours.patients) == 10
    for name in ("patients", "response_visits", "treatment_response", "sample_manifest", "accrual"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert [{**row, "row": 0} for row in ours.queries] == [{**row, "row": 0} for row in theirs.queries]


def test_the_dictionary_is_the_projects(twin: Twin, odm: Path) -> None:
    theirs = read_dictionary(twin[2])
    ours, _ = read_odm(odm)
    assert ours.record_field == theirs.record_field
    for name, field in theirs.fields.items():
        assert (ours.fields[name].form, dict(ours.fields[name].choices)) == (field.form, dict(field.choices)), name


def test_real_longitudinal_projects_read_the_same_either_way(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "clinical" / "redcap"
    tried = 0
    for dictionary in sorted(folder.rglob("*dictionary*.csv")):
        for export in sorted(dictionary.parent.glob("data*.csv")):
            known = read_dictionary(dictionary)
            try:
                theirs = read_export(export, known)
            except InputError:
                continue
            fields, rows = read_odm(write_odm(export, dictionary, tmp_path / f"{tried}.xml"))
            ours = read_rows(export, rows, fields)
            assert ours.records == theirs.records
            filled = {form for form, frame in theirs.instruments.items() if len(frame)}
            assert {form for form, frame in ours.instruments.items() if len(frame)} == filled
            tried += 1
    assert tried


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "E_EMPTY"),
        ("<ODM><Study", "E_SCHEMA"),
        ("<html/>", "E_SCHEMA"),
        ("<ODM/>", "E_SCHEMA"),
        ('<!DOCTYPE x [<!ENTITY a "aaaa">]><ODM>&a;</ODM>', "E_SCHEMA"),
        ("<ODM><Study><MetaDataVersion/></Study><ClinicalData/></ODM>", "E_SCHEMA"),
        ("<ODM><Study><MetaDataVersion/><MetaDataVersion/></Study><ClinicalData/></ODM>", "E_SCHEMA"),
    ],
)
def test_what_is_no_project_is_refused(tmp_path: Path, content: str, code: str) -> None:
    file = tmp_path / "a.xml"
    file.write_text(content)
    with pytest.raises(InputError) as refused:
        read_odm(file)
    assert refused.value.code == code and refused.value.fix


def test_an_undefined_item_and_data_without_subjects_are_refused(odm: Path) -> None:
    text = odm.read_text()
    odm.write_text(text.replace('ItemOID="birth_year" Value', 'ItemOID="unheard_of" Value', 1))
    with pytest.raises(InputError) as refused:
        read_odm(odm)
    assert (refused.value.code, refused.value.column) == ("E_SCHEMA", "ItemData") and refused.value.row
    odm.write_text(text[: text.index("<SubjectData")] + "</ClinicalData></ODM>")
    with pytest.raises(InputError) as refused:
        read_odm(odm)
    assert refused.value.code == "E_EMPTY"


def test_the_door_counts_patients_and_refuses_names(odm: Path) -> None:
    known = {each.role: each for each in FORMATS}
    claim = Claim(file=odm.name, modality="clinical", role="odm")
    assert known["odm"].verify(odm, claim, Context())["n_patients"] == 10
    odm.write_text(odm.read_text().replace('ItemOID="tube" Value="', 'ItemOID="tube" Value="010-1234-5678 ', 1))
    with pytest.raises(InputError) as refused:
        known["odm"].verify(odm, claim, Context())
    assert (refused.value.code, refused.value.column) == ("E_PHI_FOUND", "tube")
