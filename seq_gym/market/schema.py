"""Find the candle columns of a frame, and turn times and numbers into what CandleColumns hold.

Source: spec C1, C7.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl

from seq_gym.errors import ConfigError, MarketDataError, UnknownName
from seq_gym.market.columns import PRICE_NAMES, CandleColumns, FloatArray, IntArray
from seq_gym.market.funding import FundingRates
from seq_gym.market.sources import Source
from seq_gym.market.stamps import read_times

__all__ = ["Reading", "read_candles", "read_funding"]

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "time": ("open_time", "ts", "timestamp", "unix", "time", "datetime", "date"),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close",),
    "volume": ("volume", "vol"),
    "quote_volume": ("quote_volume", "quote_asset_volume"),
    "symbol": ("symbol",),
}
_OPTIONAL: Final = ("volume", "quote_volume", "symbol")
_FUNDING_TIMES: Final = ("calc_time", "funding_time", *_NAMES["time"])
_FUNDING_RATES: Final = ("funding_rate", "last_funding_rate", "rate", "open")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How to read the columns of a source."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Column of the source by our name: time, open, high, low, close, volume, ..."""
    extra: Sequence[str] = ()
    """Columns to keep as custom features, known at the candle's close."""
    tz: str | None = None
    """Zone of times that state none; None = UTC for datetimes, refused for text."""

    def __post_init__(self) -> None:
        for name in self.columns:
            if name not in _NAMES:
                raise UnknownName("candle column", name, _NAMES)


def read_candles(source: Source, reading: Reading) -> Iterator[tuple[str | None, CandleColumns]]:
    """Read the candles of a source, one table per symbol that it states.

    Yields:
        The symbol that the rows state, or None; and the rows, with "" as their symbol then.

    Raises:
        UnknownName: A column that was named is not there.
        MarketDataError: A column is missing, or a value is not a number or a time.
    """
    found = _find_columns(source, reading)
    wanted = list(dict.fromkeys([*found.values(), *reading.extra]))
    rows = _collect(source, wanted).with_row_index("row number", offset=source.first_row)
    if "symbol" not in found:
        yield None, _to_columns(rows, found, source, reading, "")
        return
    named = rows.with_columns(pl.col(found["symbol"]).cast(pl.String).str.strip_chars())
    for part in named.partition_by(found["symbol"], maintain_order=True):
        symbol = part[found["symbol"]][0]
        if not symbol:
            raise MarketDataError(
                f"{source.name}, {_word(source)} {part['row number'][0]}: a row must state its "
                f"symbol; was {symbol!r}."
            )
        yield symbol, _to_columns(part, found, source, reading, symbol)


def read_funding(source: Source, tz: str | None = None) -> FundingRates:
    """Read stamps and rates of funding.

    Raises:
        MarketDataError: There is no column of times or of rates.

    Source: M5, C7.
    """
    names = source.rows.collect_schema().names()
    time = _pick(names, _FUNDING_TIMES)
    rate = _pick(names, _FUNDING_RATES)
    if time is None or rate is None:
        missing = _FUNDING_TIMES if time is None else _FUNDING_RATES
        raise MarketDataError(
            f"{source.name}: funding must have one of the columns {', '.join(missing)}; "
            f"has {', '.join(names)}."
        )
    rows = _collect(source, [time, rate]).with_row_index("row number", offset=source.first_row)
    stamps = read_times(rows, time, source.name, _word(source), tz)
    return FundingRates(stamps, _numbers(rows, rate, source), source.name)


def _find_columns(source: Source, reading: Reading) -> dict[str, str]:
    """Map our names to the source's columns; those that were named come first."""
    names = source.rows.collect_schema().names()
    for named in (*reading.columns.values(), *reading.extra):
        if named not in names:
            raise UnknownName("column", named, names, f"in {source.name}")
    found: dict[str, str] = {}
    for ours, usual in _NAMES.items():
        column = reading.columns.get(ours) or _pick(names, usual)
        if column is not None:
            found[ours] = column
        elif ours not in _OPTIONAL:
            raise MarketDataError(
                f"{source.name}: candles must have a column for {ours} "
                f"({' or '.join(usual)}, any case); has {', '.join(names)}. "
                f"Name it: columns={{{ours!r}: '...'}}."
            )
    return found


def _pick(names: Sequence[str], usual: Sequence[str]) -> str | None:
    plain = {_plain(name): name for name in reversed(names)}
    return next((plain[_plain(name)] for name in usual if _plain(name) in plain), None)


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "").replace("_", "")


def _collect(source: Source, names: Sequence[str]) -> pl.DataFrame:
    try:
        return source.rows.select(names).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise MarketDataError(f"{source.name} cannot be read: {error}") from error


def _to_columns(
    rows: pl.DataFrame, found: Mapping[str, str], source: Source, reading: Reading, symbol: str
) -> CandleColumns:
    numbers = {
        ours: _numbers(rows, found[ours], source)
        for ours in (*PRICE_NAMES, "volume", "quote_volume")
        if ours in found
    }
    return CandleColumns(
        symbol=symbol,
        time_ns=_times(rows, found["time"], source, reading.tz),
        open=numbers["open"],
        high=numbers["high"],
        low=numbers["low"],
        close=numbers["close"],
        volume=numbers.get("volume"),
        quote_volume=numbers.get("quote_volume"),
        extra={name: _numbers(rows, name, source) for name in reading.extra},
        source=source.name,
        row_numbers=rows["row number"].cast(pl.Int64).to_numpy(),
        row_word=_word(source),
    )


def _times(rows: pl.DataFrame, name: str, source: Source, tz: str | None) -> IntArray:
    return read_times(rows, name, source.name, _word(source), tz)


def _numbers(rows: pl.DataFrame, name: str, source: Source) -> FloatArray:
    column = rows[name]
    if column.dtype == pl.String:
        column = _numbers_of_text(column, rows, source)
    elif not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null)):
        raise ConfigError(f"{source.name}: {name} must hold numbers; was {column.dtype}.")
    numbers = column.cast(pl.Float64)
    # What is missing is NaN: the rules of C7 name the row.
    return np.asarray(numbers.fill_null(float("nan")).to_numpy(), dtype=np.float64)


def _numbers_of_text(text: pl.Series, rows: pl.DataFrame, source: Source) -> pl.Series:
    text = text.str.strip_chars()
    numbers = text.cast(pl.Float64, strict=False)
    lost = numbers.is_null() & text.is_not_null() & (text != "")
    if lost.any():
        row = int(lost.arg_max() or 0)
        raise MarketDataError(
            f"{source.name}, {_word(source)} {rows['row number'][row]}: {text.name} must be a "
            f"number; was {text[row]!r}."
        )
    return numbers


def _word(source: Source) -> str:
    return "line" if source.is_text else "row"
