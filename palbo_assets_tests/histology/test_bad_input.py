"""What pathology may get wrong (H&E and IHC), sent through the landing: each file ends in its reason, and the good ones
of the same delivery go on.

What a product judges instead of the door (area, focus, stain, lymph nodes) is in `test_score`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from palbo_assets.demo import slides
from palbo_assets_tests.end_to_end.real_deliveries import Sent, Site, at_home
from palbo_assets_tests.histology.conftest import truth

pytestmark = [pytest.mark.end_to_end]

GOOD: dict[str, str] = {
    "specimen_id": "S1", "patient_id": "PALBO-001", "timepoint": "BL", "marker": "CYCLIN_E1", "clone": "HE12",
    "lot": "L1", "run": "R7", "compartment": "nuclear", "pct_0": "40", "pct_1plus": "30", "pct_2plus": "20",
    "pct_3plus": "10", "n_cells": "500", "scorer": "A", "control_ok": "yes",
}  # fmt: skip
CD8: dict[str, str] = {
    "specimen_id": "S1", "patient_id": "PALBO-001", "timepoint": "BL", "marker": "CD8", "clone": "C8/144B", "run": "R7",
    "compartment": "stroma", "n_cells": "4000", "n_positive": "300", "area_mm2": "1.5", "scorer": "A",
    "control_ok": "yes",
}  # fmt: skip


def table(*rows: Mapping[str, str], delimiter: str = ",") -> str:
    """A scoring table with the columns of all rows."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [delimiter.join(columns), *(delimiter.join(row.get(name, "") for name in columns) for row in rows)]
    return "\n".join(lines) + "\n"


