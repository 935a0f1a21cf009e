"""What the demo says at its end: per product what was expected, received, materialised and quarantined, and how each
planted fault was caught."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palbo_assets.demo.twin import Fault
from palbo_assets.platform.config import Home
from palbo_assets.platform.partitioning import Level

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table as RichTable

    from palbo_assets.platform.warehouse import Warehouse

IDENTITY = "sample_identity"
LEDGER = "delivery_ledger"
_RECEIVED = ("RECEIVED", "READY", "QC_FAIL", "QUARANTINED")


@dataclass(frozen=True)
class Catch:
    """How one planted fault was met: the verdict found and whether it is the one that the fault's truth names."""

    fault: Fault
    found: str
    message: str
    caught: bool


def demo_summary(home: Home, truth_file: Path) -> list[RichTable]:
    """The two tables that the demo prints."""
    import palbo_assets.definitions  # noqa: F401  (declares every product)
    from palbo_assets.platform.warehouse import Warehouse

    warehouse = Warehouse(home)
    try:
        return [product_table(warehouse), fault_table(catches(warehouse, planted_faults(truth_file)))]
    finally:
        warehouse.close()


def planted_faults(truth_file: Path) -> list[Fault]:
    return [Fault(**row) for row in json.loads(truth_file.read_text(encoding="utf-8"))["faults"]]


def product_table(warehouse: Warehouse) -> RichTable:
    """One row a product: partitions expected and received (where an assay of the protocol leads to it), materialised,
    and quarantined or failed."""
    from rich.table import Table

    from palbo_assets.platform.product import SPECS
    from palbo_assets.study.protocol import load_protocol

    ledger = warehouse.read(SPECS[LEDGER].table)
    assays: dict[str, list[str]] = {}
    for name, assay in load_protocol().assays.items():
        assays.setdefault(assay.product, []).append(name)
    published: dict[str, int] = {}
    for product, _ in warehouse.current_versions():
        published[product] = published.get(product, 0) + 1
    failed: dict[str, int] = {}
    for product, _ in warehouse.failed_versions():
        failed[product] = failed.get(product, 0) + 1
    table = Table(title="Products", caption="partitions; a dash where the protocol plans no assay for it")
    for name in ("product", "grain"):
        table.add_column(name, no_wrap=True)
    for name in ("expected", "received", "materialised", "quarantined or failed"):
        table.add_column(name, justify="right")
    for spec in sorted(SPECS.values(), key=lambda spec: (list(Level).index(spec.level), spec.room, spec.name)):
        cells = ledger[ledger["assay"].isin(assays.get(spec.name, ())) & ledger["expected"]]
        cells = cells.drop_duplicates(["patient_id", "timepoint"])
        planned = spec.name in assays
        quarantined = int((cells["state"] == "QUARANTINED").sum()) + failed.get(spec.name, 0)
        table.add_row(
            spec.name,
            str(spec.level),
            str(len(cells)) if planned else "-",
            str(int(cells["state"].isin(_RECEIVED).sum())) if planned else "-",
            str(published.get(spec.name, 0)),
            str(quarantined) if quarantined else "",
        )
    return table


def catches(warehouse: Warehouse, faults: list[Fault]) -> list[Catch]:
    """For every planted fault, what the platform says of it."""
    from palbo_assets.landing.files import ledger_frame
    from palbo_assets.platform.product import SPECS

    landed = ledger_frame(warehouse.engine)
    identity = warehouse.read(SPECS[IDENTITY].table)
    return [
        _identity_catch(fault, identity) if fault.caught_by == IDENTITY else _receipt_catch(fault, landed)
        for fault in faults
    ]


def _receipt_catch(fault: Fault, landed: pd.DataFrame) -> Catch:
    if fault.file:
        rows = landed[landed["file"].str.endswith("/" + fault.file)]
    else:
        rows = landed[(landed["patient_id"] == fault.patient_id) & (landed["modality"] != "clinical")]
    verdicts = {
        f"{row['status']} {row['reason']}".strip(): str(row["delivery"]) for row in rows.fillna("").to_dict("records")
    }
    right = [verdict for verdict in verdicts if fault.code in verdict.split()]
    caught = bool(right) and (bool(fault.file) or len(verdicts) == len(right))
    return Catch(
        fault, "; ".join(right or verdicts), ", ".join(sorted({verdicts[v] for v in right or verdicts})), caught
    )


def _identity_catch(fault: Fault, identity: pd.DataFrame) -> Catch:
    rows = identity[(identity["patient_id"] == fault.patient_id) & (identity["timepoint"] == fault.timepoint)]
    found: list[dict[Any, Any]] = rows.fillna("").to_dict("records")
    caught = any(row["reason"] == fault.code for row in found)
    said = "; ".join(f"{row['verdict']} {row['reason']}" for row in found)
    return Catch(fault, said, f"{IDENTITY} of {fault.patient_id} {fault.timepoint}", caught)


def fault_table(found: list[Catch]) -> RichTable:
    from rich.table import Table

    table = Table(title="Planted faults")
    for name in ("planted fault", "where", "verdict", "receipt or check", "caught"):
        table.add_column(name, overflow="fold")
    for catch in found:
        fault = catch.fault
        where = fault.file or f"{fault.patient_id} {fault.timepoint}".strip()
        table.add_row(
            fault.name, where, catch.found, catch.message, "[green]yes[/green]" if catch.caught else "[red]NO[/red]"
        )
    return table
