"""The three ranges of a run, and the environments that see no more than theirs.

The series that training and validation get ends where their range does: what comes after is not
there to be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seq_gym.envs.vector import TradingVectorEnv
from seq_gym.errors import ConfigError
from seq_gym.market import CandleSeries, Splits, Window, sequential_windows, split_range
from seq_gym.runs.environment import env_id, is_book_env, sandbox_arguments
from seq_gym.runs.market import load_market, source_of
from seq_gym.times import format_time
from seq_gym.train.settings import TrainConfig

__all__ = ["Ranges", "load_ranges", "nominal", "training_env", "validation_env"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """The data of a run, split.

    Attributes:
        series: All of it.
        source: Where it came from, in words.
        env: Id of the environment.
        splits: Training, validation and test, as cursors.
        scaling: Statistics of the features over the training range; None where they are not
            scaled.
    """

    series: CandleSeries
    source: str
    env: str
    splits: Splits
    scaling: dict[str, Any] | None = None

    def until(self, window: Window) -> CandleSeries:
        """Return the candles up to the end of a range, without what follows."""
        return self.series.select(end=self.series.time_of(window.end))

    def described(self) -> dict[str, dict[str, Any]]:
        """Return the ranges as plain values, times and cursors."""
        return {
            name: {
                "start": format_time(self.series.time_of(window.start)),
                "end": format_time(self.series.time_of(window.end)),
                "cursors": [window.start, window.end],
            }
            for name, window in self.splits._asdict().items()
        }


def load_ranges(config: TrainConfig, scaling: dict[str, Any] | None = None) -> Ranges:
    """Load the data and split it in time order.

    Args:
        config: The run.
        scaling: Statistics that were fitted before; None fits them where the config asks for it.

    Raises:
        ConfigError: A range is too short, a setting breaks its rule, or the environment is one over
            books.
        MarketDataError: The data is at fault.
    """
    _refuse_books(config.env)
    series = load_market(config, config.market_seed)
    env = env_id(config.env, series.num_symbols)
    needed = _needed(config, env, series)
    embargo = needed if config.embargo is None else config.embargo
    splits = split_range(series.num_candles, config.split, embargo=embargo, look_back=needed)
    source = source_of(config.data, config.market_seed)
    ranges = Ranges(series=series, source=source, env=env, splits=splits, scaling=scaling)
    if scaling is None and config.normalize.scale_features:
        fitted = _fit(config, ranges)
        ranges = Ranges(series=series, source=source, env=env, splits=splits, scaling=fitted)
    return ranges


def _refuse_books(env: str | None) -> None:
    """Refuse an environment that a training run has no ranges for.

    Raises:
        ConfigError: It is one over books.
    """
    if is_book_env(env):
        raise ConfigError(
            f"env must be one over candles, which a training run splits into its ranges; was "
            f"{env!r}, over books. Likely fix: PPO(...).learn(...) of Stable-Baselines3 on "
            "seq_gym.train.make_vec_env(...), then python -m seq_gym.evaluate --agent model.zip "
            f"--algo ppo --env {str(env).removeprefix('seq_gym/')}."
        )


def training_env(config: TrainConfig, ranges: Ranges) -> TradingVectorEnv:
    """Make the batch that is trained in: random windows of the training range.

    `randomize` is of training alone: validation and evaluate pay the fees that the config says.

    Raises:
        ConfigError: A setting breaks its rule, or an episode does not fit the range.
    """
    window = ranges.splits.train
    _check_fits("episode_steps", config.episode_steps, config, window, "training")
    arguments: dict[str, Any] = {"window": "random", "episode_steps": config.episode_steps}
    if "randomize" in config.env_settings:
        arguments["randomize"] = config.env_settings["randomize"]
    return _make(config, ranges, window, arguments, config.num_envs)


def validation_env(config: TrainConfig, ranges: Ranges) -> TradingVectorEnv:
    """Make a batch with a row for each window of validation, spread evenly over its range.

    Raises:
        ConfigError: Not one window fits the range.
    """
    window, told = ranges.splits.validation, config.validation
    steps = told.episode_steps or config.episode_steps
    _check_fits("validation.episode_steps", steps, config, window, "validation")
    fitting = sequential_windows(window.start, window.end, steps * config.candles_per_step)
    count = min(told.episodes, len(fitting))
    starts = [fitting[k * len(fitting) // count].start for k in range(count)]
    return _make(config, ranges, window, {"window": starts, "episode_steps": steps}, count)


def nominal(env_settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an environment without what is drawn for each training episode."""
    return {name: value for name, value in env_settings.items() if name != "randomize"}


def _make(
    config: TrainConfig,
    ranges: Ranges,
    window: Window,
    arguments: Mapping[str, Any],
    num_envs: int,
) -> TradingVectorEnv:
    import gymnasium

    everything: dict[str, Any] = {
        "data": ranges.until(window),
        "start": ranges.series.time_of(window.start),
        "candles_per_step": config.candles_per_step,
        **nominal(config.env_settings),
        **arguments,
        **sandbox_arguments(config.sandbox),
    }
    if ranges.scaling is not None:
        everything["feature_scaling"] = ranges.scaling
    env: Any = gymnasium.make_vec(ranges.env, num_envs=num_envs, **everything)
    made: TradingVectorEnv = env.unwrapped
    return made


def _needed(config: TrainConfig, env: str, series: CandleSeries) -> int:
    """Return the first cursor at which an episode may start; only the first range is looked at."""
    share = max(round(series.num_candles * config.split[0]), 1)
    early = series.select(end=series.time_of(share))
    whole = Window(0, share)
    ranges = Ranges(
        series=early, source="", env=env, splits=Splits(whole, whole, whole), scaling=None
    )
    made = _make(config, ranges, whole, {}, 1)
    try:
        return int(made.settings.first_start)
    finally:
        made.close()


def _fit(config: TrainConfig, ranges: Ranges) -> dict[str, Any]:
    from seq_gym.train.scaling import fit_scaling

    train = ranges.splits.train
    return fit_scaling(
        ranges.until(train),
        config.env_settings.get("features", "default"),
        config.env_settings.get("timeframes"),
        start=ranges.series.time_of(train.start),
        end=ranges.series.time_of(train.end),
    )


def _check_fits(
    name: str, steps: int, config: TrainConfig, window: Window, range_name: str
) -> None:
    most = window.num_steps // config.candles_per_step
    if steps > most:
        raise ConfigError(
            f"{name} must fit the {range_name} range, which holds {most} steps; was {steps}. "
            "Likely fix: fewer steps, more data, or another split."
        )
