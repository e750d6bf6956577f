"""What one evaluation is told: data, agents, windows, and the physics that all of them share."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from seq_gym.errors import ConfigError
from seq_gym.runs.book_run import BookRun
from seq_gym.runs.environment import book_env_physics
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
    """Processes, at most one a core and one an episode; the results are the same for any number."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateBookConfig(RunChoice, BookRun):
    """An evaluation on recorded order books; a step is a decision.

    What is not said of the sandbox is what the environment that `env` names has by itself, as
    `gymnasium.make(env)` has it. Where `env` is left out, accounts are on margin with 100,000.

    The sandbox is settled when a config is made, so `dataclasses.replace(config, env=...)` keeps
    that of the environment before: for another environment make a new config.

    Raises:
        ConfigError: A value breaks its rule.
    """

    warm_up: str | None = None
    """Time before the first window that agents may read, such as 90s; by default 60s, a tenth of
    short data, and at least what an observation needs."""

    @property
    def usual_physics(self) -> BookParams:
        """The physics of a run of which nothing is said: those that its environment has.

        Where none is named, accounts are on margin, since makers and takers sell first as often as
        they buy, and what is open is marked at the end: where a window ends is our choice.
        """
        if self.env is not None:
            return book_env_physics(self.env)
        return BookParams(
            starting_balance=STARTING_BALANCE, account="margin", liquidate_on_complete=False
        )

    @property
    def usual_balance(self) -> float:
        """Starting cash where nobody says any: that of the environment."""
        return self.usual_physics.starting_balance

    def __post_init__(self) -> None:
        BookRun.__post_init__(self)
        self._check()
        self._check_spans("warm_up")
