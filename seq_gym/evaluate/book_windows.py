"""Which stretches of recorded books the agents of an evaluation trade."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from seq_gym.errors import ConfigError
from seq_gym.evaluate.market import choose_windows
from seq_gym.evaluate.settings import EvaluateBookConfig
from seq_gym.market import Window
from seq_gym.times import NS_PER_S, format_time, parse_interval

__all__ = ["choose_book_windows"]

WARM_UP_NS: Final = 60 * NS_PER_S

Times = NDArray[np.int64]


def choose_book_windows(config: EvaluateBookConfig, times: Times, needed_ns: int) -> list[Window]:
    """Return the windows of a run in time order, in places of `times`.

    Args:
        config: The run.
        times: When agents may decide.
        needed_ns: The first instant at which the observations of the policies are full.

    Raises:
        ConfigError: `warm_up` is shorter than observations need, or so many windows do not fit.
    """
    began = int(times[0])
    if config.warm_up is None:
        least = min(WARM_UP_NS, (int(times[-1]) - began) // 10)
        ready = max(began + least, needed_ns)
    else:
        ready = began + parse_interval(config.warm_up)
        if ready < needed_ns:
            raise ConfigError(
                f"warm_up must reach {format_time(needed_ns)}, when observations are full; was "
                f"{config.warm_up} from {format_time(began)}. Likely fix: leave it out."
            )
    return choose_windows(config, int(np.searchsorted(times, ready)), len(times) - 1)
