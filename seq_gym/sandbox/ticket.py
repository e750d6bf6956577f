"""What an agent writes when it places an order, checked field by field (O1, S1-19).

Whatever is wrong is a refusal with a code and a sentence, never an exception: an agent's slip must
not end its episode.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from seq_gym.errors import ConfigError, UnknownName
from seq_gym.market import CandleSeries
from seq_gym.types import OrderType, Reason, Side, SizeMode, TimeInForce

__all__ = [
    "Refused",
    "Ticket",
    "float_of",
    "number_of",
    "read_amendment",
    "read_ticket",
    "symbol_of",
    "whole_of",
    "writable",
]

_SIDES = {side.name.lower(): side for side in Side}
_TYPES = {kind.name.lower(): kind for kind in OrderType}
_FORCES = {force.name.lower(): force for force in TimeInForce}
_SIZES = {
    "quantity": SizeMode.QUANTITY,
    "notional": SizeMode.NOTIONAL,
    "fraction": SizeMode.EQUITY_FRACTION,
}
_REQUIRED = {
    OrderType.MARKET: (),
    OrderType.LIMIT: ("price",),
    OrderType.STOP_LOSS: ("trigger_price",),
    OrderType.TAKE_PROFIT: ("trigger_price",),
    OrderType.STOP_LIMIT: ("price", "trigger_price"),
    OrderType.TRAILING_STOP: ("trail_frac",),
}
_PRICES = ("price", "trigger_price", "trail_frac")
_MOST = 2**53
"""Largest whole number that is read: every one up to it is exact as a float."""
_EXITS = (OrderType.STOP_LOSS, OrderType.TAKE_PROFIT, OrderType.TRAILING_STOP)
_FIELDS = (
    "symbol",
    "side",
    "type",
    *_SIZES,
    *_PRICES,
    "time_in_force",
    "reduce_only",
    "post_only",
    "max_slippage_bps",
    "expire_after",
    "group_id",
)


class Refused(Exception):
    """A field breaks its rule; carries what the refused order says (R5)."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        limit: str | None = None,
        value: Any = None,
        bound: Any = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.limit = limit
        self.value = value if isinstance(value, float | str | None) else str(value)
        self.bound = bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """An order in the engine's terms."""

    symbol: int
    side: Side
    type: OrderType
    size_mode: SizeMode
    size: float
    price: float
    trigger: float
    trail_frac: float
    time_in_force: TimeInForce
    reduce_only: bool
    post_only: bool
    max_slippage_frac: float
    expire_after: int | None
    group_id: str | None


def writable(value: Any) -> Any:
    """Return a value that a message can show: a whole number beyond all floats is infinite."""
    try:
        if isinstance(value, int):
            float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    return value


def float_of(value: Any) -> float:
    """Read a number, as text too (S1-19); NaN where it is none. A bool is none."""
    try:
        return math.nan if isinstance(value, bool) else float(writable(value))
    except (TypeError, ValueError, OverflowError):
        return math.nan


def number_of(name: str, value: Any, reason: Reason = Reason.VALIDATION_ERROR) -> float:
    """Read a number above zero; text is read as one (S1-19).

    Raises:
        Refused: It is no number, not finite, or not above 0.
    """
    number, value = float_of(value), writable(value)
    if not 0.0 < number < math.inf:
        raise Refused(
            reason, f"{name} must be a number above 0; was {value!r}.", limit=name, value=value
        )
    return number


def whole_of(name: str, value: Any) -> int:
    """Read a whole number of at least 1 that the engine's counters can hold.

    Raises:
        Refused: It is none, or above 2^53.
    """
    number = number_of(name, value)
    if number != int(number) or number > _MOST:
        raise Refused(
            Reason.VALIDATION_ERROR,
            f"{name} must be a whole number from 1 to {_MOST}; was {value!r}.",
            limit=name,
            value=value,
            bound=float(_MOST) if number > _MOST else None,
        )
    return int(number)


def _choice(name: str, value: Any, choices: Mapping[str, Any]) -> Any:
    """Read one of a closed list, by its name in any case or by its enum."""
    for choice in choices.values():
        if value is choice:
            return choice
    found = choices.get(value.strip().lower()) if isinstance(value, str) else None
    if found is None:
        raise Refused(
            Reason.VALIDATION_ERROR, _unknown(name, value, choices), limit=name, value=value
        )
    return found


def _unknown(kind: str, name: object, known: Iterable[str]) -> str:
    return str(UnknownName(kind, name, known))


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise Refused(
            Reason.VALIDATION_ERROR,
            f"{name} must be true or false; was {value!r}.",
            limit=name,
            value=value,
        )
    return value


def symbol_of(series: CandleSeries, name: Any) -> int:
    """Return the column of a symbol.

    Raises:
        Refused: INVALID_SYMBOL: there is none of that name.
    """
    try:
        return series.symbol_index(name if isinstance(name, str) else repr(name))
    except ConfigError as error:
        raise Refused(Reason.INVALID_SYMBOL, str(error), limit="symbol", value=str(name)) from error


def _refuse_unknown(names: Iterable[str], known: Iterable[str] = _FIELDS) -> None:
    for name in names:
        near = difflib.get_close_matches(name, list(known), n=1)
        raise Refused(
            Reason.VALIDATION_ERROR,
            _unknown("order field", name, known),
            limit=name,
            bound=near[0] if near else None,
        )


