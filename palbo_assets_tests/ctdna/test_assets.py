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

import palbo_assets.definitions  # noqa: F401  declares the tables of other rooms that this one reads
from palbo_assets.ctdna.assets import (
    ASSETS,
    ctdna_background,
    ctdna_controls,
    ctdna_fitness,
    ctdna_origins,
    ctdna_panels,
    ctdna_residual_disease,
    ctdna_run_qc,
    ctdna_wet_lab,
    patient_genotypes,
)
from palbo_assets.ctdna.checks import (
    CHECKS,
    a_version_is_one_bed,
    absence_has_power,
    evidence_is_consistent,
    regions_are_intervals,
)
from palbo_assets.ctdna.formats import verify_raw_umi_bam
from palbo_assets.ctdna.healthy_plasmas import fit_background
from palbo_assets.ctdna.molecule_assets import ctdna_molecules, plasma_snp_genotypes
from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.steps import background_of
from palbo_assets.ctdna.tables import (
    CTDNA_BACKGROUND,
    CTDNA_BURDEN,
    CTDNA_CALLS,
    CTDNA_CONTROLS,
    CTDNA_FITNESS,
    CTDNA_PANELS,
    CTDNA_QC,
    CTDNA_WET_LAB,
    TABLES,
)
from palbo_assets.demo import ctdna as twin
from palbo_assets.demo import healthy_plasma, plasma_controls
from palbo_assets.demo.plasma_reads import BACKGROUND
from palbo_assets.demo.truth import WrittenFile
from palbo_assets.platform.formats import Claim, Context, Scope
from palbo_assets.platform.io_managers import TableIOManager
from palbo_assets.platform.references import ReferenceBundle, write_bundle
from palbo_assets.platform.resources import InstallationResource
from palbo_assets.platform.system_tables import SYSTEM
from palbo_assets.platform.tables import Table, frame_from_rows, sql_table
from palbo_assets.resistance.panel_bed import next_panel_bed
from palbo_assets.resistance.tables import CTDNA_PANEL_EXTENSION
from palbo_assets.study.partitions import PATIENT, SAMPLE
from palbo_assets.wes.tables import IDENTITY_FAILURES, PLASMA_CONTAMINATION, SAMPLE_IDENTITY, SOMATIC_CALLS
from palbo_assets_tests.ctdna.conftest import Plasma
from palbo_assets_tests.ctdna.donors import Truth

