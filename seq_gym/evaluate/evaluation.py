"""evaluate(): every agent of a run on the same windows, under the same sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seq_gym.console import TextTable, render
from seq_gym.errors import UsageError
from seq_gym.evaluate.agents import AgentSpec, choose_agents
from seq_gym.evaluate.aggregate import Summary, summarise
from seq_gym.evaluate.candles import CandleGround
from seq_gym.evaluate.document import make_document
from seq_gym.evaluate.episode import Episode
from seq_gym.evaluate.ground import Ground
from seq_gym.evaluate.laying import lay_books, lay_candles, roster_of
from seq_gym.evaluate.run import Job, Progress, run_episodes
from seq_gym.evaluate.seen import notes_on_seen
from seq_gym.evaluate.settings import EvaluateBookConfig, EvaluateConfig
from seq_gym.evaluate.tables import episode_rows
from seq_gym.evaluate.text import agent_table, comparison_table, notes
from seq_gym.market import CandleSeries, Window

__all__ = ["EvaluationResult", "evaluate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationResult:
    """What a run came to.

    Attributes:
        config: What it was told.
        ground: Its data, windows and physics.
        specs: Its agents, the baselines last.
        episodes: Finished episodes, by agent, then by window.
        summary: Figures over episodes.
        is_partial: Whether it was interrupted.
    """

    config: EvaluateConfig | EvaluateBookConfig
    ground: Ground
    specs: tuple[AgentSpec, ...]
    episodes: tuple[Episode, ...]
    summary: Summary
    is_partial: bool

    @property
    def env(self) -> str:
        """Id of the environment of its policies."""
        return self.ground.env

    @property
    def windows(self) -> tuple[Window, ...]:
        """Its windows, in time order."""
        return tuple(self.ground.windows)

    @property
    def series(self) -> CandleSeries:
        """Its candles.

        Raises:
            UsageError: It was on books.
        """
        if not isinstance(self.ground, CandleGround):
            raise UsageError("series is of a run on candles; this one has result.ground.books.")
        return self.ground.series

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
        return make_document(self.ground, self.summary, is_partial=self.is_partial)

    def facts(self) -> list[tuple[str, str]]:
        """Return what all agents share: data, windows, sandbox."""
        return self.ground.facts()

    def tables(self) -> list[TextTable]:
        """Return the tables of agents and of paired differences."""
        tables = [agent_table(self.summary, self.ground)]
        if self.summary.comparisons:
            tables.append(comparison_table(self.summary, self.ground))
        return tables

    def notes(self) -> list[str]:
        """Return the sentences below the tables."""
        seen = notes_on_seen(self.specs, self.ground)
        return [*notes(self.summary, self.is_partial), *self.ground.notes(), *seen]

    def text(self) -> str:
        """Return what the command prints."""
        width = max(len(word) for word, _ in self.facts())
        facts = "\n".join(f"{word:<{width}}  {text}" for word, text in self.facts())
        tables = [render(table) for table in self.tables()] if self.episodes else []
        return "\n\n".join([facts, *tables, "\n".join(self.notes())]).rstrip()


def evaluate(
    config: EvaluateConfig | EvaluateBookConfig | None = None,
    progress: Progress | None = None,
    *,
    agents: Mapping[str, Any] | None = None,
    data: Any = None,
) -> EvaluationResult:
    """Run every agent on the same windows and measure it.

    The baselines always run beside. A class is built anew for every episode and a live strategy is
    copied for it; a live policy is used as it is.

    Args:
        config: What to run; None takes the defaults. An EvaluateBookConfig runs on books.
        progress: Told after every episode: done, in all, name of the agent.
        agents: More agents by name: policies or strategies, objects or classes.
        data: A CandleSeries, or for books a BookData or BookEvents, in place of what the config
            names.

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
        roster_of(config),
        algo=config.algo,
        vecnormalize=config.vecnormalize,
    )
    ground: Ground
    if isinstance(config, EvaluateBookConfig):
        ground, specs = lay_books(config, data, specs)
    else:
        ground = lay_candles(config, data, specs)
    episodes, is_complete = run_episodes(Job(ground, specs, config.workers), progress)
    return EvaluationResult(
        config=config,
        ground=ground,
        specs=tuple(specs),
        episodes=tuple(episodes),
        summary=summarise(specs, episodes, config.seed, ground.figures, ground.compared.name),
        is_partial=not is_complete,
    )
