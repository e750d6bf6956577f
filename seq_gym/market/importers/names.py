"""What the name of a file tells: symbol, venue, kind of table; never the interval.

Source: spec C7 (content comes first), C8.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Final

from seq_gym.market.importers.tables import TableKind
from seq_gym.market.instruments import split_symbol
from seq_gym.market.sources import symbol_in_name

__all__ = ["kind_in_name", "symbol_of_file", "venue_in_name"]

_KIND: Final = re.compile(r"(?:^|[^a-z])(funding|mark)(?:[^a-z]|_?rate|_?price|$)")
_VENUES: Final = (
    *("binanceus", "binance", "bitfinex", "bitget", "bitmex", "bitstamp", "bybit", "coinbase"),
    *("deribit", "gateio", "gemini", "huobi", "hyperliquid", "kraken", "kucoin", "mexc", "okx"),
    *("poloniex", "upbit"),
)
_FUTURES: Final = ("um", "usdm", "futures", "cryptofuture", "perp", "swap", "cm", "coinm")
_INVERSE: Final = ("cm", "coinm")
_PERPETUAL: Final = re.compile(r"([A-Z0-9]{5,})\.P(?![A-Za-z0-9])")
_ARCHIVE: Final = {"spot": "binance", "um": "binance_um", "cm": "binance_cm"}
"""Venue by the folder in which Binance's public archive keeps its months and days."""
_CONTRACT: Final = re.compile(
    r"(?:^|[^A-Z0-9])([A-Z0-9]{5,})_(PERP|\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))-"
)
"""A contract in front of its interval; its ending is a day such as 240329, no month (202403)."""


def symbol_of_file(path: Path, member: str | None) -> str | None:
    """Recognise the one symbol in the name of a member, or else of its file.

    A contract of Binance keeps its ending: BTCUSDT_240329 trades at another price than BTCUSDT.

    >>> symbol_of_file(Path("data.zip"), "XBTUSD_60.csv")
    'XBTUSD'
    >>> symbol_of_file(Path("BTCUSDT_240329-1h-2024-03.zip"), None)
    'BTCUSDT_240329'
    """
    inner = None if member is None else Path(Path(member).name)
    for name in (path,) if inner is None else (inner, path):
        symbol = _contract_in_name(name) or symbol_in_name(name)
        if symbol is not None:
            return symbol
    return None


def _contract_in_name(path: Path) -> str | None:
    """Recognise a perpetual or dated contract, as Binance spells it, in front of its interval."""
    found = _CONTRACT.search(path.name)
    if found is None or not split_symbol(found[1])[1]:
        return None
    return f"{found[1]}_{found[2]}"


def kind_in_name(path: Path, member: str | None) -> TableKind | None:
    """Recognise a table of funding rates or mark prices by its name or its archive's folder.

    >>> kind_in_name(Path("BTC_USDT_USDT-1h-funding_rate.feather"), None)
    'funding'
    >>> kind_in_name(Path("um/monthly/markPriceKlines/BTCUSDT/1h/BTCUSDT-1h-2024-01.zip"), None)
    'mark'
    """
    folders = [part for part in path.parts[:-1] if part.lower() == "markpriceklines"]
    for name in (member or "", path.name, *folders):
        found = _KIND.search(name.lower())
        if found is not None:
            return "funding" if found[1] == "funding" else "mark"
    return None


def venue_in_name(path: Path, member: str | None) -> str | None:
    """Recognise the venue in a name, or in a folder that is named after one.

    Futures of a venue are a venue of their own: one symbol trades at two prices.

    >>> venue_in_name(Path("binance_um_BTCUSDT-5m-2025-12.csv"), None)
    'binance_um'
    >>> venue_in_name(Path("data/binance/futures/BTC_USDT_USDT-1h-futures.feather"), None)
    'binance_um'
    >>> venue_in_name(Path("futures/um/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2021-03.zip"), None)
    'binance_um'
    """
    words = _words(Path(member or "").name) + _words(path.name) + _perpetual(path.name)
    folders = [part.lower() for part in path.parts[-6:-1]]
    venue: str | None = next((name for name in _VENUES if name in words), None)
    if venue is None:
        venue = next((name for name in reversed(folders) if name in _VENUES), None)
        words = words + folders if venue else words
    if venue is None:
        return _venue_of_archive(path)
    if any(word in _INVERSE for word in words):
        return f"{venue}_cm"
    return f"{venue}_um" if any(word in _FUTURES for word in words) else venue


def _venue_of_archive(path: Path) -> str | None:
    folders = [part.lower() for part in path.parts[:-1]]
    for market, period in pairwise(folders):
        if market in _ARCHIVE and period in ("monthly", "daily"):
            return _ARCHIVE[market]
    return None


def _perpetual(name: str) -> list[str]:
    """Return the word for a perpetual as TradingView spells it: BTCUSDT.P, or BTCUSD.P in coin."""
    found = _PERPETUAL.search(name)
    if found is None:
        return []
    return ["cm" if split_symbol(found[1])[1] == "USD" else "perp"]


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
