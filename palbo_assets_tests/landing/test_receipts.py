"""The receipt that a lab gets for each of forty ways to get a delivery wrong."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from palbo_assets.landing.problem import KOREAN, Problem, Status
from palbo_assets.landing.receipt import as_html, receipt
from palbo_assets.landing.report import FileVerdict
from palbo_assets_tests.landing.conftest import Landing
from palbo_assets_tests.landing.malformed import MALFORMED

GOLDEN = Path(__file__).with_name("golden_receipts.json")


def receive(landing: Landing, name: str) -> tuple[dict[str, object], str]:
    folder = landing.root / "lab" / name
    folder.mkdir(parents=True)
    MALFORMED[name](folder)
    landing.scan()
    landing.scan(40)  # rows without a checksum have settled
    return json.loads((folder / "receipt.json").read_text(encoding="utf-8")), (folder / "receipt.html").read_text()


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_delivery_gets_its_receipt(landing: Landing, name: str) -> None:
    found, page = receive(landing, name)
    if os.environ.get("PALBO_UPDATE_GOLDEN"):  # then read the difference before committing it
        golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
        golden[name] = found
        GOLDEN.write_text(json.dumps(golden, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    assert found == json.loads(GOLDEN.read_text())[name]
    told = page + json.dumps(found)
    assert "Traceback" not in told and "<img" not in page and "900101" not in told
    for item in [*found["files"], *found["problems"]]:  # type: ignore[misc]
        code = item.get("reason", item.get("code"))
        assert code == "" or item["fix"], f"{code} doesn't say what to do"


def test_there_is_a_golden_receipt_for_each_of_at_least_twenty_mistakes() -> None:
    golden = json.loads(GOLDEN.read_text())
    assert set(golden) == set(MALFORMED)
    mistakes = [
        name
        for name, found in golden.items()
        if found["problems"] or found["counts"]["ACCEPTED"] != len(found["files"])
    ]
    assert len(mistakes) >= 20


def test_a_receipt_is_rewritten_only_when_something_changed(landing: Landing) -> None:
    folder = landing.fcs("lab/d1", "PALBO-001", "x")
    landing.scan()
    before = [(folder / name).stat().st_ino for name in ("receipt.json", "receipt.html")]
    (folder / "tube.fcs").touch()
    landing.fcs("lab/d2", "PALBO-002", "y")
    landing.scan()
    assert [(folder / name).stat().st_ino for name in ("receipt.json", "receipt.html")] == before
    (folder / "receipt.html").unlink()
    (folder / "receipt.json").unlink()
    assert landing.scan().receipts_written == 2


def test_a_newer_delivery_changes_the_receipt_of_the_one_it_supersedes(landing: Landing) -> None:
    folder = landing.fcs("lab/d1", "PALBO-001", "x")
    landing.scan()
    landing.fcs("lab/d2", "PALBO-001", "y")
    landing.scan()
    (file,) = json.loads((folder / "receipt.json").read_text())["files"]
    assert file["status"] == "SUPERSEDED" and "lab/d2/tube.fcs" in file["message"]


def test_a_planted_link_in_place_of_a_receipt_is_replaced_not_followed(landing: Landing, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    folder = landing.fcs("lab/d1", "PALBO-001", "x")
    (folder / "receipt.json").symlink_to(victim)
    (folder / "receipt.html").symlink_to(victim)
    landing.fcs("lab/d1", "PALBO-001", "y")
    landing.scan()
    landing.fcs("lab/d1", "PALBO-001", "z")
    landing.scan()
    assert victim.read_text() == "untouched"
    assert not (folder / "receipt.html").is_symlink()


def test_a_folder_that_cannot_be_written_to_costs_the_receipt_and_nothing_else(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError

    landing.fcs("lab/d1", "PALBO-001", "x")
    monkeypatch.setattr("palbo_assets.landing.scan.write_receipt", refuse)
    report = landing.scan()
    assert (report.receipts_refused, len(landing.accepted())) == (1, 1)
    monkeypatch.undo()
    assert landing.scan().receipts_written == 2  # tried again


def test_the_page_is_self_contained_and_escapes_what_labs_write() -> None:
    hostile = "<script>alert(1)</script>"
    said = FileVerdict("lab/d/x", "lab/d", hostile, Status.QUARANTINED, "E_SCHEMA", hostile, hostile, 3, hostile)
    page = as_html(receipt(hostile, [said], [Problem("E_SCHEMA", hostile, hostile, 1, hostile)]))
    assert "<script" not in page
    assert not re.search(r"(src|href)\s*=|url\(|@import", page)
    assert KOREAN["E_SCHEMA"] in page
