"""One episode of one agent on one window, and what is kept of it.

A strategy runs on a Session; a policy runs in the environment, whose episode is read as a Session
afterwards. Both are the same engine under the same params, so that their numbers compare.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq_gym.evaluate.agents import AgentSpec, LoadedAgent, load_agent
from seq_gym.evaluate.settings import EvaluateConfig
from seq_gym.market import CandleSeries, Window
from seq_gym.metrics import EpisodeMetrics, episode_metrics
from seq_gym.metrics.measure import FloatArray
from seq_gym.policy import Strategy
from seq_gym.runs.environment import env_id, sandbox_arguments
from seq_gym.sandbox.session import Session
from seq_gym.times import NS_PER_S

__all__ = ["Episode", "Rollout", "bind", "make_env"]

FILL_FIELDS = (
    "order_id",
    "symbol",
    "side",
    "type",
    "quantity",
    "price",
    "base_price",
    "notional",
    "fee",
    "liquidity",
    "slippage",
    "realized_pnl",
    "filled_ns",
    "reason",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """What one agent did in one window.

    Attributes:
        agent: Index of the agent in the run.
        index: Number of the window, in time order.
        start_ns: Virtual time of the start.
        end_ns: Virtual time at which it ended, before the window's end after ruin or liquidation.
        ending: Name of the Ending.
        metrics: Its metrics on the candle grid (X2).
        costs: Fees by liquidity, slippage, borrow, funding, bad debt; quote units.
        equity: float64 [steps + 1], the starting balance and the equity after every candle.
        fills: Every fill, in time order, by FILL_FIELDS.
    """

    agent: int
    index: int
    start_ns: int
    end_ns: int
    ending: str
    metrics: EpisodeMetrics
    costs: dict[str, float]
    equity: FloatArray
    fills: list[tuple[Any, ...]]

    @property
    def times(self) -> NDArray[np.int64]:
        """Virtual time of every point of the equity, int64 [steps + 1], UNIX nanoseconds."""
        steps = np.arange(len(self.equity), dtype=np.int64)
        return self.start_ns + steps * ((self.end_ns - self.start_ns) // max(len(steps) - 1, 1))


def make_env(config: EvaluateConfig, series: CandleSeries, length: int | None = None) -> Any:
    """Make the environment of a run under its sandbox.

    Args:
        config: The run.
        series: Its data.
        length: Candles of a window; None leaves them to the environment.

    Raises:
        ConfigError: The environment refuses a setting.
    """
    # Imported here: a run of strategies alone needs no environment.
    import gymnasium

    arguments: dict[str, Any] = {
        "data": series,
        "candles_per_step": config.candles_per_step,
        **config.env_settings,
        **sandbox_arguments(config.sandbox),
    }
    if length is not None:
        arguments["episode_steps"] = length // config.candles_per_step
    return gymnasium.make(env_id(config.env, series.num_symbols), **arguments)


def bind(policy: Any, env: Any, config: EvaluateConfig) -> None:
    """Let a policy that was trained for an environment see which one it is in.

    Raises:
        ConfigError: It is not what the policy was trained in.
    """
    if callable(getattr(policy, "bind", None)):
        policy.bind(env.unwrapped, allow_mismatch=config.allow_mismatch)


class Rollout:
    """Runs episodes in one process; keeps loaded agents and environments between them.

    Args:
        config: The run.
        series: Its data.
        specs: Its agents.
        windows: Its windows, all of one length.
    """

    def __init__(
        self,
        config: EvaluateConfig,
        series: CandleSeries,
        specs: list[AgentSpec],
        windows: list[Window],
    ) -> None:
        self._config = config
        self._series = series
        self._specs = specs
        self._windows = windows
        self._loaded: dict[int, LoadedAgent] = {}
        self._env: Any = None

    def episode(self, agent: int, index: int) -> Episode:
        """Run agent number `agent` in window number `index`."""
        if agent not in self._loaded:
            self._loaded[agent] = load_agent(self._specs[agent], self._config.seed)
        window = self._windows[index]
        fresh = self._loaded[agent].fresh()
        if self._specs[agent].kind == "policy":
            session = self._run_policy(fresh, window, index)
        else:
            session = self._run_strategy(fresh, window)
        return _record(session, agent, index, self._series, window)

    def _run_strategy(self, strategy: Any, window: Window) -> Session:
        session = Session.create(
            data=self._series,
            start_time=self._series.time_of(window.start),
            end_time=self._series.time_of(window.end),
            snapshot_every=0,
            save=False,  # a run folder keeps it
            **sandbox_arguments(self._config.sandbox),
        )
        # One that answers nothing can be advanced in one piece: step_batch(n) is n times step.
        passive = _is_passive(strategy)
        steps = window.num_steps if passive else self._config.candles_per_step
        session.run(strategy, candles_per_step=steps)
        return session

    def _run_policy(self, policy: Any, window: Window, index: int) -> Session:
        if self._env is None:
            self._env = make_env(self._config, self._series, window.num_steps)
        env = self._env
        bind(policy, env, self._config)
        observation, _ = env.reset(seed=self._config.seed + index, options={"start": window.start})
        state: Any = None
        first = np.ones(1, dtype=np.bool_)
        over = False
        while not over:
            action, state = policy.predict(
                observation, state=state, episode_start=first, deterministic=True
            )
            observation, _, terminated, truncated, _ = env.step(action)
            first = np.zeros(1, dtype=np.bool_)
            over = terminated or truncated
        session: Session = env.unwrapped.session
        return session


def _is_passive(strategy: Any) -> bool:
    answers = ("on_candle", "on_fill", "on_reject")
    return isinstance(strategy, Strategy) and all(
        getattr(type(strategy), name) is getattr(Strategy, name) for name in answers
    )


def _record(
    session: Session, agent: int, index: int, series: CandleSeries, window: Window
) -> Episode:
    fills = session.fills()
    rows = [tuple(getattr(fill, name) for name in FILL_FIELDS) for fill in fills]
    equity = np.array(session.equity, dtype=np.float64)
    start_ns = series.time_of(window.start)
    results = session.results()
    metrics = episode_metrics(
        equity,
        step_s=series.interval_ns / NS_PER_S,
        closing_pnls=[fill.realized_pnl for fill in fills if fill.realized_pnl is not None],
        num_fills=len(fills),
        start_ns=start_ns,
    )
    return Episode(
        agent=agent,
        index=index,
        start_ns=start_ns,
        end_ns=start_ns + (len(equity) - 1) * series.interval_ns,
        ending=results.ending,
        metrics=metrics,
        costs=asdict(results.costs),
        equity=equity,
        fills=rows,
    )
