"""The wide tables: every enrolled patient at every timepoint, and baseline beside progression.

A cell holds a value (status ``OBSERVED``), or nothing and the reason: the fact's own status where the sample was
measured, else what the delivery of its assay says. Nothing is ever filled in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite, log2
from typing import TYPE_CHECKING, Any

from palbo_assets.platform.tables import Column, Type, records
from palbo_assets.resistance.absence import Reasons
from palbo_assets.resistance.features import Catalogue, Feature, Pairing
from palbo_assets.resistance.mechanisms import ASSAY_OF_SOURCE, Mechanism, Mechanisms
from palbo_assets.resistance.state_rows import NOT_MEASURED, StateRow
from palbo_assets.resistance.states import at, combine, from_rows, index_facts
from palbo_assets.study.vocabulary import OBSERVED, TIMEPOINTS, Absence, State, Timepoint, Transition

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]
Cell = tuple[Any, str]

# Of two sides that are missing the one further from a measurement explains the pair.
_FURTHEST_FIRST = (
    Absence.WITHDRAWN,
    Absence.NOT_EXPECTED,
    Absence.NOT_COLLECTED,
    Absence.PENDING,
    Absence.QC_FAIL,
    Absence.NOT_EVALUABLE,
    Absence.NOT_ASSAYED,
    Absence.BELOW_LLOQ,
)
_PAIR = (Timepoint.BL, Timepoint.PD)
_EXPLAINS = frozenset(
    {
        Transition.ACQUIRED,
        Transition.GAINED,
        Transition.PREEXISTING_SUBCLONAL_EXPANDED,
        Transition.PREEXISTING_EXPANDED,
    }
)


def _put(row: Row, name: str, cell: Cell) -> None:
    row[name], row[f"{name}__status"] = cell


def by_patient(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rows of each patient."""
    return {str(name): rows for name, rows in frame.groupby("patient_id", sort=True)}


def wide_rows(
    catalogue: Catalogue,
    mechanisms: Mechanisms,
    *,
    patients: pd.DataFrame,
    treatment_response: pd.DataFrame,
    sample_manifest: pd.DataFrame,
    facts: pd.DataFrame,
    resistance_states: pd.DataFrame,
    reasons: Reasons,
    of_patients: Sequence[Column],
    of_response: Sequence[Column],
) -> list[Row]:
    """Rows of the integrated table: every patient of ``patients`` at every timepoint, in that order.

    ``of_patients`` and ``of_response`` are the clinical columns (``clinical__<column of the table>``) to carry.
    """
    own_facts, own_states, own_manifest = (by_patient(frame) for frame in (facts, resistance_states, sample_manifest))
    responses = {str(row["patient_id"]): row for row in records(treatment_response)}
    of_visit = _by_visit(reasons)
    rows = []
    for patient in sorted(records(patients), key=lambda row: str(row["patient_id"])):
        name = str(patient["patient_id"])
        clinical = clinical_cells(patient, responses.get(name), of_patients, of_response)
        known = index_facts(own_facts.get(name, facts.iloc[:0]))
        states = from_rows(own_states.get(name, resistance_states.iloc[:0]))
        days = _sample_days(own_manifest.get(name, sample_manifest.iloc[:0]))
        for order, timepoint in enumerate(map(str, TIMEPOINTS)):
            row: Row = {
                "patient_id": name,
                "timepoint": timepoint,
                "timepoint_order": order,
                "withdrawn": bool(patient["withdrawn"]),
            }
            _put(
                row, "clinical__sample_day", _day_cell(timepoint, patient, days, of_visit.get((name, timepoint), set()))
            )
            for column, cell in clinical.items():
                _put(row, column, cell)
            modalities = set()
            for feature in catalogue.of_samples:
                cell = feature_cell(feature, name, timepoint, patient, known, reasons)
                _put(row, feature.name, cell)
                if cell[1] == OBSERVED:
                    modalities.add(feature.modality)
            for mechanism in mechanisms.listed:
                cell = _mechanism_cell(mechanism, name, timepoint, patient, states, catalogue, reasons)
                _put(row, mechanism.column, cell)
            row["n_modalities"] = len(modalities)
            rows.append(row)
    return rows


