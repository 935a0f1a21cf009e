"""The story of the product, on the synthetic twin of the trial.

Twelve patients. Labs drop raw files of every modality, some of them faulty. One command takes them in and materialises
everything. Then: each planted mechanism is found with its right state and transition, nothing that wasn't planted is
PRESENT, each fault is caught by its named reason, each empty cell has a reason and none of them is zero, every value
leads back to its file, and doing it again changes nothing.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from palbo_assets.ctdna.panel import read_panel
from palbo_assets.demo import ctdna
from palbo_assets.demo.apobec import SHARE
from palbo_assets.demo.genome import build_genome
from palbo_assets.demo.summary import catches, planted_faults
from palbo_assets.demo.truth import PatientTruth, PlantedMutation, SampleTruth
from palbo_assets.demo.twin import write_twin
from palbo_assets.ingest import IngestResult, ingest
from palbo_assets.landing import relabel
from palbo_assets.platform.config import Home
from palbo_assets.platform.product import SPECS
from palbo_assets.platform.store import file_sha256
from palbo_assets.platform.tables import Storage
from palbo_assets.platform.warehouse import Warehouse
from palbo_assets.release.compare import compare
from palbo_assets.release.disclosure import WITHHELD
from palbo_assets.release.freeze import State, freeze
from palbo_assets.release.verify import verify
from palbo_assets.resistance.panel_bed import next_panel_bed
from palbo_assets.study.vocabulary import Absence
from palbo_assets.trace import trace_value

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(1200)]

WITHDRAWN = "PALBO-008"
MECHANISMS_OF_GENE = {
    "PIK3CA": {"PIK3CA_ACT"},
    "ESR1": {"ESR1_MUT"},
    "RB1": {"RB1_LOF", "RB1_LOF_CTDNA"},
    "TP53": {"TP53_MUT"},
    "AKT1": {"AKT1_ACT"},
    "KRAS": {"RAS_ACT"},
    "PTEN": {"PTEN_LOF"},
    "ERBB2": {"ERBB2_ACT"},
    "GATA3": {"GATA3_LOF"},
    "FAT1": {"FAT1_LOF"},
}


def mechanisms_of_copies(sample: dict[str, Any]) -> set[str]:
    """What the planted copies make PRESENT, alone or with a mutation."""
    hit = {mutation["gene"] for mutation in sample["mutations"]}
    amplified = {f"{gene}_AMP" for gene, copies in sample["copy_number"].items() if copies >= 5}
    lost = {
        f"{gene}_LOSS" for gene, copies in sample["copy_number"].items() if copies == 0 or (copies == 1 and gene in hit)
    }
    return amplified | lost


@dataclass(frozen=True)
class Trial:
    """The twin after one ingest."""

    home: Home
    warehouse: Warehouse
    truth: dict[str, Any]
    result: IngestResult
    raw_before: dict[Path, str]

    def read(self, product: str) -> pd.DataFrame:
        return self.warehouse.read(SPECS[product].table)

    @property
    def patients(self) -> dict[str, dict[str, Any]]:
        return {patient["patient_id"]: patient for patient in self.truth["patients_truth"]}

    def samples(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """(patient, timepoint, planted truth) of every sample of patients who did not withdraw."""
        for name, patient in self.patients.items():
            if not patient["withdrawn"]:
                for timepoint, sample in patient["samples"].items():
                    yield name, timepoint, sample


@pytest.fixture(scope="module")
def trial(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    # The same story on PostgreSQL: make test-postgres.
    on_postgres = os.environ.get("PALBO_TEST_DATABASE") == "postgresql"
    url = request.getfixturevalue("postgres_cluster") if on_postgres else ""
    home = Home.at(tmp_path_factory.mktemp("twin"), url)
    twin = write_twin(home)
    raw = {path: file_sha256(path) for path in home.landing.rglob("*") if path.is_file()}
    result = ingest(home, workers=2)
    warehouse = Warehouse(home)
    yield Trial(home, warehouse, json.loads(twin.truth_file.read_text()), result, raw)
    warehouse.close()


def test_everything_that_could_be_materialised_was(trial: Trial) -> None:
    assert trial.result.failed == []
    missing = set(SPECS) - {product for product, _ in trial.warehouse.versions()}
    assert missing == set()


def test_every_planted_fault_is_caught_by_its_named_reason(trial: Trial) -> None:
    found = catches(trial.warehouse, planted_faults(trial.home.root / "truth.json"))
    assert len({catch.fault.name for catch in found}) == 9
    assert [catch for catch in found if not catch.caught] == []


def test_every_delivery_has_a_receipt_and_raw_files_are_untouched(trial: Trial) -> None:
    for manifest in trial.home.landing.rglob("delivery.csv"):
        receipt = json.loads((manifest.parent / "receipt.json").read_text(encoding="utf-8"))
        assert receipt["files"]
        assert (manifest.parent / "receipt.html").is_file()
    assert {path: file_sha256(path) for path in trial.raw_before} == trial.raw_before


def test_every_planted_transition_is_concluded(trial: Trial) -> None:
    transitions = trial.read("resistance_transitions")
    said = {(row.patient_id, row.mechanism): row.transition for row in transitions.itertuples()}
    planted = {
        (patient, mechanism): transition
        for patient, expected in trial.truth["transitions"].items()
        for mechanism, transition in expected.items()
    }
    assert {key: said[key] for key in planted} == planted


def test_what_was_planted_on_treatment_is_present_there(trial: Trial) -> None:
    states = trial.read("resistance_states")
    present = states[states["state"] == "PRESENT"]
    said = set(zip(present["patient_id"], present["timepoint"], present["mechanism"], strict=True))
    for patient, timepoints in trial.truth["on_treatment"].items():
        for timepoint, mechanisms in timepoints.items():
            assert {(patient, timepoint, mechanism) for mechanism in mechanisms} <= said


def test_nothing_that_was_not_planted_is_present(trial: Trial) -> None:
    planted = set()
    for patient, timepoint, sample in trial.samples():
        for mutation in sample["mutations"]:
            planted |= {(patient, timepoint, name) for name in MECHANISMS_OF_GENE[mutation["gene"]]}
        planted |= {(patient, timepoint, name) for name in mechanisms_of_copies(sample)}
        planted |= {(patient, timepoint, "APOBEC_HIGH")} if sample["passengers"] else set()
        expected = trial.truth["transitions"][patient]
        planted |= {(patient, "PD", name) for name, transition in expected.items() if transition == "gained"}
        for name in trial.truth["on_treatment"].get(patient, {}).get(timepoint, ()):
            planted.add((patient, timepoint, name))
    states = trial.read("resistance_states")
    present = states[states["state"] == "PRESENT"]
    said = set(zip(present["patient_id"], present["timepoint"], present["mechanism"], strict=True))
    assert said - planted == set()


def test_a_mechanism_is_absent_only_where_it_was_not_planted(trial: Trial) -> None:
    states = trial.read("resistance_states")
    absent = states[(states["state"] == "ABSENT") & states["source"].isin(["wes", "cn", "ctdna"])]
    planted = {
        (patient, timepoint, name)
        for patient, timepoint, sample in trial.samples()
        for mutation in sample["mutations"]
        for name in MECHANISMS_OF_GENE[mutation["gene"]]
    } | {
        (patient, timepoint, name)
        for patient, timepoint, sample in trial.samples()
        for name in mechanisms_of_copies(sample)
    }
    said = set(zip(absent["patient_id"], absent["timepoint"], absent["mechanism"], strict=True))
    assert said & planted == set()


def test_what_was_acquired_off_the_panel_is_ordered_for_the_next_and_not_assayed_till_then(
    trial: Trial, tmp_path: Path
) -> None:
    (target,) = trial.read("ctdna_panel_extension").to_dict("records")
    assert (target["gene"], target["reason"], target["source_patients"]) == (
        "FAT1",
        "driver_loss_of_function",
        "PALBO-002",
    )
    ordered = tmp_path / "panel_v2.bed"
    ordered.write_text(next_panel_bed(trial.read("ctdna_panels"), trial.read("ctdna_panel_extension"), "v2"))
    (new,) = [region for region in read_panel(ordered, "v2").targets if region.since == "v2"]
    counted = trial.read("patient_genotypes")
    there = counted[(counted["gene"] == "FAT1") & (counted["patient_id"] == "PALBO-002")]
    assert all(new.start < pos <= new.end for pos in there["pos"])
    states = there.groupby("sample_kind")["state"].agg(set).to_dict()
    assert states["plasma"] == {"NOT_ASSAYED"} and "PRESENT" in states["tumour"]


def test_apobec_is_found_at_the_progression_where_it_was_planted_and_nowhere_else(trial: Trial) -> None:
    planted = {(patient, timepoint) for patient, timepoint, sample in trial.samples() if sample["passengers"]}
    assert planted == {("PALBO-003", "PD")}
    found = trial.read("private_signatures")
    private = found[(found["mutation_set"] == "private") & (found["signature"] == "APOBEC")]
    evaluated = private[private["status"] == "OBSERVED"]
    assert set(zip(evaluated["patient_id"], evaluated["timepoint"], strict=True)) == planted
    only = evaluated.iloc[0]
    assert only["low"] <= SHARE <= only["high"] and only["apobec_high"] and only["mutations"] >= 50
    second = trial.read("apobec_enrichment")
    enriched = second[second["enriched"].fillna(False).astype(bool)]
    assert set(zip(enriched["patient_id"], enriched["timepoint"], strict=True)) == planted
    assert set(enriched["agreement"]) == {"both"}
    few = trial.read("mutational_signatures").query("patient_id == 'PALBO-003' and timepoint == 'BL'")
    assert set(few["reason"]) == {"FEW_MUTATIONS"} and few["share"].isna().all()


def test_every_empty_cell_has_a_reason_and_none_of_them_is_zero(trial: Trial) -> None:
    table = trial.read("integrated_resistance_table")
    assert len(table) == 12 * 4
    features = [name.removesuffix("__status") for name in table.columns if name.endswith("__status")]
    assert len(features) > 80
    for feature in features:
        value, status = table[feature], table[f"{feature}__status"]
        assert status.notna().all(), feature
        observed = status == "OBSERVED"
        assert value[observed].notna().all(), feature
        assert value[~observed].isna().all(), feature
        assert set(status[~observed]) <= set(Absence), feature


def test_absence_says_why(trial: Trial) -> None:
    table = trial.read("integrated_resistance_table").set_index(["patient_id", "timepoint"])
    status = {
        ("PALBO-009", "PD", "he__stil_area_pct"): "NOT_EXPECTED",
        ("PALBO-010", "BL", "elisa__nrg1_pg_ml"): "PENDING",
        ("PALBO-006", "PD", "wes__n_nonsilent"): "QC_FAIL",
        ("PALBO-005", "W12", "facs__treg_pct_parent"): "PENDING",
        ("PALBO-010", "PD", "wes__n_nonsilent"): "PENDING",
        (WITHDRAWN, "BL", "he__stil_area_pct"): "WITHDRAWN",
    }
    said = {key: table.loc[key[:2], f"{key[2]}__status"] for key in status}
    assert said == status


def test_measured_values_are_near_what_was_planted(trial: Trial) -> None:
    table = trial.read("integrated_resistance_table").set_index(["patient_id", "timepoint"])
    compared = dict.fromkeys(("til", "nrg1", "e1", "treg", "subtype"), 0)
    for patient, timepoint, sample in trial.samples():
        row = table.loc[(patient, timepoint)]
        if pd.notna(row["he__stil_area_pct"]):
            compared["til"] += 1
            assert abs(row["he__stil_area_pct"] - sample["til_pct"]) < 6
        if pd.notna(row["elisa__nrg1_pg_ml"]):
            compared["nrg1"] += 1
            assert abs(row["elisa__nrg1_pg_ml"] / sample["nrg1_pg_ml"] - 1) < 0.2
        if pd.notna(row["ihc__cyclin_e1_h_score"]):
            compared["e1"] += 1
            assert abs(row["ihc__cyclin_e1_h_score"] - sample["cyclin_e1_h_score"]) < 25
        if pd.notna(row["facs__treg_pct_parent"]):
            compared["treg"] += 1
            assert abs(row["facs__treg_pct_parent"] - sample["facs_pct_parent"]["Treg"]) < 1.5
        if pd.notna(row["rna__subtype"]):
            compared["subtype"] += 1
            assert row["rna__subtype"] == sample["subtype"]
    assert min(compared.values()) >= 5


def test_the_rise_of_neuregulin_reaches_the_integrated_table_with_its_interval(trial: Trial) -> None:
    wide = trial.read("integrated_resistance_table").set_index(["patient_id", "timepoint"])
    samples = trial.patients["PALBO-003"]["samples"]
    planted = math.log2(samples["PD"]["nrg1_pg_ml"] / samples["BL"]["nrg1_pg_ml"])
    row = wide.loc[("PALBO-003", "PD")]
    assert row["elisa__nrg1_log2_change"] == pytest.approx(planted, abs=0.3)
    assert row["elisa__nrg1_log2_change_low"] < row["elisa__nrg1_log2_change"] < row["elisa__nrg1_log2_change_high"]
    assert wide.loc[("PALBO-003", "BL"), "elisa__nrg1_log2_change__status"] == "NOT_EXPECTED"


def test_blood_is_cut_by_its_batch_compensated_by_its_controls_and_compared_between_visits(trial: Trial) -> None:
    gates = trial.read("facs_gates")
    assert gates["batch"].nunique() == 1 and (gates["source"] == "batch").sum() > 0.9 * gates["source"].notna().sum()
    quality = trial.read("facs_qc").set_index(["patient_id", "timepoint"])
    with_controls = quality.loc[("PALBO-004", "W12")]
    assert with_controls["compensation"] == "single_stains" and "FMO PD-1" in with_controls["controls"].split(";")
    assert quality.loc[("PALBO-004", "W06"), "compensation"] == "file"
    cells = trial.read("facs_abundances").set_index(["patient_id", "timepoint", "population"])
    leukocytes = cells.loc[("PALBO-004", "W06", "CD45")]
    assert leukocytes["abs_method"] == "single" and leukocytes["abs_per_ul"] == pytest.approx(3_600, rel=0.1)
    planted = {
        (one["patient_id"], at): sample for one in trial.patients.values() for at, sample in one["samples"].items()
    }
    absolute = cells.xs("CD45", level="population").dropna(subset=["abs_per_ul"])
    assert set(absolute["abs_method"]) == {"single", "dual"}
    for key, measured in absolute["abs_per_ul"].items():
        assert measured == pytest.approx(planted[key]["wbc_per_ul"], rel=0.1), key
    changes = trial.read("facs_changes").set_index(["patient_id", "earlier", "later", "what", "measure"])
    treg = changes.loc[("PALBO-004", "BL", "W06", "Treg", "pct_parent")]
    assert treg["log2_ratio"] == pytest.approx(math.log2(0.36), abs=0.35) and pd.isna(treg["flags"])
    later = changes.loc[("PALBO-004", "W06", "W12", "Treg", "pct_parent")]
    assert (later["earlier_cycle_day"], later["later_cycle_day"]) == (15, 1)
    assert set(later["flags"].split(";")) == {"compensation", "cycle_day"}
    ratios = trial.read("facs_ratios").set_index(["patient_id", "timepoint", "ratio"])
    assert ratios.loc[("PALBO-004", "BL", "CD4_CD8"), "value"] == pytest.approx(62 / 32, rel=0.1)


def test_copies_and_cell_fractions_are_the_planted_ones(trial: Trial) -> None:
    genes = trial.read("gene_copy_number").set_index(["patient_id", "timepoint", "gene"])
    judged = genes[genes["state"] != "NOT_EVALUABLE"]
    assert {patient for patient, _, _ in judged.index} == {f"PALBO-{number:03d}" for number in (1, 2, 4, 12)}
    for (patient, timepoint, gene), row in judged.iterrows():
        planted = trial.patients[patient]["samples"][timepoint]["copy_number"].get(gene, 2)
        assert round(row["copies"]) == planted
    calls = trial.read("somatic_calls")
    compared = 0
    for row in calls[calls["ccf"].notna() & (calls["filter"] == "PASS")].to_dict("records"):
        sample = trial.patients[row["patient_id"]]["samples"][row["timepoint"]]
        [mutation] = [one for one in sample["mutations"] if one["hgvsp_short"] == row["hgvsp_short"]]
        compared += 1
        assert row["ccf_low"] - 0.1 <= mutation["ccf"] <= row["ccf_high"] + 0.1
    assert compared >= 8


def test_response_and_survival_are_the_planted_ones(trial: Trial) -> None:
    response = trial.read("treatment_response").set_index("patient_id")
    for name, patient in trial.patients.items():
        if patient["withdrawn"]:
            continue
        said = response.loc[name, ["pfs_days", "pfs_event", "best_overall_response"]].tolist()
        assert said == [patient["pfs_days"], patient["pfs_event"], patient["best_overall_response"]]


def test_a_swapped_pair_blocks_every_paired_exome_conclusion_of_both_patients(trial: Trial) -> None:
    states = trial.read("resistance_states")
    for patient in ("PALBO-006", "PALBO-007"):
        wes = states[(states["patient_id"] == patient) & (states["source"] == "wes") & (states["timepoint"] == "PD")]
        assert set(wes["state"]) == {"NOT_EVALUABLE"}
        assert wes["reason"].str.contains("E_IDENTITY_MISMATCH").any()


def test_the_withdrawn_patient_is_nowhere_but_in_the_lists_that_say_so(trial: Trial) -> None:
    named = set()
    for product, spec in SPECS.items():
        if "patient_id" in spec.table.column_names and (trial.read(product)["patient_id"] == WITHDRAWN).any():
            named.add(product)
    assert named <= {"patients", "sample_manifest", "delivery_ledger", "integrated_resistance_table"}
    row = trial.read("integrated_resistance_table").set_index("patient_id").loc[WITHDRAWN]
    values = [name.removesuffix("__status") for name in row.columns if name.endswith("__status")]
    measured = [name for name in values if not name.startswith("clinical__")]
    assert row[measured].isna().all().all()


def test_a_value_leads_back_to_the_file_that_the_lab_dropped(trial: Trial) -> None:
    found = trace_value(trial.warehouse, "PALBO-003", "PD", "he__stil_area_pct")
    assert found.origin is not None
    file = found.origin.files[0]
    assert file["sha256"] == trial.raw_before[trial.home.landing / file["path"]]
    assert file["delivery"] == "pathology/slides-01"


def test_a_plasma_value_leads_through_every_product_to_its_files(trial: Trial) -> None:
    found = trace_value(trial.warehouse, "PALBO-001", "PD", "ctdna__max_vaf").as_json()
    text = json.dumps(found["origin"])
    assert "consensus_bam" in text
    assert "panel_bed" in text
    assert "ctdna_background" in text


def test_the_pairs_carry_deltas_with_a_reason_for_every_gap(trial: Trial) -> None:
    pairs = trial.read("integrated_resistance_pairs").set_index("patient_id")
    one = pairs.loc["PALBO-003"]
    assert one["he__stil_area_pct__delta"] == pytest.approx(one["he__stil_area_pct__pd"] - one["he__stil_area_pct__bl"])
    for name in [name for name in pairs.columns if name.endswith("__pair_status")]:
        assert pairs[name].notna().all(), name


def test_the_dictionary_describes_every_column_of_every_table(trial: Trial) -> None:
    dictionary = trial.read("data_dictionary")
    listed = set(zip(dictionary["table_name"], dictionary["column_name"], strict=True))
    for spec in SPECS.values():
        assert {(spec.name, column) for column in spec.table.column_names} <= listed
    assert (dictionary["description"].str.len() > 0).all()


def test_analysts_read_parquet_by_its_name(trial: Trial) -> None:
    import duckdb

    folder = trial.home.products / "expression"
    [(count,)] = duckdb.sql(f"SELECT count(DISTINCT specimen_id) FROM '{folder}/*.parquet'").fetchall()
    assert count == len(list(folder.glob("*.parquet")))


def test_the_cohort_page_is_one_file_without_network_or_dates(trial: Trial) -> None:
    page = (trial.home.pages / "cohort.html").read_text(encoding="utf-8")
    body = page.split("<script>")[0]
    assert "PALBO" not in body or "2017-" not in page
    for outside in ('src="http', 'href="http', "cdn.", "@import"):
        assert outside not in body
    assert '"state": "PRESENT"' in page or '"PRESENT"' in page


def frozen(trial: Trial, name: str) -> Path:
    return freeze(trial.warehouse, SPECS, name, study="TWIN", state=State(), withdrawn=frozenset({WITHDRAWN})).folder


def test_a_release_holds_every_table_that_may_leave_and_nobody_who_withdrew(trial: Trial) -> None:
    folder = frozen(trial, "first")
    assert verify(folder, {WITHDRAWN}).whole
    assert verify(folder, {WITHDRAWN}).withdrawn == ()
    tables = {file.stem for file in (folder / "tables").iterdir()}
    assert set(SPECS) - tables == set(WITHHELD)
    integrated = pd.read_csv(folder / "csv" / "integrated_resistance_table.csv")
    assert set(integrated["patient_id"]) == set(trial.patients) - {WITHDRAWN}
    for file in folder.rglob("*"):
        if file.suffix in (".csv", ".json", ".md"):
            assert WITHDRAWN not in file.read_text(encoding="utf-8"), file


def test_a_second_ingest_changes_nothing(trial: Trial) -> None:
    before = trial.warehouse.versions()
    again = ingest(trial.home, workers=1)
    assert again.runs == []
    assert trial.warehouse.versions() == before


def test_a_corrected_file_renews_its_sample_and_what_depends_on_it_and_nothing_else(trial: Trial) -> None:
    before = trial.warehouse.versions()
    old = frozen(trial, "before-correction")
    source = next(trial.home.landing.glob("rna/rna-01/PALBO-009-BL-T1/quant.sf"))
    lines = source.read_text().splitlines(keepends=True)
    fields = lines[1].rstrip("\n").split("\t")
    lines[1] = "\t".join([*fields[:4], f"{float(fields[4]) + 5:.3f}"]) + "\n"
    delivery = trial.home.landing / "rna" / "rna-03"
    (delivery / "PALBO-009-BL-T1").mkdir(parents=True)
    corrected = delivery / "PALBO-009-BL-T1" / "quant.sf"
    corrected.write_text("".join(lines))
    (delivery / "delivery.csv").write_text(
        "file,modality,patient_id,timepoint,specimen_id,sha256,role\n"
        f"PALBO-009-BL-T1/quant.sf,rnaseq,PALBO-009,BL,PALBO-009-BL-T1,{file_sha256(corrected)},quant\n"
    )
    result = ingest(trial.home, workers=1)
    assert result.failed == []
    after = trial.warehouse.versions()
    changed = {key for key in after if before.get(key) != after[key]}
    samples = {key for key in changed if "|" in key[1]}
    assert {partition for _, partition in samples} == {"PALBO-009|BL"}
    assert {product for product, _ in samples} == {
        "expression", "rna_qc", "expression_signatures", "intrinsic_subtype", "immune_deconvolution", "facts",
    }  # fmt: skip
    assert {partition for product, partition in changed if SPECS[product].level == "patient"} == {"PALBO-009"}
    receipt = json.loads((trial.home.landing / "rna" / "rna-01" / "receipt.json").read_text(encoding="utf-8"))
    replaced = next(file for file in receipt["files"] if "PALBO-009-BL" in file["file"])
    assert replaced["status"] == "SUPERSEDED"

    changes = compare(old, frozen(trial, "after-correction"))
    assert {"expression", "rna_qc"} <= {one.table for one in changes}
    told = {cause for one in changes for cause in one.causes}
    assert "file rnaseq/quant of PALBO-009 BL" in told
    assert told <= {"file rnaseq/quant of PALBO-009 BL", "what has been delivered"}


def test_rna_is_compared_with_all_others_and_is_its_own_patients(trial: Trial) -> None:
    matches = trial.read("identity_matches")
    rna = matches[matches["source"] == "rna"]
    assert set(rna["patient_id"]) == {"PALBO-001", "PALBO-002"} and set(rna["verdict"]) == {"self_match"}
    # The twin's small genome has no X: nothing is said of sex, and nobody is accused.
    assert set(trial.read("sex_concordance")["agreement"]) == {"not_evaluable"}


def test_a_swap_is_put_right_by_relabelling_and_taken_back_without_a_trace_in_the_products(trial: Trial) -> None:
    before = trial.warehouse.versions()
    failures = trial.read("identity_failures")
    partners = dict(zip(failures["patient_id"], failures["likely_partner"], strict=True))
    assert partners == {"PALBO-006": "PALBO-007", "PALBO-007": "PALBO-006"}
    tumours = [f"sequencing/wes-{patient}-PD/{patient}-PD-T.bam" for patient in sorted(partners)]
    relabel.swap(trial.warehouse.engine, *tumours, reason="genotypes name the partner", actor="data management")
    assert ingest(trial.home, workers=1).failed == []

    after = trial.warehouse.versions()
    changed = {key for key in after if before.get(key) != after[key]}
    assert {key for product, key in changed if "|" in key and product != "facts"} == {"PALBO-006|PD", "PALBO-007|PD"}
    # Facts ask whose the patient's samples are, so the failure that is gone renews the baseline's too.
    assert {key for product, key in changed if product == "facts"} == {
        f"{patient}|{timepoint}" for patient in partners for timepoint in ("BL", "PD")
    }
    assert {key for product, key in changed if SPECS[product].level == "patient"} == set(partners)
    assert not {"expression", "til_scores", "ctdna_calls", "nrg1_elisa"} & {product for product, _ in changed}
    assert trial.read("identity_failures").empty
    states = trial.read("resistance_states").set_index(["patient_id", "timepoint", "source"]).sort_index()
    for patient in partners:
        assert (states.loc[(patient, "PD", "wes"), "state"] != "NOT_EVALUABLE").any()

    relabel.undo(trial.warehouse.engine, tumours, reason="only tried", actor="data management")
    assert ingest(trial.home, workers=1).failed == []
    undone = trial.warehouse.versions()
    assert {key: each.data_version for key, each in undone.items()} == {
        key: each.data_version for key, each in before.items()
    }
    # Files carry the run in their rows; what stands in SQL has the same content again.
    in_sql = {key for key in before if SPECS[key[0]].table.storage is Storage.SQL}
    assert {key: undone[key].content_sha256 for key in in_sql} == {key: before[key].content_sha256 for key in in_sql}


def test_the_plasma_drawn_after_the_order_is_read_where_the_trial_wanted_to_look(trial: Trial, tmp_path: Path) -> None:
    """The loop closes: what was acquired off the panel is on its next version, and a plasma on that shows it."""
    before = trial.warehouse.versions()
    patient = _planted(trial.patients["PALBO-002"])
    genome = build_genome(tmp_path / "genome", int(trial.truth["seed"]))
    folder = trial.home.landing / "plasma" / "panel-v2"
    folder.mkdir()
    bed = folder / "panel_v2.bed"
    bed.write_text(next_panel_bed(trial.read("ctdna_panels"), trial.read("ctdna_panel_extension"), "v2"))
    [plasma] = ctdna.write(patient.samples["PD"], patient, genome, bed, folder, np.random.default_rng(12))
    (folder / "delivery.csv").write_text(
        "file,modality,patient_id,timepoint,specimen_id,sample_name,genome_build,panel_version,sha256,role\n"
        f"{bed.name},ctdna,,,,,{genome.build},v2,{file_sha256(bed)},panel_bed\n"
        f"{plasma.file},ctdna,PALBO-002,PD,PALBO-002-PD-P2,{plasma.sample_name},{genome.build},v2,"
        f"{file_sha256(folder / plasma.file)},consensus_bam\n"
    )
    result = ingest(trial.home, workers=1)
    assert result.failed == []

    chrom, pos, *_ = genome.mutation("FAT1", "p.R250*")
    [planted] = [one for one in patient.samples["PD"].mutations if (one.chrom, one.pos) == (chrom, pos)]
    calls = trial.read("ctdna_calls")
    there = calls[(calls["chrom"] == chrom) & (calls["pos"] == pos) & (calls["alt"] == planted.alt)]
    new = there[there["panel_version"] == "v2"]
    assert new["specimen_id"].tolist() == ["PALBO-002-PD-P2"] and new["state"].tolist() == ["PRESENT"]
    assert new["vaf"].iloc[0] == pytest.approx(planted.plasma_vaf, rel=0.5)
    # It was looked for because this cohort showed it: that says nothing of how common it is.
    assert new["chosen_from_cohort"].tolist() == [True]
    # Older plasmas never looked there, and nothing is said of them for it.
    old = there[there["panel_version"] != "v2"]
    assert len(old) > 10 and set(old["state"]) == {"NOT_ASSAYED"}
    changed = {key for key, version in trial.warehouse.versions().items() if before.get(key) != version}
    assert {key for product, key in changed if "|" in key and product != "facts"} == {"PALBO-002|PD"}
    # Variants of the patient are counted in every sample, so the baseline's facts know the new one.
    assert {key for product, key in changed if product == "facts"} == {"PALBO-002|BL", "PALBO-002|PD"}
    states = trial.read("resistance_states").set_index(["patient_id", "timepoint", "mechanism", "source"])
    assert states.loc[("PALBO-002", "PD", "FAT1_LOF", "ctdna"), "state"] == "PRESENT"
    assert states.loc[("PALBO-002", "PD", "FAT1_LOF", "ctdna"), "chosen_from_cohort"]
    # The tumour alone says that it was acquired: no circle, so the pair counts.
    transitions = trial.read("resistance_transitions").set_index(["patient_id", "mechanism"])
    acquired = transitions.loc[("PALBO-002", "FAT1_LOF")]
    assert (acquired["transition"], bool(acquired["chosen_from_cohort"])) == ("acquired", False)
    counted = trial.read("resistance_statistics").set_index("item").loc["FAT1_LOF"]
    assert counted["n_up"] >= 1 and counted["n_chosen_from_cohort"] == 0
    assert trial.read("ctdna_panel_extension").empty  # what was ordered isn't ordered again


def _planted(patient: dict[str, Any]) -> PatientTruth:
    """The patient's truth as the twin's writers take it."""

    def sample(stated: dict[str, Any]) -> SampleTruth:
        mutations = {
            name: tuple(PlantedMutation(**one) for one in stated[name]) for name in ("mutations", "passengers")
        }
        return SampleTruth(**{**stated, **mutations})

    return PatientTruth(**{**patient, "samples": {name: sample(one) for name, one in patient["samples"].items()}})
