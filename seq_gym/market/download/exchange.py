"""Candles and funding rates of any exchange that ccxt knows, page by page."""

from __future__ import annotations

import functools
import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Literal

import numpy as np

from seq_gym.errors import ConfigError, DownloadError, MissingExtra, UnknownName
from seq_gym.market.columns import CandleColumns
from seq_gym.market.download.patience import Passing, Patience
from seq_gym.market.download.source import CandleKind, finished_before, named_interval
from seq_gym.market.funding import FundingRates
from seq_gym.market.instruments import find_symbol
from seq_gym.times import NS_PER_DAY, NS_PER_HOUR, parse_interval

__all__ = ["CcxtSource"]

_NS_PER_MS: Final = 1_000_000
_SHORTEST_PAGE: Final = 100
"""Candles that a page of any exchange covers at least: so many are skipped when it is empty."""
_MARKETS: Final = {"spot": ("spot",), "um": ("swap", "linear"), "cm": ("swap", "inverse")}
"""What ccxt calls the markets."""
_METHODS: Final = {
    "candles": ("fetchOHLCV", "fetch_ohlcv"),
    "mark": ("fetchMarkOHLCV", "fetch_mark_ohlcv"),
    "funding": ("fetchFundingRateHistory", "fetch_funding_rate_history"),
}
"""By kind: what ccxt calls the capability, and the method."""


