"""The scales that gates may be placed on: logicle, inverse hyperbolic sine, FlowJo's biexponential.

All rise with the linear value and give 1 for its top, so that a bound on any of them is a bound on the linear values.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from palbo_assets.cytometry.logicle import Logicle

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Asinh:
    """asinh(value / ``cofactor``), divided by that of the top ``t``: linear below the cofactor, logarithmic above.

    GatingML 2.0's ``fasinh`` with A = 0 and M = asinh(t / cofactor) / ln 10. A cofactor of 150 is usual for
    fluorescence, 5 for mass cytometry (Bendall et al. 2011, Science 332:687).
    """

    t: float = 262144.0
    cofactor: float = 150.0

    def transform(self, values: ArrayLike) -> NDArray[np.float64]:
        """Linear values (any shape) to the scale, where ``t`` is 1."""
        data = np.asarray(values, dtype=np.float64)
        result: NDArray[np.float64] = np.arcsinh(data / self.cofactor) / np.arcsinh(self.t / self.cofactor)
        return result

    def inverse(self, values: ArrayLike) -> NDArray[np.float64]:
        """Scale values (any shape) to linear values."""
        data = np.asarray(values, dtype=np.float64)
        result: NDArray[np.float64] = np.sinh(data * np.arcsinh(self.t / self.cofactor)) * self.cofactor
        return result


@dataclass(frozen=True)
class Biexponential:
    """FlowJo 10's biexponential, from FlowKit: a table of 4,096 steps with lines between, flat beyond its ends.

    ``width`` is FlowJo's width basis, ``positive`` and ``negative`` its decades; only values that FlowJo offers exist.
    """

    t: float = 262144.000029
    positive: float = 4.41854
    width: float = -10.0
    negative: float = 0.0

    def transform(self, values: ArrayLike) -> NDArray[np.float64]:
        """Linear values (any shape) to the scale, where ``t`` is 1."""
        data = np.asarray(values, dtype=np.float64)
        result: NDArray[np.float64] = _flowjo(self).apply(data.ravel()).reshape(data.shape) / _STEPS
        return result

    def inverse(self, values: ArrayLike) -> NDArray[np.float64]:
        """Scale values (any shape) to linear values."""
        data = np.asarray(values, dtype=np.float64)
        result: NDArray[np.float64] = _flowjo(self).inverse(data.ravel() * _STEPS).reshape(data.shape)
        return result


Scale = Logicle | Asinh | Biexponential

BY_NAME: dict[str, type[Scale]] = {"logicle": Logicle, "asinh": Asinh, "biexponential": Biexponential}

_STEPS = 4096.0


@cache
def _flowjo(scale: Biexponential) -> Any:
    from flowkit import transforms

    return transforms.WSPBiexTransform(
        negative=scale.negative, width=scale.width, positive=scale.positive, max_value=scale.t
    )