KEY = "PALBO-001|PD"
OF_WES = tuple(
    dg.AssetSpec(name, partitions_def=definition).with_io_manager_key("warehouse")
    for name, definition in (
        ("somatic_calls", SAMPLE.definition), ("sample_identity", SAMPLE.definition), ("identity_failures", None),
        ("plasma_contamination", PATIENT.definition),
    )
)  # fmt: skip
OWN = (ctdna_molecules, plasma_snp_genotypes, *(asset for asset in ASSETS if asset is not patient_genotypes))
OF_COHORT = (ctdna_panels, ctdna_background, ctdna_controls, ctdna_run_qc)
OF_PATIENT = (ctdna_fitness, ctdna_origins, ctdna_residual_disease)
BATCH_KEY = "ctdna-wet-lab-1"
SCOPES = {
    "healthy_plasma_bam": Scope.COHORT,
    "panel_bed": Scope.COHORT,
    "wet_lab": Scope.BATCH,
    "control_bam": Scope.COHORT,
    "consensus_bam": Scope.SAMPLE,
    "raw_umi_bam": Scope.SAMPLE,
}


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
        site="", facts={},
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
        for table in (*TABLES, SOMATIC_CALLS, SAMPLE_IDENTITY, IDENTITY_FAILURES, PLASMA_CONTAMINATION):
            sql_table(table, metadata)
        for tables in (SYSTEM, metadata):
            tables.create_all(self.installation.warehouse.engine)

    def resources(self, files: Sequence[WrittenFile]) -> dict[str, Any]:
        io_manager = TableIOManager(installation=self.installation)
        return {
            "installation": self.installation,
            "landing": dg.ResourceDefinition.hardcoded_resource(
                Landing([landed(self.plasma.folder, file) for file in files])
            ),
            "parquet": io_manager,
            "warehouse": io_manager,
        }

    def panels(self, files: Sequence[WrittenFile]) -> dg.ExecuteInProcessResult:
        return self.of_cohort(ctdna_panels, files)

    def of_cohort(self, asset: dg.AssetsDefinition, files: Sequence[WrittenFile]) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            [*OF_COHORT, *CHECKS], selection=[asset], resources=self.resources(files), raise_on_error=False
        )

    def run(self, *, wet_lab: bool = True, donors: Sequence[WrittenFile] = ()) -> Iterator[dg.ExecuteInProcessResult]:
        files = [self.bam, self.bed, *donors, *([self.wet_lab] if wet_lab else [])]
        resources = self.resources(files)
        sample = [asset for asset in OWN if asset not in (ctdna_wet_lab, *OF_COHORT, *OF_PATIENT)]
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions("patient", ["PALBO-001"])
            instance.add_dynamic_partitions("plate", [BATCH_KEY])
            if wet_lab:
                yield dg.materialize(
                    [ctdna_wet_lab, *CHECKS], instance=instance, partition_key=BATCH_KEY, resources=resources,
                    selection=[ctdna_wet_lab], raise_on_error=False,
                )  # fmt: skip
            yield self.panels(files)
            for asset in (ctdna_background, ctdna_controls, ctdna_run_qc):
                yield self.of_cohort(asset, files)
            yield dg.materialize(
                [*OWN, *OF_WES, *CHECKS], instance=instance, resources=resources, raise_on_error=False,
                partition_key=dg.MultiPartitionKey({"patient": "PALBO-001", "timepoint": "PD"}),
                selection=dg.AssetSelection.assets(*sample),
            )  # fmt: skip
            yield dg.materialize(
                [*OWN, *OF_WES, *CHECKS], instance=instance, resources=resources, raise_on_error=False,
                partition_key="PALBO-001", selection=dg.AssetSelection.assets(*OF_PATIENT),
            )  # fmt: skip

    def rows(self, table: Table) -> pd.DataFrame:
        key = {
            "ctdna_wet_lab": BATCH_KEY,
            "ctdna_panels": "",
            "ctdna_background": "",
            "ctdna_controls": "",
            "ctdna_run_qc": "",
            "ctdna_fitness": "PALBO-001",
            "ctdna_origins": "PALBO-001",
            "ctdna_residual_disease": "PALBO-001",
        }.get(table.name, KEY)
        return self.installation.warehouse.read(table, partition_key=key)


ALL = ("genome_fasta", "ctdna_background", "hotspot_sites")


@pytest.fixture(scope="module")
def complete(plasma: Plasma, tmp_path_factory: pytest.TempPathFactory) -> tuple[House, list[dg.ExecuteInProcessResult]]:
    house = House(tmp_path_factory.mktemp("complete"), plasma, references=(*ALL, "ctdna_control_alleles"))
    rng = np.random.default_rng(12)
    return house, list(house.run(donors=plasma_controls.write(plasma.genome, plasma.bed, plasma.folder, rng)))


