"""The warehouse: typed tables in SQL, one transaction per (asset, partition), fenced against zombie writers.

A publishing transaction takes the partition's lock, checks that the step still owns the partition, deletes the old
rows, inserts the new ones, records the version with its inputs and an audit row, and commits. A killed run leaves the
old rows; an orphaned step can't publish because its token is stale.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from palbo_assets.platform.config import Home
from palbo_assets.platform.database import connect, write_transaction
from palbo_assets.platform.errors import PalboError, StaleWriterError
from palbo_assets.platform.parquet import parquet_bytes, read_parquet
from palbo_assets.platform.partitioning import SEPARATOR, Level, patient_and_timepoint
from palbo_assets.platform.store import ObjectStore, link_atomically
from palbo_assets.platform.system_tables import audit_log, partition_lease, product_failure, product_version
from palbo_assets.platform.tables import Storage, Table, coerce, empty_frame, records, sql_table, validate

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Version:
    """What a published partition was made of. ``inputs`` is JSON-serialisable."""

    data_version: str
    code_version: str
    inputs: Mapping[str, Any]


@dataclass(frozen=True)
class Published:
    """One row of ``product_version``."""

    asset: str
    partition_key: str
    data_version: str
    content_sha256: str
    n_rows: int
    run_id: str
    code_version: str
    inputs: Mapping[str, Any]
    published_at: str


def utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class Warehouse:
    """The tables of one installation."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.objects = ObjectStore(home.objects)
        self._metadata = sa.MetaData()

    @cached_property
    def engine(self) -> sa.Engine:
        if self.home.database_url.startswith("sqlite"):
            self.home.root.mkdir(parents=True, exist_ok=True)
        return connect(self.home.database_url)

    def transaction(self) -> Any:
        return write_transaction(self.engine)

    def close(self) -> None:
        if "engine" in self.__dict__:
            self.engine.dispose()

    # --- publishing -------------------------------------------------------------------------------------------

    def take_lease(self, asset: str, partition_key: str, run_id: str) -> int:
        """Become the partition's only legitimate writer; the fencing token to publish with."""
        where = (partition_lease.c.asset == asset, partition_lease.c.partition_key == partition_key)
        with self.transaction() as connection:
            self._lock(connection, asset, partition_key)
            current = connection.execute(sa.select(partition_lease.c.token).where(*where)).scalar()
            token = (current or 0) + 1
            if current is None:
                connection.execute(
                    sa.insert(partition_lease).values(
                        asset=asset, partition_key=partition_key, token=token, run_id=run_id
                    )
                )
            else:
                connection.execute(sa.update(partition_lease).where(*where).values(token=token, run_id=run_id))
        return token

    def publish(
        self,
        table: Table,
        partition_key: str,
        frame: pd.DataFrame,
        version: Version,
        *,
        run_id: str,
        token: int,
    ) -> Published:
        """Replace a partition by ``frame`` in one transaction.

        Raises
        ------
        PalboError
            ``E_CONTRACT`` when the frame breaks the table's contract; the published rows stay as they were.
        StaleWriterError
            ``E_STALE_WRITER`` when another step took the partition meanwhile.
        """
        typed = validate(table, frame).sort_values(list(table.key), kind="stable", ignore_index=True)
        content = content_sha256(typed)
        stored = typed.assign(partition_key=partition_key, data_version=version.data_version, run_id=run_id)
        if table.storage is Storage.PARQUET:
            content = self.objects.put_bytes(parquet_bytes(table, stored))
        published = Published(
            table.name,
            partition_key,
            version.data_version,
            content,
            len(typed),
            run_id,
            version.code_version,
            version.inputs,
            utc_now(),
        )
        with self.transaction() as connection:
            self._lock(connection, table.name, partition_key)
            self._check_token(connection, table.name, partition_key, token)
            if table.storage is Storage.SQL:
                self._replace_rows(connection, table, partition_key, stored)
            self._record_version(connection, published)
        if table.storage is Storage.PARQUET:
            self._link(table.name, partition_key, content)
        return published

    def _replace_rows(self, connection: sa.Connection, table: Table, partition_key: str, stored: pd.DataFrame) -> None:
        target = sql_table(table, self._metadata)
        connection.execute(sa.delete(target).where(target.c.partition_key == partition_key))
        if stored.empty:
            return
        try:
            connection.execute(sa.insert(target), records(stored))
        except sa.exc.IntegrityError:
            raise PalboError(
                "E_CONTRACT",
                f"table {table.name}: another partition already holds a row with the same "
                f"{', '.join(table.key)} as partition {partition_key}",
                fix="one specimen belongs to one partition: correct the manifest",
            ) from None

    def _record_version(self, connection: sa.Connection, published: Published) -> None:
        row = {
            "asset": published.asset,
            "partition_key": published.partition_key,
            "data_version": published.data_version,
            "content_sha256": published.content_sha256,
            "n_rows": published.n_rows,
            "run_id": published.run_id,
            "code_version": published.code_version,
            "inputs": json.dumps(published.inputs, sort_keys=True),
            "published_at": published.published_at,
        }
        for system_table in (product_version, product_failure):
            connection.execute(
                sa.delete(system_table).where(
                    system_table.c.asset == published.asset,
                    system_table.c.partition_key == published.partition_key,
                )
            )
        connection.execute(sa.insert(product_version).values(**row))
        self.audit(
            connection,
            actor=f"run {published.run_id}",
            action="publish",
            subject=f"{published.asset}:{published.partition_key}",
            detail={
                "data_version": published.data_version,
                "rows": published.n_rows,
                "content_sha256": published.content_sha256,
            },
        )

    def record_failure(
        self, asset: str, partition_key: str, data_version: str, *, code: str, message: str, run_id: str
    ) -> None:
        """Note that these inputs can't be used, so that they aren't tried again until they change."""
        key = (product_failure.c.asset == asset, product_failure.c.partition_key == partition_key)
        with self.transaction() as connection:
            connection.execute(sa.delete(product_failure).where(*key))
            connection.execute(
                sa.insert(product_failure).values(
                    asset=asset,
                    partition_key=partition_key,
                    data_version=data_version,
                    code=code,
                    message=message,
                    run_id=run_id,
                    failed_at=utc_now(),
                )
            )

    def retract(self, table: Table, partition_key: str, *, actor: str) -> None:
        """Remove a published partition altogether, with every file it ever had, leaving an audit row."""
        unused: set[str] = set()
        with self.transaction() as connection:
            self._lock(connection, table.name, partition_key)
            if table.storage is Storage.SQL:
                target = sql_table(table, self._metadata)
                connection.execute(sa.delete(target).where(target.c.partition_key == partition_key))
            for system_table in (product_version, product_failure):
                connection.execute(
                    sa.delete(system_table).where(
                        system_table.c.asset == table.name, system_table.c.partition_key == partition_key
                    )
                )
            self.audit(connection, actor=actor, action="retract", subject=f"{table.name}:{partition_key}")
            if table.storage is Storage.PARQUET:
                unused = self._objects_of(connection, table.name, partition_key)
        if table.storage is Storage.PARQUET:
            self.product_file(table.name, partition_key).unlink(missing_ok=True)
        for sha256 in unused:
            self.objects.path(sha256).unlink(missing_ok=True)

    @staticmethod
    def _objects_of(connection: sa.Connection, asset: str, partition_key: str) -> set[str]:
        """Objects that any version of this partition was stored in and that no published partition needs.

        Partitions without rows have equal bytes and so share their object.
        """
        said = connection.execute(
            sa.select(audit_log.c.detail).where(
                audit_log.c.action == "publish", audit_log.c.object == f"{asset}:{partition_key}"
            )
        ).scalars()
        ever = {json.loads(detail).get("content_sha256", "") for detail in said} - {""}
        needed = connection.execute(
            sa.select(product_version.c.content_sha256).where(product_version.c.content_sha256.in_(ever))
        ).scalars()
        return ever - set(needed)

    def delete_patients(self, table: Table, patients: Iterable[str], *, actor: str) -> None:
        """Remove single patients' rows from a table that holds many patients a partition."""
        target = sql_table(table, self._metadata)
        with self.transaction() as connection:
            for patient_id in sorted(patients):
                deleted = connection.execute(sa.delete(target).where(target.c.patient_id == patient_id)).rowcount
                if deleted:
                    self.audit(connection, actor=actor, action="retract", subject=table.name, detail={"rows": deleted})

    @staticmethod
    def audit(
        connection: sa.Connection, *, actor: str, action: str, subject: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        connection.execute(
            sa.insert(audit_log).values(
                at=utc_now(),
                actor=actor,
                action=action,
                object=subject,
                detail=json.dumps(detail or {}, sort_keys=True),
            )
        )

    def _lock(self, connection: sa.Connection, asset: str, partition_key: str) -> None:
        if self.engine.dialect.name == "postgresql":
            connection.execute(
                sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
                {"name": f"{asset}:{partition_key}"},
            )

    def _check_token(self, connection: sa.Connection, asset: str, partition_key: str, token: int) -> None:
        current = connection.execute(
            sa.select(partition_lease.c.token).where(
                partition_lease.c.asset == asset, partition_lease.c.partition_key == partition_key
            )
        ).scalar()
        if current != token:
            raise StaleWriterError(
                "E_STALE_WRITER",
                f"another step took over {asset} {partition_key} while this one was computing",
                fix="nothing: the newer step publishes",
            )

    def _link(self, asset: str, partition_key: str, sha256: str) -> None:
        link_atomically(self.product_file(asset, partition_key), self.objects.path(sha256))

    def product_file(self, asset: str, partition_key: str) -> Path:
        """Readable name of a Parquet product."""
        name = partition_key.replace(SEPARATOR, "__") or "all"
        return self.home.products / asset / f"{name}.parquet"

    # --- reading ----------------------------------------------------------------------------------------------

    def versions(self, asset: str | None = None) -> dict[tuple[str, str], Published]:
        """Current versions by (asset, partition key), of one asset or of all."""
        query = sa.select(product_version)
        if asset is not None:
            query = query.where(product_version.c.asset == asset)
        with self.engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return {
            (row["asset"], row["partition_key"]): Published(
                asset=row["asset"],
                partition_key=row["partition_key"],
                data_version=row["data_version"],
                content_sha256=row["content_sha256"],
                n_rows=row["n_rows"],
                run_id=row["run_id"],
                code_version=row["code_version"],
                inputs=json.loads(row["inputs"]),
                published_at=row["published_at"],
            )
            for row in rows
        }

    def current_versions(self) -> dict[tuple[str, str], str]:
        """Data version of every published partition, by (asset, partition key)."""
        return self._data_versions(product_version)

    def failed_versions(self) -> dict[tuple[str, str], str]:
        """Data version of the inputs that failed, by (asset, partition key)."""
        return self._data_versions(product_failure)

    def _data_versions(self, source: sa.Table) -> dict[tuple[str, str], str]:
        query = sa.select(source.c.asset, source.c.partition_key, source.c.data_version)
        with self.engine.connect() as connection:
            return {(asset, key): version for asset, key, version in connection.execute(query)}

    def failures(self) -> dict[tuple[str, str], Mapping[str, str]]:
        """Recorded failures by (asset, partition key)."""
        with self.engine.connect() as connection:
            rows = connection.execute(sa.select(product_failure)).mappings().all()
        return {(row["asset"], row["partition_key"]): dict(row) for row in rows}

    def read(
        self,
        table: Table,
        *,
        partition_key: str | None = None,
        patient_id: str | None = None,
        timepoint: str | None = None,
        provenance: bool = False,
    ) -> pd.DataFrame:
        """Rows of a table in its declared types, ordered by its key; everything when no condition is given."""
        wanted = {
            name: value
            for name, value in (("partition_key", partition_key), ("patient_id", patient_id), ("timepoint", timepoint))
            if value is not None
        }
        stored = (
            self._read_parquet(table, wanted) if table.storage is Storage.PARQUET else self._read_sql(table, wanted)
        )
        stored = stored.sort_values(list(table.key), kind="stable", ignore_index=True)
        return stored if provenance else stored[list(table.column_names)]

    def read_for(self, table: Table, table_level: Level, level: Level, key: str) -> pd.DataFrame:
        """The rows of ``table`` that concern partition ``key`` of a product at ``level``."""
        patient_id, timepoint = patient_and_timepoint(level, key)
        if table_level is Level.COHORT and "patient_id" not in table.column_names:
            return self.read(table)
        return self.read(
            table,
            patient_id=patient_id or None,
            timepoint=timepoint if timepoint and "timepoint" in table.column_names else None,
        )

    def _read_sql(self, table: Table, wanted: Mapping[str, str]) -> pd.DataFrame:
        import pandas as pd

        source = sql_table(table, self._metadata)
        query = sa.select(source).where(*(source.c[name] == value for name, value in wanted.items()))
        with self.engine.connect() as connection:
            result = connection.execute(query)
            frame = pd.DataFrame(result.fetchall(), columns=list(result.keys()), dtype=object)
        return coerce(table, frame, table.stored_columns)

    def _read_parquet(self, table: Table, wanted: Mapping[str, str]) -> pd.DataFrame:
        import pandas as pd

        frames = [
            read_parquet(self.objects.read_verified(published.content_sha256))
            for (_, key), published in sorted(self.versions(table.name).items())
            if _may_hold(key, wanted)
        ]
        if not frames:
            empty = empty_frame(table).assign(**dict.fromkeys(("partition_key", "data_version", "run_id"), ""))
            return coerce(table, empty, table.stored_columns)
        frame = pd.concat(frames, ignore_index=True)
        for name, value in wanted.items():
            frame = frame[frame[name] == value]
        return coerce(table, frame, table.stored_columns)

    def patient_versions(self, table: Table) -> dict[str, str]:
        """Hash of each patient's rows of a cohort table that has few."""
        rows = self.read(table).sort_values(list(table.key), ignore_index=True)
        return {str(patient): content_sha256(own)[:24] for patient, own in rows.groupby("patient_id", sort=True)}

    def panel_versions(self, table: Table, stated: str) -> dict[str, str]:
        """Hash of each panel version's rows of a Parquet table whose column ``stated`` holds it."""
        found: dict[str, str] = {}
        for published in self.versions(table.name).values():
            content = self.objects.read_verified(published.content_sha256)
            rows = read_parquet(content, ["panel_version", stated]).drop_duplicates()
            found |= dict(zip(rows["panel_version"].astype(str), rows[stated].astype(str), strict=True))
        return found

    def batch_rows(self, table: Table) -> list[tuple[str, str, str]]:
        """Distinct (batch partition, patient, timepoint) of a BATCH table: which samples a batch speaks about."""
        source = sql_table(table, self._metadata)
        columns = (source.c.partition_key, source.c.patient_id, source.c.timepoint)
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.select(*columns).distinct())]


def _may_hold(partition_key: str, wanted: Mapping[str, str]) -> bool:
    if "partition_key" in wanted:
        return partition_key == wanted["partition_key"]
    patient_id, _, timepoint = partition_key.partition(SEPARATOR)
    return wanted.get("patient_id", patient_id) == patient_id and wanted.get("timepoint", timepoint) == timepoint


def content_sha256(typed: pd.DataFrame) -> str:
    """Hash of a typed, ordered frame's content, without what names the run."""
    return hashlib.sha256(typed.to_csv(index=False, na_rep="\\N").encode("utf-8")).hexdigest()
