"""The three ranges of a run on a recorded book, and the environments that see no more than theirs.

The recording is cut in time. What training and validation get ends where their range does, on the
venue's clock and on the recorder's: what comes after is not there to be read. An episode ends with
its range at the latest, on the agent's clock, which feed latency puts behind the recorder's. Before
each range lies an embargo as long as features look back, so that no window of theirs reaches into
the range before. Decayed sums and moving averages, with half-lives of up to 300 s, remember what is
older with fading weight; a longer embargo fades it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq_gym.config import config_to_dict
from seq_gym.engine.book.features_table import BOOK_FEATURES, book_feature_names
from seq_gym.envs.book.settings import read_features
from seq_gym.envs.numbers import check_whole
from seq_gym.envs.vector import TradingVectorEnv
from seq_gym.errors import ConfigError
from seq_gym.market import FundingRates, Splits, Window, sequential_windows, split_range
from seq_gym.market.book.events import BookData
from seq_gym.runs.book_decisions import decision_times
from seq_gym.runs.book_market import (
    BOOK_DATA_FIELDS,
    describe_books,
    load_book_rates,
    load_books,
)
from seq_gym.runs.environment import book_env_id, sandbox_arguments
from seq_gym.runs.market import source_of
from seq_gym.sandbox.book.instruments import book_instruments
from seq_gym.times import NS_PER_S, format_interval, format_time
from seq_gym.train.settings import TrainBookConfig

__all__ = ["BookRanges", "load_book_ranges"]

_OF_THE_RUN = (
    *BOOK_DATA_FIELDS,
    "scan_buffer_secs",
    "no_dedup",
    "decide_every",
    "decide_every_events",
    "sandbox",
)
"""Fields that evaluate takes as they are."""

Times = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class BookRanges:
    """The book of a run, split; see Ranges.

    Attributes:
        config: The run.
        books: All of its data: one book.
        rates: Funding rates by "SYMBOL@venue".
        source: Where it came from, in words.
        env: Id of the environment.
        times: int64 [T], when agents may decide, UNIX nanoseconds of the agent's clock.
        splits: Training, validation and test, as places of `times`.
    """

    config: TrainBookConfig
    books: BookData
    rates: Mapping[str, FundingRates]
    source: str
    env: str
    times: Times
    splits: Splits

    @property
    def scaling(self) -> None:
        """Features of books have a scale of their own."""
        return None

    def until(self, window: Window) -> BookData:
        """Return the recording up to the end of a range, without what follows."""
        return self.books.window(end=int(self.times[window.end]) + 1)

    def described(self) -> dict[str, dict[str, Any]]:
        """Return the ranges as plain values, times and cursors."""
        return {
            name: {
                "start": format_time(int(self.times[window.start])),
                "end": format_time(int(self.times[window.end])),
                "cursors": [window.start, window.end],
            }
            for name, window in self.splits._asdict().items()
        }

    def data_record(self) -> dict[str, Any]:
        """Return what a manifest says of the data."""
        return describe_books(self.books, self.source, self.rates)

    def evaluate_settings(self) -> dict[str, Any]:
        """Return what evaluate is told of the run by default: its test range, side by side."""
        config, test = self.config, self.splits.test
        plain = config_to_dict(config)
        # Figures are those of the account; the reward may be a function of somebody's own.
        asked = {name: value for name, value in plain["env_settings"].items() if name != "reward"}
        return {
            **{name: plain[name] for name in _OF_THE_RUN},
            "env": self.env,
            "env_settings": asked,
            "seed": config.market_seed,
            "warm_up": format_interval(int(self.times[test.start] - self.times[0])),
            "window": "sequential",
            "episode_steps": min(config.episode_steps, test.num_steps),
        }

    def training_env(self) -> TradingVectorEnv:
        """Make the batch that is trained in: random windows of the training range.

        Raises:
            ConfigError: A setting breaks its rule, or an episode does not fit the range.
        """
        config, window = self.config, self.splits.train
        data, steps = self.until(window), config.episode_steps
        first, last = _offered(self, window, data)
        _check_fits("episode_steps", steps, last - first, "training")
        arguments = {"window": "random", "episode_steps": steps}
        return _make(self, window, data, arguments, config.num_envs)

    def validation_env(self) -> TradingVectorEnv:
        """Make a batch with a row for each window of validation, spread evenly over its range.

        Raises:
            ConfigError: Not one window fits the range.
        """
        told, window = self.config.validation, self.splits.validation
        steps = told.episode_steps or self.config.episode_steps
        data = self.until(window)
        first, last = _offered(self, window, data)
        _check_fits("validation.episode_steps", steps, last - first, "validation")
        fitting = sequential_windows(first, last, steps)
        count = min(told.episodes, len(fitting))
        starts = [fitting[k * len(fitting) // count].start for k in range(count)]
        return _make(self, window, data, {"window": starts, "episode_steps": steps}, count)


def load_book_ranges(config: TrainBookConfig) -> BookRanges:
    """Load the book of a run and split it in time order.

    Raises:
        ConfigError: A range is too short, a setting breaks its rule, the data has several books, or
            the environment is one over candles.
        MarketDataError: The data is at fault.
    """
    env = book_env_id(config.env)
    books = load_books(config, config.market_seed)
    _refuse_several(books, env)
    times = decision_times(
        books,
        config.sandbox,
        every=config.decide_every,
        every_events=config.decide_every_events,
    )
    return BookRanges(
        config=config,
        books=books,
        rates=load_book_rates(config, books),
        source=source_of(config.data, config.market_seed, "book"),
        env=env,
        times=times,
        splits=_split(config, times, _needed_ns(config, books)),
    )


def _needed_ns(config: TrainBookConfig, books: BookData) -> int:
    """Return how far back observations read, nanoseconds of the recorder's clock."""
    asked = config.env_settings
    names = read_features(asked.get("features", "default"))
    if asked.get("fill_horizon", "1s") is not None:
        # The own state says how likely quotes are hit, by rates that are features themselves.
        names = (*names, *book_feature_names("rates"))
    look_back_s = max(BOOK_FEATURES[name].look_back_s for name in names)
    # What is learnt late is what happened earlier.
    (instrument,), _ = book_instruments(config.sandbox, books)
    return round(look_back_s * NS_PER_S) + int(instrument["feed_ns"])


