"""REDCap exports become instruments in labels; what can't be told apart is refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from palbo_assets.clinical.redcap import (
    Dictionary,
    Export,
    duplicated_by_access_group,
    read_dictionary,
    read_export,
)
from palbo_assets.platform.errors import InputError

HEADER = (
    "Variable / Field Name,Form Name,Field Type,"
    '"Choices, Calculations, OR Slider Labels",Text Validation Type OR Show Slider Number,Identifier?'
)
FIELDS = [
    "record_id,base,text,,,",
    'sex,base,radio,"1, Female | 2, Male",,',
    "born,base,text,,date_ymd,",
    "ecog,base,text,,integer,",
    'sites,base,checkbox,"1, bone | -1, none",,',
    "ok,visit,yesno,,,",
    "size,visit,text,,number,",
]


def project(folder: Path, rows: list[str], *, header: str = "", encoding: str = "utf-8-sig") -> tuple[Path, Dictionary]:
    dictionary = folder / "dictionary.csv"
    dictionary.write_text("\n".join([HEADER, *FIELDS]), encoding="utf-8")
    export = folder / "data.csv"
    columns = header or (
        "record_id,redcap_event_name,redcap_repeat_instrument,redcap_repeat_instance,"
        "sex,born,ecog,sites___1,sites____1,base_complete,ok,size,visit_complete"
    )
    export.write_bytes("\r\n".join([columns, *rows, ""]).encode(encoding))
    return export, read_dictionary(dictionary)


def load(folder: Path, rows: list[str], **options: str) -> Export:
    export, dictionary = project(folder, rows, **options)
    return read_export(export, dictionary, missing_codes=("-99", "-88"))


RAW = ["P-1,e1,,,2,2019.03.05,-99,1,0,2,,,", "P-1,e1,visit,1,,,,,,,1,12.5,2", "P-1,e1,visit,2,,,,,,,0,,1"]
LABELLED = [
    "P-1,e1,,,Male,43529,,Checked,Unchecked,Complete,,,",
    "P-1,e1,Visit,1,,,,,,,Yes,12.5,Complete",
    "P-1,e1,Visit,2,,,,,,,No,,Unverified",
]


@pytest.mark.parametrize("rows", [RAW, LABELLED], ids=["codes", "labels"])
def test_raw_and_labelled_exports_read_the_same(tmp_path: Path, rows: list[str]) -> None:
    found = load(tmp_path, rows)
    assert found.labelled is (rows is LABELLED)
    assert found.queries == ()
    base, visit = found.instruments["base"], found.instruments["visit"]
    first = base.iloc[0]
    assert (first["sex"], first["born"], first["ecog"]) == ("Male", date(2019, 3, 5), None)
    assert (first["sites___1"], first["sites____1"]) == (True, False)
    assert list(visit["row"]) == [3, 4]
    assert list(visit["ok"]) == ["Yes", "No"]
    assert list(visit["size"]) == [12.5, None]


def test_korean_code_page_is_read(tmp_path: Path) -> None:
    header = "record_id,sex,메모"
    with pytest.raises(InputError) as caught:
        load(tmp_path, ["P-1,1,환자"], header=header, encoding="cp949")
    assert caught.value.column == "메모"


def test_codes_and_labels_in_one_file_are_refused_with_both_places(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, [RAW[0], LABELLED[1]])
    assert caught.value.code == "E_MIXED_EXPORT"
    assert "row 2" in caught.value.message
    assert caught.value.row == 3


def test_column_that_the_dictionary_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="isn't in the data dictionary") as caught:
        load(tmp_path, ["P-1,1,2"], header="record_id,sex,height")
    assert caught.value.column == "height"


def test_labelled_header_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="record field") as caught:
        load(tmp_path, ["P-1,Male"], header="Record ID,Sex")
    assert "raw variable names" in caught.value.fix


def test_same_row_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, [*RAW, RAW[1]])
    assert (caught.value.code, caught.value.row) == ("E_DUPLICATE", 5)


def test_unknown_repeated_instrument_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="repeated instrument"):
        load(tmp_path, ["P-1,e1,scan,1,,,,,,,1,2,2"])


def test_unreadable_cells_become_queries_and_null_and_are_never_quoted(tmp_path: Path) -> None:
    found = load(tmp_path, ["P-1,e1,,,7,UNK-2019,good,1,0,2,,,", "P-1,e1,visit,1,,,,,,,1,inf,2", RAW[2]])
    assert {(query.code, query.column, query.row) for query in found.queries} == {
        ("E_UNKNOWN_CHOICE", "sex", 2),
        ("E_BAD_DATE", "born", 2),
        ("E_NOT_A_NUMBER", "ecog", 2),
        ("E_NOT_A_NUMBER", "size", 3),
    }
    assert "UNK" not in "".join(query.message for query in found.queries)
    assert found.instruments["base"].iloc[0]["sex"] is None


def test_record_entered_twice_through_an_access_group_is_found() -> None:
    assert duplicated_by_access_group(["3", "12-3", "12-4", "PALBO-1", "7-PALBO-1"]) == {
        "12-3": "3",
        "7-PALBO-1": "PALBO-1",
    }


def test_file_that_is_no_dictionary_says_so(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("record_id,sex\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match="isn't a REDCap data dictionary"):
        read_dictionary(path)


def test_longitudinal_project_of_another_team_reads_whole(shared_data: Path) -> None:
    folder = shared_data / "clinical" / "redcap" / "longitudinal"
    dictionary = read_dictionary(folder / "dictionary.csv")
    found = read_export(folder / "data.csv", dictionary)
    assert (len(dictionary.fields), len(dictionary.forms)) == (95, 9)
    assert found.records == ("100", "220", "304")
    assert not found.labelled
    assert found.queries == ()
    people = found.instruments["demographics"]
    assert len(people) == 3
    assert isinstance(people["date_enrolled"].iloc[0], date)
    assert set(people["sex"]) <= {"Female", "Male"}
    assert people["meds___1"].isin([True, False]).all()


def test_repeating_project_of_another_team_reads_every_instance(shared_data: Path) -> None:
    folder = shared_data / "clinical" / "redcap" / "vignette-repeating"
    found = read_export(folder / "data.csv", read_dictionary(folder / "dictionary.csv"))
    pressure = found.instruments["blood_pressure"]
    assert list(pressure["instance"]) == ["1", "2", "3"] * 2
    assert list(pressure["sbp"]) == [1.1, 1.2, 1.3, 2.1, 2.2, 2.3]
    assert {form: len(frame) for form, frame in found.instruments.items()} == {
        "intake": 2, "blood_pressure": 6, "laboratory": 4, "image": 5
    }  # fmt: skip
