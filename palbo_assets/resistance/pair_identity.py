"""Whether the samples of a patient's pair are the patient's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def pair_is_blocked(sample_identity: pd.DataFrame, identity_failures: pd.DataFrame) -> bool:
    """Whether a sample of baseline or of progression isn't the patient's (`blocked_timepoints`)."""
    from palbo_assets.resistance.variant_states import blocked_timepoints

    return "BL" in blocked_timepoints(with_failures(sample_identity, identity_failures))


def with_failures(sample_identity: pd.DataFrame, identity_failures: pd.DataFrame) -> pd.DataFrame:
    """The samples' own verdicts, and a mismatch for each that the comparison of all samples told from its patient."""
    import pandas as pd

    if identity_failures.empty:
        return sample_identity
    failed = identity_failures[["patient_id", "timepoint", "specimen_id"]].assign(verdict="mismatch")
    return pd.concat([sample_identity, failed], ignore_index=True)
