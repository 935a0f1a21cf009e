"""Parsers may crash, hang, or eat memory; the landing goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from palbo_assets.landing.sandbox import Sandbox, Verdict
from palbo_assets.landing.settings import MIB, Settings
from palbo_assets.platform.formats import Claim, Context, FileFormat, Scope
from palbo_assets_tests.landing import fakes
from palbo_assets_tests.landing.fakes import REGISTRY

FCS = REGISTRY["facs", "fcs"]
TIGHT = Settings(
    verify_cpu_seconds=1, verify_wall_factor=60, verify_memory_bytes=300 * MIB, verify_written_bytes=8 * MIB
)
IMPATIENT = {"verify_wall_factor": 1.0}  # only for what never answers: a busy machine keeps a good file waiting


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(TIGHT) as opened:
        yield opened


def verify(sandbox: Sandbox, folder: Path, content: str, file_format: FileFormat = FCS) -> Verdict:
    path = folder / "file"
    path.write_text(content)
    return sandbox.verify(path, Claim("file", "facs"), Context(), file_format)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("TRUNCATED", "E_TRUNCATED"),
        ("RAISE", "E_UNREADABLE"),
        ("EXIT", "E_UNREADABLE"),
        ("WRITE", "E_UNREADABLE"),
        ("CRASH", "E_CRASH_SIGNAL"),
        ("HANG", "E_TIMEOUT"),
        ("SPIN", "E_TIMEOUT"),
        ("MEMORY", "E_MEMORY_LIMIT"),
    ],
)
def test_whatever_a_parser_does_is_a_verdict_and_the_next_file_is_verified(
    sandbox: Sandbox, tmp_path: Path, content: str, code: str
) -> None:
    sandbox.settings = TIGHT.model_copy(update=IMPATIENT if content == "HANG" else {})
    found = verify(sandbox, tmp_path, content).problem
    assert found is not None
    assert found.code == code
    assert found.fix
    sandbox.settings = TIGHT
    assert verify(sandbox, tmp_path, "fine").problem is None


def test_a_verdict_tells_where_and_never_quotes_the_exception(sandbox: Sandbox, tmp_path: Path) -> None:
    found = verify(sandbox, tmp_path, "ROW").problem
    assert found is not None
    assert (found.code, found.row, found.column, found.fix) == ("E_SCHEMA", 7, "od450", "correct the cell")
    assert "CANARY" not in str(verify(sandbox, tmp_path, "RAISE"))


def test_many_files_share_one_process(sandbox: Sandbox, tmp_path: Path) -> None:
    for _ in range(300):
        assert verify(sandbox, tmp_path, "fine").facts["bytes"] == 4
    assert sandbox.starts == 1


def test_the_process_is_replaced_after_a_number_of_files(tmp_path: Path) -> None:
    with Sandbox(TIGHT.model_copy(update={"files_per_worker": 2})) as sandbox:
        for _ in range(5):
            assert verify(sandbox, tmp_path, "fine").problem is None
        assert sandbox.starts == 3


def test_secrets_of_the_environment_do_not_reach_the_parser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALBO_DATABASE_URL", "postgresql+psycopg2://palbo:secret@localhost/palbo")
    with Sandbox(TIGHT) as sandbox:
        spying = FileFormat("facs", "fcs", (), Scope.SAMPLE, environment_names, "")
        assert "PALBO_DATABASE_URL" not in str(verify(sandbox, tmp_path, "x", spying).facts["names"])


def environment_names(path: Path, claim: Claim, context: Context) -> dict[str, str]:
    import os

    return {"names": " ".join(sorted(os.environ))[:200]}


def strange_facts(path: Path, claim: Claim, context: Context) -> dict[str, object]:
    return {"ok": 1, "nan": float("nan"), "<b>": 2, "line": "a\nb", "list": [1], "long": "x" * 999}


def bad_plate(path: Path, claim: Claim, context: Context) -> str:
    return "plate|1"


def test_what_a_verifier_returns_is_checked_before_it_is_kept(sandbox: Sandbox, tmp_path: Path) -> None:
    facts = verify(sandbox, tmp_path, "x", FileFormat("facs", "fcs", (), Scope.SAMPLE, strange_facts, "")).facts
    assert set(facts) == {"ok", "line", "list", "long"}
    assert "\n" not in str(facts["line"]) and len(str(facts["long"])) == 200
    plate = FileFormat("elisa", "plate", (), Scope.BATCH, fakes.verify, "", batch_key=bad_plate)
    found = verify(sandbox, tmp_path, "x", plate).problem
    assert found is not None and found.code == "E_BAD_NAME"
