"""The synthetic twin of the trial: raw files of every modality in their true formats, with planted truth and faults."""
