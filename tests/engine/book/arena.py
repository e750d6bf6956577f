"""Random scripts, and the two book engines side by side: every event row and all the money."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from seq_gym.engine import codes as common
from seq_gym.engine.book import codes
from seq_gym.engine.book.batch import BookBatch
from seq_gym.engine.book.reference import Event, ReferenceBook
from seq_gym.engine.layout import Table
from tests.engine.book.worlds import MS, World

__all__ = ["Twins", "close_enough", "play", "random_order", "random_verb"]

WANTED = (0, 0, codes.ON_BOOK, codes.ON_TRADE, codes.ON_REPORT, codes.ON_REPORT, 15)
TERMS = ("type", "tif", "flags", "tick", "max_slippage_frac", "tag")


class Twins:
    """The same verbs on the twin and on one account of a batch; compares after every verb."""

    def __init__(self, world: World, *, batch: BookBatch | None = None, e: int = 0) -> None:
        self.world = world
        self.e = e
        self.reference = ReferenceBook(world.feeds, world.instruments, world.params)
        self.batch = batch or BookBatch(world.tapes, world.instruments, world.params)
        self.trace: list[str] = []
        self.num_events = 0
        self.reset()

    def reset(self) -> None:
        """Begin the episode in both."""
        world = self.world
        self.batch.reset(self.e, world.start, world.end, seed=world.seed)
        self.reference.reset(world.start, world.end, seed=world.seed)
        self.num_events = 0
        self._same("reset", 0, 0)

    @property
    def running(self) -> bool:
        """The episode goes on."""
        return self.reference.account.ending == common.RUNNING

    def place(self, lane: int, side: int, qty: float, **terms: Any) -> int:
        """Send an order; returns its id."""
        request = self.batch.request(self.e, lane, side)
        request.qty = qty
        for name in TERMS:
            if name in terms:
                request[name] = terms[name]
        ours = self.batch.place(self.e, lane)
        theirs = self.reference.place(lane, side, qty, **terms)
        self._same(f"place lane {lane} side {side} qty {qty} {terms}", ours, theirs)
        return ours

    def cancel(self, lane: int, order_id: int) -> int:
        """Ask to cancel."""
        ours = self.batch.cancel(self.e, lane, order_id)
        return self._same(f"cancel {order_id}", ours, self.reference.cancel(lane, order_id))

    def amend(self, lane: int, order_id: int, tick: int, qty: float) -> int:
        """Ask to replace."""
        ours = self.batch.amend(self.e, lane, order_id, tick, qty)
        theirs = self.reference.amend(lane, order_id, tick, qty)
        return self._same(f"amend {order_id} to {qty} at {tick}", ours, theirs)

    def decrease(self, lane: int, order_id: int, by: float) -> int:
        """Ask to shrink."""
        ours = self.batch.decrease(self.e, lane, order_id, by)
        theirs = self.reference.decrease(lane, order_id, by)
        return self._same(f"decrease {order_id} by {by}", ours, theirs)

    def advance(self, until: int, wanted: int = 0) -> int:
        """Let time go by."""
        ours = self.batch.advance(self.e, until, wanted)
        theirs = self.reference.advance(until, wanted)
        return self._same(f"advance {until - self.world.start} wanted {wanted}", ours, theirs)

    def _same(self, verb: str, ours: int, theirs: int) -> int:
        at = self.reference.account.now - self.world.start
        self.trace.append(f"+{at}: {verb} -> {theirs}")
        story = "\n".join(self.trace[-14:])
        news = self.reference.events[self.num_events :]
        self.num_events = len(self.reference.events)
        compare_events(self.batch.drain(self.e), news, story)
        assert ours == theirs, f"kernel answered {ours}, reference {theirs}\n{story}"
        compare_states(self, story)
        return ours


_INTS = ("kind", "order_id", "lane", "local_ts", "exch_ts", "side", "type", "tif", "flags")
_INTS += ("liquidity", "reason", "tick", "sent_ts", "tag")
_FLOATS = ("qty", "fee", "realized", "mid", "front", "leaves")


def close_enough(ours: float, theirs: float, scale: float = 0.0) -> bool:
    """Compare to 1e-9 relative, or of the scale at which a difference of two sums was taken."""
    if math.isnan(ours) or math.isnan(theirs):
        return math.isnan(ours) and math.isnan(theirs)
    return ours == theirs or abs(ours - theirs) <= 1e-9 * max(abs(ours), abs(theirs), scale)


def _differing(row: Any, event: Event) -> list[str]:
    """Name the fields in which a row of the ring and the twin's event differ."""
    ints = _INTS
    is_gone = event.kind == codes.CHANGE_REFUSED and event.reason == common.ORDER_NOT_FOUND
    if event.kind == codes.MONEY or event.order_id == 0 or is_gone:
        ints = ("kind", "order_id", "lane", "local_ts", "exch_ts", "reason")
    if event.kind in (codes.ACCEPTED, codes.EXECUTED) and event.order_id:
        ints = (*ints, "arrival_ts")
    bad = [name for name in ints if int(row[name]) != getattr(event, name)]
    floats = _FLOATS
    if is_gone:
        floats = ("mid",)
    elif event.kind == codes.MONEY:
        floats = ("qty", "fee", "price")
    elif event.kind == codes.EXECUTED:
        floats = (*_FLOATS, "price") if event.order_id else ("qty", "fee", "price", "realized")
    notional = abs(event.qty * event.price)
    for name in floats:
        scale = notional if name == "realized" else 0.0
        if not close_enough(float(row[name]), getattr(event, name), scale):
            bad.append(name)
    return bad


