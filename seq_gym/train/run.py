"""train(): a run from its config to its folder; resume(): the same run, gone on with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from seq_gym.config import config_to_dict
from seq_gym.errors import ConfigError
from seq_gym.train.algorithms import ALGORITHMS, check_action
from seq_gym.train.callbacks import (
    Memory,
    Progress,
    RunCallback,
    StopTraining,
    interrupts_held,
    next_multiple,
)
from seq_gym.train.folder import RunFolder
from seq_gym.train.log import RunLog
from seq_gym.train.models import choose_device, make_model, normalized
from seq_gym.train.ranges import Ranges, load_ranges
from seq_gym.train.settings import AnyTrainConfig
from seq_gym.train.specification import specification
from seq_gym.train.state import latest_checkpoint, restore_checkpoint
from seq_gym.train.vec_env import SB3VecEnv

__all__ = ["RESUMABLE", "TrainResult", "resume", "train"]

RESUMABLE = (
    "total_steps",
    "checkpoint_every",
    "keep_checkpoints",
    "device",
    "threads",
    "validation.every",
    "validation.patience",
)
"""Fields that may change when a run is resumed: none by which models are compared."""

Watcher = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """What a run came to.

    Attributes:
        folder: Its folder.
        state: "complete", "stopped early" or "interrupted".
        steps: Steps done.
        best_step: Step of the chosen model; None before the first validation.
        best_figures: Its figures on validation.
        figures: Those of the last model.
        model: The last model.
    """

    folder: Path
    state: str
    steps: int
    best_step: int | None
    best_figures: dict[str, float]
    figures: dict[str, float]
    model: Any


def train(
    config: AnyTrainConfig, progress: Watcher | None = None, *, command: Sequence[str] = ("train",)
) -> TrainResult:
    """Train a policy and write its run folder.

    Ctrl-C ends the run after the rollout at hand, with a checkpoint; once more, at once.

    Args:
        config: What to run.
        progress: Told between rollouts.
        command: What started it, for the record.

    Raises:
        ConfigError: The config does not say what it must.
        MarketDataError: The data is at fault.
        MissingExtra: A library is not installed.

    Source: S1-74, E2.
    """
    config = config.resolved()
    ALGORITHMS[config.algo].load_class()
    ranges = load_ranges(config)
    with _threads(config.threads), contextlib.ExitStack() as stack:
        env = SB3VecEnv(ranges.training_env())
        check_action(config.algo, env.env.settings.action, ranges.env)
        validation = SB3VecEnv(ranges.validation_env())
        around = normalized(config, env)
        model = make_model(config, around, env.env.settings)
        folder = RunFolder.create(config, ranges, specification(env.env.settings), command)
        log = RunLog(folder.path)
        stack.callback(log.close)
        memory = Memory(
            next_validation=config.validation.every, next_checkpoint=config.checkpoint_every
        )
        interrupts = stack.enter_context(interrupts_held())
        watch = RunCallback(config, folder, validation, log, memory, interrupts, progress)
        return _learn(config, folder, model, watch, log, is_new=True)


def resume(
    path: str | Path,
    config: AnyTrainConfig | None = None,
    progress: Watcher | None = None,
    *,
    command: Sequence[str] = ("resume",),
) -> TrainResult:
    """Go on with a run from its latest checkpoint, in its folder.

    Args:
        path: The run folder.
        config: That of the run with other values of RESUMABLE; None changes nothing.
        progress: Told between rollouts.
        command: What started it, for the record.

    Raises:
        ConfigError: It is no run folder, has no checkpoint, a file is not the one recorded, or
            the config is another run's.
    """
    folder = RunFolder.open(path)
    own = folder.config()
    config = own if config is None else config.resolved()
    _refuse_changes(own, config)
    checkpoint = latest_checkpoint(folder.path / "checkpoints")
    ranges = load_ranges(config, folder.scaling())
    _refuse_other_data(folder, ranges)
    with _threads(config.threads), contextlib.ExitStack() as stack:
        env = SB3VecEnv(ranges.training_env())
        validation = SB3VecEnv(ranges.validation_env())
        model, remembered = restore_checkpoint(
            checkpoint,
            ALGORITHMS[config.algo].load_class(),
            env,
            device=choose_device(config.device),
        )
        if config.total_steps < own.total_steps and config.total_steps < model.num_timesteps:
            raise ConfigError(
                f"total_steps of a resumed run must be above the steps that it has, "
                f"{model.num_timesteps}; was {config.total_steps}."
            )
        _note_resumption(folder, config, ranges, model.num_timesteps, command)
        log = RunLog(folder.path, model.num_timesteps)
        stack.callback(log.close)
        interrupts = stack.enter_context(interrupts_held())
        steps = model.num_timesteps
        times = {
            "next_validation": next_multiple(steps, config.validation.every),
            "next_checkpoint": next_multiple(steps, config.checkpoint_every),
        }
        memory = Memory(**(remembered | times))
        watch = RunCallback(config, folder, validation, log, memory, interrupts, progress)
        return _learn(config, folder, model, watch, log, is_new=False)


def _learn(
    config: AnyTrainConfig,
    folder: RunFolder,
    model: Any,
    watch: RunCallback,
    log: RunLog,
    *,
    is_new: bool,
) -> TrainResult:
    """Learn what is left, validate the last model, and close the folder."""
    logger = log.logger()
    for name, value in watch.memory.pending.items():
        logger.record(name, value)
    model.set_logger(logger)
    left = config.total_steps - model.num_timesteps
    # SB3 counts episodes of the batch: a line for each would be one for each row.
    interval = 1 if ALGORITHMS[config.algo].on_policy else max(config.num_envs, 4)
    state = "complete"
    try:
        if left > 0:
            model.learn(left, watch, log_interval=interval, reset_num_timesteps=is_new)
    except StopTraining as reason:
        state = str(reason)
    except ValueError as error:
        if "invalid values" not in str(error):  # torch's word for a policy of NaN
            raise
        raise ConfigError(
            f"Training must keep the weights finite; they were not after step "
            f"{model.num_timesteps}. Likely fix: a smaller learning_rate, or normalize.rewards."
        ) from error
    memory = watch.memory
    if state != "interrupted":
        watch.model = model  # which it has not met where nothing was left to learn
        if memory.last_validation != model.num_timesteps:
            watch.validate()
        watch.tell(validated=True)
        watch.checkpoint()
        figures = {f"final/{name}": value for name, value in memory.best_figures.items()}
        log.hparams(config_to_dict(config), figures)
    folder.save_model(model, best=False)
    folder.update(
        state=state,
        steps=model.num_timesteps,
        best={"step": memory.best_step, "figures": memory.best_figures},
    )
    if state != "interrupted":
        (folder.path / "DONE").write_text(f"{state}\n", encoding="utf-8")
    return TrainResult(
        folder=folder.path,
        state=state,
        steps=model.num_timesteps,
        best_step=memory.best_step,
        best_figures=memory.best_figures,
        figures=memory.figures,
        model=model,
    )


def _refuse_changes(own: AnyTrainConfig, config: AnyTrainConfig) -> None:
    before, after = _flat(config_to_dict(own)), _flat(config_to_dict(config))
    # Either may say what the other leaves to a default.
    changed = [
        name
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name) and name not in RESUMABLE
    ]
    if changed:
        raise ConfigError(
            f"A resumed run must keep its settings but for {', '.join(RESUMABLE)}; was given "
            f"another {', '.join(changed)}. Likely fix: start a new run."
        )


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a config and of its sections, `section.field`."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        parts = value if isinstance(value, Mapping) else {"": value}
        flat |= {f"{name}.{part}".rstrip("."): each for part, each in parts.items()}
    return flat


def _refuse_other_data(folder: RunFolder, ranges: Ranges) -> None:
    recorded, present = folder.manifest()["data"], ranges.data_record()
    first, now = recorded["fingerprint"], present["fingerprint"]
    if now != first:
        raise ConfigError(
            f"The data of {folder.path} must be what it was trained on (fingerprint "
            f"{first[:12]}); was other data ({now[:12]}). Likely fix: "
            "start a new run."
        )
    first, now = (_funding_of(each) for each in (recorded, present))
    if now != first:
        raise ConfigError(
            f"The funding rates of {folder.path} must be those that it was trained on ({first}); "
            f"were others ({now}). Likely fix: start a new run."
        )


def _funding_of(record: Mapping[str, Any]) -> str:
    """Return what a record of data says of funding rates, in words; candles' are in their data."""
    told = {name: each["fingerprint"][:12] for name, each in record.get("funding", {}).items()}
    return ", ".join(f"{name} {told[name]}" for name in sorted(told)) or "none"


def _note_resumption(
    folder: RunFolder, config: AnyTrainConfig, ranges: Ranges, steps: int, command: Sequence[str]
) -> None:
    resumed = [*folder.manifest().get("resumed", []), {"steps": steps, "command": list(command)}]
    (folder.path / "DONE").unlink(missing_ok=True)
    folder.write_config(config, ranges, folder.manifest()["command"])
    folder.update(state="running", resumed=resumed)


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let torch use that many threads, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
