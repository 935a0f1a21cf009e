"""The products, materialised from files of the twin through Dagster, and what becomes of them when parts lack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from palbo_assets.ctdna.assets import ASSETS, ctdna_wet_lab
from palbo_assets.ctdna.checks import CHECKS, absence_has_power, evidence_is_consistent
from palbo_assets.ctdna.tables import CTDNA_BURDEN, CTDNA_CALLS, CTDNA_QC, CTDNA_WET_LAB, TABLES
from palbo_assets.demo import ctdna as twin
from palbo_assets.demo.truth import WrittenFile
from palbo_assets.platform.formats import Scope
from palbo_assets.platform.io_managers import TableIOManager
from palbo_assets.platform.references import write_bundle
from palbo_assets.platform.resources import InstallationResource
from palbo_assets.platform.tables import Table, frame_from_rows, sql_table
from palbo_assets.platform.warehouse import SYSTEM
from palbo_assets_tests.ctdna.conftest import Plasma

KEY = "PALBO-001|PD"
BATCH_KEY = "ctdna-wet-lab-1"
SCOPES = {"panel_bed": Scope.COHORT, "wet_lab": Scope.BATCH, "consensus_bam": Scope.SAMPLE}


@dataclass
class Landing:
    """Accepted files, as the landing would list them."""

    files: list[Any]

    def accepted(self, modalities: Sequence[str], patient_id: str | None = None) -> list[Any]:
        return [file for file in self.files if file.modality in modalities]

    def state(self) -> str:
        return ""


def landed(folder: Path, file: WrittenFile) -> Any:
    path = folder / file.file
    return SimpleNamespace(
        path=path, sha256=sha256(path.read_bytes()).hexdigest(), modality="ctdna", role=file.role,
        scope=SCOPES[file.role], patient_id=file.patient_id, timepoint=file.timepoint,
        batch_key=file.sample_name if file.role == "wet_lab" else "", specimen_id=file.specimen_id,
        sample_name=file.sample_name, genome_build=file.genome_build, panel_version=file.panel_version, library="",
        site="",
    )  # fmt: skip


class House:
    """One installation with one delivered plasma."""

    def __init__(self, root: Path, plasma: Plasma, *, references: Sequence[str], panel_version: str = "v1") -> None:
        self.root, self.reference = root / "home", root / "reference"
        for folder in (self.root, self.reference):
            folder.mkdir(parents=True)
        self.plasma = plasma
        entries = [
            entry for entry in twin.reference_entries(plasma.genome, self.reference) if entry["name"] in references
        ]
        if "genome_fasta" in references:
            for suffix in ("", ".fai"):
                content = plasma.genome.fasta.with_name(plasma.genome.fasta.name + suffix).read_bytes()
                (self.reference / f"genome.fa{suffix}").write_bytes(content)
            entries.append({"name": "genome_fasta", "file": "genome.fa", "version": "1", "build": plasma.genome.build,
                            "licence": "CC0-1.0", "source": "twin"})  # fmt: skip
        write_bundle(self.reference, plasma.genome.build, entries)
        self.bam = replace(plasma.file, panel_version=panel_version)
        self.bed = WrittenFile(plasma.bed.name, "ctdna", "panel_bed", panel_version="v1")
        self.wet_lab = twin.write_wet_lab([plasma.truth], plasma.folder, np.random.default_rng(2))
        self.installation = InstallationResource(root=str(self.root), reference=str(self.reference))
        self.installation.home.create()
        metadata = sa.MetaData()
        for table in TABLES:
            sql_table(table, metadata)
        for tables in (SYSTEM, metadata):
            tables.create_all(self.installation.warehouse.engine)

    def run(self, *, wet_lab: bool = True) -> Iterator[dg.ExecuteInProcessResult]:
        io_manager = TableIOManager(installation=self.installation)
        files = [self.bam, self.bed, self.wet_lab] if wet_lab else [self.bam, self.bed]
        resources = {
            "installation": self.installation,
            "landing": dg.ResourceDefinition.hardcoded_resource(
                Landing([landed(self.plasma.folder, file) for file in files])
            ),
            "parquet": io_manager,
            "warehouse": io_manager,
        }
        sample = [asset for asset in ASSETS if asset is not ctdna_wet_lab]
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions("patient", ["PALBO-001"])
            instance.add_dynamic_partitions("plate", [BATCH_KEY])
            if wet_lab:
                yield dg.materialize(
                    [ctdna_wet_lab, *CHECKS], instance=instance, partition_key=BATCH_KEY, resources=resources,
                    selection=[ctdna_wet_lab], raise_on_error=False,
                )  # fmt: skip
            yield dg.materialize(
                [*ASSETS, *CHECKS], instance=instance, resources=resources, raise_on_error=False,
                partition_key=dg.MultiPartitionKey({"patient": "PALBO-001", "timepoint": "PD"}),
                selection=dg.AssetSelection.assets(*sample),
            )  # fmt: skip

    def rows(self, table: Table) -> pd.DataFrame:
        key = BATCH_KEY if table is CTDNA_WET_LAB else KEY
        return self.installation.warehouse.read(table, partition_key=key)


ALL = ("genome_fasta", "ctdna_background", "hotspot_sites")


@pytest.fixture(scope="module")
def complete(plasma: Plasma, tmp_path_factory: pytest.TempPathFactory) -> tuple[House, list[dg.ExecuteInProcessResult]]:
    house = House(tmp_path_factory.mktemp("complete"), plasma, references=ALL)
    return house, list(house.run())


def test_a_delivered_plasma_becomes_four_products_that_keep_their_contracts(
    complete: tuple[House, list[dg.ExecuteInProcessResult]],
) -> None:
    house, results = complete
    assert all(result.success for result in results)
    assert {table.name: len(house.rows(table)) for table in (CTDNA_WET_LAB, CTDNA_QC, CTDNA_BURDEN)} == {
        "ctdna_wet_lab": 1, "ctdna_qc": 1, "ctdna_burden": 1,
    }  # fmt: skip
    checks = {
        (evaluation.asset_key.path[-1], evaluation.check_name): evaluation.passed
        for result in results
        for evaluation in result.get_asset_check_evaluations()
    }
    assert len(checks) == len(CHECKS) and all(checks.values()), checks


def test_the_published_calls_hold_what_was_planted(complete: tuple[House, list[dg.ExecuteInProcessResult]]) -> None:
    calls = complete[0].rows(CTDNA_CALLS).set_index(["gene", "hgvsp_short"])
    present = calls.loc[("PIK3CA", "p.H1047R")]
    assert (present["state"], present["panel_version"], present["background"]) == ("PRESENT", "v1", "healthy_plasma")
    assert present["hge_per_ml"] > 0 and pd.isna(present["consequence"])
    assert calls.loc[("FAT1", "p.R250*"), "state"] == "NOT_ASSAYED"
    assert calls.loc[("KRAS", "p.G12D"), "state"] == "ABSENT"
    assert bool(calls.loc[("RB1", "p.R320*"), "lof"])


def test_burden_follows_from_the_largest_somatic_call(complete: tuple[House, list[dg.ExecuteInProcessResult]]) -> None:
    row = complete[0].rows(CTDNA_BURDEN).iloc[0]
    assert row["tumour_fraction"] == pytest.approx(2 * row["max_vaf"])
    assert row["max_vaf"] == pytest.approx(0.05, abs=0.02)
    assert (row["n_present"], row["status"]) == (5, "OBSERVED")


def test_quality_joins_the_wet_labs_row(complete: tuple[House, list[dg.ExecuteInProcessResult]]) -> None:
    row = complete[0].rows(CTDNA_QC).iloc[0]
    assert (row["verdict"], row["reasons"], row["status"]) == ("pass", "", "OBSERVED")
    assert 0.2 < row["conversion"] < 1.2


def test_without_references_the_run_stays_green_and_says_why(plasma: Plasma, tmp_path: Path) -> None:
    house = House(tmp_path, plasma, references=("hotspot_sites",))
    assert all(result.success for result in house.run(wet_lab=False))
    calls = house.rows(CTDNA_CALLS)
    assert set(calls["state"]) == {"NOT_EVALUABLE"} and set(calls["filter"]) == {"no_genome"}
    assert calls["vaf"].isna().all() and calls["background"].isna().all()
    qc = house.rows(CTDNA_QC).iloc[0]
    assert (qc["verdict"], qc["reasons"]) == ("pass", "no_wet_lab_data")
    assert house.rows(CTDNA_BURDEN).iloc[0]["status"] == "NOT_EVALUABLE"


def test_a_plasma_of_an_unknown_panel_version_is_not_evaluable(plasma: Plasma, tmp_path: Path) -> None:
    house = House(tmp_path, plasma, references=ALL, panel_version="v9")
    assert all(result.success for result in house.run(wet_lab=False))
    assert set(house.rows(CTDNA_CALLS)["filter"]) == {"unknown_panel"}
    assert house.rows(CTDNA_QC).iloc[0]["status"] == "NOT_EVALUABLE"


def test_without_a_tracked_list_and_background_variants_are_found_anew(plasma: Plasma, tmp_path: Path) -> None:
    house = House(tmp_path, plasma, references=("genome_fasta",), panel_version="")
    assert all(result.success for result in house.run(wet_lab=False))
    calls = house.rows(CTDNA_CALLS)
    assert not calls["tracked"].any() and set(calls["background"]) == {"in_sample"}
    assert {"PIK3CA", "ESR1", "RB1"} <= set(calls.loc[calls["state"] == "PRESENT", "gene"])
    assert set(calls["panel_version"]) == {"v1"}  # the only panel there is


def test_checks_name_rows_that_break_what_the_product_promises() -> None:
    key = {"patient_id": "PALBO-001", "timepoint": "PD", "specimen_id": "S1", "chrom": "chr1", "ref": "A", "alt": "T"}
    said = [
        {"state": "ABSENT", "power": 0.99, "lod95_vaf": 0.003, "unique_depth": 2000, "alt_molecules": 0, "vaf": 0.0},
        {"state": "ABSENT", "power": 0.50, "lod95_vaf": 0.009, "unique_depth": 700, "alt_molecules": 0, "vaf": 0.0},
        {"state": "ABSENT", "power": None, "lod95_vaf": None, "unique_depth": 0, "alt_molecules": 0, "vaf": None},
        {"state": "NOT_ASSAYED", "unique_depth": 10},
        {"state": "PRESENT", "power": 0.99, "lod95_vaf": 0.003, "unique_depth": 1000, "alt_molecules": 10, "vaf": 0.5},
    ]
    rows = frame_from_rows(
        CTDNA_CALLS, [{**key, "pos": pos, "excluded_vaf": 0.005, **row} for pos, row in enumerate(said, start=1)]
    )
    assert offending(absence_has_power, rows) == ["2", "3"]
    assert offending(evidence_is_consistent, rows) == ["4", "5"]


def offending(check: dg.AssetChecksDefinition, rows: pd.DataFrame) -> list[str]:
    """Positions that the check names, over rows that no product would publish."""
    warehouse = SimpleNamespace(read=lambda table, partition_key: rows)
    context = SimpleNamespace(
        partition_key=KEY, resources=SimpleNamespace(installation=SimpleNamespace(warehouse=warehouse))
    )
    result = check.node_def.compute_fn.decorated_fn(context)  # type: ignore[attr-defined]
    named: Any = result.metadata["offending_rows"]
    assert not result.passed
    return [record.data["pos"] for record in named.records]
