"""Releases: whole, checked, never changed, without what identifies a person; and what changed between two, with why."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

import palbo_assets.definitions  # noqa: F401  (declares every product)
from palbo_assets.ctdna.tables import CTDNA_CALLS, CTDNA_ORIGINS
from palbo_assets.platform.config import Home
from palbo_assets.platform.errors import PalboError
from palbo_assets.platform.partitioning import Level
from palbo_assets.platform.product import SPECS as PRODUCTS
from palbo_assets.platform.provenance import Inputs, ProductSpec
from palbo_assets.platform.system_tables import SYSTEM
from palbo_assets.platform.tables import (
    PATIENT_ID,
    TIMEPOINT,
    Storage,
    Table,
    frame_from_rows,
    integer,
    real,
    sql_table,
    text,
)
from palbo_assets.platform.warehouse import Version, Warehouse
from palbo_assets.release.compare import UNEXPLAINED, by_cause, compare
from palbo_assets.release.disclosure import WITHHELD
from palbo_assets.release.freeze import State, freeze
from palbo_assets.release.verify import verify

MATRIX = Table(
    "matrix", "Abundances", "gene x sample",
    (PATIENT_ID, TIMEPOINT, text("gene", "Gene", key=True, nullable=False), real("tpm", "Abundance", unit="1")),
    storage=Storage.PARQUET,
)  # fmt: skip
SCORES = Table(
    "scores", "Scores of the abundances", "sample",
    (PATIENT_ID, TIMEPOINT, real("score", "Largest abundance", unit="1", minimum=0), integer("n", "Genes", unit="1"),
     text("verdict", "In words", allowed=("high", "low"))),
)  # fmt: skip


def spec(table: Table, upstream: tuple[str, ...] = ()) -> ProductSpec:
    return ProductSpec(
        table=table, level=Level.SAMPLE, reads=(), upstream=upstream, references=(), settings=None, room="rnaseq",
        code_version="1",
    )  # fmt: skip


CHAIN = {"matrix": spec(MATRIX), "scores": spec(SCORES, ("matrix",))}


@dataclass
class Study:
    """Two products of one chain: a file makes the matrix of a sample, the matrix makes its scores."""

    warehouse: Warehouse
    code: str = "1"

    def publish(self, table: Table, key: str, rows: list[dict[str, Any]], inputs: Inputs) -> str:
        token = self.warehouse.take_lease(table.name, key, "run")
        version = Version(inputs.data_version(self.code), self.code, inputs.as_json())
        frame = frame_from_rows(table, rows)
        return self.warehouse.publish(table, key, frame, version, run_id="run", token=token).data_version

    def measure(self, patient: str, content: str, tpm: dict[str, float | None]) -> None:
        """Deliver a file for a patient's baseline and make both products of it."""
        file = {
            "sha256": hashlib.sha256(content.encode()).hexdigest(), "modality": "rna", "role": "quant",
            "patient_id": patient, "timepoint": "BL", "specimen_id": "", "sample_name": "", "panel_version": "",
        }  # fmt: skip
        key = f"{patient}|BL"
        at = {"patient_id": patient, "timepoint": "BL"}
        rows = [at | {"gene": gene, "tpm": value} for gene, value in tpm.items()]
        made = self.publish(MATRIX, key, rows, Inputs(files=(file,)))
        best = max((value for value in tpm.values() if value is not None), default=None)
        score = at | {"score": best, "n": len(tpm), "verdict": "high" if (best or 0) > 10 else "low"}
        self.publish(SCORES, key, [score], Inputs(upstream={"matrix": {key: made}}))

    def freeze(self, name: str, **options: Any) -> Path:
        options = {"study": "TRIAL", "state": State()} | options
        return freeze(self.warehouse, options.pop("specs", CHAIN), name, **options).folder


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    warehouse = Warehouse(Home.at(tmp_path / "home"))
    warehouse.home.create()
    SYSTEM.create_all(warehouse.engine)
    metadata = sa.MetaData()
    for table in (SCORES, CTDNA_CALLS, CTDNA_ORIGINS):
        sql_table(table, metadata)
    metadata.create_all(warehouse.engine)
    study = Study(warehouse)
    study.measure("P1", "first", {"CCNE1": 12.5, "RB1": None})
    study.measure("P2", "second", {"CCNE1": 3.0, "RB1": 7.25})
    yield study
    warehouse.close()


