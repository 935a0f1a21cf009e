"""Compiled least squares of the four- and five-parameter logistic curve, for many plates at once.

Levenberg's and Marquardt's method with an analytic Jacobian in the parameters ``a, log b, log c, d, log g``; parameters
stay in their box (a step is cut at a bound, and a bound that the gradient pushes against is held). The readable twin is
`standard_curve.fit_by_scipy`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

ITERATIONS = 2000
_SMALLEST_STEP = 1e-13
_STEEPEST = 700.0
_NOTHING = 1e-20  # weighted squares: far below what any reader resolves


@njit(cache=True, nogil=True)
def curve_and_gradient(x, theta, gradient):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Response at ``x`` >= 0; ``gradient`` (5) gets its derivatives by the parameters."""
    a, b, log_c, d, g = theta[0], np.exp(theta[1]), theta[2], theta[3], np.exp(theta[4])
    if x <= 0.0:
        gradient[:] = 0.0
        gradient[0] = 1.0
        return a
    exponent = min(max(b * (np.log(x) - log_c), -_STEEPEST), _STEEPEST)
    ratio = np.exp(exponent)
    log_base = np.log1p(ratio)
    share = np.exp(-g * log_base)
    slope = -(a - d) * g * share * ratio / (1.0 + ratio)  # derivative by the exponent
    gradient[0] = share
    gradient[1] = slope * exponent
    gradient[2] = -slope * b
    gradient[3] = 1.0 - share
    gradient[4] = -(a - d) * share * g * log_base
    return d + (a - d) * share


@njit(cache=True, nogil=True)
def _normal_equations(x, y, weight, theta, n_free, left, right):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Weighted sum of squares; fills JᵀJ and Jᵀr of the first ``n_free`` parameters."""
    gradient = np.empty(5)
    left[:] = 0.0
    right[:] = 0.0
    total = 0.0
    for i in range(x.size):
        if weight[i] == 0.0:
            continue
        residual = weight[i] * (y[i] - curve_and_gradient(x[i], theta, gradient))
        total += residual * residual
        for j in range(n_free):
            row = weight[i] * gradient[j]
            right[j] += row * residual
            for k in range(j + 1):
                left[j, k] += row * weight[i] * gradient[k]
    for j in range(n_free):
        for k in range(j):
            left[k, j] = left[j, k]
    return total


@njit(cache=True, nogil=True)
def _solve(left, right, held, damping, n_free, step):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Damped step of the free parameters by Cholesky; False when the matrix isn't positive."""
    factor = np.zeros((5, 5))
    order = np.empty(5, dtype=np.int64)
    n = 0
    for j in range(n_free):
        step[j] = 0.0
        if not held[j]:
            order[n] = j
            n += 1
    for p in range(n):
        for q in range(p + 1):
            value = left[order[p], order[q]]
            if p == q:
                value += damping * max(left[order[p], order[p]], 1e-300)
            for k in range(q):
                value -= factor[p, k] * factor[q, k]
            if p == q:
                if value <= 0.0:
                    return False
                factor[p, p] = np.sqrt(value)
            else:
                factor[p, q] = value / factor[q, q]
    forward = np.zeros(5)
    for p in range(n):
        value = right[order[p]]
        for k in range(p):
            value -= factor[p, k] * forward[k]
        forward[p] = value / factor[p, p]
    for p in range(n - 1, -1, -1):
        value = forward[p]
        for k in range(p + 1, n):
            value -= factor[k, p] * step[order[k]]
        step[order[p]] = value / factor[p, p]
    return True


@njit(cache=True, nogil=True)
def fit_one(x, y, weight, theta, lower, upper, n_free):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Fit in place; returns whether it converged. ``weight`` is 1/sigma, 0 for wells to leave out."""
    left, trial_left = np.empty((5, 5)), np.empty((5, 5))
    right, trial_right = np.empty(5), np.empty(5)
    step = np.zeros(5)
    trial = theta.copy()
    held = np.zeros(5, dtype=np.bool_)
    total = _normal_equations(x, y, weight, theta, n_free, left, right)
    damping = 1e-3
    for _ in range(ITERATIONS):
        for j in range(n_free):
            held[j] = (theta[j] <= lower[j] and right[j] <= 0.0) or (theta[j] >= upper[j] and right[j] >= 0.0)
        if not _solve(left, right, held, damping, n_free, step):
            damping = max(10.0 * damping, 1e-12)
            continue
        largest = 0.0
        for j in range(n_free):
            trial[j] = min(max(theta[j] + step[j], lower[j]), upper[j])
            largest = max(largest, abs(trial[j] - theta[j]) / (1e-8 + abs(theta[j])))
        for j in range(n_free, 5):
            trial[j] = theta[j]
        new = _normal_equations(x, y, weight, trial, n_free, trial_left, trial_right)
        if new <= total:
            finished = largest < _SMALLEST_STEP or total - new <= 1e-13 * total + _NOTHING
            theta[:] = trial
            left[:] = trial_left
            right[:] = trial_right
            total = new
            damping = max(damping * 0.1, 1e-15)
            if finished:
                return True
        else:
            if largest < 1e-11:
                return True
            damping *= 10.0
            if damping > 1e12:
                return True
    return False


@njit(cache=True, nogil=True)
def fit_many(x, y, weight, theta, lower, upper, n_free):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """`fit_one` over plates: all arguments but ``n_free`` have plates as their first axis."""
    converged = np.empty(x.shape[0], dtype=np.bool_)
    for plate in range(x.shape[0]):
        converged[plate] = fit_one(x[plate], y[plate], weight[plate], theta[plate], lower[plate], upper[plate], n_free)
    return converged


@njit(cache=True, nogil=True)
def information(x, y, weight, theta, n_free):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """JᵀJ (n_free, n_free) and the weighted sum of squares at ``theta``."""
    left, right = np.empty((5, 5)), np.empty(5)
    total = _normal_equations(x, y, weight, theta, n_free, left, right)
    return left[:n_free, :n_free].copy(), total
