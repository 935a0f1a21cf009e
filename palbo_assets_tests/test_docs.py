"""The pages say what is there: links, commands, codes, examples and the picture are held against the code."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer.main

from palbo_assets import definitions
from palbo_assets.cli import app
from palbo_assets.landing.manifest import parse_manifest
from palbo_assets.landing.problem import KOREAN
from palbo_assets.landing.recognise import recognise
from palbo_assets.platform.formats import registry
from palbo_assets.platform.product import SPECS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("README.md")])
CODE_SPAN = re.compile(r"`([^`\n]+)`")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
# Links outside code; a picture is a link, too.
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


def links(page: Path) -> list[str]:
    prose = CODE_SPAN.sub("", FENCED.sub("", page.read_text(encoding="utf-8")))
    return [link.partition("#")[0] for link in LINK.findall(prose) if not re.match(r"[a-z]+:|#", link)]


def commands(page: Path) -> Iterator[list[str]]:
    """Words of every ``palbo ...`` in code: spans, and lines of shell blocks."""
    text = page.read_text(encoding="utf-8")
    code = list(CODE_SPAN.findall(FENCED.sub("", text)))
    for language, block in FENCED.findall(text):
        if language in ("bash", "sh", "console"):
            code += [part for line in block.splitlines() for part in line.split("#")[0].split("&&")]
    for line in code:
        words = line.replace("$ ", "").split()
        while words and "=" in words[0]:  # variables set for the command
            words.pop(0)
        if words and Path(words[0]).name == "palbo" and len(words) > 1:
            yield words[1:]


@cache
def draw() -> str:
    """The picture as the script draws it, in a process where no test has declared products of its own."""
    code = f"import runpy, sys; sys.stdout.write(runpy.run_path({str(DOCS / 'draw_asset_graph.py')!r})['draw']())"
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, encoding="utf-8").stdout


def test_the_picture_is_what_the_declarations_draw_now() -> None:
    committed = (DOCS / "asset_graph.svg").read_text(encoding="utf-8")
    assert committed == draw(), "run: .venv/bin/python docs/draw_asset_graph.py"


def test_every_product_is_in_the_picture_once() -> None:
    shown = re.findall(r">([a-z0-9_]+)</text>", draw())
    names = [asset.key.path[-1] for asset in definitions.products()]
    assert {name: shown.count(name) for name in names} == dict.fromkeys(names, 1)


def test_every_page_is_linked_from_the_index() -> None:
    indexed = {(DOCS / link).resolve() for link in links(DOCS / "README.md")}
    missing = [
        name_of(page) for page in DOCS.rglob("*.md") if page.name != "README.md" and page.resolve() not in indexed
    ]
    assert missing == []


@each_page
def test_relative_links_lead_somewhere(page: Path) -> None:
    assert [link for link in links(page) if not (page.parent / link).exists()] == []


def test_every_test_that_a_page_leans_on_is_there() -> None:
    """`room/test_file.py::test_name`, in whatever page."""
    named = {
        tuple(span.split("::"))
        for page in PAGES
        for span in CODE_SPAN.findall(page.read_text(encoding="utf-8"))
        if re.fullmatch(r"[\w/]+\.py::test_\w+", span)
    }
    missing = []
    for path, name in sorted(named):
        file = ROOT / "palbo_assets_tests" / path
        if not file.exists() or f"def {name}(" not in file.read_text(encoding="utf-8"):
            missing.append(f"{path}::{name}")
    assert missing == []
    assert len(named) > 60


@each_page
def test_commands_exist(page: Path) -> None:
    root = typer.main.get_command(app)
    unknown = []
    for words in commands(page):
        command = root
        for word in words:
            if not hasattr(command, "commands"):
                options = {option for parameter in command.params for option in parameter.opts}
                flag = word.strip("()[],.").partition("=")[0]
                if flag.startswith("--") and flag != "--help" and flag not in options:
                    unknown.append(" ".join(words))
                continue
            if word.startswith("-") or word == "...":
                break
            if word not in command.commands:
                unknown.append(" ".join(words))
                break
            command = command.commands[word]
    assert unknown == []


@each_page
def test_no_page_names_a_place_of_one_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"(?<![\w.$}])/(?:work|tmp|root|home|Users|mnt|usr|opt|var)\b[^\s`]*", text) == []


def delivery_examples() -> list[str]:
    page = (DOCS / "lab.md").read_text(encoding="utf-8")
    return [block for language, block in FENCED.findall(page) if language == "csv"]


@pytest.mark.parametrize("example", delivery_examples(), ids=lambda text: text.splitlines()[1].split(",")[1])
def test_every_delivery_shown_to_labs_is_understood(example: str) -> None:
    manifest = parse_manifest(example)
    assert manifest.problems == []
    assert [recognise(claim)[1] for claim in manifest.claims] == [None] * len(manifest.claims)


def test_labs_see_an_example_of_every_modality() -> None:
    shown = {claim.modality for example in delivery_examples() for claim in parse_manifest(example).claims}
    assert shown == {modality for modality, _ in registry()}


def test_labs_see_every_role() -> None:
    page = (DOCS / "lab.md").read_text(encoding="utf-8")
    assert [role for _, role in registry() if f"`{role}`" not in page] == []


@each_page
def test_codes_are_ones_that_the_program_uses(page: Path) -> None:
    files = [file for ending in ("py", "yaml") for file in (ROOT / "palbo_assets").rglob(f"*.{ending}")]
    source = "\n".join(file.read_text(encoding="utf-8") for file in files)
    named = set(re.findall(r"`([EW]_[A-Z_]+[A-Z])`", page.read_text(encoding="utf-8")))
    assert sorted(code for code in named if not re.search(rf'"{code}"|reason: {code}\b', source)) == []


def test_korean_lines_are_the_receipts_own() -> None:
    rows = [line for line in (DOCS / "lab.md").read_text(encoding="utf-8").splitlines() if re.search("[가-힣]", line)]
    told = {re.findall(r"`([EW]_[A-Z_]+)`", row)[0]: row for row in rows}
    assert len(told) == 11
    assert [code for code, row in told.items() if KOREAN[code] not in row] == []


def test_every_reference_that_a_product_reads_is_listed() -> None:
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    names = {name for asset in definitions.products() for name in SPECS[asset.key.path[-1]].references}
    assert sorted(name for name in names if f"`{name}`" not in page) == []
