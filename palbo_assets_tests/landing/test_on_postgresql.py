"""The landing on PostgreSQL: the same zone becomes the same ledger as on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from palbo_assets.landing.files import accepted_files, ledger_frame, patients_with_files
from palbo_assets.landing.ledger import metadata
from palbo_assets_tests.landing.conftest import Landing
from palbo_assets_tests.landing.malformed import MALFORMED

pytestmark = pytest.mark.postgres

# Written when a scan happens, or where a file lies on this disk; everything else is decided from content.
OF_THE_MOMENT = {"received_at", "mtime_ns", "inode", "decided_at", "first_seen", "last_seen", "unchanged_since"}


@pytest.fixture
def both(tmp_path: Path, postgres_url: str) -> Iterator[dict[str, Landing]]:
    """Two landing zones alike, one with its ledger in SQLite, one in PostgreSQL."""
    zones = {"sqlite": Landing(tmp_path / "sqlite"), "postgresql": Landing(tmp_path / "postgresql")}
    engine = sa.create_engine(postgres_url)
    metadata.create_all(engine)
    zones["postgresql"].engine = engine
    yield zones
    for zone in zones.values():
        zone.engine.dispose()


def ledger(zone: Landing) -> list[dict[str, Any]]:
    rows = [{name: value for name, value in row.items() if name not in OF_THE_MOMENT} for row in zone.rows()]
    return sorted(rows, key=lambda row: (str(row["path"]), str(row["id"])))


def same_everywhere(both: dict[str, Landing]) -> list[dict[str, Any]]:
    sqlite, postgresql = (ledger(zone) for zone in both.values())
    assert postgresql == sqlite
    frames = [ledger_frame(zone.engine).drop(columns="received_at") for zone in both.values()]
    assert frames[0].equals(frames[1])
    accepted = [
        [(file.path.relative_to(zone.root), file.sha256, file.scope) for file in accepted_files(zone.engine, zone.root)]
        for zone in both.values()
    ]
    assert accepted[0] == accepted[1]
    assert len({tuple(patients_with_files(zone.engine)) for zone in both.values()}) == 1
    return postgresql


def test_malformed_deliveries_get_the_same_ledger_and_the_same_receipts(both: dict[str, Landing]) -> None:
    for zone in both.values():
        for name, build in MALFORMED.items():
            folder = zone.root / "lab" / name
            folder.mkdir(parents=True)
            build(folder)
        zone.scan()
        zone.scan(60)
    rows = same_everywhere(both)
    assert {row["status"] for row in rows} >= {"ACCEPTED", "QUARANTINED"}
    for receipt in sorted(both["sqlite"].root.rglob("receipt.json")):
        other = both["postgresql"].root / receipt.relative_to(both["sqlite"].root)
        assert other.read_bytes() == receipt.read_bytes(), receipt.parent.name


def test_a_correction_a_duplicate_and_a_withdrawal_are_decided_alike(both: dict[str, Landing]) -> None:
    seen = []
    for zone in both.values():
        zone.fcs("lab/1", "PALBO-001", "first")
        zone.fcs("lab/2", "PALBO-002", "second")
        report = zone.scan()
        seen.append(sorted((item.path, str(item.status)) for item in report.files))
        zone.fcs("lab/3", "PALBO-001", "corrected")
        zone.fcs("lab/4", "PALBO-002", "second", name="again.fcs")
        zone.withdrawn = frozenset({"PALBO-002"})
        zone.scan()
        assert zone.scan().quiet
    assert seen[0] == seen[1]
    statuses = {str(row["status"]) for row in same_everywhere(both)}
    assert {"ACCEPTED", "SUPERSEDED", "QUARANTINED"} <= statuses


def test_names_of_other_scripts_are_refused_and_recorded_as_they_are_written(both: dict[str, Landing]) -> None:
    for zone in both.values():
        zone.fcs("lab/1", "PALBO-001", "content", name="수혈 전.fcs")
        zone.fcs("연구실/1", "PALBO-002", "content")
        zone.scan()
    rows = {str(row["path"]): row["reason"] for row in same_everywhere(both)}
    assert rows["lab/1/수혈 전.fcs"] == rows["연구실"] == "E_BAD_NAME"


def test_a_scan_that_stops_half_way_goes_on_where_it_stopped(both: dict[str, Landing]) -> None:
    for zone in both.values():
        for number in range(8):
            zone.fcs(f"lab/{number}", f"PALBO-{number:03d}", f"content {number}")
        limited = zone.settings.model_copy(update={"bytes_per_scan": 20})
        reports = [zone.scan(settings=limited)]
        while reports[-1].unfinished:
            reports.append(zone.scan(settings=limited))
            assert len(reports) < 20
        assert len(reports) > 1
    assert [row["status"] for row in same_everywhere(both)].count("ACCEPTED") == 8