# What is wrong in the table's second line -> code, column, and words that its lab reads.
TABLES: dict[str, tuple[dict[str, str], str, str, str]] = {
    "an H-score above 300": (
        {"pct_0": "", "pct_1plus": "", "pct_2plus": "", "pct_3plus": "", "h_score": "310"}, "E_RANGE", "h_score",
        "at most 300"),
    "fractions for percentages": (
        {"pct_0": "0.4", "pct_1plus": "0.3", "pct_2plus": "0.2", "pct_3plus": "0.1"}, "E_UNITS", "pct_0", "fractions"),
    "percentages that don't sum to 100": ({"pct_0": "20"}, "E_SUM", "pct_0", "don't sum to 100"),
    "a percentage beyond 100": ({"pct_0": "140"}, "E_RANGE", "pct_0", "outside 0-100"),
    "an H-score that the percentages don't give": ({"h_score": "30"}, "E_RANGE", "h_score", "the percentages give"),
    "no initials of the scorer": ({"scorer": ""}, "E_SCHEMA", "scorer", "is empty"),
    "cells that nobody can name": ({"counted": "everything brown"}, "E_SCHEMA", "counted", "which cells"),
    "a decalcification that is neither": ({"decalcified": "a bit"}, "E_SCHEMA", "decalcified", "yes nor no"),
    "a negative age of the block": ({"block_years": "-3"}, "E_RANGE", "block_years", "negative"),
    "a marker that the study lacks": ({"marker": "CK5"}, "E_SCHEMA", "marker", "unknown"),
    "a compartment that isn't one": ({"compartment": "edge"}, "E_SCHEMA", "compartment", "unknown"),
    "a timepoint that isn't one": ({"timepoint": "W99"}, "E_SCHEMA", "timepoint", "unknown"),
    "half a cell": ({"n_cells": "499.5"}, "E_SCHEMA", "n_cells", "whole number"),
    "more positive cells than cells": ({"n_positive": "501"}, "E_RANGE", "n_positive", "more positive"),
    "a word for a number": ({"n_cells": "many"}, "E_SCHEMA", "n_cells", "number"),
}  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Everything in one scan: bad tables and slides, and good ones among them."""
    folder = tmp_path_factory.mktemp("pathology")
    made = Site(folder / "home")
    with pytest.MonkeyPatch.context() as patch:
        at_home(made.home, patch)
        _deliver(made, folder)
        made.ingest(only=["histology"])
        yield made
    made.close()


def _deliver(site: Site, folder: Path) -> None:
    said = [
        Sent(table(GOOD | {"specimen_id": "S9"}, GOOD | change), "ihc", name=f"{number}.csv", row={"role": "scores"})
        for number, (change, *_) in enumerate(TABLES.values())
    ]
    mixed = table(GOOD | {"pct_0": "40,5", "pct_1plus": "29.5"}, delimiter=";")
    twice = table(GOOD, GOOD | {"pct_0": "50", "pct_1plus": "20"})
    said += [
        Sent(text, "ihc", name=name, row={"role": "scores"})
        for name, text in (
            ("mixed.csv", mixed),
            ("twice.csv", twice),
            ("empty.csv", ""),
            ("picture.csv", "\x89PNG\r\n"),
        )
    ]
    site.deliver("pathology/bad-tables", said)

    field = np.full((600, 600, 3), 235, np.uint8)
    for name, mpp in (("no_mpp.tiff", None), ("near.tiff", 0.001), ("far.tiff", 90.0)):
        slides.write_pyramid(folder / name, field, mpp=mpp)
    good = folder / slides.write(truth(), folder, np.random.default_rng(5))[0].file
    cut = good.read_bytes()
    sent: list[tuple[Path | bytes | str, str]] = [
        (folder / name, name) for name in ("no_mpp.tiff", "near.tiff", "far.tiff")
    ]
    sent += [(cut[: len(cut) // 2], "cut.tiff"), (b"", "empty.svs"), ("<html>login</html>", "page.svs")]
    point = '{"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}}'
    bad = [
        Sent(content, "he_slide", "PALBO-002", "BL", f"B{number}", name=name)
        for number, (content, name) in enumerate(sent)
    ]
    fine = Sent(good, "he_slide", "PALBO-001", "BL", "S1", name="good.tiff")
    drawn = Sent(point, "he_slide", "PALBO-001", "BL", name="points.geojson")
    site.deliver("pathology/slides", [*bad, fine, drawn])
    handled = (
        GOOD,
        GOOD | {"timepoint": "PD", "specimen_id": "S2", "block_years": "7", "necrosis": "yes", "section_days": "200"},
        GOOD | {"patient_id": "PALBO-002", "specimen_id": "S3", "decalcified": "yes"},
        GOOD | {"patient_id": "PALBO-003", "specimen_id": "S4", "counted": "invasive and in situ"},
        GOOD | {"patient_id": "PALBO-004", "specimen_id": "S5", "control_ok": "no"},
        GOOD | {"patient_id": "PALBO-005", "specimen_id": "S6", "n_cells": "60"},
        CD8,
        CD8 | {"patient_id": "PALBO-002", "specimen_id": "S3", "decalcified": "yes"},
        CD8 | {"patient_id": "PALBO-003", "specimen_id": "S4", "counted": "invasive and in situ"},
        CD8 | {"patient_id": "PALBO-004", "specimen_id": "S5", "area_mm2": "0.3"},
    )
    german = GOOD | {"patient_id": "PALBO-006", "specimen_id": "S7", "pct_0": "40,5", "pct_1plus": "29,5"}
    site.deliver(
        "pathology/tables",
        [
            Sent(table(*handled), "ihc", name="handled.csv", row={"role": "scores"}),
            Sent(table(german, delimiter=";"), "ihc", name="comma.csv", row={"role": "scores"}),
        ],
    )


@pytest.mark.parametrize(("number", "what"), list(enumerate(TABLES)))
def test_a_wrong_cell_is_refused_at_the_door_with_its_line_and_column(site: Site, number: int, what: str) -> None:
    change, code, column, words = TABLES[what]
    entry = site.receipt("pathology/bad-tables")[f"{number}.csv"]
    assert (entry["status"], entry["reason"], entry["row"], entry["column"]) == ("QUARANTINED", code, 3, column)
    assert words in entry["message"] and entry["fix"]
    for value in change.values():  # what a cell says may be somebody's name
        assert len(value) < 4 or value not in entry["message"]


@pytest.mark.parametrize(
    ("file", "code"),
    [("mixed.csv", "E_SCHEMA"), ("twice.csv", "E_SCHEMA"), ("empty.csv", "E_EMPTY"), ("picture.csv", "E_SCHEMA")],
)
def test_a_table_that_cannot_be_read_whole_is_refused(site: Site, file: str, code: str) -> None:
    entry = site.receipt("pathology/bad-tables")[file]
    assert (entry["status"], entry["reason"]) == ("QUARANTINED", code) and entry["fix"]


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("no_mpp.tiff", "E_NO_MPP"),
        ("near.tiff", "E_NO_MPP"),
        ("far.tiff", "E_NO_MPP"),
        ("cut.tiff", "E_TRUNCATED"),
        ("empty.svs", "E_EMPTY"),
        ("page.svs", "E_SCHEMA"),
        ("points.geojson", "E_SCHEMA"),
    ],
)
def test_a_slide_that_cannot_be_measured_is_refused_at_the_door(site: Site, file: str, code: str) -> None:
    entry = site.receipt("pathology/slides")[file]
    assert (entry["status"], entry["reason"]) == ("QUARANTINED", code) and entry["fix"]


def test_the_good_slide_of_the_same_delivery_is_scored(site: Site) -> None:
    assert site.verdict("pathology/slides", "good.tiff") == ("ACCEPTED", "")
    rows = site.table("til_scores")
    assert rows["patient_id"].tolist() == ["PALBO-001"] and rows["status"].tolist() == ["OBSERVED"]
    assert rows["stil_area_pct"].iloc[0] == pytest.approx(20, abs=5)


def _of(site: Site, product: str, patient_id: str, **more: str) -> dict[str, Any]:
    rows = site.table(product)
    for name, value in ({"patient_id": patient_id} | more).items():
        rows = rows[rows[name] == value]
    (row,) = rows.astype(object).where(rows.notna(), None).to_dict("records")
    return {str(name): value for name, value in row.items()}


@pytest.mark.parametrize(
    ("patient_id", "status", "words"),
    [
        ("PALBO-002", "NOT_EVALUABLE", "decalcified"),
        ("PALBO-003", "NOT_EVALUABLE", "cells other than invasive tumour"),
        ("PALBO-004", "QC_FAIL", "control"),
        ("PALBO-005", "NOT_EVALUABLE", "fewer than 100"),
    ],
)
def test_a_score_that_cannot_be_believed_is_none_and_says_why(
    site: Site, patient_id: str, status: str, words: str
) -> None:
    row = _of(site, "cyclin_e_ihc", patient_id)
    assert (row["status"], row["h_score"]) == (status, None) and words in str(row["reason"])


def test_the_other_rows_of_that_table_keep_their_scores(site: Site) -> None:
    row = _of(site, "cyclin_e_ihc", "PALBO-001", timepoint="BL")
    assert (row["status"], row["h_score"], row["remarks"]) == ("OBSERVED", 100, None)
    row = _of(site, "cyclin_e_ihc", "PALBO-006")  # decimal commas throughout
    assert (row["status"], row["h_score"]) == ("OBSERVED", pytest.approx(29.5 + 40 + 30))


def test_an_old_block_and_necrosis_are_remarks_and_a_change_against_such_a_section_says_so(site: Site) -> None:
    row = _of(site, "cyclin_e_ihc", "PALBO-001", timepoint="PD")
    assert (row["status"], row["remarks"]) == ("OBSERVED", "necrosis;old_block;old_section")
    pair = _of(site, "cyclin_e_pairs", "PALBO-001")
    assert (pair["status"], pair["h_score_change"]) == ("OBSERVED", 0)
    assert pair["remarks"] == "PD: necrosis, old_block, old_section"


def test_densities_ask_for_area_and_antigens_and_not_for_which_tumour_cells(site: Site) -> None:
    found = {
        patient: _of(site, "til_marker_ihc", patient)
        for patient in ("PALBO-001", "PALBO-002", "PALBO-003", "PALBO-004")
    }
    assert {patient: row["status"] for patient, row in found.items()} == {
        "PALBO-001": "OBSERVED", "PALBO-002": "NOT_EVALUABLE", "PALBO-003": "OBSERVED", "PALBO-004": "NOT_EVALUABLE",
    }  # fmt: skip
    assert found["PALBO-001"]["density_mm2"] == found["PALBO-003"]["density_mm2"] == 200
    assert pd.isna(found["PALBO-002"]["density_mm2"]) and "decalcified" in found["PALBO-002"]["reason"]
