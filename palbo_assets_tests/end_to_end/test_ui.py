"""The UI that `palbo up` serves, driven in headless Chromium as a person would."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from palbo_assets.definitions import ROOMS
from palbo_assets.demo import rnaseq
from palbo_assets_tests.databases import free_port
from palbo_assets_tests.end_to_end.browser import Page, browser, chromium
from palbo_assets_tests.end_to_end.dagster_processes import BIN, Installation, answers, wait_until

pytestmark = [
    pytest.mark.ui,
    pytest.mark.end_to_end,
    pytest.mark.timeout(300),
    pytest.mark.skipif(chromium() is None, reason="Chromium is not installed (apt install chromium)"),
]
PATIENT = "PALBO-001"
BASELINE = f"{PATIENT}|BL"


@dataclass(frozen=True)
class Ui:
    """A running UI with one browser tab, and where its pictures go."""

    installation: Installation
    page: Page
    url: str
    pictures: Path

    def open(self, path: str, *texts: str) -> str:
        """Open a page, wait for these texts, take its picture; all of its text."""
        self.page.open(self.url + path)
        self.page.shows(*texts)
        return self.page.text()

    def picture(self, name: str) -> None:
        self.page.screenshot(self.pictures / f"{name}.png")


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    installation = Installation(tmp_path_factory.mktemp("ui"))
    installation.deliver("rna/rna-01", rnaseq.write_tx2gene, installation.expression(PATIENT, "BL"))
    port = free_port()
    with installation.process("up", [str(BIN / "palbo"), "up", "--port", str(port)]) as up:
        wait_until(lambda: answers(port, up), 120, "the UI answers")
        with browser(installation.home.root / "browser-profile") as page:
            yield Ui(installation, page, f"http://127.0.0.1:{port}", installation.home.root / "pictures")


def test_the_asset_graph_shows_the_rooms_and_their_products(ui: Ui) -> None:
    ui.open("/asset-groups", *ROOMS, "landing", "Materialize all")
    ui.picture("asset-graph")
    ui.open(
        "/assets/integrated_resistance_table?view=lineage&lineageScope=upstream&lineageDepth=1",
        "facts", "resistance_states", "delivery_ledger", "sample_manifest",
    )  # fmt: skip
    ui.picture("lineage")


def test_a_partition_is_materialised_by_clicking_and_its_row_count_shows(ui: Ui) -> None:
    page = ui.page
    with ui.installation.instance() as instance:
        wait_until(lambda: instance.has_dynamic_partition("patient", PATIENT), 90, "the patient is registered")
        for attempt in range(3):
            ui.open("/assets/expression?view=partitions", PATIENT, "Materialize…")
            page.click("Materialize…")
            page.shows("Launch runs to materialize expression")
            ui.picture("materialise-dialog")
            try:
                _choose_only(page, "BL")
                break
            except AssertionError:  # on a busy machine a list may fill while it is clicked: a person would try again
                if attempt == 2:
                    raise
        ui.picture("materialise-dialog-chosen")
        page.click("Launch", exact=False, number=-1)

        def launched() -> dg.DagsterRun | None:
            found = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": BASELINE}))
            clicked = [run for run in found if "dagster/sensor_name" not in run.tags]
            return clicked[0] if clicked and clicked[0].is_finished else None

        run = wait_until(launched, 120, "the run launched by clicking ends")
        assert run.status is dg.DagsterRunStatus.SUCCESS
    n_rows = ui.installation.published_rows("expression", BASELINE)
    assert n_rows == rnaseq.N_GENES
    ui.open(f"/assets/expression?view=partitions&partition={PATIENT}%7CBL", "dagster/row_count", str(n_rows))
    ui.picture("partition")


def _choose_only(page: Page, timepoint: str) -> None:
    """In the dialog: all patients (there is one) and this timepoint."""
    page.click("All", number=0)
    page.click("Select a partition or create one", number=-1)
    page.click(timepoint, number=-1)
    page.press_escape()
    page.shows("1 partition", seconds=20)


def test_an_assets_page_explains_its_columns_with_units(ui: Ui) -> None:
    text = ui.open("/assets/expression", "Columns", "effective_length", "TPM-weighted mean effective length")
    assert "real [TPM]" in text
    assert "data-platform" in text
    ui.picture("asset")


def test_the_checks_of_a_product_are_listed_with_their_descriptions(ui: Ui) -> None:
    ui.open("/assets/expression?view=checks", "keeps_its_contract")
    ui.picture("checks")
