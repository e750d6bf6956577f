"""The options of the commands: one frozen dataclass each, a sentence under each field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from seq_gym.errors import ConfigError
from seq_gym.times import parse_interval, parse_time

__all__ = [
    "CoverageOptions",
    "DownloadOptions",
    "ImportOptions",
    "ListOptions",
    "ResampleOptions",
    "StoreOptions",
    "VerifyOptions",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """What every command takes."""

    store: str | None = None
    """Folder of the store, or s3://bucket/prefix; by default what SIM_STORE, SIM_STORE_PATH and
    SIM_S3_BUCKET say, else ./data/sim."""
    output: Literal["text", "json"] = "text"
    """What is printed: text, or one JSON document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions(StoreOptions):
    """`import`: files into the store.

    Raises:
        ConfigError: An option does not say what it must.
    """

    files: tuple[str, ...]
    """Files, folders or glob patterns."""
    symbol: str | None = None
    """Symbol of files that state none, neither inside nor in their name."""
    venue: str | None = None
    """Where it was traded, such as binance; by default what the format or the name tells."""
    interval: str | None = None
    """Length of a candle, such as 1m; needed where a file holds a single one, else found."""
    tz: str | None = None
    """Zone of times that state none, such as UTC or America/New_York."""
    columns: tuple[str, ...] = ()
    """Columns under other names, OURS=THEIRS by comma or space: time=ts,open=o. "column 0" is the
    first one of a file without names."""
    extra: tuple[str, ...] = ()
    """Columns to keep as custom features, by comma or space."""
    kind: Literal["candles", "funding", "mark", "book"] | None = None
    """What the files hold; by default found by content and name."""
    tick: str | None = None
    """Price step of recorded books; by default what they tell or show."""
    lot: str | None = None
    """Quantity step of recorded books; by default what they tell or show."""
    fix_clock: bool = False
    """Shift the clock of a recorder that was behind the venue's, by the least that puts no event
    before the venue sent it."""
    shift_ns: str | None = None
    """Shift that clock by this many nanoseconds instead."""
    on_conflict: Literal["error", "first", "last"] = "error"
    """Two different candles of one time, in a file or against the store: refuse all, keep the
    first (the stored one), or take the last (the new one)."""
    drop_bad: bool = False
    """Leave out rows that break a rule, and say how many, instead of refusing the import."""
    quiet: bool = False
    """Show neither progress nor the report of each file."""

    def __post_init__(self) -> None:
        _check(interval=self.interval, tick=self.tick, lot=self.lot, shift_ns=self.shift_ns)
        object.__setattr__(self, "extra", _split(self.extra))
        _ = self.column_names

    @property
    def column_names(self) -> dict[str, str]:
        """Column of the file by our name.

        Raises:
            ConfigError: One is not OURS=THEIRS.
        """
        named: dict[str, str] = {}
        for each in _split(self.columns):
            ours, equals, theirs = (part.strip() for part in each.partition("="))
            if not equals or not ours or not theirs:
                raise ConfigError(
                    f"columns must be OURS=THEIRS; was {each!r}. "
                    "Likely fix: write, for example, time=ts,open=o."
                )
            if ours in named:
                raise ConfigError(
                    f"columns must name {ours} once; was {named[ours]!r} and {theirs!r}."
                )
            named[ours] = theirs
        return named


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions(StoreOptions):
    """`ls`: what the store holds."""

    symbol: str | None = None
    """Only this symbol, in any spelling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageOptions(StoreOptions):
    """`coverage`: how dense each month is, what recordings cover, and the gaps."""

    symbol: str | None = None
    """Only this symbol, in any spelling."""
    venue: str | None = None
    """Only this venue."""
    interval: str | None = None
    """Only candles of this length."""

    def __post_init__(self) -> None:
        _check(interval=self.interval)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResampleOptions(StoreOptions):
    """`resample`: coarser candles from finer ones, or from prints, as a table of their own.

    Raises:
        ConfigError: An option does not say what it must.
    """

    symbols: tuple[str, ...]
    """Symbols, in any spelling."""
    to: str
    """Length of the candles to make, such as 1h."""
    venue: str | None = None
    """Venue, where the store has a symbol at several."""
    on_conflict: Literal["error", "first", "last"] = "error"
    """Where the store has such a candle that differs: refuse, keep that one, or replace it."""

    def __post_init__(self) -> None:
        _check(to=self.to)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions(StoreOptions):
    """`verify`: read everything and compare it with its fingerprint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadOptions(StoreOptions):
    """`download`: candles from an archive or an exchange into the store.

    Raises:
        ConfigError: An option does not say what it must.
    """

    symbols: tuple[str, ...]
    """Symbols, in any spelling."""
    source: str = "binance-archive"
    """binance-archive, or ccxt: and an exchange, such as ccxt:kraken (needs the extra download)."""
    interval: str = "1m"
    """Length of a candle."""
    start: str
    """First instant."""
    end: str | None = None
    """Last instant; a date includes that day. By default now."""
    market: Literal["spot", "um", "cm"] = "spot"
    """Spot, or futures margined in USDT (um) or in coin (cm)."""
    kind: Literal["candles", "funding", "mark"] = "candles"
    """Candles, funding rates, or candles of the mark price."""
    on_conflict: Literal["error", "first", "last"] = "error"
    """Where a candle differs from the stored one: refuse, keep the stored one, take the new one."""
    base_url: str | None = None
    """Address of an archive with the same naming; https, or http on this machine."""
    keep: str | None = None
    """Folder in which the files of an archive are kept, and found again."""
    quiet: bool = False
    """Show no progress."""

    def __post_init__(self) -> None:
        _check(interval=self.interval, start=self.start, end=self.end)
        if self.is_archive or (self.source.partition(":")[0] == "ccxt" and ":" in self.source):
            return
        raise ConfigError(
            "source must be binance-archive, or ccxt: and an exchange, such as ccxt:kraken; was "
            f"{self.source!r}."
        )

    @property
    def is_archive(self) -> bool:
        """The source is the public archive."""
        return self.source == "binance-archive"


def _split(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.strip() for each in names for name in each.split(",") if name.strip())


def _check(**texts: str | None) -> None:
    """Read what is read later again, so that an error says which option it is about."""
    for name, text in texts.items():
        if text is None:
            continue
        try:
            if name in ("start", "end"):
                parse_time(text, end=name == "end")
            elif name in ("tick", "lot"):
                _refuse_no_step(text)
            elif name == "shift_ns":
                _refuse_no_whole_number(text)
            else:
                parse_interval(text)
        except ConfigError as error:
            raise ConfigError(f"{name}: {error}") from None


def _refuse_no_step(text: str) -> None:
    try:
        is_step = 0 < float(text) < float("inf")
    except ValueError:
        is_step = False
    if not is_step:
        raise ConfigError(f"A step must be a number above 0, such as 0.01; was {text!r}.")


def _refuse_no_whole_number(text: str) -> None:
    if not text.removeprefix("-").isdecimal():
        raise ConfigError(f"A shift must be whole nanoseconds, such as 1270000000; was {text!r}.")
