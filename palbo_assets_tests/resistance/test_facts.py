"""A fact stands or says why it doesn't; what wasn't measured has none."""

from __future__ import annotations

from typing import Any

import pytest

from palbo_assets.ctdna.tables import CTDNA_BURDEN, CTDNA_CALLS, CTDNA_FITNESS, CTDNA_QC
from palbo_assets.cytometry.tables import FACS_ABUNDANCES, FACS_QC
from palbo_assets.histology.tables import IHC_IMAGES
from palbo_assets.platform.tables import validate
from palbo_assets.resistance.facts import sample_facts
from palbo_assets.resistance.features import NONE_DETECTED, Grain
from palbo_assets.resistance.tables import CATALOGUE, FACTS
from palbo_assets.rnaseq.tables import EXPRESSION_SIGNATURES, RNA_QC
from palbo_assets.serum.tables import NRG1_ELISA
from palbo_assets.study.vocabulary import STATUSES
from palbo_assets.wes.tables import IDENTITY_FAILURES, READ_QC, SAMPLE_IDENTITY, SOMATIC_CALLS
from palbo_assets_tests.resistance.frames import (
    D538G,
    H1047R,
    R320X,
    Y537S,
    P,
    identity,
    plasma,
    plasma_qc,
    read_qc,
    rows_of,
    somatic,
    specimen,
)


def facts_of(**tables) -> dict[str, dict[str, Any]]:
    also = {"identity_failures": rows_of(IDENTITY_FAILURES), "ctdna_fitness": rows_of(CTDNA_FITNESS)}
    rows = sample_facts(CATALOGUE.at(Grain.SAMPLE), {**also, **tables})
    validate(FACTS, rows_of(FACTS, *({"patient_id": P, "timepoint": "PD", **row} for row in rows)))
    for row in rows:
        assert row["status"] in STATUSES
        assert (row["status"] == "OBSERVED") == (row["value"] is not None or row["value_text"] is not None)
        assert (row["status"] == "OBSERVED") == (row["reason"] == "")
    return {row["feature"]: row for row in rows}


def exome(*calls, verdict: str = "pass", match: str = "matched", failures: tuple[dict[str, Any], ...] = ()):
    return facts_of(
        somatic_calls=rows_of(SOMATIC_CALLS, *calls),
        read_qc=rows_of(READ_QC, read_qc("PD", verdict=verdict)),
        sample_identity=rows_of(SAMPLE_IDENTITY, identity("PD", match)),
        identity_failures=rows_of(IDENTITY_FAILURES, *failures),
    )


def test_nothing_measured_gives_no_fact_at_all() -> None:
    assert facts_of() == {}
    assert facts_of(somatic_calls=rows_of(SOMATIC_CALLS), nrg1_elisa=rows_of(NRG1_ELISA)) == {}


def test_called_alterations_are_counted_and_named_per_gene() -> None:
    splice = {**R320X, "pos": 700, "hgvsp_short": None, "consequence": "Splice_Site"}
    silent = somatic("PD", {**H1047R, "pos": 51, "consequence": "Silent"})
    near_miss = somatic("PD", Y537S, filter="low_vaf")
    found = exome(somatic("PD", D538G), somatic("PD", R320X), somatic("PD", splice), silent, near_miss)
    assert found["wes__n_somatic"]["value"] == 4
    assert found["wes__n_nonsilent"]["value"] == 3
    assert found["wes__n_lof"]["value"] == 2
    assert found["wes__esr1_alterations"]["value_text"] == "p.D538G"
    assert found["wes__rb1_alterations"]["value_text"] == "Splice_Site;p.R320*"


@pytest.mark.parametrize(
    ("source", "verdict", "reason"),
    [
        ("tumour", "swap", "E_IDENTITY_MISMATCH"),
        ("tumour", "sex_mismatch", "E_SEX_MISMATCH"),
        ("rna", "swap", None),  # a biopsy's RNA may carry the name of its DNA
    ],
)
def test_an_exome_that_the_whole_study_tells_from_its_patient_has_no_value(
    source: str, verdict: str, reason: str | None
) -> None:
    found = exome(somatic("PD", D538G), failures=({**specimen("PD"), "source": source, "verdict": verdict},))
    fact = found["wes__n_somatic"]
    assert (fact["value"], fact["reason"]) == ((None, reason) if reason else (1, ""))
    assert found["wes__identity"]["value_text"] == "matched"  # what the verdicts are stays readable


def test_an_exome_without_calls_counts_0_and_never_says_wild_type() -> None:
    found = exome()
    assert found["wes__n_nonsilent"]["value"] == 0
    assert found["wes__esr1_alterations"]["value_text"] == NONE_DETECTED


def test_an_exome_whose_calls_were_never_published_has_no_count() -> None:
    found = facts_of(read_qc=rows_of(READ_QC, read_qc("PD")), sample_identity=rows_of(SAMPLE_IDENTITY, identity("PD")))
    assert "wes__n_nonsilent" not in found
    assert found["wes__tumour_mean_depth"]["value"] == 150.0


