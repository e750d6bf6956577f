"""Where data comes from: paths, folders, frames of other libraries; and what names tell.

Files are read by `importers`, by their content.
"""

from __future__ import annotations

import os
import re
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import polars as pl

from seq_gym.errors import ConfigError, MarketDataError, UnknownName
from seq_gym.market.instruments import KNOWN_QUOTES, split_symbol

__all__ = ["expand_paths", "frame_of", "is_frame", "is_path", "symbol_in_name"]

_FORMATS: Final = (
    *(".parquet", ".pq", ".feather", ".ipc", ".arrow"),
    *(".csv", ".csv.gz", ".tsv", ".json", ".json.gz", ".zip"),
)
"""Endings of the files of a folder that are read; a file that is named is read by its content."""

_JSON_ROWS: Final = re.compile(rb"\[\s*[\[{]")


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
        UnknownName: There is no such file, and its ending is of no format.
    """
    path = Path(data)
    if not path.is_dir():
        if not path.is_file() and _suffix(path) not in _FORMATS:
            raise UnknownName("file format", _suffix(path) or path.name, _FORMATS)
        return [path]
    files = sorted(p for p in path.rglob("*") if p.is_file() and _is_candle_file(p))
    if not files:
        raise MarketDataError(
            f"A folder of candles must hold files of {', '.join(_FORMATS)}; {path} has none."
        )
    return files


def frame_of(data: Any) -> tuple[pl.LazyFrame, str]:
    """Return a frame of polars, pandas or Arrow as a lazy one, and how messages name it.

    Raises:
        ConfigError: The data is no frame.
    """
    if not is_frame(data):
        raise ConfigError(
            "Candles must be a path, a polars, pandas or Arrow frame, a mapping of symbols to "
            f"those, or a CandleSeries; was {type(data).__name__}."
        )
    return _frame(data).lazy(), f"{_library(data)} frame"


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


def _is_candle_file(path: Path) -> bool:
    suffix = _suffix(path)
    if suffix != ".json":
        return suffix in _FORMATS
    # Folders hold JSON of many kinds, such as settings and manifests; rows are a list of lists.
    with path.open("rb") as file:
        return _JSON_ROWS.search(file.read(4096)) is not None


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


def _suffix(path: Path) -> str:
    return "".join(path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:]).lower()


def _looks_like_symbol(word: str) -> bool:
    base, quote = split_symbol(word) if word else ("", "")
    return bool(quote) and _looks_like_base(base) and word in (word.upper(), word.lower())


def _looks_like_base(word: str) -> bool:
    return 2 <= len(word) <= 10 and word.isupper() and not word.isdigit()