def compare_events(ours: Table, theirs: list[Event], story: str) -> None:
    """Check that both engines told the same story in the same order."""
    for row, event in zip(ours, theirs, strict=False):
        bad = _differing(row, event)
        if bad:
            mine = {name: row[name].item() for name in event._fields}
            raise AssertionError(f"{bad}\nkernel    {mine}\nreference {event._asdict()}\n{story}")
    if len(ours) != len(theirs):
        kernel = [(int(r.kind), int(r.order_id), int(r.reason), int(r.local_ts)) for r in ours]
        twin = [(r.kind, r.order_id, r.reason, r.local_ts) for r in theirs]
        raise AssertionError(f"kernel    {kernel}\nreference {twin}\n{story}")


_MONEY = ("cash", "realized", "equity", "peak_equity", "max_drawdown", "taker_fees", "maker_fees")
_MONEY += ("borrow", "funding", "bad_debt", "turnover", "reserved")
_COUNTS = ("now", "ending", "num_fills", "num_rejects", "num_closing", "num_gaps", "num_actions")
_COUNTS += ("next_heartbeat", "next_order_id")


def compare_states(twins: Twins, story: str) -> None:
    """Check money, positions, and the orders that the agent believes in."""
    reference, a = twins.reference, twins.batch.accounts[twins.e]
    b = reference.account
    scale = max(b.starting_balance, b.turnover)
    for name in _COUNTS:
        mine, other = int(a[name]), getattr(b, name)
        assert mine == other, f"{name}: kernel {mine} != {other}\n{story}"
    for name in _MONEY:
        mine, other = float(a[name]), getattr(b if name != "reserved" else reference, name)
        near = 1.0 if name == "max_drawdown" else scale
        assert close_enough(mine, other, near), f"{name}: kernel {mine} != {other}\n{story}"
    for s, pos in enumerate(reference.positions):
        ours: Any = twins.batch.positions[twins.e, s]
        for name in ("qty", "bought", "sold"):
            mine, other = float(ours[name]), getattr(pos, name)
            near = max(pos.bought, pos.sold)
            assert close_enough(mine, other, near), f"{name}: {mine} != {other}\n{story}"
        for name in ("basis", "realized"):
            mine, other = float(ours[name]), getattr(pos, name)
            assert close_enough(mine, other, scale), f"{name}: {mine} != {other}\n{story}"
    _compare_orders(twins, story)


def _compare_orders(twins: Twins, story: str) -> None:
    orders = twins.batch.orders[twins.e]
    known = {}
    for s, k in zip(*np.nonzero(orders["local"] != codes.FREE), strict=True):
        o: Any = orders[s, k]
        known[int(o.id)] = (int(s), int(o.local), float(o.local_leaves), int(o.local_tick))
    believed = {
        o.id: (o.lane, o.local, o.local_leaves, o.local_tick)
        for o in twins.reference.orders.values()
    }
    assert sorted(known) == sorted(believed), f"{known} != {believed}\n{story}"
    for key, mine in known.items():
        same = mine[:2] == believed[key][:2] and mine[3] == believed[key][3]
        same = same and close_enough(mine[2], believed[key][2])
        assert same, f"order {key}: kernel {mine} != {believed[key]}\n{story}"


# Random scripts


