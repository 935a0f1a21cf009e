"""Asset checks over the published rows of a partition. A check that finds something names the rows by their keys."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from palbo_assets.platform.errors import PalboError
from palbo_assets.platform.partitioning import Level, Partitioning
from palbo_assets.platform.resources import InstallationResource
from palbo_assets.platform.tables import Table, validate

if TYPE_CHECKING:
    import pandas as pd

RowCheck = Callable[["pd.DataFrame"], "pd.DataFrame"]
_Finding = tuple[bool, str, dict[str, dg.MetadataValue]]
"""Whether the rows passed, in a few words what was found, and the metadata."""
_LISTED = 20


def row_check(
    table: Table,
    partitioning: Partitioning,
    *,
    description: str = "",
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN,
    blocking: bool = False,
    shows: Sequence[str] = (),
) -> Callable[[RowCheck], dg.AssetChecksDefinition]:
    """Declare a check from a function that returns the offending rows of a partition; none means passed.

    ``shows``: columns to list beside the key of what was found.
    """

    def declare(function: RowCheck) -> dg.AssetChecksDefinition:
        def evaluate(rows: pd.DataFrame) -> _Finding:
            offending = function(rows)
            found = "" if offending.empty else f"{len(offending)} of {_counted(len(rows))}: see offending_rows"
            return offending.empty, found, _metadata(table, rows, offending, shows)

        return _check(
            table,
            partitioning,
            name=function.__name__,
            description=description or inspect.getdoc(function) or "",
            severity=severity,
            blocking=blocking,
            evaluate=evaluate,
            find=function,
        )

    return declare


def offending_rows(check: dg.AssetChecksDefinition, rows: pd.DataFrame) -> pd.DataFrame:
    """What a check declared by `row_check` finds in ``rows``, without Dagster."""
    find = _EVALUATIONS[check.check_key].find
    if find is None:
        raise TypeError(f"{check.check_key.name} is not a row check")
    return find(rows)


def schema_check(table: Table, partitioning: Partitioning) -> dg.AssetChecksDefinition:
    """The check that a partition's rows keep the table's contract: types, nulls, ranges, vocabularies, unique key."""

    def evaluate(rows: pd.DataFrame) -> _Finding:
        try:
            validate(table, rows)
        except PalboError as error:
            violations = dg.MetadataValue.text(error.message)
            return False, error.message, {"violations": violations, "rows": dg.MetadataValue.int(len(rows))}
        return True, "", {"rows": dg.MetadataValue.int(len(rows))}

    return _check(
        table,
        partitioning,
        name="keeps_its_contract",
        description=f"Types, nulls, ranges, vocabularies and the unique key of {table.name}",
        severity=dg.AssetCheckSeverity.ERROR,
        blocking=False,
        evaluate=evaluate,
    )


@dataclass(frozen=True)
class _Evaluation:
    """What a check does with the rows of a partition."""

    table: Table
    partitioning: Partitioning
    name: str
    description: str
    severity: dg.AssetCheckSeverity
    blocking: bool
    evaluate: Callable[[pd.DataFrame], _Finding]
    find: RowCheck | None = None

    def spec(self) -> dg.AssetCheckSpec:
        return dg.AssetCheckSpec(
            self.name,
            asset=self.table.name,
            description=self.description,
            blocking=self.blocking,
            partitions_def=self.partitioning.definition,
        )

    def result(self, rows: pd.DataFrame) -> dg.AssetCheckResult:
        passed, found, metadata = self.evaluate(rows)
        return dg.AssetCheckResult(
            asset_key=self.table.name,
            check_name=self.name,
            passed=passed,
            severity=self.severity,
            description=found or f"{_counted(len(rows))} passed",
            metadata=metadata,
        )


_EVALUATIONS: dict[dg.AssetCheckKey, _Evaluation] = {}


def _check(table: Table, partitioning: Partitioning, **options: Any) -> dg.AssetChecksDefinition:
    evaluation = _Evaluation(table, partitioning, **options)
    definition = _definition(f"{table.name}_{evaluation.name}", [evaluation])
    _EVALUATIONS[definition.check_key] = evaluation
    return definition


def together(checks: Iterable[dg.AssetChecksDefinition]) -> list[dg.AssetChecksDefinition]:
    """The same checks, those of one product evaluated by one step on one reading of its rows.

    A step costs five events and about 50 ms of the orchestrator's time; a sample has dozens of checks.
    """
    grouped: dict[str, list[_Evaluation]] = {}
    for check in checks:
        evaluation = _EVALUATIONS[check.check_key]
        grouped.setdefault(evaluation.table.name, []).append(evaluation)
    return [_definition(f"{product}_checks", evaluations) for product, evaluations in sorted(grouped.items())]


def _definition(name: str, evaluations: Sequence[_Evaluation]) -> dg.AssetChecksDefinition:
    table, partitioning = evaluations[0].table, evaluations[0].partitioning
    with warnings.catch_warnings():
        # Checks of single partitions are announced as a preview, once for each check; one decision is enough.
        warnings.simplefilter("ignore", category=dg.PreviewWarning)
        specs = [evaluation.spec() for evaluation in evaluations]

    @dg.multi_asset_check(name=name, specs=specs, can_subset=True, required_resource_keys={"installation"})
    def check(context):  # type: ignore[no-untyped-def]  # Dagster can't read a postponed annotation here
        installation: InstallationResource = context.resources.installation
        key = "" if partitioning.level is Level.COHORT else context.partition_key
        rows = installation.warehouse.read(table, partition_key=key)
        selected = {check_key.name for check_key in context.selected_asset_check_keys}
        for evaluation in evaluations:
            if evaluation.name in selected:
                yield evaluation.result(rows)

    return check


def _counted(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows} rows"


def _metadata(
    table: Table, rows: pd.DataFrame, offending: pd.DataFrame, shows: Sequence[str] = ()
) -> dict[str, dg.MetadataValue]:
    metadata: dict[str, dg.MetadataValue] = {
        "rows": dg.MetadataValue.int(len(rows)),
        "offending": dg.MetadataValue.int(len(offending)),
    }
    if not offending.empty:
        keys = [name for name in (*table.key, *shows) if name in offending.columns]
        metadata["offending_rows"] = dg.MetadataValue.table(
            [
                dg.TableRecord({str(name): value for name, value in row.items()})
                for row in offending[keys].astype(str).head(_LISTED).to_dict("records")
            ]
        )
    return metadata
