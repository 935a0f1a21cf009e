"""What a plasma could have shown: critical counts, power and the smallest allele fraction found with certainty."""

from __future__ import annotations

from palbo_assets.ctdna.background import log_probabilities


def detection_power(depth: int, vaf: float, molecules: int) -> float:
    """Probability that at least ``molecules`` of ``depth`` unique molecules carry an allele of fraction ``vaf``.

    Molecules are drawn independently (binomial). For tracked sites pooled, give the summed depth.
    """
    from scipy.special import betainc

    if molecules <= 0:
        return 1.0
    if molecules > depth:
        return 0.0
    return float(betainc(molecules, depth - molecules + 1, vaf))


def critical_count(depth: int, alpha: float, beta: float, p_value: float, least: int) -> int:
    """Fewest alternative molecules, at least ``least``, that errors alone reach with probability <= ``p_value``.

    ``alpha, beta``: the error's beta distribution. More than ``depth`` when no count that the depth allows would do.
    """
    import numpy as np

    if least > depth:
        return least
    # Tails for every count from `least` on, summed from the far end; they fall, so the first small one is it.
    tails = np.logaddexp.accumulate(log_probabilities(least, depth, alpha, beta)[::-1])[::-1]
    return least + int(np.count_nonzero(tails > np.log(p_value)))


def lod95(depth: int, molecules: int, power: float = 0.95) -> float | None:
    """Smallest allele fraction that reaches ``molecules`` with probability ``power``; None when the depth can't.

    Exact: the binomial tail P(X >= k) at fraction f is the regularised incomplete beta I_f(k, n-k+1), whose inverse
    this is. Errors that would add to the count are left out, so the figure errs on the safe side.
    """
    from scipy.special import betaincinv

    if molecules > depth or depth <= 0:
        return None
    return float(betaincinv(molecules, depth - molecules + 1, power))
