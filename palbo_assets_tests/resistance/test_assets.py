"""The assets on a real warehouse: what the modalities published becomes facts, states, transitions and wide tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest
import sqlalchemy as sa

from palbo_assets.ctdna.tables import CTDNA_ORIGINS, CTDNA_PANELS
from palbo_assets.definitions import products
from palbo_assets.platform.io_managers import TableIOManager
from palbo_assets.platform.product import SPECS
from palbo_assets.platform.resources import InstallationResource
from palbo_assets.platform.system_tables import SYSTEM
from palbo_assets.platform.tables import Storage, Table, sql_table
from palbo_assets.platform.warehouse import Version
from palbo_assets.resistance import checks
from palbo_assets.resistance.variant_states import detection_power
from palbo_assets.wes.tables import APOBEC_ENRICHMENT, IDENTITY_MATCHES, SEX_CONCORDANCE
from palbo_assets_tests.resistance import frames
from palbo_assets_tests.resistance.frames import D538G, H1047R, P, identity, read_qc, rows_of, somatic


class Landing:
    """A landing zone without files: the room reads tables only."""

    def accepted(self, modalities: Sequence[str], patient_id: str | None = None) -> list[Any]:
        return []

    def ledger_frame(self) -> pd.DataFrame:
        return pd.DataFrame()

    def state(self) -> str:
        return ""


class Study:
    """An installation in which the modalities' products are published by hand."""

    def __init__(self, folder: Path) -> None:
        self.installation = InstallationResource(root=str(folder / "home"))
        self.installation.home.create()
        self.warehouse = self.installation.warehouse
        SYSTEM.create_all(self.warehouse.engine)
        metadata = sa.MetaData()
        for spec in SPECS.values():
            if spec.table.storage is Storage.SQL:
                sql_table(spec.table, metadata)
        metadata.create_all(self.warehouse.engine)
        self.landing = Landing()
        self.instance = dg.DagsterInstance.ephemeral()
        self.instance.add_dynamic_partitions("patient", [P])
        self.assets = products()

    def publish(self, table: Table, key: str, *rows: dict[str, Any]) -> None:
        frame = rows_of(table, *rows)
        token = self.warehouse.take_lease(table.name, key, "by-hand")
        self.warehouse.publish(table, key, frame, Version(f"v-{len(rows)}", "1", {}), run_id="by-hand", token=token)

    def run(self, name: str, key: str | None = None) -> pd.DataFrame:
        tables = TableIOManager(installation=self.installation)
        own_checks = [check for check in checks.CHECKS if check.check_key.asset_key == dg.AssetKey(name)]
        result = dg.materialize(
            [*self.assets, *own_checks],
            selection=dg.AssetSelection.assets(name),
            partition_key=key,
            instance=self.instance,
            resources={
                "installation": self.installation,
                "landing": dg.ResourceDefinition.hardcoded_resource(self.landing),
                "warehouse": tables,
                "parquet": tables,
            },
        )
        failed = [one.check_name for one in result.get_asset_check_evaluations() if not one.passed]
        assert failed == []
        return self.warehouse.read(SPECS[name].table, partition_key=key or "")


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    opened = Study(tmp_path)
    yield opened
    opened.warehouse.close()


def published_pair(study: Study, *, baseline_depth: int = 200, progression: str = "matched") -> None:
    """A patient whose ESR1 D538G is called at progression, and counted at baseline at this depth."""
    calls = {"BL": [somatic("BL", H1047R)], "PD": [somatic("PD", H1047R), somatic("PD", D538G, vaf=0.1)]}
    for timepoint in ("BL", "PD"):
        key = f"{P}|{timepoint}"
        study.publish(frames.SOMATIC_CALLS, key, *calls[timepoint])
        study.publish(frames.READ_QC, key, read_qc(timepoint))
        study.publish(frames.SAMPLE_IDENTITY, key, identity(timepoint, progression if timepoint == "PD" else "matched"))
    state = "ABSENT" if baseline_depth > 100 else "NOT_EVALUABLE"
    power = detection_power(baseline_depth, 0.1, 3)
    before = frames.forced("BL", D538G, depth=baseline_depth, expected=0.1, state=state, power=power)
    now = frames.forced("PD", D538G, depth=200, alt=20, called=True, state="PRESENT")
    study.publish(frames.PATIENT_GENOTYPES, P, before, now)
    study.publish(CTDNA_ORIGINS, P)
    study.publish(frames.PATIENTS, "", frames.patient(), frames.patient("PALBO-002", withdrawn=True))
    for table in (frames.TREATMENT_RESPONSE, frames.SAMPLE_MANIFEST, frames.DELIVERY_LEDGER):
        study.publish(table, "")


