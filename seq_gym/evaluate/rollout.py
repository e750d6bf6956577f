"""One episode of one agent on one window.

A strategy runs on a session; a policy runs in the environment, whose episode is read as a session
afterwards. Both are the same engine under the same params, so that their numbers compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from seq_gym.evaluate.agents import AgentSpec, LoadedAgent, load_agent
from seq_gym.evaluate.episode import Episode
from seq_gym.evaluate.ground import Ground

__all__ = ["Rollout", "bind"]


def bind(policy: Any, env: Any, *, allow_mismatch: bool) -> None:
    """Let a policy see which environment it is in, where it wants to.

    Args:
        policy: The policy; one that was trained has a `bind`.
        env: The environment.
        allow_mismatch: Whether it may be another one than the policy was trained in.

    Raises:
        ConfigError: It is not what the policy was trained in.
    """
    if callable(getattr(policy, "bind", None)):
        policy.bind(env.unwrapped, allow_mismatch=allow_mismatch)


class Rollout:
    """Runs episodes in one process; keeps loaded agents and environments between them.

    Args:
        ground: Data, windows, physics.
        specs: The agents.
    """

    def __init__(self, ground: Ground, specs: Sequence[AgentSpec]) -> None:
        self._ground = ground
        self._specs = specs
        self._loaded: dict[int, LoadedAgent] = {}
        self._env: Any = None

    def episode(self, agent: int, index: int) -> Episode:
        """Run agent number `agent` in window number `index`."""
        ground, spec = self._ground, self._specs[agent]
        if agent not in self._loaded:
            self._loaded[agent] = load_agent(spec, ground.seed, ground.roster)
        fresh = self._loaded[agent].fresh()
        if spec.kind == "policy":
            session = self._run_policy(fresh, index)
            return ground.record(session, self._env.unwrapped, agent, index)
        return ground.record(ground.run_strategy(fresh, index), None, agent, index)

    def _run_policy(self, policy: Any, index: int) -> Any:
        ground = self._ground
        if self._env is None:
            self._env = ground.make_env()
        env = self._env
        bind(policy, env, allow_mismatch=ground.allow_mismatch)
        start = ground.env_start(env, index)
        observation, _ = env.reset(seed=ground.seed + index, options={"start": start})
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
        return env.unwrapped.session
