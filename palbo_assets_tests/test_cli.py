"""`palbo`: every mistake is one clear line and an exit code, and looking at things changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from palbo_assets import ingest as ingest_module
from palbo_assets.cli import app
from palbo_assets.demo import elisa
from palbo_assets.demo.truth import SampleTruth
from palbo_assets.demo.twin import _Deliveries
from palbo_assets.platform.config import Home

UNREACHABLE = "postgresql://palbo:secret-canary@127.0.0.1:1/x"
COMMANDS = (
    [], ["demo"], ["ingest"], ["check"], ["ledger"], ["trace"], ["up"], ["reference"], ["reference", "check"],
    ["reference", "add"], ["release"], ["releases"], ["compare"],
)  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An installation that doesn't exist yet, named by the environment."""
    monkeypatch.setenv("PALBO_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PALBO_DATABASE_URL", raising=False)
    monkeypatch.delenv("PALBO_REFERENCE", raising=False)
    return Home.at(tmp_path / "home")


def palbo(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def one_clear_line(result: Result, code: str) -> str:
    """Exit code 2, one line on standard error that begins with ``code``, no traceback."""
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith(f"{code}: "), lines
    assert "secret-canary" not in result.output
    return lines[0]


def delivery(folder: Path, *, good: bool) -> Path:
    """An ELISA delivery; the bad one is a plate on which only blanks were read."""
    rng = np.random.default_rng(1)
    sample = SampleTruth(patient_id="PALBO-001", timepoint="BL", day=-7, purity=0.6)
    write: Any = partial(elisa.write_plate, [sample]) if good else elisa.write_blank_only_plate
    deliveries = _Deliveries(folder)
    deliveries.add("immunology", "plate-1", partial(write, rng=rng, plate_id="NRG1-1"))
    deliveries.write_manifests()
    return folder / "immunology" / "plate-1"


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command) or "palbo")
def test_every_command_says_what_it_does(command: list[str]) -> None:
    result = palbo(*command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.stdout
    assert "Traceback" not in result.output
    described = [line for line in result.stdout.splitlines() if line.strip() and "Usage" not in line]
    assert described[0].strip().endswith((".", ",")) or len(described[0].split()) > 3


# --- check ---


@pytest.mark.parametrize("good", [True, False])
def test_checking_a_delivery_writes_nothing_anywhere(tmp_path: Path, home: Home, good: bool) -> None:
    folder = delivery(tmp_path / "sent", good=good)
    before = tree(tmp_path)
    result = palbo("check", folder, "--json")
    assert result.exit_code == (0 if good else 1), result.output
    reasons = {file["reason"] for file in json.loads(result.stdout)["files"]}
    assert ("E_NO_STANDARDS" in reasons) is not good
    assert tree(tmp_path) == before
    assert not home.root.exists()


def test_checking_says_the_same_to_people(tmp_path: Path, home: Home) -> None:
    result = palbo("check", delivery(tmp_path / "sent", good=False))
    assert result.exit_code == 1
    assert "E_NO_STANDARDS" in result.stdout


def test_checking_what_is_not_there_is_a_usage_error(tmp_path: Path, home: Home) -> None:
    result = palbo("check", tmp_path / "nothing")
    assert result.exit_code == 2
    assert "Traceback" not in result.output


# --- an installation that isn't there, or is broken ---


@pytest.mark.parametrize(
    "command",
    [["ledger"], ["trace", "PALBO-001", "BL", "wes__n_somatic"], ["panel-bed", "v2"], ["release", "one"], ["releases"]],
    ids=lambda c: c[0],
)
@pytest.mark.parametrize("folder_exists", [False, True])
def test_an_unknown_installation_is_named_and_not_created(home: Home, command: list[str], folder_exists: bool) -> None:
    if folder_exists:
        home.root.mkdir()
    line = one_clear_line(palbo(*command), "E_NO_INSTALLATION")
    assert str(home.root) in line
    assert "Fix:" in line
    assert home.root.exists() is folder_exists
    assert not folder_exists or not list(home.root.iterdir())


@pytest.mark.parametrize("command", [["ledger"], ["ingest"], ["ingest", "--wait"], ["demo"], ["up"]], ids=" ".join)
def test_a_database_that_cannot_be_reached_is_said_at_once_without_its_password(
    home: Home, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("PALBO_DATABASE_URL", UNREACHABLE)
    line = one_clear_line(palbo(*command), "E_DATABASE")
    assert "127.0.0.1:1" in line
    assert "Fix:" in line
    assert not (home.root / "truth.json").exists()


@pytest.mark.parametrize("url", ["secret-canary", "nonsense://palbo:secret-canary@host/x"])
def test_a_database_url_that_makes_no_sense_is_said_without_quoting_it(
    home: Home, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("PALBO_DATABASE_URL", url)
    assert "PALBO_DATABASE_URL" in one_clear_line(palbo("ledger"), "E_DATABASE")


def test_a_file_that_is_no_database_is_one_line(home: Home) -> None:
    home.create()
    (home.root / "warehouse.sqlite").write_bytes(b"this is not a database, it is a letter" * 100)
    one_clear_line(palbo("ledger"), "E_DATABASE")


@pytest.mark.parametrize(
    "content",
    [
        b"wes: [unclosed",
        b"wes: {no_such_threshold: 3}",
        b"wess: {}",
        b"cytometry: {min_viability: 3}",
        b"resistance: {x: 1}",
        b"- a list",
        b"\xff\xfe\x00",
        b"landing: {x: 1}",
    ],
)
def test_broken_settings_are_named_before_anything_runs(home: Home, content: bytes) -> None:
    home.create()
    home.settings_file.write_bytes(content)
    assert "settings.yaml" in one_clear_line(palbo("ingest", "--wait"), "E_SETTINGS")


@pytest.mark.parametrize(
    "content",
    [b"build: [", b"entries: []", b"", b"build: x\nentries: [text]", b"\xff\xfe\x00", b"build: x\nentries: 3"],
)
@pytest.mark.parametrize("command", [["reference", "check"], ["check"]], ids=" ".join)
def test_a_broken_reference_bundle_is_named(home: Home, tmp_path: Path, content: bytes, command: list[str]) -> None:
    home.reference.mkdir(parents=True)
    (home.reference / "bundle.yaml").write_bytes(content)
    more = [tmp_path] if command == ["check"] else []
    assert "bundle.yaml" in one_clear_line(palbo(*command, *more), "E_REFERENCE_SCHEMA")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_one_line(home: Home) -> None:
    home.root.parent.chmod(0o500)
    one_clear_line(palbo("ingest"), "E_FILE_SYSTEM")


def test_a_home_that_is_a_file_is_one_line(home: Home) -> None:
    home.root.write_text("")
    assert str(home.root) in one_clear_line(palbo("ingest"), "E_FILE_SYSTEM")


# --- an empty installation ---


def test_an_empty_installation_answers_everything(home: Home) -> None:
    first = palbo("ingest", "--wait", "--json")
    assert first.exit_code == 0, first.output
    said = json.loads(first.stdout)
    assert (said["files"], said["failed"]) == ({}, [])
    assert palbo("ledger", "--json").stdout.strip() == "[]"
    assert palbo("ledger", "--patient", "PALBO-001").exit_code == 0
    one_clear_line(palbo("trace", "PALBO-001", "BL", "wes__n_somatic"), "E_UNKNOWN_ROW")
    line = one_clear_line(palbo("trace", "PALBO-001", "BL", "wes__n_somatik"), "E_UNKNOWN_COLUMN")
    assert "did you mean wes__n_somatic" in line


def test_a_command_of_another_process_ends_the_same_way(home: Home) -> None:
    environment = {**os.environ, "PALBO_DATABASE_URL": UNREACHABLE, "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "palbo_assets.cli", "ledger"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("E_DATABASE: ")
    assert "Traceback" not in done.stderr
    assert "secret-canary" not in done.stderr


def test_a_reader_that_closes_early_sees_no_traceback(home: Home, tmp_path: Path) -> None:
    folder = delivery(tmp_path / "sent", good=True)
    done = subprocess.run(
        f"{sys.executable} -m palbo_assets.cli check {folder} --json | true", shell=True, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr


# --- references ---


def test_a_reference_is_added_listed_and_verified(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "hallmark.gmt"
    file.write_text("SET\tsource\tESR1\n")
    one_clear_line(palbo("reference", "add", "gene_sets", file), "E_REFERENCE_SCHEMA")
    assert palbo("reference", "add", "gene_sets", file, "--build", "GRCh38", "--licence", "CC0").exit_code == 0
    listed = palbo("reference", "check", "--json")
    assert listed.exit_code == 0
    content = json.loads(listed.stdout)
    verdicts = {row["name"]: row for row in content["entries"]}
    assert content["build"] == "GRCh38"
    assert verdicts["gene_sets"]["verdict"] == "ok"
    assert verdicts["genome_fasta"]["verdict"] == "E_REFERENCE_MISSING"
    assert verdicts["genome_fasta"]["needed_by"]
    (home.reference / "hallmark.gmt").write_text("SET\tsource\tRB1\n")
    assert palbo("reference", "check").exit_code == 1


def test_adding_one_reference_does_not_approve_another_that_was_changed(home: Home, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.txt").write_text(name)
    palbo("reference", "add", "one", tmp_path / "one.txt", "--build", "b")
    (home.reference / "one.txt").write_text("changed")
    assert palbo("reference", "add", "two", tmp_path / "two.txt").exit_code == 0
    verdicts = {
        row["name"]: row["verdict"] for row in json.loads(palbo("reference", "check", "--json").stdout)["entries"]
    }
    assert (verdicts["one"], verdicts["two"]) == ("E_REFERENCE_CHECKSUM", "ok")


def test_a_file_that_lies_in_the_bundle_is_registered_where_it_is(home: Home) -> None:
    home.reference.mkdir(parents=True)
    (home.reference / "genome.fa").write_text(">chr1\nACGT\n")
    assert palbo("reference", "add", "genome_fasta", home.reference / "genome.fa", "--build", "b").exit_code == 0
    assert (home.reference / "genome.fa").read_text() == ">chr1\nACGT\n"


def test_a_reference_never_overwrites_the_file_of_another(home: Home, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "data.csv").write_text(folder)
    palbo("reference", "add", "one", tmp_path / "a" / "data.csv", "--build", "b")
    one_clear_line(palbo("reference", "add", "two", tmp_path / "b" / "data.csv"), "E_REFERENCE_SCHEMA")
    assert (home.reference / "data.csv").read_text() == "a"
    assert palbo("reference", "add", "one", tmp_path / "b" / "data.csv").exit_code == 0
    assert (home.reference / "data.csv").read_text() == "b"


# --- the demo ---


def test_the_demo_refuses_fewer_patients_than_are_scripted(home: Home) -> None:
    line = one_clear_line(palbo("demo", "--patients", "11"), "E_DEMO")
    assert "12" in line
    assert not home.root.exists()


def test_the_demo_refuses_a_landing_zone_that_holds_files(home: Home) -> None:
    home.create()
    (home.landing / "lab").mkdir()
    line = one_clear_line(palbo("demo"), "E_DEMO")
    assert "landing zone already holds files" in line
    assert [path.name for path in home.landing.iterdir()] == ["lab"]


def test_the_demo_refuses_to_mix_two_twins(home: Home) -> None:
    home.create()
    (home.root / "twin.json").write_text('{"patients": 12, "seed": 7, "n_files": 1, "n_deliveries": 1}')
    line = one_clear_line(palbo("demo", "--seed", "8"), "E_DEMO")
    assert "seed 7" in line


# --- interruption ---


def test_an_interruption_is_one_line_and_the_exit_code_of_shells(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ingest_module, "ingest", interrupted)
    result = palbo("ingest", "--wait")
    assert result.exit_code == 130
    assert result.stderr.strip().splitlines()[-1].startswith("Interrupted.")
    assert "Traceback" not in result.output


def _slow(home: Home, run: Path) -> ingest_module.RunResult:
    time.sleep(0.3)
    run.write_text("ran")
    return ingest_module.RunResult("sample", run.name, (), "", True)


def test_after_an_interruption_no_further_run_begins(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_module, "execute_run", _slow)
    home.create()
    runs = [home.scratch / str(number) for number in range(20)]
    with ingest_module._pool(home, 1) as pool:
        results = ingest_module._execute(pool, home, runs)  # type: ignore[arg-type]
        assert next(results).success
        results.close()  # type: ignore[attr-defined]
    assert 1 <= len(list(home.scratch.iterdir())) <= 4


# --- the UI ---


def test_up_prepares_the_installation_and_hands_it_to_dagster(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Any] = []
    monkeypatch.setattr(os, "execve", lambda *arguments: called.append(arguments))
    monkeypatch.chdir(home.root.parent)
    assert palbo("up", "--port", "3999").exit_code == 0
    [(program, arguments, environment)] = called
    assert Path(program).name == "dagster"
    assert arguments[1:] == ["dev", "-m", "palbo_assets.definitions", "-h", "127.0.0.1", "-p", "3999"]
    assert environment["DAGSTER_HOME"] == str(home.dagster_home)
    assert (home.dagster_home / "dagster.yaml").is_file()
    assert palbo("ledger", "--json").stdout.strip() == "[]"


# --- releases ---


def test_a_release_waits_for_what_is_due_unless_told_otherwise(home: Home) -> None:
    ingest_module.prepare(home)
    delivery(home.landing, good=True)
    assert palbo("releases", "--json").stdout == "[]\n"
    assert one_clear_line(palbo("release", "one"), "E_DUE")
    assert not home.releases.exists()
    assert one_clear_line(palbo("release", "one", "--as-it-is"), "E_NOT_PUBLISHED")


def test_comparing_with_a_release_that_is_not_there_is_said(home: Home) -> None:
    line = one_clear_line(palbo("compare", "one", "two"), "E_NO_RELEASE")
    assert "palbo releases" in line