def through_transitions(study: Study) -> pd.DataFrame:
    for timepoint in ("BL", "PD"):
        study.run("facts", f"{P}|{timepoint}")
    study.run("resistance_states", P)
    return study.run("resistance_transitions", P).set_index("mechanism")


def test_an_acquired_mutation_goes_from_calls_to_the_wide_tables_and_to_a_probe(study: Study) -> None:
    published_pair(study)
    transitions = through_transitions(study)
    assert transitions.loc["ESR1_MUT", "transition"] == "acquired"
    assert transitions.loc["PIK3CA_ACT", "transition"] == "preexisting"

    facts = study.warehouse.read(frames.FACTS, partition_key=f"{P}|PD").set_index("feature")
    assert facts.loc["wes__esr1_alterations", "value_text"] == "p.D538G"
    assert facts.loc["wes__n_somatic", "source_partition"] == f"{P}|PD"
    assert facts.loc["wes__n_somatic", "source_data_version"] == "v-2"

    wide = study.run("integrated_resistance_table").set_index(["patient_id", "timepoint"])
    assert len(wide) == 8
    assert wide.loc[(P, "PD"), "mechanism__esr1_mut"] == "PRESENT"
    assert wide.loc[(P, "BL"), "mechanism__esr1_mut"] == "ABSENT"
    assert wide.loc[(P, "PD"), "elisa__nrg1_pg_ml__status"] == "PENDING"
    assert wide.loc[("PALBO-002", "PD"), "wes__n_somatic__status"] == "WITHDRAWN"

    pair = study.run("integrated_resistance_pairs", P).iloc[0]
    assert (pair["wes__n_somatic__delta"], pair["primary_mechanism"]) == (1.0, "ESR1_MUT")
    statistics = study.run("resistance_statistics").set_index("item")
    assert statistics.loc["ESR1_MUT", "n_pairs"] == 1
    assert statistics.loc["ESR1_MUT", "reason"] == "TOO_FEW_PAIRS: 1 of 6"

    region = {"chrom": "chr3", "start": 0, "end": 200, "since": "v1"}
    study.publish(CTDNA_PANELS, "", {"panel_version": "v1", "bed_sha256": "a", "region": 1, **region})
    assert study.run("acquired_alterations", P)["verdict"].tolist() == ["acquired"]
    targets = study.run("ctdna_panel_extension")
    assert list(targets["variants"]) == ["ESR1 p.D538G"]
    assert list(targets["source_patients"]) == [P]
    assert list(targets["gc_flag"]) == ["unknown"]


def test_without_a_panel_nothing_is_proposed(study: Study) -> None:
    published_pair(study)
    study.run("acquired_alterations", P)
    study.publish(CTDNA_PANELS, "")
    assert study.run("ctdna_panel_extension").empty


def test_a_shallow_baseline_makes_the_same_mutation_indeterminate_and_proposes_no_probe(study: Study) -> None:
    published_pair(study, baseline_depth=40)
    assert through_transitions(study).loc["ESR1_MUT", "transition"] == "pd_only_indeterminate"
    assert study.run("acquired_alterations", P)["verdict"].tolist() == ["pd_only_indeterminate"]


def test_what_the_pair_tells_goes_from_its_product_to_the_pairs_table_with_its_source(study: Study) -> None:
    published_pair(study)
    study.run("acquired_alterations", P)
    told = study.run("patient_facts", P).set_index(["timepoint", "feature"])
    word = told.loc[("PD", "acquired__esr1")]
    assert (word["value_text"], word["source_asset"]) == ("acquired", "acquired_alterations")
    assert word["source_partition"] == P and word["source_data_version"]
    enriched = {**frames.specimen("PD"), "mutation_set": "all", "fold": 2.5, "enriched": True, "agreement": "both"}
    study.publish(APOBEC_ENRICHMENT, "", enriched | {"mutations": 80, "status": "OBSERVED"})
    study.run("cohort_facts")

    pair = study.run("integrated_resistance_pairs", P).iloc[0]
    assert (pair["acquired__esr1"], pair["acquired__genes"], pair["acquired__n_alterations"]) == ("acquired", "ESR1", 1)
    assert (pair["clones__n_rising__status"], pd.isna(pair["clones__n_rising"])) == ("PENDING", True)
    wide = study.run("integrated_resistance_table").set_index(["patient_id", "timepoint"])
    assert wide.loc[(P, "PD"), "wes__apobec_fold"] == 2.5
    assert "acquired__esr1" not in wide.columns


