"""Withdrawn consent: every row and file of the patient goes, everybody else's stays, and the audit says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from palbo_assets.platform.config import Home
from palbo_assets.platform.consent import retract, withdrawn_patients
from palbo_assets.platform.partitioning import Level
from palbo_assets.platform.provenance import ProductSpec
from palbo_assets.platform.system_tables import SYSTEM, audit_log
from palbo_assets.platform.tables import (
    PATIENT_ID,
    TIMEPOINT,
    Storage,
    Table,
    boolean,
    frame_from_rows,
    integer,
    sql_table,
    text,
)
from palbo_assets.platform.warehouse import Version, Warehouse

PATIENTS = Table("patients", "d", "patient", (PATIENT_ID, boolean("withdrawn", "w", nullable=False)))
CALLS = Table("calls", "d", "sample", (PATIENT_ID, TIMEPOINT, integer("n", "n")))
STATES = Table("states", "d", "patient", (PATIENT_ID, integer("n", "n")))
PLATE = Table("plate", "d", "well", (PATIENT_ID, TIMEPOINT, text("well", "w", key=True)))
CURVES = Table("curves", "d", "plate", (text("plate_id", "p", key=True),))
GENES = Table("genes", "d", "gene", (PATIENT_ID, TIMEPOINT, integer("gene", "g", key=True)), Storage.PARQUET)

LEVELS = {
    PATIENTS: Level.COHORT, CALLS: Level.SAMPLE, STATES: Level.PATIENT, PLATE: Level.BATCH, CURVES: Level.BATCH,
    GENES: Level.SAMPLE,
}  # fmt: skip
SPECS = {
    table.name: ProductSpec(
        table=table, level=level, reads=(), upstream=(), references=(), settings=None, room="test", code_version="1"
    )
    for table, level in LEVELS.items()
}


@dataclass
class Installation:
    warehouse: Warehouse

    def publish(self, table: Table, key: str, rows: list[dict[str, Any]], version: str = "v1") -> str:
        token = self.warehouse.take_lease(table.name, key, "run")
        made = Version(version, "1", {"files": [], "upstream": {}})
        frame = frame_from_rows(table, rows)
        return self.warehouse.publish(table, key, frame, made, run_id="run", token=token).content_sha256

    def audit(self) -> list[tuple[str, str, str]]:
        with self.warehouse.engine.connect() as connection:
            rows = connection.execute(sa.select(audit_log).order_by(audit_log.c.id)).mappings().all()
        return [(row["actor"], row["action"], row["object"]) for row in rows]

    def patients_in(self, table: Table) -> set[str]:
        return set(self.warehouse.read(table)["patient_id"])


@pytest.fixture
def installation(tmp_path: Path, database_url: str) -> Iterator[Installation]:
    home = Home.at(tmp_path, database_url)
    home.create()
    warehouse = Warehouse(home)
    SYSTEM.create_all(warehouse.engine)
    metadata = sa.MetaData()
    for table in LEVELS:
        if table.storage is Storage.SQL:
            sql_table(table, metadata)
    metadata.create_all(warehouse.engine)
    opened = Installation(warehouse)
    opened.publish(PATIENTS, "", [{"patient_id": name, "withdrawn": name == "P1"} for name in ("P1", "P2")])
    for name in ("P1", "P2"):
        opened.publish(CALLS, f"{name}|BL", [{"patient_id": name, "timepoint": "BL", "n": 1}])
        opened.publish(STATES, name, [{"patient_id": name, "n": 1}])
        opened.publish(GENES, f"{name}|BL", [{"patient_id": name, "timepoint": "BL", "gene": 1}])
    opened.publish(PLATE, "elisa-1", [{"patient_id": n, "timepoint": "BL", "well": "A1"} for n in ("P1", "P2")])
    opened.publish(CURVES, "elisa-1", [{"plate_id": "elisa-1"}])
    yield opened
    warehouse.close()


def test_who_withdrew_is_what_the_clinical_room_published(installation: Installation) -> None:
    assert withdrawn_patients(installation.warehouse, SPECS) == {"P1"}


def test_before_the_first_clinical_export_nobody_withdrew(tmp_path: Path, database_url: str) -> None:
    warehouse = Warehouse(Home.at(tmp_path, database_url))
    SYSTEM.create_all(warehouse.engine)
    assert withdrawn_patients(warehouse, SPECS) == frozenset()
    assert withdrawn_patients(warehouse, {}) == frozenset()
    warehouse.close()


def test_rows_of_samples_patients_and_batches_go_and_those_of_others_stay(installation: Installation) -> None:
    gone = retract(installation.warehouse, SPECS, {"P1"}, "somebody")
    assert gone == ["calls:P1|BL", "genes:P1|BL", "states:P1"]
    for table in (CALLS, STATES, GENES, PLATE):
        assert installation.patients_in(table) == {"P2"}, table.name
    assert len(installation.warehouse.read(CURVES)) == 1
    assert {key for key in installation.warehouse.versions() if "P1" in key[1]} == set()


def test_the_list_that_says_who_withdrew_stays(installation: Installation) -> None:
    retract(installation.warehouse, SPECS, {"P1"}, "somebody")
    assert installation.patients_in(PATIENTS) == {"P1", "P2"}


def test_every_file_that_the_patient_ever_had_goes_not_only_the_newest(installation: Installation) -> None:
    warehouse = installation.warehouse
    first = warehouse.versions("genes")["genes", "P1|BL"].content_sha256
    second = installation.publish(GENES, "P1|BL", [{"patient_id": "P1", "timepoint": "BL", "gene": 2}], "v2")
    other = warehouse.versions("genes")["genes", "P2|BL"].content_sha256
    assert warehouse.objects.path(first).is_file()
    retract(warehouse, SPECS, {"P1"}, "somebody")
    assert not warehouse.objects.path(first).exists()
    assert not warehouse.objects.path(second).exists()
    assert warehouse.objects.path(other).is_file()
    assert [path.name for path in (warehouse.home.products / "genes").iterdir()] == ["P2__BL.parquet"]


def test_a_file_that_another_partition_shares_stays(installation: Installation) -> None:
    """Partitions without rows have equal bytes, so they are one object."""
    warehouse = installation.warehouse
    shared = {installation.publish(GENES, key, [], "v2") for key in ("P1|PD", "P2|PD")}
    assert len(shared) == 1
    retract(warehouse, SPECS, {"P1"}, "somebody")
    assert warehouse.read(GENES, partition_key="P2|PD").empty
    assert warehouse.product_file("genes", "P2|PD").resolve().is_file()
    retract(warehouse, SPECS, {"P2"}, "somebody")
    assert not warehouse.objects.path(shared.pop()).exists()


def test_a_failure_of_the_patient_is_forgotten_too(installation: Installation) -> None:
    for name in ("P1", "P2"):
        installation.warehouse.record_failure("calls", f"{name}|PD", "v", code="E_X", message="m", run_id="run")
    retract(installation.warehouse, SPECS, {"P1"}, "somebody")
    assert set(installation.warehouse.failures()) == {("calls", "P2|PD")}


def test_the_audit_keeps_what_was_published_and_says_who_removed_it(installation: Installation) -> None:
    before = installation.audit()
    retract(installation.warehouse, SPECS, {"P1"}, "somebody")
    after = installation.audit()
    assert after[: len(before)] == before
    assert after[len(before) :] == [
        ("somebody", "retract", "calls:P1|BL"),
        ("somebody", "retract", "genes:P1|BL"),
        ("somebody", "retract", "states:P1"),
        ("somebody", "retract", "plate"),
    ]


def test_the_audit_counts_rows_and_quotes_none(installation: Installation) -> None:
    retract(installation.warehouse, SPECS, {"P1"}, "somebody")
    with installation.warehouse.engine.connect() as connection:
        details = connection.execute(sa.select(audit_log.c.detail).where(audit_log.c.object == "plate")).scalars().all()
    assert [json.loads(detail) for detail in details] == [{"rows": 1}]


def test_doing_it_again_changes_nothing(installation: Installation) -> None:
    retract(installation.warehouse, SPECS, {"P1"}, "somebody")
    before = installation.audit()
    assert retract(installation.warehouse, SPECS, {"P1"}, "somebody") == []
    assert installation.audit() == before


def test_no_product_holds_many_patients_in_one_file() -> None:
    """Single patients' rows can be deleted from SQL tables; a file of many patients would have to be rewritten."""
    import palbo_assets.definitions  # noqa: F401  (declares every product)
    from palbo_assets.platform.product import SPECS as DECLARED

    assert DECLARED
    for spec in DECLARED.values():
        if spec.table.storage is Storage.PARQUET and "patient_id" in spec.table.column_names:
            assert spec.level in (Level.SAMPLE, Level.PATIENT), spec.name
