"""Facts: one row per feature of one sample or of one pair, from the modalities' tables.

A fact either stands (status ``OBSERVED``) or says why it doesn't; a value that was measured and isn't to be believed,
or lies beyond the assay's limits, is null. What was never measured has no fact here: the wide tables fill it with the
delivery's reason.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from palbo_assets.platform.tables import Type
from palbo_assets.resistance.features import NONE_DETECTED, Aggregate, Catalogue, Feature, Gate, Grain
from palbo_assets.study.vocabulary import OBSERVED, STATUSES, TIMEPOINTS, Absence, Timepoint

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class _Verdict:
    status: str
    reason: str = ""


_STANDS = _Verdict(OBSERVED)
_LEAST_EVALUABLE_FIRST = (
    Absence.WITHDRAWN,
    Absence.QC_FAIL,
    Absence.NOT_COLLECTED,
    Absence.PENDING,
    Absence.NOT_EXPECTED,
    Absence.NOT_EVALUABLE,
    Absence.NOT_ASSAYED,
    Absence.BELOW_LLOQ,
)


def sample_facts(
    catalogue: Catalogue,
    tables: Mapping[str, pd.DataFrame],
    versions: Mapping[str, tuple[str, str]] | None = None,
) -> list[dict[str, Any]]:
    """Facts of one patient at one timepoint.

    Parameters
    ----------
    tables
        Table name -> the sample's rows. A table without rows was published empty (no variant found); one that isn't
        named was never published, so its features have no fact, and what it gates is NOT_EVALUABLE.
    versions
        Table name -> (partition, data version) that the rows are from; columns ``partition_key`` and
        ``data_version`` of the rows themselves come first (a table of plates has rows of several).

    Returns
    -------
    list of dict
        ``feature, specimen_id, value, value_text, unit, censor, lod, status, reason, source_asset,
        source_partition, source_data_version``, in the catalogue's order. Booleans are "true" or "false" in
        ``value_text`` and 1 or 0 in ``value``.
    """
    rows = {name: _asked(frame, name, catalogue.features).to_dict("records") for name, frame in tables.items()}
    found = []
    for feature in catalogue.features:
        fact = _fact(feature, rows, (versions or {}).get(feature.table, (None, None)))
        if fact is not None:
            found.append(fact)
    return found


def facts_of_patient(
    catalogue: Catalogue,
    tables: Mapping[str, pd.DataFrame],
    versions: Mapping[str, tuple[str, str]] | None = None,
    unpublished: Collection[tuple[str, str]] = (),
) -> list[dict[str, Any]]:
    """Facts of one patient from products that see more than one sample: rows of `sample_facts` with ``timepoint``.

    Parameters
    ----------
    tables
        Table name -> the patient's rows of every timepoint.
    versions
        As in `sample_facts`.
    unpublished
        (table, timepoint) of products of single samples that were never published there.

    A fact of a pair stands at progression: where the patient was measured at baseline, too, or the product has rows
    that say why nothing can be said. A gate that takes one of the two samples takes the pair.
    """
    found = []
    for timepoint in map(str, TIMEPOINTS):
        here = {
            name: _at(frame, (timepoint,)) for name, frame in tables.items() if (name, timepoint) not in unpublished
        }
        rows = sample_facts(catalogue.at(Grain.PATIENT, Grain.COHORT), here, versions)
        if timepoint == Timepoint.PD:
            rows += _pair_facts(catalogue.at(Grain.PAIR), tables, here, versions)
        found += [{"timepoint": timepoint, **row} for row in rows]
    return found


def _pair_facts(
    catalogue: Catalogue,
    tables: Mapping[str, pd.DataFrame],
    at_progression: Mapping[str, pd.DataFrame],
    versions: Mapping[str, tuple[str, str]] | None,
) -> list[dict[str, Any]]:
    gates = {gate.table for feature in catalogue.features for gate in feature.gates}
    pair = (str(Timepoint.BL), str(Timepoint.PD))
    here = {name: _at(tables[name], pair) if name in gates else frame for name, frame in at_progression.items()}
    both = {name for name, frame in tables.items() if all(len(_at(frame, (timepoint,))) for timepoint in pair)}
    return [
        fact
        for fact in sample_facts(catalogue, here, versions)
        if catalogue[fact["feature"]].measured_by in both or len(at_progression[fact["source_asset"]])
    ]


def _at(frame: pd.DataFrame, timepoints: Sequence[str]) -> pd.DataFrame:
    """Rows of these timepoints; a table without timepoints is of the whole patient."""
    return frame[frame["timepoint"].isin(timepoints)] if "timepoint" in frame.columns else frame


def _asked(frame: pd.DataFrame, table: str, features: Sequence[Feature]) -> pd.DataFrame:
    """The table's rows that any feature could select: of 20,000 genes, the dozen that the catalogue names."""
    of_table = [feature for feature in features if feature.table == table and not feature.otherwise]
    if len(of_table) < sum(table in feature.tables for feature in features):
        return frame  # something asks for it in another way
    for column in set.intersection(*(set(feature.where) for feature in of_table)) if of_table else ():
        asked = [feature.where[column] for feature in of_table]
        frame = frame[
            frame[column].isin([one for wanted in asked for one in (wanted if isinstance(wanted, list) else [wanted])])
        ]
    return frame


