"""The room's assets on the twin: published rows keep their contracts, and a swapped tumour publishes no variants."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from palbo_assets.ctdna.tables import PATIENT_GENOTYPES
from palbo_assets.ctdna.tables import TABLES as PLASMA_TABLES
from palbo_assets.definitions import products
from palbo_assets.demo import copy_number
from palbo_assets.platform.io_managers import TableIOManager
from palbo_assets.platform.partitioning import Level
from palbo_assets.platform.product import SPECS
from palbo_assets.platform.references import ReferenceBundle, write_bundle
from palbo_assets.platform.resources import InstallationResource
from palbo_assets.platform.system_tables import SYSTEM
from palbo_assets.platform.tables import sql_table, validate
from palbo_assets.wes.assets import ASSETS
from palbo_assets.wes.checks import CHECKS
from palbo_assets.wes.tables import (
    CLONAL_VARIANTS,
    CLONE_PREVALENCE,
    COPY_NUMBER_SEGMENTS,
    GENE_COPY_NUMBER,
    HRD_SCARS,
    MUTATION_SPECTRA,
    MUTATIONAL_SIGNATURES,
    PAIRED_MUTATIONAL_BURDEN,
    PRIVATE_SIGNATURES,
    READ_QC,
    SAMPLE_IDENTITY,
    SOMATIC_CALLS,
    TABLES,
    TUMOUR_MUTATIONAL_BURDEN,
)
from palbo_assets_tests.wes.conftest import PURITY, Twin


def of_level(level: Level, reads: frozenset[str] = frozenset({"wes"})) -> list[dg.AssetsDefinition]:
    """The exome's products of a level that are made of these modalities, and the genotypes of all samples."""
    named = [(asset, SPECS[asset.key.path[-1]]) for asset in products()]
    return [
        asset
        for asset, spec in named
        if spec.level is level
        and ((spec.room == "wes" and set(spec.reads) <= reads) or spec.table is PATIENT_GENOTYPES)
    ]


@dataclass(frozen=True)
class File:
    path: Path
    sha256: str
    role: str
    scope: str
    patient_id: str
    timepoint: str
    specimen_id: str
    sample_name: str = ""
    modality: str = "wes"
    batch_key: str = ""
    panel_version: str = ""


class Trial:
    def __init__(self, folder: Path, files: Sequence[File], twin: Twin | None) -> None:
        self.files = files
        self.installation = InstallationResource(root=str(folder), database_url=f"sqlite:///{folder / 'w.sqlite'}")
        self.installation.home.create()
        if twin is not None:
            reference = self.installation.home.reference
            shutil.copytree(twin.genome.folder, reference, dirs_exist_ok=True)
            names = {
                "genome_fasta": "genome.fa",
                "genes_gff3": "genes.gff3",
                "transcripts": "transcripts.csv",
                "target_bed": "targets.bed",
                "snp_bed": "identity_snps.bed",
                "hotspots": "hotspots.csv",
            }
            write_bundle(reference, twin.genome.build, [{"name": name, "file": file} for name, file in names.items()])
        self.warehouse = self.installation.warehouse
        SYSTEM.create_all(self.warehouse.engine)
        metadata = sa.MetaData()
        for table in (*TABLES, *PLASMA_TABLES):
            sql_table(table, metadata)
        metadata.create_all(self.warehouse.engine)
        self.instance = dg.DagsterInstance.ephemeral()
        self.instance.add_dynamic_partitions("patient", ["PALBO-001", "PALBO-002"])

    def accepted(self, modalities: Sequence[str], patient_id: str | None = None) -> list[File]:
        return [file for file in self.files if patient_id in (None, file.patient_id)]

    def ledger_frame(self) -> pd.DataFrame:
        return pd.DataFrame()

    def state(self) -> str:
        return ""

    def run(self, key: str, only: Sequence[str] = ()) -> dg.ExecuteInProcessResult:
        modalities = frozenset(file.modality for file in self.files)
        level = of_level(Level.SAMPLE if "|" in key else Level.PATIENT if key else Level.COHORT, modalities)
        level = [asset for asset in level if not only or asset.key.path[-1] in only]
        checks = [check for check in CHECKS if {one.asset_key for one in check.check_specs} <= {a.key for a in level}]
        result = dg.materialize(
            [*products(), *checks],
            selection=[*(asset.key.path[-1] for asset in level)],
            partition_key=key or None,
            instance=self.instance,
            resources={
                "installation": self.installation,
                "landing": self,
                "warehouse": TableIOManager(installation=self.installation),
                "parquet": TableIOManager(installation=self.installation),
            },
            raise_on_error=True,
        )
        assert result.success
        return result

    def rows(self, table, key: str) -> pd.DataFrame:  # type: ignore[no-untyped-def]
        found: pd.DataFrame = self.warehouse.read(table, partition_key=key)
        return found


