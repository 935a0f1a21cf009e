"""A landing zone in a temporary folder, with small fake formats."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from palbo_assets.landing.files import LandedFile, accepted_files
from palbo_assets.landing.ledger import landed_file, metadata
from palbo_assets.landing.report import FileVerdict, ScanReport
from palbo_assets.landing.scan import scan
from palbo_assets.landing.settings import Settings
from palbo_assets.platform.formats import Context
from palbo_assets_tests.landing.fakes import REGISTRY

COLUMNS = ("file", "modality", "patient_id", "timepoint", "specimen_id", "sha256", "role", "sample_name", "library")
# Times that no small file needs, however busy the machine is: what a time limit does is tested with the sandbox.
QUICK = Settings(verify_cpu_seconds=10, verify_wall_factor=12, verify_memory_bytes=300 * 1024 * 1024)


class Landing:
    """A landing zone with its ledger; `scan` moves the clock on by ten seconds."""

    def __init__(self, root: Path, settings: Settings = QUICK) -> None:
        self.root = root / "landing"
        self.root.mkdir(parents=True)
        self.engine = sa.create_engine(f"sqlite:///{root / 'ledger.sqlite'}")
        metadata.create_all(self.engine)
        self.settings = settings
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.withdrawn: frozenset[str] = frozenset()
        self.genome = Context()

    def deliver(self, delivery: str, files: Mapping[str, str | bytes], rows: Iterable[Mapping[str, str]]) -> Path:
        """Write files, then the manifest; a row without sha256 gets the file's own when it is there."""
        folder = self.root / delivery
        for name, content in files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)
        self.manifest(delivery, rows)
        return folder

    def manifest(self, delivery: str, rows: Iterable[Mapping[str, str]]) -> None:
        folder = self.root / delivery
        folder.mkdir(parents=True, exist_ok=True)
        lines = [",".join(COLUMNS)]
        for row in rows:
            filled = dict(row)
            path = folder / filled["file"]
            if "sha256" not in filled and path.is_file():
                filled["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(",".join(filled.get(column, "") for column in COLUMNS))
        (folder / "delivery.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def fcs(self, delivery: str, patient: str, content: str, *, timepoint: str = "BL", **more: str) -> Path:
        """A delivery of one flow cytometry file, the simplest format."""
        name = more.pop("name", "tube.fcs")
        row = {"file": name, "modality": "facs", "patient_id": patient, "timepoint": timepoint, **more}
        return self.deliver(delivery, {name: content}, [row])

    def scan(self, seconds: float = 10, **options: object) -> ScanReport:
        self.now += timedelta(seconds=seconds)
        given = {"withdrawn": self.withdrawn, "genome": self.genome, "settings": self.settings, **options}
        return scan(self.engine, self.root, now=self.now, registry=REGISTRY, **given)  # type: ignore[arg-type]

    def statuses(self) -> dict[str, tuple[str, str]]:
        """(status, reason) of every ledger row by path; of several contents at one path, the one that counts now."""
        with self.engine.connect() as connection:
            rows = connection.execute(sa.select(landed_file)).mappings().all()
        found: dict[str, tuple[str, str]] = {}
        for row in sorted(rows, key=lambda row: (row["status"] != "SUPERSEDED", row["received_at"])):
            found[row["path"]] = (row["status"], row["reason"])
        return found

    def rows(self) -> list[dict[str, object]]:
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.select(landed_file).order_by("path", "id")).mappings()]

    def accepted(self) -> list[LandedFile]:
        return accepted_files(self.engine, self.root)


def verdict(report: ScanReport, file: str) -> FileVerdict:
    """The only verdict of the file that ends in ``file``."""
    (found,) = [item for item in report.files if item.path.endswith(file)]
    return found


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(tmp_path)
