"""State of a named variant in one sample from its counts: what may be said of a variant that was seen elsewhere.

"Acquired" may only be said of an alteration that the earlier sample would have shown. So a variant that any sample of
a patient shows is counted in all of them, and where it wasn't called, the power to have seen it at the fraction that
is to be expected there decides between ABSENT and NOT_EVALUABLE; what rises above the background is neither.
"""

from __future__ import annotations

from dataclasses import dataclass

from palbo_assets.genomics.exact import binomial_at_least

NOT_COVERED, LOW_POWER, TRACE, NOT_COUNTABLE = "NOT_COVERED", "LOW_POWER", "TRACE", "NOT_COUNTABLE"
NO_EXPECTATION = "NO_EXPECTED_FRACTION"
PRESENT, ABSENT, NOT_EVALUABLE = "PRESENT", "ABSENT", "NOT_EVALUABLE"


@dataclass(frozen=True)
class Rules:
    """What makes a variant visible (alleles counted), a trace (count, p) and an absence (probability)."""

    visible: int
    trace: int
    trace_p: float
    min_power: float
    background_floor: float


@dataclass(frozen=True)
class Judgement:
    """``power``: probability that this depth shows at least ``visible`` alleles of the expected fraction."""

    state: str
    p_value: float | None = None
    power: float | None = None
    visible_vaf: float | None = None
    trace: bool = False
    reason: str | None = None


def judge(
    depth: int, alt: int, background: float | None, expected_vaf: float | None, *, called: bool, rules: Rules
) -> Judgement:
    """State of a variant that ``alt`` of ``depth`` fragments or molecules show.

    ``background``: errors towards this allele per fragment (None: the floor); ``called``: this very sample's caller
    says that it is there, whatever a threshold here says.
    """
    p_value = binomial_at_least(alt, depth, max(background or 0.0, rules.background_floor))
    power = None if expected_vaf is None else binomial_at_least(rules.visible, depth, min(expected_vaf, 1.0))
    visible = smallest_visible(depth, rules.visible, rules.min_power)
    trace = not called and alt >= rules.trace and p_value < rules.trace_p
    if called:
        return Judgement(PRESENT, p_value, power, visible)
    if not trace and power is not None and power >= rules.min_power:
        return Judgement(ABSENT, p_value, power, visible)
    reason = TRACE if trace else NOT_COVERED if depth == 0 else NO_EXPECTATION if power is None else LOW_POWER
    return Judgement(NOT_EVALUABLE, p_value, power, visible, trace, reason)


def smallest_visible(depth: int, least: int, wanted: float) -> float | None:
    """Smallest fraction that shows at least ``least`` of ``depth`` with probability ``wanted``; None if none does.

    Exact: the binomial tail at fraction f is the regularised incomplete beta I_f(k, n-k+1), whose inverse this is.
    """
    from scipy.special import betaincinv

    return None if least > depth else float(betaincinv(least, depth - least + 1, wanted))
