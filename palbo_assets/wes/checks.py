"""Asset checks of the exome room: contracts, and what biology and the assay allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from palbo_assets.platform.checks import row_check, schema_check
from palbo_assets.study.partitions import PATIENT, SAMPLE
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.tables import FORCED_GENOTYPES, READ_QC, SAMPLE_IDENTITY, SOMATIC_CALLS

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


@row_check(FORCED_GENOTYPES, PATIENT, description="A variant that was called is seen when it is counted again")
def called_variants_are_seen_again(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["called"] & (rows["alt_count"] == 0)).fillna(False)]


@row_check(
    FORCED_GENOTYPES,
    PATIENT,
    description="Absence is only said with the power to have seen the variant",
    severity=dg.AssetCheckSeverity.ERROR,
)
def absence_has_power(rows: pd.DataFrame) -> pd.DataFrame:
    absent = rows[rows["state"] == "ABSENT"]
    return absent[absent["power"].isna() | (absent["power"] < Settings().min_power)]


CHECKS = (
    *(schema_check(table, SAMPLE) for table in (SAMPLE_IDENTITY, READ_QC, SOMATIC_CALLS)),
    schema_check(FORCED_GENOTYPES, PATIENT),
    tumour_and_blood_are_one_person,
    tumour_is_not_contaminated,
    exome_is_good_enough,
    counts_are_consistent,
    passing_calls_are_plausibly_many,
    annotation_of_lab_agrees,
    called_variants_are_seen_again,
    absence_has_power,
)
