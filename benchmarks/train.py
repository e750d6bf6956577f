"""Row 8: Stable-Baselines3's PPO with our environments against one that does nothing.

Frames per second of `learn`, updates included: 256 envs, two layers of 64, a window of 30 candles
by 5 features, a rollout of 16,384 steps, on one thread of torch, for every contender the same. The
null VecEnv returns the same array at every step; it is what SB3 and the network themselves cost.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from benchmarks.gather import make_batch
from benchmarks.market import FEATURES, LOOK_BACK, bitcoin, synthetic
from benchmarks.measure import Contender, Row, Scale, in_turn, seconds_of, skipped

ENV = "seq_gym/CandleTrading-v0"
NUM_ENVS, NUM_STEPS, NUM_ROLLOUTS = 256, 64, 3
EPISODE_STEPS = 1_000
HABITS = {"4 epochs of 2,048": (2_048, 4), "1 epoch of 16,384": (16_384, 1)}
"""Batch size and epochs: what trains well, which the targets are for; and the least that a network
can cost, where each microsecond of an env weighs most."""


def _null_class() -> Any:
    """Make the class here: without the extra there is nothing to derive it from."""
    from stable_baselines3.common.vec_env import VecEnv

    class Null(VecEnv):
        """Does nothing, with the spaces of another; cursors stay inside of the data."""

        def __init__(self, like: Any) -> None:
            self._observations = like.reset()
            self._rewards = np.zeros(like.num_envs, np.float32)
            self._dones = np.zeros(like.num_envs, np.bool_)
            self._infos: list[dict[str, Any]] = [{} for _ in range(like.num_envs)]
            super().__init__(like.num_envs, like.observation_space, like.action_space)

        def reset(self) -> Any:
            return self._observations

        def step_async(self, actions: Any) -> None:
            del actions

        def step_wait(self) -> Any:
            # SB3 adds to rewards in place: they must be fresh.
            return self._observations, self._rewards.copy(), self._dones, self._infos.copy()

        def close(self) -> None:
            """Have nothing to close."""

        def get_attr(self, *_: Any) -> list[Any]:
            return [None] * self.num_envs

        def set_attr(self, *_: Any) -> None:
            """Have no attributes."""

        def env_method(self, *_: Any, **__: Any) -> list[Any]:
            return [None] * self.num_envs

        def env_is_wrapped(self, *_: Any) -> list[bool]:
            return [True] * self.num_envs  # SB3 need not wrap it

    return Null


def _vec_env(env_id: str, observation: str, **arguments: Any) -> Any:
    from seq_gym.train.vec_env import SB3VecEnv

    batch = make_batch(
        env_id,
        num_envs=NUM_ENVS,
        observation=observation,
        episode_steps=EPISODE_STEPS,
        **arguments,
    )
    return SB3VecEnv(batch.unwrapped)


def _dummy(num_envs: int) -> Any:
    from stable_baselines3.common.vec_env import DummyVecEnv

    def make() -> Any:
        return gymnasium.make(
            ENV,
            data=bitcoin(),
            features=list(FEATURES),
            look_back=LOOK_BACK,
            starting_balance=1e6,
            episode_steps=EPISODE_STEPS,
        )

    return DummyVecEnv([make] * num_envs)


def _learner(
    env: Any, habit: str, like: Any = None, num_steps: int = NUM_STEPS
) -> tuple[Any, Callable[[], float]]:
    """Return a model, and a contender: some rollouts and updates; seconds of one frame."""
    from stable_baselines3 import PPO

    from seq_gym.train.extractors import extractor_arguments

    batch_size, num_epochs = HABITS[habit]
    is_dict = hasattr(env.observation_space, "spaces")
    model = PPO(
        "MultiInputPolicy" if is_dict else "MlpPolicy",
        env,
        n_steps=num_steps,
        batch_size=batch_size,
        n_epochs=num_epochs,
        seed=0,
        device="cpu",
        policy_kwargs=extractor_arguments(like or env) | {"net_arch": [64, 64]},
    )
    frames = NUM_ROLLOUTS * num_steps * env.num_envs

    def contender() -> float:
        return seconds_of(lambda: model.learn(frames, reset_num_timesteps=False)) / frames

    return model, contender


def _frames(times: Any, name: str) -> str:
    return f"{name} {1e-3 / np.median(times[name]):,.0f} k frames/s"


def _rate_rows(habit: str, scale: Scale) -> list[Row]:
    """Measure flat and index observations against a null VecEnv of the same shapes each."""
    null_of = _null_class()
    flat, index = (_vec_env(ENV, kind, data=bitcoin()) for kind in ("flat", "index"))
    contenders: dict[str, Contender] = {
        "null": _learner(null_of(flat), habit, flat)[1],
        "flat": _learner(flat, habit)[1],
        "null index": _learner(null_of(index), habit, index)[1],
        "index": _learner(index, habit)[1],
        "DummyVecEnv": _learner(_dummy(NUM_ENVS), habit)[1],
    }
    times = in_turn(contenders, scale.rounds)
    head = f"8 PPO, {habit}"
    is_bound = habit == next(iter(HABITS))
    null, own = _frames(times, "null"), _frames(times, "null index")
    return [
        Row(
            name=f"{head}: flat over a null VecEnv",
            at_least=0.95 if is_bound else None,
            ratios=times["null"] / times["flat"],
            note=f"{null}, {_frames(times, 'flat')}",
        ),
        Row(
            name=f"{head}: index over a null VecEnv, flat",
            at_least=0.97 if is_bound else None,
            ratios=times["null"] / times["index"],
            note=_frames(times, "index"),
        ),
        Row(
            name=f"{head}: index over a null VecEnv, index",
            at_least=0.97 if is_bound else None,
            ratios=times["null index"] / times["index"],
            note=own,
        ),
        Row(
            name=f"{head}: DummyVecEnv over a null VecEnv",
            ratios=times["null"] / times["DummyVecEnv"],
            note=_frames(times, "DummyVecEnv"),
        ),
    ]


def _defaults_row(scale: Scale) -> Row:
    """Measure our defaults against SB3's on the same env steps: 8 envs, n_steps 2,048, batch 64, 10
    epochs. In elapsed time, on all cores: two of them kept busy is what the defaults are for.
    """
    from stable_baselines3 import PPO

    from seq_gym.train.vec_env import SB3VecEnv

    frames = NUM_STEPS * NUM_ENVS

    def contender(num_envs: int, **arguments: Any) -> Contender:
        batch = make_batch(ENV, num_envs=num_envs, data=bitcoin(), episode_steps=EPISODE_STEPS)
        model = PPO("MlpPolicy", SB3VecEnv(batch.unwrapped), seed=0, device="cpu", **arguments)

        def learn() -> float:
            start = time.perf_counter()
            model.learn(frames, reset_num_timesteps=False)
            return (time.perf_counter() - start) / frames

        return learn

    batch_size, num_epochs = HABITS[next(iter(HABITS))]
    ours = {"n_steps": NUM_STEPS, "batch_size": batch_size, "n_epochs": num_epochs}
    times = in_turn(
        {"defaults": contender(NUM_ENVS, **ours), "SB3": contender(8)}, min(scale.rounds, 5)
    )
    return Row(
        name="8 PPO, our defaults over SB3's on the same env steps",
        ratios=times["SB3"] / times["defaults"],
        note=f"{_frames(times, 'defaults')}, {_frames(times, 'SB3')}",
    )


def _memory_rows() -> list[Row]:
    """Measure the rollout buffer of a portfolio with a large window."""
    arguments: dict[str, Any] = {
        "num_envs": NUM_ENVS,
        "data": synthetic(43_200, 10),
        "features": [
            "scaled_return", "scaled_open", "scaled_high", "scaled_low", "volume_ratio",
            "momentum", "rsi", "macd", "macd_signal", "macd_histogram", "bollinger_percent_b",
            "bollinger_width", "atr", "adx", "realized_volatility",
        ],
        "look_back": 128,
    }  # fmt: skip
    found = {}
    for kind in ("flat", "index"):
        batch = gymnasium.make_vec("seq_gym/Portfolio-v0", observation=kind, **arguments)
        space = batch.unwrapped.single_observation_space
        parts = getattr(space, "spaces", {"": space}).values()
        floats = sum(int(np.prod(part.shape)) for part in parts)
        found[kind] = 128 * NUM_ENVS * floats * 4 / 1e6
    return [
        Row(
            name="8 observations of 128 x 256 steps, 10 symbols x 128 x 15",
            at_most=50.0,
            unit=" MB",
            ratios=np.array([found["index"]]),
            note=f"with index observations; flat {found['flat']:,.0f} MB",
        )
    ]


def rows(scale: Scale) -> list[Row]:
    """Measure row 8."""
    try:
        import stable_baselines3  # noqa: F401
        import torch
    except ImportError as error:
        return [skipped("8 PPO over a null VecEnv", f"{error.name} is not installed")]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found = [row for habit in HABITS for row in _rate_rows(habit, scale)]
    finally:
        torch.set_num_threads(before)
    return [*found, _defaults_row(scale), *_memory_rows()]
