"""What a backtest is told: what to replay, who trades, under which physics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final, Literal

from seq_gym.config import with_overrides
from seq_gym.errors import ConfigError
from seq_gym.runs.book_market import check_steps
from seq_gym.runs.market import files_by_symbol
from seq_gym.sandbox.book.params import BookParams
from seq_gym.sandbox.params import SandboxParams
from seq_gym.times import parse_time

__all__ = [
    "BacktestOptions",
    "book_physics",
    "candle_physics",
    "names_of",
    "refuse_later_options",
]

_OWN: Final = {
    "starting_balance": "--capital",
    "queue_model": "--queue-model",
    "latency_model": "--latency-model",
}
"""Fields of the physics that have an option of their own."""

_OF_BOOKS: Final = ("queue_model", "latency_model")


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestOptions:
    """A backtest: one strategy, one account, one window.

    Raises:
        ConfigError: A value breaks its rule.

    Source: S0-01 to S0-20, S3-39 to S3-51.
    """

    symbol: str | None = None
    """What is traded, such as BTC-USD; any spelling finds it, at every venue that has it."""
    start: str
    """First day, YYYY-MM-DD; a time of that day may follow, as in 2024-08-08T23:55:00Z."""
    end: str
    """Last day, included; or the instant before which it ends."""
    symbols: str | None = None
    """Several symbols by comma, such as BTC-USD,ETH-USD; they take the place of SYMBOL."""
    capital: float = 100_000.0
    """Cash at the start, in the quote currency."""
    venue: str = "all"
    """Venues by comma, such as kraken,coinbase; all: every one that recorded the window."""
    seed: int = 42
    """Seed of every draw: latency, realism, the synthetic book."""
    queue_model: str = "probabilistic"
    """How cancels ahead of an order are guessed: none, probabilistic, aggressive, risk_averse,
    power1, power2, power3, log1 or log2. Of books."""
    latency_model: str = "per-venue"
    """What messages take: none, constant, log-normal or per-venue. Of books."""
    agent: str | None = None
    """Strategy to run: a built-in name (maker on books, trend on candles), module:Name or
    file.py[:Name]. By default that built-in."""
    data: tuple[str, ...] = ()
    """Recordings, a store, or `synthetic` for a book made up from the seed; by default the store
    that SIM_STORE, SIM_STORE_PATH and SIM_S3_BUCKET say, else ./data/sim."""
    funding: tuple[str, ...] | None = None
    """Funding rates of perpetuals, SYMBOL=FILE each, of books SYMBOL@VENUE=FILE too; by default
    those of the store. Margin accounts pay them."""
    tick: float | None = None
    """Price step of recordings that are named in data; by default what they tell or show."""
    lot: float | None = None
    """Quantity step of such recordings; by default what they tell or show."""
    fix_clock: bool = False
    """Shift the clock of recordings that are named in data by the least that puts no event before
    the venue sent it."""
    shift_ns: int | None = None
    """Shift that clock by this many nanoseconds instead."""
    scan_buffer_secs: int = 3_600
    """How far beyond the window the dates of the store are looked through for rows that were
    written late; nothing outside the window reaches the agent."""
    no_dedup: bool = False
    """Keep rows that several recordings of one book have."""
    set: tuple[str, ...] = ()
    """key=value, repeatable: any other field of the physics, such as fills=parity, account=margin,
    taker_fee_frac=0.0005, self_impact=true, latency.entry_ms=2 or risk.max_drawdown_pct=20."""
    output: Literal["text", "json"] = "text"
    """What is printed: aligned text; or a JSON object a line, one for each fill as it happens and
    one for the summary at the end."""
    no_save: bool = False
    """Save nothing; by default fills, orders and equity are saved as Parquet in a run folder."""
    out: str = "runs"
    """Folder in which the run folder is made."""

    def __post_init__(self) -> None:
        if not self.names:
            raise ConfigError(
                "SYMBOL, or --symbols, must be given. See python -m seq_gym.backtest --help."
            )
        if not self.venue.strip(", "):
            raise ConfigError(f"venue must name venues, or be all; was {self.venue!r}.")
        if not 0.0 < self.capital <= 1e18:
            raise ConfigError(f"capital must be a number above 0; was {self.capital!r}.")
        if not 0 <= self.seed < 1 << 63:
            raise ConfigError(f"seed must be from 0 to 2^63 - 1; was {self.seed}.")
        if not 0 <= self.scan_buffer_secs <= 10**9:
            raise ConfigError(f"scan_buffer_secs must be at least 0; was {self.scan_buffer_secs}.")
        check_steps(tick=self.tick, lot=self.lot)
        if self.latency_model == "recorded":
            raise ConfigError(
                "latency_model recorded cannot be used on the command line: its times are an "
                "array, BookSession.create(recorded_latency=...) of Python. Likely fix: "
                "--latency-model none, constant, log-normal or per-venue."
            )
        _ = self.funding_files
        self._check_window()
        for assignment in self.set:
            name = assignment.partition("=")[0].strip()
            if name in _OWN:
                raise ConfigError(
                    f"{name} must be left out of set; was {assignment!r}. Likely fix: {_OWN[name]}."
                )

    def _check_window(self) -> None:
        for name in ("start", "end"):
            try:
                parse_time(getattr(self, name), end=name == "end")
            except ConfigError as error:
                raise ConfigError(f"{name}: {error}") from None
        if self.end_ns <= self.start_ns:
            raise ConfigError(f"end must not be before start; were {self.end} and {self.start}.")

    @property
    def start_ns(self) -> int:
        """First instant, UNIX nanoseconds."""
        return parse_time(self.start)

    @property
    def end_ns(self) -> int:
        """The instant before which it ends; of a date the end of that day (C8)."""
        return parse_time(self.end, end=True)

    @property
    def funding_files(self) -> dict[str, str]:
        """The files of funding rates by symbol.

        Raises:
            ConfigError: One is not SYMBOL=FILE.
        """
        return files_by_symbol("funding", self.funding or ())

    @property
    def names(self) -> tuple[str, ...]:
        """Symbols as they were written."""
        return names_of(self.symbols if self.symbols is not None else self.symbol or "")

    @property
    def venues(self) -> tuple[str, ...] | None:
        """Venues as they were written; None: all."""
        found = names_of(self.venue)
        return None if any(each.lower() == "all" for each in found) else found


def names_of(text: str) -> tuple[str, ...]:
    """Return the names of a list by comma, each once.

    >>> names_of("BTC-USD, ETH-USD,")
    ('BTC-USD', 'ETH-USD')
    """
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def book_physics(options: BacktestOptions) -> BookParams:
    """Return the physics of a backtest on books.

    Raises:
        ConfigError: A field is not known, or has no such value.
    """
    models = [f"{name}={getattr(options, name)}" for name in _OF_BOOKS]
    params = BookParams(starting_balance=options.capital)
    return with_overrides(params, [*models, *options.set])


def candle_physics(options: BacktestOptions) -> SandboxParams:
    """Return the physics of a backtest on candles: orders fill at the next open.

    Raises:
        ConfigError: A field is not known or has no such value, or an option is of books.
    """
    for each in fields(options):
        value = getattr(options, each.name)
        if each.name in _OF_BOOKS and value != each.default:
            raise ConfigError(
                f"{each.name} must be left out on candles, which have no queues and no messages; "
                f"was {value!r}."
            )
    params = SandboxParams(starting_balance=options.capital, execution="next_open")
    return with_overrides(params, list(options.set))


def refuse_later_options(arguments: Sequence[str]) -> None:
    """Refuse options of the specification that this version does not have.

    Raises:
        ConfigError: One was given.

    Source: S0-09, S0-10.
    """
    for argument in arguments:
        name = argument.partition("=")[0].replace("_", "-")
        if name in ("--bundle", "--skip-build"):
            raise ConfigError(
                f"{name} must be left out: there are no bundles yet, and nothing is built; an "
                "agent is Python. Likely fix: --agent file.py."
            )
