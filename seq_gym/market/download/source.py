"""What a source of candles must offer, so that a download need not know whose it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol, TypeAlias

from seq_gym.errors import UnknownName
from seq_gym.market.columns import CandleColumns
from seq_gym.market.funding import FundingRates
from seq_gym.times import format_interval, parse_interval

__all__ = ["CandleKind", "Source", "finished_before", "named_interval"]

CandleKind: TypeAlias = Literal["candles", "mark"]
"""Candles of trades, or of the mark price."""

_SETTLE_NS = 5_000_000_000
"""A candle counts as finished this long after its close: clocks differ, and venues write late."""


class Source(Protocol):
    """A venue, or an archive of one, that candles can be asked of, page by page.

    Any object with these members is a source. Pages come in time order, overlap nowhere, and hold
    finished candles only; asking again from a later time resumes.
    """

    @property
    def name(self) -> str:
        """What reports and messages call it, such as "ccxt:kraken"."""

    @property
    def venue(self) -> str:
        """Where the candles were traded, such as "kraken"."""

    @property
    def intervals(self) -> tuple[str, ...]:
        """Lengths of candle that it has, such as ("1m", "1h")."""

    @property
    def absent(self) -> list[str]:
        """What was asked for and is not there, in the order it was missed; grows with the pages."""

    def spelling(self, symbol: str) -> str:
        """Return the venue's own spelling of a symbol.

        Raises:
            UnknownName: The venue has no such symbol.
        """

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

        Args:
            symbol: The symbol, in any spelling.
            interval_ns: Length of a candle, one of `intervals`.
            start_ns: Earliest open time, UNIX nanoseconds.
            end_ns: Latest close time, UNIX nanoseconds.
            kind: Candles of trades, or of the mark price.

        Raises:
            ConfigError: The source has no such symbol, interval or kind.
            DownloadError: The source cannot be reached, or sent what it must not.
        """

    def funding(self, symbol: str, *, start_ns: int, end_ns: int) -> Iterator[FundingRates]:
        """Yield the funding rates stamped from start to end, both included.

        Raises:
            ConfigError: The source has no funding rates, or no such symbol.
            DownloadError: The source cannot be reached, or sent what it must not.
        """


def finished_before(end_ns: int, interval_ns: int, now_ns: int) -> int:
    """Return the latest close time of a candle that is finished, and closes by an end.

    Args:
        end_ns: Latest close time wanted, UNIX nanoseconds.
        interval_ns: Length of a candle.
        now_ns: The present, UNIX nanoseconds.

    >>> finished_before(10**18, 60 * 10**9, 600 * 10**9 + 1)
    540000000000
    """
    latest = min(end_ns, now_ns - _SETTLE_NS)
    return latest - latest % interval_ns


def named_interval(interval_ns: int, known: tuple[str, ...], source: str) -> str:
    """Return the name among the known ones that an interval has at a source.

    Raises:
        UnknownName: The source has no candles of that length.
    """
    for name in known:
        if parse_interval(name) == interval_ns:
            return name
    raise UnknownName("interval", format_interval(interval_ns), known, f"of {source}")
