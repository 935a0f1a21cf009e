"""Publishing: one transaction a partition, old or new and never a third state, on SQLite and PostgreSQL."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from palbo_assets.platform.config import Home
from palbo_assets.platform.database import missing_tables
from palbo_assets.platform.errors import PalboError, StaleWriterError
from palbo_assets.platform.partitioning import Level
from palbo_assets.platform.system_tables import SYSTEM, audit_log
from palbo_assets.platform.tables import PATIENT_ID, TIMEPOINT, Storage, Table, integer, real, sql_table
from palbo_assets.platform.warehouse import Version, Warehouse

CALLS = Table(
    "calls",
    "d",
    "variant",
    (PATIENT_ID, TIMEPOINT, integer("pos", "p", key=True), real("vaf", "v", minimum=0, maximum=1)),
)
MATRIX = Table(
    "matrix", "d", "gene", (PATIENT_ID, TIMEPOINT, integer("gene", "g", key=True), real("tpm", "t")), Storage.PARQUET
)
VERSION = Version("v1", "1", {"files": []})


def open_warehouse(home: Home) -> Warehouse:
    warehouse = Warehouse(home)
    home.create()
    SYSTEM.create_all(warehouse.engine)
    metadata = sa.MetaData()
    sql_table(CALLS, metadata)
    metadata.create_all(warehouse.engine)
    return warehouse


@pytest.fixture
def warehouse(tmp_path: Path, database_url: str) -> Iterator[Warehouse]:
    opened = open_warehouse(Home.at(tmp_path, database_url))
    yield opened
    opened.close()


def calls(n: int, patient: str = "P1", timepoint: str = "BL", vaf: float = 0.5) -> pd.DataFrame:
    return pd.DataFrame({"patient_id": patient, "timepoint": timepoint, "pos": range(n), "vaf": vaf})


def publish(warehouse: Warehouse, table: Table, key: str, frame: pd.DataFrame, run: str = "r1") -> None:
    token = warehouse.take_lease(table.name, key, run)
    warehouse.publish(table, key, frame, VERSION, run_id=run, token=token)


def matrix(n: int, value: float = 1.0) -> pd.DataFrame:
    return pd.DataFrame({"patient_id": "P1", "timepoint": "BL", "gene": range(n), "tpm": value})


@pytest.mark.parametrize("table", [CALLS, MATRIX])
def test_a_partition_is_replaced_as_a_whole(warehouse: Warehouse, table: Table) -> None:
    frame = calls if table is CALLS else matrix
    publish(warehouse, table, "P1|BL", frame(5))
    publish(warehouse, table, "P1|BL", frame(2))
    assert len(warehouse.read(table)) == 2
    assert warehouse.versions(table.name)[table.name, "P1|BL"].n_rows == 2


def test_other_partitions_stay(warehouse: Warehouse) -> None:
    publish(warehouse, CALLS, "P1|BL", calls(3))
    publish(warehouse, CALLS, "P1|PD", calls(2, timepoint="PD"))
    publish(warehouse, CALLS, "P1|BL", calls(1))
    assert warehouse.read(CALLS, timepoint="PD")["pos"].tolist() == [0, 1]


def test_a_frame_that_breaks_the_contract_leaves_the_last_good_rows(warehouse: Warehouse) -> None:
    publish(warehouse, CALLS, "P1|BL", calls(3))
    with pytest.raises(PalboError, match="E_CONTRACT"):
        publish(warehouse, CALLS, "P1|BL", calls(4, vaf=1.5))
    assert len(warehouse.read(CALLS)) == 3


def test_a_row_of_another_partition_is_refused_and_nothing_changes(warehouse: Warehouse) -> None:
    publish(warehouse, CALLS, "P1|BL", calls(3))
    with pytest.raises(PalboError, match="another partition already holds"):
        publish(warehouse, CALLS, "P1|PD", calls(1))
    assert len(warehouse.read(CALLS)) == 3
    assert ("calls", "P1|PD") not in warehouse.versions()


def test_a_zombie_writer_can_not_publish_after_its_successor_started(warehouse: Warehouse) -> None:
    zombie = warehouse.take_lease("calls", "P1|BL", "old run")
    publish(warehouse, CALLS, "P1|BL", calls(3), run="new run")
    with pytest.raises(StaleWriterError):
        warehouse.publish(CALLS, "P1|BL", calls(9), VERSION, run_id="old run", token=zombie)
    assert len(warehouse.read(CALLS)) == 3


def test_rows_say_which_run_and_version_wrote_them_and_the_act_is_audited(warehouse: Warehouse) -> None:
    publish(warehouse, CALLS, "P1|BL", calls(1), run="r7")
    stored = warehouse.read(CALLS, provenance=True).iloc[0]
    assert (stored["run_id"], stored["data_version"], stored["partition_key"]) == ("r7", "v1", "P1|BL")
    with warehouse.engine.connect() as connection:
        assert connection.execute(sa.select(audit_log.c.action, audit_log.c.object)).all() == [
            ("publish", "calls:P1|BL")
        ]


def test_missing_values_come_back_missing_and_never_zero(warehouse: Warehouse) -> None:
    frame = calls(2).assign(vaf=[None, 0.0])
    publish(warehouse, CALLS, "P1|BL", frame)
    back = warehouse.read(CALLS)["vaf"]
    assert back.isna().tolist() == [True, False]
    assert back[1] == 0.0


def test_reading_for_a_patient_or_a_sample_selects_its_rows(warehouse: Warehouse) -> None:
    publish(warehouse, CALLS, "P1|BL", calls(1))
    publish(warehouse, CALLS, "P1|PD", calls(2, timepoint="PD"))
    publish(warehouse, CALLS, "P2|BL", calls(4, patient="P2"))
    assert len(warehouse.read_for(CALLS, Level.SAMPLE, Level.SAMPLE, "P1|PD")) == 2
    assert len(warehouse.read_for(CALLS, Level.SAMPLE, Level.PATIENT, "P1")) == 3
    assert len(warehouse.read_for(CALLS, Level.SAMPLE, Level.COHORT, "")) == 7


def test_a_parquet_product_has_a_readable_name_units_and_a_checksum(warehouse: Warehouse) -> None:
    import pyarrow.parquet as pq

    publish(warehouse, MATRIX, "P1|BL", matrix(3))
    link = warehouse.home.products / "matrix" / "P1__BL.parquet"
    assert link.is_symlink()
    assert pq.read_schema(link).field("tpm").metadata[b"description"] == b"t"
    stored = link.resolve()
    stored.chmod(0o600)
    content = bytearray(stored.read_bytes())
    content[100] ^= 1
    stored.write_bytes(content)
    with pytest.raises(PalboError, match="E_BIT_ROT"):
        warehouse.read(MATRIX)


def test_retraction_leaves_neither_rows_nor_files(warehouse: Warehouse) -> None:
    publish(warehouse, CALLS, "P1|BL", calls(3))
    publish(warehouse, MATRIX, "P1|BL", matrix(3))
    stored = (warehouse.home.products / "matrix" / "P1__BL.parquet").resolve()
    for table in (CALLS, MATRIX):
        warehouse.retract(table, "P1|BL", actor="test")
    assert warehouse.versions() == {}
    assert warehouse.read(CALLS).empty
    assert not stored.exists()


def test_missing_tables_are_named(warehouse: Warehouse) -> None:
    assert missing_tables(warehouse.engine, ["calls", "nothing"]) == ["nothing"]


def _writer(home: Home, number: int, rounds: int) -> None:
    warehouse = Warehouse(home)
    for turn in range(rounds):
        try:
            publish(warehouse, CALLS, "P1|BL", calls(number * 10 + 5), run=f"w{number}-{turn}")
        except StaleWriterError:
            continue


def test_two_writers_of_one_partition_never_mix_rows(warehouse: Warehouse) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_writer, args=(warehouse.home, number, 8)) for number in (1, 2)]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        stored = warehouse.read(CALLS, provenance=True)
        assert stored["run_id"].nunique() <= 1
        seen.add(len(stored))
        time.sleep(0.02)
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert seen <= {0, 15, 25}


def _publish_for_ever(home: Home) -> None:
    warehouse = Warehouse(home)
    turn = 0
    while True:
        turn += 1
        publish(warehouse, CALLS, "P1|BL", calls(200 + turn % 2), run=f"t{turn}")
        publish(warehouse, MATRIX, "P1|BL", matrix(200 + turn % 2, float(turn % 2)), run=f"t{turn}")


@pytest.mark.faults
def test_a_writer_killed_at_any_moment_leaves_the_old_or_the_new_state(warehouse: Warehouse) -> None:
    publish(warehouse, CALLS, "P1|BL", calls(200))
    publish(warehouse, MATRIX, "P1|BL", matrix(200, 0.0))
    context = multiprocessing.get_context("fork")
    warehouse.close()
    for turn in range(25):
        writer = context.Process(target=_publish_for_ever, args=(warehouse.home,))
        writer.start()
        time.sleep(0.15 + 0.013 * turn)
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        reader = Warehouse(warehouse.home)
        for table in (CALLS, MATRIX):
            rows = reader.read(table, provenance=True)
            recorded = reader.versions(table.name)[table.name, "P1|BL"]
            assert len(rows) in (200, 201)
            assert len(rows) == recorded.n_rows
            assert set(rows["run_id"]) == {recorded.run_id}
        reader.close()
