"""The study's partitions: patient (grows), timepoint (clinical order), and batches of many patients."""

from __future__ import annotations

import dagster as dg

from palbo_assets.platform.partitioning import Level, Partitioning
from palbo_assets.study.vocabulary import TIMEPOINTS

patient_partitions = dg.DynamicPartitionsDefinition(name="patient")
# As plain text: code servers refuse to serialise members of an enumeration.
timepoint_partitions = dg.StaticPartitionsDefinition(list(TIMEPOINTS))
batch_partitions = dg.DynamicPartitionsDefinition(name="plate")
sample_partitions = dg.MultiPartitionsDefinition({"patient": patient_partitions, "timepoint": timepoint_partitions})

SAMPLE = Partitioning(Level.SAMPLE, sample_partitions)
PATIENT = Partitioning(Level.PATIENT, patient_partitions)
BATCH = Partitioning(Level.BATCH, batch_partitions)
COHORT = Partitioning(Level.COHORT, None)