def test_a_delivered_plasma_becomes_products_that_keep_their_contracts(
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
    of_patient = [check for check in CHECKS if next(iter(check.check_keys)).asset_key.path == ["patient_genotypes"]]
    assert len(checks) == len(CHECKS) - len(of_patient) > 0 and all(checks.values()), checks


def test_a_plasma_is_fit_by_the_controls_of_its_own_run(
    complete: tuple[House, list[dg.ExecuteInProcessResult]],
) -> None:
    house, _ = complete
    controls = house.rows(CTDNA_CONTROLS)
    assert len(controls) == 1 + len(twin.STANDARD_ALLELES) and set(controls["verdict"]) == {"pass"}
    (fit,) = house.rows(CTDNA_FITNESS).to_dict("records")
    assert (fit["sequencing_run"], fit["verdict"], fit["not_checked"]) == (twin.RUN, "pass", "foreign_dna")


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
    assert (row["verdict"], row["reasons"], row["status"]) == ("warn", "raw_depth", "OBSERVED")  # the twin is small
    assert row["not_checked"] == "deduplication"  # of consensus reads nobody can tell
    assert row["fragment_peak_reads_bp"] == pytest.approx(167, abs=4) and 164 <= row["fragment_peak_lab_bp"] < 172
    assert 14_000 < row["raw_depth_mean"] < 18_000
    assert 0.2 < row["conversion"] < 1.2


def test_the_panels_regions_are_published_as_the_bed_states_them(
    complete: tuple[House, list[dg.ExecuteInProcessResult]],
) -> None:
    house, _ = complete
    rows = house.rows(CTDNA_PANELS)
    assert list(zip(rows["chrom"], rows["start"], rows["end"], rows["gene"], strict=True)) == [
        (target.chrom, target.start, target.end, target.gene) for target in house.plasma.panel.targets
    ]
    assert set(rows["panel_version"]) == {"v1"}
    assert set(rows["bed_sha256"]) == {sha256(house.plasma.bed.read_bytes()).hexdigest()}


def test_a_superseded_bed_disappears_and_another_plasma_changes_nothing(plasma: Plasma, tmp_path: Path) -> None:
    house = House(tmp_path / "house", plasma, references=())

    def regions(*beds: tuple[str, str], bam: str = "first") -> tuple[list[tuple[str, str, int]], bool]:
        files = [replace(house.bam, sample_name=bam)]
        for number, (version, content) in enumerate(beds):
            (plasma.folder / f"other-{number}.bed").write_text(content, encoding="utf-8")
            files.append(WrittenFile(f"other-{number}.bed", "ctdna", "panel_bed", panel_version=version))
        result = house.panels(files)
        (output,) = result.asset_materializations_for_node("ctdna_panels")
        rows = house.rows(CTDNA_PANELS)
        said = list(zip(rows["panel_version"], rows["chrom"], rows["start"], strict=True))
        return said, bool(output.metadata["unchanged"].value)

    v1, corrected, v2 = ("v1", "chr1\t10\t20\n"), ("v1", "chr1\t11\t20\n"), ("v2", "chr1\t10\t20\nchr2\t5\t9\n")
    assert regions(v1) == ([("v1", "chr1", 10)], False)
    assert regions(v1, bam="another") == ([("v1", "chr1", 10)], True)
    assert regions(corrected, v2) == ([("v1", "chr1", 11), ("v2", "chr1", 10), ("v2", "chr2", 5)], False)


def test_a_list_of_another_build_stops_what_reads_it_and_nothing_else(plasma: Plasma, tmp_path: Path) -> None:
    """A list is the site's, not a sample's: what asks it stops with file and row, and the sample's rest goes on."""
    house = House(tmp_path, plasma, references=(*ALL, "ctdna_control_alleles"))
    bundle = ReferenceBundle.load(house.reference)
    rows = {}
    for entry, stopped in (("hotspot_sites", "ctdna_calls"), ("ctdna_control_alleles", "ctdna_controls")):
        path = house.reference / bundle.entry(entry).file
        # chr13 of hg19 is 805,550 bp longer than that of GRCh38, and the twin's is shorter than both.
        far = ["TWIN-STANDARD-1"] if stopped == "ctdna_controls" else []
        lines = [*path.read_text(encoding="utf-8").splitlines(), ",".join([*far, "chr13", "115000000", "C", "T"])]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        rows[stopped] = f"({path.name}, row {len(lines)})"
    entries = [{"name": one.name, "file": one.file} for one in bundle.entries.values()]
    write_bundle(house.reference, bundle.build, entries)
    controls = plasma_controls.write(plasma.genome, plasma.bed, plasma.folder, np.random.default_rng(12))
    told = {
        event.step_key: str(event.step_failure_data.user_failure_data)
        for result in house.run(wet_lab=False, donors=controls)
        for event in result.filter_events(lambda one: one.is_step_failure)
    }
    assert set(told) == set(rows)
    for stopped, place in rows.items():
        assert "E_BUILD_MISMATCH" in told[stopped] and "Fix:" in told[stopped] and place in told[stopped]
    assert len(house.rows(CTDNA_QC)) == 1 and house.rows(CTDNA_CALLS).empty and house.rows(CTDNA_CONTROLS).empty


def test_without_references_the_run_stays_green_and_says_why(plasma: Plasma, tmp_path: Path) -> None:
    house = House(tmp_path, plasma, references=("hotspot_sites",))
    assert all(result.success for result in house.run(wet_lab=False))
    calls = house.rows(CTDNA_CALLS)
    assert set(calls["state"]) == {"NOT_EVALUABLE"} and set(calls["filter"]) == {"no_genome"}
    assert calls["vaf"].isna().all() and calls["background"].isna().all()
    qc = house.rows(CTDNA_QC).iloc[0]
    assert (qc["verdict"], qc["reasons"]) == ("warn", "raw_depth;no_wet_lab_data")
    assert house.rows(CTDNA_BURDEN).iloc[0]["status"] == "NOT_EVALUABLE"


def test_a_plasma_delivered_as_raw_reads_gives_the_planted_calls_and_says_how_its_barcodes_did(
    plasma: Plasma, tmp_path: Path
) -> None:
    """The same tumour, drawn again, and read before consensus: 1,200 molecules deep, five pairs each."""
    (raw,) = twin.write(
        plasma.truth, plasma.patient, plasma.genome, plasma.bed, plasma.folder, np.random.default_rng(6),
        unique_depth=1200, raw_family=5,
    )  # fmt: skip
    facts = verify_raw_umi_bam(
        plasma.folder / raw.file, Claim(raw.file, "ctdna", sample_name=raw.sample_name, panel_version="v1"), Context()
    )
    assert (facts["umi_place"], facts["umi_bases"], facts["reads_with_n_in_umi"]) == ("tag RX", 12, 0)
    house = House(tmp_path, replace(plasma, file=raw), references=ALL)
    assert all(result.success for result in house.run())
    calls = house.rows(CTDNA_CALLS).set_index(["gene", "hgvsp_short"])
    for site in (("PIK3CA", "p.H1047R"), ("ESR1", "p.V422del"), ("RB1", "p.E137fs"), ("RB1", "p.R320*")):
        assert calls.loc[site, "state"] == "PRESENT", site
    assert calls.loc[("KRAS", "p.G12D"), "alt_molecules"] == 0
    qc = house.rows(CTDNA_QC).iloc[0]
    assert (qc["delivered"], qc["raw_pairs"] > 5 * 30_000, qc["verdict"]) == ("raw_umi_bam", True, "warn")
    assert qc["family_size_mean"] == pytest.approx(5, abs=0.1)
    assert qc["umi_error"] == pytest.approx(0.012 * 3 / 4, rel=0.1)  # a fourth of the drawn errors are the same base
    assert qc["strand_balance"] == pytest.approx(0.5, abs=0.01) and 0.5 < qc["duplex_share"] < 0.65
    assert 900 < qc["unique_depth_median"] < 1500


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


@pytest.fixture(scope="module")
def donors(plasma: Plasma) -> list[WrittenFile]:
    return healthy_plasma.write(
        plasma.genome, plasma.bed, plasma.folder, np.random.default_rng(17), unique_depth=150
    )  # fmt: skip


def test_calls_are_tested_against_the_background_of_healthy_donors_and_name_it(
    plasma: Plasma, donors: list[WrittenFile], tmp_path: Path
) -> None:
    house = House(tmp_path, plasma, references=("genome_fasta", "hotspot_sites"))
    assert all(result.success for result in house.run(wet_lab=False, donors=donors))
    background = house.rows(CTDNA_BACKGROUND)
    (name,) = set(background["background_sha256"])
    assert set(background["plasmas"]) == {healthy_plasma.DONORS} and set(background["panel_version"]) == {"v1"}
    assert set(background["bed_sha256"]) == {sha256(plasma.bed.read_bytes()).hexdigest()}
    assert (background["level"] == "site").sum() == 5 * plasma.panel.size
    kinds = background[background["level"] == "kind"].set_index("element")["rate"]
    for kind in ("C>A", "C>T"):
        assert kinds[kind] == pytest.approx(BACKGROUND[kind], rel=0.5)
    calls = house.rows(CTDNA_CALLS)
    assert set(calls["background"].dropna()) == {"healthy_plasma"} and set(calls["background_sha256"]) == {name}
    assert calls["background_reason"].isna().all()
    planted = calls.set_index(["gene", "hgvsp_short"])["state"]
    assert planted[("PIK3CA", "p.H1047R")] == "PRESENT" and planted[("KRAS", "p.G12D")] == "ABSENT"


def test_a_background_of_another_version_of_the_panel_is_not_used_and_calls_say_why(
    plasma: Plasma, donors: list[WrittenFile], tmp_path: Path
) -> None:
    """Donors of a version of which no BED is there, too few of them, and none at all."""
    house = House(tmp_path / "other", plasma, references=("genome_fasta",))
    lines = plasma.bed.read_text(encoding="utf-8").splitlines(keepends=True)
    (plasma.folder / "panel_v2.bed").write_text("".join(lines[:3]).replace("\tv1\t", "\tv2\t"), encoding="utf-8")
    v2 = WrittenFile("panel_v2.bed", "ctdna", "panel_bed", panel_version="v2")
    others = [replace(file, panel_version="v2") for file in donors]
    assert all(result.success for result in house.run(wet_lab=False, donors=[v2, *others]))
    assert set(house.rows(CTDNA_BACKGROUND)["panel_version"]) == {"v2"}
    calls = house.rows(CTDNA_CALLS)
    assert set(calls["background"]) == {"in_sample"} and set(calls["background_reason"]) == {"no_healthy_plasmas"}
    house = House(tmp_path / "few", plasma, references=("genome_fasta",))
    assert all(result.success for result in house.run(wet_lab=False, donors=donors[:3]))
    assert house.rows(CTDNA_BACKGROUND).empty
    assert set(house.rows(CTDNA_CALLS)["background_reason"]) == {"no_healthy_plasmas"}


def test_a_background_of_another_bed_of_the_same_version_is_refused(plasma: Plasma) -> None:
    settings, digest = Settings(), sha256(plasma.bed.read_bytes()).hexdigest()
    bed = SimpleNamespace(path=plasma.bed, panel_version="v1", sha256=digest)
    step: Any = SimpleNamespace(
        files=lambda *roles: [bed], settings=settings, references=SimpleNamespace(get=lambda name: None)
    )
    rng = np.random.default_rng(3)
    truth = Truth.drawn(200, 3)
    counts = truth.plasma(500, rng)
    rows = fit_background([counts, truth.plasma(500, rng)], settings).assign(
        panel_version="v1", bed_sha256=digest, background_sha256="name"
    )
    same = background_of(step, counts, plasma.panel, frozenset(), rows)
    assert (same.source, same.sha256, same.reason) == ("healthy_plasma", "name", "")
    other = background_of(step, counts, plasma.panel, frozenset(), rows.assign(bed_sha256="another"))
    assert (other.source, other.sha256, other.reason) == ("in_sample", "", "other_bed")


def test_a_plasma_on_the_ordered_panel_shows_the_new_locus_where_the_old_one_says_nothing(
    plasma: Plasma, tmp_path: Path
) -> None:
    """The same blood on v1 and on v2, whose BED is what `palbo panel-bed` wrote for the trial's own finding."""
    house = House(tmp_path / "house", plasma, references=ALL)
    assert house.panels([house.bed]).success
    chrom, pos, *_ = plasma.genome.mutation("FAT1", "p.R250*")
    target = {
        "chrom": chrom, "start": pos - 61, "end": pos + 60, "gene": "FAT1", "reason": "driver_loss_of_function",
        "source_patients": "PALBO-001", "n_patients": 1, "variants": "FAT1 p.R250*", "gc_flag": "ok",
        "size_delta_bp": 121, "base_panel_version": "v1",
    }  # fmt: skip
    bed = tmp_path / "panel_v2.bed"
    bed.write_text(next_panel_bed(house.rows(CTDNA_PANELS), frame_from_rows(CTDNA_PANEL_EXTENSION, [target]), "v2"))
    (again,) = twin.write(plasma.truth, plasma.patient, plasma.genome, bed, tmp_path, np.random.default_rng(6))
    for name in (bed.name, again.file):
        (plasma.folder / f"second-{name}").write_bytes((tmp_path / name).read_bytes())
    added = [
        WrittenFile("second-panel_v2.bed", "ctdna", "panel_bed", panel_version="v2"),
        replace(again, file=f"second-{again.file}", specimen_id="P2"),
    ]
    assert all(result.success for result in house.run(wet_lab=False, donors=added))
    calls = house.rows(CTDNA_CALLS)
    there = calls[(calls["gene"] == "FAT1") & (calls["pos"] == pos)].set_index("panel_version")
    assert there["state"].to_dict() == {"v1": "NOT_ASSAYED", "v2": "PRESENT"}
    assert there.loc["v2", "vaf"] == pytest.approx(0.03, abs=0.015)
    assert bool(there.loc["v2", "chosen_from_cohort"]) and pd.isna(there.loc["v1", "chosen_from_cohort"])
    old = calls[(calls["panel_version"] == "v2") & (calls["gene"] == "PIK3CA") & (calls["state"] == "PRESENT")]
    assert len(old) and not old["chosen_from_cohort"].any()


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


def test_a_region_without_bases_and_a_version_of_two_beds_are_named() -> None:
    region = {"panel_version": "v1", "bed_sha256": "a", "chrom": "chr1", "start": 5, "end": 9, "since": "v1"}
    said = [region, {**region, "gene": "RB1"}, {**region, "gene": "RB1"}, {**region, "start": 9}]
    rows = frame_from_rows(CTDNA_PANELS, [{"region": number, **row} for number, row in enumerate(said, start=1)])
    assert offending(regions_are_intervals, rows, "region") == ["2", "3", "4"]
    other = frame_from_rows(CTDNA_PANELS, [{"region": 7, **region, "bed_sha256": "b"}])
    assert len(offending(a_version_is_one_bed, pd.concat([rows, other]), "region")) == 5


def offending(check: dg.AssetChecksDefinition, rows: pd.DataFrame, column: str = "pos") -> list[str]:
    """Keys that the check names, over rows that no product would publish."""
    warehouse = SimpleNamespace(read=lambda table, partition_key: rows)
    context = SimpleNamespace(
        partition_key=KEY,
        selected_asset_check_keys={check.check_key},
        resources=SimpleNamespace(installation=SimpleNamespace(warehouse=warehouse)),
    )
    (result,) = check.node_def.compute_fn.decorated_fn(context)  # type: ignore[attr-defined]
    named: Any = result.metadata["offending_rows"]
    assert not result.passed
    return [record.data[column] for record in named.records]
