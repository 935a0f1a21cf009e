"""From a value back to its files: through every product, to the copy that was read; a reason where there is none."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from rich.console import Console

from palbo_assets.landing.ledger import landed_file
from palbo_assets.landing.ledger import metadata as landing_metadata
from palbo_assets.platform.config import Home
from palbo_assets.platform.errors import PalboError
from palbo_assets.platform.partitioning import Level
from palbo_assets.platform.product import SPECS
from palbo_assets.platform.provenance import ProductSpec
from palbo_assets.platform.system_tables import SYSTEM
from palbo_assets.platform.tables import PATIENT_ID, TIMEPOINT, Table, frame_from_rows, integer, real, sql_table, text
from palbo_assets.platform.warehouse import Version, Warehouse
from palbo_assets.trace import INTEGRATED, PAIRS, trace_value

STATUS = ("til", "clinical__site", "clinical__sample_day", "mechanism__esr1_mut")
WIDE = Table(
    INTEGRATED, "d", "row",
    (
        PATIENT_ID, TIMEPOINT, integer("n_modalities", "n"), real("til", "t", unit="%"), text("clinical__site", "s"),
        integer("clinical__sample_day", "d", unit="d"), text("mechanism__esr1_mut", "m"),
        *(text(f"{name}__status", "s") for name in STATUS),
    ),
)  # fmt: skip


def long(name: str, *features: str) -> Table:
    source = (text("source_asset", "a"), text("source_partition", "p"))
    return Table(name, "d", "row", (PATIENT_ID, TIMEPOINT, text("feature", "f", key=True, allowed=features), *source))


LONG, LONG_OF_PATIENTS, LONG_OF_COHORT = long("facts", "til"), long("patient_facts", "n_clones"), long("cohort_facts")
PAIRED = Table(PAIRS, "d", "row", (PATIENT_ID, real("n_clones", "n", unit="clones"), text("n_clones__status", "s")))
CLONES = Table("clones", "d", "row", (PATIENT_ID, real("n", "n", unit="clones")))
SCORES = Table("til_scores", "d", "row", (PATIENT_ID, TIMEPOINT, real("til", "t", unit="%")))
MODEL = Table("til_model", "d", "row", (text("key", "k", key=True),))
STATES = Table("resistance_states", "d", "row", (PATIENT_ID, TIMEPOINT))
PATIENTS = Table("patients", "d", "row", (PATIENT_ID, text("site", "s")))
RESPONSE = Table("treatment_response", "d", "row", (PATIENT_ID, integer("pfs_days", "d", unit="d")))
SPECIMENS = Table("sample_manifest", "d", "row", (PATIENT_ID, TIMEPOINT))
LEVELS = {
    WIDE: Level.COHORT, PAIRED: Level.PATIENT, LONG: Level.SAMPLE, LONG_OF_PATIENTS: Level.PATIENT,
    LONG_OF_COHORT: Level.COHORT, CLONES: Level.PATIENT, SCORES: Level.SAMPLE, MODEL: Level.COHORT,
    STATES: Level.PATIENT,
    PATIENTS: Level.COHORT, RESPONSE: Level.COHORT, SPECIMENS: Level.COHORT,
}  # fmt: skip
SLIDE = {"sha256": "slide-content", "role": "slide"}
EXPORT = {"sha256": "export-content", "role": "records"}


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str) -> Iterator[Warehouse]:
    """P1's slide came twice, the copy first; P2 was never measured."""
    for table, level in LEVELS.items():
        spec = ProductSpec(
            table=table, level=level, reads=(), upstream=(), references=(), settings=None, room="t", code_version="1"
        )
        monkeypatch.setitem(SPECS, table.name, spec)
    opened = Warehouse(Home.at(tmp_path, database_url))
    metadata = sa.MetaData()
    for table in LEVELS:
        sql_table(table, metadata)
    for declared in (SYSTEM, landing_metadata, metadata):
        declared.create_all(opened.engine)
    with opened.transaction() as connection:
        for status, path, sha256 in (
            ("DUPLICATE", "pathology/a-copy/again.tiff", "slide-content"),
            ("ACCEPTED", "pathology/slides-01/P1.tiff", "slide-content"),
            ("SUPERSEDED", "pathology/z-old/P1.tiff", "slide-content"),
            ("ACCEPTED", "clinic/export-01/data.csv", "export-content"),
        ):
            row = {"id": path, "path": path, "delivery": path.rpartition("/")[0], "sha256": sha256, "status": status}
            connection.execute(sa.insert(landed_file).values(**row, received_at="2026-01-01T00:00:00Z"))

    def publish(table: Table, key: str, rows: list[dict[str, Any]], *files: Any, **upstream: Any) -> None:
        version = Version(f"v-{table.name}", "1", {"files": files, "upstream": upstream, "references": {"model": "x"}})
        token = opened.take_lease(table.name, key, "run")
        opened.publish(table, key, frame_from_rows(table, rows), version, run_id="run", token=token)

    p1 = {"patient_id": "P1", "timepoint": "BL"}
    publish(MODEL, "", [{"key": "m"}])
    publish(SCORES, "P1|BL", [{**p1, "til": 11.0}], SLIDE, til_model={"": "v"})
    publish(LONG, "P1|BL", [{**p1, "feature": "til", "source_asset": "til_scores", "source_partition": "P1|BL"}])
    publish(CLONES, "P1", [{"patient_id": "P1", "n": 3.0}], SLIDE)
    of_pair = {"feature": "n_clones", "source_asset": "clones", "source_partition": "P1"}
    publish(LONG_OF_PATIENTS, "P1", [{"patient_id": "P1", "timepoint": "PD", **of_pair}])
    publish(PAIRED, "P1", [{"patient_id": "P1", "n_clones": 3.0, "n_clones__status": "OBSERVED"}])
    publish(STATES, "P1", [p1], til_scores={"P1|BL": "v", "P1|PD": "was retracted"})
    for table in (PATIENTS, RESPONSE, SPECIMENS):
        publish(table, "", [{"patient_id": "P1", **({"timepoint": "BL"} if table is SPECIMENS else {})}], EXPORT)
    observed = dict.fromkeys((f"{name}__status" for name in STATUS), "OBSERVED")
    wide = {**p1, "n_modalities": 1, "til": 11.0, "clinical__site": "SMC", "clinical__sample_day": -7}
    unmeasured = {"patient_id": "P2", "timepoint": "BL", "n_modalities": 0, "til__status": "NOT_COLLECTED"}
    publish(WIDE, "", [{**wide, "mechanism__esr1_mut": "PRESENT", **observed}, unmeasured])
    yield opened
    opened.close()


