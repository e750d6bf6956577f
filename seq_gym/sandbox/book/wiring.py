"""Joins market to engine: the batch of accounts of a session or an environment, physics and all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.book.batch import BookBatch
from seq_gym.engine.book.scores import latency_scale, scored, toxicity
from seq_gym.engine.book.tape import BookTape
from seq_gym.market.book.events import BookData, BookEvents
from seq_gym.sandbox.book.instruments import book_instruments
from seq_gym.sandbox.book.params import BookParams, book_params
from seq_gym.sandbox.book.tape import Funding, book_tape

__all__ = ["book_batch", "lane_tape", "session_sizes"]

_EVENTS = 16_384
"""The event ring: a quarter of it is what one instant may write."""
_HOLES = 1_024
"""Levels of a lane that may be emptied at one time, more than one arrival can empty (F2)."""
_KEPT = 16
"""Score arrays kept, each with its tape: a book opened again is not measured again."""

# Measured once for a tape, which is hashed by identity and stays alive in the cache.
_toxicity = lru_cache(maxsize=_KEPT)(toxicity)


@lru_cache(maxsize=_KEPT)
def _latency_scale(
    tape: BookTape, beta: float, low: float, high: float, window_s: int
) -> NDArray[np.float32]:
    return latency_scale(tape, beta=beta, low=low, high=high, window_s=window_s)


def lane_tape(params: BookParams, events: BookEvents, funding: Funding | None = None) -> BookTape:
    """Return the tape of a recording with what the realism models that are on read of it.

    Args:
        params: The physics.
        events: One (venue, symbol).
        funding: Stamps and rates of a perpetual, by time.

    Returns:
        `book_tape`'s own where no model reads it; else one that shares its memory (Z1, L2).
    """
    tape = book_tape(events, funding)
    if not (params.adverse_selection or params.volatility_latency):
        return tape
    factor = None
    if params.volatility_latency:
        terms = (params.volatility_beta, *params.volatility_bounds, params.volatility_window_s)
        factor = _latency_scale(tape, *terms)
    return scored(
        tape,
        latency_scale=factor,
        toxicity=_toxicity(tape) if params.adverse_selection else None,
    )


def book_batch(
    params: BookParams,
    data: BookData,
    *,
    funding: Sequence[Funding | None] | None = None,
    num_envs: int = 1,
    **sizes: Any,
) -> BookBatch:
    """Make the tables of N accounts over recorded books, ready to be opened by `reset`.

    Tapes and what realism reads of them are prepared once per recording and shared.

    Args:
        params: The physics.
        data: The books, one lane each.
        funding: Of each lane stamps (int64 UNIX nanoseconds) and rates (float64), or None.
        num_envs: Accounts.
        **sizes: Other arguments of BookBatch: order_slots, event_capacity, record_all, ...

    Returns:
        The batch, which keeps alive whatever it points to; `tapes` are those of its lanes.

    Raises:
        ConfigError: The symbols have several quote currencies, or mix linear and inverse contracts.
    """
    rates = [None] * len(data.books) if funding is None else funding
    tapes = [lane_tape(params, *pair) for pair in zip(data.books, rates, strict=True)]
    instruments, alive = book_instruments(params, data)
    return BookBatch(
        tapes, instruments, book_params(params), num_envs=num_envs, keep=alive, **sizes
    )


def session_sizes(params: BookParams) -> dict[str, int]:
    """Return how large the engine's tables are for an account of so many orders."""
    orders = 1 << max(params.max_orders - 1, 63).bit_length()
    return {
        "order_slots": orders,
        "report_slots": 16 * orders,
        "event_capacity": max(_EVENTS, 64 * orders),
        "hole_slots": _HOLES,
    }