def _fact(
    feature: Feature, tables: Mapping[str, Sequence[Mapping[Any, Any]]], version: tuple[str | None, str | None]
) -> dict[str, Any] | None:
    measured = tables.get(feature.measured_by, ())
    listed = tables.get(feature.table, ())
    specimens = sorted({str(row["specimen_id"]) for row in (measured or listed) if _known(row.get("specimen_id"))})
    if feature.table not in tables or (not measured and not listed):
        return None
    if feature.grain is Grain.PAIR:
        specimens = [""]
    elif feature.grain in (Grain.PATIENT, Grain.COHORT) and not specimens:
        return None  # rows of the whole patient don't say that there is a sample here
    verdicts = {specimen: _gated(feature.gates, tables, specimen) for specimen in specimens}
    specimen = next((one for one in specimens if verdicts[one] is _STANDS), specimens[0] if specimens else "")
    verdict = verdicts.get(specimen, _STANDS)
    # A table without specimens is of the whole patient.
    own = [row for row in listed if not specimen or row.get("specimen_id", specimen) == specimen]
    chosen = _selected(own, feature.where) or (_selected(own, feature.otherwise) if feature.otherwise else [])
    source = next(iter(chosen or own), {})
    fact: dict[str, Any] = {
        "feature": feature.name,
        "specimen_id": specimen or None,
        "value": None,
        "value_text": None,
        "unit": feature.unit,
        "censor": "",
        "lod": None,
        "source_asset": feature.table,
        "source_partition": source.get("partition_key", version[0]),
        "source_data_version": source.get("data_version", version[1]),
    }
    if verdict is not _STANDS:
        return {**fact, "status": verdict.status, "reason": verdict.reason}
    return {**fact, **_measured(feature, chosen)}


def _selected(rows: Sequence[Mapping[Any, Any]], where: Mapping[str, Any]) -> list[Mapping[Any, Any]]:
    return [row for row in rows if all(_matches(row.get(name), wanted) for name, wanted in where.items())]


def _gated(gates: Sequence[Gate], tables: Mapping[str, Sequence[Mapping[Any, Any]]], specimen: str) -> _Verdict:
    for gate in gates:
        if gate.table not in tables:
            return _Verdict(str(Absence.NOT_EVALUABLE), f"NO_VERDICT: {gate.table}")
        rows = tables[gate.table]
        of_all = gate.any_specimen or not specimen
        about = rows if of_all else [row for row in rows if row.get("specimen_id") == specimen]
        if any(_matches(row.get(gate.column), list(gate.values)) for row in about):
            return _Verdict(str(gate.status), gate.reason)
    return _STANDS


