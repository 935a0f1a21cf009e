"""Dagster's own SQLite record of runs, written by a process that works through many runs one after the other.

Out of the box every event of a run opens a database of its own, writes, waits for the disk twice and closes it again,
and every run starts four processes that copy its output to a terminal nobody reads: together more than a third of what
an ingest took. Here databases stay open. Files and contents are the same, so the UI shows these runs like all others.
"""

# No postponed annotations here: Dagster rehydrates these classes by their declared configuration.
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sa
from dagster._core.execution.compute_logs import redirect_to_file
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.compute_log_manager import CapturedLogContext, ComputeIOType
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.local_compute_log_manager import IO_TYPE_EXTENSION, LocalComputeLogManager
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData

QUICK = {"DagsterSqliteStorage": "OpenSqliteStorage", "LocalComputeLogManager": "FileLogManager"}


class OpenSqliteEventLog(SqliteEventLogStorage):
    """The event log with the index and the newest run's database kept open.

    A commit is safe from a crash of the process at once, and from a power cut with the next checkpoint. What stands
    published is the warehouse's to say, which waits for the disk.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, sa.Engine] = {}
        self._tables: set[str] = set()
        super().__init__(base_dir, inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        with self._db_lock:
            if shard not in self._engines:
                self._open(shard)
            with self._engines[shard].begin() as connection:
                yield connection

    def _open(self, shard: str) -> None:
        for former in set(self._engines) - {INDEX_SHARD_NAME}:
            self._engines.pop(former).dispose()
        engine = sa.create_engine(self.conn_string_for_shard(shard), connect_args={"timeout": 30})
        sa.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=NORMAL"))
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        self._engines[shard] = engine

    def has_table(self, table_name: str) -> bool:
        # Asked inside open transactions too; a table that is there stays.
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def dispose(self) -> None:
        while self._engines:
            self._engines.popitem()[1].dispose()
        super().dispose()


class OpenSqliteStorage(DagsterSqliteStorage):
    """Dagster's SQLite storage with the event log above."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = OpenSqliteEventLog(str(Path(base_dir) / "history" / "runs"))

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "OpenSqliteStorage":
        return cls.from_local(inst_data=inst_data, **config_value)


class FileLogManager(LocalComputeLogManager):
    """Keeps what steps print in the files that the UI reads, without copying it to the terminal too."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "FileLogManager":
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Iterator[CapturedLogContext]:
        out, err = (
            Path(self.get_captured_local_path(log_key, IO_TYPE_EXTENSION[kind]))
            for kind in (ComputeIOType.STDOUT, ComputeIOType.STDERR)
        )
        out.parent.mkdir(parents=True, exist_ok=True)
        with redirect_to_file(sys.stdout, str(out)), redirect_to_file(sys.stderr, str(err)):
            yield CapturedLogContext(log_key)
        Path(self.complete_artifact_path(log_key)).touch()


def open_instance(dagster_home: Path) -> dg.DagsterInstance:
    """The instance of this folder as its ``dagster.yaml`` says, with SQLite and log files handled as above."""
    ref = InstanceRef.from_dir(str(dagster_home))
    return dg.DagsterInstance.from_ref(
        ref._replace(storage_data=_quick(ref.storage_data), compute_logs_data=_quick(ref.compute_logs_data))
    )


def _quick(data: Any) -> Any:
    quick = QUICK.get(data.class_name) if data is not None else None
    return data if quick is None else ConfigurableClassData(__name__, quick, data.config_yaml)
