"""One run: the data, the strategy, the session over it, and what it came to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from seq_gym.backtest.market import find_replay
from seq_gym.backtest.replay import Replay
from seq_gym.backtest.settings import BacktestOptions, book_physics, candle_physics
from seq_gym.backtest.watch import Tell, Watched
from seq_gym.errors import ConfigError, SeqGymError
from seq_gym.policy import refuse_deaf
from seq_gym.runs.agents import AgentSpec, blame, env_of, kind_of, load_agent, short_name
from seq_gym.runs.environment import sandbox_arguments
from seq_gym.runs.maker import FixedSpreadMaker
from seq_gym.runs.trend import Trend
from seq_gym.sandbox.book.params import BookParams
from seq_gym.sandbox.book.session import BookSession
from seq_gym.sandbox.book.tca import TcaReport
from seq_gym.sandbox.params import SandboxParams
from seq_gym.sandbox.records import Results
from seq_gym.sandbox.session import Session

__all__ = ["BUILT_IN", "Backtest", "run_backtest"]

BUILT_IN: Final = {"maker": FixedSpreadMaker, "trend": Trend}
"""Strategies that have a name without a file: the defaults on books and on candles."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Backtest:
    """What a backtest came to."""

    options: BacktestOptions
    """What it was told."""
    agent: str
    """Name of its strategy."""
    replay: Replay
    """Its data."""
    params: BookParams | SandboxParams
    """Its physics."""
    session: BookSession | Session
    """Its account; completed, or failed where it was interrupted."""

    @cached_property
    def results(self) -> Results:
        """Equity, metrics, costs; read it once the run is over."""
        return self.session.results(partial=True)

    @cached_property
    def tca(self) -> TcaReport | None:
        """What each fill and order has cost, likewise; None on candles."""
        return self.session.tca() if isinstance(self.session, BookSession) else None

    @property
    def is_partial(self) -> bool:
        """Whether it was stopped before its end."""
        return self.results.is_partial

    @property
    def is_book(self) -> bool:
        """Whether it ran on books."""
        return isinstance(self.session, BookSession)

    @property
    def equity_times(self) -> NDArray[np.int64]:
        """When the equity was measured, int64 [n], UNIX nanoseconds."""
        if isinstance(self.session, BookSession):
            return self.session.equity_times
        series = self.session.series
        first = series.time_of(self.session.start_cursor)
        return first + np.arange(len(self.session.equity), dtype=np.int64) * series.interval_ns

    @property
    def window(self) -> tuple[int, int]:
        """Start and end of what was replayed, UNIX nanoseconds."""
        if isinstance(self.session, BookSession):
            return self.session.start_ns, self.session.virtual_time_ns
        series = self.session.series
        return series.time_of(self.session.start_cursor), self.session.virtual_time_ns


def run_backtest(
    options: BacktestOptions,
    *,
    strategy: Any = None,
    opened: Callable[[Backtest], None] | None = None,
    tell: Tell | None = None,
) -> Backtest:
    """Run a strategy over the window; Ctrl-C stops it, and what was done stays readable.

    Args:
        options: What to run.
        strategy: The strategy itself, in the place of `options.agent`.
        opened: Is told of the run before its first event.
        tell: Is given every fill as the strategy learns of it.

    Raises:
        ConfigError: An option is not what it must be, or the strategy raised.
        MarketDataError: There is no data in the window, or it breaks a rule.
    """
    # What is wrong with an agent is said before a day of books is read.
    is_named = options.agent is not None or strategy is not None
    chosen = _strategy(options.agent or "", strategy) if is_named else None
    replay = find_replay(options)
    name, strategy = chosen or _strategy("trend" if replay.books is None else "maker")
    _refuse_deaf(name, strategy, replay)
    params = candle_physics(options) if replay.books is None else book_physics(options)
    session = _session(options, replay, params, name)
    run = Backtest(options=options, agent=name, replay=replay, params=params, session=session)
    if opened is not None:
        opened(run)
    try:
        session.run(Watched(strategy, tell or _say_nothing))
    except KeyboardInterrupt:
        if session.status == "created":
            raise
    except BrokenPipeError:  # of whoever reads the fills; no agent's fault
        raise
    except SeqGymError as error:
        raise ConfigError(f"{_failed(name, session)} {blame(error)}.") from error
    except Exception as error:
        raise ConfigError(
            f"{_failed(name, session)} {blame(error)}. Likely fix: in the agent."
        ) from error
    return run


def _say_nothing(fill: Any) -> None:
    """Take a fill that nobody wants to hear of."""


def _failed(name: str, session: BookSession | Session) -> str:
    done = len(session.fills()) if session.status != "created" else 0
    return f"Agent {name!r} failed at {session.virtual_time}, after {done} fills:"


def _strategy(source: str, live: Any = None) -> tuple[str, Any]:
    """Return a strategy and its name.

    Raises:
        ConfigError: It cannot be loaded, or it is a policy.
    """
    name = short_name(source) if live is None else type(live).__name__
    if live is None and source.endswith(".zip"):
        # Loaded to be refused, it would have to name its algorithm first.
        raise _no_strategy(name, f"{source} --algo ppo")
    agent = load_agent(
        AgentSpec(name=name, source=source, kind="strategy", live=live), BUILT_IN
    ).agent
    if kind_of(agent, name) == "policy":
        env = env_of(agent)
        raise _no_strategy(name, source if env is None else f"{source} --env {env}")
    return name, agent


def _no_strategy(name: str, source: str) -> ConfigError:
    return ConfigError(
        f"Agent {name!r} must have callbacks on a session; it has predict, and acts on the "
        f"observations of an environment. Likely fix: python -m seq_gym.evaluate --agent {source}."
    )


def _refuse_deaf(name: str, strategy: Any, replay: Replay) -> None:
    """Refuse a strategy that would never be called on this kind of data."""
    if replay.books is not None:
        elsewhere = "; or python -m seq_gym.evaluate, on candles"
        refuse_deaf(strategy, "books", "this replay", elsewhere, agent=name)
    else:
        found = f"what there is of {', '.join(replay.symbols)}"
        refuse_deaf(strategy, "candles", found, "; or import recordings of the book", agent=name)


def _session(
    options: BacktestOptions, replay: Replay, params: BookParams | SandboxParams, name: str
) -> BookSession | Session:
    shared: dict[str, Any] = {"strategy_label": name, **sandbox_arguments(params)}
    if replay.books is not None:
        return BookSession.create(
            data=replay.books,
            start_time=replay.start_ns,
            end_time=replay.end_ns,
            seed=options.seed,
            funding=replay.funding,
            **shared,
        )
    return Session.create(
        data=replay.candles,
        pairs=replay.symbols,
        start_time=replay.start_ns,
        end_time=replay.end_ns,
        funding=options.funding_files,
        snapshot_every=0,
        save=False,  # a run folder keeps it
        **shared,
    )
