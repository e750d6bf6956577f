"""The agents of an evaluation: those that are named, and the baselines beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from seq_gym.errors import ConfigError
from seq_gym.evaluate.baselines import ROSTER
from seq_gym.evaluate.ground import Roster
from seq_gym.policy import refuse_deaf
from seq_gym.runs import agents as loading
from seq_gym.runs.agents import AgentSpec, LoadedAgent, blame, kind_of, short_name

__all__ = [
    "AgentSpec",
    "LoadedAgent",
    "blame",
    "choose_agents",
    "load_agent",
    "record_of_run",
    "settings_of_run",
]


def choose_agents(
    specs: Sequence[str],
    live: Mapping[str, Any],
    seed: int,
    roster: Roster = ROSTER,
    *,
    algo: str | None = None,
    vecnormalize: str | None = None,
) -> list[AgentSpec]:
    """Return the agents of a run: those named, the live ones, then the baselines.

    Without any, the default of the roster is the one beside the baselines.

    Args:
        specs: What was named.
        live: Objects by name.
        seed: Of the run.
        roster: The agents that come with the market.
        algo: Algorithm of models that are named by their zip.
        vecnormalize: File of their normaliser.

    Raises:
        ConfigError: An agent cannot be loaded; UnknownName with the near miss where a name fails.
    """
    sources = list(dict.fromkeys(specs))
    if (algo or vecnormalize) and not any(each.endswith(".zip") for each in sources):
        raise ConfigError(
            "algo and vecnormalize are for a model file; no agent was one. Likely fix: --agent "
            "model.zip; a run folder knows its own."
        )
    if not sources and not live:
        sources = [roster.default]
    chosen: list[AgentSpec] = []
    for source in sources:
        if source not in roster.baselines:
            is_model = source.endswith(".zip")
            spec = AgentSpec(
                name=short_name(source),
                source=source,
                kind="strategy",
                algo=algo if is_model else None,
                vecnormalize=vecnormalize if is_model else None,
            )
            _append(chosen, spec, load_agent(spec, seed, roster).agent, roster)
    for name, agent in live.items():
        spec = AgentSpec(name=name, source="live", kind="strategy", live=agent)
        _append(chosen, spec, agent, roster)
    beside = (
        AgentSpec(name=name, source=name, kind=kind, baseline=True)
        for name, kind in roster.baselines.items()
    )
    return [*chosen, *beside]


def load_agent(spec: AgentSpec, seed: int, roster: Roster = ROSTER) -> LoadedAgent:
    """Load an agent in this process.

    Args:
        spec: The agent.
        seed: Of the run; keys the draws of the baseline "random".
        roster: The agents that come with the market.

    Raises:
        ConfigError: It cannot be loaded, or is neither policy nor strategy.
    """
    return loading.load_agent(spec, roster.build(seed))


def settings_of_run(source: str) -> dict[str, Any]:
    """Return what a run folder asks of evaluate by default, {} where it asks for nothing.

    Args:
        source: What was named as an agent.
    """
    return loading.settings_of_run(source, ROSTER.names)


def record_of_run(source: str) -> dict[str, Any]:
    """Return the manifest of a run folder, {} where the source is none.

    Args:
        source: What was named as an agent.
    """
    return loading.record_of_run(source, ROSTER.names)


def _append(chosen: list[AgentSpec], spec: AgentSpec, agent: Any, roster: Roster) -> None:
    """Append an agent under a name of its own, now that its kind is known."""
    taken = {each.name for each in chosen} | set(roster.baselines)
    unique, count = spec.name, 2
    while unique in taken:
        unique, count = f"{spec.name}-{count}", count + 1
    kind = kind_of(agent, spec.name)
    if kind == "strategy":
        _refuse_deaf(spec.name, agent, roster)
    chosen.append(replace(spec, name=unique, kind=kind))


def _refuse_deaf(name: str, agent: Any, roster: Roster) -> None:
    """Refuse a strategy that trades what the run has not."""
    try:
        refuse_deaf(agent, roster.market, roster.where, "; or an --env and --data of its kind")
    except ConfigError as error:
        raise ConfigError(f"Agent {name!r}: {error}") from None
