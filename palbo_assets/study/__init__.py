"""The protocol as data: cohorts, timepoints, assays, partitions and the study's vocabularies."""