def tumour(twin: Twin, bam: str, patient_id: str, timepoint: str) -> File:
    specimen = f"{patient_id}-{timepoint}-T1"
    return File(twin.bam(bam), f"sha-{bam}", "tumour_bam", "sample", patient_id, timepoint, specimen)


def normal(twin: Twin, patient_id: str) -> File:
    name = f"{patient_id}-N"
    return File(twin.bam(name), f"sha-{name}", "normal_bam", "patient", patient_id, "BL", f"{patient_id}-B1")


def test_a_pair_is_read_called_and_force_genotyped(twin: Twin, tmp_path: Path) -> None:
    files = [
        normal(twin, "PALBO-001"),
        tumour(twin, "PALBO-001-BL-T", "PALBO-001", "BL"),
        tumour(twin, "PALBO-001-PD-T", "PALBO-001", "PD"),
    ]
    trial = Trial(tmp_path, files, twin)
    for key in ("PALBO-001|BL", "PALBO-001|PD"):
        trial.run(key)
    trial.run("PALBO-001")
    for table, key in ((READ_QC, "PALBO-001|BL"), (SAMPLE_IDENTITY, "PALBO-001|BL"), (SOMATIC_CALLS, "PALBO-001|PD")):
        rows = trial.rows(table, key)
        assert len(rows) >= 1
        validate(table, rows[list(table.column_names)])
    assert trial.rows(READ_QC, "PALBO-001|BL")["verdict"].tolist() == ["pass"]
    assert trial.rows(SAMPLE_IDENTITY, "PALBO-001|PD")["verdict"].tolist() == ["matched"]
    calls = trial.rows(SOMATIC_CALLS, "PALBO-001|PD")
    planted = {one.hgvsp_short for one in twin.truths["PALBO-001-PD"].mutations}
    assert set(calls.loc[calls["filter"] == "PASS", "hgvsp_short"]) == planted

    genotypes = trial.rows(PATIENT_GENOTYPES, "PALBO-001")
    validate(PATIENT_GENOTYPES, genotypes[list(PATIENT_GENOTYPES.column_names)])
    assert genotypes["sample_kind"].value_counts().to_dict() == {"tumour": 2 * len(planted), "normal": len(planted)}
    assert genotypes["background_error"].between(1e-4, 0.01).all()
    states = genotypes[genotypes["sample_kind"] == "tumour"].set_index(["timepoint", "hgvsp_short"])["state"]
    assert set(states["PD"]) == {"PRESENT"}
    assert states["BL"].to_dict() == {
        change: "PRESENT" if change in ("p.H1047R", "p.R175H") else "ABSENT" for change in planted
    }

    substitutions = [one for one in twin.truths["PALBO-001-PD"].mutations if len(one.ref) == len(one.alt) == 1]
    spectrum = trial.rows(MUTATION_SPECTRA, "PALBO-001|PD")
    assert (len(spectrum), spectrum["mutations"].sum()) == (96, len(substitutions))
    assert set(trial.rows(MUTATIONAL_SIGNATURES, "PALBO-001|PD")["status"]) == {"NOT_EVALUABLE"}
    sets = (
        trial.rows(PRIVATE_SIGNATURES, "PALBO-001")
        .query("signature == 'APOBEC'")
        .set_index(["timepoint", "mutation_set"])
    )
    assert sets["mutations"].to_dict() == {
        ("BL", "private"): 0,
        ("BL", "shared"): 2,
        ("PD", "private"): len(substitutions) - 2,
        ("PD", "shared"): 2,
    }
    burden = trial.rows(TUMOUR_MUTATIONAL_BURDEN, "PALBO-001|PD").iloc[0]
    assert (burden["coding_mutations"], burden["nonsilent_mutations"]) == (len(planted), len(planted))
    quality = trial.rows(READ_QC, "PALBO-001|PD").iloc[0]
    assert burden["callable_bases"] == quality["callable_coding_bases"] < quality["callable_bases"]
    assert quality["callable_bases"] == pytest.approx(
        sum(end - start for _, start, end, _ in twin.genome.targets), rel=0.05
    )
    assert pd.isna(burden["coding_per_mb"]) and burden["reason"] == "FEW_CALLABLE_BASES"
    pair = trial.rows(PAIRED_MUTATIONAL_BURDEN, "PALBO-001").iloc[0]
    assert (pair["baseline_mutations"], pair["later_mutations"], pair["shared_mutations"]) == (2, len(planted), 2)
    single = [trial.rows(READ_QC, f"PALBO-001|{one}").iloc[0]["callable_coding_bases"] for one in ("BL", "PD")]
    assert 0.9 * min(single) < pair["common_callable_bases"] <= min(single) and pair["reason"] == "FEW_CALLABLE_BASES"
    assert trial.rows(HRD_SCARS, "PALBO-001|PD")["reason"].tolist() == ["NO_SEGMENTS"]