def test_a_release_holds_every_row_in_its_types_and_its_checksums_hold(study: Study) -> None:
    folder = study.freeze("interim-1", note="First look.")
    scores = pd.read_parquet(folder / "tables" / "scores.parquet")
    assert scores["score"].tolist() == [12.5, 7.25]
    assert pd.read_parquet(folder / "tables" / "matrix.parquet")["tpm"].isna().tolist() == [False, True, False, False]
    as_text = pd.read_csv(folder / "csv" / "scores.csv")
    assert as_text.to_dict("records") == scores[as_text.columns].to_dict("records")
    assert not (folder / "csv" / "matrix.csv").exists()
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=folder, check=True)
    assert "First look." in (folder / "README.md").read_text()


def test_a_release_describes_every_column_as_a_data_package(study: Study) -> None:
    folder = study.freeze("interim-1")
    package = json.loads((folder / "datapackage.json").read_text())
    by_path = {resource["path"]: resource for resource in package["resources"]}
    assert set(by_path) == {"tables/matrix.parquet", "tables/scores.parquet", "csv/scores.csv"}
    assert len({resource["name"] for resource in package["resources"]}) == 3
    schema = by_path["csv/scores.csv"]["schema"]
    assert schema["primaryKey"] == ["patient_id", "timepoint"]
    assert schema["fields"][2] == {
        "name": "score", "type": "number", "description": "Largest abundance", "unit": "1",
        "constraints": {"minimum": 0},
    }  # fmt: skip
    assert schema["fields"][4]["constraints"] == {"enum": ["high", "low"]}
    stated = by_path["tables/matrix.parquet"]
    content = (folder / "tables" / "matrix.parquet").read_bytes()
    assert stated["hash"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert stated["bytes"] == len(content)


def test_the_same_versions_give_the_same_bytes(study: Study) -> None:
    first, second = study.freeze("one"), study.freeze("two")
    for kind in ("tables/matrix.parquet", "tables/scores.parquet", "csv/scores.csv", "versions.json"):
        assert (first / kind).read_bytes() == (second / kind).read_bytes()


def test_a_release_is_never_overwritten(study: Study) -> None:
    before = (study.freeze("one") / "SHA256SUMS").read_bytes()
    study.measure("P1", "corrected", {"CCNE1": 1.0})
    with pytest.raises(PalboError, match="E_RELEASE_EXISTS"):
        study.freeze("one")
    assert (study.warehouse.home.releases / "one" / "SHA256SUMS").read_bytes() == before


@pytest.mark.parametrize("name", ["", "../elsewhere", "a b", ".hidden", "x" * 65])
def test_a_name_that_could_be_a_path_is_refused(study: Study, name: str) -> None:
    with pytest.raises(PalboError, match="E_RELEASE_NAME"):
        study.freeze(name)
    assert not study.warehouse.home.releases.exists()


def test_a_release_that_fails_leaves_nothing(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("palbo_assets.release.freeze.descriptor", full)
    with pytest.raises(OSError, match="No space"):
        study.freeze("one")
    assert not list(study.warehouse.home.releases.iterdir())


def test_a_release_is_of_one_moment(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """A product that is published while the release is written is in all of it or in none of it."""
    read, published = Warehouse.read, []

    def read_while_a_run_publishes(self: Warehouse, table: Table, **options: Any) -> pd.DataFrame:
        rows = read(self, table, **options)
        if table is MATRIX and not published:
            published.append(True)
            study.measure("P1", "corrected", {"CCNE1": 99.0})
        return rows

    monkeypatch.setattr(Warehouse, "read", read_while_a_run_publishes)
    folder = study.freeze("one")
    assert pd.read_parquet(folder / "tables" / "matrix.parquet")["tpm"].max() == 99.0
    assert pd.read_parquet(folder / "tables" / "scores.parquet")["score"].max() == 99.0


def test_what_the_release_lacks_is_named_in_it(study: Study) -> None:
    folder = study.freeze("one", state=State(due=["scores P3 BL"], failed=["matrix P4|BL (E_TRUNCATED)"]))
    said = (folder / "README.md").read_text()
    assert "scores P3 BL" in said
    assert "matrix P4|BL (E_TRUNCATED)" in said


def test_who_withdrew_is_in_no_file(study: Study) -> None:
    study.warehouse.retract(MATRIX, "P2|BL", actor="test")
    folder = study.freeze("one", withdrawn=frozenset({"P2"}))
    assert all(b"P2" not in file.read_bytes() for file in folder.rglob("*") if file.suffix in (".csv", ".md"))
    assert set(pd.read_parquet(folder / "tables" / "scores.parquet")["patient_id"]) == {"P1"}


def test_an_older_release_is_told_to_hold_who_withdrew_since(study: Study) -> None:
    folder = study.freeze("one")
    assert verify(folder).withdrawn == ()
    assert verify(folder, {"P2", "P9"}).withdrawn == ("P2",)


def test_a_changed_a_missing_and_an_added_file_are_named(study: Study) -> None:
    folder = study.freeze("one")
    assert verify(folder).whole
    folder.chmod(0o750)
    (folder / "csv").chmod(0o750)
    (folder / "csv" / "scores.csv").chmod(0o640)
    (folder / "csv" / "scores.csv").write_text("patient_id\n")
    (folder / "README.md").unlink()
    (folder / "notes.txt").write_text("mine")
    assert verify(folder).problems == ("notes.txt wasn't frozen", "README.md missing", "csv/scores.csv changed")


ALLELE = {"patient_id": "P1", "timepoint": "BL", "specimen_id": "S", "chrom": "chr1", "ref": "A", "alt": "T"}


def filled(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    """``row`` with a value of the right kind in every other column that may not be null."""
    default = {"text": "x", "integer": 1, "real": 0.5, "boolean": False}
    needed = {
        column.name: (column.allowed[0] if column.allowed else default[column.type])
        for column in table.columns
        if not column.nullable or column.key
    }
    return needed | row


def test_alleles_that_a_patient_was_born_with_stay_in_the_study(study: Study) -> None:
    for table, more in ((CTDNA_CALLS, [{}, {}]), (CTDNA_ORIGINS, [{"origin": "GERMLINE"}, {"origin": "TUMOUR"}])):
        rows = [filled(table, ALLELE | {"pos": pos} | own) for pos, own in zip((100, 200), more, strict=True)]
        study.publish(table, "P1|BL" if table is CTDNA_CALLS else "P1", rows, Inputs(landing=table.name))
    specs = CHAIN | {table.name: PRODUCTS[table.name] for table in (CTDNA_CALLS, CTDNA_ORIGINS)}
    for name, controlled, places in (("open", False, [200]), ("all", True, [100, 200])):
        folder = study.freeze(name, specs=specs, controlled=controlled)
        for table in ("ctdna_calls", "ctdna_origins"):
            assert pd.read_parquet(folder / "tables" / f"{table}.parquet")["pos"].tolist() == places


def test_every_table_that_is_said_to_identify_people_is_withheld() -> None:
    said = {name for name, product in PRODUCTS.items() if "never leaves the study" in product.table.description}
    assert len(said) == 3
    assert said <= set(WITHHELD) <= set(PRODUCTS)


def test_one_corrected_file_explains_every_changed_cell(study: Study) -> None:
    old = study.freeze("one")
    study.measure("P1", "corrected", {"CCNE1": 8.0, "RB1": None, "CDK6": 1.0})
    new = study.freeze("two")
    changes = compare(old, new)
    assert [(one.table, one.partition, one.added, one.removed, one.cells) for one in changes] == [
        ("matrix", "P1|BL", 1, 0, {"tpm": 1}),
        ("scores", "P1|BL", 0, 0, {"score": 1, "n": 1, "verdict": 1}),
    ]
    assert {one.causes for one in changes} == {("file rna/quant of P1 BL",)}
    assert by_cause(changes) == {"file rna/quant of P1 BL": {"cells": 4, "rows_added": 1, "rows_removed": 0}}


def test_new_code_and_a_retracted_sample_are_causes(study: Study) -> None:
    old = study.freeze("one")
    study.warehouse.retract(MATRIX, "P2|BL", actor="test")
    study.warehouse.retract(SCORES, "P2|BL", actor="test")
    study.code = "2"
    study.measure("P1", "first", {"CCNE1": 12.5, "RB1": 0.5})
    by_table = {(one.table, one.partition): one.causes for one in compare(old, study.freeze("two"))}
    assert by_table == {
        ("matrix", "P1|BL"): ("code of matrix",),
        ("matrix", "P2|BL"): ("matrix P2 BL retracted",),
        ("scores", "P2|BL"): ("scores P2 BL retracted",),
    }


def test_equal_releases_have_no_change_and_a_silent_change_is_unexplained(study: Study) -> None:
    old = study.freeze("one")
    assert compare(old, study.freeze("two")) == []
    file = study.warehouse.versions("matrix")["matrix", "P1|BL"].inputs["files"][0]
    at = {"patient_id": "P1", "timepoint": "BL"}
    rows = [at | {"gene": "CCNE1", "tpm": 12.75}, at | {"gene": "RB1", "tpm": None}]
    study.publish(MATRIX, "P1|BL", rows, Inputs(files=(file,)))
    (change,) = compare(old, study.freeze("three"))
    assert change.causes == (UNEXPLAINED,)