def test_an_identity_mismatch_takes_every_value_of_the_exome_but_the_verdict() -> None:
    found = exome(somatic("PD", D538G), match="mismatch")
    assert found["wes__identity"]["value_text"] == "mismatch"
    others = {name: row for name, row in found.items() if not name.startswith("wes__identity")}
    assert {row["status"] for row in others.values()} == {"QC_FAIL"}
    assert {row["reason"] for row in others.values()} == {"E_IDENTITY_MISMATCH"}


def test_an_exome_whose_identity_nobody_checked_is_not_evaluable() -> None:
    found = facts_of(
        read_qc=rows_of(READ_QC, read_qc("PD")), somatic_calls=rows_of(SOMATIC_CALLS, somatic("PD", D538G))
    )
    assert found["wes__n_nonsilent"]["status"] == "NOT_EVALUABLE"
    assert found["wes__n_nonsilent"]["reason"] == "NO_VERDICT: sample_identity"


def test_failed_read_quality_takes_the_values() -> None:
    assert exome(somatic("PD", D538G), verdict="fail")["wes__n_somatic"]["reason"] == "READ_QC_FAIL"


def test_of_two_specimens_the_one_that_passes_is_taken() -> None:
    second = {"specimen_id": "Z"}
    found = facts_of(
        somatic_calls=rows_of(SOMATIC_CALLS, somatic("PD", D538G), somatic("PD", H1047R) | second),
        read_qc=rows_of(READ_QC, read_qc("PD", verdict="fail"), read_qc("PD") | second),
        sample_identity=rows_of(SAMPLE_IDENTITY, identity("PD"), identity("PD") | second),
    )
    assert found["wes__n_somatic"]["value"] == 1
    assert found["wes__n_somatic"]["specimen_id"] == "Z"
    assert found["wes__pik3ca_alterations"]["value_text"] == "p.H1047R"
    assert found["wes__esr1_alterations"]["value_text"] == NONE_DETECTED


def nrg1(**more):
    row = {
        **specimen("PD", "S"), "plate_id": "p1", "plate_accepted": True, "dilution": 1.0, "n_plates": 1,
        "paired_plate": True, "status": "OBSERVED", "lloq_pg_ml": 62.5, "uloq_pg_ml": 4000.0, **more,
    }  # fmt: skip
    return facts_of(nrg1_elisa=rows_of(NRG1_ELISA, row))["elisa__nrg1_pg_ml"]


def test_a_concentration_keeps_its_value_and_unit() -> None:
    row = nrg1(concentration_pg_ml=512.0)
    assert (row["value"], row["unit"], row["status"]) == (512.0, "pg/mL", "OBSERVED")


def test_below_quantification_is_null_with_a_censor_mark_and_the_limit() -> None:
    row = nrg1(censored="<", status="BELOW_LLOQ", reason="below the lowest standard")
    assert (row["value"], row["status"], row["censor"], row["lod"]) == (None, "BELOW_LLOQ", "<", 62.5)


def test_above_quantification_is_null_with_the_upper_limit() -> None:
    row = nrg1(censored=">", status="NOT_EVALUABLE", reason="above the highest standard")
    assert (row["value"], row["status"], row["censor"], row["lod"]) == (None, "NOT_EVALUABLE", ">", 4000.0)


def test_a_rejected_plate_is_a_quality_failure() -> None:
    assert nrg1(status="QC_FAIL", reason="PLATE_REJECTED")["reason"] == "PLATE_REJECTED"


def blood(*calls, verdict: str = "pass"):
    burden = {**specimen("PD", "P"), "tumour_fraction": 0.1, "max_vaf": 0.05, "status": "OBSERVED"}
    return facts_of(
        ctdna_qc=rows_of(CTDNA_QC, plasma_qc("PD", verdict)),
        ctdna_calls=rows_of(CTDNA_CALLS, *calls),
        ctdna_burden=rows_of(CTDNA_BURDEN, burden),
    )


def test_of_several_images_the_one_that_differs_most_speaks_with_its_sign() -> None:
    images = [
        {**specimen("PD"), "image_sha256": str(place), "marker": "CYCLIN_E1", "mpp": 0.5, "n_tiles": 9, "n_nuclei": 900,
         "difference_points": points, "agrees": abs(points) <= 10, "status": "OBSERVED"}
        for place, points in enumerate((3.0, -12.0, 7.0))
    ]  # fmt: skip
    found = facts_of(ihc_images=rows_of(IHC_IMAGES, *images))
    assert found["ihc__cyclin_e1_image_minus_reading"]["value"] == -12.0
    assert found["ihc__cyclin_e1_image_agrees"]["value"] == 0


