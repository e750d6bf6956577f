"""What an environment is told: the one place where its arguments are read and checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from seq_gym.envs.actions import ACTION_KINDS, ActionKind
from seq_gym.envs.features import FeatureMatrix, build_features
from seq_gym.envs.kernel import DISABLED, NEXT_STEP, SAME_STEP
from seq_gym.envs.numbers import check_number, check_whole, read_numbers
from seq_gym.envs.observations import MOST_INDEXED, ObservationKind, ObservedWindow
from seq_gym.envs.randomize import Randomization, parse_randomize
from seq_gym.envs.rewards import Reward, RewardSpec, parse_reward
from seq_gym.envs.scaling import check_scaling, scale_features
from seq_gym.envs.timeframes import Timeframe, parse_timeframes
from seq_gym.envs.windows import EXPLICIT, FULL, RANDOM, SEQUENTIAL
from seq_gym.errors import ConfigError, UnknownName
from seq_gym.market import CandleSeries, load_candles, synthetic_candles
from seq_gym.market.store import load_until, store_of
from seq_gym.sandbox.params import SandboxParams, refuse_mixed_quotes
from seq_gym.times import TimeLike, format_time, parse_time

__all__ = ["AUTORESET", "EnvSettings", "make_settings", "series_of"]

AUTORESET = {"same_step": SAME_STEP, "next_step": NEXT_STEP, "disabled": DISABLED}
WINDOWS = {"random": RANDOM, "sequential": SEQUENTIAL, "full": FULL}

ENV_DEFAULTS = {"execution": "next_open", "liquidate_on_complete": False}
"""Where an environment differs from a Session: orders meet the next open (O3), and an artificial
truncation forces no sale (M7)."""

SYNTHETIC_SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT")

DEFAULT_LADDER = (0.0, 0.25, 0.5, 0.75, 1.0)
DEFAULT_LADDER_MARGIN = (-1.0, -0.5, 0.0, 0.5, 1.0)
DEFAULT_SIZES = (0.25, 0.5, 1.0)
DEFAULT_OFFSETS_BPS = (5.0, 10.0, 25.0, 50.0, 100.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvSettings:
    """Everything an environment is, resolved: data, windows, spaces, reward, physics."""

    series: CandleSeries
    params: SandboxParams
    matrix: FeatureMatrix
    timeframes: tuple[Timeframe, ...]
    feature_scaling: Mapping[str, Any] | None
    full_at: NDArray[np.int64]
    reward: RewardSpec
    action: ActionKind
    observation: ObservationKind
    look_back: int
    window: int
    starts: NDArray[np.int64]
    first_start: int
    last_start: int
    last_cursor: int
    episode_candles: int
    candles_per_step: int
    levels: tuple[float, ...]
    offsets_bps: tuple[float, ...]
    buy_fraction: float
    deadband: float
    leverage: float
    eta: float
    turnover_cost_frac: float
    holding_cost_frac: float
    reward_terms: bool
    randomize: Randomization | None

    @property
    def windows(self) -> tuple[ObservedWindow, ...]:
        """What an observation shows of the market: the window, then the timeframes' own.

        An index observation shows where they lie; a policy gathers them by these.
        """
        longer = [
            ObservedWindow(
                f"window_{each.name}", each.matrix, each.look_back, each.offset, each.multiple
            )
            for each in self.timeframes
        ]
        return (ObservedWindow("window", self.matrix, self.look_back), *longer)


def series_of(
    data: Any,
    symbols: Sequence[str] | str | None,
    interval: str | None,
    num_default: int,
    end: TimeLike | None = None,
) -> CandleSeries:
    """Return the candles of an environment; without data, the seeded synthetic market.

    What precedes the start is loaded too: features and look-backs read it. Of a store, nothing is
    that lies well after the end.
    """
    names = [symbols] if isinstance(symbols, str) else symbols
    if data is None:
        chosen = tuple(names) if names else SYNTHETIC_SYMBOLS[:num_default]
        return synthetic_candles(chosen, interval or "1m", num_candles=43_200)
    store = store_of(data)
    if store is not None:
        return load_until(store, symbols=names, interval=interval, end=end)
    return load_candles(data, symbols=names, interval=interval)


def _split_arguments(arguments: Mapping[str, Any], own: Sequence[str]) -> SandboxParams:
    """Read the arguments that are fields of SandboxParams; refuse what is no argument at all."""
    known = tuple(field.name for field in fields(SandboxParams))
    for name in arguments:
        if name not in known:
            raise UnknownName("argument", name, (*own, *known))
    return SandboxParams(**{**ENV_DEFAULTS, **arguments})


def _check_numbers(values: Mapping[str, Any], params: SandboxParams) -> None:
    """Check the plain numbers of an environment."""
    for name in ("look_back", "candles_per_step"):
        check_whole(name, values[name])
    if values["episode_steps"] is not None:
        check_whole("episode_steps", values["episode_steps"])
    most = params.max_leverage if params.account == "margin" else 1.0
    bounds = f"above 0, up to {most:g} for a {params.account} account"
    check_number("leverage", values["leverage"], bounds, lambda x: 0.0 < x <= most)
    check_number(
        "buy_fraction", values["buy_fraction"], "above 0, up to 1", lambda x: 0.0 < x <= 1.0
    )
    check_number("deadband", values["deadband"], "from 0 to 1", lambda x: 0.0 <= x <= 1.0)
    check_number("eta", values["eta"], "above 0, below 1", lambda x: 0.0 < x < 1.0)
    for name in ("turnover_cost_frac", "holding_cost_frac"):
        check_number(name, values[name], "at least 0", lambda x: 0.0 <= x < math.inf)


def _check_index(observation: str, series: CandleSeries) -> None:
    """Refuse an index that float32 would round to another candle's."""
    if observation == "index" and series.num_candles > MOST_INDEXED:
        raise ConfigError(
            f"observation='index' must have at most {MOST_INDEXED:,} candles, which float32 can "
            f"tell apart; the data has {series.num_candles:,}. Use a longer interval, or load less."
        )


