"""The data of a run: which candles it is told to take, and how they are loaded."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq_gym.errors import ConfigError
from seq_gym.market import CandleSeries, load_candles, synthetic_candles
from seq_gym.market.store import is_store_name, store_of
from seq_gym.times import parse_interval, parse_time

__all__ = [
    "DATA_FIELDS",
    "MarketChoice",
    "files_by_symbol",
    "load_market",
    "refuse_missing",
    "source_of",
    "split_names",
]

SYNTHETIC_SYMBOLS = ("BTCUSDT", "ETHUSDT")
SYNTHETIC_CANDLES = 43_200
SYNTHETIC_START = "2025-01-01"

DATA_FIELDS = ("data", "symbols", "interval", "start", "end", "tz", "funding", "mark")
"""Fields of a MarketChoice, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketChoice:
    """Which candles a run takes: the fields that its config has for them.

    Raises:
        ConfigError: A value breaks its rule.
    """

    data: tuple[str, ...] = ()
    """Candle files, folders, glob patterns or `store`; by default the synthetic market of the
    seed."""
    symbols: tuple[str, ...] = ()
    """Symbols to trade, by comma or space; by default all of the data (BTCUSDT,ETHUSDT made up)."""
    interval: str | None = None
    """Length of a candle, such as 1m or 1h; by default the finest of the data (1m made up)."""
    start: str | None = None
    """First instant of the data."""
    end: str | None = None
    """Last instant of the data; a date includes that day."""
    tz: str | None = None
    """Zone of the data's times that state none, such as UTC; without it such text is refused."""
    funding: tuple[str, ...] | None = None
    """Funding rates of perpetuals, SYMBOL=FILE each; margin accounts pay them."""
    mark: tuple[str, ...] | None = None
    """Mark price candles of perpetuals, SYMBOL=FILE each; funding is paid on them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "symbols", split_names(self.symbols))
        self._check_times()
        _ = self.funding_files, self.mark_files

    def _check_times(self) -> None:
        """Read what is read later again, so that an error says which field it is about."""
        readers: dict[str, Callable[[Any], int]]
        readers = {"start": parse_time, "end": parse_time, "interval": parse_interval}
        for name, read in readers.items():
            value = getattr(self, name)
            if value is None:
                continue
            try:
                read(value)
            except ConfigError as error:
                raise ConfigError(f"{name}: {error}") from None

    @property
    def funding_files(self) -> dict[str, str]:
        """The files of funding rates by symbol.

        Raises:
            ConfigError: One is not SYMBOL=FILE.
        """
        return files_by_symbol("funding", self.funding or ())

    @property
    def mark_files(self) -> dict[str, str]:
        """The files of mark price candles by symbol.

        Raises:
            ConfigError: One is not SYMBOL=FILE.
        """
        return files_by_symbol("mark", self.mark or ())

    @property
    def paths(self) -> tuple[str, ...]:
        """The data with its glob patterns expanded, sorted within each.

        Raises:
            ConfigError: A pattern fits no file.
        """
        found: list[str] = []
        for pattern in self.data:
            is_pattern = any(mark in pattern for mark in "*?[") and not is_store_name(pattern)
            names = _fitting(Path(pattern)) if is_pattern else [pattern]
            if not names:
                raise ConfigError(f"data must name files that exist; no file fits {pattern!r}.")
            found += names
        return tuple(found)


def load_market(config: MarketChoice, seed: int) -> CandleSeries:
    """Return the candles of a run; without data, the synthetic market of the seed.

    Raises:
        ConfigError: Symbols, times or files are not what they must be.
        MarketDataError: The data breaks a rule; the message names file, row and time.
    """
    if not config.data:
        _refuse_file_words(config)
        return _synthetic(config, seed)
    paths = config.paths
    if len(paths) > 1 or store_of(paths[0]) is None:
        refuse_missing("data", paths)
    refuse_missing("funding", config.funding_files.values())
    refuse_missing("mark", config.mark_files.values())
    return load_candles(
        paths[0] if len(paths) == 1 else list(paths),
        symbols=list(config.symbols) or None,
        interval=config.interval,
        start=config.start,
        end=config.end,
        tz=config.tz,
        funding=config.funding_files,
        mark=config.mark_files,
    )


def source_of(data: Sequence[str], seed: int, kind: str = "market") -> str:
    """Say in words where data comes from.

    Args:
        data: What a run names; nothing is the synthetic one.
        seed: Of the synthetic one.
        kind: "market" of candles, or "book".
    """
    if not data:
        return f"synthetic {kind} of seed {seed}"
    first, *others = data
    return f"{first} and {len(others)} more" if others else first


def _refuse_file_words(config: MarketChoice) -> None:
    """Refuse what says how files are to be read where no file is."""
    for name in ("tz", "funding", "mark"):
        value = getattr(config, name)
        if value:
            raise ConfigError(
                f"{name} must be left out without data, which it belongs to; was {value!r}. "
                "Likely fix: name files in data."
            )


def refuse_missing(name: str, paths: Iterable[str]) -> None:
    """Refuse paths where there is nothing, with the near miss.

    Raises:
        ConfigError: One is not there.
    """
    for path in map(Path, paths):
        if not path.exists():
            siblings = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else ()
            close = difflib.get_close_matches(path.name, siblings, n=1)
            hint = f" Did you mean {str(path.parent / close[0])!r}?" if close else ""
            raise ConfigError(
                f"{name} must name files that exist; there is no {str(path)!r}.{hint}"
            )


def _synthetic(config: MarketChoice, seed: int) -> CandleSeries:
    interval = config.interval or "1m"
    start = config.start or SYNTHETIC_START
    num_candles = SYNTHETIC_CANDLES
    if config.end is not None:
        span = parse_time(config.end, end=True) - parse_time(start)
        num_candles = span // parse_interval(interval)
        if num_candles < 1:
            raise ConfigError(
                f"end must be after start; were {config.end} and {start}. "
                "Likely fix: change one of them."
            )
    return synthetic_candles(
        config.symbols or SYNTHETIC_SYMBOLS,
        interval,
        start,
        num_candles=num_candles,
        seed=seed,
    )


def files_by_symbol(name: str, given: Sequence[str]) -> dict[str, str]:
    """Return the files of a field by symbol.

    Args:
        name: The field.
        given: SYMBOL=FILE each.

    Raises:
        ConfigError: One is not.
    """
    files = {}
    for each in given:
        symbol, _, file = (part.strip() for part in each.partition("="))
        if not symbol or not file:
            raise ConfigError(
                f"{name} must be SYMBOL=FILE; was {each!r}. "
                f"Likely fix: write, for example, BTCUSDT=BTCUSDT-{name}.parquet."
            )
        files[symbol] = file
    return files


def split_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return names that were written by comma or one by one."""
    return tuple(name.strip() for each in names for name in each.split(",") if name.strip())


def _fitting(pattern: Path) -> list[str]:
    root = Path(pattern.anchor)
    return sorted(str(each) for each in root.glob(str(pattern.relative_to(pattern.anchor))))
