"""Exact tests on small counts, without the seconds that importing a statistics package costs a step."""

from __future__ import annotations

from math import exp, lgamma, log, log1p


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def _hypergeometric(a: int, b: int, c: int, d: int) -> tuple[range, list[float]]:
    """All values that the upper left cell can take with these margins, and their probabilities."""
    row, column, total = a + b, a + c, a + b + c + d
    values = range(max(0, row + column - total), min(row, column) + 1)
    scale = _log_choose(total, column)
    return values, [exp(_log_choose(row, k) + _log_choose(total - row, column - k) - scale) for k in values]


def fisher_greater(a: int, b: int, c: int, d: int) -> float:
    """One-sided Fisher exact p that row 1 of ``[[a, b], [c, d]]`` has a larger share in column 1 than row 2."""
    values, probabilities = _hypergeometric(a, b, c, d)
    return min(1.0, sum(p for k, p in zip(values, probabilities, strict=True) if k >= a))


def fisher_two_sided(a: int, b: int, c: int, d: int) -> float:
    """Two-sided Fisher exact p of ``[[a, b], [c, d]]``: the sum of all tables at most as probable as this one."""
    values, probabilities = _hypergeometric(a, b, c, d)
    observed = probabilities[a - values.start]
    return min(1.0, sum(p for p in probabilities if p <= observed * (1 + 1e-7)))


def binomial_at_least(k: int, n: int, p: float) -> float:
    """P(X >= k) for X ~ Binomial(n, p)."""
    if k <= 0:
        return 1.0
    if k > n or p <= 0:
        return 0.0
    if p >= 1:
        return 1.0
    terms = [exp(_log_choose(n, i) + i * log(p) + (n - i) * log1p(-p)) for i in range(k)]
    upper = [exp(_log_choose(n, i) + i * log(p) + (n - i) * log1p(-p)) for i in range(k, min(n, k + 200) + 1)]
    # The smaller tail is summed directly, so that tiny probabilities keep their digits.
    return min(1.0, sum(upper)) if k > n * p else min(1.0, max(0.0, 1.0 - sum(terms)))
