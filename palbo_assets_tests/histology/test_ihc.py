"""Immunohistochemistry: tables of every program in one form, mistakes with their row, scores within their limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palbo_assets.demo import ihc
from palbo_assets.histology import density, h_score, ihc_summary, ihc_tables
from palbo_assets.histology.formats import scores_key, verify_scores
from palbo_assets.histology.ihc_exports import inform_counts
from palbo_assets.histology.settings import CyclinSettings, MarkerSettings, SectionSettings
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context
from palbo_assets.platform.text import read_table
from palbo_assets_tests.histology.conftest import truth

CELLS = "ihc/mihc_cell_tables/FIHC4__0929309_HP_IM3_2_cell_seg_data.txt"
SUMMARY = "ihc/mihc_cell_tables/FIHC4__0929309_HP_IM3_2_cell_seg_data_summary.txt"
HEAD = (
    "specimen_id,patient_id,timepoint,marker,compartment,pct_0,pct_1plus,pct_2plus,pct_3plus,n_cells,scorer,control_ok"
)
GOOD = "S1,PALBO-001,BL,Cyclin E1,nuclear,70,10,10,10,500,R1,yes"


def _table(tmp_path: Path, *lines: str, head: str = HEAD, name: str = "scores.csv") -> Path:
    path = tmp_path / name
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return path


def _refusal(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        ihc_tables.read(path)
    return caught.value


def _samples() -> list[Any]:
    markers = {"CD8": 250.0, "CD3": 500.0, "FOXP3": 40.0}
    more = {"til_marker_density": markers, "cyclin_e1_h_score": 120.0, "cyclin_e2_h_score": 30.0}
    return [truth(timepoint=at, **more) for at in ("BL", "PD")]


# H-score


@given(st.lists(st.integers(0, 1000), min_size=4, max_size=4).filter(lambda parts: sum(parts) > 0))
def test_an_h_score_lies_between_0_and_300(parts: list[int]) -> None:
    shares = [100 * part / sum(parts) for part in parts]
    if abs(sum(shares) - 100) <= 1:
        assert 0 <= h_score.from_percentages(*shares) <= 300 + 1e-9


def test_h_score_limits() -> None:
    assert h_score.from_percentages(100, 0, 0, 0) == 0
    assert h_score.from_percentages(0, 0, 0, 100) == 300
    assert h_score.from_percentages(40, 30, 20, 10.6) == pytest.approx(101.8)  # readers round


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ((0.7, 0.1, 0.1, 0.1), "E_UNITS"),
        ((0, 0, 0, 1), "E_UNITS"),
        ((70, 10, 10, 5), "E_SUM"),
        ((70, 10, 10, 12), "E_SUM"),
        ((110, -10, 0, 0), "E_RANGE"),
    ],
)
def test_percentages_that_cannot_be_are_refused(parts: tuple[float, ...], code: str) -> None:
    with pytest.raises(InputError, match=code):
        h_score.from_percentages(*parts)


def _reading(scorer: str, score: float, **more: Any) -> h_score.Reading:
    return h_score.Reading(
        **({"scorer": scorer, "h_score": score, "positive_pct": 50.0, "n_cells": 500, "control_ok": True} | more)
    )


def test_readers_within_thirty_are_averaged_and_beyond_must_agree() -> None:
    near = h_score.agree([_reading("A", 100), _reading("B", 130)], CyclinSettings())
    assert (near.h_score, near.n_readers, near.reader_difference, near.status) == (115, 2, 30, "OBSERVED")
    far = h_score.agree([_reading("A", 100), _reading("B", 131)], CyclinSettings())
    assert far.adjudicate and far.h_score is None and far.status == "NOT_EVALUABLE" and far.reader_difference == 31
    decided = h_score.agree([_reading("A", 100), _reading("B", 180), _reading("Consensus", 150)], CyclinSettings())
    assert decided.h_score == 150 and not decided.adjudicate and decided.n_readers == 2


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"control_ok": None}, "QC_FAIL"),
        ({"control_ok": False}, "QC_FAIL"),
        ({"n_cells": 99}, "NOT_EVALUABLE"),
        ({"n_cells": None}, "NOT_EVALUABLE"),
        ({"h_score": None}, "NOT_EVALUABLE"),
    ],
)
def test_a_reading_without_control_or_cells_gives_no_score(more: dict[str, Any], status: str) -> None:
    found = h_score.agree([_reading("A", 100, **more)], CyclinSettings())
    assert found.h_score is None and found.status == status and found.reason


def test_one_reader_with_two_scores_gives_none() -> None:
    assert h_score.agree([_reading("A", 100), _reading("a", 110)], CyclinSettings()).h_score is None


# Density


def _count(n: int | None, area: float | None, region: str = "", scorer: str = "R1") -> density.Count:
    return density.Count(scorer, region, n, 1000, area, None)


def test_regions_are_pooled_by_area_and_scorers_averaged() -> None:
    pooled = density.density([_count(100, 1.0, "a"), _count(0, 3.0, "b")], "stroma", MarkerSettings())
    assert pooled.density_mm2 == 25 and pooled.area_mm2 == 4
    both = density.density([_count(100, 1.0), _count(200, 1.0, scorer="R2")], "stroma", MarkerSettings())
    assert both.density_mm2 == 150


def test_no_cells_in_enough_area_is_zero_and_an_unknown_area_is_nothing() -> None:
    assert density.density([_count(0, 1.0)], "stroma", MarkerSettings()).density_mm2 == 0
    unknown = density.density([_count(5, None)], "stroma", MarkerSettings())
    assert unknown.density_mm2 is None and unknown.status == "NOT_EVALUABLE"
    small = density.density([_count(5, 0.49)], "stroma", MarkerSettings())
    assert small.density_mm2 is None and small.status == "NOT_EVALUABLE" and small.n_positive == 5
    remark = density.density([_count(5, 0.8)], "tumour", MarkerSettings())
    assert remark.status == "OBSERVED" and remark.reason


def test_a_region_counted_twice_differently_gives_no_density() -> None:
    assert density.density([_count(5, 1.0), _count(9, 1.0)], "stroma", MarkerSettings()).status == "NOT_EVALUABLE"


# Tables


def test_the_planted_table_is_read_back(tmp_path: Path) -> None:
    written = ihc.write(_samples(), tmp_path, np.random.default_rng(1), "week1")
    readings = ihc_tables.read(tmp_path / written[0].file)
    assert len(readings) == 2 * (4 + 3)
    rows = {
        (r["timepoint"], r["marker"]): r
        for r in ihc_summary.cyclin_scores(readings, CyclinSettings(), SectionSettings())
    }
    assert rows["BL", "CYCLIN_E1"]["h_score"] == pytest.approx(120, abs=15)
    assert rows["PD", "CYCLIN_E2"]["h_score"] == pytest.approx(30, abs=15)
    assert rows["BL", "CYCLIN_E1"]["n_readers"] == 2
    densities = {
        (r["timepoint"], r["marker"]): r
        for r in ihc_summary.marker_densities(readings, MarkerSettings(), SectionSettings())
    }
    assert densities["BL", "CD8"]["density_mm2"] == pytest.approx(250, rel=0.25)
    assert densities["BL", "CD8"]["status"] == "OBSERVED" and densities["BL", "CD8"]["compartment"] == "stroma"


@pytest.mark.parametrize("planted", [0, 5, 40, 120, 200, 250, 290, 300])
def test_any_h_score_can_be_planted(tmp_path: Path, planted: float) -> None:
    sample = truth(cyclin_e1_h_score=planted)
    found = []
    for seed in range(5):
        ihc.write([sample], tmp_path, np.random.default_rng(seed), "t")
        found += [
            v for v, m in ihc_tables.read(tmp_path / "t.csv")[["h_score", "marker"]].to_numpy() if m == "CYCLIN_E1"
        ]
    assert np.mean(found) == pytest.approx(planted, abs=8)


def test_a_korean_windows_table_means_the_same(tmp_path: Path) -> None:
    ihc.write(_samples(), tmp_path, np.random.default_rng(1), "utf8")
    written = ihc.write_in_korean(_samples(), tmp_path, np.random.default_rng(1), "korean")
    path = tmp_path / written[0].file
    with pytest.raises(UnicodeDecodeError):
        path.read_text(encoding="utf-8")
    verify_scores(path, Claim(path.name, "ihc"), Context())
    pd.testing.assert_frame_equal(ihc_tables.read(path), ihc_tables.read(tmp_path / "utf8.csv"))


def test_planted_fractions_are_refused_with_their_row(tmp_path: Path) -> None:
    written = ihc.write_fractions(_samples(), tmp_path, np.random.default_rng(1), "fractions")
    refusal = _refusal(tmp_path / written[0].file)
    assert (refusal.code, refusal.row, refusal.column) == ("E_UNITS", 2, "pct_0")


@pytest.mark.parametrize(
    ("line", "code", "column"),
    [
        (GOOD.replace("70,10", "60,10"), "E_SUM", "pct_0"),
        (GOOD.replace("70,10", "x,10"), "E_SCHEMA", "pct_0"),
        (GOOD.replace("70,10", ",10"), "E_SCHEMA", "pct_0"),
        (GOOD.replace(",R1,", ",,"), "E_SCHEMA", "scorer"),
        (GOOD.replace("PALBO-001", "Kim Minji"), "E_BAD_NAME", "patient_id"),
        (GOOD.replace(",BL,", ",baseline,"), "E_SCHEMA", "timepoint"),
        (GOOD.replace("Cyclin E1", "Cyclin X9"), "E_SCHEMA", "marker"),
        (GOOD.replace("nuclear", "somewhere"), "E_SCHEMA", "compartment"),
        (GOOD.replace("500", "500.5"), "E_SCHEMA", "n_cells"),
        (GOOD.replace("yes", "perhaps"), "E_SCHEMA", "control_ok"),
    ],
)
def test_a_mistake_is_named_with_row_and_column_and_never_quoted(
    tmp_path: Path, line: str, code: str, column: str
) -> None:
    other = GOOD.replace("S1,", "S0,")
    refusal = _refusal(_table(tmp_path, other, line))
    assert (refusal.code, refusal.row, refusal.column) == (code, 3, column)
    assert not {"Kim", "Minji", "X9", "perhaps", "somewhere"} & set(str(refusal).replace("'", " ").split())


def test_a_reading_that_stands_twice_is_refused(tmp_path: Path) -> None:
    assert _refusal(_table(tmp_path, GOOD, GOOD)).row == 3


def test_an_h_score_above_300_is_refused(tmp_path: Path) -> None:
    head = "specimen_id,patient_id,timepoint,marker,compartment,h_score,scorer"
    assert _refusal(_table(tmp_path, "S1,P-1,BL,CCNE1,nuclear,301,R1", head=head)).code == "E_RANGE"


def test_decimal_commas_are_read_where_the_whole_file_has_them(tmp_path: Path) -> None:
    head = HEAD.replace(",", ";")
    line = "S1;PALBO-001;BL;cyclin_e2;nuclear;69,5;10,5;10,0;10,0;500;R1;yes"
    reading = ihc_tables.read(_table(tmp_path, line, head=head)).iloc[0]
    assert reading["h_score"] == pytest.approx(60.5) and reading["marker"] == "CYCLIN_E2"
    mixed = line.replace("10,5", "10.5")
    assert _refusal(_table(tmp_path, mixed, head=head, name="mixed.csv")).code == "E_SCHEMA"


def test_qupath_measurements_are_read(tmp_path: Path) -> None:
    head = "Image,Name,Class,Num Detections,Num Negative,Num 1+,Num 2+,Num 3+,Num Positive,H-score,Area µm^2"
    cyclin = "PALBO-001_PD_CCNE1.svs,A1,Tumor,1000,500,200,200,100,500,90.0,1500000.0"
    cd8 = "PALBO-002_BL_CD8.svs,A1,Stroma,4000,3600,,,,400,,2000000.0"
    lines = [line.replace(",", "\t") for line in (head, cyclin, cd8)]
    readings = ihc_tables.read(_table(tmp_path, *lines[1:], head=lines[0], name="q.tsv"))
    first, second = readings.iloc[0], readings.iloc[1]
    assert (first["patient_id"], first["timepoint"]) == ("PALBO-001", "PD")
    assert (first["marker"], first["compartment"]) == ("CYCLIN_E1", "nuclear")
    assert first["h_score"] == pytest.approx(90) and first["area_mm2"] == pytest.approx(1.5)
    assert (second["marker"], second["compartment"], second["n_positive"]) == ("CD8", "stroma", 400)
    assert second["area_mm2"] == pytest.approx(2.0) and second["h_score"] is None


@pytest.mark.parametrize("mark", [".", ","])
def test_an_export_may_say_what_its_sections_went_through(tmp_path: Path, mark: str) -> None:
    head = "Image;Class;Num Detections;Num Negative;Num 1+;Num 2+;Num 3+;Decalcified;block_years;Counted"
    lines = (
        f"PALBO-001_PD_CCNE1.svs;Tumor;1000;500;200;200;100;yes;7{mark}5;invasive",
        "PALBO-002_PD_CCNE1.svs;Tumor;1000;500;200;200;100;;;",
    )
    readings = ihc_tables.read(_table(tmp_path, *lines, head=head, name="q.csv"))
    said = readings[["decalcified", "block_years", "counted", "necrosis"]].to_numpy().tolist()
    assert said == [[True, 7.5, "invasive", None], [None, None, None, None]]


def test_halo_summaries_with_decimal_commas_are_read(tmp_path: Path) -> None:
    head = "Image Tag;Analysis Region;Tissue Class;Total Cells;% CD8 Positive Cells;CD8 Positive Cells"
    head += ";CD8 Weak Positive Cells;Area Analyzed (mm²)"
    line = "PALBO-003_W06_CD8;stroma;Stroma;5000;8,0;400;100;1,25"
    reading = ihc_tables.read(_table(tmp_path, line, head=head)).iloc[0]
    assert (reading["layout"], reading["n_positive"], reading["n_cells"]) == ("halo", 400, 5000)
    assert reading["area_mm2"] == pytest.approx(1.25) and reading["pct_positive"] == pytest.approx(8.0)


def test_an_export_that_names_no_patient_is_refused(shared_data: Path) -> None:
    refusal = _refusal(shared_data / CELLS)
    assert refusal.code == "E_SAMPLE_MISMATCH" and refusal.row and refusal.column == "Sample Name"


def test_inform_cells_recount_to_its_own_summary(shared_data: Path) -> None:
    counted = inform_counts(read_table(shared_data / CELLS, delimiter="\t"), shared_data / CELLS)
    assert dict(zip(counted["phenotype"], counted["n_positive"], strict=True)) == {
        "B": 249,
        "Cytotoxic T": 6,
        "Helper T": 15,
    }
    summary = inform_counts(
        read_table(shared_data / SUMMARY, delimiter="\t"), shared_data / SUMMARY, um_per_pixel=1000.0
    )
    tumour = summary[summary["category"] == "Tumor"].set_index("phenotype")
    assert tumour["n_positive"].to_dict() == {"B": 249, "Cytotoxic T": 6, "Helper T": 15}
    assert (tumour["n_cells"] == 270).all()
    # A pixel of a mm makes mm2 pixels: the summary states 2770, 67 and 167 cells a megapixel.
    per_megapixel = tumour["n_positive"] / tumour["area_mm2"] * 1e6
    assert per_megapixel.round().to_dict() == {"B": 2770, "Cytotoxic T": 67, "Helper T": 167}


def test_a_real_inform_table_of_a_named_image_is_read_whole(shared_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "cells.txt"
    path.write_text((shared_data / CELLS).read_text().replace("FIHC4__0929309_HP_IM3_2.im3", "PALBO-001_BL_TCELLS.im3"))
    readings = ihc_tables.read(path)
    assert dict(zip(readings["marker"], readings["n_positive"], strict=True)) == {"CD20": 249, "CD4": 15, "CD8": 6}
    rows = ihc_summary.marker_densities(readings, MarkerSettings(), SectionSettings())
    assert {row["status"] for row in rows} == {"NOT_EVALUABLE"}  # inForm gave no area in micrometres


def test_a_corrected_table_has_the_same_key_and_another_week_another(tmp_path: Path) -> None:
    def key(path: Path) -> str:
        return scores_key(path, Claim(path.name, "ihc"), Context())

    first = key(_table(tmp_path, GOOD))
    corrected = key(_table(tmp_path, GOOD.replace("70,10", "60,20"), name="renamed.csv"))
    later = key(_table(tmp_path, GOOD.replace(",BL,", ",PD,")))
    assert first == corrected != later


def test_a_broken_utf_16_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_bytes(b"\xff\xfea")
    assert _refusal(path).code == "E_ENCODING"


@given(st.binary(max_size=300))
def test_any_bytes_give_readings_or_a_clear_refusal(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "scores.csv"
    path.write_bytes(content)
    with pytest.raises(InputError):
        ihc_tables.read(path)
