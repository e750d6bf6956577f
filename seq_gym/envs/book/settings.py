"""What an environment over a book is told: the one place where shared arguments are read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.book.features_table import BOOK_FEATURES, book_feature_names
from seq_gym.envs.book.grid import BookGrid, build_grid
from seq_gym.envs.book.physics import read_physics
from seq_gym.envs.book.rewards import parse_book_reward
from seq_gym.envs.book.task import BookMarket, BookTask, TaskSetup
from seq_gym.envs.numbers import check_choice, check_number, check_whole, is_whole, read_interval
from seq_gym.envs.rewards import RewardSpec
from seq_gym.envs.windows import EXPLICIT, FULL, RANDOM, SEQUENTIAL
from seq_gym.errors import ConfigError, UnknownName
from seq_gym.market.book.events import BookData, BookEvents, read_names
from seq_gym.market.book.load import load_book
from seq_gym.market.store import store_of
from seq_gym.sandbox.book.funding import book_funding
from seq_gym.sandbox.book.instruments import book_instruments
from seq_gym.sandbox.book.params import BookParams
from seq_gym.sandbox.book.wiring import lane_tape
from seq_gym.sandbox.params import refuse_flag
from seq_gym.times import NS_PER_S, format_time, parse_time

__all__ = ["BookEnvSettings", "make_book_settings", "read_features"]

BookObservation = Literal["flat", "dict"]

DEFAULT_STEPS: Final = 1_000
WINDOWS: Final = {"random": RANDOM, "sequential": SEQUENTIAL, "full": FULL}
_WARM_UP: Final = 2.0
"""Look-backs of data that are read before `start`, so that moving averages have settled."""
_MANY_SLOTS: Final = 4_096
_DECIDE_EVERY: Final = "100ms"


@dataclass(frozen=True, eq=False, kw_only=True)
class BookEnvSettings:
    """Everything an environment over a book is, resolved."""

    task: BookTask
    setup: TaskSetup
    market: BookMarket
    reward: RewardSpec
    reward_terms: bool
    action: str
    every_ns: int
    every_events: int
    observation: BookObservation
    look_back: int
    window: int
    starts: NDArray[np.int64]
    first_start: int
    last_start: int
    last_cursor: int
    episode_steps: int
    fill_horizon_s: float
    inventory_aversion: float
    turnover_cost_frac: float
    ring_slots: int

    @property
    def params(self) -> BookParams:
        """The physics."""
        return self.market.params

    @property
    def grid(self) -> BookGrid:
        """Decision times and features."""
        return self.market.grid

    @property
    def longest(self) -> int:
        """Steps of the longest episode."""
        room = self.last_cursor - self.first_start
        return min(self.episode_steps, room) if self.episode_steps else room


@lru_cache(maxsize=4)
def _synthetic(symbols: tuple[str, ...], venues: tuple[str, ...]) -> BookData:
    """Return the seeded book that stands in for data; the same object each time."""
    return load_book(None, symbols=symbols or None, venues=venues or None)


def _time(name: str, value: Any, *, end: bool = False) -> int:
    """Read an argument that is a time."""
    try:
        return parse_time(value, end=end)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None


def _load(values: Mapping[str, Any], look_back_s: float) -> BookData:
    """Read the data, with what precedes `start` as far as features need it."""
    data = values["data"]
    symbols = read_names("symbols", values["symbols"])
    venues = read_names("venue", values["venue"])
    if data is None:
        return _synthetic(tuple(symbols or ()), tuple(venues or ()))
    bounds: dict[str, Any] = {}
    in_memory = isinstance(data, BookData | BookEvents)
    if not in_memory and values["start"] is not None:
        bounds["start"] = parse_time(values["start"]) - round(look_back_s * NS_PER_S)
    if not in_memory and values["end"] is not None:
        bounds["end"] = parse_time(values["end"], end=True) + 1
    return load_book(data, symbols=symbols or None, venues=venues or None, **bounds)


def _one_book(found: BookData, name: str) -> BookData:
    if len(found.books) != 1:
        names = ", ".join(f"{book.symbol} at {book.venue}" for book in found.books)
        raise ConfigError(
            f"{name} trades one book; the data has {names}. Choose one with symbols="
            f"{found.symbols[0]!r} and venue={found.venues[0]!r}."
        )
    return found


def _interval(values: Mapping[str, Any]) -> tuple[int, int]:
    """Return nanoseconds between decisions, or else events."""
    every, events = values["decide_every"], values["decide_every_events"]
    if events is None:
        return read_interval("decide_every", _DECIDE_EVERY if every is None else every), 0
    check_whole("decide_every_events", events)
    if every is not None:
        raise ConfigError(
            f"decide_every must be left out with decide_every_events={events}, which decides by "
            f"events; was {every!r}. Likely fix: give one of them."
        )
    return 0, int(events)


def read_features(features: Any) -> tuple[str, ...]:
    """Read the argument `features`: single names.

    Raises:
        UnknownName: There is no such feature.
        ConfigError: It is no set, name, or list of these.
    """
    if not isinstance(features, Iterable):
        raise ConfigError(
            f"features must be a set, a name or a list of these; was {features!r}. Likely fix: "
            "'default'."
        )
    return book_feature_names(features if isinstance(features, str) else tuple(features))


def _market(values: Mapping[str, Any], params: BookParams, task: BookTask) -> BookMarket:
    """Load the book, prepare its tape, measure its features."""
    names = read_features(values["features"])
    every_ns, every_events = _interval(values)
    needed = max(BOOK_FEATURES[name].look_back_s for name in names)
    seconds = _WARM_UP * needed + values["look_back"] * every_ns / NS_PER_S
    data = _one_book(_load(values, seconds), task.name)
    (rates,) = book_funding(data, values["funding"], store_of(values["data"]))
    tape = lane_tape(params, data.books[0], rates)
    instruments, alive = book_instruments(params, data)
    grid = build_grid(tape, instruments[0], names, every_ns=every_ns, every_events=every_events)
    return BookMarket(
        data=data,
        params=params,
        tape=tape,
        instruments=instruments,
        alive=alive,
        grid=grid,
        first_mid=_mid_at(tape, instruments[0], int(grid.times[0])),
    )


def _mid_at(tape: Any, instrument: Any, time_ns: int) -> float:
    """Return the last mid known at a time; features are known, so there is one."""
    rows = tape.local_rows
    last = int(np.searchsorted(rows["ts"], time_ns - int(instrument["feed_ns"]), side="right"))
    sides = rows[:last]
    both = np.flatnonzero((sides["bid"] > -(1 << 31)) & (sides["ask"] < (1 << 31) - 1))
    row = sides[both[-1]]
    step = float(instrument["tick_mul"]) / float(instrument["tick_div"])
    return 0.5 * (int(row["bid"]) + int(row["ask"])) * step


def _cursor(grid: BookGrid, start: Any) -> int:
    """Read a start given as a cursor or as a time."""
    if is_whole(start) and 0 <= start < len(grid.times):
        return int(start)
    time, first, last = _time("A start", start), int(grid.times[0]), int(grid.times[-1])
    if not first <= time <= last:
        raise ConfigError(
            f"A start must be a cursor below {len(grid.times)} or a time from {format_time(first)} "
            f"to {format_time(last)}; was {start!r}."
        )
    return grid.cursor_at(time)


def _range(values: Mapping[str, Any], grid: BookGrid) -> tuple[int, int]:
    """Return the first cursor where an episode may start, and the last it may reach (E3)."""
    first = values["look_back"] - 1
    if values["start"] is not None:
        first = max(first, grid.cursor_at(parse_time(values["start"])))
    last = len(grid.times) - 1
    if values["end"] is not None:
        end = parse_time(values["end"], end=True)
        last = min(last, int(np.searchsorted(grid.times, end, side="right")) - 1)
    if first >= last:
        raise ConfigError(
            f"The data must leave at least one decision after a full look-back; features are full "
            f"at {format_time(int(grid.times[0]))}, the last decision is at "
            f"{format_time(int(grid.times[max(last, 0)]))}. Use more data or a shorter look_back."
        )
    return first, last


def _windows(
    values: Mapping[str, Any], first: int, last: int, grid: BookGrid
) -> tuple[int, NDArray[np.int64], int, int]:
    """Return (window kind, explicit starts, last start, steps per episode)."""
    window, steps = values["window"], values["episode_steps"]
    none = np.zeros(0, np.int64)
    if not isinstance(window, str):
        if not isinstance(window, Iterable) or isinstance(window, Mapping):
            raise ConfigError(
                f"window must be {', '.join(WINDOWS)} or a list of starts; was {window!r}."
            )
        starts = np.array([_cursor(grid, start) for start in window], np.int64)
        if not len(starts) or starts.min() < first or starts.max() >= last:
            raise ConfigError(
                f"window, a list of starts, must lie at cursors {first} to {last - 1}; was "
                f"{starts.tolist()}."
            )
        return EXPLICIT, starts, last - 1, steps or 0
    if window not in WINDOWS:
        raise UnknownName("window", window, tuple(WINDOWS))
    if window == "full":
        if steps is not None:
            raise ConfigError(
                f"episode_steps must be left out with window='full', whose episodes are the whole "
                f"range; was {steps}. Likely fix: leave it out, or window='sequential'."
            )
        return FULL, none, first, 0
    steps = steps or min(DEFAULT_STEPS, last - first)
    if steps > last - first:
        raise ConfigError(
            f"episode_steps must fit in the {last - first} decisions that the range offers; was "
            f"{steps}. Use fewer steps or more data."
        )
    return WINDOWS[window], none, last - steps, steps


def _check(values: Mapping[str, Any]) -> None:
    check_whole("look_back", values["look_back"])
    if values["episode_steps"] is not None:
        check_whole("episode_steps", values["episode_steps"])
    for name in ("inventory_aversion", "turnover_cost_frac"):
        check_number(name, values[name], "at least 0", lambda x: 0.0 <= x < math.inf)
    check_choice("observation kind", values["observation"], get_args(BookObservation))
    refuse_flag("reward_terms", values["reward_terms"])
    if not isinstance(values["action"], str):
        raise ConfigError(f"action must be the name of a kind; was {values['action']!r}.")
    _check_times(values)


def _check_times(values: Mapping[str, Any]) -> None:
    bounds = {"start": False, "end": True}
    times = {
        name: _time(name, values[name], end=end)
        for name, end in bounds.items()
        if values[name] is not None
    }
    if len(times) == len(bounds) and times["end"] <= times["start"]:
        raise ConfigError(
            f"end must be after start; were end={values['end']!r} and start={values['start']!r}."
        )


def _ring_slots(market: BookMarket, least: int) -> int:
    """Return how many messages in flight an env keeps: what latency lets add up, four times."""
    ins, times = market.instruments[0], market.grid.times
    slowest = (float(ins.entry_ns) + float(ins.response_ns)) * math.exp(
        3.0 * max(float(ins.entry_sigma), float(ins.response_sigma))
    )
    interval = max(float(np.median(np.diff(times))), 1.0)
    messages = (
        4.0 * min(market.params.max_actions, market.params.max_orders) * (slowest / interval + 1.0)
    )
    slots = least
    while slots < messages and slots < _MANY_SLOTS:
        slots *= 2
    return slots


def make_book_settings(
    task: BookTask, values: Mapping[str, Any], physics: Mapping[str, Any]
) -> BookEnvSettings:
    """Resolve the arguments of an environment over a book.

    Args:
        task: What it is.
        values: The environment's own arguments by name.
        physics: The other keyword arguments: fields of BookParams.

    Raises:
        UnknownName: An argument or choice does not exist.
        ConfigError: A value breaks its rule, or the data is too short.
        MarketDataError: The data is at fault.
    """
    params = read_physics(physics, task.defaults, tuple(values))
    _check(values)
    market = _market(values, params, task)
    first, last = _range(values, market.grid)
    window, starts, last_start, steps = _windows(values, first, last, market.grid)
    horizon = values["fill_horizon"]
    setup = task.setup(values, market)
    every_ns, every_events = _interval(values)
    return BookEnvSettings(
        task=task,
        setup=setup,
        market=market,
        reward=parse_book_reward(values["reward"], task.terms),
        reward_terms=bool(values["reward_terms"]),
        action=values["action"],
        every_ns=every_ns,
        every_events=every_events,
        observation=values["observation"],
        look_back=values["look_back"],
        window=window,
        starts=starts,
        first_start=first,
        last_start=last_start,
        last_cursor=last,
        episode_steps=steps,
        fill_horizon_s=0.0
        if horizon is None
        else read_interval("fill_horizon", horizon) / NS_PER_S,
        inventory_aversion=float(values["inventory_aversion"]),
        turnover_cost_frac=float(values["turnover_cost_frac"]),
        ring_slots=_ring_slots(market, setup.report_slots),
    )
