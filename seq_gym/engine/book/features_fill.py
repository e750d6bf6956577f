"""How likely a resting order is to be filled soon: a formula for observations, not for fills.

Prints on the side that hits the order arrive as a Poisson process, and each takes the mean print.
To reach the order, the lots ahead of it go first: with x lots ahead and a mean print of s lots that
is x / s prints, and one more hits the order. So, over a horizon of h seconds at r prints a second,

    P = P(N >= 1 + x / s),  N ~ Poisson(r h)
      = P(1 + x / s, r h), the regularised lower incomplete gamma function,

which is the Poisson tail at whole numbers and runs smoothly between them. An order with nothing
ahead has 1 - exp(-r h). x counts what is displayed at better prices too (`lots_between`), as a
print walks through them first. Five standard deviations and more from what is expected, the chance
is below 1e-6 (or above 1 - 1e-6) and is called 0 (or 1). Cancellations ahead are left out: the true
chance is higher, and more so far back in a queue (front falls with cancels under every queue model
but `risk_averse`, B18).

Source: Cont, Stoikov & Talreja (2010), A stochastic model for order book dynamics, section 4, whose
queue is drained by Poisson orders of one size; here without cancels.
"""

from __future__ import annotations

import math
from typing import Final

from seq_gym._jit import helper, inlined, kernel

__all__ = ["fill_probability", "hopeless_lots"]

_SMALL: Final = 1e-6
"""The series ends with a term that is such a part of the sum."""
_FEW: Final = 4.0
"""Below so many prints the series is summed; from there on the expansion is good to 1e-4."""
_NEAR: Final = 1e-3
"""Nearer to the centre the expansion's first coefficient is its limit, -1/3, to four digits."""
_ERFC_AT: Final = 0.3275911
_ERFC: Final = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
"""erfc(z) = t (...) e^(-z^2) with t = 1 / (1 + _ERFC_AT z), good to 2e-7 for z from 0 (Abramowitz
and Stegun 1964, 7.1.26): the exponential is one that the expansion needs anyway."""
_SQRT_PI: Final = math.sqrt(math.pi)


@inlined
def _hopeless_prints(expected: float) -> float:
    """Return how many prints come with a chance below 1e-6 where so many are expected."""
    return expected + 5.0 * math.sqrt(expected) + 8.0


@helper
def hopeless_lots(prints_per_second: float, mean_print_lots: float, horizon_s: float) -> float:
    """Return the lots behind which no order is hit within a horizon (chance 0: see above)."""
    expected = prints_per_second * horizon_s
    if not (expected > 0.0 and mean_print_lots > 0.0):
        return 0.0
    return mean_print_lots * _hopeless_prints(expected)


@kernel
def fill_probability(
    lots_before: float, prints_per_second: float, mean_print_lots: float, horizon_s: float
) -> float:
    """Return the chance that an order is hit within a horizon, in [0, 1].

    Args:
        lots_before: Of the queue in front of it, and of better levels on its side.
        prints_per_second: That hit its side: `sell_prints_per_second` for a bid.
        mean_print_lots: Mean size of a print; `mean_print_lots`.
        horizon_s: Seconds.
    """
    expected = prints_per_second * horizon_s
    if not (expected > 0.0 and mean_print_lots > 0.0):
        return 0.0
    needed = 1.0 + max(lots_before, 0.0) / mean_print_lots
    if needed == 1.0:
        return -math.expm1(-expected)
    if needed > _hopeless_prints(expected):
        return 0.0
    if needed < expected - 5.0 * math.sqrt(expected):
        return 1.0
    if needed < _FEW:
        return _by_series(needed, expected)
    return _by_expansion(needed, expected)


@helper
def _by_series(a: float, x: float) -> float:
    """Return the regularised lower incomplete gamma function P(a, x) by its power series.

    P(a, x) = x^a e^-x / Gamma(a + 1) (1 + x / (a + 1) + x^2 / ((a + 1) (a + 2)) + ...); all terms
    are positive, so nothing cancels, and they fall from the x-th one on.
    """
    term = 1.0
    total = 1.0
    k = a
    while term > _SMALL * total:
        k += 1.0
        term *= x / k
        total += term
    return min(1.0, total * math.exp(a * math.log(x) - x - math.lgamma(a + 1.0)))


@inlined
def _erfc_over_exp(z: float) -> float:
    """Return erfc(z) e^(z^2) for z from 0."""
    t = 1.0 / (1.0 + _ERFC_AT * z)
    total = 0.0
    for coefficient in _ERFC:
        total = total * t + coefficient
    return total * t


@helper
def _by_expansion(a: float, x: float) -> float:
    """Return P(a, x) by the first term of its uniform expansion for large a.

    Source: Temme (1979), The asymptotic expansion of the incomplete gamma functions, SIAM Journal
    on Mathematical Analysis 10, equation 1.5; NIST Digital Library of Mathematical Functions 8.12.
    """
    off = x / a - 1.0
    bend = max(off - math.log(1.0 + off), 0.0)
    eta = math.sqrt(2.0 * bend)  # its size: it has the sign of `off`
    root = math.sqrt(0.5 * a)
    first = -1.0 / 3.0
    if abs(off) > _NEAR:
        first = 1.0 / off - (1.0 / eta if off > 0.0 else -1.0 / eta)
    bell = math.exp(-a * bend)
    half = 0.5 * bell * _erfc_over_exp(eta * root)
    tail = first * bell / (2.0 * root * _SQRT_PI)
    return min(1.0 - half - tail if off > 0.0 else max(half - tail, 0.0), 1.0)
