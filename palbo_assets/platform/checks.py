"""Asset checks over the published rows of a partition. A check that finds something names the rows by their keys."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import dagster as dg

from palbo_assets.platform.errors import PalboError
from palbo_assets.platform.partitioning import Level, Partitioning
from palbo_assets.platform.resources import InstallationResource
from palbo_assets.platform.tables import Table, validate

if TYPE_CHECKING:
    import pandas as pd

RowCheck = Callable[["pd.DataFrame"], "pd.DataFrame"]
_LISTED = 20


def row_check(
    table: Table,
    partitioning: Partitioning,
    *,
    description: str = "",
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN,
    blocking: bool = False,
) -> Callable[[RowCheck], dg.AssetChecksDefinition]:
    """Declare a check from a function that returns the offending rows of a partition; none means passed."""

    def declare(function: RowCheck) -> dg.AssetChecksDefinition:
        def evaluate(rows: pd.DataFrame) -> tuple[bool, dict[str, dg.MetadataValue]]:
            offending = function(rows)
            return offending.empty, _metadata(table, rows, offending)

        return _check(
            table,
            partitioning,
            name=function.__name__,
            description=description or inspect.getdoc(function) or "",
            severity=severity,
            blocking=blocking,
            evaluate=evaluate,
        )

    return declare


def schema_check(table: Table, partitioning: Partitioning) -> dg.AssetChecksDefinition:
    """The check that a partition's rows keep the table's contract: types, nulls, ranges, vocabularies, unique key."""

    def evaluate(rows: pd.DataFrame) -> tuple[bool, dict[str, dg.MetadataValue]]:
        try:
            validate(table, rows)
        except PalboError as error:
            return False, {"violations": dg.MetadataValue.text(error.message), "rows": dg.MetadataValue.int(len(rows))}
        return True, {"rows": dg.MetadataValue.int(len(rows))}

    return _check(
        table,
        partitioning,
        name="keeps_its_contract",
        description=f"Types, nulls, ranges, vocabularies and the unique key of {table.name}",
        severity=dg.AssetCheckSeverity.ERROR,
        blocking=False,
        evaluate=evaluate,
    )


def _check(
    table: Table,
    partitioning: Partitioning,
    *,
    name: str,
    description: str,
    severity: dg.AssetCheckSeverity,
    blocking: bool,
    evaluate: Callable[[pd.DataFrame], tuple[bool, dict[str, dg.MetadataValue]]],
) -> dg.AssetChecksDefinition:
    # Checks of single partitions are announced as a preview, once for each check; one decision is enough.
    warnings.filterwarnings("ignore", category=dg.PreviewWarning, message=".*partitions_def.*AssetCheckSpec.*")

    @dg.asset_check(
        asset=table.name,
        name=name,
        description=description,
        blocking=blocking,
        partitions_def=partitioning.definition,
        required_resource_keys={"installation"},
    )
    def check(context):  # type: ignore[no-untyped-def]  # Dagster can't read a postponed annotation here
        installation: InstallationResource = context.resources.installation
        key = "" if partitioning.level is Level.COHORT else context.partition_key
        passed, metadata = evaluate(installation.warehouse.read(table, partition_key=key))
        return dg.AssetCheckResult(passed=passed, severity=severity, metadata=metadata)

    return check


def _metadata(table: Table, rows: pd.DataFrame, offending: pd.DataFrame) -> dict[str, dg.MetadataValue]:
    metadata: dict[str, dg.MetadataValue] = {
        "rows": dg.MetadataValue.int(len(rows)),
        "offending": dg.MetadataValue.int(len(offending)),
    }
    if not offending.empty:
        keys = [name for name in table.key if name in offending.columns]
        metadata["offending_rows"] = dg.MetadataValue.table(
            [
                dg.TableRecord({str(name): value for name, value in row.items()})
                for row in offending[keys].astype(str).head(_LISTED).to_dict("records")
            ]
        )
    return metadata
