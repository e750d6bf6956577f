"""Agents that come with the package: what every other agent must beat, and one to try it with.

All are strategies on a session, so they trade the same account, orders and fills as any agent, on
any number of symbols. Their weights share the whole of the equity; in spot none goes short.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from seq_gym._random import draw_uniform, stream_of
from seq_gym.evaluate.ground import Roster
from seq_gym.policy import Strategy
from seq_gym.runs.trend import Trend
from seq_gym.times import NS_PER_DAY

__all__ = [
    "BASELINES",
    "BUILT_IN",
    "ROSTER",
    "BuyAndHold",
    "EqualWeight",
    "Hold",
    "RandomWeights",
    "Trend",
]


def listed_symbols(session: Any) -> list[str]:
    """Return the symbols that have a price now, in the order of the session (C3)."""
    prices = session.prices()
    return [symbol for symbol in session.symbols if prices.get(symbol)]


class Hold(Strategy):
    """Stays in cash: what doing nothing earns."""


class BuyAndHold(Strategy):
    """Buys equal parts of every symbol that is listed at the start, and never trades again.

    Where the sandbox caps what one candle gives (O10), it goes on buying until it holds its parts.
    """

    short_frac: Final = 0.01
    """Cash of this part of the equity is left to buy with; below it the purchase is done."""

    def __init__(self) -> None:
        self._wanted: dict[str, float] = {}

    def on_start(self, session: Any) -> None:
        """Ask for the weights; orders fill at the next traded open of each symbol."""
        symbols = listed_symbols(session)
        self._wanted = {symbol: 1.0 / len(symbols) for symbol in symbols}
        if symbols:
            session.rebalance(self._wanted)

    def on_candle(self, session: Any) -> None:
        """Ask again for what a cap has left."""
        if not self._wanted:
            return
        account = session.portfolio()
        least = self.short_frac * account.total_equity
        held = {position.symbol: position.market_value for position in session.positions()}
        self._wanted = {
            symbol: weight
            for symbol, weight in self._wanted.items()
            if account.available_cash > least
            and held.get(symbol, 0.0) < weight * account.total_equity - least
        }
        if self._wanted:
            session.rebalance(self._wanted)


class EqualWeight(Strategy):
    """Holds every listed symbol at 1/N and restores that once a UTC day."""

    deadband: Final = 0.01
    """Weights closer to the target than this are left alone."""

    def on_start(self, session: Any) -> None:
        """Take the first weights."""
        self._restore(session)

    def on_candle(self, session: Any) -> None:
        """Restore the weights on the first candle of a day."""
        if session.virtual_time_ns // NS_PER_DAY != self._day:
            self._restore(session)

    def _restore(self, session: Any) -> None:
        self._day = session.virtual_time_ns // NS_PER_DAY
        symbols = listed_symbols(session)
        if symbols:
            session.rebalance(dict.fromkeys(symbols, 1.0 / len(symbols)), deadband=self.deadband)


class RandomWeights(Strategy):
    """Draws new weights at random, on one candle in 60 on average.

    The draws are keyed by the seed and the start of the window: they depend on no other episode,
    process or symbol order.
    """

    chance: Final = 1.0 / 60.0
    """Probability that a candle brings new weights."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._count = 0

    def on_start(self, session: Any) -> None:
        """Key the draws by the window."""
        self._stream = stream_of("baseline/random", session.virtual_time_ns)

    def on_candle(self, session: Any) -> None:
        """Draw a weight for every symbol, and one for cash."""
        if self._draw() >= self.chance:
            return
        symbols = listed_symbols(session)
        shares = [self._draw() for _ in range(len(symbols) + 1)]
        total = sum(shares) or 1.0
        weights = [share / total for share in shares[1:]]
        session.rebalance(dict(zip(symbols, weights, strict=True)))

    def _draw(self) -> float:
        self._count += 1
        return float(draw_uniform(self._seed, self._stream, self._count))


BASELINES: Final = {
    "hold": Hold,
    "random": RandomWeights,
    "buy-and-hold": BuyAndHold,
    "equal-weight": EqualWeight,
}
"""By name, in the order in which they are shown."""

BUILT_IN: Final = {**BASELINES, "trend": Trend}
"""Every agent that has a name without a file."""


def _build(seed: int) -> dict[str, Callable[[], Any]]:
    return {**BUILT_IN, "random": lambda: RandomWeights(seed)}


ROSTER: Final = Roster(
    baselines=dict.fromkeys(BASELINES, "strategy"),
    default="trend",
    build=_build,
    market="candles",
    where="the data of this run",
)
"""The agents that come with candles."""