def _measured(feature: Feature, rows: Sequence[Mapping[Any, Any]]) -> dict[str, Any]:
    """Value, status, reason and censoring of the selected rows of one specimen."""
    if not rows:
        if feature.aggregate is Aggregate.COUNT and feature.empty_is_zero:
            return _value(feature, 0)
        if feature.aggregate in (Aggregate.JOIN, Aggregate.RANKED) and feature.empty_is_zero:
            return _value(feature, NONE_DETECTED)
        return _missing(feature.unselected, "NO_SUCH_ROW")
    judged = [(row, _row_verdict(feature, row)) for row in rows]
    good = [row for row, verdict in judged if verdict.status == OBSERVED]
    if feature.aggregate is Aggregate.COUNT:
        if not good:
            return _missing(judged[0][1].status, judged[0][1].reason)
        counted = _selected(good, feature.counted)
        if not feature.column:
            return _value(feature, len(counted))
        return _value(feature, len({row[feature.column] for row in counted if _known(row[feature.column])}))
    if not good:
        # Of several loci the least evaluable decides: one that nobody could judge leaves the gene unjudged.
        row, verdict = min(judged, key=lambda pair: _LEAST_EVALUABLE_FIRST.index(pair[1].status))
        return _missing(verdict.status, verdict.reason) | _limits(feature, row, verdict.status)
    if feature.fallback_column:
        good = [
            row | {feature.column: row[feature.fallback_column]} if not _known(row.get(feature.column)) else row
            for row in map(dict, good)
        ]
    present = [row for row in good if _known(row.get(feature.column))]
    if not present:
        limits = _limits(feature, good[0])
        if limits.get("censor") == "<":
            return _missing(Absence.BELOW_LLOQ, "BELOW_LLOQ") | limits
        return _missing(Absence.NOT_EVALUABLE, "ABOVE_ULOQ" if limits.get("censor") else "NO_VALUE") | limits
    values = [row[feature.column] for row in present]
    if feature.aggregate is Aggregate.JOIN:
        return _value(feature, ";".join(sorted({str(value) for value in values})))
    if feature.aggregate is Aggregate.RANKED:
        return _value(feature, min(map(str, values), key=feature.ranking.index))
    if feature.aggregate is Aggregate.FIRST:
        return _value(feature, values[0])
    if feature.aggregate is Aggregate.SUM:
        return _value(feature, sum(values))
    if feature.aggregate is Aggregate.FURTHEST:
        return _value(feature, max(values, key=abs))
    return _value(feature, max(values) if feature.aggregate is Aggregate.MAX else min(values))


def _row_verdict(feature: Feature, row: Mapping[Any, Any]) -> _Verdict:
    if not feature.status_column:
        return _STANDS
    said = row.get(feature.status_column)
    status = feature.statuses.get(str(said), str(said) if _known(said) else str(Absence.NOT_EVALUABLE))
    reason = row.get(feature.reason_column) if feature.reason_column else None
    if status == Absence.BELOW_LLOQ:
        return _Verdict(status, str(reason) if _known(reason) else "BELOW_LLOQ")
    # A word that neither the catalogue nor the vocabulary knows is no permission to believe the value.
    status = status if status in STATUSES else str(Absence.NOT_EVALUABLE)
    if status == OBSERVED:
        return _STANDS
    words = [str(word) for word in (reason, said) if _known(word) and word]
    return _Verdict(status, next(iter(words), "NO_VERDICT"))


def _limits(feature: Feature, row: Mapping[Any, Any], status: str = "") -> dict[str, Any]:
    censor = row.get(feature.censor_column) if feature.censor_column else None
    if not feature.censor_column and status == Absence.BELOW_LLOQ:
        censor = "<"
    if not _known(censor) or censor not in ("<", ">"):
        return {}
    column = feature.lloq_column if censor == "<" else feature.uloq_column
    limit: Any = row.get(column) if column else None
    return {"censor": censor, "lod": float(limit) if _known(limit) else None}


def _value(feature: Feature, value: Any) -> dict[str, Any]:
    stands: dict[str, Any] = {"status": OBSERVED, "reason": ""}
    if feature.type is Type.TEXT:
        return {**stands, "value_text": str(value)}
    if feature.type is Type.BOOLEAN:
        return {**stands, "value": float(bool(value)), "value_text": "true" if value else "false"}
    return {**stands, "value": float(value)}


def _missing(status: str, reason: str) -> dict[str, Any]:
    return {"status": str(status), "reason": reason}


def _matches(cell: Any, wanted: Any) -> bool:
    if not _known(cell):
        return False
    allowed = wanted if isinstance(wanted, list) else [wanted]
    return any(cell == one for one in allowed)


def _known(cell: Any) -> bool:
    """Whether a cell of a nullable frame holds a value."""
    import pandas as pd

    return cell is not None and cell is not pd.NA and not (isinstance(cell, float) and cell != cell)