def _split(config: TrainBookConfig, times: Times, needed: int) -> Splits:
    """Return the ranges, places of `times`, by shares of the time that the embargoes leave."""
    look_back = config.env_settings.get("look_back", 1)
    check_whole("look_back", look_back)
    embargo = needed if config.embargo_ns is None else config.embargo_ns
    if embargo < needed:
        raise ConfigError(
            f"embargo must be at least the {format_interval(needed)} that observations look back; "
            f"was {config.embargo}. Likely fix: leave it out."
        )
    first, span = int(times[0]), int(times[-1] - times[0])
    if span <= 3 * embargo:
        raise ConfigError(
            f"The data must be longer than the embargoes before its three ranges, "
            f"{format_interval(3 * embargo)}; was {span / NS_PER_S:g} s. Likely fix: more data, or "
            "features that look back less, with fill_horizon=none."
        )
    parts = split_range(span, config.split, embargo=embargo, look_back=needed)
    return Splits(*[_places(times, first, each, look_back) for each in parts])


def _places(times: Times, first: int, part: Window, look_back: int) -> Window:
    """Return a range of time as places of the decisions in it, its first look-back full.

    Args:
        times: When agents may decide.
        first: The first of them.
        part: Nanoseconds since then.
        look_back: Rows of an observation; none of them lies before the range.

    Raises:
        ConfigError: It holds no decision.
    """
    start = int(np.searchsorted(times, first + part.start)) + look_back - 1
    end = int(np.searchsorted(times, first + part.end)) - 1
    if start >= end:
        raise ConfigError(
            f"Every range must hold a decision after a look-back of {look_back} rows; from "
            f"{format_time(first + part.start)} to {format_time(first + part.end)} there is none. "
            "Likely fix: more data, or decide_every smaller."
        )
    return Window(start, end)


def _make(
    ranges: BookRanges, window: Window, data: BookData, arguments: Mapping[str, Any], num_envs: int
) -> TradingVectorEnv:
    import gymnasium

    config = ranges.config
    env: Any = gymnasium.make_vec(
        ranges.env,
        num_envs=num_envs,
        **{
            "data": data,
            "funding": ranges.rates,
            "start": int(ranges.times[window.start]),
            "end": int(ranges.times[window.end]),
            **config.decision_arguments,
            **config.env_settings,
            **arguments,
            **sandbox_arguments(config.sandbox),
        },
    )
    made: TradingVectorEnv = env.unwrapped
    return made


def _offered(ranges: BookRanges, window: Window, data: BookData) -> tuple[int, int]:
    """Return the first cursor of a range and the last that an episode may reach.

    They are the environment's: after the last row of its data there is no decision.
    """
    probe = _make(ranges, window, data, {"window": "full"}, 1)
    first, last = probe.settings.first_start, probe.settings.last_cursor
    probe.close()
    return first, last


def _check_fits(name: str, steps: int, most: int, range_name: str) -> None:
    if steps > most:
        raise ConfigError(
            f"{name} must fit the {range_name} range, which holds {most} decisions; was {steps}. "
            "Likely fix: fewer steps, more data, or another split."
        )


def _refuse_several(books: BookData, env: str) -> None:
    if len(books.books) > 1:
        names = ", ".join(f"{book.symbol} at {book.venue}" for book in books.books)
        raise ConfigError(
            f"A policy in {env} trades one book; the data has {names}. Likely fix: symbols and "
            "venues that leave one."
        )
