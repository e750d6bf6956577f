"""Same-candle fills: fills at prices that the market had left behind when the order was placed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import gymnasium
import numpy as np

from seq_gym.checks.leaks import Leak
from seq_gym.market import CandleSeries
from seq_gym.sandbox.records import Fill
from seq_gym.sandbox.session import Session

__all__ = ["misplaced_fills", "profit_of_a_jump"]

_AT_THE_MARK = ("DELISTED", "COMPLETED")
_TRIED = 12
"""First actions that meet the jump."""
_PROFIT = 1e-9


def misplaced_fills(session: Session, cut: int) -> Iterator[Leak]:
    """Yield the fills whose price was not there to be had after the order was placed.

    Under execution="next_open" a market order meets the open of the candle that opens when it
    fills; every other order no better price than a candle had that opened after it was placed.

    Args:
        session: An episode on a market, changed after a cursor or not.
        cut: That cursor, for the report.
    """
    for fill in session.fills():
        if fill.reason not in _AT_THE_MARK and not _is_possible(session, fill):
            at = (fill.filled_ns - session.series.start_ns) // session.series.interval_ns
            yield Leak(
                what=f"fill: {fill.type} {fill.side} of {fill.symbol}, priced before its order",
                step=int(at) - session.start_cursor,
                cursor=int(at),
                time_ns=fill.filled_ns,
                cut=cut,
                was=fill.base_price,
                became=_open_at(session.series, fill, int(at)),
            )


def _open_at(series: CandleSeries, fill: Fill, row: int) -> float:
    if row >= series.num_candles:
        return float("nan")
    return float(series.open[row, series.symbol_index(fill.symbol)])


def _is_possible(session: Session, fill: Fill) -> bool:
    series = session.series
    symbol = series.symbol_index(fill.symbol)
    row = int((fill.filled_ns - series.start_ns) // series.interval_ns)
    if fill.type == "market" and fill.reason is None:
        # A coarse candle is met at its open, which is the open of its first grid row.
        return _open_at(series, fill, row + _span_ahead(series, row, symbol)) == fill.base_price
    placed = int((session.order(fill.order_id).created_ns - series.start_ns) // series.interval_ns)
    for candle in (row, row - 1):
        candle += _span_ahead(series, candle, symbol)
        if placed <= candle < series.num_candles:
            best = series.low[candle, symbol] if fill.side == "buy" else series.high[candle, symbol]
            gain = best - fill.base_price if fill.side == "buy" else fill.base_price - best
            # Worse than the candle is no leak: trigger="close" pays a limit that was passed.
            if gain <= 1e-12 * best:
                return True
    return False


def _span_ahead(series: CandleSeries, row: int, symbol: int) -> int:
    """Return how many rows ahead the candle that covers a row is stored."""
    if row >= series.num_candles or series.valid[row, symbol]:
        return 0
    after = np.flatnonzero(series.valid[row : row + 1_500, symbol])
    if after.size and series.span[row + after[0], symbol] > after[0]:
        return int(after[0])
    return 0


def profit_of_a_jump(
    make: Callable[[CandleSeries], gymnasium.Env[Any, Any]],
    markets: tuple[CandleSeries, ...],
    reset: Callable[[gymnasium.Env[Any, Any]], Any],
    cursor_of: Callable[[gymnasium.Env[Any, Any]], int],
    seed: int,
) -> Iterator[Leak]:
    """Yield the first profit in markets that jump at the first open and then stand still.

    With nothing held before, nobody can earn there who fills after the jump.

    Args:
        make: Makes the environment on a market.
        markets: Markets that jump where the episode starts.
        reset: Opens that episode.
        cursor_of: Reads the clock.
        seed: Of the actions.
    """
    for market in markets:
        env = make(market)
        env.action_space.seed(seed)
        for action in islice(_first_actions(env), _TRIED):
            reset(env)
            start = cursor_of(env)
            earned = _earned(env, action)
            if earned > _PROFIT:
                yield Leak(
                    what="fill: profit from a jump that came before the fill",
                    step=1,
                    cursor=start,
                    time_ns=market.time_of(start),
                    cut=start,
                    was=0.0,
                    became=earned,
                )
                break
        env.close()


def _first_actions(env: gymnasium.Env[Any, Any]) -> Iterator[Any]:
    space = env.action_space
    if isinstance(space, gymnasium.spaces.Discrete):
        yield from range(int(space.start), int(space.start + space.n))
        return
    if isinstance(space, gymnasium.spaces.Box):
        yield space.high.copy()
        yield space.low.copy()
    while True:
        yield space.sample()


def _earned(env: gymnasium.Env[Any, Any], action: Any) -> float:
    """Return what an action earned in its step and the next: equity where it is shown."""
    before = None
    total = 0.0
    for k in range(2):
        if k == 0 and hasattr(env.unwrapped, "session"):
            before = float(env.unwrapped.session.portfolio().total_equity)
        _, reward, terminated, truncated, info = env.step(action)
        total += float(reward)
        if before is not None and "equity" in info:
            total = float(info["equity"]) / before - 1.0
        if terminated or truncated:
            break
    return total