def _prices(kind: OrderType, given: Mapping[str, Any]) -> dict[str, float]:
    """Read the prices that a type needs; a missing or an extra one is refused (O1)."""
    needed = _REQUIRED[kind]
    called = kind.name.lower()
    for name in _PRICES:
        if name in needed and given.get(name) is None:
            raise Refused(
                Reason.VALIDATION_ERROR, f"A {called} order must have a {name}.", limit=name
            )
        if name not in needed and given.get(name) is not None:
            has = " and ".join(needed) or "no price"
            raise Refused(
                Reason.VALIDATION_ERROR,
                f"A {called} order has {has}; leave {name} out. It was {given[name]!r}.",
                limit=name,
                value=given[name],
            )
    read = {name: number_of(name, given[name]) for name in needed}
    if read.get("trail_frac", 0.0) >= 1.0:
        raise Refused(
            Reason.VALIDATION_ERROR,
            f"trail_frac must be between 0 and 1; was {given['trail_frac']!r}. 5 percent is 0.05.",
            limit="trail_frac",
            value=read["trail_frac"],
            bound=1.0,
        )
    return {name: read.get(name, 0.0) for name in _PRICES}


def _size(
    given: Mapping[str, Any], reduce_only: bool, max_fraction: float
) -> tuple[SizeMode, float]:
    """Read the one size that an order states; an exit without any closes the whole position."""
    stated = [name for name in _SIZES if given.get(name) is not None]
    if not stated and reduce_only:
        return SizeMode.WHOLE_POSITION, 0.0
    if len(stated) != 1:
        said = "none was given" if not stated else f"was {' and '.join(stated)}"
        raise Refused(
            Reason.INVALID_QUANTITY if not stated else Reason.VALIDATION_ERROR,
            f"An order must state one of quantity, notional and fraction; {said}.",
            limit="quantity",
        )
    name = stated[0]
    value = number_of(name, given[name], Reason.INVALID_QUANTITY)
    if name == "fraction" and value > max_fraction:
        raise Refused(
            Reason.INVALID_QUANTITY,
            f"fraction must be at most {max_fraction:g} of equity; was {given[name]!r}. "
            "50 percent is 0.5.",
            limit="fraction",
            value=value,
            bound=max_fraction,
        )
    return _SIZES[name], value


def _group(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and value):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise Refused(
        Reason.VALIDATION_ERROR,
        f"group_id must be text; was {value!r}.",
        limit="group_id",
        value=value,
    )


def _combine(kind: OrderType, force: TimeInForce, given: Mapping[str, Any]) -> tuple[bool, bool]:
    """Read reduce_only and post_only, and refuse what does not go together."""
    reduce_only = given.get("reduce_only")
    exits = kind in _EXITS
    if reduce_only is not None and not _flag("reduce_only", reduce_only) and exits:
        raise Refused(
            Reason.VALIDATION_ERROR,
            f"A {kind.name.lower()} order always is reduce_only; leave the field out, or use "
            "stop_limit to enter.",
            limit="reduce_only",
        )
    post_only = _flag("post_only", given.get("post_only") or False)
    if post_only and (kind is not OrderType.LIMIT or force is not TimeInForce.GTC):
        raise Refused(
            Reason.VALIDATION_ERROR,
            "post_only is for limit orders that rest: type 'limit', time_in_force 'GTC'.",
            limit="post_only",
        )
    return exits or bool(reduce_only), post_only


def read_ticket(series: CandleSeries, max_fraction: float, given: Mapping[str, Any]) -> Ticket:
    """Read the fields of `place_order`.

    Args:
        series: What can be traded.
        max_fraction: Largest fraction of equity that an order may ask for.
        given: Fields by name; None = left out.

    Raises:
        Refused: A field is misspelt, missing, too many, or breaks its rule.

    Source: O1, R5, S1-19.
    """
    _refuse_unknown(name for name in given if name not in _FIELDS)
    symbol = symbol_of(series, given.get("symbol"))
    side = _choice("side", given.get("side"), _SIDES)
    kind = _choice("order type", given.get("type"), _TYPES)
    force = _choice("time_in_force", given.get("time_in_force") or "gtc", _FORCES)
    reduce_only, post_only = _combine(kind, force, given)
    prices = _prices(kind, given)
    size_mode, size = _size(given, reduce_only, max_fraction)
    cap, life = given.get("max_slippage_bps"), given.get("expire_after")
    return Ticket(
        symbol=symbol,
        side=side,
        type=kind,
        size_mode=size_mode,
        size=size,
        price=prices["price"],
        trigger=prices["trigger_price"],
        trail_frac=prices["trail_frac"],
        time_in_force=force,
        reduce_only=reduce_only,
        post_only=post_only,
        max_slippage_frac=math.inf
        if cap is None
        else number_of("max_slippage_bps", cap) / 10_000.0,
        expire_after=None if life is None else whole_of("expire_after", life),
        group_id=_group(given.get("group_id")),
    )


def read_amendment(kind: str, given: Mapping[str, Any]) -> dict[str, float]:
    """Read new terms of a working order: price, trigger_price, quantity; NaN = as it is.

    Raises:
        Refused: Nothing is given, a field is not one of the order's type, or it breaks its rule.
    """
    allowed = ("quantity", *(p for p in _REQUIRED[_TYPES[kind]] if p != "trail_frac"))
    _refuse_unknown((name for name in given if name not in allowed), allowed)
    stated = {name: value for name, value in given.items() if value is not None}
    if not stated:
        raise Refused(
            Reason.VALIDATION_ERROR, f"An amendment must state one of {', '.join(allowed)}."
        )
    terms = dict.fromkeys(("price", "trigger_price", "quantity"), math.nan)
    for name, value in stated.items():
        is_size = name == "quantity"
        reason = Reason.INVALID_QUANTITY if is_size else Reason.VALIDATION_ERROR
        terms[name] = number_of(name, value, reason)
    return terms
