"""Exact steps: prices and sizes as whole numbers of a decimal step, and back to its double.

A step such as 0.1 is no binary fraction. Counts of it are exact, and ``count * mul / div`` is the
double nearest to the decimal price, as long as ``count * mul`` stays below 2**53.
"""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from seq_gym.errors import ConfigError

__all__ = ["MAX_COUNT", "Step", "counts_of", "step_of"]

IntArray: TypeAlias = npt.NDArray[np.int64]
FloatArray: TypeAlias = npt.NDArray[np.float64]

MAX_COUNT: Final = (1 << 53) - 1
"""Largest number of lots: those above it would not all be exact as float64."""
_NEAR: Final = 1e-6
"""How far, in steps, a float may be from the grid: other people's arithmetic, not other prices."""


class Step(NamedTuple):
    """The decimal ``mul / div``, div a power of ten."""

    mul: int
    div: int

    def times(self, counts: npt.NDArray[np.integer]) -> FloatArray:
        """Return counts x step, each the double of its decimal (float64, shape of counts)."""
        return np.asarray(counts, dtype=np.float64) * self.mul / self.div


def step_of(value: float | str, name: str = "step") -> Step:
    """Take a step as the decimal that it is written as.

    Raises:
        ConfigError: It is not finite and above 0.

    >>> step_of(0.05)
    Step(mul=5, div=100)
    >>> step_of(1e-8)
    Step(mul=1, div=100000000)
    """
    try:
        decimal = Decimal(value if isinstance(value, str) else repr(float(value)))
    except InvalidOperation:
        decimal = Decimal("NaN")
    if not decimal.is_finite() or decimal <= 0:
        raise ConfigError(f"{name} must be finite and > 0; was {value!r}.")
    div = 10 ** max(0, -int(decimal.normalize().as_tuple().exponent))
    return Step(int(Fraction(decimal) * div), div)


def counts_of(values: FloatArray, step: Step) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    """Count steps in floats that other software computed.

    Args:
        values: Prices or sizes, float64 ``[R]``.
        step: The grid.

    Returns:
        Counts, int64 ``[R]``, 0 where not on the grid; and bool ``[R]``, where they are on it.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        steps = np.asarray(values, dtype=np.float64) * step.div / step.mul
        nearest = np.rint(steps)
        slack = np.maximum(_NEAR, np.abs(nearest) * math.ulp(1.0) * 4)
        fits = (np.abs(steps - nearest) <= slack) & (np.abs(nearest) <= MAX_COUNT)
    return np.where(fits, nearest, 0).astype(np.int64), fits
