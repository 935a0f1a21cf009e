"""Asset checks of the room: for each product its contract and what must hold whatever the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palbo_assets.platform.checks import row_check, schema_check
from palbo_assets.resistance.mechanisms import Kind
from palbo_assets.resistance.settings import Settings
from palbo_assets.resistance.tables import (
    ACQUIRED_ALTERATIONS,
    CATALOGUE,
    COHORT_FACTS,
    CTDNA_PANEL_EXTENSION,
    DATA_DICTIONARY,
    FACTS,
    INTEGRATED_RESISTANCE_PAIRS,
    INTEGRATED_RESISTANCE_TABLE,
    MECHANISMS,
    PATIENT_FACTS,
    RESISTANCE_STATES,
    RESISTANCE_STATISTICS,
    RESISTANCE_TRANSITIONS,
)
from palbo_assets.study.partitions import COHORT, PATIENT, SAMPLE
from palbo_assets.study.vocabulary import OBSERVED, State, Transition

if TYPE_CHECKING:
    import pandas as pd

_STATUS = "__status"
_DEFAULTS = Settings.model_validate({})


def _half_told(rows: pd.DataFrame) -> pd.DataFrame:
    """Facts with a value that doesn't stand, or without one and without a reason."""
    holds = rows["value"].notna() | rows["value_text"].notna()
    silent = (rows["status"] != OBSERVED) & (rows["reason"] == "")
    return rows[((rows["status"] == OBSERVED) != holds) | silent]


_STANDS = "A fact holds a value exactly when its status is OBSERVED"


@row_check(FACTS, SAMPLE, description=_STANDS)
def facts_stand_or_say_why(rows: pd.DataFrame) -> pd.DataFrame:
    return _half_told(rows)


@row_check(PATIENT_FACTS, PATIENT, description=_STANDS)
def patient_facts_stand_or_say_why(rows: pd.DataFrame) -> pd.DataFrame:
    return _half_told(rows)


@row_check(COHORT_FACTS, COHORT, description=_STANDS)
def cohort_facts_stand_or_say_why(rows: pd.DataFrame) -> pd.DataFrame:
    return _half_told(rows)


@row_check(COHORT_FACTS, COHORT, description="APOBEC is called enriched only where its motif mutates beyond its share")
def what_is_enriched_is_more_than_offered(rows: pd.DataFrame) -> pd.DataFrame:
    wide = rows.pivot_table(index=["patient_id", "timepoint"], columns="feature", values="value", aggfunc="first")
    if not {"wes__apobec_enriched", "wes__apobec_fold"} <= set(wide.columns):
        return rows.iloc[:0]
    enriched = (wide["wes__apobec_enriched"] == 1).fillna(False).astype(bool)  # a sample may have other facts alone
    beyond = (wide["wes__apobec_fold"] > 1).fillna(False).astype(bool)
    wrong = wide.index[enriched & ~beyond]
    return rows[rows.set_index(["patient_id", "timepoint"]).index.isin(wrong)]


@row_check(PATIENT_FACTS, PATIENT, description="What is of baseline and progression together stands at progression")
def facts_of_pairs_stand_at_progression(rows: pd.DataFrame) -> pd.DataFrame:
    of_pairs = rows["feature"].isin([feature.name for feature in CATALOGUE.of_pairs])
    return rows[of_pairs & (rows["timepoint"] != "PD")]


@row_check(FACTS, SAMPLE, description="A value below the limit of quantification is null and carries the limit")
def censored_facts_carry_their_limit(rows: pd.DataFrame) -> pd.DataFrame:
    below = rows["status"] == "BELOW_LLOQ"
    return rows[below & (rows["value"].notna() | rows["lod"].isna())]


@row_check(FACTS, SAMPLE, description="A failed identity check takes every value of the exome")
def no_exome_value_after_an_identity_mismatch(rows: pd.DataFrame) -> pd.DataFrame:
    mismatch = ((rows["feature"] == "wes__identity") & (rows["value_text"] == "mismatch")).fillna(False).any()
    if not mismatch:
        return rows.iloc[:0]
    exome = rows["feature"].str.startswith("wes__") & ~rows["feature"].str.startswith("wes__identity")
    return rows[exome & (rows["status"] == OBSERVED)]


@row_check(RESISTANCE_STATES, PATIENT, description="ABSENT of a mutation carries the power that it rests on")
def absence_has_power(rows: pd.DataFrame) -> pd.DataFrame:
    mutations = [mechanism.code for mechanism in MECHANISMS.listed if mechanism.kind is Kind.VARIANT]
    absent = (rows["state"] == State.ABSENT) & rows["mechanism"].isin(mutations)
    return rows[absent & ~(rows["power"] >= _DEFAULTS.min_power).fillna(False)]


