"""The products of a sample, materialised from the twin's files through Dagster, and what lacking parts change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from palbo_assets.demo import rnaseq as twin
from palbo_assets.demo.truth import SampleTruth, WrittenFile
from palbo_assets.platform.formats import Scope
from palbo_assets.platform.io_managers import TableIOManager
from palbo_assets.platform.references import write_bundle
from palbo_assets.platform.resources import InstallationResource
from palbo_assets.platform.system_tables import SYSTEM
from palbo_assets.platform.tables import Table, sql_table
from palbo_assets.rnaseq.assets import SAMPLE_ASSETS
from palbo_assets.rnaseq.checks import SAMPLE_CHECKS
from palbo_assets.rnaseq.tables import (
    EXPRESSION,
    EXPRESSION_SIGNATURES,
    IMMUNE_DECONVOLUTION,
    INTRINSIC_SUBTYPE,
    RNA_QC,
)

TABLES = (EXPRESSION, RNA_QC, EXPRESSION_SIGNATURES, INTRINSIC_SUBTYPE, IMMUNE_DECONVOLUTION)

KEY = "PALBO-001|BL"


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
        path=path,
        sha256=sha256(path.read_bytes()).hexdigest(),
        modality=file.modality,
        role=file.role,
        scope=Scope.COHORT if file.role == "tx2gene" else Scope.SAMPLE,
        patient_id=file.patient_id,
        timepoint=file.timepoint,
        batch_key="",
        specimen_id=file.specimen_id,
        sample_name="",
        genome_build="",
        panel_version="",
        library="",
        site="",
    )


class House:
    """One installation with one delivered biopsy."""

    def __init__(self, root: Path, *, subtype: str = "Her2", reads: float | None = None) -> None:
        self.root, self.delivery, self.reference = root / "home", root / "delivery", root / "reference"
        for folder in (self.root, self.delivery, self.reference):
            folder.mkdir(parents=True)
        truth = SampleTruth("PALBO-001", "BL", 0, 0.6, subtype=subtype)
        self.quant = twin.write(truth, self.delivery, np.random.default_rng(5), library_reads=reads)
        self.tx2gene = twin.write_tx2gene(self.delivery)

    def with_bundle(self, *without: str) -> House:
        entries = [entry for entry in twin.reference_entries(self.reference) if entry["name"] not in without]
        rows = [
            {**{k: v for k, v in entry.items() if k != "path"}, "file": Path(entry["path"]).name} for entry in entries
        ]
        write_bundle(self.reference, "twin-mini", rows)
        return self

    def run(self, files: list[WrittenFile]) -> dg.ExecuteInProcessResult:
        self.installation = InstallationResource(root=str(self.root), reference=str(self.reference))
        self.installation.home.create()
        metadata = sa.MetaData()
        for table in TABLES:
            sql_table(table, metadata)
        for tables in (SYSTEM, metadata):
            tables.create_all(self.installation.warehouse.engine)
        io_manager = TableIOManager(installation=self.installation)
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions("patient", ["PALBO-001"])
            return dg.materialize(
                [*SAMPLE_ASSETS, *SAMPLE_CHECKS],
                instance=instance,
                partition_key=dg.MultiPartitionKey({"patient": "PALBO-001", "timepoint": "BL"}),
                resources={
                    "installation": self.installation,
                    "landing": dg.ResourceDefinition.hardcoded_resource(
                        Landing([landed(self.delivery, file) for file in files])
                    ),
                    "parquet": io_manager,
                    "warehouse": io_manager,
                },
                raise_on_error=False,
            )

    def rows(self, table: Table) -> pd.DataFrame:
        return self.installation.warehouse.read(table, partition_key=KEY)


def checks_of(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str], bool]:
    return {
        (evaluation.asset_key.path[-1], evaluation.check_name): evaluation.passed
        for evaluation in result.get_asset_check_evaluations()
    }


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> tuple[House, dg.ExecuteInProcessResult]:
    house = House(tmp_path_factory.mktemp("complete")).with_bundle()
    return house, house.run([*house.quant, *house.tx2gene])


def test_a_delivered_biopsy_becomes_five_products_that_keep_their_contracts(
    complete: tuple[House, dg.ExecuteInProcessResult],
) -> None:
    house, result = complete
    assert result.success
    assert len(house.rows(EXPRESSION)) == twin.N_GENES
    checks = checks_of(result)
    assert len(checks) == len(SAMPLE_CHECKS) and all(checks.values()), checks


def test_the_planted_subtype_is_published_with_its_reference(complete: tuple[House, dg.ExecuteInProcessResult]) -> None:
    row = complete[0].rows(INTRINSIC_SUBTYPE).iloc[0]
    assert (row["subtype"], bool(row["confident"]), row["status"]) == ("Her2", True, "OBSERVED")
    assert row["reference"].count("sha256:") == 2 and "synthetic-1" in row["reference"]
    assert row["rho_her2"] == max(row[f"rho_{name}"] for name in ("luma", "lumb", "her2", "basal", "normal"))


def test_key_genes_hold_log2_of_the_published_tpm(complete: tuple[House, dg.ExecuteInProcessResult]) -> None:
    signatures = complete[0].rows(EXPRESSION_SIGNATURES).set_index("signature")
    genes = complete[0].rows(EXPRESSION).set_index("gene_symbol")
    assert signatures.loc["gene:ERBB2", "score"] == pytest.approx(np.log2(genes.loc["ERBB2", "tpm"] + 1))


def test_running_again_gives_the_same_rows(tmp_path: Path, complete: tuple[House, dg.ExecuteInProcessResult]) -> None:
    house = House(tmp_path).with_bundle()
    house.run([*house.quant, *house.tx2gene])
    for table in TABLES:
        columns = list(table.column_names)
        pd.testing.assert_frame_equal(house.rows(table)[columns], complete[0].rows(table)[columns])


def test_without_references_nothing_is_centred_on_itself_and_the_run_stays_green(tmp_path: Path) -> None:
    house = House(tmp_path).with_bundle("pam50_reference", "gene_sets")
    assert house.run([*house.quant, *house.tx2gene]).success
    row = house.rows(INTRINSIC_SUBTYPE).iloc[0]
    assert pd.isna(row["subtype"]) and row["status"] == "NOT_EVALUABLE"
    assert row["reason"] == "REFERENCE_MISSING: pam50_reference"
    signatures = house.rows(EXPRESSION_SIGNATURES).set_index("signature")
    assert signatures.loc["HALLMARK_E2F_TARGETS", "reason"] == "REFERENCE_MISSING: gene_sets"
    assert signatures.loc["gene:ESR1", "status"] == "OBSERVED"


def test_without_a_transcript_map_every_product_says_so(tmp_path: Path) -> None:
    house = House(tmp_path).with_bundle()
    assert house.run(house.quant).success
    assert house.rows(EXPRESSION).empty
    assert house.rows(RNA_QC).iloc[0]["reasons"].startswith("NO_TX2GENE")
    for table in (EXPRESSION_SIGNATURES, INTRINSIC_SUBTYPE):
        rows = house.rows(table)
        assert len(rows) and set(rows["status"]) == {"NOT_EVALUABLE"}


def test_a_sample_that_failed_quality_gets_no_scores(tmp_path: Path) -> None:
    house = House(tmp_path, reads=2e6).with_bundle()
    result = house.run([*house.quant, *house.tx2gene])
    assert result.success and not checks_of(result)["rna_qc", "quality_did_not_fail"]
    for table, value in (
        (EXPRESSION_SIGNATURES, "score"),
        (INTRINSIC_SUBTYPE, "subtype"),
        (IMMUNE_DECONVOLUTION, "value"),
    ):
        rows = house.rows(table)
        assert set(rows["status"]) == {"QC_FAIL"} and rows[value].isna().all()


def test_counts_without_lengths_give_reads_and_no_tpm(tmp_path: Path) -> None:
    house = House(tmp_path).with_bundle()
    star = ["N_unmapped\t9\t9\t9\n", "N_multimapping\t0\t0\t0\n", "N_noFeature\t0\t0\t0\n", "N_ambiguous\t0\t0\t0\n"]
    star += [f"{twin.transcriptome().gene_id(i)}.1\t30000\t100\t29900\n" for i in range(twin.N_GENES)]
    (house.delivery / "ReadsPerGene.out.tab").write_text("".join(star))
    file = WrittenFile("ReadsPerGene.out.tab", "rnaseq", "gene_counts", "PALBO-001", "BL", "S1")
    assert house.run([file, *house.tx2gene]).success
    expression = house.rows(EXPRESSION)
    assert expression["tpm"].isna().all() and expression["count"].sum() == 2000 * 29_900
    quality = house.rows(RNA_QC).iloc[0]
    assert (quality["strandedness"], quality["verdict"]) == ("reverse", "pass")
    assert set(house.rows(INTRINSIC_SUBTYPE)["reason"]) == {"NO_TPM"}


def test_a_map_that_lacks_transcripts_is_told_by_the_checks(tmp_path: Path) -> None:
    house = House(tmp_path).with_bundle()
    path = house.delivery / house.tx2gene[0].file
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for i, line in enumerate(lines) if i == 0 or i % 12))
    result = house.run([*house.quant, *house.tx2gene])
    failed = [evaluation for evaluation in result.get_asset_check_evaluations() if not evaluation.passed]
    assert {evaluation.check_name for evaluation in failed} >= {"tpm_sums_to_a_million"}
    assert house.rows(RNA_QC).iloc[0]["reasons"] == "UNMAPPED_TRANSCRIPTS"
    sums = next(evaluation for evaluation in failed if evaluation.check_name == "tpm_sums_to_a_million")
    assert sums.metadata["offending"].value == 1