def test_a_swapped_progression_sample_blocks_the_patients_pair(study: Study) -> None:
    published_pair(study, progression="mismatch")
    transitions = through_transitions(study)
    assert set(transitions["transition"]) == {"not_evaluable"}
    assert set(study.run("acquired_alterations", P)["reason"]) == {"E_IDENTITY_MISMATCH"}
    pair = study.run("integrated_resistance_pairs", P).iloc[0]
    assert bool(pair["identity_blocked"])
    assert (pair["primary_mechanism"], pair["n_pairs"]) == ("not_evaluable", 0)
    wide = study.run("integrated_resistance_table").set_index(["patient_id", "timepoint"])
    assert wide.loc[(P, "PD"), "wes__n_somatic__status"] == "QC_FAIL"


def test_a_blood_of_the_other_sex_blocks_the_patients_pair_and_names_why(study: Study) -> None:
    published_pair(study)
    who = [("BL", "blood", f"{P}-B"), *((point, "tumour", f"{P}-{point}-T") for point in ("BL", "PD"))]
    samples = [
        {
            "patient_id": P,
            "timepoint": point,
            "specimen_id": name,
            "source": source,
            "verdict": "self_match",
            "n_compared": 2,
        }
        for point, source, name in who
    ]
    study.publish(IDENTITY_MATCHES, "", *samples)
    sex = {"patient_id": P, "recorded_sex": "female", "reads_sex": "male", "agreement": "discordant"}
    study.publish(SEX_CONCORDANCE, "", {**sex, "reason": "RECORD_OR_ALL_SAMPLES"})
    failures = study.run("identity_failures")
    assert set(failures["verdict"]) == {"sex_mismatch"} and len(failures) == 3
    assert set(through_transitions(study)["transition"]) == {"not_evaluable"}
    study.run("cohort_facts")
    pair = study.run("integrated_resistance_pairs", P).iloc[0]
    assert bool(pair["identity_blocked"]) and pair["n_pairs"] == 0
    wide = study.run("integrated_resistance_table").set_index(["patient_id", "timepoint"])
    for point in ("BL", "PD"):
        row = wide.loc[(P, point)]
        assert (row["wes__n_somatic__status"], row["wes__sex_agreement"]) == ("QC_FAIL", "discordant")
    reasons = study.warehouse.read(frames.FACTS, partition_key=f"{P}|PD").set_index("feature")["reason"]
    assert reasons["wes__n_somatic"] == "E_SEX_MISMATCH"


def test_the_same_inputs_give_the_same_bytes(study: Study) -> None:
    published_pair(study)
    through_transitions(study)
    study.run("integrated_resistance_table")
    names = ("facts", "resistance_states", "resistance_transitions", "integrated_resistance_table")
    before = {key: one.content_sha256 for name in names for key, one in study.warehouse.versions(name).items()}
    with study.warehouse.transaction() as connection:
        connection.execute(sa.text("UPDATE product_version SET data_version = 'old' WHERE run_id <> 'by-hand'"))
    through_transitions(study)
    study.run("integrated_resistance_table")
    after = {key: one.content_sha256 for name in names for key, one in study.warehouse.versions(name).items()}
    assert after == before


def test_the_dictionary_lists_every_product_that_is_declared(study: Study) -> None:
    rows = study.run("data_dictionary")
    assert set(rows["table_name"]) == {spec.table.name for spec in SPECS.values()}


def test_every_product_of_the_room_has_its_contract_and_two_more_checks() -> None:
    counts: dict[str, int] = {}
    for check in checks.CHECKS:
        name = check.check_key.asset_key.path[-1]
        counts[name] = counts.get(name, 0) + 1
    own = {name for name, spec in SPECS.items() if spec.room == "resistance"}
    assert set(counts) == own
    assert min(counts.values()) >= 3
