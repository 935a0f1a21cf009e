"""The cohort page: one file that opens anywhere, says what it doesn't know, and runs nothing that a lab wrote."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from palbo_assets.clinical.tables import ACCRUAL, DELIVERY_LEDGER, PATIENTS, TREATMENT_RESPONSE
from palbo_assets.release.cohort_page import CohortTables, headline, n_pairs, render, sections
from palbo_assets.resistance.tables import RESISTANCE_STATES, RESISTANCE_TRANSITIONS
from palbo_assets_tests.release.hand_made import (
    ACCRUAL_ROWS,
    PATIENT_ROWS,
    RESPONSE_ROWS,
    TRANSITION_ROWS,
    cell,
    cohort,
    empty_cohort,
    frame,
    state,
)

HOSTILE = "<img src=x onerror=\"document.title='owned'\"></script><script>document.title='owned'</script>"
FIGURES = ("ledger", "oncoprint", "transitions", "swimmer", "slopes")


def page(tables: CohortTables) -> str:
    return render(tables, study="PALBO <b>study</b>", data_version="v1").decode("utf-8")


class Elements(HTMLParser):
    """Start tags with their attributes, outside of scripts and styles as browsers see them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def hostile_cohort() -> CohortTables:
    named = [{**row, "patient_id": HOSTILE} for row in (PATIENT_ROWS[0], RESPONSE_ROWS[0], TRANSITION_ROWS[0])]
    return cohort(
        patients=frame(PATIENTS, [named[0]]),
        treatment_response=frame(TREATMENT_RESPONSE, [named[1]]),
        resistance_transitions=frame(RESISTANCE_TRANSITIONS, [{**named[2], "mechanism": HOSTILE}]),
        resistance_states=frame(RESISTANCE_STATES, [state(HOSTILE, "PD", "ESR1_MUT", "PRESENT")]),
        delivery_ledger=frame(DELIVERY_LEDGER, [cell(HOSTILE, "BL", HOSTILE, "READY", HOSTILE)]),
        accrual=frame(ACCRUAL, [{**ACCRUAL_ROWS[0], "stage": HOSTILE}]),
    )


def test_the_same_tables_give_the_same_bytes() -> None:
    assert render(cohort(), study="S", data_version="v") == render(cohort(), study="S", data_version="v")