@row_check(RESISTANCE_STATES, PATIENT, description="What isn't evaluable says why, and what is present shows it")
def states_are_explained(rows: pd.DataFrame) -> pd.DataFrame:
    silent = (rows["state"] == State.NOT_EVALUABLE) & (rows["reason"] == "")
    unshown = (rows["state"] == State.PRESENT) & (rows["evidence"] == "")
    return rows[silent | unshown]


@row_check(RESISTANCE_TRANSITIONS, PATIENT, description="Acquired rests on an absence at baseline with power")
def acquired_has_baseline_power(rows: pd.DataFrame) -> pd.DataFrame:
    acquired = rows["transition"] == Transition.ACQUIRED
    powered = (rows["power"] >= _DEFAULTS.min_power).fillna(False)
    return rows[acquired & ~(powered & (rows["baseline_state"] == State.ABSENT).fillna(False))]


@row_check(RESISTANCE_TRANSITIONS, PATIENT, description="A transition agrees with the states on its two sides")
def transitions_agree_with_states(rows: pd.DataFrame) -> pd.DataFrame:
    later = rows["progression_state"]
    seen = (Transition.ACQUIRED, Transition.GAINED, Transition.PREEXISTING, Transition.PREEXISTING_EXPANDED,
            Transition.PREEXISTING_SUBCLONAL_EXPANDED, Transition.PD_ONLY_INDETERMINATE)  # fmt: skip
    unseen = (Transition.LOST, Transition.STABLE_ABSENT)
    wrong = rows["transition"].isin(seen) & (later != State.PRESENT)
    wrong |= rows["transition"].isin(unseen) & (later != State.ABSENT)
    wrong |= (rows["transition"] == Transition.LOST) & (rows["baseline_state"] != State.PRESENT).fillna(True)
    return rows[wrong]


def _unexplained(rows: pd.DataFrame, names: tuple[str, ...], suffix: str) -> pd.DataFrame:
    """Rows with a null that is OBSERVED, or a value that isn't."""
    wrong = rows["patient_id"].isna()
    for name in names:
        wrong |= rows[name].notna() != (rows[f"{name.removesuffix('__delta')}{suffix}"] == OBSERVED)
    return rows[wrong]


_WITH_STATUS = tuple(
    name.removesuffix(_STATUS) for name in INTEGRATED_RESISTANCE_TABLE.column_names if name.endswith(_STATUS)
)
_DELTAS = tuple(name for name in INTEGRATED_RESISTANCE_PAIRS.column_names if name.endswith("__delta"))


@row_check(INTEGRATED_RESISTANCE_TABLE, COHORT, description="Every null has a reason, and every value none")
def every_null_has_a_reason(rows: pd.DataFrame) -> pd.DataFrame:
    """This is also why missing is never 0: a 0 counts as a value, which only OBSERVED may have."""
    return _unexplained(rows, _WITH_STATUS, _STATUS)


@row_check(INTEGRATED_RESISTANCE_TABLE, COHORT, description="Of a withdrawn patient nothing is shown")
def withdrawn_patients_are_empty(rows: pd.DataFrame) -> pd.DataFrame:
    gone = rows[rows["withdrawn"].astype(bool)]
    return gone[gone[list(_WITH_STATUS)].notna().any(axis=1)]


@row_check(INTEGRATED_RESISTANCE_TABLE, COHORT, description="Every patient has a row at each timepoint")
def the_grid_is_complete(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows.groupby("patient_id")["timepoint"].transform("nunique") != 4]


@row_check(INTEGRATED_RESISTANCE_PAIRS, PATIENT, description="A change is there exactly when the pair is OBSERVED")
def every_missing_change_has_a_reason(rows: pd.DataFrame) -> pd.DataFrame:
    return _unexplained(rows, _DELTAS, "__pair_status")


@row_check(INTEGRATED_RESISTANCE_PAIRS, PATIENT, description="What is of the pair itself is there or says why not")
def every_missing_value_of_the_pair_has_a_reason(rows: pd.DataFrame) -> pd.DataFrame:
    return _unexplained(rows, tuple(feature.name for feature in CATALOGUE.of_pairs), _STATUS)


@row_check(INTEGRATED_RESISTANCE_PAIRS, PATIENT, description="A failed identity check of the pair blocks every change")
def identity_blocks_every_change(rows: pd.DataFrame) -> pd.DataFrame:
    blocked = rows[rows["identity_blocked"].astype(bool)]
    return blocked[blocked[list(_DELTAS)].notna().any(axis=1)]


