"""Play a script in hftbacktest: a compiled loop over the commands that notes every answer."""

from __future__ import annotations

from typing import Any

import numpy as np
from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest
from numba import njit
from numpy.typing import NDArray

from tests.oracle.answers import EXECUTION, Answers, merge
from tests.oracle.feed import Units
from tests.oracle.runs import POWER, Run
from tests.oracle.script import CANCEL, GTC, MARKET, Script

_LIMIT_TYPE, _MARKET_TYPE = 0, 1
_END_OF_DATA, _RESPONSE = 1, 3
_MS = 1_000_000
_MODELS: dict[str, tuple[Any, ...]] = {
    "risk_averse": ("risk_adverse_queue_model",),
    "power1": ("power_prob_queue_model", POWER),
    "power2": ("power_prob_queue_model2", POWER),
    "power3": ("power_prob_queue_model3", POWER),
    "log1": ("log_prob_queue_model",),
    "log2": ("log_prob_queue_model2",),
}


def _asset(events: NDArray[Any], units: Units, run: Run) -> Any:
    """Describe the instrument and the models of a run; fees are no part of the comparison."""
    asset = (
        BacktestAsset()
        .data([events])
        .linear_asset(1.0)
        .constant_order_latency(run.latency_ms * _MS, run.latency_ms * _MS)
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(units.tick_mul / units.tick_div)
        .lot_size(units.lot_mul / units.lot_div)
        .last_trades_capacity(0)
    )
    model, *arguments = _MODELS[run.queue_model]
    getattr(asset, model)(*arguments)
    return asset.partial_fill_exchange() if run.is_partial else asset.no_partial_fill_exchange()


@njit
def _note(hbt: Any, lot: float, left: Any, status: Any, found: Any, count: int) -> int:
    """Note what changed of the orders that the agent knows; then forget those that ended."""
    values = hbt.orders(0).values()
    while values.has_next():
        order = values.get()
        number = np.int64(order.order_id)
        done = left[number] - order.leaves_qty / lot
        if done > 0.05:
            row = found[count]
            row.order, row.exch_ts, row.lots = number, order.exch_timestamp, done
            row.tick, row.is_maker = order.exec_price_tick, order.arr[0].maker
            row.is_sweep = done - order.exec_qty / lot > 0.05
            left[number] = order.leaves_qty / lot
            count += 1
        if order.status != 0:
            status[number] = order.status
    hbt.clear_inactive_orders(0)
    return count


@njit
def _send(hbt: Any, command: Any, tick_size: float, lot: float) -> int:
    """Send a new order; return hftbacktest's code."""
    is_market = command.force == MARKET
    force = GTC if is_market else command.force
    kind = _MARKET_TYPE if is_market else _LIMIT_TYPE
    price, qty = command.tick * tick_size, command.lots * lot
    if command.side > 0:
        return hbt.submit_buy_order(0, command.order, price, qty, force, kind, False)
    return hbt.submit_sell_order(0, command.order, price, qty, force, kind, False)


@njit
def _may_cancel(hbt: Any, number: int) -> bool:
    order = hbt.orders(0).get(number)
    return order is not None and order.cancellable


@njit
def _until(hbt: Any, time: int, lot: float, left: Any, status: Any, found: Any, count: int) -> Any:
    """Let time pass, answer by answer; return hftbacktest's code and the executions so far."""
    code = 0
    while hbt.current_timestamp < time and code != _END_OF_DATA:
        code = hbt.wait_next_feed(True, time - hbt.current_timestamp)
        if code in (_END_OF_DATA, _RESPONSE):
            count = _note(hbt, lot, left, status, found, count)
    return code, count


@njit
def _play(hbt: Any, commands: Any, end: int, tick_size: float, lot: float, found: Any) -> Any:
    left = np.zeros(len(commands) + 1)
    status = np.zeros(len(commands) + 1, np.int8)
    hbt.elapse(0)
    count = 0
    for number in range(len(commands)):
        command = commands[number]
        code, count = _until(hbt, command.time, lot, left, status, found, count)
        if command.what == CANCEL:
            code = hbt.cancel(0, command.order, False) if _may_cancel(hbt, command.order) else 0
        else:
            left[command.order] = command.lots
            code = _send(hbt, command, tick_size, lot)
        if code != 0:
            return code, count, status
    code, count = _until(hbt, end, lot, left, status, found, count)
    return 0, count, status


def commands_of(script: Script) -> NDArray[Any]:
    """Return the commands as records."""
    names = ("time", "what", "order", "side", "force", "tick", "lots")
    columns = [getattr(script, name) for name in names]
    return np.rec.fromarrays(columns, names=list(names))


def play(events: NDArray[Any], units: Units, script: Script, run: Run) -> Answers:
    """Return what hftbacktest answers."""
    commands = np.array(commands_of(script))
    found = np.zeros(64 * len(commands), EXECUTION)
    hbt = HashMapMarketDepthBacktest([_asset(events, units, run)])
    tick_size, lot = units.tick_mul / units.tick_div, units.lot_mul / units.lot_div
    end = int(max(events["local_ts"].max(), events["exch_ts"].max())) + 10_000 * _MS
    code, count, status = _play(hbt, commands, end, tick_size, lot, found)
    hbt.close()
    if code != 0:
        raise RuntimeError(f"hftbacktest stops with code {code} ({run})")
    return merge(found[:count], status[1 : script.num_orders + 1])
