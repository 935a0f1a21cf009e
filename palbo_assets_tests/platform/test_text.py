"""Labs' tables are read without guessing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palbo_assets.platform.errors import InputError, PalboError
from palbo_assets.platform.text import number, read_table


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_cells_stay_text_and_rows_keep_their_line(tmp_path: Path) -> None:
    frame = read_table(write(tmp_path / "a.csv", b'id,note\r\n001,"two\nlines"\r\n\r\n002,NA\r\n'))
    assert frame["id"].tolist() == ["001", "002"]
    assert frame["note"].tolist() == ["two\nlines", "NA"]
    assert frame.index.tolist() == [2, 5]


def test_korean_spreadsheets_and_byte_order_marks_are_read(tmp_path: Path) -> None:
    text = "id,비고\nP1,판독 완료\n"
    for encoding in ("utf-8", "utf-8-sig", "cp949", "utf-16"):
        frame = read_table(write(tmp_path / "a.csv", text.encode(encoding)))
        assert frame.iloc[0].tolist() == ["P1", "판독 완료"], encoding


@pytest.mark.parametrize(
    ("content", "code", "row"),
    [
        (b"", "E_EMPTY", None),
        (b"id,x\n", "E_EMPTY", None),
        (b"id,x\n1,2,3\n", "E_SCHEMA", 2),
        (b"id,x\n1,2\n3\n", "E_SCHEMA", 3),
        (b"id,id\n1,2\n", "E_SCHEMA", 1),
        (b'id,x\n"1,2\n', "E_SCHEMA", 2),
        (b"id,x\n1\x00,2\n", "E_SCHEMA", None),
        (b"id,x\n\xff\xff\xff,2\n", "E_ENCODING", None),
    ],
)
def test_a_broken_table_is_refused_with_its_line(tmp_path: Path, content: bytes, code: str, row: int | None) -> None:
    with pytest.raises(InputError) as caught:
        read_table(write(tmp_path / "a.csv", content))
    assert (caught.value.code, caught.value.row) == (code, row)


def test_another_delimiter_is_named_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="delimiter looks like ';'"):
        read_table(write(tmp_path / "a.csv", b"id;x\n1;2\n"), required=["id"])


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=300))
def test_no_bytes_end_in_anything_but_a_table_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = write(tmp_path_factory.mktemp("wild") / "a.csv", content)
    try:
        read_table(path)
    except PalboError as error:
        assert error.code.startswith("E_")


def test_numbers_are_finite_or_refused_and_empty_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    assert number("", path=path, row=2, column="x") is None
    assert number(" 1.5 ", path=path, row=2, column="x") == 1.5
    assert number("1,5", path=path, row=2, column="x", decimal_comma=True) == 1.5
    for cell in ("1,5", "1e400", "nan", "abc"):
        with pytest.raises(InputError) as caught:
            number(cell, path=path, row=7, column="x")
        assert (caught.value.row, caught.value.column) == (7, "x")
        assert cell not in caught.value.message
