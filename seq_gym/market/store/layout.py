"""Where a table lies in the store: hive-partitioned folders, one part file per month or year.

Books have one per recording and date.

```text
candles/interval=1m/symbol=BTCUSDT/venue=binance/2025-05.parquet
mark/interval=1h/symbol=BTCUSDT/venue=binance/2025-05.parquet
funding/symbol=BTCUSDT/venue=binance/2025.parquet
book/venue=binance/symbol=BTCUSDT/date=2024-08-08/1f0c8be71d2a4e96.parquet
```

Source: design.md, "The data store".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args
from urllib.parse import quote, unquote

import numpy as np

from seq_gym.errors import ConfigError, UnknownName
from seq_gym.market.columns import IntArray
from seq_gym.times import format_interval, parse_interval

__all__ = ["KINDS", "Kind", "TableKey", "is_nested", "manifest_patterns", "part_codes", "part_stem"]

Kind = Literal["candles", "mark", "funding", "book"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_LEVELS: Final = {
    "candles": ("interval", "symbol", "venue"),
    "mark": ("interval", "symbol", "venue"),
    "funding": ("symbol", "venue"),
    "book": ("venue", "symbol"),
}
"""What the folders below each kind name, the outermost first."""
_DATED: Final = "date="
"""Beginning of the folders in a book's folder: a day of its recordings each."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TableKey:
    """Names one table of the store.

    Raises:
        UnknownName: There is no such kind.
        ConfigError: Symbol or venue is empty, or the interval is stated for funding rates or books,
            or missing for the others.
    """

    kind: Kind
    """Candles, mark prices, funding rates, or a recorded book with its prints."""
    symbol: str
    """The venue's own spelling."""
    venue: str
    """Where it is traded."""
    interval_ns: int | None = None
    """Length of a candle; None for funding rates, which are stamps, and for books."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownName("table kind", self.kind, KINDS)
        for name in ("symbol", "venue"):
            if not getattr(self, name).strip():
                raise ConfigError(
                    f"A table of the store must have a {name}; was ''. Name it: {name}='...'."
                )
        if (self.interval_ns is None) != (self.kind in ("funding", "book")):
            raise ConfigError(
                "Candles and mark prices must have an interval, funding rates and books none; was "
                f"{self.interval_ns!r} for {self.kind}."
            )

    @property
    def interval(self) -> str | None:
        """The interval as text, such as "1m"; None for funding rates and books."""
        return None if self.interval_ns is None else format_interval(self.interval_ns)

    @property
    def folder(self) -> str:
        """The folder below the root of the store; values that a path cannot hold are encoded."""
        named = {"interval": self.interval, "symbol": self.symbol, "venue": self.venue}
        parts = [f"{name}={quote(named[name] or '', safe='')}" for name in _LEVELS[self.kind]]
        return "/".join([self.kind, *parts])

    @classmethod
    def of_folder(cls, folder: str) -> TableKey | None:
        """Read a folder's name; None where it is no table's."""
        kind, *parts = folder.split("/")
        named = {}
        for part in parts:
            name, _, value = part.partition("=")
            named[name] = unquote(value)
        if kind not in KINDS or tuple(named) != _LEVELS[kind]:
            return None
        interval = named.pop("interval", None)
        try:
            length = None if interval is None else parse_interval(interval)
            return cls(kind=kind, interval_ns=length, **named)
        except ConfigError:
            return None

    def __str__(self) -> str:
        length = f" {self.interval}" if self.interval else ""
        return f"{self.kind} of {self.symbol}{length} at {self.venue}"


def manifest_patterns(name: str) -> list[str]:
    """Return the patterns of the paths at which tables keep a file, such as their manifest.

    >>> manifest_patterns("x")
    ['candles/*/*/*/x', 'mark/*/*/*/x', 'funding/*/*/x', 'book/*/*/x']
    """
    return ["/".join([kind, *("*" for _ in levels), name]) for kind, levels in _LEVELS.items()]


def is_nested(file: str) -> bool:
    """Tell whether a path below a table's folder is that of a book's part."""
    folder, _, name = file.partition("/")
    return folder.startswith(_DATED) and bool(name) and "/" not in name


def part_codes(key: TableKey, times: IntArray) -> IntArray:
    """Number the part of each time: months since 1970, or years for funding rates.

    >>> funding = TableKey(kind="funding", symbol="BTCUSDT", venue="binance")
    >>> part_codes(funding, np.array([0, 400 * 86_400 * 10**9])).tolist()
    [0, 1]
    """
    unit = "M8[Y]" if key.kind == "funding" else "M8[M]"
    codes: IntArray = times.astype("M8[ns]").astype(unit).astype(np.int64)
    return codes


def part_stem(key: TableKey, code: int) -> str:
    """Name the part of a number.

    >>> part_stem(TableKey(kind="candles", symbol="A", venue="b", interval_ns=60), 664)
    '2025-05'
    """
    return str(np.datetime64(int(code), "Y" if key.kind == "funding" else "M"))
