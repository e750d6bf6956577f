"""Random feeds and rules for the book engine: sane books and nasty ones, small on purpose.

Prices lie within a few dozen ticks and quantities within a few dozen lots, so that orders meet
rows, rows meet rows, and stamps tie far more often than in life.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from seq_gym._random import stream_of
from seq_gym.engine.book import codes
from seq_gym.engine.book.layout import INSTRUMENT, PARAMS
from seq_gym.engine.book.reference import Feed
from seq_gym.engine.book.scores import scored
from seq_gym.engine.book.tape import BookTape, prepare_tape
from seq_gym.engine.layout import Table, new_table
from tests.engine.book.world_realism import draw_realism, draw_risk, draw_scores

__all__ = [
    "COLUMNS",
    "MS",
    "START",
    "World",
    "columns_of",
    "feed_of",
    "instruments",
    "params",
    "tape_of",
]

COLUMNS = ("exch_ts", "local_ts", "kind", "side", "tick", "lots")
START = 1_700_000_000_000_000_000
"""A whole second, and the midnight of no day."""
MS = 1_000_000

Columns = dict[str, list[int]]
Random = np.random.Generator


def params(**changes: Any) -> Table:
    """Return the rules of a margin account that hardly anything binds: strict, risk_averse."""
    table = new_table(PARAMS, 1)
    fields: dict[str, Any] = {
        "queue_power": 3.0,
        "margin": 1,
        "max_orders": 32,
        "max_actions": 16,
        "starting_balance": 1e6,
        "initial_margin_frac": 0.1,
        "maintenance_frac": 0.05,
        "market_cap_frac": 0.05,
        "price_deviation_frac": math.inf,
        "max_position_notional": math.inf,
        "max_order_size_pct": math.inf,
        "max_position_size_pct": math.inf,
        "daily_loss_limit_pct": math.inf,
        "max_drawdown_pct": math.inf,
    }
    for name, value in (fields | changes).items():
        table[0][name] = value
    return table


def instruments(count: int = 1, **changes: Any) -> Table:
    """Return instruments with a tick of 1, a lot of 1, no fees and no latency."""
    table = new_table(INSTRUMENT, count)
    fields: dict[str, Any] = {
        "tick_mul": 1.0,
        "tick_div": 1.0,
        "lot_mul": 1.0,
        "lot_div": 1.0,
        "contract_size": 1.0,
    }
    for name, value in (fields | changes).items():
        table[name] = value
    for s in range(count):
        for purpose in ("entry", "cancel", "response", "adverse"):
            table[s][f"stream_{purpose}"] = stream_of("lane", s, purpose)
    return table


def columns_of(rows: Sequence[tuple[int, int, int, int, int, int]]) -> Columns:
    """Turn hand-written rows of COLUMNS into columns."""
    return {name: [row[i] for row in rows] for i, name in enumerate(COLUMNS)}


def feed_of(columns: Columns, funding: Sequence[tuple[int, float]] = ()) -> Feed:
    """Return what the twin takes."""
    return Feed(columns=columns, funding=funding)


def tape_of(columns: Columns, funding: Sequence[tuple[int, float]] = ()) -> BookTape:
    """Return what the kernels take."""
    arrays = {name: np.array(columns[name], np.int64) for name in COLUMNS}
    for name in ("kind", "side"):
        arrays[name] = arrays[name].astype(np.int8)
    stamps = np.array([ts for ts, _ in funding], np.int64)
    rates = np.array([rate for _, rate in funding], np.float64)
    paid = {"funding_ts": stamps, "funding_rate": rates} if len(stamps) else {}
    return prepare_tape(**arrays, **paid)


class _Writer:
    """Writes one feed: a book that trades around a drifting mid, and what spoils it."""

    def __init__(self, rng: Random, rows: int, *, nasty: float) -> None:
        self.rng = rng
        self.nasty = nasty
        self.rows: list[tuple[int, int, int, int, int, int]] = []
        self.mid = 100
        self.delay = int(rng.choice([0, 1, 2 * MS, 20 * MS]))
        self.jitter = int(rng.choice([0, 0, 3, 5 * MS]))
        self.gap_ns = int(rng.choice([1, MS, 30 * MS]))
        self.ts = START - 10 * self.gap_ns
        self._snapshot()
        while len(self.rows) < rows:
            self._step()

    def _write(self, kind: int, side: int, tick: int, lots: int) -> None:
        delay = self.delay + (int(self.rng.integers(0, self.jitter)) if self.jitter else 0)
        exch, local = self.ts, self.ts + delay
        if self.rng.random() < 0.03 * self.nasty:
            exch, local = (exch, -1) if self.rng.random() < 0.5 else (-1, local)
        if self.rng.random() < 0.02 * self.nasty:
            exch -= int(self.rng.integers(0, 3)) * self.gap_ns if exch > 0 else 0
        self.rows.append((exch, local, kind, side, tick, lots))
        if self.rng.random() < 0.03 * self.nasty:
            self.rows.append(self.rows[-1])

    def _snapshot(self) -> None:
        if self.rng.random() < 0.8:
            self._write(codes.CLEAR, codes.BOTH, 0, 0)
        for side in (codes.BUY, codes.SELL):
            for depth in range(1, 6):
                if self.rng.random() < 0.9:
                    lots = int(self.rng.integers(1, 12))
                    self._write(codes.SNAPSHOT, side, self.mid - side * depth, lots)

    def _step(self) -> None:
        rng = self.rng
        if rng.random() < 0.7:
            self.ts += int(rng.integers(0, 3)) * self.gap_ns + int(rng.integers(0, 3))
        self.mid += int(rng.choice([-1, 0, 0, 0, 0, 0, 0, 1]))
        dice = rng.random()
        side = int(rng.choice([codes.BUY, codes.SELL]))
        if dice < 0.3:
            self._trade(side)
        elif dice < 1.0 - 0.12 * self.nasty:
            self._depth(side)
        else:
            self._spoil(side)

    def _trade(self, side: int) -> None:
        """A print by an aggressor at or through the touch; its depth row often follows."""
        tick = self.mid + side * int(self.rng.choice([1, 1, 1, 2, 3, 0]))
        self._write(codes.TRADE, side, tick, int(self.rng.integers(0 if self.nasty else 1, 12)))
        if self.rng.random() < 0.5:
            self._write(codes.DEPTH, -side, tick, int(self.rng.integers(0, 8)))

    def _depth(self, side: int) -> None:
        away = int(self.rng.choice([1, 1, 1, 2, 2, 3, 4, 5]))
        if self.rng.random() < 0.1 + 0.1 * self.nasty:
            away = int(self.rng.integers(-2, 1))  # to or through the other side
        lots = int(self.rng.integers(0, 12)) if self.rng.random() < 0.7 else 0
        self._write(codes.DEPTH, side, self.mid - side * away, lots)

    def _spoil(self, side: int) -> None:
        """Clear, lose messages, halt, jump, empty a side."""
        rng, dice = self.rng, self.rng.random()
        if dice < 0.3:
            self._write(codes.CLEAR, side, self.mid - side * int(rng.integers(-2, 5)), 0)
        elif dice < 0.45:
            self._snapshot()
        elif dice < 0.7:
            self._write(codes.GAP, codes.BOTH, 0, 0)
            for _ in range(int(rng.integers(0, 4))):
                self._step()
            self._snapshot()
        elif dice < 0.85:
            self._write(codes.STATUS, codes.BOTH, 0, 0)
            for _ in range(int(rng.integers(0, 5))):
                self._step()
            self._write(codes.STATUS, codes.BOTH, 0, 1)
        elif dice < 0.9:
            self._write(codes.TRADE, codes.BOTH, self.mid, 5)
        elif dice < 0.95:
            self._write(codes.CLEAR, codes.BOTH, 0, 0)
        else:
            self.mid += int(rng.choice([-6, 6]))


def random_columns(rng: Random, rows: int, *, nasty: float) -> Columns:
    """Write one feed; nasty 0 is a sane book, 1 a spoilt one."""
    return columns_of(_Writer(rng, rows, nasty=nasty).rows)


class World:
    """Random feeds under random rules.

    Args:
        seed: Everything follows from it.
        rows: Least rows of a feed.
        calm: No realism of the exchange's own: sane books, strict fills, no risk limits.
        changes: Fields of PARAMS to set whatever the dice say.
    """

    def __init__(self, seed: int, rows: int = 150, *, calm: bool = False, **changes: Any) -> None:
        rng = self.rng = np.random.default_rng(seed)
        lanes = int(rng.choice([1, 1, 2, 3]))
        # Keen worlds refuse nothing: their orders join queues, share prints and wait.
        self.keen = bool(rng.random() < 0.5)
        nasty = 0.0 if calm else float(rng.choice([0.0, 1.0, 3.0]))
        self.columns = [random_columns(rng, rows, nasty=nasty) for _ in range(lanes)]
        stamps = [ts for c in self.columns for ts in c["exch_ts"] + c["local_ts"] if ts >= 0]
        last = max(*stamps, START)
        self.start = START + int(rng.choice([0, 0, 0, 1, (last - START) // 10]))
        self.end = last + int(rng.choice([(START - last) // 10, 0, 1, 1_500 * MS]))
        self.end = max(self.end, self.start + MS)
        self.funding = [self._payments(rng, last) for _ in range(lanes)]
        self.instruments = self._instruments(rng, lanes)
        rules = self._rules(rng) if not calm else {}
        if self.keen:
            free = {"any_risk", "max_position_notional", "price_deviation_frac", "ruin_frac"}
            rules = {name: value for name, value in rules.items() if name not in free}
            rules |= {"starting_balance": 1e7, "max_orders": 60, "max_actions": 60}
        rules |= draw_realism(seed, rules | changes) if not calm else {}
        self.params = params(**rules | changes)
        self.seed = int(rng.integers(0, 2**40))

    @property
    def feeds(self) -> list[Feed]:
        """What the twin takes."""
        return [
            Feed(columns=c, funding=f, **self.scores(s))
            for s, (c, f) in enumerate(zip(self.columns, self.funding, strict=True))
        ]

    @property
    def tapes(self) -> list[BookTape]:
        """What the kernels take."""
        return [
            scored(tape_of(c, f), **self.scores(s))
            for s, (c, f) in enumerate(zip(self.columns, self.funding, strict=True))
        ]

    def scores(self, s: int) -> dict[str, Any]:
        """Return what the realism models read of a lane."""
        return draw_scores(self.seed, s, self.columns[s])

    def _payments(self, rng: Random, last: int) -> list[tuple[int, float]]:
        count = int(rng.choice([0, 0, 3]))
        stamps = sorted(int(rng.integers(START - MS, last + MS)) for _ in range(count))
        return [(ts, float(rng.normal(0, 0.01))) for ts in stamps]

    def _instruments(self, rng: Random, lanes: int) -> Table:
        table = instruments(lanes)
        for ins in table:
            ins.tick_div = rng.choice([1.0, 2.0, 100.0])
            ins.lot_div = rng.choice([1.0, 10.0, 1000.0])
            ins.taker_fee_frac = rng.choice([0.0, 0.0005])
            ins.maker_fee_frac = rng.choice([0.0, 0.0002, -0.0001])
            ins.contract_size = rng.choice([1.0, 1.0, 0.01])
            ins.min_notional = rng.choice([0.0, 0.0, 0.5])
            ins.latency_model = rng.choice([0, 1, 1, 2])
            ins.feed_ns = rng.choice([0, 0, MS])
            for purpose in ("entry", "cancel", "response"):
                slow = [0.0, 1.0] if self.keen else [0.0, 1.0, 2.5e6, 25e6]
                ins[f"{purpose}_ns"] = float(rng.choice(slow))
                ins[f"{purpose}_sigma"] = float(rng.choice([0.0, 0.5, 1.5]))
        return table

    def _rules(self, rng: Random) -> dict[str, Any]:
        margin = int(rng.random() < 0.6)
        rules: dict[str, Any] = {
            "fills": int(rng.choice([codes.STRICT] * 3 + [codes.PARITY, codes.PARITY_NO_PARTIAL])),
            "queue_model": int(rng.integers(0, 8)),
            "queue_power": float(rng.choice([3.0, 1.0, 2.5])),
            "margin": margin,
            "max_orders": int(rng.choice([3, 8, 32])),
            "max_actions": int(rng.choice([2, 16])),
            "stale_policy": int(rng.choice([0, 0, 1, 2])),
            "starting_balance": float(rng.choice([30.0, 3_000.0, 1e6])),
            "initial_margin_frac": float(rng.choice([1.0, 0.1])),
            "borrow_per_second": float(rng.choice([0.0, 1e-4])),
            "ruin_frac": float(rng.choice([0.0, 0.9])),
            "market_cap_frac": float(rng.choice([0.05, 0.01])),
            "price_deviation_frac": float(rng.choice([math.inf, 0.03])),
            "max_position_notional": float(rng.choice([math.inf, 500.0])),
            "liquidate_on_complete": int(rng.random() < 0.4),
        }
        return rules | (draw_risk(rng) if rng.random() < 0.3 else {})
