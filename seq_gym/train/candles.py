"""The three ranges of a run on candles, and the environments that see no more than theirs.

The series that training and validation get ends where their range does: what comes after is not
there to be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from seq_gym.config import config_to_dict
from seq_gym.envs.vector import TradingVectorEnv
from seq_gym.errors import ConfigError
from seq_gym.market import CandleSeries, Splits, Window, sequential_windows, split_range
from seq_gym.runs.environment import env_id, is_book_env, sandbox_arguments
from seq_gym.runs.manifest import describe_candles
from seq_gym.runs.market import DATA_FIELDS, load_market, source_of
from seq_gym.times import format_time
from seq_gym.train.settings import TrainConfig

__all__ = ["CandleRanges", "load_candle_ranges"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CandleRanges:
    """The candles of a run, split; see Ranges.

    Attributes:
        config: The run.
        series: All of its data.
        source: Where it came from, in words.
        env: Id of the environment.
        splits: Training, validation and test, as cursors.
        scaling: Statistics of the features over the training range; None where they are not
            scaled.
    """

    config: TrainConfig
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

    def data_record(self) -> dict[str, Any]:
        """Return what a manifest says of the data."""
        return describe_candles(self.series, self.source)

    def evaluate_settings(self) -> dict[str, Any]:
        """Return what evaluate is told of the run by default: its test range, side by side."""
        config, series, test = self.config, self.series, self.splits.test
        plain = config_to_dict(config)
        chosen = {name: plain[name] for name in (*DATA_FIELDS, "candles_per_step", "sandbox")}
        scaling = {} if self.scaling is None else {"feature_scaling": self.scaling}
        steps = min(config.episode_steps, test.num_steps // config.candles_per_step)
        # Figures are those of the account; the reward may be a function of somebody's own.
        asked = {name: value for name, value in plain["env_settings"].items() if name != "reward"}
        return {
            **chosen,
            "env": self.env,
            "env_settings": {**_nominal(asked), **scaling},
            "seed": config.market_seed,
            "start": format_time(series.start_ns),
            "end": format_time(series.time_of(test.end)),
            "warm_up": test.start,
            "window": "sequential",
            "episode_steps": max(steps, 1),
        }

    def training_env(self) -> TradingVectorEnv:
        """Make the batch that is trained in: random windows of the training range.

        `randomize` is of training alone: validation and evaluate pay the fees that the config says.

        Raises:
            ConfigError: A setting breaks its rule, or an episode does not fit the range.
        """
        config, window = self.config, self.splits.train
        _check_fits("episode_steps", config.episode_steps, config, window, "training")
        arguments: dict[str, Any] = {"window": "random", "episode_steps": config.episode_steps}
        if "randomize" in config.env_settings:
            arguments["randomize"] = config.env_settings["randomize"]
        return _make(self, window, arguments, config.num_envs)

    def validation_env(self) -> TradingVectorEnv:
        """Make a batch with a row for each window of validation, spread evenly over its range.

        Raises:
            ConfigError: Not one window fits the range.
        """
        config, window, told = self.config, self.splits.validation, self.config.validation
        steps = told.episode_steps or config.episode_steps
        _check_fits("validation.episode_steps", steps, config, window, "validation")
        fitting = sequential_windows(window.start, window.end, steps * config.candles_per_step)
        count = min(told.episodes, len(fitting))
        starts = [fitting[k * len(fitting) // count].start for k in range(count)]
        return _make(self, window, {"window": starts, "episode_steps": steps}, count)


def load_candle_ranges(config: TrainConfig, scaling: dict[str, Any] | None = None) -> CandleRanges:
    """Load the data and split it in time order.

    Args:
        config: The run.
        scaling: Statistics that were fitted before; None fits them where the config asks for it.

    Raises:
        ConfigError: A range is too short, a setting breaks its rule, or the environment is one over
            books.
        MarketDataError: The data is at fault.
    """
    if is_book_env(config.env):
        raise ConfigError(
            f"env of a TrainConfig must be one over candles; was {config.env!r}, over books. "
            "Likely fix: TrainBookConfig."
        )
    series = load_market(config, config.market_seed)
    env = env_id(config.env, series.num_symbols)
    needed = _needed(config, env, series)
    embargo = needed if config.embargo is None else config.embargo
    splits = split_range(series.num_candles, config.split, embargo=embargo, look_back=needed)
    source = source_of(config.data, config.market_seed)
    ranges = CandleRanges(
        config=config, series=series, source=source, env=env, splits=splits, scaling=scaling
    )
    if scaling is None and config.normalize.scale_features:
        return replace(ranges, scaling=_fit(ranges))
    return ranges


def _nominal(env_settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an environment without what is drawn for each training episode."""
    return {name: value for name, value in env_settings.items() if name != "randomize"}


def _make(
    ranges: CandleRanges, window: Window, arguments: Mapping[str, Any], num_envs: int
) -> TradingVectorEnv:
    import gymnasium

    config = ranges.config
    everything: dict[str, Any] = {
        "data": ranges.until(window),
        "start": ranges.series.time_of(window.start),
        "candles_per_step": config.candles_per_step,
        **_nominal(config.env_settings),
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
    ranges = CandleRanges(
        config=config, series=early, source="", env=env, splits=Splits(whole, whole, whole)
    )
    made = _make(ranges, whole, {}, 1)
    try:
        return int(made.settings.first_start)
    finally:
        made.close()


def _fit(ranges: CandleRanges) -> dict[str, Any]:
    from seq_gym.train.scaling import fit_scaling

    train, told = ranges.splits.train, ranges.config.env_settings
    return fit_scaling(
        ranges.until(train),
        told.get("features", "default"),
        told.get("timeframes"),
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
