"""The logicle scale (Parks, Roederer & Moore 2006; Moore & Parks 2012): logarithmic for bright, linear around zero.

Negative values are valid after compensation and stay: there is no logarithm of them and no clipping. The transform is
flowutils' C implementation. It is strictly increasing, so a threshold on the scale is the same gate as its inverse on
the linear values; gates are placed there and the events needn't be transformed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Logicle:
    """Parameters: ``t`` top of the linear scale, ``w`` width of the linear region and ``a`` additional negative
    decades (both in decades), ``m`` decades in total."""

    t: float = 262144.0
    w: float = 0.5
    m: float = 4.5
    a: float = 0.0

    def transform(self, values: ArrayLike) -> NDArray[np.float64]:
        """Linear values (any shape) to the scale, where ``t`` is 1."""
        from flowutils.transforms import logicle

        return self._apply(logicle, values)

    def inverse(self, values: ArrayLike) -> NDArray[np.float64]:
        """Scale values (any shape) to linear values."""
        from flowutils.transforms import logicle_inverse

        return self._apply(logicle_inverse, values)

    def _apply(self, function, values: ArrayLike) -> NDArray[np.float64]:  # type: ignore[no-untyped-def]
        data = np.array(values, dtype=np.float64)
        column = data.reshape(-1, 1)
        result: NDArray[np.float64] = function(column, [0], t=self.t, m=self.m, w=self.w, a=self.a)
        return result.reshape(data.shape)
