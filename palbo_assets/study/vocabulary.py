"""The study's controlled vocabularies. Every status, reason and state in a table is one of these."""

from __future__ import annotations

from enum import StrEnum


class Timepoint(StrEnum):
    """Canonical timepoints in clinical order."""

    BL = "BL"
    W06 = "W06"
    W12 = "W12"
    PD = "PD"


# Plain text: an enumeration member of its own type is not what serialisers of other libraries know.
TIMEPOINTS: tuple[str, ...] = tuple(timepoint.value for timepoint in Timepoint)


class Modality(StrEnum):
    """What a delivered file belongs to."""

    CLINICAL = "clinical"
    WES = "wes"
    RNASEQ = "rnaseq"
    CTDNA = "ctdna"
    HE_SLIDE = "he_slide"
    IHC = "ihc"
    ELISA = "elisa"
    FACS = "facs"


class Absence(StrEnum):
    """Why a value is missing. A value that is there has the status ``OBSERVED``."""

    NOT_EXPECTED = "NOT_EXPECTED"  # the protocol plans no such measurement here
    NOT_COLLECTED = "NOT_COLLECTED"  # planned, and known not to have been taken
    PENDING = "PENDING"  # planned, not here yet
    QC_FAIL = "QC_FAIL"  # measured, and not to be believed
    NOT_ASSAYED = "NOT_ASSAYED"  # the assay doesn't cover it (a locus outside the panel version)
    NOT_EVALUABLE = "NOT_EVALUABLE"  # measured, but without the power or the input to say
    BELOW_LLOQ = "BELOW_LLOQ"  # measured below the lower limit of quantification
    WITHDRAWN = "WITHDRAWN"  # consent withdrawn


OBSERVED = "OBSERVED"
STATUSES: tuple[str, ...] = (OBSERVED, *Absence)


class State(StrEnum):
    """State of a mechanism. ABSENT needs measured power."""

    PRESENT = "PRESENT"
    ABSENT = "ABSENT"
    NOT_EVALUABLE = "NOT_EVALUABLE"


class CallState(StrEnum):
    """State of one tracked locus in one plasma sample."""

    PRESENT = "PRESENT"
    ABSENT = "ABSENT"
    NOT_EVALUABLE = "NOT_EVALUABLE"
    NOT_ASSAYED = "NOT_ASSAYED"


class Transition(StrEnum):
    """What became of a mechanism between baseline and progression."""

    PREEXISTING = "preexisting"
    PREEXISTING_EXPANDED = "preexisting_expanded"
    PREEXISTING_SUBCLONAL_EXPANDED = "preexisting_subclonal_expanded"
    ACQUIRED = "acquired"
    PD_ONLY_INDETERMINATE = "pd_only_indeterminate"
    LOST = "lost"
    BL_ONLY_INDETERMINATE = "bl_only_indeterminate"
    GAINED = "gained"
    STABLE_ABSENT = "stable_absent"
    NOT_EVALUABLE = "not_evaluable"


class Qc(StrEnum):
    """Verdict of a quality check."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


CHOSEN_FROM_COHORT = "chosen_from_these_patients"
"""Of a plasma panel's region: added because of what this cohort showed, so it can't tell how common that is in it."""
