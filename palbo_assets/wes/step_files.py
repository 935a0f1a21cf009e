"""Which of a step's files are the patient's blood, and the columns that say whose row it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from palbo_assets.platform.product import Step

MISSING = "E_REFERENCE_MISSING"


def normal_file(step: Step) -> Any:
    """The patient's blood exome; the first by content hash where a lab delivered two, None without any."""
    return min(step.files("normal_bam"), key=lambda file: file.sha256, default=None)


def normal_path(step: Step) -> Path | None:
    found = normal_file(step)
    return found.path if found else None


def specimen_columns(step: Step, file: Any) -> dict[str, Any]:
    return {
        "patient_id": step.patient_id,
        "timepoint": file.timepoint,
        "specimen_id": file.specimen_id,
    }
