"""One state of one mechanism from one source, and the reasons why it may not be evaluable."""

from __future__ import annotations

from dataclasses import dataclass

from palbo_assets.study.vocabulary import State

# Why a state isn't evaluable. With a reason of MEASURED the sample was looked at and nothing was called: "seen only
# later" may be said of it, "acquired" may not.
NOT_MEASURED = "NOT_MEASURED"
IDENTITY_MISMATCH = "E_IDENTITY_MISMATCH"
QC_FAIL = "QC_FAIL"
LOW_POWER = "LOW_POWER"
TRACE = "TRACE_BELOW_CALLING_LIMIT"
NO_FORCED_GENOTYPE = "NO_FORCED_GENOTYPE"
NO_DEPTH = "NO_DEPTH_STATED"
NO_CLONAL_FRACTION = "NO_ALTERATION_IN_SAMPLE"
LOW_SHEDDING = "NO_TUMOUR_DNA_SEEN"
NO_LOCUS = "NO_TRACKED_LOCUS"
NOT_ASSAYED = "NOT_ASSAYED"
ONE_OF_TWO = "ONE_HIT_OF_TWO"
NO_COPY_NUMBER = "NO_COPY_NUMBER"
MEASURED = frozenset(
    {
        LOW_POWER,
        TRACE,
        NO_FORCED_GENOTYPE,
        NO_DEPTH,
        NO_CLONAL_FRACTION,
        LOW_SHEDDING,
        ONE_OF_TWO,
        NO_COPY_NUMBER,
    }
)


@dataclass(frozen=True)
class StateRow:
    """State of one mechanism at one timepoint from one source. ``value`` is in ``unit``; `None` where unknown."""

    mechanism: str
    timepoint: str
    source: str
    state: State
    value: float | None = None
    value_low: float | None = None
    value_high: float | None = None
    unit: str | None = None
    threshold: float | None = None
    power: float | None = None
    trace: bool = False
    reason: str = ""
    hgvsp: str = ""
    evidence: str = ""
    chosen_from_cohort: bool | None = None  # whether it rests on loci that are on the panel for this cohort's sake
