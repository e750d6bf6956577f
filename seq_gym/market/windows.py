"""Which stretch of the data an episode replays: splits, random and sequential windows.

A window ``(start, end)`` is a pair of cursors. An episode in it begins at cursor ``start``, where
candles 0 to ``start - 1`` are known, and steps through the candles from ``start`` to ``end - 1``.
With a look-back of k it reads candles from ``start - k`` on.

Source: spec E2, E3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seq_gym.errors import ConfigError

__all__ = ["Splits", "Window", "random_windows", "sequential_windows", "split_range"]


class Window(NamedTuple):
    """A stretch of cursors."""

    start: int
    """Cursor at which an episode may begin."""
    end: int
    """Cursor at which it ends at the latest."""

    @property
    def num_steps(self) -> int:
        """Candles from start to end."""
        return self.end - self.start


class Splits(NamedTuple):
    """Ranges of cursors that share no candle, in time order; one of fraction 0 is empty."""

    train: Window
    validation: Window
    test: Window


def split_range(
    num_candles: int,
    fractions: Sequence[float] = (0.7, 0.15, 0.15),
    *,
    embargo: int,
    look_back: int = 0,
) -> Splits:
    """Split data into train, validation and test ranges with an embargo before each.

    The embargo before the first range is its warm-up. A look-back reaches into the embargo before
    its range, never into another range.

    Args:
        num_candles: Candles of the data.
        fractions: Shares of train, validation and test in what the embargoes leave; they sum to 1.
        embargo: Candles before each range, at least the look-back.
        look_back: Candles that an observation reads.

    Raises:
        ConfigError: A fraction is negative, they do not sum to 1, the embargo is shorter than the
            look-back, or a range would be empty.

    Source: E2.

    >>> split_range(110, (0.5, 0.25, 0.25), embargo=10).test
    Window(start=90, end=110)
    """
    if len(fractions) != 3 or min(fractions) < 0 or not math.isclose(sum(fractions), 1):
        raise ConfigError(
            "fractions must be three shares >= 0 of train, validation and test that sum to 1; was "
            f"{tuple(fractions)}."
        )
    if embargo < max(look_back, 0):
        raise ConfigError(
            f"embargo must be >= the look-back {look_back}; was {embargo}. A shorter one lets one "
            "split read another."
        )
    usable = num_candles - embargo * sum(share > 0 for share in fractions)
    edges = [round(usable * share) for share in np.cumsum([0.0, *fractions])]
    windows = []
    end = 0
    for share, size in zip(fractions, np.diff(edges), strict=True):
        start = end + embargo if share > 0 else end
        end = start + int(size)
        if share > 0 and end <= start:
            raise ConfigError(
                f"Every split must hold a candle; {num_candles} candles leave {max(usable, 0)} "
                f"after the embargoes of {embargo}, and a share of {share:g} of them is none."
            )
        windows.append(Window(start, end))
    return Splits(*windows)


def random_windows(
    first: int, last: int, length: int, count: int, seed: int, *, stream: int = 0
) -> list[Window]:
    """Place disjoint windows at random; every placement is equally likely.

    Args:
        first: First cursor allowed, at least the look-back.
        last: Last cursor allowed.
        length: Candles of a window.
        count: Number of windows.
        seed: From 0 to 2^64 - 1; the same arguments give the same windows.
        stream: Another set of windows under the same seed.

    Returns:
        Windows in time order.

    Raises:
        ConfigError: So many do not fit; the message says how many do.

    Source: E2.
    """
    _check_length(first, last, length)
    fit = (last - first) // length
    if not 0 < count <= fit:
        raise ConfigError(
            f"count must be from 1 to {fit}, the disjoint windows of {length} candles that fit "
            f"between cursors {first} and {last}; was {count}. Shorten them or bring more data."
        )
    slack = last - first - count * length
    generator = np.random.Generator(np.random.Philox(key=np.array([seed, stream], dtype=np.uint64)))
    # Choose which of (slack + count) places are windows; the others are single free candles.
    places = np.sort(generator.choice(slack + count, size=count, replace=False))
    starts = first + places + np.arange(count) * (length - 1)
    return [Window(int(start), int(start) + length) for start in starts]


def sequential_windows(first: int, last: int, length: int) -> list[Window]:
    """Cut a range into windows side by side; what is left at the end is not used.

    Args:
        first: First cursor allowed, at least the look-back.
        last: Last cursor allowed.
        length: Candles of a window.

    Raises:
        ConfigError: Not even one fits.

    Source: E2.

    >>> sequential_windows(10, 35, 10)
    [Window(start=10, end=20), Window(start=20, end=30)]
    """
    _check_length(first, last, length)
    return [Window(start, start + length) for start in range(first, last - length + 1, length)]


def _check_length(first: int, last: int, length: int) -> None:
    if first < 0 or not 0 < length <= last - first:
        raise ConfigError(
            f"A window must hold from 1 to {max(last - first, 0)} candles, what lies between "
            f"cursors {first} and {last}; was {length}."
        )
