"""The logistic standard curve: y = d + (a - d) / (1 + (x / c)^b)^g, with four parameters (g = 1) or five.

``a`` is the response at zero dose, ``d`` at infinite dose, ``c`` (pg/mL) and ``b`` place and steepen the rise, ``g``
makes it asymmetric. Fitted by weighted least squares; 1/y^2 weights because the standard deviation of a ligand-binding
read-out grows with the signal (FDA Bioanalytical Method Validation 2018; O'Connell, Belanger & Haaland 1993; five
parameters: Gottschalk & Dunn 2005). The fit's uncertainty is carried to concentrations by the delta method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from palbo_assets.platform.errors import NotEvaluableError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

FOUR, FIVE = 4, 5


@dataclass(frozen=True)
class Start:
    """Where a fit begins and its box, in the kernel's parameters ``a, log b, log c, d, log g``."""

    theta: Floats
    lower: Floats
    upper: Floats
    sigma: Floats


@dataclass(frozen=True)
class StandardCurve:
    """A fitted curve; rising (a < d) as in a sandwich assay.

    ``covariance`` is of ``a, log b, log c, d`` (and ``log g``); ``residual_variance`` is that of a well in units of
    its weight; both are None for a curve that wasn't fitted.
    """

    a: float
    b: float
    c: float
    d: float
    g: float = 1.0
    covariance: Floats | None = field(default=None, compare=False)
    residual_variance: float | None = field(default=None, compare=False)
    degrees_of_freedom: int = 0
    weight_power: float = 2.0
    smallest_response: float = 0.01

    @property
    def parameters(self) -> int:
        return FOUR if self.g == 1.0 else FIVE

    def response(self, concentration: ArrayLike) -> Floats:
        """Response at concentrations >= 0 (same unit as ``c``)."""
        x = np.asarray(concentration, dtype=float)
        return self.d + (self.a - self.d) / (1.0 + (x / self.c) ** self.b) ** self.g

    def concentration(self, response: ArrayLike) -> Floats:
        """Concentration (unit of ``c``) that gives a response; NaN at or beyond the asymptotes, never 0 or infinite."""
        y = np.asarray(response, dtype=float)
        inside = (y > self.a) & (y < self.d)
        safe = np.where(inside, y, 0.5 * (self.a + self.d))
        base = ((self.a - self.d) / (safe - self.d)) ** (1.0 / self.g) - 1.0
        return np.where(inside & (base > 0), self.c * np.maximum(base, 1e-300) ** (1.0 / self.b), np.nan)

    def log_standard_error(self, response: float, replicates: int) -> float:
        """Standard error of log(concentration) for the mean ``response`` of so many wells.

        The delta method over the wells' own scatter and the curve's (O'Connell 1993); NaN off the curve, or where the
        curve leaves no degree of freedom.
        """
        from palbo_assets.serum.logistic_kernel import curve_and_gradient

        x = float(self.concentration(response))
        if self.covariance is None or self.residual_variance is None or not np.isfinite(x) or replicates < 1:
            return float("nan")
        theta = np.array([self.a, np.log(self.b), np.log(self.c), self.d, np.log(self.g)])
        gradient = np.empty(5)
        curve_and_gradient(x, theta, gradient)
        by_log_x = -gradient[2]  # the curve knows only log x - log c
        scatter = max(abs(response), self.smallest_response) ** self.weight_power * self.residual_variance / replicates
        used = gradient[: self.covariance.shape[0]]
        return float(np.sqrt(scatter + used @ self.covariance @ used) / abs(by_log_x))

    def interval(self, response: float, replicates: int, coverage: float = 0.95) -> tuple[float, float]:
        """Interval of the concentration for the mean ``response`` of so many wells, by t on the log scale."""
        from scipy.stats import t

        error = self.log_standard_error(response, replicates)
        width = np.exp(t.ppf(0.5 + coverage / 2, max(self.degrees_of_freedom, 1)) * error)
        x = float(self.concentration(response))
        return x / float(width), x * float(width)


def subtract_blank(od: ArrayLike, blanks: ArrayLike) -> Floats:
    """``od`` (any shape) less the mean of the same plate's blank wells."""
    return np.asarray(od, dtype=float) - float(np.mean(np.asarray(blanks, dtype=float)))