def feature_cell(
    feature: Feature,
    patient_id: str,
    timepoint: str,
    patient: Mapping[str, Any],
    facts: Mapping[tuple[str, str], Mapping[str, Any]],
    reasons: Reasons,
) -> Cell:
    """Value and status of one feature at one timepoint."""
    if patient["withdrawn"]:
        return None, str(Absence.WITHDRAWN)
    fact = facts.get((timepoint, feature.name))
    if fact is None:
        return None, str(reasons.get((patient_id, timepoint, feature.assay), Absence.PENDING))
    if fact["status"] != OBSERVED:
        return None, str(fact["status"])
    value = fact["value_text"] if feature.type is Type.TEXT else fact["value"]
    if value is None:
        return None, str(Absence.NOT_EVALUABLE)
    return (bool(value) if feature.type is Type.BOOLEAN else value), OBSERVED


def _cell_of_pair(
    feature: Feature,
    patient_id: str,
    patient: Mapping[str, Any],
    facts: Mapping[tuple[str, str], Mapping[str, Any]],
    reasons: Reasons,
) -> Cell:
    """Value and status of what is of baseline and progression together; without a fact, why a side is missing."""
    if (str(Timepoint.PD), feature.name) in facts:
        return feature_cell(feature, patient_id, str(Timepoint.PD), patient, facts, reasons)
    sides = (reasons.get((patient_id, str(point), feature.assay), Absence.PENDING) for point in _PAIR)
    return None, str(_explanation(sides))


def clinical_cells(
    patient: Mapping[str, Any],
    response: Mapping[str, Any] | None,
    of_patients: Sequence[Column],
    of_response: Sequence[Column],
) -> dict[str, Cell]:
    """Value and status of the clinical columns; a value that the export leaves empty wasn't collected."""
    found: dict[str, Cell] = {}
    for columns, source, empty in (
        (of_patients, patient, Absence.NOT_COLLECTED),
        (of_response, response, Absence.NOT_EVALUABLE),
    ):
        for column in columns:
            if patient["withdrawn"]:
                found[column.name] = (None, str(Absence.WITHDRAWN))
            elif source is None:
                found[column.name] = (None, str(Absence.PENDING))
            else:
                value = source[column.name.removeprefix("clinical__")]
                value = None if value == "" else value
                found[column.name] = (value, OBSERVED if value is not None else str(empty))
    return found


def _sample_days(manifest: pd.DataFrame) -> dict[str, int]:
    days: dict[str, int] = {}
    for row in records(manifest):
        if row["collected_day"] is not None:
            timepoint = str(row["timepoint"])
            days[timepoint] = min(int(row["collected_day"]), days.get(timepoint, int(row["collected_day"])))
    return days


def _by_visit(reasons: Reasons) -> dict[tuple[str, str], set[Absence]]:
    """Why anything is missing at each patient's timepoint."""
    found: dict[tuple[str, str], set[Absence]] = {}
    for (name, timepoint, _), reason in reasons.items():
        found.setdefault((name, timepoint), set()).add(reason)
    return found


def _day_cell(timepoint: str, patient: Mapping[str, Any], days: Mapping[str, int], reasons: set[Absence]) -> Cell:
    if patient["withdrawn"]:
        return None, str(Absence.WITHDRAWN)
    if timepoint in days:
        return days[timepoint], OBSERVED
    planned = reasons - {Absence.NOT_EXPECTED}
    if not planned:
        return None, str(Absence.NOT_EXPECTED if reasons else Absence.PENDING)
    return None, str(Absence.NOT_COLLECTED if planned == {Absence.NOT_COLLECTED} else Absence.PENDING)


def _mechanism_cell(
    mechanism: Mechanism,
    name: str,
    timepoint: str,
    patient: Mapping[str, Any],
    states: Sequence[StateRow],
    catalogue: Catalogue,
    reasons: Reasons,
) -> Cell:
    """State over all sources; where no required source was measured, the reason of its assay."""
    if patient["withdrawn"]:
        return None, str(Absence.WITHDRAWN)
    if timepoint not in mechanism.timepoints:
        return None, str(Absence.NOT_EXPECTED)
    rows = at(states, mechanism.code, timepoint)
    combined = combine(mechanism.required, rows)
    if combined.state is not State.NOT_EVALUABLE:
        return str(combined.state), OBSERVED
    measured = {row.source for row in rows if row.reason != NOT_MEASURED}
    if measured & set(mechanism.required):
        return None, str(Absence.NOT_EVALUABLE)
    assays = [_assay(mechanism, source, catalogue) for source in mechanism.required]
    return None, str(_explanation(reasons.get((name, timepoint, assay), Absence.PENDING) for assay in assays))


def _assay(mechanism: Mechanism, source: str, catalogue: Catalogue) -> str:
    if not mechanism.measures:
        return ASSAY_OF_SOURCE[source]
    return next(catalogue[measure.feature].assay for measure in mechanism.measures if measure.source == source)