class CcxtSource:
    """An exchange, asked through ccxt.

    Requests keep to the exchange's rate limit; network failures and refusals for asking too often
    are waited out, and then raise. Every request asks for later times than the one before, whatever
    was answered, so a download ends.

    Symbols are stored in the exchange's own spelling (its id, or its short name where it has one:
    Kraken's XBTUSD). Volumes are as the exchange states them; for some contracts that is a number
    of contracts.
    """

    def __init__(
        self,
        exchange: str | Any,
        *,
        market: Literal["spot", "um", "cm"] = "spot",
        page_size: int | None = None,
        now_ns: Callable[[], int] = time.time_ns,
        patience: Patience | None = None,
    ) -> None:
        """Make a source; nothing is asked yet.

        Args:
            exchange: ccxt's id, such as "kraken", or a ccxt exchange object.
            market: Spot, or perpetual swaps margined in the quote (um) or in the base (cm).
            page_size: Candles to ask for at once; None = as many as the exchange gives.
            now_ns: Tells the present, UNIX nanoseconds: what is not finished then is left out.
            patience: How long failures are waited for.

        Raises:
            MissingExtra: ccxt is not installed.
            UnknownName: ccxt knows no such exchange, or there is no such market.
            ConfigError: The page size is below 1.
        """
        if market not in _MARKETS:
            raise UnknownName("market", market, _MARKETS)
        self._ccxt = _import_ccxt()
        self._exchange = self._made(exchange) if isinstance(exchange, str) else exchange
        self._exchange.enableRateLimit = True
        self._market_type = market
        if page_size is not None and page_size < 1:
            raise ConfigError(f"page_size must be at least 1; was {page_size}.")
        self._page_size = page_size
        self._shortest_page = min(page_size or _SHORTEST_PAGE, _SHORTEST_PAGE)
        self._now_ns = now_ns
        self._patience = patience or Patience()
        self._markets: dict[str, dict[str, Any]] | None = None
        self._absent: list[str] = []

    @property
    def name(self) -> str:
        """The source as reports call it, "ccxt:kraken"."""
        return f"ccxt:{self._exchange.id}"

    @property
    def venue(self) -> str:
        """Id of the exchange; swaps are apart from spot, whose symbols they may share."""
        name = str(self._exchange.id)
        return name if self._market_type == "spot" else f"{name}_{self._market_type}"

    @property
    def intervals(self) -> tuple[str, ...]:
        """The exchange's candles, but for those without a fixed length (weeks, months)."""
        return tuple(name for name in self._exchange.timeframes or {} if _has_length(name))

    @property
    def absent(self) -> list[str]:
        """Nothing: an exchange does not say what it lacks. The report lists the gaps."""
        return list(self._absent)

    def spelling(self, symbol: str) -> str:
        """Return the exchange's own spelling of a symbol.

        Raises:
            UnknownName: The exchange has no such symbol in this market.
            ConfigError: The name fits several.
        """
        return self._find(symbol)[0]

    def pages(
        self,
        symbol: str,
        *,
        interval_ns: int,
        start_ns: int,
        end_ns: int,
        kind: CandleKind = "candles",
    ) -> Iterator[CandleColumns]:
        """Yield the finished candles that open at or after start and close by end.

        Raises:
            ConfigError: The exchange has no such symbol, interval or kind.
            DownloadError: The exchange cannot be reached, or refused.
        """
        read = self._reader(kind)
        timeframe = named_interval(interval_ns, self.intervals, self.name)
        spelling, unified = self._find(symbol)
        end_ns = finished_before(end_ns, interval_ns, self._now_ns())
        since_ns = start_ns + -start_ns % interval_ns
        while since_ns < end_ns:
            page = functools.partial(read, unified, timeframe, since_ns // _NS_PER_MS)
            rows = self._ask(page, f"{self.name}, candles of {unified}")
            fresh = [row for row in rows if since_ns <= row[0] * _NS_PER_MS < end_ns]
            if fresh:
                yield _as_columns(fresh, spelling, interval_ns, self.name)
                since_ns = max(row[0] for row in fresh) * _NS_PER_MS + interval_ns
            elif rows and min(row[0] for row in rows) * _NS_PER_MS >= end_ns:
                return
            else:
                since_ns = self._after_nothing(unified, since_ns, interval_ns)

    def funding(self, symbol: str, *, start_ns: int, end_ns: int) -> Iterator[FundingRates]:
        """Yield the funding rates stamped from start to end, both included.

        Raises:
            ConfigError: The exchange has no funding rates, or no such symbol.
            DownloadError: The exchange cannot be reached, or refused.
        """
        read = self._reader("funding")
        _, unified = self._find(symbol)
        end_ns = min(end_ns, self._now_ns())
        since_ns = start_ns + -start_ns % _NS_PER_MS
        while since_ns <= end_ns:
            page = functools.partial(read, unified, since_ns // _NS_PER_MS)
            entries = self._ask(page, f"{self.name}, funding rates of {unified}")
            stamps = [
                (int(each["timestamp"]) * _NS_PER_MS, each["fundingRate"]) for each in entries
            ]
            fresh = [(t, rate) for t, rate in stamps if since_ns <= t <= end_ns]
            if fresh:
                times = np.array([t for t, _ in fresh], dtype=np.int64)
                yield FundingRates(
                    times, np.array([rate for _, rate in fresh], dtype=np.float64), self.name
                )
                since_ns = int(times.max()) + _NS_PER_MS
            elif stamps and min(t for t, _ in stamps) > end_ns:
                return
            else:
                # No contract pays more often than every hour.
                since_ns += self._shortest_page * NS_PER_HOUR

    # ------------------------------------------------------------------ inner parts

    def _made(self, name: str) -> Any:
        known = list(self._ccxt.exchanges)
        if name not in known:
            raise UnknownName("exchange", name, known, "of ccxt")
        return getattr(self._ccxt, name)({"enableRateLimit": True, "timeout": 30_000})

    def _reader(self, kind: str) -> Callable[..., Any]:
        capability, method = _METHODS[kind]
        if not self._exchange.has.get(capability):
            raise ConfigError(
                f"kind must be one that the source has; was {kind!r}, which {self.name} does not "
                "offer. Likely fix: another source."
            )
        reader: Callable[..., Any] = getattr(self._exchange, method)
        return reader

    def _ask(self, page: Callable[..., Any], what: str) -> Any:
        """Ask for one page; what may pass is asked again, what may not is told in one line."""

        def once() -> Any:
            try:
                return page(self._page_size)
            except self._ccxt.NetworkError as error:
                raise Passing(_short(error)) from error
            except self._ccxt.BaseError as error:
                raise DownloadError(f"{what} was refused: {_short(error)}.") from error

        return self._patience.ask(once, what)

    def _find(self, symbol: str) -> tuple[str, str]:
        """Return the exchange's spelling of a symbol, and ccxt's."""
        if self._markets is None:
            loaded = self._ask(
                lambda _: self._exchange.load_markets(), f"{self.name}, list of markets"
            )
            self._markets = {
                _spelling(each): each for each in loaded.values() if self._is_wanted(each)
            }
        markets = self._markets
        for spelling, each in markets.items():
            if symbol in (spelling, each["id"], each["symbol"]):
                return spelling, each["symbol"]
        pairs = {f"{each['base']}/{each['quote']}": name for name, each in markets.items()}
        spellings = list(markets)
        try:
            spelling = spellings[find_symbol(symbol, spellings)]
        except UnknownName:
            names = list(pairs)
            try:
                spelling = pairs[names[find_symbol(symbol, names)]]
            except UnknownName:
                raise UnknownName("symbol", symbol, spellings, f"of {self.name}") from None
        return spelling, markets[spelling]["symbol"]

    def _is_wanted(self, market: dict[str, Any]) -> bool:
        return all(market.get(flag) for flag in _MARKETS[self._market_type])

    def _after_nothing(self, unified: str, since_ns: int, interval_ns: int) -> int:
        """Return from where to go on after a page without news: past what is surely empty.

        A symbol that was listed years later has thousands of empty pages; days are asked first.
        """
        stride_ns = since_ns + self._shortest_page * interval_ns
        if interval_ns >= NS_PER_DAY or "1d" not in self.intervals:
            return stride_ns
        day_ns = since_ns - since_ns % NS_PER_DAY
        read = self._reader("candles")
        page = functools.partial(read, unified, "1d", day_ns // _NS_PER_MS)
        days = self._ask(page, f"{self.name}, days of {unified}")
        # The day of now may be missing among the days while its minutes are there.
        limit_ns = min(day_ns + self._shortest_page * NS_PER_DAY, self._now_ns() - 2 * NS_PER_DAY)
        opens = [row[0] * _NS_PER_MS for row in days if row[0] * _NS_PER_MS >= day_ns]
        next_ns = min([limit_ns, *opens])
        return max(stride_ns, next_ns - next_ns % NS_PER_DAY) if next_ns > since_ns else stride_ns


def _import_ccxt() -> Any:
    try:
        return importlib.import_module("ccxt")
    except ImportError as error:
        raise MissingExtra("ccxt", "download") from error


def _as_columns(
    rows: Sequence[Sequence[Any]], symbol: str, interval_ns: int, source: str
) -> CandleColumns:
    # A candle without any price is one that did not trade.
    traded = sorted((row for row in rows if any(row[1:5])), key=lambda row: int(row[0]))
    table = np.array([row[1:6] for row in traded], dtype=np.float64).reshape(-1, 5)
    volume = table[:, 4]
    return CandleColumns(
        symbol=symbol,
        time_ns=np.array([row[0] for row in traded], dtype=np.int64) * _NS_PER_MS,
        open=table[:, 0],
        high=table[:, 1],
        low=table[:, 2],
        close=table[:, 3],
        volume=None if np.isnan(volume).all() else volume,
        interval_ns=interval_ns,
        source=source,
    )


def _spelling(market: dict[str, Any]) -> str:
    # Kraken's id is XXBTZUSD where its files, its site and its users say XBTUSD.
    return str((market.get("info") or {}).get("altname") or market["id"])


def _has_length(name: str) -> bool:
    try:
        parse_interval(name)
    except ConfigError:
        return False
    return True


def _short(error: Exception) -> str:
    """Return the kind of an error and its first line: the rest may be a whole page of HTML."""
    lines = str(error).strip().splitlines()
    text = ": ".join([type(error).__name__, *lines[:1]])
    return text if len(text) <= 200 else f"{text[:200]}..."
