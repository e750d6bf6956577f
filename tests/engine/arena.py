"""Random markets, parameters and verbs, and the two engines side by side."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine import codes
from seq_gym.engine.batch import Batch
from seq_gym.engine.forward import Pyramid, build_pyramid, skip_quiet
from seq_gym.engine.layout import CANDLE, INSTRUMENT, PARAMS, Table, new_table
from seq_gym.engine.reference import Event, ReferenceSandbox

Random = np.random.Generator

LISTED_ONLY = codes.LISTED | 1 << codes.SPAN_SHIFT
FULL = codes.TRADED | codes.LISTED | codes.FRESH | 1 << codes.SPAN_SHIFT
BALANCE = 10_000.0
NAN = math.nan
SECOND_NS = 1_000_000_000
HOUR_NS = 3_600 * SECOND_NS


def default_params(**changes: Any) -> Table:
    """Return the parameters of a plain spot account under next_open, no slippage but the floor."""
    params = new_table(PARAMS, 1)
    fields = {
        "max_orders": 16,
        "slippage_model": codes.VOLUME_SHARE,
        "impact": 0.1,
        "slippage_floor": 1e-4,
        "slippage_cap": 0.1,
        "starting_balance": BALANCE,
        "initial_margin_frac": 1 / 3,
        "maintenance_frac": 0.05,
        "borrow_per_candle": 0.1 / 365 / 24,
        "interval_ns": HOUR_NS,
        "max_order_size_pct": math.inf,
        "max_position_size_pct": math.inf,
        "daily_loss_limit_pct": math.inf,
        "max_drawdown_pct": math.inf,
    }
    for name, value in (fields | changes).items():
        params[0][name] = value
    return params


def default_instruments(count: int, **changes: Any) -> Table:
    """Return instruments with 0.1 % fees and no rounding."""
    instruments = new_table(INSTRUMENT, count)
    for name, value in ({"taker_fee_frac": 0.001, "maker_fee_frac": 0.001} | changes).items():
        instruments[name] = value
    return instruments


def candles_of(*symbols: list[tuple[float, float, float, float]], **changes: Any) -> Table:
    """Return the CANDLE table of hand-written (open, high, low, close) rows, all traded."""
    table = new_table(CANDLE, len(symbols[0]) + 1, len(symbols))
    for s, rows in enumerate(symbols):
        table[0, s].mark = rows[0][0]
        table[0, s].flags = LISTED_ONLY
        for t, (open_, high, low, close) in enumerate(rows, start=1):
            r: Any = table[t, s]
            r.open, r.high, r.low, r.mark = open_, high, low, close
            r.volume, r.flags = 1e6, FULL
    table["adv"] = 1e15  # the floor of the slippage, unless a test says otherwise
    for name, value in changes.items():
        table[name] = value
    return table


# Random markets


def _candle(rng: Random, price: float, tick: float, wild: float) -> list[float]:
    open_ = price * (math.exp(rng.normal(0, 0.02 * wild)) if rng.random() < 0.3 else 1.0)
    close = open_ * math.exp(rng.normal(0, 0.01 * wild))
    high = max(open_, close) * math.exp(abs(rng.normal(0, 0.01 * wild)))
    low = min(open_, close) * math.exp(-abs(rng.normal(0, 0.01 * wild)))
    if rng.random() < 0.1:
        low = min(open_, close)
    if rng.random() < 0.1:
        high = max(open_, close)
    values = [open_, high, low, close]
    if tick > 0.0:
        values = [max(round(round(v / tick) * tick, 10), tick) for v in values]
    return values


def _symbol(rng: Random, column: Table, tick: float, wild: float) -> None:
    """Write one symbol's candles: late listing, gaps, zero volume, an early end."""
    rows = len(column) - 1
    first = int(rng.integers(1, rows // 3)) if rng.random() < 0.2 else 0
    last = int(rng.integers(rows // 2, rows)) if rng.random() < 0.2 else rows
    holes = rng.choice([0.0, 0.0, 0.15])
    price = float(rng.choice([100.0, 30.0, 7.0]))
    volume = float(rng.choice([20.0, 500.0, 1e5]))
    adv = float(rng.choice([0.0, 1e5, 1e7]))
    mark = 0.0
    for t in range(first, rows + 1):
        r: Any = column[t]
        r.adv = adv * math.exp(rng.normal(0, 0.3))
        r.sigma = abs(rng.normal(0, 0.05))
        if t == first:
            mark = r.mark = price = round(price, 2)
            r.flags = LISTED_ONLY
            continue
        if t > last:
            r.mark, r.flags = mark, LISTED_ONLY | codes.DATA_ENDED
            continue
        values = _candle(rng, price, tick, wild)
        if t == first + 1:
            column[first].mark = values[0]
        if t > first + 1 and rng.random() < holes:
            r.open, r.high, r.low = values[:3] if rng.random() < 0.5 else (NAN, NAN, NAN)
            r.mark, r.flags = mark, LISTED_ONLY
            continue
        r.open, r.high, r.low, r.mark = values
        mark = price = values[3]
        r.volume = volume * math.exp(rng.normal(0, 1))
        r.flags = FULL


def _make_coarse(column: Table, span: int) -> None:
    """Keep every span-th candle of a column, widened over its span (C4)."""
    fine = column.copy()
    rows = len(column) - 1
    for t in range(1, rows + 1):
        r: Any = column[t]
        if t % span:
            r.mark, r.volume = column[t - 1].mark, 0.0
            r.flags = LISTED_ONLY | (codes.FRESH if t > span else 0)
            continue
        part = fine[t - span + 1 : t + 1]
        r.open, r.high, r.low = part[0].open, part["high"].max(), part["low"].min()
        r.volume = part["volume"].sum()
        r.flags = codes.TRADED | codes.LISTED | codes.FRESH | span << codes.SPAN_SHIFT


class Scene:
    """One random market with random rules."""

    def __init__(self, seed: int, rows: int = 24, *, calm: bool = False) -> None:
        rng = self.rng = np.random.default_rng(seed)
        symbols = int(rng.choice([1, 1, 2, 3]))
        wild = 0.05 if calm else float(rng.choice([0.3, 1.0, 1.0, 4.0, 15.0]))
        self.candles = new_table(CANDLE, rows + 1, symbols)
        self.instruments = new_table(INSTRUMENT, symbols)
        for s in range(symbols):
            ins: Any = self.instruments[s]
            ins.tick = rng.choice([0.0, 0.0, 0.01, 0.1, 0.25])
            ins.lot = rng.choice([0.0, 0.0, 0.001, 0.1, 1.0])
            ins.min_notional = rng.choice([0.0, 0.0, 10.0, 500.0])
            ins.taker_fee_frac = rng.choice([0.0, 0.001, 0.004])
            ins.maker_fee_frac = rng.choice([0.0, 0.001, -0.0005])
            _symbol(rng, self.candles[:, s], float(ins.tick), wild)
            whole = (self.candles["flags"][1:, s] & codes.TRADED).all()
            if whole and rng.random() < 0.15:
                _make_coarse(self.candles[:, s], int(rng.choice([3, 4])))
        self.funding: NDArray[np.float64] | None = None
        if rng.random() < 0.4:
            paid = rng.random((rows + 1, symbols)) < 0.2
            self.funding = np.where(paid, rng.normal(0, 0.01, paid.shape), 0.0)
        self.params = self._params(rng)
        # A stream of its own: the scenes of old seeds stay what they were.
        scales = np.random.default_rng([seed, 1]).choice([1.0, 1.0, 0.0, 0.3, 2.5], 2)
        self.scales: tuple[float, float] = (float(scales[0]), float(scales[1]))

    @property
    def tables(self) -> tuple[Table, Table, Table, NDArray[np.float64] | None]:
        """What both engines are made of."""
        return self.candles, self.params, self.instruments, self.funding

    def _params(self, rng: Random) -> Table:
        model = int(
            rng.choice([codes.FIXED_BPS, codes.VOLUME_SHARE, codes.VOLUME_SHARE, codes.SQUARE_ROOT])
        )
        impact = {codes.FIXED_BPS: 0.0005, codes.VOLUME_SHARE: 0.1, codes.SQUARE_ROOT: 1.0}[model]
        changes: dict[str, Any] = {
            "margin": int(rng.random() < 0.5),
            "at_close": int(rng.random() < 0.5),
            "trigger_close": int(rng.random() < 0.25),
            "through": int(rng.random() < 0.3),
            "max_orders": int(rng.choice([2, 4, 16])),
            "slippage_model": model,
            "impact": impact * float(rng.choice([0.0, 1.0, 1.0, 20.0])),
            "liquidate_on_complete": int(rng.random() < 0.5),
            "start_ns": int(rng.integers(0, 24)) * HOUR_NS,
            # Three hours: eight candles a day. Seven: days of three or four. Twelve seconds: five
            # candles a minute.
            "interval_ns": int(rng.choice([3 * HOUR_NS, 7 * HOUR_NS, 12 * SECOND_NS])),
            "max_participation_frac": float(rng.choice([0.0, 0.0, 0.0, 0.02, 0.5])),
            "initial_margin_frac": float(rng.choice([1.0, 0.5, 1 / 3, 0.1])),
            "borrow_per_candle": float(rng.choice([0.0, 1e-5, 1e-3])),
            "ruin_frac": float(rng.choice([0.0, 0.0, 0.5])),
        }
        if rng.random() < 0.3:
            changes |= {
                "any_risk": 1,
                "allow_reduce": int(rng.random() < 0.5),
                "max_open_orders": int(rng.choice([0, 3])),
                "max_orders_per_minute": int(rng.choice([0, 2])),
                "max_order_size_pct": float(rng.choice([math.inf, 60.0])),
                "max_position_size_pct": float(rng.choice([math.inf, 80.0])),
                "daily_loss_limit_pct": float(rng.choice([math.inf, 1.0])),
                "risk_min_notional": float(rng.choice([0.0, 200.0])),
                "max_drawdown_pct": float(rng.choice([math.inf, 5.0])),
            }
        return default_params(**changes)

    # Random verbs

    def _near(self, price: float) -> float:
        """Return a price near another, on a coarse grid so that levels coincide."""
        near = price * (1.0 + float(self.rng.normal(0, self.rng.choice([0.002, 0.01, 0.04]))))
        return round(near, int(self.rng.choice([0, 1, 2, 9]))) or 1.0

    def order_fields(self, symbol: int, mark: float, held: float) -> dict[str, Any]:
        """Return the fields of a random order."""
        rng = self.rng
        kinds = [
            codes.MARKET,
            codes.LIMIT,
            codes.STOP_LOSS,
            codes.TAKE_PROFIT,
            codes.STOP_LIMIT,
            codes.TRAILING_STOP,
        ]
        kind = int(rng.choice(kinds, p=[0.25, 0.35, 0.1, 0.1, 0.1, 0.1]))
        if not held and kind not in (codes.MARKET, codes.LIMIT) and rng.random() < 0.7:
            kind = codes.LIMIT
        exit_only = kind in (codes.STOP_LOSS, codes.TAKE_PROFIT, codes.TRAILING_STOP)
        side = 1 if rng.random() < 0.55 else -1
        if (exit_only and rng.random() < 0.8 and held) or (held and rng.random() < 0.2):
            side = -1 if held > 0 else 1
        fields: dict[str, Any] = {"symbol": symbol, "side": side, "type": kind}
        fields["tif"] = int(rng.choice([codes.GTC, codes.GTC, codes.GTC, codes.IOC, codes.FOK]))
        fields["reduce_only"] = exit_only or bool(rng.random() < 0.15)
        fields |= self._size(mark, held)
        if kind in (codes.LIMIT, codes.STOP_LIMIT):
            fields["price"] = self._near(mark)
            fields["post_only"] = kind == codes.LIMIT and bool(rng.random() < 0.2)
        if kind in (codes.STOP_LOSS, codes.TAKE_PROFIT, codes.STOP_LIMIT):
            fields["trigger"] = self._near(mark)
        if kind == codes.TRAILING_STOP:
            fields["trail_frac"] = float(rng.choice([0.001, 0.01, 0.05]))
        if rng.random() < 0.15:
            fields["max_slippage_frac"] = float(rng.choice([0.0001, 0.0005, 0.01]))
        if rng.random() < 0.25:
            fields["group"] = int(rng.integers(1, 3))
        if rng.random() < 0.2:
            fields["expire_after"] = int(rng.integers(1, 5))
        return fields

    def _size(self, mark: float, held: float) -> dict[str, Any]:
        rng = self.rng
        modes = [codes.QUANTITY, codes.NOTIONAL, codes.EQUITY_FRACTION, codes.WHOLE_POSITION]
        mode = int(rng.choice(modes, p=[0.6, 0.15, 0.15, 0.1]))
        part = float(rng.choice([0.05, 0.3, 0.9, 1.0, 2.0]))
        if self.params[0].margin and rng.random() < 0.3:
            part = 0.95 / float(self.params[0].initial_margin_frac)
        quantity = part * BALANCE / max(mark, 1e-6)
        if held and rng.random() < 0.4:
            quantity = abs(held) * float(rng.choice([0.3, 0.5, 1.0, 1.7]))
        elif rng.random() < 0.5:
            quantity = round(quantity, 1)
        if rng.random() < 0.02:
            quantity = -1.0
        sizes = {
            codes.QUANTITY: quantity,
            codes.NOTIONAL: part * BALANCE,
            codes.EQUITY_FRACTION: part,
            codes.WHOLE_POSITION: 0.0,
        }
        return {"size_mode": mode, "size": sizes[mode]}


class Twins:
    """The kernels and the reference, given the same verbs and compared after each."""

    def __init__(
        self,
        candles: Table,
        params: Table,
        instruments: Table,
        funding: NDArray[np.float64] | None = None,
        shared: Batch | None = None,
        e: int = 0,
        scales: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        self.e = e
        self.scales = scales
        self.batch = shared or Batch(candles, funding, instruments, params, event_capacity=4096)
        self.reference = ReferenceSandbox(candles, funding, instruments, params)
        self.reset()
        self.num_events = 0
        self.money = _MONEY
        self.trace: list[str] = []

    def reset(self) -> None:
        """Open the account afresh in both, over the whole market."""
        last = len(self.batch.candles) - 1
        fee, slippage = self.scales
        self.batch.reset(self.e, 0, last, fee_scale=fee, slippage_scale=slippage)
        self.reference.reset(0, last, fee_scale=fee, slippage_scale=slippage)

    @property
    def running(self) -> bool:
        return self.reference.account.ending == codes.RUNNING

    def place(self, **fields: Any) -> int:
        request = self.batch.request(self.e, fields["symbol"], fields["side"])
        flags = codes.REDUCE_ONLY if fields.get("reduce_only") else 0
        flags |= codes.POST_ONLY if fields.get("post_only") else 0
        request.flags = flags
        if fields.get("expire_after") is not None:
            request.expires = fields["expire_after"]
        skip = {"symbol", "side", "reduce_only", "post_only", "expire_after"}
        for name, value in fields.items():
            if name not in skip:
                request[name] = value
        if "size_mode" not in fields or fields["size_mode"] == codes.QUANTITY:
            request.qty = 0.0
        return self._same("place", self.batch.place(self.e), self.reference.place(**fields), fields)

    def cancel(self, order_id: int) -> int:
        return self._same(
            "cancel", self.batch.cancel(self.e, order_id), self.reference.cancel(order_id), order_id
        )

    def decrease(self, order_id: int, by: float) -> int:
        answers = self.batch.decrease(self.e, order_id, by), self.reference.decrease(order_id, by)
        return self._same("decrease", *answers, (order_id, by))

    def amend(
        self, order_id: int, price: float = NAN, qty: float = NAN, trigger: float = NAN
    ) -> int:
        terms = (order_id, price, qty, trigger)
        answers = self.batch.amend(self.e, *terms), self.reference.amend(*terms)
        return self._same("amend", *answers, terms)

    def ask_target(self, symbol: int, mode: int, value: float, deadband: float = 0.0) -> int:
        terms = (symbol, mode, value, deadband)
        answers = self.batch.ask_target(self.e, *terms), self.reference.ask_target(*terms)
        return self._same("ask_target", *answers, terms)

    def rebalance(self) -> None:
        self.batch.rebalance(self.e)
        self.reference.rebalance()
        self._same("rebalance", 0, 0, None)

    def jump(self, count: int, pyramid: Pyramid) -> int:
        """Advance, jumping over what is quiet; return how many candles were jumped over."""
        left, jumped = count, 0
        self.batch.context[0].pyramid = pyramid.table.ctypes.data
        while left > 0 and int(self.batch.accounts[self.e]["ending"]) == codes.RUNNING:
            skipped = max(skip_quiet(self.batch.address, self.e, left), 0)
            if skipped == 0:
                assert self.batch.advance(self.e, 1) == codes.DONE
            left -= max(skipped, 1)
            jumped += skipped
        self.reference.advance(count)
        self._same("jump", 0, 0, count)
        return jumped

    def advance(self, count: int) -> None:
        code = self.batch.advance(self.e, count)
        assert code == codes.DONE, "the ring of a test must not fill"
        self.reference.advance(count)
        self._same("advance", 0, 0, count)

    def end_episode(self, ending: int) -> None:
        self.batch.end_episode(self.e, ending)
        self.reference.end_episode(ending)
        self._same("end_episode", 0, 0, ending)

    def _same(self, verb: str, ours: int, theirs: int, what: Any) -> int:
        self.trace.append(f"{self.reference.account.cursor}: {verb} {what} -> {theirs}")
        story = "\n".join(self.trace[-12:])
        news = self.reference.events[self.num_events :]
        compare_events(self.batch.drain(self.e), news, dust_of(self), story)
        self.num_events = len(self.reference.events)
        assert ours == theirs, f"kernel answered {ours}, reference {theirs}\n{story}"
        compare_states(self, story)
        return ours


_INTS = ("kind", "order_id", "cursor", "phase", "symbol", "side", "type", "liquidity", "reason")


def close_enough(ours: float, theirs: float, scale: float = 0.0) -> bool:
    """Compare to 1e-9 relative, or of the scale at which a difference of two sums was taken."""
    if math.isnan(ours) or math.isnan(theirs):
        return math.isnan(ours) and math.isnan(theirs)
    return abs(ours - theirs) <= 1e-9 * max(abs(ours), abs(theirs), scale)


def dust_of(twins: Twins) -> float:
    """Return the scale of differences between sums of all the money that moved: 14 digits of it.

    What a budget's last cents buy is such a difference, and so is what is left of a position.
    """
    account = twins.reference.account
    return 1e-5 * max(account.starting_balance, account.turnover)


def compare_events(ours: Table, theirs: list[Event], dust: float, story: str) -> None:
    """Check that both engines told the same story in the same order."""
    for ring, event in zip(ours, theirs, strict=False):
        same = all(int(ring[name]) == getattr(event, name) for name in _INTS)
        notional = abs(event.qty * event.price)
        scales = {"qty": dust / event.price if event.price > 0.0 else 0.0, "fee": dust}
        scales |= {"slippage": max(notional, dust), "realized": max(notional, dust)}
        for name in ("qty", "price", "base_price", "fee", "slippage", "realized"):
            scale = scales.get(name, 0.0)
            same = same and close_enough(float(ring[name]), getattr(event, name), scale)
        if not same:
            mine = {name: ring[name].item() for name in event._fields}
            raise AssertionError(f"kernel    {mine}\nreference {event._asdict()}\n{story}")
    if len(ours) != len(theirs):
        kernel = [(int(r.kind), int(r.order_id), int(r.reason)) for r in ours]
        raise AssertionError(f"kernel {kernel}\nreference {theirs}\n{story}")


_MONEY = ("cash", "realized", "equity", "peak_equity", "taker_fees", "maker_fees", "slippage")
_MONEY += ("borrow", "funding", "bad_debt", "turnover")
_COUNTS = ("cursor", "ending", "num_fills", "num_rejects", "num_closing")


def compare_states(twins: Twins, story: str) -> None:
    """Check money, positions and working orders."""
    batch, reference, e = twins.batch, twins.reference, twins.e
    a: Any = batch.accounts[e]
    b = reference.account
    for name in twins.money:
        mine, other = float(a[name]), getattr(b, name)
        scale = max(b.starting_balance, b.turnover)
        assert close_enough(mine, other, scale), f"{name}: {mine} != {other}\n{story}"
    for name in _COUNTS:
        assert int(a[name]) == getattr(b, name), f"{name}: {a[name]}\n{story}"
    marks = batch.candles["mark"][b.cursor].tolist()
    for mine, pos, mark in zip(batch.positions[e], reference.positions, marks, strict=True):
        scale = dust_of(twins) / mark if mark > 0.0 else 0.0
        same = close_enough(float(mine["qty"]), pos.qty, scale)
        assert same, f"{mine['qty']} != {pos.qty}\n{story}"
        assert close_enough(float(mine["basis"]), pos.basis, b.starting_balance), story
    mine = [int(o.id) for o in batch.orders[e][: int(a.num_orders)]]
    assert mine == [o.id for o in reference.orders], f"{mine}\n{story}"
    for ours, theirs in zip(batch.orders[e], reference.orders, strict=False):
        assert int(ours.state) == theirs.state, f"state of {theirs}\n{story}"
        assert close_enough(float(ours.qty), theirs.qty), f"{ours.qty}: {theirs}\n{story}"
        assert close_enough(float(ours.extreme), theirs.extreme), f"{ours.extreme}: {theirs}"


def random_verb(scene: Scene, twins: Twins) -> None:
    """Do one random thing to both."""
    rng, reference = scene.rng, twins.reference
    s = int(rng.integers(len(reference.positions)))
    held, mark = reference.positions[s].qty, reference.known(s).mark
    if rng.random() < 0.15:
        bracket(scene, twins, s)
        return
    if rng.random() < 0.08:
        allocate(scene, twins)
        return
    dice = rng.random()
    if dice < 0.6 or not reference.orders:
        twins.place(**scene.order_fields(s, mark, held))
        return
    if dice < 0.72:
        weight = float(rng.choice([0.0, 0.3, 0.7, 1.0, -0.5, 1.5, -1.0]))
        mode = codes.TARGET_WEIGHT if rng.random() < 0.7 else codes.EQUITY_FRACTION
        twins.ask_target(s, mode, weight, float(rng.choice([0.0, 0.0, 0.05])))
        if rng.random() < 0.7:
            twins.rebalance()
        return
    order = reference.orders[int(rng.integers(len(reference.orders)))]
    order_id = order.id if rng.random() < 0.95 else 10_000
    if dice < 0.8:
        twins.cancel(order_id)
    elif dice < 0.88:
        twins.decrease(order_id, order.qty * float(rng.choice([0.3, 0.5, 1.0, -1.0])))
    else:
        price = scene._near(mark) if rng.random() < 0.5 else NAN
        qty = order.qty * float(rng.choice([0.5, 1.5])) if rng.random() < 0.5 else NAN
        twins.amend(order_id, price, qty, scene._near(mark) if rng.random() < 0.5 else NAN)


def bracket(scene: Scene, twins: Twins, s: int) -> None:
    """Place an entry and, before it fills, the stop and the target that will protect it."""
    rng = scene.rng
    mark = twins.reference.known(s).mark
    entry = scene.order_fields(s, mark, 0.0) | {"reduce_only": False}
    if entry["type"] not in (codes.MARKET, codes.LIMIT, codes.STOP_LIMIT):
        return
    twins.place(**entry)
    exits = {"symbol": s, "side": -entry["side"], "reduce_only": True, "size_mode": 4, "size": 0.0}
    group = int(rng.choice([0, 3]))
    level = entry.get("price", mark)
    width = abs(float(rng.normal(0, 0.02))) * entry["side"]
    stop = {"type": codes.STOP_LOSS, "trigger": level * (1 - width)}
    if rng.random() < 0.2:
        stop = {"type": codes.TRAILING_STOP, "trail_frac": 0.01}
    twins.place(**exits | stop, group=group)
    target = {"type": codes.TAKE_PROFIT, "trigger": level * (1 + width)}
    if rng.random() < 0.3:
        target = {"type": codes.LIMIT, "price": level * (1 + width)}
    twins.place(**exits | target, group=group)
    if rng.random() < 0.3:
        first = twins.reference.orders[:1]
        if first:
            twins.amend(first[0].id, price=scene._near(mark))


def allocate(scene: Scene, twins: Twins) -> None:
    """Ask for a weight in every symbol, as a portfolio agent does."""
    weights = scene.rng.normal(0.3, 0.7, len(twins.reference.positions))
    for s, weight in enumerate(weights):
        twins.ask_target(s, codes.TARGET_WEIGHT, float(weight), 0.02)
    twins.rebalance()


def play(seed: int, rows: int = 24) -> int:
    """Play one random episode on both engines; return the number of events."""
    scene = Scene(seed, rows)
    twins = Twins(*scene.tables, scales=scene.scales)
    rng = scene.rng
    while twins.running:
        for _ in range(int(rng.choice([0, 1, 1, 2, 4]))):
            random_verb(scene, twins)
        twins.advance(int(rng.choice([1, 1, 1, 2, 5])))
        if rng.random() < 0.01 and twins.running:
            twins.end_episode(codes.WINDOW_END)
    return twins.num_events


def play_side_by_side(seed: int) -> int:
    """Play three accounts of one batch, their verbs mixed; return the number of events."""
    scene = Scene(seed)
    batch = Batch(
        scene.candles,
        scene.funding,
        scene.instruments,
        scene.params,
        num_envs=3,
        event_capacity=4096,
    )
    scales = [(1.0, 1.0), scene.scales, scene.scales[::-1]]  # neighbours pay differently
    accounts = [Twins(*scene.tables, shared=batch, e=e, scales=scales[e]) for e in range(3)]
    while any(twins.running for twins in accounts):
        twins = accounts[int(scene.rng.integers(3))]
        if twins.running:
            random_verb(scene, twins)
            twins.advance(int(scene.rng.choice([0, 1])))
    return sum(twins.num_events for twins in accounts)


def play_jumping(seed: int, rows: int = 500) -> int:
    """Play a calm episode, the kernels jumping where they can; return the candles jumped over."""
    scene = Scene(seed, rows, calm=True)
    scene.params["trigger_close"] = 0
    twins = Twins(*scene.tables, scales=scene.scales)
    # What is jumped over leaves no peak: the equity of the stretch is computed on demand (X1).
    twins.money = tuple(name for name in _MONEY if name != "peak_equity")
    pyramid = build_pyramid(scene.candles, (scene.candles["flags"] & codes.DATA_ENDED) != 0)
    jumped = 0
    while twins.running:
        for _ in range(int(scene.rng.choice([0, 1, 2]))):
            random_verb(scene, twins)
        jumped += twins.jump(int(scene.rng.choice([1, 100, 200])), pyramid)
    return jumped
