"""Read a file or a frame of another library into a polars frame; say what it is, judge nothing.

Formats: Parquet, Feather / Arrow IPC, CSV. Columns of a CSV file without a header line are those of
Binance klines where there are twelve, else "column 0", "column 1" and so on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl

from seq_gym.errors import ConfigError, MarketDataError, UnknownName
from seq_gym.market.instruments import KNOWN_QUOTES, split_symbol

__all__ = ["Source", "expand_paths", "is_frame", "is_path", "open_source", "symbol_in_name"]

KLINE_COLUMNS: Final = (
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "ignore",
)
"""Columns of a Binance kline file, which has no header line before 2025 and on the spot market."""

_READERS: Final[dict[str, Callable[..., pl.LazyFrame]]] = {
    ".parquet": pl.scan_parquet,
    ".pq": pl.scan_parquet,
    ".feather": pl.scan_ipc,
    ".ipc": pl.scan_ipc,
    ".arrow": pl.scan_ipc,
}
_TEXT: Final = (".csv", ".csv.gz")
_FORMATS: Final = (*_READERS, *_TEXT)
_NUMBER: Final = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


class Source(NamedTuple):
    """Rows as they are, and how to name them in messages."""

    rows: pl.LazyFrame
    name: str
    """File name, or the kind of frame."""
    symbol: str | None
    """Symbol in the file's name or folder, if any."""
    is_text: bool
    """A text file: every column is a string, and rows have lines."""
    first_row: int
    """Number of the first row: its line in a text file, else 0."""


def is_path(data: object) -> bool:
    """Tell whether this names a file or folder."""
    return isinstance(data, str | os.PathLike)


def is_frame(data: object) -> bool:
    """Tell whether this is a frame of polars, pandas or Arrow, importing none of them."""
    return (
        isinstance(data, pl.DataFrame | pl.LazyFrame)
        or _library(data) == "pandas"
        or hasattr(data, "__arrow_c_stream__")
    )


def expand_paths(data: str | os.PathLike[str]) -> list[Path]:
    """Return the file, or the candle files of the folder and its folders, sorted.

    Raises:
        MarketDataError: There is no such file, or none in the folder.
    """
    path = Path(data)
    if not path.is_dir():
        return [path]
    files = sorted(p for p in path.rglob("*") if p.is_file() and _suffix(p) in _FORMATS)
    if not files:
        raise MarketDataError(
            f"A folder of candles must hold files of {', '.join(_FORMATS)}; {path} has none."
        )
    return files


def open_source(data: Any) -> Source:
    """Open a file or a frame without reading more than its beginning.

    Args:
        data: A path, or a frame of polars, pandas or Arrow.

    Raises:
        MarketDataError: The file is not there or cannot be read.
        UnknownName: The file's format is not known.
        ConfigError: The data is neither a path nor a frame.
    """
    if is_path(data):
        return _open_file(Path(data))
    if not is_frame(data):
        raise ConfigError(
            "Candles must be a path, a polars, pandas or Arrow frame, a mapping of symbols to "
            f"those, or a CandleSeries; was {type(data).__name__}."
        )
    return Source(_frame(data).lazy(), f"{_library(data)} frame", None, False, 0)


def symbol_in_name(path: Path) -> str | None:
    """Recognise the one symbol in a file's name, or in a folder named ``symbol=...``.

    >>> symbol_in_name(Path("binance_spot_BTCUSDT_1m_2025-05_2025-08.parquet"))
    'BTCUSDT'
    >>> symbol_in_name(Path("BTC_USDT-1m.feather"))
    'BTCUSDT'
    """
    for part in reversed(path.parts[:-1]):
        if part.startswith("symbol="):
            return part.removeprefix("symbol=")
    words = re.split(r"[^A-Za-z0-9]+", path.name)
    found = {word.upper() for word in words if _looks_like_symbol(word)}
    found |= {
        base + quote
        for base, quote in pairwise(words)
        if quote in KNOWN_QUOTES and _looks_like_base(base) and base != quote
    }
    return found.pop() if len(found) == 1 else None


def _open_file(path: Path) -> Source:
    suffix = _suffix(path)
    if suffix not in _FORMATS:
        raise UnknownName("file format", suffix or path.name, _FORMATS)
    if not path.is_file():
        raise MarketDataError(f"A candle file must exist; {path} does not.")
    symbol = symbol_in_name(path)
    try:
        if suffix in _TEXT:
            rows, first_line = _read_text(path)
            return Source(rows, path.name, symbol, True, first_line)
        rows = _READERS[suffix](path)
        rows.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise MarketDataError(
            f"{path.name} cannot be read as {suffix}: {_first_line(error)}"
        ) from error
    return Source(rows, path.name, symbol, False, 0)


def _read_text(path: Path) -> tuple[pl.LazyFrame, int]:
    # As strings: what is a number, and in which row it is not, is for the reader of the columns.
    rows = pl.read_csv(path, has_header=False, infer_schema=False)
    if rows.is_empty():
        raise MarketDataError(f"{path.name} must have rows; was empty.")
    header = [str(cell or "").strip() for cell in rows.row(0)]
    has_header = not any(_NUMBER.fullmatch(cell) for cell in header)
    if has_header:
        names = _distinct(header)
    elif len(header) == len(KLINE_COLUMNS):
        names = list(KLINE_COLUMNS)
    else:
        names = [f"column {position}" for position in range(len(header))]
    named = rows.rename(dict(zip(rows.columns, names, strict=True)))
    return named[int(has_header) :].lazy(), 1 + int(has_header)


def _distinct(header: Iterable[str]) -> list[str]:
    """Name columns without a name, or with one that was used before, by their position."""
    named: list[str] = []
    for position, name in enumerate(header):
        named.append(name if name and name not in named else f"column {position}")
    return named


def _frame(data: Any) -> pl.DataFrame | pl.LazyFrame:
    if isinstance(data, pl.DataFrame | pl.LazyFrame):
        return data
    if _library(data) == "pandas":
        return pl.DataFrame(_with_index(data))
    return pl.DataFrame(data)


def _with_index(data: Any) -> Any:
    """Turn the index of a pandas frame into columns, where it holds data."""
    if type(data.index).__name__ == "RangeIndex" and data.index.name is None:
        return data
    unnamed = data.index.nlevels == 1 and data.index.name is None
    if not unnamed:
        return data.reset_index()
    if type(data.index).__name__ != "DatetimeIndex":
        return data.reset_index(drop=True)
    return data.rename_axis("time").reset_index()


def _library(data: object) -> str:
    return type(data).__module__.partition(".")[0]


def _first_line(error: Exception) -> str:
    """Leave out a library's advice about its own arguments."""
    return str(error).partition("\n")[0]


def _suffix(path: Path) -> str:
    return "".join(path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:]).lower()


def _looks_like_symbol(word: str) -> bool:
    base, quote = split_symbol(word) if word else ("", "")
    return bool(quote) and _looks_like_base(base) and word in (word.upper(), word.lower())


def _looks_like_base(word: str) -> bool:
    return 2 <= len(word) <= 10 and word.isupper() and not word.isdigit()