def _features(
    values: Mapping[str, Any], series: CandleSeries
) -> tuple[FeatureMatrix, tuple[Timeframe, ...]]:
    """Return the features of the window and the timeframes, scaled where that is asked for."""
    matrix = build_features(series, values["features"])
    timeframes = parse_timeframes(values["timeframes"], series)
    scaling = check_scaling(values["feature_scaling"], [each.name for each in timeframes])
    if "" in scaling:
        matrix = scale_features(matrix, scaling[""])
    scaled = {
        each.name: scale_features(each.matrix, scaling[each.name], each.name)
        for each in timeframes
        if each.name in scaling
    }
    return matrix, tuple(
        replace(each, matrix=scaled.get(each.name, each.matrix)) for each in timeframes
    )


def _full_at(
    matrix: FeatureMatrix, look_back: int, timeframes: Sequence[Timeframe]
) -> dict[str, NDArray[np.int64]]:
    """Return the first cursor at which each look-back is full: int64 [S] by its name in messages.

    A look-back is full when its oldest row is defined (E3).
    """
    full = {"the look-back": np.asarray(matrix.ready, np.int64) + look_back - 1}
    for each in timeframes:
        name = f"the look-back of timeframe {each.name!r} ({each.look_back} finished candles after"
        full[f"{name} a warm-up of {each.matrix.warmup})"] = each.full_at
    return full


def _range(
    series: CandleSeries, full: Mapping[str, NDArray[np.int64]], values: Mapping[str, Any]
) -> tuple[int, int]:
    """Return the first cursor where an episode may start, and the last it may reach."""
    # A symbol that is never ready waits for the others.
    by_symbol = np.max(list(full.values()), axis=0)
    s = int(np.argmin(by_symbol))
    slowest = max(full, key=lambda name: int(full[name][s]))
    first = ready = int(by_symbol[s])
    if values["start"] is not None:
        row = series.row_at(values["start"])
        # Between two closes the next one is the first at which an episode may start.
        first = max(first, row + (series.time_of(row) < parse_time(values["start"])))
    last = series.num_candles
    if values["end"] is not None:
        end = series.select(end=values["end"]).num_candles
        last = min(last, end)
    if first >= last:
        is_late = ready > series.num_candles
        when = "never full" if is_late else f"full at {format_time(series.time_of(first))}"
        raise ConfigError(
            f"The data must leave at least one candle after a full look-back; {slowest} is "
            f"{when}, the data or range ends at {format_time(series.time_of(last))}. Use more data "
            f"or a shorter look_back."
        )
    return first, last


