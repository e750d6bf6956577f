"""What one evaluation is told: data, agents, windows, and the physics that all of them share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from seq_gym.errors import ConfigError
from seq_gym.market.store import is_store_name
from seq_gym.sandbox.params import SandboxParams
from seq_gym.times import parse_interval, parse_time

__all__ = ["NUMBERS_LEFT_OUT", "EvaluateConfig"]

STARTING_BALANCE = 100_000.0

NUMBERS_LEFT_OUT = ("out", "output", "workers")
"""Fields that change no number."""


def _physics() -> SandboxParams:
    return SandboxParams(
        starting_balance=STARTING_BALANCE, execution="next_open", liquidate_on_complete=False
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateConfig:
    """An evaluation. Every agent of it trades the same windows under the same sandbox.

    Raises:
        ConfigError: A value breaks its rule.
    """

    env: str | None = None
    """Environment of policies; by default CandleTrading-v0 for one symbol, else Portfolio-v0."""
    data: tuple[str, ...] = ()
    """Candle files, folders, patterns, or `store`; by default the synthetic market of the seed."""
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
    agent: tuple[str, ...] = ()
    """Agent to run, repeatable: a built-in name, module:Name, file.py[:Name] or a run folder."""
    episodes: int | None = None
    """Episodes of each agent; by default 10 random windows, or all sequential ones."""
    episode_steps: int | None = None
    """Steps of an episode; by default 1440, or fewer where that many windows do not fit."""
    window: Literal["random", "sequential", "full"] = "random"
    """Disjoint random windows, windows side by side, or all the data in one."""
    warm_up: int | None = None
    """Candles before the first window that agents may read; by default 256, a tenth of short data,
    and at least what an observation needs."""
    candles_per_step: int = 1
    """Candles between two decisions of an agent."""
    seed: int = 42
    """Seed of everything random: windows, the synthetic market, the random baseline, intervals."""
    capital: float | None = None
    """Starting cash of an episode, by default 100000; short for sandbox.starting_balance."""
    workers: int = 1
    """Processes; the results are the same for any number."""
    out: str = "runs"
    """Folder in which the run folder is made."""
    output: Literal["text", "json"] = "text"
    """What is printed: tables, or one JSON document."""
    env_settings: dict[str, Any] = field(default_factory=dict)
    """Other keyword arguments of the environment: action, features, look_back, ..."""
    sandbox: SandboxParams = field(default_factory=_physics)
    """The physics: account, execution, triggers, fees, slippage, limits."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "symbols", _split(self.symbols))
        for name in ("episodes", "episode_steps", "candles_per_step", "workers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1; was {value}.")
        if self.warm_up is not None and self.warm_up < 0:
            raise ConfigError(f"warm_up must be at least 0; was {self.warm_up}.")
        if not 0 <= self.seed < 1 << 63:
            raise ConfigError(f"seed must be from 0 to 2^63 - 1; was {self.seed}.")
        self._settle_capital()
        self._check_times()
        self._check_window()
        _ = self.funding_files, self.mark_files

    def _settle_capital(self) -> None:
        """Fold the shorthand into the sandbox, so that one field says it."""
        if self.capital is None:
            return
        balance = self.sandbox.starting_balance
        if balance not in (STARTING_BALANCE, self.capital):
            raise ConfigError(
                f"capital and sandbox.starting_balance must agree; were {self.capital:g} and "
                f"{balance:g}. Likely fix: leave one of them out."
            )
        sandbox = replace(self.sandbox, starting_balance=float(self.capital))
        object.__setattr__(self, "sandbox", sandbox)
        object.__setattr__(self, "capital", None)

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

    def _check_window(self) -> None:
        if self.window == "full" and self.episodes not in (None, 1):
            raise ConfigError(
                f"episodes must be 1 with window 'full'; was {self.episodes}. "
                "Likely fix: window 'sequential' or 'random'."
            )
        if self.window == "full" and self.episode_steps is not None:
            raise ConfigError(
                "episode_steps must be left out with window 'full', which takes all the data; was "
                f"{self.episode_steps}. Likely fix: set start and end."
            )

    @property
    def funding_files(self) -> dict[str, str]:
        """The files of funding rates by symbol.

        Raises:
            ConfigError: One is not SYMBOL=FILE.
        """
        return _files_by_symbol("funding", self.funding or ())

    @property
    def mark_files(self) -> dict[str, str]:
        """The files of mark price candles by symbol.

        Raises:
            ConfigError: One is not SYMBOL=FILE.
        """
        return _files_by_symbol("mark", self.mark or ())

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


def _files_by_symbol(name: str, given: Sequence[str]) -> dict[str, str]:
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


def _split(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.strip() for each in names for name in each.split(",") if name.strip())


def _fitting(pattern: Path) -> list[str]:
    root = Path(pattern.anchor)
    return sorted(str(each) for each in root.glob(str(pattern.relative_to(pattern.anchor))))