def random_order(
    rng: np.random.Generator, reference: ReferenceBook, lane: int, *, keen: bool = False
) -> dict[str, Any]:
    """Return the terms of an order near the touch: behind, at, inside or through it.

    A keen one joins the queue at the touch or next to it.
    """
    book = reference.books[lane]
    side = int(rng.choice([codes.BUY, codes.SELL]))
    touch = book.bid if side == codes.BUY else book.ask
    if touch in (codes.NO_BID, codes.NO_ASK):
        touch = 100
    size = float(rng.integers(1, 15))
    if not reference.strict:
        ins = reference.instruments[lane]
        size = (size + 0.6) * ins.lot_mul / ins.lot_div
    terms = {
        "side": side,
        "qty": size,
        "type": int(rng.choice([common.LIMIT] * 5 + [common.MARKET])),
        "tif": int(rng.choice([common.GTC] * 5 + [common.IOC, common.FOK])),
        "tick": touch + side * int(rng.choice([-4, -2, -1, 0, 0, 0, 1, 2, 3, 5])),
        "tag": int(rng.integers(0, 3)),
    }
    dice = rng.random()
    if keen and dice < 0.8:
        tick = touch + side * int(rng.choice([0, 0, 0, -1, -1, -2, 1]))
        terms |= {"type": common.LIMIT, "tif": common.GTC, "tick": tick}
    elif dice < 0.15:
        terms["flags"] = codes.POST_ONLY_FLAG
    elif dice < 0.25:
        terms["flags"] = codes.REDUCE_ONLY_FLAG
    elif dice < 0.35 and reference.strict:
        terms["max_slippage_frac"] = float(rng.choice([0.0, 0.001, 0.02]))
    elif dice < 0.38:
        terms["qty"] = float(rng.choice([0.0, -1.0, 0.5, math.nan, 1e9]))
    elif dice < 0.4:
        terms["tick"] = int(rng.choice([0, -5, codes.NO_ASK]))
    if rng.random() < 0.15:
        terms |= _exit_terms(rng, reference, lane)
    return terms


def _exit_terms(rng: np.random.Generator, reference: ReferenceBook, lane: int) -> dict[str, Any]:
    """Return the terms of a reduce-only order against what is held of a lane, if anything is."""
    held = reference.positions[lane].qty
    if held == 0.0:
        return {}
    side = codes.SELL if held > 0.0 else codes.BUY
    book, ins = reference.books[lane], reference.instruments[lane]
    touch = book.bid if side == codes.BUY else book.ask
    if touch in (codes.NO_BID, codes.NO_ASK):
        touch = 100
    part = abs(held) * float(rng.choice([1.0, 1.0, 0.5]))
    if reference.strict:
        part = max(math.floor(part * ins.lot_div / ins.lot_mul + 0.5), 1.0)
    tick = touch + side * int(rng.choice([-4, -2, -1, 0, 0, 1, 2]))
    return {"side": side, "qty": part, "flags": codes.REDUCE_ONLY_FLAG, "tick": tick}


def random_verb(rng: np.random.Generator, twins: Twins) -> None:
    """Do one random thing to both."""
    reference = twins.reference
    lane = int(rng.integers(len(reference.feeds)))
    if rng.random() < 0.6 or not reference.orders:
        terms = random_order(rng, reference, lane, keen=twins.world.keen)
        twins.place(lane, **terms)
        return
    order = reference.orders[int(rng.choice(list(reference.orders)))]
    order_id = order.id if rng.random() < 0.95 else int(rng.integers(1, 99))
    dice = rng.random()
    whole = 1.0
    if not reference.strict:
        ins = reference.instruments[order.lane]
        whole = ins.lot_mul / ins.lot_div
    if dice < 0.4:
        twins.cancel(order.lane, order_id)
    elif dice < 0.6 or not reference.strict:
        twins.decrease(order.lane, order_id, float(rng.integers(-1, 6)) * whole)
    else:
        tick = order.tick + int(rng.choice([-2, -1, 0, 0, 1, 2]))
        twins.amend(order.lane, order_id, tick, float(rng.integers(0, 15)))


def step_of(rng: np.random.Generator) -> int:
    """Return how long to advance, ns."""
    return int(rng.choice([0, 1, 3, MS, 5 * MS, 60 * MS, 400 * MS]))


def play(seed: int, rows: int = 150, **changes: Any) -> int:
    """Play one random episode on both engines; return the number of events."""
    world = World(seed, rows, **changes)
    twins = Twins(world)
    rng = world.rng
    for _ in range(400):
        for _ in range(int(rng.choice([0, 0, 1, 1, 2, 4]))):
            random_verb(rng, twins)
        twins.advance(twins.reference.account.now + step_of(rng), int(rng.choice(WANTED)))
        if not twins.running:
            break
    else:
        twins.advance(world.end)
    return twins.num_events
