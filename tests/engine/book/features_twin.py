"""The book features said slowly: every one from the whole list of rows, with dict books.

Nothing here is shared with the kernels but the names and bounds of the table. A row is a tuple
(local_ts, kind, side, tick, lots).
"""

from __future__ import annotations

import math
from itertools import groupby, pairwise
from typing import Any

from seq_gym.engine.book.features_table import BOOK_FEATURES

Row = tuple[int, int, int, int, int]
DEPTH, SNAPSHOT, CLEAR, TRADE, GAP, STATUS = range(6)
SECOND = 10**9
YEAR_S = 365 * 86_400


class Twin:
    """What is known after the rows up to a time."""

    def __init__(self, rows: list[Row], now: int) -> None:
        self.now = now
        self.sides: dict[int, dict[int, int]] = {1: {}, -1: {}}
        self.best: dict[int, int | None] = {1: None, -1: None}
        self.stale, self.halted, self.book_ts = False, False, 0
        self.known_ts: int | None = None
        self.flows: list[tuple[int, list[int]]] = []  # stamp, order flow of each level
        self.removed: list[tuple[int, int]] = []
        trades = [(ts, side, lots) for ts, kind, side, _, lots in rows if kind == TRADE]
        self.trades = [trade for trade in trades if trade[0] <= now]
        self.history: list[tuple[int, float | None, float | None, float]] = []
        self.first_row, self.last_row = rows[0][0], rows[-1][0]
        for ts, group in groupby(rows, key=lambda row: row[0]):
            if ts <= now:
                self._stamp(ts, list(group))

    def _stamp(self, ts: int, rows: list[Row]) -> None:
        before = {side: self.levels(side) for side in (1, -1)}
        best_before = dict(self.best)
        restated, removed = False, 0
        for _, kind, side, tick, lots in rows:
            restated |= kind in (SNAPSHOT, CLEAR, GAP)
            if kind in (DEPTH, SNAPSHOT, CLEAR):
                self.book_ts = ts
            if kind in (DEPTH, SNAPSHOT):
                held = self.sides[side].get(tick, 0)
                top = before[side]
                tail = top[-1][0] if len(top) == 10 else -math.inf * side
                best = best_before[side]
                watched = best is not None and side * tail <= side * tick <= side * best
                if kind == DEPTH and watched:
                    removed += max(held - lots, 0)
                self._set(side, tick, lots)
            elif kind == CLEAR:
                self._clear(side, tick)
            self.stale = kind == GAP or (self.stale and kind != SNAPSHOT)
            if kind == STATUS:
                self.halted = lots == 0
        if not restated and not self.stale:
            self.flows.append((ts, self._flow(before)))
            self.removed.append((ts, removed))
        bid, ask = self.best[1], self.best[-1]
        mid = spread = None
        if bid is not None and ask is not None and bid + ask > 0:
            mid = (bid + ask) / 2
            spread = 1e4 * (ask - bid) / mid
            self.known_ts = self.known_ts or ts
        self.history.append((ts, mid, spread, self._mean_lots()))

    def _set(self, side: int, tick: int, lots: int) -> None:
        book, other = self.sides[side], self.sides[-side]
        best, facing = self.best[side], self.best[-side]
        book[tick] = lots
        if lots == 0:
            del book[tick]
            if tick == best:
                worse = [t for t in book if side * t < side * tick]
                self.best[side] = max(worse, key=lambda t: side * t, default=None)
        elif best is None or side * tick > side * best:
            self.best[side] = tick
            if facing is not None and side * facing <= side * tick:
                beyond = [t for t in other if side * t > side * tick]
                self.best[-side] = min(beyond, key=lambda t: side * t, default=None)

    def _clear(self, side: int, tick: int) -> None:
        for each in (1, -1) if side == 0 else (side,):
            best = self.best[each]
            for t in list(self.sides[each]):
                inside = best is not None and each * tick <= each * t <= each * best
                if side == 0 or inside:
                    del self.sides[each][t]
            if best is not None and best not in self.sides[each]:
                worse = [t for t in self.sides[each] if each * t < each * best]
                self.best[each] = max(worse, key=lambda t, s=each: s * t, default=None)

    def levels(self, side: int) -> list[tuple[int, int]]:
        """The ten best levels, those crossed and skipped left out (B7)."""
        best = self.best[side]
        if best is None:
            return []
        found = [(t, q) for t, q in self.sides[side].items() if side * t <= side * best]
        return sorted(found, key=lambda level: -side * level[0])[:10]

    def _flow(self, before: dict[int, list[tuple[int, int]]]) -> list[int]:
        flow = [0] * 10
        for side in (1, -1):
            nowhere = (-math.inf * side, 0)
            now = self.levels(side)
            for m in range(10):
                old_tick, old = before[side][m] if m < len(before[side]) else nowhere
                tick, held = now[m] if m < len(now) else nowhere
                if side * tick > side * old_tick:
                    change = held
                elif side * tick < side * old_tick:
                    change = -old
                else:
                    change = held - old
                flow[m] += side * change
        return flow

    def _mean_lots(self) -> float:
        lots = [q for side in (1, -1) for _, q in self.levels(side)]
        return sum(lots) / len(lots) if lots else 0.0

    def as_of(self, ts: float) -> tuple[float, float, float]:
        """Mid and spread last known, and mean lots of a level, after the rows up to a time."""
        mid = spread = mean = 0.0
        for stamp, m, s, lots in self.history:
            if stamp <= ts:
                mid = m if m is not None else mid
                spread = s if s is not None else spread
                mean = lots
        return mid, spread, mean

    def seconds(self) -> list[int]:
        """Whole seconds with a known mid, in ns."""
        if self.known_ts is None:
            return []
        first = max(-(-self.known_ts // SECOND), self.first_row // SECOND)
        last = min(self.now // SECOND, self.last_row // SECOND + 86_400)
        return [second * SECOND for second in range(first, last + 1)]


def moving(values: list[float], half_life: float) -> float:
    """Moving mean that begins as a plain one."""
    mean = 0.0
    for n, value in enumerate(values, 1):
        weight = max(1 - 0.5 ** (1 / half_life), 1 / n)
        mean += weight * (value - mean)
    return mean


def slog(x: float) -> float:
    return math.copysign(math.log(1 + abs(x)), x)


def ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


def twin_features(rows: list[Row], now: int, since: int) -> dict[str, float]:
    """Every feature at `now`, its decision interval begun at `since`."""
    twin = Twin(rows, now)
    if twin.known_ts is None:
        return dict.fromkeys(BOOK_FEATURES, 0.0)
    found: dict[str, Any] = {}
    seconds = twin.seconds()
    at_seconds = [twin.as_of(second) for second in seconds]
    mid, spread, mean = twin.as_of(now)
    level = max(moving([lots for *_, lots in at_seconds], 60) if seconds else mean, 1.0)
    _of_levels(twin, found, mid, spread, level)
    _of_flow(twin, found, level, since)
    _of_trades(twin, found)
    _of_seconds(twin, found, at_seconds, mid, spread)
    found["vpin"] = vpin(twin, seconds)
    found["spread_bps"] = spread
    found["staleness"] = math.log(1 + (now - twin.book_ts) / SECOND)
    found["book_stale"] = float(twin.stale)
    found["halted"] = float(twin.halted)
    return {
        name: min(max(found[name], spec.low), spec.high) for name, spec in BOOK_FEATURES.items()
    }


def _of_levels(twin: Twin, found: dict[str, Any], mid: float, spread: float, level: float) -> None:
    tops = {side: twin.levels(side) for side in (1, -1)}
    for side, name in ((1, "bid"), (-1, "ask")):
        far = 0.0
        for k in range(10):
            tick, lots = tops[side][k] if k < len(tops[side]) else (None, 0)
            far = math.log(1 + abs(mid - tick)) if tick is not None else far
            found[f"{name}_distance_{k + 1}"] = far
            found[f"{name}_size_{k + 1}"] = math.log(1 + lots / level)
    for k in (1, 5, 10):
        bid, ask = (sum(q for _, q in tops[side][:k]) for side in (1, -1))
        found[f"imbalance_{k}"] = ratio(bid - ask, bid + ask)
    found["microprice_bps"] = 0.0
    if tops[1] and tops[-1]:
        (bid, bid_lots), (ask, ask_lots) = tops[1][0], tops[-1][0]
        micro = (bid * ask_lots + ask * bid_lots) / (bid_lots + ask_lots)
        found["microprice_bps"] = 1e4 * (micro / mid - 1)


def _decayed(pairs: list[tuple[int, float]], now: int, half_life: float) -> float:
    return math.fsum(x * 0.5 ** ((now - ts) / SECOND / half_life) for ts, x in pairs)


def _of_flow(twin: Twin, found: dict[str, Any], level: float, since: int) -> None:
    now = twin.now
    for k in (1, 5, 10):
        flows = [(ts, float(sum(flow[:k]))) for ts, flow in twin.flows]
        interval = sum(x for ts, x in flows if ts > since)
        found[f"ofi_{k}"] = slog(interval / (k * level))
        found[f"ofi_ewma_{k}"] = slog(_decayed(flows, now, 10) * math.log(2) / 10 / (k * level))
    signed = sum(side * lots for ts, side, lots in twin.trades if ts > since)
    found["trade_flow"] = slog(signed / level)
    printed = _decayed([(ts, lots) for ts, _, lots in twin.trades], now, 10)
    removed = _decayed([(ts, float(lots)) for ts, lots in twin.removed], now, 10)
    gone = max(removed - printed, 0.0)
    found["cancel_rate"] = math.log(1 + gone * math.log(2) / 10 / level)
    found["cancel_share"] = ratio(gone, removed)


def _of_trades(twin: Twin, found: dict[str, Any]) -> None:
    for h in (1, 10, 60):
        count = _decayed([(ts, 1.0) for ts, _, _ in twin.trades], twin.now, h)
        signs = _decayed([(ts, float(side)) for ts, side, _ in twin.trades], twin.now, h)
        lots = _decayed([(ts, float(lots)) for ts, _, lots in twin.trades], twin.now, h)
        signed = _decayed([(ts, float(s * lots)) for ts, s, lots in twin.trades], twin.now, h)
        rate = math.log(2) / h
        found[f"trade_sign_{h}s"] = ratio(signs, count)
        found[f"trade_imbalance_{h}s"] = ratio(signed, lots)
        found[f"trade_rate_{h}s"] = math.log(1 + count * rate)
        if h == 10:
            # A print of nobody's counts half for either side.
            found["buy_prints_per_second"] = (count + signs) / 2 * rate
            found["sell_prints_per_second"] = (count - signs) / 2 * rate
            found["mean_print_lots"] = ratio(lots, count)


def _of_seconds(
    twin: Twin,
    found: dict[str, Any],
    at_seconds: list[tuple[float, float, float]],
    mid: float,
    spread: float,
) -> None:
    spreads = [each[1] for each in at_seconds]
    mids = [each[0] for each in at_seconds]
    squares = [math.log(b / a) ** 2 for a, b in pairwise(mids)]
    mean, variance = 0.0, 0.0
    for n, value in enumerate(spreads, 1):
        weight = max(1 - 0.5 ** (1 / 300), 1 / n)
        off = value - mean
        mean += weight * off
        variance = (1 - weight) * (variance + weight * off * off)
    deviation = max(math.sqrt(variance), 0.1 * mean)
    found["spread_zscore"] = ratio(spread - mean, deviation) if spreads else 0.0
    fast = moving(spreads, 10)
    found["spread_regime"] = float(fast > 1.5 * mean) - float(fast * 1.5 < mean)
    for name, window in (("1m", 60), ("5m", 300), ("1h", 3600)):
        last = squares[-window:]
        mean_square = sum(last) / len(last) if last else 0.0
        found[f"realized_volatility_{name}"] = math.sqrt(mean_square * YEAR_S)
    sigma = math.sqrt(moving(squares, 300))
    for h in (1, 10, 60):
        past = twin.as_of(twin.now - h * SECOND)[0]
        step = math.log(mid / past) if past > 0 else 0.0
        found[f"return_bps_{h}s"] = 1e4 * step
        found[f"scaled_return_{h}s"] = ratio(step, sigma * math.sqrt(h))


def vpin(twin: Twin, seconds: list[int]) -> float:
    """The last 50 whole buckets, a lot at a time."""
    closed: list[tuple[int, int]] = []
    size = filled = signed = 0
    for ts, side, lots in twin.trades:
        passed = [second for second in seconds if second < ts]
        if len(passed) < 60:
            continue
        for _ in range(lots):
            if size == 0:
                size = max(1, int(5 * moving(_volumes(twin, passed), 300) + 0.5))
            filled += 1
            signed += side
            if filled == size:
                closed.append((abs(signed), size))
                size = filled = signed = 0
    last = closed[-50:]
    return ratio(sum(imbalance for imbalance, _ in last), sum(volume for _, volume in last))


def _volumes(twin: Twin, passed: list[int]) -> list[float]:
    return [
        float(sum(lots for ts, _, lots in twin.trades if second - SECOND < ts <= second))
        for second in passed
    ]
