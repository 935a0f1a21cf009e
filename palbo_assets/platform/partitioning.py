"""The four grains at which products are partitioned, and how one grain's partition selects another's rows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dagster as dg


class Level(StrEnum):
    """Grain of a product, from fine to coarse in the order in which data flows."""

    BATCH = "batch"  # one file of many patients
    SAMPLE = "sample"  # patient x timepoint
    PATIENT = "patient"
    COHORT = "cohort"  # not partitioned


@dataclass(frozen=True)
class Partitioning:
    """A level with its Dagster partitions (None for the cohort)."""

    level: Level
    definition: dg.PartitionsDefinition | None


SEPARATOR = "|"


def sample_key(patient_id: str, timepoint: str) -> str:
    """The Dagster key of a (patient, timepoint) partition."""
    return f"{patient_id}{SEPARATOR}{timepoint}"


def split_sample_key(key: str) -> tuple[str, str]:
    patient_id, _, timepoint = key.partition(SEPARATOR)
    return patient_id, timepoint


def patient_and_timepoint(level: Level, key: str) -> tuple[str, str]:
    """(patient, timepoint) that a partition is about; empty text where it is about none."""
    if level is Level.SAMPLE:
        return split_sample_key(key)
    if level is Level.PATIENT:
        return key, ""
    return "", ""