def fit_standard_curve(
    concentration: Sequence[float] | Floats,
    response: Sequence[float] | Floats,
    *,
    parameters: int = FOUR,
    weight_power: float = 2.0,
    smallest_response: float = 0.01,
) -> StandardCurve:
    """Fit the curve to standards.

    Parameters
    ----------
    concentration, response
        One entry per standard well, concentrations >= 0; at least as many distinct concentrations as parameters.
    parameters
        4, or 5 for an asymmetric curve.
    weight_power
        Weights are 1/y^power: 2 for a constant coefficient of variation, 1 for a Poisson-like spread, 0 for none.
    smallest_response
        Responses below it (a zero standard after blank subtraction, even negative) get its weight, so that one well
        near 0 can't dominate. Same unit as the response.

    Raises
    ------
    NotEvaluableError
        ``E_NO_CURVE`` when too few concentrations are there, the response doesn't rise, or the fit doesn't converge.
    """
    from palbo_assets.serum.logistic_kernel import fit_one, information

    x = np.asarray(concentration, dtype=float)
    y = np.asarray(response, dtype=float)
    usable = np.isfinite(x) & np.isfinite(y)
    x, y = x[usable], y[usable]
    if np.unique(x).size < parameters:
        raise NotEvaluableError("E_NO_CURVE", f"the curve needs at least {parameters} concentrations")
    low, high = float(y.min()), float(y.max())
    if high <= low or float(y[x == x.max()].mean()) <= float(y[x == x.min()].mean()):
        raise NotEvaluableError("E_NO_CURVE", "the response doesn't rise with the concentration")
    start = starting_point(x, y, weight_power, smallest_response)
    weight = 1.0 / start.sigma
    theta = start.theta.copy()
    # Five parameters start from the best four: their box is wide, and a poor start ends in a corner of it.
    if not fit_one(x, y, weight, theta, start.lower, start.upper, FOUR) or (
        parameters == FIVE and not fit_one(x, y, weight, theta, start.lower, start.upper, FIVE)
    ):
        raise NotEvaluableError("E_NO_CURVE", "the fit of the standard curve doesn't converge")
    matrix, total = information(x, y, weight, theta, parameters)
    freedom = x.size - parameters
    variance = total / freedom if freedom > 0 else None
    inside = (theta[:parameters] > start.lower[:parameters]) & (theta[:parameters] < start.upper[:parameters])
    return StandardCurve(
        a=float(theta[0]),
        b=float(np.exp(theta[1])),
        c=float(np.exp(theta[2])),
        d=float(theta[3]),
        g=float(np.exp(theta[4])),
        covariance=None if variance is None else _covariance(matrix, inside, variance),
        residual_variance=variance,
        degrees_of_freedom=max(freedom, 0),
        weight_power=weight_power,
        smallest_response=smallest_response,
    )


def starting_point(x: Floats, y: Floats, weight_power: float, smallest_response: float) -> Start:
    """Start and box of a fit, from the data: half-way up is the mid-point, and the top lies above what was read."""
    low, high = float(y.min()), float(y.max())
    spread = high - low
    positive = x[x > 0]
    order = np.argsort(y, kind="stable")
    half_way = max(float(np.interp(low + 0.5 * spread, y[order], x[order])), float(positive.min()))
    least, most = np.log(positive.min()) - 5.0, np.log(positive.max()) + 5.0
    lower = np.array([low - spread, np.log(0.1), least, low + 0.5 * spread, np.log(0.05)])
    upper = np.array([low + 0.5 * spread, np.log(10.0), most, high + 20.0 * spread, np.log(20.0)])
    theta = np.clip(np.array([low, 0.0, np.log(half_way), high * 1.5, 0.0]), lower, upper)
    sigma = np.maximum(np.abs(y), smallest_response) ** (weight_power / 2.0)
    return Start(theta, lower, upper, sigma)


def fit_by_scipy(x: Floats, y: Floats, start: Start, parameters: int = FOUR) -> Floats:
    """The slow, readable twin of the kernel: the same weighted fit by `scipy.optimize.curve_fit`; (5,) parameters."""
    from scipy.optimize import curve_fit

    def curve(dose: Floats, *theta: float) -> Floats:
        a, log_b, log_c, d = theta[:4]
        g = np.exp(theta[4]) if parameters == FIVE else 1.0
        return d + (a - d) / (1.0 + (dose / np.exp(log_c)) ** np.exp(log_b)) ** g

    used = slice(0, parameters)
    fitted, _ = curve_fit(
        curve,
        x,
        y,
        p0=start.theta[used],
        sigma=start.sigma,
        bounds=(start.lower[used], start.upper[used]),
        method="trf",
        ftol=1e-15,
        xtol=1e-15,
        gtol=1e-15,
        max_nfev=20000,
    )
    return np.append(fitted, np.zeros(5 - parameters))


def _covariance(matrix: Floats, inside: NDArray[np.bool_], variance: float) -> Floats:
    """Inverse of the information; a parameter at its bound is taken as known."""
    found = np.zeros_like(matrix)
    free = np.flatnonzero(inside)
    found[np.ix_(free, free)] = np.linalg.pinv(matrix[np.ix_(free, free)], hermitian=True) * variance
    return found
