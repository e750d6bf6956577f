"""The tables of N accounts over one shared market, and the compiled doors to them.

The batch is the unit of work: a Session and a single env are a batch of one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from seq_gym._jit import helper, kernel
from seq_gym.engine import verbs
from seq_gym.engine.candles import advance, end_episode, record_equity
from seq_gym.engine.codes import DATA_ENDED, NO_EXPIRY, RUNNING
from seq_gym.engine.forward import Pyramid, skip_quiet
from seq_gym.engine.layout import (
    ACCOUNT,
    CONTEXT,
    EVENT,
    ORDER,
    POSITION,
    Table,
    new_table,
)
from seq_gym.engine.slots import new_request
from seq_gym.engine.tables import account_at, context_at, params_at, position
from seq_gym.errors import UsageError

__all__ = ["Batch", "reset_account"]


@helper
def reset_account(c: Any, a: Any, e: int, start: int, end: int) -> None:
    """Open account e afresh at cursor `start`, to end at cursor `end`."""
    balance = params_at(c.params, 0).starting_balance
    a.cash = balance
    a.reserved = 0.0
    a.realized = 0.0
    a.peak_equity = balance
    a.max_drawdown = 0.0
    a.fee_scale = 1.0
    a.slippage_scale = 1.0
    a.taker_fees = 0.0
    a.maker_fees = 0.0
    a.slippage = 0.0
    a.borrow = 0.0
    a.funding = 0.0
    a.bad_debt = 0.0
    a.turnover = 0.0
    a.realized_at_midnight = 0.0
    a.starting_balance = balance
    a.cursor = start
    a.start = start
    a.end = end
    a.candles_left = 0
    a.ending = RUNNING
    a.num_orders = 0
    a.wake = NO_EXPIRY
    a.num_intents = 0
    a.next_order_id = 1
    a.num_fills = 0
    a.num_rejects = 0
    a.num_events = 0
    a.num_closing = 0
    a.num_wins = 0
    a.day = -1
    a.minute = -1
    a.orders_in_minute = 0
    for s in range(c.num_symbols):
        pos = position(c, e, s)
        pos.qty = 0.0
        pos.basis = 0.0
        pos.entry = 0.0
        pos.realized = 0.0
        pos.reserved = 0.0
        pos.inside_qty = 0.0
        pos.buy_notional = 0.0
        pos.sell_notional = 0.0
        pos.used_volume = 0.0
        pos.stir_low = -math.inf
        pos.stir_high = math.inf
        pos.intent_mode = -1
        pos.intent_value = 0.0
        pos.stamp = -1
        pos.opened_at = -1
    record_equity(c, a, e)


@kernel
def _reset(context: int, e: int, start: int, end: int) -> None:
    c = context_at(context, 0)
    reset_account(c, account_at(c.accounts, e), e, start, end)


@kernel
def _advance(context: int, e: int, count: int) -> int:
    c = context_at(context, 0)
    return advance(c, account_at(c.accounts, e), e, count)


@kernel
def _request(context: int, e: int, s: int, side: int) -> None:
    c = context_at(context, 0)
    new_request(c, account_at(c.accounts, e), s, side)


@kernel
def _place(context: int, e: int) -> int:
    c = context_at(context, 0)
    return verbs.place(c, account_at(c.accounts, e), e)


@kernel
def _cancel(context: int, e: int, order_id: int) -> int:
    c = context_at(context, 0)
    return verbs.cancel(c, account_at(c.accounts, e), e, order_id)


@kernel
def _amend(context: int, e: int, order_id: int, price: float, qty: float, trigger: float) -> int:
    c = context_at(context, 0)
    return verbs.amend(c, account_at(c.accounts, e), e, order_id, price, qty, trigger)


@kernel
def _decrease(context: int, e: int, order_id: int, by: float) -> int:
    c = context_at(context, 0)
    return verbs.decrease(c, account_at(c.accounts, e), e, order_id, by)


@kernel
def _ask_target(context: int, e: int, s: int, mode: int, value: float, deadband: float) -> int:
    c = context_at(context, 0)
    return verbs.ask_target(c, account_at(c.accounts, e), e, s, mode, value, deadband)


@kernel
def _rebalance(context: int, e: int) -> None:
    c = context_at(context, 0)
    verbs.rebalance(c, account_at(c.accounts, e), e)


@kernel
def _end_episode(context: int, e: int, ending: int) -> None:
    c = context_at(context, 0)
    end_episode(c, account_at(c.accounts, e), e, ending)


class Batch:
    """N accounts over one market: tables in numpy, verbs in kernels.

    Args:
        candles: CANDLE records [T + 1, S]; shared, never written.
        funding: Rates [T + 1, S] aligned with `candles`, or None.
        instruments: INSTRUMENT records [S].
        params: One PARAMS record [1].
        num_envs: Accounts N.
        event_capacity: Rows of each account's event ring, a power of two.
        record_all: A full ring stops `advance` until it is drained; otherwise the last are kept.
        order_slots: Working orders that an account may have; None takes params.max_orders.
        make_pyramid: Makes the index of the fast-forward when it is first needed; None: none.
    """

    def __init__(
        self,
        candles: Table,
        funding: NDArray[np.float64] | None,
        instruments: Table,
        params: Table,
        *,
        num_envs: int = 1,
        event_capacity: int = 1024,
        record_all: bool = True,
        order_slots: int | None = None,
        make_pyramid: Callable[[], Pyramid] | None = None,
    ) -> None:
        if event_capacity & (event_capacity - 1):
            raise ValueError(f"event_capacity must be a power of two; was {event_capacity}.")
        rows, symbols = candles.shape
        slots = int(params[0].max_orders if order_slots is None else order_slots)
        self.candles = candles
        self.funding = funding
        self.instruments = instruments
        self.params = params
        self.num_envs = num_envs
        self.accounts = new_table(ACCOUNT, num_envs)
        self.positions = new_table(POSITION, num_envs, symbols)
        self.orders = new_table(ORDER, num_envs, slots)
        self._request = new_table(ORDER, 1)
        self.events = new_table(EVENT, num_envs, event_capacity)
        self.context = new_table(CONTEXT, 1)
        self.equity_curve: NDArray[np.float64] | None = None
        self._make_pyramid = make_pyramid
        self._jumps: list[tuple[int, int, float, NDArray[np.float64]]] = []
        c: Any = self.context[0]
        c.candles = candles.ctypes.data
        c.funding = 0 if funding is None else funding.ctypes.data
        c.instruments = instruments.ctypes.data
        c.params = params.ctypes.data
        c.accounts = self.accounts.ctypes.data
        c.positions = self.positions.ctypes.data
        c.orders = self.orders.ctypes.data
        c.request = self._request.ctypes.data
        c.events = self.events.ctypes.data
        c.num_envs = num_envs
        c.num_symbols = symbols
        c.num_rows = rows
        c.order_slots = slots
        c.event_capacity = event_capacity
        c.record_all = int(record_all)
        c.has_endings = int((candles["flags"][-1] & DATA_ENDED).any())
        self.address: int = self.context.ctypes.data

    def __reduce__(self) -> NoReturn:
        raise UsageError(
            "A batch holds addresses of its own memory, so it cannot be copied or pickled. Likely "
            "fix: make another one, or use snapshot() and restore() of the environment."
        )

    def keep_equity(self, num_steps: int) -> NDArray[np.float64]:
        """Allocate and return the curve float64 [num_steps + 1] that row 0 writes."""
        self.equity_curve = np.empty(num_steps + 1)
        self.context[0].equity_curve = self.equity_curve.ctypes.data
        return self.equity_curve

    def reset(
        self, e: int, start: int, end: int, *, fee_scale: float = 1.0, slippage_scale: float = 1.0
    ) -> None:
        """Open account e afresh between two cursors.

        Args:
            e: The account.
            start: Cursor at which it opens.
            end: Cursor at which its window ends.
            fee_scale: What all its fees and rebates are multiplied by until the next reset.
            slippage_scale: What its slippage, floor and cap applied, is multiplied by.
        """
        self._jumps.clear()
        _reset(self.address, e, start, end)
        self.accounts[e].fee_scale = fee_scale
        self.accounts[e].slippage_scale = slippage_scale

    def advance(self, e: int, count: int) -> int:
        """Advance account e by candles; returns codes.DONE or codes.RING_FULL."""
        return int(_advance(self.address, e, count))

    def skip_quiet(self, count: int) -> int:
        """Jump row 0 over up to `count` candles in which nothing can happen (forward.skip_quiet).

        Returns:
            How many were jumped over, 0 when something is near, -1 when the account has to walk.
        """
        if self._make_pyramid is None:
            return -1
        if not self.context[0].pyramid:
            self.context[0].pyramid = self._make_pyramid().table.ctypes.data
        before = int(self.accounts["cursor"][0])
        skipped = int(skip_quiet(self.address, 0, count))
        if skipped > 0:
            cash = float(self.accounts["cash"][0])
            self._jumps.append((before, before + skipped, cash, self.positions["qty"][0].copy()))
        return skipped

    def equity_so_far(self) -> NDArray[np.float64]:
        """Return the equity of row 0 at every candle from its start, jumped ones included: a copy.

        Raises:
            ValueError: `keep_equity` was not called.
        """
        if self.equity_curve is None:
            raise ValueError("equity_so_far needs keep_equity(num_steps) before the account moves.")
        start, now = int(self.accounts["start"][0]), int(self.accounts["cursor"][0])
        marks = self.candles["mark"]
        for first, last, cash, quantities in self._jumps:
            stretch = np.full(last - first, cash)
            for s, qty in enumerate(quantities):  # in the kernel's order: equal to the last bit
                stretch += qty * marks[first + 1 : last + 1, s]
            self.equity_curve[first + 1 - start : last + 1 - start] = stretch
        self._jumps.clear()
        return self.equity_curve[: now - start + 1].copy()

    def request(self, e: int, s: int, side: int) -> Any:
        """Return the record of a fresh market order, to fill in and then `place`."""
        _request(self.address, e, s, side)
        return self._request[0]

    def place(self, e: int) -> int:
        """Place the request; returns a Reason number, 0 when accepted."""
        return int(_place(self.address, e))

    def cancel(self, e: int, order_id: int) -> int:
        """Cancel a working order; returns a Reason number."""
        return int(_cancel(self.address, e, order_id))

    def amend(self, e: int, order_id: int, price: float, qty: float, trigger: float) -> int:
        """Replace a working order's terms; NaN leaves one. Returns a Reason number."""
        return int(_amend(self.address, e, order_id, price, qty, trigger))

    def decrease(self, e: int, order_id: int, by: float) -> int:
        """Shrink a working order; returns a Reason number."""
        return int(_decrease(self.address, e, order_id, by))

    def ask_target(self, e: int, s: int, mode: int, value: float, deadband: float = 0.0) -> int:
        """Ask for a target weight or equity fraction; returns a Reason number."""
        return int(_ask_target(self.address, e, s, mode, value, deadband))

    def rebalance(self, e: int) -> None:
        """Execute what was asked for, where execution is at the close."""
        _rebalance(self.address, e)

    def end_episode(self, e: int, ending: int) -> None:
        """End an episode before its window does."""
        _end_episode(self.address, e, ending)

    def drain(self, e: int = 0) -> Table:
        """Return a copy of the events since the last drain, oldest first, and forget them."""
        count = int(self.accounts[e].num_events)
        self.accounts[e].num_events = 0
        return self.events[e, :count].copy()
