"""Withdrawn consent: whose data must leave every product.

The clinical room publishes who withdrew (table ``patients``, column ``withdrawn``); retraction deletes what was already
published of them, and cohort products follow because their inputs changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from palbo_assets.platform.partitioning import Level, patient_and_timepoint
from palbo_assets.platform.provenance import ProductSpec
from palbo_assets.platform.warehouse import Warehouse

PATIENTS = "patients"
WITHDRAWN = "withdrawn"


def withdrawn_patients(warehouse: Warehouse, specs: Mapping[str, ProductSpec]) -> frozenset[str]:
    """Patients whose consent is withdrawn, as last published; empty before the first clinical export."""
    spec = specs.get(PATIENTS)
    if spec is None or not warehouse.versions(PATIENTS):
        return frozenset()
    patients = warehouse.read(spec.table)
    return frozenset(patients.loc[patients[WITHDRAWN].fillna(False), "patient_id"])


def retract(warehouse: Warehouse, specs: Mapping[str, ProductSpec], patients: Iterable[str], actor: str) -> list[str]:
    """Delete every sample, patient and batch row of these patients; the partitions that were retracted."""
    gone = set(patients)
    retracted = []
    for product, key in sorted({*warehouse.current_versions(), *warehouse.failed_versions()}):
        spec = specs.get(product)
        if spec is None:
            continue
        patient_id, _ = patient_and_timepoint(spec.level, key)
        if patient_id in gone:
            warehouse.retract(spec.table, key, actor=actor)
            retracted.append(f"{product}:{key}")
    for spec in specs.values():
        if spec.level is Level.BATCH and "patient_id" in spec.table.column_names:
            warehouse.delete_patients(spec.table, gone, actor=actor)
    return retracted