def _windows(values: Mapping[str, Any], first: int, last: int, series: CandleSeries) -> Any:
    """Return (window kind, explicit starts, last start, candles per episode)."""
    window, steps = values["window"], values["episode_steps"]
    candles = 0 if steps is None else steps * values["candles_per_step"]
    if not isinstance(window, str):
        if not isinstance(window, (Sequence, np.ndarray)):
            raise ConfigError(
                f"window must be {', '.join(WINDOWS)} or a list of starts; was {window!r}."
            )
        starts = np.array([_cursor(series, start) for start in window], np.int64)
        if not len(starts) or starts.min() < first or starts.max() >= last:
            raise ConfigError(
                f"Explicit window starts must lie at cursors {first} to {last - 1}; were "
                f"{starts.tolist()}."
            )
        return EXPLICIT, starts, last - 1, candles
    if window not in WINDOWS:
        raise UnknownName("window", window, tuple(WINDOWS))
    if window == "full":
        if steps is not None:
            raise ConfigError(
                f"episode_steps must be left out with window='full', whose episodes are the whole "
                f"range; was {steps}. Likely fix: leave it out, or window='sequential'."
            )
        return FULL, np.zeros(0, np.int64), first, 0
    candles = candles or min(DEFAULT_EPISODE_CANDLES * values["candles_per_step"], last - first)
    if candles > last - first:
        raise ConfigError(
            f"episode_steps must fit in the {last - first} candles that the range offers; was "
            f"{steps} of {values['candles_per_step']} candles. Use fewer steps or more data."
        )
    return WINDOWS[window], np.zeros(0, np.int64), last - candles, candles


DEFAULT_EPISODE_CANDLES = 1_000


def _cursor(series: CandleSeries, start: Any) -> int:
    """Read a start given as a cursor or as a time."""
    is_whole = isinstance(start, (int, np.integer)) and not isinstance(start, bool)
    if is_whole and 0 <= start <= series.num_candles:
        return int(start)
    return series.row_at(start)


def _levels(values: Mapping[str, Any], params: SandboxParams) -> tuple[float, ...]:
    """Return the targets of a ladder, or the sizes of orders."""
    if values["action"] == "order":
        rule = "fractions above 0, up to 1"
        return read_numbers(
            "order_sizes", values["order_sizes"], DEFAULT_SIZES, rule, lambda x: 0.0 < x <= 1.0
        )
    margin = params.account == "margin"
    default, low = (DEFAULT_LADDER_MARGIN, -1.0) if margin else (DEFAULT_LADDER, 0.0)
    rule = f"targets from {low:g} to 1"
    return read_numbers("levels", values["levels"], default, rule, lambda x: low <= x <= 1.0)


def make_settings(
    values: Mapping[str, Any], extra: Mapping[str, Any], num_default: int
) -> EnvSettings:
    """Resolve the arguments of an environment.

    Args:
        values: The environment's own arguments by name.
        extra: The other keyword arguments: fields of SandboxParams.
        num_default: Symbols of the synthetic market when no data is given.

    Raises:
        UnknownName: An argument or choice does not exist.
        ConfigError: A value breaks its rule, or the data is too short.
        MarketDataError: The data is at fault.
    """
    params = _split_arguments(extra, tuple(values))
    _check_numbers(values, params)
    if values["action"] not in ACTION_KINDS:
        raise UnknownName("action kind", values["action"], ACTION_KINDS)
    if values["observation"] not in get_args(ObservationKind):
        raise UnknownName("observation kind", values["observation"], get_args(ObservationKind))
    series = series_of(
        values["data"], values["symbols"], values["interval"], num_default, values["end"]
    )
    refuse_mixed_quotes(series)
    _check_index(values["observation"], series)
    matrix, timeframes = _features(values, series)
    full = _full_at(matrix, values["look_back"], timeframes)
    first, last = _range(series, full, values)
    window, starts, last_start, candles = _windows(values, first, last, series)
    rule = "distances above 0, below 10000"
    offsets = read_numbers(
        "offsets_bps",
        values["offsets_bps"],
        DEFAULT_OFFSETS_BPS,
        rule,
        lambda x: 0.0 < x < 10_000.0,
    )
    reward: str | Mapping[str, float] | Reward = values["reward"]
    return EnvSettings(
        series=series,
        params=params,
        matrix=matrix,
        timeframes=timeframes,
        feature_scaling=values["feature_scaling"],
        full_at=np.max(list(full.values()), axis=0),
        reward=parse_reward(reward),
        action=values["action"],
        observation=values["observation"],
        look_back=values["look_back"],
        window=window,
        starts=starts,
        first_start=first,
        last_start=last_start,
        last_cursor=last,
        episode_candles=candles,
        candles_per_step=values["candles_per_step"],
        levels=_levels(values, params),
        offsets_bps=offsets,
        buy_fraction=float(values["buy_fraction"]),
        deadband=float(values["deadband"]),
        leverage=float(values["leverage"]),
        eta=float(values["eta"]),
        turnover_cost_frac=float(values["turnover_cost_frac"]),
        holding_cost_frac=float(values["holding_cost_frac"]),
        reward_terms=bool(values["reward_terms"]),
        randomize=parse_randomize(values["randomize"], params, series),
    )
