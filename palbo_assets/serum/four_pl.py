"""The four-parameter logistic standard curve: y = d + (a - d) / (1 + (x / c)^b).

``a`` is the response at zero dose, ``d`` at infinite dose, ``c`` the mid-point (pg/mL) and ``b`` the slope. Fitted by
weighted least squares; 1/y^2 weights because the standard deviation of a ligand-binding read-out grows with the
signal (FDA Bioanalytical Method Validation 2018; O'Connell, Belanger & Haaland 1993).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from palbo_assets.platform.errors import NotEvaluableError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FourPL:
    """A fitted curve; rising (a < d) as in a sandwich assay."""

    a: float
    b: float
    c: float
    d: float

    def response(self, concentration: ArrayLike) -> Floats:
        """Response at concentrations >= 0 (same unit as ``c``)."""
        x = np.asarray(concentration, dtype=float)
        return self.d + (self.a - self.d) / (1.0 + (x / self.c) ** self.b)

    def concentration(self, response: ArrayLike) -> Floats:
        """Concentration (unit of ``c``) that gives a response; NaN at or beyond the asymptotes, never 0 or infinite."""
        y = np.asarray(response, dtype=float)
        inside = (y > self.a) & (y < self.d)
        safe = np.where(inside, y, 0.5 * (self.a + self.d))
        return np.where(inside, self.c * ((self.a - safe) / (safe - self.d)) ** (1.0 / self.b), np.nan)


def subtract_blank(od: ArrayLike, blanks: ArrayLike) -> Floats:
    """``od`` (any shape) less the mean of the same plate's blank wells."""
    return np.asarray(od, dtype=float) - float(np.mean(np.asarray(blanks, dtype=float)))


def fit_4pl(
    concentration: Sequence[float] | Floats,
    response: Sequence[float] | Floats,
    *,
    weight_power: float = 2.0,
    smallest_response: float = 0.01,
) -> FourPL:
    """Fit the curve to standards.

    Parameters
    ----------
    concentration, response
        One entry per standard well, concentrations >= 0; at least 4 distinct concentrations.
    weight_power
        Weights are 1/y^power: 2 for a constant coefficient of variation, 1 for a Poisson-like spread, 0 for none.
    smallest_response
        Responses below it (a zero standard after blank subtraction, even negative) get its weight, so that one well
        near 0 can't dominate. Same unit as the response.

    Raises
    ------
    NotEvaluableError
        ``E_NO_CURVE`` when fewer than 4 concentrations are there, the response doesn't rise, or the fit doesn't
        converge.
    """
    from scipy.optimize import curve_fit

    x = np.asarray(concentration, dtype=float)
    y = np.asarray(response, dtype=float)
    usable = np.isfinite(x) & np.isfinite(y)
    x, y = x[usable], y[usable]
    if np.unique(x).size < 4:
        raise NotEvaluableError("E_NO_CURVE", "a four-parameter curve needs at least 4 concentrations")
    low, high = float(y.min()), float(y.max())
    spread = high - low
    if spread <= 0 or float(y[x == x.max()].mean()) <= float(y[x == x.min()].mean()):
        raise NotEvaluableError("E_NO_CURVE", "the response doesn't rise with the concentration")
    positive = x[x > 0]
    # The mid-point starts where the measured response is half-way up.
    half_way = max(float(np.interp(low + 0.5 * spread, np.sort(y), x[np.argsort(y, kind="stable")])), positive.min())
    # log(c) is fitted, so that the step sizes of all four parameters are of one order.
    start = [low, 1.0, float(np.log(half_way)), high * 1.5]
    lower = [low - spread, 0.1, float(np.log(positive.min())) - 5.0, low + 0.5 * spread]
    upper = [low + 0.5 * spread, 10.0, float(np.log(positive.max())) + 5.0, high + 20.0 * spread]
    sigma = np.maximum(np.abs(y), smallest_response) ** (weight_power / 2.0)

    def curve(dose: Floats, a: float, b: float, log_c: float, d: float) -> Floats:
        return d + (a - d) / (1.0 + (dose / np.exp(log_c)) ** b)

    try:
        fitted, _ = curve_fit(
            curve,
            x,
            y,
            p0=np.clip(start, lower, upper),
            sigma=sigma,
            bounds=(lower, upper),
            method="trf",
            x_scale=[spread, 1.0, 1.0, spread],
            ftol=1e-12,
            xtol=1e-12,
            gtol=1e-12,
            max_nfev=5000,
        )
    except RuntimeError:
        raise NotEvaluableError("E_NO_CURVE", "the fit of the standard curve doesn't converge") from None
    a, b, log_c, d = (float(value) for value in fitted)
    return FourPL(a=a, b=b, c=float(np.exp(log_c)), d=d)
