"""Asset checks of the room: for each product its contract and at least one biological or technical expectation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.tables import (
    CTDNA_BACKGROUND,
    CTDNA_BURDEN,
    CTDNA_CALLS,
    CTDNA_CONTROLS,
    CTDNA_FITNESS,
    CTDNA_INDEX_HOPPING,
    CTDNA_MOLECULES,
    CTDNA_ORIGINS,
    CTDNA_PANELS,
    CTDNA_QC,
    CTDNA_RESIDUAL_DISEASE,
    CTDNA_RUN_QC,
    CTDNA_WET_LAB,
    PATIENT_GENOTYPES,
    PLASMA_SNP_GENOTYPES,
)
from palbo_assets.platform.checks import row_check, schema_check
from palbo_assets.study.partitions import BATCH, COHORT, PATIENT, SAMPLE
from palbo_assets.study.vocabulary import OBSERVED, CallState

if TYPE_CHECKING:
    import pandas as pd

_DEFAULTS = Settings()


@row_check(CTDNA_WET_LAB, BATCH, description="Each plasma gave the cfDNA input below which nothing can be said")
def input_suffices(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["input_ng"] < _DEFAULTS.input_ng_fail).fillna(False)]


@row_check(CTDNA_WET_LAB, BATCH, description="No plasma is haemolysed, and none is serum")
def plasma_is_plasma(rows: pd.DataFrame) -> pd.DataFrame:
    haemolysed = (rows["haemolysis_grade"] >= _DEFAULTS.haemolysis_fail).fillna(False)
    return rows[haemolysed | (rows["specimen_type"] != "PLASMA").fillna(False)]


@row_check(CTDNA_PANELS, COHORT, description="A region holds bases, and a version states each interval once")
def regions_are_intervals(rows: pd.DataFrame) -> pd.DataFrame:
    stated = ["panel_version", "bed_sha256", "chrom", "start", "end", "gene", "exon"]
    return rows[(rows["end"] <= rows["start"]) | rows.duplicated(stated, keep=False)]


@row_check(CTDNA_PANELS, COHORT, description="A panel version is one BED: of two, nobody can tell what was assayed")
def a_version_is_one_bed(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows.groupby("panel_version")["bed_sha256"].transform("nunique") > 1]


@row_check(PLASMA_SNP_GENOTYPES, SAMPLE, description="Molecules with the alternative are part of the depth")
def snp_counts_are_consistent(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["alt_count"] > rows["depth"]]


@row_check(CTDNA_BACKGROUND, COHORT, description="No kind of error is commoner than a consensus can leave")
def consensus_errors_are_rare(rows: pd.DataFrame) -> pd.DataFrame:
    """A kind above this rate is no background of consensus reads: raw reads, another panel, or spoilt plasmas."""
    return rows[(rows["level"] == "kind") & (rows["rate"] > _DEFAULTS.background_rate_warn)]


@row_check(CTDNA_CONTROLS, COHORT, description="Controls without template are empty, and standards show their alleles")
def controls_show_what_they_should(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["verdict"].isin(["warn", "fail"])]


@row_check(CTDNA_CONTROLS, COHORT, description="Each control says of which run it is, and could be judged")
def controls_can_be_judged(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["sequencing_run"] == "") | (rows["element"] == "control")]


@row_check(CTDNA_RUN_QC, COHORT, description="No run failed its controls")
def runs_pass_their_controls(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["verdict"] == "fail").fillna(False)]


@row_check(CTDNA_RUN_QC, COHORT, description="No library shares one of its two indexes with another one of its run")
def indexes_are_unique(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[~rows["unique_dual_index"].fillna(True).astype(bool)]


@row_check(CTDNA_INDEX_HOPPING, COHORT, description="No allele of a plasma is made by copies of another library")
def alleles_are_the_librarys_own(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["verdict"] == "explained").fillna(False)]


@row_check(CTDNA_MOLECULES, SAMPLE, description="Some molecule votes at every base of the panel")
def every_base_is_reached(rows: pd.DataFrame) -> pd.DataFrame:
    votes = [f"{what}_{strand}" for strand in ("forward", "reverse") for what in ("a", "c", "g", "t", "deleted")]
    return rows[rows[votes].sum(axis=1) == 0]


@row_check(CTDNA_QC, SAMPLE, description="Both strands of the molecules were read about equally often")
def strands_are_balanced(rows: pd.DataFrame) -> pd.DataFrame:
    """Raw reads only: a library whose pairs come from one strand can't be duplex, and its artefacts go unseen."""
    return rows[(~rows["strand_balance"].between(*_DEFAULTS.strand_balance)).fillna(False)]


