"""A slow order book in plain Python: lists of orders by level, and phantoms inside the queues."""

from __future__ import annotations

from dataclasses import dataclass, field

from seq_gym.market.book.orders import OrderFlow, OrderKind


@dataclass
class Phantom:
    side: int
    tick: int
    leaves: int
    until: int
    first_fill: int = -1
    done: int = -1
    passed: int = -1
    path: list[tuple[int, int]] = field(default_factory=list)

    def fill(self, ts: int, lots: int) -> None:
        lots = min(lots, self.leaves)
        if lots:
            self.leaves -= lots
            self.first_fill = ts if self.first_fill < 0 else self.first_fill
            self.done = ts if not self.leaves else -1


class SlowBook:
    """Queues are lists: [order, lots], or [phantom, 0] for who is not really there."""

    def __init__(self) -> None:
        self.levels: dict[tuple[int, int], list[list]] = {}

    def shown(self, side: int, tick: int) -> int:
        return sum(lots for _, lots in self.levels.get((side, tick), []))

    def best(self, side: int) -> int | None:
        ticks = [t for (s, t) in self.levels if s == side and self.shown(s, t)]
        return (max(ticks) if side > 0 else min(ticks)) if ticks else None

    def join(self, who: object, side: int, tick: int, lots: int) -> None:
        self.levels.setdefault((side, tick), []).append([who, lots])

    def phantoms(self) -> list[Phantom]:
        return [who for queue in self.levels.values() for who, _ in queue if _is_phantom(who)]

    def ahead(self, phantom: Phantom) -> int:
        total = 0
        for who, lots in self.levels[phantom.side, phantom.tick]:
            if who is phantom:
                return total
            total += lots
        raise AssertionError

    def apply(self, flow: OrderFlow, row: int, *, is_fifo: bool = True) -> None:
        kind, side, tick = int(flow.kind[row]), int(flow.side[row]), int(flow.tick[row])
        lots, order, ts = int(flow.lots[row]), int(flow.order[row]), int(flow.exch_ts[row])
        self._end(ts)
        if kind <= OrderKind.ADD:
            for each in self._reached(side, tick) if kind == OrderKind.ADD else ():
                each.fill(ts, lots)
                self._pass(each, ts)
            self.join(order, side, tick, lots)
            return
        queue = self.levels[side, tick]
        at = next(i for i, (who, _) in enumerate(queue) if who == order)
        if kind == OrderKind.FILL:
            self._fill(queue[:at], side, tick, lots, ts, is_fifo)
        assert queue[at][1] >= lots
        queue[at][1] -= lots
        for who, _ in queue[at + 1 :]:
            if _is_phantom(who):
                who.path.append((row, self.ahead(who)))
        if queue[at][1] == 0:
            del queue[at]

    def _fill(
        self, before: list[list], side: int, tick: int, lots: int, ts: int, is_fifo: bool
    ) -> None:
        if is_fifo:
            assert tick == self.best(side), "an aggressor meets the best level first"
            assert not any(shown for _, shown in before), "and its oldest order"
        for who, _ in before:
            if _is_phantom(who):
                who.fill(ts, lots)
        for each in self.phantoms():
            if each.side == side and (each.tick - tick) * side > 0:
                each.fill(ts, each.leaves)
                self._pass(each, ts)

    def _reached(self, side: int, tick: int) -> list[Phantom]:
        """Those that a new order of the other side would have met."""
        return [
            each
            for each in self.phantoms()
            if each.side != side and (each.tick - tick) * each.side >= 0
        ]

    def _pass(self, phantom: Phantom, ts: int) -> None:
        phantom.passed = ts
        self._remove(phantom)

    def _end(self, ts: int) -> None:
        for each in self.phantoms():
            if ts > each.until:
                self._remove(each)

    def _remove(self, phantom: Phantom) -> None:
        queue = self.levels[phantom.side, phantom.tick]
        queue[:] = [pair for pair in queue if pair[0] is not phantom]


def _is_phantom(who: object) -> bool:
    return isinstance(who, Phantom)