def test_nothing_is_loaded_from_anywhere() -> None:
    html = page(cohort())
    elements = Elements(html).found
    assert {tag for tag, _ in elements} & {"link", "img", "iframe", "object", "embed", "base", "form"} == set()
    for tag, attributes in elements:
        assert "src" not in attributes, tag
        assert (attributes.get("href") or "#").startswith("#"), tag
    style = html.split("<style>")[1].split("</style>")[0]
    assert "@import" not in style
    assert "url(" not in style
    [policy] = [
        attributes["content"]
        for tag, attributes in elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


def test_what_a_lab_wrote_stays_text() -> None:
    elements = Elements(page(hostile_cohort())).found
    assert not any(tag == "img" or any(name.startswith("on") for name in attributes) for tag, attributes in elements)
    assert sum(tag == "script" for tag, _ in elements) == 2


def test_an_installation_without_any_data_has_a_page_that_says_so() -> None:
    html = page(empty_cohort())
    parts = sections(empty_cohort())
    assert all(part.chart is None and not part.rows for part in parts)
    assert html.count("Nothing to show yet.") == len(parts)
    assert [number.value for number in headline(empty_cohort())] == ["0", "0", "0 / 0", "0", "0", "0 / 0"]


def test_an_installation_with_a_clinical_export_alone_has_its_clinical_figures() -> None:
    tables = empty_cohort(
        patients=frame(PATIENTS, PATIENT_ROWS),
        treatment_response=frame(TREATMENT_RESPONSE, RESPONSE_ROWS),
        delivery_ledger=frame(DELIVERY_LEDGER, [cell("P1", "BL", "wes_tumour", "EXPECTED")]),
        accrual=frame(ACCRUAL, ACCRUAL_ROWS),
    )
    drawn = {part.anchor for part in sections(tables) if part.chart is not None or part.rows}
    assert drawn == {"ledger", "swimmer", "accrual"}
    assert page(tables).count("Nothing to show yet.") == len(sections(tables)) - 3


def test_states_on_treatment_alone_draw_no_empty_grid() -> None:
    tables = cohort(resistance_states=frame(RESISTANCE_STATES, [state("P1", "W06", "TREG_DROP", "PRESENT")]))
    assert {part.anchor: part.chart for part in sections(tables)}["oncoprint"] is None


def test_patients_whose_follow_up_has_not_begun_draw_no_bars() -> None:
    tables = cohort(treatment_response=frame(TREATMENT_RESPONSE, [RESPONSE_ROWS[3]]))
    assert {part.anchor: part.chart for part in sections(tables)}["swimmer"] is None


def test_only_one_assay_at_both_ends_makes_a_pair() -> None:
    assert n_pairs(cohort()) == 1  # P2 has an exome at progression and a slide at baseline: nothing to compare
    twice = [cell("P1", "BL", "wes_tumour", "READY"), cell("P1", "W06", "wes_tumour", "READY")]
    assert n_pairs(cohort(delivery_ledger=frame(DELIVERY_LEDGER, twice))) == 0


def test_headline_numbers_count_what_they_say() -> None:
    assert {number.label: number.value for number in headline(cohort())} == {
        "patients": "4",
        "baseline-progression pairs": "1",
        "assays ready / expected": "4 / 6",
        "quarantined or failed QC": "1",
        "overdue": "1",
        "progressed or died / followed": "1 / 2",
    }


def test_shares_have_evaluable_pairs_as_denominators() -> None:
    counts = {part.anchor: part for part in sections(cohort())}["transition-counts"]
    assert dict(zip(counts.columns, counts.rows[0], strict=True)) == {
        "mechanism": "ESR1_MUT", "acquired or gained": 1, "pre-existing": 0, "lost": 0, "evaluable pairs": 2,
        "indeterminate": 1, "not evaluable": 1, "locus chosen from this cohort": 0,
    }  # fmt: skip


def test_a_number_that_is_missing_is_an_empty_cell_not_a_zero() -> None:
    accrual = {part.anchor: part for part in sections(cohort())}["accrual"]
    assert accrual.rows == (
        ("on treatment", 4, "", "", "", "", "", ""),
        ("progressed", 3, 40, 66.7, "", "", "", ""),
    )


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def in_browser(html: str, folder: Path) -> tuple[str, str]:
    """The document after its scripts ran, and what the console said."""
    file = folder / "page.html"
    file.write_text(html, encoding="utf-8")
    done = subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--enable-logging=stderr",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
            f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=8000", "--dump-dom", file.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )  # fmt: skip
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def figure_of(dom: str, anchor: str) -> str:
    found = re.search(rf'<div class="figure[^"]*" id="figure-{anchor}".*?(?=<h2 |<p class="foot")', dom, re.DOTALL)
    return found[0] if found else ""


@pytest.mark.ui
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt install chromium)")
@pytest.mark.parametrize("tables", [cohort(), hostile_cohort()], ids=["plain", "hostile"])
def test_a_browser_without_network_draws_every_figure_and_reports_no_error(tables: Any, tmp_path: Path) -> None:
    dom, console = in_browser(page(tables), tmp_path)
    assert console == ""
    for anchor in FIGURES:
        drawn = figure_of(dom, anchor)
        assert "<svg" in drawn, anchor
        assert "<path" in drawn, anchor
        assert "NaN" not in drawn, anchor
    assert "<title>Cohort</title>" in dom
    assert "owned" not in re.search(r"<title>(.*?)</title>", dom, re.DOTALL)[1]  # type: ignore[index]


@pytest.mark.ui
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt install chromium)")
def test_a_browser_opens_the_page_of_an_empty_installation(tmp_path: Path) -> None:
    dom, console = in_browser(page(empty_cohort()), tmp_path)
    assert console == ""
    assert "Nothing to show yet." in dom
