"""How likely a resting order is to be filled soon: a formula for observations, not for fills.

Prints on the side that hits the order arrive as a Poisson process, and each takes the mean print.
To reach the order, the lots ahead of it go first: with x lots ahead and a mean print of s lots that
is x / s prints, and one more hits the order. So, over a horizon of h seconds at r prints a second,

    P = P(N >= 1 + x / s),  N ~ Poisson(r h)
      = P(1 + x / s, r h), the regularised lower incomplete gamma function,

which is the Poisson tail at whole numbers and runs smoothly between them. An order with nothing
ahead has 1 - exp(-r h). x counts what is displayed at better prices too (`lots_ahead`), as a print
walks through them first. Cancellations ahead are left out: the true chance is higher, and more so
far back in a queue (front falls with cancels under every queue model but `risk_averse`, B18).

Source: Cont, Stoikov & Talreja (2010), A stochastic model for order book dynamics, section 4, whose
queue is drained by Poisson orders of one size; here without cancels.
"""

from __future__ import annotations

import math
from typing import Any, Final

from seq_gym._jit import helper, kernel
from seq_gym.engine.book.codes import CLOCK_LOCAL
from seq_gym.engine.book.levels import lots_at, next_tick
from seq_gym.engine.book.tables import local_row

__all__ = ["fill_probability", "lots_ahead"]

_SMALL: Final = 1e-12
_MANY: Final = 200.0
"""From so many prints on, the Wilson and Hilferty (1931) root is good to four decimals."""


@kernel
def fill_probability(
    lots_before: float, prints_per_second: float, mean_print_lots: float, horizon_s: float
) -> float:
    """Return the chance that an order is hit within a horizon, in [0, 1].

    Args:
        lots_before: Of the queue in front of it, and of better levels on its side (`lots_ahead`).
        prints_per_second: That hit its side: `sell_prints_per_second` for a bid.
        mean_print_lots: Mean size of a print; `mean_print_lots`.
        horizon_s: Seconds.
    """
    expected = prints_per_second * horizon_s
    if not (expected > 0.0 and mean_print_lots > 0.0):
        return 0.0
    needed = 1.0 + max(lots_before, 0.0) / mean_print_lots
    if needed > _MANY or expected > 2.0 * _MANY:
        root = 1.0 / (9.0 * needed)
        score = ((expected / needed) ** (1.0 / 3.0) - 1.0 + root) / math.sqrt(root)
        return 0.5 * math.erfc(-score / math.sqrt(2.0))
    return _lower_gamma(needed, expected)


@helper
def _lower_gamma(a: float, x: float) -> float:
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


@helper
def lots_ahead(t: Any, side: int, tick: int, row: int) -> int:
    """Return the lots that the agent sees at prices better than a tick.

    Args:
        t: The TAPE record.
        side: +1 for bids, -1 for asks.
        tick: Of the order.
        row: The last row of the agent's clock that has been applied.
    """
    total = 0
    best = local_row(t, row).bid if side > 0 else local_row(t, row).ask
    while side * best > side * tick:  # an empty side's best is worse than any tick
        total += lots_at(t, CLOCK_LOCAL, side, best, row)
        best = next_tick(t, CLOCK_LOCAL, side, best, row)
    return total
