"""What an agent writes when it places or changes an order on a book, checked field by field.

Whatever is wrong is a refusal with a code and a sentence, never an exception: an agent's slip must
not end its episode. Quantities and buy limits round down, sell limits up (M6).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from seq_gym.engine.book import codes
from seq_gym.engine.codes import FOK, GTC, IOC, LIMIT, MARKET
from seq_gym.errors import UnknownName
from seq_gym.market.book.decimals import MAX_COUNT, step_of
from seq_gym.market.instruments import Instrument
from seq_gym.sandbox.ticket import Refused, number_of
from seq_gym.types import Reason

__all__ = ["BookTicket", "read_book_ticket", "ticks_of", "units_of"]

_FIELDS = (
    "symbol",
    "side",
    "type",
    "quantity",
    "notional",
    "fraction",
    "price",
    "time_in_force",
    "post_only",
    "reduce_only",
    "max_slippage_bps",
    "venue",
    "tag",
)
_SIDES = {"buy": codes.BUY, "sell": codes.SELL}
_TYPES = {"limit": LIMIT, "market": MARKET}
_FORCES = {"gtc": GTC, "ioc": IOC, "fok": FOK, "gtx": GTC}
_INSTEAD = {
    "trigger_price": "compare the price in on_trade, on_book or on_heartbeat, and send the order "
    "from there",
    "trail_frac": "keep the best price in on_book or on_heartbeat, and send the order from there",
    "group_id": "cancel the other orders in on_fill",
    "expire_after": "call cancel_order in on_heartbeat once its time is over",
}
"""What orders on candles have and orders at a book venue do not (B12), and what does it here."""
_TRIGGERED = {
    "stop_loss": "trigger_price",
    "take_profit": "trigger_price",
    "stop_limit": "trigger_price",
    "trailing_stop": "trail_frac",
}
Sizes = Callable[[Mapping[str, Any], int, int, bool], Any]
"""Returns the quantity of an order: its fields, side, limit in ticks (0: none), reduce_only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookTicket:
    """An order in the engine's terms."""

    side: int
    type: int
    force: int
    flags: int
    tick: int
    units: float
    max_slippage_frac: float
    tag: int


def _choice(name: str, value: Any, known: Mapping[str, int]) -> int:
    key = value.strip().lower() if isinstance(value, str) else value
    if key not in known:
        text = str(UnknownName(name, value, tuple(known)))
        raise Refused(Reason.INVALID_PARAMS, text, limit=name, value=str(value))
    return known[key]


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise Refused(
            Reason.INVALID_PARAMS,
            f"{name} must be true or false; was {value!r}.",
            limit=name,
            value=str(value),
        )
    return value


def units_of(
    instrument: Instrument,
    value: Any,
    *,
    strict: bool,
    name: str = "quantity",
    reason: Reason = Reason.INVALID_PARAMS,
) -> float:
    """Return a base quantity in the engine's units: whole lots, rounded down, under strict rules.

    Raises:
        Refused: It is no number above 0, less than a lot, or more lots than a float counts.
    """
    quantity = number_of(name, value, reason)
    if not strict:
        return quantity
    step = step_of(instrument.lot)
    lots = quantity * step.div / step.mul
    if lots > MAX_COUNT:
        raise Refused(
            reason,
            f"{name} must be at most 2^53 lots of {instrument.lot:g}; was {quantity:g}.",
            limit=name,
            value=quantity,
        )
    # What was computed as 0.1 + 0.2 is three tenths.
    whole = round(lots) if math.isclose(lots, round(lots), rel_tol=1e-12) else math.floor(lots)
    if whole < 1:
        raise Refused(
            reason,
            f"{name} must be at least a lot of {instrument.lot:g}; was {quantity:g}.",
            limit=name,
            value=quantity,
            bound=instrument.lot,
        )
    return float(whole)


