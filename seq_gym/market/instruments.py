"""Instruments: what is traded, in which units, and how its name is looked up.

Source: spec C8.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from seq_gym.errors import ConfigError, UnknownName

__all__ = ["KNOWN_QUOTES", "Instrument", "find_symbol", "plain_symbol", "split_symbol"]

KNOWN_QUOTES: Final = (
    "USDT",
    "USDC",
    "FDUSD",
    "TUSD",
    "BUSD",
    "USD",
    "DAI",
    "EUR",
    "GBP",
    "JPY",
    "TRY",
    "BRL",
    "BTC",
    "ETH",
    "BNB",
)
"""Quote currencies that end a symbol without a separator."""

_CONTRACT: Final = re.compile(r"[-_](PERP|SWAP|\d{6}|\d{8})$")
"""Ending of a perpetual or dated contract; what stands before it is base and quote."""

_CONTRACT_VENUES: Final = {
    "um": "linear",
    "cm": "inverse",
    "linear": "linear",
    "inverse": "inverse",
}
"""Ending of a venue's name, and what kind of contract is traded there."""

_SEPARATORS: Final = str.maketrans("", "", "-/_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """What is traded and the units of its orders.

    Raises:
        ConfigError: A unit is negative or not finite, or the contract size is not positive.

    Source: C8, M6.
    """

    symbol: str
    """The venue's own spelling."""
    base: str
    """What a quantity counts."""
    quote: str
    """What a price and a fee are counted in."""
    tick: float = 0.0
    """Smallest price increment in quote; 0 = not stated, prices are not rounded."""
    lot: float = 0.0
    """Smallest quantity increment in base; 0 = not stated, quantities are not rounded."""
    min_notional: float = 0.0
    """Smallest order value in quote."""
    contract_size: float = 1.0
    """Base units per contract."""
    taker_fee_frac: float | None = None
    """Taker fee of the executed notional; None = the account's own."""
    maker_fee_frac: float | None = None
    """Maker fee of the executed notional, negative for a rebate; None = the account's own."""
    venue: str = ""
    """Where it is traded."""
    inverse: bool = False
    """A contract worth a fixed quote amount, settled in base: amount = size x contracts / price.
    Of order books only."""

    def __post_init__(self) -> None:
        for name in ("tick", "lot", "min_notional"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"{self.symbol} {name} must be finite and >= 0; was {value!r}.")
        if not (math.isfinite(self.contract_size) and self.contract_size > 0):
            raise ConfigError(
                f"{self.symbol} contract_size must be finite and > 0; was {self.contract_size!r}."
            )
        for name in ("taker_fee_frac", "maker_fee_frac"):
            value = getattr(self, name)
            if value is not None and not abs(value) < 1:
                raise ConfigError(
                    f"{self.symbol} {name} must be a fraction between -1 and 1; was {value!r}. "
                    "0.1 percent is 0.001."
                )

    @property
    def market(self) -> str:
        """What is traded: "spot", or a "linear" or "inverse" contract, by venue, name and unit.

        The same spelling at two venues is one thing only where this is the same.
        """
        kind = _CONTRACT_VENUES.get(self.venue.rpartition("_")[2])
        if self.inverse or kind == "inverse":
            return "inverse"
        return "linear" if kind or _CONTRACT.search(self.symbol.upper()) else "spot"

    @classmethod
    def of(cls, symbol: str, *, venue: str = "") -> Instrument:
        """Make the instrument that a symbol's name alone tells of.

        >>> Instrument.of("BTCUSDT").quote
        'USDT'
        """
        base, quote = split_symbol(symbol)
        return cls(symbol=symbol, base=base, quote=quote, venue=venue)


def split_symbol(symbol: str) -> tuple[str, str]:
    """Split a symbol into base and quote, at its separator or at the longest known quote.

    Returns:
        ``(base, quote)``; a symbol that ends in no known quote is its own base, quote "".

    Raises:
        ConfigError: The symbol is empty.

    >>> split_symbol("BTCUSDT")
    ('BTC', 'USDT')
    >>> split_symbol("eth/btc")
    ('ETH', 'BTC')
    >>> split_symbol("BTCUSDT_240329")
    ('BTC', 'USDT')
    """
    name = symbol.strip().upper()
    if not name:
        raise ConfigError("A symbol must have a name; was ''.")
    pair = _CONTRACT.sub("", name)
    if pair not in (name, "") and split_symbol(pair)[1]:
        return split_symbol(pair)
    for separator in "/-_":
        base, found, quote = name.partition(separator)
        if found and base and quote:
            return base, quote
    for quote in sorted(KNOWN_QUOTES, key=len, reverse=True):
        if name.endswith(quote) and len(name) > len(quote):
            return name.removesuffix(quote), quote
    return name, ""


def plain_symbol(symbol: str) -> str:
    """Reduce a symbol to what look-ups compare: no case, no separators, XBT is BTC.

    >>> plain_symbol("xbt-usd")
    'BTCUSD'
    """
    return symbol.strip().upper().translate(_SEPARATORS).replace("XBT", "BTC")


def find_symbol(name: str, known: Sequence[str]) -> int:
    """Return the index of a symbol among the known ones; an exact spelling comes first.

    Raises:
        UnknownName: No known symbol matches.
        ConfigError: Several match; the message lists them.

    Source: C8.
    """
    if name in known:
        return list(known).index(name)
    plain = plain_symbol(name)
    matches = [i for i, symbol in enumerate(known) if plain_symbol(symbol) == plain]
    if not matches:
        raise UnknownName("symbol", name, known)
    if len(matches) > 1:
        candidates = ", ".join(known[i] for i in matches)
        raise ConfigError(f"A symbol must name one instrument; {name!r} may be {candidates}.")
    return matches[0]