def test_plasma_states_become_values_limits_and_reasons() -> None:
    found = blood(plasma("PD", D538G, "PRESENT", vaf=0.05), plasma("PD", H1047R, "ABSENT"))
    assert found["ctdna__esr1_d538g_vaf"]["value"] == 0.05
    assert found["ctdna__esr1_max_vaf"]["value"] == 0.05
    absent = found["ctdna__pik3ca_max_vaf"]
    assert (absent["value"], absent["status"], absent["censor"], absent["lod"]) == (None, "BELOW_LLOQ", "<", 0.002)
    assert found["ctdna__rb1_max_vaf"]["reason"] == "NO_SUCH_ROW"
    assert found["ctdna__n_present"]["value"] == 1


def test_a_gene_with_one_locus_off_the_panel_is_not_assayed_however_the_others_are() -> None:
    found = blood(plasma("PD", D538G, "ABSENT"), plasma("PD", Y537S, "NOT_ASSAYED"))
    assert found["ctdna__esr1_max_vaf"]["status"] == "NOT_ASSAYED"
    assert found["ctdna__esr1_d538g_vaf"]["status"] == "BELOW_LLOQ"


def test_a_failed_plasma_has_no_value_left() -> None:
    found = blood(plasma("PD", D538G, "NOT_EVALUABLE", vaf=0.05), verdict="fail")
    assert {row["status"] for row in found.values()} == {"QC_FAIL"}


def test_absolute_and_relative_cell_counts_have_their_own_reasons() -> None:
    treg = {
        **specimen("PD", "B"), "population": "Treg", "parent": "CD4", "count": 120, "parent_count": 2000,
        "pct_parent": 6.0, "pct_cd45": 1.1, "gating": "populations", "status": "OBSERVED",
        "abs_status": "NOT_EVALUABLE", "abs_reason": "NO_BLOOD_COUNT_WITHIN_3_DAYS",
    }  # fmt: skip
    quality = {
        **specimen("PD", "B"), "events": 90000, "margin_pct": 0.1, "compensated": True, "verdict": "pass",
    }  # fmt: skip
    found = facts_of(facs_abundances=rows_of(FACS_ABUNDANCES, treg), facs_qc=rows_of(FACS_QC, quality))
    assert found["facs__treg_pct_parent"]["value"] == 6.0
    assert found["facs__treg_per_ul"]["reason"] == "NO_BLOOD_COUNT_WITHIN_3_DAYS"
    assert found["facs__nk_pct_parent"]["status"] == "NOT_EVALUABLE"


def gene_sets(*said: tuple[str, float | None, str]) -> dict[str, Any]:
    rows = [
        {**specimen("PD"), "signature": name, "score": score, "unit": "rank sum", "method": "ssgsea",
         "genes_present": 20, "status": status, "reason": "" if status == "OBSERVED" else "TOO_FEW_GENES"}
        for name, score, status in said
    ]  # fmt: skip
    quality = rows_of(RNA_QC, {**specimen("PD"), "status": "OBSERVED", "verdict": "pass"})
    tables = {"expression_signatures": rows_of(EXPRESSION_SIGNATURES, *rows), "rna_qc": quality}
    return facts_of(**tables)["rna__e2f_targets"]


def test_the_core_of_a_gene_set_stands_in_only_where_the_set_itself_is_not_listed() -> None:
    core, whole = ("E2F_TARGETS_CORE", 11.0, "OBSERVED"), ("HALLMARK_E2F_TARGETS", 22.0, "OBSERVED")
    assert gene_sets(core)["value"] == 11.0
    assert gene_sets(core, whole)["value"] == 22.0
    refused = gene_sets(core, ("HALLMARK_E2F_TARGETS", None, "NOT_EVALUABLE"))
    assert (refused["value"], refused["status"], refused["reason"]) == (None, "NOT_EVALUABLE", "TOO_FEW_GENES")
    assert gene_sets(("ANOTHER_SET", 5.0, "OBSERVED"))["reason"] == "NO_SUCH_ROW"


def test_a_fact_names_the_partition_and_version_that_it_is_from() -> None:
    tables = {
        "somatic_calls": rows_of(SOMATIC_CALLS),
        "read_qc": rows_of(READ_QC, read_qc("PD")),
        "sample_identity": rows_of(SAMPLE_IDENTITY, identity("PD")),
    }
    versions = {"somatic_calls": (f"{P}|PD", "v-calls"), "read_qc": (f"{P}|PD", "v-qc")}
    rows = {row["feature"]: row for row in sample_facts(CATALOGUE, tables, versions)}
    count = rows["wes__n_somatic"]
    assert (count["source_asset"], count["source_partition"], count["source_data_version"]) == (
        "somatic_calls", f"{P}|PD", "v-calls",
    )  # fmt: skip


@pytest.mark.parametrize("status", ["pass", "", "wat"])
def test_a_status_that_the_vocabulary_does_not_know_is_no_permission_to_believe_the_value(status) -> None:
    frame = rows_of(CTDNA_BURDEN, {**specimen("PD", "P"), "max_vaf": 0.05, "status": status})
    found = facts_of(ctdna_qc=rows_of(CTDNA_QC, plasma_qc("PD")), ctdna_burden=frame)
    assert found["ctdna__max_vaf"]["status"] == "NOT_EVALUABLE"
