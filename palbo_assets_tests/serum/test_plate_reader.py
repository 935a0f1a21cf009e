"""Exports of real readers, and what labs do to them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palbo_assets.platform.errors import InputError
from palbo_assets.serum.plate_reader import read_plates
from palbo_assets.serum.readings import COLUMNS, MISSING, OVER, WELLS


def matrix(delimiter: str = ",", cell: str = "0.5", rows: str = "ABCDEFGH") -> str:
    lines = [delimiter.join(["", *map(str, range(1, 13))])]
    lines += [delimiter.join([row, *[cell] * 12]) for row in rows]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("file", "plates", "wavelengths", "first"),
    [
        ("elisa_softmax/Assay_2.txt", 1, {450, 620}, 2.2416),
        ("reader_exports/group_with_partial_rows.txt", 1, {450, 650}, 0.1003),
        ("reader_exports/MD_SMP_absorbance_endpoint_example05.txt", 1, {280, 450, 562}, 1.328),
        ("reader_exports/endpoint_stdcurve_singleplate.txt", 1, {630}, 3.337),
        ("reader_exports/endpoint_wavelength_measurement_labels.txt", 1, {280, 325}, 1.8012),
        ("reader_exports/PE_Envision_absorbance_A450_example.csv", 2, {450}, 0.15),
        ("reader_exports/BMG Labtech format.CSV", 1, {450}, 0.073),
        ("reader_exports/SLA01P01_OD.xlsx", 1, {595}, 0.1462),
        ("reader_exports/skanit_data.xlsx", 1, {450}, 1.7455),
    ],
)
def test_exports_of_real_readers_give_every_well_at_every_wavelength(
    shared_data: Path, file: str, plates: int, wavelengths: set[int], first: float
) -> None:
    readings = read_plates(shared_data / "elisa" / file)
    assert tuple(readings.columns) == COLUMNS
    assert readings["plate"].nunique() == plates
    assert set(readings["wavelength"]) == wavelengths
    assert (readings.groupby(["plate", "wavelength"])["well"].nunique() == 96).all()
    a1 = readings[readings["well"] == "A1"]
    assert first in a1["od"].tolist()


def test_every_file_of_the_collection_is_read_whole_or_refused_with_what_to_do(shared_data: Path) -> None:
    """Layouts, bead assays and other tools' parses of the same plates are no absorbances; one export lost a row."""
    read, refused = [], {}
    for path in sorted(path for path in (shared_data / "elisa").rglob("*") if path.is_file()):
        try:
            read.append(read_plates(path))
        except InputError as error:
            assert error.fix and error.file == path.name
            refused[path.name] = error.code
    assert len(read) == 10 and all(len(wells) % 96 == 0 for wells in read)
    assert refused.pop("missing_measurement_table_row.txt") == "E_TRUNCATED"
    assert set(refused.values()) == {"E_SCHEMA"}


def test_wells_of_a_matrix_are_not_transposed(shared_data: Path) -> None:
    readings = read_plates(shared_data / "elisa/reader_exports/BMG Labtech format.CSV").set_index("well")["od"]
    assert (readings["A2"], readings["B1"], readings["H12"]) == (0.082, 0.045, 0.207)


def test_overflow_and_missed_wells_are_null_with_a_flag_and_never_zero(shared_data: Path) -> None:
    readings = read_plates(
        shared_data / "elisa/reader_exports/240411_172731_BNCH2345883_abs450_96well_non_numeric_values.txt"
    )
    by_well = readings.set_index("well")
    assert by_well.loc["A8", "flag"] == OVER and by_well.loc["D12", "flag"] == MISSING
    flagged = readings["flag"] != ""
    assert flagged.sum() == 13 and readings.loc[flagged, "od"].isna().all()
    assert readings.loc[~flagged, "od"].notna().all()


def test_a_plate_that_lost_a_row_is_refused(shared_data: Path) -> None:
    with pytest.raises(InputError) as error:
        read_plates(shared_data / "elisa/reader_exports/missing_measurement_table_row.txt")
    assert error.value.code == "E_TRUNCATED"


def test_files_that_are_no_export_are_refused_in_one_line(shared_data: Path, tmp_path: Path) -> None:
    workbook = tmp_path / "broken.xlsx"
    workbook.write_bytes(b"PK\x03\x04 no workbook")
    for path in (shared_data / "elisa/elisa_softmax/design.txt", shared_data / "elisa/luminex/plate1.csv", workbook):
        with pytest.raises(InputError) as error:
            read_plates(path)
        assert "\n" not in str(error.value)


def test_a_matrix_is_read_with_its_plate_and_wavelength(tmp_path: Path) -> None:
    path = tmp_path / "plate.csv"
    path.write_text("plate,NRG1-07\nwavelength,450\n" + matrix() + "\nwavelength,570\n" + matrix(cell="0.04"))
    readings = read_plates(path)
    assert set(readings["wavelength"]) == {450, 570} and set(readings["well"]) == set(WELLS)
    assert readings["od"].tolist() == [0.5] * 96 + [0.04] * 96


def test_a_decimal_comma_is_read_only_where_the_whole_file_uses_it(tmp_path: Path) -> None:
    path = tmp_path / "plate.csv"
    path.write_text(matrix(";", "0,5"))
    assert read_plates(path)["od"].tolist() == [0.5] * 96
    path.write_text(matrix(",", "0,5"))
    with pytest.raises(InputError) as error:
        read_plates(path)
    assert error.value.row == 2 and "decimal comma" in error.value.fix


def test_two_readings_of_one_well_are_refused_rather_than_mixed(tmp_path: Path) -> None:
    path = tmp_path / "plate.csv"
    path.write_text(matrix() + "\n" + matrix(cell="0.7"))
    with pytest.raises(InputError) as error:
        read_plates(path)
    assert error.value.code == "E_SCHEMA"


def test_a_matrix_cut_within_the_plate_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plate.csv"
    path.write_text(matrix(rows="ABCDE"))
    with pytest.raises(InputError) as error:
        read_plates(path)
    assert error.value.code == "E_TRUNCATED"


def test_messages_name_the_place_and_never_quote_the_cell(tmp_path: Path) -> None:
    path = tmp_path / "plate.csv"
    path.write_text(matrix().replace("C,0.5", "C,Hong", 1))
    with pytest.raises(InputError) as error:
        read_plates(path)
    assert (error.value.row, error.value.column) == (4, "1") and "Hong" not in str(error.value)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=600),
    prefix=st.sampled_from([b"", b"##BLOCKS= 1\nPlate:\tP\t1.3\tTimeFormat\t", b",1,2,3\n"]),
)
def test_arbitrary_bytes_give_readings_or_an_input_error(tmp_path: Path, content: bytes, prefix: bytes) -> None:
    path = tmp_path / "plate.txt"
    path.write_bytes(prefix + content)
    try:
        assert len(read_plates(path))
    except InputError as error:
        assert error.code.startswith("E_")
