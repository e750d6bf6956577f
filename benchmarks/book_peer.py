"""hftbacktest as its own examples use it: a grid of post-only quotes, compiled, every interval."""

from __future__ import annotations

from typing import Any

import numpy as np
from hftbacktest import (
    GTX,
    LIMIT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
    ROIVectorMarketDepthBacktest,
)
from numba import njit
from numpy.typing import NDArray

from benchmarks.book_grid import LATENCY_MS, POSITION_LOTS, POWER, Grid

_MS = 1_000_000


@njit
def _quote(
    hbt: Any,
    interval: int,
    levels: int,
    step: int,
    lot: float,
    tick_size: float,
    most_decisions: int,
) -> int:
    """Quote to the end of the data, or for so many intervals; return how many there were."""
    most = (POSITION_LOTS - 0.5) * lot
    decisions = 0
    while decisions < most_decisions and hbt.elapse(interval) == 0:
        decisions += 1
        hbt.clear_inactive_orders(0)
        depth = hbt.depth(0)
        bid, ask = depth.best_bid_tick, depth.best_ask_tick
        orders = hbt.orders(0)
        values = orders.values()
        while values.has_next():
            order = values.get()
            if order.cancellable:
                away = bid - order.price_tick if order.side == 1 else order.price_tick - ask
                if away < 0 or away >= levels * step or away % step != 0:
                    hbt.cancel(0, order.order_id, False)
        position = hbt.position(0)
        for level in range(levels):
            if position < most:
                tick = bid - level * step
                if np.uint64(2 * tick) not in orders:
                    hbt.submit_buy_order(0, 2 * tick, tick * tick_size, lot, GTX, LIMIT, False)
            if position > -most:
                tick = ask + level * step
                if np.uint64(2 * tick + 1) not in orders:
                    hbt.submit_sell_order(0, 2 * tick + 1, tick * tick_size, lot, GTX, LIMIT, False)
    return decisions


class Peer:
    """A market maker over hftbacktest's depth of one kind."""

    def __init__(
        self,
        rows: NDArray[Any] | str,
        tick: float,
        lot: float,
        roi: tuple[float, float] | None = None,
    ) -> None:
        """Take events, or the path of an npz of them; `roi`: prices of the ROI vector's depth."""
        self._rows, self.tick, self.lot, self._roi = rows, tick, lot, roi

    def open(self) -> Any:
        """Return a backtest at the beginning of the feed."""
        asset = (
            BacktestAsset()
            .data([self._rows])
            .linear_asset(1.0)
            .constant_order_latency(LATENCY_MS * _MS, LATENCY_MS * _MS)
            .power_prob_queue_model3(POWER)
            .no_partial_fill_exchange()
            .trading_value_fee_model(0.0, 0.0)
            .tick_size(self.tick)
            .lot_size(self.lot)
            .last_trades_capacity(0)
        )
        if self._roi is None:
            return HashMapMarketDepthBacktest([asset])
        return ROIVectorMarketDepthBacktest([asset.roi_lb(self._roi[0]).roi_ub(self._roi[1])])

    def run(self, hbt: Any, grid: Grid) -> int:
        """Quote to the end; return the number of fills."""
        steps = (grid.interval_ms * _MS, grid.levels, grid.step)
        _quote(hbt, *steps, self.lot, self.tick, grid.most_decisions)
        return int(hbt.state_values(0).num_trades)
