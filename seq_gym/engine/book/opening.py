"""The first instant of an episode: cursors found by leaps, everything else blank."""

from __future__ import annotations

import math
from typing import Any

from seq_gym._jit import helper
from seq_gym.engine.book.codes import FREE, HEARTBEAT_NS, NO_ASK, NO_BID
from seq_gym.engine.book.cursor import first_after
from seq_gym.engine.book.money import refresh_mark
from seq_gym.engine.book.tables import instrument, lane, order, params_at, position, row_at, tape
from seq_gym.engine.codes import NS_PER_DAY, RUNNING

__all__ = ["reset_account"]


@helper
def _open_money(a: Any, balance: float) -> None:
    a.cash = balance
    a.equity = balance
    a.peak_equity = balance
    a.starting_balance = balance
    a.reserved = 0.0
    a.drawdown = 0.0
    a.max_drawdown = 0.0
    a.realized = 0.0
    a.taker_fees = 0.0
    a.maker_fees = 0.0
    a.funding = 0.0
    a.borrow = 0.0
    a.bad_debt = 0.0
    a.turnover = 0.0
    a.spread_cost = 0.0
    a.realized_at_midnight = 0.0
    a.reject_value = math.nan
    a.reject_bound = math.nan


@helper
def _open_counters(a: Any) -> None:
    a.reason = 0
    a.next_order_id = 1
    a.num_fills = 0
    a.num_rejects = 0
    a.num_gaps = 0
    a.num_events = 0
    a.num_orders = 0
    a.num_actions = 0
    a.num_closing = 0
    a.num_wins = 0
    a.orders_in_minute = 0
    a.minute = -1
    a.stopped_lane = -1
    a.stopped_by = 0


@helper
def _open_position(pos: Any) -> None:
    pos.qty = 0.0
    pos.basis = 0.0
    pos.realized = 0.0
    pos.reserved = 0.0
    pos.pending_buy = 0.0
    pos.pending_sell = 0.0
    pos.bought = 0.0
    pos.sold = 0.0


@helper
def _open_venue(row: Any, start: int) -> None:
    """Blank a lane's side at the venue: no orders, no holes."""
    row.venue_time = start
    row.buy_low = NO_ASK
    row.buy_high = NO_BID
    row.sell_low = NO_ASK
    row.sell_high = NO_BID
    row.num_resting = 0
    row.num_reducing = 0
    row.untold = 0.0
    row.num_holes = 0
    row.num_slots = 0
    row.first_slot = -1
    row.last_slot = -1
    row.num_seen = 0
    row.bent_ticks = 0.0


@helper
def _open_channels(row: Any, start: int) -> None:
    """Empty a lane's channels, and start its draws anew."""
    row.entry_last = start
    row.receipt_last = start
    row.requests_head = 0
    row.requests_tail = 0
    row.reports_head = 0
    row.reports_tail = 0
    row.draws_entry = 0
    row.draws_cancel = 0
    row.draws_response = 0
    row.draws_adverse = 0
    row.latency_seen = 0.0
    row.mark = math.nan
    row.sided_to = -1
    row.sided_row = -1
    row.traded_to = -1
    row.traded_row = -1
    row.likely_row = 0


@helper
def _open_lane(c: Any, a: Any, e: int, s: int, start: int) -> None:
    t = tape(c, s)
    row = lane(c, e, s)
    for k in range(c.order_slots):
        order(c, e, s, k).local = FREE
        order(c, e, s, k).venue = FREE
    _open_venue(row, start)
    _open_channels(row, start)
    row.venue_row = first_after(t.venue_rows, 0, t.num_venue, start)
    row.local_row = first_after(t.local_rows, 0, t.num_local, start - instrument(c, s).feed_ns)
    before = row.venue_row - 1
    row.stale = row_at(t.venue_rows, before).flags & 1 if before >= 0 else 0
    if row.local_row > 0:  # the stale stretch that it begins in is one that it meets (B10)
        a.num_gaps += row_at(t.local_rows, row.local_row - 1).flags & 1


@helper
def reset_account(c: Any, a: Any, e: int, start: int, end: int, seed: int) -> None:
    """Open account e afresh: what either clock shows up to `start` is known on it."""
    _open_money(a, params_at(c.params, 0).starting_balance)
    _open_counters(a)
    a.now = start
    a.start = start
    a.end = end
    a.seed = seed
    a.next_heartbeat = (start // HEARTBEAT_NS + 1) * HEARTBEAT_NS
    a.day = start // NS_PER_DAY
    a.ending = RUNNING
    for s in range(c.num_lanes):
        _open_position(position(c, e, s))
        _open_lane(c, a, e, s, start)
        refresh_mark(c, e, s)