@row_check(CTDNA_QC, SAMPLE, description="Barcodes are diverse enough to tell molecules with the same ends apart")
def barcodes_tell_molecules_apart(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["umi_collision"] > _DEFAULTS.umi_collision_warn).fillna(False)]


@row_check(CTDNA_QC, SAMPLE, description="The plasma passed quality")
def quality_did_not_fail(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["verdict"] == "fail").fillna(False) | (rows["status"] != OBSERVED)]


@row_check(CTDNA_QC, SAMPLE, description="A library doesn't yield more molecules than genome equivalents put in")
def molecules_do_not_exceed_input(rows: pd.DataFrame) -> pd.DataFrame:
    """More than one unique molecule per genome equivalent (20 % tolerance): families split by barcode errors."""
    return rows[(rows["conversion"] > 1.2).fillna(False)]


@row_check(
    CTDNA_CALLS,
    SAMPLE,
    description="ABSENT is said only where the allele fraction to be excluded would have been found",
    severity=dg.AssetCheckSeverity.ERROR,
)
def absence_has_power(rows: pd.DataFrame) -> pd.DataFrame:
    powered = (rows["power"] >= _DEFAULTS.required_power) & (rows["lod95_vaf"] <= rows["excluded_vaf"])
    return rows[(rows["state"] == CallState.ABSENT) & ~powered.fillna(False)]


@row_check(CTDNA_CALLS, SAMPLE, description="What was not assayed has no evidence; fractions follow from counts")
def evidence_is_consistent(rows: pd.DataFrame) -> pd.DataFrame:
    not_assayed = (rows["state"] == CallState.NOT_ASSAYED) & rows["unique_depth"].notna()
    fraction = rows["alt_molecules"].astype("Float64") / rows["unique_depth"].astype("Float64")
    wrong = ((rows["vaf"] - fraction).abs() > 1e-9).fillna(False)
    return rows[not_assayed.fillna(False) | wrong]


@row_check(CTDNA_CALLS, SAMPLE, description="No allele that is PRESENT may come from blood cells or the germline")
def present_alleles_are_somatic(rows: pd.DataFrame) -> pd.DataFrame:
    """PRESENT alleles in genes of clonal haematopoiesis or in the germline band: to be looked at in blood."""
    doubtful = rows["chip_gene"].astype(bool) | rows["filter"].fillna("").str.contains("germline_band", regex=False)
    return rows[(rows["state"] == CallState.PRESENT) & doubtful]


@row_check(CTDNA_BURDEN, SAMPLE, description="A tumour fraction is there exactly when its status is OBSERVED")
def fractions_are_explained(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["status"] == OBSERVED) != rows["tumour_fraction"].notna()]


@row_check(CTDNA_BURDEN, SAMPLE, description="The fraction is below what only loss or amplification could explain")
def fraction_is_plausible(rows: pd.DataFrame) -> pd.DataFrame:
    """A fraction at its bound: the largest VAF is 0.5 or more, so 2 x VAF isn't a fraction of tumour DNA."""
    return rows[(rows["tumour_fraction"] >= 1).fillna(False)]


@row_check(CTDNA_FITNESS, PATIENT, description="No plasma is unfit by another person's DNA or its run's controls")
def plasma_is_fit(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["verdict"] == "fail"]


