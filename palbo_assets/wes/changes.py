"""What may become of a clone between two samples."""

from __future__ import annotations

from enum import StrEnum


class Change(StrEnum):
    """What became of the clone between two samples."""

    EXPANDED = "EXPANDED"
    CONTRACTED = "CONTRACTED"
    NO_CHANGE_SHOWN = "NO_CHANGE_SHOWN"
    NOT_EVALUABLE = "NOT_EVALUABLE"