@row_check(RESISTANCE_STATISTICS, COHORT, description="Nothing is tested on fewer pairs than could reach significance")
def too_few_pairs_are_not_tested(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["p_value"].notna() & (rows["n_pairs"] < _DEFAULTS.min_pairs)]


@row_check(RESISTANCE_STATISTICS, COHORT, description="Discordant pairs <= pairs <= eligible patients")
def denominators_hold(rows: pd.DataFrame) -> pd.DataFrame:
    discordant = rows["n_up"] + rows["n_down"]
    adjusted = (rows["q_value"] < rows["p_value"]).fillna(False)
    return rows[(discordant > rows["n_pairs"]) | (rows["n_pairs"] > rows["n_eligible"]) | adjusted]


@row_check(DATA_DICTIONARY, COHORT, description="Every column says what it means")
def every_column_is_described(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["description"].str.strip() == ""]


@row_check(DATA_DICTIONARY, COHORT, description="The features and mechanisms of the catalogue are all there")
def the_catalogue_is_listed(rows: pd.DataFrame) -> pd.DataFrame:
    wide = (INTEGRATED_RESISTANCE_TABLE.name, INTEGRATED_RESISTANCE_PAIRS.name)
    listed = set(rows.loc[rows["table_name"].isin(wide), "column_name"])
    wanted = {*CATALOGUE.names, *(mechanism.column for mechanism in MECHANISMS.listed)}
    return rows if not wanted <= listed else rows.iloc[:0]


@row_check(ACQUIRED_ALTERATIONS, PATIENT, description="Acquired rests on a baseline sample with power")
def acquired_alterations_have_power(rows: pd.DataFrame) -> pd.DataFrame:
    acquired = rows["verdict"] == Transition.ACQUIRED
    excluded = rows["baseline"].str.contains(": ABSENT", regex=False)
    return rows[acquired & ~((rows["power"] >= _DEFAULTS.min_power).fillna(False) & excluded)]


@row_check(ACQUIRED_ALTERATIONS, PATIENT, description="What isn't acquired says why")
def verdicts_are_explained(rows: pd.DataFrame) -> pd.DataFrame:
    plain = rows["verdict"].isin([Transition.ACQUIRED, Transition.PREEXISTING])
    return rows[(~plain & (rows["reason"] == "")) | (rows["confident"].astype(bool) != (rows["doubts"] == ""))]


@row_check(CTDNA_PANEL_EXTENSION, COHORT, description="Targets have GC that can be captured, where the genome is known")
def targets_can_be_captured(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["gc_flag"].isin(["low", "high"])]


@row_check(CTDNA_PANEL_EXTENSION, COHORT, description="A target adds bases and names its patients")
def targets_add_something(rows: pd.DataFrame) -> pd.DataFrame:
    named = rows["source_patients"].str.count(";") + 1
    return rows[(rows["size_delta_bp"] < 1) | (rows["end"] <= rows["start"]) | (named != rows["n_patients"])]


CHECKS = (
    schema_check(FACTS, SAMPLE),
    schema_check(PATIENT_FACTS, PATIENT),
    schema_check(COHORT_FACTS, COHORT),
    schema_check(RESISTANCE_STATES, PATIENT),
    schema_check(RESISTANCE_TRANSITIONS, PATIENT),
    schema_check(INTEGRATED_RESISTANCE_TABLE, COHORT),
    schema_check(INTEGRATED_RESISTANCE_PAIRS, PATIENT),
    schema_check(RESISTANCE_STATISTICS, COHORT),
    schema_check(DATA_DICTIONARY, COHORT),
    schema_check(ACQUIRED_ALTERATIONS, PATIENT),
    schema_check(CTDNA_PANEL_EXTENSION, COHORT),
    facts_stand_or_say_why,
    patient_facts_stand_or_say_why,
    cohort_facts_stand_or_say_why,
    what_is_enriched_is_more_than_offered,
    facts_of_pairs_stand_at_progression,
    censored_facts_carry_their_limit,
    no_exome_value_after_an_identity_mismatch,
    absence_has_power,
    states_are_explained,
    acquired_has_baseline_power,
    transitions_agree_with_states,
    every_null_has_a_reason,
    withdrawn_patients_are_empty,
    the_grid_is_complete,
    every_missing_change_has_a_reason,
    every_missing_value_of_the_pair_has_a_reason,
    identity_blocks_every_change,
    too_few_pairs_are_not_tested,
    denominators_hold,
    every_column_is_described,
    the_catalogue_is_listed,
    acquired_alterations_have_power,
    verdicts_are_explained,
    targets_can_be_captured,
    targets_add_something,
)
