"""States of every mechanism of one patient: timepoint x mechanism x source, and their combination over sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from palbo_assets.platform.tables import records
from palbo_assets.resistance.mechanisms import Kind, Mechanisms
from palbo_assets.resistance.paired_states import Facts, measured_state
from palbo_assets.resistance.settings import Settings
from palbo_assets.resistance.state_rows import StateRow
from palbo_assets.resistance.variant_states import (
    PlasmaEvidence,
    TumourEvidence,
    blocked_timepoints,
    plasma_state,
    tumour_state,
)
from palbo_assets.study.vocabulary import State, Timepoint

if TYPE_CHECKING:
    import pandas as pd


def patient_states(
    mechanisms: Mechanisms,
    *,
    facts: pd.DataFrame,
    somatic_calls: pd.DataFrame,
    read_qc: pd.DataFrame,
    sample_identity: pd.DataFrame,
    ctdna_calls: pd.DataFrame,
    ctdna_qc: pd.DataFrame,
    nrg1_elisa: pd.DataFrame,
    settings: Settings,
    patient_genotypes: pd.DataFrame | None = None,
    gene_copy_number: pd.DataFrame | None = None,
    foreign_plasma: frozenset[str] = frozenset(),
    unpaired: Mapping[tuple[str, str], str] | None = None,
) -> list[StateRow]:
    """Every mechanism x source at every timepoint where it can be stated; what wasn't measured says so.

    Parameters are the patient's rows of the tables of these names; ``foreign_plasma`` are plasma specimens that aren't
    the patient's, ``unpaired`` what `paired_states.unpaired_features` found. Order: mechanism, timepoint, source.
    """
    elsewhere = [] if patient_genotypes is None else records(patient_genotypes)
    elsewhere = [row for row in elsewhere if row["specimen_id"] not in foreign_plasma]
    tumour = TumourEvidence(
        somatic_calls,
        read_qc,
        sample_identity,
        elsewhere,
        gene_copy_number,
        genes={gene for mechanism in mechanisms.listed for gene in mechanism.genes},
    )
    plasma = PlasmaEvidence(ctdna_calls, ctdna_qc, elsewhere, foreign_plasma)
    known = index_facts(facts)
    plates = {str(row["timepoint"]): str(row["plate_id"]) for row in records(nrg1_elisa) if row["plate_id"] is not None}
    blocked = blocked_timepoints(sample_identity)
    rows: list[StateRow] = []
    for mechanism in mechanisms.listed:
        for timepoint in mechanism.timepoints:
            if mechanism.kind in (Kind.VARIANT, Kind.AMPLIFICATION):
                if {"wes", "cn"} & set(mechanism.sources):
                    rows.append(tumour_state(mechanism, timepoint, tumour, settings))
                if "ctdna" in mechanism.sources:
                    rows.append(plasma_state(mechanism, timepoint, plasma, settings))
                continue
            if mechanism.kind is Kind.UNASSAYED:
                nothing = State.NOT_EVALUABLE
                rows += [
                    StateRow(mechanism.code, timepoint, source, nothing, reason=mechanism.reason)
                    for source in mechanism.sources
                ]
                continue
            rows += [
                measured_state(
                    mechanism,
                    measure,
                    timepoint,
                    known,
                    settings,
                    identity_blocked=timepoint in blocked and timepoint != Timepoint.BL,
                    plates=plates,
                    unpaired=unpaired or {},
                )
                for measure in mechanism.measures
            ]
    return rows


def index_facts(facts: pd.DataFrame) -> Facts:
    """Facts of one patient by (timepoint, feature)."""
    return {(str(row["timepoint"]), str(row["feature"])): row for row in records(facts)}


def as_rows(patient_id: str, states: Iterable[StateRow]) -> list[dict[str, Any]]:
    """Rows of ``resistance_states``."""
    return [{"patient_id": patient_id, **asdict(row), "state": str(row.state)} for row in states]


def from_rows(frame: pd.DataFrame) -> list[StateRow]:
    """The inverse of `as_rows`, for products downstream."""
    names = list(StateRow.__dataclass_fields__)
    return [
        StateRow(
            **{
                **{name: row[name] for name in names},
                "state": State(row["state"]),
                "trace": bool(row["trace"]),
                "chosen_from_cohort": None if row["chosen_from_cohort"] is None else bool(row["chosen_from_cohort"]),
                **{name: row[name] or "" for name in ("reason", "hgvsp", "evidence")},
            }
        )
        for row in records(frame)
    ]


@dataclass(frozen=True)
class Combined:
    """State over all sources. ``sources`` are those that are PRESENT; ``reason`` why it isn't evaluable."""

    state: State
    sources: tuple[str, ...] = ()
    power: float | None = None
    reason: str = ""


def combine(required: Sequence[str], rows: Sequence[StateRow]) -> Combined:
    """PRESENT if any source is; ABSENT only if every required source is evaluable and negative; else not evaluable.

    ``required`` are the mechanism's required sources (without any it is never ABSENT), ``rows`` its sources' rows.
    ``power`` of an ABSENT state is the smallest of its required sources, where they have one.
    """
    present = tuple(sorted(row.source for row in rows if row.state is State.PRESENT))
    if present:
        return Combined(State.PRESENT, present)
    by_source: Mapping[str, StateRow] = {row.source: row for row in rows}
    asked = [by_source.get(source) for source in required]
    if asked and all(row is not None and row.state is State.ABSENT for row in asked):
        powers = [row.power for row in asked if row is not None and row.power is not None]
        return Combined(State.ABSENT, power=min(powers, default=None))
    reasons = [
        f"{source}: {row.reason if row is not None else 'NOT_STATED'}"
        for source, row in zip(required, asked, strict=True)
        if row is None or row.state is not State.ABSENT
    ]
    return Combined(State.NOT_EVALUABLE, reason="; ".join(reasons))


def at(rows: Iterable[StateRow], mechanism: str, timepoint: str) -> list[StateRow]:
    """The sources' rows of one mechanism at one timepoint."""
    return [row for row in rows if row.mechanism == mechanism and row.timepoint == timepoint]