def _explanation(statuses: Iterable[str]) -> str:
    """The status, other than OBSERVED, that explains a cell made of several."""
    missing = [Absence(status) for status in statuses if status != OBSERVED]
    return str(min(missing, key=_FURTHEST_FIRST.index)) if missing else OBSERVED


def pair_row(
    catalogue: Catalogue,
    mechanisms: Mechanisms,
    *,
    patient: Mapping[str, Any],
    response: Mapping[str, Any] | None,
    facts: pd.DataFrame,
    resistance_transitions: pd.DataFrame,
    identity_blocked: bool,
    reasons: Reasons,
    of_patients: Sequence[Column],
    of_response: Sequence[Column],
    unpaired: Mapping[tuple[str, str], str] | None = None,
) -> Row:
    """One patient's baseline beside progression.

    Parameters
    ----------
    patient, response
        The patient's row of ``patients`` and of ``treatment_response`` (None where there is none).
    facts, resistance_transitions
        The patient's rows.
    identity_blocked
        A sample of the pair isn't the patient's: both sides are shown, no change is, and every pair is QC_FAIL.
    unpaired
        `paired_states.unpaired_features`: both sides are shown, no change is.
    """
    name, withdrawn = str(patient["patient_id"]), bool(patient["withdrawn"])
    row: Row = {"patient_id": name, "withdrawn": withdrawn, "identity_blocked": identity_blocked and not withdrawn}
    for column, cell in clinical_cells(patient, response, of_patients, of_response).items():
        _put(row, column, cell)
    known = index_facts(facts)
    n_pairs = 0
    for feature in catalogue.of_pairs:
        _put(row, feature.name, _cell_of_pair(feature, name, patient, known, reasons))
    for feature in catalogue.side_by_side:
        sides = [feature_cell(feature, name, timepoint, patient, known, reasons) for timepoint in map(str, _PAIR)]
        status, delta = _pair(feature, sides, identity_blocked)
        if status == OBSERVED and (str(Timepoint.PD), feature.name) in (unpaired or {}):
            status, delta = str(Absence.NOT_EVALUABLE), None
        row[f"{feature.name}__bl"], row[f"{feature.name}__pd"] = (value for value, _ in sides)
        if feature.compared:
            row[f"{feature.name}__delta"] = delta
        row[f"{feature.name}__pair_status"] = status
        n_pairs += status == OBSERVED
    stated = {str(one["mechanism"]): str(one["transition"]) for one in records(resistance_transitions)}
    for mechanism in mechanisms.listed:
        if Timepoint.PD in mechanism.timepoints:
            transition = stated.get(mechanism.code, str(Transition.NOT_EVALUABLE))
            row[f"{mechanism.column}__transition"] = "WITHDRAWN" if withdrawn else transition
    row["primary_mechanism"] = "WITHDRAWN" if withdrawn else primary_mechanism(mechanisms, stated)
    row["n_pairs"] = n_pairs
    return row


def _pair(feature: Feature, sides: Sequence[Cell], identity_blocked: bool) -> tuple[str, float | None]:
    status = _explanation(side[1] for side in sides)
    if status != OBSERVED:
        return status, None
    if identity_blocked:
        return str(Absence.QC_FAIL), None
    if not feature.compared:
        return OBSERVED, None
    before, after = (float(value) for value, _ in sides)
    if feature.pairing is Pairing.DIFFERENCE:
        return OBSERVED, after - before
    shift = 1.0 if feature.pairing is Pairing.LOG2_RATIO_PLUS_ONE else 0.0
    before, after = before + shift, after + shift
    if before <= 0 or after <= 0:
        return str(Absence.NOT_EVALUABLE), None
    ratio = log2(after / before)
    return (OBSERVED, ratio) if isfinite(ratio) else (str(Absence.NOT_EVALUABLE), None)


def primary_mechanism(mechanisms: Mechanisms, transitions: Mapping[str, str]) -> str:
    """First mechanism, in the order of attribution, that appeared or expanded under treatment; context never is.

    ``unexplained`` where something was evaluable and none did, ``not_evaluable`` where nothing was.
    """
    attributed = [mechanism.code for mechanism in mechanisms.listed if mechanism.attributed]
    for code in attributed:
        if transitions.get(code) in _EXPLAINS:
            return code
    evaluable = any(transitions.get(code, Transition.NOT_EVALUABLE) != Transition.NOT_EVALUABLE for code in attributed)
    return "unexplained" if evaluable else "not_evaluable"
