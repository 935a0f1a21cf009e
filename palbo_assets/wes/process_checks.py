"""Asset checks of the tables of mutational processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from palbo_assets.platform.checks import row_check, schema_check
from palbo_assets.study.partitions import COHORT, PATIENT, SAMPLE
from palbo_assets.wes.process_tables import (
    APOBEC,
    APOBEC_ENRICHMENT,
    HRD_SCARS,
    MUTATION_SPECTRA,
    MUTATIONAL_SIGNATURES,
    PAIRED_MUTATIONAL_BURDEN,
    PRIVATE_SIGNATURES,
    TUMOUR_MUTATIONAL_BURDEN,
)
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.trinucleotides import CLASSES

if TYPE_CHECKING:
    import pandas as pd


@row_check(MUTATION_SPECTRA, SAMPLE, description="A tumour has all 96 classes", severity=dg.AssetCheckSeverity.ERROR)
def spectrum_is_whole(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows.groupby("specimen_id")["sbs_class"].transform("nunique") != len(CLASSES)]


@row_check(
    MUTATION_SPECTRA,
    SAMPLE,
    description="At most half of 50 or more SNVs are in one class: more is damage of the DNA or of the library",
)
def no_class_dominates(rows: pd.DataFrame) -> pd.DataFrame:
    total = rows.groupby("specimen_id")["mutations"].transform("sum")
    return rows[(total >= Settings().signature_sure_mutations) & (2 * rows["mutations"] > total)]


def _badly_rebuilt(rows: pd.DataFrame) -> pd.DataFrame:
    enough = (rows["signature"] == APOBEC) & (rows["mutations"] >= Settings().signature_sure_mutations)
    return rows[(enough & (rows["cosine"] < Settings().signature_min_cosine)).fillna(False)]


def _not_whole(rows: pd.DataFrame) -> pd.DataFrame:
    ours = rows[(rows["signature"] != APOBEC) & (rows["status"] == "OBSERVED")]
    sums = ours.groupby(["specimen_id", "mutation_set"])["share"].transform("sum")
    return ours[(sums - 1).abs() > 1e-6]


@row_check(MUTATIONAL_SIGNATURES, SAMPLE, description="The signatures rebuild the spectrum (cosine >= 0.90)")
def signatures_rebuild_the_spectrum(rows: pd.DataFrame) -> pd.DataFrame:
    return _badly_rebuilt(rows)


@row_check(
    MUTATIONAL_SIGNATURES, SAMPLE, description="Shares add up to 1", severity=dg.AssetCheckSeverity.ERROR
)  # fmt: skip
def shares_add_up(rows: pd.DataFrame) -> pd.DataFrame:
    return _not_whole(rows)


@row_check(
    PRIVATE_SIGNATURES, PATIENT, description="Shares add up to 1 in each set", severity=dg.AssetCheckSeverity.ERROR
)  # fmt: skip
def shares_of_sets_add_up(rows: pd.DataFrame) -> pd.DataFrame:
    return _not_whole(rows)


@row_check(
    PRIVATE_SIGNATURES, PATIENT, description="At most half of a tumour's SNVs can't be put into private or shared"
)
def most_mutations_are_placed(rows: pd.DataFrame) -> pd.DataFrame:
    one = rows[rows["signature"] == APOBEC]
    placed = one.groupby("specimen_id")["mutations"].transform("sum")
    return one[(one["undetermined"] > placed).fillna(False)]


@row_check(
    APOBEC_ENRICHMENT,
    COHORT,
    description="Refit and enrichment agree on APOBEC",
    shows=("agreement", "refit_share", "fold"),
)
def opinions_on_apobec_agree(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["agreement"].isin(["refit_only", "enrichment_only"])]


@row_check(
    APOBEC_ENRICHMENT,
    COHORT,
    description="Motifs are among cytosines, cytosines among mutations",
    severity=dg.AssetCheckSeverity.ERROR,
)
def apobec_counts_are_consistent(rows: pd.DataFrame) -> pd.DataFrame:
    wrong = (
        (rows["tcw_mutations"] > rows["c_mutations"])
        | (rows["c_mutations"] > rows["mutations"])
        | (rows["tcw_context"] > rows["c_context"])
    )
    return rows[wrong.fillna(False)]


@row_check(PAIRED_MUTATIONAL_BURDEN, PATIENT, description="Mutations of both are among those of each")
def shared_mutations_are_in_both(rows: pd.DataFrame) -> pd.DataFrame:
    least = rows[["baseline_mutations", "later_mutations"]].min(axis=1)
    return rows[(rows["shared_mutations"] > least).fillna(False)]


@row_check(TUMOUR_MUTATIONAL_BURDEN, SAMPLE, description="Callable bases of the tumour are known")
def callable_bases_are_known(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["reason"] == "NO_CALLABLE_BASES"]


@row_check(TUMOUR_MUTATIONAL_BURDEN, SAMPLE, description="At most 100 coding mutations per Mb: more is a wrong normal")
def burden_is_plausible(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["coding_per_mb"] > 100).fillna(False)]


@row_check(HRD_SCARS, SAMPLE, description="The sum is that of its three scars", severity=dg.AssetCheckSeverity.ERROR)
def scars_add_up(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["loh"] + rows["tai"] + rows["lst"] != rows["hrd_sum"]).fillna(False)]


@row_check(HRD_SCARS, SAMPLE, description="At most 1,000 autosomal segments: more is noise, and makes scars")
def segments_are_not_noise(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["segments"] > 1000).fillna(False)]


PROCESS_CHECKS = (
    *(schema_check(table, SAMPLE) for table in (MUTATION_SPECTRA, MUTATIONAL_SIGNATURES)),
    *(schema_check(table, SAMPLE) for table in (TUMOUR_MUTATIONAL_BURDEN, HRD_SCARS)),
    schema_check(PRIVATE_SIGNATURES, PATIENT),
    schema_check(PAIRED_MUTATIONAL_BURDEN, PATIENT),
    schema_check(APOBEC_ENRICHMENT, COHORT),
    spectrum_is_whole,
    no_class_dominates,
    signatures_rebuild_the_spectrum,
    shares_add_up,
    shares_of_sets_add_up,
    most_mutations_are_placed,
    opinions_on_apobec_agree,
    apobec_counts_are_consistent,
    callable_bases_are_known,
    burden_is_plausible,
    shared_mutations_are_in_both,
    scars_add_up,
    segments_are_not_noise,
)
