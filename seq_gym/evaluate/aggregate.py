"""From episodes to figures with their uncertainty (semantics X6).

Agents are compared on the windows that all of them finished. The trials that deflate a Sharpe ratio
are the agents of the run that are no baselines: those among which one would choose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from seq_gym._random import stream_of
from seq_gym.evaluate.agents import AgentSpec
from seq_gym.evaluate.episode import Episode
from seq_gym.evaluate.figures import FIGURES
from seq_gym.metrics import (
    BacktestOverfitting,
    BootstrapInterval,
    DeflatedSharpe,
    PairedDifference,
    ReturnMoments,
    bootstrap_interval,
    deflated_sharpe_ratio,
    paired_difference,
    probability_of_backtest_overfitting,
    return_moments,
    simple_returns,
)
from seq_gym.metrics.measure import FloatArray, Undefined

__all__ = ["AgentSummary", "Comparison", "Summary", "summarise"]

Figure = Callable[[Episode], float | None]
Figures = Mapping[str, Figure]
_Pair = tuple[Episode, Episode]

COMPARED = ("total_return_frac", "max_drawdown_frac")
"""Figures by which agents are compared on any market."""

MIN_BLOCK_ROWS = 8
PBO_BLOCKS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSummary:
    """One agent over its episodes.

    Attributes:
        name: Its name.
        baseline: Whether it always runs beside.
        num_episodes: Finished episodes.
        figures: Mean of each figure with its interval, over the episodes that define it; None
            where none does.
        worst_drawdown_frac: Deepest drawdown of any episode.
        endings: Episodes by ending.
        deflated_sharpe: Of the step returns of all episodes, against as many trials as there are
            agents to choose from; None for baselines.
    """

    name: str
    baseline: bool
    num_episodes: int
    figures: dict[str, BootstrapInterval | None]
    worst_drawdown_frac: float
    endings: dict[str, int]
    deflated_sharpe: DeflatedSharpe | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """An agent less a baseline, window by window.

    Attributes:
        agent: Name of the agent.
        baseline: Name of the baseline.
        num_windows: Windows that both finished.
        differences: By figure.
    """

    agent: str
    baseline: str
    num_windows: int
    differences: dict[str, PairedDifference]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """All agents of a run.

    Attributes:
        agents: In the order of the run; those without a finished episode are left out.
        comparisons: Every agent against every baseline.
        num_trials: Agents that are no baselines.
        overfitting: PBO of choosing the best of them; None where it does not apply.
        no_overfitting: Why it does not.
    """

    agents: tuple[AgentSummary, ...]
    comparisons: tuple[Comparison, ...]
    num_trials: int
    overfitting: BacktestOverfitting | None
    no_overfitting: str | None = field(default=None)


def summarise(
    specs: Sequence[AgentSpec],
    episodes: Sequence[Episode],
    seed: int,
    figures: Figures = FIGURES,
    compared: str = COMPARED[0],
) -> Summary:
    """Measure every agent, compare it with every baseline, and deflate what was chosen.

    Args:
        specs: The agents of the run.
        episodes: Finished episodes, by agent, then by window.
        seed: Seed of the run; resamples are keyed by it.
        figures: What is averaged over episodes.
        compared: The figure by which agents are compared.
    """
    by_agent = {
        number: [each for each in episodes if each.agent == number] for number in range(len(specs))
    }
    trials = {n: own for n, own in by_agent.items() if own and not specs[n].baseline}
    moments = {n: _pooled_moments(own) for n, own in trials.items()}
    agents = tuple(
        _agent_summary(specs[n], own, _deflated(n, moments), seed, figures)
        for n, own in by_agent.items()
        if own
    )
    reads = {name: figures[name] for name in dict.fromkeys((*COMPARED, compared))}
    comparisons = tuple(
        _comparison(specs[n], specs[m], pairs, seed, reads)
        for n in trials
        for m, other in by_agent.items()
        if specs[m].baseline and (pairs := _shared(trials[n], other, figures[compared]))
    )
    overfitting, why_not = _overfitting(specs, list(trials.values()))
    return Summary(
        agents=agents,
        comparisons=comparisons,
        num_trials=len(trials),
        overfitting=overfitting,
        no_overfitting=why_not,
    )


def _agent_summary(
    spec: AgentSpec,
    episodes: list[Episode],
    deflated: DeflatedSharpe | None,
    seed: int,
    figures: Figures,
) -> AgentSummary:
    means: dict[str, BootstrapInterval | None] = {}
    for name, read in figures.items():
        defined = [value for each in episodes if (value := read(each)) is not None]
        key = _key(seed, name)
        means[name] = bootstrap_interval(defined, seed=key) if defined else None
    endings: dict[str, int] = {}
    for each in episodes:
        endings[each.ending] = endings.get(each.ending, 0) + 1
    return AgentSummary(
        name=spec.name,
        baseline=spec.baseline,
        num_episodes=len(episodes),
        figures=means,
        worst_drawdown_frac=max(each.metrics.max_drawdown_frac for each in episodes),
        endings=endings,
        deflated_sharpe=deflated,
    )


def _comparison(
    spec: AgentSpec, beside: AgentSpec, pairs: list[_Pair], seed: int, figures: Figures
) -> Comparison:
    differences = {}
    for name, read in figures.items():
        differences[name] = paired_difference(
            [read(a) or 0.0 for a, _ in pairs],
            [read(b) or 0.0 for _, b in pairs],
            windows_a=[a.start_ns for a, _ in pairs],
            windows_b=[b.start_ns for _, b in pairs],
            seed=_key(seed, name),
        )
    return Comparison(
        agent=spec.name, baseline=beside.name, num_windows=len(pairs), differences=differences
    )


def _shared(own: list[Episode], other: list[Episode], read: Figure) -> list[_Pair]:
    """Pair the episodes of two agents by window, where both have the figure."""
    by_index = {each.index: each for each in other}
    pairs = [(each, by_index[each.index]) for each in own if each.index in by_index]
    return [(a, b) for a, b in pairs if read(a) is not None and read(b) is not None]


def _step_returns(episode: Episode, num_steps: int | None = None) -> FloatArray:
    """Return simple returns; from ruin on, and after an early end, the equity stands still."""
    alive = episode.equity
    ruined = np.flatnonzero(alive <= 0.0)
    if ruined.size:
        alive = alive[: ruined[0]]
    returns = simple_returns(alive)
    wanted = len(episode.equity) - 1 if num_steps is None else num_steps
    return np.pad(returns, (0, wanted - len(returns)))


def _pooled_moments(episodes: list[Episode]) -> ReturnMoments | Undefined:
    return return_moments(np.concatenate([_step_returns(each) for each in episodes]))


def _deflated(number: int, moments: dict[int, ReturnMoments | Undefined]) -> DeflatedSharpe | None:
    if number not in moments:
        return None
    # A trial that never varied, because it never traded, found a Sharpe ratio of nothing: 0.
    sharpes = [0.0 if isinstance(m, Undefined) else m.sharpe for m in moments.values()]
    return deflated_sharpe_ratio(moments[number], sharpes)


def _overfitting(
    specs: Sequence[AgentSpec], trials: list[list[Episode]]
) -> tuple[BacktestOverfitting | None, str | None]:
    if len(trials) < 2:
        return None, "needs at least 2 agents that are no baselines"
    shared = set.intersection(*({each.index for each in own} for own in trials))
    columns = [[each for each in own if each.index in shared] for own in trials]
    # An episode that ended early stands still until the longest of its window ends.
    lengths = [max(len(e.equity) - 1 for e in row) for row in zip(*columns, strict=True)]
    if sum(lengths) < PBO_BLOCKS * MIN_BLOCK_ROWS:
        return None, f"needs at least {PBO_BLOCKS * MIN_BLOCK_ROWS} steps; had {sum(lengths)}"
    returns = [
        np.concatenate([_step_returns(e, n) for e, n in zip(own, lengths, strict=True)])
        for own in columns
    ]
    matrix = np.stack(returns, axis=1)
    result = probability_of_backtest_overfitting(matrix, num_blocks=PBO_BLOCKS)
    reason = result.undefined
    if reason is not None:
        names = [specs[own[0].agent].name for own in trials]
        # From the last on, so that candidate 1 is not found in candidate 12.
        for number in reversed(range(len(names))):
            reason = reason.replace(f"candidate {number} ", f"{names[number]} ")
    return result, reason


def _key(seed: int, figure: str) -> int:
    """Key the resamples of a figure: the same windows are drawn for every agent."""
    return stream_of("bootstrap", seed, figure)
