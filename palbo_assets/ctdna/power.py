"""What a plasma could have shown: critical counts, power and the smallest allele fraction found with certainty."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palbo_assets.ctdna.background import log_probabilities

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def detection_power(depth: int, vaf: float, molecules: int, errors: tuple[float, float] | None = None) -> float:
    """Probability that at least ``molecules`` of ``depth`` unique molecules show an allele of fraction ``vaf``.

    Molecules are drawn independently (binomial). For tracked sites pooled, give the summed depth.

    Parameters
    ----------
    errors
        Beta distribution (alpha, beta) of the error, whose molecules add to the allele's own (beta-binomial; their
        depth is taken as the whole depth, which is right to a share ``vaf`` of them). None counts the allele's alone.
    """
    import numpy as np
    from scipy.special import betainc

    if molecules <= 0:
        return 1.0
    if molecules > depth:
        return 0.0
    if errors is None:
        return float(betainc(molecules, depth - molecules + 1, vaf))
    own = betainc(np.arange(molecules, 0, -1), depth - np.arange(molecules, 0, -1) + 1, vaf)
    return _with_errors(own, _first_probabilities(depth, molecules, errors))


def _first_probabilities(depth: int, molecules: int, errors: tuple[float, float]) -> NDArray[np.float64]:
    """P(errors alone show e molecules) for e = 0..molecules - 1."""
    import numpy as np

    return np.exp(log_probabilities(0, depth, *errors)[:molecules])


def _with_errors(own: NDArray[np.float64], errors: NDArray[np.float64]) -> float:
    """P(own + errors >= k) from P(own >= k - e) and P(errors = e), e = 0..k-1; more errors reach k by themselves."""
    return float(min((own * errors).sum() + max(1.0 - errors.sum(), 0.0), 1.0))


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


def lod95(depth: int, molecules: int, power: float = 0.95, errors: tuple[float, float] | None = None) -> float | None:
    """Smallest allele fraction that reaches ``molecules`` with probability ``power``; None when the depth can't.

    Exact: the binomial tail P(X >= k) at fraction f is the regularised incomplete beta I_f(k, n-k+1), whose inverse
    this is without ``errors``. With them (alpha, beta of `detection_power`) the fraction is smaller, and found by
    Brent's method; 0 where errors reach the count that often by themselves.
    """
    import numpy as np
    from scipy.optimize import brentq
    from scipy.special import betainc, betaincinv

    if molecules > depth or depth <= 0:
        return None
    alone = float(betaincinv(molecules, depth - molecules + 1, power))
    if errors is None or molecules <= 0:
        return alone
    first = _first_probabilities(depth, molecules, errors)
    least = np.arange(molecules, 0, -1)

    def above(vaf: float) -> float:
        return _with_errors(betainc(least, depth - least + 1, vaf), first) - power

    if above(0.0) >= 0:
        return 0.0
    return float(brentq(above, 0.0, alone, xtol=1e-9)) if above(alone) > 0 else alone
