"""What one evaluation is told: data, agents, windows, and the physics that all of them share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from seq_gym.errors import ConfigError
from seq_gym.runs.book_market import BookChoice, check_decisions
from seq_gym.runs.environment import book_env_physics, is_book_env
from seq_gym.runs.market import MarketChoice
from seq_gym.sandbox.book.params import BookParams
from seq_gym.sandbox.params import SandboxParams

__all__ = ["NUMBERS_LEFT_OUT", "EvaluateBookConfig", "EvaluateConfig", "RunChoice"]

STARTING_BALANCE = 100_000.0

NUMBERS_LEFT_OUT = ("out", "output", "workers")
"""Fields that change no number."""


# Not slotted: beside a base that has slots, a class may have no other that has.
@dataclass(frozen=True, kw_only=True)
class RunChoice:
    """What an evaluation is told whatever it trades: agents, windows, where results go.

    Raises:
        ConfigError: A value breaks its rule.
    """

    env: str | None = None
    """Environment of policies; by default CandleTrading-v0 for one symbol, else Portfolio-v0, and
    BookTrading-v0 where the data is a recorded book. One over books makes it a run on books."""
    agent: tuple[str, ...] = ()
    """Agent to run, repeatable: a built-in name, module:Name, file.py[:Name], a run folder, or the
    zip of a model, which is trusted by whoever passes it."""
    algo: str | None = None
    """Algorithm of the agents that are the zip of a model: ppo, a2c, dqn, sac or maskable_ppo."""
    vecnormalize: str | None = None
    """File that VecNormalize.save has written beside that zip; a pickle, trusted likewise."""
    allow_mismatch: bool = False
    """Take a trained agent into an environment that is not what it was trained in."""
    episodes: int | None = None
    """Episodes of each agent; by default 10 random windows, or all sequential ones."""
    episode_steps: int | None = None
    """Steps of an episode; by default 1440, or fewer where that many windows do not fit."""
    window: Literal["random", "sequential", "full"] = "random"
    """Disjoint random windows, windows side by side, or all the data in one."""
    seed: int = 42
    """Seed of everything random: windows, the synthetic market, the random baseline, intervals."""
    capital: float | None = None
    """Starting cash of an episode, by default 100000, or what the book environment has; short for
    sandbox.starting_balance."""
    workers: int = 1
    """Processes; the results are the same for any number."""
    out: str = "runs"
    """Folder in which the run folder is made."""
    output: Literal["text", "json"] = "text"
    """What is printed: tables, or one JSON document."""
    env_settings: dict[str, Any] = field(default_factory=dict)
    """Other keyword arguments of the environment: action, features, look_back, ..."""

    @property
    def cursors_per_step(self) -> int:
        """Cursors of the data in a step."""
        return 1

    @property
    def cursors(self) -> str:
        """What a cursor counts."""
        return "decisions"

    @property
    def usual_balance(self) -> float:
        """Starting cash where nobody says any."""
        return STARTING_BALANCE

    def _check(self) -> None:
        for name in ("episodes", "episode_steps", "workers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1; was {value}.")
        if not 0 <= self.seed < 1 << 63:
            raise ConfigError(f"seed must be from 0 to 2^63 - 1; was {self.seed}.")
        self._settle_capital()
        self._check_window()

    def _settle_capital(self) -> None:
        """Fold the shorthand into the sandbox, so that one field says it."""
        if self.capital is None:
            return
        physics: Any = getattr(self, "sandbox")  # noqa: B009  each kind of market has its own
        balance = physics.starting_balance
        if balance not in (self.usual_balance, self.capital):
            raise ConfigError(
                f"capital and sandbox.starting_balance must agree; were {self.capital:g} and "
                f"{balance:g}. Likely fix: leave one of them out."
            )
        sandbox = replace(physics, starting_balance=float(self.capital))
        object.__setattr__(self, "sandbox", sandbox)
        object.__setattr__(self, "capital", None)

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


def _physics() -> SandboxParams:
    return SandboxParams(
        starting_balance=STARTING_BALANCE, execution="next_open", liquidate_on_complete=False
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateConfig(RunChoice, MarketChoice):
    """An evaluation on candles. Every agent of it trades the same windows under the same sandbox.

    Raises:
        ConfigError: A value breaks its rule.
    """

    warm_up: int | None = None
    """Candles before the first window that agents may read; by default 256, a tenth of short data,
    and at least what an observation needs."""
    candles_per_step: int = 1
    """Candles between two decisions of an agent."""
    sandbox: SandboxParams = field(default_factory=_physics)
    """The physics: account, execution, triggers, fees, slippage, limits."""

    @property
    def cursors_per_step(self) -> int:
        """Candles in a step."""
        return self.candles_per_step

    @property
    def cursors(self) -> str:
        """What a cursor counts."""
        return "candles"

    def __post_init__(self) -> None:
        MarketChoice.__post_init__(self)
        self._check()
        if self.candles_per_step < 1:
            raise ConfigError(f"candles_per_step must be at least 1; was {self.candles_per_step}.")
        if self.warm_up is not None and self.warm_up < 0:
            raise ConfigError(f"warm_up must be at least 0; was {self.warm_up}.")


_UNSAID = BookParams()
"""Stands for a sandbox of which nothing was said, until the environment is known."""


def _book_physics(env: str | None) -> BookParams:
    """Return the physics of a run on books of which nothing is said: its environment's own.

    Where none is named, accounts are on margin, since makers and takers sell first as often as they
    buy, and what is open is marked at the end: where a window ends is our choice.
    """
    if env is not None:
        return book_env_physics(env)
    return BookParams(
        starting_balance=STARTING_BALANCE, account="margin", liquidate_on_complete=False
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateBookConfig(RunChoice, BookChoice):
    """An evaluation on recorded order books; a step is a decision.

    Without a sandbox the physics are those that the environment has by itself, as
    `gymnasium.make(env)` has them; in a file, what its sandbox leaves unsaid.

    Raises:
        ConfigError: A value breaks its rule.
    """

    decide_every: str = "100ms"
    """Time between two decisions of a policy: 100ms, 1s, ...; strategies answer every event."""
    decide_every_events: int | None = None
    """Decide at every so many events instead."""
    warm_up: str | None = None
    """Time before the first window that agents may read, such as 30s; by default 60s, a tenth of
    short data, and at least what an observation needs."""
    sandbox: BookParams = field(default_factory=lambda: _UNSAID)
    """The physics of books: account, fills, queue_model, latency_model, fees, realism, limits; by
    default those of the environment."""

    @classmethod
    def defaults_for(cls, data: Mapping[str, Any]) -> EvaluateBookConfig:
        """Return the defaults of a run of which this much is said; what is no name is told later.

        Args:
            data: Values by field.
        """
        env = data.get("env")
        return cls(env=env if isinstance(env, str) and is_book_env(env) else None)

    @property
    def usual_balance(self) -> float:
        """Starting cash where nobody says any: that of the environment."""
        return _book_physics(self.env).starting_balance

    def __post_init__(self) -> None:
        BookChoice.__post_init__(self)
        if self.sandbox is _UNSAID:
            object.__setattr__(self, "sandbox", _book_physics(self.env))
        self._check()
        check_decisions(self, "warm_up")
