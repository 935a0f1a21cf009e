"""Whatever lies in the landing zone, a scan ends, says what it refused, and takes the good files beside it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palbo_assets.landing.names import safe
from palbo_assets.landing.zone import scan_zone
from palbo_assets_tests.landing.conftest import Landing


def raw(folder: Path, name: bytes) -> bytes:
    return os.fsencode(folder) + b"/" + name


def test_a_name_that_is_not_utf8_is_quarantined_and_other_files_flow(landing: Landing) -> None:
    folder = landing.fcs("lab/d1", "PALBO-001", "good")
    Path(os.fsdecode(raw(folder, b"bad\xff\xfename.fcs"))).write_bytes(b"x")
    Path(os.fsdecode(raw(landing.root, b"\xff\xfe"))).mkdir()
    Path(os.fsdecode(raw(landing.root / "lab", b"\xb1\xe8"))).mkdir()
    landing.scan()
    found = landing.statuses()
    assert found["lab/d1/tube.fcs"] == ("ACCEPTED", "")
    assert sorted(reason for status, reason in found.values() if status == "QUARANTINED") == ["E_BAD_NAME"] * 3


@pytest.mark.parametrize(
    "name", ["-rf", "a b.fcs", "x\ny.fcs", "'; DROP TABLE x;--", "<img src=x>", "\u202egpj.fcs", "결과.fcs", "n" * 200]
)
def test_unsafe_names_are_refused_with_a_receipt_that_shows_them_escaped(landing: Landing, name: str) -> None:
    folder = landing.fcs("lab/d1", "PALBO-001", "good")
    (folder / name).write_bytes(b"x")
    report = landing.scan()
    assert [item.reason for item in report.refused] == ["E_BAD_NAME"]
    assert len(landing.accepted()) == 1
    page = (folder / "receipt.html").read_text()
    assert "E_BAD_NAME" in page and "<img" not in page and "\u202e" not in page


def test_only_regular_files_are_taken_and_nothing_hangs(landing: Landing, tmp_path: Path) -> None:
    secret = tmp_path / "secret.fcs"
    secret.write_text("outside")
    folder = landing.fcs("lab/d1", "PALBO-001", "good")
    (folder / "link.fcs").symlink_to(secret)
    (folder / "dangling.fcs").symlink_to(tmp_path / "nowhere")
    os.mkfifo(folder / "pipe.fcs")
    os.link(secret, folder / "hard.fcs")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket.fcs"))
    (landing.root / "lab" / "linked").symlink_to(tmp_path)
    landing.scan()
    found = landing.statuses()
    for name in ("link", "dangling", "pipe", "hard", "socket"):
        assert found[f"lab/d1/{name}.fcs"] == ("QUARANTINED", "E_NOT_REGULAR_FILE")
    assert found["lab/linked"] == ("QUARANTINED", "E_NOT_REGULAR_FILE")
    assert found["lab/d1/tube.fcs"] == ("ACCEPTED", "")


def test_a_file_named_in_the_manifest_that_is_a_link_is_quarantined_with_its_row(landing: Landing) -> None:
    folder = landing.root / "lab/d1"
    folder.mkdir(parents=True)
    (folder / "tube.fcs").symlink_to("/etc/passwd")
    landing.manifest("lab/d1", [{"file": "tube.fcs", "modality": "facs", "patient_id": "P-1", "timepoint": "BL"}])
    assert [(item.reason, item.sha256) for item in landing.scan().refused] == [("E_NOT_REGULAR_FILE", "")]


def test_unfinished_transfers_and_what_systems_leave_behind_are_not_noticed(landing: Landing) -> None:
    folder = landing.fcs("lab/d1", "PALBO-001", "good")
    for name in (".DS_Store", "Thumbs.db", "x.fcs.part", "y.tmp", ".tube.fcs.Xa3d", "~$list.xlsx", "tube.fcs.md5"):
        (folder / name).write_bytes(b"x")
    assert set(landing.statuses()) | {item.path for item in landing.scan().files} == {"lab/d1/tube.fcs"}


def test_a_huge_sparse_file_is_refused_without_reading_it(landing: Landing) -> None:
    folder = landing.fcs("lab/d1", "PALBO-001", "x")
    with (folder / "tube.fcs").open("wb") as stream:
        stream.truncate(100 * 1024**3)
    report = landing.scan()
    assert [item.reason for item in report.refused] == ["E_TOO_BIG"]
    assert report.bytes_hashed == 0


def test_a_delivered_index_is_recorded_and_never_an_input(landing: Landing) -> None:
    rows = [
        {"file": "n.bam", "modality": "wes", "patient_id": "P-1", "role": "normal_bam"},
        {"file": "n.bam.bai", "modality": "wes", "patient_id": "P-1", "role": "normal_bam"},
    ]
    landing.deliver("lab/d1", {"n.bam": "reads", "n.bam.bai": "stale", "other.tbi": "x"}, rows)
    landing.scan()
    assert landing.statuses()["lab/d1/n.bam.bai"] == ("ACCEPTED", "W_INDEX_IGNORED")
    assert landing.statuses()["lab/d1/other.tbi"] == ("ACCEPTED", "W_INDEX_IGNORED")
    assert [(file.role, file.facts["siblings"]) for file in landing.accepted()] == [("normal_bam", "index")]


def test_a_landing_zone_that_is_not_there_is_not_an_empty_one(landing: Landing) -> None:
    landing.fcs("lab/d1", "PALBO-001", "good")
    landing.scan()
    landing.root.rename(landing.root.with_name("unmounted"))
    report = landing.scan()
    assert report.problems[""][0].code == "E_NO_LANDING_ZONE"
    assert landing.statuses()["lab/d1/tube.fcs"] == ("ACCEPTED", "")


NAMES = st.binary(min_size=1, max_size=40).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(NAMES, min_size=1, max_size=6, unique=True), depth=st.integers(0, 2))
def test_any_names_at_any_depth_are_listed_or_refused_and_shown_as_printable_text(
    tmp_path_factory: pytest.TempPathFactory, names: list[bytes], depth: int
) -> None:
    root = tmp_path_factory.mktemp("zone")
    folder = root / "/".join(["lab", "d1"][:depth])
    folder.mkdir(parents=True, exist_ok=True)
    if depth == 2:
        (folder / "delivery.csv").write_text("file\n")
    for name in names:
        Path(os.fsdecode(raw(folder, name))).write_bytes(b"x")
    zone = scan_zone(root)
    listed = [*zone.refused, *zone.stray]
    for delivery in zone.deliveries:
        listed += [*delivery.files.values(), *delivery.refused]
    for found in listed:
        found.path.encode("utf-8")
        assert found.path.isprintable()
        assert found.problem is not None or all(safe(part) for part in found.path.split("/"))
