"""FCS files of real instruments, damaged files, and labels as labs write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palbo_assets.cytometry.compensation import compensate, parse_spill
from palbo_assets.cytometry.fcs import read_fcs
from palbo_assets.cytometry.gating import stained
from palbo_assets.cytometry.logicle import Logicle
from palbo_assets.cytometry.panel import marker_of, read_panel
from palbo_assets.cytometry.strategy import load_strategy
from palbo_assets.demo import facs
from palbo_assets.demo.truth import SampleTruth
from palbo_assets.platform.errors import InputError

TRUTH = SampleTruth("PALBO-001", "BL", 0, 0.5)


@pytest.fixture(scope="module")
def stained_tube(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("tube")
    (file,) = facs.write(TRUTH, folder, np.random.default_rng(3))
    return (folder / file.file).read_bytes()


@pytest.fixture
def written(tmp_path: Path, stained_tube: bytes) -> Callable[..., Path]:
    def write(old: bytes = b"", new: bytes = b"") -> Path:
        assert len(old) == len(new) and (not old or stained_tube.count(old) == 1)
        path = tmp_path / "tube.fcs"
        path.write_bytes(stained_tube.replace(old, new) if old else stained_tube)
        return path

    return write


def test_a_real_thirteen_colour_file_is_read_with_its_markers_and_spill_matrix(shared_data: Path) -> None:
    events = read_fcs(shared_data / "fcs/flowio/100715.fcs")
    assert events.values.shape == (65_016, 16)
    assert events.spill is not None and len(events.spill.channels) == 13
    sample = stained(events, load_strategy())
    shown = {
        marker: events.labels[column] for marker, column in sample.columns.items() if marker not in events.channels
    }
    assert shown == {name: name for name in ("CD3", "CD4", "CD8", "CD19", "CD127", "CCR7", "CD27")} | {"Ki67": "KI67"}
    assert sample.compensated


READABLE = {
    "flowio/100715.fcs": ("2.0", (65_016, 16)),
    "flowio/variable_int_example.fcs": ("3.0", (2, 26)),
    "gatingml_suite/data1.fcs": ("2.0", (13_367, 8)),
    "instruments_and_malformed/FACSCaliburHTS/Sample_Well_A02.fcs": ("2.0", (37_395, 8)),
    "instruments_and_malformed/Fortessa/FCS_3.0_Fortessa_PBS_Specimen_001_A1_A01.fcs": ("3.0", (11_585, 11)),
    "instruments_and_malformed/MiltenyiBiotec/FCS2.0/EY_2013-07-19_PBS_FCS_2.0_Custom_Without_Add_Well_A1.001.fcs": (
        "2.0",
        (10_000, 16),
    ),
    "instruments_and_malformed/MiltenyiBiotec/FCS3.1/SG_2014-09-26_Duplicate_Names.fcs": ("3.1", (8_129, 9)),
    "instruments_and_malformed/cyflow_cube_8/cyflow_cube_8.fcs": ("3.0", (725, 10)),
    "flowkit/data_set_simple_line_100.fcs": ("3.1", (100, 2)),
    "flowkit/index_sorted_example.fcs": ("3.0", (384, 13)),
    "flowkit/test_comp_example.fcs": ("3.0", (10_703, 18)),
    "flowkit/test_data_diamond_01.fcs": ("3.1", (200_000, 2)),
}


@pytest.mark.parametrize("file", READABLE)
def test_files_of_several_instruments_and_versions_hold_the_events_that_flowio_reads(
    shared_data: Path, file: str
) -> None:
    import warnings

    from flowio import FlowData

    path = shared_data / "fcs" / file
    events = read_fcs(path)
    assert (events.version, events.values.shape) == READABLE[file]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the end of two files' data is one byte off
        truth = FlowData(str(path), ignore_offset_error=True)
    if file == "flowio/variable_int_example.fcs":
        truth.text["timestep"] = ""  # it is no number there, over which flowio stumbles
    assert events.channels == tuple(name.strip() for name in truth.pnn_labels)
    assert events.labels == tuple(label.strip() for label in truth.pns_labels)
    assert np.array_equal(events.values, truth.as_array(preprocess=True))


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("instruments_and_malformed/corrupted/corrupted.fcs", "E_SCHEMA"),
        ("instruments_and_malformed/cytek-nl-2000/sample_header.fcs", "E_TRUNCATED"),
        ("flowkit/data_start_offset_discrepancy_example.fcs", "E_TRUNCATED"),
        ("flowkit/data_stop_offset_discrepancy_example.fcs", "E_TRUNCATED"),
    ],
)
def test_real_damaged_files_are_refused_with_one_clear_line(shared_data: Path, file: str, code: str) -> None:
    with pytest.raises(InputError) as error:
        read_fcs(shared_data / "fcs" / file)
    assert error.value.code == code and error.value.fix and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"/$TOT/30000/", b"/$TOT/20000/"),
        (b"/$TOT/30000/", b"/$TOT/99999/"),
        (b"/$TOT/30000/", b"/$TOT/3000x/"),
        (b"/$PAR/28/", b"/$PAR/29/"),
        (b"/$P3B/32/", b"/$P3B/07/"),
        (b"/$P5N/B710-A/", b"/$P5N/B530-A/"),
        (b"/$MODE/L/", b"/$MODE/C/"),
        (b"/$DATATYPE/F/", b"/$DATATYPE/X/"),
        (b"/$NEXTDATA/0/", b"/$NEXTDATA/9/"),
    ],
)
def test_keywords_that_contradict_the_data_are_refused(written: Callable[..., Path], old: bytes, new: bytes) -> None:
    with pytest.raises(InputError) as error:
        read_fcs(written(old, new))
    assert error.value.code in ("E_SCHEMA", "E_TRUNCATED")


def test_a_cut_file_an_empty_file_and_not_a_number_are_refused(tmp_path: Path, stained_tube: bytes) -> None:
    start = int(stained_tube[26:34])
    nan = stained_tube[:start] + np.array([np.nan], "<f4").tobytes() + stained_tube[start + 4 :]
    for content, code in ((stained_tube[:-4], "E_TRUNCATED"), (b"", "E_EMPTY"), (nan, "E_SCHEMA")):
        path = tmp_path / "tube.fcs"
        path.write_bytes(content)
        with pytest.raises(InputError) as error:
            read_fcs(path)
        assert error.value.code == code


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 1500), junk=st.binary(min_size=1, max_size=40))
def test_a_damaged_header_or_text_gives_events_or_an_input_error(
    tmp_path: Path, shared_data: Path, at: int, junk: bytes
) -> None:
    content = (shared_data / "fcs/flowkit/data_set_simple_line_100.fcs").read_bytes()
    path = tmp_path / "tube.fcs"
    path.write_bytes(content[:at] + junk + content[at + len(junk) :])
    try:
        assert np.isfinite(read_fcs(path).values).all()
    except InputError as error:
        assert error.code.startswith("E_")


def test_nothing_that_names_a_person_leaves_the_reader(shared_data: Path) -> None:
    for file in ("gatingml_suite/data1.fcs", "instruments_and_malformed/FACSCaliburHTS/Sample_Well_A02.fcs"):
        told = repr(read_fcs(shared_data / "fcs" / file))
        for secret in ("FJ#192659", "Manoshi", "23-Aug-02", "Sep-13"):
            assert secret not in told


def test_logicle_has_its_published_values_and_keeps_negatives() -> None:
    values = [-1000, -100, 0, 10, 100, 1000, 1e4, 1e5, 262144]
    expected = [-0.2321, 0.0090, 0.1111, 0.1223, 0.2132, 0.4543, 0.6838, 0.9069, 1.0]
    scale = Logicle()
    assert scale.transform(values).round(4).tolist() == expected
    assert scale.inverse(scale.transform(values)) == pytest.approx(values, abs=1e-6, rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(2, 8))
def test_compensation_undoes_any_spill(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = np.eye(size) + rng.uniform(0, 0.15, (size, size)) * (1 - np.eye(size))
    names = [f"C{index}-A" for index in range(size)]
    spill = parse_spill(f"{size},{','.join(names)},{','.join(repr(float(cell)) for cell in matrix.ravel())}", names)
    true = rng.normal(0, 1000, (50, size))
    assert compensate(true @ matrix, names, spill) == pytest.approx(true, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    ["", "x,A", "2,A,B,1,0,0", "2,A,C,1,0.1,0,1", "2,A,A,1,0.1,0,1", "2,A,B,1,1,1,1", "2,A,B,1,0,zero,1", "9,A,B,1"],
)
def test_a_spill_matrix_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError) as error:
        parse_spill(text, ["A", "B"])
    assert error.value.code == "E_SPILL"


def test_an_identity_spill_of_renamed_channels_does_nothing_and_is_let_pass() -> None:
    assert parse_spill("2,A,xxx,1,0,0,1", ["A", "B"]).is_identity


def test_spill_is_read_from_any_of_its_keywords_and_forms() -> None:
    assert parse_spill("2,a,b,1,0.1,0,1", ["A", "B", "FSC-A"]).channels == ("A", "B")
    assert parse_spill("2,1,0.1,0,1", ["FSC-A", "A", "B"]).channels == ("A", "B")
    assert parse_spill("2,2,3,1,0.1,0,1", ["FSC-A", "A", "B"]).channels == ("A", "B")


@pytest.mark.parametrize(
    ("label", "marker"),
    [
        ("CD4 FITC", "CD4"),
        ("CD8 B PE", "CD8"),
        ("cd3-PerCP", "CD3"),
        ("CD279 (PD-1) BV421", "PD-1"),
        ("viability;7-AAD;695/40@488/A", "Viability"),
        ("LIVE/DEAD Aqua", "Viability"),
        ("CD45RO", None),
        ("CD45RA", "CD45RA"),
        ("VIVID / CD14", None),
        ("CD3/CD19/CD14 dump", None),
        (" ", None),
    ],
)
def test_labels_are_read_by_whole_words_and_a_dump_channel_serves_no_marker(label: str, marker: str | None) -> None:
    assert marker_of(label, load_strategy().markers) == marker


def test_a_panel_overrules_blank_labels_and_must_not_contradict_written_ones(
    tmp_path: Path, written: Callable[..., Path]
) -> None:
    path = tmp_path / "study.panel.csv"
    rows = [f"{detector},x,{label.split(' ')[0]},clone" for detector, label in facs.PANEL]
    path.write_text("detector,fluorochrome,marker,clone\n" + "\n".join(rows) + "\n")
    blank = read_fcs(written(b"/$P4S/CD3 FITC/", b"/$P4S/stained./"))
    assert "CD3" not in stained(blank, load_strategy()).columns
    assert "CD3" in stained(blank, load_strategy(), read_panel(path)).columns
    swapped = read_fcs(written(b"/$P4S/CD3 FITC/", b"/$P4S/CD56 FIT/"))
    with pytest.raises(InputError) as error:
        stained(swapped, load_strategy(), read_panel(path))
    assert error.value.code == "E_PANEL_MISMATCH"
