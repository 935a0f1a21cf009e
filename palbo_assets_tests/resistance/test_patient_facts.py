"""What a patient's samples tell together becomes facts of a timepoint or of the pair; what wasn't told is never 0."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from palbo_assets.ctdna.tables import CTDNA_FITNESS, CTDNA_ORIGINS, CTDNA_QC, CTDNA_RESIDUAL_DISEASE
from palbo_assets.platform.tables import validate
from palbo_assets.resistance.facts import facts_of_patient
from palbo_assets.resistance.features import Grain
from palbo_assets.resistance.tables import ACQUIRED_ALTERATIONS, CATALOGUE, COHORT_FACTS, PATIENT_FACTS
from palbo_assets.wes.tables import (
    CLONAL_VARIANTS,
    CLONE_PREVALENCE,
    IDENTITY_FAILURES,
    PAIRED_MUTATIONAL_BURDEN,
    PLASMA_CONTAMINATION,
    PRIVATE_SIGNATURES,
    READ_QC,
    SAMPLE_IDENTITY,
    SEX_CONCORDANCE,
)
from palbo_assets_tests.resistance.frames import (
    D538G,
    H1047R,
    R320X,
    P,
    identity,
    plasma_qc,
    read_qc,
    rows_of,
    specimen,
)


def facts_of(**tables: pd.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    tables = {"identity_failures": rows_of(IDENTITY_FAILURES), "ctdna_fitness": rows_of(CTDNA_FITNESS), **tables}
    rows = facts_of_patient(CATALOGUE.at(Grain.PATIENT, Grain.PAIR), tables)
    validate(PATIENT_FACTS, rows_of(PATIENT_FACTS, *({"patient_id": P, **row} for row in rows)))
    for row in rows:
        assert (row["status"] == "OBSERVED") == (row["value"] is not None or row["value_text"] is not None)
    return {(row["timepoint"], row["feature"]): row for row in rows}


def alteration(variant: dict[str, Any], verdict: str, **more: Any) -> dict[str, Any]:
    words = {"protein_changing": True, "seen_in": "tumour", "reason": "" if verdict == "acquired" else "LOW_POWER"}
    return {
        "patient_id": P, "timepoint": "PD", **variant, **words, "verdict": verdict, "baseline": "tumour 0/200: ABSENT",
        "confident": True, "doubts": "", **more,
    }  # fmt: skip


def pair(
    *alterations: dict[str, Any],
    points: tuple[str, ...] = ("BL", "PD"),
    failures: tuple[dict[str, Any], ...] = (),
    mismatch: str = "",
) -> dict[tuple[str, str], dict[str, Any]]:
    identities = (identity(one, "mismatch" if one == mismatch else "matched") for one in points)
    return facts_of(
        sample_identity=rows_of(SAMPLE_IDENTITY, *identities),
        read_qc=rows_of(READ_QC, *(read_qc(one) for one in points)),
        identity_failures=rows_of(IDENTITY_FAILURES, *failures),
        acquired_alterations=rows_of(ACQUIRED_ALTERATIONS, *alterations),
    )


def test_acquired_alterations_are_counted_and_named_and_what_lacked_power_is_counted_apart() -> None:
    found = pair(
        alteration(D538G, "acquired"), alteration(R320X, "pd_only_indeterminate"), alteration(H1047R, "preexisting")
    )
    assert found["PD", "acquired__n_alterations"]["value"] == 1
    assert found["PD", "acquired__n_indeterminate"]["value"] == 1
    assert found["PD", "acquired__genes"]["value_text"] == "ESR1"
    words = {gene: found["PD", f"acquired__{gene}"]["value_text"] for gene in ("esr1", "rb1", "pik3ca", "pten")}
    assert words == {
        "esr1": "acquired", "rb1": "pd_only_indeterminate", "pik3ca": "preexisting", "pten": "none detected",
    }  # fmt: skip


def test_of_several_alterations_of_a_gene_the_acquired_one_speaks() -> None:
    found = pair(alteration(R320X, "preexisting"), alteration(R320X | {"pos": 9}, "acquired"))
    assert found["PD", "acquired__rb1"]["value_text"] == "acquired"


def test_what_cannot_be_evaluated_is_no_zero_and_no_word() -> None:
    found = pair(alteration(D538G, "not_evaluable"))
    count, word = found["PD", "acquired__n_alterations"], found["PD", "acquired__esr1"]
    assert (count["value"], count["status"]) == (None, "NOT_EVALUABLE")
    assert (word["value_text"], word["status"]) == (None, "NOT_EVALUABLE")


def test_a_progression_that_shows_nothing_counts_no_acquired_alteration_not_even_none() -> None:
    found = pair()
    assert found["PD", "acquired__n_alterations"]["status"] == "NOT_EVALUABLE"
    assert found["PD", "acquired__n_alterations"]["reason"] == "NO_SUCH_ROW"


def test_a_pair_without_baseline_has_no_fact_and_takes_the_reason_of_its_delivery() -> None:
    assert pair(points=("PD",)) == {}


@pytest.mark.parametrize("point", ["BL", "PD"])
def test_one_sample_that_is_not_the_patients_takes_the_whole_pair(point: str) -> None:
    found = pair(alteration(D538G, "acquired"), mismatch=point)
    assert {row["status"] for row in found.values()} == {"QC_FAIL"}
    swapped = {**specimen("BL"), "source": "tumour", "verdict": "swap"}
    assert {row["reason"] for row in pair(alteration(D538G, "acquired"), failures=(swapped,)).values()} == {
        "E_IDENTITY_MISMATCH"
    }


def exomes(**tables: pd.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    return facts_of(
        sample_identity=rows_of(SAMPLE_IDENTITY, identity("BL"), identity("PD")),
        read_qc=rows_of(READ_QC, read_qc("BL"), read_qc("PD")),
        **tables,
    )


def clone(timepoint: str, number: int, change: str | None) -> dict[str, Any]:
    shares = {"prevalence": 0.5, "prevalence_low": 0.4, "prevalence_high": 0.6, "clonal": False}
    return {**specimen(timepoint), "clone": number, "n_variants": 5, **shares, "change": change}


def test_clones_that_rose_are_counted_once_and_an_unfitted_patient_has_no_number_of_them() -> None:
    rows = [clone("BL", 1, None), clone("BL", 2, None), clone("PD", 1, "NO_CHANGE_SHOWN"), clone("PD", 2, "EXPANDED")]
    again = clone("PD", 2, "EXPANDED") | {"specimen_id": "second"}
    found = exomes(clone_prevalence=rows_of(CLONE_PREVALENCE, *rows, again))
    assert found["PD", "clones__n_clones"]["value"] == 2
    assert found["PD", "clones__n_rising"]["value"] == 1
    nothing = exomes(clone_prevalence=rows_of(CLONE_PREVALENCE))
    assert {row["status"] for row in nothing.values()} == {"NOT_EVALUABLE"}


def test_variants_without_a_cell_fraction_are_not_counted_as_unchanged() -> None:
    row = {
        "patient_id": P,
        **D538G,
        "change": "NOT_EVALUABLE",
        "change_reason": "baseline NO_PURITY",
        "clone_reason": "",
    }
    found = exomes(clonal_variants=rows_of(CLONAL_VARIANTS, row))
    expanded = found["PD", "clones__variants_expanded"]
    assert (expanded["value"], expanded["status"], expanded["reason"]) == (None, "NOT_EVALUABLE", "baseline NO_PURITY")


def test_private_signatures_stand_at_their_own_timepoint_with_their_reasons() -> None:
    def apobec(timepoint: str, **more: Any) -> dict[str, Any]:
        return {**specimen(timepoint), "mutation_set": "private", "signature": "APOBEC", "undetermined": 0, **more}

    rows = (
        apobec("PD", share=0.6, low=0.4, high=0.7, mutations=80, apobec_high=True, status="OBSERVED"),
        apobec("BL", mutations=4, status="NOT_EVALUABLE", reason="FEW_MUTATIONS"),
    )
    found = exomes(private_signatures=rows_of(PRIVATE_SIGNATURES, *rows))
    assert found["PD", "wes__private_apobec_share"]["value"] == 0.6
    assert found["PD", "wes__private_apobec_high"]["value_text"] == "true"
    assert found["BL", "wes__private_apobec_share"]["reason"] == "FEW_MUTATIONS"


def test_plasma_without_tumour_dna_is_below_its_limit_and_an_unread_one_is_not_assayed() -> None:
    def residual(timepoint: str, state: str, **more: Any) -> dict[str, Any]:
        counts = {"n_tracked": 3, "n_sites": 3, "n_sites_with_molecules": 0, "molecules": 9000, "alt_molecules": 0}
        return {**specimen(timepoint, "P"), **counts, "state": state, "reason": "", **more}

    rows = (
        residual("W06", "ABSENT", lod95_tumour_fraction=0.001),
        residual("PD", "PRESENT", tumour_fraction=0.02),
        residual("W12", "NOT_ASSAYED", reason="NO_SITE_ON_PANEL"),
    )
    found = facts_of(
        ctdna_qc=rows_of(CTDNA_QC, *(plasma_qc(one) for one in ("W06", "W12", "PD"))),
        ctdna_residual_disease=rows_of(CTDNA_RESIDUAL_DISEASE, *rows),
    )
    assert found["W06", "ctdna__residual_state"]["value_text"] == "ABSENT"
    below = found["W06", "ctdna__residual_tumour_fraction"]
    assert (below["value"], below["status"], below["censor"], below["lod"]) == (None, "BELOW_LLOQ", "<", 0.001)
    assert found["PD", "ctdna__residual_tumour_fraction"]["value"] == 0.02
    assert found["W12", "ctdna__residual_state"]["status"] == "NOT_ASSAYED"


def test_origins_that_white_cells_do_not_tell_are_no_zero_of_clonal_haematopoiesis() -> None:
    def origin(variant: dict[str, Any], word: str) -> dict[str, Any]:
        named = {name: variant[name] for name in ("chrom", "pos", "ref", "alt", "gene", "hgvsp_short")}
        return {**specimen("PD", "P"), **named, "state": "PRESENT", "vaf": 0.01, "origin": word, "reason": "TEST"}

    def counted(*rows: dict[str, Any]) -> dict[str, tuple[Any, str]]:
        found = facts_of(ctdna_qc=rows_of(CTDNA_QC, plasma_qc("PD")), ctdna_origins=rows_of(CTDNA_ORIGINS, *rows))
        return {name: (row["value"], row["status"]) for (_, name), row in found.items()}

    told = counted(origin(D538G, "TUMOUR"), origin(H1047R, "CHIP"), origin(R320X, "UNRESOLVED"))
    assert told["ctdna__n_of_tumour"] == told["ctdna__n_of_white_cells"] == (1, "OBSERVED")
    assert told["ctdna__n_of_unknown_origin"] == (1, "OBSERVED")
    untold = counted(origin(D538G, "UNRESOLVED"))
    assert untold["ctdna__n_of_white_cells"] == (None, "NOT_EVALUABLE")
    assert counted()["ctdna__n_of_white_cells"] == (0, "OBSERVED")


def burden(timepoint: str, **more: Any) -> dict[str, Any]:
    return {**specimen(timepoint), "baseline_specimen_id": f"{P}-BL-T", **more}


def test_burden_of_a_pair_is_that_of_progression_over_the_bases_of_both() -> None:
    about = {"status": "OBSERVED", "reason": "", "shared_mutations": 30, "p_value": 0.01}
    rows = burden("W06", change_per_mb=9.0, **about), burden("PD", change_per_mb=1.5, **about)
    found = exomes(paired_mutational_burden=rows_of(PAIRED_MUTATIONAL_BURDEN, *rows))
    assert found["PD", "burden__change_per_mb"]["value"] == 1.5
    assert found["PD", "burden__p_value"]["value"] == 0.01
    assert ("W06", "burden__change_per_mb") not in found


def test_a_pair_that_was_never_compared_has_a_reason_and_no_change_of_burden() -> None:
    row = burden("PD", status="NOT_EVALUABLE", reason="FEW_CALLABLE_BASES")
    fact = exomes(paired_mutational_burden=rows_of(PAIRED_MUTATIONAL_BURDEN, row))["PD", "burden__change_per_mb"]
    assert (fact["value"], fact["status"], fact["reason"]) == (None, "NOT_EVALUABLE", "FEW_CALLABLE_BASES")


def test_samples_of_the_other_sex_take_the_pair_and_say_so() -> None:
    failures = tuple({**specimen(one), "source": "tumour", "verdict": "sex_mismatch"} for one in ("BL", "PD"))
    found = pair(alteration(D538G, "acquired"), failures=failures)
    assert {(row["status"], row["reason"]) for row in found.values()} == {("QC_FAIL", "E_SEX_MISMATCH")}


def sexes(agreement: str, reads: str, reason: str = "", points: tuple[str, ...] = ("BL", "PD")) -> dict[Any, Any]:
    row = {"patient_id": P, "recorded_sex": "female", "reads_sex": reads, "agreement": agreement, "reason": reason}
    rows = facts_of_patient(
        CATALOGUE.at(Grain.COHORT),
        {
            "sex_concordance": rows_of(SEX_CONCORDANCE, row),
            "sample_identity": rows_of(SAMPLE_IDENTITY, *(identity(one) for one in points)),
        },
    )
    validate(COHORT_FACTS, rows_of(COHORT_FACTS, *({"patient_id": P, **one} for one in rows)))
    return {(one["timepoint"], one["feature"]): one for one in rows}


def test_the_bloods_sex_stands_where_an_exome_of_the_patient_was_compared_and_nowhere_else() -> None:
    found = sexes("discordant", "male", "RECORD_OR_ALL_SAMPLES")
    assert {point for point, _ in found} == {"BL", "PD"}
    assert found["PD", "wes__blood_sex"]["value_text"] == "male"
    assert found["BL", "wes__sex_agreement"]["value_text"] == "discordant"
    assert sexes("concordant", "female", points=()) == {}


def test_a_sex_that_nobody_can_tell_is_no_agreement() -> None:
    found = sexes("not_evaluable", "unclear", "WITNESSES_DISAGREE")
    assert found["PD", "wes__blood_sex"]["value_text"] == "unclear"
    agreement = found["PD", "wes__sex_agreement"]
    assert (agreement["value_text"], agreement["status"]) == (None, "NOT_EVALUABLE")
    assert agreement["reason"] == "WITNESSES_DISAGREE"


def test_foreign_dna_in_plasma_is_told_with_its_verdict_and_never_0_where_it_was_not_estimated() -> None:
    about = {"n_sites": 80, "method": "normal_homozygous", "frequencies": "snp_bed"}
    known = {**specimen("PD", "P"), **about, "contamination": 0.05, "verdict": "fail", "reason": ""}
    unknown = {**specimen("W06", "P"), **about, "contamination": None, "verdict": None, "reason": "FEW_SNPS"}
    found = facts_of(
        ctdna_qc=rows_of(CTDNA_QC, plasma_qc("W06"), plasma_qc("PD")),
        plasma_contamination=rows_of(PLASMA_CONTAMINATION, known, unknown),
    )
    assert found["PD", "ctdna__contamination"]["value"] == 0.05
    assert found["PD", "ctdna__contamination_qc"]["value_text"] == "fail"
    missing = found["W06", "ctdna__contamination"]
    assert (missing["value"], missing["status"], missing["reason"]) == (None, "NOT_EVALUABLE", "FEW_SNPS")


def test_a_plasma_that_is_not_fit_has_no_tumour_dna_to_tell_of_and_says_why() -> None:
    about = {"n_sites": 80, "method": "normal_homozygous", "frequencies": "snp_bed", "reason": ""}
    foreign = {**specimen("PD", "P"), **about, "contamination": 0.05, "verdict": "fail"}
    unfit = {**specimen("PD", "P"), "verdict": "fail", "reasons": "foreign_dna", "not_checked": "", "foreign_dna": 0.05}
    residual = {**specimen("PD", "P"), "state": "PRESENT", "reason": "", "tumour_fraction": 0.02}
    found = facts_of(
        ctdna_qc=rows_of(CTDNA_QC, plasma_qc("PD")),
        ctdna_fitness=rows_of(CTDNA_FITNESS, unfit),
        plasma_contamination=rows_of(PLASMA_CONTAMINATION, foreign),
        ctdna_residual_disease=rows_of(CTDNA_RESIDUAL_DISEASE, residual),
    )
    told = found["PD", "ctdna__residual_tumour_fraction"]
    assert (told["value"], told["status"], told["reason"]) == (None, "QC_FAIL", "CTDNA_FITNESS_FAIL")
    assert found["PD", "ctdna__contamination"]["value"] == 0.05
    assert found["PD", "ctdna__fitness_reasons"]["value_text"] == "foreign_dna"
