"""The protocol answers what is expected where, and refuses to load when it contradicts itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palbo_assets.platform.errors import PalboError
from palbo_assets.study.protocol import DEFAULT_PATH, load_protocol, valid_patient_id
from palbo_assets.study.vocabulary import TIMEPOINTS

PROTOCOL = load_protocol()


def test_registry_numbers_are_the_trials() -> None:
    assert {name: cohort.planned for name, cohort in PROTOCOL.cohorts.items()} == {"BANK": 100, "PAIR": 40, "TIL": 20}
    assert PROTOCOL.planned_progression_biopsy_success == 0.40


@pytest.mark.parametrize(
    ("cohorts", "assay", "timepoint", "expected"),
    [
        ({"PAIR"}, "cyclin_e_ihc", "BL", True),
        ({"PAIR"}, "cyclin_e_ihc", "W06", False),
        ({"BANK"}, "cyclin_e_ihc", "BL", False),
        ({"BANK"}, "he_til", "BL", True),
        ({"BANK"}, "he_til", "PD", False),
        ({"TIL"}, "facs", "W12", True),
        ({"TIL", "PAIR"}, "facs", "PD", False),
        ({"PAIR"}, "ctdna", "PD", True),
        ({"TIL"}, "wes_tumour", "PD", False),
        ({"PAIR"}, "wes_germline", "PD", False),
        (set(), "he_til", "BL", False),
    ],
)
def test_assay_matrix_is_the_protocols(cohorts: set[str], assay: str, timepoint: str, expected: bool) -> None:
    assert PROTOCOL.expected(cohorts, assay, timepoint) is expected


def test_more_than_half_of_the_pair_cohorts_grid_is_empty_by_design() -> None:
    cells = [(assay, point) for assay in PROTOCOL.assays for point in TIMEPOINTS]
    planned = [cell for cell in cells if PROTOCOL.expected({"PAIR"}, *cell)]
    assert len(planned) / len(cells) < 0.5


def test_question_about_an_unknown_assay_or_timepoint_is_an_error_not_no() -> None:
    with pytest.raises(KeyError):
        PROTOCOL.expected({"PAIR"}, "wes_tumor", "BL")
    with pytest.raises(KeyError):
        PROTOCOL.expected({"PAIR"}, "wes_tumour", "W6")


@pytest.mark.parametrize(
    ("day", "pd_day", "next_line", "tissue", "timepoint"),
    [
        (0, None, None, False, "BL"),
        (-28, None, None, False, "BL"),
        (-29, None, None, False, "UNSCHED"),
        (-56, None, None, True, "BL"),
        (-57, None, None, True, "UNSCHED"),
        (1, None, None, True, "UNSCHED"),
        (35, None, None, False, "W06"),
        (49, None, None, False, "W06"),
        (50, None, None, False, "UNSCHED"),
        (70, None, None, True, "W12"),
        (98, None, None, True, "W12"),
        (286, 300, None, True, "PD"),
        (285, 300, None, True, "UNSCHED"),
        (328, 300, None, True, "PD"),
        (329, 300, None, True, "UNSCHED"),
        (320, 300, 320, True, "PD_LATE"),
        (319, 300, 320, True, "PD"),
        (42, 50, None, True, "W06"),
        (45, 42, None, True, "PD"),
    ],
)
def test_timepoint_is_derived_from_days(
    day: int, pd_day: int | None, next_line: int | None, tissue: bool, timepoint: str
) -> None:
    assert PROTOCOL.timepoint_of(day, pd_day, next_line, tissue=tissue) == timepoint


@pytest.mark.parametrize(
    ("label", "timepoint"),
    [
        ("PRE", "BL"),
        ("baseline", "BL"),
        ("SCR", "BL"),
        ("C1D1", "BL"),
        ("C2D15", "W06"),
        ("c4 d1", "W12"),
        ("EOT", "PD"),
        ("Prog", "PD"),
        ("0W", "BL"),
        ("6W", "W06"),
        ("12w", "W12"),
        ("Week-6", "W06"),
        ("PD", "PD"),
        ("On", None),
        ("", None),
    ],
)
def test_labels_of_labs_are_recognised_or_left_open(label: str, timepoint: str | None) -> None:
    assert PROTOCOL.canonical(label) == timepoint


@given(st.integers(-400, 2000), st.none() | st.integers(1, 1500), st.booleans())
def test_derived_timepoint_is_always_one_whose_window_holds_the_day(day: int, pd_day: int | None, tissue: bool) -> None:
    derived = PROTOCOL.timepoint_of(day, pd_day, tissue=tissue)
    held = PROTOCOL.timepoints_of(day, pd_day=pd_day, tissue=tissue)
    assert derived in held if held else derived == "UNSCHED"


def test_progression_is_never_due_before_it_is_documented() -> None:
    assert PROTOCOL.due_day("PD") is None
    assert PROTOCOL.due_day("PD", 300) == 328
    assert PROTOCOL.overdue_day("ctdna", "W06") == 49 + PROTOCOL.delivery_days


@pytest.mark.parametrize("patient_id", ["PALBO-001", "A", "SMC012-2-B"])
def test_study_ids_are_accepted(patient_id: str) -> None:
    assert valid_patient_id(patient_id)


@pytest.mark.parametrize(
    "patient_id",
    ["", "palbo-001", "PALBO_001", "-A", "A-", "A--B", "A|B", "A/B", "A B", "A\n", "A...B", "A" * 64, "Ａ"],
)
def test_ids_that_would_break_keys_paths_or_exports_are_refused(patient_id: str) -> None:
    assert not valid_patient_id(patient_id)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("BL: [TIL], W06: [TIL], W12: [TIL]}", "BL: [TIL], W6: [TIL]}", "timepoints"),
        ("modality: facs", "modality: flow", "modality"),
        ("PD: [PAIR]}", "PD: [PAIRS]}", "unknown cohort PAIRS"),
        ("latest: 49", "latest: 41", "earliest <= target <= latest"),
        ("C2D15, 6W", "C4D1, 6W", "more than one timepoint"),
        ("delivery_days: 90", "delivery_days: soon", "delivery_days"),
        ("delivery_days: 90", "delivery_days: 90\ndelivery_days: 91", "stands twice"),
        ("delivery_days: 90", "delivery_dayz: 90", "delivery_dayz"),
        ("assays:", "assays: [", "YAML"),
    ],
)
def test_protocol_that_contradicts_itself_is_refused_with_the_place(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    text = DEFAULT_PATH.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "protocol.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(PalboError, match=complaint) as caught:
        load_protocol(path)
    assert caught.value.code == "E_PROTOCOL"


def test_missing_protocol_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(PalboError, match="doesn't exist"):
        load_protocol(tmp_path / "none.yaml")
