"""Asset checks of the exome room: contracts, and what biology and the assay allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from palbo_assets.platform.checks import row_check, schema_check
from palbo_assets.study.partitions import COHORT, PATIENT, SAMPLE
from palbo_assets.wes.copy_checks import COPY_CHECKS
from palbo_assets.wes.process_checks import PROCESS_CHECKS
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.tables import (
    IDENTITY_FAILURES,
    IDENTITY_MATCHES,
    PLASMA_CONTAMINATION,
    READ_QC,
    RNA_SNP_GENOTYPES,
    SAMPLE_IDENTITY,
    SEX_CONCORDANCE,
    SNP_GENOTYPES,
    SOMATIC_CALLS,
)

if TYPE_CHECKING:
    import pandas as pd


@row_check(
    SAMPLE_IDENTITY,
    SAMPLE,
    description="Tumour and blood come from one person",
    severity=dg.AssetCheckSeverity.ERROR,
)
def tumour_and_blood_are_one_person(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["verdict"] == "mismatch"]


@row_check(SAMPLE_IDENTITY, SAMPLE, description="At least 99 % of homozygous sites agree: no foreign DNA")
def tumour_is_not_contaminated(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["reason"] == "W_CONTAMINATION"]


@row_check(READ_QC, SAMPLE, description="The exome is deep and clean enough to say that something is absent")
def exome_is_good_enough(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["verdict"] == "fail"]


@row_check(SOMATIC_CALLS, SAMPLE, description="Alternative fragments are part of the depth, in both strands together")
def counts_are_consistent(rows: pd.DataFrame) -> pd.DataFrame:
    strands = rows["t_alt_forward"] + rows["t_alt_reverse"]
    wrong = (rows["t_alt"] > rows["t_depth"]) | (rows["n_alt"] > rows["n_depth"]) | (strands != rows["t_alt"])
    return rows[wrong.fillna(False)]


@row_check(SOMATIC_CALLS, SAMPLE, description="At most 5,000 passing calls: more is a hypermutator or a wrong normal")
def passing_calls_are_plausibly_many(rows: pd.DataFrame) -> pd.DataFrame:
    passing = rows[rows["filter"] == "PASS"]
    return passing if len(passing) > 5000 else passing.iloc[:0]


@row_check(SOMATIC_CALLS, SAMPLE, description="Gene, class and protein change are those of the lab's annotation")
def annotation_of_lab_agrees(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["lab_agreement"].isin(["gene", "consequence", "protein_change"])]


def _impossible_counts(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["alt_count"] > rows["depth"]]


@row_check(SNP_GENOTYPES, SAMPLE, description="Alternative fragments are part of the depth")
def genotype_counts_are_consistent(rows: pd.DataFrame) -> pd.DataFrame:
    return _impossible_counts(rows)


@row_check(PLASMA_CONTAMINATION, PATIENT, description="A plasma holds at most 1 % of another person's DNA")
def plasma_holds_no_foreign_dna(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["verdict"].isin(("warn", "fail"))]


@row_check(RNA_SNP_GENOTYPES, SAMPLE, description="Alternative fragments are part of the depth")
def rna_genotype_counts_are_consistent(rows: pd.DataFrame) -> pd.DataFrame:
    return _impossible_counts(rows)


@row_check(
    IDENTITY_MATCHES,
    COHORT,
    description="Every sample matches its own patient; else the patient that it seems to come from is named",
    severity=dg.AssetCheckSeverity.ERROR,
    shows=("verdict", "likely_partner", "partner_specimen_id", "best_match"),
)
def every_sample_is_its_patients(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["verdict"].isin(("swap", "unexpected_match", "no_match"))]


@row_check(IDENTITY_MATCHES, COHORT, description="At least half of the samples share enough SNPs with another")
def samples_can_be_compared(rows: pd.DataFrame) -> pd.DataFrame:
    lonely = rows[rows["verdict"] == "not_evaluable"]
    return lonely if 2 * len(lonely) > len(rows) else lonely.iloc[:0]


@row_check(
    IDENTITY_FAILURES,
    COHORT,
    description="A swap names whose sample it seems to be",
    severity=dg.AssetCheckSeverity.ERROR,
)
def a_swap_names_its_partner(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["verdict"] == "swap") & rows["likely_partner"].isna()]


@row_check(READ_QC, SAMPLE, description="Blood and tumour hold at most 1 % of another person's DNA")
def no_foreign_dna(rows: pd.DataFrame) -> pd.DataFrame:
    limit = Settings().contamination_pass
    return rows[((rows["tumour_contamination"] > limit) | (rows["normal_contamination"] > limit)).fillna(False)]


@row_check(READ_QC, SAMPLE, description="Depth of X and Y agree on the sex")
def sex_chromosomes_agree(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["sex"] == "unclear"]


@row_check(
    SEX_CONCORDANCE,
    COHORT,
    description="The blood is of the recorded sex; else both are named, and whose samples they may be",
    severity=dg.AssetCheckSeverity.ERROR,
    shows=("recorded_sex", "reads_sex", "likely_partner", "partner_by"),
)
def recorded_sex_is_the_bloods(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["agreement"] == "discordant"]


@row_check(SEX_CONCORDANCE, COHORT, description="Depth and heterozygosity of X say the same sex")
def witnesses_of_sex_agree(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["reason"] == "WITNESSES_DISAGREE"]


CHECKS = (
    *(schema_check(table, SAMPLE) for table in (SAMPLE_IDENTITY, READ_QC, SOMATIC_CALLS)),
    *(schema_check(table, SAMPLE) for table in (SNP_GENOTYPES, RNA_SNP_GENOTYPES)),
    *(schema_check(table, COHORT) for table in (IDENTITY_MATCHES, IDENTITY_FAILURES, SEX_CONCORDANCE)),
    schema_check(PLASMA_CONTAMINATION, PATIENT),
    plasma_holds_no_foreign_dna,
    genotype_counts_are_consistent,
    rna_genotype_counts_are_consistent,
    every_sample_is_its_patients,
    samples_can_be_compared,
    a_swap_names_its_partner,
    no_foreign_dna,
    sex_chromosomes_agree,
    recorded_sex_is_the_bloods,
    witnesses_of_sex_agree,
    tumour_and_blood_are_one_person,
    tumour_is_not_contaminated,
    exome_is_good_enough,
    counts_are_consistent,
    passing_calls_are_plausibly_many,
    annotation_of_lab_agrees,
    *COPY_CHECKS,
    *PROCESS_CHECKS,
)