def test_segments_give_copies_cell_fractions_and_clones(twin: Twin, tmp_path: Path) -> None:
    files = [normal(twin, "PALBO-001")]
    for timepoint in ("BL", "PD"):
        name = f"PALBO-001-{timepoint}"
        files.append(tumour(twin, f"{name}-T", "PALBO-001", timepoint))
        folder, rng = tmp_path / timepoint, np.random.default_rng(1)
        for made in copy_number.write(twin.truths[name], twin.genome, folder, tool="facets", rng=rng):
            place = folder / made.file
            files.append(File(place, made.file, made.role, "sample", "PALBO-001", timepoint, made.specimen_id))
    trial = Trial(tmp_path / "trial", files, twin)
    for key in ("PALBO-001|BL", "PALBO-001|PD", "PALBO-001"):
        trial.run(key)

    segments = trial.rows(COPY_NUMBER_SEGMENTS, "PALBO-001|BL")
    assert set(segments["purity"]) == {PURITY} and set(segments["purity_source"]) == {"purity_file"}
    genes = trial.rows(GENE_COPY_NUMBER, "PALBO-001|PD").set_index("gene")
    assert (genes.loc["CCND1", "state"], genes.loc["CCND1", "copies"]) == ("AMPLIFICATION", 6)
    assert (genes.loc["RB1", "state"], genes.loc["RB1", "heterozygosity"]) == ("NEUTRAL", "KEPT")
    calls = trial.rows(SOMATIC_CALLS, "PALBO-001|PD")
    assert (calls.loc[calls["filter"] == "PASS", "ccf"].notna()).all()

    variants = trial.rows(CLONAL_VARIANTS, "PALBO-001").set_index("hgvsp_short")
    assert set(variants.loc[["p.H1047R", "p.R175H"], "change"]) == {"NO_CHANGE_SHOWN"}
    assert set(variants.drop(["p.H1047R", "p.R175H"])["change"]) == {"EXPANDED"}
    assert set(variants.loc[["p.H1047R", "p.R175H"], "clone"]) == {1}
    prevalence = trial.rows(CLONE_PREVALENCE, "PALBO-001").set_index(["clone", "timepoint"])["prevalence"]
    assert prevalence[1, "BL"] > 0.85 and prevalence[1, "PD"] > 0.85
    later = [clone for clone in prevalence.index.get_level_values("clone") if clone > 1]
    assert later and all(prevalence[clone, "BL"] < 0.1 < 0.5 < prevalence[clone, "PD"] for clone in later)