@row_check(
    PATIENT_GENOTYPES,
    PATIENT,
    description="ABSENT is said only where the expected fraction would have been seen",
    severity=dg.AssetCheckSeverity.ERROR,
)
def genotype_absence_has_power(rows: pd.DataFrame) -> pd.DataFrame:
    powered = (rows["power"] >= _DEFAULTS.genotype_power).fillna(False)
    return rows[(rows["state"] == CallState.ABSENT) & (~powered | rows["trace"].astype(bool))]


@row_check(PATIENT_GENOTYPES, PATIENT, description="No tumour variant is in the patient's blood cells above errors")
def blood_shows_no_tumour_variant(rows: pd.DataFrame) -> pd.DataFrame:
    """Clonal haematopoiesis, germline, or tumour cells in the blood sample."""
    return rows[(rows["sample_kind"] == "normal") & rows["trace"].astype(bool)]


@row_check(CTDNA_ORIGINS, PATIENT, description="No allele called in plasma is of blood cells or the germline")
def present_alleles_are_the_tumours(rows: pd.DataFrame) -> pd.DataFrame:
    """PRESENT alleles that the patient's white cells hold: not to be read as tumour."""
    return rows[(rows["state"] == CallState.PRESENT) & rows["origin"].isin(["CHIP", "GERMLINE"])]


@row_check(
    CTDNA_RESIDUAL_DISEASE,
    PATIENT,
    description="ABSENT is said only where twice the allele fraction to be excluded would have been found",
    severity=dg.AssetCheckSeverity.ERROR,
)
def absent_tumour_dna_has_power(rows: pd.DataFrame) -> pd.DataFrame:
    powered = (rows["lod95_tumour_fraction"] <= 2 * _DEFAULTS.excluded_vaf).fillna(False)
    return rows[(rows["state"] == CallState.ABSENT) & ~powered]


@row_check(CTDNA_RESIDUAL_DISEASE, PATIENT, description="A tumour fraction is stated exactly where DNA is PRESENT")
def tumour_fraction_follows_the_state(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["state"] == CallState.PRESENT) != rows["tumour_fraction"].notna()]


CHECKS = (
    schema_check(CTDNA_WET_LAB, BATCH),
    input_suffices,
    plasma_is_plasma,
    schema_check(CTDNA_PANELS, COHORT),
    regions_are_intervals,
    a_version_is_one_bed,
    schema_check(CTDNA_BACKGROUND, COHORT),
    consensus_errors_are_rare,
    schema_check(CTDNA_CONTROLS, COHORT),
    controls_show_what_they_should,
    controls_can_be_judged,
    schema_check(CTDNA_RUN_QC, COHORT),
    runs_pass_their_controls,
    indexes_are_unique,
    schema_check(CTDNA_INDEX_HOPPING, COHORT),
    alleles_are_the_librarys_own,
    schema_check(CTDNA_MOLECULES, SAMPLE),
    every_base_is_reached,
    schema_check(PLASMA_SNP_GENOTYPES, SAMPLE),
    snp_counts_are_consistent,
    schema_check(CTDNA_QC, SAMPLE),
    quality_did_not_fail,
    strands_are_balanced,
    barcodes_tell_molecules_apart,
    molecules_do_not_exceed_input,
    schema_check(CTDNA_CALLS, SAMPLE),
    absence_has_power,
    evidence_is_consistent,
    present_alleles_are_somatic,
    schema_check(CTDNA_BURDEN, SAMPLE),
    fractions_are_explained,
    fraction_is_plausible,
    schema_check(CTDNA_FITNESS, PATIENT),
    plasma_is_fit,
    schema_check(PATIENT_GENOTYPES, PATIENT),
    genotype_absence_has_power,
    blood_shows_no_tumour_variant,
    schema_check(CTDNA_ORIGINS, PATIENT),
    present_alleles_are_the_tumours,
    schema_check(CTDNA_RESIDUAL_DISEASE, PATIENT),
    absent_tumour_dna_has_power,
    tumour_fraction_follows_the_state,
)
