"""The journal of a session: the engine's events, made into orders and fills; nothing is removed."""

from __future__ import annotations

import math
import re
from collections import namedtuple
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from seq_gym.engine import codes
from seq_gym.engine.layout import EVENT, Table
from seq_gym.errors import UsageError
from seq_gym.sandbox.records import Fill, Order
from seq_gym.sandbox.refusals import CANCELLED_BECAUSE, refusal_of
from seq_gym.types import Liquidity, OrderType, Reason, Side, SizeMode, TimeInForce

__all__ = [
    "AFTER_THE_CLOCK",
    "Happening",
    "Journal",
    "JournalMark",
    "no_such_order",
    "order_number",
    "order_text",
]

Happening = tuple[Literal["fill", "cancelled", "rejected"], Any]
"""What a strategy is told of: a fill, or an order that was refused or cancelled."""

_ORDER_ID = re.compile(r"P-[0-9a-fA-F]{1,16}")

_Event: Any = namedtuple("_Event", list(EVENT.names or ()))  # type: ignore[misc]

_TYPES = {int(t): t.name.lower() for t in OrderType}
_SIDES = {int(s): s.name.lower() for s in Side}
_FORCES = {int(t): t.name for t in TimeInForce}
_REASONS = {int(r): r.name for r in Reason}
_LIQUIDITY: dict[int, Literal["maker", "taker"]] = {
    int(Liquidity.MAKER): "maker",
    int(Liquidity.TAKER): "taker",
}
AFTER_THE_CLOCK = (codes.EXPIRED, codes.END_OF_EPISODE)
"""What happens at a close after the cursor has moved there."""


def order_text(number: int) -> str:
    """Return the public id of an engine's order number.

    >>> order_text(31)
    'P-0000001f'
    """
    return f"P-{number:08x}"


def order_number(order_id: Any) -> int:
    """Return the engine's number of an order that is named by its public id.

    Args:
        order_id: The id, or an order, which carries one.

    Raises:
        UsageError: ORDER_NOT_FOUND: it is no such id.

    >>> order_number("P-0000001f")
    31
    """
    text = getattr(order_id, "order_id", order_id)
    if not isinstance(text, str) or _ORDER_ID.fullmatch(text) is None:
        raise UsageError(
            "order_id must be 'P-' and 8 hex digits, such as 'P-0000001f', or an order that "
            f"place_order returned; was {text!r}.",
            code="ORDER_NOT_FOUND",
        )
    return int(text[2:], 16)


def no_such_order(number: int, known: Sequence[str]) -> UsageError:
    """Return the error of an id that no order of a session has.

    Args:
        number: The engine's number that was asked for.
        known: Ids of its orders, oldest first.
    """
    there = f"it has {known[0]} to {known[-1]}" if known else "it has none yet"
    return UsageError(
        f"order_id must be one that place_order returned in this session, {there}; was "
        f"{order_text(number)!r}.",
        code="ORDER_NOT_FOUND",
    )


def _known_cursor(event: Any) -> int:
    """Return the cursor at which an event happened, or, inside a candle, at which it is known."""
    if event.phase in (codes.AT_ONCE, codes.OPEN):
        return int(event.cursor)
    if event.phase == codes.CLOSE and event.kind == codes.CANCELLED:
        return int(event.cursor) + (event.reason not in AFTER_THE_CLOCK)
    return int(event.cursor) + 1


class JournalMark(NamedTuple):
    """Where a journal stood."""

    orders: dict[int, Order]
    held: dict[str, float]
    opened: dict[str, int]
    num_fills: int
    num_happenings: int


