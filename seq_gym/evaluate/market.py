"""The data of a run and the windows that all its agents trade."""

from __future__ import annotations

from seq_gym.errors import ConfigError
from seq_gym.evaluate.settings import EvaluateConfig, RunChoice
from seq_gym.market import CandleSeries, Window, random_windows, sequential_windows
from seq_gym.runs import market

__all__ = ["choose_windows", "first_cursor", "load_market"]


RANDOM_EPISODES = 10
EPISODE_STEPS = 1_440
WARM_UP = 256


def load_market(config: EvaluateConfig) -> CandleSeries:
    """Return the candles of a run; without data, the synthetic market of its seed.

    Raises:
        ConfigError: Symbols, times or files are not what they must be.
        MarketDataError: The data breaks a rule; the message names file, row and time.
    """
    return market.load_market(config, config.seed)


def first_cursor(config: EvaluateConfig, num_candles: int, needed: int) -> int:
    """Return the cursor from which windows may begin.

    Args:
        config: The run.
        num_candles: Candles of the data.
        needed: What the observations of the policies need before an episode; 0 without policies.

    Raises:
        ConfigError: `warm_up` is shorter than what the observations need.
    """
    if config.warm_up is None:
        return max(min(WARM_UP, num_candles // 10), needed)
    if config.warm_up < needed:
        raise ConfigError(
            f"warm_up must be at least the {needed} candles that observations need; was "
            f"{config.warm_up}. Likely fix: leave it out."
        )
    return config.warm_up


def choose_windows(config: RunChoice, first: int, last: int) -> list[Window]:
    """Return the windows of a run in time order, a whole number of steps each.

    Args:
        config: The run.
        first: First cursor allowed.
        last: Last cursor allowed.

    Raises:
        ConfigError: So many do not fit; the message says how many do.
    """
    per_step = config.cursors_per_step
    room = max(last - first, 0) // per_step
    if room < 1:
        unit = config.cursors
        raise ConfigError(
            f"The data must hold at least one step after a warm-up of {first} {unit}; was "
            f"{last} {unit}. Likely fix: more data, or a smaller warm_up."
        )
    if config.window == "full":
        return [Window(first, first + room * per_step)]
    if config.window == "sequential":
        steps = config.episode_steps or min(EPISODE_STEPS, max(room // (config.episodes or 1), 1))
        windows = sequential_windows(first, last, steps * per_step)
        wanted = len(windows) if config.episodes is None else config.episodes
        if wanted > len(windows):
            raise _too_many(wanted, len(windows), steps)
        return windows[:wanted]
    return _random(config, first, last, room)


def _random(config: RunChoice, first: int, last: int, room: int) -> list[Window]:
    per_step = config.cursors_per_step
    count = config.episodes
    if config.episode_steps is None:
        count = count or min(RANDOM_EPISODES, room)
        if count > room:
            raise _too_many(count, room, 1)
        steps = min(EPISODE_STEPS, room // count)
    else:
        steps = config.episode_steps
        fit = (last - first) // (steps * per_step)
        count = count or max(min(RANDOM_EPISODES, fit), 1)
        if count > fit:
            raise _too_many(count, fit, steps)
    return random_windows(first, last, steps * per_step, count, config.seed)


def _too_many(wanted: int, fit: int, steps: int) -> ConfigError:
    return ConfigError(
        f"episodes must be from 1 to {fit}, the disjoint windows of {steps} steps that fit the "
        f"data; was {wanted}. Likely fix: fewer episodes, fewer episode_steps, or more data."
        if fit
        else f"episode_steps must fit the data; was {steps}. Likely fix: fewer, or more data."
    )
