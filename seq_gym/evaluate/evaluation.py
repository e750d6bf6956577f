"""evaluate(): every agent of a run on the same windows, under the same sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seq_gym.console import TextTable, render
from seq_gym.errors import ConfigError, UnknownName
from seq_gym.evaluate.agents import AgentSpec, choose_agents, load_agent
from seq_gym.evaluate.aggregate import Summary, summarise
from seq_gym.evaluate.document import make_document
from seq_gym.evaluate.market import choose_windows, first_cursor, load_market
from seq_gym.evaluate.rollout import Episode, bind, make_env
from seq_gym.evaluate.run import Job, Progress, run_episodes
from seq_gym.evaluate.seen import notes_on_seen
from seq_gym.evaluate.settings import EvaluateConfig
from seq_gym.evaluate.tables import episode_rows
from seq_gym.evaluate.text import agent_table, comparison_table, describe_run, notes
from seq_gym.market import CandleSeries, Window, load_candles
from seq_gym.runs.environment import env_id, known_env_settings
from seq_gym.runs.market import source_of

__all__ = ["EvaluationResult", "evaluate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationResult:
    """What a run came to.

    Attributes:
        config: What it was told.
        env: Id of the environment of its policies.
        series: Its data.
        source: Where the data came from, in words.
        specs: Its agents, the baselines last.
        windows: Its windows, in time order.
        episodes: Finished episodes, by agent, then by window.
        summary: Figures over episodes.
        is_partial: Whether it was interrupted.
    """

    config: EvaluateConfig
    env: str
    series: CandleSeries
    source: str
    specs: tuple[AgentSpec, ...]
    windows: tuple[Window, ...]
    episodes: tuple[Episode, ...]
    summary: Summary
    is_partial: bool

    @property
    def candidates(self) -> list[str]:
        """Names of the agents that are no baselines."""
        return [spec.name for spec in self.specs if not spec.baseline]

    def episodes_of(self, agent: str) -> list[Episode]:
        """Return the finished episodes of an agent by name."""
        return [each for each in self.episodes if self.specs[each.agent].name == agent]

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat row per episode, as in episodes.parquet."""
        return episode_rows([spec.name for spec in self.specs], self.episodes)

    def document(self) -> dict[str, Any]:
        """Return everything that was measured as plain values, as in metrics.json."""
        return make_document(
            self.config,
            self.series,
            self.windows,
            self.summary,
            env=self.env,
            is_partial=self.is_partial,
        )

    def facts(self) -> list[tuple[str, str]]:
        """Return what all agents share: data, windows, sandbox."""
        return describe_run(self.config, self.series, self.windows, self.env, self.source)

    def tables(self) -> list[TextTable]:
        """Return the tables of agents and of paired differences."""
        tables = [agent_table(self.summary)]
        return [*tables, comparison_table(self.summary)] if self.summary.comparisons else tables

    def notes(self) -> list[str]:
        """Return the sentences below the tables."""
        seen = notes_on_seen(self.specs, self.series, self.windows, self.source)
        return [*notes(self.summary, self.is_partial), *seen]

    def text(self) -> str:
        """Return what the command prints."""
        width = max(len(word) for word, _ in self.facts())
        facts = "\n".join(f"{word:<{width}}  {text}" for word, text in self.facts())
        tables = [render(table) for table in self.tables()] if self.episodes else []
        return "\n\n".join([facts, *tables, "\n".join(self.notes())]).rstrip()


def evaluate(
    config: EvaluateConfig | None = None,
    progress: Progress | None = None,
    *,
    agents: Mapping[str, Any] | None = None,
    data: Any = None,
) -> EvaluationResult:
    """Run every agent on the same windows and measure it.

    The baselines always run beside. A class is built anew for every episode and a live strategy is
    copied for it; a live policy is used as it is.

    Args:
        config: What to run; None takes the defaults.
        progress: Told after every episode: done, in all, name of the agent.
        agents: More agents by name: policies or strategies, objects or classes.
        data: A CandleSeries, in place of what the config names.

    Returns:
        The result; nothing is written. `write_run_folder` writes it.

    Raises:
        ConfigError: The config does not say what it must, or an agent raised.
        MarketDataError: The data breaks a rule.

    Source: S1-73, E2, M7, X1 to X7.

    >>> config = EvaluateConfig(episodes=2, episode_steps=60, end="2025-01-02")
    >>> [len(evaluate(config).episodes_of(name)) for name in ("trend", "hold")]
    [2, 2]
    """
    config = EvaluateConfig() if config is None else config
    specs = choose_agents(
        config.agent,
        agents or {},
        config.seed,
        algo=config.algo,
        vecnormalize=config.vecnormalize,
    )
    series = _series(config, data)
    env = env_id(config.env, series.num_symbols)
    needed = _needed(config, series, specs)
    first = first_cursor(config, series.num_candles, needed)
    windows = choose_windows(config, first, series.num_candles)
    episodes, is_complete = run_episodes(Job(config, series, specs, windows), progress)
    return EvaluationResult(
        config=config,
        env=env,
        series=series,
        source=source_of(config, config.seed) if data is None else "a CandleSeries from Python",
        specs=tuple(specs),
        windows=tuple(windows),
        episodes=tuple(episodes),
        summary=summarise(specs, episodes, config.seed),
        is_partial=not is_complete,
    )


def _series(config: EvaluateConfig, data: Any) -> CandleSeries:
    if data is None:
        return load_market(config)
    if not isinstance(data, CandleSeries):
        raise ConfigError(
            f"data must be a CandleSeries; was {type(data).__name__}. "
            "Likely fix: seq_gym.market.load_candles(...)."
        )
    return load_candles(
        data,
        symbols=list(config.symbols) or None,
        interval=config.interval,
        start=config.start,
        end=config.end,
        tz=config.tz,
        funding=config.funding_files,
        mark=config.mark_files,
    )


def _needed(config: EvaluateConfig, series: CandleSeries, specs: Sequence[AgentSpec]) -> int:
    """Return the candles that observations need; refuse settings that the run cannot have."""
    if all(spec.kind == "strategy" for spec in specs):
        if config.env_settings:
            raise ConfigError(
                "env_settings are for policies, and the run has none; was "
                f"{config.env_settings}. Likely fix: leave them out, or name a policy."
            )
        return 0
    known = known_env_settings()
    for name in config.env_settings:
        if name not in known:
            raise UnknownName("setting of the environment", name, known)
    env = make_env(config, series)
    try:
        for spec in specs:
            if spec.kind == "policy":
                bind(load_agent(spec, config.seed).agent, env, config)
        return int(env.unwrapped.settings.first_start)
    finally:
        env.close()
