"""The ranges of a run on a book: no moment of one is in another; and what cannot be trained."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import make_vec

from seq_gym.errors import ConfigError
from seq_gym.market.book.events import BookData
from seq_gym.market.book.synthetic import synthetic_books
from seq_gym.sandbox.book.latency import Latency
from seq_gym.sandbox.book.params import BookParams
from seq_gym.times import NS_PER_S
from seq_gym.train import (
    BookValidationConfig,
    NormalizeConfig,
    TrainBookConfig,
    TrainConfig,
    train,
)
from seq_gym.train import books as train_books
from seq_gym.train.algorithms import BOOK_ACTIONS
from seq_gym.train.books import BookRanges, load_book_ranges
from seq_gym.train.ranges import load_ranges
from tests.train.runs import SHORT, assert_same_weights, small_on_book

LATE: dict[str, Any] = {"sandbox": BookParams(account="margin", latency=Latency(feed_ms=3_000.0))}
"""An agent that learns of everything three seconds after the recorder."""


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"decide_every": "500ms", "env_settings": {"features": SHORT, "look_back": 3}},
        {"decide_every_events": 25, "env_settings": {"features": SHORT, "look_back": 7}},
        {"embargo": "35s", "split": (0.5, 0.3, 0.2)},
        {"env_settings": {"features": ["imbalance_1"]}},
        {"env_settings": {"features": SHORT, "fill_horizon": None}},
        {"env_settings": {"features": ["imbalance_1"], "fill_horizon": None}},
        LATE,
    ],
)
def test_ranges_share_no_moment(tmp_path: Path, changes: dict[str, Any]) -> None:
    config = small_on_book(tmp_path, episode_steps=8, **changes)
    ranges = load_book_ranges(config)
    told = config.env_settings
    memory = 0 if told["features"] == ["imbalance_1"] else 3
    memory = memory if "fill_horizon" in told else 30  # of the rates behind bid_fill and ask_fill
    memory += 3 if changes is LATE else 0  # what is learnt late is what happened earlier
    memory_ns = max(memory * NS_PER_S, config.embargo_ns or 0)
    before = int(ranges.times[0])
    for window in ranges.splits:
        read_from = int(ranges.times[window.start - told.get("look_back", 1) + 1]) - memory_ns
        assert before <= read_from < before + 2 * NS_PER_S
        assert window.start < window.end < len(ranges.times)
        before = int(ranges.times[window.end])
    shares = np.array([ranges.times[w.end] - ranges.times[w.start] for w in ranges.splits], float)
    assert shares / shares.sum() == pytest.approx(config.split, abs=0.05)


@pytest.mark.parametrize("changes", [{}, {"decide_every_events": 25}, LATE])
def test_environments_hold_nothing_beyond_their_range(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    ranges = load_book_ranges(small_on_book(tmp_path, **changes))
    for window, env in (
        (ranges.splits.train, ranges.training_env()),
        (ranges.splits.validation, ranges.validation_env()),
    ):
        settings = env.settings
        start, end = int(ranges.times[window.start]), int(ranges.times[window.end])
        book = settings.market.events
        assert max(book.exch_ts.max(), book.local_ts.max()) <= end
        times = settings.grid.times
        assert set(times.tolist()) <= set(ranges.times.tolist())
        assert times[settings.first_start] == start
        assert times[settings.last_cursor] <= end
        if len(settings.starts):
            assert times[settings.starts.max() + 40] <= end
        else:
            assert times[settings.last_start + 40] <= end


@pytest.mark.parametrize("changes", [{}, {"decide_every_events": 25}])
def test_an_episode_that_is_refused_is_told_how_long_one_may_be(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    config = small_on_book(tmp_path, episode_steps=9_000, **changes)
    told_of = BookValidationConfig(episode_steps=9_000)
    for which, name in (("training", "episode_steps"), ("validation", "validation.episode_steps")):
        ranges = load_book_ranges(dataclasses.replace(config, validation=told_of))
        with pytest.raises(ConfigError, match=f"^{name} must fit the {which} range") as told:
            getattr(ranges, f"{which}_env")()
        most = int(re.search(r"holds (\d+) decisions; was 9000", str(told.value))[1])  # type: ignore[index]
        fits = dataclasses.replace(config, episode_steps=most)
        env = getattr(load_book_ranges(fits), f"{which}_env")()
        assert env.settings.longest == most


def _shaken(books: BookData, cut: int) -> BookData:
    """Return books whose quantities are three times as large from a moment on."""
    (book,) = books.books
    late = np.maximum(book.exch_ts, book.local_ts) >= cut
    other = dataclasses.replace(book, lots=np.where(late, book.lots * 3, book.lots))
    return BookData(books=(other,))


def _with_other_data(config: TrainBookConfig, cut_of: Any) -> Any:
    ranges = load_book_ranges(config)
    other = _shaken(ranges.books, cut_of(ranges))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_books, "load_books", lambda config, seed: other)
        return train(config)


def _after_validation(ranges: BookRanges) -> int:
    return int(ranges.times[ranges.splits.validation.end]) + 1


def _in_training(ranges: BookRanges) -> int:
    return int(ranges.times[ranges.splits.train.start]) + 10 * NS_PER_S


def test_what_happens_after_validation_changes_no_weight(tmp_path: Path) -> None:
    config = small_on_book(tmp_path, total_steps=512)
    base = train(config)
    again = _with_other_data(config, _after_validation)
    assert_same_weights(base.model, again.model)
    assert base.best_figures == again.best_figures
    with pytest.raises(AssertionError):
        assert_same_weights(base.model, _with_other_data(config, _in_training).model)


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"embargo": "9s"}, "embargo must be at least the 30s that observations look back; was 9s"),
        ({"embargo": "soon"}, "embargo: An interval must be"),
        ({"embargo": "2m"}, "must be longer than the embargoes before its three ranges, 6m"),
        ({"episode_steps": 9_000}, r"episode_steps must fit the training range, which holds \d+"),
        (
            {"validation": BookValidationConfig(episode_steps=500)},
            "validation.episode_steps must fit the validation range",
        ),
        ({"decide_every": "30s"}, "Every range must hold a decision after a look-back of 1 rows"),
        ({"symbols": ("BTCUSDT", "ETHUSDT")}, "trades one book; the data has BTCUSDT at synthetic"),
        ({"normalize": NormalizeConfig(scale_features=True)}, "scale_features is of candles"),
        ({"env": "CandleTrading-v0"}, "trades on candles; this run has recorded books"),
        ({"env": "MarketMakin-v0"}, "Did you mean 'MarketMaking-v0'"),
        ({"algo": "dqn", "hyperparameters": {}}, "has none. Likely fix: train it with ppo or a2c"),
        (
            {
                "algo": "sac",
                "hyperparameters": {},
                "env_settings": {"features": SHORT, "action": "discrete"},
            },
            r"action must be one that sac can take \(continuous\); was 'discrete'",
        ),
        ({"env_settings": {"features": ["imbalance_11"]}}, "Did you mean 'imbalance_1"),
        ({"env_settings": {"features": 5}}, "features must be a set"),
        ({"env_settings": {"look_back": 0}}, "look_back must be"),
        ({"env_settings": {"features": SHORT, "randomize": {}}}, "Unknown argument 'randomize'"),
        ({"validation": BookValidationConfig(metric="shortfall_bps")}, "is of Execution-v0"),
        (
            {"env": "Execution-v0", "validation": BookValidationConfig(metric="sharpe_ratio")},
            "validation.metric must be reward, shortfall_bps or fees in Execution-v0",
        ),
        ({"data": ("nope.gz",)}, "there is no 'nope.gz'"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_a_folder_is_made(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=words):
        train(small_on_book(tmp_path, **changes))
    assert list(tmp_path.iterdir()) == []


def test_a_run_on_candles_names_the_config_of_books() -> None:
    with pytest.raises(ConfigError, match=r"over books\. Likely fix: TrainBookConfig"):
        load_ranges(TrainConfig(env="seq_gym/MarketMaking-v0"))


@pytest.mark.parametrize(("env", "kinds"), BOOK_ACTIONS.items())
def test_the_table_of_actions_is_that_of_the_environments(env: str, kinds: Any) -> None:
    data = synthetic_books(("BTCUSDT",), ("synthetic",), seconds=20.0, seed=1)
    arguments: dict[str, Any] = {"data": data, "features": SHORT, "episode_steps": 5}
    for number, (action, space) in enumerate(kinds.items()):
        chosen = {} if number == 0 else {"action": action}
        made = make_vec(f"seq_gym/{env}", 1, **arguments, **chosen)
        assert made.unwrapped.settings.action == action  # type: ignore[attr-defined]
        assert type(made.unwrapped.single_action_space).__name__ == space
    with pytest.raises(ConfigError) as told:
        make_vec(f"seq_gym/{env}", 1, **arguments, action="none of these")
    choices = str(told.value).partition("Choose from: ")[2].rstrip(".").split(", ")
    assert sorted(choices) == sorted(kinds)