def test_a_swapped_tumour_is_named_and_publishes_no_variants(twin: Twin, tmp_path: Path) -> None:
    files = [
        normal(twin, "PALBO-001"),
        tumour(twin, "PALBO-001-BL-T", "PALBO-001", "BL"),
        tumour(twin, "PALBO-002-BL-T", "PALBO-001", "PD"),
    ]
    trial = Trial(tmp_path, files, twin)
    trial.run("PALBO-001|BL")
    result = trial.run("PALBO-001|PD")
    identity = trial.rows(SAMPLE_IDENTITY, "PALBO-001|PD").iloc[0]
    assert (identity["verdict"], identity["reason"]) == ("mismatch", "E_IDENTITY_MISMATCH")
    assert {one.check_name for one in result.get_asset_check_evaluations() if not one.passed} == {
        "tumour_and_blood_are_one_person"
    }
    assert trial.rows(SOMATIC_CALLS, "PALBO-001|PD").empty
    for table in (MUTATIONAL_SIGNATURES, TUMOUR_MUTATIONAL_BURDEN, HRD_SCARS):
        assert set(trial.rows(table, "PALBO-001|PD")["reason"]) == {"E_IDENTITY_MISMATCH"}
    trial.run("PALBO-001")
    assert trial.rows(PAIRED_MUTATIONAL_BURDEN, "PALBO-001")["reason"].tolist() == ["E_IDENTITY_MISMATCH"]
    sets = trial.rows(PRIVATE_SIGNATURES, "PALBO-001").set_index("timepoint")["reason"]
    assert set(sets["PD"]) == {"E_IDENTITY_MISMATCH"} and set(sets["BL"]) == {"ONE_TIMEPOINT"}
    genotypes = trial.rows(PATIENT_GENOTYPES, "PALBO-001")
    swapped = genotypes[genotypes["timepoint"] == "PD"]
    assert len(swapped) == 2
    assert set(swapped["state"]) == {"NOT_EVALUABLE"}
    assert set(swapped["reason"]) == {"E_IDENTITY_MISMATCH"}
    assert swapped["depth"].isna().all()
    assert result.success


@pytest.mark.parametrize(
    ("entry", "line", "product"),
    [
        ("hotspots", "RB1,p.R320*,chr13,{far},C,T", "somatic_calls"),
        ("target_bed", "chr13\t{far}\t{further}", "read_qc"),
        ("snp_bed", "chr13\t{far}\t{further}\trs1\tC\tT", "snp_genotypes"),
    ],
)
def test_a_list_of_another_build_stops_what_reads_it_with_file_and_row(
    twin: Twin, tmp_path: Path, entry: str, line: str, product: str
) -> None:
    trial = Trial(tmp_path, [normal(twin, "PALBO-001"), tumour(twin, "PALBO-001-BL-T", "PALBO-001", "BL")], twin)
    reference = trial.installation.home.reference
    bundle = ReferenceBundle.load(reference)
    path = reference / bundle.entry(entry).file
    # chr13 of hg19 is 805,550 bp longer than that of GRCh38, and the twin's is shorter than both.
    known = path.read_text(encoding="utf-8").replace("gene,hgvsp_short\n", "gene,hgvsp_short,chrom,pos,ref,alt\n")
    path.write_text(known + line.format(far=115_000_000, further=115_000_001) + "\n", encoding="utf-8")
    write_bundle(reference, bundle.build, [{"name": one.name, "file": one.file} for one in bundle.entries.values()])
    with pytest.raises(dg.Failure) as caught:
        trial.run("PALBO-001|BL", only=(product,))
    told = str(caught.value.description)
    assert told.startswith("E_BUILD_MISMATCH") and "Fix:" in told
    assert f"({path.name}, row {len(path.read_text('utf-8').splitlines())})" in told


def test_without_references_nothing_is_claimed_and_the_run_stays_green(twin: Twin, tmp_path: Path) -> None:
    files = [normal(twin, "PALBO-002"), tumour(twin, "PALBO-002-BL-T", "PALBO-002", "BL")]
    trial = Trial(tmp_path, files, None)
    trial.run("PALBO-002|BL")
    quality = trial.rows(READ_QC, "PALBO-002|BL").iloc[0]
    assert quality["reason"] == "E_REFERENCE_MISSING" and pd.isna(quality["verdict"]) and quality["reads"] > 50_000
    identity = trial.rows(SAMPLE_IDENTITY, "PALBO-002|BL").iloc[0]
    assert (identity["verdict"], identity["reason"]) == ("not_evaluable", "E_REFERENCE_MISSING")
    assert trial.rows(SOMATIC_CALLS, "PALBO-002|BL").empty


@pytest.mark.parametrize("asset", ASSETS, ids=lambda asset: asset.key.path[-1])
def test_every_product_has_at_least_two_checks(asset: dg.AssetsDefinition) -> None:
    names = [spec.name for check in CHECKS for spec in check.check_specs if spec.asset_key == asset.key]
    assert len(names) >= 2 and len(set(names)) == len(names)
