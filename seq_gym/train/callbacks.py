"""What happens in a run beside learning: validation, checkpoints, progress, and when it stops.

Everything is done between two rollouts, where the state of a run is whole: all that has been
collected has been learned from. So a checkpoint there is one that a resumed run goes on from to
the same weights.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from types import FrameType
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from seq_gym.train.folder import RunFolder
from seq_gym.train.log import RunLog
from seq_gym.train.settings import AnyTrainConfig
from seq_gym.train.state import save_checkpoint
from seq_gym.train.validation import is_better, validate
from seq_gym.train.vec_env import SB3VecEnv

__all__ = [
    "Interrupts",
    "Memory",
    "Progress",
    "RunCallback",
    "StopTraining",
    "interrupts_held",
    "next_multiple",
]

RECENT_EPISODES = 100
TELL_S = 0.2
"""Seconds between two words to the watcher."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is.

    Attributes:
        steps: Done, of all environments together.
        total: Wanted.
        steps_per_s: Since the run, or the resumed part of it, began.
        seconds_left: At that speed.
        figures: Of the last validation.
        is_best: Whether that was the best so far.
        validated: Whether it is new.
    """

    steps: int
    total: int
    steps_per_s: float
    seconds_left: float
    figures: dict[str, float]
    is_best: bool
    validated: bool


@dataclass(slots=True, kw_only=True)
class Memory:
    """What a run must remember beside its model."""

    next_validation: int
    next_checkpoint: int
    last_validation: int = -1
    best_value: float | None = None
    best_step: int | None = None
    misses: int = 0
    figures: dict[str, float] = field(default_factory=dict)
    best_figures: dict[str, float] = field(default_factory=dict)
    recent: list[tuple[float, ...]] = field(default_factory=list)
    """Figures of the last episodes of training."""
    pending: dict[str, Any] = field(default_factory=dict)
    """What SB3's logger has collected and not written yet."""


def next_multiple(steps: int, every: int) -> int:
    """Return the first multiple of `every` that is yet to come."""
    return (steps // every + 1) * every


class StopTraining(Exception):
    """Ends a run between two rollouts; says why."""


class Interrupts:
    """Whether somebody has asked the run to stop."""

    def __init__(self) -> None:
        self.asked = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Note the first signal; the second one is not waited for."""
        del number, frame
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def interrupts_held() -> Iterator[Interrupts]:
    """Hold Ctrl-C, and the SIGTERM of a scheduler, back until the end of a rollout.

    In other threads nothing is held.
    """
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    held = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, interrupts.handle) for number in held]
    try:
        yield interrupts
    finally:
        for number, handler in zip(held, before, strict=True):
            signal.signal(number, handler)


class RunCallback(BaseCallback):
    """Watches a run.

    Args:
        config: The run.
        folder: Its folder.
        env: The windows of validation.
        log: Its log.
        memory: What it remembers.
        interrupts: Whether to stop.
        progress: Told between rollouts, a few times a second at most.
    """

    def __init__(
        self,
        config: AnyTrainConfig,
        folder: RunFolder,
        env: SB3VecEnv,
        log: RunLog,
        memory: Memory,
        interrupts: Interrupts,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        super().__init__()
        self._config = config
        self._folder = folder
        self._env = env
        self._log = log
        self.memory = memory
        self._interrupts = interrupts
        self._progress = progress
        self._recent = deque(memory.recent, maxlen=RECENT_EPISODES)
        self._began = time.perf_counter()
        self._told = -math.inf  # where a run goes on from is told at once
        self._first_step = 0

    def _on_training_start(self) -> None:
        self._began = time.perf_counter()
        self._first_step = self.model.num_timesteps

    def _on_step(self) -> bool:
        dones = self.locals["dones"]
        if dones.any():
            infos = self.locals["infos"]
            ended = (infos[e] for e in np.flatnonzero(dones).tolist())
            self._recent.extend(tuple(info[name] for name in self._env.figures) for info in ended)
        return True

    def _on_rollout_end(self) -> None:
        for name, values in zip(self._env.figures, np.array(self._recent).T, strict=False):
            if not np.isnan(values).all():
                self.logger.record(f"rollout/{name}", float(np.nanmean(values)))

    def _on_rollout_start(self) -> None:
        steps = self.model.num_timesteps
        if steps == 0:
            self._log_validation()  # where the curve begins; nothing is chosen yet
            self._began = time.perf_counter()  # kernels are compiled by now
        validated = steps >= self.memory.next_validation
        if validated:
            self.validate()
        self.tell(validated=validated)
        if self._interrupts.asked:
            self.checkpoint()
            raise StopTraining("interrupted")
        patience = self._config.validation.patience
        if validated and patience is not None and self.memory.misses >= patience:
            raise StopTraining("stopped early")
        if steps >= self.memory.next_checkpoint:
            self.checkpoint()

    def validate(self) -> None:
        """Play the windows of validation; keep the model where it is the best so far."""
        memory, told = self.memory, self._config.validation
        steps = self.model.num_timesteps
        self._log_validation()
        memory.next_validation = next_multiple(steps, told.every)
        memory.last_validation = steps
        value = memory.figures[told.metric]
        if not is_better(told.metric, value, memory.best_value):
            memory.misses += 1
            return
        memory.misses = 0
        memory.best_value, memory.best_step, memory.best_figures = value, steps, memory.figures
        self._folder.save_model(self.model, best=True)

    def checkpoint(self) -> None:
        """Save all that moves."""
        steps = self.model.num_timesteps
        self.memory.next_checkpoint = next_multiple(steps, self._config.checkpoint_every)
        self.memory.recent = list(self._recent)
        self.memory.pending = dict(self.model.logger.name_to_value)
        folder = self._folder.path / "checkpoints"
        save_checkpoint(folder, self.model, asdict(self.memory), self._config.keep_checkpoints)

    def _log_validation(self) -> None:
        self.memory.figures = validate(self.model, self._env)
        figures = {f"validation/{name}": value for name, value in self.memory.figures.items()}
        self._log.scalars(self.model.num_timesteps, figures)

    def tell(self, *, validated: bool) -> None:
        """Tell the watcher how far the run is, a few times a second at most.

        Args:
            validated: There are new figures, which are always told.
        """
        now = time.perf_counter()
        if self._progress is None or (now - self._told < TELL_S and not validated):
            return
        self._told = now
        steps, total = self.model.num_timesteps, self._config.total_steps
        speed = (steps - self._first_step) / max(now - self._began, 1e-9)
        left = (total - steps) / speed if speed > 0.0 else float("inf")
        self._progress(
            Progress(
                steps=steps,
                total=total,
                steps_per_s=speed,
                seconds_left=max(left, 0.0),
                figures=self.memory.figures,
                is_best=self.memory.best_step == steps,
                validated=validated,
            )
        )
