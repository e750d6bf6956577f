"""A Gym-shaped market maker over hftbacktest: one compiled call a step, Python around it.

An action says how far behind each touch it quotes: a choice of offsets, or no quote. A quote of a
lot, post-only, is left alone where it should be, moved (one message) where it is not, and cancelled
where there should be none: what MarketMaking-v0 does, so that both come to the same fills. The
observation is the little that a maker cannot do without; there are no wrappers around it.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from hftbacktest import GTX, LIMIT
from numba import njit
from numpy.typing import NDArray

from benchmarks.book_grid import INTERVAL_MS, OFFSETS_TICKS, POSITION_LOTS
from benchmarks.book_peer import Peer

_NS_PER_MS = 1_000_000
NO_QUOTE = -1
COLUMNS = ("position", "spread", "imbalance", "bid_behind", "ask_behind", "equity")


@njit
def _step(
    hbt: Any,
    interval: int,
    bid_offset: int,
    ask_offset: int,
    lot: float,
    tick_size: float,
    seen: NDArray[np.float64],
) -> bool:
    """Quote, let an interval pass and observe; return whether the data goes on."""
    hbt.clear_inactive_orders(0)
    depth = hbt.depth(0)
    bid, ask = depth.best_bid_tick - bid_offset, depth.best_ask_tick + ask_offset
    most = (POSITION_LOTS - 0.5) * lot
    position = hbt.position(0)
    wants_bid = bid_offset != NO_QUOTE and position < most
    wants_ask = ask_offset != NO_QUOTE and position > -most
    has_bid = has_ask = False
    values = hbt.orders(0).values()
    while values.has_next():
        order = values.get()
        is_bid = order.side == 1
        if is_bid:
            has_bid = True
        else:
            has_ask = True
        if not order.cancellable:
            continue
        tick = bid if is_bid else ask
        if not (wants_bid if is_bid else wants_ask):
            hbt.cancel(0, order.order_id, False)
        elif order.price_tick != tick:
            hbt.modify(0, order.order_id, tick * tick_size, lot, False)
    number = 2 * hbt.current_timestamp
    if wants_bid and not has_bid:
        hbt.submit_buy_order(0, number, bid * tick_size, lot, GTX, LIMIT, False)
    if wants_ask and not has_ask:
        hbt.submit_sell_order(0, number + 1, ask * tick_size, lot, GTX, LIMIT, False)
    goes_on = hbt.elapse(interval) == 0
    _observe(hbt, bid, ask, tick_size, seen)
    return goes_on


@njit
def _observe(hbt: Any, bid: int, ask: int, tick_size: float, seen: NDArray[np.float64]) -> None:
    depth = hbt.depth(0)
    low, high = depth.best_bid_tick, depth.best_ask_tick
    bid_qty, ask_qty = depth.best_bid_qty, depth.best_ask_qty
    position = hbt.position(0)
    seen[0] = position
    seen[1] = high - low
    seen[2] = (bid_qty - ask_qty) / (bid_qty + ask_qty)
    seen[3] = low - bid
    seen[4] = ask - high
    seen[5] = hbt.state_values(0).balance + position * 0.5 * (low + high) * tick_size


class PeerEnv(gymnasium.Env[Any, Any]):
    """A market maker's environment over hftbacktest's vector of prices.

    Args:
        peer: Its market.
        start_ns: When the first decision is due, nanoseconds of the agent's clock.
    """

    def __init__(self, peer: Peer, start_ns: int) -> None:
        choices = len(OFFSETS_TICKS) + 1
        self.action_space = gymnasium.spaces.MultiDiscrete([choices, choices])
        self.observation_space = gymnasium.spaces.Box(
            -np.inf, np.inf, (len(COLUMNS),), dtype=np.float64
        )
        self._peer, self._start_ns = peer, start_ns
        self._offsets = (*OFFSETS_TICKS, NO_QUOTE)
        self._steps = (peer.lot, peer.tick)
        self._interval = INTERVAL_MS * _NS_PER_MS
        self._seen = np.zeros(len(COLUMNS))
        self._equity = 0.0
        self._hbt: Any = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Open the market and let time pass to the first decision."""
        super().reset(seed=seed, options=options)
        self.close()
        self._hbt = self._peer.open()
        self._hbt.elapse(1)  # its clock begins with the first row
        self._hbt.elapse(self._start_ns - self._hbt.current_timestamp)
        self._seen[:] = 0.0
        self._equity = 0.0
        return self._seen.copy(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Quote and let an interval pass; the reward is the change of equity."""
        bid, ask = action.tolist()
        offsets = self._offsets
        goes_on = _step(
            self._hbt, self._interval, offsets[bid], offsets[ask], *self._steps, self._seen
        )
        seen = self._seen.copy()
        equity = seen.item(5)
        reward = equity - self._equity
        self._equity = equity
        return seen, reward, False, not goes_on, {"equity": equity}

    def close(self) -> None:
        """Give the market's memory back."""
        if self._hbt is not None:
            self._hbt.close()
            self._hbt = None

    @property
    def finals(self) -> dict[str, float]:
        """Figures of the episode so far."""
        return {"num_fills": float(self._hbt.state_values(0).num_trades)}