def shown(warehouse: Warehouse, patient: str, column: str) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(trace_value(warehouse, patient, "BL", column).as_tree())
    return console.export_text()


def test_a_measured_value_leads_to_its_file_and_to_what_its_product_was_made_of(warehouse: Warehouse) -> None:
    found = trace_value(warehouse, "P1", "BL", "til").as_json()
    assert (found["value"], found["unit"], found["status"]) == ("11.0", "%", "OBSERVED")
    origin = found["origin"]
    assert (origin["product"], origin["partition"], origin["run_id"]) == ("til_scores", "P1|BL", "run")
    assert [upstream["product"] for upstream in origin["upstream"]] == ["til_model"]
    assert origin["references"] == {"model": "x"}
    assert json.loads(json.dumps(found)) == found


def test_what_is_of_a_pair_is_found_at_progression_and_nowhere_else(warehouse: Warehouse) -> None:
    found = trace_value(warehouse, "P1", "PD", "n_clones").as_json()
    assert (found["value"], found["unit"], found["status"]) == ("3.0", "clones", "OBSERVED")
    assert found["origin"]["product"] == "clones"
    with pytest.raises(PalboError, match="no column n_clones"):
        trace_value(warehouse, "P1", "BL", "n_clones")


def test_of_copies_of_one_content_the_one_that_was_read_is_named(warehouse: Warehouse) -> None:
    found = trace_value(warehouse, "P1", "BL", "til")
    assert found.origin is not None
    [file] = found.origin.files
    assert (file["path"], file["delivery"]) == ("pathology/slides-01/P1.tiff", "pathology/slides-01")


@pytest.mark.parametrize(
    ("column", "product"), [("clinical__site", "patients"), ("clinical__sample_day", "sample_manifest")]
)
def test_a_clinical_value_leads_to_the_export(warehouse: Warehouse, column: str, product: str) -> None:
    found = trace_value(warehouse, "P1", "BL", column)
    assert found.origin is not None
    assert found.origin.published.asset == product
    assert [file["path"] for file in found.origin.files] == ["clinic/export-01/data.csv"]


def test_a_state_leads_to_the_patients_states_and_on_to_what_was_measured(warehouse: Warehouse) -> None:
    text = shown(warehouse, "P1", "mechanism__esr1_mut")
    assert "resistance_states P1" in text
    assert "til_scores P1|BL" in text
    assert "pathology/slides-01/P1.tiff" in text
    assert "P1|PD" not in text


def test_a_value_that_was_never_measured_says_why(warehouse: Warehouse) -> None:
    found = trace_value(warehouse, "P2", "BL", "til")
    assert (found.value, found.status, found.origin) == ("", "NOT_COLLECTED", None)
    assert "never measured: NOT_COLLECTED" in shown(warehouse, "P2", "til")


def test_a_column_of_the_tables_own_does_not_claim_to_be_unmeasured(warehouse: Warehouse) -> None:
    text = shown(warehouse, "P1", "n_modalities")
    assert "= 1" in text
    assert "never measured" not in text


def test_what_is_not_there_is_answered_with_what_is(warehouse: Warehouse) -> None:
    with pytest.raises(PalboError, match=r"E_UNKNOWN_COLUMN.*did you mean clinical__site"):
        trace_value(warehouse, "P1", "BL", "clinical__sitee")
    with pytest.raises(PalboError, match=r"E_UNKNOWN_COLUMN.*data_dictionary"):
        trace_value(warehouse, "P1", "BL", "0")
    with pytest.raises(PalboError, match="E_UNKNOWN_ROW"):
        trace_value(warehouse, "P9", "BL", "til")