class Journal:
    """Orders and fills of one session, in the order in which they happened.

    Args:
        symbols: Names, by the engine's index.
        time_of: From a cursor to UNIX nanoseconds.
        describe: From an event of a refusal to the name of the limit it is about (R5), or None.
        group_name: From the engine's group number to the name that the user gave.

    Attributes:
        fills: Every fill.
        fill_symbols: The engine's index of the symbol of each.
        happenings: Fills, cancels and refusals as a strategy is told of them.
    """

    def __init__(
        self,
        symbols: tuple[str, ...],
        time_of: Callable[[int], int],
        describe: Callable[[Any], str | None],
        group_name: Callable[[int], str | None],
    ) -> None:
        self._symbols = symbols
        self._time_of = time_of
        self._describe = describe
        self._group_name = group_name
        self._orders: dict[int, Order] = {}
        self._held = dict.fromkeys(symbols, 0.0)
        self._opened = dict.fromkeys(symbols, 0)
        self.fills: list[Fill] = []
        self.fill_symbols: list[int] = []
        self.happenings: list[Happening] = []

    def __len__(self) -> int:
        return len(self._orders)

    def orders(self) -> list[Order]:
        """Return every order, refused ones included, oldest first."""
        return list(self._orders.values())

    def order(self, number: int) -> Order | None:
        """Return an order by the engine's number."""
        return self._orders.get(number)

    def orders_of(self, kind: str, since: int) -> tuple[Order, ...]:
        """Return the orders that were refused, or cancelled, from a count of happenings on."""
        return tuple(what for which, what in self.happenings[since:] if which == kind)

    def opened_ns(self, symbol: str) -> int:
        """Return when the position of a symbol was opened, or last changed its sign."""
        return self._opened[symbol]

    def add_refusal(self, number: int, order: Order) -> None:
        """Record an order that did not reach the engine."""
        self._orders[number] = order
        self.happenings.append(("rejected", order))

    def mark(self) -> JournalMark:
        """Remember where the journal stands; what it holds is immutable, so this is cheap."""
        return JournalMark(
            dict(self._orders),
            dict(self._held),
            dict(self._opened),
            len(self.fills),
            len(self.happenings),
        )

    def rewind(self, mark: JournalMark) -> None:
        """Go back to a mark: what was written since has not happened."""
        self._orders = dict(mark.orders)
        self._held = dict(mark.held)
        self._opened = dict(mark.opened)
        del self.fills[mark.num_fills :], self.fill_symbols[mark.num_fills :]
        del self.happenings[mark.num_happenings :]

    def absorb(self, events: Table) -> None:
        """Take in a drained ring of events."""
        for row in events.tolist():
            event: Any = _Event(*row)
            if event.kind == codes.FILL:
                self._fill(event)
            elif event.kind == codes.CANCELLED:
                self._cancel(event)
            elif event.kind == codes.REJECTED:
                self._reject(event)
            elif event.kind == codes.AMENDED:
                self._amend(event)
            else:
                self._orders[event.order_id] = self._new(event)

    # ------------------------------------------------------------------ one event

    def _new(self, event: Any) -> Order:
        """Return the order that an event tells of for the first time."""
        trailing = event.type == codes.TRAILING_STOP
        size = event.qty if event.qty > 0.0 else None
        now = self._time_of(_known_cursor(event))
        return Order(
            order_id=order_text(event.order_id),
            symbol=self._symbols[event.symbol],
            side=_SIDES[event.side],
            type=_TYPES[event.type],
            status="open",
            quantity=size if event.size_mode == SizeMode.QUANTITY else None,
            notional=size if event.size_mode == SizeMode.NOTIONAL else None,
            fraction=size if event.size_mode == SizeMode.EQUITY_FRACTION else None,
            price=event.price if event.type in (codes.LIMIT, codes.STOP_LIMIT) else None,
            trigger_price=event.trigger if event.trigger > 0.0 and not trailing else None,
            trail_frac=event.trigger if trailing else None,
            time_in_force=_FORCES[event.tif],
            reduce_only=bool(event.flags & codes.REDUCE_ONLY),
            post_only=bool(event.flags & codes.POST_ONLY),
            group_id=self._group_name(event.group),
            created_ns=now,
            updated_ns=now,
        )

    def _of(self, event: Any) -> Order:
        """Return the order of an event; targets and forced closes are first heard of at a fill."""
        known = self._orders.get(event.order_id)
        if known is None:
            fresh = self._new(event)
            known = replace(fresh, quantity=None, price=None)
        return known

    def _fill(self, event: Any) -> None:
        order = self._of(event)
        now = self._time_of(_known_cursor(event))
        filled = order.filled_quantity + event.qty
        paid = (order.avg_fill_price or 0.0) * order.filled_quantity + event.qty * event.price
        self._orders[event.order_id] = replace(
            order,
            status="filled" if event.value <= 0.0 else "partially_filled",
            quantity=filled + event.value,
            filled_quantity=filled,
            avg_fill_price=paid / filled,
            fee=order.fee + event.fee,
            updated_ns=now,
            reason=_REASONS[event.reason] if event.reason else order.reason,
        )
        fill = Fill(
            fill_id=f"F-{len(self.fills) + 1:08x}",
            order_id=order.order_id,
            symbol=order.symbol,
            side=order.side,
            type=order.type,
            quantity=event.qty,
            price=event.price,
            base_price=event.base_price,
            notional=event.qty * event.price,
            fee=event.fee,
            liquidity=_LIQUIDITY[event.liquidity],
            slippage=event.slippage,
            realized_pnl=None if math.isnan(event.realized) else event.realized,
            filled_ns=now,
            reason=_REASONS[event.reason] if event.reason else None,
            group_id=order.group_id,
        )
        self.fills.append(fill)
        self.fill_symbols.append(event.symbol)
        self.happenings.append(("fill", fill))
        self._follow_position(fill, event.side)

    def _follow_position(self, fill: Fill, side: int) -> None:
        """Note when a position opens or changes its sign."""
        before = self._held[fill.symbol]
        after = before + side * fill.quantity
        # A whole close ends at zero exactly in the engine; here the sum may leave dust.
        if abs(after) <= 1e-12 * fill.quantity:
            after = 0.0
        self._held[fill.symbol] = after
        if after != 0.0 and before * after <= 0.0:
            self._opened[fill.symbol] = fill.filled_ns

    def _cancel(self, event: Any) -> None:
        order = replace(
            self._of(event),
            status="cancelled",
            reason=_REASONS[event.reason],
            message=CANCELLED_BECAUSE.get(event.reason),
            updated_ns=self._time_of(_known_cursor(event)),
        )
        self._orders[event.order_id] = order
        self.happenings.append(("cancelled", order))

    def _reject(self, event: Any) -> None:
        order = self._new(event)
        limit = self._describe(event)
        refusal = refusal_of(event.reason, event.value, event.bound, order, limit)
        order = replace(order, **refusal)
        self._orders[event.order_id] = order
        self.happenings.append(("rejected", order))

    def _amend(self, event: Any) -> None:
        order = self._of(event)
        changed = self._new(event)
        self._orders[event.order_id] = replace(
            order,
            quantity=None if changed.quantity is None else order.filled_quantity + event.value,
            price=changed.price,
            trigger_price=changed.trigger_price,
            notional=changed.notional,
            fraction=changed.fraction,
            updated_ns=changed.updated_ns,
        )
