"""The agents of an evaluation: those that are named, and the baselines beside them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from seq_gym.errors import ConfigError
from seq_gym.evaluate.baselines import ROSTER
from seq_gym.evaluate.ground import Roster
from seq_gym.policy import refuse_deaf
from seq_gym.runs import agents as loading
from seq_gym.runs.agents import AgentSpec, LoadedAgent, blame, env_of, kind_of, short_name
from seq_gym.runs.environment import NAMESPACE

__all__ = [
    "AgentSpec",
    "LoadedAgent",
    "blame",
    "choose_agents",
    "load_agent",
    "record_of_run",
    "refuse_other_env",
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

    Without any, the default of the roster is the one beside the baselines. A baseline whose name
    one of them has is called "baseline-" and that name.

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
    for name, kind in roster.baselines.items():
        own = [each.name for each in chosen]
        shown = _unique(f"baseline-{name}" if name in own else name, own)
        chosen.append(AgentSpec(name=shown, source=name, kind=kind, baseline=True))
    return chosen


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


def refuse_other_env(agent: Any, name: str, env: str) -> None:
    """Refuse a policy that says it acts in another environment than that of the run, `env_id`.

    Args:
        agent: The policy.
        name: What the run calls it.
        env: Id of the environment of the run.

    Raises:
        ConfigError: It does.
    """
    wanted = env_of(agent)
    if wanted is not None and wanted != env.removeprefix(NAMESPACE):
        raise ConfigError(
            f"Agent {name!r} must act in {wanted}; the policies of this run act in "
            f"{env.removeprefix(NAMESPACE)}. Likely fix: --env {wanted}."
        )


def _append(chosen: list[AgentSpec], spec: AgentSpec, agent: Any, roster: Roster) -> None:
    """Append an agent under a name of its own, now that its kind is known."""
    unique = _unique(spec.name, [each.name for each in chosen])
    kind = kind_of(agent, spec.name)
    if kind == "strategy":
        fix = "; or an --env and --data of its kind"
        refuse_deaf(agent, roster.market, roster.where, fix, agent=spec.name)
    chosen.append(replace(spec, name=unique, kind=kind))


def _unique(name: str, taken: Collection[str]) -> str:
    """Return a name, numbered where it is taken."""
    unique, count = name, 2
    while unique in taken:
        unique, count = f"{name}-{count}", count + 1
    return unique
