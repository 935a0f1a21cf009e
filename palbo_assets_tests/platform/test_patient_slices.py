"""A patient's product depends on its own rows of a cohort product that is versioned by patient, on no other's."""

from __future__ import annotations

from dataclasses import replace

from palbo_assets.platform.partitioning import Level
from palbo_assets.platform.provenance import FileIndex, ProductSpec, Snapshot, inputs_of
from palbo_assets.platform.tables import PATIENT_ID, Table

WHO = (PATIENT_ID,)
FAILURES = ProductSpec(Table("failures", "d", "row", WHO), Level.COHORT, (), (), (), None, "t", "1", by_patient=True)
PAIR = ProductSpec(Table("pair", "d", "row", (PATIENT_ID,)), Level.PATIENT, (), ("failures",), (), None, "t", "1")
SUMMARY = ProductSpec(Table("summary", "d", "row", (PATIENT_ID,)), Level.COHORT, (), ("failures",), (), None, "t", "1")
SPECS = {spec.name: spec for spec in (FAILURES, PAIR, SUMMARY)}
BEFORE = Snapshot(FileIndex([]), {("failures", ""): "v1"}, {}, {}, {}, {}, slices={("failures", "P1"): "a"})
AFTER = replace(
    BEFORE, published={("failures", ""): "v2"}, slices={("failures", "P1"): "a", ("failures", "P2"): "b"}
)  # fmt: skip


def version(spec: ProductSpec, key: str, snapshot: Snapshot) -> str:
    inputs = inputs_of(spec, key, snapshot, SPECS)
    assert inputs is not None
    return inputs.data_version("1")


def test_another_patients_rows_make_no_partition_due() -> None:
    assert version(PAIR, "P1", BEFORE) == version(PAIR, "P1", AFTER)
    assert version(PAIR, "P3", BEFORE) == version(PAIR, "P3", AFTER)


def test_its_own_rows_make_a_partition_due() -> None:
    assert version(PAIR, "P2", BEFORE) != version(PAIR, "P2", AFTER)


def test_a_cohort_product_follows_every_change() -> None:
    assert version(SUMMARY, "", BEFORE) != version(SUMMARY, "", AFTER)


def test_before_it_is_published_there_is_nothing_to_read() -> None:
    assert inputs_of(PAIR, "P1", replace(BEFORE, published={}), SPECS) is None