def ticks_of(instrument: Instrument, value: Any, side: int) -> int:
    """Return a limit in ticks: of a buy rounded down, of a sell up, so never a worse promise.

    Raises:
        Refused: It is no number above 0, or off the range of ticks.
    """
    price = number_of("price", value, Reason.INVALID_PARAMS)
    step = step_of(instrument.tick)
    ticks = min(price * step.div / step.mul, float(codes.NO_ASK))
    nearest = round(ticks)
    if not math.isclose(ticks, nearest, rel_tol=1e-12):
        nearest = math.floor(ticks) if side == codes.BUY else math.ceil(ticks)
    if not 1 <= nearest < codes.NO_ASK:
        raise Refused(
            Reason.INVALID_PARAMS,
            f"price must be from one to 2^31 - 2 ticks of {instrument.tick:g}; was {price:g}.",
            limit="price",
            value=price,
            bound=instrument.tick,
        )
    return int(nearest)


def _tag(value: Any) -> int:
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or not abs(value) < 1 << 62:
        raise Refused(
            Reason.INVALID_PARAMS, f"tag must be a whole number; was {value!r}.", limit="tag"
        )
    return value


def _refuse_absent(given: Mapping[str, Any]) -> None:
    """Refuse what a book venue does not have, and fields that are misspelt."""
    kind = given.get("type")
    wanted = _TRIGGERED.get(kind.strip().lower()) if isinstance(kind, str) else None
    if wanted is not None:
        text = f"Book venues take limit and market orders only; was {kind!r}. Likely fix: "
        text += f"{_INSTEAD[wanted]}."
        raise Refused(Reason.INVALID_PARAMS, text, limit="type", value=str(kind))
    for name in given:
        if name in _INSTEAD:
            text = f"Orders at a book venue have no {name}. Likely fix: {_INSTEAD[name]}."
            raise Refused(Reason.INVALID_PARAMS, text, limit=name, value=str(given[name]))
        if name not in _FIELDS:
            text = str(UnknownName("field of an order", name, _FIELDS))
            raise Refused(Reason.INVALID_PARAMS, text, limit=name)


def _force(given: Mapping[str, Any], kind: int) -> tuple[int, bool]:
    """Read time in force and post_only; GTX is the venues' name for a post-only GTC (B12)."""
    written = given.get("time_in_force", "GTC")
    force = _choice("time_in_force", written, _FORCES)
    is_gtx = isinstance(written, str) and written.strip().lower() == "gtx"
    post_only = _flag("post_only", given.get("post_only", is_gtx))
    if is_gtx and not post_only:
        text = "time_in_force GTX is post-only; post_only must not be false with it."
        raise Refused(Reason.INVALID_PARAMS, text, limit="post_only")
    if post_only and (kind == MARKET or force != GTC):
        text = "post_only belongs to a limit order with time_in_force GTC."
        raise Refused(Reason.INVALID_PARAMS, text, limit="post_only")
    return force, post_only


def read_book_ticket(
    given: Mapping[str, Any], instrument: Instrument, *, strict: bool, sizes: Sizes
) -> BookTicket:
    """Read an order.

    Args:
        given: What was written, by the names of `place_order`.
        instrument: What it trades.
        strict: Quantities are whole lots (F6).
        sizes: Settles the quantity.

    Raises:
        Refused: A field is missing, misspelt or breaks its rule.
    """
    _refuse_absent(given)
    side = _choice("side", given.get("side"), _SIDES)
    kind = _choice("type", given.get("type", "limit"), _TYPES)
    force, post_only = _force(given, kind)
    reduce_only = _flag("reduce_only", given.get("reduce_only", False))
    price = given.get("price")
    if (kind == LIMIT) != (price is not None):
        rule = "needs a price" if kind == LIMIT else "has no price; max_slippage_bps caps it"
        kind_text = "limit" if kind == LIMIT else "market"
        raise Refused(Reason.INVALID_PARAMS, f"A {kind_text} order {rule}.", limit="price")
    slippage = given.get("max_slippage_bps")
    tick = 0 if price is None else ticks_of(instrument, price, side)
    quantity = sizes(given, side, tick, reduce_only)
    return BookTicket(
        side=side,
        type=kind,
        force=force,
        flags=codes.POST_ONLY_FLAG * post_only + codes.REDUCE_ONLY_FLAG * reduce_only,
        tick=tick,
        units=units_of(instrument, quantity, strict=strict),
        max_slippage_frac=math.inf
        if slippage is None
        else number_of("max_slippage_bps", slippage, Reason.INVALID_PARAMS) / 1e4,
        tag=_tag(given.get("tag")),
    )
