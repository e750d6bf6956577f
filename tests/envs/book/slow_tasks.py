"""The slow twin of the task kernels: plain Python that sends the same orders to a batch of its own.

Written from the docstrings of the environments. It reads what the agent knows from the batch's
tables, and rebuilds every decision in whole lots.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from seq_gym.engine.book import codes
from seq_gym.engine.book.batch import BookBatch
from seq_gym.engine.codes import IOC, LIMIT
from seq_gym.engine.layout import Table
from seq_gym.sandbox.book.params import book_params


class SlowTrader:
    """One account, driven decision by decision; strict rules, so units are lots."""

    def __init__(self, env: Any) -> None:
        self.settings = env.settings
        setup, market = self.settings.setup, self.settings.market
        self.constants = setup.constants
        self.levels = setup.levels[: setup.num_levels]
        self.rows = market.tape.local_rows
        self.times = market.grid.times
        self.lot = market.lot
        self.margin = market.params.account == "margin"
        self.batch = BookBatch(
            [market.tape],
            market.instruments,
            book_params(market.params),
            order_slots=market.params.max_orders,
            event_capacity=1 << 16,
            report_slots=self.settings.ring_slots,
            hole_slots=setup.hole_slots,
        )

    # ------------------------------------------------------------------ what is known

    @property
    def held(self) -> int:
        """Position in lots."""
        return round(float(self.batch.positions[0, 0]["qty"]) / self.lot)

    def touch(self, side: int) -> int | None:
        """Best tick of a side of the book that the agent knows."""
        row = self.rows[int(self.batch.lanes[0, 0]["local_row"]) - 1]
        best = int(row["bid"] if side > 0 else row["ask"])
        return None if best in (codes.NO_BID, codes.NO_ASK) else best

    @property
    def is_stale(self) -> bool:
        """Whether messages were lost."""
        return bool(self.rows[int(self.batch.lanes[0, 0]["local_row"]) - 1]["flags"] & 1)

    def live(self) -> dict[int, Any]:
        """Orders by id that the agent holds for alive."""
        rows = self.batch.orders[0, 0]
        return {int(o["id"]): o for o in rows if o["local"] != codes.FREE}

    def exposure(self, side: int, but: int = 0) -> int:
        """Lots that the orders of a side may still execute."""
        total = 0.0
        for number, o in self.live().items():
            if o["side"] == side and number != but:
                total += max(o["local_leaves"], o["asked"])
        return int(total)

    # ------------------------------------------------------------------ what is done

    def send(self, side: int, lots: int, **fields: Any) -> int:
        """Send an order; return its id, 0 where it was refused."""
        o = self.batch.request(0, 0, side)
        o["qty"] = lots
        for name, value in fields.items():
            o[name] = value
        number = self.batch.place(0, 0)
        return 0 if self.batch.last_reason else number

    def drop(self, number: int) -> int:
        """Cancel a quote."""
        if number not in self.live():
            return 0
        return 0 if self.batch.cancel(0, 0, number) == 0 else number

    def keep(
        self, quote: tuple[int, int], side: int, tick: int | None, lots: int, room: int
    ) -> tuple[int, int]:
        """Bring a quote (id, size asked for) to where it should be."""
        number, asked = quote
        o = self.live().get(number)
        if lots <= 0 or tick is None:
            return (self.drop(number), 0)
        if o is None:
            if self.is_stale:
                return (0, 0)
            free = min(lots, room - self.exposure(side))
            flags = {"type": LIMIT, "tick": tick, "flags": codes.POST_ONLY_FLAG}
            return (self.send(side, free, **flags) if free > 0 else 0, lots)
        if o["local"] == codes.ON_THE_WAY or o["changes"] > 0 or self.is_stale:
            return quote
        same = o["local_tick"] == tick
        if same and (lots == asked or o["local_leaves"] <= lots < asked):
            return (number, lots)
        count = min(lots, room - self.exposure(side, number))
        if count > 0 and self.batch.amend(0, 0, number, tick, count) == 0:
            return (number, lots)
        return (self.drop(number), lots)


def slow_making(env: Any, start: int, actions: Any, seed: int) -> Table:
    """Make the market by hand from a cursor on; return the events, EVENT records."""
    t = SlowTrader(env)
    end = int(env.settings.episode_steps) + start
    t.batch.reset(0, int(t.times[start]), int(t.times[end]), seed=seed)
    order, limit = int(t.constants["order_units"]), round(env.settings.setup.max_qty / t.lot)
    quotes = {1: (0, 0), -1: (0, 0)}
    for k, action in enumerate(actions):
        for part, side in enumerate((1, -1)):
            if env.settings.setup.num_levels and action.dtype.kind == "i":
                choice = int(action[part])
                offset = int(t.levels[choice]) if choice < len(t.levels) else None
                lots = order
            else:
                share = 0.5 * (float(action[part]) + 1.0)
                furthest = t.constants["max_offset_ticks"]
                offset = None if share > 0.95 else math.floor(share / 0.95 * furthest + 0.5)
                lots = max(math.floor(0.5 * (float(action[2 + part]) + 1.0) * order + 0.5), 1)
            best = t.touch(side)
            tick = None if best is None or offset is None else best - side * offset
            room = limit - side * t.held
            quotes[side] = t.keep(quotes[side], side, tick, lots, room)
        t.batch.advance(0, int(t.times[start + k + 1]))
    return t.batch.drain(0)


def slow_execution(env: Any, start: int, actions: Any, seed: int) -> Table:
    """Execute a parent order by hand, cash account that buys; return the events."""
    t = SlowTrader(env)
    end = int(env.settings.episode_steps) + start
    t.batch.reset(0, int(t.times[start]), int(t.times[end]), seed=seed)
    t.batch.accounts[0]["cash"] = 1e12
    c = t.constants
    side, parent = int(c["side"]), int(c["quantity_units"])
    child, carried = (0, 0), 0.0
    for k, action in enumerate(actions):
        decisions, left = end - start - k, parent - side * t.held
        if decisions <= 2:
            child = (t.drop(child[0]), child[1])
        best, other = t.touch(side), t.touch(-side)
        if decisions == 1:
            free = left - t.exposure(side)
            if free > 0 and other is not None:
                t.send(side, free, tif=IOC)
            t.batch.advance(0, int(t.times[start + k + 1]))
            break
        slices = 0.5 * (float(action[0]) + 1.0) * c["max_rate"]
        ticks = math.floor(abs(float(action[1])) * c["max_offset_ticks"] + 0.5)
        piece = max(left - t.exposure(side, child[0]) - carried, 0.0) / decisions
        if action[1] > 0.0:
            due = carried + slices * piece
            lots = math.floor(due * (1.0 + 1e-6) + 1e-9)
            carried = min(max(due - lots, 0.0), 1.0)
            lots = min(lots, left - t.exposure(side))
            if lots > 0 and other is not None:
                t.send(side, lots, type=LIMIT, tif=IOC, tick=other + side * ticks)
        elif decisions > 2:
            lots = min(math.ceil(slices * piece * (1.0 - 1e-6)), left)
            tick = None if best is None else best - side * ticks
            o = t.live().get(child[0])
            if o is None or not lots or lots < o["local_leaves"] or o["local_tick"] != tick:
                child = t.keep(child, side, tick, lots, left)
        t.batch.advance(0, int(t.times[start + k + 1]))
        if parent - side * t.held <= 0:
            break
    return t.batch.drain(0)


def same_events(one: Table, two: Table) -> None:
    """Compare journals field by field, bit by bit; the trailing cancellations of an end aside."""
    assert len(one) == len(two)
    for name in one.dtype.names or ():
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)
